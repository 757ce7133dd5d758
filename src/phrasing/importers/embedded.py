"""Threads that stand in a request: as a trace or a list of events in one text, or as messages. Each event in all ways in which
what stands there can be read.

Text can't say everything: what a user said may look like JSON, a result without data may be one that was empty. So an event has
several ``ways``, the likeliest first, and who knows the format finds out which of them it would write so. A body that is data is
never taken for a text that looks so, unless somebody said it: a format that writes texts as they are would write any such text
the same, whatever it makes of data.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from pydantic import JsonValue

from phrasing.importers.baml.thread_text import read_body, read_yaml_thread
from phrasing.importers.cases import Said, cut
from phrasing.importers.conversation import Conversation
from phrasing.importers.log_formats import events
from phrasing.importers.log_values import read_arguments, read_output
from phrasing.importers.messages.model_calls import read_any_messages
from phrasing.suite import dataset
from phrasing.types import EVENT_TYPE

Events = tuple[dict[str, Any], ...]
"""Events as a dataset holds them, whose role and call may be left out."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Where something stands, and the events that it may be. ``start`` counts characters of a text, or messages, from 0."""

    start: int
    ways: tuple[Events, ...]


_SPOKEN = ("user_message", "user_input", "human_response")
_T = EVENT_TYPE.strip("^$")
_CALL = r"(?: call=\"[^\"\n]*\")?"
_TRACES = (
    re.compile(rf"<(?P<kind>{_T}){_CALL}>(?P<body>.*?)</(?P=kind)>(?=\s*(?:<|\Z)|[ \t]*\n)", re.DOTALL),
    re.compile(rf"<event type=\"(?P<kind>{_T})\"{_CALL}>(?P<body>.*?)</event>(?=\s*(?:<|\Z)|[ \t]*\n)", re.DOTALL),
    re.compile(rf"\[(?P<kind>{_T}){_CALL}\](?P<body>.*?)\[/(?P=kind)\](?=\s*(?:\[|\Z)|[ \t]*\n)", re.DOTALL),
)
_HEADINGS = re.compile(rf"^## (?P<kind>{_T}){_CALL}$(?P<body>.*?)(?=^## {_T}{_CALL}$|\Z)", re.DOTALL | re.MULTILINE)
_LIST = re.compile(r"(?:\[\s*)?\{\s*\"(?:type|events|thread)\"")
_ITEMS = re.compile(r"^- type: .*(?:\n(?:- |  ).*|\n(?=\n*  ))*", re.MULTILINE)
_TOON = re.compile(r"\[\d+\](?:\{[^\n]*\})?:")
_MOST_TRIES = 50
"""Places in a text at which a list of events may be looked for in vain."""


def find_thread(text: str) -> tuple[int, int] | None:
    """Find where a thread stands in a text, from and to which character: the longest run of events."""
    runs = [*_runs(text), *_lists(text), *(found.span() for found in _ITEMS.finditer(text))]
    return max(runs, key=lambda run: run[1] - run[0], default=None)


def _runs(text: str) -> Iterator[tuple[int, int]]:
    """Give the runs of events in tags, with nothing but white space between them."""
    for trace in _TRACES:
        begin = end = -1
        for found in trace.finditer(text):
            if end < 0 or text[end : found.start()].strip():
                if end >= 0:
                    yield begin, end
                begin = found.start()
            end = found.end()
        if end >= 0:
            yield begin, end


def _lists(text: str) -> Iterator[tuple[int, int]]:
    at = tries = 0
    while tries < _MOST_TRIES and (begin := _LIST.search(text, at)):
        try:
            value, at = dataset.DECODER.raw_decode(text, begin.start())
        except (ValueError, RecursionError):
            at, tries = begin.end(), tries + 1
            continue
        if events.fits(value):
            yield begin.start(), at


# ---------------------------------------------------------------------------------------------- a text


def read_text(text: str) -> list[Slot]:
    """Take a text apart that is wholly a thread; nothing where it isn't, or is written in a way that isn't known here."""
    for value in (_parsed(text), read_yaml_thread(text.removesuffix("\n...")), _toon(text)):
        if events.fits(value):
            return [Slot(0, (_plain(one),)) for one in events.events_in(value)]
    for trace in (*_TRACES, _HEADINGS):
        found = list(trace.finditer(text))
        if found and not trace.sub("", text).strip() and not (trace is _HEADINGS and any(map(_has_bullets, found))):
            indent = min((_indent(one["body"]) for one in found if one["body"].strip()), default=0)
            return [Slot(one.start(), tuple(_ways(one["kind"], one["body"], indent))) for one in found]
    return []


def _parsed(text: str) -> JsonValue:
    try:
        value: JsonValue = dataset.parse(text)
    except (ValueError, RecursionError):
        return None
    return value


def _toon(text: str) -> JsonValue:
    """Read TOON, where the notation's own package is there."""
    if not _TOON.match(text):
        return None
    try:
        value: JsonValue = import_module("toon_format").loads(text.removesuffix("\n#"))
    except (ImportError, ValueError, RecursionError):
        return None
    return value


def _has_bullets(event: re.Match[str]) -> bool:
    """Tell whether the body is a list that isn't read here: as text it would be what any format of headings writes."""
    value = read_body(event["kind"], event["body"])
    return isinstance(value, str) and value.lstrip().startswith("- ")


