from __future__ import annotations

import json
from typing import Any

from phrasing.importers.pipeline import Options, make_cases
from phrasing.importers.summary import ImportSummary
from support.log_records.openinference import FLAT, RECORDS, TOOL


def made(record: Any) -> tuple[list[dict[str, Any]], ImportSummary]:
    account = ImportSummary()
    return [json.loads(case.line) for case in make_cases([("t.jsonl:1", record)], Options(), account)], account


def test_every_way_to_write_a_span_gives_the_same_case() -> None:
    for record in RECORDS:
        ((line,), account) = made(record)
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


def test_a_call_without_its_answer_makes_no_case() -> None:
    lines, account = made({"attributes": {key: value for key, value in FLAT.items() if "output" not in key}})
    assert not lines
    assert "the model's answer isn't in the span: left out of the thread" in account.kept


def test_other_spans_are_counted_as_such() -> None:
    lines, account = made({"attributes": {"openinference.span.kind": "TOOL", "tool.name": "find"}})
    assert not lines
    assert dict(account.records) == {"openinference, without a conversation": 1}
