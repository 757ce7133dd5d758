"""The distribution of a sum of exponential variables, each times a number: what random weights make of a mean. Numbers out."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_NEAR = 1e-12
"""How near to its poles, as a part of them, the derivative is looked at: it is beyond all bounds there."""

_MIDDLE = 1e-3
"""Nearer to the middle of the distribution the formula is 0 / 0, and its limit is used."""

_ROUNDING = 1e-14
"""So small a part of the largest value is rounding."""


def below_zero(values: Array) -> float:
    """Return the probability that ``values`` times independent exponential variables sum to at most 0.

    It is approximated to a few hundredths of itself, also where it is 1e-10: tests hold it against the beta distribution, which
    is exact where there are two different values.

    Source: O. E. Barndorff-Nielsen (1990), Approximate interval probabilities, Journal of the Royal Statistical Society B 52(3),
    485-496. The cumulant generating function of such a sum at t is minus the sum of log(1 - t value).
    """
    from scipy import optimize, special

    lowest, highest = float(values.min()), float(values.max())
    tiny = _ROUNDING * max(-lowest, highest)  # so far below the others a value is none: what it is divided by would overflow
    if lowest >= -tiny:
        return float(highest <= tiny)
    if highest <= tiny:
        return 1.0

    def slope(t: float) -> float:
        return float((values / (1 - t * values)).sum())

    widest = max(-lowest, highest)
    t = optimize.brentq(slope, (1 - _NEAR) / lowest, (1 - _NEAR) / highest, xtol=_NEAR / widest)
    left = 1 - t * values
    root = math.copysign(math.sqrt(max(0.0, 2 * float(np.log(left).sum()))), t)
    step = t * math.sqrt(float(((values / left) ** 2).sum()))
    if abs(root) < _MIDDLE or abs(step) < _MIDDLE:
        skew = 2 * float((values**3).sum()) / float((values**2).sum()) ** 1.5
        return float(special.ndtr(root + skew / 6))
    return float(special.ndtr(root + math.log(step / root) / root))