def _plain(event: Any) -> Events:
    return ({key: event[key] for key in ("type", "data", "role", "call") if event.get(key) is not None},)


def _inner(body: str) -> str:
    """Give what stands on the lines between two tags."""
    return re.sub(r"\n[ \t]*\Z", "", re.sub(r"\A[ \t]*\n", "", body, count=1), count=1)


def _indent(body: str) -> int:
    """Count the blanks that every line of a body begins with."""
    return min(len(line) - len(line.lstrip(" ")) for line in _inner(body).split("\n"))


def _ways(kind: str, body: str, indent: int) -> Iterator[Events]:
    """Read the body of an event in all ways, each once."""
    given: list[JsonValue] = []
    for value in _values(kind, body, indent):
        if not any(value == one and type(value) is type(one) for one in given):
            given.append(value)
            yield ({"type": kind, "data": value},)


def _values(kind: str, body: str, indent: int) -> Iterator[JsonValue]:
    """Give what a body may be. ``indent``: how far all bodies of the trace are indented."""
    inner = _inner(body)
    texts = ("\n".join(line[indent:] for line in inner.split("\n")), inner, textwrap.dedent(inner), inner.strip())
    value = read_body(kind, body)
    if not inner.strip():
        yield from (None, "", inner)
    elif isinstance(value, (dict, list)):
        if kind in _SPOKEN or (kind == "error" and "\n" not in inner):
            yield from texts
        if isinstance(value, dict) and value.get("intent") == kind:
            rest: JsonValue = {name: item for name, item in value.items() if name != "intent"}
            yield from (rest,) if rest else (rest, None)
        yield value
    else:
        yield from (*texts, value) if kind in _SPOKEN else (value, *texts)


# ---------------------------------------------------------------------------------------------- messages


def imported(messages: Sequence[dict[str, Any]], said: Said) -> Events:
    """Make the thread of messages that ``phrasing import`` makes, but that nothing is replaced. Raises ``ValueError``."""
    _, items = read_any_messages(list(messages))
    return tuple(cut(Conversation(tuple(items), whole=False), said).events)


def read_messages(messages: Sequence[dict[str, Any]], said: Said, tags: Collection[str]) -> list[Slot]:
    """Take messages apart, a slot each. ``said`` is the step for what the agent said, ``tags`` the fields that name a step."""
    names: dict[str, str] = {}
    slots = []
    for number, message in enumerate(messages):
        role, content = message["role"], message.get("content") or ""
        ways = [*_told(message, said, tags, names)] if role == "assistant" else [*_heard(role, content, message, names)]
        slots.append(Slot(number, tuple(ways)))
    return slots


def _heard(role: str, content: str, message: dict[str, Any], names: dict[str, str]) -> Iterator[Events]:
    """Read what a user said, what came back, or an event as an object with its type as its one key."""
    value = _parsed(content)
    if role == "tool":
        call = message.get("tool_call_id")
        tied = {"role": "result", **({"call": call} if call in names else {})}
        kind = f"{names.get(str(call), 'tool')}_result"
        if not content:
            yield ()
        if isinstance(value, dict) and len(value) == 1 and (key := next(iter(value))) in dataset.ANSWERS:
            yield ({"type": key, "data": value[key], **tied},)
        yield ({"type": kind, "data": read_output(content) if value is None else value, **tied},)
        yield ({"type": kind, "data": content, **tied},)
        return
    if role != "user":
        yield ({"type": "system_message", "data": content, "role": "input"},)
        return
    if isinstance(value, dict) and len(value) == 1 and re.fullmatch(EVENT_TYPE, key := next(iter(value))):
        yield ({"type": key, "data": value[key]},)
    if value == {}:
        yield ()
    yield ({"type": "user_message", "data": content, "role": "input"},)


def _told(message: dict[str, Any], said: Said, tags: Collection[str], names: dict[str, str]) -> Iterator[Events]:
    """Read the agent's turn: its calls and what stands beside them, or a step that it wrote."""
    calls: list[dict[str, Any]] = []
    for call in message.get("tool_calls", ()):
        names[call["id"]] = call["function"]["name"]
        tied = {"role": "step", **({"call": call["id"]} if call["id"] else {})}
        calls.append({"type": call["function"]["name"], "data": read_arguments(call["function"]["arguments"]), **tied})
    content = message.get("content") or ""
    if not content:
        yield tuple(calls)
        return
    if not calls:
        yield from _written(content, tags)
    yield ({"type": said.step, "data": {said.field: content}, "role": "step"}, *calls)


def _written(content: str, tags: Collection[str]) -> Iterator[Events]:
    """Read a step that was written as JSON, under each of the fields that may name it."""
    value = _parsed(content)
    if not isinstance(value, dict):
        return
    for tag in tags:
        if isinstance(kind := value.get(tag), str) and re.fullmatch(EVENT_TYPE, kind):
            rest = {name: item for name, item in value.items() if name != tag}
            for data in (rest, value) if rest else (rest, None, value):
                yield ({"type": kind, "data": data, "role": "step"},)
            if rest.keys() == {"data"}:
                yield ({"type": kind, "data": rest["data"], "role": "step"},)
