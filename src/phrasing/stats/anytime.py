"""A paired difference that is looked at again and again while its clusters come in: tests that hold at every look.

The order of the clusters is drawn beforehand, and a look is at a beginning of it. The evidence that a difference lies above a
bound is what a gambler has won who bets on every cluster, in a game that is fair, or unfair to him, if it doesn't. He can rarely
win much in such a game, however long he plays (Ville's inequality), so however often one looks. That holds exactly for clusters
drawn independently of each other; ``benchmarks/calibration/sequential.py`` measures it for the clusters of a plan, in a drawn
order.

Source: I. Waudby-Smith and A. Ramdas (2024), Estimating means of bounded random variables by betting, Journal of the Royal
Statistical Society B 86(1), 1-27, with a fixed mixture of bets. The weights, and the side bet on the sizes, are ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from phrasing.stats.means import Array

RISK = 0.95
"""The share of his wealth that the gambler may lose with one cluster: what he keeps lets him play on."""

BETS = 8
"""So many bets share the stake: which of them suits a difference isn't known beforehand."""


@dataclass(frozen=True)
class Progress:
    """How far a comparison has come.

    ``sizes`` are the planned cases of each of its clusters, in the order drawn for them, and ``strata`` their strata, numbered
    from 0; the first ``seen`` clusters are looked at. ``places`` are the clusters of the cases that have a value, by number.
    """

    sizes: NDArray[np.intp]
    strata: NDArray[np.intp]
    seen: int
    places: NDArray[np.intp]

    def only(self, kept: NDArray[np.bool_]) -> Progress:
        """Leave cases out that have no value: their clusters are looked at all the same."""
        return replace(self, places=self.places[kept])


@dataclass(frozen=True)
class Evidence:
    """What the gambler bets on: the mean difference of each cluster (``values``, -1 to 1), and for each cluster and bet what is
    at stake on it, and what the side bet on its size pays.
    """

    values: Array
    stakes: Array
    sides: Array


def weights(sizes: NDArray[np.intp], strata: NDArray[np.intp]) -> Array:
    """Weigh clusters so that the mean of a random one is the mean over cases, with equal weight of the strata.

    Of each stratum as many clusters count as the smallest has, the first ones; further ones have weight 0, because they can't
    make up for those that the smallest stratum lacks. They are drawn so that these come first, all strata mixed.
    """
    mean = np.bincount(strata, sizes) / np.maximum(1, np.bincount(strata))
    counts = np.bincount(strata)
    rank = np.zeros(len(strata), dtype=np.intp)
    for stratum in range(len(counts)):
        rank[strata == stratum] = np.arange(counts[stratum])
    return np.where(rank < counts[counts > 0].min(initial=len(strata)), sizes / mean[strata], 0.0)


def evidence(differences: Array, progress: Progress) -> Evidence:
    """Gather the evidence of cases' ``differences`` (-1 to 1, in the order of ``progress.places``)."""
    planned, seen = weights(progress.sizes, progress.strata), progress.seen
    bets, sides = _game(planned)
    answered = np.bincount(progress.places, minlength=seen)
    values = np.bincount(progress.places, differences, minlength=seen) / np.maximum(1, answered)
    at_stake = planned[:seen] * answered / progress.sizes[:seen]  # a case without a value is no reason to bet
    return Evidence(values, np.outer(at_stake, bets), sides[:seen])


def _game(planned: Array) -> tuple[Array, Array]:
    """Choose the bets for a plan, and give what the side bets pay at each of its clusters.

    A bet may not cost more than ``RISK`` of the wealth. So the heaviest cluster would keep all bets small. But weights are known
    beforehand, and a bet on them is fair as long as it pays nothing on average: one that pays where a heavy cluster comes covers
    what that may cost.
    """
    count = int((planned > 0).sum())
    if not count:
        return np.zeros(BETS), np.zeros((len(planned), BETS))
    heavy = float((planned**2).sum() / planned.sum())
    # Where few clusters have to decide, only a large difference can, and large bets show it soonest.
    bets = np.geomspace(min(0.5, 3 / np.sqrt(count)), RISK, BETS) / heavy
    costs = np.outer(planned, bets)
    # What the j heaviest cost above a level is covered, by all alike: so high is the level, and it must hold the next heaviest.
    heaviest = np.sort(costs[planned > 0], axis=0)[::-1]
    shares = np.arange(count)[:, None] / count
    levels = (RISK - (np.cumsum(heaviest, axis=0) - heaviest) / count) / (1 - shares)
    first = np.argmax(levels >= heaviest, axis=0)
    level = levels[first, np.arange(BETS)]
    covered = np.maximum(0.0, costs - level)
    sides = covered - covered.sum(axis=0) / count
    sides[planned == 0] = 0.0
    return bets, sides


def p_above(found: Evidence, bound: float) -> float:
    """Return a p of "the mean is at most ``bound``" that holds at every look: the chance that it *ever* falls to ``p`` while that
    is so is at most ``p``.
    """
    from scipy import special

    if bound <= -1:
        return 0.0 if found.stakes.any() else 1.0
    pays = (1 + found.values) / (1 + bound) - 1
    wealth = np.log1p(found.sides + found.stakes * pays[:, None]).sum(axis=0)
    won = float(special.logsumexp(wealth)) - np.log(BETS)
    return float(np.exp(-max(0.0, won)))  # after thousands of losses the exp of what was lost would overflow


def p_below(found: Evidence, bound: float) -> float:
    """Return a p of "the mean is at least ``bound``" that holds at every look."""
    return p_above(replace(found, values=-found.values), -bound)
