"""Results to figures: variants between score and tokens, by segment, tag, length and turn; what answers took; what did harm."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from phrasing.analysis import figures
from phrasing.analysis import usage as bill
from phrasing.analysis.figures import QUANTILES, Figures, Harm, Kind, Level, Point, Span, Spread
from phrasing.records import Result
from phrasing.stats import means as stats
from phrasing.types import CaseNote

if TYPE_CHECKING:
    from phrasing.analysis.tables import Cases, Notes

LEAST = 5
"""From how many cases on a tag is shown."""

MOST = 20
"""How many tags are shown, the most frequent."""


def of(
    results: Iterable[Result],
    variants: Mapping[str, Cases],
    notes: Notes,
    *,
    baselines: Mapping[str, str],
    score: str,
    words: str,
) -> Figures:
    """Gather what is drawn, from results by trial and the tables of cases by variant (``aggregate.by_variant``)."""
    asked: dict[str, list[Result]] = {variant: [] for variant in variants}
    for result in sorted(results, key=lambda result: result.trial):
        asked[result.variant].append(result)
    return Figures(
        score=score,
        words=words,
        points=_points(variants, score, {baseline for variant, baseline in baselines.items() if variant != baseline}),
        segments={variant: _segments(found) for variant, found in asked.items()},
        lengths={variant: _lengths(found, notes) for variant, found in asked.items()},
        levels={
            kind: found
            for kind, named in _KINDS.items()
            if (found := _levels(variants, notes, score, named(_notes(variants, notes))))
        },
        spreads=[_spread(variant, found) for variant, found in asked.items()],
        harm=[_harm(result, notes) for found in asked.values() for result in found if _harmful(result)],
    )


# ---------------------------------------------------------------------------------------------- variants


def _points(variants: Mapping[str, Cases], score: str, baselines: set[str]) -> list[Point]:
    found = []
    for variant, cases in variants.items():
        mine = cases[cases["answers"] > 0]
        counted = bool(mine["prompt_tokens"].isna().any())
        tokens = _span(mine, "tokens" if counted else "prompt_tokens", stats.average)
        found.append((variant, len(mine), _span(mine, score, stats.proportion), tokens, counted))
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


def _segments(results: Sequence[Result]) -> dict[str, float]:
    means = {name.rstrip("_"): bill.mean(results, partial(_tokens, name)) for name in _SEGMENTS}
    return {name: mean for name, mean in means.items() if mean}


def _tokens(segment: str, result: Result) -> int:
    found: int = getattr(result.tokens, segment)
    return found


_SEGMENTS = ("instructions", "schema_", "examples", "thread", "question", "framing")


def _lengths(results: Sequence[Result], notes: Notes) -> list[tuple[int, float]]:
    """Average the tokens of prompts, repeats first, by the events in their thread."""
    totals: dict[int, dict[tuple[str, str], int]] = {}
    for result in results:
        if events := notes[result.dataset][result.case].events:
            totals.setdefault(events, {})[result.dataset, result.case] = result.tokens.total
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
        bands = figures.bands(Counter(numbers.values()))
        if len(bands) < 2:
            return {}
        return {
            figures.band_name(band): {case for case, found in numbers.items() if band[0] <= found <= band[1]} for band in bands
        }

    return members


_KINDS: Mapping[Kind, Callable[[_Known], _Members]] = {
    "tag": _by_tag,
    "events": _by_number(lambda note: note.events or None),
    "turn": _by_number(lambda note: note.turn),
}


def _levels(variants: Mapping[str, Cases], notes: Notes, score: str, members: _Members) -> list[Level]:
    found = []
    for name, cases in members.items():
        for variant, table in variants.items():
            mine = table[(table["answers"] > 0) & table.index.isin(list(cases))]
            known = mine[mine[score].notna()]
            if len(known):
                found.append(Level(variant, name, len(known), _span(known, score, stats.proportion)))
    return found


# ---------------------------------------------------------------------------------------------- answers


def _spread(variant: str, results: Sequence[Result]) -> Spread:
    done = [result.completion for result in results if result.completion and not result.error]
    return Spread(
        variant,
        seconds=_quantiles([one.latency for one in done]),
        cost=_quantiles([one.cost for one in done]),
        answer_tokens=_quantiles([one.usage.completion for one in done]),
    )


def _quantiles(values: Iterable[float | None]) -> tuple[float, float, float]:
    known = [value for value in values if value is not None]
    if not known:
        return math.nan, math.nan, math.nan
    middle, high, highest = np.quantile(known, QUANTILES).tolist()
    return middle, high, highest


def _harmful(result: Result) -> bool:
    return bool("harm" in result.scores and result.scores["harm"].value)


def _harm(result: Result, notes: Notes) -> Harm:
    note: Any = notes[result.dataset][result.case]
    step = result.parsed.step if result.parsed else None
    return Harm(
        trial=result.trial,
        variant=result.variant,
        dataset=result.dataset,
        case=result.case,
        tags=note.tags,
        chosen=step.intent if step else "",
        forbidden=note.forbid,
    )
