"""Two variants on the same cases: against the definitions, published values and exact enumeration."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from phrasing.stats.means import upper_bound
from phrasing.stats.paired import (
    Difference,
    difference,
    holm,
    interval,
    level_above,
    level_within,
    mcnemar,
    p_above,
    p_below,
    p_different,
)


@st.composite
def pairs(draw: st.DrawFn, least: int = 4) -> tuple[list[float], list[float], list[int], list[int]]:
    """Two variants with one or three repeats; clusters of up to a few cases, each in one of two strata."""
    n, repeats = draw(st.integers(least, 60)), draw(st.sampled_from([1, 3]))
    scores = st.lists(st.integers(0, repeats), min_size=n, max_size=n)
    mine, other = ([k / repeats for k in draw(scores)] for _ in range(2))
    clusters = draw(st.lists(st.integers(0, n // 2), min_size=n, max_size=n))
    return mine, other, clusters, [cluster % 2 for cluster in clusters]


def known(found: Difference) -> bool:
    return not math.isnan(found.mean.size)


def alike(one: Difference, other: Difference) -> None:
    """Assert that two comparisons say the same, but for rounding."""
    assert (one.wins, one.losses, one.ties) == (other.wins, other.losses, other.ties)
    assert interval(one) == pytest.approx(interval(other), abs=1e-6, nan_ok=True)
    assert p_different(one) == pytest.approx(p_different(other), abs=1e-6, nan_ok=True)
    assert p_above(one, -0.05) == pytest.approx(p_above(other, -0.05), abs=1e-6, nan_ok=True)


@given(variants=pairs(), order=st.randoms(use_true_random=False))
def test_order_of_cases_and_names_change_nothing(
    variants: tuple[list[float], list[float], list[int], list[int]], order: random.Random
) -> None:
    mine, other, clusters, strata = variants
    found = difference(mine, other, clusters, strata)
    cases = list(range(len(mine)))
    order.shuffle(cases)
    shuffled = difference(
        [mine[i] for i in cases],
        [other[i] for i in cases],
        [f"talk-{-clusters[i]}" for i in cases],
        ["zoo" if strata[i] == 0 else "bank" for i in cases],
    )
    alike(found, shuffled)


@given(variants=pairs())
def test_swapping_the_variants_mirrors_the_result(variants: tuple[list[float], list[float], list[int], list[int]]) -> None:
    mine, other, clusters, strata = variants
    one, swapped = difference(mine, other, clusters, strata), difference(other, mine, clusters, strata)
    assert (one.wins, one.losses, one.ties) == (swapped.losses, swapped.wins, swapped.ties)
    low, high = interval(one)
    assert interval(swapped) == pytest.approx((-high, -low), abs=1e-6, nan_ok=True)
    assert p_different(one) == pytest.approx(p_different(swapped), abs=1e-6, nan_ok=True)
    assert p_above(one, -0.1) == pytest.approx(p_below(swapped, 0.1), abs=1e-6, nan_ok=True)
    assert level_within(one, 0.1) == pytest.approx(level_within(swapped, 0.1), abs=1e-6, nan_ok=True)


@example(
    variants=(
        [0.0] * 11 + [1.0] * 6,
        [0.0] * 3 + [1.0] + [0.0] * 13,
        [0] * 3 + [1] + [0] * 11 + [2, 3],
        [0] * 3 + [1] + [0] * 12 + [1],
    )
)
@given(variants=pairs())
def test_intervals_hold_the_mean_and_nest(variants: tuple[list[float], list[float], list[int], list[int]]) -> None:
    found = difference(*variants)
    assume(known(found))
    previous = (found.mean.value, found.mean.value)
    for confidence in (0.5, 0.8, 0.9, 0.95, 0.99):
        low, high = interval(found, confidence)
        assert -1 <= low <= previous[0] + 1e-9
        assert previous[1] - 1e-9 <= high <= 1
        assert low < high
        previous = low, high


@given(variants=pairs(), margin=st.floats(0.01, 0.5), confidence=st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_nothing_is_claimed_that_the_interval_denies(
    variants: tuple[list[float], list[float], list[int], list[int]], margin: float, confidence: float
) -> None:
    found = difference(*variants)
    assume(known(found))
    alpha = 1 - confidence
    low, high = interval(found, confidence)
    assume(min(abs(low), abs(high), abs(low + margin), abs(high - margin)) > 1e-6)
    assert (p_different(found) < alpha) == (low > 0 or high < 0)
    assert (level_above(found, -margin) < alpha) == (low > -margin)
    assert (level_within(found, margin) < alpha) == (-margin < low and high < margin)


@given(variants=pairs(), bounds=st.lists(st.floats(-1, 1), min_size=2, max_size=2))
def test_a_lower_bound_is_cleared_more_easily(
    variants: tuple[list[float], list[float], list[int], list[int]], bounds: list[float]
) -> None:
    found = difference(*variants)
    assume(known(found))
    low, high = sorted(bounds)
    assert p_above(found, low) <= p_above(found, high) + 1e-6
    assert 0 <= p_above(found, low) <= 1


@given(values=st.lists(st.floats(0, 1), min_size=3, max_size=30))
def test_the_same_answers_are_no_difference_and_not_certainty(values: list[float]) -> None:
    found = difference(values, values)
    assert (found.wins, found.losses, found.ties) == (0, 0, len(values))
    assert p_different(found) == 1
    low, high = interval(found)
    assert low == pytest.approx(-high)
    assert high > 1 / len(values)


def test_halving_every_difference_narrows_the_interval_but_not_by_half() -> None:
    rng = np.random.default_rng(7)
    mine, other = (rng.random((2, 80)) < [[0.7], [0.5]]).astype(float)
    full, half = difference(mine, other), difference(mine / 2, other / 2)
    width, narrow = (high - low for low, high in (interval(full), interval(half)))
    assert width / 2 < narrow < width  # the case that nobody has seen may still be lost whole
    assert half.unit == pytest.approx(0.5)


@pytest.mark.parametrize(("lost", "n"), [(0, 60), (1, 30), (3, 60), (10, 200)])
def test_where_no_case_is_won_the_lower_end_is_clopper_and_pearsons(lost: int, n: int) -> None:
    found = difference(np.zeros(n), np.arange(n) < lost)
    assert interval(found)[0] == pytest.approx(-upper_bound(lost, n, 0.975), rel=0.01)


def lines(wins: int, losses: int, ties: int) -> tuple[float, float]:
    d = np.array([1] * wins + [-1] * losses + [0] * ties)
    return interval(difference(np.maximum(d, 0), np.maximum(-d, 0)))


def test_what_few_cases_that_differ_leave_open() -> None:
    # Two cases won and none lost don't show a variant to be better, nor 5 of 5, nor that neither loses two points.
    assert lines(2, 0, 65) == pytest.approx((-0.0343, 0.1038), abs=1e-4)
    assert lines(5, 0, 0) == pytest.approx((-0.0482, 1.0), abs=1e-4)
    assert lines(1, 7, 13) == pytest.approx((-0.546, 0.021), abs=2e-3)  # Tango's: -0.517 to -0.026; McNemar's p is 0.07


def test_a_few_conversations_that_are_lost_whole_keep_a_loss_possible() -> None:
    sizes = [1, 2, 3, 5, 8] * 12
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    lost = difference(np.zeros(len(clusters)), np.isin(clusters, [5, 10]), clusters)  # two, of one step each
    assert lost.mean.value > -0.01
    assert interval(lost)[0] < -0.08  # the next one may have eight steps
    assert -upper_bound(2, len(clusters), 0.975) > -0.04  # which single steps would rule out


# ---------------------------------------------------------------------------------------------- tests


@given(wins=st.integers(0, 40), losses=st.integers(0, 40), ties=st.integers(0, 40))
def test_single_cases_are_compared_as_by_mcnemar(wins: int, losses: int, ties: int) -> None:
    from scipy import stats as scipy_stats

    assume(wins + losses + ties > 2)
    n = wins + losses + ties
    found = difference(np.arange(n) < wins, (np.arange(n) >= wins) & (np.arange(n) < wins + losses))
    assume(known(found))
    assert p_different(found) == pytest.approx(mcnemar(wins, losses), rel=0.06)
    if wins + losses:
        assert mcnemar(wins, losses) == pytest.approx(scipy_stats.binomtest(wins, wins + losses).pvalue)


def test_wins_in_one_conversation_are_one_win() -> None:
    mine, other = [1.0] * 12 + [0.0] * 8, [0.0] * 20
    assert p_different(difference(mine, other)) == pytest.approx(2 / 2**12, rel=0.06)
    assert p_different(difference(mine, other, np.arange(20) // 4)) == pytest.approx(2 / 2**3, rel=0.06)


@given(ps=st.lists(st.floats(0, 1), min_size=1, max_size=12), order=st.randoms(use_true_random=False))
def test_holm_keeps_the_order_and_lowers_nothing(ps: list[float], order: random.Random) -> None:
    corrected = holm(ps)
    assert all(p <= more <= 1 for p, more in zip(ps, corrected, strict=True))
    assert [corrected[i] for i in sorted(range(len(ps)), key=lambda i: ps[i])] == sorted(corrected)
    cases = list(range(len(ps)))
    order.shuffle(cases)
    assert holm([ps[i] for i in cases]) == [corrected[i] for i in cases]


@pytest.mark.slow  # importing statsmodels takes seconds
@pytest.mark.parametrize("ps", [[0.04], [0.01, 0.02, 0.03, 0.04], [0.5, 0.001, 0.02, 0.02, 0.9, 0.03]])
def test_holm_is_that_of_statsmodels(ps: list[float]) -> None:
    from statsmodels.stats.multitest import multipletests

    assert holm(ps) == pytest.approx(list(multipletests(ps, method="holm")[1]))


def test_holm_leaves_out_what_is_not_known() -> None:
    first, unknown, last = holm([0.01, math.nan, 0.03])
    assert (first, last) == (0.02, 0.03)
    assert math.isnan(unknown)
