"""Texts in which more happened than that somebody spoke: calls written out as text, and transcripts in one text.

Loggers and models write them where there should be calls and messages. What is found here is never taken apart: nobody can tell
for sure who said what. It is told, so that a case can be left out or tagged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

_MARKS: Mapping[str, re.Pattern[str]] = {
    sign: re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for sign, pattern in {
        "<": r"<\|?(?:tool_call|tool_use|function_call|function=|invoke\b|function_calls|tool_calls|python_tag|tool▁call)"
        r"|<｜tool▁|<tool(?:_name)?>",
        "[": r"\[TOOL_CALLS?\]|\[/?TOOL_REQUEST\]|functools\[|\btool_calls=\["
        r"|^[ \t>*]*Action[*]*[ \t]*:[*]*[ \t]*[A-Za-z_][\w.-]*\[",
        "(": r"\b(?:FunctionCall|ToolCall|ToolCallPart|ToolUseBlock|AgentAction|ChatCompletionMessageToolCall)\("
        r"|^[ \t>*]*Action[*]*[ \t]*:[*]*[ \t]*[A-Za-z_][\w.-]*\(",
        "=": r"\bto=functions\.",
        "`": r"```tool_(?:code|call)",
    }.items()
}
"""Marks of calls, by a sign that each of them has: most texts have few of these, and looking for a sign is quick."""

_QUOTED_NAME = re.compile(r"""\\*['"](?:name|tool|tool_name|toolName|function|action)\\*['"]\s*:\s*\\*['"{]""")
_QUOTED_ARGUMENTS = re.compile(r"""\\*['"](?:arguments|args|parameters|action_input|tool_input|toolInput)\\*['"]\s*:""")
_NAMED = re.compile(r"^[ \t]*(?:[\w ]{1,20}:[ \t]*)?`?([A-Za-z_][\w.-]*)[(\[{][^\n]*[)\]}]`?[;.]?[ \t]*$", re.MULTILINE)
_TAG = re.compile(r"</?([A-Za-z_][A-Za-z0-9_.-]*)(?:\s[^<>]*)?/?>")
_ACTION = re.compile(r"^[ \t>*]*Action(?: Input)?[*]*[ \t]*:", re.MULTILINE | re.IGNORECASE)
_BEGIN = re.compile(r"\{\s*\"|\[\s*\{")
_DECODER = json.JSONDecoder()
_MOST_TRIES = 50
"""Brackets in a text that may be tried in vain."""

_PYTHON = re.compile(r"\s*\[?\s*([A-Za-z_][\w.-]*)\(([A-Za-z_]\w*\s*=.*)?\)\s*\]?\s*", re.DOTALL)
_CALLS = ("function_call", "functionCall", "tool_calls", "toolCalls", "tool_call", "toolCall", "tool_use", "toolUse", "function")
_NAMES = ("name", "tool", "tool_name", "toolName", "action", "function", "function_name", "recipient_name", "tool_uses")
_ARGUMENTS = ("arguments", "args", "parameters", "input", "action_input", "tool_input", "toolInput", "params", "kwargs")

_ROLE = (
    r"(?:system|developer|user|human|customer|client|caller|visitor"
    r"|assistant|ai|bot|agent|model|tool|function|observation|operator|support|representative)"
)
_STAMP = r"(?:\[[^\]\n]{1,30}\][ \t]*|\d[\d:. T/-]{3,24}[ \t]+)?"
_LINE = re.compile(
    rf"^{_STAMP}[ \t#>*\[(]*({_ROLE})[*\])]*(?:[ \t]*[\[(][^\n\])]{{1,30}}[\])])?[ \t]*:", re.MULTILINE | re.IGNORECASE
)
_ASKING, _ANSWERING = re.compile(r"\b(?:USER|HUMAN):"), re.compile(r"\b(?:ASSISTANT|AI|GPT|BOT):")
_ROLE_KEY = re.compile(rf"""\\*['"]role\\*['"]\s*:\s*\\*['"]{_ROLE}\b""", re.IGNORECASE)
_TEMPLATE = re.compile(
    r"<\|(?:im_start|start_header_id|start|user|assistant|turn)\|?>|<start_of_turn>|\[INST\]|<｜(?:User|Assistant)｜>|<\|user_id",
    re.IGNORECASE,
)
_REPR = re.compile(rf"(?:^|[\s(\[])role=['\"<]?(?:\w+\.)?{_ROLE}\b", re.IGNORECASE)
_YAML = re.compile(rf"^[ \t]*-[ \t]+role:[ \t]*['\"]?{_ROLE}\b", re.MULTILINE | re.IGNORECASE)
_OPENED = re.compile(r"^[ \t]*<([A-Za-z_][A-Za-z0-9_.-]*)>", re.MULTILINE)
_CLOSED = re.compile(r"</([A-Za-z_][A-Za-z0-9_.-]*)>[ \t]*$", re.MULTILINE)
_SPEAKERS = re.compile(rf"(?:{_ROLE}|\w+_(?:message|input|result|response|output|received)|tool_call|error)\Z", re.IGNORECASE)
_AGENTS = frozenset(
    ("assistant", "ai", "bot", "agent", "model", "tool", "function", "observation", "operator", "support", "representative")
)


def holds_call(text: str, tools: Collection[str] = ()) -> bool:
    """Tell whether what an agent said holds a call: in a notation of models or frameworks, or as JSON. ``tools``: their names."""
    if any(_has(text, sign) and mark.search(text) for sign, mark in _MARKS.items()):
        return True
    if _has(text, ":") and _holds_written(text, tools):
        return True
    brackets = _has(text, "(", "[", "{")
    if tools and not {*(_NAMED.findall(text) if brackets else ()), *(_TAG.findall(text) if _has(text, "<") else ())}.isdisjoint(
        tools
    ):
        return True
    named = _PYTHON.fullmatch(text) if brackets else None
    return named is not None and (named[1] in tools or named[2] is not None)


def _holds_written(text: str, tools: Collection[str]) -> bool:
    """Tell whether a text names an action with its input, or holds a call as JSON, which may break off, or be Python."""
    if len({found.lower().strip(" \t>*:") for found in _ACTION.findall(text)}) > 1:
        return True
    if _has(text, "{") and any(_is_call(value, tools) for value in _jsons(text)):
        return True
    return _QUOTED_NAME.search(text) is not None and _QUOTED_ARGUMENTS.search(text) is not None


def is_transcript(text: str, tools: Collection[str] = ()) -> bool:
    """Tell whether a text holds several messages or events: lines with roles, a model's template, objects, tags or JSON.

    ``tools``: the names of tools, which tags may have.
    """
    if _has(text.lower(), "role") and (_YAML.search(text) or any(len(one.findall(text)) > 1 for one in (_REPR, _ROLE_KEY))):
        return True
    if _has(text, "<", "[") and len(_TEMPLATE.findall(text)) > 1:
        return True
    if _has(text, ":") and _holds_lines(text):
        return True
    if _has(text, "</"):
        tags = set(_OPENED.findall(text)) & set(_CLOSED.findall(text))
        if len(tags) > 1 and (any(map(_SPEAKERS.match, tags)) or not tags.isdisjoint(tools)):
            return True
    return _has(text, "{", "[") and any(map(_is_log, _jsons(text)))


def _holds_lines(text: str) -> bool:
    """Tell whether lines of several speakers stand in a text."""
    roles = {role.lower() for role in _LINE.findall(text)}
    if len(roles) > 1 and (_LINE.match(text.lstrip()) or not _AGENTS.isdisjoint(roles)):
        return True
    asked = _ASKING.search(text)
    return asked is not None and _ANSWERING.search(text, asked.end()) is not None


def _has(text: str, *signs: str) -> bool:
    """Tell whether one of some signs is in a text, without which a slower look would find nothing."""
    return any(sign in text for sign in signs)


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
