from __future__ import annotations

from typing import Any

TOOL = {"type": "function", "name": "find", "parameters": {"type": "object", "properties": {"id": {"type": "integer"}}}}


def use(arguments: str, call: str = "c1") -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": f"fc_{call}",
        "call_id": call,
        "name": "find",
        "arguments": arguments,
        "status": "completed",
    }


def output(value: Any, call: str = "c1") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call, "output": value}


def message(text: str, role: str = "assistant") -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
ITEMS = [{"role": "user", "content": "where is it?"}, THOUGHT, use('{"id": 7}'), output('{"at": "home"}')]
REQUEST: dict[str, Any] = {"model": "gpt-x", "instructions": "You help.", "input": ITEMS, "tools": [TOOL]}
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "instructions": "You help.",
    "tools": [TOOL],
    "previous_response_id": None,
    "output": [THOUGHT, message("Looking again."), use('{"id": 8}', "c2"), use('{"id": 9}', "c3")],
    "metadata": {"good": True},
}
RECORDS: list[Any] = [
    [*ITEMS, message("At home.")],
    {**REQUEST, "input": [*ITEMS, message("At home.")]},
    {"request": REQUEST, "response": RESPONSE},
    {**REQUEST, "response": RESPONSE},
    {**RESPONSE, "input": ITEMS},
    {"custom_id": "r1", "body": REQUEST, "response": {"status_code": 200, "body": RESPONSE}, "error": None},
]
