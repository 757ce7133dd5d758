"""Spans by OpenInference's conventions, as Phoenix and its instrumentations write them.

The attributes are those of https://github.com/Arize-ai/openinference/blob/main/spec/semantic_conventions.md, flattened
(``llm.input_messages.0.message.role``) or nested: ``llm.input_messages``, ``llm.output_messages``, ``llm.tools``,
``session.id``. Spans of the kind LLM are single calls of a model; all others hold no conversation. ``spans`` says in what records
they come.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from phrasing.importers.conversation import Conversation, Lost
from phrasing.importers.log_values import as_list, objects_in, read_json, short_values
from phrasing.importers.messages.openai_chat import read_chat
from phrasing.importers.otel_spans import OtelSpan, spans, tree

TITLE = "OpenInference spans, as of Phoenix"

_META = ("llm.model_name", "llm.provider", "llm.system", "agent.name", "user.id")


def fits(record: JsonValue) -> bool:
    """Tell whether a record looks like this."""
    names = [name for span in spans(record) for name in span.attributes]
    return any(name.startswith(("llm.input_messages", "llm.output_messages", "openinference.")) for name in names)


def read(record: JsonValue) -> Iterator[Conversation]:
    """Read a record: a conversation for each span that is a call of a model."""
    for span in spans(record):
        messages = _messages(tree(span.attributes, "llm.input_messages"))
        if messages:
            yield _conversation(span, messages)


def _conversation(span: OtelSpan, messages: list[dict[str, Any]]) -> Conversation:
    answers = _messages(tree(span.attributes, "llm.output_messages"))[:1]
    system, items = read_chat([*messages, *({**answer, "role": "assistant"} for answer in answers)])
    if not answers:
        items.append(Lost("the model's answer isn't in the span"))
    session = span.attributes.get("session.id")
    tools = [_inner(tool, "tool", "json_schema") for tool in as_list(tree(span.attributes, "llm.tools"))]
    return Conversation(
        items=tuple(items),
        id=session if isinstance(session, str) and session else span.trace,
        system=system,
        tools=tuple(objects_in([read_json(tool) for tool in tools])),
        meta=short_values({name: span.attributes[name] for name in _META if name in span.attributes}),
        whole=False,
    )


def _messages(listed: Any) -> list[dict[str, Any]]:
    """Write messages as the API that they come from does."""
    return [_message(_inner(one, "message")) for one in objects_in(read_json(listed))]


def _message(message: Any) -> dict[str, Any]:
    if not isinstance(message, dict):
        return {"role": None}
    made = {key: message.get(key) for key in ("role", "content", "tool_call_id", "name") if message.get(key) is not None}
    contents = message.get("contents")
    if isinstance(contents, list) and "content" not in made:
        made["content"] = [_inner(part, "message_content") for part in contents]
    calls = message.get("tool_calls")
    if isinstance(calls, list) and calls:
        made["tool_calls"] = [_inner(call, "tool_call") for call in calls]
    return {**made, "role": made.get("role")}


def _inner(value: Any, *names: str) -> Any:
    """Take what stands under names, one in the other, as far as they are there."""
    for name in names:
        found = tree(value, name) if isinstance(value, dict) else None
        value = value if found is None else found
    return value
