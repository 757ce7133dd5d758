from __future__ import annotations

from typing import Any

THREAD: list[dict[str, Any]] = [
    {"type": "slack_message", "data": {"from": "@alex", "text": "ship it"}},
    {"type": "list_tags", "data": {}},
    {"type": "list_tags_result", "data": ["v2", "v1"]},
    {"type": "deploy", "data": {"tag": "v2"}, "role": "step", "call": "a"},
    {"type": "error", "data": "no such tag"},
    {"type": "respond", "data": {"message": "It failed."}, "role": "step"},
]
TALK = [
    {"type": "user_input", "data": "add 3 and 4"},
    {"type": "tool_call", "data": {"intent": "add", "a": 3, "b": 4}},
    {"type": "tool_response", "data": 7},
    {"type": "tool_call", "data": {"intent": "done_for_now", "message": "7"}},
]
RECORDS: list[Any] = [{"events": THREAD}, {"id": "one", "thread": {"events": THREAD}, "reward": 2}, TALK]
