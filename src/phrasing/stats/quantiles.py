"""Quantiles of what answers took, such as the median and the 95th percentile of seconds, and how two variants' compare.

A quantile has no formula for its spread that doesn't ask how dense the values are around it, so it is drawn: clusters are
weighted at random, each draw has a quantile, and an interval leaves out the same share of draws at each end. As in
``stats.unseen`` there is one more cluster that nobody has seen, in each stratum, as large as the others are on average: for the
lower end all its values are below any that was seen, for the upper end above. So the 95th percentile of a few values has no
upper end. ``benchmarks.calibration.latency`` measures whether the intervals hold.

Source: D. B. Rubin (1981), The Bayesian bootstrap, The Annals of Statistics 9(1), 130-134, with what ``stats.unseen`` adds.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from phrasing.stats.means import Array, check_confidence, mean

DRAWS = 2000
SEED = 20_260_101
"""Fixed, so that the same results give the same interval."""

_HELD = 125_000
"""Weights held at a time: 1 MB, which lies near the processor."""

_SURELY = 8.0
"""A quantile is expected within so many standard errors in every draw; where it isn't, all values are looked at."""

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Sample:
    """What the answers of one variant took: a value above 0 each, with the number of its cluster and of its stratum.

    Samples that are compared number clusters alike; clusters of different strata have different numbers.
    """

    values: Array
    clusters: NDArray[np.intp]
    strata: NDArray[np.intp]


class Quantile(NamedTuple):
    """A quantile, from ``low`` to ``high``: 0 and infinity where nothing that was seen bounds it, NaN where nothing is known."""

    value: float
    low: float
    high: float


class Ratio(NamedTuple):
    """A quantile of one sample over that of another, from ``low`` to ``high``.

    ``p`` is that of no difference. ``within`` is the smallest alpha at which the interval of confidence 1 - alpha lies within the
    margin: from 1 / (1 + margin) to 1 + margin.
    """

    value: float
    low: float
    high: float
    p: float
    within: float


def quantile(sample: Sample, at: float) -> float:
    """Return the value that a share ``at`` of the values doesn't exceed; strata weigh the same. NaN where there is no value.

    Where two values are that, it is the mean of both, as usual for a median.
    """
    if not len(sample.values):
        return math.nan
    order = _ascending(sample)
    sizes = np.bincount(sample.strata)
    shares = np.cumsum(1 / (np.count_nonzero(sizes) * sizes[sample.strata[order]]))
    first, last = (min(int(np.searchsorted(shares, at + off)), len(order) - 1) for off in (-_ROUNDING, _ROUNDING))
    return float(sample.values[order[[first, last]]].mean())


def intervals(samples: Sequence[Sample], at: Sequence[float], confidence: float = 0.95) -> list[list[Quantile]]:
    """Return the quantiles ``at`` of each sample: samples x quantiles.

    There is no interval where a stratum has only one cluster.
    """
    check_confidence(confidence)
    return [
        [Quantile(quantile(sample, share), *_ends(low, high, confidence)) for share, (low, _, high) in zip(at, row, strict=True)]
        for sample, row in zip(samples, _draw(samples, at), strict=True)
    ]


def ratios(
    pairs: Sequence[tuple[Sample, Sample]], at: Sequence[float], *, margin: float, confidence: float = 0.95
) -> list[list[Ratio]]:
    """Compare quantiles ``at`` of each pair of samples, the first over the second: pairs x quantiles.

    Both of a pair are weighted alike, as they were asked the same; in the unseen clusters one of them, whichever makes more of
    it, is as quick or as slow as can be. There is no interval where a stratum has only one cluster.
    """
    check_confidence(confidence)
    drawn = _draw([sample for pair in pairs for sample in pair], at)
    found = []
    for (mine, theirs), my_draws, their_draws in zip(pairs, drawn[::2], drawn[1::2], strict=True):
        values = [quantile(mine, share) / quantile(theirs, share) for share in at]
        draws = zip(values, my_draws, their_draws, strict=True)
        found.append([_ratio(value, one, other, margin, confidence) for value, one, other in draws])
    return found


def _ratio(value: float, mine: Array, theirs: Array, margin: float, confidence: float) -> Ratio:
    (low, seen, high), (their_low, their_seen, their_high) = mine, theirs
    with np.errstate(divide="ignore"):
        lows, highs = np.minimum(low / their_seen, seen / their_high), np.maximum(high / their_seen, seen / their_low)
    if np.isnan(lows).any():
        return Ratio(value, *[math.nan] * 4)
    different = min(_share(lows <= 1), _share(highs >= 1))
    beyond = max(_share(lows * (1 + margin) <= 1), _share(highs >= 1 + margin))
    return Ratio(value, *_ends(lows, highs, confidence), min(1.0, 2 * different), min(1.0, 2 * beyond))


