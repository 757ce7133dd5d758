"""Power: against enumeration with the real test, and its own promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from phrasing.stats.paired import difference, p_different
from phrasing.stats.power import ALIKE, MOST, detectable, guess, power, size_to_clear, size_to_detect

alphas = st.sampled_from([0.05, 0.01, 0.05 / 11])


@pytest.mark.parametrize("alpha", [0.05, 0.05 / 11])
@pytest.mark.parametrize(("discordance", "delta"), [(0.2, 0.2), (0.6, 0.3), (0.9, 0.0)])
def test_power_is_the_chance_that_the_test_calls_it(discordance: float, delta: float, alpha: float) -> None:
    from scipy import stats as scipy_stats

    n, expected = 24, 0.0
    shares = [(discordance + delta) / 2, (discordance - delta) / 2, 1 - discordance]
    for wins in range(n + 1):
        for losses in range(min(wins, n - wins + 1)):  # only what is won more often can be called so
            found = difference(np.arange(n) < wins, (np.arange(n) >= wins) & (np.arange(n) < wins + losses))
            if p_different(found) <= alpha:
                counts = [wins, losses, n - wins - losses]
                expected += float(scipy_stats.multinomial(n, shares).pmf(counts))
    assert power(n, discordance, delta, alpha=alpha) == pytest.approx(expected, abs=1e-6)


def by_scipy(size: int, discordance: float, difference: float, *, alpha: float, added: float) -> float:
    """Compute power as its docstring says, by SciPy's functions and a search for each number of cases that differ."""
    from scipy import stats as scipy_stats

    total = 0.0
    for k in range(1, size + 1):
        low, high = k // 2, k + 1
        while high - low > 1:
            wins = (low + high) // 2
            losses = k - wins
            scale = (losses + added**2) / (losses + added)
            enough = special.betainc(wins, (losses + added) / scale, scale / (1 + scale)) <= alpha / 2
            low, high = (low, wins) if enough else (wins, high)
        won = special.bdtrc(high - 1, k, (discordance + difference) / (2 * discordance)) if high <= k else 0.0
        total += float(scipy_stats.binom(size, discordance).pmf(k)) * won
    return total


@given(
    size=st.integers(1, 150),
    discordance=st.floats(0.05, 1),
    share=st.floats(0, 1),
    added=st.sampled_from([0.5, 1, 1.7, 3.2, 11]),
    alpha=st.sampled_from([0.1, 0.05, 0.05 / 11, 0.001]),
)
def test_power_is_what_scipys_functions_make_of_it(
    size: int, discordance: float, share: float, added: float, alpha: float
) -> None:
    difference = share * discordance
    found = power(size, discordance, difference, alpha=alpha, added=added)
    assert found == pytest.approx(by_scipy(size, discordance, difference, alpha=alpha, added=added), abs=1e-4)


@given(size=st.integers(20, 400), discordance=st.floats(0.05, 0.6), share=st.floats(0.1, 0.9), alpha=alphas)
def test_power_grows_with_size_difference_alpha_and_clusters(size: int, discordance: float, share: float, alpha: float) -> None:
    delta = share * discordance
    found = power(size, discordance, delta, alpha=alpha)
    assert 0 <= found <= 1
    assert power(size, discordance, -delta, alpha=alpha) == found
    assert power(2 * size, discordance, delta, alpha=alpha) >= found - 0.01  # results are whole cases: not quite steady
    assert power(size, discordance, min(discordance, 1.1 * delta), alpha=alpha) >= found - 1e-9
    assert power(size, discordance, delta, alpha=alpha / 2) <= found + 1e-9
    heavy, light, independent = (power(size, discordance, delta, alpha=0.05, added=added) for added in (4.0, 1.5, 1.0))
    assert heavy <= light + 1e-9
    assert light <= independent + 1e-9


@given(size=st.integers(60, 1000), discordance=st.floats(0.05, 0.5), alpha=alphas)
def test_the_detectable_difference_is_just_detected(size: int, discordance: float, alpha: float) -> None:
    delta = detectable(size, discordance, alpha=alpha)
    assert delta is not None
    assert power(size, max(discordance, delta), delta, alpha=alpha) >= 0.8
    less = delta - 3e-4
    assert power(size, max(discordance, less), less, alpha=alpha) < 0.8


@pytest.mark.parametrize(("size", "alpha"), [(1, 0.05), (5, 0.05), (8, 0.05 / 11)])
def test_too_few_cases_detect_nothing(size: int, alpha: float) -> None:
    assert detectable(size, 0.2, alpha=alpha) is None


