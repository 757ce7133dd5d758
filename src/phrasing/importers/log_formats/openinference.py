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

from phrasing.importers.conversation import Conversation, Item, Lost, Skipped, one_turn
from phrasing.importers.log_values import as_list, as_object, objects_in, read_json, short_values
from phrasing.importers.messages.model_calls import further_messages, read_answered, read_any_messages
from phrasing.importers.messages.requests import declarations_of
from phrasing.importers.messages.sent import read_sent
from phrasing.importers.otel_spans import OtelSpan, spans, tree

TITLE = "OpenInference spans, as of Phoenix"

AROUND = "a span that is no call of a model (an agent, a chain, a tool, a retriever)"
NO_MESSAGES = "a call of a model without its messages"
_META = ("llm.model_name", "llm.provider", "llm.system", "agent.name")


def fits(record: JsonValue) -> bool:
    """Tell whether a record looks like this."""
    names = [name for span in spans(record) for name in span.attributes]
    return any(name.startswith(("llm.input_messages", "llm.output_messages", "openinference.")) for name in names)


def read(record: JsonValue) -> Iterator[Conversation | Skipped]:
    """Read a record: a conversation for each span that is a call of a model."""
    for span in spans(record):
        messages = _messages(tree(span.attributes, "llm.input_messages"))
        kind = str(span.attributes.get("openinference.span.kind", "LLM" if messages else "")).upper()
        if kind == "LLM" and messages:
            yield _conversation(span, messages)
        else:
            yield Skipped(NO_MESSAGES if kind == "LLM" else AROUND)


def _conversation(span: OtelSpan, messages: list[dict[str, Any]]) -> Conversation:
    answers = _messages(tree(span.attributes, "llm.output_messages"))
    system, items = read_any_messages(messages)
    items += _answer(span, answers) if answers else [Lost("the model's answer isn't in the span")]
    session = span.attributes.get("session.id")
    tools = [_inner(tool, "tool", "json_schema") for tool in as_list(tree(span.attributes, "llm.tools"))]
    return Conversation(
        items=tuple(items),
        id=session if isinstance(session, str) and session else span.trace,
        system=system,
        tools=declarations_of(tools),
        time=span.time,
        meta=short_values({name: span.attributes[name] for name in _META if name in span.attributes}),
        whole=False,
        sent=read_sent(messages),
    )


def _answer(span: OtelSpan, answers: list[dict[str, Any]]) -> list[Item]:
    """Read what was answered: several messages are choices, if so many were asked for, or else one answer in pieces."""
    asked = as_object(read_json(span.attributes.get("llm.invocation_parameters")))
    if len(answers) > 1 and (asked.get("n") or asked.get("candidate_count") or 1) != 1:
        return [*further_messages(answers), *read_answered({**answers[0], "role": "assistant"})]
    return one_turn(item for answer in answers for item in read_answered({**answer, "role": "assistant"}))


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
    if name := message.get("function_call_name"):
        made["function_call"] = {"name": name, "arguments": message.get("function_call_arguments_json")}
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
