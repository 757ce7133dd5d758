"""Tests that hold at every look: bets that are fair, wealth that can't run out, and few false claims whatever is looked at."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from phrasing.stats import paired
from phrasing.stats.anytime import BETS, RISK, Evidence, Progress, evidence, p_above, p_below, weights


def whole(sizes: list[int], strata: list[int] | None = None, seen: int | None = None) -> Progress:
    """All cases of the first clusters."""
    count = len(sizes) if seen is None else seen
    layers = np.array(strata or [0] * len(sizes), dtype=np.intp)
    return Progress(np.array(sizes, dtype=np.intp), layers, count, np.repeat(np.arange(count), sizes[:count]))


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Sizes of clusters, and their strata."""
    sizes = draw(st.lists(st.integers(1, 40), min_size=1, max_size=40))
    strata = draw(st.integers(1, 3))
    return sizes, [number % strata for number in range(len(sizes))]


def test_with_clusters_of_one_size_it_is_the_plain_gamble() -> None:
    values = np.array([1.0, -0.5, 0.0, 1.0])
    found = evidence(values, whole([1, 1, 1, 1, 1, 1], seen=4))
    bets = np.geomspace(0.5, RISK, BETS)
    assert p_above(found, 0.0) == pytest.approx(1 / np.mean([np.prod(1 + bet * values) for bet in bets]))
    bound = -0.1
    assert p_above(found, bound) == pytest.approx(
        1 / np.mean([np.prod(1 + bet * (values - bound) / (1 + bound)) for bet in bets])
    )
    assert p_below(found, 0.0) == 1
    assert not found.sides.any()


def test_many_equal_clusters_get_smaller_bets_too() -> None:
    found = evidence(np.zeros(900), whole([1] * 900))
    assert found.stakes[0].min() == pytest.approx(0.1)
    assert found.stakes[0].max() == pytest.approx(RISK)
    assert p_above(found, -0.02) < 0.01


@given(made=plans())
def test_side_bets_are_fair_and_no_cluster_takes_all(made: tuple[list[int], list[int]]) -> None:
    progress = whole(*made)
    found = evidence(np.full(len(progress.places), -1.0), progress)
    assert np.abs(found.sides.sum(axis=0)).max() < 1e-9 * len(made[0])
    assert (found.sides - found.stakes).min() >= -RISK - 1e-9


@given(made=plans(), data=st.data())
def test_a_random_cluster_is_worth_the_mean_over_cases_with_equal_strata(
    made: tuple[list[int], list[int]], data: st.DataObject
) -> None:
    sizes, strata = (np.array(each, dtype=np.intp) for each in made)
    found, counts = weights(sizes, strata), np.bincount(strata)
    assert [(found[strata == stratum] > 0).sum() for stratum in range(len(counts))] == [counts.min()] * len(counts)
    even = strata < 0  # as many clusters of each stratum, the first ones
    for stratum in range(len(counts)):
        even[np.flatnonzero(strata == stratum)[: counts.min()]] = True
    sizes, strata = sizes[even], strata[even]
    values = np.array(data.draw(st.lists(st.floats(-1, 1), min_size=len(sizes), max_size=len(sizes))))
    means = [np.average(values[strata == stratum], weights=sizes[strata == stratum]) for stratum in range(len(counts))]
    assert (weights(sizes, strata) * values).mean() == pytest.approx(np.mean(means), abs=1e-9)


@given(made=plans(), data=st.data())
def test_ps_fall_with_the_bound_and_never_contradict_the_mean(made: tuple[list[int], list[int]], data: st.DataObject) -> None:
    progress = whole(*made, seen=data.draw(st.integers(1, len(made[0]))))
    count = len(progress.places)
    mine, theirs = (data.draw(st.lists(st.integers(0, 1), min_size=count, max_size=count)) for _ in range(2))
    strata = progress.strata[progress.places]
    found = paired.difference(mine, theirs, progress.places, strata, progress=progress)
    bounds = np.linspace(-1, 1, 21)
    above, below = ([p(found, bound) for bound in bounds] for p in (paired.p_above, paired.p_below))
    assert above == sorted(above)
    assert below == sorted(below, reverse=True)
    assert all(p == 1 for p, bound in zip(above, bounds, strict=True) if bound >= found.mean.value)
    assert all(p == 1 for p, bound in zip(below, bounds, strict=True) if bound <= found.mean.value)
    low, high = paired.interval(found)
    assert -1 <= low <= found.mean.value <= high <= 1
    # the interval leaves out what the tests rule out
    assert (low > 0) <= (paired.p_above(found, 0.0) <= 0.025 + 1e-9)
    swapped = paired.difference(theirs, mine, progress.places, strata, progress=progress)
    assert paired.interval(swapped) == pytest.approx((-high, -low), abs=1e-9)


@given(made=plans())
def test_cases_without_a_value_are_no_evidence(made: tuple[list[int], list[int]]) -> None:
    progress = whole(*made)
    none = progress.only(np.zeros(len(progress.places), dtype=np.bool_))
    found = evidence(np.array([]), none)
    assert p_above(found, 0.0) == p_above(found, -0.5) == p_above(found, 0.5)
    assert not found.stakes.any()


def test_nothing_seen_is_no_evidence() -> None:
    found = evidence(np.array([]), whole([1, 2, 3], seen=0))
    assert p_above(found, -0.9) == p_below(found, 0.9) == p_above(found, -1.0) == 1


def test_what_is_left_of_a_larger_stratum_is_no_evidence() -> None:
    sizes, strata = [1] * 9, [0, 1, 0, 1, 1, 1, 1, 1, 1]
    before = evidence(np.ones(4), whole(sizes, strata, seen=4))
    after = evidence(np.ones(9), whole(sizes, strata))
    assert p_above(after, 0.0) == p_above(before, 0.0) < 1


@pytest.mark.slow
@pytest.mark.parametrize("effect", [0.8, -0.8])
def test_looking_after_every_cluster_keeps_false_claims_rare_where_size_and_effect_go_together(effect: float) -> None:
    rng = np.random.default_rng(3)
    sizes = np.array([1] * 70 + [5] * 30)
    effects = np.where(sizes == 1, effect, -effect * 70 / 150)  # the mean over cases is 0
    called = 0
    for _ in range(150):
        order = rng.permutation(100)
        mine: list[NDArray[np.float64]] = []
        for cluster in order:
            chance = abs(effects[cluster])
            mine.append(np.sign(effects[cluster]) * (rng.random(sizes[cluster]) < chance))
        found = evidence(np.concatenate(mine), whole(sizes[order].tolist()))
        looks = (Evidence(found.values[:k], found.stakes[:k], found.sides[:k]) for k in range(1, 101))
        called += any(2 * min(p_above(look, 0.0), p_below(look, 0.0)) <= 0.05 for look in looks)
    assert called <= 8


def test_the_first_clusters_count_whatever_is_seen_of_the_rest() -> None:
    sizes = [13, 1, 1, 2, 8, 1]
    values = np.repeat([0.5, -0.2, 1.0], [13, 1, 1])
    found = evidence(values, whole(sizes, seen=3))
    again = evidence(np.concatenate([values, np.full(10, 0.1)]), whole(sizes, seen=5))
    assert found.stakes == pytest.approx(again.stakes[:3])
    assert found.sides == pytest.approx(again.sides[:3])
    assert found.values == pytest.approx(again.values[:3])
