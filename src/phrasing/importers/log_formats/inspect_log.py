"""Logs of Inspect, the evaluation framework.

The shape is that of ``EvalLog`` and ``EvalSample``, log format version 2 (https://inspect.aisi.org.uk/eval-logs.html; the classes
are in ``inspect_ai/log/_log.py``). A record is a sample, as each stands in a file of a ``.eval`` archive, or a whole ``.json``
log; the other files of an archive are known and hold no conversation.

A sample's ``messages`` are the conversation: roles ``system``, ``user``, ``assistant`` and ``tool``, content a text or a list of
parts. A call names its ``function``, and its ``arguments`` are an object; where they couldn't be parsed, they are the
``parse_error``, which quotes them. A result with an ``error`` is the error's message, for that is what Inspect shows the model.
``attachment://`` stands for a text that ``attachments`` holds.

An assistant's message of source ``input`` was part of the task, so it is history and no decision. Reasoning is left out: whether
later turns are shown it depends on the provider. Tools are those of the model events that gave these messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from phrasing.importers.conversation import Call, Conversation, Heard, Item, Lost, Result, ToolDeclaration, Turn
from phrasing.importers.log_values import (
    as_list,
    as_object,
    join_texts,
    objects_in,
    read_arguments,
    read_output,
    short_values,
    text_or_none,
)
from phrasing.importers.messages.openai_chat import SAID_NOTHING, text_of
from phrasing.types import digest

TITLE = "Inspect logs: .eval, .json, or samples"

_REFERENCE = re.compile(r"(?:attachment|tc)://([0-9a-f]{32})")  # tc:// is what it was called at first


def fits(record: JsonValue) -> bool:
    """Tell whether a record looks like this."""
    if not isinstance(record, dict):
        return False
    spec, samples = record.get("eval"), record.get("samples")
    if isinstance(spec, dict):
        return "task" in spec and "model" in spec  # a log, or its header
    if "scorer" in record and isinstance(samples, list):
        return all(isinstance(one, dict) and "value" in one for one in samples)  # scores over epochs, in an archive
    return {"id", "epoch", "input", "target"} <= record.keys()  # a sample, or its summary


def read(record: JsonValue) -> Iterator[Conversation]:
    """Read a record. Raises ``ValueError`` where it is another shape."""
    if not isinstance(record, dict) or not (fits(record) or "messages" in record):
        raise ValueError("is neither a log of Inspect nor a sample of one")
    spec, samples = record.get("eval"), record.get("samples")
    if isinstance(spec, dict):
        for sample in as_list(samples):
            yield _conversation(as_object(sample), spec)
    elif "messages" in record:
        yield _conversation(record, {})


def _conversation(sample: dict[str, Any], spec: dict[str, Any]) -> Conversation:
    texts = as_object(sample.get("attachments"))
    messages = _resolved(sample.get("messages"), texts)
    if not isinstance(messages, list) or not messages:
        return Conversation((Lost("a sample without messages"),), _name(sample, spec), meta=_meta(sample, spec))
    system: list[str] = []
    items: list[Item] = []
    for message in messages:
        if not isinstance(message, dict):
            items.append(Lost("a message that isn't an object"))
        elif message.get("role") == "system" and all(isinstance(item, Lost) for item in items):
            text, lost = _text(message)
            system.append(text)
            items += lost
        else:
            items += _items(message)
    ids = {message["id"] for message in messages if isinstance(message, dict) and isinstance(message.get("id"), str)}
    return Conversation(
        items=tuple(items),
        id=_name(sample, spec),
        system=join_texts(*system),
        tools=_tools(sample, texts, ids),
        meta=_meta(sample, spec),
    )


def _items(message: dict[str, Any]) -> Iterator[Item]:
    role = message.get("role")
    text, lost = _text(message)
    yield from lost
    if role == "assistant":
        calls = []
        for one in objects_in(message.get("tool_calls")):
            name = text_or_none(one.get("function"))
            if name is None:
                yield Lost("a tool call without a name")
                continue
            given = text_or_none(one.get("parse_error")) or read_arguments(one.get("arguments"))
            calls.append(Call(name, given, text_or_none(one.get("id"))))
        yield Turn(text, tuple(calls), given=message.get("source") == "input")
    elif role == "tool":
        error = as_object(message.get("error"))
        call, name = text_or_none(message.get("tool_call_id")), text_or_none(message.get("function"))
        yield Result(error.get("message", text) if error else read_output(text), call, name, error=bool(error))
    elif role in ("user", "system"):
        yield Heard(text, f"{role}_message") if text or lost or role == "system" else Lost(SAID_NOTHING)
    else:
        yield Lost("a message of another role than system, user, assistant and tool")


def _text(message: dict[str, Any]) -> tuple[str, list[Lost]]:
    """Read a message's content: its text, and what of it can't be shown."""
    content = message.get("content")
    parts: list[Any] = content if isinstance(content, list) else [content]
    lost, shown = [], []
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "reasoning":
            lost.append(Lost("reasoning", harmless=True))
        elif kind == "tool_use":
            lost.append(Lost("a call of one of the provider's own tools, or what it gave back"))
        else:
            shown.append(part)
    text, unread = text_of(shown if isinstance(content, list) else content)
    if any(_REFERENCE.fullmatch(line) for line in text.splitlines()):
        lost.append(Lost("a text that the log refers to and doesn't hold"))
    return text, [*lost, *map(Lost, unread)]


def _resolved(value: Any, texts: dict[str, Any]) -> Any:
    """Put texts in the places of what refers to them."""
    if isinstance(value, str):
        found = _REFERENCE.fullmatch(value)
        text = texts.get(found[1]) if found else None
        return text if isinstance(text, str) else value
    if isinstance(value, list):
        return [_resolved(inner, texts) for inner in value]
    if isinstance(value, dict):
        return {key: _resolved(inner, texts) for key, inner in value.items()}
    return value


def _tools(sample: dict[str, Any], texts: dict[str, Any], ids: set[str]) -> tuple[ToolDeclaration, ...]:
    """Find what the model was offered when it wrote these messages; logs without ids don't say which calls these were."""
    asked = [event for event in objects_in(sample.get("events")) if event.get("event") == "model"]
    ours = [event for event in asked if _answer(event) in ids] or asked
    tools: dict[str, ToolDeclaration] = {}
    for event in ours:
        for tool in objects_in(event.get("tools")):
            if name := text_or_none(tool.get("name")):
                kept = {key: tool[key] for key in ("name", "description", "parameters") if key in tool}
                tools.setdefault(name, _resolved(kept, texts))
    return tuple(tools.values())


