from __future__ import annotations

import json
from typing import Any

from support.log_records.openai_chat import ASKED, FOUND, TOOL, call

PAST = [{"role": "system", "content": "You help."}, ASKED, call("find", '{"id": 7}'), FOUND]
RESULT: dict[str, Any] = {
    "provider": {"id": "openai:chat:big", "label": ""},
    "prompt": {"raw": json.dumps(PAST, indent=2), "label": "agent", "config": {"tools": [TOOL]}},
    "vars": {"order": 7},
    "response": {"output": "At home.", "tokenUsage": {"total": 9}, "cached": False},
    "success": True,
    "score": 1,
    "namedScores": {},
    "latencyMs": 12,
    "promptIdx": 0,
    "testIdx": 3,
    "testCase": {"vars": {"order": 7}},
}
RESULTS: dict[str, Any] = {
    "evalId": "eval-1",
    "results": {"version": 3, "timestamp": "2026-01-01T00:00:00.000Z", "prompts": [], "results": [RESULT], "stats": {}},
    "config": {},
    "shareableUrl": None,
}
RECORDS: list[Any] = [RESULT, RESULTS, {"version": 2, "results": [RESULT]}]
