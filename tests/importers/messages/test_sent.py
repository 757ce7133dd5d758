"""Requests as logs hold them: the same request in every log that keeps it, and why others keep none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from phrasing.importers import registry
from phrasing.importers.conversation import NOT_SENT, Conversation, Sent
from phrasing.importers.messages import sent
from phrasing.importers.messages.sent import read_sent
from support.broken_records import JSON

TOOL = {"type": "function", "function": {"name": "look", "description": "look up", "parameters": {"type": "object"}}}
MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief.  \n"},
    {"role": "user", "content": "hi <b>é</b>\n\n"},
]
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"q":  1}'}}
CALLED: list[dict[str, Any]] = [
    *MESSAGES,
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": '{"a": 2}'},
]
BODY: dict[str, Any] = {"model": "m", "messages": CALLED, "tools": [TOOL], "temperature": 0}
SAID = {"role": "assistant", "content": "yes"}
RESPONSE = {"choices": [{"message": SAID}]}
BOTH, NEITHER = frozenset(("tools", "response_format")), frozenset[str]()


def parts(message: dict[str, Any]) -> dict[str, Any]:
    return {"role": message["role"], "parts": [{"type": "text", "content": message["content"]}]}


def flat(name: str, inner: str = "") -> dict[str, Any]:
    return {f"{name}.{i}.{inner}{key}": value for i, message in enumerate(MESSAGES) for key, value in message.items()}


def span(**attributes: Any) -> dict[str, Any]:
    return {"traceId": "t", "spanId": "s", "name": "chat", "attributes": attributes}


KEPT: dict[str, tuple[Any, list[dict[str, Any]], frozenset[str]]] = {
    "a body": (BODY, CALLED, NEITHER),
    "a request beside its response": ({"request": BODY, "response": RESPONSE}, CALLED, NEITHER),
    "messages beside a response": (
        {"messages": CALLED, "tools": [TOOL], "response": RESPONSE},
        CALLED,
        frozenset(["response_format"]),
    ),
    "litellm's payload": (
        {"id": "r", "call_type": "acompletion", "messages": CALLED, "model_parameters": {"tools": [TOOL]}, "response": RESPONSE},
        CALLED,
        NEITHER,
    ),
    "litellm's spend log": (
        {
            "request_id": "r",
            "call_type": "acompletion",
            "messages": {},
            "proxy_server_request": json.dumps(BODY),
            "response": "{}",
        },
        CALLED,
        NEITHER,
    ),
    "a generation of langfuse": (
        {"id": "o", "type": "GENERATION", "traceId": "t", "input": CALLED, "output": SAID},
        CALLED,
        BOTH,
    ),
    "a generation with tools": (
        {"id": "o", "type": "GENERATION", "traceId": "t", "input": {"messages": CALLED, "tools": [TOOL]}, "output": SAID},
        CALLED,
        frozenset(["response_format"]),
    ),
    "a run of langsmith": ({"run_type": "llm", "inputs": {"messages": CALLED}, "outputs": RESPONSE}, CALLED, BOTH),
    "a result of promptfoo": ({"prompt": {"raw": json.dumps(MESSAGES)}, "response": {"output": "yes"}}, MESSAGES, BOTH),
    "a span with parts": (
        span(**{"gen_ai.request.model": "m", "gen_ai.input.messages": json.dumps([*map(parts, MESSAGES)])}),
        MESSAGES,
        BOTH,
    ),
    "a span with instructions": (
        span(
            **{
                "gen_ai.request.model": "m",
                "gen_ai.system_instructions": json.dumps([{"type": "text", "content": MESSAGES[0]["content"]}]),
                "gen_ai.input.messages": json.dumps([parts(MESSAGES[1])]),
            }
        ),
        MESSAGES,
        BOTH,
    ),
    "a flattened span": (span(**{"gen_ai.request.model": "m", **flat("gen_ai.prompt")}), MESSAGES, BOTH),
    "a span of openinference": (
        span(**{"openinference.span.kind": "LLM", **flat("llm.input_messages", "message.")}),
        MESSAGES,
        BOTH,
    ),
    "a span of mlflow": (
        span(**{"mlflow.spanType": '"CHAT_MODEL"', "mlflow.spanInputs": json.dumps({"messages": CALLED})}),
        CALLED,
        BOTH,
    ),
}


def found_in(record: Any) -> list[Sent | str]:
    name = registry.detect(record)
    assert name
    return [one.sent for one in registry.load_importer(name).read(record) if isinstance(one, Conversation)]


@pytest.mark.parametrize("name", KEPT)
def test_a_request_is_kept_as_it_was_sent(name: str) -> None:
    record, messages, unsaid = KEPT[name]
    (found,) = found_in(record)
    assert isinstance(found, Sent), found
    assert list(found.messages) == messages
    assert found.unsaid == unsaid
    assert found.tools == (None if "tools" in unsaid or messages is MESSAGES else [TOOL])
    assert found.response_format is None


IMAGE = {"type": "image_url", "image_url": {"url": "https://a"}}
REASONS: dict[str, tuple[Any, str]] = {
    "a conversation": ({"messages": [*MESSAGES, SAID]}, NOT_SENT),
    "a list of messages": ([*MESSAGES, SAID], NOT_SENT),
    "events": ([{"type": "user_message", "data": "hi"}, {"type": "look", "data": {}}], NOT_SENT),
    "Anthropic's API": ({"model": "m", "system": "Be brief.", "messages": MESSAGES[1:]}, sent.ANOTHER_API),
    "OpenAI's responses": ({"request": {"input": "hi"}, "response": {"object": "response", "output": []}}, sent.ANOTHER_API),
    "an image": ({"model": "m", "messages": [{"role": "user", "content": [IMAGE]}]}, sent.SEVERAL_PARTS),
    "two parts": (
        {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]},
        sent.SEVERAL_PARTS,
    ),
    "arguments that were read": (
        {
            "model": "m",
            "messages": [
                *MESSAGES,
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [{"id": "c", "function": {"name": "look", "arguments": {"q": 1}}}],
                },
                CALLED[-1],
            ],
        },
        sent.ARGUMENTS_READ,
    ),
    "a redacted call": (
        {
            "id": "r",
            "call_type": "acompletion",
            "messages": [{"role": "user", "content": "redacted-by-litellm"}],
            "model_parameters": {},
        },
        sent.CUT_SHORT,
    ),
    "a generation without its input": (
        {"id": "o", "type": "GENERATION", "traceId": "t", "input": None, "output": SAID},
        sent.NO_MESSAGES,
    ),
}


@pytest.mark.parametrize("name", REASONS)
def test_what_is_no_request_says_why(name: str) -> None:
    record, reason = REASONS[name]
    assert found_in(record) == [reason]


def test_one_part_of_text_is_its_text() -> None:
    found = read_sent([{"role": "user", "content": [{"type": "text", "text": " a\n"}]}])
    assert isinstance(found, Sent)
    assert found.messages == ({"role": "user", "content": " a\n"},)


@given(JSON)
def test_no_json_stops_it(found: Any) -> None:
    for whole in (True, False):
        made = read_sent(found, whole=whole)
        assert isinstance(made, (Sent, str))
