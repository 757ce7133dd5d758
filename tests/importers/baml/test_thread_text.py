"""Threads as text, read back to events."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from phrasing.importers.baml.thread_text import read_thread, read_trace_format
from phrasing.prompts.yaml import dump

NOTE = "<note>\n{}\n</note>"


def read(body: str, kind: str = "note") -> Any:
    (event,) = read_trace_format(f"<{kind}>\n{body}\n</{kind}>", "intent")
    assert event["type"] == kind
    return event["data"]


def test_a_trace_is_taken_apart() -> None:
    text = """
<slack_message>
  from: "@alex"
  text: |-
    ship it
    now
</slack_message>

<list_tags>
    intent: "list_tags"
</list_tags>
<list_tags_result>[{"name": "v2"}]</list_tags_result> <error>deploy: no answer</error>
<human.response-2>
    Hi:
      go ahead
    </human.response-2>
<deploy></deploy>
"""
    assert read_trace_format(text, "kind") == [
        {"type": "slack_message", "data": {"from": "@alex", "text": "ship it\nnow"}},
        {"type": "list_tags", "data": {}},
        {"type": "list_tags_result", "data": [{"name": "v2"}]},
        {"type": "error", "data": "deploy: no answer"},
        {"type": "human.response-2", "data": {"Hi": "go ahead"}},
        {"type": "deploy", "data": None},
    ]


def test_a_field_that_says_the_type_again_is_dropped() -> None:
    text = '<find>\nkind: find\nq: a\n</find><send>{"intent": "find", "kind": "send"}</send>'
    assert [event["data"] for event in read_trace_format(text, "kind")] == [{"q": "a"}, {"intent": "find"}]


def test_a_trace_may_stand_in_a_tag() -> None:
    text = "<thread>\n  <a>\n    x\n  </a>\n  <b>\n    y: 1\n  </b>\n</thread>"
    assert read_trace_format(text, "intent") == [{"type": "a", "data": "x"}, {"type": "b", "data": {"y": 1}}]
    assert read_trace_format("<thread>hello</thread>", "intent") == [{"type": "thread", "data": "hello"}]


@pytest.mark.parametrize(
    "text",
    ["hello", "", "Events: <a>x</a>", "<a>x</a> and more", "<a>x</b>", "<a>x", "<a y='1'>x</a>", "<1>x</1>", "<a>x</a></a>"],
)
def test_what_isnt_wholly_a_trace_is_none(text: str) -> None:
    assert read_trace_format(text, "intent") == []


@pytest.mark.parametrize(
    ("body", "data"),
    [
        ("when: 2026-10-18\nat: 12:30\nyes: no\nzip: 01234", {"when": "2026-10-18", "at": "12:30", "yes": "no", "zip": "01234"}),
        ("a: 1\nb: -2.5e3\nc: true\nd: ~\ne:", {"a": 1, "b": -2500.0, "c": True, "d": None, "e": None}),
        ("title: fix #12 # soon\ntext: '#1'", {"title": "fix #12 # soon", "text": "#1"}),
        ("- id: 1\n- id: 2", [{"id": 1}, {"id": 2}]),
        ("12", 12),
        ("0123", "0123"),
        ('"quoted"', "quoted"),
        ("a:\n\tb", "a:\n\tb"),
    ],
)
def test_values_are_those_of_json(body: str, data: Any) -> None:
    assert read(body) == data


@pytest.mark.parametrize(
    "body",
    [
        "Ankara, Turkey: what's it like?",
        "Dear Bob: hello\nall: well",
        "- milk\n- eggs",
        "a: 1\na: 2",
        "1: one",
        "a: &x y\nb: *x",
        "a: !!binary aGk=",
        "a: 1\n---\nb: 2",
        "# a comment\na: 1",
        "a: \ue000",
        "a: " + "[" * 2000,
        "a: " + "9" * 5000,
        "a: BAML_CHAT_ROLE_MAGIC_STRING_DELIMITER",
        '{"a": 1, "a": 2}',
        "a: 1e999",
    ],
)
def test_what_data_cant_be_is_text(body: str) -> None:
    assert read(body) == body


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.from_regex(r"[a-zA-Z_#-]+", fullmatch=True)


@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=4), st.sampled_from(["", "  "]))
def test_what_is_written_as_yaml_reads_back(data: dict[str, Any], indent: str) -> None:
    text = dump(data)
    assume("</note>" not in text and "\ue000" not in text and not text.endswith("\n"))
    body = text.replace("\n", f"\n{indent}")
    assert read(indent + body) == data


def test_commas_may_trail() -> None:
    assert read_thread('[{"a": "x,]"}, 1,\n ]') == [{"a": "x,]"}, 1]


@given(st.text(st.sampled_from('<>/ab_:-{}[]"\n #|&*!,1')))
def test_any_text_is_a_trace_or_none(text: str) -> None:
    for event in read_trace_format(text, "intent") + read_trace_format(f"<a>{text}</a>", "intent"):
        assert event.keys() == {"type", "data"}
