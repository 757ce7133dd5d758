"""Statistics: arrays in, numbers out. Nothing here knows of runs, variants or scores.

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

Array = NDArray[np.float64]
Layout = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]


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
    return mean_of(x, layout(len(x), clusters, strata))


def mean_of(x: Array, places: Layout) -> Mean:
    """Do as ``mean`` does, for values whose ``layout`` is known."""
    if not len(x):
        raise ValueError("a mean needs values")
    groups, layers, home = places
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
        df = 1 / float(((parts / variance) ** 2 / freedom).sum())  # the square of a small variance may be 0
        effective = float((np.bincount(layers, away**2, number) / (n - 1)).mean()) / variance
    else:
        # All alike, or all clusters: nothing shows how alike the cases of a cluster are, so take each cluster for a single case.
        df, effective = float(freedom.min()), float(number**2 / (alike / n**2).sum())
    return Mean(len(x), count, float(means.mean()), variance, df, effective)


def average(
    values: ArrayLike, clusters: ArrayLike | None = None, strata: ArrayLike | None = None, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Return the mean of any values and Student's interval around it. (NaN, NaN) where a stratum has only one cluster."""
    from scipy import special

    check_confidence(confidence)
    found = mean(values, clusters, strata)
    half = float(special.stdtrit(found.df, (1 + confidence) / 2)) * math.sqrt(found.variance)
    return found.value, found.value - half, found.value + half


def upper_bound(k: int, n: int, confidence: float = 0.95) -> float:
    """Return the largest rate that ``k`` events in ``n`` cases don't rule out: a one-sided exact bound.

    With no event in n = 60 cases it is 0.049: "none seen" is not "none there".

    Source: C. J. Clopper and E. S. Pearson (1934), The use of confidence or fiducial limits illustrated in the case of the
    binomial, Biometrika 26(4), 404-413.
    """
    from scipy import special

    check_confidence(confidence)
    if not 0 <= k <= n or n < 1:
        raise ValueError(f"upper_bound needs k from 0 to n and n above 0, got {k} and {n}")
    return 1.0 if k == n else float(special.betaincinv(k + 1, n - k, confidence))


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
    from scipy import special

    right, asked = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    enough = asked >= k
    if k < 1 or not enough.any():
        return float("nan")
    return float((special.binom(right[enough], k) / special.binom(asked[enough], k)).mean())


def layout(n: int, clusters: ArrayLike | None, strata: ArrayLike | None) -> Layout:
    """Number clusters and strata from 0: (cluster of each value, stratum of each value, stratum of each cluster)."""
    layers = np.zeros(n, dtype=np.intp) if strata is None else np.unique(np.asarray(strata), return_inverse=True)[1]
    if clusters is None:
        return np.arange(n), layers, layers
    named = np.unique(np.asarray(clusters), return_inverse=True)[1]
    # a name that two strata use names two clusters
    kept, groups = np.unique(layers * (n + 1) + named, return_inverse=True)
    return groups, layers, kept // (n + 1)


def check_confidence(confidence: float) -> None:
    """Raise ``ValueError`` for a confidence that isn't between 0 and 1."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
