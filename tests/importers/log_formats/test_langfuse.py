from __future__ import annotations

import json
from typing import Any

import pytest

from phrasing.importers.log_formats import langfuse
from support.imported import made, the_case
from support.log_records.langfuse import API, SAME, SPAN, TRACE


@pytest.mark.parametrize("record", SAME, ids=["api", "exported", "langchain", "anthropic", "responses", "trace", "page"])
def test_every_way_to_log_a_call_gives_the_same_case(record: Any) -> None:
    line, account = the_case(record)
    assert not account.kept
    assert line["group"] == "talk-1"
    ((tool,),) = account.toolsets
    assert (tool["function"]["name"], tool["function"]["parameters"]) == ("find", {"type": "object"})
    meta = line["meta"]
    assert (meta["model"], meta["latency"], meta["tags"], meta["metadata.route"]) == ("big", 0.5, ["shop"], "where")
    assert "user-ada" not in json.dumps(meta)


def test_a_call_is_the_label() -> None:
    call = {"id": "c2", "type": "function", "function": {"name": "find", "arguments": '{"id": 8}'}}
    for output in (
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"choices": [{"message": {"content": None, "tool_calls": [call]}}]},
        {"role": "assistant", "content": "", "tool_calls": [{"name": "find", "args": {"id": 8}, "id": "c2"}]},
        {"type": "function_call", "call_id": "c2", "name": "find", "arguments": '{"id": 8}'},
        [{"type": "tool_use", "id": "c2", "name": "find", "input": {"id": 8}}],
    ):
        for logged in (output, json.dumps(output)):
            ((line,), account) = made({**API, "output": logged})
            assert line["expect"] == [{"intent": "find", "args": {"id": 8}}]
            assert not account.kept


def test_scores_are_there_to_select_by() -> None:
    ((line,), _) = made(TRACE)
    assert {key: value for key, value in line["meta"].items() if key.startswith("score.")} == {
        "score.right": 1,
        "score.tone": "kind",
    }


def test_a_text_is_what_the_user_said_and_what_the_agent_said() -> None:
    ((line,), _) = made({**API, "sessionId": None, "input": "where is it?", "output": "At home."})
    assert line["group"] == "trace-1"
    assert [event["data"] for event in line["thread"]["events"]] == ["where is it?"]
    assert line["expect"] == [{"intent": "respond"}]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"level": "ERROR", "output": "no such model"}, "no answer of the agent: a call that failed"),
        ({"output": None}, "no answer of the agent: a response without a message"),
        ({"output": '{"candidates": []}'}, "no answer of the agent: an answer of another shape"),
        ({"output": {"role": "tool", "content": "x"}}, "no answer of the agent: a response without a message"),
        ({"output": "<truncated due to size exceeding limit>"}, "no answer of the agent: texts that Langfuse cut"),
    ],
)
def test_a_call_without_an_answer_that_can_be_read_makes_no_case(change: dict[str, Any], reason: str) -> None:
    lines, account = made({**API, **change})
    assert not lines
    assert set(account.left) == {reason}


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("", "messages that aren't in the record: left out of the thread"),
        ({"question": "where?"}, "messages of another shape: left out of the thread"),
        ([{"role": "user", "content": "a"}, 7], "messages of another shape: left out of the thread"),
        (7, "messages of another shape: left out of the thread"),
        ("<truncated due to size exceeding limit>", "texts that Langfuse cut: left out of the thread"),
    ],
)
def test_a_call_without_messages_makes_no_case(asked: Any, reason: str) -> None:
    lines, account = made({**API, "input": asked})
    assert not lines
    assert set(account.kept) == {reason}
    assert set(account.left) == {"nothing stands before the agent's turn"}


def test_other_observations_are_counted_as_such() -> None:
    lines, account = made(SPAN)
    assert not lines
    assert dict(account.records) == {"langfuse, without a conversation": 1}


def test_a_record_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="has no observations"):
        list(langfuse.read({"observations": ["obs-1"]}))
