"""LangChain's messages, written as those of OpenAI's API.

They come in several forms, which its versions and tracers write side by side
(https://reference.langchain.com/python/langchain_core/messages/):

- serialised objects: ``{"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "AIMessage"], "kwargs": {…}}``;
- ``{"type": "ai", "content": …}``, also with what it holds under ``data``; ``human``, ``system``, ``tool``, ``function``,
  ``chat``;
- objects with a ``role``; pairs of a role and a text.

Calls are ``tool_calls`` of ``name`` and ``args``; ``invalid_tool_calls`` are those whose arguments couldn't be parsed. Where
there are neither, calls are what the provider said (``additional_kwargs``), or parts of the content (``tool_use``, ``tool_call``,
``function_call``). Where there are, such parts say the same again, and are left out.
"""

from __future__ import annotations

from typing import Any

from phrasing.importers.log_values import as_list, as_object

_ROLES = {
    "human": "user",
    "user": "user",
    "ai": "assistant",
    "assistant": "assistant",
    "system": "system",
    "developer": "developer",
    "tool": "tool",
    "function": "function",
}
KNOWN_ROLES = frozenset(_ROLES)
"""The roles of messages, by LangChain's names and the API's."""

_CALL_PARTS = ("tool_use", "tool_call", "function_call", "invalid_tool_call", "tool_call_chunk", "input_json_delta")
_PROVIDERS = ("function_call", "refusal", "audio", "reasoning_content", "reasoning")


def is_message(one: Any) -> bool:
    """Tell whether this is a message in one of LangChain's own forms."""
    return is_pair(one) or (isinstance(one, dict) and _opened(one) is not None)


def is_pair(one: Any) -> bool:
    """Tell whether this is a role and a text."""
    return isinstance(one, list) and len(one) == 2 and all(isinstance(part, str) for part in one) and one[0] in _ROLES


def as_chat_message(message: Any) -> dict[str, Any]:
    """Write a message, of LangChain or of OpenAI's API, as one of the API's. The role of what is none is ``None``."""
    if is_pair(message):
        message = {"role": message[0], "content": message[1]}
    kind, held = _opened(message) or (None, message)
    role = _role(kind) or _role(held.get("role")) or _role(held.get("type"))
    extra = as_object(held.get("additional_kwargs"))
    made = {**{key: extra[key] for key in _PROVIDERS if extra.get(key)}, **held, "role": role}
    if role != "assistant":
        return made
    if isinstance(held.get("content"), list):
        made["content"] = [part for part in held["content"] if not _is_call_part(part)]
    calls = _calls(held, extra)
    return {**made, "tool_calls": [_as_chat_call(one) for one in calls]} if calls else made


def _calls(held: dict[str, Any], extra: dict[str, Any]) -> list[Any]:
    """Find the calls of an agent's message: its own, else what the provider said, else parts of its content."""
    own = [*as_list(held.get("tool_calls")), *as_list(held.get("invalid_tool_calls"))]
    parts = (part for part in as_list(held.get("content")) if _is_call_part(part) and part.get("name"))
    return own or as_list(extra.get("tool_calls")) or list(parts)


def _is_call_part(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") in _CALL_PARTS


def _opened(message: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Give a message's type and what it holds, where it has a form of LangChain's own."""
    kind, held, path = message.get("type"), message.get("kwargs"), message.get("id")
    if kind == "constructor" and isinstance(held, dict) and isinstance(path, list) and path and isinstance(path[-1], str):
        return path[-1], held
    if not isinstance(kind, str) or "role" in message or not (_role(kind) or kind == "chat"):
        return None
    inner = message.get("data")
    return (kind, inner) if isinstance(inner, dict) else (kind, message) if "content" in message else None


def _role(name: Any) -> str | None:
    """Give the API's role for LangChain's, or for the name of a class."""
    return _ROLES.get(name.removesuffix("Chunk").removesuffix("Message").lower()) if isinstance(name, str) else None


def _as_chat_call(one: Any) -> Any:
    """Write a call as the API does; one that it wrote stays."""
    if not isinstance(one, dict) or any(isinstance(one.get(key), dict) for key in ("function", "custom")):
        return one
    given = next((one[key] for key in ("args", "input", "arguments") if key in one), None)
    return {"id": one.get("call_id") or one.get("id"), "function": {"name": one.get("name"), "arguments": given}}
