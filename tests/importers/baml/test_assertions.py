"""Conditions as labels: what each says, and that no label refuses a step that meets the assertions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from phrasing.importers.baml import assertions
from phrasing.score.matchers import match_args


def labels(*written: str, field: str = "intent") -> tuple[list[dict[str, JsonValue]], int]:
    return assertions.read_labels(written, field)


IS = 'this.intent == "find"'


@pytest.mark.parametrize(
    ("condition", "args"),
    {
        "text": ('this.q == "a"', {"q": "a"}),
        "turned": ("'a' == this.q", {"q": "a"}),
        "number": ("this.n == -3", {"n": -3}),
        "fraction": ("this.n == 1.5", {"n": 1.5}),
        "truth": ("this.b == true", {"b": True}),
        "none": ("this.q is none", {"q": None}),
        "undefined or none": ("(this.q is undefined or this.q is none)", {"q": None}),
        "result": ('_.result.q == "a"', {"q": "a"}),
        "keyword": ('this.from == "a" and this["class"] == "b"', {"from": "a", "class": "b"}),
        "backslash": (r'this.q == "a\n\"', {"q": "a\\n\\"}),
        "quotes": ("this.q == (\"it's\" ~ '\"')", {"q": "it's\""}),
        "lines": ('this.q\n  == "a\nb"', {"q": "a\nb"}),
        "contains": ('"18" in this.q', {"q": {"$contains": "18"}}),
        "contains in lower case": ('"18" in this.q|lower', {"q": {"$contains": "18"}}),
        "in any case": ('this.q|lower == "a"', {"q": {"$any_case": "a"}}),
        "whole number": ("this.n is integer and this.n == 3", {"n": {"$int": 3}}),
        "one of": ('this.q in ["a", "b"]', {"q": {"$any_of": ["a", "b"]}}),
        "either": ('this.q == "a" or this.q == "b" or "c" in this.q', {"q": {"$any_of": ["a", "b", {"$contains": "c"}]}}),
        "inside": ('this.place.point.x == 1 and this.place.name == "a"', {"place": {"point": {"x": 1}, "name": "a"}}),
        "either inside": ("this.p.x == 1 or this.p.x == 2", {"p": {"x": {"$any_of": [1, 2]}}}),
        "object": ('this.p == {"x": 1}', {"p": {"x": 1}}),
        "list": ('this.words == ["a", 2]', {"words": ["a", 2]}),
        "list by parts": ('this.w is sequence and this.w|length == 2 and this.w[1] == "b"', {"w": [{"$ignore": True}, "b"]}),
        "range": ("this.n >= 1 and 3 >= this.n", {"n": {"$number": 2, "$tolerance": 1}}),
        "about": ("this.n >= 3.4 and this.n <= 3.6", {"n": {"$number": 3.5, "$tolerance": 0.1}}),
    }.values(),
)
def test_a_condition_is_an_argument(condition: str, args: dict[str, Any]) -> None:
    assert labels(IS, condition) == ([{"intent": "find", "args": args}], 0)
    assert labels(f"({condition}) and {IS}") == ([{"intent": "find", "args": args}], 0)


def test_several_steps_may_be_right() -> None:
    either = [{"intent": "find"}, {"intent": "send"}]
    assert labels('this.intent == "find" or this.intent == "send"') == (either, 0)
    assert labels('this.intent in ["find", "send"]') == (either, 0)
    assert labels('this.intent in ["find", "send"]', 'this.intent == "send"') == (either[1:], 0)
    found = labels('(this.intent == "find" and this.q == "a") or (this.intent == "send" and this.to == "b")', "this.n == 1")
    assert found == ([{"intent": "find", "args": {"q": "a", "n": 1}}, {"intent": "send", "args": {"to": "b", "n": 1}}], 0)


def test_steps_may_be_told_apart_by_another_field() -> None:
    assert labels('this.kind == "a"', 'this.intent == "b"', field="kind") == ([{"intent": "a", "args": {"intent": "b"}}], 0)


@pytest.mark.parametrize(
    "condition",
    [
        'not (this.q == "a")',
        'this.q != "a"',
        "this.n > 3",
        "this.n >= 3",
        "this.q|length == 3",
        'this.q|upper == "A"',
        'this.q|lower == "A"',
        "this.n is integer",
        'this.q|regex_match("a")',
        "this.q is string",
        "this.q is defined",
        "this.q is not none",
        "this.q == this.r",
        'this.w[0] == "a"',
        "_.latency_ms < 3000",
        "_.checks.q",
        "this.q == 1 == 1",
        'this.p == {"$any_of": [1]}',
        'this.p["$set"] == 1',
        'this.q == "a" if this.n == 1 else false',
        "this.q ==",
        "this.q == 1 and this.q == 2",
        "(" * 300,
        "",
    ],
)
def test_what_no_label_can_say_is_counted(condition: str) -> None:
    assert labels(IS, condition) == ([{"intent": "find"}], 1)
    assert labels(condition, IS, "this.z == 1") == ([{"intent": "find", "args": {"z": 1}}], 1)


@pytest.mark.parametrize(
    "written", [(), ("this.q == 1",), ("this.intent == 3",), (f"{IS} or this.q == 1",), ('"f" in this.intent',)]
)
def test_conditions_that_any_step_could_meet_make_no_case(written: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="no assertion names the step"):
        labels(*written)


def test_conditions_that_no_step_meets_make_no_case() -> None:
    with pytest.raises(ValueError, match="contradict"):
        labels(IS, 'this.intent == "send"')


def test_an_alternative_that_cant_be_read_leaves_none_out() -> None:
    with pytest.raises(ValueError, match="no assertion names the step"):
        labels('this.intent == "find" or this.intent|upper == "SEND"')


TEXTS, NUMBERS = st.sampled_from(["a", "b", "ab"]), st.integers(0, 3)
ATOMS = st.one_of(
    st.builds('this.intent == "{}"'.format, st.sampled_from(["find", "send"])),
    st.builds('this.intent in ["{}", "find"]'.format, st.sampled_from(["find", "send"])),
    st.builds('this.q == "{}"'.format, TEXTS),
    st.builds('"{}" in this.q'.format, TEXTS),
    st.builds('this.q != "{}"'.format, TEXTS),
    st.builds('this.q|lower == "{}"'.format, TEXTS),
    st.builds("(this.n is integer and this.n == {})".format, NUMBERS),
    st.builds('this.q in ["{}", "{}"]'.format, TEXTS, TEXTS),
    st.builds("this.n {} {}".format, st.sampled_from(["==", "<=", ">=", "<"]), NUMBERS),
    st.builds('this.p.x == "{}"'.format, TEXTS),
    # not `is none`: a label takes an argument that is left out for one that is null, which Jinja doesn't
    st.builds("this.p is {}".format, st.sampled_from(["mapping", "undefined"])),
    st.builds('(this.w is sequence and this.w|length == {} and this.w[0] == "{}")'.format, NUMBERS, TEXTS),
)
CONDITIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("not ({})".format, inner),
    ),
    max_leaves=6,
)
STEPS = st.fixed_dictionaries(
    {"intent": st.sampled_from(["find", "send"]), "q": TEXTS, "n": NUMBERS},
    optional={"p": st.fixed_dictionaries({"x": TEXTS}), "w": st.lists(TEXTS, max_size=3)},
)


@given(st.lists(CONDITIONS, min_size=1, max_size=4), st.lists(STEPS, min_size=5, max_size=10))
def test_labels_accept_what_meets_the_conditions_and_only_that_if_all_are_read(written: list[str], steps: list[Any]) -> None:
    try:
        found, unread = assertions.read_labels(written, "intent")
    except ValueError:
        return
    environment = jinja2.Environment()
    for step in steps:
        met = all(_met(environment.compile_expression(each), step) for each in written)
        args = {name: value for name, value in step.items() if name != "intent"}
        right = [label for label in found if label["intent"] == step["intent"] and not _differs(label, args)]
        assert right if met else not right or unread


def _met(condition: Callable[..., Any], step: dict[str, Any]) -> bool:
    try:
        return bool(condition(this=step))
    except jinja2.UndefinedError:
        return False


def _differs(label: dict[str, Any], args: dict[str, Any]) -> str | None:
    return match_args(label.get("args", {}), args)


@given(st.text(), st.text(st.sampled_from("this.intent=\"a'[]{}()|~ inorand0123456789*-+<>!#\n"), max_size=60))
def test_whatever_is_written_is_read_or_counted(one: str, other: str) -> None:
    found, unread = labels(IS, *(f"{text} and 1" for text in (one, other)))
    assert found[0]["intent"] == "find" or unread


@pytest.mark.parametrize("kind", ["mapping", "sequence", "string", "number", "integer"])
def test_what_contradicts_itself_is_counted(kind: str) -> None:
    found, unread = labels(IS, f"this.p is {kind}", "this.p is undefined")
    assert found == [{"intent": "find"}]
    assert unread == 1
