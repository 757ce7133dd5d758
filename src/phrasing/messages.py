"""Check that texts and messages are what the OpenAI Chat Completions API accepts: better here than after money was spent."""

from __future__ import annotations

import json
import re
from typing import Any

_KEYS = {
    "assistant": ("role", "content", "tool_calls"),
    "developer": ("role", "content"),
    "system": ("role", "content"),
    "tool": ("role", "content", "tool_call_id"),
    "user": ("role", "content"),
}
# https://platform.openai.com/docs/api-reference/chat/create: tools.function.name
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
# BAML reads these tokens out of any text as borders of messages and media: data that holds one could speak as another role.
BAML_TOKENS = ("BAML_CHAT_ROLE_MAGIC_STRING_DELIMITER", "BAML_MEDIA_MAGIC_STRING_DELIMITER")


def check_text(what: str, text: str) -> None:
    """Raise ``ValueError`` where a text can't be sent: it holds a token that BAML acts on, or a lone surrogate."""
    for token in BAML_TOKENS:
        if token in text:
            raise ValueError(f"{what} holds {token!r}, which BAML reads as the border of a message or of media")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{what} holds half a character (U+{ord(text[error.start]):04X}), which can't be sent") from None


def check_messages(messages: list[Any]) -> None:
    """Raise ``ValueError`` for what the API refuses, and for an assistant message at the end, which servers would continue.

    Keys are ``role``, ``content`` (text; ``None`` beside tool calls), ``tool_calls`` and ``tool_call_id``. Every tool call is
    answered by a tool message before any other message.
    """
    if not messages:
        raise ValueError("returned no messages")
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        at = f"messages[{index}]"
        role = _check_shape(at, message)
        if role == "tool":
            call = message.get("tool_call_id")
            if not isinstance(call, str) or call not in open_calls:
                raise ValueError(f"{at}.tool_call_id: {call!r} answers no open tool call; there are: {_listed(open_calls)}")
            open_calls.remove(call)
        elif open_calls:
            raise ValueError(f"{at}: a message of role {role!r} before the answers to the tool calls {_listed(open_calls)}")
        elif "tool_calls" in message:
            open_calls = _check_calls(f"{at}.tool_calls", message["tool_calls"])
    if open_calls:
        raise ValueError(f"the tool calls {_listed(open_calls)} have no answer")
    if messages[-1]["role"] == "assistant":
        raise ValueError("the last message is the assistant's: servers would continue it instead of answering")


def _check_shape(at: str, message: object) -> str:
    """Check a message by itself and return its role."""
    if not isinstance(message, dict):
        raise ValueError(f"{at}: {_shown(message)} is not a dict")
    role, content = message.get("role"), message.get("content")
    if not isinstance(role, str) or role not in _KEYS:
        raise ValueError(f"{at}.role: {role!r} not found; there are: {_listed(_KEYS)}")
    for key in message:
        if key not in _KEYS[role]:
            raise ValueError(f"{at}: key {key!r} not found; a message of role {role!r} has: {_listed(_KEYS[role])}")
    if isinstance(content, str):
        check_text(f"{at}.content", content)
    elif content is not None or "tool_calls" not in message:
        raise ValueError(f"{at}.content: {_shown(content)} is not a text")
    return role


def _check_calls(at: str, calls: object) -> set[str]:
    """Check the tool calls of a message and return their ids."""
    if not isinstance(calls, list) or not calls:
        raise ValueError(f"{at}: {_shown(calls)} is not a list of tool calls")
    ids: set[str] = set()
    for index, call in enumerate(calls):
        here = f"{at}[{index}]"
        if not isinstance(call, dict) or call.keys() != {"id", "type", "function"} or call["type"] != "function":
            raise ValueError(f"{here}: {_shown(call)} is not {{'id': ..., 'type': 'function', 'function': ...}}")
        name, function = call["id"], call["function"]
        if not isinstance(name, str) or not name or name in ids:
            raise ValueError(f"{here}.id: {name!r} is not a text that no other call of the message has")
        check_text(f"{here}.id", name)
        ids.add(name)
        if not isinstance(function, dict) or function.keys() != {"name", "arguments"}:
            raise ValueError(f"{here}.function: {_shown(function)} is not {{'name': ..., 'arguments': ...}}")
        if not isinstance(function["name"], str) or not TOOL_NAME.fullmatch(function["name"]):
            raise ValueError(f"{here}.function.name: {function['name']!r} is not 1 to 64 of a-z, A-Z, 0-9, _ and -")
        if not _is_object(function["arguments"]):
            raise ValueError(f"{here}.function.arguments: {_shown(function['arguments'])} is not the text of a JSON object")
        check_text(f"{here}.function.arguments", function["arguments"])
    return ids


def _is_object(text: object) -> bool:
    try:
        return isinstance(text, str) and isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _shown(value: object) -> str:
    return "None" if value is None else f"{type(value).__name__} {repr(value)[:60]}"


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"
