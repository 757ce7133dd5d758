from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from support.imported import made
from support.log_records.anthropic_messages import RECORDS, REQUEST, TOOL, result, use


def test_a_list_of_messages_is_a_conversation() -> None:
    lines, account = made(REQUEST)
    assert [line["expect"] for line in lines] == [[{"intent": "find", "args": {"id": 7}}]]
    assert list(account.systems) == ["You help."]
    assert account.toolsets == [(TOOL,)]
    assert list(account.kept) == ["thinking: left out of the thread"]
    assert "tags" not in lines[0]
    assert lines[0]["meta"] == {"source": "t.jsonl:1", "model": "claude-x", "max_tokens": 100}


def test_a_request_with_its_response_is_one_decision() -> None:
    for record in RECORDS[2:]:
        ((line,), account) = made(record)
        assert not account.left
        assert line["all"] == [{"intent": "find", "args": {"id": 8}}, {"intent": "find", "args": {"id": 9}}]
        assert [event["type"] for event in line["thread"]["events"]] == ["user_message", "find", "find_result", "user_message"]
        assert line["thread"]["events"][2]["data"] == {"at": "home"}
    assert made(RECORDS[2])[0][0]["group"] == "c"


def test_results_of_all_shapes_are_read_in_order() -> None:
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": [use("f", {}, f"t{i}") for i in range(5)]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "first"},
                result([{"type": "text", "text": "[1]"}], "t0"),
                result("boom", "t1", is_error=True),
                result(None, "t2"),
                result({"x": 1}, "t4"),
                result([{"type": "text", "text": "look"}, {"type": "image", "source": {}}], "t3"),
            ],
        },
        {"role": "assistant", "content": "done"},
    ]
    lines, account = made({"system": "", "messages": messages})
    events = [(event["type"], event["data"], event.get("call")) for event in lines[-1]["thread"]["events"]]
    assert events[0] == ("user_message", "a\nb", None)
    assert events[6:] == [
        ("user_message", "first", None),
        ("f_result", [1], "call_1"),
        ("error", "boom", "call_2"),
        ("f_result", "", "call_3"),
        ("f_result", {"x": 1}, "call_5"),
        ("f_result", "look", "call_4"),
    ]
    assert lines[-1]["tags"] == ["incomplete"]
    assert list(account.kept) == ["a part that isn't text (an image, audio, a file): left out of the thread"]


def test_what_only_the_provider_has_is_counted() -> None:
    own = [{"type": "server_tool_use", "name": "web_search", "input": {}}, {"type": "web_search_tool_result", "content": []}]
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": [*own, {"type": "text", "text": "hello"}]}]
    lines, account = made({"system": "x", "messages": messages})
    assert [line["expect"] for line in lines] == [[{"intent": "respond"}]]
    assert {reason: met.times for reason, met in account.kept.items()} == {
        "a call of one of the provider's own tools, or what it gave back: left out of the thread": 2
    }


# ---------------------------------------------------------------------------------------------- there and back

TEXTS = st.text(min_size=1, max_size=20).filter(lambda text: text.strip() and text.encode("utf-8", "replace").decode() == text)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | TEXTS, lambda inner: st.lists(inner, max_size=2), max_leaves=4
)
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("user"), TEXTS),
        st.tuples(st.sampled_from(["look", "send"]), st.dictionaries(st.sampled_from("abc"), VALUES, max_size=2)),
    ),
    min_size=1,
    max_size=5,
)


@given(EVENTS)
def test_a_thread_written_as_these_messages_comes_back(events: list[tuple[str, Any]]) -> None:
    thread: list[dict[str, Any]] = [{"type": "user_message", "data": "go", "role": "input"}]
    messages: list[dict[str, Any]] = [{"role": "user", "content": "go"}]
    for number, (kind, data) in enumerate(events, start=1):
        steps = sum(event["role"] == "step" for event in thread) + 1
        if kind == "user":
            thread.append({"type": "user_message", "data": data, "role": "input"})
            messages.append({"role": "user", "content": data})
            continue
        thread.append({"type": kind, "data": data, "role": "step", "call": f"call_{steps}"})
        thread.append({"type": f"{kind}_result", "data": {"got": number}, "role": "result", "call": f"call_{steps}"})
        messages.append({"role": "assistant", "content": [use(kind, data, f"t{number}")]})
        messages.append({"role": "user", "content": [result(json.dumps({"got": number}), f"t{number}")]})
    messages.append({"role": "assistant", "content": [{"type": "text", "text": "bye"}]})
    lines, account = made({"system": "", "messages": messages})
    assert lines[-1]["thread"]["events"] == thread
    assert not account.left
    assert not account.kept


def test_a_text_under_another_name_is_named_for_what_it_is() -> None:
    told = [{"role": role, "content": [{"type": "text", "value": "hi"}]} for role in ("user", "assistant")]
    lines, account = made({"system": "You help.", "messages": told}, importer="anthropic")
    assert not lines
    assert all("a part of another shape: of the type text" in reason for reason in (*account.left, *account.kept))
