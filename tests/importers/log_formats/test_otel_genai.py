from __future__ import annotations

import json
from typing import Any

from phrasing.importers.pipeline import Options, make_cases
from phrasing.importers.summary import ImportSummary

ASKED: list[dict[str, Any]] = [
    {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
    {"role": "user", "parts": [{"type": "text", "content": "where is it?"}]},
    {
        "role": "assistant",
        "parts": [
            {"type": "reasoning", "content": "hm"},
            {"type": "tool_call", "id": "c1", "name": "find", "arguments": {"id": 7}},
        ],
    },
    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": '{"at": "home"}'}]},
]
ANSWER = [{"role": "assistant", "parts": [{"type": "text", "content": "At home."}], "finish_reason": "stop"}]
TOOLS = [{"type": "function", "name": "find", "parameters": {"type": "object"}}]
ATTRIBUTES: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "m",
    "gen_ai.conversation.id": "conv-1",
    "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "You help."}]),
    "gen_ai.input.messages": json.dumps(ASKED),
    "gen_ai.output.messages": json.dumps(ANSWER),
    "gen_ai.tool.definitions": json.dumps(TOOLS),
}


def otlp(attributes: dict[str, Any]) -> dict[str, Any]:
    """Write a span as OTLP's JSON does, beside one of an HTTP request."""
    keys = [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
    http = {"traceId": "5b8e", "name": "GET", "attributes": [{"key": "http.status_code", "value": {"intValue": "200"}}]}
    return {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "5b8e", "name": "chat m", "attributes": keys}, http]}]}]}


CALL = [{"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"id": 7}'}}]
EVENTS: dict[str, Any] = {
    "name": "chat",
    "context": {"trace_id": "0x5b8e"},
    "attributes": {"gen_ai.system": "openai"},
    "events": [
        {"name": "gen_ai.system.message", "attributes": {"content": "You help."}},
        {"name": "gen_ai.user.message", "attributes": {"content": "where is it?"}},
        {"name": "gen_ai.assistant.message", "attributes": {"tool_calls": json.dumps(CALL)}},
        {"name": "gen_ai.tool.message", "attributes": {"id": "c1", "content": '{"at": "home"}'}},
        {
            "name": "gen_ai.choice",
            "attributes": {"index": 0, "message": json.dumps({"role": "assistant", "content": "At home."})},
        },
    ],
}
FLAT: dict[str, Any] = {
    "trace_id": "5b8e",
    "attributes": {
        "gen_ai.prompt.0.role": "system",
        "gen_ai.prompt.0.content": "You help.",
        "gen_ai.prompt.1.role": "user",
        "gen_ai.prompt.1.content": "where is it?",
        "gen_ai.prompt.2.role": "assistant",
        "gen_ai.prompt.2.tool_calls.0.id": "c1",
        "gen_ai.prompt.2.tool_calls.0.name": "find",
        "gen_ai.prompt.2.tool_calls.0.arguments": '{"id": 7}',
        "gen_ai.prompt.3.role": "tool",
        "gen_ai.prompt.3.tool_call_id": "c1",
        "gen_ai.prompt.3.content": '{"at": "home"}',
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "At home.",
    },
}
RECORDS: list[Any] = [otlp(ATTRIBUTES), {"name": "chat", "trace_id": "5b8e", "attributes": ATTRIBUTES}, EVENTS, FLAT]


def made(record: Any) -> tuple[list[dict[str, Any]], ImportSummary]:
    account = ImportSummary()
    return [json.loads(case.line) for case in make_cases([("t.jsonl:1", record)], Options(), account)], account


def test_every_way_to_write_a_call_gives_the_same_case() -> None:
    for record in RECORDS:
        ((line,), account) = made(record)
        assert not account.left
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
    attributes = {**ATTRIBUTES, "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": parts}])}
    ((line,), _) = made(otlp(attributes))
    assert line["expect"] == [{"intent": "find", "args": {"id": 8}}, {"intent": "send"}]


def test_a_call_without_its_answer_makes_no_case() -> None:
    lines, account = made(otlp({key: value for key, value in ATTRIBUTES.items() if key != "gen_ai.output.messages"}))
    assert not lines
    assert "the model's answer isn't in the span: left out of the thread" in account.kept


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
