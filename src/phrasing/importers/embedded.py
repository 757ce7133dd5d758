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
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple

from pydantic import JsonValue

from phrasing.importers.baml.thread_text import read_body, read_scalar, read_yaml_thread
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


class _Written(NamedTuple):
    """An event as it stands in a text: from and to which character, its type, and what stands between its marks."""

    start: int
    end: int
    kind: str
    body: str


@dataclass(frozen=True, slots=True)
class _Tags:
    """How a trace begins and ends its events; what may follow an end, as text in a body may hold one too."""

    opening: re.Pattern[str]
    closing: str
    follows: re.Pattern[str]


_SPOKEN = ("user_message", "user_input", "human_response")
_T = EVENT_TYPE.strip("^$")
_CALL = r'(?: call="[^"\n]*")?'
_TRACES = (
    _Tags(re.compile(rf"<(?P<kind>{_T}){_CALL}>"), "</{}>", re.compile(r"[ \t]*(?:\n|<|\Z)")),
    _Tags(re.compile(rf'<event type="(?P<kind>{_T})"{_CALL}>'), "</event>", re.compile(r"[ \t]*(?:\n|<|\Z)")),
    _Tags(re.compile(rf"\[(?P<kind>{_T}){_CALL}\]"), "[/{}]", re.compile(r"[ \t]*(?:\n|\[|\Z)")),
)
_HEADING = re.compile(rf"^## (?P<kind>{_T}){_CALL}$", re.MULTILINE)
_LIST = re.compile(r'(?:\[\s*)?\{\s*"(?:type|events|thread)"')
_ITEMS = re.compile(r"^- type: .*(?:\n+(?:- |  ).*)*", re.MULTILINE)
_TOON = re.compile(r"\[\d+\](?:\{[^\n]*\})?:")
_MOST_TRIES = 50
"""Places in a text at which a list of events may be looked for in vain."""


@lru_cache(maxsize=64)
def find_thread(text: str) -> tuple[int, int] | None:
    """Find where a thread stands in a text, from and to which character: the longest run of events."""
    runs = [*_runs(text), *_lists(text), *(found.span() for found in _ITEMS.finditer(text))]
    return max(runs, key=lambda run: run[1] - run[0], default=None)


def _runs(text: str) -> Iterator[tuple[int, int]]:
    """Give the runs of events in tags, with nothing but white space between them."""
    for tags in _TRACES:
        begin = end = -1
        for found in _tagged(text, tags, lines=True):
            if end < 0 or text[end : found.start].strip():
                if end >= 0:
                    yield begin, end
                begin = found.start
            end = found.end
        if end >= 0:
            yield begin, end


def _lists(text: str) -> Iterator[tuple[int, int]]:
    """Give the lists of events in JSON."""
    at = tries = 0
    while tries < _MOST_TRIES and (begin := _LIST.search(text, at)):
        try:
            value, at = dataset.DECODER.raw_decode(text, begin.start())
        except (ValueError, RecursionError):
            at, tries = begin.end(), tries + 1
            continue
        if events.fits(value):
            yield begin.start(), at


def _tagged(text: str, tags: _Tags, *, lines: bool = False) -> Iterator[_Written]:
    """Give the events of a trace, each from its first tag to the next end that something may follow.

    ``lines``: only those that begin a line.
    """
    at, unclosed = 0, set[str]()
    while found := tags.opening.search(text, at):
        kind, at = found["kind"], found.end()
        if lines and text[text.rfind("\n", 0, found.start()) + 1 : found.start()].strip():
            continue
        closing = tags.closing.format(kind)
        end = -1 if kind in unclosed else text.find(closing, at)
        while end >= 0 and not tags.follows.match(text, end + len(closing)):
            end = text.find(closing, end + 1)
        if end < 0:
            unclosed.add(kind)
        else:
            yield _Written(found.start(), end + len(closing), kind, text[at:end])
            at = end + len(closing)


def _headed(text: str) -> list[_Written]:
    """Give the events of a text in which each has a heading and ends at the next."""
    found = list(_HEADING.finditer(text))
    ends = [*(one.start() for one in found), len(text)][1:]
    bodies = [text[one.end() : end].strip("\n") for one, end in zip(found, ends, strict=True)]
    return [_Written(one.start(), end, one["kind"], f"\n{body}\n") for one, end, body in zip(found, ends, bodies, strict=True)]


