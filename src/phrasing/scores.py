"""The built-in scores: what each is called, which direction is better, and what it means. ``SCORES`` is the one table of them.

A score has two names. ``stored`` is the key in ``results.jsonl`` and ``run.json``, which never changes; ``name`` is what people
read and write: in suites, in tables, in Python. A suite's own scorers aren't listed here: their two names are the same.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Titles:
    """What a score is called where it is shown.

    ``column`` heads a column, ``short`` the same where there are only 80 characters; ``sentence`` says what a variant did that
    scored 1, and goes on *in 41 % of 30 cases*; ``meaning`` explains it in a legend.
    """

    column: str
    short: str
    sentence: str
    meaning: str


@dataclass(frozen=True, slots=True)
class BuiltInScore:
    """A score that every trial gets, from 0 to 1.

    ``better`` says whether a high or a low one is good. ``agreement`` is what it is called where labels are what a logged agent
    did: then it isn't accuracy. Only scores that hold an answer against what its case expects have that.
    """

    stored: str
    name: str
    better: Literal["high", "low"]
    accuracy: Titles
    agreement: Titles | None = None

    @property
    def of_labels(self) -> bool:
        """Whether it holds an answer against what its case expects."""
        return self.agreement is not None

    def titles(self, *, agreement: bool = False) -> Titles:
        """Give what it is called; ``agreement``: labels are what a logged agent did."""
        return self.agreement if agreement and self.agreement else self.accuracy


SCORES: tuple[BuiltInScore, ...] = (
    BuiltInScore(
        stored="intent",
        name="intent",
        better="high",
        accuracy=Titles("intent %", "intent", "picked an acceptable step", "an acceptable step was picked"),
        agreement=Titles("agreed %", "agreed", "agreed with the logged agent", "the step that the logged agent took was picked"),
    ),
    BuiltInScore(
        stored="args",
        name="arguments",
        better="high",
        accuracy=Titles(
            "arguments %", "arguments", "gave acceptable arguments", "of acceptable steps, those with acceptable arguments"
        ),
        agreement=Titles(
            "agreed arguments %",
            "arguments",
            "gave the logged agent's arguments",
            "of steps that the logged agent took too, those with its arguments",
        ),
    ),
    BuiltInScore(
        stored="step",
        name="correct",
        better="high",
        accuracy=Titles("correct %", "correct", "picked an acceptable step, arguments and all,", "its arguments are right too"),
        agreement=Titles(
            "agreed in full %",
            "in full",
            "agreed with the logged agent, arguments and all,",
            "its arguments are the logged agent's too",
        ),
    ),
    BuiltInScore(
        stored="strict",
        name="valid",
        better="high",
        accuracy=Titles("valid %", "valid", "gave an answer that needs no repair", "the answer was valid without repair"),
    ),
    BuiltInScore(
        stored="harm",
        name="forbidden",
        better="low",
        accuracy=Titles("forbidden", "forbid", "picked a forbidden step", "cases in which a forbidden step was picked"),
    ),
)
"""The scores, in the order in which they are stored and shown."""

STORED = tuple(score.stored for score in SCORES)
"""Their stored names, in order."""

NAMES = tuple(score.name for score in SCORES)
"""Their names, in order."""

SEVERAL = ("precision", "recall", "order")
"""What a trial is scored besides where its case wants several steps at once: shares, stored by these names, shown like a suite's
own. A suite's own scorer of such a name goes before."""

SUCCESS = "success"
"""The name of the score that decides where agents are run to their end: 1 where the task was done."""


def _of_runs(name: str, better: Literal["high", "low"], short: str, sentence: str, meaning: str) -> BuiltInScore:
    return BuiltInScore(stored=name, name=name, better=better, accuracy=Titles(f"{short} %", short, sentence, meaning))


ROLLOUT_SCORES: tuple[BuiltInScore, ...] = (
    _of_runs(SUCCESS, "high", "success", "did the task", "the environment says that the task was done"),
    _of_runs(
        "false_completion",
        "low",
        "false done",
        "said it was done, and it wasn't",
        "the agent ended its turn with the task undone",
    ),
    _of_runs("double_execution", "low", "done twice", "did something twice", "an effect happened again just so"),
    _of_runs("repeated_step", "low", "repeated", "repeated the step before", "the share of steps that are the step before"),
    _of_runs("needless_question", "low", "needless", "asked without need", "somebody was asked who didn't have to be"),
    _of_runs("missed_question", "low", "not asked", "didn't ask who had to be asked", "somebody who had to be asked wasn't"),
    _of_runs("recovered", "high", "recovered", "went on after errors", "of the errors met, those after which a step went well"),
    _of_runs("limit_reached", "low", "limit", "took all its steps", "no step was left"),
)
"""What a run of an agent is scored by besides ``forbidden``; stored by these names, and shown like a suite's own."""

CORRECT = "step"
"""The stored name of the score that decides where a suite names no other."""

FORBIDDEN = "harm"
"""The stored name of the score that is 1 where a forbidden step was picked: held by a limit, never compared."""

CONVERSATION = "conversation"
"""The name of what conversations score: 1 where every asked step is right. Variants can be compared by it; no trial has it."""

_CONVERSATION = BuiltInScore(
    stored=CONVERSATION,
    name=CONVERSATION,
    better="high",
    accuracy=Titles(
        "all steps right %",
        "all right",
        "got every step right, arguments and all,",
        "every asked step of the conversation is right",
    ),
    agreement=Titles(
        "all steps agreed %",
        "all agreed",
        "agreed with the logged agent in every step, arguments and all,",
        "every asked step of the conversation is the logged agent's",
    ),
)

_BY_NAME = {name: score for score in (*SCORES, _CONVERSATION) for name in (score.stored, score.name)}


def find(name: str) -> BuiltInScore | None:
    """Find a score by either of its names; ``None`` for that of a suite's own scorer, or for no score at all."""
    return _BY_NAME.get(name)


def of_runs(name: str) -> BuiltInScore | None:
    """Find a score of runs of agents by its name; ``None`` for that of an environment's own."""
    return next((score for score in ROLLOUT_SCORES if score.name == name), None)


def titles(name: str, *, agreement: bool = False) -> Titles:
    """Give what a score that ships is called, by either of its names. Raises ``KeyError`` for any other."""
    return _BY_NAME[name].titles(agreement=agreement)


def is_of_labels(name: str, own: Collection[str] = ()) -> bool:
    """Tell whether a score, by either of its names, holds an answer against its case's labels; ``own`` are the suite's own."""
    found = find(name)
    return bool(found and found.of_labels) or is_of_several(name, own)


def is_of_several(name: str, own: Collection[str] = ()) -> bool:
    """Tell whether a score is one of ``SEVERAL``, and none of the suite's own (``own``)."""
    return name in SEVERAL and name not in own


def stored(name: str) -> str:
    """Give the name under which a score is stored: ``step`` for ``correct``. Any other name is stored as it is."""
    found = find(name)
    return found.stored if found else name


def public(name: str) -> str:
    """Give the name that people read: ``correct`` for ``step``. Any other name is read as it is."""
    found = find(name)
    return found.name if found else name
