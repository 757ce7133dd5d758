"""How long answers took: the median and the 95th percentile of each variant, and how they compare with its baseline's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from phrasing.stats import paired, quantiles
from phrasing.stats.quantiles import Quantile, Ratio, Sample

if TYPE_CHECKING:
    import pandas as pd

    from phrasing.analysis.tables import Cases
    from phrasing.analysis.verdict import Tone

AT = (0.5, 0.95)
"""The quantiles that are shown and compared: p50 and p95."""

MARGIN = 0.1
"""Latencies that are shown to differ by less than a tenth, either way, are called equivalent."""

_LEAST = 1e-6
"""Seconds that an answer takes at least: clocks tell no less."""


class Speed(StrEnum):
    """A variant's latency against its baseline's."""

    FASTER = "faster"
    SLOWER = "slower"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"

    @property
    def tone(self) -> Tone:
        """Whether it is good news, bad, neither, or not known."""
        return _TONES[self]


_TONES: dict[Speed, Tone] = {
    Speed.FASTER: "good",
    Speed.SLOWER: "bad",
    Speed.EQUIVALENT: "even",
    Speed.INCONCLUSIVE: "unsure",
}


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a variant's ``n`` answers took, in seconds, at each of ``AT``.

    ``ratios`` are to its ``baseline``'s, over the trials that both answered; ``verdicts`` is what may be said of each. Both are
    empty where there is no baseline.
    """

    variant: str
    n: int
    seconds: tuple[Quantile, ...]
    baseline: str = ""
    ratios: tuple[Ratio, ...] = ()
    verdicts: tuple[Speed, ...] = ()


def gather(
    table: pd.DataFrame, cases: Mapping[str, Cases], *, baselines: Mapping[str, str], confidence: float
) -> tuple[Latency, ...]:
    """Gather the latencies of each variant, in the order of ``cases`` (``tables.by_variant``), from the table of trials.

    Variants without any latency are left out. The family of Holm's correction is all ratios: any could be the one that is quoted.
    """
    timed = {variant: rows for variant, rows in _timed(table, cases).items() if len(rows)}
    seconds = quantiles.intervals([_sample(rows) for rows in timed.values()], AT, confidence)
    pairs = {
        variant: _common(rows, timed[baselines[variant]])
        for variant, rows in timed.items()
        if baselines.get(variant) in timed and baselines[variant] != variant
    }
    pairs = {variant: both for variant, both in pairs.items() if len(both[0].values)}
    ratios = quantiles.ratios(list(pairs.values()), AT, margin=MARGIN, confidence=confidence)
    compared = dict(zip(pairs, zip(ratios, _verdicts(ratios, 1 - confidence), strict=True), strict=True))
    found = []
    for (variant, rows), own in zip(timed.items(), seconds, strict=True):
        row = Latency(variant, len(rows), tuple(own))
        if variant in compared:
            ratio, verdicts = compared[variant]
            row = Latency(variant, len(rows), tuple(own), baselines[variant], tuple(ratio), tuple(verdicts))
        found.append(row)
    return tuple(found)


def _timed(table: pd.DataFrame, cases: Mapping[str, Cases]) -> dict[str, pd.DataFrame]:
    """Give the seconds of each variant's answers, by dataset, case and repeat, with the numbers of their clusters and strata."""
    known = table.loc[table["error"].isna() & table["latency"].notna(), ["variant", "dataset", "case", "repeat", "latency"]]
    found = {}
    for variant, listed in cases.items():
        rows = known[known["variant"] == variant].set_index(["dataset", "case"])
        rows = rows.join(listed[["cluster", "stratum"]], how="inner")
        found[variant] = rows.set_index("repeat", append=True).sort_index()
    return found


def _sample(rows: pd.DataFrame) -> Sample:
    values = np.maximum(rows["latency"].to_numpy(dtype=np.float64), _LEAST)
    return Sample(values, rows["cluster"].to_numpy(dtype=np.intp), rows["stratum"].to_numpy(dtype=np.intp))


def _common(mine: pd.DataFrame, theirs: pd.DataFrame) -> tuple[Sample, Sample]:
    both = mine.index.intersection(theirs.index)
    return _sample(mine.loc[both]), _sample(theirs.loc[both])


def _verdicts(ratios: Iterable[Iterable[Ratio]], alpha: float) -> list[list[Speed]]:
    """Say what may be said of all ratios together, as ``compare.conclude`` does of scores."""
    rows = [list(row) for row in ratios]
    corrected = iter(paired.holm([ratio.p for row in rows for ratio in row]))
    levels = [[next(corrected) for _ in row] for row in rows]
    open_yet = sum(p > alpha for row in levels for p in row)  # NaN is neither
    return [
        [_verdict(ratio, p, alpha, open_yet) for ratio, p in zip(row, ps, strict=True)]
        for row, ps in zip(rows, levels, strict=True)
    ]


def _verdict(ratio: Ratio, p: float, alpha: float, others: int) -> Speed:
    if math.isnan(p):
        return Speed.INCONCLUSIVE
    if p <= alpha:
        return Speed.SLOWER if ratio.value > 1 else Speed.FASTER
    return Speed.EQUIVALENT if others * ratio.within <= alpha else Speed.INCONCLUSIVE
