"""Statistics: arrays in, numbers out. Nothing here knows of runs, arms or scores.

A value belongs to a case (repeats are averaged before), a case to a cluster (the conversation it was cut from; values within one
are alike, so clusters are the independent pieces) and a cluster to a stratum (its dataset; strata weigh the same, however many
cases they hold). ``docs/statistics.md`` explains the choices, ``benchmarks/calibration`` measures whether they hold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Array = NDArray[np.float64]
Layout = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]

EXACT = 16
"""Up to so many clusters with a difference, every way of flipping their signs is tried (65,536 of them at most)."""


# ---------------------------------------------------------------------------------------------- means of clustered values


@dataclass(frozen=True)
class Mean:
    """A mean over strata of clustered values, with what an interval needs.

    ``n`` cases in ``clusters`` clusters; ``variance`` is that of the mean, robust to clustering, with ``df`` degrees of freedom;
    ``size`` is how many independent cases would give that variance. ``variance``, ``df`` and ``size`` are NaN where a stratum has
    only one cluster: nothing can be said of its spread then.
    """

    n: int
    clusters: int
    value: float
    variance: float
    df: float
    size: float


def mean(values: ArrayLike, clusters: ArrayLike | None = None, strata: ArrayLike | None = None) -> Mean:
    """Average cases, then strata with equal weight; estimate the variance from the spread between clusters.

    ``values`` is one number a case; ``clusters`` and ``strata`` are labels of the same length (default: every case its own
    cluster, one stratum). Without clusters this is the usual variance of a mean. Raises ``ValueError`` without values.

    Source: the bias-reduced estimator CR2 and its degrees of freedom, R. M. Bell and D. F. McCaffrey (2002), Bias reduction in
    standard errors for linear regression with multi-stage samples, Survey Methodology 28(2), 169-181, for a regression on a
    constant; strata are joined by F. E. Satterthwaite (1946), An approximate distribution of estimates of variance components,
    Biometrics Bulletin 2(6), 110-114.
    """
    x = np.asarray(values, dtype=np.float64)
    return _mean(x, _layout(len(x), clusters, strata))


def _mean(x: Array, layout: Layout) -> Mean:
    if not len(x):
        raise ValueError("a mean needs values")
    groups, layers, home = layout
    size, n = np.bincount(groups).astype(np.float64), np.bincount(layers).astype(np.float64)
    count, number = len(size), len(n)
    means = np.bincount(layers, x, number) / n
    # What is only rounding is no spread: it would pass for great certainty.
    tiny = 1e-12 * np.abs(x).max()
    away = x - means[layers]
    away[np.abs(away) <= tiny] = 0
    # A cluster's sum of residuals varies less than its values do, the more of the stratum it makes up: CR2 scales it up again.
    share = size / n[home]
    if np.any(share == 1):
        nothing = float("nan")
        return Mean(len(x), count, float(means.mean()), nothing, nothing, nothing)
    scale = 1 / (1 - share)
    residuals = np.bincount(groups, away, count)
    residuals[np.abs(residuals) <= tiny * size] = 0
    variances = np.bincount(home, scale * residuals**2, number) / n**2
    alike = np.bincount(home, size**2, number)
    freedom = n**2 / (
        alike + (np.bincount(home, scale * size**2, number) ** 2 - np.bincount(home, scale**2 * size**4, number)) / n**2
    )
    parts = variances / number**2
    variance = float(parts.sum())
    if variance > 0:
        df = variance**2 / float((parts**2 / freedom).sum())
        effective = float((np.bincount(layers, away**2, number) / (n - 1)).mean()) / variance
    else:
        # All alike, or all clusters: nothing shows how alike the cases of a cluster are, so take each cluster for a single case.
        df, effective = float(freedom.min()), float(number**2 / (alike / n**2).sum())
    return Mean(len(x), count, float(means.mean()), variance, df, effective)


def proportion(
    values: ArrayLike, clusters: ArrayLike | None = None, strata: ArrayLike | None = None, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Return the mean of values from 0 to 1 and its interval: Wilson's, with the effective number of cases.

    Wilson's formula takes a case for right or wrong. Repeats make it partly right, which varies less, so there are more effective
    cases; how much less is estimated as if one more case were all right or all wrong, because few cases that differ show it
    badly. (NaN, NaN) for the interval where a stratum has only one cluster.

    Source: Wilson's interval (``wilson``) with an effective sample size and Student's quantile, as compared in C. Franco,
    R. J. A. Little, T. A. Louis and E. V. Slud (2019), Comparative study of confidence intervals for proportions in complex
    sample surveys, Journal of Survey Statistics and Methodology 7(3), 334-364.
    """
    found = mean(values, clusters, strata)
    if math.isnan(found.size):
        return found.value, found.size, found.size
    _check_confidence(confidence)
    quantile = float(special.stdtrit(found.df, (1 + confidence) / 2))
    largest = found.value * (1 - found.value) * found.n**2 / (found.n - 1)
    gain = (largest + 1) / (found.n * found.size * found.variance + 1) if found.variance else 1.0
    return (found.value, *_wilson(found.value, found.size * gain, quantile))


