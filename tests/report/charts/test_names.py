"""Names in pictures: what a long, hostile or empty one becomes, and where names stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.report.charts.names import Box, Mark, Place, distinct, places, shorten, text_width


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("json", "json"),
        ("a\nb\tc  d", "a b c d"),
        ("\u202ereversed\u202c\x00", "reversed"),
        ("lone \ud800 half", "lone half"),
        ("", "(no name)"),
        (" \n", "(no name)"),
        ("0123456789 0123456789", "0123…56789"),
    ],
    ids=["short", "lines", "directions", "surrogate", "empty", "blank", "long"],
)
def test_a_name_is_one_short_line(text: str, shown: str) -> None:
    assert shorten(text, 10) == shown


@given(st.lists(st.text(), max_size=6), st.integers(12, 40))
def test_names_stay_apart_and_short(texts: list[str], most: int) -> None:
    shown = distinct(texts, most)
    assert len(shown) == len(set(shown)) == len(texts)
    assert all(0 < len(name) <= most and name.isprintable() for name in shown)


def test_names_that_differ_in_the_middle_are_numbered() -> None:
    names = distinct([f"{'a' * 500}{c}{'a' * 500}" for c in "xyz"])
    assert [name.rpartition("a")[2] for name in names] == ["", " (2)", " (3)"]


def test_wide_letters_are_wide() -> None:
    assert text_width("iiii") < text_width("nnnn") < text_width("WWWW") < text_width("漢字漢字")


def around(mark: Mark) -> Box:
    return Box(mark.x - mark.half, mark.y - mark.half, mark.x + mark.half, mark.y + mark.half)


def taken(label: str, place: Place) -> Box:
    left = place.x - (text_width(label) if place.align == "right" else 0)
    return Box(left, place.y - 5, left + text_width(label), place.y + 5)


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 300)), min_size=1, max_size=8),
    st.sampled_from(["json", "trace(body=json)"]),
)
def test_labels_cover_nothing(where: list[tuple[int, int]], name: str) -> None:
    marks = [Mark(x, y, half=6) for x, y in where]
    labels = [f"{name} {i}" for i in range(len(marks))]
    found = places(labels, marks, [], (500, 300))
    if found is None:  # a crowd: the chart has a legend instead
        assert len(marks) > 2
        return
    boxes = [taken(label, place) for label, place in zip(labels, found, strict=True)]
    assert not any(box.shared(around(mark)) for box in boxes for mark in marks)
    assert not any(box.shared(other) for i, box in enumerate(boxes) for other in boxes[:i])
    assert all(box.left >= 0 and box.right <= 500 and box.top >= 0 and box.bottom <= 300 for box in boxes)


def test_a_label_stays_clear_of_bars_where_it_can() -> None:
    mark, name = Mark(100, 100, half=6), "json"
    [beside] = places([name], [mark], [], (500, 300)) or []
    assert (beside.align, beside.y, beside.far) == ("left", 100, False)
    bars = [Box(40, 99, 160, 101), Box(99, 40, 101, 160)]
    [apart] = places([name], [mark], bars, (500, 300)) or []
    assert not any(taken(name, apart).shared(bar) for bar in bars)


def test_what_lies_on_one_spot_is_led_to() -> None:
    found = places([f"variant {i}" for i in range(6)], [Mark(250, 150, half=6)] * 6, [], (500, 300))
    assert found is not None
    assert any(place.far for place in found)


def test_a_label_too_long_for_the_area_has_no_place() -> None:
    assert places(["x" * 60], [Mark(100, 100, half=6)], [], (200, 200)) is None
