from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.importers import cases
from phrasing.importers.conversation import Call, Heard, Item, Lost, Result, Turn
from phrasing.importers.log_formats import openai_chat
from phrasing.importers.messages.openai_chat import read_chat
from phrasing.prompts import formats
from phrasing.suite import dataset
from phrasing.types import Thread
from support import imported
from support.log_records.openai_chat import ASKED, COMPLETION, RECORDS, REQUEST, SAID, SHAREGPT, TOOL
from support.paths import REPOSITORY


def items(*messages: Any) -> list[Item]:
    return read_chat([*messages])[1]


made = partial(imported.made, importer="openai")


@pytest.mark.parametrize("record", RECORDS[3:9])
def test_a_response_is_the_one_decision(record: Any) -> None:
    ((line,), account) = made(record)
    assert [event["type"] for event in line["thread"]["events"]] == ["user_message", "find", "find_result"]
    assert (line["expect"], line["turn"]) == ([{"intent": "respond"}], 2)
    assert account.toolsets == [(TOOL,)]
    assert not account.kept
    assert not account.left


@pytest.mark.parametrize("record", [*RECORDS[:3], *RECORDS[9:]])
def test_in_a_conversation_each_turn_is_one(record: Any) -> None:
    lines, account = made(record)
    assert [line["expect"][0]["intent"] for line in lines] == ["find", "respond"]
    assert lines[0]["expect"] == [{"intent": "find", "args": {"id": 7}}]
    assert lines[1]["thread"]["events"][-1] == {"type": "find_result", "data": {"at": "home"}, "role": "result", "call": "call_1"}
    assert not account.left
    assert not account.kept


def test_sharegpt_names_its_instructions_and_tools() -> None:
    _, account = made(SHAREGPT)
    assert account.systems == {"You help.": 1}
    assert account.toolsets == [(TOOL["function"],)]


def test_sharegpt_calls_made_at_once_are_a_list() -> None:
    calls = json.dumps([{"name": "find", "arguments": {"id": 7}}, {"name": "find", "arguments": {"id": 8}}])
    lines, _ = made({"conversations": [{"from": "human", "value": "go"}, {"from": "function_call", "value": calls}]})
    assert lines[0]["all"] == [{"intent": "find", "args": {"id": number}} for number in (7, 8)]


@pytest.mark.parametrize(
    "response", [None, {"choices": []}, {"error": {"message": "no"}}, {"status_code": 500, "body": {"error": "no"}}], ids=repr
)
def test_a_call_without_an_answer_makes_no_case_of_its_history(response: Any) -> None:
    lines, account = made({"messages": [*REQUEST["messages"], SAID, ASKED], "response": response})
    assert lines == []
    assert list(account.left) == ["no answer of the agent: a response without a message"]


def test_further_choices_are_counted() -> None:
    ((line,), account) = made({**REQUEST, "choices": COMPLETION["choices"] * 3})
    assert {reason: met.times for reason, met in account.kept.items()} == {
        "a further choice of a response: left out of the thread": 2
    }
    assert "tags" not in line


def test_a_conversation_has_the_name_that_all_its_calls_share() -> None:
    names = [
        {**REQUEST, "id": "a", "session_id": "s"},
        {"id": "a", "body": {**REQUEST, "metadata": {"conversation_id": "c"}}, "response": COMPLETION},
        {"id": "a", "custom_id": "mine", "body": REQUEST, "response": COMPLETION},
        {**REQUEST, "id": 7, "thread_id": ""},
        REQUEST,
    ]
    assert [next(openai_chat.read(record)).id for record in names] == ["s", "c", "mine", "7", None]


def test_short_values_beside_the_messages_are_kept() -> None:
    ((line,), _) = made({"request": {**REQUEST, "temperature": 0}, "response": COMPLETION, "scores": {"good": 1}})
    assert line["meta"] == {"source": "t.jsonl:1", "model": "gpt-x", "temperature": 0, "scores.good": 1}


def test_older_function_calls_are_tied_by_name() -> None:
    old = {"role": "assistant", "content": None, "function_call": {"name": "find", "arguments": '{"id": 7}'}}
    assert items(old, {"role": "function", "name": "find", "content": "home"}) == [
        Turn(calls=(Call("find", {"id": 7}),)),
        Result("home", None, "find"),
    ]


def test_calls_of_every_kind_are_read() -> None:
    calls = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "b", "type": "custom", "custom": {"name": "run", "input": '{"not": "arguments"}'}},
        {"function": {"name": "g", "arguments": {"an": "object"}}},
        {"id": "d", "type": "function", "function": {"name": "h", "arguments": '{"cut'}},
        {"id": "e", "type": "function", "function": {"arguments": "{}"}},
        "what",
    ]
    lost = Lost("a tool call without a name")
    assert items({"role": "assistant", "content": "Both.", "tool_calls": calls}) == [
        lost,
        lost,
        Turn(
            "Both.",
            (
                Call("f", {}, "a"),
                Call("run", {"input": '{"not": "arguments"}'}, "b"),
                Call("g", {"an": "object"}),
                Call("h", '{"cut', "d"),
            ),
            unread="a tool call without a name",
        ),
    ]


