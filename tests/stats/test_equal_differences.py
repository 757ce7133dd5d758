"""Variants that differ by the same fraction in every case: no spread is left, and rounding must not make it negative."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from phrasing.analysis import compare, tables
from phrasing.report.text import conclusion
from phrasing.runs.early_stop import Looked
from phrasing.stats import anytime, means, paired, power
from phrasing.stats.anytime import Progress
from phrasing.stats.proportions import proportion
from phrasing.suite.schema import Comparing
from support.made_up_results import case, compared, variant, variants
from support.tiers import examples


@dataclass(frozen=True)
class Equal:
    """``k`` of ``repeats`` answers more are right in every case; ``base`` says how many are in the baseline."""

    k: int
    repeats: int
    base: list[int]
    clusters: list[int]
    strata: list[int]

    @property
    def variants(self) -> tuple[list[float], list[float]]:
        """Both variants' scores: what two of these fractions differ by is seldom the same to the last digit."""
        return [(b + self.k) / self.repeats for b in self.base], [b / self.repeats for b in self.base]

    @property
    def progress(self) -> Progress:
        """All clusters, in the order of their numbers."""
        sizes, places = np.bincount(self.clusters), np.array(self.clusters)
        strata = np.array([self.strata[self.clusters.index(cluster)] for cluster in range(len(sizes))])
        return Progress(sizes, np.unique(strata, return_inverse=True)[1], len(sizes), places)

    @property
    def words(self) -> dict[str, list[str]]:
        """The same as answers of two formats."""
        return {
            name: ["1" * right + "0" * (self.repeats - right) for right in counts]
            for name, counts in {"lines": self.base, "tags": [b + self.k for b in self.base]}.items()
        }


@st.composite
def equal(draw: st.DrawFn, most: int = 40) -> Equal:
    repeats = draw(st.integers(1, 12))
    k = draw(st.integers(-repeats, repeats))
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=most))
    clusters = [number for number, size in enumerate(sizes) for _ in range(size)]
    base = draw(
        st.lists(st.integers(max(0, -k), repeats - max(0, k)), min_size=len(clusters), max_size=len(clusters))
        | st.integers(max(0, -k), repeats - max(0, k)).map(lambda b: [b] * len(clusters))
    )
    strata = draw(st.integers(1, 2))
    return Equal(k, repeats, base, clusters, [cluster % strata for cluster in clusters])


def figures(found: object) -> Iterator[float]:
    """All numbers in a result, however deep."""
    if dataclasses.is_dataclass(found):
        for field in dataclasses.fields(found):
            yield from figures(getattr(found, field.name))
    elif isinstance(found, (list, tuple)):
        for item in found:
            yield from figures(item)
    elif isinstance(found, dict):
        yield from figures(list(found.values()))
    elif isinstance(found, (int, float)):
        yield found


@given(made=equal(), looked=st.booleans(), margin=st.sampled_from([0.02, 0.1]))
def test_equal_differences_have_no_spread(made: Equal, looked: bool, margin: float) -> None:
    found = paired.difference(*made.variants, made.clusters, made.strata, progress=made.progress if looked else None)
    n, value = len(made.base), made.k / made.repeats
    assert found.mean.value == pytest.approx(value, abs=1e-12)
    assert (found.wins, found.losses, found.ties) == (n if value > 0 else 0, n if value < 0 else 0, 0 if value else n)
    assert found.variance == 0
    assert found.unit == pytest.approx(abs(value) or 1)
    low, high = paired.interval(found)
    if math.isnan(found.mean.size):
        assert math.isnan(found.mean.variance)
        assert math.isnan(low) == (not looked)
    else:
        assert found.mean.variance == 0
    if not math.isnan(low):
        assert -1 <= low <= found.mean.value <= high <= 1
        ps = (
            paired.p_different(found),
            paired.p_above(found, -margin),
            paired.p_below(found, margin),
            paired.level_within(found, margin),
        )
        assert all(0 <= p <= 1 for p in ps)
        for distance in (margin + found.mean.value, margin - abs(found.mean.value)):
            needed = compare.cases_needed(found, distance, clear=0.05, detect=0.05)
            assert (needed or math.inf) > n
            if value:
                assert needed is not None


