"""Spans by OpenTelemetry's conventions for generative AI.

The attributes are those of https://opentelemetry.io/docs/specs/semconv/gen-ai/: ``gen_ai.input.messages``,
``gen_ai.output.messages`` (messages of ``parts``: ``text``, ``tool_call``, ``tool_call_response``, ``reasoning``),
``gen_ai.system_instructions``, ``gen_ai.tool.definitions``, ``gen_ai.conversation.id``; often JSON in a text. Two older ways are
read as well: an event a message (``gen_ai.user.message``, ``gen_ai.choice``), and flattened attributes
(``gen_ai.prompt.0.role``, ``gen_ai.completion.0.content``). A span with messages is a single call of a model; all others hold
no conversation.

``reasoning`` is left out: what a model thought before isn't shown to it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from phrasing.importers.conversation import Call, Conversation, Heard, Item, Lost, Result, Turn
from phrasing.importers.log_values import (
    as_list,
    join_texts,
    objects_in,
    read_arguments,
    read_json,
    read_output,
    short_values,
    text_or_none,
)
from phrasing.importers.messages.openai_chat import read_chat
from phrasing.importers.otel_spans import OtelSpan, spans, tree

TITLE = "OpenTelemetry spans by the GenAI conventions"

_META = ("gen_ai.request.model", "gen_ai.provider.name", "gen_ai.system", "gen_ai.agent.name", "gen_ai.operation.name")
_EVENTS = {"gen_ai.system.message": "system", "gen_ai.user.message": "user", "gen_ai.assistant.message": "assistant"} | {
    "gen_ai.tool.message": "tool",
    "gen_ai.choice": "assistant",
}


def fits(record: JsonValue) -> bool:
    """Tell whether a record looks like this."""
    return any(
        any(name.startswith("gen_ai.") for name in span.attributes) or any(name in _EVENTS for name, _ in span.events)
        for span in spans(record)
    )


def read(record: JsonValue) -> Iterator[Conversation]:
    """Read a record: a conversation for each span that holds messages."""
    for span in spans(record):
        found = _by_parts(span) or _by_events(span) or _flattened(span)
        if found is not None:
            yield _conversation(span, *found)


def _conversation(span: OtelSpan, system: str, items: list[Item], answered: bool) -> Conversation:
    if not answered:
        items = [*items, Lost("the model's answer isn't in the span")]
    keys = ("gen_ai.conversation.id", "session.id")
    name = next((span.attributes[key] for key in keys if key in span.attributes), None)
    return Conversation(
        items=tuple(items),
        id=name if isinstance(name, str) and name else span.trace,
        system=join_texts(*_instructions(span), system),
        tools=tuple(objects_in(read_json(tree(span.attributes, "gen_ai.tool.definitions")))),
        meta=short_values({name: span.attributes[name] for name in _META if name in span.attributes}),
        whole=False,
    )


def _instructions(span: OtelSpan) -> list[Any]:
    """Give the texts of the instructions: parts, or one text."""
    found = read_json(span.attributes.get("gen_ai.system_instructions"))
    return [_text(part) for part in found] if isinstance(found, list) else [found]


Found = tuple[str, list[Item], bool]
"""Instructions, what happened, and whether it ends with the model's answer."""


def _by_parts(span: OtelSpan) -> Found | None:
    """Read messages of parts."""
    asked = read_json(tree(span.attributes, "gen_ai.input.messages"))
    if not isinstance(asked, list):
        return None
    answers = read_json(tree(span.attributes, "gen_ai.output.messages"))
    answer = answers[0] if isinstance(answers, list) and answers and isinstance(answers[0], dict) else None
    system: list[str] = []
    items: list[Item] = []
    for message in [*asked, *([{**answer, "role": "assistant"}] if answer else [])]:
        if not isinstance(message, dict):
            items.append(Lost("a message that isn't an object"))
            continue
        parts = message.get("parts", message.get("content"))
        listed = parts if isinstance(parts, list) else [parts]
        if message.get("role") == "system":
            system += [text for part in listed if isinstance(text := _text(part), str)]
        else:
            items += _items(listed, agent=message.get("role") == "assistant")
    return "\n\n".join(system), items, answer is not None


def _items(parts: list[Any], *, agent: bool) -> Iterator[Item]:
    """Read the parts of a message: results in their order, the rest as one."""
    texts: list[str] = []
    calls: list[Call] = []
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else "text"
        text = _text(part)
        if kind == "text" and isinstance(text, str):
            texts.append(text)
        elif kind == "tool_call" and isinstance(part.get("name"), str) and part["name"]:
            calls.append(Call(part["name"], read_arguments(part.get("arguments")), text_or_none(part.get("id"))))
        elif kind == "tool_call_response":
            given = part.get("response", part.get("result"))
            yield Result(read_output(given), text_or_none(part.get("id")))
        elif kind == "reasoning":
            yield Lost("reasoning", harmless=True)
        elif part is not None:
            yield Lost("a part that isn't text (an image, audio, a file)")
    if agent:
        yield Turn(join_texts(*texts), tuple(calls))
    elif texts:
        yield Heard("\n".join(texts))


def _text(part: Any) -> Any:
    return part.get("content", part.get("text")) if isinstance(part, dict) else part


def _by_events(span: OtelSpan) -> Found | None:
    """Read an event a message."""
    messages = []
    for name, attributes in span.events:
        if name in _EVENTS:
            content = read_json(attributes.get("gen_ai.event.content") or tree(attributes, "message") or dict(attributes))
            held = content if isinstance(content, dict) else {"content": content}
            inner = held.get("message")
            messages.append(_message({**held, **(inner if isinstance(inner, dict) else {})}, _EVENTS[name]))
    if not messages:
        return None
    return *read_chat(messages), span.events[-1][0] == "gen_ai.choice"


def _flattened(span: OtelSpan) -> Found | None:
    """Read flattened attributes."""
    asked, answers = tree(span.attributes, "gen_ai.prompt"), tree(span.attributes, "gen_ai.completion")
    if not isinstance(asked, list):
        return None
    messages = [_message(one, one.get("role")) for one in objects_in(asked)]
    answer = [_message(one, "assistant") for one in objects_in(as_list(answers)[:1])]
    return *read_chat([*messages, *answer]), bool(answer)


def _message(held: dict[str, Any], role: Any) -> dict[str, Any]:
    """Write a message as OpenAI's API does."""
    made: dict[str, Any] = {"role": role, "content": _content(held.get("content"))}
    if calls := as_list(read_json(held.get("tool_calls"))):
        made["tool_calls"] = [{"id": call.get("id"), "function": call, **call} for call in objects_in(calls)]
    if role == "tool":
        made["tool_call_id"] = held.get("tool_call_id") or held.get("id")
    return made


def _content(content: Any) -> Any:
    """Read parts of a message out of a text; any other JSON is what somebody wrote."""
    found = read_json(content)
    return (
        found if isinstance(found, list) and found and all(isinstance(one, dict) and "type" in one for one in found) else content
    )
