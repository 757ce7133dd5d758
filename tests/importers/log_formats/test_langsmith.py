from __future__ import annotations

import json
from typing import Any

import pytest

from importers.log_formats.test_langfuse import ANSWER, PAST, TOOL
from phrasing.importers.log_formats import langsmith
from phrasing.importers.pipeline import Options, make_cases
from phrasing.importers.summary import ImportSummary

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


def made(record: Any) -> tuple[list[dict[str, Any]], ImportSummary]:
    account = ImportSummary()
    return [json.loads(case.line) for case in make_cases([("t.jsonl:1", record)], Options(), account)], account


@pytest.mark.parametrize("name", SAME)
def test_every_way_to_log_a_call_gives_the_same_case(name: str) -> None:
    ((line,), account) = made(SAME[name])
    assert not account.left
    assert not account.kept
    assert line["group"] == "talk-1"
    assert line["expect"] == [{"intent": "respond"}]
    assert [(event["type"], event["data"]) for event in line["thread"]["events"]] == [
        ("user_message", "where is it?"),
        ("find", {"id": 7}),
        ("find_result", {"at": "home"}),
    ]
    assert account.systems == {"You help.": 1}
    assert account.toolsets == [(TOOL,)]
    meta = line["meta"]
    assert (meta["metadata.ls_model_name"], meta["status"], meta["tags"]) == ("big", "success", ["shop"])


def test_feedback_is_there_to_select_by() -> None:
    ((line,), _) = made(RUN)
    assert {key: value for key, value in line["meta"].items() if key.startswith("feedback.")} == {
        "feedback.right": 1.0,
        "feedback.tone": "kind",
    }


def test_a_run_without_a_thread_belongs_to_its_trace_and_not_to_its_project() -> None:
    ((line,), _) = made({**RUN, "extra": {}})
    assert line["group"] == "trace-1"


@pytest.mark.parametrize(
    "kwargs",
    [
        {"content": "", "tool_calls": [{"name": "find", "args": {"id": 8}, "id": "c2"}]},
        {
            "content": [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "c2", "name": "find", "input": {"id": 8}},
            ],
            "tool_calls": [{"name": "find", "args": {"id": 8}, "id": "c2"}],
        },
        {"content": [{"type": "tool_use", "id": "c2", "name": "find", "input": {"id": 8}}]},
        {
            "content": "",
            "additional_kwargs": {"tool_calls": [{"id": "c2", "function": {"name": "find", "arguments": '{"id": 8}'}}]},
        },
        {"content": "", "additional_kwargs": {"function_call": {"name": "find", "arguments": '{"id": 8}'}}},
    ],
    ids=["tool_calls", "blocks beside", "blocks", "additional_kwargs", "function_call"],
)
def test_a_call_is_the_label_once_however_it_is_written(kwargs: dict[str, Any]) -> None:
    ((line,), account) = made({**RUN, "outputs": generations(constructor("AI", kwargs))})
    assert line["expect"] == [{"intent": "find", "args": {"id": 8}}]
    assert not account.kept


def test_arguments_that_could_not_be_parsed_make_no_label() -> None:
    call = {"name": "find", "args": '{"id": ', "id": "c2", "error": "bad", "type": "invalid_tool_call"}
    lines, account = made({**RUN, "outputs": generations(constructor("AI", {"content": "", "invalid_tool_calls": [call]}))})
    assert not lines
    assert set(account.left) == {"the agent's call has arguments that aren't a JSON object"}


def test_a_failed_tool_is_an_error_and_reasoning_is_left_out_without_the_tag() -> None:
    thought = constructor("AI", {"content": [{"type": "thinking", "thinking": "hm"}], "tool_calls": [CALL]})
    failed = constructor("Tool", {"content": "no such id", "tool_call_id": "c1", "status": "error"})
    messages = [constructor(*SAID[1]), thought, failed]
    ((line,), account) = made({**RUN, "inputs": {"messages": [messages]}})
    assert [event["type"] for event in line["thread"]["events"]] == ["user_message", "find", "error"]
    assert set(account.kept) == {"reasoning: left out of the thread"}
    assert "tags" not in line


def test_what_one_answer_did_before_its_last_turn_is_history() -> None:
    outputs = {"messages": [PAST[2], PAST[3], ANSWER]}
    ((line,), account) = made({**RUN, "inputs": {"messages": PAST[:2]}, "outputs": outputs})
    assert [event["type"] for event in line["thread"]["events"]] == ["user_message", "find", "find_result"]
    assert not account.kept


def test_completions_and_pairs_are_read() -> None:
    for inputs, outputs in (
        ({"prompts": ["where is it?"]}, {"generations": [[{"text": "At home.", "type": "Generation"}]]}),
        ({"messages": [["human", "where is it?"]]}, ["assistant", "At home."]),
        ({"prompt": "where is it?"}, {"output": "At home."}),
    ):
        ((line,), _) = made({**RUN, "inputs": inputs, "outputs": outputs})
        assert [event["data"] for event in line["thread"]["events"]] == ["where is it?"]
        assert line["expect"] == [{"intent": "respond"}]


def test_further_choices_and_a_batch_are_counted_and_tag_nothing() -> None:
    batch = {"messages": [*RUN["inputs"]["messages"], [constructor("Human", {"content": "and that?"})]]}
    choices = {"choices": [{"message": ANSWER}, {"message": ANSWER}]}
    ((line,), account) = made({**RUN, "inputs": batch, "outputs": choices})
    assert set(account.kept) == {
        "a further request of a batch: left out of the thread",
        "a further choice of a response: left out of the thread",
    }
    assert "tags" not in line


def test_a_failed_run_makes_no_case() -> None:
    lines, account = made({**RUN, "error": "RateLimitError('slow down')", "outputs": None})
    assert not lines
    assert set(account.kept) == {"a call that failed: left out of the thread"}


def test_other_runs_are_counted_as_such() -> None:
    lines, account = made(PARENT)
    assert not lines
    assert dict(account.records) == {"langsmith, without a conversation": 1}


def test_a_record_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="has no runs"):
        list(langsmith.read({"runs": [{"name": "x"}]}))
