"""Quantiles, their intervals, and how those of two samples compare."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.stats import quantiles
from phrasing.stats.quantiles import Sample
from support.tiers import few

AT = (0.5, 0.95)

seconds = st.lists(st.floats(0.01, 100), min_size=1, max_size=40)


def sample(values, clusters=None, strata=None) -> Sample:
    n = len(values)
    made = (np.arange(n) if clusters is None else np.asarray(clusters), np.zeros(n) if strata is None else np.asarray(strata))
    return Sample(np.asarray(values, dtype=np.float64), *(numbers.astype(np.intp) for numbers in made))


@given(seconds, st.sampled_from([0.1, 0.5, 0.9, 0.95]))
def test_a_quantile_is_the_usual_one(values: list[float], at: float) -> None:
    usual = np.quantile(values, at, method="averaged_inverted_cdf")
    assert quantiles.quantile(sample(values), at) == pytest.approx(usual)


def test_there_is_no_quantile_of_nothing() -> None:
    assert math.isnan(quantiles.quantile(sample([]), 0.5))
    assert all(math.isnan(x) for x in quantiles.intervals([sample([])], [0.5])[0][0])


@given(seconds, seconds, st.integers(2, 5))
def test_strata_weigh_the_same(one: list[float], other: list[float], times: int) -> None:
    strata = [0] * len(one) + [1] * len(other)
    plain = quantiles.quantile(sample([*one, *other], strata=strata), 0.5)
    repeated = sample([*one * times, *other], strata=[0] * len(one) * times + [1] * len(other))
    assert quantiles.quantile(repeated, 0.5) == pytest.approx(plain)


@pytest.mark.parametrize("n", few([12, 60, 400, 6000], [12, 400]))
@pytest.mark.parametrize("at", AT)
def test_the_interval_of_single_cases_is_that_of_order_statistics(n: int, at: float) -> None:
    from scipy import stats

    # Drawn here, known exactly there: the distance is that of 2,000 draws, and of their rounding to a value.
    [[found]] = quantiles.intervals([sample(np.random.default_rng(n).permutation(n) + 1.0)], [at])
    exact = stats.binom.ppf(0.025, n, at), stats.binom.ppf(0.975, n, at) + 1
    allowed = 1 + 0.25 * math.sqrt(n * at * (1 - at))
    assert found.low == pytest.approx(exact[0], abs=allowed)
    assert math.isinf(found.high) if exact[1] > n else found.high == pytest.approx(exact[1], abs=allowed)


def test_clusters_widen_the_interval() -> None:
    rng = np.random.default_rng(1)
    values = np.repeat(rng.lognormal(size=50), 8)
    [[alone], [together]] = quantiles.intervals([sample(values), sample(values, np.repeat(np.arange(50), 8))], [0.5])
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_nothing_is_said_of_a_stratum_with_one_cluster() -> None:
    lone = sample([1.0, 2.0, 3.0], [0, 0, 0])
    other = sample([1.0, 2.0, 3.0, 4.0], [0, 1, 2, 2], [0, 0, 1, 1])
    for found in quantiles.intervals([lone, other], [0.5]):
        assert found[0].value > 0
        assert math.isnan(found[0].low)
        assert math.isnan(found[0].high)
    [[ratio]] = quantiles.ratios([(lone, lone)], [0.5], margin=0.1)
    assert ratio.value == 1
    assert math.isnan(ratio.p)


@given(st.integers(0, 10_000), st.integers(2, 60), st.floats(0.1, 10))
def test_a_ratio_turned_round_is_one_over_it(seed: int, n: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    clusters = np.sort(rng.integers(0, max(2, n // 3), n))
    clusters[:2] = 0, 1
    one, other = sample(rng.lognormal(size=n), clusters), sample(factor * rng.lognormal(size=n), clusters)
    there, back = quantiles.ratios([(one, other), (other, one)], AT, margin=0.1)
    for mine, theirs in zip(there, back, strict=True):
        assert mine.value == pytest.approx(1 / theirs.value)
        assert mine.low == pytest.approx(1 / theirs.high if theirs.high else math.inf)
        assert mine.high == pytest.approx(1 / theirs.low if theirs.low else math.inf)
        assert mine.p == pytest.approx(theirs.p, abs=2 / quantiles.DRAWS)


@given(st.integers(0, 10_000), st.floats(0.01, 100))
def test_the_unit_doesnt_matter(seed: int, factor: float) -> None:
    values = np.random.default_rng(seed).lognormal(size=40)
    plain, scaled = quantiles.intervals([sample(values), sample(factor * values)], AT)
    for one, other in zip(plain, scaled, strict=True):
        assert np.allclose(np.array(one) * factor, other)


def test_the_same_answers_dont_differ() -> None:
    same = sample(np.random.default_rng(0).lognormal(size=100))
    [found] = quantiles.ratios([(same, same)], AT, margin=0.1)
    assert [ratio.value for ratio in found] == [1, 1]
    assert [ratio.p for ratio in found] == [1, 1]


def test_what_is_twice_as_slow_is_shown() -> None:
    rng = np.random.default_rng(3)
    base = rng.lognormal(sigma=0.3, size=200)
    [[half, far]] = quantiles.ratios([(sample(2 * base * rng.lognormal(sigma=0.1, size=200)), sample(base))], AT, margin=0.1)
    assert half.low > 1.7
    assert half.high < 2.3
    assert far.low > 1.3
    assert max(half.p, far.p) < 0.01
    assert half.within == 1


def test_what_differs_by_little_is_shown_to() -> None:
    base = np.random.default_rng(4).lognormal(sigma=0.05, size=400)
    [[half, _]] = quantiles.ratios([(sample(1.01 * base), sample(base))], AT, margin=0.1)
    assert half.within < 0.01


def test_only_other_draws_change_with_the_number_of_samples() -> None:
    values = np.random.default_rng(5).lognormal(size=80)
    alone = quantiles.intervals([sample(values)], AT)
    assert quantiles.intervals([sample(values), sample(values[:40])], AT)[0] == alone[0]
