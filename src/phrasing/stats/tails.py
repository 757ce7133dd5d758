"""Chances and quantiles for which SciPy isn't imported: that takes longer than all that a cheap command computes."""

from __future__ import annotations

import math
from functools import lru_cache


def beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function of positive ``a`` and ``b`` at ``x``, above 0 and at most 1.

    Source: its continued fraction, DLMF 8.17.22, evaluated by W. J. Lentz (1976), Generating Bessel functions in Mie scattering
    calculations using continued fractions, Applied Optics 15(3), 668-671.
    """
    if x == 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):  # beyond the mean the fraction of the other tail converges quickly
        return 1 - beta(b, a, 1 - x)
    down = value = 1 / (1 - (a + b) * x / (a + 1))
    up = 1.0
    for m in range(1, 10_000):
        at = a + 2 * m
        for term in (m * (b - m) * x / ((at - 1) * at), -(a + m) * (a + b + m) * x / (at * (at + 1))):
            down, up = 1 / (1 + term * down), 1 + term / up
            value *= up * down
        if abs(up * down - 1) < 1e-14:
            break
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(front) * value / a


def binomial(n: int, k: int, share: float) -> float:
    """Return the chance of ``k`` among ``n``, each with a chance of ``share``, above 0 and at most 1."""
    if share == 1:
        return float(k == n)
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(share) + (n - k) * math.log1p(-share))


@lru_cache(maxsize=64)
def student(df: float, share: float) -> float:
    """Return the quantile of Student's distribution below which ``share`` of it lies, from 0.5 to below 1."""
    beyond = 2 * (1 - share)  # in both tails; with x = df / (df + t^2) that is the beta function at x
    low, high = 0.0, 1.0
    while high - low > 1e-15 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if beta(df / 2, 0.5, middle) < beyond else (low, middle)
    return math.sqrt(df * (1 - high) / high)
