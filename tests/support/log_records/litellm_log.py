from __future__ import annotations

import json
from typing import Any

from support.log_records.anthropic_messages import REQUEST as ANTHROPIC
from support.log_records.openai_chat import COMPLETION, REQUEST, TOOL
from support.log_records.openai_responses import ITEMS, RESPONSE

ANSWER: dict[str, Any] = {
    **COMPLETION,
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {
                "content": None,
                "role": "assistant",
                "tool_calls": [{"function": {"arguments": '{"id": 8}', "name": "find"}, "id": "c2", "type": "function"}],
                "function_call": None,
                "provider_specific_fields": {"refusal": None},
            },
        }
    ],
}
PAYLOAD: dict[str, Any] = {
    "id": "chatcmpl-1",
    "trace_id": "trip 1",
    "session_id": "",
    "call_type": "acompletion",
    "status": "success",
    "stream": True,
    "model": "gpt-x",
    "model_group": "big",
    "custom_llm_provider": "openai",
    "response_cost": 0.25,
    "prompt_tokens": 9,
    "completion_tokens": 1,
    "end_user": "mary",
    "requester_ip_address": "10.1.2.3",
    "request_tags": ["beta"],
    "metadata": {"user_api_key_hash": "f00", "requester_metadata": {"reward": 1}, "spend_logs_metadata": None},
    "messages": [{"role": "system", "content": "You help."}, *REQUEST["messages"]],
    "model_parameters": {"temperature": 0, "tools": [TOOL]},
    "response": ANSWER,
    "error_str": None,
}
RESPONSES: dict[str, Any] = {
    **PAYLOAD,
    "call_type": "aresponses",
    "messages": ITEMS,
    "model_parameters": {"instructions": "You help.", "tools": [TOOL]},
    "response": {**RESPONSE, "output": RESPONSE["output"][2:3]},
}
PASSED: dict[str, Any] = {
    **PAYLOAD,
    "call_type": "anthropic_messages",
    "messages": [{"role": "system", "content": "You help."}, *ANTHROPIC["messages"]],
}
ROW: dict[str, Any] = {
    "request_id": "chatcmpl-1",
    "call_type": "acompletion",
    "api_key": "f00",
    "spend": 0.25,
    "model": "gpt-x",
    "user": "mary",
    "metadata": json.dumps({"user_api_key": "f00", "spend_logs_metadata": {"reward": 1}}),
    "request_tags": '["beta"]',
    "messages": {},
    "response": json.dumps(ANSWER),
    "proxy_server_request": json.dumps({**REQUEST, "messages": PAYLOAD["messages"]}),
    "session_id": "trip 1",
    "status": "success",
}
RECORDS: list[Any] = [PAYLOAD, RESPONSES, PASSED, ROW, {**ROW, "response": ANSWER, "proxy_server_request": REQUEST}]
