"""Differences that a method may not see coming: concentrated in few conversations, tied to their size, or with heavy tails.

Conversations are drawn one by one from an endless population, their sizes with them, so the true mean over steps is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import special

from benchmarks.calibration.draw import SIZES, generator

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], tuple[Array, NDArray[np.intp]]]
"""(random numbers, how many conversations) to the difference of each step and the conversation it belongs to."""

GROUPS = (10, 30, 60, 100, 400)
KINDS_OF_SIZES = {"single": (1,), "equal": (4,), "unequal": SIZES}
RIGHT = 0.8
"""How often the baseline is right, in a conversation as beta(4 RIGHT, 4 - 4 RIGHT) has it."""


@dataclass(frozen=True)
class Family:
    """A way in which two variants differ. ``truth`` is the mean difference over all steps of all conversations."""

    name: str
    truth: float
    draw: Draw


def families() -> Iterator[Family]:
    """Give every family of the calibration."""
    for loss, noise, sizes in product((0.02, 0.05, 0.1), (0.0, 0.1, 0.2), KINDS_OF_SIZES):
        name = f"fails wholly in {100 * loss / RIGHT:g} % of conversations"
        noisy = f", differs by chance on {100 * noise:g} % of steps" if noise else ""
        yield Family(f"{name}{noisy}, {sizes} sizes", -loss, partial(_fails, loss / RIGHT, noise, KINDS_OF_SIZES[sizes]))
    for sizes in KINDS_OF_SIZES:
        name = f"35 % of the variance belongs to conversation and variant, {sizes} sizes"
        yield Family(name, -0.05, partial(_leans, 0.35, -0.05, KINDS_OF_SIZES[sizes]))
    yield Family("wins short conversations, loses long ones, step by step", 0.0, partial(_tied, 0.15, whole=False))
    yield Family("wins short conversations, loses long ones, as a whole", 0.0, partial(_tied, 0.3, whole=True))
    for share, lost in ((0.02, 0.98), (0.05, 0.38), (0.1, 0.6)):
        truth = 0.02 * (1 - share) - share * lost
        yield Family(f"gains 0.02 mostly, loses {lost:g} in {100 * share:g} % of cases", truth, partial(_heavy, share, lost))


def failing() -> Iterator[Family]:
    """Give the families in which one variant fails wholly in some conversations: ``draw`` gives 1 for each right step."""
    for share, noise, sizes in product((0.025, 0.05, 0.125), (0.0, 0.1), KINDS_OF_SIZES):
        name = f"fails wholly in {100 * share:g} % of conversations"
        noisy = f", by chance on {100 * noise:g} % of other steps" if noise else ""
        truth = (1 - share) * (1 - noise)
        yield Family(f"{name}{noisy}, {sizes} sizes", truth, partial(_right, share, noise, KINDS_OF_SIZES[sizes]))


def accuracies(family: Family, groups: int, simulations: int) -> Iterator[tuple[Array, NDArray[np.intp]]]:
    """Give so many data sets of one variant: its scores, and the conversation of each step."""
    rng = generator("alone", family.name, groups)
    for _ in range(simulations):
        yield family.draw(rng, groups)


def data_sets(family: Family, groups: int, simulations: int) -> Iterator[tuple[Array, Array, NDArray[np.intp]]]:
    """Give so many data sets: scores of the variant, of its baseline, and the conversation of each step."""
    rng = generator(family.name, groups)
    for _ in range(simulations):
        values, clusters = family.draw(rng, groups)
        yield np.maximum(values, 0.0), np.maximum(-values, 0.0), clusters


def _fails(
    share: float, noise: float, sizes: tuple[int, ...], rng: np.random.Generator, groups: int
) -> tuple[Array, NDArray[np.intp]]:
    drawn = rng.choice(sizes, groups)
    clusters = np.repeat(np.arange(groups), drawn)
    lost = (rng.random(groups) < share)[clusters]
    right = rng.random(len(clusters)) < rng.beta(4 * RIGHT, 4 - 4 * RIGHT, groups)[clusters]
    chance = rng.random(len(clusters))
    apart = np.where(chance < noise / 2, 1.0, np.where(chance < noise, -1.0, 0.0))
    return np.where(lost, -1.0 * right, apart), clusters


def _right(
    share: float, noise: float, sizes: tuple[int, ...], rng: np.random.Generator, groups: int
) -> tuple[Array, NDArray[np.intp]]:
    clusters = np.repeat(np.arange(groups), rng.choice(sizes, groups))
    lost = (rng.random(groups) < share)[clusters]
    return (~lost & (rng.random(len(clusters)) >= noise)).astype(np.float64), clusters


def _leans(
    share: float, difference: float, sizes: tuple[int, ...], rng: np.random.Generator, groups: int
) -> tuple[Array, NDArray[np.intp]]:
    """The model of ``draw``, with a larger share of the variance for what a variant does in a whole conversation."""
    clusters = np.repeat(np.arange(groups), rng.choice(sizes, groups))
    n = len(clusters)
    both = np.sqrt(0.15) * rng.standard_normal(groups)[clusters] + np.sqrt(0.3) * rng.standard_normal(n)
    own = np.sqrt(share) * rng.standard_normal((2, groups))[:, clusters]
    rest = np.sqrt(0.55 - share) * rng.standard_normal((2, n))
    right = both + own + rest < special.ndtri([[RIGHT + difference], [RIGHT]])
    return right[0].astype(np.float64) - right[1], clusters


def _tied(gain: float, rng: np.random.Generator, groups: int, *, whole: bool) -> tuple[Array, NDArray[np.intp]]:
    """Of ten conversations seven have one step, and three have ten, which lose what the seven gain."""
    long = rng.random(groups) < 0.3
    clusters = np.repeat(np.arange(groups), np.where(long, 10, 1))
    mean = np.where(long, -gain * 0.7 / 3.0, gain)[clusters]
    chance = rng.random(groups)[clusters] if whole else rng.random(len(clusters))
    return np.where(chance < (0.3 + mean) / 2, 1.0, np.where(chance < 0.3, -1.0, 0.0)), clusters


def _heavy(share: float, lost: float, rng: np.random.Generator, groups: int) -> tuple[Array, NDArray[np.intp]]:
    return np.where(rng.random(groups) < share, -lost, 0.04 * rng.random(groups)), np.arange(groups)
