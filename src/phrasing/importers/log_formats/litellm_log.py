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

from phrasing.importers.conversation import Conversation, Heard, Item, Lost, output, scalars
from phrasing.importers.messages import model_calls, openai_chat, openai_responses

TITLE = "LiteLLM: its standard logging payload, or a row of the proxy's spend logs"

REDACTED = "redacted-by-litellm"
CUT = "litellm_truncated"

_META = (
    *("id", "request_id", "call_type", "status", "stream", "model", "model_group", "custom_llm_provider"),
    *("response_cost", "spend", "prompt_tokens", "completion_tokens", "response_time"),
)
_GIVEN = ("requester_metadata", "spend_logs_metadata")


def fits(record: JsonValue) -> bool:
    """Tell whether a record looks like this."""
    if not isinstance(record, dict) or not isinstance(record.get("call_type"), str):
        return False
    payload = "model_parameters" in record and "messages" in record
    return payload or ("request_id" in record and ("proxy_server_request" in record or "messages" in record))


def read(record: JsonValue) -> Iterator[Conversation]:
    """Read a record. Raises ``ValueError`` where it is another shape."""
    if not isinstance(record, dict) or "call_type" not in record:
        raise ValueError("has no `call_type`")
    request, answer = _request(record), _response(record.get("response"))
    found = request.get("messages", request.get("input", request.get("prompt")))
    items: list[Item] = openai_responses.missing(request, answer if isinstance(answer, dict) else None)
    if CUT in json.dumps([found, answer], ensure_ascii=False):
        items.append(Lost("texts that LiteLLM cut short"))
    system, past = _past(found)
    instructions, _ = openai_chat.text_of(request.get("instructions") or request.get("system"))
    metadata = output(record.get("metadata"))
    metadata = metadata if isinstance(metadata, dict) else {}
    tags = output(record.get("request_tags"))
    yield Conversation(
        items=(*items, *past, *_answer(record, answer)),
        id=openai_chat.name_of(record, {"metadata": metadata}),
        system="\n\n".join(filter(None, (instructions, system))),
        tools=openai_chat.tools_of(request),
        meta={
            **scalars({key: record[key] for key in _META if key in record}),
            **scalars({key: metadata[key] for key in _GIVEN if key in metadata}),
            **({"request_tags": tags} if isinstance(tags, list) and tags else {}),
        },
        whole=False,
    )


def _request(record: dict[str, Any]) -> dict[str, Any]:
    """Find the body of the request: in a payload the messages and the parameters stand apart, in a row it is whole."""
    whole = output(record.get("proxy_server_request"))
    whole = whole.get("body", whole) if isinstance(whole, dict) else whole
    if isinstance(whole, dict) and whole:
        return whole
    parameters = output(record.get("model_parameters"))
    return {**(parameters if isinstance(parameters, dict) else {}), "messages": output(record.get("messages"))}


def _response(found: JsonValue) -> JsonValue:
    """Give a response that a row may hold as text. A text that isn't one is what the model said."""
    whole = output(found)
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
    return model_calls.past(found)


def _texts(found: JsonValue) -> list[JsonValue]:
    return [one.get("content") for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _answer(record: dict[str, Any], answer: JsonValue) -> list[Item]:
    if record.get("status") == "failure":
        return [Lost("a call that failed")]
    if isinstance(answer, dict) and isinstance(answer.get("output"), list):
        return openai_responses.output_of(answer)
    message = openai_chat.response(answer)
    return openai_chat.items_of([message])[1] if message else [Lost(openai_chat.NO_ANSWER)]
