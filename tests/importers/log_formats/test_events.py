from __future__ import annotations

import json
from typing import Any

import pytest

from phrasing.importers.log_formats import events
from phrasing.importers.pipeline import CaseLine, Options, make_cases
from phrasing.importers.summary import ImportSummary
from support.log_records.events import RECORDS, TALK, THREAD


def made(record: Any) -> tuple[list[dict[str, Any]], list[CaseLine], ImportSummary]:
    account = ImportSummary()
    cases = list(make_cases([("t.jsonl:1", record)], Options(), account))
    return [json.loads(case.line) for case in cases], cases, account


def test_steps_become_cases() -> None:
    lines, _, account = made(RECORDS[1])
    assert not account.left
    assert [line["expect"] for line in lines] == [
        [{"intent": "list_tags"}],
        [{"intent": "deploy", "args": {"tag": "v2"}}],
        [{"intent": "respond"}],
    ]
    assert lines[2]["thread"]["events"] == [
        {"type": "slack_message", "data": {"from": "@alex", "text": "ship it"}, "role": "input"},
        {"type": "list_tags", "data": {}, "role": "step", "call": "call_1"},
        {"type": "list_tags_result", "data": ["v2", "v1"], "role": "result", "call": "call_1"},
        {"type": "deploy", "data": {"tag": "v2"}, "role": "step", "call": "call_2"},
        {"type": "error", "data": "no such tag", "role": "result", "call": "call_2"},
    ]
    assert lines[0]["group"] == "one"
    assert lines[0]["meta"]["reward"] == 2


def test_the_events_of_the_talk_are_read() -> None:
    lines, _, _ = made(TALK)
    assert [event["type"] for event in lines[1]["thread"]["events"]] == ["user_input", "add", "add_result"]
    assert [line["expect"] for line in lines] == [
        [{"intent": "add", "args": {"a": 3, "b": 4}}],
        [{"intent": "done_for_now", "args": {"message": "7"}}],
    ]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"events": THREAD, "expect": [{"intent": "x"}]}, "is a case with labels already"),
        ({"events": THREAD, "all": [{"intent": "x"}]}, "is a case with labels already"),
        ({"events": THREAD, "sequence": [{"intent": "x"}]}, "is a case with labels already"),
        ({"events": []}, "has no events"),
        ({"events": [{"type": "x", "role": "result"}]}, "thread.events[0] x: a result, but every step before it has one"),
    ],
    ids=["case", "of several", "in order", "none", "contradiction"],
)
def test_what_is_no_thread_is_said(record: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=r".") as wrong:
        list(events.read(record))
    assert str(wrong.value) == reason


def test_an_event_that_no_dataset_holds_is_counted() -> None:
    lines, _, account = made({"events": [{"type": "9"}, *TALK]})
    assert list(account.kept) == ["an event without a type that a dataset could hold: left out of the thread"]
    assert all(line["tags"] == ["incomplete"] for line in lines)
