"""MLflow's traces.

A record is a trace as ``Trace.to_json`` or an artifact has it (https://mlflow.org/docs/latest/genai/concepts/trace/), with its
spans under ``data.spans`` or ``spans``, or one span. A span of the type CHAT_MODEL or LLM is a single call of a model: its
``mlflow.spanInputs`` and ``mlflow.spanOutputs`` are what the caller's library logged, and ``model_calls`` says which shapes are
read. Traces of one session (``mlflow.trace.session``) are one conversation, without a session each is one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from phrasing.importers.conversation import Conversation, Skipped
from phrasing.importers.log_values import as_object, read_json, short_values, text_or_none
from phrasing.importers.messages import model_calls
from phrasing.importers.messages.requests import declarations_of
from phrasing.importers.messages.sent import read_sent
from phrasing.importers.otel_spans import OtelSpan, spans

TITLE = "MLflow: traces"

_SESSION = "mlflow.trace.session"
_META = ("model", "llm.model_name", "mlflow.llm.model")


def fits(record: JsonValue) -> bool:
    """Tell whether a record looks like this."""
    return any(name.startswith("mlflow.span") for span in spans(record) for name in span.attributes)


def read(record: JsonValue) -> Iterator[Conversation | Skipped]:
    """Read a record: a conversation for each span that is a call of a model."""
    info = as_object(as_object(record).get("info"))
    holders = [as_object(info.get(key)) for key in ("trace_metadata", "request_metadata", "tags")]
    session = next((name for holder in holders if (name := text_or_none(holder.get(_SESSION)))), None)
    trace = text_or_none(info.get("trace_id")) or text_or_none(info.get("request_id"))
    for span in spans(record):
        if str(_plain(span.attributes.get("mlflow.spanType"))).upper() in ("CHAT_MODEL", "LLM"):
            yield _conversation(span, session or trace or span.trace)
        else:
            yield Skipped("a span that is no call of a model (an agent, a chain, a tool)")


def _conversation(span: OtelSpan, name: str | None) -> Conversation:
    asked = model_calls.read_asked(_whole(span, "mlflow.spanInputs"))
    known = {key: _plain(span.attributes[key]) for key in _META if key in span.attributes}
    return Conversation(
        items=(*asked.items, *model_calls.read_answered(_whole(span, "mlflow.spanOutputs"))),
        id=name,
        system=asked.system,
        tools=asked.tools or declarations_of(_whole(span, "mlflow.chat.tools")),
        meta=short_values(known),
        whole=False,
        time=span.time,
        sent=read_sent(_whole(span, "mlflow.spanInputs")),
    )


def _whole(span: OtelSpan, name: str) -> Any:
    """Give an attribute, which may be an object that was taken apart."""
    return _plain(span.whole.get(name))


def _plain(value: Any) -> Any:
    """Read an attribute, which MLflow writes as JSON, texts too."""
    if isinstance(value, str) and value[:1] == '"':
        try:
            return json.loads(value)
        except ValueError:
            return value
    return read_json(value)