@pytest.mark.parametrize(
    ("message", "turn", "lost"),
    [
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, Turn("a\nb"), []),
        ({"content": None, "refusal": "No."}, Turn("No."), []),
        ({"content": [{"type": "refusal", "refusal": "No."}]}, Turn("No."), []),
        ({"content": None, "audio": {"id": "a", "transcript": "Hi."}}, Turn("Hi."), []),
        ({"content": None, "audio": {"id": "a"}}, Turn(""), [Lost("an answer in audio alone")]),
        ({"content": "Hi.", "reasoning_content": "hm"}, Turn("Hi."), [Lost("reasoning", harmless=True)]),
        (
            {"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Hi."}]},
            Turn("Hi."),
            [Lost("reasoning", harmless=True)],
        ),
        ({"content": "Hi.", "name": "mary"}, Turn("Hi."), [Lost("the name of an assistant", harmless=True)]),
        ({"content": 3}, Turn(""), [Lost("content that is neither text nor a list of parts")]),
    ],
    ids=["parts", "refusal", "refusal part", "transcript", "audio", "reasoning", "thinking part", "name", "number"],
)
def test_what_the_assistant_said(message: dict[str, Any], turn: Turn, lost: list[Item]) -> None:
    assert items({"role": "assistant", **message}) == [*lost, turn]


@pytest.mark.parametrize(
    ("content", "value", "lost"),
    [
        ("plain", "plain", 0),
        ('{"a": 1}', {"a": 1}, 0),
        (None, "", 0),
        ({"at": "home"}, {"at": "home"}, 0),
        ([{"id": 1}, {"id": 2}], [{"id": 1}, {"id": 2}], 0),
        (7, 7, 0),
        ([{"type": "text", "text": "[1]"}], [1], 0),
        ([{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {}}], "look", 1),
    ],
    ids=["text", "JSON", "null", "object", "list", "number", "parts", "image"],
)
def test_what_a_tool_gave_back(content: Any, value: Any, lost: int) -> None:
    *before, result = items({"role": "tool", "tool_call_id": "c1", "content": content})
    assert result == Result(value, "c1")
    assert before == [Lost("a part that isn't text (an image, audio, a file)")] * lost


def test_instructions_stand_first_and_later_ones_are_events() -> None:
    system, found = read_chat(
        [
            {"role": "system", "content": [{"type": "text", "text": "Be kind."}, {"type": "image_url"}]},
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "hi", "name": "mary"},
            {"role": "system", "content": "It's noon."},
            {"role": "critic", "content": "?"},
        ]
    )
    assert system == "Be kind.\n\nBe brief."
    assert found == [
        Lost("a part that isn't text (an image, audio, a file)"),
        Heard({"name": "user-1", "text": "hi"}),
        Heard("It's noon.", "system_message"),
        Lost("a message of another role than system, developer, user, assistant, tool and function"),
    ]


@pytest.mark.parametrize(
    "record",
    [
        {"messages": []},
        {"messages": [{"role": "user", "parts": []}]},
        {"messages": [{"from": "tool", "value": ""}]},
        {"conversation": "conv_1", "input": []},
        [ASKED, {"type": "function_call"}],
        "text",
    ],
    ids=["none", "parts", "another sharegpt", "another API's", "items", "text"],
)
def test_what_is_another_shape_is_left_to_others(record: Any) -> None:
    assert not openai_chat.fits(record)


# ---------------------------------------------------------------------------------------------- there and back

# Every thread that the format `messages` can write without loss is one of these:
# - Inputs are texts of users, `user_message`, that aren't blank and don't begin with "{".
# - Steps have objects as data, names that an API takes, and calls numbered in their order. Steps in a row are calls made at once.
# - Their results follow at once, all of them, in any order: `<step>_result` with any data but an object of one key that is the
#   name of an answer, or such an answer (`error`, `human_response`, `tool_response`, `tool_result`) by itself.
# - What the agent said, `respond` with a text that isn't empty, stands before calls or an input, never before another text.
# - The last event is an input or a result. Steps named `tool` or `human` are left out, as their own results read like answers,
#   and so is a `respond` that is called like a tool.

