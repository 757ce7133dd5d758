"""promptfoo's results."""

from __future__ import annotations

import json
from typing import Any

import pytest

from phrasing.importers.cases import INCOMPLETE
from support.imported import made, the_case
from support.log_records.openai_chat import TOOL, call
from support.log_records.promptfoo import RECORDS, RESULT


@pytest.mark.parametrize("record", RECORDS, ids=["line", "version 3", "version 2"])
def test_every_way_to_write_results_gives_the_same_case(record: Any) -> None:
    line, account = the_case(record)
    assert line["group"] == "test-3"
    assert {key: line["meta"][key] for key in ("success", "score", "provider", "vars.order")} == {
        "success": True,
        "score": 1,
        "provider": "openai:chat:big",
        "vars.order": 7,
    }
    assert account.toolsets == [(TOOL,)]


@pytest.mark.parametrize(
    "output",
    [
        call("find", '{"id": 8}')["tool_calls"],
        call("find", '{"id": 8}'),
        json.dumps({"type": "tool_use", "id": "c2", "name": "find", "input": {"id": 8}}),
    ],
    ids=["calls", "a message", "a block as text"],
)
def test_calls_are_labels(output: Any) -> None:
    ((line,), _) = made({**RESULT, "response": {"output": output}})
    assert line["expect"] == [{"intent": "find", "args": {"id": 8}}]


def test_a_text_that_holds_a_call_is_no_label() -> None:
    text = "I look.\n\n" + json.dumps({"type": "tool_use", "id": "c2", "name": "find", "input": {"id": 8}})
    lines, account = made({**RESULT, "response": {"output": text}})
    assert not lines
    assert "holds a call" in "".join(account.left)


def test_messages_written_as_yaml_are_a_transcript() -> None:
    ((line,), _) = made({**RESULT, "prompt": {"raw": "- role: user\n  content: where is it?"}})
    assert line["tags"] == [INCOMPLETE]


def test_a_call_that_failed_makes_no_case() -> None:
    lines, account = made({**RESULT, "response": {"error": "429"}, "error": "429"}, RESULT)
    assert len(lines) == 1
    assert list(account.left) == ["a result without an output, because the call failed"]
