"""Anthropic Messages.

The shape is that of the API (https://docs.anthropic.com/en/api/messages): ``messages`` with roles ``user`` and ``assistant``,
whose ``content`` is a text or a list of blocks. Read are ``text``, ``tool_use`` (``input`` is an object) and ``tool_result``
(inside a user message, several in one, ``is_error``). ``system`` stands beside the messages, and so do ``tools``.

A record is a list of such messages, a request, or a request with its response: ``content`` of role ``assistant`` beside the
messages, under ``response``, or request and response under these two names.

``thinking`` blocks are left out: the API itself drops those of earlier turns. Images, documents and the provider's own tools
(``server_tool_use`` and what comes back from it) can't be shown and are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from phrasing.importers.conversation import Call, Conversation, Heard, Item, Lost, Result, Turn, arguments, output, scalars
from phrasing.importers.messages import openai_chat

TITLE = "Anthropic messages: a list, or a request, with its response or without"

_OWN_BLOCKS = ("tool_use", "tool_result", "thinking", "redacted_thinking", "server_tool_use", "document")
_BESIDE = ("messages", "response", "request", "system", "tools", "content", "id", "role", "type")


def fits(record: JsonValue) -> bool:
    """Tell whether a record has what only this API has: a block of its own, ``system`` beside messages, or such a tool."""
    holder, answer = _parts(record)
    messages = holder.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        return False
    if any(one.get("role") not in ("user", "assistant") or "tool_calls" in one for one in messages):
        return False
    tools = holder.get("tools")
    return (
        "system" in holder
        or answer is not None
        or (isinstance(tools, list) and any(isinstance(tool, dict) and "input_schema" in tool for tool in tools))
        or any(block.get("type") in _OWN_BLOCKS for one in messages for block in _blocks(one.get("content")))
    )


def read(record: JsonValue) -> Iterator[Conversation]:
    """Read a record. Raises ``ValueError`` where it is another shape."""
    holder, answer = _parts(record)
    messages = holder.get("messages")
    if not isinstance(messages, list):
        raise ValueError("has no list `messages`")
    outer = record if isinstance(record, dict) else {}
    system, _ = openai_chat.text_of(holder.get("system"))
    yield Conversation(
        items=tuple(items_of([*messages, *([answer] if answer else [])])),
        id=openai_chat.name_of(outer) or openai_chat.name_of(holder),
        system=system,
        tools=openai_chat.tools_of(holder),
        meta=scalars(holder, without=_BESIDE) | scalars(outer, without=_BESIDE),
        whole=answer is None,
    )


def items_of(messages: list[Any]) -> Iterator[Item]:
    """Read messages."""
    for message in messages:
        if not isinstance(message, dict):
            raise ValueError("a message isn't an object")
        if message.get("role") == "assistant":
            yield from _said(message.get("content"))
        elif message.get("role") == "user":
            yield from _heard(message.get("content"))
        elif message.get("role") == "system":
            yield Heard(openai_chat.text_of(message.get("content"))[0], "system_message")
        else:
            yield Lost("a message of another role than user, assistant and system")


def _parts(record: JsonValue) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Find the request in a record, and the message that answered it."""
    if not isinstance(record, dict):
        return {"messages": record}, None
    request = record.get("request")
    holder = request if isinstance(request, dict) and "messages" in request else record
    for answer in (record.get("response"), record):
        if isinstance(answer, dict) and isinstance(answer.get("content"), list) and answer.get("role") == "assistant":
            return holder, answer
    return holder, None


def _blocks(content: JsonValue) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _said(content: JsonValue) -> Iterator[Item]:
    """Read an assistant's message: one turn, after what of it can't be shown."""
    texts: list[str] = []
    calls: list[Call] = []
    for block in _blocks(content):
        kind, name = block.get("type"), block.get("name")
        if kind == "text" and isinstance(block.get("text"), str):
            texts.append(block["text"])
        elif kind == "tool_use" and isinstance(name, str) and name:
            calls.append(Call(name, arguments(block.get("input")), openai_chat.text_or_none(block.get("id"))))
        elif kind in ("thinking", "redacted_thinking"):
            yield Lost("thinking", harmless=True)
        else:
            yield _unknown(block)
    yield Turn("\n\n".join(filter(None, texts)), tuple(calls))


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
    if texts or not blocks:
        yield Heard("\n".join(texts))


def _result(block: dict[str, Any]) -> Iterator[Item]:
    content = block.get("content")
    if isinstance(content, dict):  # some loggers put the tool's own value there
        text: JsonValue = content
    else:
        text, lost = openai_chat.text_of(content)
        yield from map(Lost, lost)
    call = openai_chat.text_or_none(block.get("tool_use_id"))
    yield Result(output(text), call, error=block.get("is_error") is True)


def _unknown(block: dict[str, Any]) -> Lost:
    kind = block.get("type")
    if isinstance(kind, str) and ("tool_use" in kind or "tool_result" in kind):
        return Lost("a call of one of the provider's own tools, or what it gave back")
    return Lost("a block that isn't text (an image, a document)")
