"""A comparison in words and figures: no more digits than are known, and nothing said that isn't."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from phrasing.analysis import tables
from phrasing.analysis.compare import Contrast, compare
from phrasing.report.text import confusions, flips, p_value, points, reversals, sentences, span
from phrasing.stats.means import Mean
from phrasing.stats.paired import Difference
from phrasing.stats.power import about
from phrasing.suite.schema import Comparing
from support.made_up_results import compared, notes, variant, variants

NAN = math.nan
GRID = {"lines": "1100110011", "tags": "1111111001", "json": "eeeeeeeeee"}


def label(name: str) -> str:
    """Name a variant by its format."""
    return name.split(",")[2]


def row(format: str, step: float = 0.5, n: int = 20, **more: Any) -> dict[str, dict[str, Any]]:
    return {variant(format): {"n": n, "step": step, "step_low": 0.3, "step_high": 0.7, "strict": 1.0, "args": NAN, **more}}


def contrast(difference: float, low: float, high: float) -> Contrast:
    found = Difference(Mean(9, 9, difference, 1.0, 8.0, 9.0), 1.0, 1.0, 0, 0, 9, ())
    return Contrast("a", "b", 9, 0, 0, found=found, low=low, high=high)


# ---------------------------------------------------------------------------------------------- figures


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.05, 0, "+5"), (-0.05, 0, "−5"), (0.0, 0, "0"), (-0.0, 0, "0"), (0.004, 0, "0"), (-0.004, 0, "0"), (-0.004, 1, "−0.4"),
        (0.0004, 1, "0"), (1.0, 0, "+100"), (-0.125, 1, "−12.5"),
    ],
)  # fmt: skip
def test_points(value: float, digits: int, text: str) -> None:
    assert points(value, digits) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (NAN, "–"),
        (0.0, "<0.001"),
        (0.00099, "<0.001"),
        (0.001, "0.001"),
        (0.0494, "0.049"),
        (0.0999, "0.100"),
        (0.1, "0.10"),
        (1, "1.00"),
    ],
)
def test_p_value(p: float, text: str) -> None:
    assert p_value(p) == text


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (contrast(0.1, -0.02, 0.2), "+10 points (−2 to +20)"),
        (contrast(0.012, -0.02, 0.042), "+1.2 points (−2.0 to +4.2)"),
        (contrast(0.123, NAN, NAN), "+12 points"),
        (Contrast("a", "b", 0, 3, 0), "–"),
    ],
    ids=["wide", "narrow", "no interval", "nothing"],
)
def test_a_wide_interval_has_no_tenths(found: Contrast, text: str) -> None:
    assert span(found, "points") == text


# ---------------------------------------------------------------------------------------------- sentences


def test_a_sentence_names_the_score_that_decides() -> None:
    grid = {"lines": "1" * 10, "tags": "1" * 10}
    for score, said in (("strict", "gave an answer that needs no repair in 100 %"), ("own", "scored own in 40 % (10–80)")):
        found = compared(grid, settings=Comparing(score="strict"))
        found = type(found)(Comparing(score=score), found.contrasts, ())
        (text,) = sentences(found, row("lines", own=0.4, own_low=0.1, own_high=0.8), label)
        assert text.startswith(f"lines (the baseline) {said} of 20 cases. tags: 0 points (")


def test_a_score_that_applies_to_nothing_has_no_share() -> None:
    found = compared({"lines": "0000", "tags": "1111"}, settings=Comparing(score="args"))
    assert sentences(found, row("lines"), label) == [
        "lines (the baseline) has no answer that arguments applies to. tags: inconclusive: no case that both answered."
    ]


MANY = {"lines": "1" * 10 + "0" * 10, "tags": "1" * 11 + "0" * 9, "json": "1" * 9 + "0" * 11, "yaml": "1" * 12 + "0" * 8}


def test_undecided_variants_are_named_while_they_are_few() -> None:
    (text,) = sentences(compared(MANY), row("lines"), label)
    assert text.count("inconclusive: would need about ") == 3
    assert all(f"{name}: " in text for name in ("tags", "json", "yaml"))


def test_many_undecided_variants_are_said_together() -> None:
    found = compared({**MANY, "toon": MANY["json"]})
    (text,) = sentences(found, row("lines"), label)
    needed = sorted(contrast.needed or 0 for contrast in found.contrasts)
    assert text.startswith(
        "lines (the baseline) picked an acceptable step, arguments and all, in 50 % (30–70) of 20 cases. All 4 others: "
        "−5 to +10 points with 1.11 to 1.22 times its context tokens, inconclusive: "
        f"would need {about(needed[0]).removesuffix(' cases')} to {about(needed[-1]).removeprefix('about ')}."
    )


def test_decided_variants_come_before_the_others() -> None:
    grid = {**MANY, "toon": "1" * 8 + "e" + "0" * 11, "good": "1" * 20}
    (text,) = sentences(compared(grid), row("lines"), label)
    best, _, others = text.partition("; the other 4: ")
    assert best.endswith(" better")
    assert re.match(r"−\d+ to \+10 points with .* cases \(0 to 1 cases that only one of the two answered left out\)\. ", others)


def test_reversals_are_said() -> None:
    low, high = "0" * 20, "1" * 20
    found = compared({"lines/m": low, "tags/m": high, "lines/o": high, "tags/o": low})
    named = lambda name: " ".join(name.split(",")[2::2])  # noqa: E731
    assert reversals(found, named) == ["tags m gains +100 points where tags o gives −100 (p <0.001 that the models agree)"]


def test_against_another_run_each_variant_has_a_sentence_and_those_as_they_were_share_one() -> None:
    now, then = (
        variants({"lines": "1" * 20, "tags": "1111" * 5, "json": "e" * 20}),
        variants({"lines": "0" * 20, "tags": "1111" * 5, "json": "1" * 20}),
    )
    held = {(name, name): tables.pair(now[name], then[name], unchanged=name == variant("tags")) for name in now}
    found = compare(held, Comparing(), against="before")
    assert sentences(found, {}, label) == [
        "lines picked an acceptable step, arguments and all, in 0 % of 20 cases in before, now in 100 %: "
        f"{span(found[variant('lines')], 'points')} with 1.00 times its context tokens, better.",
        "json: inconclusive: no case that both answered.",
        "Unchanged, the same answers to the same requests: tags.",
    ]
    assert (found[variant("tags")].low, found[variant("tags")].high, found[variant("tags")].verdict) == (0, 0, "unchanged")


# ---------------------------------------------------------------------------------------------- where variants differ


def test_flips_are_listed_by_tag_by_intent_and_by_name() -> None:
    (tags,) = compared({"lines": "1100110011", "tags": "1111111001"}).contrasts
    assert flips(tags, notes(10)) == [
        "by tag: even +2 −1",
        "by expected intent: send +3 −1, ask +2 −0",
        "won: mail::c-002, mail::c-003, mail::c-006",
        "lost: mail::c-008",
        "uncorrected p 0.62; by McNemar's test, which knows of no groups, 0.62",
    ]
    assert flips(tags, {}, most=1)[:2] == ["won: mail::c-002, and 2 more", "lost: mail::c-008"]
    (same,) = compared({"lines": "10", "tags": "10"}).contrasts
    assert flips(same, notes(2)) == []


def test_confusions() -> None:
    listed = [("ask", "send", 3), ("send or ask", "(parse)", 1)]
    assert confusions(listed) == "ask → send 3, send or ask → (parse) 1"
    assert confusions(listed, most=1) == "ask → send 3, and 1 more kinds"
    assert confusions([]) == ""
