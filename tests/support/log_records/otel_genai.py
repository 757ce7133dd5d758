from __future__ import annotations

import json
from typing import Any

ASKED: list[dict[str, Any]] = [
    {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
    {"role": "user", "parts": [{"type": "text", "content": "where is it?"}]},
    {
        "role": "assistant",
        "parts": [
            {"type": "reasoning", "content": "hm"},
            {"type": "tool_call", "id": "c1", "name": "find", "arguments": {"id": 7}},
        ],
    },
    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": '{"at": "home"}'}]},
]
ANSWER = [{"role": "assistant", "parts": [{"type": "text", "content": "At home."}], "finish_reason": "stop"}]
TOOLS = [{"type": "function", "name": "find", "parameters": {"type": "object"}}]
ATTRIBUTES: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "m",
    "gen_ai.conversation.id": "conv-1",
    "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "You help."}]),
    "gen_ai.input.messages": json.dumps(ASKED),
    "gen_ai.output.messages": json.dumps(ANSWER),
    "gen_ai.tool.definitions": json.dumps(TOOLS),
}


def otlp(attributes: dict[str, Any]) -> dict[str, Any]:
    """Write a span as OTLP's JSON does, beside one of an HTTP request."""
    keys = [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
    http = {"traceId": "5b8e", "name": "GET", "attributes": [{"key": "http.status_code", "value": {"intValue": "200"}}]}
    return {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "5b8e", "name": "chat m", "attributes": keys}, http]}]}]}


CALL = [{"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"id": 7}'}}]
EVENTS: dict[str, Any] = {
    "name": "chat",
    "context": {"trace_id": "0x5b8e"},
    "attributes": {"gen_ai.system": "openai"},
    "events": [
        {"name": "gen_ai.system.message", "attributes": {"content": "You help."}},
        {"name": "gen_ai.user.message", "attributes": {"content": "where is it?"}},
        {"name": "gen_ai.assistant.message", "attributes": {"tool_calls": json.dumps(CALL)}},
        {"name": "gen_ai.tool.message", "attributes": {"id": "c1", "content": '{"at": "home"}'}},
        {
            "name": "gen_ai.choice",
            "attributes": {"index": 0, "message": json.dumps({"role": "assistant", "content": "At home."})},
        },
    ],
}
FLAT: dict[str, Any] = {
    "trace_id": "5b8e",
    "attributes": {
        "gen_ai.prompt.0.role": "system",
        "gen_ai.prompt.0.content": "You help.",
        "gen_ai.prompt.1.role": "user",
        "gen_ai.prompt.1.content": "where is it?",
        "gen_ai.prompt.2.role": "assistant",
        "gen_ai.prompt.2.tool_calls.0.id": "c1",
        "gen_ai.prompt.2.tool_calls.0.name": "find",
        "gen_ai.prompt.2.tool_calls.0.arguments": '{"id": 7}',
        "gen_ai.prompt.3.role": "tool",
        "gen_ai.prompt.3.tool_call_id": "c1",
        "gen_ai.prompt.3.content": '{"at": "home"}',
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "At home.",
    },
}
RECORDS: list[Any] = [otlp(ATTRIBUTES), {"name": "chat", "trace_id": "5b8e", "attributes": ATTRIBUTES}, EVENTS, FLAT]
