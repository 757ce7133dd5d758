"""The cluster bootstrap: against scipy, against formulas for means, and its own promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from phrasing.stats import means
from phrasing.stats.bootstrap import Array, bootstrap


def ratio(totals: Array) -> Array:
    return totals[..., :1] / totals[..., 1:]


def mean(totals: Array) -> Array:
    """The mean of the first column, the second counting the cases."""
    return totals[..., :1] / totals[..., 1:2]


def tokens(n: int, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    sizes = rng.lognormal(6, 0.5, (n, 1))
    return np.asarray(sizes * rng.lognormal(0, 0.2, (n, 2)) * [0.8, 1])


def ends(*arguments: object, **options: object) -> tuple[float, float]:
    low, high = bootstrap(*arguments, **options)  # type: ignore[arg-type]
    return float(low[0]), float(high[0])


def test_many_clusters_give_what_scipy_gives() -> None:
    from scipy import stats as scipy_stats

    totals = tokens(400, seed=1)
    peer = scipy_stats.bootstrap(
        (totals[:, 0], totals[:, 1]),
        lambda mine, other, axis: mine.sum(axis) / other.sum(axis),
        paired=True,
        method="percentile",
        n_resamples=2000,
        random_state=np.random.default_rng(2),
    ).confidence_interval
    low, high = ends(totals, ratio)
    assert (low, high) == pytest.approx((peer.low, peer.high), abs=0.15 * (peer.high - peer.low))
    assert low < totals[:, 0].sum() / totals[:, 1].sum() < high


@pytest.mark.parametrize("n", [8, 15, 200])
def test_a_mean_of_few_has_about_students_interval(n: int) -> None:
    values = np.random.default_rng(3).normal(10, 1, n)
    low, high = ends(np.stack([values, np.ones(n)], axis=1), mean, draws=20_000)
    half = special.stdtrit(n - 1, 0.975) * math.sqrt(np.var(values, ddof=1) / n)
    # a little less in the far tails of few values: a bootstrap draws nothing beyond them
    assert 0.85 * half < (high - low) / 2 < 1.1 * half


def test_clusters_are_drawn_whole() -> None:
    rng = np.random.default_rng(4)
    clusters = np.repeat(np.arange(60), 5)
    values = rng.normal(0, 0.3, 300) + rng.normal(0, 1, 60)[clusters]
    sums = np.stack([np.bincount(clusters, values), np.bincount(clusters)], axis=1)
    low, high = ends(sums, mean)
    found = means.mean(values, clusters)
    assert (high - low) / 2 == pytest.approx(special.stdtrit(59, 0.975) * math.sqrt(found.variance), rel=0.1)
    apart = ends(np.stack([values, np.ones(300)], axis=1), mean)
    assert apart[1] - apart[0] < 0.6 * (high - low)


def test_strata_keep_their_share() -> None:
    # all that varies is which stratum a cluster is of: drawn within strata nothing varies
    totals = np.array([[1.0, 10.0]] * 10 + [[9.0, 10.0]] * 10)
    low, high = ends(totals, ratio, strata=["a"] * 10 + ["b"] * 10)
    assert (low, high) == pytest.approx((0.5, 0.5))
    low, high = ends(totals, ratio)
    assert low < 0.4 < 0.6 < high


def test_of_a_single_cluster_the_spread_is_unknown() -> None:
    assert all(math.isnan(end) for end in ends([[3.0, 4.0]], ratio))
    assert all(math.isnan(end) for end in ends(tokens(5, 5), ratio, strata=[0, 0, 0, 0, 1]))


def test_draws_without_a_value_do_not_count() -> None:
    totals = np.zeros((12, 2))
    totals[:3] = [[1, 2], [1, 1], [2, 2]]  # a draw of the other nine only is 0/0
    low, high = ends(totals, ratio)
    assert 0.5 <= low < high <= 1
    nothing = ends(np.zeros((4, 2)), ratio)
    assert all(math.isnan(end) for end in nothing)


def test_statistics_are_found_together_or_apart() -> None:
    totals = tokens(40, seed=6)
    low, high = bootstrap(totals, lambda t: np.concatenate([ratio(t), t[..., 1:] / t[..., :1]], axis=-1))
    assert (low[0], high[0]) == ends(totals, ratio)
    assert (low[1], high[1]) == pytest.approx((1 / high[0], 1 / low[0]), rel=0.01)


@given(n=st.integers(2, 40), seed=st.integers(0, 9), confidence=st.sampled_from([0.5, 0.8, 0.9, 0.99]))
def test_the_same_totals_give_the_same_interval_and_more_confidence_a_wider_one(n: int, seed: int, confidence: float) -> None:
    totals = tokens(n, seed)
    low, high = ends(totals, ratio, draws=400, confidence=confidence)
    assert (low, high) == ends(totals, ratio, draws=400, confidence=confidence)
    shares = totals[:, 0] / totals[:, 1]
    assert shares.min() - 1e-9 <= low <= high <= shares.max() + 1e-9
    wider = ends(totals, ratio, draws=400, confidence=(1 + confidence) / 2)
    assert wider[0] <= low <= high <= wider[1]
    scaled = ends(totals * [2, 1], ratio, draws=400, confidence=confidence)
    assert scaled == pytest.approx((2 * low, 2 * high))
