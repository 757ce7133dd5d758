"""Threads taken out of texts: where they stand, and in which ways their events can be read."""

from __future__ import annotations

from typing import Any

import pytest

from phrasing.importers.cases import Said
from phrasing.importers.embedded import find_thread, read_messages, read_text
from phrasing.prompts import formats
from phrasing.suite.dataset import infer_roles
from phrasing.types import Thread
from support.small_projects import SHIPPED, event

TALK = (
    event("user_message", "go: on <b>now</b>"),
    event("find", {"query": "x", "deep": {"list": [1, "2"], "none": None}}),
    event("find_result", [{"name": "a"}, {"name": "b"}]),
    event("error", "no connection"),
)
THREAD, _ = infer_roles(Thread.model_validate({"events": TALK}), frozenset({"find"}))
FOUND = ("json", "json_pretty", "yaml", "xml_yaml", "xml_json", "trace(tag=attribute)", "trace(tag=bracket)", "trace(indent=2)")
WHOLE = (*FOUND, "toon", "markdown", "trace(tag=heading)", "trace(body=lines)")


def rendered(name: str) -> str:
    text = formats.render(formats.load(SHIPPED, name), THREAD)
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize("name", FOUND)
@pytest.mark.parametrize(
    ("before", "after"), [("", ""), ("Use <b>these</b>: [1]\n\n", "\n\nWhat now?"), ("- do {this}\n", "\n- then")]
)
def test_a_thread_is_found_among_other_text(name: str, before: str, after: str) -> None:
    text = rendered(name)
    found = find_thread(f"{before}{text}{after}")
    assert found is not None
    if (name, after) != ("yaml", "\n- then"):  # that reads like one more item
        assert f"{before}{text}{after}"[slice(*found)] == text


@pytest.mark.parametrize("name", WHOLE)
def test_the_events_are_among_the_ways_in_which_a_text_is_read(name: str) -> None:
    slots = read_text(rendered(name))
    assert len(slots) == len(TALK)
    for slot, told in zip(slots, TALK, strict=True):
        assert any([(one["type"], one.get("data")) for one in way] == [(told["type"], told["data"])] for way in slot.ways), slot


def test_data_is_no_text_unless_somebody_said_it() -> None:
    (data,) = read_text('<mail>\n{"a": 1}\n</mail>')
    (said,) = read_text('<user_message>\n{"a": 1}\n</user_message>')
    assert [way[0]["data"] for way in data.ways] == [{"a": 1}]
    assert [way[0]["data"] for way in said.ways] == ['{"a": 1}', {"a": 1}]


@pytest.mark.parametrize(
    "text", ["", "Hello.", "a: 1", "<a>", "{}", "[]", "[1]", "<a>x</a> and more", "## a b\nx", "- type: a\nb"]
)
def test_what_is_no_thread_has_no_events(text: str) -> None:
    assert not read_text(text)


def test_long_texts_with_marks_that_are_never_closed_are_read_in_one_go() -> None:
    for mark in ("<a>", "<a>\n", " <a>", "[a]", '<event type="a">', "## a ", "\n", "- type: a\n\n\n", '{"type"', "</a>"):
        text = mark * 5_000  # what grows with the square would take minutes
        find_thread(text)
        read_text(text)


def test_messages_are_read_each_in_its_ways() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "find", "arguments": '{"q": 1}'}}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "hi"},
        {"role": "user", "content": '{"mail": {"a": 1}}'},
        {"role": "assistant", "content": "so", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": '{"error": "no"}'},
        {"role": "assistant", "content": '{"intent": "find", "q": 2}'},
        {"role": "user", "content": "{}"},
    ]
    said, mail, called, failed, written, nothing = (slot.ways for slot in read_messages(messages, Said(), ["intent"]))
    assert said == (({"type": "user_message", "data": "hi", "role": "input"},),)
    assert mail[0] == ({"type": "mail", "data": {"a": 1}},)
    assert [one["type"] for one in called[0]] == ["respond", "find"]
    assert failed[0] == ({"type": "error", "data": "no", "role": "result", "call": "c"},)
    assert written[0] == ({"type": "find", "data": {"q": 2}, "role": "step"},)
    assert nothing[0] == ()