@given(discordance=st.floats(0.05, 0.6), share=st.floats(0.2, 1), alpha=alphas)
def test_the_size_to_detect_is_just_enough(discordance: float, share: float, alpha: float) -> None:
    delta = share * discordance
    size = size_to_detect(delta, discordance, alpha=alpha)
    assert size is not None
    assert power(size, discordance, delta, alpha=alpha) >= 0.8
    assert power(size - 1, discordance, delta, alpha=alpha) < 0.8
    if size >= 100:
        assert power(size, discordance, delta, alpha=alpha) < 0.83


@given(discordance=st.floats(0.05, 0.6), share=st.floats(0.2, 1), added=st.floats(1, 8), alpha=alphas)
def test_what_the_test_adds_asks_for_more_cases(discordance: float, share: float, added: float, alpha: float) -> None:
    delta = share * discordance
    size, alone = (size_to_detect(delta, discordance, alpha=alpha, added=weight) for weight in (added, 1.0))
    assert size is not None
    assert alone is not None
    assert alone <= size
    assert power(size, discordance, delta, alpha=alpha, added=added) >= 0.8
    assert power(size - 1, discordance, delta, alpha=alpha, added=added) < 0.8
    cleared = [size_to_clear(0.02, 0.0, added=weight) for weight in (1.0, added)]
    assert cleared[1] == pytest.approx(added * (cleared[0] or 0), rel=0.02)


@pytest.mark.parametrize(("delta", "discordance", "alpha"), [(0.05, 0.2, 0.05), (0.02, 0.1, 0.05), (0.05, 0.3, 0.05 / 11)])
def test_large_sizes_are_those_of_the_published_formula(delta: float, discordance: float, alpha: float) -> None:
    z, power_z = special.ndtri(1 - alpha / 2), special.ndtri(0.8)
    connor = ((z * discordance**0.5 + power_z * (discordance - delta**2) ** 0.5) / delta) ** 2
    found = size_to_detect(delta, discordance, alpha=alpha)
    assert found is not None
    assert connor <= found < 1.06 * connor  # the exact test needs a little more than the normal approximation has it


def test_a_difference_over_the_discordance_is_all_to_one_side() -> None:
    assert size_to_detect(0.2, 0.1) == size_to_detect(0.2, 0.2)
    assert size_to_detect(1.0, 1 + 1e-15) == 6  # 6 of 6 is the first exact result below 5 %
    assert detectable(40, 0.01) == pytest.approx(detectable(40, 0.1), abs=1e-3)


@pytest.mark.parametrize("difference", [0.0, 1.5, 0.0001], ids=["none", "impossible", "tiny"])
def test_what_no_size_detects(difference: float) -> None:
    assert size_to_detect(difference, 0.3) is None


@given(distance=st.floats(0.01, 0.5), variance=st.floats(0.01, 1), alpha=alphas)
def test_the_size_to_clear_a_bound_is_just_enough(distance: float, variance: float, alpha: float) -> None:
    at_bound = max(variance, distance * (1 - distance))
    size = size_to_clear(distance, variance, alpha=alpha)

    def chance(n: int) -> float:
        limit = special.ndtri(1 - alpha) * math.sqrt(at_bound)
        return float(special.ndtr((distance * math.sqrt(n) - limit) / math.sqrt(variance)))

    assert chance(size or MOST) < 0.8 if size is None else chance(size) >= 0.8 - 1e-9 > chance(size - 1)


def test_a_guessed_size_has_kishs_design_effect() -> None:
    assert guess([[1] * 50]) == (pytest.approx(50), pytest.approx(1))
    assert guess([[1] * 50, [1] * 150]) == (pytest.approx(4 / (1 / 50 + 1 / 150)), pytest.approx(1))
    size, added = guess([[5] * 20])
    assert size == pytest.approx(100 / (1 + ALIKE * 4))
    assert 1 < added < size / 20  # more than a case, less than a group of which all cases are alike


@pytest.mark.parametrize("distance", [0.0, -0.1, 1e-5])
def test_no_size_clears_a_bound_that_is_not_below(distance: float) -> None:
    assert size_to_clear(distance, 0.2) is None


@pytest.mark.parametrize(("discordance", "difference"), [(0.0, 0.0), (0.1, 0.2), (1.2, 0.1)])
def test_power_refuses_what_no_variants_show(discordance: float, difference: float) -> None:
    with pytest.raises(ValueError, match="discordance"):
        power(100, discordance, difference)
