"""A logged conversation, whatever wrote it: what was heard, what the agent did, what came back. Importers make these.

Names, texts and values are those of the log. What of them can't be shown is an item too (``Lost``), so that nothing goes missing
unsaid.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from phrasing.suite import dataset
from phrasing.types import Strength

Tool = dict[str, Any]
"""A tool's declaration, in whichever of the shapes that ``toolbaml`` reads."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Something from outside: what a user said, or another event by its type."""

    data: JsonValue
    type: str = "user_message"


@dataclass(frozen=True, slots=True)
class Call:
    """A tool called. ``arguments`` are an object, or the text that should have been one."""

    name: str
    arguments: dict[str, JsonValue] | str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """The agent's turn: what it said, what it called, or both. ``text`` is ``None`` where it spoke in words that aren't there.

    ``labels`` are the acceptable steps where the log knows better than "what the agent did", each as a dataset has it, and
    ``tags`` the case's. ``given``: somebody else wrote it, as an example or to begin with, so it is history and no decision.
    """

    text: str | None = ""
    calls: tuple[Call, ...] = ()
    labels: tuple[dict[str, JsonValue], ...] = ()
    given: bool = False
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What a call gave back: ``call`` is its id, ``name`` its tool, where the log says. ``error``: the log says it failed."""

    output: JsonValue
    call: str | None = None
    name: str | None = None
    error: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """Something that happened here and isn't shown, and why, in a few words that are the same for all of its kind.

    ``harmless``: the agent's next step didn't depend on it. ``out_of``: what it would stand in.
    """

    reason: str
    harmless: bool = False
    out_of: str = "the thread"


Item = Heard | Turn | Result | Lost


@dataclass(frozen=True, slots=True)
class Conversation:
    """What happened, oldest first; the last item may be the agent's turn.

    ``system`` are the instructions that stood before it, ``tools`` what the agent could call, ``meta`` what else the log knows.
    ``whole``: every turn was decided here; otherwise only the last one was, and the turns before it are history.
    """

    items: tuple[Item, ...]
    id: str | None = None
    system: str = ""
    tools: tuple[Tool, ...] = ()
    meta: Mapping[str, JsonValue] = field(default_factory=dict)
    whole: bool = True
    strength: Strength = "observed"


def arguments(raw: JsonValue) -> dict[str, JsonValue] | str:
    """Read the arguments of a call: an object, or its JSON; nothing is no arguments. What is neither stays text."""
    if isinstance(raw, dict):
        return raw
    if raw is None or raw == "":
        return {}
    if not isinstance(raw, str):
        return json.dumps(raw, ensure_ascii=False)
    try:
        value = dataset.parse(raw)
    except ValueError:
        return raw
    return value if isinstance(value, dict) else raw


def output(raw: JsonValue) -> JsonValue:
    """Read what a tool gave back: text that is JSON is read as such, where writing it again gives the same value.

    A bare number stays text unless its digits are kept.
    """
    if not isinstance(raw, str) or raw[:1].isspace() or raw[:1] not in '{["-0123456789tfn':
        return raw
    try:
        value = dataset.parse(raw)
    except ValueError:
        return raw
    plain = isinstance(value, (dict, list, str))
    return value if plain or json.dumps(value) == raw else raw


def scalars(record: Mapping[str, Any], *, without: Iterable[str] = ()) -> dict[str, JsonValue]:
    """Take what a record says in short values: texts of at most 200 characters, numbers, yes and no; dots for objects inside."""
    found: dict[str, JsonValue] = {}
    skipped = set(without)
    for key, value in record.items():
        if key in skipped:
            continue
        if isinstance(value, dict):
            for name, inner in value.items():
                if _short(inner):
                    found[f"{key}.{name}"] = inner
        elif _short(value):
            found[key] = value
    return found


def _short(value: object) -> bool:
    return isinstance(value, (bool, int, float)) or (isinstance(value, str) and len(value) <= 200)
