"""Anthropic's Messages (https://docs.anthropic.com/en/api/messages).

Roles are ``user`` and ``assistant``, whose ``content`` is a text or a list of blocks. Read are ``text``, ``tool_use`` (``input``
is an object) and ``tool_result`` (inside a user message, several in one, ``is_error``).

``thinking`` blocks are left out: the API itself drops those of earlier turns. Images, documents and the provider's own tools
(``server_tool_use`` and what comes back from it) can't be shown and are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeGuard

from pydantic import JsonValue

from phrasing.importers.conversation import Call, Heard, Item, Lost, Result, Turn
from phrasing.importers.log_values import objects_in, read_arguments, read_output, text_or_none
from phrasing.importers.messages.openai_chat import NO_NAME, SAID_NOTHING, text_of

_OWN_BLOCKS = ("tool_use", "tool_result", "thinking", "redacted_thinking", "server_tool_use", "document")


def may_be_anthropic(messages: Any) -> TypeGuard[list[dict[str, Any]]]:
    """Tell whether this is a list of messages that the API could take."""
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        return False
    return not any(one.get("role") not in ("user", "assistant") or "tool_calls" in one for one in messages)


def has_own_blocks(messages: list[dict[str, Any]]) -> bool:
    """Tell whether messages hold a block that only this API has."""
    return any(block.get("type") in _OWN_BLOCKS for one in messages for block in _blocks(one.get("content")))


def read_anthropic(messages: list[Any]) -> Iterator[Item]:
    """Read messages. Raises ``ValueError`` for what is none."""
    for message in messages:
        if not isinstance(message, dict):
            raise ValueError("a message isn't an object")
        if message.get("role") == "assistant":
            yield from _said(message.get("content"))
        elif message.get("role") == "user":
            yield from _heard(message.get("content"))
        elif message.get("role") == "system":
            yield Heard(text_of(message.get("content"))[0], "system_message")
        else:
            yield Lost("a message of another role than user, assistant and system")


def _blocks(content: JsonValue) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return objects_in(content)


def _said(content: JsonValue) -> Iterator[Item]:
    """Read an assistant's message: one turn, after what of it can't be shown."""
    texts: list[str] = []
    calls: list[Call] = []
    unread = ""
    for block in _blocks(content):
        kind, name = block.get("type"), block.get("name")
        if kind == "text" and isinstance(block.get("text"), str):
            texts.append(block["text"])
        elif kind == "tool_use" and isinstance(name, str) and name:
            calls.append(Call(name, read_arguments(block.get("input")), text_or_none(block.get("id"))))
        elif kind in ("thinking", "redacted_thinking"):
            yield Lost("thinking", harmless=True)
        elif kind == "tool_use":
            unread = NO_NAME
            yield Lost(NO_NAME)
        else:
            yield _unknown(block)
    yield Turn("\n".join(texts), tuple(calls), unread=unread)


def _heard(content: JsonValue) -> Iterator[Item]:
    """Read a user's message: results and texts in their order, texts side by side as one."""
    texts: list[str] = []
    blocks = _blocks(content)
    for block in blocks:
        if block.get("type") == "text" and isinstance(block.get("text"), str):
            texts.append(block["text"])
            continue
        if texts:
            yield Heard("\n".join(texts))
            texts = []
        if block.get("type") == "tool_result":
            yield from _result(block)
        else:
            yield _unknown(block)
    if texts and any(texts):
        yield Heard("\n".join(texts))
    elif not any(block.get("type") == "tool_result" for block in blocks):
        yield Lost(SAID_NOTHING)


def _result(block: dict[str, Any]) -> Iterator[Item]:
    content = block.get("content")
    if isinstance(content, dict):  # some loggers put the tool's own value there
        text: JsonValue = content
    else:
        text, lost = text_of(content)
        yield from map(Lost, lost)
    call = text_or_none(block.get("tool_use_id"))
    yield Result(read_output(text), call, error=block.get("is_error") is True)


def _unknown(block: dict[str, Any]) -> Lost:
    kind = block.get("type")
    if isinstance(kind, str) and ("tool_use" in kind or "tool_result" in kind):
        return Lost("a call of one of the provider's own tools, or what it gave back")
    return Lost("a block that isn't text (an image, a document)")
