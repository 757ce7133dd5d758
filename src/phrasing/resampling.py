"""The cluster bootstrap, for what has no formula: ratios of totals, and whatever is made of totals. Arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Array = NDArray[np.float64]

DRAWS = 2000
SEED = 20_260_101
"""Fixed, so that the same results give the same interval."""

_CHUNK = 4_000_000
"""Counts held at a time: 32 MB."""


def bootstrap(
    totals: ArrayLike,
    statistic: Callable[[Array], Array],
    *,
    strata: ArrayLike | None = None,
    confidence: float = 0.95,
    draws: int = DRAWS,
    seed: int = SEED,
    method: Literal["percentile", "bca"] = "percentile",
) -> tuple[Array, Array]:
    """Return both ends of the interval of a statistic of totals, drawing whole clusters with replacement within their stratum.

    ``totals`` is clusters x columns, what each cluster adds to each total; ``statistic`` maps totals (... x columns) to values
    (... x statistics). The ends have one number a statistic. A draw in which a statistic is undefined (0/0) doesn't count for it.

    Source: B. Efron and R. J. Tibshirani (1993), An introduction to the bootstrap, chapters 13 (percentile) and 14 (BCa);
    clusters as units: A. C. Davison and D. V. Hinkley (1997), Bootstrap methods and their application, section 3.8.
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
            picks = (rng.integers(len(part), size=len(part)) for _ in rows)
            rows += np.stack([np.bincount(pick, minlength=len(part)) for pick in picks]).astype(np.float64) @ part
    with np.errstate(divide="ignore", invalid="ignore"):
        values = statistic(drawn)
        levels = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
        adjusted = np.repeat(levels[:, None], values.shape[1], axis=1)
        if method == "bca":
            adjusted = _bca(values, statistic(x.sum(axis=0)), statistic(x.sum(axis=0) - x), levels)
    ends = [_quantile(values[:, i], adjusted[:, i]) for i in range(values.shape[1])]
    return np.array([low for low, _ in ends]), np.array([high for _, high in ends])


def _quantile(values: Array, levels: Array) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not len(known) or np.isnan(levels).any():
        return float("nan"), float("nan")
    low, high = np.quantile(known, levels)
    return float(low), float(high)


def _bca(values: Array, found: Array, without: Array, levels: Array) -> Array:
    """Move the levels for bias and for a spread that grows with the value, the latter from leaving out each cluster once."""
    below = ((values < found).mean(axis=0) + (values <= found).mean(axis=0)) / 2
    bias = special.ndtri(np.clip(below, 1 / len(values), 1 - 1 / len(values)))
    away = np.nanmean(without, axis=0) - without
    spread = np.nansum(away**2, axis=0) ** 1.5
    acceleration = np.where(spread > 0, np.nansum(away**3, axis=0) / (6 * np.where(spread > 0, spread, 1)), 0.0)
    moved = bias + special.ndtri(levels)[:, None]
    return np.asarray(special.ndtr(bias + moved / (1 - acceleration * moved)))
