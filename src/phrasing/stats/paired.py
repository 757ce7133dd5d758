"""Two variants on the same cases: how much they differ, and what that shows. Arrays in, numbers out.

Everything that is said of a pair is read from one interval: its ends, the p-value of no difference, and the levels at which a
margin is cleared are the same function, ``p_above``, asked at different bounds. ``docs/statistics.md`` explains the choices,
``benchmarks/calibration`` measures whether they hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from phrasing.stats import anytime
from phrasing.stats.anytime import Evidence, Progress
from phrasing.stats.means import Array, Layout, Mean, check_confidence, layout, mean_of
from phrasing.stats.saddlepoint import below_zero

ROUNDING = 1e-12
"""Scores that differ by no more don't differ: 1/3 + 1/3 + 1/3 isn't always 1."""

WHOLE = 10
"""So many clusters of which all cases differ alike are supposed besides those seen, when it is estimated how alike cases are.

A variant that fails wholly in a few conversations shows it only in those, and few of them are seen. With fewer than 10 such a
variant, worse by the margin, would be called not worse too often; more would cost verdicts where nothing of the kind happens
(``benchmarks/calibration.md``).
"""


@dataclass(frozen=True)
class Spread:
    """How much each cluster adds to a mean difference.

    ``weights`` are the clusters' shares of the mean (they sum to 1), ``away`` by how much each moves the mean off its stratum's.
    ``differing`` is the number of clusters in which a case differs. ``added`` is the weight of one cluster more that nobody has
    seen, in which everything is lost.
    """

    weights: Array
    away: Array
    differing: int
    added: float


@dataclass(frozen=True)
class Difference:
    """Two variants on the same cases: the mean of what one has more than the other, and what its tests need.

    ``wins``, ``losses`` and ``ties`` count cases; ``square`` is the mean of the squared differences (without repeats: the share
    of cases on which the variants differ); ``unit`` is how large a difference of a case typically is, 1 without repeats.
    ``anytime``, where it isn't ``None``, is the evidence of ``stats.anytime``: the tests are its own then, which hold however
    often one looks.
    """

    mean: Mean
    square: float
    unit: float
    wins: int
    losses: int
    ties: int
    spread: Spread = field(compare=False)
    anytime: Evidence | None = field(default=None, compare=False)

    @property
    def variance(self) -> float:
        """That of a case's difference around the mean; 0 where all differ by the same."""
        # The two all but cancel then, and what is left may be negative.
        left = self.square - self.mean.value**2
        return left if left > ROUNDING * self.square else 0.0

    @property
    def added(self) -> float:
        """The weight of the unseen cluster, in independent cases that differ by ``unit``; NaN where the spread is unknown."""
        return self.spread.added * self.mean.size / self.unit


def difference(
    mine: ArrayLike,
    baseline: ArrayLike,
    clusters: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    *,
    progress: Progress | None = None,
) -> Difference:
    """Compare two variants case by case. The arrays hold a value from 0 to 1 a case, in the same order of cases.

    ``progress``: how many cases there are was decided by looking at them, and this is how far it has come.
    """
    d = np.asarray(mine, dtype=np.float64) - np.asarray(baseline, dtype=np.float64)
    d[np.abs(d) <= ROUNDING] = 0  # a difference of 1e-17 in every case would pass for one that is known very well
    places = _, layers, _ = layout(len(d), clusters, strata)
    found, n = mean_of(d, places), np.bincount(layers)
    weight = 1 / (n * len(n))[layers]
    square, size = float((weight * d * d).sum()), float((weight * np.abs(d)).sum())
    return Difference(
        mean=found,
        square=square,
        unit=square / size if size else 1.0,
        wins=int((d > 0).sum()),
        losses=int((d < 0).sum()),
        ties=int((d == 0).sum()),
        spread=_spread(d, weight, found, places),
        anytime=anytime.evidence(d, progress) if progress else None,
    )


def _spread(d: Array, weight: Array, found: Mean, places: Layout) -> Spread:
    groups, layers, _ = places
    means = np.bincount(layers, d) / np.bincount(layers)
    weights = np.bincount(groups, weight).astype(np.float64)
    away = np.bincount(groups, weight * (d - means[layers])).astype(np.float64)
    alone, together = float((weight**2).sum()), float((weights**2).sum())
    alike = 0.0
    if together > alone:
        alike = min(1.0, max(0.0, (1 / found.size - alone) / (together - alone)))
    differing = len(np.unique(groups[d != 0]))
    return Spread(weights, away, differing, alone + (together - alone) * supposed(alike, differing))


def supposed(alike: float, clusters: int) -> float:
    """Return how alike cases of a cluster are supposed to be, from 0 to 1, where so many clusters seem to be that ``alike``."""
    return (clusters * alike + WHOLE) / (clusters + WHOLE)


