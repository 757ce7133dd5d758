"""Our count beside the provider's, and prices, on results small enough to work out by hand."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping
from math import isnan, nan
from pathlib import Path
from typing import Any

import pytest

import phrasing
from phrasing.analysis import tables as aggregate
from phrasing.analysis.report_data import ACCURACY, labels
from phrasing.analysis.usage import RANGES, Bill, as_json, reconcile
from phrasing.records import Failure, Result, TokenCounts
from phrasing.report.markdown import markdown
from phrasing.report.usage_and_cost import tables
from phrasing.stats.proportions import proportion
from phrasing.types import CaseNote, Completion, Score, Usage
from support.tiny_runs import VARIANT, Model, cache, obey, record, result, world

__all__ = ["cache"]

VARIANTS = [(*VARIANT[:2], name, *VARIANT[3:]) for name in ("lines", "tags", "json")]
LINES, TAGS, JSON = map(",".join, VARIANTS)


def said(
    name: str,
    ours: int,
    theirs: int | None,
    *,
    cached: int | None = None,
    reasoning: int | None = None,
    cost: float | None = None,
    step: float | None = None,
    **more: Any,
) -> Result:
    """A result with our count and what the provider says."""
    usage = Usage(prompt=theirs, completion=theirs and 10, cached=cached, reasoning=reasoning)
    scores = {} if step is None else {"step": Score(value=step)}
    tokens = TokenCounts(thread=ours - 7, framing=7)
    return result(name, tokens=tokens, completion=Completion(usage=usage, cost=cost), scores=scores, **more)


def failed(name: str, **more: Any) -> Result:
    return result(name, tokens=TokenCounts(thread=999), error=Failure(kind="transient", message="HTTP 503"), **more)


def bill(*results: Result, cases: Mapping[str, Mapping[str, CaseNote]] | None = None) -> Bill:
    (row,) = reconcile(aggregate.trials(results, cases or {}), cases or {}, variants=[LINES])
    return row


Block = tuple[tuple[str, ...], list[tuple[str, ...]], list[str]]
"""Titles, rows, and what is said below them."""


def written(*rows: Bill, tokenizer: str = "o200k_base") -> list[Block]:
    made = tables(rows, labels([row.variant for row in rows]).__getitem__, tokenizer, ACCURACY)
    return [(table.titles(), table.cells(), [*table.legend, *table.told]) for table in made]


def made(variant: str = LINES, **known: Any) -> Bill:
    """A row; what isn't given is unknown."""
    empty = dict.fromkeys([field.name for field in dataclasses.fields(Bill)], nan)
    return Bill(**{**empty, "variant": variant, "exact": False, "n": 0, **known})


# ---------------------------------------------------------------------------------------------- tokens


def test_means_and_the_spread_of_the_difference() -> None:
    row = bill(said("a", 100, 110, cached=60), said("b", 200, 196, cached=80), said("c", 90, 102))
    assert (row.n, row.ours, row.theirs, row.difference) == (3, 130, 136, -6)
    assert (row.least, row.most, row.cached, row.answer) == (-12, 4, 70, 10)
    assert isnan(row.reasoning)
    assert row.always is None


def test_only_answers_with_usage_count() -> None:
    row = bill(said("a", 100, 110), said("b", 5000, None), failed("c"), said("a", 100, 110, repeat=1), failed("a", repeat=2))
    assert (row.n, row.ours, row.theirs, row.least, row.most) == (1, 100, 110, -10, -10)


def test_repeats_then_cases_then_datasets() -> None:
    repeats = [said("a", 100, 100 + more, repeat=more) for more in (0, 1, 2)]
    row = bill(*repeats, said("b", 100, 105), said("c", 400, 400, dataset="big"))
    assert (row.n, row.theirs, row.difference) == (3, ((101 + 105) / 2 + 400) / 2, -1.5)
    assert (row.least, row.most) == (-5, 0)


def test_an_variant_without_usage_has_no_figures() -> None:
    rows = reconcile(
        aggregate.trials([failed("a"), said("a", 90, 100, variant=VARIANTS[1])], {}), {}, variants=[TAGS, LINES, JSON]
    )
    assert [row.variant for row in rows] == [TAGS, LINES]
    ((_, cells, _),) = written(*rows)
    assert cells == [("tags", "1", "≈90", "100", "−10", "–", "–", "10"), ("lines", "0", "–", "–", "–", "–", "–", "–")]
    assert written(*reconcile(aggregate.trials([failed("a")], {}), {}, variants=[LINES])) == []


