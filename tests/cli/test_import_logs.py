"""`phrasing import`, as a user sees it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from phrasing import cli
from phrasing.baml.project import load_project
from phrasing.score import labels
from phrasing.suite import dataset
from phrasing.types import Case
from support import small_projects as projects
from support.log_records.openai_chat import CHAT, call
from support.small_projects import cache

__all__ = ["cache"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def chat(number: int, **more: Any) -> dict[str, Any]:
    text = json.dumps({**CHAT, **more}).replace('{\\"id\\": 7}', f'{{\\"id\\": {number}}}')
    return {**json.loads(text), "id": f"talk {number}"}


def write(name: str, *records: Any) -> None:
    Path(name).write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")


def run(*words: str, wrong: bool = False) -> str:
    done: Result = CliRunner().invoke(cli.main, ["import", *words])
    assert done.exit_code == (2 if wrong else 0), done.output
    assert all(len(line) < 80 for line in done.output.splitlines() if not line.startswith("error:")), done.output
    return done.output


def ids(name: str) -> list[str]:
    return [case.id for case in dataset.load(Path(name)).cases]


def test_logs_become_a_dataset() -> None:
    write("log.jsonl", CHAT, chat(2))
    said = run("log.jsonl", "-o", "datasets/mine.jsonl")
    assert ids("datasets/mine.jsonl") == ["order-7-b-1", "order-7-b-2", "talk-2-1", "talk-2-2"]
    assert "2 conversations in 2 records (2 openai)" in said
    assert "datasets/mine.jsonl: 4 cases" in said
    assert "instructions that 2 conversations began with" in " ".join(said.split())
    assert [path.name for path in Path("datasets").iterdir()] == ["mine.jsonl"]


def test_what_cant_be_read_is_shown_with_its_place() -> None:
    write("log.jsonl", CHAT, {"what": 1}, {"messages": [*CHAT["messages"][:2], call("find", "{")]})
    with Path("log.jsonl").open("a", encoding="utf-8") as file:
        file.write("nonsense\n")
    said = run("log.jsonl", "-o", "mine.jsonl")
    assert "1  no importer knows this shape (log.jsonl:2)" in said
    assert "1  not JSON: Expecting value (log.jsonl:4)" in said
    assert "arguments that aren't a JSON object" in said


def test_several_files_of_several_shapes_are_read() -> None:
    Path("a.json.gz").write_bytes(gzip.compress(json.dumps([chat(1), chat(2)]).encode()))
    write("b.jsonl", {"id": "e", "events": [{"type": "note", "data": 1}, {"type": "find", "data": {}, "role": "step"}]})
    said = run("a.json.gz", "b.jsonl", "-o", "mine.jsonl", "--tool-calls")
    assert ids("mine.jsonl") == ["talk-1-1", "talk-2-1", "e-1"]
    assert "3 conversations in 3 records (2 openai, 1 events)" in said


def test_an_importer_can_be_named() -> None:
    write("log.jsonl", CHAT)
    assert "1 openai" in run("openai", "log.jsonl", "-o", "mine.jsonl", "--last")
    assert ids("mine.jsonl") == ["order-7-b-2"]
    assert "1 anthropic" in run("anthropic", "log.jsonl", "-o", "other.jsonl")
    assert "importer 'opnai' not found (did you mean 'openai'?)" in run("opnai", "log.jsonl", "-o", "x.jsonl", wrong=True)


def test_an_importer_says_what_it_needs() -> None:
    assert "importer 'openai' needs a FILE" in run("openai", wrong=True)
    assert "importer 'bfcl' needs a category: simple_python, " in run("bfcl", wrong=True)
    assert "importer 'baml' needs a folder of BAML sources, such as baml_src" in run("baml", "-o", "x.jsonl", wrong=True)
    Path("agent").mkdir()
    assert "agent is a folder; if it holds BAML sources: phrasing import baml agent" in run("agent", wrong=True)


def test_tests_of_baml_are_imported() -> None:
    test = 'test Hello {\n  functions [Mail]\n  args { thread "hi" }\n  @@assert({{ this.intent == "search" }})\n}\n'
    projects.write(Path("agent"), {"main.baml": projects.CLIENT + projects.STEPS + projects.function("Mail") + test})
    assert "in 1 records (1 baml)" in run("baml", "agent", "-o", "mine.jsonl")
    assert ids("mine.jsonl") == ["hello-1"]


def test_repeated_cases_are_left_out_and_said() -> None:
    write("log.jsonl", chat(1), chat(1), chat(2))
    said = run("log.jsonl", "-o", "mine.jsonl")
    assert ids("mine.jsonl") == ["talk-1-1", "talk-1-2", "talk-2-1", "talk-2-2"]
    assert "2 cases left out: the same thread and label were there already" in " ".join(said.split())
    assert "1 cases have a thread that was met before with another label" in " ".join(said.split())
    assert len(ids("mine.jsonl")) == 4
    run("log.jsonl", "-o", "mine.jsonl", "--keep-duplicates", "--force")
    assert len(ids("mine.jsonl")) == 6


def test_free_text_is_compared_when_one_asks() -> None:
    words = json.dumps({"id": 7, "reason": "no longer needed", "note": "called twice"})
    write("log.jsonl", {"messages": [*CHAT["messages"][:2], call("cancel", words)]})

    def compared(*options: str) -> tuple[set[str], str]:
        said = " ".join(run("log.jsonl", "-o", "mine.jsonl", "--force", *options).split())
        (case,) = dataset.load(Path("mine.jsonl")).cases
        assert case.expect[0].args["id"] == 7
        return case.expect[0].args.keys() - {"id"}, said

    free = "Free text, not compared (--compare-text NAME compares one, or all):"
    names, said = compared()
    assert not names
    assert f"{free} cancel.reason (1), cancel.note (1)" in said
    names, said = compared("--compare-text", "cancel.reason")
    assert names == {"reason"}
    assert f"{free} cancel.note (1)" in said
    names, said = compared("--compare-text", "all")
    assert names == {"reason", "note"}
    assert "Free text" not in said


def test_several_calls_in_one_turn_are_all_wanted_unless_any_will_do() -> None:
    write("log.jsonl", at_once(2, 3))

    def case(*options: str) -> tuple[Case, str]:
        said = " ".join(run("log.jsonl", "-o", "mine.jsonl", "--force", *options).split())
        (made,) = dataset.load(Path("mine.jsonl")).cases
        return made, said

    made, said = case()
    assert (made.together, [label.args for label in made.labels]) == ("all", [{"times": 2}, {"times": 3}])
    assert (
        "1 cases are of turns with several calls at once: all of them are wanted (--together any: any of them is right)" in said
    )
    made, said = case("--together", "any")
    assert (made.together, [label.args for label in made.labels]) == (None, [{"times": 2}, {"times": 3}])
    assert (
        "1 cases are of turns with several calls at once: any of them is right (--together all: all of them are wanted)" in said
    )


def test_a_table_is_imported_in_the_encoding_that_one_names() -> None:
    messages = json.dumps([{"role": "user", "content": "Wo ist es? Café, 10 €"}], ensure_ascii=False).replace('"', '""')
    Path("log.csv").write_bytes(f'id;input;output;score\n1;"{messages}";Zu Hause.;1\n'.encode("cp1252"))
    said = run("log.csv", "-o", "mine.jsonl", wrong=True)
    assert "1 holds bytes that aren't UTF-8 (--encoding NAME reads others, such as cp1252) (log.csv:2)" in " ".join(said.split())
    run("log.csv", "-o", "mine.jsonl", "--encoding", "cp1252", "--where", "score=1")
    (case,) = dataset.load(Path("mine.jsonl")).cases
    assert case.thread.events[0].data == "Wo ist es? Café, 10 €"
    assert "--encoding 'ebcdic' is none that Python knows" in run("log.csv", "-o", "x.jsonl", "--encoding", "ebcdic", wrong=True)


def test_conversations_are_selected_sampled_and_split() -> None:
    write("log.jsonl", *[chat(n, reward=n % 2) for n in range(40)])
    assert "20 of them not selected by --where" in run("log.jsonl", "-o", "good.jsonl", "--where", "reward=1")
    assert len(ids("good.jsonl")) == 40
    run("log.jsonl", "-o", "few.jsonl", "--sample", "10", "--seed", "3")
    few = dataset.load(Path("few.jsonl")).cases
    assert len(few) == 10
    assert len({case.cluster for case in few}) == 5
    run("log.jsonl", "-o", "all.jsonl", "--split", "dev=0.5,test=0.5")
    parts = [{case.cluster for case in dataset.load(Path(f"all-{part}.jsonl")).cases} for part in ("dev", "test")]
    assert len(parts[0] | parts[1]) == 40
    assert not parts[0] & parts[1]
    assert not Path("all.jsonl").exists()


def test_what_belongs_to_people_is_replaced_unless_it_is_kept() -> None:
    log = json.dumps(chat(1)).replace("where is it?", "I am ann@example.org, order #W1, 10.0.0.1")
    Path("log.jsonl").write_text(log, "utf-8")
    said = run("log.jsonl", "-o", "a.jsonl", "--redact", r"order=#W\d+", "--redact", "ip")
    assert dataset.load(Path("a.jsonl")).cases[0].thread.events[0].data == "I am [email-1], order [order-1], [ip-1]"
    assert "email (1 different)" in said
    run("log.jsonl", "-o", "b.jsonl", "--keep", "all")
    assert dataset.load(Path("b.jsonl")).cases[0].thread.events[0].data == "I am ann@example.org, order #W1, 10.0.0.1"


def test_instructions_and_tools_are_written() -> None:
    tools = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in ("find", "send")]
    write("log.jsonl", {**CHAT, "tools": tools}, {**chat(2), "tools": tools[:1]})
    said = run("log.jsonl", "-o", "mine.jsonl", "--system", "policy.txt", "--tools", "tools.json")
    assert Path("policy.txt").read_text("utf-8") == "You help."
    assert json.loads(Path("tools.json").read_text("utf-8")) == tools
    assert "tools.json: 2 tools" in said


def test_what_the_agent_said_can_be_another_step() -> None:
    write("log.jsonl", CHAT)
    run("log.jsonl", "-o", "mine.jsonl", "--last", "--text", "done_for_now.answer")
    (case,) = dataset.load(Path("mine.jsonl")).cases
    assert case.expect[0].intent == "done_for_now"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["log.jsonl", "-o", "there.jsonl"], "there.jsonl is there already; --force writes over it"),
        (["log.jsonl", "-o", "x.jsonl", "--system", "there.jsonl"], "there.jsonl is there already"),
        (["log.jsonl", "-o", "x.csv"], "--output 'x.csv' isn't a .jsonl file"),
        (["log.jsonl", "-o", "x.jsonl", "--where", "reward"], "--where 'reward' isn't KEY=VALUE, such as reward=1"),
        (
            ["log.jsonl", "-o", "x.jsonl", "--where", "reward=7"],
            "nothing is written. --where reward: there are, for example: reward=",
        ),
        (["there.jsonl", "-o", "x.jsonl"], "nothing is written. Known are: events, "),
        (["log.jsonl", "-o", "x.jsonl", "--text", "a-b"], "--text 'a-b' isn't a step with its field, such as respond.message"),
        (["log.jsonl", "-o", "x.jsonl", "--keep", "mail"], "--keep: kind 'mail' not found (did you mean 'email'?)"),
        (["log.jsonl", "-o", "x.jsonl", "--split", "a=1,b=1"], "shares must add up to 1"),
        (
            ["log.jsonl", "-o", "x.jsonl", "--split", "a=0.5,b=0.5"],
            "would hold no case: there are too few conversations",
        ),
        (["nothing.jsonl", "-o", "x.jsonl"], "nothing.jsonl: can't be read: No such file or directory"),
    ],
    ids=lambda value: value[3] if isinstance(value, list) and len(value) > 3 else None,
)
def test_mistakes_are_said_in_a_line_and_nothing_is_written(words: list[str], said: str) -> None:
    write("log.jsonl", CHAT)
    Path("there.jsonl").write_text("x", "utf-8")
    assert said in run(*words, wrong=True)
    assert sorted(path.name for path in Path().iterdir()) == ["log.jsonl", "there.jsonl"]


# ---------------------------------------------------------------------------------------------- tools


def tool(name: str, schema: Any = None, text: str = "") -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": text, "parameters": schema or {"type": "object"}}}


def ring(times: Any, *tools: dict[str, Any], name: str = "ring_bell", key: str = "times", when: int = 0) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"Ring {times}"}, call(name, json.dumps({key: times}))]
    return {"id": f"r {times} {key} {name}", "tools": list(tools), "messages": messages, **({"created_at": when} if when else {})}


def at_once(*times: int, tools: tuple[dict[str, Any], ...] = (), when: int = 0) -> dict[str, Any]:
    calls = [call("ring_bell", json.dumps({"times": one}), f"c{i}")["tool_calls"][0] for i, one in enumerate(times)]
    return {
        **ring(0, *tools, when=when),
        "messages": [{"role": "user", "content": "Ring"}, {**call("x", ""), "tool_calls": calls}],
    }


TIMES = {"type": "object", "properties": {"times": {"type": "integer"}}}
LOUD = {"type": "object", "properties": {"loud": {"enum": ["low", "high"]}}}
LOGS: dict[str, tuple[list[dict[str, Any]], int, list[str]]] = {
    "another description": (
        [ring(2, tool("ring_bell", TIMES, "Ring.")), ring(3, tool("ring_bell", TIMES, "Ring. Today is Tuesday."))],
        2,
        ["newest declaration counts: ring_bell"],
    ),
    "another argument": (
        [ring(2, tool("ring_bell", TIMES)), ring("low", tool("ring_bell", LOUD), key="loud")],
        1,
        ["newest declaration counts: ring_bell", "1 cases left out: the newest declaration of a tool doesn't allow their calls"],
    ),
    "calls at once": (
        [
            at_once(2, 3, tools=(tool("ring_bell", TIMES),)),
            at_once(1, 1, tools=(tool("ring_bell", {"properties": {"times": {"enum": [1]}}}),)),
        ],
        1,
        ["1 cases left out: the newest declaration of a tool doesn't allow their calls"],
    ),
    "the newer first": (
        [
            ring("low", tool("ring_bell", LOUD), key="loud", when=2_000_000_000),
            ring(2, tool("ring_bell", TIMES), when=1_000_000_000),
        ],
        1,
        ["1 cases left out"],
    ),
    "one name for an API": (
        [ring(2, tool("ring.bell", TIMES), name="ring.bell"), ring(3, tool("ring_bell", TIMES, "x"))],
        2,
        ["newest declaration counts: ring_bell"],
    ),
    "a tool that isn't listed": (
        [ring(2, tool("ring_bell", TIMES)), *[ring(n, tool("ring_bell", TIMES), name="lower") for n in range(3)]],
        1,
        ["3 a call to a tool that the log doesn't list"],
    ),
    "a value outside": (
        [ring("low", tool("ring_bell", LOUD), key="loud"), ring("off", tool("ring_bell", LOUD), key="loud")],
        1,
        ["1 a value outside the enum that the log declares"],
    ),
    "what is no tool": (
        [ring(2, tool("ring_bell", TIMES), {"type": "web_search"}, {"no": "tool"})],
        1,
        ["2 declarations of tools"],
    ),
    "a tool for words": ([ring(2, tool("ring_bell", TIMES), tool("respond", TIMES))], 1, []),
}


@pytest.mark.parametrize("log", LOGS)
def test_tools_of_a_log_become_a_function_that_takes_its_cases(log: str) -> None:
    records, count, sentences = LOGS[log]
    write("log.jsonl", *records)
    said = " ".join(run("log.jsonl", "-o", "mine.jsonl", "--tools", "tools.json").split())
    assert all(sentence in said for sentence in sentences), said
    done = CliRunner().invoke(cli.main, ["import-tools", "tools.json", "-o", "baml_src/mine.baml"])
    assert done.exit_code == 0, done.output
    (function,) = load_project(Path("baml_src")).functions.values()
    read = labels.named(dataset.load(Path("mine.jsonl")), [function])
    assert len(read.cases) == count
    for case in read.cases:
        labels.check(case, [function], where="mine.jsonl")


def test_a_log_without_tools_is_imported_all_the_same() -> None:
    write("log.jsonl", CHAT)
    said = " ".join(run("log.jsonl", "-o", "mine.jsonl", "--tools", "tools.json").split())
    assert "warning: --tools tools.json: the logs name no tools; it isn't written" in said
    assert len(ids("mine.jsonl")) == 2
    assert not Path("tools.json").exists()