@given(made=equal())
def test_equal_values_have_a_point_for_an_interval(made: Equal) -> None:
    mine, baseline = made.variants
    apart = np.array(mine) - np.array(baseline)
    value, low, high = means.average(apart, made.clusters, made.strata)
    found = means.mean(apart, made.clusters, made.strata)
    assert value == pytest.approx(made.k / made.repeats, abs=1e-12)
    if math.isnan(found.variance):
        assert math.isnan(low)
        assert math.isnan(high)
    else:
        assert low == value == high
    share, low, high = proportion([abs(made.k) / made.repeats] * len(mine), made.clusters, made.strata)
    if not math.isnan(found.size):
        assert 0 <= low <= share <= high <= 1
        assert low < high


@examples(5, 25)
@given(made=equal(most=12), stops=st.booleans())
def test_compare_takes_equal_differences(made: Equal, stops: bool) -> None:
    names = [f"talk-{cluster}" for cluster in made.clusters]
    shown = variants(made.words, groups=names)
    places = {("mail", case(number)): cluster for number, cluster in enumerate(made.clusters)}
    sizes = np.bincount(made.clusters).tolist()
    looked = [Looked(places, tuple(sizes), (0,) * len(sizes), len(sizes))] if stops else []
    paired = tables.pair(shown[variant("tags")], shown[variant("lines")], looked=looked)
    (found,) = compare.compare({(variant("tags"), variant("lines")): paired}, Comparing()).contrasts
    alone = len(set(names)) == 1
    assert found.difference == pytest.approx(made.k / made.repeats, abs=1e-12)
    assert len(found.flips) == (len(made.base) if made.k else 0)
    assert (found.verdict == "untested") == (alone and not stops)
    if not alone:
        assert not any(map(math.isnan, figures(found)))
    if found.verdict != "untested":
        assert found.low <= found.difference <= found.high
        assert conclusion(found, Comparing())


def test_a_third_more_in_every_case_is_compared() -> None:
    (found,) = compared({"lines": ["000"] * 14, "tags": ["100"] * 14}).contrasts
    assert (found.difference, found.verdict) == (pytest.approx(1 / 3), "better")
    assert found.p == pytest.approx(2 * (3 / 4) ** 14, rel=0.03)  # an unseen case, lost whole, outweighs three of these
    assert 0 < found.low < found.difference < found.high
    (few,) = compared({"lines": ["000"] * 3, "tags": ["100"] * 3}).contrasts
    assert few.verdict == "inconclusive"
    assert few.needed is not None


@given(scores=st.lists(st.floats(0, 1), min_size=3, max_size=20))
def test_differences_that_only_rounding_makes_are_none(scores: list[float]) -> None:
    found = paired.difference([(score + 1 / 3) - 1 / 3 for score in scores], scores)
    assert (found.wins, found.losses, found.ties) == (0, 0, len(scores))
    assert paired.interval(found) == paired.interval(paired.difference(scores, scores))


@given(difference=st.floats(0, 1), discordance=st.floats(0, 1), variance=st.floats(0, 1))
def test_any_difference_has_a_size_or_none(difference: float, discordance: float, variance: float) -> None:
    for size in (power.size_to_detect(difference, discordance), power.size_to_clear(difference, variance)):
        assert size is None or 1 <= size <= power.MOST + 1


@example(values=[0.0, 1e-90], clusters=[0, 1, *[0] * 10])
@given(values=st.lists(st.floats(-1, 1), min_size=2, max_size=12), clusters=st.lists(st.integers(0, 5), min_size=12, max_size=12))
def test_a_mean_has_degrees_of_freedom_however_small_its_values(values: list[float], clusters: list[int]) -> None:
    found = means.mean(values, clusters[: len(values)])
    assert math.isnan(found.variance) or (found.variance >= 0 and found.df > 0)


@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
def test_evidence_bears_any_number_of_the_same_values(value: float) -> None:
    ones, strata = np.ones(50_000, dtype=np.intp), np.zeros(50_000, dtype=np.intp)
    found = anytime.evidence(np.full(50_000, value), Progress(ones, strata, 50_000, np.arange(50_000)))
    assert [anytime.p_above(found, bound) for bound in (-1.0, -0.5, 0.5, 1.0)] == [
        pytest.approx(p, abs=1e-9) for p in (0, float(value < -0.5), float(value < 0.5), 1)
    ]
