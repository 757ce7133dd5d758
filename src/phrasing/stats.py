"""Statistics: plain numbers in, plain numbers out.

Nothing here knows of runs, arms or scores, and nothing needs scipy.
"""

from __future__ import annotations

import math
from statistics import NormalDist


def wilson(mean: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return the score interval of a proportion: all p that lie within z standard errors (at p) of ``mean``.

    ``mean`` may be any number from 0 to 1, because repeats are averaged first; ``n`` is the number of cases, not of trials.
    Never leaves [0, 1] and doesn't collapse at 0 and 1. For means of fractions it is conservative: they vary less than a coin.

    Source: E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22(158), 209-212.
    """
    _check_confidence(confidence)
    if not 0 <= mean <= 1 or not 0 < n < math.inf:
        raise ValueError(f"wilson needs a mean from 0 to 1 and n above 0, got {mean} and {n}")
    z2 = NormalDist().inv_cdf((1 + confidence) / 2) ** 2
    centre = (mean + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2) / (1 + z2 / n) * math.sqrt(mean * (1 - mean) / n + z2 / (4 * n * n))
    # The ends lie around the mean and inside [0, 1] by the formula; rounding must not say otherwise.
    return max(0.0, min(mean, centre - half)), min(1.0, max(mean, centre + half))


def upper_bound(k: int, n: int, confidence: float = 0.95) -> float:
    """Return the largest rate that ``k`` events in ``n`` cases don't rule out: a one-sided exact bound.

    The p at which seeing at most ``k`` has probability ``1 - confidence``. With no event in n = 60 cases it is 0.049: "none seen"
    is not "none there".

    Source: C. J. Clopper and E. S. Pearson (1934), The use of confidence or fiducial limits illustrated in the case of the
    binomial, Biometrika 26(4), 404-413.
    """
    _check_confidence(confidence)
    if not 0 <= k <= n or n < 1:
        raise ValueError(f"upper_bound needs k from 0 to n and n above 0, got {k} and {n}")
    if k == n:
        return 1.0
    if k == 0:
        return -math.expm1(math.log1p(-confidence) / n)
    low, high = k / n, 1.0
    while (middle := (low + high) / 2) not in (low, high):
        if _at_most(k, n, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _at_most(k: int, n: int, p: float) -> float:
    """Return the probability of at most ``k`` successes in ``n`` trials, for k/n < p < 1: the terms fall from ``k`` down to 0."""
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    term = math.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p))
    total = 0.0
    for i in range(k, -1, -1):
        total += term
        term *= i / (n - i + 1) * (1 - p) / p
        if term < total * 1e-17:
            break
    return total


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
