"""Our count of prompts beside the provider's, and what a decision costs: from a run's results alone, a row a variant."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isnan, nan
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from phrasing.records import RunRecord
from phrasing.scores import CORRECT
from phrasing.stats.proportions import proportion
from phrasing.types import mode_of, read_axes

if TYPE_CHECKING:
    import pandas as pd

    from phrasing.analysis.tables import Notes

PER = 1000
"""How many decisions a price is given for."""

RANGES = "a–b: a range; it isn't known how the provider shows tools or an enforced schema."
"""What is said of ranges of tokens."""

Cell = tuple[str, str]
"""A dataset and a case."""


@dataclass(frozen=True)
class Bill:
    """What a variant's decisions cost. Means are of a case (repeats first, then cases, then datasets), NaN where unknown.

    Tokens are those of ``n`` cases with an answer whose usage the provider gave: ``ours`` is our own count of the prompt, which
    is ``exact`` or an estimate, ``theirs`` the provider's; ``difference`` is ours less theirs, from ``least`` to ``most`` over
    all answers. Where our counts are ranges, ``ours_most`` are their upper ends, and the difference is that of the nearer end: 0
    within. ``cached``, ``reasoning`` and ``answer`` are means of the answers that say. ``cost`` is US dollars a decision,
    ``right`` the share of right ones (score ``correct``; ``success`` of runs of agents) of those with a known cost, from ``low``
    to ``high`` (95 %).
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


def reconcile(
    table: pd.DataFrame, cases: Notes, *, variants: Iterable[str], exact: bool = False, right: str = CORRECT
) -> list[Bill]:
    """Hold our count of prompts against the provider's usage: a row a variant that has results, in the order of ``variants``.

    ``table`` is that of trials. ``cases`` tell which ones are of one group. ``exact`` says that our count knows the vocabulary
    and the chat template of the models that were asked. ``right`` is the score by which a trial is right.
    """
    asked = table["variant"].to_numpy()
    found = ((variant, Trials(table[asked == variant])) for variant in variants)
    return [_bill(variant, trials, cases, exact=exact, score=right) for variant, trials in found if len(trials)]


def as_json(record: RunRecord) -> bool:
    """Whether a run counted tools and enforced schemas as compact JSON, as runs did before there were rules for them."""
    sent = any(mode_of(read_axes(variant)["output"]) != "prompted" for variant in record.variants)
    return sent and not record.tool_rules and not record.exact_tokens


def _bill(variant: str, trials: Trials, cases: Notes, *, exact: bool, score: str) -> Bill:
    ours, theirs, cost = (trials[name] for name in ("tokens", "prompt_tokens", "cost"))
    billed, costed = ~np.isnan(theirs), ~np.isnan(cost)
    most = ours + trials["tokens_spread"]
    differences = np.minimum(np.maximum(theirs, ours), most) - theirs
    right, low, high = _share(trials.averages(np.where(costed, trials[score], nan)), cases)
    return Bill(
        variant=variant,
        exact=exact,
        n=len(trials.averages(differences)),
        ours=trials.mean(np.where(billed, ours, nan)),
        ours_most=trials.mean(np.where(billed, most, nan)),
        theirs=trials.mean(theirs),
        difference=trials.mean(differences),
        least=float(np.nanmin(differences)) if billed.any() else nan,
        most=float(np.nanmax(differences)) if billed.any() else nan,
        cached=trials.mean(np.where(billed, trials["cached_tokens"], nan)),
        reasoning=trials.mean(np.where(billed, trials["reasoning_tokens"], nan)),
        answer=trials.mean(np.where(billed, trials["answer_tokens"], nan)),
        cost=trials.mean(cost),
        right=right,
        low=low,
        high=high,
    )


class Trials:
    """Trials of a variant, to average numbers of them: repeats first, then cases, then datasets with equal weight."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._table = table
        numbers: dict[Cell, int] = {}
        asked = zip(table["dataset"].tolist(), table["case"].tolist(), strict=True)
        places = np.array([numbers.setdefault(cell, len(numbers)) for cell in asked], dtype=np.intp)
        self._cells = list(numbers)
        self._order = np.argsort(places, kind="stable")
        self._places = places[self._order]
        self._strata = np.array(_ranks([dataset for dataset, _ in self._cells]), dtype=np.intp)

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """Give a column."""
        return self._table[name].to_numpy(dtype=np.float64)

    def averages(self, values: NDArray[np.float64]) -> dict[Cell, float]:
        """Average the known values of each case's repeats. ``values`` has one a trial, NaN where it isn't known."""
        places, found = self._averages(values)
        return {self._cells[place]: value for place, value in zip(places.tolist(), found.tolist(), strict=True)}

    def _averages(self, values: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Give the cases that have a known value, by number, and their averages."""
        ordered = values[self._order]
        known = ~np.isnan(ordered)
        places, ordered = self._places[known], ordered[known]
        starts = np.flatnonzero(np.diff(places, prepend=-1))
        if len(starts) < len(places):
            listed = ordered.tolist()
            ends = pairwise([*starts.tolist(), len(listed)])
            ordered = np.array([fmean(listed[start:end]) for start, end in ends])
        return places[starts], ordered

    def mean(self, values: NDArray[np.float64]) -> float:
        """Average values, of which there is one a trial; NaN where none is known."""
        places, found = self._averages(values)
        strata = self._strata[places]
        return fmean(fmean(found[strata == stratum]) for stratum in np.unique(strata)) if len(found) else nan


def _share(right: Mapping[Cell, float], cases: Notes) -> tuple[float, float, float]:
    """Average a score, with its interval over groups of cases."""
    if not right:
        return nan, nan, nan
    cells = sorted(right)  # the order of answers mustn't show, not even in rounding
    notes = [cases.get(dataset, {}).get(case) for dataset, case in cells]
    groups = [(note and note.group) or case for note, (_, case) in zip(notes, cells, strict=True)]
    return proportion([right[cell] for cell in cells], _ranks(groups), _ranks([dataset for dataset, _ in cells]))


def _ranks(names: Sequence[str]) -> list[int]:
    """Number names in their order: to sort numbers is quicker."""
    numbers = {name: number for number, name in enumerate(sorted(set(names)))}
    return [numbers[name] for name in names]


def dollars(value: float) -> str:
    """Write the price of ``PER`` decisions, to three digits."""
    if isnan(value):
        return "–"
    price = float(f"{PER * value:.2e}")
    return f"{price:,.{max(0, 2 - math.floor(math.log10(price)))}f}" if price else "0"
