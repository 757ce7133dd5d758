"""OpenAI Responses.

A record is a list of the API's items, a request (``input``, with ``instructions`` and ``tools`` beside it), a request with its
response (``request`` or ``body`` and ``response``, as in lines of the batch API put together), or a response with its ``input``
beside it. With a response, its ``output`` is the one decision. Where the input isn't in the record, the history is counted as
lost. ``messages.openai_responses`` says how items are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from phrasing.importers.conversation import Conversation, Lost
from phrasing.importers.log_values import as_object, join_texts, objects_in, short_values
from phrasing.importers.messages.openai_chat import lost_beside, text_of
from phrasing.importers.messages.openai_responses import (
    NO_OUTPUT,
    are_items,
    conversation_id,
    kept_by_server,
    read_response_items,
    read_response_output,
)
from phrasing.importers.messages.requests import conversation_name, exchange, time_of, tools_of
from phrasing.importers.messages.sent import ANOTHER_API

TITLE = "OpenAI Responses: a list of items, or a request, with its response or without"

_BESIDE = (
    *("input", "output", "request", "body", "response", "instructions", "tools", "id", "object", "text", "usage", "reasoning"),
)


def fits(record: JsonValue) -> bool:
    """Tell whether a record has what only this API has: items of its own, or a response of its own."""
    if isinstance(record, list):
        return are_items(record)
    holder, answer = _parts(record)
    found = holder.get("input")
    outputs = answer.get("output") if answer else None
    return (
        (answer is not None and answer.get("object") == "response")
        or (isinstance(outputs, list) and are_items(outputs) and "input" in holder)
        or (isinstance(found, list) and are_items(found, particular="instructions" not in holder))
    )


def read(record: JsonValue) -> Iterator[Conversation]:
    """Read a record. Raises ``ValueError`` where it is another shape."""
    holder, answer = _parts(record)
    if "input" not in holder and answer is None:
        raise ValueError("has neither `input` nor a response with `output`")
    items = kept_by_server(holder, answer)
    if "input" in holder:
        system, past = read_response_items(holder["input"])
    else:
        system, past = "", [Lost("the input of a response: not in the record")]
    outer, answered = as_object(record), answer or {}
    items += [*{kind for place in (holder, outer) for kind in lost_beside(place)}, *past]
    if answer is not None:
        items += read_response_output(answer)
    elif "response" in outer:
        items.append(Lost(NO_OUTPUT))
    yield Conversation(
        items=tuple(items),
        id=conversation_id(holder) or conversation_name(outer, holder, answered),
        system=join_texts(_instructions(holder.get("instructions") or answered.get("instructions")), system),
        tools=tools_of(holder) or tools_of(answered),
        meta={**_meta(answered), **_meta(holder), **_meta(outer)},
        whole=answer is None and "response" not in outer,
        time=time_of(outer, holder, answered),
        sent=ANOTHER_API,
    )


def _parts(record: JsonValue) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Find the request in a record, and the response to it."""
    if not isinstance(record, dict):
        return {"input": record}, None
    holder, _, answer = exchange(record)
    if isinstance(answer, dict) and "output" in answer:
        return holder, answer
    return holder, record if isinstance(record.get("output"), list) and "response" not in record else None


def _meta(part: dict[str, Any]) -> dict[str, JsonValue]:
    return short_values(part, without=_BESIDE)


def _instructions(found: JsonValue) -> str:
    """Read instructions: a text, or messages."""
    messages = found if isinstance(found, list) else [{"content": found}]
    return join_texts(*(text_of(one.get("content"))[0] for one in objects_in(messages)))
