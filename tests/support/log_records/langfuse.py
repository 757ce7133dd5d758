from __future__ import annotations

import json
from typing import Any

TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}
PAST: list[dict[str, Any]] = [
    {"role": "system", "content": "You help."},
    {"role": "user", "content": "where is it?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"id": 7}'}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": '{"at": "home"}'},
]
ANSWER = {"role": "assistant", "content": "At home."}
API: dict[str, Any] = {
    "id": "obs-1",
    "traceId": "trace-1",
    "sessionId": "talk 1",
    "userId": "user-ada",
    "type": "GENERATION",
    "name": "answer",
    "level": "DEFAULT",
    "statusMessage": "",
    "environment": "production",
    "parentObservationId": None,
    "startTime": "2026-03-01T10:00:00.000Z",
    "input": json.dumps({"messages": PAST, "tools": [TOOL]}),
    "output": json.dumps(ANSWER),
    "metadata": {"route": "where", "deep": {"er": {"still": 1}}},
    "providedModelName": "big",
    "modelParameters": {"temperature": 0.2},
    "promptName": "",
    "latency": 0.5,
    "tags": ["shop"],
}
EXPORTED: dict[str, Any] = {
    "id": "obs-1",
    "trace_id": "trace-1",
    "session_id": "talk 1",
    "user_id": "user-ada",
    "type": "GENERATION",
    "name": "answer",
    "level": "DEFAULT",
    "environment": "production",
    "parent_observation_id": "",
    "input": json.dumps(PAST),
    "output": json.dumps([ANSWER]),
    "metadata": {"route": "where"},
    "provided_model_name": "big",
    "latency": 0.5,
    "tool_definitions": {"find": json.dumps({"description": "", "parameters": {"type": "object"}})},
    "tags": ["shop"],
}
LANGCHAIN: dict[str, Any] = {
    **API,
    "input": [
        *PAST[:2],
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"name": "find", "args": {"id": 7}, "id": "c1", "type": "tool_call"}],
        },
        PAST[3],
        {"role": "tool", "content": TOOL},
    ],
    "output": {**ANSWER, "additional_kwargs": {"refusal": None}},
}
ANTHROPIC: dict[str, Any] = {
    **API,
    "input": {
        "system": "You help.",
        "tools": [TOOL],
        "messages": [
            PAST[1],
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "find", "input": {"id": 7}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": '{"at": "home"}'}]},
        ],
    },
    "output": {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "At home."}]},
}
RESPONSES: dict[str, Any] = {
    **API,
    "input": {
        "instructions": "You help.",
        "tools": [TOOL],
        "input": [
            PAST[1],
            {"type": "function_call", "call_id": "c1", "name": "find", "arguments": '{"id": 7}'},
            {"type": "function_call_output", "call_id": "c1", "output": '{"at": "home"}'},
        ],
    },
    "output": {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "At home."}]},
}
SPAN = {"id": "obs-0", "traceId": "trace-1", "type": "SPAN", "name": "turn", "input": "where is it?", "output": "At home."}
TRACE: dict[str, Any] = {
    "id": "trace-1",
    "timestamp": "2026-03-01T10:00:00.000Z",
    "sessionId": "talk 1",
    "tags": ["shop"],
    "observations": [SPAN, {key: value for key, value in API.items() if key not in ("sessionId", "tags")}],
    "scores": [
        {"id": "s1", "traceId": "trace-1", "observationId": None, "name": "right", "value": 1, "dataType": "NUMERIC"},
        {"id": "s2", "observationId": "obs-1", "name": "tone", "value": 0, "stringValue": "kind", "dataType": "CATEGORICAL"},
        {"id": "s3", "observationId": "obs-9", "name": "other", "value": 1, "dataType": "NUMERIC"},
    ],
}
SAME: list[dict[str, Any]] = [API, EXPORTED, LANGCHAIN, ANTHROPIC, RESPONSES, TRACE, {"data": [API], "meta": {"cursor": None}}]
RECORDS: list[Any] = [*SAME, SPAN]
