from __future__ import annotations

from typing import Any

import pytest

from phrasing.importers.log_formats import langsmith
from support.imported import made, the_case
from support.log_records.langfuse import ANSWER, PAST, TOOL
from support.log_records.langsmith import CALL, PARENT, RUN, SAID, SAME, constructor, generations


@pytest.mark.parametrize("name", SAME)
def test_every_way_to_log_a_call_gives_the_same_case(name: str) -> None:
    line, account = the_case(SAME[name])
    assert not account.kept
    assert line["group"] == "talk-1"
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
    assert set(account.left) == {"no answer of the agent: a call that failed"}


def test_other_runs_are_counted_as_such() -> None:
    lines, account = made(PARENT)
    assert not lines
    assert dict(account.records) == {"langsmith, without a conversation": 1}


def test_a_record_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="has no runs"):
        list(langsmith.read({"runs": [{"name": "x"}]}))
