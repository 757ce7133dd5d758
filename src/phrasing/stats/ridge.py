"""Ridge regression by groups: what each group gets from a fit to all others. Arrays in, numbers out."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from phrasing.stats.means import Array


def leave_groups_out(gram: ArrayLike, targets: ArrayLike, groups: ArrayLike, *, penalty: float = 1.0) -> Array:
    """Predict the targets of each group by a ridge regression that was fitted to all other groups; cases x targets.

    ``gram`` holds the inner products of the cases' features (cases x cases), ``targets`` is cases x targets, ``groups`` a label a
    case. There is no intercept: whoever wants one adds a constant feature, 1 in each inner product. A single group gets 0.

    All fits come from one inverse, C of ``gram`` with ``penalty`` above 0 on its diagonal: the predictions of a group g miss its
    targets y by the inverse of C's block of g, times the rows of C y.

    Source: S. An, W. Liu and S. Venkatesh (2007), Fast cross-validation algorithms for least squares support
    vector machine and kernel ridge regression, Pattern Recognition 40(8), 2154-2162, without its intercept.
    """
    y = np.asarray(targets, dtype=np.float64)
    inverse = np.linalg.inv(np.asarray(gram, dtype=np.float64) + penalty * np.eye(len(y)))
    fitted, found = inverse @ y, np.empty_like(y)
    numbers = np.unique(np.asarray(groups), return_inverse=True)[1]
    for number in range(numbers.max(initial=-1) + 1):
        mine = np.flatnonzero(numbers == number)
        found[mine] = y[mine] - np.linalg.solve(inverse[np.ix_(mine, mine)], fitted[mine])
    return found
