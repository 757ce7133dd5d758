"""Mask what older steps gave: of all results but the last ``keep`` only how long they were is said; what the agent did stays."""

import json

LOSSY = "what all results but the last few say"


def edit(thread, keep=3):
    results = [i for i, event in enumerate(thread["events"]) if event["role"] == "result"]
    masked = set(results[: max(0, len(results) - keep)])
    return {"events": [_masked(event) if i in masked else event for i, event in enumerate(thread["events"])]}


def _masked(event):
    length = len(json.dumps(event["data"], ensure_ascii=False))
    return {**event, "data": f"[left out: {length} characters]"}