# ---------------------------------------------------------------------------------------------- a text


@lru_cache(maxsize=64)  # one request is read for each way of composing
def read_text(text: str) -> Sequence[Slot]:
    """Take a text apart that is wholly a thread; nothing where it isn't, or is written in a way that isn't known here."""
    listed = read_yaml_thread(text.removesuffix("\n...")) if text.startswith("- ") else None
    for value in (_parsed(text), listed, _toon(text)):
        if events.fits(value):
            return [Slot(0, (_plain(one),)) for one in events.events_in(value)]
    for found in (*(list(_tagged(text, tags)) for tags in _TRACES), _headed(text)):
        starts, ends = [one.start for one in found], [0, *(one.end for one in found)]
        if found and not "".join(text[a:b] for a, b in zip(ends, [*starts, len(text)], strict=True)).strip():
            indent = min((_indent(one.body) for one in found if one.body.strip()), default=0)
            return [Slot(one.start, tuple(_ways(one.kind, one.body, indent))) for one in found]
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


def _plain(event: Any) -> Events:
    return ({key: event[key] for key in ("type", "data", "role", "call") if event.get(key) is not None},)


def _inner(body: str) -> str:
    """Give what stands on the lines between two marks."""
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
    bullets = _bullets(inner.strip("\n"))
    if not inner.strip():
        yield from (None, "", inner)
    elif isinstance(value, (dict, list)) or bullets is not None:
        if kind in _SPOKEN or (kind == "error" and "\n" not in inner):
            yield from texts
        if isinstance(value, dict) and value.get("intent") == kind:
            rest: JsonValue = {name: item for name, item in value.items() if name != "intent"}
            yield from (rest,) if rest else (rest, None)
        yield from (value,) if bullets is None else (bullets,)
    else:
        yield from (*texts, value) if kind in _SPOKEN else (value, *texts)


# ---------------------------------------------------------------------------------------------- bullets

_KEYED = re.compile(r'\*\*("(?:[^"\\]|\\.)*"|.+?)\*\*:(?: (.*))?')


def _bullets(text: str) -> JsonValue:
    """Read an object as bullets of ``**key**:``, and lists in it; ``None`` where it isn't wholly that."""
    if not re.match(r"(?:- )+\*\*", text):
        return None
    try:
        return _bulleted(text.split("\n"))
    except ValueError:
        return None


def _bulleted(lines: Sequence[str]) -> JsonValue:
    """Read a collection: a bullet an item, what belongs to it two blanks deeper."""
    items: list[list[str]] = []
    for line in lines:
        if line.startswith("- "):
            items.append([line[2:]])
        elif line.startswith("  ") and items:
            items[-1].append(line[2:])
        else:
            raise ValueError(line)
    if not items[0][0].startswith("**"):
        return [_bulleted(item) if item[0].startswith("- ") else _scalar(*item) for item in items]
    read: dict[str, JsonValue] = {}
    for first, *rest in items:
        found = _KEYED.fullmatch(first)
        if found is None or (found[2] is not None and rest):
            raise ValueError(first)
        read[str(_scalar(found[1]))] = _bulleted(rest) if found[2] is None else _scalar(found[2])
    return read


def _scalar(text: str, *more: str) -> JsonValue:
    if more:
        raise ValueError(text)
    return read_scalar(text)


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
    if named := _named(content):
        yield named
    if value == {}:
        yield ()
    yield ({"type": "user_message", "data": content, "role": "input"},)


def _named(content: str) -> Events:
    """Read events as objects with their type as their one key; several where BAML joined the messages of one role by blanks."""
    found: list[dict[str, Any]] = []
    at = 0
    while content.startswith("{", at):
        try:
            value, at = dataset.DECODER.raw_decode(content, at)
        except (ValueError, RecursionError):
            return ()
        if not isinstance(value, dict) or len(value) != 1 or not re.fullmatch(EVENT_TYPE, key := next(iter(value))):
            return ()
        found.append({"type": key, "data": value[key]})
        at += len(content[at:]) - len(content[at:].lstrip())
    return tuple(found) if at == len(content) else ()


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
