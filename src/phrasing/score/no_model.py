"""No-model baselines: how often a rule that asks no model picks an acceptable step. What isn't above them has shown nothing.

``random``
    picks any of the function's steps, each as likely: the mean over cases of acceptable steps / steps.
``majority``
    always picks the step that is acceptable most often in the same cases. So it knows the labels, and flatters itself a little.
``bigram``
    looks at the type of the thread's last event and picks the step that was expected most often after it, in the cases of all
    *other* groups: a case never helps to predict its own conversation. A case's expected steps share a weight of 1. After a type
    that no other group has it is the step expected most often in the other groups. Ties go by name.
``words``
    looks at the words of the whole thread, and learns from all other groups too: ``bag_of_words`` says how. A run's record has
    no threads, so what this rule picks stands there; for older runs it isn't known.

Only expected steps that the function has count: functions over one dataset may have different ones. No rule picks several steps
at once, so all are wrong where a case wants several.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import lcm
from types import MappingProxyType

from phrasing.records import RunRecord
from phrasing.types import CaseNote

Weights = dict[str, int]
"""Steps with their weights."""


@dataclass(frozen=True)
class NoModel:
    """The intent score (0 to 1) of rules that ask no model; ``step`` is what ``majority`` always picks.

    ``words`` is ``None`` where it isn't known.
    """

    random: float
    majority: float
    bigram: float
    step: str
    words: float | None = None

    @property
    def shares(self) -> dict[str, float]:
        """The score of each rule that is known, by the rule's name."""
        known = {"random": self.random, "majority": self.majority, "bigram": self.bigram, "words": self.words}
        return {name: share for name, share in known.items() if share is not None}


RULES = ("random", "majority", "bigram", "words")
"""The names of the rules, in the order in which they are shown."""

NOTHING: Mapping[str, str] = MappingProxyType({})
"""No pick of ``words`` is known."""


def of_cases(
    cases: Mapping[str, CaseNote],
    steps: Collection[str],
    by_words: Mapping[str, str] = NOTHING,
    guessed: Mapping[str, str] | None = None,
) -> NoModel:
    """Score the rules on cases (by id) under a function with these steps. Raises ``ValueError`` without cases or steps.

    ``by_words`` is what ``words`` picks, by case; its score is that of these. ``guessed`` are the ``predictions`` for these cases
    and steps, where they were made already.
    """
    if not cases or not steps:
        raise ValueError(f"no-model baselines need cases and steps, got {len(cases)} and {len(steps)}")
    expected = _expected(cases, steps)
    counts = Counter(step for wanted in expected.values() for step in wanted)
    common, guessed = _most(counts), predictions(cases, steps) if guessed is None else guessed
    right = [by_words[name] in wanted for name, wanted in expected.items() if name in by_words]
    return NoModel(
        random=sum(map(len, expected.values())) / len(cases) / len(steps),
        majority=counts[common] / len(cases),
        bigram=sum(guessed[name] in wanted for name, wanted in expected.items()) / len(cases),
        step=common,
        words=sum(right) / len(right) if right else None,
    )


def predictions(cases: Mapping[str, CaseNote], steps: Collection[str]) -> dict[str, str]:
    """Say what ``bigram`` picks for each case; nothing (an empty text) where there is only one group."""
    total: defaultdict[str | None, Weights] = defaultdict(dict)  # expected steps by the type of the last event; None: by any
    own: defaultdict[tuple[str, str | None], Weights] = defaultdict(dict)  # the same within a group
    expected = _expected(cases, steps)
    sizes = set(map(len, expected.values())) - {0}
    one = lcm(*sizes)  # a case's weight, which its steps share without a rest: a tie is one
    for name, note in cases.items():
        for step in expected[name]:
            for last in (note.last, None):
                for weights in (total[last], own[note.group or name, last]):
                    weights[step] = weights.get(step, 0) + one // len(expected[name])
    found, known = {}, {}
    for name, note in cases.items():
        after, any_ = own[note.group or name, note.last], own[note.group or name, None]
        alike = note.last, *after.items(), None, *any_.items()  # groups that weigh the same make for the same pick
        if alike not in known:
            known[alike] = _most(_less(total[note.last], after)) or _most(_less(total[None], any_))
        found[name] = known[alike]
    return found


def _expected(cases: Mapping[str, CaseNote], steps: Collection[str]) -> dict[str, frozenset[str]]:
    """Give the expected steps of each case that the function has."""
    known = {expect: frozenset(expect).intersection(steps) for expect in {note.expect for note in cases.values()}}
    return {name: known[note.expect] if _one_will_do(note) else frozenset() for name, note in cases.items()}


def _one_will_do(note: CaseNote) -> bool:
    return note.together is None or len(note.labels) == 1


def of_run(record: RunRecord) -> dict[tuple[str, str], NoModel]:
    """Give the no-model baselines of the cases that a run asked, by dataset and function."""
    if record.loops:  # no step is labelled
        return {}
    pairs = {(name.rpartition(" ")[0], name.rpartition(" ")[2]): steps for name, steps in record.steps.items()}
    guessed: dict[tuple[str, frozenset[str]], dict[str, str]] = {}  # functions over a dataset mostly have the same steps
    found = {}
    for (dataset, function), steps in pairs.items():
        if cases := record.cases[dataset]:
            alike = dataset, frozenset(steps)
            if alike not in guessed:
                guessed[alike] = predictions(cases, steps)
            words = record.words.get(f"{dataset} {function}", NOTHING)
            found[dataset, function] = of_cases(cases, steps, words, guessed[alike])
    return found


def chances(record: RunRecord) -> dict[tuple[str, str], dict[str, float]]:
    """Give the chance that a random step is acceptable, of each case that a run asked: by dataset and function, then by case."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for name, steps in record.steps.items():
        dataset, _, function = name.rpartition(" ")
        if record.loops:
            continue
        wanted = _expected(record.cases[dataset], steps)
        found[dataset, function] = {case: len(expected) / len(steps) for case, expected in wanted.items()}
    return found


def _less(all: Weights, some: Weights) -> Weights:
    return {step: weight - some.get(step, 0) for step, weight in all.items() if weight > some.get(step, 0)}


def _most(weights: Mapping[str, int]) -> str:
    """Name the heaviest, the first by name of several; nothing where there is nothing."""
    return min(weights, key=lambda step: (-weights[step], step), default="")
