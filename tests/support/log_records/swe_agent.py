from __future__ import annotations

from typing import Any

HISTORY: list[dict[str, Any]] = [
    {"role": "system", "content": "You help.", "agent": "main", "message_type": "system_prompt"},
    {"role": "user", "content": "where is it?", "agent": "main", "message_type": "observation"},
    {
        "role": "assistant",
        "content": "",
        "thought": "",
        "action": "find 7",
        "agent": "main",
        "tool_calls": [{"function": {"name": "find", "arguments": '{"id": 7}'}, "index": 1, "id": "c1", "type": "function"}],
        "message_type": "action",
    },
    {"role": "tool", "content": '{"at": "home"}', "agent": "main", "message_type": "observation", "tool_call_ids": ["c1"]},
    {"role": "assistant", "content": "At home.", "thought": "At home.", "action": "", "agent": "main", "message_type": "action"},
]
INFO = {"exit_status": "submitted", "submission": "x" * 300, "model_stats": {"instance_cost": 0.5, "api_calls": 2}}
TRAJECTORY: dict[str, Any] = {
    "environment": "swe_main",
    "trajectory": [{"action": "find 7", "observation": "home", "response": "", "state": {}, "thought": ""}],
    "history": HISTORY,
    "info": INFO,
    "replay_config": "{}",
}
RECORDS: list[Any] = [TRAJECTORY, {"history": HISTORY}]
