"""Anthropic Messages.

A record is a list of the API's messages, a request (``messages``, ``system`` and ``tools`` beside them), or a request with its
response: ``content`` of role ``assistant`` beside the messages, under ``response``, or request and response under these two
names. ``messages.anthropic_messages`` says how messages are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from phrasing.importers.conversation import Conversation
from phrasing.importers.log_values import as_object, objects_in, short_values
from phrasing.importers.messages.anthropic_messages import has_own_blocks, may_be_anthropic, read_anthropic
from phrasing.importers.messages.openai_chat import lost_beside, text_of
from phrasing.importers.messages.requests import conversation_name, time_of, tools_of
from phrasing.importers.messages.sent import ANOTHER_API

TITLE = "Anthropic messages: a list, or a request, with its response or without"

_BESIDE = ("messages", "response", "request", "system", "tools", "content", "id", "role", "type")


def fits(record: JsonValue) -> bool:
    """Tell whether a record has what only this API has: a block of its own, ``system`` beside messages, or such a tool."""
    holder, answer = _parts(record)
    messages = holder.get("messages")
    if not may_be_anthropic(messages):
        return False
    own_tools = any("input_schema" in tool for tool in objects_in(holder.get("tools")))
    return "system" in holder or answer is not None or own_tools or has_own_blocks(messages)


def read(record: JsonValue) -> Iterator[Conversation]:
    """Read a record. Raises ``ValueError`` where it is another shape."""
    holder, answer = _parts(record)
    messages = holder.get("messages")
    if not isinstance(messages, list):
        raise ValueError("has no list `messages`")
    outer = as_object(record)
    system, _ = text_of(holder.get("system"))
    yield Conversation(
        items=(
            *{kind for place in (holder, outer) for kind in lost_beside(place)},
            *read_anthropic(messages),
            *(read_anthropic([answer]) if answer else ()),
        ),
        id=conversation_name(outer) or conversation_name(holder),
        system=system,
        tools=tools_of(holder),
        meta=short_values(holder, without=_BESIDE) | short_values(outer, without=_BESIDE),
        whole=answer is None,
        time=time_of(outer, holder),
        sent=ANOTHER_API,
    )


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