def test_the_order_of_results_does_not_show() -> None:
    chance = random.Random(5)
    results = [
        said(f"c-{i}", 100 + i, 100 + chance.randrange(9), cost=chance.random(), step=chance.random(), dataset="ab"[i % 2])
        for i in range(40)
    ]
    first = bill(*results)
    chance.shuffle(results)
    assert bill(*results) == first


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            [made(n=2, least=-6, most=-6, difference=-6, theirs=900)],
            "lines: our count is always 6 tokens less than the provider's.",
        ),
        ([made(n=2, least=1, most=1, difference=1, theirs=900)], "lines: our count is always 1 token more than the provider's."),
        (
            [made(variant, n=9, least=0, most=0, difference=0, theirs=900) for variant in (LINES, TAGS)],
            "All 2 variants: our count is that of the provider, to the token.",
        ),
        ([made(n=1, least=-6, most=-6, difference=-6, theirs=900)], None),
        ([made(n=5, least=-60, most=-6, difference=-44, theirs=900)], None),
        (
            [
                made(n=5, least=-60, most=-6, difference=-45, theirs=900),
                made(TAGS, n=5, least=1800, most=1801, difference=1800.5, theirs=900),
                made(JSON, n=5, least=-60, most=-6, difference=-44, theirs=900),
            ],
            "lines, tags: our count is off by 5 to 200 %; compare by the provider's.",
        ),
        (
            [made(n=5, least=80, most=80, difference=80, theirs=800)],
            "lines: our count is always 80 tokens more than the provider's. "
            "lines: our count is off by 10 %; compare by the provider's.",
        ),
    ],
    ids=["always", "one token", "to the token", "one case", "varies", "far", "always and far"],
)
def test_what_differences_mean(rows: list[Bill], told: str | None) -> None:
    ((_, _, paragraphs),) = written(*rows)
    assert paragraphs[1:] == ([told] if told else [])


def test_estimates_are_told_from_exact_counts() -> None:
    results = [said("a", 1100, 1100, reasoning=4)]
    for exact, cell, how in ((False, "≈1,100", "(≈, an estimate: "), (True, "1,100", "(exact)")):
        ((_, cells, told),) = written(
            *reconcile(aggregate.trials(results, {}), {}, variants=[LINES], exact=exact), tokenizer="cl100k_base"
        )
        assert cells == [("lines", "1", cell, "1,100", "0", "–", "4", "10")]
        assert f"the prompt as cl100k_base counts it {how}" in told[0]


@pytest.mark.parametrize(
    ("difference", "least", "most", "cell"),
    [(-9.66, -24, -4, "−9.7 (−24 to −4)"), (0.04, -1, 1, "0 (−1 to +1)"), (1234.5, 0, 2469, "+1,234.5 (0 to +2,469)")],
)
def test_a_difference_has_its_sign_and_spread(difference: float, least: int, most: int, cell: str) -> None:
    ((_, ((_, _, _, _, found, *_),), _),) = written(made(n=9, theirs=90_000, difference=difference, least=least, most=most))
    assert found == cell


# ---------------------------------------------------------------------------------------------- prices


def prices(*rows: Bill) -> list[tuple[str, ...]]:
    blocks = [cells for _, cells, told in written(*rows) if told[0].startswith("US dollars")]
    return blocks[0] if blocks else []


def test_a_right_decision_costs_what_the_wrong_ones_cost_too() -> None:
    results = [said(f"a-{i}", 9, 10, cost=0.002, step=float(i < 5)) for i in range(20)]
    row = bill(*results, said("free", 9, None, step=1.0), failed("c"))
    _, low, high = proportion([1] * 5 + [0] * 15)
    assert (row.cost, row.right, row.low, row.high) == pytest.approx((0.002, 0.25, low, high))
    assert prices(row) == [("lines", "2.00", f"8.00 ({2 / high:.2f}–{2 / low:.1f})")]


