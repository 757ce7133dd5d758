"""Whether a format shows all that a thread holds: every value is replaced by one of its own, and looked for."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import version
from itertools import count
from typing import NamedTuple

from pydantic import JsonValue

from phrasing.errors import FormatError
from phrasing.prompts import yaml
from phrasing.prompts.formats import Format, events_of, json_text, plain, render_events
from phrasing.prompts.verified import Passed, Verified
from phrasing.types import Rendering, Thread


class _Probe(NamedTuple):
    """A leaf of an event's data and the texts that stand in for it: in a rendering they appear in this order."""

    path: str
    tokens: tuple[str, ...]


def remembered(format: Format, verified: Verified) -> Passed | None:
    """Give what passed of a format; nothing is remembered of one that may depend on other files."""
    told = ["tools"] if format.tools else []
    return verified.of("format", version("jinja2"), sys.version, format.digest, format.name, *told) if format.closed else None


def probe_once(format: Format, thread: Thread, rendering: Rendering, passed: Passed | None) -> None:
    """Do as ``probe`` does, unless the same is among what ``passed``.

    ``rendering`` is what the format makes of the thread: one that shows where something lies in memory is probed always.
    """
    if passed is None or " at 0x" in rendering:
        probe(format, thread)
    else:
        parts = (
            part for event in thread.events for part in (event.type, str(event.role), str(event.call), json.dumps(event.data))
        )
        passed.once(list(parts), lambda: probe(format, thread))


def probe(format: Format, thread: Thread) -> None:
    """Raise ``FormatError`` when a format drops, cuts or moves what a thread holds.

    Every string and number in the thread is replaced by one that occurs nowhere else, and looked for in the rendering, in order.
    Keys must appear in the part of the rendering that belongs to their event, or at its head, where a table of events names them;
    that of a shown value may be left out where any other key in its place would appear: then its absence says which it was.
    ``true``, ``false``, ``null`` and empty values can't be told apart, so only their keys are looked for.
    A format marked ``lossy`` is only rendered.
    """
    numbers = count(100_000_000)
    probes: list[_Probe] = []
    bodies: list[JsonValue] = []
    keys, ends = [], []
    for index, event in enumerate(thread.events):
        names: dict[str, str] = {}
        bodies.append(_probed(event.data, f"events[{index}].data", numbers, probes, names))
        keys.append(names)
        ends.append(len(probes))
    where = str(format.path)
    rendering = render_events(format, events_of(thread, [plain(body) for body in bodies]))
    if render_events(format, events_of(thread, bodies)) != rendering:
        raise FormatError("renders the same thread differently each time", where=where)
    if format.lossy is not None:
        return
    gaps = _gaps(where, _text(rendering), probes)
    # what a format does to the data that it is given mustn't be seen here
    bodies = [_probed(event.data, "", count(100_000_000), [], {}) for event in thread.events]
    for index, (begin, end, names) in enumerate(zip([0, *ends], ends, keys, strict=False)):
        frame = "\0".join([gaps[0], *gaps[begin : end + 1]])
        for key, path in names.items():
            if all(_find(frame, form, _KEY) < 0 for form in _forms(key)):
                shown = any(leaf.path == path for leaf in probes[begin:end])
                if not (shown and _implied(format, thread, bodies, index, key)):
                    raise FormatError(f"drops the key {path}", where=where)


def _implied(format: Format, thread: Thread, bodies: list[JsonValue], index: int, key: str) -> bool:
    """Tell whether a key that isn't shown is the only one that wouldn't be: another in its place is."""
    other = "Qk100000000Q"
    changed = [_renamed(plain(body), key, other) if at == index else plain(body) for at, body in enumerate(bodies)]
    return _find(_text(render_events(format, events_of(thread, changed))), other, _KEY) >= 0


def _renamed(value: JsonValue, key: str, other: str) -> JsonValue:
    if isinstance(value, dict):
        return {other if name == key else name: _renamed(item, key, other) for name, item in value.items()}
    return [_renamed(item, key, other) for item in value] if isinstance(value, list) else value


