from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from phrasing.importers.json_stream import Broken
from phrasing.importers.pipeline import CaseLine, Options, WhichTurns, make_cases
from phrasing.importers.summary import ImportSummary
from phrasing.suite import dataset
from phrasing.suite.dataset import Dataset
from support.log_records.openai_chat import CHAT, call


def make(*records: Any, options: Options | None = None, **more: Any) -> tuple[list[CaseLine], ImportSummary]:
    account = ImportSummary()
    entries = ((f"log.jsonl:{number}", record) for number, record in enumerate(records, start=1))
    return list(make_cases(entries, options or Options(), account, **more)), account


def loaded(tmp_path: Path, made: list[CaseLine]) -> Dataset:
    (tmp_path / "made.jsonl").write_bytes(b"\n".join(one.line for one in made))
    return dataset.load(tmp_path / "made.jsonl")


def test_a_record_becomes_cases_that_a_dataset_holds(tmp_path: Path) -> None:
    made, account = make(CHAT)
    first, second = loaded(tmp_path, made).cases
    assert (first.id, second.id, first.group, second.turn) == ("order-7-b-1", "order-7-b-2", "order-7-b", 2)
    assert [event.type for event in second.thread.events] == ["user_message", "find", "find_result"]
    assert first.strength == "logged"
    assert first.meta == {"source": "log.jsonl:1", "reward": 1}
    assert [label.model_dump() for label in first.expect] == [{"intent": "find", "args": {"id": 7}}]
    assert (account.conversations, dict(account.records)) == (1, {"openai": 1})
    assert account.systems == {"You help.": 1}


@pytest.mark.parametrize(("cases", "turns"), [("every-step", [1, 2]), ("last", [2]), ("tool-calls", [1])])
def test_which_turns_become_cases(cases: WhichTurns, turns: list[int]) -> None:
    made, _ = make(CHAT, options=Options(cases))
    assert [one.turn for one in made] == turns


def test_one_turn_of_each_conversation_is_drawn_by_the_seed() -> None:
    drawn = [
        [made.turn for made in make(*[{**CHAT, "id": str(n)} for n in range(20)], options=Options("one-each", seed=seed))[0]]
        for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert set(drawn[0]) == {1, 2}
    assert len(drawn[0]) == 20


def test_conversations_are_selected_by_what_the_log_says_of_them() -> None:
    records = [{**CHAT, "reward": reward} for reward in (1, 0.0, 1.0, True, "1")] + [{"messages": CHAT["messages"]}]
    made, account = make(*records, options=Options(where={"reward": 1}))
    assert sorted({one.line.split(b'"source":"')[1][:11] for one in made}) == [b"log.jsonl:1", b"log.jsonl:3"]
    assert (account.conversations, account.unselected) == (6, 4)


def test_what_makes_no_case_is_counted_with_its_place() -> None:
    wrong = {"messages": [{"role": "user", "content": "x"}, call("find", "{")]}
    made, account = make(Broken(1, "not JSON"), {"what": "else"}, *[wrong] * 7, CHAT)
    assert len(made) == 2
    assert {reason: (met.times, met.places) for reason, met in account.left.items()} == {
        "not JSON": (1, ["log.jsonl:1"]),
        "no importer knows this shape": (1, ["log.jsonl:2"]),
        "the agent's call has arguments that aren't a JSON object": (7, [f"log.jsonl:{n}" for n in range(3, 8)]),
    }


def test_a_named_importer_says_what_it_misses() -> None:
    _, account = make({"what": "else"}, 3, importer="openai")
    assert {reason: met.places for reason, met in account.left.items()} == {
        "has no list `messages`": ["log.jsonl:1", "log.jsonl:2"]
    }


def test_names_are_given_once_and_a_conversation_keeps_its_own() -> None:
    made, _ = make(CHAT, CHAT, {**CHAT, "id": "order 7 B"}, {"messages": CHAT["messages"]})
    names = [json.loads(one.line)["id"] for one in made]
    assert names[::2] == ["order-7-b-1", "order-7-b-1-again-2", "order-7-b-1-again-3", "log-jsonl-4-1"]
    assert [one.cluster for one in made][::2] == ["order-7-b"] * 3 + ["log-jsonl-4"]


def test_a_long_name_is_cut_and_stays_its_own() -> None:
    made, _ = make({**CHAT, "id": "x" * 99}, {**CHAT, "id": "x" * 98 + "y"})
    one, other = {made.cluster for made in made}
    assert max(len(one), len(other)) <= 60
    assert one != other


def test_equal_cases_are_known_by_thread_and_labels() -> None:
    same, other = {**CHAT, "id": "other"}, json.loads(json.dumps(CHAT).replace('{\\"id\\": 7}', '{\\"id\\": 8}'))
    made, _ = make(CHAT, same, other)
    assert made[0].thread == made[2].thread == made[4].thread
    assert made[0].labels == made[2].labels != made[4].labels
    assert made[1].labels == made[5].labels
    assert len({one.thread for one in made}) == 3


def test_tools_are_numbered_by_their_sets() -> None:
    tool = {"type": "function", "function": {"name": "find"}}
    made, account = make(CHAT, {**CHAT, "tools": [tool]}, {**CHAT, "tools": [tool]})
    assert [one.toolset for one in made] == [0, 0, 1, 1, 1, 1]
    assert account.toolsets == [(), (tool,)]


def test_everything_written_is_cleaned(tmp_path: Path) -> None:
    def clean(value: Any) -> Any:
        return json.loads(json.dumps(value).replace("home", "[place]").replace("Order", "[name]"))

    record = {**CHAT, "city": "home", "messages": [{"role": "system", "content": "at home"}, *CHAT["messages"][1:]]}
    made, account = make(record, cleaning=lambda values: clean)
    assert b"home" not in b"".join(one.line for one in made)
    assert list(account.systems) == ["at [place]"]
    assert loaded(tmp_path, made).cases[1].meta["city"] == "[place]"


@pytest.mark.parametrize("where", ["arguments", "content"])
def test_texts_that_are_deep_json_never_make_a_line_that_no_dataset_takes(tmp_path: Path, where: str) -> None:
    deep = '{"a":' * 99 + "1" + "}" * 99
    result = {"role": "tool", "tool_call_id": "c1", "content": deep if where == "content" else "ok"}
    messages = [CHAT["messages"][1], call("find", deep if where == "arguments" else "{}"), result, CHAT["messages"][4]]
    made, account = make({"messages": messages}, CHAT)
    assert loaded(tmp_path, made).cases
    assert any("nested more than" in reason for reason in account.left)
