"""What a report draws, in numbers: points, intervals and shares of variants. Charts and tables are made of these."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from phrasing.analysis import usage
from phrasing.scores import FORBIDDEN
from phrasing.stats import bands, means
from phrasing.stats.proportions import proportion
from phrasing.types import CaseNote, StepMatch

if TYPE_CHECKING:
    import pandas as pd

    from phrasing.analysis.tables import Cases, Notes

Kind = Literal["tag", "events", "turn"]
"""What cases are told apart by: a tag, the events in their thread (in bands), the agent's turn in its conversation (in bands)."""


@dataclass(frozen=True, slots=True)
class Span:
    """A figure with its interval (95 %), from ``low`` to ``high``; NaN where there is none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Point:
    """A variant between score and cost: the mean score of its ``n`` answered cases, from 0 to 1, and their mean prompt tokens.

    ``tokens`` are the provider's count; our own where it gave none (``counted``). ``front``: no other variant scores as high
    with fewer tokens; of variants that are asked different datasets, none is. ``baseline``: others are compared with it.
    """

    variant: str
    n: int
    score: Span
    tokens: Span
    counted: bool
    front: bool
    baseline: bool


@dataclass(frozen=True, slots=True)
class Level:
    """A variant's score on the cases of one kind: those with a tag, with so many events, of such a turn. ``n`` counts them."""

    variant: str
    name: str
    n: int
    score: Span


@dataclass(frozen=True, slots=True)
class Spread:
    """What a variant's answers took: quantiles of seconds, of US dollars a decision and of answer tokens; NaN where unknown."""

    variant: str
    seconds: tuple[float, float, float]
    cost: tuple[float, float, float]
    answer_tokens: tuple[float, float, float]


QUANTILES = (0.5, 0.9, 0.99)
"""The quantiles of a ``Spread``."""


@dataclass(frozen=True, slots=True)
class Harm:
    """A trial that picked a step which does harm: what it picked, and what its case forbids."""

    trial: str
    variant: str
    dataset: str
    case: str
    tags: tuple[str, ...]
    chosen: str
    forbidden: tuple[StepMatch, ...]


@dataclass(frozen=True, slots=True)
class ByStep:
    """Of agents that were run to their end, by variant, a value a step: the share of runs that get so far, from 0 to 1
    (``going``), and the mean tokens of their ``prompts``.
    """

    going: Mapping[str, Sequence[tuple[int, float]]]
    prompts: Mapping[str, Sequence[tuple[int, float]]]


@dataclass(frozen=True)
class Figures:
    """What is drawn of a run, or of one of its ``parts``. Variants are in the order of the run.

    ``score`` is the stored name of what decides (``step``, or what the suite compares by), ``words`` what its share is called:
    *accuracy*, or *agreement* with a logged agent. ``segments`` are mean tokens of a prompt's segments by our own count (with
    ``SPREAD``, where counts are ranges), ``lengths`` the mean tokens of prompts by the number of events in their thread.
    ``by_step`` is there where agents were run to their end: tokens are then those of all prompts of a run together.
    """

    score: str
    words: str
    points: Sequence[Point]
    segments: Mapping[str, Mapping[str, float]]
    lengths: Mapping[str, Sequence[tuple[int, float]]]
    levels: Mapping[Kind, Sequence[Level]] = field(default_factory=dict)
    spreads: Sequence[Spread] = ()
    harm: Sequence[Harm] = ()
    by_step: ByStep | None = None

    @property
    def unit(self) -> str:
        """What is scored."""
        return "tasks" if self.by_step else "cases"

    @property
    def of_prompts(self) -> str:
        """What tokens are of."""
        return "the prompts of a run" if self.by_step else "a prompt"


# ---------------------------------------------------------------------------------------------- results to figures

LEAST = 5
"""From how many cases on a tag is shown."""

MOST = 20
"""How many tags are shown, the most frequent."""


def gather(
    table: pd.DataFrame,
    variants: Mapping[str, Cases],
    notes: Notes,
    *,
    baselines: Mapping[str, str],
    score: str,
    words: str,
) -> Figures:
    """Gather what is drawn, from the table of trials and the tables of cases by variant (``tables.by_variant``)."""
    named = table["variant"].to_numpy()
    asked = {variant: table[named == variant] for variant in variants}
    return Figures(
        score=score,
        words=words,
        points=_points(variants, score, {baseline for variant, baseline in baselines.items() if variant != baseline}),
        segments={variant: _segments(found) for variant, found in asked.items()},
        lengths={variant: _lengths(found, notes) for variant, found in asked.items()},
        levels={
            kind: found
            for kind, members in _KINDS.items()
            if (found := _levels(variants, score, members(_notes(variants, notes))))
        },
        spreads=[_spread(variant, found) for variant, found in asked.items()],
        harm=[harm for found in asked.values() for harm in _harm(found, notes)],
    )


# ---------------------------------------------------------------------------------------------- variants


def _points(variants: Mapping[str, Cases], score: str, baselines: set[str]) -> list[Point]:
    found = []
    for variant, cases in variants.items():
        mine = cases[cases["answers"] > 0]
        counted = bool(mine["prompt_tokens"].isna().any())
        tokens = _span(mine, "tokens" if counted else "prompt_tokens", means.average)
        found.append((variant, len(mine), _span(mine, score, proportion), tokens, counted))
    # agents that are asked different cases aren't better or worse than each other
    alike = len({frozenset(cases.index.unique("dataset")) for cases in variants.values()}) == 1
    others = [(scored, tokens) for _, _, scored, tokens, _ in found]
    return [
        Point(variant, n, scored, tokens, counted, alike and _in_front(scored, tokens, others), variant in baselines)
        for variant, n, scored, tokens, counted in found
    ]