def wilson(value: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return the score interval of a proportion: all p that lie within z standard errors (at p) of ``value``.

    Never leaves [0, 1] and doesn't collapse at 0 and 1.

    Source: E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22(158), 209-212.
    """
    _check_confidence(confidence)
    if not 0 <= value <= 1 or not 0 < n < math.inf:
        raise ValueError(f"wilson needs a value from 0 to 1 and n above 0, got {value} and {n}")
    return _wilson(value, n, float(special.ndtri((1 + confidence) / 2)))


def _wilson(value: float, n: float, z: float) -> tuple[float, float]:
    z2 = z * z
    centre = (value + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(value * (1 - value) / n + z2 / (4 * n * n))
    # The ends lie around the mean and inside [0, 1] by the formula; rounding must not say otherwise.
    return max(0.0, min(value, centre - half)), min(1.0, max(value, centre + half))


def upper_bound(k: int, n: int, confidence: float = 0.95) -> float:
    """Return the largest rate that ``k`` events in ``n`` cases don't rule out: a one-sided exact bound.

    With no event in n = 60 cases it is 0.049: "none seen" is not "none there".

    Source: C. J. Clopper and E. S. Pearson (1934), The use of confidence or fiducial limits illustrated in the case of the
    binomial, Biometrika 26(4), 404-413.
    """
    _check_confidence(confidence)
    if not 0 <= k <= n or n < 1:
        raise ValueError(f"upper_bound needs k from 0 to n and n above 0, got {k} and {n}")
    return 1.0 if k == n else float(special.betaincinv(k + 1, n - k, confidence))


# ---------------------------------------------------------------------------------------------- two arms on the same cases


@dataclass(frozen=True)
class Difference:
    """Two arms on the same cases: the mean of what one has more than the other, and what its tests need.

    ``wins``, ``losses`` and ``ties`` count cases; ``square`` is the mean of the squared differences (without repeats: the share
    of cases on which the arms differ); ``unit`` is how large a difference of a case typically is, 1 without repeats; ``flips``
    are the clusters' sums that aren't 0, each with its weight in the mean.
    """

    mean: Mean
    square: float
    unit: float
    wins: int
    losses: int
    ties: int
    flips: tuple[float, ...]


def difference(
    mine: ArrayLike, baseline: ArrayLike, clusters: ArrayLike | None = None, strata: ArrayLike | None = None
) -> Difference:
    """Compare two arms case by case. The arrays hold a value from 0 to 1 a case, in the same order of cases."""
    d = np.asarray(mine, dtype=np.float64) - np.asarray(baseline, dtype=np.float64)
    layout = groups, layers, _ = _layout(len(d), clusters, strata)
    found, n = _mean(d, layout), np.bincount(layers)
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
        flips=tuple(float(s) for s in sums if abs(s) > 1e-12),
    )


def interval(found: Difference, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of a difference: all differences that ``p_above`` and ``p_below`` don't rule out.

    It stands up where few cases differ, unlike the mean plus and minus two standard errors; with no difference at all it is not
    empty. (NaN, NaN) where the spread is unknown.
    """
    _check_confidence(confidence)
    if math.isnan(found.mean.size):
        return found.mean.size, found.mean.size
    z = float(special.stdtrit(found.mean.df, (1 + confidence) / 2))
    ends = []
    for sign in (-1.0, 1.0):
        inside, outside = found.mean.value, sign * found.unit
        for _ in range(60):
            middle = (inside + outside) / 2
            if abs(_score(found, middle)) <= z:
                inside = middle
            else:
                outside = middle
        ends.append(inside)
    return ends[0], ends[1]


def p_above(found: Difference, bound: float) -> float:
    """Return the one-sided p of "the difference is at most ``bound``": small where it lies above.

    With ``bound = -margin`` this is the test of non-inferiority.
    """
    return float(special.stdtr(found.mean.df, -_score(found, bound)))


def p_below(found: Difference, bound: float) -> float:
    """Return the one-sided p of "the difference is at least ``bound``": small where it lies below."""
    return float(special.stdtr(found.mean.df, _score(found, bound)))


def p_equivalent(found: Difference, margin: float) -> float:
    """Return the p of "the arms differ by ``margin`` or more": the larger of two one-sided tests.

    Source: D. J. Schuirmann (1987), A comparison of the two one-sided tests procedure and the power approach, Journal of
    Pharmacokinetics and Biopharmaceutics 15(6), 657-680.
    """
    return max(p_above(found, -margin), p_below(found, margin))


def p_different(found: Difference) -> float:
    """Return the two-sided p of "there is no difference".

    Where at most ``EXACT`` clusters differ it is exact: how many of all ways to swap the two arms within clusters give a
    difference as large. Else it is that of ``interval``. NaN where the spread is unknown.
    """
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
    if abs(bound) >= 1:  # no arm can be so much better
        return math.copysign(math.inf, -bound)
    # the share of losses that is likeliest if the difference were ``bound``
    b = (2 * n - more + less) * bound - more - less
    losses = (math.sqrt(max(0.0, b * b + 8 * n * less * bound * (1 - bound))) - b) / (4 * n)
    variance = n * (2 * losses + bound * (1 - bound))
    distance = more - less - n * bound
    if variance <= 0:
        return 0.0 if abs(distance) < 1e-9 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


# ---------------------------------------------------------------------------------------------- repeats


def disagreement(answers: Sequence[Sequence[Any]]) -> float:
    """Return how often two answers to the same request differ: the mean over cases with at least two answers. NaN if none."""
    shares = []
    for given in answers:
        n = len(given)
        if n > 1:
            same = sum(given.count(value) * (given.count(value) - 1) for value in set(given))
            shares.append(1 - same / (n * (n - 1)))
    return float(np.mean(shares)) if shares else float("nan")


def pass_hat(successes: ArrayLike, trials: ArrayLike, k: int) -> float:
    """Return the chance that ``k`` answers to a case are all right, the mean over cases with at least ``k`` answers. NaN if none.

    Source: S. Yao, N. Shinn, P. Razavi and K. Narasimhan (2024), tau-bench, arXiv:2406.12045, section 4: pass^k.
    """
    right, asked = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    enough = asked >= k
    if k < 1 or not enough.any():
        return float("nan")
    return float((special.binom(right[enough], k) / special.binom(asked[enough], k)).mean())


def _layout(n: int, clusters: ArrayLike | None, strata: ArrayLike | None) -> Layout:
    """Number clusters and strata from 0: (cluster of each value, stratum of each value, stratum of each cluster)."""
    layers = np.zeros(n, dtype=np.intp) if strata is None else np.unique(np.asarray(strata), return_inverse=True)[1]
    if clusters is None:
        return np.arange(n), layers, layers
    named = np.unique(np.asarray(clusters), return_inverse=True)[1]
    # a name that two strata use names two clusters
    kept, groups = np.unique(layers * (n + 1) + named, return_inverse=True)
    return groups, layers, kept // (n + 1)


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
