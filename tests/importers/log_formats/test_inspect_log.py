from __future__ import annotations

import json
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.importers import registry
from phrasing.importers.json_stream import LogEntry
from phrasing.importers.log_files import read_records
from support import imported
from support.log_records.inspect_log import (
    GONE,
    GRADE,
    HEADER,
    IMAGE,
    LOG,
    LOOK_UP,
    OLD,
    REDUCTION,
    SAMPLE,
    SUMMARY,
    asked,
    call,
    result,
    said,
)

made = partial(imported.made, file="t.eval")


def conversation(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "s", "epoch": 1, "input": "", "target": "", "messages": list(messages), **more}


def shown(line: dict[str, Any]) -> list[tuple[str, Any, str | None]]:
    return [(event["type"], event["data"], event.get("call")) for event in line["thread"]["events"]]


def test_a_sample_is_a_conversation() -> None:
    (first, last), account = made(SAMPLE)
    assert first["all"] == [{"intent": "look_up", "args": {"id": 7}}, {"intent": "look_up", "args": {"id": 8}}]
    assert last["expect"] == [{"intent": "respond"}]
    assert shown(last) == [
        ("user_message", "where is order 7?\nquick", None),
        ("respond", {"message": "Let me look."}, "call_1"),
        ("look_up", {"id": 7}, "call_2"),
        ("look_up", {"id": 8}, "call_3"),
        ("look_up_result", {"at": "home"}, "call_2"),
        ("error", "Command timed out.", "call_3"),
    ]
    assert (last["group"], last["turn"], last["strength"]) == ("order-7", 2, "logged")
    assert "tags" not in last
    assert list(account.systems) == ["Be of help."]
    assert list(account.kept) == ["reasoning: left out of the thread"]
    assert not account.left


def test_what_is_known_of_a_sample_can_select_it() -> None:
    lines, _ = made(SAMPLE)
    assert lines[0]["meta"] == {
        "source": "t.eval:1",
        "epoch": 2,
        "model": "gpt-x-mini",
        "limit": "message",
        "metadata.level": 3,
        "error": False,
        "score.includes": "C",
        "score.judge.tone": 0.5,
        "score.judge.facts": 1,
    }
    (old,), _ = made(OLD)
    assert old["meta"] == {"source": "t.eval:1", "epoch": 1, "target": "hello", "error": True, "score": 1}


def test_tools_are_those_that_the_agent_was_offered() -> None:
    _, account = made(SAMPLE)
    parameters = LOOK_UP["parameters"]
    assert account.toolsets == [({"name": "look_up", "description": "Look an order up.", "parameters": parameters},)]
    # without ids nobody can tell a grader's call from the agent's
    assert made(OLD)[1].toolsets == [(GRADE, {**GRADE, "name": "wave"})]


def test_a_log_is_its_samples_grouped_by_task_and_sample() -> None:
    lines, account = made(LOG)
    assert [line["group"] for line in lines] == [*["shop-orders-order-7"] * 2, "shop-orders-1", *["shop-orders-order-8"] * 2]
    assert {(line["meta"]["task"], line["meta"]["model"]) for line in lines} == {("shop/orders", "openai/gpt-x-mini")}
    assert account.conversations == 3


def test_epochs_of_a_sample_are_one_group_and_numbered_samples_of_two_tasks_are_not() -> None:
    again = {**OLD, "epoch": 2, "input": [{"id": "new", "content": "hi", "role": "user"}]}
    other = {**OLD, "input": [{"content": "bye", "role": "user"}]}
    lines, _ = made(OLD, again, other)
    groups = [line["group"] for line in lines]
    assert groups[0] == groups[1] != groups[2]
    assert all(group.startswith("1-") for group in groups)
    assert len({line["id"] for line in lines}) == 3


@pytest.mark.parametrize("record", [HEADER, SUMMARY, REDUCTION], ids=["header", "summary", "reduction"])
def test_what_holds_no_conversation_is_known(record: Any) -> None:
    lines, account = made(record)
    assert not lines
    assert not account.left
    assert account.records == {"inspect, without a conversation": 1}


def test_of_an_archive_the_samples_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in [
            ("_journal/start.json", HEADER),
            ("_journal/summaries/1.json", [SUMMARY, SUMMARY]),
            ("samples/order-7_epoch_2.json", SAMPLE),
            ("samples/1_epoch_1.json", OLD),
            ("summaries.json", [SUMMARY, SUMMARY]),
            ("reductions.json", [REDUCTION]),
            ("header.json", HEADER),
        ]:
            archive.writestr(name, json.dumps(value, indent=2))
    found = list(read_records(path))
    lines, account = made(*[one.value for one in found if isinstance(one, LogEntry)])
    assert len(found) == 2
    assert [line["group"].split("-")[0] for line in lines] == ["order", "order", "1"]
    assert account.records == {"inspect": 2}
    assert not account.left


