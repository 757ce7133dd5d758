"""Two variants on the same cases: against the definitions, published values and exact enumeration."""

from __future__ import annotations

import math
import random
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import optimize, special
from scipy import stats as scipy_stats
from scipy.optimize import brentq

from phrasing.stats.paired import (
    EXACT,
    Difference,
    difference,
    holm,
    interval,
    mcnemar,
    p_above,
    p_below,
    p_different,
    p_equivalent,
    sign_flip,
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
    assert (one.wins, one.losses, one.ties, len(one.flips)) == (other.wins, other.losses, other.ties, len(other.flips))
    assert interval(one) == pytest.approx(interval(other), abs=1e-9, nan_ok=True)
    assert p_different(one) == pytest.approx(p_different(other), abs=1e-9, nan_ok=True)
    assert p_above(one, -0.05) == pytest.approx(p_above(other, -0.05), abs=1e-9, nan_ok=True)


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
    assert interval(swapped) == pytest.approx((-high, -low), abs=1e-9, nan_ok=True)
    assert p_different(one) == pytest.approx(p_different(swapped), abs=1e-9, nan_ok=True)
    assert p_above(one, -0.1) == pytest.approx(p_below(swapped, 0.1), abs=1e-9, nan_ok=True)
    assert p_equivalent(one, 0.1) == pytest.approx(p_equivalent(swapped, 0.1), abs=1e-9, nan_ok=True)


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


@given(variants=pairs(), margin=st.floats(0.01, 0.5))
def test_an_interval_is_what_the_one_sided_tests_leave(
    variants: tuple[list[float], list[float], list[int], list[int]], margin: float
) -> None:
    found = difference(*variants)
    assume(known(found))
    low, high = interval(found, 0.9)
    assume(min(abs(low + margin), abs(high - margin)) > 1e-6)
    assert (p_above(found, -margin) <= 0.05) == (low > -margin)
    assert (p_below(found, margin) <= 0.05) == (high < margin)
    assert (p_equivalent(found, margin) <= 0.05) == (-margin < low and high < margin)


@given(variants=pairs(least=45))
def test_the_score_test_and_the_interval_agree(variants: tuple[list[float], list[float], list[int], list[int]]) -> None:
    found = difference(variants[0], variants[1])  # enough independent cases differ for the score test
    assume(len(found.flips) > EXACT)
    low, high = interval(found)
    assume(min(abs(low), abs(high)) > 1e-6)
    assert (p_different(found) < 0.05) == (low > 0 or high < 0)


@given(values=st.lists(st.floats(0, 1), min_size=3, max_size=30))
def test_the_same_answers_are_no_difference_and_not_certainty(values: list[float]) -> None:
    found = difference(values, values)
    assert (found.wins, found.losses, found.ties) == (0, 0, len(values))
    assert p_different(found) == 1
    low, high = interval(found)
    assert low == pytest.approx(-high)
    assert high > 1 / len(values)


def test_halving_every_difference_halves_the_interval() -> None:
    rng = np.random.default_rng(7)
    mine, other = (rng.random((2, 80)) < [[0.7], [0.5]]).astype(float)
    full, half = difference(mine, other), difference(mine / 2, other / 2)
    assert interval(half) == pytest.approx([end / 2 for end in interval(full)])
    assert p_different(half) == pytest.approx(p_different(full))
    assert half.unit == pytest.approx(0.5)


def tango(wins: int, losses: int, n: int, z: float) -> tuple[float, float]:
    """Tango's interval from its definition: the likeliest share of losses under each bound is searched for, not solved for."""

    def statistic(bound: float) -> float:
        def unlikely(share: float) -> float:
            shares = (share + bound, share, 1 - bound - 2 * share)
            return -sum(
                count * math.log(max(p, 1e-300)) for count, p in zip((wins, losses, n - wins - losses), shares, strict=True)
            )

        least, most = max(0.0, -bound), (1 - bound) / 2
        share = optimize.minimize_scalar(unlikely, bounds=(least, most), method="bounded", options={"xatol": 1e-12}).x
        return float((wins - losses - n * bound) / math.sqrt(n * (2 * share + bound * (1 - bound))))

    value = (wins - losses) / n
    low = optimize.brentq(lambda bound: statistic(bound) - z, -1 + 1e-6, value - 1e-9)
    high = optimize.brentq(lambda bound: statistic(bound) + z, value + 1e-9, 1 - 1e-6)
    return low, high


@pytest.mark.parametrize(("wins", "losses", "n"), [(1, 7, 21), (9, 4, 40), (30, 12, 200), (0, 5, 60), (3, 0, 25)])
def test_single_answers_of_single_cases_have_tangos_interval(wins: int, losses: int, n: int) -> None:
    found = difference(np.arange(n) < wins, (np.arange(n) >= wins) & (np.arange(n) < wins + losses))
    confidence = 2 * float(special.stdtr(n - 1, 1.96)) - 1  # so that Student's quantile is 1.96
    low, high = tango(wins, losses, n, 1.96)
    assert (p_above(found, low), p_below(found, high)) == pytest.approx(2 * [(1 - confidence) / 2], abs=1e-6)
    assert interval(found, confidence) == pytest.approx((low, high), abs=1e-5)
    assert (found.wins, found.losses, found.square) == (wins, losses, pytest.approx((wins + losses) / n))


def test_the_interval_has_the_published_value() -> None:
    # M. W. Fagerland, S. Lydersen, P. Laake (2014), Recommended tests and confidence intervals for paired binomial proportions,
    # Statistics in Medicine 33(16), 2850-2875: airway hyper-responsiveness, Tango's interval for 1 against 7 of 21 pairs.
    found = difference([1] + [0] * 20, [0] + [1] * 7 + [0] * 13)
    alpha = float(special.stdtr(20, -NormalDist().inv_cdf(0.975)))  # with the normal quantile for Student's
    low, high = (brentq(lambda bound, p=p: p(found, bound) - alpha, -0.9, 0.9) for p in (p_above, p_below))
    assert (low, high) == pytest.approx((-0.517, -0.026), abs=5e-4)
    assert mcnemar(1, 7) == sign_flip(found.flips) == pytest.approx(0.0703, abs=1e-4)
    assert interval(found, 1 - 2 * alpha) == pytest.approx((low, high), abs=1e-6)


# ---------------------------------------------------------------------------------------------- tests


@given(sums=st.lists(st.integers(-3, 3), min_size=2, max_size=9))
def test_sign_flip_is_the_permutation_test_of_scipy(sums: list[int]) -> None:
    peer = scipy_stats.permutation_test(
        (np.array(sums, dtype=float),), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert sign_flip(sums) == pytest.approx(peer.pvalue)


@given(wins=st.integers(0, EXACT), losses=st.integers(0, EXACT))
def test_few_single_cases_are_compared_by_mcnemar(wins: int, losses: int) -> None:
    assume(wins + losses <= EXACT)
    n = wins + losses + 5
    found = difference(np.arange(n) < wins, (np.arange(n) >= wins) & (np.arange(n) < wins + losses))
    assert p_different(found) == pytest.approx(mcnemar(wins, losses))
    if wins + losses:
        assert mcnemar(wins, losses) == pytest.approx(scipy_stats.binomtest(wins, wins + losses).pvalue)


def test_many_cases_that_differ_are_compared_by_the_score() -> None:
    found = difference([1] * 40 + [0] * 20 + [1] * 40, [0] * 40 + [1] * 20 + [1] * 40)
    assert p_different(found) == pytest.approx(2 * special.stdtr(99, -20 / math.sqrt(60)))
    assert p_different(found) == pytest.approx(mcnemar(40, 20), abs=0.01)


def test_swaps_within_one_conversation_are_one_swap() -> None:
    mine, other = [1.0] * 12 + [0.0] * 8, [0.0] * 20
    assert p_different(difference(mine, other)) == pytest.approx(2 / 2**12)
    assert p_different(difference(mine, other, np.arange(20) // 4)) == pytest.approx(2 / 2**3)


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
