"""Whether two numbers go up and down together, over a few things that have both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEAST = 12
"""Of fewer things no correlation is given: its interval would hold nearly everything."""


class Correlation(NamedTuple):
    """Spearman's rank correlation, from -1 to 1, with its interval."""

    value: float
    low: float
    high: float


def spearman(one: Sequence[float], other: Sequence[float], confidence: float = 0.95) -> Correlation | None:
    """Give the rank correlation of pairs; ``None`` where there are fewer than ``LEAST``, or all are alike in one of the two.

    Ties share their mean rank. The interval is Fisher's, with the variance of Bonett and Wright (2000), (1 + r²/2) / (n - 3).
    """
    if len(one) != len(other):
        raise ValueError(f"wanted pairs, got {len(one)} and {len(other)} numbers")
    mine, theirs = _ranks(one), _ranks(other)
    if len(one) < LEAST or any(np.ptp(found) == 0 for found in (mine, theirs)):
        return None
    value = float(np.clip(np.corrcoef(mine, theirs)[0, 1], -1, 1))
    if abs(value) == 1:
        return Correlation(value, value, value)
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt((1 + value**2 / 2) / (len(one) - 3))
    low, high = (math.tanh(math.atanh(value) + side * reach) for side in (-1, 1))
    return Correlation(value, low, high)


def _ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Rank values from 1, those that are equal by their mean rank."""
    found = np.asarray(values, dtype=np.float64)
    _, places, counts = np.unique(found, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[places], dtype=np.float64)
