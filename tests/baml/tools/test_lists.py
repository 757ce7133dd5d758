"""Lists of tools are read in every shape that APIs take them; what is none is refused with what is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from phrasing.baml.tools import lists
from phrasing.baml.tools.lists import Tool
from phrasing.errors import UserError

SCHEMA = {"type": "object", "properties": {"zip": {"type": "string"}}, "required": ["zip"]}
FIND = {"name": "find", "description": "Find it."}
TOOL = Tool("find", "Find it.", SCHEMA)

PLAIN = {**FIND, "parameters": SCHEMA}
CHAT = {"type": "function", "function": {**PLAIN, "strict": True}}
RESPONSES = {"type": "function", **PLAIN, "strict": True}
ANTHROPIC = {**FIND, "input_schema": SCHEMA, "cache_control": {"type": "ephemeral"}}
MCP = {**FIND, "title": "Find", "inputSchema": SCHEMA}


def read(value: Any) -> lists.ToolList:
    return lists.read_tools({"tools.json": json.dumps(value)})


@pytest.mark.parametrize(
    "value",
    [
        [CHAT],
        [RESPONSES],
        [PLAIN],
        [ANTHROPIC],
        [{**ANTHROPIC, "type": "custom"}],
        {"tools": [MCP]},
        {"jsonrpc": "2.0", "id": 1, "result": {"tools": [MCP], "nextCursor": None}},
        {"model": "gpt", "messages": [], "tools": [CHAT]},
        {"model": "gpt", "messages": [], "functions": [PLAIN]},
        CHAT,
    ],
    ids=["chat", "responses", "plain", "anthropic", "anthropic-custom", "mcp", "json-rpc", "request", "functions", "one"],
)
def test_shapes(value: Any) -> None:
    assert read(value) == lists.ToolList((TOOL,))


def test_lines_of_requests_give_each_tool_once() -> None:
    other = {"type": "function", "function": {"name": "stop"}}
    text = "".join(json.dumps({"tools": tools}) + "\n" for tools in ([CHAT], [CHAT, other], [other]))
    read = lists.read_tools({"log.jsonl": text, "more.json": json.dumps([MCP])})
    assert read.tools == (TOOL, Tool("stop", "", {}))
    assert read.tools[1].where == "log.jsonl:2: tools[1]"


def test_what_has_no_schema_is_left_out_and_said() -> None:
    found = read([CHAT, {"type": "web_search"}, {"type": "bash_20250124", "name": "bash"}])
    assert found.tools == (TOOL,)
    assert found.left_out == (
        "tools.json: [1]: web_search: a tool of type 'web_search' has no JSON Schema of arguments",
        "tools.json: [2]: bash: a tool of type 'bash_20250124' has no JSON Schema of arguments",
    )


def test_other_keys_of_a_tool_are_kept_for_the_report() -> None:
    assert read([{**MCP, "annotations": {}, "outputSchema": {}}]).tools[0].unread == ("annotations", "outputSchema")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "tools.json: no tool here; read are lists"),
        ('[{"role": "user", "content": "hi"}]', "tools.json: [0]: {'role': 'user', 'content': 'hi'} is no tool; read are"),
        ('{"messages": []}', "tools.json: {'messages': []} is no tool; read are"),
        ("3", "tools.json: 3 is no tool; read are"),
        ('[{"name": "a", "parameters": []}]', "tools.json: [0]: {'name': 'a', 'parameters': []} is no tool: it has a name"),
        ('[{"name": 3, "parameters": {}}]', "tools.json: [0]: {'name': 3, 'parameters': {}} is no tool: it has a name"),
        ('[\n{"name": "a",}]', "tools.json:2: is neither JSON nor JSON Lines: Expecting property name"),
        ('{"name": "a", "parameters": {}}\n{x', "tools.json:2: is neither JSON nor JSON Lines: Expecting property name"),
        ("[" * 100000, "tools.json:1: is neither JSON nor JSON Lines: maximum recursion depth exceeded"),
        ('[{"name": "a", "parameters": {"default": NaN}}]', "tools.json:1: is neither JSON nor JSON Lines: NaN is no JSON"),
        (
            '[{"name": "a.b", "parameters": {}}, {"name": "a_b", "parameters": {}}]',
            "tools.json: [1]: tools 'a.b' (tools.json: [0]) and 'a_b' are both 'a_b' for an API; rename one",
        ),
        (
            '[{"name": "a", "parameters": {}}, {"name": "a", "description": "x"}]',
            "tools.json: [1]: tool 'a' differs from the one in tools.json: [0]; leave one out",
        ),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError) as refused:
        lists.read_tools({"tools.json": text})
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize("shape", ["openai", "anthropic", "mcp"])
def test_a_written_list_reads_as_it_was(shape: str) -> None:
    chat = {"type": "function", "function": PLAIN}
    assert read(lists.write_tools([chat], shape)).tools == (TOOL,)
