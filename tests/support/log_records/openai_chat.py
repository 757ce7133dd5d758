from __future__ import annotations

import json
from typing import Any


def call(name: str, arguments: str, call: str = "c1") -> dict[str, Any]:
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": call, "type": "function", "function": {"name": name, "arguments": arguments}}],
    }


CHAT: dict[str, Any] = {
    "id": "Order 7/b",
    "reward": 1,
    "messages": [
        {"role": "system", "content": "You help."},
        {"role": "user", "content": "where is it?"},
        call("find", '{"id": 7}'),
        {"role": "tool", "tool_call_id": "c1", "content": '{"at": "home"}'},
        {"role": "assistant", "content": "At home."},
    ],
}


TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {"id": {}}}}}
ASKED, FOUND = {"role": "user", "content": "where is it?"}, {"role": "tool", "tool_call_id": "c1", "content": '{"at": "home"}'}
SAID = {"role": "assistant", "content": "At home."}
REQUEST: dict[str, Any] = {"model": "gpt-x", "messages": [ASKED, call("find", '{"id": 7}'), FOUND], "tools": [TOOL]}
COMPLETION: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "choices": [{"index": 0, "finish_reason": "stop", "message": SAID}],
}
SHAREGPT: dict[str, Any] = {
    "conversations": [
        {"from": "human", "value": "where is it?"},
        {"from": "function_call", "value": '{"name": "find", "arguments": {"id": 7}}'},
        {"from": "observation", "value": '{"at": "home"}'},
        {"from": "gpt", "value": "At home."},
    ],
    "system": "You help.",
    "tools": json.dumps([TOOL["function"]]),
}
RECORDS: list[Any] = [
    CHAT,
    CHAT["messages"],
    {"task_id": 3, "reward": 1.0, "info": {"task": "x"}, "traj": CHAT["messages"], "trial": 0},
    {**REQUEST, "response": COMPLETION},
    {**REQUEST, "choices": COMPLETION["choices"]},
    {**REQUEST, "response": SAID},
    {**REQUEST, "response": "At home."},
    {"request": REQUEST, "response": COMPLETION},
    {"custom_id": "r1", "method": "POST", "body": REQUEST, "response": {"status_code": 200, "body": COMPLETION}, "error": None},
    {"messages": [*REQUEST["messages"], SAID], "tools": [TOOL], "parallel_tool_calls": False},
    SHAREGPT,
]
