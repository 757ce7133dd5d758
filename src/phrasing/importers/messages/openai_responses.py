"""OpenAI Responses.

The shape is that of the API (https://platform.openai.com/docs/api-reference/responses/create): a list of items. Read are
messages (``role``; ``content`` is a text or parts of type ``input_text``, ``output_text``, ``refusal``), ``function_call``
(``arguments`` is JSON), ``custom_tool_call`` (its text is read as the argument ``input``) and the outputs of both, tied by
``call_id``. ``instructions`` and ``tools`` stand beside them.

A record is such a list, a request (``input``), a request with its response (``request`` or ``body`` and ``response``, as in
lines of the batch API put together), or a response with its ``input`` beside it. With a response, its ``output`` is the one
decision. Where the server kept earlier turns (``previous_response_id``, ``conversation``, ``item_reference``, a compaction), or
the input isn't in the record, the history is counted as lost.

``reasoning`` is left out and counted, though the model that wrote it may have been shown it again in the same turn: a thread says
what happened, and every case of a reasoning model would count as incomplete. The provider's own tools (a search, code, a shell,
MCP) are no steps of the agent and are counted as lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from phrasing.importers.conversation import Call, Conversation, Heard, Item, Lost, Result, Turn, arguments, scalars
from phrasing.importers.messages import openai_chat
from phrasing.importers.messages.openai_chat import text_of, text_or_none

TITLE = "OpenAI Responses: a list of items, or a request, with its response or without"

NO_ANSWER = "a response without an output"

_CALLS = ("function_call", "custom_tool_call")
_OUTPUTS = ("function_call_output", "custom_tool_call_output")
_ELSEWHERE = ("item_reference", "compaction", "compaction_trigger")
_LISTINGS = ("mcp_list_tools", "additional_tools", "tool_search_call", "tool_search_output")
_OWN = ("message", *_CALLS, *_OUTPUTS, *_ELSEWHERE, *_LISTINGS, "reasoning", "program", "program_output")
_BESIDE = (
    "input",
    "output",
    "request",
    "body",
    "response",
    "instructions",
    "tools",
    "id",
    "object",
    "text",
    "usage",
    "reasoning",
)


def fits(record: JsonValue) -> bool:
    """Tell whether a record has what only this API has: items of its own, or a response of its own."""
    if isinstance(record, list):
        return _are_items(record)
    holder, answer = _parts(record)
    found = holder.get("input")
    outputs = answer.get("output") if answer else None
    return (
        (answer is not None and answer.get("object") == "response")
        or (isinstance(outputs, list) and _are_items(outputs) and "input" in holder)
        or (isinstance(found, list) and _are_items(found, particular="instructions" not in holder))
    )


def read(record: JsonValue) -> Iterator[Conversation]:
    """Read a record. Raises ``ValueError`` where it is another shape."""
    holder, answer = _parts(record)
    if "input" not in holder and answer is None:
        raise ValueError("has neither `input` nor a response with `output`")
    items = missing(holder, answer)
    system, past = items_of(holder["input"]) if "input" in holder else ("", [Lost("the input of a response: not in the record")])
    items += past
    outer = record if isinstance(record, dict) else {}
    if answer is not None:
        items += output_of(answer)
    elif "response" in outer:
        items.append(Lost(NO_ANSWER))
    before = _instructions(holder.get("instructions") or (answer or {}).get("instructions"))
    yield Conversation(
        items=tuple(items),
        id=_conversation(holder) or openai_chat.name_of(outer, holder, answer or {}),
        system="\n\n".join(filter(None, (before, system))),
        tools=openai_chat.tools_of(holder) or openai_chat.tools_of(answer or {}),
        meta={**scalars(answer or {}, without=_BESIDE), **scalars(holder, without=_BESIDE), **scalars(outer, without=_BESIDE)},
        whole=answer is None and "response" not in outer,
    )


def missing(holder: dict[str, Any], answer: dict[str, Any] | None) -> list[Item]:
    """Say whether the server kept earlier turns that the record doesn't hold."""
    kept = _conversation(holder) or any(one.get("previous_response_id") for one in (holder, answer or {}))
    return [Lost("earlier turns, which the server kept (previous_response_id, conversation)")] if kept else []


