"""Power: what a design could tell, before it is asked and after. Numbers in, numbers out.

A design is ``size`` independent cases (``stats.Mean.size``, or the number of clusters before anything is known) and the
``discordance``: the share of cases on which two variants differ, or with repeats the mean squared difference of a case. Where
cases come in clusters, ``df`` says how well their spread can be known: ``stats.Mean.df``, or one less than there are clusters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from phrasing.stats.paired import EXACT

Array = NDArray[np.float64]

CHANCE = 0.8
"""With what chance a design shall show a difference."""

MOST = 100_000
"""More cases than this nobody writes: beyond it no number is given."""

_LEVELS = (np.arange(40) + 0.5) / 40
"""Where an estimate is not known, the middles of its 40 equally likely parts stand for it."""

ALIKE = 0.1
"""How alike differences within a group are guessed to be before a run (their intra-class correlation)."""


def guess(strata: Sequence[Sequence[int]]) -> tuple[float, float | None]:
    """Guess what a design is worth before it is asked: how many independent cases, and ``df``, ``None`` if all cases are.

    ``strata`` are the sizes of the groups of each stratum.

    Source: the design effect of L. Kish (1965), Survey sampling, section 5.4, with ``ALIKE``; strata weigh the same.
    """
    cases, groups = [sum(sizes) for sizes in strata], sum(len(sizes) for sizes in strata)
    effects = [1 + ALIKE * (sum(size**2 for size in sizes) / n - 1) for sizes, n in zip(strata, cases, strict=True)]
    variance = sum(effect / n for effect, n in zip(effects, cases, strict=True)) / len(strata) ** 2
    return 1 / variance, max(1, groups - len(strata)) if groups < sum(cases) else None


def power(size: float, discordance: float, difference: float, *, alpha: float = 0.05, df: float | None = None) -> float:
    """Return the chance that a difference of this size is called one, in the right direction, at level ``alpha`` (two-sided).

    Summed over the binomial distributions of how many cases differ and of who wins them, with the test of ``paired.p_different``
    for each. Without ``df`` the cases are independent. With it the spread between clusters is estimated: the sum also runs
    over what the estimate may be, a chi-squared with ``df`` degrees of freedom.
    """
    n, delta = round(size), abs(difference)
    if not 0 < discordance <= 1 or delta > discordance:
        raise ValueError(f"a difference of {difference} needs a discordance from it to 1, got {discordance}")
    middle, spread = n * discordance, 7 * math.sqrt(n * discordance * (1 - discordance)) + 1
    k = np.arange(max(1, math.floor(middle - spread)), min(n, math.ceil(middle + spread)) + 1)
    weight = special.bdtr(k, n, discordance) - special.bdtr(k - 1, n, discordance)
    if df is None:
        limits = np.array([special.stdtrit(n - 1, 1 - alpha / 2)])
    else:
        limits = special.stdtrit(df, 1 - alpha / 2) * np.sqrt(special.chdtri(df, _LEVELS) / df)
    needed = np.array([_wins_needed(int(count), limits, alpha) for count in k])
    wins = np.where(needed > k[:, None], 0.0, special.bdtrc(needed - 1, k[:, None], (discordance + delta) / (2 * discordance)))
    return float((weight * wins.mean(axis=1)).sum())


def _wins_needed(k: int, limits: Array, alpha: float) -> Array:
    """Return how many of ``k`` cases that differ must be won to pass each limit; more than ``k`` if none suffices."""
    if k > EXACT:
        return np.ceil((k + limits * math.sqrt(k)) / 2)
    wins = np.arange(k // 2, k + 1)
    enough = 2 * special.bdtrc(wins - 1, k, 0.5) <= alpha
    return np.full(len(limits), wins[enough][0] if enough.any() else k + 1.0)


def detectable(size: float, discordance: float, *, alpha: float = 0.05, df: float | None = None) -> float | None:
    """Return the smallest difference that is called one with a chance of ``CHANCE``.

    Variants that differ by more than ``discordance`` differ on as many cases, all to one side. ``None``: not even a difference of
    1 would show.
    """

    def shows(difference: float) -> bool:
        return power(size, max(discordance, difference), difference, alpha=alpha, df=df) >= CHANCE

    if size < 2 or not shows(1.0):
        return None
    low, high = 0.0, 1.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high


def size_to_detect(difference: float, discordance: float, *, alpha: float = 0.05) -> int | None:
    """Return how many independent cases show a difference with a chance of ``CHANCE``. ``None``: more than ``MOST``.

    Variants that differ by more than ``discordance`` differ on as many cases, all to one side. Searched for with ``power`` around
    the normal approximation, which by itself asks for too many where few cases differ.

    Source of the approximation: R. J. Connor (1987), Sample size for testing differences in proportions for the paired-sample
    design, Biometrics 43(1), 207-211.
    """
    delta = abs(difference)
    if not 0 < delta <= 1:
        return None
    discordance = min(1.0, max(discordance, delta))  # not above 1 by rounding
    z, power_z = special.ndtri(1 - alpha / 2), special.ndtri(CHANCE)
    root = float(z * math.sqrt(discordance) + power_z * math.sqrt(discordance - delta**2)) / delta
    if root > math.sqrt(MOST):  # before it is squared: that may overflow
        return None
    low, high = 1, 2 * math.ceil(root**2)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle, discordance, delta, alpha=alpha) >= CHANCE else (middle, high)
    return high


def size_to_clear(distance: float, variance: float, *, alpha: float = 0.05) -> int | None:
    """Return how many independent cases show that a difference lies above a bound that is ``distance`` below it (one-sided).

    ``variance`` is that of a case's difference; at the bound it is at least what a difference of ``distance`` must bring along.
    ``None``: more than ``MOST``, or the distance isn't positive.
    """
    if not 0 < distance <= 1:
        return None
    z, power_z = special.ndtri(1 - alpha), special.ndtri(CHANCE)
    root = float(z * math.sqrt(max(variance, distance * (1 - distance))) + power_z * math.sqrt(variance)) / distance
    return max(1, math.ceil(root**2)) if root <= math.sqrt(MOST) else None


def about(cases: int | None) -> str:
    """Write a number of cases as what it is, a guess: two digits."""
    if cases is None:
        return f"more than {MOST:,} cases"
    step = 10 ** max(0, len(str(cases)) - 2)
    return f"about {math.ceil(cases / step) * step:,} cases"
