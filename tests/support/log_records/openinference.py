from __future__ import annotations

import json
from typing import Any

from support.log_records.otel_genai import otlp

TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}
FLAT: dict[str, Any] = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "m",
    "session.id": "talk 1",
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": "You help.",
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.contents.0.message_content.type": "text",
    "llm.input_messages.1.message.contents.0.message_content.text": "where is it?",
    "llm.input_messages.2.message.role": "assistant",
    "llm.input_messages.2.message.tool_calls.0.tool_call.id": "c1",
    "llm.input_messages.2.message.tool_calls.0.tool_call.function.name": "find",
    "llm.input_messages.2.message.tool_calls.0.tool_call.function.arguments": '{"id": 7}',
    "llm.input_messages.3.message.role": "tool",
    "llm.input_messages.3.message.tool_call_id": "c1",
    "llm.input_messages.3.message.content": '{"at": "home"}',
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "At home.",
    "llm.tools.0.tool.json_schema": json.dumps(TOOL),
}
MESSAGES: list[dict[str, Any]] = [
    {"message.role": "system", "message.content": "You help."},
    {"message.role": "user", "message.content": "where is it?"},
    {
        "message": {
            "role": "assistant",
            "tool_calls": [{"tool_call": {"id": "c1", "function": {"name": "find", "arguments": {"id": 7}}}}],
        }
    },
    {"message": {"role": "tool", "tool_call_id": "c1", "content": '{"at": "home"}'}},
]
ANSWER = [{"message": {"role": "assistant", "content": "At home."}}]
NESTED: dict[str, Any] = {
    "name": "ChatCompletion",
    "context": {"trace_id": "5b8e"},
    "attributes": {
        "openinference": {"span": {"kind": "LLM"}},
        "llm": {"input_messages": MESSAGES, "output_messages": ANSWER, "tools": [{"tool": {"json_schema": json.dumps(TOOL)}}]},
        "session": {"id": "talk 1"},
    },
}
ROW = {
    "name": "ChatCompletion",
    "context.trace_id": "5b8e",
    "attributes.openinference.span.kind": "LLM",
    "attributes.llm.input_messages": MESSAGES,
    "attributes.llm.output_messages": ANSWER,
    "attributes.llm.tools": [{"tool.json_schema": json.dumps(TOOL)}],
    "attributes.session.id": "talk 1",
}
RECORDS: list[Any] = [{"name": "ChatCompletion", "attributes": FLAT}, NESTED, ROW, otlp(FLAT)]
