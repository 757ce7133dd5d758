"""Texts in which more happened than that somebody spoke: calls written out as text, and transcripts in one text.

Loggers and models write them where there should be calls and messages. What is found here is never taken apart: nobody can tell
for sure who said what. It is told, so that a case can be left out or tagged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

_MARKS = re.compile(
    r"<\|?(?:tool_call|tool_use|function_call|function=|invoke\b|function_calls|tool_calls|python_tag|tool▁call)"
    r"|<｜tool▁|\[TOOL_CALLS?\]|\[/?TOOL_REQUEST\]|functools\[|<\|channel\|>commentary to=",
    re.IGNORECASE,
)
_ACTION = re.compile(r"^[ \t>*]*Action(?: Input)?[*]*[ \t]*:", re.MULTILINE | re.IGNORECASE)
_BEGIN = re.compile(r"\{\s*\"|\[\s*\{")
_DECODER = json.JSONDecoder()
_MOST_TRIES = 50
"""Brackets in a text that may be tried in vain."""

_PYTHON = re.compile(r"\s*\[?\s*([A-Za-z_][\w.-]*)\(([A-Za-z_]\w*\s*=.*)?\)\s*\]?\s*", re.DOTALL)
_CALLS = ("function_call", "functionCall", "tool_calls", "toolCalls", "tool_call", "toolCall", "tool_use", "toolUse", "function")
_NAMES = ("name", "tool", "tool_name", "toolName", "action", "function", "function_name", "recipient_name", "tool_uses")
_ARGUMENTS = ("arguments", "args", "parameters", "input", "action_input", "tool_input", "toolInput", "params", "kwargs")

_ROLE = r"(?:system|developer|user|human|customer|assistant|ai|bot|agent|model|tool|function|observation)"
_LINE = re.compile(rf"^[ \t#>*\[(]*({_ROLE})[*\])]*[ \t]*:", re.MULTILINE | re.IGNORECASE)
_TEMPLATE = re.compile(
    r"<\|(?:im_start|start_header_id|start|user|assistant|turn)\|?>|<start_of_turn>|\[INST\]|<｜(?:User|Assistant)｜>|<\|user_id",
    re.IGNORECASE,
)
_REPR = re.compile(rf"(?:^|[\s(\[])role=['\"<]?(?:\w+\.)?{_ROLE}\b", re.IGNORECASE)
_OPENED = re.compile(r"^[ \t]*<([A-Za-z_][A-Za-z0-9_.-]*)>", re.MULTILINE)
_CLOSED = re.compile(r"</([A-Za-z_][A-Za-z0-9_.-]*)>[ \t]*$", re.MULTILINE)
_SPEAKERS = re.compile(
    rf"(?:{_ROLE}(?:_message|_input|_response)?|\w+_(?:result|response|output)|tool_call|error)\Z", re.IGNORECASE
)
_AGENTS = frozenset(("assistant", "ai", "bot", "agent", "model", "tool", "function", "observation"))


def holds_call(text: str, tools: Collection[str] = ()) -> bool:
    """Tell whether what an agent said holds a call: in a notation of models or frameworks, or as JSON. ``tools``: their names."""
    if _MARKS.search(text) or len({found.lower().strip(" \t>*:") for found in _ACTION.findall(text)}) > 1:
        return True
    if any(_is_call(value, tools) for value in _jsons(text)):
        return True
    named = _PYTHON.fullmatch(text)
    return named is not None and (named[1] in tools or named[2] is not None)


def is_transcript(text: str) -> bool:
    """Tell whether a text holds several messages or events: lines with roles, a model's template, objects, tags or JSON."""
    if len(_TEMPLATE.findall(text)) > 1 or len(_REPR.findall(text)) > 1:
        return True
    roles = [role.lower() for role in _LINE.findall(text)]
    if len(set(roles)) > 1 and (_LINE.match(text.lstrip()) or (not _AGENTS.isdisjoint(roles) and len(roles) > 2)):
        return True
    tags = set(_OPENED.findall(text)) & set(_CLOSED.findall(text))
    if len(tags) > 1 and any(map(_SPEAKERS.match, tags)):
        return True
    return any(map(_is_log, _jsons(text)))


def _is_call(value: Any, tools: Collection[str]) -> bool:
    if isinstance(value, list):
        return any(_is_call(one, tools) for one in value[:20])
    if not isinstance(value, dict):
        return False
    if any(isinstance(value.get(key), (dict, list)) and value[key] for key in _CALLS):
        return True
    if isinstance(value.get("intent"), str):
        return True
    name = next((value[key] for key in _NAMES if isinstance(value.get(key), str)), None)
    return name is not None and (name in tools or any(key in value for key in _ARGUMENTS))


def _is_log(value: Any) -> bool:
    if isinstance(value, dict):
        value = next((value[key] for key in ("messages", "events", "thread", "history", "contents") if key in value), None)
    listed = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    told = [one for one in listed if "role" in one or ("type" in one and ("data" in one or "content" in one))]
    return len(told) > 1 and len(told) == len(value)


def _jsons(text: str) -> Iterator[Any]:
    """Give the objects and lists that stand as JSON in a text, as far as the first brackets that begin none tell."""
    at = tries = 0
    while tries < _MOST_TRIES and (begin := _BEGIN.search(text, at)):
        try:
            value, at = _DECODER.raw_decode(text, begin.start())
        except (ValueError, RecursionError):
            at, tries = begin.end(), tries + 1
        else:
            yield value