def _gaps(where: str, text: str, probes: list[_Probe]) -> list[str]:
    """Find all leaves, in order; return the text before the first, between each two, and after the last."""
    gaps = []
    end = 0
    for path, tokens in probes:
        last = end
        begin = -1
        for token in tokens:
            start = _find(text, token, _NUMBER, end)
            if start < 0:
                raise FormatError(_lost(text, path, tokens), where=where)
            begin = start if begin < 0 else begin
            end = start + len(token)
        gaps.append(text[last:begin])
    gaps.append(text[end:])
    return gaps


def _lost(text: str, path: str, tokens: tuple[str, ...]) -> str:
    found = [_find(text, token, _NUMBER) >= 0 for token in tokens]
    if all(found):
        return f"moves {path} out of order"
    return f"cuts {path} short" if any(found) else f"drops {path}"


# Where a number or a key begins and ends: 12 isn't in 123 or 12.5 but it is in "12." and "12ms"; tag isn't in tags.
_NUMBER = (re.compile(r"(?<!\d)(?<!\d\.)|(?=\D)"), re.compile(r"(?!\.?\d)|(?<=\D)"))
_KEY = (re.compile(r"(?<!\w)|(?=\W)"), re.compile(r"(?!\w)|(?<=\W)"))


def _find(text: str, word: str, edges: tuple[re.Pattern[str], re.Pattern[str]], start: int = 0) -> int:
    """Find ``word`` between its edges, from ``start`` on; -1 where it isn't."""
    while (start := text.find(word, start)) >= 0:
        if edges[0].match(text, start) and edges[1].match(text, start + len(word)):
            return start
        start += 1
    return -1


def _forms(key: str) -> tuple[str, ...]:
    """The ways to write a key: as it is, or with the escapes of JSON, YAML or TOON (which writes two controls longer)."""
    if key.isascii() and key.isidentifier():
        return (key,)
    escaped = (f"\\u{ord(char):04x}" if char in "\b\f" else json_text(char)[1:-1] for char in key)
    return (key, json.dumps(key)[1:-1], json_text(key)[1:-1], yaml.dump(key), "".join(escaped))


def _probed(value: JsonValue, path: str, numbers: Iterator[int], probes: list[_Probe], keys: dict[str, str]) -> JsonValue:
    """Copy a value with its leaves replaced; note the probes, and for each key the first path that holds it."""
    if isinstance(value, dict):
        copy = {}
        for key, item in value.items():
            here = f"{path}.{key}" if key.isidentifier() else f"{path}[{json.dumps(key, ensure_ascii=False)}]"
            keys.setdefault(key, here)
            copy[key] = _probed(item, here, numbers, probes, keys)
        return copy
    if isinstance(value, list):
        return [_probed(item, f"{path}[{index}]", numbers, probes, keys) for index, item in enumerate(value)]
    if value is None or isinstance(value, bool):
        return value
    number = next(numbers)
    if isinstance(value, int):
        probes.append(_Probe(path, (str(number),)))
        return number
    if isinstance(value, float):
        probes.append(_Probe(path, (f"{number}.0625",)))
        return number + 0.0625
    # The text itself stays around its probes, so that its length, lines and odd characters go the same way as without them.
    begin, middle, end = f"Qb{number}Q", f"Qm{number}Q", f"Qe{number}Q"
    half = len(value) // 2
    probes.append(_Probe(path, (begin, middle, end)))
    return f"{begin} {value[:half]} {middle} {value[half:]} {end}"


def _text(rendering: Rendering) -> str:
    if isinstance(rendering, str):
        return rendering
    parts: list[str] = []
    for message in rendering:
        parts.append(message.get("content") or "")
        parts.extend(call["function"]["arguments"] for call in message.get("tool_calls", ()))
    return "\n".join(parts)
