"""Datasets: what loads, what each mistake says, and which roles are inferred."""

from __future__ import annotations

import gc
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from phrasing.errors import DatasetError
from phrasing.messages import BAML_TOKENS
from phrasing.suite.dataset import IN_MEMORY, REMEMBERED, available, infer_roles, load
from phrasing.types import Case, CaseNote, Event, Thread
from support.paths import REPOSITORY

BASE: dict[str, Any] = {"id": "a", "thread": {"events": [{"type": "note", "data": {"text": "hi"}}]}, "expect": [{"intent": "go"}]}


def line(**changes: Any) -> str:
    return json.dumps({**BASE, **changes})


def together(**changes: Any) -> str:
    return json.dumps({key: value for key, value in BASE.items() if key not in ("expect", "forbid")} | changes)


def event(**changes: Any) -> dict[str, Any]:
    return {"events": [{"type": "note", **changes}]}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder that is the working directory, as it is for a user."""
    (tmp_path / "datasets").mkdir()
    monkeypatch.chdir(tmp_path)
    return Path("datasets")


def mistake(folder: Path, content: str | bytes) -> str:
    path = folder / "x.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DatasetError) as caught:
        load(path)
    return str(caught.value)


# ---------------------------------------------------------------------------------------------- what loads


def test_load_reads_cases_in_order_with_their_lines(folder: Path) -> None:
    raw = f"\n{line(id='b')}\n   \n{line(id='a', forbid=[{'intent': 'stop'}], turn=2)}\n".encode()
    path = folder / "x.jsonl"
    path.write_bytes(raw)
    dataset = load(path)
    assert (dataset.name, dataset.path) == ("x", path)
    assert [case.id for case in dataset.cases] == ["b", "a"]
    assert dataset.lines == {"b": 2, "a": 4}
    assert dataset.where("a") == "datasets/x.jsonl:4"
    assert dataset.digest == hashlib.sha256(raw).hexdigest()
    assert dataset.cases[1].forbid[0].intent == "stop"
    assert dataset.cases[1].turn == 2


def test_load_lets_windows_files_pass(folder: Path) -> None:
    path = folder / "x.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + line(id="a").encode() + b"\r\n\r\n" + line(id="b").encode() + b"\r\n")
    assert load(path).lines == {"a": 1, "b": 3}


def test_load_cuts_lines_at_newlines_only(folder: Path) -> None:
    text = "one\u2028two\u0085three\x1ffour"
    path = folder / "x.jsonl"
    path.write_text(json.dumps({**BASE, "thread": event(data=text)}, ensure_ascii=False), encoding="utf-8")
    assert load(path).cases[0].thread.events[0].data == text


def test_load_keeps_values_as_they_are(folder: Path) -> None:
    data = {"z": 1, "a": [None, True, 1.5, 10**30, "é 🚀", {}], "": ""}
    path = folder / "x.jsonl"
    path.write_text(line(thread=event(data=data)), encoding="utf-8")
    read = load(path).cases[0].thread.events[0].data
    assert json.dumps(read) == json.dumps(data)


def test_available_lists_datasets_by_name(folder: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", "README.md"):
        (folder / name).write_text("")
    assert list(available(folder).items()) == [("a", folder / "a.jsonl"), ("b", folder / "b.jsonl")]
    assert available(folder / "missing") == {}


def test_the_documented_case_loads(folder: Path) -> None:
    text = (REPOSITORY / "docs" / "datasets.md").read_text(encoding="utf-8")
    example = text.split("```json\n")[1].split("```")[0]
    path = folder / "x.jsonl"
    path.write_text(example.replace("\n", " "))
    (case,) = load(path).cases
    _, notes = infer_roles(case.thread, frozenset({"list_git_tags"}))
    assert "\n".join(notes) in text


def test_steps_that_are_wanted_together_load(folder: Path) -> None:
    path = folder / "x.jsonl"
    path.write_text(
        together(sequence=[{"intent": "b"}, {"intent": "a"}, {"intent": "b"}]) + "\n" + together(id="y", all=[{"intent": "a"}])
    )
    row, both = load(path).cases
    assert (row.together, both.together) == ("sequence", "all")
    assert [label.intent for label in row.labels] == ["b", "a", "b"]
    assert (row.note.wanted, row.note.expect) == ("b, then a, then b", ("b", "a"))
    notes = TypeAdapter(CaseNote)
    for case in (row, both):
        assert Case.model_validate_json(case.model_dump_json()) == case
        assert notes.validate_json(notes.dump_json(case.note)) == case.note


# ---------------------------------------------------------------------------------------------- cases made on demand

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text('é\u2028\x85<\\"\n'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=5,
)
EVENTS = st.fixed_dictionaries({"type": st.sampled_from(["note", "add"])}, optional={"data": VALUES, "role": st.just("input")})
MADE = st.fixed_dictionaries(
    {"thread": st.fixed_dictionaries({"events": st.lists(EVENTS, min_size=1, max_size=3)})},
    optional={
        "forbid": st.just([{"intent": "stop", "args": {"a": {"$any_of": [1, 2.5]}}, "only": True}]),
        "tags": st.lists(st.sampled_from("xyz"), max_size=2),
        "group": st.sampled_from("gh"),
        "turn": st.integers(0, 3),
        "strength": st.sampled_from(["written", "gold", "logged", "observed", "heuristic"]),
        "answer": st.just({"intent": "go", "args": {"n": 1}}),
        "meta": st.dictionaries(st.text("ab", max_size=2), VALUES, max_size=2),
    },
)


@given(
    cases=st.lists(MADE, min_size=1, max_size=6),
    ascii=st.booleans(),
    end=st.sampled_from(["\n", "\r\n", "\n\n \n"]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    data=st.data(),
)
def test_a_case_made_on_demand_is_the_one_of_its_line(
    tmp_path_factory: pytest.TempPathFactory, cases: list[dict[str, Any]], ascii: bool, end: str, mark: bytes, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("cases") / "x.jsonl"
    lines = [json.dumps({**BASE, **made, "id": f"c-{i}"}, ensure_ascii=ascii) for i, made in enumerate(cases)]
    path.write_bytes(mark + end.join(lines).encode())
    at_once = [Case.model_validate_json(line, strict=True) for line in lines]
    looked: list[tuple[Case, str]] = []
    read = load(path, look=lambda case, where: looked.append((case, where)))
    again = path.rename(path.with_name("again.jsonl"))
    path.write_bytes(b"what is written later doesn't show")
    names = [case.id for case in at_once]
    assert looked == [(case, read.where(case.id)) for case in at_once]
    assert list(read.cases) == at_once == list(load(again).cases)
    for place in data.draw(st.permutations(range(len(cases)))):
        assert read.cases.of(names[place]) == read.cases[place] == at_once[place]
    assert read.cases[1:] == tuple(at_once[1:])
    assert (len(read.cases), list(read.notes), list(read.lines), list(read.digests)) == (len(names), names, names, names)
    assert list(read.notes.values()) == [case.note for case in at_once]
    assert list(read.digests.values()) == [
        hashlib.sha256((line + "\r" * (end == "\r\n" and line != lines[-1])).encode()).hexdigest() for line in lines
    ]


def test_cases_of_a_large_file_are_read_again_too(folder: Path) -> None:
    path = folder / "x.jsonl"
    texts = {name: name * (IN_MEMORY // 2) for name in "abc"}
    path.write_text("\n".join(line(id=name, thread=event(data=text)) for name, text in texts.items()))
    read = load(path)
    path.write_text(line())
    for name in "cabbac":
        assert read.cases.of(name).thread.events[0].data == texts[name]


def test_where_a_large_file_cannot_be_copied_it_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "nowhere")
    small, large = folder / "small.jsonl", folder / "large.jsonl"
    small.write_text(line())
    large.write_text(line(thread=event(data="a" * IN_MEMORY)))
    assert len(load(small).cases) == 1
    with pytest.raises(DatasetError, match=r"^datasets/large.jsonl: its copy in nowhere can't be written: No such file"):
        load(large)


def test_no_case_is_held_that_was_not_looked_at(folder: Path) -> None:
    path = folder / "x.jsonl"
    path.write_text("\n".join(line(id=f"c-{i}") for i in range(REMEMBERED + 500)))

    def held() -> int:
        gc.collect()
        return sum(isinstance(one, Case) for one in gc.get_objects())

    before = held()
    read = load(path)
    assert held() == before
    assert sum(1 for _ in read.cases) == REMEMBERED + 500
    assert held() == before
    for name in read.notes:
        read.cases.of(name)
    assert held() == before + REMEMBERED


def test_cases_keep_what_their_reader_made_of_them(folder: Path) -> None:
    path = folder / "x.jsonl"
    path.write_text("\n".join(line(id=name) for name in "ab"))
    read = load(path, lambda case: case.model_copy(update={"tags": (case.id,)}))
    assert [case.tags for case in read.cases] == [note.tags for note in read.notes.values()] == [("a",), ("b",)]
    assert read.cases.of("b").tags == ("b",)


@given(kinds=st.lists(st.sampled_from(["good", "blank", "not UTF-8", "not JSON", "twice", "misnamed"]), min_size=1, max_size=6))
def test_the_first_mistake_of_the_first_kind_is_told(tmp_path_factory: pytest.TempPathFactory, kinds: list[str]) -> None:
    """Of bytes that are no text, then of lines that are no cases, then of what a reader says of cases."""
    path = tmp_path_factory.mktemp("mistakes") / "x.jsonl"
    written = {"blank": b" ", "not UTF-8": b"\xff", "not JSON": b"{", "twice": line(id="c-0").encode()}
    path.write_bytes(
        b"\n".join(
            [line(id="c-0").encode(), *(written.get(kind, line(id=f"{kind}-{i}").encode()) for i, kind in enumerate(kinds))]
        )
    )

    def named(case: Case) -> Case:
        if case.id.startswith("misnamed"):
            raise ValueError("misnamed")
        return case

    order = (["not UTF-8"], ["not JSON", "twice"], ["misnamed"])
    wrong = next(
        ([i for i, kind in enumerate(kinds) if kind in listed] for listed in order if not set(listed).isdisjoint(kinds)), []
    )
    if not wrong:
        load(path, named)
        return
    said = {"not UTF-8": "byte 0xff", "not JSON": "column 2", "twice": "id 'c-0'", "misnamed": "misnamed"}[kinds[wrong[0]]]
    with pytest.raises(DatasetError) as caught:
        load(path, named)
    assert str(caught.value).startswith(f"{path.as_posix()}:{wrong[0] + 2}: {said}")


# ---------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param('{"id": "x" "y"}', "column 12: not JSON: Expecting ',' delimiter, at '\"y\"}'", id="not-json"),
        pytest.param('{"id":', "column 7: not JSON: Expecting value, at the end of the line", id="cut-off"),
        pytest.param("[1]", "wanted an object, got [1]", id="not-an-object"),
        pytest.param('{"a": {"b": 1, "b": 2}}', "key 'b' is given twice in one object", id="key-twice"),
        pytest.param('{"a": NaN}', "NaN isn't JSON; wanted a number or null", id="nan"),
        pytest.param('{"a": [-Infinity]}', "-Infinity isn't JSON; wanted a number or null", id="infinity"),
        pytest.param('{"a": [0, -1e999]}', "the number -1e999 is too large", id="overflowing-number"),
        pytest.param("[" * 100_000, "nested more than 100 deep", id="deep-text"),
        pytest.param(
            line(exect=1),
            "key 'exect' not found (did you mean 'expect'?); "
            "there are: all, answer, expect, forbid, group, id, labeller, meta, sequence, strength, tags, thread, turn",
            id="unknown-key",
        ),
        pytest.param(
            line(thread=event(dat=1)),
            "thread.events[0]: key 'dat' not found (did you mean 'data'?); there are: call, data, role, type",
            id="unknown-key-of-an-event",
        ),
        pytest.param(
            line(thread={**event(), "x": 1}), "thread: key 'x' not found; there are: events", id="unknown-key-of-thread"
        ),
        pytest.param(
            line(forbid=[{"intent": "no", "arg": {}}]),
            "forbid[0]: key 'arg' not found (did you mean 'args'?); there are: args, intent, only",
            id="unknown-key-of-a-label",
        ),
        pytest.param('{"id": "a"}', "thread: missing", id="missing"),
        pytest.param(line(expect=[{}]), "expect[0].intent: missing", id="missing-intent"),
        pytest.param('{"id": "a", "thread": {"events": [{"type": "x"}]}}', "expect: missing", id="nothing-is-right"),
        pytest.param(
            line(all=[{"intent": "no"}]),
            "all: stands beside expect; a case has one of: expect, all, sequence",
            id="two-ways-to-be-right",
        ),
        pytest.param(together(all=[]), "all: wanted at least one, got []", id="no-steps"),
        pytest.param(together(sequence=[{}]), "sequence[0].intent: missing", id="missing-intent-in-order"),
        pytest.param(
            together(all=[{"intent": "a", "arg": 1}]),
            "all[0]: key 'arg' not found (did you mean 'args'?); there are: args, intent, only",
            id="unknown-key-of-a-label-in-order",
        ),
        pytest.param(
            together(all=[{"intent": "a"}], answer={"intent": "a"}),
            "answer: one step can't be the answer to all, which wants several at once",
            id="one-answer-for-several",
        ),
        pytest.param(
            together(sequence=[{"intent": "a"}, {"intent": "b"}], forbid=[{"intent": "b"}]),
            "sequence[1] and forbid[0] both cover 'b': a step could be right and harmful; "
            "give an argument that both name a different value in each, or drop one",
            id="wanted-and-forbidden",
        ),
        pytest.param(line(expect=[]), "expect: wanted at least one, got []", id="no-labels"),
        pytest.param(line(thread={"events": []}), "thread.events: wanted at least one, got []", id="no-events"),
        pytest.param(
            line(id="Bad Id"), 'id: wanted kebab-case: a-z, 0-9 and single hyphens between them, got "Bad Id"', id="bad-id"
        ),
        pytest.param(
            line(thread=event(type="<x>")),
            'thread.events[0].type: wanted a letter or _ first, then letters, digits, _ . -, got "<x>"',
            id="bad-type",
        ),
        pytest.param(
            line(thread=event(role="tool")),
            "thread.events[0].role: wanted 'input', 'step' or 'result', got \"tool\"",
            id="bad-role",
        ),
        pytest.param(line(meta=[1]), "meta: wanted an object, got [1]", id="bad-meta"),
        pytest.param(line(tags="x"), 'tags: wanted a list, got "x"', id="bad-tags"),
        pytest.param(line(tags=["x", None]), "tags[1]: wanted text, got null", id="bad-tag"),
        pytest.param(line(turn="3"), 'turn: wanted a whole number, got "3"', id="turn-as-text"),
        pytest.param(line(turn=True), "turn: wanted a whole number, got true", id="turn-as-boolean"),
        pytest.param(
            line(strength="sure"),
            "strength: wanted 'written', 'gold', 'logged' or 'heuristic', got \"sure\"",
            id="bad-strength",
        ),
        pytest.param(
            line(meta={"x": "\ud800"}), r"meta.x: '\ud800' is half of a surrogate pair, which UTF-8 can't hold", id="surrogate"
        ),
        pytest.param(
            line(meta={"x": {"\udfff": 1}}),
            r"meta.x, its key: '\udfff' is half of a surrogate pair, which UTF-8 can't hold",
            id="surrogate-key",
        ),
    ],
)
def test_a_mistake_names_the_line_the_field_and_the_value(folder: Path, content: str, message: str) -> None:
    assert mistake(folder, f"{line(id='good')}\n\n{content}\n") == f"datasets/x.jsonl:3: {message}"


@pytest.mark.parametrize("token", BAML_TOKENS)
@pytest.mark.parametrize("where", ["value", "key"])
def test_baml_role_tokens_are_refused(folder: Path, token: str, where: str) -> None:
    data = {"x": [f"…{token}:system"]} if where == "value" else {f"{token}": 1}
    message = mistake(folder, line(thread=event(data=data)))
    assert message.startswith("datasets/x.jsonl:1: thread.events[0].data")
    assert token in message


def test_ids_are_unique(folder: Path) -> None:
    assert mistake(folder, f"{line()}\n\n{line()}") == "datasets/x.jsonl:3: id 'a' is already used on line 1"


@pytest.mark.parametrize("content", ["", "\n \n", b"\xef\xbb\xbf"], ids=["empty", "blank", "mark-only"])
def test_a_file_without_cases_is_refused(folder: Path, content: str | bytes) -> None:
    assert mistake(folder, content) == "datasets/x.jsonl: has no cases; wanted one JSON object a line"


def test_other_encodings_are_refused(folder: Path) -> None:
    assert mistake(folder, line().encode() + b"\n\xff{}") == "datasets/x.jsonl:2: byte 0xff isn't UTF-8"


def test_a_missing_file_is_the_users_mistake(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"^datasets/none\.jsonl: can't be read: No such file"):
        load(folder / "none.jsonl")


def test_nesting_is_limited(folder: Path) -> None:
    def nested(depth: int) -> Any:
        value: Any = 1
        for _ in range(depth):
            value = [value]
        return value

    path = folder / "x.jsonl"
    path.write_text(line(meta={"x": nested(98)}))
    assert load(path).cases[0].meta["x"] == nested(98)
    assert mistake(folder, line(meta={"x": nested(99)})).endswith("…: nested more than 100 deep")


STAGING, PRODUCTION = {"environment": "staging"}, {"environment": "production"}


@pytest.mark.parametrize(
    ("expect", "forbid", "overlap"),
    [
        pytest.param({}, {}, True, id="the-same"),
        pytest.param({}, PRODUCTION, True, id="expected-whatever-the-arguments"),
        pytest.param(STAGING, {}, True, id="forbidden-whatever-the-arguments"),
        pytest.param(PRODUCTION, PRODUCTION, True, id="equal-arguments"),
        pytest.param({"tag": "v1"}, PRODUCTION, True, id="a-step-can-have-both"),
        pytest.param(STAGING, PRODUCTION, False, id="different-values"),
        pytest.param({"tag": "v1", **STAGING}, PRODUCTION, False, id="one-argument-tells-apart"),
        pytest.param({"force": True}, {"force": 1}, False, id="true-is-not-one"),
        pytest.param({"times": 3}, {"times": 3.0}, True, id="three-is-3.0"),
        pytest.param({"tag": "caf\u00e9"}, {"tag": "cafe\u0301 "}, True, id="equal-texts"),
        pytest.param({"tag": ["a ", {"b": 1}]}, {"tag": ["a", {"b": 1.0}]}, True, id="equal-inside"),
    ],
)
def test_a_step_is_not_both_right_and_harmful(folder: Path, expect: Any, forbid: Any, overlap: bool) -> None:
    content = line(expect=[{"intent": "ask"}, {"intent": "go", "args": expect}], forbid=[{"intent": "go", "args": forbid}])
    if overlap:
        message = mistake(folder, content)
        assert message.startswith(
            "datasets/x.jsonl:1: expect[1] and forbid[0] both cover 'go': a step could be right and harmful"
        )
    else:
        path = folder / "x.jsonl"
        path.write_text(content)
        assert len(load(path).cases) == 1


@pytest.mark.parametrize(
    ("expect", "forbid", "overlap"),
    [
        pytest.param({"args": STAGING, "only": True}, {"args": {"tag": "v1"}}, False, id="no-room-for-what-is-forbidden"),
        pytest.param({"args": STAGING}, {"args": {"tag": "v1"}, "only": True}, False, id="no-room-for-what-is-expected"),
        pytest.param({"args": STAGING, "only": True}, {"args": {"tag": None}}, True, id="null-takes-no-room"),
        pytest.param({"args": STAGING, "only": True}, {"args": {"tag": {"$ignore": True}}}, True, id="nor-need-a-matcher"),
        pytest.param({"args": STAGING, "only": True}, {"args": STAGING}, True, id="the-same"),
        pytest.param({"only": True}, {"only": True}, True, id="both"),
    ],
)
def test_only_leaves_no_room(folder: Path, expect: Any, forbid: Any, overlap: bool) -> None:
    content = line(expect=[{"intent": "go", **expect}], forbid=[{"intent": "go", **forbid}])
    if overlap:
        assert "both cover 'go'" in mistake(folder, content)
    else:
        path = folder / "x.jsonl"
        path.write_text(content)
        assert len(load(path).cases) == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(data=json_values, ascii_only=st.booleans())
def test_every_json_value_survives(tmp_path_factory: pytest.TempPathFactory, data: Any, ascii_only: bool) -> None:
    path = tmp_path_factory.mktemp("data") / "x.jsonl"
    path.write_text(json.dumps({**BASE, "thread": event(data=data)}, ensure_ascii=ascii_only), encoding="utf-8")
    assert json.dumps(load(path).cases[0].thread.events[0].data) == json.dumps(data)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_dataset_or_the_users_mistake(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.mktemp("data") / "x.jsonl"
    path.write_bytes(raw)
    with pytest.raises(DatasetError):
        load(path)


# ---------------------------------------------------------------------------------------------- roles

STEPS = frozenset({"list_tags", "deploy", "ask_human"})


def inferred(*events: str | Event) -> list[tuple[str | None, str | None]]:
    thread = Thread(events=tuple(e if isinstance(e, Event) else Event(type=e) for e in events))
    return [(e.role, e.call) for e in infer_roles(thread, STEPS)[0].events]


def test_roles_of_the_usual_thread() -> None:
    types = "slack_message list_tags list_tags_result deploy error ask_human human_response list_tags"
    thread = Thread(events=tuple(Event(type=kind) for kind in types.split()))
    filled, notes = infer_roles(thread, STEPS)
    assert [(e.role, e.call) for e in filled.events] == [
        ("input", None),
        ("step", "call_1"),
        ("result", "call_1"),
        ("step", "call_2"),
        ("result", "call_2"),
        ("step", "call_3"),
        ("result", "call_3"),
        ("step", "call_4"),
    ]
    assert notes == (
        "events[0] slack_message: input",
        "events[1] list_tags: step (a step's name)",
        "events[2] list_tags_result: result of events[1] list_tags",
        "events[3] deploy: step (a step's name)",
        "events[4] error: result of events[3] deploy",
        "events[5] ask_human: step (a step's name)",
        "events[6] human_response: result of events[5] ask_human",
        "events[7] list_tags: step (a step's name)",
    )


def test_results_find_the_latest_open_step_of_their_name() -> None:
    assert inferred("list_tags", "deploy", "list_tags_result", "deploy_response") == [
        ("step", "call_1"),
        ("step", "call_2"),
        ("result", "call_1"),
        ("result", "call_2"),
    ]
    assert inferred("deploy", "deploy", "deploy_result", "deploy_result")[2:] == [("result", "call_2"), ("result", "call_1")]


@pytest.mark.parametrize("answer", ["error", "tool_response", "tool_result", "human_response"])
def test_general_answers_belong_to_the_latest_open_step(answer: str) -> None:
    assert inferred("list_tags", "deploy", answer, answer, answer) == [
        ("step", "call_1"),
        ("step", "call_2"),
        ("result", "call_2"),
        ("result", "call_1"),
        ("input", None),
    ]


@pytest.mark.parametrize("kind", ["error", "human_response", "list_tags_result", "anything"])
def test_what_answers_nothing_is_an_input(kind: str) -> None:
    assert inferred(kind) == [("input", None)]


def test_a_result_of_another_step_is_an_input() -> None:
    assert inferred("list_tags", "deploy_result") == [("step", "call_1"), ("input", None)]


def test_an_unknown_step_shows_by_its_result() -> None:
    assert inferred("get_weather", "get_weather_result", "get_weather") == [
        ("step", "call_1"),
        ("result", "call_1"),
        ("input", None),
    ]
    assert inferred("get_weather", "note", "get_weather_result") == [("input", None)] * 3


def test_what_is_written_wins() -> None:
    assert inferred(
        Event(type="list_tags", role="input"),
        Event(type="plan", role="step"),
        Event(type="deploy", call="d7"),
        Event(type="outcome", call="d7"),
        Event(type="outcome", role="result"),
    ) == [("input", None), ("step", "call_1"), ("step", "d7"), ("result", "d7"), ("result", "call_1")]


def test_call_names_that_are_taken_are_not_given_again() -> None:
    assert inferred("list_tags", Event(type="deploy", call="call_1"), "ask_human") == [
        ("step", "call_2"),
        ("step", "call_1"),
        ("step", "call_3"),
    ]


@pytest.mark.parametrize(
    ("events", "message"),
    [
        pytest.param(
            (Event(type="deploy", call="d"), Event(type="out", role="result", call="x")),
            r"thread.events\[1\] out: call 'x' not found; there are: d",
            id="result-of-no-step",
        ),
        pytest.param(
            (Event(type="out", call="x"),), r"thread.events\[0\] out: call 'x' not found; there are: none", id="call-alone"
        ),
        pytest.param((Event(type="out", role="result"),), r"thread.events\[0\] out: a result, but every step", id="no-step-open"),
        pytest.param(
            (Event(type="deploy", call="d"), Event(type="out", call="d"), Event(type="out", call="d")),
            r"thread.events\[2\] out: events\[0\] deploy already has a result",
            id="two-results",
        ),
        pytest.param(
            (Event(type="deploy", call="d"), Event(type="deploy", call="d")),
            r"thread.events\[1\] deploy: call 'd' is already that of events\[0\] deploy",
            id="two-steps",
        ),
        pytest.param(
            (Event(type="note", role="input", call="d"),), r"thread.events\[0\] note: an input has no call, got 'd'", id="input"
        ),
    ],
)
def test_contradictions_are_refused(events: tuple[Event, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        infer_roles(Thread(events=events), STEPS)


types = st.sampled_from(
    [
        "note",
        "other",
        "other_result",
        "list_tags",
        "deploy",
        "ask_human",
        "error",
        "human_response",
        "tool_result",
        "list_tags_result",
        "deploy_response",
    ]
)


@settings(deadline=None)
@given(st.lists(st.builds(Event, type=types), min_size=1, max_size=12))
def test_inferred_threads_are_whole(events: list[Event]) -> None:
    thread = Thread(events=tuple(events))
    before = thread.model_dump_json()
    filled, notes = infer_roles(thread, STEPS)
    assert thread.model_dump_json() == before
    assert [(e.type, e.data) for e in filled.events] == [(e.type, e.data) for e in events]
    assert len(notes) == len(events)
    calls: list[str | None] = []
    answered: list[str | None] = []
    for item in filled.events:
        assert (item.role == "input") == (item.call is None)
        if item.role == "step":
            calls.append(item.call)
        elif item.role == "result":
            assert item.call in calls
            answered.append(item.call)
    assert calls == [f"call_{n}" for n in range(1, len(calls) + 1)]
    assert len(set(answered)) == len(answered)
    # What was filled in is now written: a second pass agrees and has nothing to say.
    assert infer_roles(filled, STEPS) == (filled, ())
