"""Data whose true means are known: answers that lean on their cluster, their case and their variant.

An answer is right where ``z < Phi^-1(accuracy)``, with z = sqrt(CLUSTER) cluster + sqrt(CASE) case + sqrt(VARIANT) (cluster and
variant) + sqrt(the rest) noise, all standard normal, the noise drawn anew for each variant and repeat. So z is standard normal
and the mean over all possible cases is the accuracy itself, whatever the clusters do.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.stats import multivariate_normal

CLUSTER, CASE, VARIANT = 0.15, 0.5, 0.05
SIZES = (1, 1, 1, 2, 3, 5, 8, 13)
LOST = 0.05
"""The share of answers that are lost where answers are lost."""

_CHUNK = 2_000_000

Array = NDArray[np.float64]
Labels = NDArray[np.intp]


@dataclass(frozen=True)
class Design:
    """``clusters``: single, equal (4 cases each) or unequal (``SIZES``); of two strata one has a quarter of the cases."""

    n: int
    clusters: str = "single"
    repeats: int = 1
    missing: bool = False
    strata: int = 1

    @property
    def parts(self) -> list[int]:
        return [self.n] if self.strata == 1 else [self.n // 4, self.n - self.n // 4]


def generator(*names: object) -> np.random.Generator:
    """Return the random numbers of one setting: they don't depend on which other settings there are, nor on their order."""
    return np.random.default_rng(zlib.crc32(repr(names).encode()))


@lru_cache(maxsize=8)
def labels(design: Design) -> tuple[Labels, Labels]:
    """Return the cluster and the stratum of each case. No cluster lies in two strata."""
    sizes: list[int] = []
    for n in design.parts:
        left = n
        rng = generator("sizes", n)
        while left:
            size = int(rng.choice(SIZES)) if design.clusters == "unequal" else {"single": 1, "equal": 4}[design.clusters]
            sizes.append(min(size, left))
            left -= sizes[-1]
    return np.repeat(np.arange(len(sizes)), sizes), np.repeat(np.arange(design.strata), design.parts)


def answers(rng: np.random.Generator, design: Design, accuracies: Array, simulations: int) -> Array:
    """Return the score of each case, the mean over its repeats: simulations x variants x cases, NaN where every answer is lost.

    ``accuracies`` is variants x cases.
    """
    step = max(1, _CHUNK // accuracies.size)
    return np.concatenate(
        [_draw(rng, design, accuracies, min(step, simulations - start)) for start in range(0, simulations, step)]
    )


def _draw(rng: np.random.Generator, design: Design, accuracies: Array, simulations: int) -> Array:
    variants, n = accuracies.shape
    clusters, _ = labels(design)
    count = clusters[-1] + 1
    cutoffs = special.ndtri(accuracies)

    def normal(*shape: int) -> NDArray[np.float32]:
        return rng.standard_normal((simulations, *shape), dtype=np.float32)

    leaning = math.sqrt(CLUSTER) * normal(1, count)[..., clusters] + math.sqrt(CASE) * normal(1, n)
    leaning = leaning + math.sqrt(VARIANT) * normal(variants, count)[..., clusters]
    right, given = np.zeros((simulations, variants, n)), np.zeros((simulations, variants, n))
    for _ in range(design.repeats):
        answered = rng.random((simulations, variants, n), dtype=np.float32) >= LOST if design.missing else True
        right += (leaning + math.sqrt(1 - CLUSTER - CASE - VARIANT) * normal(variants, n) < cutoffs) & answered
        given += answered
    with np.errstate(invalid="ignore"):
        return right / given


def pair_moments(accuracy: float, difference: float, design: Design) -> tuple[float, float, float]:
    """Return what a paired design really is: the mean squared difference of a case, its effective size, and its ``unit``."""
    one, other = special.ndtri(accuracy), special.ndtri(accuracy + difference)

    def both(first: float, second: float, correlation: float) -> float:
        return float(multivariate_normal([0, 0], [[1, correlation], [correlation, 1]]).cdf([first, second]))

    def across(correlation_same_variant: float, correlation_other_variant: float) -> tuple[float, float]:
        same = both(one, one, correlation_same_variant) + both(other, other, correlation_same_variant)
        return same, 2 * both(one, other, correlation_other_variant)

    same_case, crossed = across(CLUSTER + CASE + VARIANT, CLUSTER + CASE)
    square = (2 * accuracy + difference + (design.repeats - 1) * same_case) / design.repeats - crossed
    same_cluster, crossed = across(CLUSTER + VARIANT, CLUSTER)
    alike = (same_cluster - crossed - difference**2) / (square - difference**2)
    sizes = np.bincount(labels(design)[0])
    size = design.n / (1 + (float((sizes**2).sum()) / design.n - 1) * alike)
    if design.repeats == 1:
        return square, size, 1.0
    many = np.array([[accuracy], [accuracy + difference]]) * np.ones(20_000)
    drawn = answers(generator("unit"), Design(20_000, repeats=design.repeats), many, 1)
    return square, size, square / float(np.abs(drawn[0, 1] - drawn[0, 0]).mean())
