"""The mean of values from 0 to 1, such as the accuracy of one variant, with its interval. Arrays in, numbers out."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from phrasing.stats import unseen
from phrasing.stats.means import check_confidence, layout, mean_of
from phrasing.stats.unseen import Spread


def spread(values: ArrayLike, clusters: ArrayLike | None = None, strata: ArrayLike | None = None) -> Spread:
    """Gather the spread of values from 0 to 1; the arguments are those of ``means.mean``.

    Of the clusters with a value below 1 and those with one above 0, the fewer tell how alike the cases of a cluster are.
    """
    x = np.asarray(values, dtype=np.float64)
    places = layout(len(x), clusters, strata)
    found = mean_of(x, places)
    wrong, right = (len(np.unique(places[0][some])) for some in (x < 1, x > 0))
    return unseen.spread(x, found, places, x < 1 if wrong <= right else x > 0)


def proportion(
    values: ArrayLike, clusters: ArrayLike | None = None, strata: ArrayLike | None = None, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Return the mean of values from 0 to 1 and its interval.

    Its ends are where the mean is beyond them in half of what ``confidence`` leaves of the draws of ``stats.unseen``: in the
    cluster that nobody has seen all is wrong, or all right. Where each case is a cluster of its own and right or wrong, it is
    Clopper's and Pearson's exact interval, as closely as ``below_zero`` is computed. (NaN, NaN) for the interval where a stratum
    has only one cluster.
    """
    check_confidence(confidence)
    found, tail = spread(values, clusters, strata), (1 - confidence) / 2
    if math.isnan(found.added):
        return found.mean, found.added, found.added
    low = unseen.end(lambda bound: unseen.at_most(found, bound, 0.0), found.mean, 0.0, tail)
    return found.mean, low, unseen.end(lambda bound: unseen.at_least(found, bound, 1.0), found.mean, 1.0, tail)


def one_sided(values: ArrayLike, clusters: ArrayLike | None = None, confidence: float = 0.95) -> tuple[float, float]:
    """Return both one-sided bounds of the mean of values from 0 to 1: (lower, upper), NaN where there is only one cluster.

    "None seen" is not "none there": of 60 cases on their own, none of which is 1, the upper bound is 0.05.
    """
    check_confidence(confidence)
    return proportion(values, clusters, confidence=2 * confidence - 1)[1:]
