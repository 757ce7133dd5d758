"""Messages of parts, as libraries write them, become those of OpenAI's chat API."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given

from phrasing.importers.conversation import Call, Heard, Item, Lost, Result, Turn
from phrasing.importers.messages.message_parts import chat_messages
from phrasing.importers.messages.model_calls import read_answered, read_asked
from phrasing.importers.messages.openai_chat import read_chat
from support.broken_records import JSON

REASONING = Lost("reasoning", harmless=True)


def items(*messages: Any) -> list[Item]:
    return read_chat(list(messages))[1]


@pytest.mark.parametrize(
    ("part", "call"),
    [
        ({"type": "tool_call", "id": "c", "name": "find", "arguments": {"id": 7}}, Call("find", {"id": 7}, "c")),
        ({"type": "tool_call", "id": ["run", "c"], "name": "find", "arguments": '{"id": 7}'}, Call("find", {"id": 7}, "c")),
        ({"function_call": {"name": "find", "args": {"id": 7}}}, Call("find", {"id": 7})),
        ({"functionCall": {"name": "find", "args": {"id": 7}, "id": "c"}}, Call("find", {"id": 7}, "c")),
        ({"type": "tool-call", "toolCallId": "c", "toolName": "find", "args": {"id": 7}}, Call("find", {"id": 7}, "c")),
        ({"type": "tool_use", "id": "c", "name": "find", "input": {"id": 7}}, Call("find", {"id": 7}, "c")),
        ({"toolUse": {"toolUseId": "c", "name": "find", "input": {"id": 7}}}, Call("find", {"id": 7}, "c")),
        (
            {"block_type": "tool_call", "tool_call_id": "c", "tool_name": "find", "tool_kwargs": {"id": 7}},
            Call("find", {"id": 7}, "c"),
        ),
        ({"type": "function", "id": "c", "function": {"name": "find", "arguments": '{"id": 7}'}}, Call("find", {"id": 7}, "c")),
    ],
    ids=["OTel", "Microsoft", "Gemini", "Gemini, camel", "AI SDK", "Anthropic", "Bedrock", "LlamaIndex", "koog"],
)
@pytest.mark.parametrize("key", ["parts", "content"])
def test_calls_are_read_by_whatever_name(part: dict[str, Any], call: Call, key: str) -> None:
    assert items({"role": "assistant", key: [{"type": "text", "text": "Look."}, part]}) == [Turn("Look.", (call,))]


@pytest.mark.parametrize(
    ("part", "result"),
    [
        ({"type": "tool_call_response", "id": "c", "response": {"at": 1}}, Result({"at": 1}, "c")),
        ({"type": "tool_call_response", "id": ["run", "c"], "result": '{"at": 1}'}, Result({"at": 1}, "c")),
        (
            {
                "type": "tool_call_response",
                "id": "c",
                "response": '{"type": "function_result", "call_id": "c", "result": "home"}',
            },
            Result("home", "c"),
        ),
        ({"function_response": {"name": "find", "response": {"at": 1}}}, Result({"at": 1}, None, "find")),
        ({"functionResponse": {"name": "find", "response": {"result": "home"}}}, Result("home", None, "find")),
        (
            {"type": "tool-result", "toolCallId": "c", "toolName": "find", "output": {"type": "json", "value": {"at": 1}}},
            Result({"at": 1}, "c", "find"),
        ),
        (
            {"type": "tool-result", "toolCallId": "c", "toolName": "find", "output": {"type": "error-text", "value": "no"}},
            Result("no", "c", "find", error=True),
        ),
        ({"type": "tool-result", "toolCallId": "c", "toolName": "find", "result": [1, 2]}, Result([1, 2], "c", "find")),
        ({"type": "tool_result", "tool_use_id": "c", "content": "home", "is_error": True}, Result("home", "c", error=True)),
        ({"toolResult": {"toolUseId": "c", "content": [{"json": {"at": 1}}]}}, Result({"at": 1}, "c")),
        ({"toolResult": {"toolUseId": "c", "content": [{"text": "a"}, {"text": "b"}], "status": "success"}}, Result("a\nb", "c")),
    ],
    ids=["OTel", "pydantic-ai", "Microsoft", "Gemini", "ADK", "AI SDK", "failed", "AI SDK 4", "Anthropic", "Bedrock", "texts"],
)
@pytest.mark.parametrize("role", ["tool", "user"])
def test_results_are_read_by_whatever_name(part: dict[str, Any], result: Result, role: str) -> None:
    assert items({"role": role, "parts": [part]}) == [result]


def test_words_and_results_of_a_message_stay_in_their_order() -> None:
    one, two = ({"type": "tool_call_response", "id": i, "response": i} for i in "ab")
    told = {"role": "user", "parts": [one, {"type": "text", "content": "and?"}, two]}
    assert items(told) == [Result("a", "a"), Heard("and?"), Result("b", "b")]


def test_parts_of_the_sdks_interface_are_calls_with_their_results() -> None:
    parts = [
        {"type": "text", "text": "Look."},
        {"type": "tool-find", "toolCallId": "c", "state": "output-available", "input": {"id": 7}, "output": {"at": 1}},
        {"type": "dynamic-tool", "toolName": "ring", "toolCallId": "d", "input": {}, "state": "output-error", "errorText": "no"},
        {"type": "text", "text": "Home."},
    ]
    wanted = [
        Turn("Look.", (Call("find", {"id": 7}, "c"),)),
        Result({"at": 1}, "c", "find"),
        Turn("", (Call("ring", {}, "d"),)),
        Result("no", "d", "ring", error=True),
        Turn("Home."),
    ]
    assert items({"role": "assistant", "parts": parts}) == wanted
    invoked = [{"toolCallId": "c", "toolName": "find", "args": {"id": 7}, "state": "result", "result": {"at": 1}}]
    assert items({"role": "assistant", "content": "Look.", "toolInvocations": invoked}) == wanted[:2]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "reasoning", "content": "hm"},
        {"type": "thinking", "content": "hm"},
        {"text": "hm", "thought": True},
        {"type": "Microsoft.Extensions.AI.TextReasoningContent", "content": {"text": "hm"}},
    ],
)
def test_reasoning_is_left_out_and_counted(part: dict[str, Any]) -> None:
    assert items({"role": "assistant", "parts": [part, {"type": "text", "content": "Home."}]}) == [REASONING, Turn("Home.")]


def test_a_result_may_have_its_tools_name_as_its_role() -> None:
    call = {"role": "assistant", "content": "", "tool_calls": [{"id": "c", "function": {"name": "find", "arguments": "{}"}}]}
    assert items(call, {"role": "find", "content": "home"}) == [Turn("", (Call("find", {}, "c"),)), Result("home", None, "find")]
    (_, lost) = items(call, {"role": "another", "content": "home"})
    assert isinstance(lost, Lost)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([{"type": "text", "value": "hi"}], "a part of another shape: of the type text, without a text under `text`"),
        ([{"type": "text"}], "a part of another shape: of the type text, without a text under `text`"),
        ([{"type": "image_url", "image_url": {"url": "x"}}], "a part that isn't text (an image, audio, a file)"),
        ([{"inline_data": {"mime_type": "image/png"}}], "a part that isn't text (an image, audio, a file)"),
        ([{"type": "widget", "of": 1}], "a part of another shape"),
        ([7], "a part that is neither text nor an object"),
    ],
)
@pytest.mark.parametrize("role", ["user", "assistant"])
def test_a_part_that_cant_be_shown_is_named_for_what_it_is(content: Any, reason: str, role: str) -> None:
    assert Lost(reason) in items({"role": role, "content": content})


def test_assistants_text_stands_beside_annotations() -> None:
    assert items({"role": "user", "content": [{"type": "text", "text": {"value": "hi", "annotations": []}}]}) == [Heard("hi")]


@pytest.mark.parametrize("key", ["images", "videos", "attachments", "experimental_attachments"])
def test_images_beside_a_message_are_counted(key: str) -> None:
    assert items({"role": "user", "content": "what flag?", key: ["flag.png"]}) == [
        Lost("images, audio or files beside a message"),
        Heard("what flag?"),
    ]


@pytest.mark.parametrize(
    "contents",
    [
        "hi",
        ["hi"],
        [{"text": "hi"}],
        {"text": "hi"},
        {"parts": [{"text": "hi"}]},
        [{"role": "user", "parts": [{"text": "hi"}]}],
        [{"role": "user", "parts": ["hi"]}],
    ],
)
@pytest.mark.parametrize("camel", [False, True])
def test_geminis_contents_have_many_shapes(contents: Any, camel: bool) -> None:
    told = {"parts": [{"text": "You help."}]}
    held = {"systemInstruction": told} if camel else {"config": {"system_instruction": "You help."}}
    asked = read_asked({"model": "g", "contents": contents, **held})
    assert asked.items == (Heard("hi"),)
    assert asked.system == "You help."


def test_geminis_tools_are_declared_in_groups() -> None:
    group = {"function_declarations": [{"name": "find"}, {"name": "ring", "parameters": {"type": "OBJECT"}}]}
    asked = read_asked({"contents": "hi", "config": {"tools": [group, {"google_search": {}}]}})
    assert asked.tools[:2] == ({"name": "find"}, {"name": "ring", "parameters": {"type": "OBJECT"}})


def test_several_texts_are_no_request() -> None:
    assert read_asked(["one", "two"]).items == (Lost("several texts, which nobody can tell to be one request"),)


@given(JSON)
def test_no_json_stops_the_reader_and_none_is_changed(value: Any) -> None:
    kept = copy.deepcopy(value)
    for found in (
        value,
        [value],
        {"parts": value},
        {"role": "user", "content": value},
        {"role": "assistant", "tool_calls": value},
    ):
        chat_messages([found])
        read_asked(found)
        read_answered(json.loads(json.dumps(found)))
    assert value == kept