def test_turns_that_the_task_gave_are_history() -> None:
    examples = [asked("2+2?"), said("", call("add", {"a": 2}), source="input"), result("4"), said("4.", source="input")]
    lines, account = made(conversation(*examples, said("Go on?"), asked("3+3?"), said("", call("add", {"a": 3}))))
    assert [line["expect"] for line in lines] == [[{"intent": "respond"}], [{"intent": "add", "args": {"a": 3}}]]
    assert [event[0] for event in shown(lines[0])] == ["user_message", "add", "add_result", "respond"]
    assert not account.left


def test_arguments_that_could_not_be_parsed_make_no_label() -> None:
    wrong = "Error parsing the following tool call arguments:\n\n{'id': 7\n\nError details: x"
    messages = [
        asked("go"),
        said("", call("look_up", {}, parse_error=wrong)),
        result("", error={"type": "parsing", "message": wrong}),
        said("", call("look_up", {"id": 7}, "call_2", parse_error=None), name="m2"),
    ]
    lines, account = made(conversation(*messages))
    assert [line["expect"] for line in lines] == [[{"intent": "look_up", "args": {"id": 7}}]]
    assert shown(lines[0])[1:] == [("look_up", wrong, "call_1"), ("error", wrong, "call_1")]
    assert list(account.left) == ["the agent's call has arguments that aren't a JSON object"]


def test_what_cannot_be_shown_is_counted() -> None:
    own = {"type": "tool_use", "tool_type": "web_search", "id": "w", "name": "search", "arguments": "x", "result": "y"}
    messages = [
        asked([{"type": "image", "image": f"attachment://{IMAGE}", "detail": "auto"}, {"type": "text", "text": "see?"}]),
        said([own, {"type": "text", "text": "Yes."}]),
        asked(f"attachment://{GONE}"),
        said("Hm.", {"id": "x", "function": None, "arguments": {}}),
        {"role": "critic", "content": "no"},
        asked("attachment://it, please"),
        {"role": "system", "content": "Be quick."},
        said("Done."),
    ]
    lines, account = made(conversation(*messages, attachments={IMAGE: "data:image/png;base64,AAAA"}))
    assert {reason: met.times for reason, met in account.kept.items()} == {
        "a part that isn't text (an image, audio, a file): left out of the thread": 1,
        "a call of one of the provider's own tools, or what it gave back: left out of the thread": 1,
        "a text that the log refers to and doesn't hold: left out of the thread": 1,
        "a tool call without a name: left out of the thread": 1,
        "a message of another role than system, user, assistant and tool: left out of the thread": 1,
    }
    assert shown(lines[-1])[-2:] == [("user_message", "attachment://it, please", None), ("system_message", "Be quick.", None)]
    assert lines[-1]["tags"] == ["incomplete"]


def test_a_sample_that_never_began_does_not_stop_the_others() -> None:
    broken = [{"id": 2, "epoch": 1, "input": "", "target": "", "messages": []}, None, 7]
    lines, account = made({**HEADER, "samples": [*broken, OLD]})
    assert len(lines) == 1
    assert account.conversations == 4
    assert account.kept["a sample without messages: left out of the thread"].times == 3


def test_another_shape_is_said() -> None:
    for record in ({"messages_": []}, [], 3):
        assert registry.detect(record) != "inspect"
        assert list(made(record, importer="inspect")[1].left) == ["is neither a log of Inspect nor a sample of one"]


# ---------------------------------------------------------------------------------------------- there and back

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(str.strip)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | TEXTS, lambda inner: st.lists(inner, max_size=2), max_leaves=4
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("user"), TEXTS, st.booleans()),
        st.tuples(st.sampled_from(["look", "send"]), st.dictionaries(st.sampled_from("abc"), VALUES, max_size=2), st.booleans()),
    ),
    min_size=1,
    max_size=5,
)


@given(STEPS)
def test_a_thread_written_as_these_messages_comes_back(steps: list[tuple[str, Any, bool]]) -> None:
    thread: list[dict[str, Any]] = [{"type": "user_message", "data": "go", "role": "input"}]
    messages, attachments = [asked("go")], {}
    for number, (kind, data, apart) in enumerate(steps, start=1):
        if kind == "user":
            thread.append({"type": "user_message", "data": data, "role": "input"})
            attachments[f"{number:032x}"] = data
            messages.append(asked(f"attachment://{number:032x}" if apart else data))
            continue
        tied = f"call_{sum(event['role'] == 'step' for event in thread) + 1}"
        thread.append({"type": kind, "data": data, "role": "step", "call": tied})
        messages.append(said("", call(kind, data, f"c{number}"), name=f"m{number}"))
        kind, value = ("error", "boom") if apart else (f"{kind}_result", {"got": number})
        thread.append({"type": kind, "data": value, "role": "result", "call": tied})
        error = {"error": {"type": "unknown", "message": value}} if apart else {}
        messages.append(result("" if apart else json.dumps(value), f"c{number}", **error))
    lines, account = made(conversation(*messages, said("bye"), attachments=attachments))
    assert lines[-1]["thread"]["events"] == thread
    assert not account.left
    assert not account.kept
