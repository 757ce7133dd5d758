"""The interval of a mean of values from 0 to 1: against Clopper's and Pearson's, and where failures hide in few conversations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import special

from phrasing.stats.means import mean, upper_bound
from phrasing.stats.proportions import one_sided, proportion

confidences = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99])


@st.composite
def clustered(draw: st.DrawFn) -> tuple[list[float], list[int], list[int]]:
    """Values of one or three repeats; clusters of up to a few cases, each in one of two strata."""
    n, repeats = draw(st.integers(4, 60)), draw(st.sampled_from([1, 3]))
    values = [k / repeats for k in draw(st.lists(st.integers(0, repeats), min_size=n, max_size=n))]
    clusters = draw(st.lists(st.integers(0, n // 2), min_size=n, max_size=n))
    return values, clusters, [cluster % 2 for cluster in clusters]


@given(k=st.integers(0, 200), n=st.integers(2, 200), confidence=confidences)
def test_of_single_cases_it_is_clopper_and_pearsons(k: int, n: int, confidence: float) -> None:
    assume(k <= n)
    value, low, high = proportion([1.0] * k + [0.0] * (n - k), confidence=confidence)
    tail = (1 + confidence) / 2
    assert value == k / n
    assert high == pytest.approx(upper_bound(k, n, tail), abs=0.003)
    assert low == pytest.approx(1 - upper_bound(n - k, n, tail), abs=0.003)


@given(made=clustered())
def test_it_holds_the_mean_stays_inside_and_nests(made: tuple[list[float], list[int], list[int]]) -> None:
    assume(not math.isnan(mean(*made).size))
    previous = (mean(*made).value,) * 2
    for confidence in (0.5, 0.8, 0.95, 0.99):
        value, low, high = proportion(*made, confidence=confidence)
        assert 0 <= low <= previous[0] + 1e-9
        assert previous[1] - 1e-9 <= high <= 1
        assert low < high
        assert low <= value <= high
        previous = low, high


@given(made=clustered())
def test_wrong_for_right_mirrors_it(made: tuple[list[float], list[int], list[int]]) -> None:
    values, clusters, strata = made
    value, low, high = proportion(values, clusters, strata)
    mirrored = proportion([1 - x for x in values], clusters, strata)
    assert mirrored == pytest.approx((1 - value, 1 - high, 1 - low), abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("strata", [None, [0, 0, 0, 1, 1, 1]], ids=["one", "two"])
def test_of_a_single_cluster_it_is_unknown(strata: list[int] | None) -> None:
    clusters = [0] * 6 if strata is None else [0, 1, 2, 3, 3, 3]
    assert all(math.isnan(end) for end in proportion([1, 0, 1, 1, 1, 0], clusters, strata)[1:])


def test_many_cases_have_the_usual_interval() -> None:
    right = [1.0] * 30 + [0.0] * 10 + [1.0] * 300 + [0.0] * 60
    strata = [0] * 40 + [1] * 360
    value, low, high = proportion(right, strata=strata)
    assert value == pytest.approx((30 / 40 + 300 / 360) / 2)
    found = mean(right, strata=strata)
    assert (high - low) / 2 == pytest.approx(special.stdtrit(found.df, 0.975) * math.sqrt(found.variance), rel=0.06)


def test_repeats_that_differ_narrow_it() -> None:
    rng = np.random.default_rng(8)
    single, thrice = (rng.random((1, 200)) < 0.7).mean(axis=0), (rng.random((3, 200)) < 0.7).mean(axis=0)
    same = np.repeat((rng.random((1, 200)) < 0.7), 3, axis=0).mean(axis=0)  # the three answers to a case are one answer
    widths = [high - low for _, low, high in (proportion(values) for values in (single, thrice, same))]
    assert widths[1] == pytest.approx(widths[0] / math.sqrt(3), rel=0.1)
    assert widths[2] == pytest.approx(widths[0], rel=0.1)


def test_what_few_failures_leave_open() -> None:
    value, low, high = proportion([1.0] * 29 + [2 / 3])
    assert 0.8 < low < value < high <= 1
    sizes = [1, 2, 3, 5, 8] * 12
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    wrong = np.isin(clusters, [5, 10])  # two conversations of one step each: the next to fail may have eight
    assert proportion(~wrong, clusters)[1] < 0.92 < proportion(~wrong)[1]


def test_none_seen_in_few_conversations_is_less_than_none_in_many() -> None:
    none = np.zeros(60)
    assert one_sided(none)[1] == pytest.approx(upper_bound(0, 60), rel=0.02)
    assert one_sided(none, np.arange(60) // 6)[1] == pytest.approx(upper_bound(0, 10), rel=0.02)
    assert all(math.isnan(end) for end in one_sided(none, np.zeros(60)))
