"""Requests as logs hold them, for who compares them byte by byte: nothing is read into them, and nothing guessed.

A message may stand in OpenAI's own shape, or with one part of text in OpenTelemetry's (``parts``) or OpenAI's (``content``): that
is the same text. What a log holds in another way than it was sent is no request to compare with, and the reason is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phrasing.importers.conversation import Sent
from phrasing.importers.log_values import as_list, as_object, read_json, text_or_none

NO_MESSAGES = "no request: its messages aren't in the log"
ANOTHER_API = "a request to another API than OpenAI's chat, which is written in another way"
SEVERAL_PARTS = "a request with a message of several parts, or of another kind than text: servers join them each in its own way"
ARGUMENTS_READ = "a request whose calls have arguments that the log doesn't keep as they were written"
CUT_SHORT = "a request whose texts the log cut short, or left out"

_ROLES = ("system", "developer", "user", "assistant", "tool")
_ENFORCED = ("tools", "response_format")
_TEXT_PARTS = ("text", "input_text", "output_text")
_OTHER_APIS = ("input", "contents", "prompt", "system", "instructions", "system_instruction", "systemInstruction", "functions")


class _Unlike(ValueError):
    """Why a request isn't one to compare with."""


def read_sent(found: Any, *, whole: bool = False, beside: Mapping[str, Any] | None = None) -> Sent | str:
    """Give a request as it was sent, or why a log doesn't hold it: messages, or a body that holds some.

    ``whole``: what isn't in the body wasn't sent. ``beside`` are further fields of the body, where they stand apart.
    """
    found = read_json(found)
    body = {**as_object(beside), **(found if isinstance(found, dict) else {"messages": found})}
    messages = read_json(body.get("messages"))
    if any(body.get(key) for key in _OTHER_APIS):
        return ANOTHER_API
    if not isinstance(messages, list) or not messages:
        return NO_MESSAGES
    try:
        read = tuple(_message(one) for one in messages)
    except _Unlike as error:
        return str(error)
    tools, response_format = (read_json(body.get(key)) or None for key in _ENFORCED)
    unsaid = frozenset() if whole else frozenset(key for key in _ENFORCED if key not in body)
    return Sent(read, tools, response_format, unsaid)


def _message(one: Any) -> dict[str, Any]:
    """Write a message with a text as its content. What is null or empty beside it is left out, as clients leave it out."""
    if not isinstance(one, dict) or one.get("role") not in _ROLES:
        raise _Unlike(ANOTHER_API)
    made: dict[str, Any] = {"role": one["role"], "content": _content(one)}
    if calls := as_list(read_json(one.get("tool_calls"))):
        made["tool_calls"] = [_call(call) for call in calls]
    if one.get("function_call"):
        raise _Unlike(ANOTHER_API)
    if call := text_or_none(one.get("tool_call_id")):
        made["tool_call_id"] = call
    if name := text_or_none(one.get("name")):
        made["name"] = name
    return made


def _content(one: dict[str, Any]) -> str | None:
    content = one.get("content", one.get("parts"))
    if content is None or isinstance(content, str):
        return content
    parts = as_list(content)
    if not isinstance(content, list) or len(parts) > 1:
        raise _Unlike(SEVERAL_PARTS)
    part = as_object(parts[0] if parts else {"type": "text", "text": ""})
    text = part.get("text", part.get("content"))
    if part.get("type") not in _TEXT_PARTS or not isinstance(text, str):
        raise _Unlike(SEVERAL_PARTS)
    return text


def _call(call: Any) -> dict[str, Any]:
    function = as_object(as_object(call).get("function"))
    if not isinstance(function.get("name"), str) or not isinstance(function.get("arguments"), str):
        raise _Unlike(ARGUMENTS_READ)
    return {
        "id": str(as_object(call).get("id") or ""),
        "type": "function",
        "function": {"name": function["name"], "arguments": function["arguments"]},
    }
