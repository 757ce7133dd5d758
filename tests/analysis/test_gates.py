"""Gates against variants with known answers: bounds, intervals, baselines, recordings, and what can't be measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phrasing.analysis.compare import ratios
from phrasing.analysis.gates import ALONE, Against, GateResult, evaluate
from phrasing.analysis.tables import Pairs, pair
from phrasing.stats.means import upper_bound
from phrasing.stats.proportions import proportion
from phrasing.suite.schema import Requirement
from support.made_up_results import Grid, case, variant, variants

L, T = variant("lines"), variant("tags")


def held(grid: Grid, gate: dict[str, Any], *, recorded: Grid | None = None, **options: Any) -> list[GateResult]:
    """Hold a gate against the variants of a grid. The baseline is ``lines``; ``recorded`` is another grid."""
    tables = variants(grid, **options)
    others = variants(recorded, **options) if recorded is not None else {}

    def paired(name: str, against: Against) -> tuple[str, Pairs] | str:
        there, other = (others, name) if against == "recorded" else (tables, L)
        return (other, pair(tables[name], there[other])) if other in there else f"no {against} variant"

    return list(evaluate([Requirement.model_validate({"score": "step", **gate})], tables, paired))


def verdict(words: Sequence[str], gate: dict[str, Any], baseline: Sequence[str] = (), **options: Any) -> GateResult:
    """Hold a gate against ``tags``."""
    grid = {"lines": baseline, "tags": words} if baseline else {"tags": words}
    (only,) = held(grid, {**gate, "where": {"format": "tags"}}, **options)
    assert only.variant == T
    return only


# ---------------------------------------------------------------------------------------------- min and max


BOUNDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "min held": ({"min": 0.75}, "passed", "correct at least 0.75"),
    "min missed": ({"min": 0.76}, "missed", "correct at least 0.76"),
    "max held": ({"max": 0.75}, "passed", "correct at most 0.75"),
    "max missed": ({"max": 0.7}, "missed", "correct at most 0.7"),
    "both": ({"min": 0.7, "max": 0.8}, "passed", "correct at least 0.7 and at most 0.8"),
    "min surely": ({"min": 0.3, "confidence": 0.95}, "passed", "correct at least 0.3 at 95 %"),
    "min not surely": ({"min": 0.7, "confidence": 0.95}, "inconclusive", "correct at least 0.7 at 95 %"),
    "min surely not": ({"min": 0.99, "confidence": 0.8}, "missed", "correct at least 0.99 at 80 %"),
    "max surely": ({"max": 0.99, "confidence": 0.8}, "passed", "correct at most 0.99 at 80 %"),
    "max not surely": ({"max": 0.8, "confidence": 0.95}, "inconclusive", "correct at most 0.8 at 95 %"),
    "max surely not": ({"max": 0.3, "confidence": 0.95}, "missed", "correct at most 0.3 at 95 %"),
}


@pytest.mark.parametrize(("gate", "status", "name"), BOUNDS.values(), ids=BOUNDS)
def test_bounds(gate: dict[str, Any], status: str, name: str) -> None:
    found = verdict("11101110", gate)
    assert (found.status, found.passed, found.name) == (status, status == "passed", name)
    shown = proportion([1, 1, 1, 0, 1, 1, 1, 0], confidence=gate.get("confidence", 0.95))
    assert (found.value, found.low, found.high) == shown
    assert found.worst == (("mail", case(3)), ("mail", case(7)))


def test_a_verdict_in_a_line() -> None:
    assert str(verdict("11101110", {"min": 0.9})) == f"missed: correct at least 0.9: 0.750 (0.349 to 0.968) [{T}]"
    assert str(verdict("ee", {"min": 0.9})) == (
        f"error: correct at least 0.9: nothing to measure; no answer it applies to [{T}]"
    )  # fmt: skip


def test_no_more_than_three_cases_are_named() -> None:
    assert verdict("0" * 9, {"min": 0.5}).worst == tuple(("mail", case(number)) for number in range(3))


@pytest.mark.parametrize(
    ("gate", "status"),
    [
        ({"max": 101.5}, "passed"),
        ({"max": 101}, "missed"),
        ({"min": 102}, "missed"),
        ({"max": 104, "confidence": 0.95}, "passed"),
        ({"max": 102, "confidence": 0.95}, "inconclusive"),
        ({"max": 99, "confidence": 0.95}, "missed"),
    ],
)
def test_what_a_case_costs_can_be_bounded(gate: dict[str, Any], status: str) -> None:
    found = verdict("1111", {"score": "prompt_tokens", **gate})
    assert (found.status, found.value) == (status, 101.5)
    assert found.figures.startswith("101.5 (")
    assert found.worst[0] == ("mail", case(3))


@pytest.mark.parametrize(
    ("words", "gate", "status"),
    [
        ("1111", {"max": 0}, "passed"),
        ("1110", {"max": 0}, "missed"),
        (["11", "11", "11", "10"], {"max": 0}, "missed"),
        ("1110", {"max": 0.25}, "passed"),
        ("1" * 58, {"max": 0.05, "confidence": 0.95}, "inconclusive"),
        ("1" * 59, {"max": 0.05, "confidence": 0.95}, "passed"),
        ("0" * 9 + "1", {"max": 0.05, "confidence": 0.95}, "missed"),
        ("ee", {"max": 0}, "error"),
    ],
)
def test_forbidden_counts_cases(words: Sequence[str], gate: dict[str, Any], status: str) -> None:
    # none in 59 cases is the least that rules out 5 %: 0.95 ** 59 < 0.05 < 0.95 ** 58
    found = verdict(words, {"score": "harm", **gate}, harm=True)
    assert found.status == status
    harmful = sum("0" in word for word in words)
    assert len(found.worst) == min(3, harmful)
    if status != "error":
        assert found.value == harmful / len(words)
        assert found.low <= found.value <= found.high == pytest.approx(upper_bound(harmful, len(words)), rel=0.02)


def test_forbidden_without_a_case_that_forbids_is_an_error() -> None:
    assert verdict("1111", {"score": "harm", "max": 0}).status == "error"


# ---------------------------------------------------------------------------------------------- against the baseline


COMPARED: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "margin held": ("1" * 60, "1" * 60, {"margin": 0.1}, "passed"),
    "margin not sure": ("1" * 8, "1" * 8, {"margin": 0.1}, "inconclusive"),
    "margin missed": ("0" * 30 + "1" * 30, "1" * 60, {"margin": 0.1}, "missed"),
    "better by more than the margin": ("1" * 60, "0" * 30 + "1" * 30, {"margin": 0.1}, "passed"),
    "within held": ("1" * 60, "1" * 60, {"within": 0.1}, "passed"),
    "within not sure": ("1" * 8, "1" * 8, {"within": 0.1}, "inconclusive"),
    "within missed below": ("0" * 30 + "1" * 30, "1" * 60, {"within": 0.1}, "missed"),
    "within missed above": ("1" * 60, "0" * 30 + "1" * 30, {"within": 0.1}, "missed"),
}


@pytest.mark.parametrize(("words", "baseline", "gate", "status"), COMPARED.values(), ids=COMPARED)
def test_margin_and_within(words: str, baseline: str, gate: dict[str, Any], status: str) -> None:
    found = verdict(words, gate, baseline)
    assert found.status == status
    assert found.note.startswith("it would need ") == (status == "inconclusive")
    assert found.name == (
        "correct not worse than the baseline by 10 points" if "margin" in gate else "correct within 10 points of the baseline"
    )


def test_the_worst_cases_of_a_comparison_are_those_that_were_lost() -> None:
    words, baseline = ["11", "00", "10", "11"], ["00", "11", "11", "11"]
    assert verdict(words, {"margin": 0.1}, baseline).worst == (("mail", case(1)), ("mail", case(2)))
    assert verdict(words, {"within": 0.1}, baseline).worst == (("mail", case(0)), ("mail", case(1)), ("mail", case(2)))


def test_a_difference_is_shown_in_points() -> None:
    found = verdict("0" + "1" * 19, {"margin": 0.3}, "1" * 20)
    assert found.figures == f"−5.0 points (−{-100 * found.low:.1f} to +{100 * found.high:.1f})".replace("+-", "−")
    assert found.value == pytest.approx(-0.05)


@pytest.mark.parametrize(
    ("gate", "status"),
    [
        ({"max_ratio": 1.24}, "passed"),
        ({"max_ratio": 1.2}, "missed"),
        ({"max_ratio": 1.3, "confidence": 0.95}, "passed"),
        ({"max_ratio": 1.2348, "confidence": 0.95}, "inconclusive"),
        ({"max_ratio": 1.2, "confidence": 0.95}, "missed"),
    ],
)
def test_ratio(gate: dict[str, Any], status: str) -> None:
    found = verdict("1" * 12, {"score": "prompt_tokens", **gate}, "1" * 12)
    total = sum(range(12))
    assert (found.status, found.value) == (status, pytest.approx((1200 + total) / (960 + total)))
    assert found.low < found.value < found.high
    assert found.name.startswith(f"prompt_tokens at most {gate['max_ratio']:g} times the baseline")
    assert found.figures.startswith("1.234 (")
    assert found.worst == (("mail", case(0)), ("mail", case(1)), ("mail", case(2)))


def test_a_ratio_is_that_of_the_comparison() -> None:
    grid = {"lines": "1110e1", "tags": "1e1101"}
    tables = variants(grid)
    (made,) = ratios([pair(tables[T], tables[L])], 0.95)
    found = verdict(grid["tags"], {"score": "cost", "max_ratio": 1.1, "confidence": 0.95}, grid["lines"])
    assert (found.value, found.low, found.high) == (made["cost"].value, made["cost"].low, made["cost"].high)


def test_the_baseline_isnt_held_against_itself() -> None:
    grid = {"lines": "1111", "tags": "1111", "other": "1111"}
    for gate in ({"margin": 0.5}, {"within": 0.5}, {"score": "cost", "max_ratio": 1}):
        assert [found.variant for found in held(grid, gate)] == [T, variant("other")]
    assert [found.variant for found in held(grid, {"min": 0.5})] == [L, T, variant("other")]


# ---------------------------------------------------------------------------------------------- where, and the recording


@pytest.mark.parametrize(
    ("where", "named"),
    [
        ({}, ["lines", "tags", "tags/o"]),
        ({"format": "tags"}, ["tags", "tags/o"]),
        ({"format": "tags", "model": "m"}, ["tags"]),
        ({"format": "tags", "model": "other"}, []),
        ({"function": "F", "output": "prompted", "model": "o"}, ["tags/o"]),
    ],
)
def test_where(where: dict[str, str], named: list[str]) -> None:
    found = held({"lines": "1", "tags": "1", "tags/o": "1"}, {"min": 0.5, "where": where})
    assert [each.variant for each in found] == [variant(name) for name in named]


def test_against_the_recording_every_variant_is_held_against_itself() -> None:
    grid, then = {"lines": "1" * 60, "tags": "0" * 30 + "1" * 30}, {"lines": "1" * 60, "tags": "1" * 60}
    found = held(grid, {"margin": 0.1, "against": "recorded"}, recorded=then)
    assert [(each.variant, each.status, each.name) for each in found] == [
        (L, "passed", "correct not worse than recorded by 10 points"),
        (T, "missed", "correct not worse than recorded by 10 points"),
    ]


def test_an_variant_that_isnt_recorded_is_an_error() -> None:
    found = held({"lines": "1111", "tags": "1111"}, {"margin": 0.9, "against": "recorded"}, recorded={"lines": "1111"})
    assert [(each.status, each.note) for each in found] == [("passed", ""), ("error", "no recorded variant")]


NOTHING: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "no answer": ("eeee", "1111", {"margin": 0.5}, "no case that both answered"),
    "no baseline's answer": ("1111", "eeee", {"within": 0.5}, "no case that both answered"),
    "no tokens": ("1111", "1111", {"score": "tokens", "max_ratio": 9}, "no case of which both know their tokens"),
    "no cost": ("eeee", "1111", {"score": "cost", "max_ratio": 9}, "no case of which both know their cost"),
    "no score": ("1111", "0000", {"score": "args", "margin": 0.5}, "no case that both answered"),
}


@pytest.mark.parametrize(("words", "baseline", "gate", "note"), NOTHING.values(), ids=NOTHING)
def test_what_can_not_be_measured_is_an_error(words: str, baseline: str, gate: dict[str, Any], note: str) -> None:
    found = verdict(words, gate, baseline)
    assert (found.status, found.note, found.figures) == ("error", note, "nothing to measure")


ALONE_GATES: list[dict[str, Any]] = [
    {"min": 0.1, "confidence": 0.9},
    {"margin": 0.9},
    {"within": 0.9},
    {"score": "prompt_tokens", "max": 999, "confidence": 0.9},
    {"score": "prompt_tokens", "max_ratio": 9, "confidence": 0.9},
]


@pytest.mark.parametrize("gate", ALONE_GATES, ids=str)
def test_one_conversation_decides_nothing_that_needs_an_interval(gate: dict[str, Any]) -> None:
    found = verdict("1101", gate, "1111", groups=["talk"] * 4)
    assert (found.status, found.note) == ("error", ALONE)
    assert math.isnan(found.low)
    assert not math.isnan(found.value)


def test_one_conversation_holds_a_bound_that_needs_none() -> None:
    assert verdict("1101", {"min": 0.75}, groups=["talk"] * 4).status == "passed"
    assert verdict("1101", {"score": "cost", "max_ratio": 9}, "1111", groups=["talk"] * 4).status == "passed"


# ---------------------------------------------------------------------------------------------- what always holds


def near(one: float, other: float) -> bool:
    return math.isclose(one, other, abs_tol=1e-6)


@settings(max_examples=settings.default.max_examples // 2)
@given(
    st.lists(
        st.tuples(st.text("1100e", min_size=1, max_size=2), st.text("1100e", min_size=1, max_size=2)), min_size=1, max_size=12
    ),
    st.sampled_from([0.05, 0.2, 0.5]),
    st.sampled_from([0.8, 0.95]),
    st.booleans(),
)
def test_a_verdict_is_what_its_interval_shows(cells: list[tuple[str, str]], bound: float, level: float, together: bool) -> None:
    words, baseline = [mine for mine, _ in cells], [theirs for _, theirs in cells]
    options = {"groups": [f"talk-{number // 2}" for number in range(len(cells))] if together else []}

    def status(inside: bool, outside: bool) -> str:
        return "passed" if inside else "missed" if outside else "inconclusive"

    checks: list[tuple[dict[str, Any], Callable[[GateResult], tuple[bool, bool]]]] = [
        ({"margin": bound}, lambda v: (v.low >= -bound, v.high < -bound)),
        ({"within": bound}, lambda v: (v.low >= -bound and v.high <= bound, v.high < -bound or v.low > bound)),
        ({"min": bound}, lambda v: (v.low >= bound, v.high < bound)),
        ({"score": "prompt_tokens", "max_ratio": 1.24}, lambda v: (v.high <= 1.24, v.low > 1.24)),
    ]
    for gate, holds in checks:
        found = verdict(words, {**gate, "confidence": level}, baseline, **options)
        if found.status == "error":
            assert math.isnan(found.low)
            assert found.note
            continue
        assert not any(map(math.isnan, (found.value, found.low, found.high)))
        if not any(near(abs(end), bound) for end in (found.low, found.high)):
            assert found.status == status(*holds(found)), (gate, found)
