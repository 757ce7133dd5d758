"""OpenAI Chat Completions.

A record is a list of the API's messages, or an object that holds one under ``messages``, ``conversation``, ``conversations`` or
``traj``: a log of conversations, a line of a fine-tuning file, a request with its ``tools``. The messages may be ShareGPT's
instead, ``from`` and ``value``, with ``function_call`` and ``observation`` (https://github.com/hiyouga/LLaMA-Factory,
data/README.md). A request and its response may stand side by side, in the ways that ``messages.requests`` knows. The response is
then the one decision, and what stands before it is history. Of a pair of answers, of which one was preferred
(``messages.preference_pairs``), the preferred one is what the agent did. ``messages.openai_chat`` says how messages are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from phrasing.importers.conversation import NOT_SENT, Conversation, Lost, Sent, Skipped, one_turn
from phrasing.importers.log_values import as_list, as_object, read_output, short_values
from phrasing.importers.messages import preference_pairs
from phrasing.importers.messages.openai_chat import NO_MESSAGE, ROLES, lost_beside, read_chat
from phrasing.importers.messages.requests import (
    ANSWER_KEYS,
    MESSAGE_LISTS,
    answer_of,
    choices_of,
    conversation_name,
    exchange,
    messages_of,
    time_of,
    tools_of,
)
from phrasing.importers.messages.sent import read_sent

TITLE = "OpenAI chat messages: a list, an object with `messages`, or a request with its response"

_BESIDE = (*MESSAGE_LISTS, "request", "body", "response", "choices", "tools", "functions", "system", "id")
STORED = "a stored completion without the messages that it answered: the API gives these by themselves"
_SPEAKERS = (*ROLES, "model")
_SHAREGPT = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "function_call": "assistant",
    "observation": "tool",
}


def fits(record: JsonValue) -> bool:
    """Tell whether a record looks like this."""
    found = messages_of(exchange(record)[0])
    if not found:
        return preference_pairs.is_pair(record) or bool(_stored(record))
    return all(map(_is_message, found)) or all(map(_is_sharegpt, found))


def read(record: JsonValue) -> Iterator[Conversation | Skipped]:
    """Read a record. Raises ``ValueError`` where it is another shape."""
    if stored := _stored(record):
        yield from [Skipped(STORED)] * len(stored)
        return
    holder, answered, found = exchange(record)
    outer = as_object(record)
    messages = messages_of(holder)
    pair = preference_pairs.is_pair(record)
    if pair:
        holder, messages = preference_pairs.request(outer)
    elif messages is None:
        raise ValueError("has no list `messages`")
    chosen, lost = preference_pairs.chosen(outer, messages or []) if pair else ([], [])
    messages = [*_chat(messages or [], holder), *_chat(chosen, {})]
    answer = answer_of(found)
    system, items = read_chat(messages)
    items += one_turn(read_chat([answer])[1]) if answer else []
    beside_keys = (*_BESIDE, *(preference_pairs.KEYS if pair else ()))
    beside = {kind for place in (holder, outer) for kind in lost_beside(place)}
    further = [Lost("a further choice of a response", harmless=True)] * (len(choices_of(found)) - 1)
    yield Conversation(
        items=(*beside, *further, *items, *([Lost(NO_MESSAGE)] if answered and answer is None else []), *lost),
        id=conversation_name(outer, holder),
        system=system,
        tools=tools_of(holder),
        meta=short_values(holder, without=beside_keys) | short_values(outer, without=beside_keys),
        whole=not answered,
        time=time_of(outer, holder),
        sent=NOT_SENT if pair else _sent(holder, nested=bool(outer) and holder is not record, answered=answered),
    )


def _sent(holder: dict[str, Any], *, nested: bool, answered: bool) -> Sent | str:
    """Give the request. A conversation is none; the body of one names a model, and is whole unless its answer is mixed in."""
    named = "model" in holder
    if not (answered or nested or named):
        return NOT_SENT
    return read_sent(holder, whole=named and (nested or not answered))


def _stored(record: JsonValue) -> list[Any]:
    """Give the completions that a record holds without what they answered, as the API lists those that it stored."""
    found = as_object(record)
    listed = as_list(found.get("data")) if found.get("object") == "list" else [found]
    return [one for one in listed if as_object(one).get("object") == "chat.completion" and messages_of(one) is None]


def _chat(messages: list[Any], holder: dict[str, Any]) -> list[Any]:
    """Give messages as the API has them, where they are ShareGPT's."""
    if not messages or not all(map(_is_sharegpt, messages)):
        return messages
    return [*({"role": "system", "content": text} for text in [holder.get("system")] if text), *map(_spoken, messages)]


def _is_message(one: Any) -> bool:
    return isinstance(one, dict) and one.get("role") in _SPEAKERS and (not ANSWER_KEYS.isdisjoint(one) or bool(one.get("parts")))


def _is_sharegpt(one: Any) -> bool:
    return isinstance(one, dict) and isinstance(one.get("from"), str) and one["from"] in _SHAREGPT and "value" in one


def _spoken(one: dict[str, Any]) -> dict[str, Any]:
    """Write a message of ShareGPT as one of the API's. The value of a ``function_call`` is a call, or a list of them, as JSON."""
    role, value = _SHAREGPT[one["from"]], one["value"]
    if one["from"] != "function_call":
        return {"role": role, "content": value}
    calls = read_output(value)
    return {"role": role, "tool_calls": [{"function": call} for call in (calls if isinstance(calls, list) else [calls])]}
