"""Single calls by the names of their fields."""

from __future__ import annotations

from typing import Any

import pytest

from phrasing.importers import registry
from support.imported import made, the_case
from support.log_records.calls import BEDROCK, RECORDS, ROW, VERTEX
from support.log_records.openai_chat import CHAT, COMPLETION, REQUEST, SAID, TOOL
from support.log_records.promptfoo import PAST


@pytest.mark.parametrize("record", RECORDS)
def test_every_way_to_name_what_was_asked_and_answered_gives_the_same_case(record: Any) -> None:
    the_case(record)


def test_what_stands_beside_a_call_is_kept_but_who_it_was() -> None:
    line, account = the_case(ROW)
    assert line["group"] == "talk-7"
    assert {key: value for key, value in line["meta"].items() if key != "source"} == {
        "model": "big",
        "status_code": 200,
        "session_id": "talk 7",
    }
    assert account.toolsets == [(TOOL,)]


@pytest.mark.parametrize(
    "change",
    [{"status_code": 429}, {"error": "too many"}, {"status": "failed"}, {"output": {"error": {"message": "no"}}}],
    ids=["code", "error", "status", "in the answer"],
)
def test_a_call_that_failed_makes_no_case(change: dict[str, Any]) -> None:
    lines, account = made({**ROW, **change}, ROW)
    assert len(lines) == 1
    assert "no answer of the agent: a call that failed" in account.left


def test_a_call_without_an_answer_makes_no_case() -> None:
    for answer in ("", None, [], "null"):
        lines, account = made({**ROW, "output": answer})
        assert not lines
        assert account.kept or account.left


@pytest.mark.parametrize(
    "output", [{"outputBodyS3Path": "s3://x"}, {"outputBodyJson": [{"chunk": 1}]}], ids=["kept elsewhere", "a stream"]
)
def test_an_answer_that_is_not_here_is_said(output: dict[str, Any]) -> None:
    lines, account = made({**BEDROCK, "output": output})
    assert not lines
    assert "no answer of the agent: an answer of another shape" in account.left


def test_a_question_that_is_kept_elsewhere_leaves_the_thread_incomplete() -> None:
    lines, _ = made({**BEDROCK, "input": {"inputBodyS3Path": "s3://x"}})
    assert all(line["tags"] == ["incomplete"] for line in lines)


@pytest.mark.parametrize(
    ("record", "importer"),
    [
        ({"messages": CHAT["messages"], "output": "x"}, "openai"),
        ({"request": REQUEST, "response": COMPLETION}, "openai"),
        ({"messages": PAST, "response": SAID}, "openai"),
        ({"request": VERTEX["full_request"], "response": VERTEX["full_response"]}, "calls"),
        ({"prompt": "where is it?", "completion": "At home."}, "calls"),
        ({"prompt": "where is it?", "completion": ""}, "calls"),
        ({"prompt": "where is it?", "note": "At home."}, None),
        ({"name": "x", "output": "y"}, None),
        ({"question": "where is it?", "answer": "At home."}, None),
    ],
    ids=[
        "a conversation",
        "OpenAI's",
        "messages",
        "another API's",
        "texts",
        "no answer",
        "nothing answered",
        "nothing asked",
        "a question of a test",
    ],
)
def test_what_another_importer_knows_better_is_left_to_it(record: Any, importer: str | None) -> None:
    assert registry.detect(record) == importer
