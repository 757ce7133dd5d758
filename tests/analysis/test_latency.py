"""How long answers took: quantiles by variant, and what may be said of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from phrasing.analysis import dataframes, latency
from phrasing.analysis.latency import Latency, Speed
from phrasing.analysis.tables import by_variant, per_case, trials
from phrasing.records import Result
from support.made_up_results import Grid, notes, results, variant

BASE = {variant("tags"): variant("lines"), variant("other"): variant("lines")}


def took(grid: Grid, seconds: dict[str, np.ndarray]) -> list[Result]:
    """Answer a grid, each variant in its own seconds, in the order of its trials."""
    found, left = [], {variant(name): iter(values) for name, values in seconds.items()}
    for result in results(grid):
        update = {"latency": float(next(left[result.variant]))} if result.completion and result.variant in left else {}
        completion = result.completion and result.completion.model_copy(update=update)
        found.append(result.model_copy(update={"completion": completion}))
    return found


def gather(grid: Grid, seconds: dict[str, np.ndarray], confidence: float = 0.95) -> dict[str, Latency]:
    table = trials(took(grid, seconds), notes(max(map(len, grid.values()))))
    cases = by_variant(per_case(table))
    cases = {variant(name): cases[variant(name)] for name in grid}
    return {row.variant: row for row in latency.gather(table, cases, baselines=BASE, confidence=confidence)}


def draws(seed: int, n: int) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(sigma=0.2, size=n)


def test_a_slower_variant_is_told_from_one_that_is_alike() -> None:
    grid = {"lines": ["1"] * 200, "tags": ["1"] * 200, "other": ["1"] * 200}
    base = draws(0, 200)
    found = gather(grid, {"lines": base, "tags": 1.5 * base * draws(1, 200), "other": 1.01 * base})
    assert found[variant("lines")].verdicts == ()
    assert found[variant("tags")].verdicts == (Speed.SLOWER, Speed.SLOWER)
    assert found[variant("tags")].baseline == variant("lines")
    assert found[variant("other")].verdicts[0] == Speed.EQUIVALENT
    assert found[variant("tags")].seconds[0].value == pytest.approx(1.5, rel=0.1)


def test_a_faster_one_is_called_so() -> None:
    base = draws(0, 100)
    found = gather({"lines": ["1"] * 100, "tags": ["1"] * 100}, {"lines": base, "tags": base / 2})
    assert found[variant("tags")].verdicts[0] == Speed.FASTER


def test_what_has_no_answer_has_no_latency_and_no_pair() -> None:
    grid = {"lines": ["1"] * 50, "tags": ["1e"] * 25 + ["e1"] * 25}
    found = gather(grid, {"lines": np.full(50, 2.0), "tags": np.full(50, 1.0)})
    assert found[variant("tags")].n == 50
    # of the second repeats there is none of the baseline's
    assert found[variant("tags")].ratios[0].value == 0.5


def test_a_variant_without_latencies_is_left_out() -> None:
    found = gather({"lines": ["1"] * 5, "tags": ["1"] * 5}, {"lines": np.ones(5)})
    assert list(found) == [variant("lines")]


def test_one_conversation_says_nothing() -> None:
    found = gather({"lines": ["1"], "tags": ["1"]}, {"lines": np.array([1.0]), "tags": np.array([5.0])})
    row = found[variant("tags")]
    assert row.verdicts == (Speed.INCONCLUSIVE, Speed.INCONCLUSIVE)
    assert math.isnan(row.seconds[0].low)


def test_a_clock_that_stands_still_is_no_division_by_zero() -> None:
    found = gather({"lines": ["1"] * 30, "tags": ["1"] * 30}, {"lines": np.zeros(30), "tags": np.zeros(30)})
    assert found[variant("tags")].ratios[0].value == 1


def test_the_order_of_variants_is_kept_and_the_table_is_flat() -> None:
    found = gather({"tags": ["1"] * 20, "lines": ["1"] * 20}, {"lines": draws(0, 20), "tags": draws(1, 20)})
    table = dataframes.latency(list(found.values()))
    assert list(table.index) == [variant("tags"), variant("lines")]
    assert table.loc[variant("tags"), "p50_verdict"] in list(Speed)
    assert math.isnan(table.loc[variant("lines"), "p95_ratio"])
    assert (table["p50_low"] <= table["p50"]).all()
