from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from phrasing.importers.conversation import Call, Heard, Item, Lost, Result, Turn
from phrasing.importers.log_formats import openai_responses
from phrasing.importers.messages.openai_responses import read_response_items
from support import imported
from support.log_records.openai_responses import ITEMS, RECORDS, REQUEST, RESPONSE, TOOL, message, use

made = partial(imported.made, importer="responses")


def items(*found: Any) -> list[Item]:
    return read_response_items([*found])[1]


@pytest.mark.parametrize("record", RECORDS[:2], ids=["items", "request"])
def test_in_a_list_of_items_each_turn_is_a_decision(record: Any) -> None:
    lines, account = made(record)
    assert [line["expect"] for line in lines] == [[{"intent": "find", "args": {"id": 7}}], [{"intent": "respond"}]]
    assert lines[1]["thread"]["events"] == [
        {"type": "user_message", "data": "where is it?", "role": "input"},
        {"type": "find", "data": {"id": 7}, "role": "step", "call": "call_1"},
        {"type": "find_result", "data": {"at": "home"}, "role": "result", "call": "call_1"},
    ]
    assert list(account.kept) == ["reasoning: left out of the thread"]
    assert not any("tags" in line for line in lines)


@pytest.mark.parametrize("record", RECORDS[2:], ids=["pair", "beside", "response", "batch"])
def test_a_response_is_the_one_decision(record: Any) -> None:
    ((line,), account) = made(record)
    assert [event["type"] for event in line["thread"]["events"]] == ["user_message", "find", "find_result"]
    assert line["all"] == [{"intent": "find", "args": {"id": 8}}, {"intent": "find", "args": {"id": 9}}]
    assert line["turn"] == 2
    assert line["meta"]["metadata.good"] is True
    assert account.systems == {"You help.": 1}
    assert account.toolsets == [(TOOL,)]
    assert not account.left


@pytest.mark.parametrize(
    ("more", "group"),
    [({"previous_response_id": "resp_0"}, "resp-1"), ({"conversation": {"id": "conv_1"}}, "conv-1")],
    ids=["response", "conversation"],
)
def test_turns_that_the_server_kept_are_said(more: dict[str, Any], group: str) -> None:
    ((line,), account) = made({**RESPONSE, "input": ITEMS, **more})
    assert "earlier turns, which the server kept (previous_response_id, conversation): left out of the thread" in account.kept
    assert (line["tags"], line["group"]) == (["incomplete"], group)


def test_a_response_by_itself_lacks_its_input() -> None:
    assert openai_responses.fits(RESPONSE)
    lines, account = made(RESPONSE)
    assert lines == []
    assert "the input of a response: not in the record: left out of the thread" in account.kept
    assert list(account.left) == ["nothing stands before the agent's turn"]


@pytest.mark.parametrize(
    "answer", [{**RESPONSE, "status": "failed", "output": []}, {"error": "no"}, None], ids=["empty", "error", "null"]
)
def test_a_call_without_an_answer_makes_no_case_of_its_history(answer: Any) -> None:
    lines, account = made({"request": REQUEST, "response": answer})
    assert lines == []
    assert "no answer of the agent: a response without an output" in account.left


def test_the_turn_is_the_decision_wherever_the_provider_s_tools_came_in() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    for found in ([search, use("{}")], [use("{}"), search]):
        ((line,), _) = made({**RESPONSE, "input": "find it", "output": found})
        assert (line["expect"], line["tags"]) == ([{"intent": "find"}], ["incomplete"])
        assert line["thread"]["events"] == [{"type": "user_message", "data": "find it", "role": "input"}]


def test_items_of_every_kind_are_read_or_counted() -> None:
    assert items(
        message("look", "user"),
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_image"}]},
        {"role": "developer", "content": "be brief"},
        {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"type": "custom_tool_call", "call_id": "c9", "name": "run", "input": "ls"},
        {"type": "custom_tool_call_output", "call_id": "c9", "output": [{"type": "input_text", "text": "[1]"}]},
        {"type": "function_call", "call_id": "c8", "arguments": "{}"},
        {"type": "function_call", "call_id": "c7", "name": "find", "arguments": '{"id'},
        {"type": "mcp_list_tools", "server_label": "s", "tools": []},
        {"type": "mcp_call", "name": "f", "arguments": "{}", "output": "x"},
        {"type": "local_shell_call_output", "id": "l", "output": "x"},
        {"type": "item_reference", "id": "msg_1"},
        {"type": "news"},
        {"role": "critic", "content": "?"},
    ) == [
        Heard("look"),
        Lost("a part that isn't text (an image, audio, a file)"),
        Heard("a"),
        Heard("be brief", "system_message"),
        Turn("No."),
        Turn(calls=(Call("run", {"input": "ls"}, "c9"),)),
        Result([1], "c9"),
        Lost("a tool call without a name"),
        Turn(calls=(Call("find", '{"id', "c7"),)),
        Lost("a list of tools", harmless=True),
        Lost("a call of one of the provider's own tools, or what it gave back"),
        Lost("a call of one of the provider's own tools, or what it gave back"),
        Lost("items that the server kept (a reference, a compaction)"),
        Lost("an item of another kind"),
        Lost("a message of another role than user, assistant, system and developer"),
    ]


def test_instructions_are_a_text_or_messages_and_stand_before_those_of_the_input() -> None:
    found = [{"role": "developer", "content": "be brief"}, *ITEMS]
    for instructions in ("You help.", [message("You help.", "developer")]):
        (conversation,) = openai_responses.read({**REQUEST, "instructions": instructions, "input": found})
        assert conversation.system == "You help.\n\nbe brief"
        assert isinstance(conversation.items[0], Heard)


@pytest.mark.parametrize(
    "record",
    [
        [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}],
        {"input": "hi", "output": "hello"},
        {"input": [{"role": "user", "content": "hi"}], "output": {"role": "assistant", "content": "hello"}},
        {"input": {"messages": []}, "output": [{"type": "text", "text": "hello"}]},
        {"object": "chat.completion", "choices": []},
        [],
        7,
    ],
    ids=["chat", "texts", "observation", "objects", "completion", "none", "number"],
)
def test_what_is_another_shape_is_left_to_others(record: Any) -> None:
    assert not openai_responses.fits(record)


def test_what_is_no_record_is_said() -> None:
    with pytest.raises(ValueError, match="has neither `input` nor a response with `output`"):
        list(openai_responses.read({"model": "gpt-x"}))
