"""Two variants on the same cases: how much they differ, and what that shows. Arrays in, numbers out.

``docs/statistics.md`` explains the choices, ``benchmarks/calibration`` measures whether they hold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from phrasing.stats import anytime
from phrasing.stats.anytime import Evidence, Progress
from phrasing.stats.means import Mean, check_confidence, layout, mean_of

EXACT = 16
"""Up to so many clusters with a difference, every way of flipping their signs is tried (65,536 of them at most)."""

ROUNDING = 1e-12
"""Scores that differ by no more don't differ: 1/3 + 1/3 + 1/3 isn't always 1."""


@dataclass(frozen=True)
class Difference:
    """Two variants on the same cases: the mean of what one has more than the other, and what its tests need.

    ``wins``, ``losses`` and ``ties`` count cases; ``square`` is the mean of the squared differences (without repeats: the share
    of cases on which the variants differ); ``unit`` is how large a difference of a case typically is, 1 without repeats;
    ``flips`` are the clusters' sums that aren't 0, each with its weight in the mean. ``anytime``, where it isn't ``None``, is the
    evidence of ``stats.anytime``: the tests are its own then, which hold however often one looks.
    """

    mean: Mean
    square: float
    unit: float
    wins: int
    losses: int
    ties: int
    flips: tuple[float, ...]
    anytime: Evidence | None = None

    @property
    def variance(self) -> float:
        """That of a case's difference around the mean; 0 where all differ by the same."""
        # The two all but cancel then, and what is left may be negative.
        left = self.square - self.mean.value**2
        return left if left > ROUNDING * self.square else 0.0


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
    places = groups, layers, _ = layout(len(d), clusters, strata)
    found, n = mean_of(d, places), np.bincount(layers)
    weight = 1 / (n * len(n))[layers]
    square, size = float((weight * d * d).sum()), float((weight * np.abs(d)).sum())
    sums = np.bincount(groups, weight * d)
    return Difference(
        mean=found,
        square=square,
        unit=square / size if size else 1.0,
        wins=int((d > 0).sum()),
        losses=int((d < 0).sum()),
        ties=int((d == 0).sum()),
        flips=tuple(float(s) for s in sums if abs(s) > ROUNDING),
        anytime=anytime.evidence(d, progress) if progress else None,
    )


def interval(found: Difference, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of a difference: all differences that ``p_above`` and ``p_below`` don't rule out.

    It stands up where few cases differ, unlike the mean plus and minus two standard errors; with no difference at all it is not
    empty. Where the exact test decides (``p_different``) it may leave out 0 though that doesn't, and the other way round: few
    cases that differ have few possible p-values. (NaN, NaN) where the spread is unknown.
    """
    check_confidence(confidence)
    if math.isnan(found.mean.size) and found.anytime is None:
        return found.mean.size, found.mean.size
    alpha, furthest = (1 - confidence) / 2, found.unit if found.anytime is None else 1.0
    ends = []
    for sign, p in ((-1.0, p_above), (1.0, p_below)):
        inside, outside = found.mean.value, sign * furthest
        for _ in range(50):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if p(found, middle) > alpha else (inside, middle)
        ends.append(inside)
    return ends[0], ends[1]


def p_above(found: Difference, bound: float) -> float:
    """Return the one-sided p of "the difference is at most ``bound``": small where it lies above.

    With ``bound = -margin`` this is the test of non-inferiority.
    """
    if found.anytime is not None:
        return anytime.p_above(found.anytime, bound) if found.mean.value > bound else 1.0
    return float(special.stdtr(found.mean.df, -_score(found, bound)))


def p_below(found: Difference, bound: float) -> float:
    """Return the one-sided p of "the difference is at least ``bound``": small where it lies below."""
    if found.anytime is not None:
        return anytime.p_below(found.anytime, bound) if found.mean.value < bound else 1.0
    return float(special.stdtr(found.mean.df, _score(found, bound)))


def p_equivalent(found: Difference, margin: float) -> float:
    """Return the p of "the variants differ by ``margin`` or more": the larger of two one-sided tests.

    Source: D. J. Schuirmann (1987), A comparison of the two one-sided tests procedure and the power approach, Journal of
    Pharmacokinetics and Biopharmaceutics 15(6), 657-680.
    """
    return max(p_above(found, -margin), p_below(found, margin))


def p_different(found: Difference) -> float:
    """Return the two-sided p of "there is no difference".

    Where at most ``EXACT`` clusters differ it is exact: how many of all ways to swap the two variants within clusters give a
    difference as large. Else it is that of ``interval``. NaN where the spread is unknown.
    """
    if found.anytime is not None:
        return min(1.0, 2 * min(p_above(found, 0.0), p_below(found, 0.0)))
    if len(found.flips) <= EXACT:
        return sign_flip(found.flips)
    return float(2 * special.stdtr(found.mean.df, -abs(_score(found, 0.0))))


def sign_flip(sums: Sequence[float]) -> float:
    """Return the exact two-sided p of a sum under all ways of flipping the signs of its terms.

    Source: the randomization test of R. A. Fisher (1935), The design of experiments, section 21, by cluster.
    """
    totals = np.zeros(1)
    for term in sums:
        totals = np.concatenate([totals + term, totals - term])
    # what is equal but for rounding counts as equal
    return float((np.abs(totals) >= abs(sum(sums)) - 1e-9 * max(1e-12, np.abs(totals).max())).mean())


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


def _score(found: Difference, bound: float) -> float:
    """Return how many standard errors the difference lies above ``bound``, the error being what it would be at ``bound``.

    Source: T. Tango (1998), Equivalence test and confidence interval for the difference in proportions for the paired-sample
    design, Statistics in Medicine 17(8), 891-908, with two changes: the effective number of cases for that of cases, so that it
    holds with clusters; and differences measured in ``unit``, so that it holds with repeats, whose differences are fractions.
    """
    n, bound = found.mean.size, bound / found.unit
    more = n * (found.square / found.unit**2 + found.mean.value / found.unit) / 2
    less = n * (found.square / found.unit**2 - found.mean.value / found.unit) / 2
    if abs(bound) >= 1:  # no variant can be so much better
        return math.copysign(math.inf, -bound)
    # the share of losses that is likeliest if the difference were ``bound``
    b = (2 * n - more + less) * bound - more - less
    losses = (math.sqrt(max(0.0, b * b + 8 * n * less * bound * (1 - bound))) - b) / (4 * n)
    variance = n * (2 * losses + bound * (1 - bound))
    distance = more - less - n * bound
    if variance <= 0:
        return 0.0 if abs(distance) < 1e-9 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)
