"""No-model baselines: how often a rule that asks no model picks an acceptable step. What isn't above them has shown nothing.

``random``
    picks any of the function's steps, each as likely: the mean over cases of acceptable steps / steps.
``majority``
    always picks the step that is acceptable most often in the same cases. So it knows the labels, and flatters itself a little.
``bigram``
    looks at the type of the thread's last event and picks the step that was expected most often after it, in the cases of all
    *other* groups: a case never helps to predict its own conversation. A case's expected steps share a weight of 1. After a type
    that no other group has it is the step expected most often in the other groups. Ties go by name.

Only expected steps that the function has count: functions over one dataset may have different ones.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import lcm

from phrasing.records import RunRecord
from phrasing.types import CaseNote

Weights = dict[str, int]
"""Steps with their weights."""


@dataclass(frozen=True)
class NoModel:
    """The intent score (0 to 1) of three rules that ask no model; ``step`` is what ``majority`` always picks."""

    random: float
    majority: float
    bigram: float
    step: str


def of_cases(cases: Mapping[str, CaseNote], steps: Collection[str]) -> NoModel:
    """Score the three rules on cases (by id) under a function with these steps. Raises ``ValueError`` without cases or steps."""
    if not cases or not steps:
        raise ValueError(f"no-model baselines need cases and steps, got {len(cases)} and {len(steps)}")
    expected = {name: frozenset(note.expect).intersection(steps) for name, note in cases.items()}
    counts = Counter(step for wanted in expected.values() for step in wanted)
    common, guessed = _most(counts), predictions(cases, steps)
    return NoModel(
        random=sum(map(len, expected.values())) / len(cases) / len(steps),
        majority=counts[common] / len(cases),
        bigram=sum(guessed[name] in wanted for name, wanted in expected.items()) / len(cases),
        step=common,
    )


def predictions(cases: Mapping[str, CaseNote], steps: Collection[str]) -> dict[str, str]:
    """Say what ``bigram`` picks for each case; nothing (an empty text) where there is only one group."""
    total: defaultdict[str | None, Weights] = defaultdict(dict)  # expected steps by the type of the last event; None: by any
    own: defaultdict[tuple[str, str | None], Weights] = defaultdict(dict)  # the same within a group
    expected = {name: frozenset(note.expect).intersection(steps) for name, note in cases.items()}
    one = lcm(*filter(None, map(len, expected.values())))  # a case's weight, which its steps share without a rest: a tie is one
    for name, note in cases.items():
        for step in expected[name]:
            for last in (note.last, None):
                for weights in (total[last], own[note.group or name, last]):
                    weights[step] = weights.get(step, 0) + one // len(expected[name])
    found = {}
    for name, note in cases.items():
        group = note.group or name
        found[name] = _most(_less(total[note.last], own[group, note.last])) or _most(_less(total[None], own[group, None]))
    return found


def of_run(record: RunRecord) -> dict[tuple[str, str], NoModel]:
    """Give the no-model baselines of the cases that a run asked, by dataset and function."""
    pairs = {(name.rpartition(" ")[0], name.rpartition(" ")[2]): steps for name, steps in record.steps.items()}
    return {pair: of_cases(record.cases[pair[0]], steps) for pair, steps in pairs.items() if record.cases[pair[0]]}


def _less(all: Weights, some: Weights) -> Weights:
    return {step: weight - some.get(step, 0) for step, weight in all.items() if weight > some.get(step, 0)}


def _most(weights: Mapping[str, int]) -> str:
    """Name the heaviest, the first by name of several; nothing where there is nothing."""
    return min(weights, key=lambda step: (-weights[step], step), default="")
