"""The cluster bootstrap, for what has no formula: ratios of totals, and whatever is made of totals. Arrays in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

DRAWS = 2000
SEED = 20_260_101
"""Fixed, so that the same results give the same interval."""

_CHUNK = 125_000
"""Counts held at a time: 1 MB, which lies near the processor."""


def bootstrap(
    totals: ArrayLike,
    statistic: Callable[[Array], Array],
    *,
    strata: ArrayLike | None = None,
    confidence: float = 0.95,
    draws: int = DRAWS,
    seed: int = SEED,
) -> tuple[Array, Array]:
    """Return both ends of the interval of a statistic of totals, drawing whole clusters with replacement within their stratum.

    ``totals`` is clusters x columns, what each cluster adds to each total; ``statistic`` maps totals (... x columns) to values
    (... x statistics). The ends have one number a statistic. A draw in which a statistic is undefined (0/0) doesn't count for it.
    NaN where a stratum has only one cluster: nothing can be said of its spread then.

    Source: the percentile interval of B. Efron and R. J. Tibshirani (1993), An introduction to the bootstrap, chapter 13,
    expanded for few clusters as in T. C. Hesterberg (2015), What teachers should know about the bootstrap, The American
    Statistician 69(4), 371-386; clusters as units: A. C. Davison and D. V. Hinkley (1997), Bootstrap methods and their
    application, section 3.8. ``benchmarks/calibration`` compares it with the plain percentile interval and with BCa.
    """
    x = np.asarray(totals, dtype=np.float64)
    rng = np.random.default_rng(seed)
    layers = np.zeros(len(x), dtype=np.intp) if strata is None else np.unique(np.asarray(strata), return_inverse=True)[1]
    drawn = np.zeros((draws, x.shape[1]))
    for layer in range(layers.max() + 1):
        part = x[layers == layer]
        step = max(1, _CHUNK // len(part))
        for start in range(0, draws, step):
            rows = drawn[start : start + step]
            # how often each cluster is drawn; ten times as fast as drawing these counts themselves
            picks = rng.integers(len(part), size=(len(rows), len(part)))
            picks += np.arange(len(rows))[:, np.newaxis] * len(part)  # a range of numbers of its own for each draw
            counts = np.bincount(picks.ravel(), minlength=picks.size).reshape(picks.shape)
            rows += counts.astype(np.float64) @ part
    with np.errstate(divide="ignore", invalid="ignore"):
        values = statistic(drawn)
    alone = bool((np.bincount(layers) == 1).any())
    tail = float("nan") if alone else _tail(len(x), len(x) - int(layers.max()) - 1, confidence)
    ends = [_quantile(values[:, i], tail) for i in range(values.shape[1])]
    return np.array([low for low, _ in ends]), np.array([high for _, high in ends])


def _tail(n: int, df: int, confidence: float) -> float:
    """Return the share of draws to leave out at each end: fewer than (1 - confidence) / 2.

    Draws spread as if the clusters were all there is (too little by n / (n - 1)), and a normal quantile takes their spread for
    known, where Student's doesn't.
    """
    from scipy import special

    return float(special.ndtr(-math.sqrt(n / df) * special.stdtrit(df, (1 + confidence) / 2)))


def _quantile(values: Array, tail: float) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not len(known) or math.isnan(tail):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)
