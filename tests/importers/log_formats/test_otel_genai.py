from __future__ import annotations

import json

from phrasing.importers.log_formats import otel_genai
from support.imported import made
from support.log_records.otel_genai import ASKED, ATTRIBUTES, EVENTS, FLAT, RECORDS, TOOLS, otlp


def test_every_way_to_write_a_call_gives_the_same_case() -> None:
    for record in RECORDS:
        ((line,), account) = made(record)
        assert set(account.left) <= {otel_genai.AROUND}
        assert line["expect"] == [{"intent": "respond"}]
        assert [(event["type"], event["data"]) for event in line["thread"]["events"]] == [
            ("user_message", "where is it?"),
            ("find", {"id": 7}),
            ("find_result", {"at": "home"}),
        ]
        assert "tags" not in line
        assert next(iter(account.systems)).startswith("You help.")


def test_what_a_span_says_besides_is_kept() -> None:
    ((line,), account) = made(RECORDS[0])
    assert line["group"] == "conv-1"
    assert line["meta"]["gen_ai.request.model"] == "m"
    assert account.toolsets == [(TOOLS[0],)]
    assert account.systems == {"You help.\n\nBe brief.": 1}
    assert list(account.kept) == ["reasoning: left out of the thread"]
    assert made(EVENTS)[0][0]["group"] == "0x5b8e"
    assert made({**EVENTS, "attributes": {"session.id": "talk-1"}})[0][0]["group"] == "talk-1"


def test_calls_of_one_answer_are_each_right() -> None:
    parts = [
        {"type": "tool_call", "name": "find", "arguments": '{"id": 8}'},
        {"type": "tool_call", "name": "send", "arguments": {}},
    ]
    tools = [*TOOLS, {**TOOLS[0], "name": "send"}]
    messages = [{"role": "assistant", "parts": parts}]
    attributes = {"gen_ai.output.messages": json.dumps(messages), "gen_ai.tool.definitions": json.dumps(tools)}
    ((line,), _) = made(otlp({**ATTRIBUTES, **attributes}))
    assert line["all"] == [{"intent": "find", "args": {"id": 8}}, {"intent": "send"}]


def test_a_call_without_its_answer_makes_no_case() -> None:
    lines, account = made(otlp({key: value for key, value in ATTRIBUTES.items() if key != "gen_ai.output.messages"}))
    assert not lines
    assert "no answer of the agent: the model's answer isn't in the span" in account.left


def test_what_a_user_wrote_as_json_stays_text() -> None:
    attributes = {**FLAT["attributes"], "gen_ai.prompt.1.content": '{"a": 1}'}
    ((line,), _) = made({"attributes": attributes})
    assert line["thread"]["events"][0]["data"] == '{"a": 1}'


def test_other_spans_are_counted_as_such() -> None:
    lines, account = made({"name": "tool", "attributes": {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "find"}})
    assert not lines
    assert dict(account.records) == {"otel, without a conversation": 1}


def test_parts_that_arent_text_are_counted() -> None:
    asked = [*ASKED[:2], {"role": "user", "parts": [{"type": "blob", "content": "…"}]}]
    ((line,), account) = made(otlp({**ATTRIBUTES, "gen_ai.input.messages": json.dumps(asked)}))
    assert line["tags"] == ["incomplete"]
    assert list(account.kept) == ["a part that isn't text (an image, audio, a file): left out of the thread"]
