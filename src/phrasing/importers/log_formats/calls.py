"""Single calls: what was asked beside what was answered, as tables and home-made logs keep them.

A record has a field for each, by one of the names below: messages, a request, a response or a text, in whichever API's shape
(``messages.model_calls``), also as JSON in a text. Rows of tables that log a gateway's or a cloud's calls have this shape: those
of Vertex AI (``full_request``, ``full_response``: https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/request-response-logging),
of Databricks (``request``, ``response``: https://docs.databricks.com/aws/en/ai-gateway/inference-tables), and the lines of Amazon
Bedrock, whose bodies stand a level deeper (``inputBodyJson``, ``outputBodyJson``:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html).

What other importers know better isn't for this one: a list of messages that the agent ended is a whole conversation, and the
APIs' own requests with their ``response`` are read by their own importers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from phrasing.importers.conversation import Conversation, Item
from phrasing.importers.log_formats import anthropic_messages, openai_chat, openai_responses
from phrasing.importers.log_values import as_list, as_object, join_texts, read_json, short_values, text_or_none
from phrasing.importers.messages import model_calls
from phrasing.importers.messages.requests import conversation_name, time_of, tools_of
from phrasing.importers.messages.sent import read_sent

TITLE = "single calls: what was asked beside what was answered, such as `input` and `output`, or `prompt` and `completion`"

ASKED = ("messages", "input_messages", "input", "inputs", "prompt", "full_request", "request", "request_body")
ANSWERED = ("output_messages", "output", "outputs", "completion", "full_response", "response", "response_body", "choices")
_BODIES = ("inputBodyJson", "outputBodyJson")
_OWN = (anthropic_messages, openai_responses, openai_chat)
_AGENTS = ("assistant", "model", "ai")
_FAILED = ("error", "failed", "failure")


def fits(record: JsonValue) -> bool:
    """Tell whether a record looks like this."""
    if not isinstance(record, dict):
        return False
    asked = _key(record, ASKED)
    if asked is None or record.keys().isdisjoint(ANSWERED) or _ended(read_json(record[asked])):
        return False
    theirs = "response" in record or "choices" in record or isinstance(record.get("output"), list)
    return not theirs or not any(importer.fits(record) for importer in _OWN)


def read(record: JsonValue) -> Iterator[Conversation]:
    """Read a record. Raises ``ValueError`` where it is another shape."""
    holder = as_object(record)
    asked_key = _key(holder, ASKED)
    if asked_key is None or holder.keys().isdisjoint(ANSWERED):
        raise ValueError(f"has nothing that was asked ({', '.join(ASKED)}) beside what was answered ({', '.join(ANSWERED)})")
    found = _body(holder[asked_key])
    asked = model_calls.read_asked(found)
    beside: dict[str, Any] = {key: holder[key] for key in ("tools", "response_format") if key in holder}
    yield Conversation(
        items=(*asked.items, *_answer(holder)),
        id=conversation_name(holder),
        system=join_texts(text_or_none(holder.get("system")), asked.system),
        tools=asked.tools or tools_of(holder),
        meta=short_values(holder, without=(*ASKED, *ANSWERED, "system", "tools", "id")),
        whole=False,
        time=time_of(holder),
        sent=read_sent(found, beside=beside),
    )


def _key(record: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((key for key in keys if record.get(key) not in (None, "", [], {})), None)


def _ended(asked: Any) -> bool:
    """Tell whether messages end with the agent's: then they are a conversation, and the answer stands among them."""
    last = as_object((as_list(asked) or [None])[-1])
    return last.get("role") in _AGENTS or last.get("type") == "ai" or last.get("from") in ("gpt", "function_call")


def _body(found: Any) -> Any:
    """Give what was asked or answered, out of Bedrock's or HTTP's envelope."""
    held = as_object(read_json(found))
    return next((held[key] for key in (*_BODIES, "body") if key in held), found)


def _answer(record: dict[str, Any]) -> list[Item]:
    """Read the answer; none of a call that failed, as the record or its response says."""
    key = _key(record, ANSWERED)
    found = _body(record[key]) if key else None
    code = record.get("status_code")
    failed = record.get("error") or record.get("status") in _FAILED or as_object(read_json(found)).get("error")
    if failed or (isinstance(code, int) and code >= 400):
        return [model_calls.FAILED]
    return model_calls.read_answered({"choices": found} if key == "choices" else found)
