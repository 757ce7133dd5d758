"""What a mean of clustered values might have been: the clusters weighted at random, and one more that nobody has seen.

The weights are those of the Bayesian bootstrap; the unseen cluster lies at the end of the range of values. So nothing is supposed
but that range, and few clusters that are unlike the others, or none, can't be taken for certainty. ``docs/statistics.md``
explains it, ``benchmarks/calibration`` measures whether it holds.

Source: D. B. Rubin (1981), The Bayesian bootstrap, The Annals of Statistics 9(1), 130-134, with an observation added at the end
of the range as in E. Learned-Miller and P. S. Thomas (2019), A new confidence interval for the mean of a bounded random variable,
arXiv:1905.06208, after N. Gaffke (2005). The weight of what is added is our own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phrasing.stats.means import Array, Layout, Mean
from phrasing.stats.saddlepoint import below_zero

WHOLE = 10
"""So many clusters of which all cases are alike are supposed besides those seen, when it is estimated how alike cases are.

A variant that fails wholly in a few conversations shows it only in those, and few of them are seen. With fewer than 10 such a
variant, worse by the margin, would be called not worse too often; more would cost verdicts where nothing of the kind happens
(``benchmarks/calibration.md``).
"""


@dataclass(frozen=True)
class Spread:
    """How much each cluster adds to a mean.

    ``weights`` are the clusters' shares of the mean (they sum to 1), ``away`` by how much each moves the mean off its stratum's.
    ``telling`` is the number of clusters that show anything of how alike their cases are. ``added`` is the weight of the cluster
    that nobody has seen, NaN where the spread is unknown.
    """

    mean: float
    weights: Array
    away: Array
    telling: int
    added: float


def spread(values: Array, found: Mean, places: Layout, telling: NDArray[np.bool_]) -> Spread:
    """Gather the spread of values, one a case, with the mean ``found``.

    ``telling`` says which cases show how alike those of a cluster are.
    """
    groups, layers, _ = places
    sizes = np.bincount(layers)
    weight = 1 / (sizes * len(sizes))[layers]
    weights = np.bincount(groups, weight).astype(np.float64)
    away = np.bincount(groups, weight * (values - (np.bincount(layers, values) / sizes)[layers])).astype(np.float64)
    alone, together = float((weight**2).sum()), float((weights**2).sum())
    alike = 0.0
    if together > alone:
        alike = min(1.0, max(0.0, (1 / found.size - alone) / (together - alone)))
    clusters = len(np.unique(groups[telling]))
    added = alone + (together - alone) * supposed(alike, clusters)
    return Spread(found.value, weights, away, clusters, math.nan if math.isnan(found.size) else added)


def supposed(alike: float, clusters: int) -> float:
    """Return how alike cases of a cluster are supposed to be, from 0 to 1, where so many clusters seem to be that ``alike``."""
    return (clusters * alike + WHOLE) / (clusters + WHOLE)


def at_most(found: Spread, bound: float, lowest: float) -> float:
    """Return in what share of draws the mean is at most ``bound``, where no value is below ``lowest``. NaN where unknown."""
    return _beyond(found, bound, lowest, 1.0)


def at_least(found: Spread, bound: float, highest: float) -> float:
    """Return in what share of draws the mean is at least ``bound``, where no value is above ``highest``. NaN where unknown."""
    return _beyond(found, bound, highest, -1.0)


def _beyond(found: Spread, bound: float, furthest: float, side: float) -> float:
    if math.isnan(found.added):
        return found.added
    if side * (bound - furthest) <= 0:  # no mean lies there; with strata a cluster may, seen from the mean of all
        return 0.0
    values = side * (found.weights * (found.mean - bound) + found.away)
    return below_zero(np.append(values, side * found.added * (furthest - bound)))


def end(share: Callable[[float], float], value: float, furthest: float, tail: float) -> float:
    """Return where an interval ends on the way from ``value`` to ``furthest``: where ``share`` of a bound falls to ``tail``."""

    def beyond(bound: float) -> float:
        return share(bound) - tail

    # where nothing varies the value itself may be ruled out, or be the furthest that there is
    if value == furthest or beyond(value) <= 0:
        return value
    from scipy import optimize

    return float(optimize.brentq(beyond, value, furthest, xtol=1e-9))
