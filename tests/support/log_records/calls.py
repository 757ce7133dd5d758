from __future__ import annotations

import json
from typing import Any

from support.log_records.openai_chat import COMPLETION, SAID, TOOL
from support.log_records.promptfoo import PAST

ROW: dict[str, Any] = {
    "session_id": "talk 7",
    "model": "big",
    "input": json.dumps(PAST),
    "output": "At home.",
    "tools": json.dumps([TOOL]),
    "status_code": 200,
    "user_email": "ada@example.org",
}
_CONTENTS = [
    {"role": "user", "parts": [{"text": "where is it?"}]},
    {"role": "model", "parts": [{"functionCall": {"name": "find", "args": {"id": 7}}}]},
    {"role": "user", "parts": [{"functionResponse": {"name": "find", "response": {"at": "home"}}}]},
]
VERTEX: dict[str, Any] = {
    "logging_time": "2026-01-02 03:04:05 UTC",
    "full_request": {"contents": _CONTENTS, "systemInstruction": {"parts": [{"text": "You help."}]}},
    "full_response": {"candidates": [{"content": {"role": "model", "parts": [{"text": "At home."}]}, "finishReason": "STOP"}]},
}
_BLOCKS = [
    {"role": "user", "content": [{"text": "where is it?"}]},
    {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c1", "name": "find", "input": {"id": 7}}}]},
    {"role": "user", "content": [{"toolResult": {"toolUseId": "c1", "content": [{"json": {"at": "home"}}]}}]},
]
BEDROCK: dict[str, Any] = {
    "schemaType": "ModelInvocationLog",
    "requestId": "r1",
    "operation": "Converse",
    "input": {
        "inputContentType": "application/json",
        "inputBodyJson": {"messages": _BLOCKS, "system": [{"text": "You help."}]},
    },
    "output": {"outputBodyJson": {"output": {"message": {"role": "assistant", "content": [{"text": "At home."}]}}}},
}
RECORDS: list[Any] = [
    ROW,
    {"messages": PAST, "completion": SAID},
    {"prompt": PAST, "outputs": json.dumps(SAID)},
    {"full_request": {"model": "big", "messages": PAST}, "full_response": COMPLETION},
    VERTEX,
    BEDROCK,
]
