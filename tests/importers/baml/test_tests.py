"""BAML's own tests as cases: written by hand, and written by `phrasing export tests` and read back."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.baml.project import load_project
from phrasing.errors import BamlError, LogError
from phrasing.importers.baml.tests import records
from phrasing.importers.pipeline import Options, make_cases
from phrasing.importers.summary import ImportSummary
from phrasing.project import export_tests
from phrasing.prompts import formats
from phrasing.suite import dataset
from phrasing.types import StepMatch
from support.baml_tests import LABELS, OTHER, blocks
from support.broken_records import JSON, broken
from support.paths import REPOSITORY
from support.small_projects import CLIENT, STEPS, cache, case, event, function, write

__all__ = ["cache"]


MAIL = CLIENT + STEPS + function("Mail") + function("Summary", "{{ text }}", parameters="text: string", returns="string")

TESTS = """
test Hello {
  functions [Mail]
  args {
    thread #"
      {
        "type": "user_input",
        "data": "hello!"
      }
    "#
  }
  @@assert(hello, {{this.intent == "finish"}})
}
test AfterAQuestion {
  functions [Mail]
  args {
    thread #"
        <user_input>
        send it to ann
        </user_input>

        <search>
        intent: search
        query: ann
        </search>

        <human_response>
        the one from Porto
        </human_response>

        <send>
          to: "ann@example.com"
        </send>
    "#
  }
  @@assert(intent, {{this.intent in ["search", "finish"]}})
  @@check(fast, {{_.latency_ms < 3000}})
}
test TalksToATool {
  functions [Mail]
  args {
    thread #"
        [
        {"type":"user_input","data":"find 3"},
        {"type":"tool_call","data":{"intent":"search","query":"3"}},
        {"type":"tool_response","data":"no"},
      ]
      "#
  }
  @@assert({{this.intent == "search"}})
  @@assert({{this.limit == 3}})
  @@assert({{"18" in this.query}})
}
test Prose {
  functions [Mail]
  args { thread "Find <b>it</b>, please" }
  @@assert(q, {{ "search" == this.intent }})
}
test NoStep {
  functions [Mail]
  args { thread "x" }
  @@assert(q, {{ this.query == "x" }})
}
test NoThread {
  functions [Mail]
  args { text "x", more "y" }
  @@assert(q, {{ this.intent == "search" }})
}
test Empty {
  functions [Mail]
  args { thread "" }
  @@assert(q, {{ this.intent == "search" }})
}
test Summed {
  functions [Summary]
  args { text "x" }
  @@assert(q, {{ this == "x" }})
}
"""


def read(root: Path) -> tuple[list[dict[str, Any]], ImportSummary]:
    account = ImportSummary()
    entries = records(str(root))
    return [json.loads(each.line) for each in make_cases(entries, Options(), account, importer="baml")], account


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write(tmp_path, {"baml_src/main.baml": MAIL, "baml_src/more/tests.baml": TESTS})
    return tmp_path / "baml_src"


def shown(made: dict[str, Any]) -> list[str]:
    return [f"{one['role']} {one['type']} {json.dumps(one['data'])}" for one in made["thread"]["events"]]


def test_tests_become_cases(project: Path) -> None:
    (hello, after, tool, prose), account = read(project)
    assert hello == {
        "id": "hello-1",
        "thread": {"events": [{"type": "user_input", "data": "hello!", "role": "input"}]},
        "expect": [{"intent": "finish"}],
        "group": "hello",
        "turn": 1,
        "strength": "written",
        "meta": {"source": "more/tests.baml:2", "test": "Hello", "functions": "Mail"},
    }
    assert shown(after) == [
        'input user_input "send it to ann"',
        'step search {"query": "ann"}',
        'result human_response "the one from Porto"',
        'step send {"to": "ann@example.com"}',
    ]
    assert after["expect"] == [{"intent": "search"}, {"intent": "finish"}]
    assert shown(tool)[1:] == ['step search {"query": "3"}', 'result search_result "no"']
    assert tool["expect"] == [{"intent": "search", "args": {"limit": 3, "query": {"$contains": "18"}}}]
    assert shown(prose) == ['input user_message "Find <b>it</b>, please"']
    assert {reason: met.places for reason, met in account.left.items()} == {
        "no assertion names the step": ["more/tests.baml:59"],
        "its arguments don't say which of them is the thread": ["more/tests.baml:64"],
        "nothing stands before the agent's turn": ["more/tests.baml:69"],
        "a test of functions that pick no step": ["more/tests.baml:74"],
    }
    assert {reason: met.places for reason, met in account.kept.items()} == {
        "a condition that no label can say: left out of the label": ["more/tests.baml:14"],
        "a call without a result": ["more/tests.baml:14"],
    }


def test_names_are_those_of_the_sources(tmp_path: Path) -> None:
    test = """
