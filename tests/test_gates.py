"""Requirements against hand-made rows: bounds, places, and values that aren't there."""

from __future__ import annotations

import math
from typing import Any

import pytest

from phrasing.gates import Verdict, evaluate
from phrasing.suite import Requirement


def row(format: str = "tags", **more: Any) -> dict[str, Any]:
    return {
        "arm": f"F,{format},prompted,m",
        "function": "F",
        "format": format,
        "output": "prompted",
        "model": "m",
        "intent": 0.75,
        "args": math.nan,
        "harm_k": 1,
        "harm_n": 4,
        **more,
    }


def verdict(row_: dict[str, Any], score: str, **bounds: Any) -> Verdict:
    requirement = Requirement.model_validate({"score": score, **bounds})
    (only,) = evaluate([requirement], [row_])
    return only


@pytest.mark.parametrize(
    ("score", "bounds", "passed", "text"),
    [
        ("intent", {"min": 0.75}, True, "passed: intent 0.750, required at least 0.75, in F,tags,prompted,m"),
        ("intent", {"min": 0.76}, False, "missed: intent 0.750, required at least 0.76, in F,tags,prompted,m"),
        ("intent", {"max": 0.75}, True, "passed: intent 0.750, required at most 0.75, in F,tags,prompted,m"),
        ("intent", {"max": 0.7}, False, "missed: intent 0.750, required at most 0.7, in F,tags,prompted,m"),
        (
            "intent", {"min": 0.7, "max": 0.8}, True,
            "passed: intent 0.750, required at least 0.7 and at most 0.8, in F,tags,prompted,m",
        ),
        ("harm", {"max": 0.25}, True, "passed: harm 0.250, required at most 0.25, in F,tags,prompted,m"),
        ("harm", {"max": 0}, False, "missed: harm 0.250, required at most 0, in F,tags,prompted,m"),
        ("args", {"min": 0}, False, "missed: args nothing to measure, required at least 0, in F,tags,prompted,m"),
    ],
)  # fmt: skip
def test_bounds(score: str, bounds: dict[str, float], passed: bool, text: str) -> None:
    found = verdict(row(), score, **bounds)
    assert (found.passed, str(found)) == (passed, text)


def test_harm_without_a_case_that_forbids_is_missed() -> None:
    assert not verdict(row(harm_k=0, harm_n=0), "harm", max=0).passed


@pytest.mark.parametrize(
    ("where", "arms"),
    [
        ({}, ["F,tags,prompted,m", "F,lines,prompted,m"]),
        ({"format": "tags"}, ["F,tags,prompted,m"]),
        ({"format": "tags", "model": "m"}, ["F,tags,prompted,m"]),
        ({"format": "tags", "model": "other"}, []),
    ],
)
def test_where(where: dict[str, str], arms: list[str]) -> None:
    requirement = Requirement.model_validate({"score": "intent", "min": 0.5, "where": where})
    assert [v.arm for v in evaluate([requirement], [row(), row("lines")])] == arms
