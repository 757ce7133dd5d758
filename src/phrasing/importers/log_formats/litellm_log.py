"""LiteLLM's logs.

A record is a ``StandardLoggingPayload`` (https://docs.litellm.ai/docs/proxy/logging_spec), which LiteLLM hands to its callbacks
and writes to a bucket, or a row of the proxy's table of spend logs (``LiteLLM_SpendLogs`` in its ``schema.prisma``): its request
stands under ``proxy_server_request`` and whose JSON may be text. Each is one call of a model: its response is the decision, and
``messages`` are history. Whichever API was called, ``messages`` are as they came in (Chat, Anthropic's or items of Responses),
and ``response`` is a chat completion, a Responses object or a text.

Calls of one ``session_id``, or else of one ``trace_id``, are one conversation. ``meta`` are the model, the status, cost, tokens
and what the caller gave along (``requester_metadata``, ``spend_logs_metadata``, tags); keys, users and addresses are left out.
Where LiteLLM redacted the messages or cut long texts short, the case counts as incomplete.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from phrasing.importers.conversation import Conversation, Heard, Item, Lost, Sent, one_turn
from phrasing.importers.log_values import as_list, as_object, join_texts, objects_in, read_output, read_time, short_values
from phrasing.importers.messages.model_calls import FAILED, NO_ANSWER, read_any_messages
from phrasing.importers.messages.openai_chat import read_chat, text_of
from phrasing.importers.messages.openai_responses import kept_by_server, read_response_output
from phrasing.importers.messages.requests import answer_of, conversation_name, tools_of
from phrasing.importers.messages.sent import CUT_SHORT, read_sent

TITLE = "LiteLLM: its standard logging payload, or a row of the proxy's spend logs"

REDACTED = "redacted-by-litellm"
_CUT_MARK = "litellm_truncated"

_META = (
    *("id", "request_id", "call_type", "status", "stream", "model", "model_group", "custom_llm_provider"),
    *("response_cost", "spend", "prompt_tokens", "completion_tokens", "response_time"),
)
_GIVEN = ("requester_metadata", "spend_logs_metadata")


def fits(record: JsonValue) -> bool:
    """Tell whether a record looks like this."""
    found = _listed(record)
    return bool(found) and all(map(_is_call, found))


def _listed(record: JsonValue) -> list[Any]:
    """Give what may be calls: those of a page of the proxy's, or the record itself."""
    paged = isinstance(record, dict) and "call_type" not in record and isinstance(record.get("data"), list)
    return as_list(as_object(record).get("data")) if paged else [record]


def _is_call(record: Any) -> bool:
    if not isinstance(record, dict) or not isinstance(record.get("call_type"), str):
        return False
    payload = "model_parameters" in record and "messages" in record
    return payload or ("request_id" in record and ("proxy_server_request" in record or "messages" in record))


def read(record: JsonValue) -> Iterator[Conversation]:
    """Read a record. Raises ``ValueError`` where it is another shape."""
    for one in _listed(record):
        if not isinstance(one, dict) or "call_type" not in one:
            raise ValueError("has no `call_type`")
        yield _conversation(one)


def _conversation(record: dict[str, Any]) -> Conversation:
    request, answer = _request(record), _response(record.get("response"))
    found = request.get("messages", request.get("input", request.get("prompt")))
    items: list[Item] = kept_by_server(request, answer if isinstance(answer, dict) else None)
    if _CUT_MARK in json.dumps([found, answer], ensure_ascii=False):
        items.append(Lost("texts that LiteLLM cut short"))
    system, past = _past(found)
    instructions, _ = text_of(request.get("instructions") or request.get("system"))
    metadata = as_object(read_output(record.get("metadata")))
    tags = read_output(record.get("request_tags"))
    return Conversation(
        items=(*items, *past, *_answer(record, answer)),
        id=conversation_name(record, {"metadata": metadata}),
        system=join_texts(instructions, system),
        tools=tools_of(request),
        meta={
            **short_values({key: record[key] for key in _META if key in record}),
            **short_values({key: metadata[key] for key in _GIVEN if key in metadata}),
            **({"request_tags": tags} if isinstance(tags, list) and tags else {}),
        },
        whole=False,
        time=read_time(record.get("startTime")),
        sent=_sent(request),
    )


def _request(record: dict[str, Any]) -> dict[str, Any]:
    """Find the body of the request: in a payload the messages and the parameters stand apart, in a row it is whole."""
    whole = read_output(record.get("proxy_server_request"))
    whole = whole.get("body", whole) if isinstance(whole, dict) else whole
    if isinstance(whole, dict) and whole:
        return whole
    return {**as_object(read_output(record.get("model_parameters"))), "messages": read_output(record.get("messages"))}


def _sent(request: dict[str, Any]) -> Sent | str:
    """Give the request. Both records hold all that was sent."""
    text = json.dumps(request.get("messages"), ensure_ascii=False)
    return CUT_SHORT if _CUT_MARK in text or REDACTED in text else read_sent(request, whole=True)


def _response(found: JsonValue) -> JsonValue:
    """Give a response that a row may hold as text. A text that isn't one is what the model said."""
    whole = read_output(found)
    return whole if isinstance(whole, dict) and ("choices" in whole or "output" in whole) else found


def _past(found: JsonValue) -> tuple[str, list[Item]]:
    """Read what was sent, in whichever API's shape."""
    if isinstance(found, dict) and isinstance(found.get("messages"), list):
        found = found["messages"]
    if found in (None, "", [], {}) or REDACTED in (found, *_texts(found)):
        return "", [Lost("messages that LiteLLM didn't log, or redacted")]
    if isinstance(found, str):
        return "", [Heard(found)]
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        return "", [Lost("messages of another shape")]
    return read_any_messages(found)


def _texts(found: JsonValue) -> list[JsonValue]:
    return [one.get("content") for one in objects_in(found)]


def _answer(record: dict[str, Any], answer: JsonValue) -> list[Item]:
    if record.get("status") == "failure":
        return [FAILED]
    if isinstance(answer, dict) and isinstance(answer.get("output"), list):
        return read_response_output(answer)
    message = answer_of(answer)
    return one_turn(read_chat([message])[1]) if message else [NO_ANSWER]
