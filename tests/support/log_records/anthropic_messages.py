from __future__ import annotations

from typing import Any

TOOL = {"name": "find", "description": "Find it.", "input_schema": {"type": "object", "properties": {"id": {"type": "integer"}}}}


def use(name: str, given: dict[str, Any], call: str = "toolu_1") -> dict[str, Any]:
    return {"type": "tool_use", "id": call, "name": name, "input": given}


def result(content: Any, call: str = "toolu_1", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call, "content": content, **more}


REQUEST: dict[str, Any] = {
    "model": "claude-x",
    "max_tokens": 100,
    "system": [{"type": "text", "text": "You help."}],
    "tools": [TOOL],
    "messages": [
        {"role": "user", "content": "where is it?"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, use("find", {"id": 7})]},
        {"role": "user", "content": [result('{"at": "home"}'), {"type": "text", "text": "and quick"}]},
    ],
}
RESPONSE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "content": [{"type": "text", "text": "Looking again."}, use("find", {"id": 8}, "toolu_2"), use("find", {"id": 9}, "toolu_3")],
    "stop_reason": "tool_use",
}
RECORDS: list[Any] = [
    REQUEST,
    REQUEST["messages"],
    {"request": REQUEST, "response": RESPONSE, "conversation_id": "c"},
    {**REQUEST, "response": RESPONSE},
]
