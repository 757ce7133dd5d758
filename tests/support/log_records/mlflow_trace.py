from __future__ import annotations

import json
from typing import Any

from support.log_records.openai_chat import COMPLETION, TOOL
from support.log_records.promptfoo import PAST

REQUEST = {"model": "big", "messages": PAST, "tools": [TOOL]}
SPAN: dict[str, Any] = {
    "name": "Completions",
    "context": {"span_id": "0x1", "trace_id": "0x5b8e"},
    "parent_id": "0x0",
    "start_time": 1767225600000000000,
    "attributes": {
        "mlflow.spanType": '"CHAT_MODEL"',
        "mlflow.traceRequestId": '"tr-1"',
        "mlflow.spanInputs": json.dumps(REQUEST),
        "mlflow.spanOutputs": json.dumps(COMPLETION),
        "model": '"big"',
    },
}
AGENT: dict[str, Any] = {
    **SPAN,
    "name": "agent",
    "parent_id": None,
    "attributes": {"mlflow.spanType": '"AGENT"', "mlflow.spanInputs": '"where is it?"', "mlflow.spanOutputs": '"At home."'},
}
TRACE: dict[str, Any] = {
    "info": {"trace_id": "tr-1", "state": "OK", "trace_metadata": {"mlflow.trace.session": "talk 1", "mlflow.trace.user": "ada"}},
    "data": {"spans": [AGENT, SPAN]},
}
DECODED: dict[str, Any] = {
    **SPAN,
    "attributes": {"mlflow.spanType": "LLM", "mlflow.spanInputs": REQUEST, "mlflow.spanOutputs": COMPLETION, "model": "big"},
}


def otlp(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"string_value": value}} for key, value in attributes.items()]


RECORDS: list[Any] = [
    TRACE,
    SPAN,
    {"spans": [AGENT, SPAN], "request": "x", "response": "y"},
    {"trace_id": "tr-1", "spans": [DECODED]},
    {"trace": {"spans": [{**SPAN, "attributes": otlp(SPAN["attributes"])}]}},
]
