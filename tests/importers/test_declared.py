"""Tools that logs declare: what they refuse, and one declaration of each."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.baml.tools import lists, write
from phrasing.importers.declared import OTHER_TYPE, OUTSIDE, UNDECLARED, UNLISTED, Declared, newest
from support.broken_records import JSON
from support.imported import made
from support.log_records.openai_chat import call

SCHEMA = {
    "type": "object",
    "properties": {
        "flag": {"type": "string", "enum": ["red", "blue"]},
        "times": {"type": "integer"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "where": {"$ref": "#/$defs/place"},
        "flags": {"type": "array", "items": {"enum": ["red", "blue"]}},
        "all": {"type": ["boolean", "null"]},
    },
    "required": ["times"],
    "$defs": {"place": {"type": "object", "properties": {"pier": {"enum": [1, 2]}}}},
}
HOIST = {"type": "function", "function": {"name": "hoist", "description": "", "parameters": SCHEMA}}


def tool(name: str, schema: Any = None, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": schema or {"type": "object"}, **more}}


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ({"flag": "red", "times": 2}, None),
        ({"flag": "green"}, OUTSIDE),
        ({"flags": ["red", "green"]}, OUTSIDE),
        ({"where": {"pier": 3}}, OUTSIDE),
        ({"where": {"pier": 1}}, None),
        ({"where": {"quay": 1}}, UNDECLARED),
        ({"colour": "red"}, UNDECLARED),
        ({"times": "2"}, OTHER_TYPE),
        ({"times": 2.0}, None),
        ({"times": True}, OTHER_TYPE),
        ({"times": None}, OTHER_TYPE),
        ({"flag": None, "note": None, "all": None}, None),
        ({"note": 3}, OTHER_TYPE),
        ({"flags": [{"$ignore": True}]}, None),
    ],
)
def test_what_a_declaration_refuses_is_told(args: dict[str, Any], problem: str | None) -> None:
    assert Declared([HOIST]).problem({"intent": "hoist", "args": args}, "respond") == problem


def test_a_tool_that_isnt_listed_is_told_and_words_are_no_tool() -> None:
    assert Declared([HOIST]).problem({"intent": "lower"}, "respond") == UNLISTED
    assert Declared([HOIST]).problem({"intent": "respond"}, "respond") is None
    assert Declared([]).problem({"intent": "lower"}, "respond") is None
    assert Declared([tool("a.b")]).problem({"intent": "a_b", "args": {"x": 1}}, "respond") is None


def test_refused_calls_make_no_case_and_are_counted_together() -> None:
    def told(*calls: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"tools": [HOIST], "messages": [{"role": "user", "content": "go"}, one]} for one in calls]

    wrong = [call("lower", "{}"), call("lower", '{"times": 1}'), call("hoist", '{"flag": "green"}')]
    lines, account = made(*told(call("hoist", '{"times": 2}'), *wrong))
    assert len(lines) == 1
    assert {reason: met.times for reason, met in account.left.items()} == {UNLISTED: 2, OUTSIDE: 1}


# ---------------------------------------------------------------------------------------------- the newest wins


def test_of_two_declarations_the_newer_wins() -> None:
    old, new = tool("ring", description="Ring."), tool("ring", description="Ring the bell.")
    other = tool("look")
    found = newest([(old, other), (new,), (other,)])
    assert found.tools == (new, other)
    assert found.changed == ("ring",)


def test_names_that_are_one_for_an_api_are_one_tool() -> None:
    found = newest([(tool("a.b"), tool("a_b", description="newer"))])
    assert [one["function"]["name"] for one in found.tools] == ["a_b"]
    assert found.changed == ("a_b",)


def test_the_same_tool_in_another_shape_has_not_changed() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    found = newest([(tool("ring", schema),), ({"name": "ring", "input_schema": schema},)])
    assert len(found.tools) == 1
    assert not found.changed


@pytest.mark.parametrize(
    "declared", [{}, {"type": "web_search"}, {"name": 3}, {"name": "x", "parameters": [], "description": "d"}]
)
def test_a_declaration_that_cant_be_read_is_counted(declared: dict[str, Any]) -> None:
    found = newest([(tool("ring"), declared)])
    assert found.tools == (tool("ring"),)
    assert found.unread == 1


@pytest.mark.parametrize("key", ["created_at", "timestamp"])
def test_the_newest_is_told_by_the_logs_own_times(key: str) -> None:
    def told(name: str, when: Any, text: str) -> dict[str, Any]:
        return {
            "id": name,
            key: when,
            "tools": [tool("ring", description=text)],
            "messages": [{"role": "user", "content": name}, call("ring", "{}")],
        }

    _, account = made(told("a", "2026-03-02T00:00:00Z", "new"), told("b", "2026-03-01T00:00:00Z", "old"))
    (found,) = newest(account.toolsets[number] for number in account.by_age(account.met)).tools
    assert found["function"]["description"] == "new"


NAMES = st.sampled_from(["ring", "ring.bell", "ring_bell", "respond", "1st", "ü", "", "a" * 70, "class", "intent"])
SCHEMAS = (
    st.sampled_from([SCHEMA, {}, {"type": "object"}, {"properties": {"intent": {"type": "string"}}}, {"type": "string"}]) | JSON
)
TOOLS = st.builds(
    lambda name, schema, kind, description: (
        {"name": name, "input_schema": schema, "description": description}
        if kind == "flat"
        else {"name": name, "inputSchema": schema}
        if kind == "mcp"
        else {"type": kind, "function": {"name": name, "parameters": schema, "description": description}}
    ),
    NAMES,
    SCHEMAS,
    st.sampled_from(["function", "flat", "mcp", "retrieval"]),
    st.sampled_from(["", "Ring.", None, 7, "Today is Tuesday."]),
)


@given(
    st.lists(st.lists(TOOLS | JSON.map(lambda value: value if isinstance(value, dict) else {"x": value}), max_size=4), max_size=4)
)
def test_what_is_kept_of_any_declarations_is_a_list_that_import_tools_takes(toolsets: list[list[dict[str, Any]]]) -> None:
    found = newest(map(tuple, toolsets))
    if found.tools:
        listed = lists.read_tools({"tools.json": json.dumps(found.tools)})
        assert len(listed.tools) == len(found.tools)
        assert not listed.left_out
        write.write_baml({"F": listed.tools}, text=None)
