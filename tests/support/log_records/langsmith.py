from __future__ import annotations

import json
from typing import Any

from support.log_records.langfuse import ANSWER, PAST, TOOL

CALL = {"name": "find", "args": {"id": 7}, "id": "c1", "type": "tool_call"}
SAID = [
    ("System", {"content": "You help."}),
    ("Human", {"content": "where is it?"}),
    ("AI", {"content": "", "tool_calls": [CALL], "invalid_tool_calls": []}),
    ("Tool", {"content": '{"at": "home"}', "tool_call_id": "c1", "name": "find", "status": "success"}),
]


def constructor(kind: str, kwargs: dict[str, Any], *where: str) -> dict[str, Any]:
    """Write a message as LangChain's ``dumpd`` does."""
    return {
        "lc": 1,
        "type": "constructor",
        "id": [*(where or ("langchain", "schema", "messages")), f"{kind}Message"],
        "kwargs": kwargs,
    }


def chunk(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Write what is left of a stream."""
    return {**constructor("AI", kwargs), "id": ["langchain_core", "messages", "AIMessageChunk"]}


def generations(message: dict[str, Any]) -> dict[str, Any]:
    held = {"text": "At home.", "generation_info": {"finish_reason": "stop"}, "type": "ChatGeneration", "message": message}
    return {"generations": [[held]], "llm_output": {"model_name": "big"}, "run": None, "type": "LLMResult"}


RUN: dict[str, Any] = {
    "id": "run-2",
    "name": "ChatOpenAI",
    "run_type": "llm",
    "trace_id": "trace-1",
    "dotted_order": "20260301T100000000000Zrun-1.20260301T100001000000Zrun-2",
    "parent_run_ids": ["run-1"],
    "session_id": "project-1",
    "status": "success",
    "error": None,
    "tags": ["shop"],
    "extra": {
        "metadata": {"thread_id": "talk 1", "ls_model_name": "big"},
        "invocation_params": {"model": "big", "tools": [TOOL]},
    },
    "feedback_stats": {
        "right": {"n": 1, "avg": 1.0, "values": {}},
        "tone": {"n": 2, "avg": None, "values": {"kind": 2}},
        "both": {"n": 2, "avg": None, "values": {"a": 1, "b": 1}},
    },
    "inputs": {"messages": [[constructor(kind, kwargs) for kind, kwargs in SAID]]},
    "outputs": generations(constructor("AI", {"content": "At home.", "usage_metadata": {"total_tokens": 9}})),
}
JS: dict[str, Any] = {
    **RUN,
    "inputs": {"messages": [[constructor(kind, kwargs, "langchain_core", "messages") for kind, kwargs in SAID]]},
    "outputs": generations(chunk({"content": [{"type": "text", "text": "At home."}]})),
}
TYPED: dict[str, Any] = {
    **RUN,
    "inputs": {"messages": [{"type": kind.lower(), **kwargs} for kind, kwargs in SAID]},
    "outputs": {"messages": [{"type": "ai", "content": "At home."}]},
}
HELD: dict[str, Any] = {
    **RUN,
    "inputs": json.dumps({"messages": [{"type": kind.lower(), "data": kwargs} for kind, kwargs in SAID]}),
    "outputs": json.dumps({"message": {"type": "ai", "data": {"content": "At home."}}}),
}
OPENAI: dict[str, Any] = {
    **RUN,
    "extra": {"metadata": RUN["extra"]["metadata"]},
    "inputs": {"messages": PAST, "model": "big", "tools": [TOOL]},
    "outputs": {"id": "c", "object": "chat.completion", "choices": [{"index": 0, "message": ANSWER}], "usage_metadata": None},
}
PARTS: dict[str, Any] = {
    **RUN,
    "inputs": {
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "You help."}]},
            {"role": "human", "content": [{"type": "text", "text": "where is it?"}]},
            {"role": "ai", "content": [{"type": "tool_call", "name": "find", "args": {"id": 7}, "id": "c1"}]},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": '{"at": "home"}'}]},
        ]
    },
    "outputs": {"messages": [{"role": "assistant", "content": [{"type": "text", "text": "At home."}]}]},
}
LITELLM: dict[str, Any] = {
    **RUN,
    "extra": {"metadata": RUN["extra"]["metadata"]},
    "inputs": {"call_type": "acompletion", "messages": PAST, "model_parameters": {"tools": [TOOL]}},
    "outputs": {"choices": [{"message": ANSWER}]},
}
PARENT: dict[str, Any] = {
    **{key: RUN[key] for key in ("trace_id", "extra")},
    "id": "run-1",
    "name": "agent",
    "run_type": "chain",
    "inputs": {"messages": ["where is it?"]},
    "outputs": {"output": "At home."},
}
SAME: dict[str, Any] = {
    "python": RUN,
    "js": JS,
    "typed": TYPED,
    "held": HELD,
    "openai": OPENAI,
    "parts": PARTS,
    "litellm": LITELLM,
    "children": {**PARENT, "child_runs": [{**PARENT, "child_runs": [RUN]}]},
    "page": {"runs": [PARENT, RUN], "cursors": {}},
}
RECORDS: list[Any] = [*SAME.values(), PARENT]