def test_the_interval_knows_of_groups() -> None:
    results = [said(f"a-{i}", 9, 10, cost=0.01, step=float(i < 8)) for i in range(16)]
    notes = {f"a-{i}": CaseNote(expect=("send",), group=f"g-{i // 4}") for i in range(16)}
    alone, grouped = bill(*results), bill(*results, cases={"mail": notes})
    assert grouped.right == alone.right == 0.5
    assert grouped.low < alone.low < alone.high < grouped.high
    assert (grouped.low, grouped.high) == proportion([1] * 8 + [0] * 8, [i // 4 for i in range(16)])[1:]


def test_prices_that_cannot_be_told() -> None:
    rows = [
        made(LINES, cost=0.0125, right=0.0, low=0.0, high=0.2),
        made(TAGS, cost=0.0, right=0.5, low=0.2, high=0.8),
        made(JSON, cost=123.0, right=1.0),
    ]
    assert prices(*rows) == [("lines", "12.5", "–"), ("tags", "0", "0"), ("json", "123,000", "123,000")]
    assert prices(rows[0], made(TAGS)) == [("lines", "12.5", "–"), ("tags", "–", "–")]
    assert prices(rows[1]) == prices(made()) == []


@pytest.mark.parametrize(
    ("cost", "cell"), [(1.2344e-6, "0.00123"), (0.00099996, "1.00"), (0.0999, "99.9"), (0.1, "100"), (1.23456, "1,230")]
)
def test_dollars_have_three_digits(cost: float, cell: str) -> None:
    assert prices(made(cost=cost))[0][1] == cell


# ---------------------------------------------------------------------------------------------- in a report


def test_report_of_a_run(tmp_path: Path) -> None:
    report = phrasing.run(world(tmp_path), complete=Model(cost=0.002)).report()
    lines = markdown(report).splitlines()
    at = lines.index("## Usage and cost")
    assert [line.split(" | ")[0] for line in lines[at + 6 : at + 8]] == ["| lines", "| tags"]
    assert [line.split(" | ")[3] for line in lines[at + 6 : at + 8]] == ["80", "100"]
    priced = lines.index("Cost of decisions:")
    assert lines[priced + 4].startswith("| lines | 2.00 | 3.00 (")
    assert at < priced < lines.index("## What was run")


def test_a_model_that_costs_nothing_has_no_prices(tmp_path: Path) -> None:
    text = markdown(phrasing.run(world(tmp_path), complete=obey).report())
    assert "## Usage and cost" in text
    assert "$" not in text


# ---------------------------------------------------------------------------------------------- ranges of tools


def ranged(name: str, low: int, high: int, theirs: int) -> Result:
    found = said(name, low, theirs)
    return found.model_copy(update={"tokens": found.tokens.model_copy(update={"spread": high - low})})


def test_a_range_is_held_against_the_provider_by_its_nearer_end() -> None:
    row = bill(ranged("a", 100, 200, 150), ranged("b", 100, 200, 90), ranged("c", 100, 200, 230))
    assert (row.ours, row.ours_most, row.range) == (100, 200, True)
    assert (row.least, row.most, row.difference) == (-30, 10, -20 / 3)
    ((_, cells, _),) = written(row)
    assert cells[0][2] == "100–200"


def test_a_range_that_holds_the_providers_count_says_so() -> None:
    row = bill(ranged("a", 100, 200, 150), ranged("b", 100, 200, 200))
    ((_, cells, told),) = written(row)
    assert cells[0][2:5] == ("100–200", "175", "within")
    assert row.always is None  # within isn't to the token
    assert RANGES.removesuffix(".") in told[0]
    assert not any("to the token" in line for line in told)


@pytest.mark.parametrize(
    ("output", "rules", "exact", "old"),
    [
        ("tool", {}, False, True),
        ("native", {}, False, True),
        ("tool", {}, True, False),
        ("tool", {"m": "Qwen2.5"}, False, False),
        ("prompted", {}, False, False),
    ],
)
def test_runs_that_counted_tools_as_json_are_known(output: str, rules: dict[str, str], exact: bool, old: bool) -> None:
    made = record(variants=(f"Mail,none,lines,{output},m",), tool_rules=rules, exact_tokens=exact)
    assert as_json(made) is old
    (table,) = tables([bill(said("a", 100, 100))], str, "o200k_base", ACCURACY, as_json=as_json(made))
    assert any("as compact JSON" in line for line in table.legend) is old
