"""Power: what a design could tell, before it is asked and after. Numbers in, numbers out.

A design is ``size`` independent cases (``means.Mean.size``, or ``guess`` before anything is known) and the
``discordance``: the share of cases on which two variants differ, or with repeats the mean squared difference of a case. Where
cases come in clusters, ``added`` says what the cluster weighs that the test adds (``paired.p_above``), 1 where they don't.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

from phrasing.stats.tails import beta, binomial
from phrasing.stats.unseen import supposed

CHANCE = 0.8
"""With what chance a design shall show a difference."""

MOST = 100_000
"""More cases than this nobody writes: beyond it no number is given."""

ALIKE = 0.1
"""How alike differences within a group are guessed to be before a run (their intra-class correlation)."""

_NORMAL = NormalDist()


def guess(strata: Sequence[Sequence[int]]) -> tuple[float, float]:
    """Guess what a design is worth before it is asked: how many independent cases, and ``added`` as ``power`` has it.

    ``strata`` are the sizes of the groups of each stratum.

    Source: the design effect of L. Kish (1965), Survey sampling, section 5.4, with ``ALIKE``; strata weigh the same.
    """
    share = len(strata) ** -2
    alone = share * sum(1 / sum(sizes) for sizes in strata)
    together = share * sum(sum(size**2 for size in sizes) / sum(sizes) ** 2 for sizes in strata)
    variance = alone + (together - alone) * ALIKE
    groups = sum(len(sizes) for sizes in strata)
    return 1 / variance, (alone + (together - alone) * supposed(ALIKE, groups)) / variance


def power(size: float, discordance: float, difference: float, *, alpha: float = 0.05, added: float = 1.0) -> float:
    """Return the chance that a difference of this size is called one, in the right direction, at level ``alpha`` (two-sided).

    Summed over the binomial distributions of how many cases differ and of who wins them, with the test of ``paired.p_different``
    for each. ``added`` is the weight of the cluster that this test adds, in independent cases: ``paired.Difference.added``.
    """
    n, delta = round(size), abs(difference)
    if not 0 < discordance <= 1 or delta > discordance:
        raise ValueError(f"a difference of {difference} needs a discordance from it to 1, got {discordance}")
    middle, spread = n * discordance, 7 * math.sqrt(n * discordance * (1 - discordance)) + 1
    share = (discordance + delta) / (2 * discordance)
    found = chance = 0.0
    before = wins = 0  # ``chance`` is that of so many wins or more of the cases ``before``
    for k in range(max(1, math.floor(middle - spread)), min(n, math.ceil(middle + spread)) + 1):
        needed = _wins_needed(k, alpha / 2, added)
        if before:  # one case more, and perhaps one win more: the tail changes by single terms
            chance += share * binomial(before, wins - 1, share)
            chance -= sum(binomial(k, each, share) for each in range(wins, needed))
        elif needed <= k:
            chance = beta(needed, k - needed + 1, share)
        before, wins = k, needed
        found += binomial(n, k, discordance) * chance
    return min(1.0, found)  # not above 1 by rounding


def _wins_needed(k: int, tail: float, added: float) -> int:
    """Return how many of ``k`` cases that differ must be won for a one-sided p of ``tail``; more than ``k`` if none suffices.

    Of one case more as many must be won, or one more; but where few are lost beside what is added, that needn't be so.
    """
    known = _known(tail, added)
    if k not in known:
        before = known.get(k - 1, k)
        low, high = (before - 1, before + 1) if k - before > added**2 else (k // 2, k + 1)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if _enough(middle, k - middle, tail, added) else (middle, high)
        known[k] = high
    return known[k]


@lru_cache(maxsize=16)
def _known(tail: float, added: float) -> dict[int, int]:
    """Remember the wins needed by designs alike: a search asks for the same ones again and again."""
    return {}


def _enough(wins: int, losses: int, tail: float, added: float) -> bool:
    """Whether a sum of exponential variables, one a win, stays below that of the losses and what is added in ``tail`` of cases.

    That sum is taken for a gamma variable of the same mean and variance: exact without losses, and where what is added weighs one
    case.
    """
    if not losses + added:
        return False
    scale = (losses + added**2) / (losses + added)
    return beta(wins, (losses + added) / scale, scale / (1 + scale)) <= tail


def detectable(size: float, discordance: float, *, alpha: float = 0.05, added: float = 1.0) -> float | None:
    """Return the smallest difference that is called one with a chance of ``CHANCE``.

    Variants that differ by more than ``discordance`` differ on as many cases, all to one side. ``None``: not even a difference of
    1 would show.
    """

    def shows(difference: float) -> bool:
        return power(size, max(discordance, difference), difference, alpha=alpha, added=added) >= CHANCE

    if size < 2 or not shows(1.0):
        return None
    low, high = 0.0, 1.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high


def size_to_detect(difference: float, discordance: float, *, alpha: float = 0.05, added: float = 1.0) -> int | None:
    """Return how many independent cases show a difference with a chance of ``CHANCE``. ``None``: more than ``MOST``.

    Variants that differ by more than ``discordance`` differ on as many cases, all to one side. Searched for with ``power`` from
    the normal approximation on, which by itself asks for too many where few cases differ, and for too few where much is
    ``added``.

    Source of the approximation: R. J. Connor (1987), Sample size for testing differences in proportions for the paired-sample
    design, Biometrics 43(1), 207-211.
    """
    delta = abs(difference)
    if not 0 < delta <= 1:
        return None
    discordance = min(1.0, max(discordance, delta))  # not above 1 by rounding
    z, power_z = _NORMAL.inv_cdf(1 - alpha / 2), _NORMAL.inv_cdf(CHANCE)
    root = float(z * math.sqrt(discordance) + power_z * math.sqrt(discordance - delta**2)) / delta
    if root > math.sqrt(MOST):  # before it is squared: that may overflow
        return None

    def shows(size: int) -> bool:
        return power(size, discordance, delta, alpha=alpha, added=added) >= CHANCE

    low, high = 1, 2 * math.ceil(root**2)
    while not shows(high):
        low, high = high, 2 * high
        if low > MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high


def size_to_clear(distance: float, variance: float, *, alpha: float = 0.05, added: float = 1.0) -> int | None:
    """Return how many independent cases show that a difference lies above a bound that is ``distance`` below it (one-sided).

    ``variance`` is that of a case's difference; at the bound it is at least what a difference of ``distance`` must bring along,
    all of it in one cluster of the weight ``added``.
    ``None``: more than ``MOST``, or the distance isn't positive.
    """
    if not 0 < distance <= 1:
        return None
    z, power_z = _NORMAL.inv_cdf(1 - alpha), _NORMAL.inv_cdf(CHANCE)
    root = float(z * math.sqrt(max(variance, added * distance * (1 - distance))) + power_z * math.sqrt(variance)) / distance
    return max(1, math.ceil(root**2)) if root <= math.sqrt(MOST) else None


def about(cases: int | None) -> str:
    """Write a number of cases as what it is, a guess: two digits."""
    if cases is None:
        return f"more than {MOST:,} cases"
    step = 10 ** max(0, len(str(cases)) - 2)
    return f"about {math.ceil(cases / step) * step:,} cases"
