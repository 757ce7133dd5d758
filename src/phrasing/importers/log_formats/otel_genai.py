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

from phrasing.importers.conversation import Conversation, Item, Lost, Sent, Skipped
from phrasing.importers.log_values import as_list, as_object, join_texts, objects_in, read_json, short_values
from phrasing.importers.messages.model_calls import further_messages, read_answered, read_any_messages
from phrasing.importers.messages.openai_chat import read_chat
from phrasing.importers.messages.requests import declarations_of
from phrasing.importers.messages.sent import read_sent
from phrasing.importers.otel_spans import OtelSpan, spans, tree

TITLE = "OpenTelemetry spans by the GenAI conventions"

_META = ("gen_ai.request.model", "gen_ai.provider.name", "gen_ai.system", "gen_ai.agent.name", "gen_ai.operation.name")
_AROUND = ("invoke_agent", "create_agent", "execute_tool", "invoke_workflow", "embeddings", "retrieval")
AROUND = "a span that is no call of a model (an agent, a tool, a step of an SDK)"
NO_MESSAGES = "a call of a model without its messages"
_EVENTS = {"gen_ai.system.message": "system", "gen_ai.user.message": "user", "gen_ai.assistant.message": "assistant"} | {
    "gen_ai.tool.message": "tool",
    "gen_ai.choice": "assistant",
}


def fits(record: JsonValue) -> bool:
    """Tell whether a record looks like this."""
    return any(
        any(name.startswith(("gen_ai.", "ai.prompt", "ai.operationId")) for name in span.attributes)
        or any(name in _EVENTS for name, _ in span.events)
        for span in spans(record)
    )


def read(record: JsonValue) -> Iterator[Conversation | Skipped]:
    """Read a record: a conversation for each span that is a call of a model and holds messages."""
    for span in spans(record):
        if _is_around(span):
            yield Skipped(AROUND)
            continue
        found = _by_parts(span) or _by_sdk(span) or _by_events(span) or _flattened(span)
        yield _conversation(span, *found) if found is not None else Skipped(NO_MESSAGES if _is_call(span) else AROUND)


def _is_call(span: OtelSpan) -> bool:
    return any(name.startswith(("gen_ai.request.", "gen_ai.usage.", "llm.")) for name in span.attributes)


def _is_around(span: OtelSpan) -> bool:
    """Tell whether a span holds calls of a model, or of a tool: what it says isn't what one call was asked and answered."""
    operation = span.attributes.get("gen_ai.operation.name")
    sdk = span.attributes.get("ai.operationId")
    kind = span.attributes.get("traceloop.span.kind")
    around = isinstance(operation, str) and operation in _AROUND
    return around or (isinstance(sdk, str) and ".do" not in sdk) or kind in ("workflow", "task", "agent", "tool")


def _conversation(span: OtelSpan, system: str, items: list[Item], answered: bool) -> Conversation:
    if not answered:
        items = [*items, Lost("the model's answer isn't in the span")]
    keys = ("gen_ai.conversation.id", "session.id")
    name = next((span.attributes[key] for key in keys if key in span.attributes), None)
    return Conversation(
        items=tuple(items),
        id=name if isinstance(name, str) and name else span.trace,
        system=join_texts(*_instructions(span), system),
        tools=next(filter(None, map(declarations_of, _offered(span))), ()),
        meta=short_values({name: span.attributes[name] for name in _META if name in span.attributes}),
        whole=False,
        time=span.time,
        sent=_sent(span),
    )


def _offered(span: OtelSpan) -> Iterator[Any]:
    """Give where tools may be declared: by the conventions, by pydantic-ai, by the AI SDK."""
    yield tree(span.attributes, "gen_ai.tool.definitions")
    settings = as_object(read_json(tree(span.attributes, "model_request_parameters")))
    yield [*as_list(settings.get("function_tools")), *as_list(settings.get("output_tools"))]
    yield span.attributes.get("ai.prompt.tools")


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
    answers = objects_in(read_json(tree(span.attributes, "gen_ai.output.messages")))
    system, items = read_any_messages(asked)
    if answers:
        items += [*further_messages(answers), *read_answered({**answers[0], "role": "assistant"})]
    return system, items, bool(answers)


def _by_sdk(span: OtelSpan) -> Found | None:
    """Read what Vercel's AI SDK writes: messages, and the text and the calls of the answer by themselves."""
    asked = read_json(span.attributes.get("ai.prompt.messages"))
    if not isinstance(asked, list):
        return None
    system, items = read_any_messages(asked)
    text, calls = span.attributes.get("ai.response.text"), read_json(span.attributes.get("ai.response.toolCalls"))
    if text is None and calls is None:
        return system, items, False
    return system, [*items, *read_answered({"role": "assistant", "content": text, "toolCalls": calls})], True


def _sent(span: OtelSpan) -> Sent | str:
    """Give the request, of which a span says neither all that was sent nor, by the conventions, that this was all."""
    asked = read_json(tree(span.attributes, "gen_ai.input.messages")) or read_json(span.attributes.get("ai.prompt.messages"))
    if not isinstance(asked, list):
        flat = objects_in(tree(span.attributes, "gen_ai.prompt"))
        asked = [message for name, message in _told(span) if name != "gen_ai.choice"]
        asked = asked or [_message(one, one.get("role")) for one in flat]
    first = [{"role": "system", "content": text} for text in _instructions(span) if text]
    tools = read_json(tree(span.attributes, "gen_ai.tool.definitions"))
    return read_sent([*first, *asked], beside={"tools": tools} if tools else {})


def _text(part: Any) -> Any:
    return part.get("content", part.get("text")) if isinstance(part, dict) else part


def _by_events(span: OtelSpan) -> Found | None:
    """Read an event a message."""
    messages = [message for _, message in _told(span)]
    return (*read_chat(messages), span.events[-1][0] == "gen_ai.choice") if messages else None


def _told(span: OtelSpan) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the messages that stand in events, each with the name of its event."""
    for name, attributes in span.events:
        if name in _EVENTS:
            content = read_json(attributes.get("gen_ai.event.content") or tree(attributes, "message") or dict(attributes))
            held = content if isinstance(content, dict) else {"content": content}
            inner = held.get("message")
            yield name, _message({**held, **(inner if isinstance(inner, dict) else {})}, _EVENTS[name])


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