def _in_front(score: Span, tokens: Span, others: Iterable[tuple[Span, Span]]) -> bool:
    """Tell whether none of the others is better in one and as good in the other."""
    if math.isnan(score.value) or math.isnan(tokens.value):
        return False
    return not any(
        s.value >= score.value and t.value <= tokens.value and (s.value, t.value) != (score.value, tokens.value)
        for s, t in others
    )


def _span(mine: Cases, column: str, estimate: Callable[..., tuple[float, float, float]]) -> Span:
    """Estimate a column's mean, where it is known."""
    values: NDArray[np.float64] = mine[column].to_numpy()
    known = ~np.isnan(values)
    if not known.any():
        return Span(math.nan, math.nan, math.nan)
    return Span(*estimate(values[known], mine["cluster"].to_numpy()[known], mine["stratum"].to_numpy()[known]))


# ---------------------------------------------------------------------------------------------- tokens


def _segments(table: pd.DataFrame) -> dict[str, float]:
    trials = usage.Trials(table)
    found = {name: trials.mean(trials[f"tokens_{name}"]) for name in _SEGMENTS}
    return {name: mean for name, mean in found.items() if mean}


SPREAD = "spread"
"""What segments name the tokens that a prompt may have beside them, where its tools count as a range."""

_SEGMENTS = ("instructions", "schema", "examples", "thread", "question", "framing", SPREAD)


def _lengths(table: pd.DataFrame, notes: Notes) -> list[tuple[int, float]]:
    """Average the tokens of prompts, those of the last repeat, by the events in their thread; nothing where counts are ranges."""
    if table["tokens_spread"].any():
        return []
    totals: dict[int, dict[tuple[str, str], float]] = {}
    for dataset, case, tokens in zip(*(table[name].tolist() for name in ("dataset", "case", "tokens")), strict=True):
        if events := notes[dataset][case].events:
            totals.setdefault(events, {})[dataset, case] = tokens
    return [(events, sum(found.values()) / len(found)) for events, found in sorted(totals.items())]


# ---------------------------------------------------------------------------------------------- kinds of cases

_Members = dict[str, set[tuple[str, str]]]
"""The cases of each level."""

_Known = Mapping[tuple[str, str], CaseNote]


def _notes(variants: Mapping[str, Cases], notes: Notes) -> dict[tuple[str, str], CaseNote]:
    asked = {case for cases in variants.values() for case in cases.index.to_list()}
    return {(dataset, case): notes[dataset][case] for dataset, case in sorted(asked)}


def _by_tag(notes: _Known) -> _Members:
    tags = Counter(tag for note in notes.values() for tag in note.tags)
    shown = sorted((tag for tag, n in tags.items() if n >= LEAST), key=lambda tag: (-tags[tag], tag))[:MOST]
    return {tag: {case for case, note in notes.items() if tag in note.tags} for tag in shown}


def _by_number(number: Callable[[CaseNote], int | None]) -> Callable[[_Known], _Members]:
    def members(notes: _Known) -> _Members:
        numbers = {case: found for case, note in notes.items() if (found := number(note)) is not None}
        ranges = bands.divide(Counter(numbers.values()))
        if len(ranges) < 2:
            return {}
        return {bands.name(band): {case for case, found in numbers.items() if band[0] <= found <= band[1]} for band in ranges}

    return members


_KINDS: Mapping[Kind, Callable[[_Known], _Members]] = {
    "tag": _by_tag,
    "events": _by_number(lambda note: note.events or None),
    "turn": _by_number(lambda note: note.turn),
}


def _levels(variants: Mapping[str, Cases], score: str, members: _Members) -> list[Level]:
    found = []
    for name, cases in members.items():
        for variant, table in variants.items():
            mine = np.fromiter((case in cases for case in table.index), dtype=np.bool_, count=len(table))
            known = table[mine & (table["answers"] > 0).to_numpy() & table[score].notna().to_numpy()]
            if len(known):
                found.append(Level(variant, name, len(known), _span(known, score, proportion)))
    return found


# ---------------------------------------------------------------------------------------------- answers


def _spread(variant: str, table: pd.DataFrame) -> Spread:
    done = table[table["error"].isna()]
    return Spread(
        variant,
        seconds=_quantiles(done["latency"]),
        cost=_quantiles(done["cost"]),
        answer_tokens=_quantiles(done["answer_tokens"]),
    )


def _quantiles(values: pd.Series[float]) -> tuple[float, float, float]:
    known = values.dropna().to_numpy()
    if not len(known):
        return math.nan, math.nan, math.nan
    middle, high, highest = np.quantile(known, QUANTILES).tolist()
    return middle, high, highest


def _harm(table: pd.DataFrame, notes: Notes) -> Iterator[Harm]:
    """List the trials that picked a step which does harm."""
    rows = table[table[FORBIDDEN].fillna(0) != 0]
    columns = (rows[name].tolist() for name in ("trial", "variant", "dataset", "case", "chosen"))
    for trial, variant, dataset, case, chosen in zip(*columns, strict=True):
        note = notes[dataset][case]
        yield Harm(
            trial=trial,
            variant=variant,
            dataset=dataset,
            case=case,
            tags=note.tags,
            chosen=chosen if isinstance(chosen, str) else "",
            forbidden=note.forbid,
        )