def interval(found: Difference, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of a difference: all differences that ``p_above`` and ``p_below`` don't rule out.

    Its ends are where each of the two is half of what ``confidence`` leaves. (NaN, NaN) where the spread is unknown.
    """
    check_confidence(confidence)
    if math.isnan(found.mean.size) and found.anytime is None:
        return found.mean.size, found.mean.size
    tail = (1 - confidence) / 2

    def end(p: Callable[[Difference, float], float], furthest: float) -> float:
        def beyond(bound: float) -> float:
            return p(found, bound) - tail

        at = found.mean.value
        # where nothing varies the estimate itself may be ruled out, or be the furthest that there is
        return at if at == furthest or beyond(at) <= 0 else float(optimize.brentq(beyond, at, furthest, xtol=1e-9))

    return end(p_above, -1.0), end(p_below, 1.0)


def p_above(found: Difference, bound: float) -> float:
    """Return the one-sided p of "the difference is at most ``bound``": small where it lies above.

    With ``bound = -margin`` this is the test of non-inferiority. Weights are drawn for the clusters, and for one more in which
    everything is lost; ``p`` is the share of draws in which the weighted mean is at most ``bound``, computed instead of drawn.
    Where each case is a cluster of its own, the draws' share is the p of McNemar's exact test for ``bound = 0``, and that of
    Clopper's and Pearson's bound where no case is won; ``below_zero`` says how closely it is computed. It supposes
    nothing of the differences but that they lie from -1 to 1. NaN where the spread is unknown.

    Source: the Bayesian bootstrap, D. B. Rubin (1981), The Bayesian bootstrap, The Annals of Statistics 9(1), 130-134, of
    clusters, with an observation added at the end of the range as in E. Learned-Miller and P. S. Thomas (2019), A new confidence
    interval for the mean of a bounded random variable, arXiv:1905.06208, after N. Gaffke (2005). The weight of what is added is
    our own (``Spread``).
    """
    if found.anytime is not None:
        return anytime.p_above(found.anytime, bound) if found.mean.value > bound else 1.0
    return _share(found, bound, 1.0)


def p_below(found: Difference, bound: float) -> float:
    """Return the one-sided p of "the difference is at least ``bound``": small where it lies below. ``p_above`` in the mirror."""
    if found.anytime is not None:
        return anytime.p_below(found.anytime, bound) if found.mean.value < bound else 1.0
    return _share(found, bound, -1.0)


def _share(found: Difference, bound: float, side: float) -> float:
    """Return in what share of draws the weighted mean isn't beyond ``bound``, above it (``side`` 1) or below it (-1)."""
    if math.isnan(found.mean.size):
        return found.mean.size
    if side * bound <= -1:  # no variant can be so much worse; with strata a cluster may be, seen from the mean of all
        return 0.0
    spread = found.spread
    values = side * (spread.weights * (found.mean.value - bound) + spread.away)
    return below_zero(np.append(values, spread.added * (-1 - side * bound)))


def level_above(found: Difference, bound: float) -> float:
    """Return the smallest alpha at which the interval of confidence 1 - alpha lies above ``bound``, at most 1."""
    return _two_sided(p_above(found, bound))


def level_within(found: Difference, margin: float) -> float:
    """Return the smallest alpha at which the interval of confidence 1 - alpha lies within ``margin`` of 0, at most 1.

    Source: two one-sided tests, D. J. Schuirmann (1987), A comparison of the two one-sided tests procedure and the power
    approach, Journal of Pharmacokinetics and Biopharmaceutics 15(6), 657-680; at alpha / 2 each, as the interval has it.
    """
    return _two_sided(max(p_above(found, -margin), p_below(found, margin)))


def p_different(found: Difference) -> float:
    """Return the two-sided p of "there is no difference": the smallest alpha at which the interval leaves out 0."""
    return _two_sided(min(p_above(found, 0.0), p_below(found, 0.0)))


def _two_sided(p: float) -> float:
    return p if math.isnan(p) else min(1.0, 2 * p)


def mcnemar(wins: int, losses: int) -> float:
    """Return the exact two-sided p of McNemar's test: whether wins and losses are as likely. Blind to clusters: a check only.

    Source: Q. McNemar (1947), Note on the sampling error of the difference between correlated proportions or percentages,
    Psychometrika 12(2), 153-157, with the binomial distribution.
    """
    return min(1.0, 2 * float(special.bdtr(min(wins, losses), wins + losses, 0.5))) if wins + losses else 1.0


def holm(ps: Sequence[float]) -> list[float]:
    """Correct p-values of a family, so that any false claim among them has at most the stated probability. NaN stays out.

    Source: S. Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6(2),
    65-70.
    """
    known = sorted((i for i in range(len(ps)) if not math.isnan(ps[i])), key=lambda i: ps[i])
    corrected, highest = [float("nan")] * len(ps), 0.0
    for rank, i in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * ps[i]))
        corrected[i] = highest
    return corrected