CHARACTERS = st.characters(codec="utf-8")
TEXTS = st.text(CHARACTERS, min_size=1, max_size=12)
SPOKEN = TEXTS.filter(lambda text: bool(text.strip()) and not text.lstrip().startswith("{"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(CHARACTERS, max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,20}", fullmatch=True).filter(
    lambda name: name not in ("tool", "human", "respond")
)
OWN_DATA = VALUES.filter(lambda data: not (isinstance(data, dict) and len(data) == 1 and next(iter(data)) in dataset.ANSWERS))
ANSWERS = st.sampled_from(["own", "own", *dataset.ANSWERS]).flatmap(
    lambda kind: st.tuples(st.just(kind), OWN_DATA if kind == "own" else VALUES)
)
STEPS = st.lists(
    st.tuples(NAMES, st.dictionaries(st.text(CHARACTERS, max_size=5), VALUES, max_size=3), ANSWERS), min_size=1, max_size=3
)
BLOCKS = st.lists(
    st.tuples(st.just("user"), SPOKEN)
    | st.tuples(st.just("said"), TEXTS)
    | st.tuples(st.just("steps"), STEPS.flatmap(lambda steps: st.tuples(st.just(steps), st.permutations(range(len(steps)))))),
    min_size=1,
    max_size=6,
)


@st.composite
def threads(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw a thread that the format `messages` can write."""
    events: list[dict[str, Any]] = []
    number = 0
    blocks = [*draw(BLOCKS), ("user", draw(SPOKEN))]
    for (kind, content), (after, _) in zip(blocks, [*blocks[1:], ("end", None)], strict=True):
        if kind == "user":
            events.append({"type": "user_message", "data": content, "role": "input"})
        elif kind == "said" and after != "said":
            number += 1
            events.append({"type": "respond", "data": {"message": content}, "role": "step", "call": f"call_{number}"})
        elif kind == "steps":
            steps, order = content
            for offset, (name, data, _) in enumerate(steps, start=number + 1):
                events.append({"type": name, "data": data, "role": "step", "call": f"call_{offset}"})
            for i in order:
                name, _, (answer, data) = steps[i]
                called = f"{name}_result" if answer == "own" else answer
                events.append({"type": called, "data": data, "role": "result", "call": f"call_{number + i + 1}"})
            number += len(steps)
    return events


MESSAGES = formats.load(REPOSITORY / "formats", "messages")


def rendered(thread: Thread) -> list[Any]:
    messages = formats.render(MESSAGES, thread)
    assert isinstance(messages, list)
    return messages


@given(threads())
def test_a_thread_written_as_messages_comes_back(events: list[dict[str, Any]]) -> None:
    messages = rendered(Thread.model_validate({"events": events}))
    (conversation,) = openai_chat.read(json.loads(json.dumps(messages)))
    made = cases.cut(conversation)
    assert made.events == events
    assert set(made.kept) <= {cases.UNCOMPARED, cases.UNHEARD, cases.TRANSCRIPT}  # a label's affair


@given(threads())
def test_a_case_written_as_messages_comes_back(events: list[dict[str, Any]]) -> None:
    # a dataset may leave roles out
    bare = [{key: event[key] for key in event if key != "role" or event["role"] != "result"} for event in events]
    case = {"id": "a", "thread": {"events": bare}, "expect": [{"intent": "respond"}]}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a.jsonl").write_text(json.dumps(case), "utf-8")
        (loaded,) = dataset.load(Path(folder, "a.jsonl")).cases
    thread, _ = dataset.infer_roles(loaded.thread, frozenset())
    lines, account = made({"messages": [*rendered(thread), SAID]})
    assert lines[-1]["thread"]["events"] == events
    assert lines[-1]["expect"] == case["expect"]
    assert set(account.kept) <= {cases.UNCOMPARED, cases.UNHEARD, cases.TRANSCRIPT}


def test_a_stored_completion_without_its_messages_is_named_for_what_it_is() -> None:
    page = {"object": "list", "data": [COMPLETION, COMPLETION], "has_more": False}
    lines, account = made(COMPLETION, page)
    assert not lines
    assert {reason: met.times for reason, met in account.left.items()} == {openai_chat.STORED: 3}
    ((line,), _) = made({**COMPLETION, "messages": [ASKED]})
    assert line["expect"] == [{"intent": "respond"}]


@pytest.mark.parametrize(
    "response",
    [
        {"choices": [{"finish_reason": "tool_calls", "message": {"role": "assistant", "content": "Let me look."}}]},
        {"choices": [{"finish_reason": "function_call", "message": {"role": "assistant", "content": "Let me look."}}]},
        {"role": "assistant", "content": "Let me look.", "finishReason": "tool-calls"},
    ],
)
def test_a_call_that_only_the_reason_tells_of_is_missing(response: Any) -> None:
    lines, account = made({**REQUEST, "tools": [], "response": response})
    assert not lines
    assert list(account.left) == ["the agent's answer can't be read: the log says that the agent called a tool, but not which"]
