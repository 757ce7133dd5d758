"""Items of OpenAI's Responses (https://platform.openai.com/docs/api-reference/responses/create).

Read are messages (``role``; ``content`` is a text or parts of type ``input_text``, ``output_text``, ``refusal``),
``function_call`` (``arguments`` is JSON), ``custom_tool_call`` (its text is read as the argument ``input``) and the outputs of
both, tied by ``call_id``. Where the server kept earlier turns (``previous_response_id``, ``conversation``, ``item_reference``, a
compaction), the history is counted as lost.

``reasoning`` is left out and counted, though the model that wrote it may have been shown it again in the same turn: a thread says
what happened, and every case of a reasoning model would count as incomplete. The provider's own tools (a search, code, a shell,
MCP) are no steps of the agent and are counted as lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from phrasing.importers.conversation import Call, Heard, Item, Lost, Result, Turn, one_turn
from phrasing.importers.log_values import join_texts, objects_in, read_arguments, text_or_none
from phrasing.importers.messages.openai_chat import SAID_NOTHING, text_of, value_of

NO_OUTPUT = "a response without an output"

_CALLS = ("function_call", "custom_tool_call")
_OUTPUTS = ("function_call_output", "custom_tool_call_output")
_ELSEWHERE = ("item_reference", "compaction", "compaction_trigger")
_LISTINGS = ("mcp_list_tools", "additional_tools", "tool_search_call", "tool_search_output")
_OWN = ("message", *_CALLS, *_OUTPUTS, *_ELSEWHERE, *_LISTINGS, "reasoning", "program", "program_output")


def are_items(found: list[Any], *, particular: bool = True) -> bool:
    """Tell whether all are items, and one at least is like no other API's (where it has to be)."""
    if not found or not all(isinstance(one, dict) and (_kind(one) in _OWN or _is_own_tool(_kind(one))) for one in found):
        return False
    messages = [one for one in found if _kind(one) == "message"]
    own = len(messages) < len(found) or any(map(_has_own_parts, messages))
    return all("role" in one for one in messages) and (own or not particular)


def kept_by_server(holder: dict[str, Any], answer: dict[str, Any] | None) -> list[Item]:
    """Say whether the server kept earlier turns that the record doesn't hold."""
    kept = conversation_id(holder) or any(one.get("previous_response_id") for one in (holder, answer or {}))
    return [Lost("earlier turns, which the server kept (previous_response_id, conversation)")] if kept else []


def read_response_output(answer: dict[str, Any]) -> list[Item]:
    """Read a response's output. The turn stands last: the decision is what the agent did, wherever its own tools came in."""
    _, items = read_response_items(answer.get("output") or [])
    if not any(isinstance(item, Turn) for item in items):
        return [*items, Lost(NO_OUTPUT)]
    return one_turn(items)


def read_response_items(found: JsonValue) -> tuple[str, list[Item]]:
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
    return join_texts(*system), items


def _items(item: dict[str, Any]) -> Iterator[Item]:
    kind, name = _kind(item), text_or_none(item.get("name"))
    call = text_or_none(item.get("call_id"))
    if kind == "message":
        yield from _message(item)
    elif kind in _CALLS:
        free = kind == "custom_tool_call" and isinstance(item.get("input"), str)
        given = {"input": item["input"]} if free else read_arguments(item.get("arguments"))
        yield Turn(calls=(Call(name, given, call),)) if name else Lost("a tool call without a name")
    elif kind in _OUTPUTS:
        value, lost = value_of(item.get("output"))
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
            yield Heard(text) if text or lost else Lost(SAID_NOTHING)
        case "assistant":
            yield Turn(text)
        case "system" | "developer":
            yield Heard(text, "system_message")
        case _:
            yield Lost("a message of another role than user, assistant, system and developer")


def conversation_id(holder: dict[str, Any]) -> str | None:
    """Find the conversation that the server keeps."""
    found = holder.get("conversation")
    return text_or_none(found.get("id") if isinstance(found, dict) else found)


def _seen(item: Item) -> bool:
    return not isinstance(item, Lost)


def _kind(item: dict[str, Any]) -> str:
    kind = item.get("type")
    return kind if isinstance(kind, str) else "message" if "role" in item else ""


def _is_own_tool(kind: str) -> bool:
    return kind.endswith(("_call", "_call_output")) or kind.startswith(("mcp_", "program"))


def _has_own_parts(message: dict[str, Any]) -> bool:
    kinds = ("input_text", "output_text", "input_image", "input_file")
    return any(part.get("type") in kinds for part in objects_in(message.get("content")))
