"""MLflow's traces."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.imported import made, the_case
from support.log_records.mlflow_trace import AGENT, RECORDS, REQUEST, SPAN, TRACE
from support.log_records.openai_chat import TOOL


@pytest.mark.parametrize("record", RECORDS, ids=["trace", "span", "artifact", "row", "OTLP"])
def test_every_way_to_write_a_call_gives_the_same_case(record: Any) -> None:
    line, account = the_case(record)
    assert line["meta"]["model"] == "big"
    assert account.toolsets == [(TOOL,)]
    assert "ada" not in json.dumps(line)


def test_calls_of_a_session_are_one_group() -> None:
    assert made(TRACE)[0][0]["group"] == "talk-1"
    assert made({**TRACE, "info": {"request_id": "tr-2"}})[0][0]["group"] == "tr-2"
    assert made(SPAN)[0][0]["group"] == "0x5b8e"


def test_other_spans_are_counted_as_such() -> None:
    lines, account = made(AGENT)
    assert not lines
    assert list(account.left) == ["a span that is no call of a model (an agent, a chain, a tool)"]
    assert dict(account.records) == {"mlflow, without a conversation": 1}


def test_a_call_without_its_answer_makes_no_case() -> None:
    bare = {"mlflow.spanType": '"CHAT_MODEL"', "mlflow.spanInputs": json.dumps(REQUEST)}
    lines, account = made({**SPAN, "attributes": bare})
    assert not lines
    assert "no answer of the agent: a response without a message" in account.left
