"""Statistics: against the definitions, published values and exact enumeration."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phrasing.stats import upper_bound, wilson

means = st.floats(0, 1)
sizes = st.integers(1, 100_000)
confidences = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99])


def binomial(n: int, p: float) -> list[float]:
    """The probability of each number of successes."""
    return [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]


# ---------------------------------------------------------------------------------------------- wilson


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_published_values(k: int, n: int, low: float, high: float) -> None:
    # R. G. Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3.
    assert wilson(k / n, n) == pytest.approx((low, high), abs=5e-5)


@settings(deadline=None)
@given(mean=st.floats(0.001, 0.999), n=sizes, confidence=confidences)
def test_the_ends_of_wilson_lie_z_standard_errors_away(mean: float, n: int, confidence: float) -> None:
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    for end in wilson(mean, n, confidence):
        assert abs(mean - end) == pytest.approx(z * math.sqrt(end * (1 - end) / n), rel=1e-6)


@settings(deadline=None)
@given(mean=means, n=sizes, confidence=confidences)
def test_wilson_holds_the_mean_and_stays_inside(mean: float, n: int, confidence: float) -> None:
    low, high = wilson(mean, n, confidence)
    assert 0 <= low <= mean <= high <= 1
    assert low < high


@settings(deadline=None)
@given(mean=means, n=st.integers(1, 10_000), factor=st.integers(2, 10))
def test_wilson_narrows_with_more_cases_and_less_confidence(mean: float, n: int, factor: int) -> None:
    def width(cases: int, confidence: float = 0.95) -> float:
        low, high = wilson(mean, cases, confidence)
        return high - low

    assert width(n * factor) < width(n)
    assert width(n, 0.9) < width(n) < width(n, 0.99)


@settings(deadline=None)
@given(mean=means, n=sizes)
def test_wilson_is_symmetric(mean: float, n: int) -> None:
    low, high = wilson(mean, n)
    assert wilson(1 - mean, n) == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_wilson_covers_what_it_says_on_average() -> None:
    n = 40
    intervals = [wilson(k / n, n) for k in range(n + 1)]
    coverages = []
    for step in range(1, 200):
        p = step / 200
        coverages.append(sum(mass for mass, (low, high) in zip(binomial(n, p), intervals, strict=True) if low <= p <= high))
    assert sum(coverages) / len(coverages) == pytest.approx(0.95, abs=0.01)
    assert min(coverages) > 0.83  # the known dip close to 0 and 1


@pytest.mark.parametrize(
    ("mean", "n", "confidence"), [(-0.1, 10, 0.95), (1.1, 10, 0.95), (math.nan, 10, 0.95), (0.5, 0, 0.95), (0.5, 10, 1.0)]
)
def test_wilson_refuses_what_has_no_interval(mean: float, n: float, confidence: float) -> None:
    with pytest.raises(ValueError, match="got"):
        wilson(mean, n, confidence)


# ---------------------------------------------------------------------------------------------- upper_bound


@pytest.mark.parametrize(
    ("k", "n", "confidence", "bound"),
    [(0, 10, 0.95, 0.2589), (1, 10, 0.95, 0.3942), (0, 60, 0.95, 0.0487), (2, 20, 0.975, 0.3170), (9, 10, 0.95, 0.9949)],
)
def test_upper_bound_gives_the_published_values(k: int, n: int, confidence: float, bound: float) -> None:
    # Tables of Clopper-Pearson limits.
    assert upper_bound(k, n, confidence) == pytest.approx(bound, abs=5e-5)


@settings(deadline=None)
@given(n=st.integers(1, 60), share=st.floats(0, 0.99), confidence=confidences)
def test_at_the_bound_so_few_events_are_just_improbable(n: int, share: float, confidence: float) -> None:
    k = int(n * share)
    p = upper_bound(k, n, confidence)
    assert math.fsum(binomial(n, p)[: k + 1]) == pytest.approx(1 - confidence, rel=1e-6)


def test_upper_bound_covers_at_least_what_it_says() -> None:
    n = 30
    bounds = [upper_bound(k, n) for k in range(n + 1)]
    for step in range(1, 100):
        p = step / 100
        coverage = sum(mass for mass, bound in zip(binomial(n, p), bounds, strict=True) if p <= bound)
        assert coverage >= 0.95 - 1e-9


@settings(deadline=None)
@given(n=st.integers(1, 2000), share=st.floats(0, 1))
def test_upper_bound_lies_above_the_rate_and_grows_with_events(n: int, share: float) -> None:
    k = int(n * share)
    bound = upper_bound(k, n)
    assert k / n <= bound <= 1
    if k < n:
        assert bound < upper_bound(k + 1, n)
        assert upper_bound(k, n + 1) < bound
        assert upper_bound(k, n, 0.9) < bound


def test_all_harmful_bounds_nothing() -> None:
    assert upper_bound(7, 7) == 1.0


@pytest.mark.parametrize(("k", "n", "confidence"), [(-1, 5, 0.95), (6, 5, 0.95), (0, 0, 0.95), (0, 5, 0.0)])
def test_upper_bound_refuses_what_has_no_bound(k: int, n: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="got"):
        upper_bound(k, n, confidence)
