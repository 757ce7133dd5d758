"""Lists of tools in the shapes that APIs take them, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from phrasing.baml.tools.names import tool_name
from phrasing.errors import UserError, shorten

TOOL_SHAPES = (
    'read are lists of tools: OpenAI\'s ({"type": "function", "function": {"name", "parameters"}}, or flat), plain functions '
    '({"name", "description", "parameters"}), Anthropic\'s ({"name", "input_schema"}) and MCP\'s ({"name", "inputSchema"}), '
    'by themselves or in an object under "tools" or "functions"'
)

_SCHEMA = ("parameters", "input_schema", "inputSchema")
_LISTS = ("tools", "functions")
_KNOWN = {"type", "function", "name", "title", "description", "strict", "cache_control", *_SCHEMA}
"""What a tool may have that is read, or says nothing about its arguments."""


@dataclass(frozen=True)
class Tool:
    """A tool that a model may call. ``parameters`` is the JSON Schema of its arguments; ``unread`` are its other keys."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    where: str = field(default="", compare=False)
    unread: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class ToolList:
    """Tools, each once, and what was left out of the list, with the reason."""

    tools: tuple[Tool, ...]
    left_out: tuple[str, ...] = ()


def read_tools(texts: Mapping[str, str]) -> ToolList:
    """Read files of tools, by name: JSON or JSON Lines, in any of the shapes of ``TOOL_SHAPES``.

    A tool that is there again is read once. Raises ``UserError`` for another shape, two tools that differ under one name, and two
    names that are one for an API.
    """
    tools: list[Tool] = []
    left_out: list[str] = []
    for name, text in texts.items():
        for where, value in _values(name, text):
            for at, item in _items(value, where):
                (tools if isinstance(made := _tool(item, at), Tool) else left_out).append(made)  # type: ignore[arg-type]
    by_name: dict[str, Tool] = {}
    for tool in tools:
        first = by_name.setdefault(tool_name(tool.name), tool)
        if first.name != tool.name:
            message = f"tools {first.name!r} ({first.where}) and {tool.name!r} are both {tool_name(tool.name)!r} for an API"
            raise UserError(f"{message}; rename one", where=tool.where)
        if first != tool:
            raise UserError(f"tool {tool.name!r} differs from the one in {first.where}; leave one out", where=tool.where)
    if not by_name:
        raise UserError(f"no tool here; {TOOL_SHAPES}", where=", ".join(texts))
    return ToolList(tuple(by_name.values()), tuple(dict.fromkeys(left_out)))


def _values(name: str, text: str) -> Iterator[tuple[str, Any]]:
    """Give the JSON values of a file, with where they stand."""
    try:
        yield name, json.loads(text, parse_constant=_no_number)
        return
    except (ValueError, RecursionError) as error:
        whole = error
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    for number, line in lines:
        try:
            value = json.loads(line, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            # one JSON text over several lines: what is wrong with it as a whole says more
            fault, at = (whole, getattr(whole, "lineno", number)) if number == lines[0][0] else (error, number)
            raise UserError(f"is neither JSON nor JSON Lines: {fault}", where=f"{name}:{at}") from None
        yield f"{name}:{number}", value


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _items(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Give what may be tools in a value, with where they stand."""
    if isinstance(value, list):
        for i, item in enumerate(value):
            yield f"{where}: [{i}]", item
    elif isinstance(value, dict) and (key := next((key for key in _LISTS if isinstance(value.get(key), list)), None)):
        for i, item in enumerate(value[key]):
            yield f"{where}: {key}[{i}]", item
    elif isinstance(value, dict) and isinstance(value.get("result"), dict):  # JSON-RPC
        yield from _items(value["result"], f"{where}: result")
    else:
        yield where, value


def _tool(item: Any, where: str) -> Tool | str:
    """Read one tool; or say why it is left out. Raises ``UserError`` for what is none."""
    if not isinstance(item, dict):
        raise UserError(f"{shorten(repr(item), 80)} is no tool; {TOOL_SHAPES}", where=where)
    kind = item.get("type")
    inner = item["function"] if isinstance(item.get("function"), dict) else item
    key = next((key for key in _SCHEMA if key in inner), None)
    if kind not in (None, "function") and not key:
        return f"{where}: {inner.get('name') or kind}: a tool of type {kind!r} has no JSON Schema of arguments"
    if not (key or kind or "description" in inner):
        raise UserError(f"{shorten(repr(item), 80)} is no tool; {TOOL_SHAPES}", where=where)
    schema = inner[key] if key else None
    parts = inner.get("name"), inner.get("description") or "", {} if schema is None else schema
    match parts:
        case str(name), str(description), dict(parameters):
            return Tool(name, description, parameters, where, tuple(sorted({*item, *inner} - _KNOWN)))
    wanted = "a name and a description (texts), and the JSON Schema of its arguments (an object)"
    raise UserError(f"{shorten(repr(item), 80)} is no tool: it has {wanted}", where=where)


def write_tools(tools: Sequence[Mapping[str, Any]], shape: str) -> Any:
    """Give OpenAI's Chat tools in a shape: ``openai``, ``anthropic`` or ``mcp``."""
    functions = [tool["function"] for tool in tools]
    if shape == "anthropic":
        return [_renamed(function, "input_schema") for function in functions]
    if shape == "mcp":
        return {"tools": [_renamed(function, "inputSchema") for function in functions]}
    return list(tools)


def _renamed(function: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {key if name == "parameters" else name: value for name, value in function.items()}