test Looks {
  functions [Find]
  args { history "<look>how: FAR</look><look_result>nothing</look_result>", locale "de" }
  @@assert(a, {{ this.action == "leave" }})
}
"""
    write(tmp_path, {"baml_src/main.baml": OTHER + test})
    ((made,), _) = read(tmp_path / "baml_src")
    assert shown(made) == ['step look {"how": "FAR"}', 'result look_result "nothing"']
    assert made["expect"] == [{"intent": "leave"}]
    assert made["meta"]["arguments.locale"] == "de"


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="nowhere: isn't a folder of BAML sources"):
        list(records(str(tmp_path / "nowhere")))
    write(tmp_path, {"a/main.baml": MAIL, "b/main.baml": "class {"})
    with pytest.raises(LogError, match="a: has no test blocks"):
        list(records(str(tmp_path / "a")))
    with pytest.raises(BamlError):
        list(records(str(tmp_path / "b")))


# ---------------------------------------------------------------------------------------------- there and back


def test_labels_come_back_as_they_were(tmp_path: Path) -> None:
    cases = [case(f"c{i}", event("note", "x"), expect=expect) for i, (expect, _) in enumerate(LABELS.values())]
    written = blocks(tmp_path, cases)
    write(tmp_path, {"baml_src/tests.baml": written.text})
    made, account = read(tmp_path / "baml_src")
    assert not account.left
    assert not account.kept
    for one, back in zip(cases, made, strict=True):
        labels = [StepMatch.model_validate(label) for label in one["expect"]]
        # that an argument was thought of is nothing that a condition can say
        kept = [{name: value for name, value in label.args.items() if value != {"$ignore": True}} for label in labels]
        assert [(label["intent"], label.get("args", {})) for label in back["expect"]] == [
            (label.intent, args) for label, args in zip(labels, kept, strict=True)
        ]


def back(root: Path, name: str, function: str, format: str) -> Iterator[tuple[Any, Any]]:
    """Write a shipped dataset as tests of a shipped function, read them, and give the events of each case before and after."""
    if not (root / "baml_src").exists():
        shutil.copytree(REPOSITORY / "baml_src", root / "baml_src")
    project = load_project(REPOSITORY / "baml_src")
    steps = frozenset(project.function(function).steps)
    read_in = dataset.load(REPOSITORY / "datasets" / f"{name}.jsonl")
    form = formats.load(REPOSITORY / "formats", format)
    written = export_tests.write_tests(read_in, project.function(function), form, elsewhere=project.intents)
    (root / "baml_src" / "tests.baml").write_bytes(written.text.encode())
    made, account = read(root / "baml_src")
    assert not account.left
    for one, again in zip(read_in.cases, made, strict=True):
        before, _ = dataset.infer_roles(one.thread, steps)
        labels = [label.model_dump() for label in one.expect if label.intent in steps]
        unsayable = [name for label in labels for name, value in label["args"].items() if "$regex" in str(value)]
        assert unsayable or [{"args": {}, **label} for label in again["expect"]] == labels
        yield list(before.model_dump(exclude_none=True)["events"]), again["thread"]["events"]


@pytest.mark.slow
def test_a_dataset_comes_back_as_it_was(tmp_path: Path) -> None:
    for before, after in back(tmp_path, "refunds", "DetermineNextStepRefunds", "xml_yaml"):
        assert before == after


@pytest.mark.slow
@pytest.mark.parametrize("format", ["xml_yaml", "json", "trace(intent=yes indent=2)"])
def test_all_datasets_come_back_as_they_were(tmp_path: Path, format: str) -> None:
    different = 0
    for name, agent in FUNCTIONS.items():
        for before, after in back(tmp_path, name, f"DetermineNextStep{agent}", format):
            # a thread whose texts hold closing tags is another one in a format of tags
            assert before == after or ("json" not in format.split("_")[0] and "</" in str(before))
            different += before != after
    assert different == (0 if format.startswith("json") else 2)


FUNCTIONS = {
    "calculator": "Calculator",
    "deploy": "Deploy",
    "issues": "Issues",
    "refunds": "Refunds",
    "router": "Router100",
    "weather": "Weather",
}


# ---------------------------------------------------------------------------------------------- whatever comes

RECORD = {
    "name": "Hello",
    "functions": ["Mail"],
    "thread": "thread",
    "field": "intent",
    "steps": ["search", "send", "finish"],
    "arguments": {"thread": '<a>\nb: 1\n</a><search>{"query": 1}</search><search_result>x</search_result>', "n": 3},
    "conditions": ['this.intent == "search"', 'this.query == "x" or "y" in this.query'],
}


@given(JSON | st.integers(0, 2**32).map(lambda seed: broken(RECORD, random.Random(seed))))
def test_no_record_stops_the_importer(record: Any) -> None:
    account = ImportSummary()
    made = list(make_cases([("a.baml:1", record)], Options(), account, importer="baml"))
    assert bool(made) != bool(account.left)
    if made:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "made.jsonl").write_bytes(made[0].line)
            assert len(dataset.load(Path(folder, "made.jsonl")).cases) == 1
