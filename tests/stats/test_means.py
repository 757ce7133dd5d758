"""Statistics: against the definitions, published values and exact enumeration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import special

from phrasing.stats.means import disagreement, mean, pass_hat, upper_bound
from phrasing.stats.paired import difference, interval, level_above, level_within, p_above, p_different

accuracies = st.floats(0, 1)
sizes = st.integers(1, 100_000)
confidences = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99])


def binomial(n: int, p: float) -> list[float]:
    """The probability of each number of successes."""
    return [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]


# ---------------------------------------------------------------------------------------------- upper_bound


@pytest.mark.slow  # importing statsmodels takes seconds
@given(k=st.integers(0, 50), n=st.integers(1, 50), confidence=confidences)
def test_upper_bound_is_that_of_statsmodels(k: int, n: int, confidence: float) -> None:
    from statsmodels.stats.proportion import proportion_confint

    assume(k <= n)
    two_sided = proportion_confint(k, n, 2 * (1 - confidence), "beta")
    assert upper_bound(k, n, confidence) == pytest.approx(two_sided[1], abs=1e-9)


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


# ---------------------------------------------------------------------------------------------- means of clustered values


@given(values=st.lists(st.integers(-9, 9), min_size=2, max_size=40))
def test_without_clusters_it_is_the_usual_variance_of_a_mean(values: list[int]) -> None:
    found = mean(values)
    assert found.value == pytest.approx(np.mean(values))
    assert found.variance == pytest.approx(np.var(values, ddof=1) / len(values), abs=1e-12)
    assert found.df == pytest.approx(len(values) - 1)
    assert found.size == pytest.approx(len(values))
    assert (found.n, found.clusters) == (len(values), len(values))


def test_a_mean_of_differences_is_the_paired_t_test() -> None:
    from scipy import stats as scipy_stats

    rng = np.random.default_rng(1)
    mine, other = rng.random(30), rng.random(30)
    found, peer = mean(mine - other), scipy_stats.ttest_rel(mine, other)
    half = special.stdtrit(found.df, 0.975) * math.sqrt(found.variance)
    assert (found.value - half, found.value + half) == pytest.approx(tuple(peer.confidence_interval()))


@pytest.mark.slow  # importing statsmodels takes seconds
def test_with_equal_clusters_it_is_the_cluster_robust_variance_of_statsmodels() -> None:
    from statsmodels.regression.linear_model import OLS

    rng = np.random.default_rng(2)
    clusters = np.repeat(np.arange(12), 5)
    values = rng.random(60) + rng.random(12)[clusters]
    found = mean(values, clusters)
    peer = OLS(values, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": clusters})
    assert found.variance == pytest.approx(float(peer.bse[0]) ** 2)
    assert found.df == pytest.approx(11)
    assert found.clusters == 12


def test_with_unequal_clusters_it_is_bell_and_mccaffrey_by_matrices() -> None:
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(6), [1, 2, 2, 5, 7, 3])
    values, n = rng.random(20), 20
    hat = np.full((n, n), 1 / n)
    residuals = values - values.mean()
    variance, columns = 0.0, []
    for cluster in range(6):
        own = clusters == cluster
        weights, vectors = np.linalg.eigh(np.eye(own.sum()) - hat[np.ix_(own, own)])
        adjust = vectors @ np.diag(weights**-0.5) @ vectors.T
        variance += (np.ones(own.sum()) @ adjust @ residuals[own] / n) ** 2
        columns.append((np.eye(n) - hat)[:, own] @ adjust @ np.ones(own.sum()) / n)
    gram = np.array(columns) @ np.array(columns).T
    found = mean(values, clusters)
    assert found.variance == pytest.approx(variance)
    assert found.df == pytest.approx(np.trace(gram) ** 2 / np.trace(gram @ gram))


def test_strata_weigh_the_same_and_their_variances_add_up() -> None:
    from scipy import stats as scipy_stats

    rng = np.random.default_rng(4)
    small, large = rng.random(8), rng.random(40)
    found = mean([*small, *large], strata=["small"] * 8 + ["large"] * 40)
    one, other = mean(small), mean(large)
    assert found.value == pytest.approx((one.value + other.value) / 2)
    assert found.variance == pytest.approx((one.variance + other.variance) / 4)
    welch = scipy_stats.ttest_ind(small, large, equal_var=False)  # a difference has the same degrees of freedom as a mean of two
    assert found.df == pytest.approx(welch.df)


def test_the_same_stratum_twice_halves_the_variance() -> None:
    rng = np.random.default_rng(5)
    values, clusters = rng.random(24), np.arange(24) // 3
    once, twice = mean(values, clusters), mean([*values, *values], [*clusters, *clusters], [0] * 24 + [1] * 24)
    assert twice.clusters == 2 * once.clusters  # a name that two strata use names two clusters
    assert (twice.value, twice.variance, twice.df, twice.size) == pytest.approx(
        (once.value, once.variance / 2, 2 * once.df, 2 * once.size)
    )


def test_copies_of_a_case_in_its_cluster_tell_nothing_new() -> None:
    values = np.random.default_rng(6).random(50)
    found = mean(np.repeat(values, 4), np.repeat(np.arange(50), 4))
    assert found.variance == pytest.approx(mean(values).variance)
    assert found.size == pytest.approx(50, rel=0.02)


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 1.0])
def test_values_all_alike_take_each_cluster_for_a_case(value: float) -> None:
    found = mean([value] * 12, np.arange(12) // 3)
    assert found.variance == pytest.approx(0, abs=1e-30)
    assert found.size == pytest.approx(4)
    assert found.df == pytest.approx(3)


def test_rounding_is_no_spread() -> None:
    # three repeats, two cases a cluster, each cluster loses a third of a case: only rounding tells the clusters apart
    mine, other = np.array([2, 0, 1, 2, 1, 2]) / 3, np.array([2, 1, 1, 3, 1, 3]) / 3
    found = difference(mine, other, [0, 0, 1, 1, 2, 2])
    assert found.mean.size == pytest.approx(3)
    low, high = interval(found)
    assert low < -0.25 < -1 / 6 < 0 < high


@pytest.mark.parametrize("strata", [None, [0, 0, 0, 1, 1, 1]], ids=["one", "two"])
def test_of_a_single_cluster_the_spread_is_unknown(strata: list[int] | None) -> None:
    clusters = [0] * 6 if strata is None else [0, 1, 2, 3, 3, 3]
    found = difference([1, 0, 1, 1, 1, 0], [0, 0, 1, 0, 1, 1], clusters, strata)
    assert math.isnan(found.mean.variance)
    assert math.isnan(found.mean.size)
    assert all(math.isnan(end) for end in interval(found))
    assert math.isnan(p_above(found, -0.1))
    assert all(math.isnan(level) for level in (level_above(found, -0.1), level_within(found, 0.1), p_different(found)))


def test_no_values_have_no_mean() -> None:
    for call in (lambda: mean([]), lambda: difference([], [])):
        with pytest.raises(ValueError, match="needs values"):
            call()


# ---------------------------------------------------------------------------------------------- repeats


@given(answers=st.lists(st.lists(st.sampled_from("abc"), max_size=5), max_size=6))
def test_disagreement_counts_pairs_of_answers(answers: list[list[str]]) -> None:
    def share(given: Sequence[str]) -> float:
        couples = list(combinations(given, 2))
        return sum(one != other for one, other in couples) / len(couples)

    several = [given for given in answers if len(given) > 1]
    expected = np.mean([share(given) for given in several]) if several else math.nan
    assert disagreement(answers) == pytest.approx(expected, nan_ok=True)


@given(
    cases=st.lists(st.lists(st.booleans(), min_size=1, max_size=6), min_size=1, max_size=5),
    k=st.integers(1, 6),
)
def test_pass_hat_counts_choices_of_k_answers(cases: list[list[bool]], k: int) -> None:
    shares = [np.mean([all(chosen) for chosen in combinations(answers, k)]) for answers in cases if len(answers) >= k]
    expected = np.mean(shares) if shares else math.nan
    found = pass_hat([sum(answers) for answers in cases], [len(answers) for answers in cases], k)
    assert found == pytest.approx(expected, nan_ok=True)