def output_of(answer: dict[str, Any]) -> list[Item]:
    """Read a response's output. The turn stands last: the decision is what the agent did, wherever its own tools came in."""
    _, items = items_of(answer.get("output") or [])
    last = max((i for i, item in enumerate(items) if isinstance(item, Turn)), default=None)
    if last is None:
        return [*items, Lost(NO_ANSWER)]
    if all(isinstance(item, Lost) for item in items[last + 1 :]):
        items.append(items.pop(last))
    return items


def items_of(found: JsonValue) -> tuple[str, list[Item]]:
    """Read items, or the text that stands for a user's message: the instructions that they begin with, and what happened then."""
    listed: list[Any] = found if isinstance(found, list) else [{"role": "user", "content": found}]
    system: list[str] = []
    items: list[Item] = []
    for item in listed:
        if not isinstance(item, dict):
            raise ValueError("an item isn't an object")
        if _kind(item) == "message" and item.get("role") in ("system", "developer") and not any(map(_seen, items)):
            text, lost = text_of(item.get("content"))
            system.append(text)
            items += map(Lost, lost)
        else:
            items += _items(item)
    return "\n\n".join(filter(None, system)), items


def _items(item: dict[str, Any]) -> Iterator[Item]:
    kind, name = _kind(item), text_or_none(item.get("name"))
    call = text_or_none(item.get("call_id"))
    if kind == "message":
        yield from _message(item)
    elif kind in _CALLS:
        free = kind == "custom_tool_call" and isinstance(item.get("input"), str)
        given = {"input": item["input"]} if free else arguments(item.get("arguments"))
        yield Turn(calls=(Call(name, given, call),)) if name else Lost("a tool call without a name")
    elif kind in _OUTPUTS:
        value, lost = openai_chat.value_of(item.get("output"))
        yield from map(Lost, lost)
        yield Result(value, call, name)
    elif kind == "reasoning":
        yield Lost("reasoning", harmless=True)
    elif kind in _LISTINGS:
        yield Lost("a list of tools", harmless=True)
    elif kind in _ELSEWHERE:
        yield Lost("items that the server kept (a reference, a compaction)")
    elif _is_own_tool(kind):
        yield Lost("a call of one of the provider's own tools, or what it gave back")
    else:
        yield Lost("an item of another kind")


def _message(item: dict[str, Any]) -> Iterator[Item]:
    text, lost = text_of(item.get("content"))
    yield from map(Lost, lost)
    match item.get("role"):
        case "user":
            yield Heard(text)
        case "assistant":
            yield Turn(text)
        case "system" | "developer":
            yield Heard(text, "system_message")
        case _:
            yield Lost("a message of another role than user, assistant, system and developer")


def _parts(record: JsonValue) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Find the request in a record, and the response to it."""
    if not isinstance(record, dict):
        return {"input": record}, None
    holder, _, answer = openai_chat.exchange(record)
    if isinstance(answer, dict) and "output" in answer:
        return holder, answer
    return holder, record if isinstance(record.get("output"), list) and "response" not in record else None


def _instructions(found: JsonValue) -> str:
    """Read instructions: a text, or messages."""
    messages = found if isinstance(found, list) else [{"content": found}]
    texts = [text_of(one.get("content"))[0] for one in messages if isinstance(one, dict)]
    return "\n\n".join(filter(None, texts))


def _seen(item: Item) -> bool:
    return not isinstance(item, Lost)


def _conversation(holder: dict[str, Any]) -> str | None:
    found = holder.get("conversation")
    return text_or_none(found.get("id") if isinstance(found, dict) else found)


def _kind(item: dict[str, Any]) -> str:
    kind = item.get("type")
    return kind if isinstance(kind, str) else "message" if "role" in item else ""


def _is_own_tool(kind: str) -> bool:
    return kind.endswith(("_call", "_call_output")) or kind.startswith(("mcp_", "program"))


def _are_items(found: list[Any], *, particular: bool = True) -> bool:
    """Tell whether all are items, and one at least is like no other API's (where it has to be)."""
    if not found or not all(isinstance(one, dict) and (_kind(one) in _OWN or _is_own_tool(_kind(one))) for one in found):
        return False
    messages = [one for one in found if _kind(one) == "message"]
    own = len(messages) < len(found) or any(map(_has_own_parts, messages))
    return all("role" in one for one in messages) and (own or not particular)


def _has_own_parts(message: dict[str, Any]) -> bool:
    parts = message.get("content")
    return isinstance(parts, list) and any(
        isinstance(part, dict) and part.get("type") in ("input_text", "output_text", "input_image", "input_file")
        for part in parts
    )
