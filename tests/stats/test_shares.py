"""Scores that are shares, such as precision and recall of several steps: intervals hold the truth, chance is rarely a finding.

Answers are drawn as a model gives them: a conversation has its own chance that a wanted step is there, the cases of it share
that, and steps that nobody wanted come beside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from phrasing.stats import paired
from phrasing.stats.proportions import proportion
from support.tiers import few

DRAWS = 400


@dataclass(frozen=True)
class Model:
    """A variant: how likely a wanted step is there, and how many others come beside, on average."""

    found: float
    beside: float


def drawn(rng: np.random.Generator, model: Model, luck: NDArray[np.float64], wanted: NDArray[np.intp]) -> NDArray[np.float64]:
    """Draw the recall and the precision of answers; ``luck`` moves the chance of each case."""
    there = rng.binomial(wanted, np.clip(model.found + luck, 0, 1))
    steps = there + rng.poisson(model.beside, len(wanted))
    return np.stack([there / wanted, np.divide(there, steps, out=np.zeros(len(wanted)), where=steps > 0)])


def plan(rng: np.random.Generator, conversations: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Draw conversations of one to three cases that want one to four steps each: their clusters, steps and luck."""
    sizes = rng.integers(1, 4, conversations)
    clusters = np.repeat(np.arange(conversations), sizes)
    return clusters, rng.integers(1, 5, len(clusters)), np.repeat(rng.normal(0, 0.15, conversations), sizes)


SETTINGS = [
    ("the same", Model(0.7, 0.3), Model(0.7, 0.3)),
    ("alike and good", Model(0.97, 0.02), Model(0.97, 0.02)),
    ("better", Model(0.6, 0.3), Model(0.8, 0.3)),
    ("fewer beside", Model(0.7, 0.8), Model(0.7, 0.1)),
]


@pytest.mark.parametrize("conversations", [20, 60])
@pytest.mark.parametrize(("name", "one", "other"), few(SETTINGS, []))
def test_intervals_of_shares_hold_the_truth(name: str, one: Model, other: Model, conversations: int) -> None:
    rng = np.random.default_rng(len(name) * 1000 + conversations)
    clusters, wanted, luck = plan(rng, 40_000)
    truth = drawn(rng, other, luck, wanted).mean(axis=1) - drawn(rng, one, luck, wanted).mean(axis=1)
    alone = drawn(rng, other, luck, wanted).mean(axis=1)
    held, found, alone_held = np.zeros(2), np.zeros(2), np.zeros(2)
    for _ in range(DRAWS):
        clusters, wanted, luck = plan(rng, conversations)
        mine, theirs = drawn(rng, other, luck, wanted), drawn(rng, one, luck, wanted)
        for score in range(2):
            difference = paired.difference(mine[score], theirs[score], clusters)
            low, high = paired.interval(difference)
            held[score] += low <= truth[score] <= high
            found[score] += paired.p_different(difference) <= 0.05
            _, low, high = proportion(mine[score], clusters)
            alone_held[score] += low <= alone[score] <= high
    least = 0.95 - 3 * np.sqrt(0.95 * 0.05 / DRAWS)  # three standard errors below what is promised
    assert (held / DRAWS >= least).all(), held / DRAWS
    assert (alone_held / DRAWS >= least).all(), alone_held / DRAWS
    if one == other:
        assert (found / DRAWS <= 1 - least).all(), found / DRAWS
    elif conversations == 60:
        assert found.max() / DRAWS > 0.5, found / DRAWS  # and a difference that is there is found
