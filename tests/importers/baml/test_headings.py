"""A trace that isn't the whole of a thread's text is read back, or it is counted that it wasn't."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.importers.baml import tests as importer
from phrasing.importers.cases import INCOMPLETE
from support.imported import made

EVENTS = [("order_received", "hoist the blue flag"), ("hoist", "colour: blue"), ("hoist_result", "jammed")]
TRACE = "\n".join(f"<{kind}>\n{body}\n</{kind}>" for kind, body in EVENTS)
AS_JSON = json.dumps([{"type": kind, "data": {"colour": "blue"} if kind == "hoist" else body} for kind, body in EVENTS])
KINDS = [kind for kind, _ in EVENTS]


def thread(text: str) -> tuple[dict[str, Any], Any]:
    record = {
        "name": "Heading",
        "functions": ["Next"],
        "thread": "thread",
        "field": "intent",
        "steps": ["hoist", "say"],
        "arguments": {"thread": text},
        "conditions": ['this.intent == "say"'],
    }
    ((line,), account) = made(record, importer="baml")
    return line, account


@pytest.mark.parametrize(
    "heading",
    ["Events:\n", "Here is the thread so far:\n\n", "  Thread:  \n", "# Thread\n", "```xml\n{}\n```", "Events:\n```\n{}\n```"],
)
@pytest.mark.parametrize("trace", [TRACE, AS_JSON], ids=["tags", "JSON"])
def test_events_under_a_heading_are_read(heading: str, trace: str) -> None:
    line, account = thread(heading.format(trace) if "{}" in heading else heading + trace)
    assert [event["type"] for event in line["thread"]["events"]] == KINDS
    assert list(account.kept) == [f"{importer.HEADING.reason}: left out of the thread"]
    assert "tags" not in line


@pytest.mark.parametrize(
    "text",
    [
        f"Two lines.\nAbove it.\n{TRACE}",
        f"{TRACE}\nWhat next?",
        f"Events: {TRACE}",
        f"Events:\n{TRACE}\nWhat next?",
        f"Events:\n{AS_JSON}\nWhat next?",
        TRACE.replace("<hoist>", '<hoist id="1">'),
        TRACE.replace("</hoist_result>", ""),
        "user: hoist\nassistant: which?\nuser: the blue one",
        "<hoist>\ncolour: blue\n</hoist> was tried",
    ],
    ids=["two lines", "a tail", "one line", "both", "JSON with a tail", "attributes", "unclosed", "transcript", "one step"],
)
def test_a_trace_that_isnt_read_back_is_counted_and_tagged(text: str) -> None:
    line, account = thread(text)
    assert [event["type"] for event in line["thread"]["events"]] == ["user_message"]
    assert f"{importer.NOT_READ_BACK.reason}: left out of the thread" in account.kept
    assert line["tags"] == [INCOMPLETE]


@pytest.mark.parametrize("text", ["Hoist it.", "Make it <b>bold</b>.", "a:\nb", "x < y > z"])
def test_words_are_one_message(text: str) -> None:
    line, account = thread(text)
    assert [event["data"] for event in line["thread"]["events"]] == [text]
    assert not account.kept
    assert "tags" not in line


AROUND = st.lists(
    st.sampled_from(["Events:", "Thread so far", "\n", "```", " ", "What next?", "# x", "<a>", "{", "note: 1"]), max_size=4
)


@given(AROUND, AROUND, st.booleans())
def test_whatever_stands_around_a_trace_it_is_read_or_counted(before: list[str], after: list[str], as_json: bool) -> None:
    line, account = thread(f"{''.join(before)}{AS_JSON if as_json else TRACE}{''.join(after)}")
    read = [event["type"] for event in line["thread"]["events"]] == KINDS
    assert read or line.get("tags") == [INCOMPLETE]
    assert read or account.kept