def _answer(event: dict[str, Any]) -> str | None:
    """Give the id of the message that a model gave."""
    choices = objects_in(as_object(event.get("output")).get("choices"))
    return text_or_none(as_object(choices[0].get("message")).get("id")) if choices else None


def _name(sample: dict[str, Any], spec: dict[str, Any]) -> str | None:
    """Name a conversation by its sample: what runs of one sample have in common, whichever the epoch and the model."""
    name = sample.get("id")
    if not isinstance(name, (str, int)) or isinstance(name, bool) or name == "":
        return None
    if task := text_or_none(spec.get("task")):
        return f"{task}-{name}"
    # a sample doesn't say whose it is, and the first of every task is 1
    asked = sample.get("input")
    if isinstance(asked, list):
        asked = [one.get("content") if isinstance(one, dict) else one for one in asked]
    return f"{name}-{digest(asked)[:6]}" if isinstance(name, int) else name


def _meta(sample: dict[str, Any], spec: dict[str, Any]) -> dict[str, JsonValue]:
    model = spec.get("model") or as_object(sample.get("output")).get("model")
    known = {"task": spec.get("task"), "model": model, "limit": as_object(sample.get("limit")).get("type")}
    meta = short_values({key: sample.get(key) for key in ("epoch", "target", "metadata")} | known)
    meta["error"] = bool(sample.get("error"))
    scores = as_object(sample.get("scores")) or {"": sample.get("score")}  # the first logs had one score, without a name
    for name, score in scores.items():
        if isinstance(score, dict):
            meta |= short_values({f"score.{name}" if name else "score": score.get("value")})
    return meta
