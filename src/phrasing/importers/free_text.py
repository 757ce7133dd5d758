"""Free text among a call's arguments: worded anew each time, so a label that compares it calls every other answer wrong.

A text is free where

- its argument is called what free text is called (``reason``, ``cancel_reason``, ``Description``, …) and it has several words, or
- it reads like a sentence (six words and a full stop) or is longer than a name or an address (``_LONG`` words).

It isn't where the tool's declaration says what it is (``enum``, ``const``, ``format``, ``pattern``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from phrasing.baml.tools.json_schema import Schema, properties_of
from phrasing.importers.conversation import ToolDeclaration

_WORDS = """
answer body comment comments content contents context description detail details explanation feedback instruction instructions
justification message messages motivation note notes question questions rationale reason reasoning reasons remark remarks
reply response subject summary text thought thoughts
"""
_NAMES = frozenset(_WORDS.split())
"""Last words of names that free text goes by."""

ALL = "all"
"""What stands for all arguments where arguments to compare are named."""

_SAID = ("enum", "const", "format", "pattern")
_SENTENCE, _LONG = 6, 12
_SCHEMA = ("parameters", "input_schema", "inputSchema")


def declared_name(tool: ToolDeclaration) -> str | None:
    """Give the name of a tool, where its declaration has one."""
    inner = tool["function"] if isinstance(tool.get("function"), dict) else tool
    return inner["name"] if isinstance(inner.get("name"), str) else None


def parameters_by_tool(tools: Iterable[ToolDeclaration]) -> dict[str, Schema]:
    """Give the JSON Schema of each tool's arguments, where its declaration has one."""
    found = {}
    for tool in tools:
        inner = tool["function"] if isinstance(tool.get("function"), dict) else tool
        schema = next((inner[key] for key in _SCHEMA if isinstance(inner.get(key), dict)), None)
        if schema is not None and isinstance(inner.get("name"), str):
            found[inner["name"]] = schema
    return found


@dataclass(frozen=True)
class FreeText:
    """Finds free text in calls. ``wanted`` are arguments, as ``tool.argument``, to be compared all the same, or ``ALL``."""

    wanted: Collection[str] = ()

    def leave_out(self, args: Mapping[str, JsonValue], schema: Schema, tool: str) -> tuple[dict[str, JsonValue], list[str]]:
        """Give the arguments of a call as a label has them, and what is left out of it, each as ``tool.argument``.

        ``schema`` is that of the arguments, ``{}`` where it isn't known. In a list, free text becomes ``{"$ignore": true}``,
        because the other elements have their places; a list or an object of nothing else is left out.
        """
        kept: dict[str, JsonValue] = {}
        paths: list[str] = []
        for name, value in args.items():
            inner = properties_of(schema).get(name)
            left, found = self._without(value, name, inner if isinstance(inner, dict) else {}, f"{tool}.{name}")
            paths += found
            if not (found and left in ({}, _IGNORED)):
                kept[name] = left
        return kept, paths

    def _without(self, value: JsonValue, name: str, schema: Schema, path: str) -> tuple[JsonValue, list[str]]:
        """Give a value without free text, and the paths in it of what is left out."""
        if isinstance(value, str):
            free = _is_free(value, name, schema) and ALL not in self.wanted and path not in self.wanted
            return (_IGNORED, [path]) if free else (value, [])
        if isinstance(value, dict):
            return self.leave_out(value, schema, path)
        if isinstance(value, list):
            items = schema.get("items")
            return self._list(value, name, items if isinstance(items, dict) else {}, f"{path}[]")
        return value, []

    def _list(self, values: Sequence[JsonValue], name: str, schema: Schema, path: str) -> tuple[JsonValue, list[str]]:
        parts = [self._without(value, name, schema, path) for value in values]
        paths = list(dict.fromkeys(path for _, found in parts for path in found))
        kept = [left for left, _ in parts]
        return (_IGNORED if paths and all(left in ({}, _IGNORED) for left in kept) else kept), paths


NOT_COMPARED = FreeText()
"""Leaves all of it out."""

_IGNORED: dict[str, JsonValue] = {"$ignore": True}


def _is_free(text: str, name: str, schema: Mapping[str, Any]) -> bool:
    if any(key in schema for key in _SAID):
        return False
    words = [word for word in text.split() if any(map(str.isalpha, word))]
    named = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    if named and named[-1].lower() in _NAMES and len(words) > 1:
        return True
    ended = text.rstrip("\"')” ").endswith((".", "!", "?", "…"))
    return len(words) >= _LONG or (len(words) >= _SENTENCE and ended) or text.rstrip().endswith(("。", "！", "？"))
