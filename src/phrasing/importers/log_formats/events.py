"""Threads as events: what a dataset holds, and what agents log that keep their thread as a list of events.

A record is ``{"events": [{"type": …, "data": …}, …]}``, an object with such a ``thread``, or the list itself; ``role`` and
``call`` may stand in an event as in a dataset (``docs/datasets.md``) and are inferred by its rules where they don't. The event
types of 12-factor agents that say "a call" or "its result" instead of the tool's name, ``tool_call`` with an ``intent`` and
``tool_response`` (https://github.com/humanlayer/12-factor-agents), are read as the step and its result.

Each step becomes a turn. Labels of a dataset aren't read: a file that is a dataset already needs no import.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from phrasing.importers.conversation import Call, Conversation, Heard, Item, Lost, Result, Turn
from phrasing.importers.log_values import read_arguments, short_values
from phrasing.suite import dataset
from phrasing.types import EVENT_TYPE, LABELS, Role

TITLE = "events: a dataset's threads, or a list of objects with `type` and `data`"

_TYPE = re.compile(EVENT_TYPE)


def fits(record: JsonValue) -> bool:
    """Tell whether a record looks like this."""
    found = events_in(record)
    return bool(found) and all(isinstance(one, dict) and "type" in one and one.keys() <= _KEYS for one in found)


_KEYS = {"type", "data", "role", "call"}


def read(record: JsonValue) -> Iterator[Conversation]:
    """Read a record. Raises ``ValueError`` where it is another shape, or its roles contradict themselves."""
    holder = record if isinstance(record, dict) else {}
    if not holder.keys().isdisjoint(LABELS):
        raise ValueError("is a case with labels already")
    found = events_in(record)
    if not found:
        raise ValueError("has no events")
    yield Conversation(
        items=tuple(read_events(found)),
        id=next((str(holder[key]) for key in ("group", "id") if isinstance(holder.get(key), (str, int))), None),
        meta=short_values(holder, without=("id", "group", "thread", "events")),
    )


def events_in(record: JsonValue) -> list[Any]:
    """Find the events in a record."""
    if isinstance(record, dict):
        record = record.get("thread", record)
    if isinstance(record, dict):
        record = record.get("events")
    return record if isinstance(record, list) else []


def read_events(found: list[Any], steps: frozenset[str] = frozenset()) -> Iterator[Item]:
    """Read events, the agent's ``steps`` among them. Raises ``ValueError`` where their roles contradict themselves."""
    events = [_named(one) for one in found]
    known = [one for one in events if one is not None]
    inferred = iter(dataset.roles([(kind, role, call) for kind, _, role, call in known], steps))
    names: dict[str | None, str] = {}
    for one in events:
        if one is None:
            yield Lost("an event without a type that a dataset could hold")
            continue
        kind, data, _, _ = one
        role, call, _ = next(inferred)
        if role == "step":
            names[call] = kind
            yield Turn(calls=(Call(kind, read_arguments(data), call),))
        elif role == "result":
            named = kind in (f"{names[call]}_result", f"{names[call]}_response", "tool_response", "tool_result")
            yield Result(data if named else {kind: data}, call)
        else:
            yield Heard(data, kind)


def _named(event: Any) -> tuple[str, JsonValue, Role | None, str | None] | None:
    """Give an event's type, data, role and call; ``None`` where it is none."""
    if not isinstance(event, dict) or not isinstance(event.get("type"), str) or not _TYPE.fullmatch(event["type"]):
        return None
    kind, data, role, call = event["type"], event.get("data"), event.get("role"), event.get("call")
    if kind == "tool_call" and role is None and isinstance(data, dict) and isinstance(data.get("intent"), str):
        kind, data, role = data["intent"], {key: value for key, value in data.items() if key != "intent"}, "step"
    return kind, data, role if role in ("input", "step", "result") else None, call if isinstance(call, str) else None