def _share(draws: NDArray[np.bool_]) -> float:
    """Return the share of draws, never 0: what no draw shows is only rarer than their number can tell."""
    return float((draws.sum() + 1) / (len(draws) + 1))


def _ends(lows: Array, highs: Array, confidence: float) -> tuple[float, float]:
    """Leave out half of what ``confidence`` leaves of the draws of each end."""
    tail = (1 - confidence) / 2
    return float(np.quantile(lows, tail, method="lower")), float(np.quantile(highs, 1 - tail, method="higher"))


# ---------------------------------------------------------------------------------------------- draws


def _draw(samples: Sequence[Sample], at: Sequence[float]) -> Array:
    """Draw quantiles: samples x quantiles x 3 x draws: with the unseen clusters below all values, without them, and above all."""
    drawn = np.full((len(samples), len(at), 3, DRAWS), math.nan)
    known = [i for i, sample in enumerate(samples) if len(sample.values)]
    strata = max((int(samples[i].strata.max()) + 1 for i in known), default=0)
    clusters = max((int(samples[i].clusters.max()) + 1 for i in known), default=0)
    parts = {(i, j): _cut(samples[i], share, clusters, strata) for i in known for j, share in enumerate(at)}
    rng, step = np.random.default_rng(SEED), max(1, _HELD // max(1, clusters + strata))
    for start in range(0, DRAWS, step):
        unseen, seen = np.split(rng.exponential(size=(min(step, DRAWS - start), strata + clusters)), [strata], axis=1)
        for (i, j), part in parts.items():
            if part is not None:
                drawn[i, j, :, start : start + step] = _quantiles(samples[i], at[j], part, seen, unseen)
    return drawn


@dataclass(frozen=True)
class _Part:
    """The values among which a quantile is expected, ascending; ``first`` is the place of the first of them among all.

    ``sizes`` and ``below`` are clusters x strata: how many values there are of a cluster, and how many below these.
    """

    first: int
    order: NDArray[np.intp]
    sizes: Array
    below: Array


def _cut(sample: Sample, at: float, clusters: int, strata: int) -> _Part | None:
    """Find the values among which a quantile lies in all draws, most likely. ``None`` where a stratum has only one cluster."""
    order = _ascending(sample)
    sizes = _count(sample, order, clusters, strata)
    if (np.count_nonzero(sizes, axis=0) == 1).any():
        return None
    size = mean(sample.values <= quantile(sample, at), sample.clusters, sample.strata).size
    off = _SURELY * math.sqrt(at * (1 - at) / size) + (_SURELY + 1) / np.count_nonzero(sizes)  # and the unseen clusters' weight
    shares = np.cumsum(1 / sizes.sum(axis=0)[sample.strata[order]]) / np.count_nonzero(sizes.sum(axis=0))
    first, last = np.searchsorted(shares, [at - off, at + off])
    return _Part(int(first), order[first : last + 1], sizes, _count(sample, order[:first], clusters, strata))


def _count(sample: Sample, places: NDArray[np.intp], clusters: int, strata: int) -> Array:
    counted = np.bincount(sample.clusters[places] * strata + sample.strata[places], minlength=clusters * strata)
    return counted.reshape(clusters, strata).astype(np.float64)


def _quantiles(sample: Sample, at: float, part: _Part, seen: Array, unseen: Array) -> Array:
    """Give the quantiles of draws, 3 x draws: of weights of the clusters seen (draws x clusters) and unseen (draws x strata)."""
    totals, there = part.sizes.sum(axis=0), np.count_nonzero(part.sizes, axis=0)
    added = unseen * totals / np.maximum(there, 1)
    scale = (totals > 0) / np.count_nonzero(totals) / np.maximum(seen @ part.sizes + added, sys.float_info.min)
    steps = seen[:, sample.clusters[part.order]] * scale[:, sample.strata[part.order]]
    shares = np.cumsum(steps, axis=1) + (seen @ part.below * scale).sum(axis=1, keepdims=True)
    more = (added * scale).sum(axis=1, keepdims=True)
    places = np.stack([(shares < (end - _ROUNDING)).sum(axis=1) for end in (at - more, at * (1 - more), at)])
    missed = part.first > 0 and bool((places[0] == 0).any())
    missed |= part.first + len(part.order) < len(sample.values) and bool((places[2] == len(part.order)).any())
    if missed:
        return _quantiles(sample, at, replace(part, first=0, order=_ascending(sample), below=0 * part.below), seen, unseen)
    values: Array = np.append(sample.values[part.order], math.inf)[places]
    values[0, more[:, 0] >= at] = 0.0
    return values


def _ascending(sample: Sample) -> NDArray[np.intp]:
    return np.argsort(sample.values, kind="stable")
