"""Our count of prompts beside the provider's, and what a decision costs: from a run's results alone, a row a variant."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from statistics import fmean
from typing import TYPE_CHECKING

from phrasing.records import Result, RunRecord
from phrasing.scores import CORRECT
from phrasing.stats.proportions import proportion
from phrasing.types import Usage, read_axes

if TYPE_CHECKING:
    from phrasing.analysis.tables import Notes

PER = 1000
"""How many decisions a price is given for."""

RANGES = "a–b: a range; it isn't known how the provider shows tools or an enforced schema."
"""What is said of ranges of tokens."""

Cell = tuple[str, str]
"""A dataset and a case."""

Value = Callable[[Result], float | None]


@dataclass(frozen=True)
class Bill:
    """What a variant's decisions cost. Means are of a case (repeats first, then cases, then datasets), NaN where unknown.

    Tokens are those of ``n`` cases with an answer whose usage the provider gave: ``ours`` is our own count of the prompt, which
    is ``exact`` or an estimate, ``theirs`` the provider's; ``difference`` is ours less theirs, from ``least`` to ``most`` over
    all answers. Where our counts are ranges, ``ours_most`` are their upper ends, and the difference is that of the nearer end: 0
    within. ``cached``, ``reasoning`` and ``answer`` are means of the answers that say. ``cost`` is US dollars a decision,
    ``right`` the share of right ones (score ``correct``) of those with a known cost, from ``low`` to ``high`` (95 %).
    """

    variant: str
    exact: bool
    n: int
    ours: float
    ours_most: float
    theirs: float
    difference: float
    least: float
    most: float
    cached: float
    reasoning: float
    answer: float
    cost: float
    right: float
    low: float
    high: float

    @property
    def range(self) -> bool:
        """Whether our counts are ranges."""
        return self.ours_most > self.ours

    @property
    def always(self) -> int | None:
        """The difference, where it is the same in several cases, and no range's."""
        return int(self.least) if self.n > 1 and self.least == self.most and not self.range else None


def reconcile(results: Iterable[Result], cases: Notes, *, variants: Iterable[str], exact: bool = False) -> list[Bill]:
    """Hold our count of prompts against the provider's usage: a row a variant that has results, in the order of ``variants``.

    ``cases`` tell which ones are of one group. ``exact`` says that our count knows the vocabulary and the chat template of the
    models that were asked.
    """
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(result.variant, []).append(result)
    return [_bill(variant, found[variant], cases, exact=exact) for variant in variants if variant in found]


def as_json(record: RunRecord) -> bool:
    """Whether a run counted tools and enforced schemas as compact JSON, as runs did before there were rules for them."""
    sent = any(read_axes(variant)["output"] != "prompted" for variant in record.variants)
    return sent and not record.tool_rules and not record.exact_tokens


def _bill(variant: str, results: Sequence[Result], cases: Notes, *, exact: bool) -> Bill:
    billed = [result for result in results if _usage(result).prompt is not None]
    costed = [result for result in results if _cost(result) is not None]
    differences = [_difference(result) for result in billed]
    right, low, high = _share(_by_case(costed, _right), cases)
    return Bill(
        variant=variant,
        exact=exact,
        n=len(_by_case(billed, _difference)),
        ours=mean(billed, lambda result: result.tokens.total),
        ours_most=mean(billed, lambda result: result.tokens.most),
        theirs=mean(billed, lambda result: _usage(result).prompt),
        difference=mean(billed, _difference),
        least=min(differences, default=nan),
        most=max(differences, default=nan),
        cached=mean(billed, lambda result: _usage(result).cached),
        reasoning=mean(billed, lambda result: _usage(result).reasoning),
        answer=mean(billed, lambda result: _usage(result).completion),
        cost=mean(costed, _cost),
        right=right,
        low=low,
        high=high,
    )


def _usage(result: Result) -> Usage:
    return result.completion.usage if result.completion else Usage()


def _difference(result: Result) -> int:
    theirs = _usage(result).prompt or 0
    return min(max(theirs, result.tokens.total), result.tokens.most) - theirs


def _cost(result: Result) -> float | None:
    return result.completion.cost if result.completion else None


def _right(result: Result) -> float | None:
    return result.scores[CORRECT].value if CORRECT in result.scores else None


def _by_case(results: Iterable[Result], value: Value) -> dict[Cell, float]:
    """Average the known values of a case's repeats."""
    repeats: dict[Cell, list[float]] = {}
    for result in results:
        known = value(result)
        if known is not None:
            repeats.setdefault((result.dataset, result.case), []).append(known)
    return {cell: fmean(values) for cell, values in repeats.items()}


def mean(results: Iterable[Result], value: Value) -> float:
    """Average repeats, then cases, then datasets with equal weight."""
    datasets: dict[str, list[float]] = {}
    for (dataset, _), found in _by_case(results, value).items():
        datasets.setdefault(dataset, []).append(found)
    return fmean(map(fmean, datasets.values())) if datasets else nan


def _share(right: Mapping[Cell, float], cases: Notes) -> tuple[float, float, float]:
    """Average a score, with its interval over groups of cases."""
    if not right:
        return nan, nan, nan
    cells = sorted(right)  # the order of answers mustn't show, not even in rounding
    notes = [cases.get(dataset, {}).get(case) for dataset, case in cells]
    groups = [(note and note.group) or case for note, (_, case) in zip(notes, cells, strict=True)]
    return proportion([right[cell] for cell in cells], groups, [dataset for dataset, _ in cells])


def dollars(value: float) -> str:
    """Write the price of ``PER`` decisions, to three digits."""
    if isnan(value):
        return "–"
    price = float(f"{PER * value:.2e}")
    return f"{price:,.{max(0, 2 - math.floor(math.log10(price)))}f}" if price else "0"
