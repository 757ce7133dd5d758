"""Labels that say too little are found out, and labels that say enough are left alone."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.baml.project import Function
from phrasing.score.matchers import match_args
from phrasing.score.weak_labels import TooWide, Unfixed, too_wide, unfixed
from phrasing.types import Case
from support.small_projects import cache, function, load

__all__ = ["cache"]

SOURCE = """
class Meeting {
  start string
  rooms string[]?
  floor int?
}
class Book {
  intent "book"
  start string?
  note string
  people string[]?
  meeting Meeting?
  kind ("call1" | "visit2")?
  extra map<string, string>?
}
class Wait {
  intent "wait"
  seconds int
}
class Say {
  intent "say"
  text string
}
class Stop {
  intent "stop"
}
"""


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Function:
    made = load(tmp_path_factory.mktemp("weak"), SOURCE + function("Office", returns="Book | Wait | Say | Stop"))
    return made.find("Office")


def case(*expect: dict[str, Any], **more: Any) -> Case:
    thread = {"events": [{"type": "note", "data": "9:00"}, *more.pop("events", [])]}
    return Case.model_validate({"id": "c", "thread": thread, "expect": expect, **more})


def booked(value: Any, name: str = "start") -> dict[str, Any]:
    return {"intent": "book", "args": {name: value}}


def found(book: Function, value: Any, name: str = "start", **more: Any) -> list[TooWide]:
    return list(too_wide([case(booked(value, name), **more)], [book]))


times = st.times().map(lambda time: f"{time.hour}:{time.minute:02}")
dates = st.dates().map(str)
ids = st.from_regex(r"[a-z]{1,3}[-_]?[0-9]{1,6}", fullmatch=True)
tags = st.from_regex(r"v[0-9]{1,2}(\.[0-9]{1,2}){1,2}", fullmatch=True)
values = st.one_of(times, dates, st.tuples(dates, times).map(" ".join), ids, tags)


@given(values)
def test_a_part_that_is_a_time_a_date_or_an_id_accepts_others(book: Function, value: str) -> None:
    for matcher in ({"$contains": value}, {"$regex": re.escape(value)}, {"$any_of": ["never", {"$contains": value}]}):
        (one,) = found(book, matcher)
        assert one.value is not None
        assert one.also not in (None, one.value)
        for text in (one.value, one.also):
            assert match_args({"start": matcher}, {"start": text}) is None
        assert (one.case, one.key, one.intent, one.path) == ("c", "expect", "book", "args.start")


@given(values)
def test_a_whole_value_accepts_no_other(book: Function, value: str) -> None:
    whole = f"^{re.escape(value)}$"
    for matcher in (value, {"$regex": whole}, {"$any_of": [value, {"$regex": f"(?i){whole}"}]}, {"$ignore": True}):
        assert found(book, matcher) == []


@pytest.mark.parametrize(
    ("matcher", "also"),
    [
        ({"$contains": "9:00"}, "19:00"),
        ({"$contains": " 9:00"}, "2001-01-02  9:00"),
        ({"$regex": r"\b14:00$"}, "2001-01-02 14:00"),
        ({"$regex": r"(?<!\d)9:00(?!\d)"}, "2001-01-02 9:00"),
        ({"$regex": r"^2026-12-\d\d 09:00$"}, "2026-12-05 09:00"),
        ({"$regex": r"^v1\.2"}, "v1.20"),
        ({"$regex": r"\bv1\.2\b"}, "7-v1.2"),
        ({"$regex": r"f-201$"}, "7-f-201"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_a_matcher_leaves_open(book: Function, matcher: dict[str, Any], also: str) -> None:
    (one,) = found(book, matcher)
    assert match_args({"": matcher}, {"": also}) is None
    assert one.also == also


@pytest.mark.parametrize(
    "matcher",
    [
        {"$regex": r"^2026-12-03[ T]0?9:00(:00)?$"},
        {"$regex": r"^v1\.[23]$"},
        {"$regex": r"^(\+1 )?555-0100$"},
        {"$regex": "(?i)carrier"},
        {"$contains": "lease"},
    ],
    ids=str,
)
def test_what_is_meant_passes(book: Function, matcher: dict[str, Any]) -> None:
    assert found(book, matcher) == []


def test_values_of_the_case_itself_are_tried(book: Function) -> None:
    # The pattern can't be read, but the step was taken before, and the answer says what is right.
    matcher = {"$regex": r"(?P<half>9):00(?P=half)?$"}
    (untried,) = found(book, matcher)
    assert (untried.value, untried.also) == (None, None)
    before = {"type": "book", "data": {"start": "2026-12-03 9:00"}}
    (one,) = found(book, matcher, events=[before])
    assert one.value == "2026-12-03 9:00"
    (one,) = found(book, matcher, answer={"intent": "book", "args": {"start": "9:00", "note": ""}})
    assert one.value == "9:00"


def test_matchers_are_found_wherever_a_text_is_compared(book: Function) -> None:
    part = {"$contains": "9:00"}
    assert [one.path for one in found(book, {"start": part, "rooms": {"$set": ["r1", part]}}, "meeting")] == [
        "args.meeting.start",
        "args.meeting.rooms",
    ]
    assert [one.path for one in found(book, ["x", part], "people")] == ["args.people[1]"]
    assert [one.path for one in found(book, {"$contains": part}, "people")] == ["args.people"]
    assert [one.path for one in found(book, {"$any_of": [None, [part]]}, "people")] == ["args.people"]
    assert [one.path for one in found(book, {"room": part}, "extra")] == ["args.extra.room"]
    assert [one.path for one in found(book, {"$only": {"start": part}}, "meeting")] == ["args.meeting.$only.start"]
    forbidden = too_wide([case({"intent": "stop"}, forbid=[booked(part)])], [book])
    assert [(one.key, one.path) for one in forbidden] == [("forbid", "args.start")]


def test_what_is_no_text_has_no_part(book: Function) -> None:
    assert found(book, {"$contains": "r1"}, "people") == []  # an element that equals it
    assert found(book, {"$contains": "1"}, "kind") == []  # one of two values
    assert list(too_wide([case({"intent": "elsewhere", "args": {"x": {"$contains": "1"}}})], [book])) == []


def test_labels_that_name_nothing_are_counted_where_something_could_be_compared(book: Function) -> None:
    say, stop, wait = ({"intent": intent} for intent in ("say", "stop", "wait"))
    # `kind` and `meeting` take more than text, `extra` is an object
    own = ("meeting", "kind", "extra")
    assert unfixed([case({"intent": "book"}, say, stop, wait)], [book]) == {
        "book": Unfixed(1, own),
        "wait": Unfixed(1, ("seconds",)),
    }
    # another label shows that `start` can be compared; one that ignores an argument has thought of it
    more = [
        case({"intent": "book"}),
        case({"intent": "book"}, booked("9:00")),
        case({**wait, "args": {"seconds": {"$ignore": True}}}),
    ]
    assert unfixed(more, [book]) == {"book": Unfixed(2, ("start", *own))}
    assert unfixed([case(say, stop)], [book]) == {}
    # nothing else than nothing is something
    assert unfixed([case({**wait, "only": True})], [book]) == {}
