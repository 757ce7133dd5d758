"""Two variants on the same cases: how much they differ, and what that shows. Arrays in, numbers out.

Everything that is said of a pair is read from one interval: its ends, the p-value of no difference, and the levels at which a
margin is cleared are the same function, ``p_above``, asked at different bounds. ``docs/statistics.md`` explains the choices,
``benchmarks/calibration`` measures whether they hold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from phrasing.stats import anytime, unseen
from phrasing.stats.anytime import Evidence, Progress
from phrasing.stats.means import Mean, check_confidence, layout, mean_of
from phrasing.stats.unseen import Spread

ROUNDING = 1e-12
"""Scores that differ by no more don't differ: 1/3 + 1/3 + 1/3 isn't always 1."""


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
        spread=unseen.spread(d, found, places, d != 0),
        anytime=anytime.evidence(d, progress) if progress else None,
    )


def interval(found: Difference, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of a difference: all differences that ``p_above`` and ``p_below`` don't rule out.

    Its ends are where each of the two is half of what ``confidence`` leaves. (NaN, NaN) where the spread is unknown.
    """
    check_confidence(confidence)
    if math.isnan(found.mean.size) and found.anytime is None:
        return found.mean.size, found.mean.size
    tail, value = (1 - confidence) / 2, found.mean.value
    low = unseen.end(lambda bound: p_above(found, bound), value, -1.0, tail)
    return low, unseen.end(lambda bound: p_below(found, bound), value, 1.0, tail)


def p_above(found: Difference, bound: float) -> float:
    """Return the one-sided p of "the difference is at most ``bound``": small where it lies above.

    With ``bound = -margin`` this is the test of non-inferiority. It is the share of draws (``stats.unseen``) in which the mean is
    at most ``bound``; in the cluster that nobody has seen everything is lost. Where each case is a cluster of its own, that is
    the p of McNemar's exact test for ``bound = 0``, and of Clopper's and Pearson's bound where no case is won; ``below_zero``
    says how closely it is computed. NaN where the spread is unknown.
    """
    if found.anytime is not None:
        return anytime.p_above(found.anytime, bound) if found.mean.value > bound else 1.0
    return unseen.at_most(found.spread, bound, -1.0)


def p_below(found: Difference, bound: float) -> float:
    """Return the one-sided p of "the difference is at least ``bound``": small where it lies below. ``p_above`` in the mirror."""
    if found.anytime is not None:
        return anytime.p_below(found.anytime, bound) if found.mean.value < bound else 1.0
    return unseen.at_least(found.spread, bound, 1.0)


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
    from scipy import special

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
