"""Tallies: parts add up to the whole, and the figures are those of the textbook."""

from __future__ import annotations

import math
import pickle
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.costs.token_totals import Counted, EventTokens, TokenTotals
from phrasing.records import TokenCounts
from phrasing.stats.bootstrap import bootstrap

BASELINES = {"a": "b", "b": "b"}
KEYS = [("a", "o200k_base"), ("b", "o200k_base"), ("a", "cl100k_base")]

counts = st.builds(TokenCounts, instructions=st.integers(0, 50), thread=st.integers(0, 500), framing=st.integers(1, 9))
events = st.dictionaries(
    st.sampled_from(["note", "send"]), st.builds(EventTokens, st.integers(1, 3), st.just(0), st.integers(0, 90))
)
cases = st.tuples(
    st.dictionaries(st.sampled_from(KEYS), st.builds(Counted, counts, st.integers(0, 2000), events), min_size=1),
    st.none() | st.sampled_from("xyz"),
    st.integers(1, 9),
)
Case = tuple[dict[tuple[str, str], Counted], str | None, int]


def tallied(listed: Sequence[Case]) -> TokenTotals:
    tally = TokenTotals(BASELINES)
    for counted, cluster, length in listed:
        tally.add(counted, cluster=cluster, events=length)
    return tally


def seen(tally: TokenTotals) -> object:
    return {column: (sums, tally.ratio(column)) for column, sums in sorted(tally.columns.items())}


@given(st.lists(st.lists(cases, max_size=5), max_size=4))
def test_parts_add_up_to_the_whole(parts: list[list[Case]]) -> None:
    # no cluster goes on from one part to the next
    named = [[(c, cluster and f"{cluster}{i}", n) for c, cluster, n in part] for i, part in enumerate(parts)]
    whole = tallied([case for part in named for case in part])
    sent = [pickle.loads(pickle.dumps(tallied(part))) for part in named]
    merged = TokenTotals(BASELINES)
    for part in sent:
        merged.merge(part)
    # NaN is not itself
    assert repr(seen(merged)) == repr(seen(whole))


@given(st.lists(cases, max_size=8), st.lists(cases, max_size=4))
def test_looking_and_merging_change_nothing_else(listed: list[Case], more: list[Case]) -> None:
    watched = TokenTotals(BASELINES)
    for counted, cluster, length in listed:
        watched.add(counted, cluster=cluster, events=length)
        seen(watched)
    assert repr(seen(watched)) == repr(seen(tallied(listed)))
    whole, part = TokenTotals(BASELINES), tallied(more)
    whole.merge(part)
    whole.merge(watched)
    assert repr(seen(part)) == repr(seen(tallied(more)))


@given(st.lists(st.integers(0, 5000), min_size=1), st.sampled_from([0.0, 0.5, 0.95, 1.0]))
def test_quantiles_are_those_of_numpy(totals: list[int], share: float) -> None:
    tally = tallied([({KEYS[0]: Counted(TokenCounts(thread=n), n)}, None, 1) for n in totals])
    sums = tally.columns[KEYS[0]]
    assert sums.quantile(share) == pytest.approx(np.quantile(totals, share))
    assert sums.mean == pytest.approx(np.mean(totals))
    assert (sums.total, sums.characters, sums.n) == (sum(totals), sum(totals), len(totals))


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 5000)), min_size=2).filter(lambda p: len({x for x, _ in p}) > 1))
def test_a_line_is_that_of_least_squares(points: list[tuple[int, int]]) -> None:
    from scipy import stats

    tally = tallied([({KEYS[0]: Counted(TokenCounts(thread=y), 0)}, None, x) for x, y in points])
    line = tally.columns[KEYS[0]].line
    assert line is not None
    found = stats.linregress([x for x, _ in points], [y for _, y in points])
    assert (line.slope, line.start) == pytest.approx((found.slope, found.intercept), abs=1e-6)


def test_lines_cross() -> None:
    def line(*points: tuple[int, int]) -> TokenTotals:
        return tallied([({KEYS[0]: Counted(TokenCounts(thread=y), 0)}, None, x) for x, y in points])

    steep, flat, single = (line(*p).columns[KEYS[0]].line for p in ([(1, 10), (3, 30)], [(1, 20), (3, 30)], [(2, 5), (2, 9)]))
    assert steep
    assert flat
    assert single is None
    assert steep.crosses(flat) == flat.crosses(steep) == pytest.approx(3)
    assert steep.crosses(steep) is None


def paired(pairs: Sequence[tuple[int, int]], clusters: Sequence[str | None]) -> TokenTotals:
    return tallied(
        [
            ({("a", "t"): Counted(TokenCounts(thread=a), 0), ("b", "t"): Counted(TokenCounts(thread=b), 0)}, cluster, 1)
            for (a, b), cluster in zip(pairs, clusters, strict=True)
        ]
    )


def test_a_ratio_and_its_interval_by_hand() -> None:
    from scipy import stats

    # Clusters: (30, 20), (12, 10), (8, 10). Ratio 50/40; residuals 5, -0.5, -4.5; their squares add up to 45.5.
    tally = paired([(10, 5), (20, 15), (12, 10), (8, 10)], ["x", "x", "y", None])
    found = tally.ratio(("a", "t"))
    assert found is not None
    half = stats.t.ppf(0.975, 2) * math.sqrt(3 / 2 * 45.5) / 40
    assert (found.value, found.low, found.high) == pytest.approx((1.25, 1.25 - half, 1.25 + half))
    assert tally.ratio(("b", "t")) is None


def test_the_interval_is_about_that_of_the_bootstrap_of_reports() -> None:
    rng = np.random.default_rng(5)
    base = rng.integers(300, 900, size=(60, 3)) + rng.integers(0, 400, size=(60, 1))
    mine = (base * rng.normal(1.1, 0.05, size=(60, 1)) + rng.normal(0, 10, size=(60, 3))).astype(int)
    pairs = [(int(a), int(b)) for a, b in zip(mine.ravel(), base.ravel(), strict=True)]
    found = paired(pairs, [f"g{i // 3}" for i in range(180)]).ratio(("a", "t"))
    totals = np.stack([mine.sum(axis=1), base.sum(axis=1)], axis=1).astype(float)
    (low,), (high,) = bootstrap(totals, lambda t: t[..., :1] / t[..., 1:])
    assert found is not None
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.003)


def test_variants_that_are_alike_have_a_ratio_of_one_without_doubt() -> None:
    alike = paired([(7, 7), (123_456_789, 123_456_789)], [None, None]).ratio(("a", "t"))
    assert alike is not None
    assert (alike.value, alike.low, alike.high) == (1, 1, 1)
    single = paired([(2, 1)], [None]).ratio(("a", "t"))
    assert single is not None
    assert single.value == 2
    assert math.isnan(single.low)
