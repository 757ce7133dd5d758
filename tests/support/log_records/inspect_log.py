from __future__ import annotations

from typing import Any

POLICY, LONG = "5d41402abc4b2a76b9719d911017c592", "7d793037a0760186574b0282f2f435e7"
IMAGE, GONE = "9e107d9d372bb6826bd81d3542a419d6", "00000000000000000000000000000000"


def asked(text: Any, **more: Any) -> dict[str, Any]:
    return {"id": f"u-{text}"[:12], "content": text, "source": "input", "role": "user", **more}


def said(content: Any, *calls: dict[str, Any], name: str = "m1", source: str = "generate") -> dict[str, Any]:
    tool_calls = {"tool_calls": list(calls)} if calls else {}
    return {"id": name, "content": content, "source": source, "role": "assistant", **tool_calls, "model": "gpt-x-mini"}


def call(function: str, given: Any, name: str = "call_1", **more: Any) -> dict[str, Any]:
    return {"id": name, "function": function, "arguments": given, **more, "type": "function"}


def result(content: Any, name: str = "call_1", function: str = "look_up", **more: Any) -> dict[str, Any]:
    return {"id": f"r-{name}", "content": content, "role": "tool", "tool_call_id": name, "function": function, **more}


def model_event(answer: str, *tools: dict[str, Any]) -> dict[str, Any]:
    return {
        "event": "model",
        "model": "openai/gpt-x-mini",
        "input": [],
        "tools": list(tools),
        "tool_choice": "auto",
        "config": {},
        "output": {"model": "gpt-x-mini", "choices": [{"message": said("", name=answer), "stop_reason": "tool_calls"}]},
    }


LOOK_UP = {
    "name": "look_up",
    "description": f"attachment://{LONG}",
    "parameters": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
    "options": {"cached": True},
}
GRADE = {"name": "grade", "description": "Grade it.", "parameters": {"type": "object", "properties": {}, "required": []}}

SAMPLE: dict[str, Any] = {
    "id": "order-7",
    "epoch": 2,
    "input": "where is order 7?",
    "target": ["at home"],
    "messages": [
        {"id": "s", "content": f"attachment://{POLICY}", "source": "input", "role": "system"},
        asked([{"type": "text", "text": "where is order 7?"}, {"type": "text", "text": "quick"}]),
        said(
            [{"type": "reasoning", "reasoning": "hm", "signature": "x"}, {"type": "text", "text": "Let me look."}],
            call("look_up", {"id": 7}),
            call("look_up", {"id": 8}, "call_2"),
        ),
        result('{"at": "home"}'),
        result("", "call_2", error={"type": "timeout", "message": "Command timed out."}),
        said("At home.", name="m2"),
    ],
    "output": {"model": "gpt-x-mini", "choices": []},
    "scores": {
        "includes": {"value": "C", "answer": "At home.", "history": []},
        "judge": {"value": {"tone": 0.5, "facts": 1}},
        "many": {"value": [1, 2]},
    },
    "metadata": {"level": 3, "notes": {"long": 1}},
    "store": {},
    "events": [
        {"event": "sample_init", "sample": {}, "state": {}},
        model_event("m1", LOOK_UP),
        model_event("m2", LOOK_UP),
        model_event("grader", GRADE),
    ],
    "limit": {"type": "message", "limit": 10},
    "attachments": {POLICY: "Be of help.", LONG: "Look an order up."},
}
OLD: dict[str, Any] = {
    "id": 1,
    "epoch": 1,
    "input": [{"content": "hi", "role": "user"}],
    "target": "hello",
    "messages": [{"content": "hi", "role": "user"}, {"content": "", "role": "assistant", "tool_calls": [call("wave", {})]}],
    "score": {"value": 1},
    "error": {"message": "boom", "traceback": "", "traceback_ansi": ""},
    "events": [model_event("m9", GRADE, {**GRADE, "name": "wave"})],
}
SPEC = {"run_id": "r", "created": "2026-01-01T00:00:00+00:00", "task": "shop/orders", "model": "openai/gpt-x-mini", "config": {}}
HEADER = {"version": 2, "status": "success", "eval": SPEC, "plan": {"name": "plan", "steps": []}, "results": {"scores": []}}
SUMMARY = {key: SAMPLE[key] for key in ("id", "epoch", "input", "target", "scores")} | {"completed": True, "message_count": 6}
REDUCTION = {"scorer": "includes", "reducer": "mean", "samples": [{"value": 1.0, "sample_id": "order-7"}]}
LOG: dict[str, Any] = {**HEADER, "samples": [SAMPLE, OLD, {**SAMPLE, "id": "order-8", "epoch": 1}]}
RECORDS: list[Any] = [SAMPLE, OLD, LOG, HEADER, SUMMARY, REDUCTION]
