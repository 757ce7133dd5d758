"""All that a report shows, as data. The same results give the same data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from pydantic import JsonValue

from phrasing import scores
from phrasing.analysis.compare import Comparison
from phrasing.analysis.gates import GateResult
from phrasing.analysis.latency import Latency
from phrasing.analysis.usage import Bill
from phrasing.records import RunRecord
from phrasing.score import no_model
from phrasing.score.no_model import NoModel
from phrasing.suite.parameters import varied
from phrasing.suite.schema import Suite
from phrasing.types import AXES, NO_EDIT, read_axes

Row = Mapping[str, Any]


PREFIX = "DetermineNextStep"

_UNEDITED = ("edit", NO_EDIT)


@dataclass(frozen=True)
class Terms:
    """What figures that hold answers against labels are called: accuracy where labels say what is right; agreement where they say
    what a logged agent did, which may have been wrong. ``SCORES`` and ``Verdict`` have theirs themselves.

    ``share`` begins a sentence without a baseline. ``no_model`` is what a variant is told of whose interval doesn't lie above a
    rule that asks no model, ``chance`` the sentence on a random step, ``without`` names such rules and ``rules`` explains them.
    ``note`` is a caveat of its own. Tokens are counted of ``whose``, prices are given for so many of ``unit``, and for those that
    are right, ``price``; ``such`` are these in a sentence.
    """

    share: str
    no_model: Mapping[str, str]
    chance: str
    without: str
    rules: str
    expected: str
    where: str
    repeats: str
    price: str
    such: str
    note: str
    whose: str = "a prompt"
    unit: str = "decisions"


ACCURACY = Terms(
    share="",
    no_model={
        "below": "worse than picking a step at random",
        "random": "can't be told from picking a step at random",
        "majority": "no better shown than always picking the same step",
        "bigram": "no better shown than a rule that looks at the last event's type",
        "words": "no better shown than a rule that looks at the thread's words",
    },
    chance="A random step is acceptable in {} %.",
    without="without a model",
    rules=(
        "without a model: how often an acceptable step is picked by chance, by always picking the step that is acceptable most "
        "often in these cases, by picking the one expected most often after the last event's type in other groups' cases, and by "
        "a linear rule on the thread's words, learnt from other groups' cases"
    ),
    expected="expected",
    where="where the step was wrong",
    repeats="all repeats correct",
    price="correct ones",
    such="decisions that are correct",
    note="",
)

AGREEMENT = Terms(
    share="agreed with the logged agent, arguments and all, in ",
    no_model={
        "below": "less agreement than picking a step at random gives",
        "random": "agreement that can't be told from picking a step at random",
        "majority": "no more agreement shown than by always picking the same step",
        "bigram": "no more agreement shown than by a rule that looks at the last event's type",
        "words": "no more agreement shown than by a rule that looks at the thread's words",
    },
    chance="A random step agrees with the logged agent in {} %.",
    without="agreement without a model",
    rules=(
        "without a model: how often the logged agent's step is picked by chance, by always picking the step that was logged most "
        "often in these cases, by picking the one logged most often after the last event's type in other groups' cases, and by a "
        "linear rule on the thread's words, learnt from other groups' cases"
    ),
    expected="logged",
    where="where the step was another",
    repeats="all repeats agreed",
    price="that agree",
    such="decisions that agree with the logged agent",
    note="Labels are what a logged agent did: agreement with it isn't accuracy.",
)


RUNS = replace(
    ACCURACY, repeats="all repeats successful", price="successes", such="runs that succeed", whose="a run's prompts", unit="runs"
)


def terms(agreement: bool) -> Terms:
    """Give the terms for figures that are agreement with a logged agent, or accuracy."""
    return AGREEMENT if agreement else ACCURACY


@dataclass(frozen=True)
class Report:
    """All that a report shows, from a run folder alone.

    ``variants`` are the rows of the summary; ``chosen``, ``forms`` and ``stages`` count steps, answer forms and failures per
    variant, and ``confused`` which intents were expected where others were chosen; ``comparison`` is with the baselines;
    ``asked`` is the first and the last time (UTC) at which something was asked, if anything was; ``damaged`` says which lines of
    the run's results are left out; ``scorers`` maps the suite's own scorers to how often each failed, ``errors`` the kinds of
    errors to how many trials have one and what the first one says; ``harm`` has, per tag and variant, how many of how many cases
    saw a harmful step; ``bills`` hold our count of tokens beside the provider's; ``latency`` is how long answers took.
    ``agreement``: all labels are logged, so figures of labels are agreement with a logged agent. ``conversations``: several steps
    of some conversation were asked, so whole ones are shown. Where a run has logged labels and others, figures are of the others,
    and ``logged`` has those of the cases with them. ``ended`` counts why runs of agents ended, per variant.
    """

    record: RunRecord
    variants: Sequence[Row]
    chosen: Mapping[str, Mapping[str, int]]
    forms: Mapping[str, Mapping[str, int]]
    stages: Mapping[str, Mapping[str, int]]
    confused: Mapping[str, Sequence[tuple[str, str, int]]]
    comparison: Comparison
    gates: Sequence[GateResult]
    asked: tuple[str, str] | None
    scorers: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    harm: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)
    bills: Sequence[Bill] = ()
    latency: Sequence[Latency] = ()
    agreement: bool = False
    conversations: bool = False
    logged: Report | None = None
    damaged: Sequence[str] = ()
    ended: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def loops(self) -> bool:
        """Whether agents were run to their end."""
        return self.record.loops

    @property
    def own_scores(self) -> list[str]:
        """The scores of the suite's own scorers, or of its environments, beside those of every trial."""
        return [name for name in self.scorers if not (self.loops and scores.of_runs(name))]

    @property
    def parts(self) -> tuple[Report, ...]:
        """This report and, if there is one, that of the cases with logged labels."""
        return (self, self.logged) if self.logged else (self,)

    @property
    def _named(self) -> list[str]:
        return list(dict.fromkeys(row["variant"] for part in self.parts for row in part.variants))

    def label(self, variant: str) -> str:
        """Name a variant as ``labels`` does."""
        return labels(self._named)[variant]

    @property
    def common(self) -> str:
        """The axes on which all variants agree."""
        return common(self._named)

    @cached_property
    def no_model(self) -> Mapping[tuple[str, str], NoModel]:
        """What rules that ask no model pick in these cases, by dataset and function."""
        mine = {
            dataset: {case for case, note in listed.items() if (note.strength == "logged") == self.agreement}
            for dataset, listed in self.record.cases.items()
        }
        return no_model.of_run(self.record.only(mine))

    @cached_property
    def varied(self) -> Mapping[str, dict[str, JsonValue]]:
        """The parameters on which models of one id differ, by label: others are left out."""
        suite = Suite.model_validate(self.record.resolved)
        found = varied([(model.id, {**suite.params, **model.params}) for model in suite.models])
        return {model.label: differing for model, differing in zip(suite.models, found, strict=True) if differing}

    @property
    def added(self) -> Mapping[str, tuple[str, ...]]:
        """The tools that a variant's function has beside its own steps, for those that have some."""
        tools: dict[str, dict[str, None]] = {}
        for name, listed in self.record.added.items():
            tools.setdefault(name.rpartition(" ")[2], {}).update(dict.fromkeys(listed))
        return {row["variant"]: tuple(tools[row["function"]]) for row in self.variants if row["function"] in tools}

    @property
    def steps_differ(self) -> bool:
        """Whether variants choose from different numbers of steps, so that a random step is right more often in some."""
        sizes: dict[str, set[tuple[str, int]]] = {}
        for name, steps in self.record.steps.items():
            dataset, _, function = name.rpartition(" ")
            if self.record.cases[dataset]:
                sizes.setdefault(function, set()).add((dataset, len(steps)))
        numbers = {tuple(sorted(n for _, n in sizes.get(row["function"], ()))) for row in self.variants}
        return len(numbers) > 1

    @property
    def inconclusive(self) -> Literal["pass", "fail"]:
        """What the suite makes of gates that are inconclusive."""
        # stored under its old name
        return "pass" if self.record.resolved.get("undecided") == "pass" else "fail"

    @property
    def words(self) -> Terms:
        """What figures of labels are called, or those of runs of agents."""
        return RUNS if self.loops else terms(self.agreement)

    @property
    def description(self) -> str:
        """The suite's question."""
        return " ".join(str(self.record.resolved["description"]).split())


def labels(variants: Sequence[str]) -> dict[str, str]:
    """Name variants, with a model or without, by the axes on which they differ, without what all functions' names begin with."""
    parts = {variant: read_axes(variant) for variant in variants}
    both = [axis for axis in AXES if all(axis in part for part in parts.values())]
    varying = [axis for axis in both if len({part[axis] for part in parts.values()}) > 1] or ["format"]
    return {variant: " ".join(_shown(axis, part[axis]) for axis in varying) for variant, part in parts.items()}


def _shown(axis: str, value: str) -> str:
    return "no edit" if (axis, value) == _UNEDITED else value.removeprefix(PREFIX) or value


def common(variants: Sequence[str]) -> str:
    """Write the axes on which all variants agree; that nothing is edited goes without saying."""
    parts = [read_axes(variant) for variant in variants]
    shared = {axis: {part[axis] for part in parts} for axis in (parts[0] if parts else ())}
    agreed = [(axis, *values) for axis, values in shared.items() if len(values) == 1]
    return ", ".join(" ".join(pair) for pair in agreed if pair != _UNEDITED)
