"""What logs declare of their tools: calls that the declarations refuse, and one declaration a tool where they changed.

A label that its own log's declarations refuse can't be right for a function made of them: ``check`` would stop at it. What
can't be decided passes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from phrasing.baml.tools import lists
from phrasing.baml.tools.json_schema import Schema, kinds_of, kinds_of_value, merged, properties_of, required_of
from phrasing.baml.tools.names import tool_name
from phrasing.baml.tools.write import write_baml
from phrasing.errors import UserError
from phrasing.importers.conversation import ToolDeclaration
from phrasing.importers.free_text import declared_name, parameters_by_tool

UNLISTED = "a call to a tool that the log doesn't list"
UNDECLARED = "an argument that the log's declaration of the tool doesn't have"
OUTSIDE = "a value outside the enum that the log declares"
OTHER_TYPE = "a value of another type than the log declares"

_KNOWN = frozenset(("string", "int", "float", "bool", "array", "object", "null"))


class Declared:
    """The tools that a log lists, and what they take."""

    def __init__(self, tools: Iterable[ToolDeclaration]) -> None:
        listed = list(tools)
        self._schemas = {tool_name(name): schema for name, schema in parameters_by_tool(listed).items()}
        self._names = frozenset(tool_name(name) for tool in listed if (name := declared_name(tool)))

    def problem(self, label: Mapping[str, Any], said: str) -> str | None:
        """Say why no tool here can be called as a label says; ``said`` is the step for words, which is no tool."""
        name, args = str(label["intent"]), label.get("args")
        if not self._names or name == said:
            return None
        if name not in self._names:
            return UNLISTED
        schema = self._schemas.get(name, {})
        return _object_problem(args, merged(schema, schema, [], []), schema) if isinstance(args, dict) else None


def _object_problem(value: Mapping[str, Any], schema: Schema, root: Schema) -> str | None:
    properties, required = properties_of(schema), required_of(schema)
    for name, inner in value.items():
        if properties and name not in properties:
            return UNDECLARED
        if inner is None and name not in required:
            continue
        if problem := _problem(inner, properties.get(name, {}), root):
            return problem
    return None


def _problem(value: Any, schema: Any, root: Schema) -> str | None:
    """Say why a schema surely refuses a value."""
    if isinstance(value, dict) and any(key.startswith("$") for key in value):
        return None  # a matcher: what it accepts isn't one value
    known = merged(schema, root, [], [])
    for key in ("anyOf", "oneOf"):
        if isinstance(known.get(key), list) and known[key]:
            problems = [_problem(value, option, root) for option in known[key]]
            if all(problems):
                return OUTSIDE if OUTSIDE in problems else problems[0]
    choices = [known["const"]] if "const" in known else known.get("enum")
    if isinstance(choices, list) and choices and not any(_same(value, one) for one in choices):
        return OUTSIDE
    kinds = frozenset(kinds_of(known))
    nullable = value is None and known.get("nullable") is True
    if kinds and kinds <= _KNOWN and kinds_of_value(value).isdisjoint(kinds) and not nullable:
        return OTHER_TYPE
    if isinstance(value, list):
        return next(filter(None, (_problem(one, known.get("items", {}), root) for one in value)), None)
    return _object_problem(value, known, root) if isinstance(value, dict) and not known.get("additionalProperties") else None


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


@dataclass(frozen=True)
class NewestTools:
    """One declaration of each tool. ``changed`` are the names of those of which there were others, ``unread`` declarations that
    ``import-tools`` can't read.
    """

    tools: tuple[ToolDeclaration, ...]
    changed: tuple[str, ...] = ()
    unread: int = 0


def newest(toolsets: Iterable[Sequence[ToolDeclaration]]) -> NewestTools:
    """Choose among sets of tools, the oldest first: of two declarations that have one name for an API the newer one wins."""
    chosen: dict[str, tuple[ToolDeclaration, lists.Tool]] = {}
    changed: dict[str, None] = {}
    unread: set[str] = set()
    for tool in (tool for tools in toolsets for tool in tools):
        read = _read(tool)
        if read is None:
            unread.add(json.dumps(tool, sort_keys=True))
            continue
        name = tool_name(read.name)
        if name in chosen and not _alike(chosen[name][1], read):
            changed[name] = None
        chosen[name] = (tool, read)
    return NewestTools(tuple(tool for tool, _ in chosen.values()), tuple(changed), len(unread))


def _alike(one: lists.Tool, other: lists.Tool) -> bool:
    return one == other


def _read(tool: ToolDeclaration) -> lists.Tool | None:
    """Read a declaration as ``import-tools`` does; ``None`` where it couldn't."""
    try:
        (read,) = lists.read_tools({"": json.dumps(tool)}).tools
        write_baml({"F": [read]}, text=None)
    except (UserError, RecursionError):
        return None
    return read


def refused(labels: Iterable[Mapping[str, JsonValue]], declared: Declared, said: str) -> str | None:
    """Say why the declarations refuse one of the labels of a case."""
    return next(filter(None, (declared.problem(label, said) for label in labels)), None)
