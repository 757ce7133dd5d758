"""`phrasing environments`: a project's own, and those that others wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import phrasing
from phrasing.baml.project import load_project
from phrasing.models.wheels import Wheel
from phrasing.rollout import packaged
from phrasing.rollout.packaged import Package
from phrasing.suite import tasks
from phrasing.types import Completion, Request
from support.small_projects import cache
from support.tiny_commands import call

__all__ = ["cache"]

DRIVER = """
import os

class World:
    def __init__(self, name, task, seed):
        self.count = 0
        self.done = False

    def advance(self, inputs, now):
        events = []
        for each in inputs:
            if each["kind"] == "step" and each["intent"] == "count":
                self.count += each["args"]["by"]
                if self.count == 13:
                    os._exit(1)
                events.append({"type": "count_result", "data": self.count})
            self.done = each.get("intent") == "stop"
        return {"events": events, "status": "turn_over" if self.done else "running"}

    def judge(self, goal):
        return {"success": self.count == goal, "why": f"{self.count} isn't {goal}"}

    def close(self):
        pass

def tool(name, description, **properties):
    return {"name": name, "description": description, "parameters": {"type": "object", "properties": properties}}

def make(split):
    counting = tool("count", "count up", by={"type": "integer"})
    task = {"id": "one", "events": [{"type": "order", "data": "count to 3"}], "goal": 3, "world": {"split": split}}
    return {
        "groups": {
            "plain": {"tools": [counting], "tasks": [task]},
            "more": {"tools": [counting, tool("look", "look around")], "tasks": [task, {**task, "id": "two", "goal": 4}]},
        },
        "instructions": "Count {{ as }} told.",
        "text": "stop.message",
    }
"""


@pytest.fixture
def counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    """A package that counts, known by the name of ``counting``, and a project in the working folder."""
    (tmp_path / "driver.py").write_text(DRIVER)
    monkeypatch.setenv("PHRASING_CACHE_DIR", str(tmp_path / "cache"))
    package = Package(
        "counting",
        "Counting, as others do it",
        "MIT",
        (Wheel("counting", "1.0", "0" * 64),),
        tmp_path / "driver.py",
        ("first", "second_one"),
    )
    monkeypatch.setattr(packaged, "KNOWN", {"counting": package})
    monkeypatch.setattr(packaged, "unpack", lambda wheel, folder: (folder / "unpacked").mkdir())
    monkeypatch.setattr(packaged.add, "__kwdefaults__", {**(packaged.add.__kwdefaults__ or {}), "get": packaged.unpack})
    packaged.load.cache_clear()
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    yield package
    for environment in [packaged.load("counting")]:
        environment.worker.close()
    packaged.load.cache_clear()


def test_both_kinds_are_listed(counting: Package) -> None:
    Path("environments").mkdir()
    Path("environments/mine.py").write_text("")
    said = call("environments").output
    assert said == (
        "mine  environments/mine.py\n"
        "counting  not here; phrasing environments add counting\n"
        "  Counting, as others do it\n"
        "  counting==1.0, MIT; splits: first, second_one\n"
    )
    call("environments", "add", "counting")
    assert "counting  is here\n" in call("environments").output


def test_what_is_added_can_be_run(counting: Package) -> None:
    call("init", ".")
    Path("controls/talk.py").unlink()
    said = call("environments", "add", "counting").output
    for line in (
        "tasks/counting-plain.jsonl: 1 task",
        "tasks/counting-more.jsonl: 2 tasks",
        "baml_src/counting.baml: 2 functions, 3 classes and types",
        "evals/counting.yaml: a suite",
        "controls/talk.py: the loop that an agent runs under",
    ):
        assert line in said
    for task in tasks.load(Path("tasks/counting-more.jsonl")).tasks.values():
        assert task.meta == {"source": "counting==1.0", "licence": "MIT"}
    project = load_project(Path("baml_src"))
    assert {*project.find("DetermineNextStepCountingMore").steps} == {"count", "look", "stop"}
    assert {*project.find("DetermineNextStepCountingPlain").steps} == {"count", "stop"}
    assert "2 variants, 6 trials: good" in call("check", "evals/counting.yaml").output

    async def complete(request: Request) -> Completion:
        text = json.dumps(request.messages)
        assert "Count {{ as }} told." in text
        done = text.count("<count_result>")
        return Completion(text='{"intent": "count", "by": 1}' if done < 3 else '{"intent": "stop", "message": "three"}')

    run = phrasing.run(Path("evals/counting.yaml"), complete=complete)
    successes = [result.scores["success"].value for result in run.results.values() if result.outcome is not None]
    assert sorted(successes) == [0.0, 0.0, 1.0, 1.0, 1.0, 1.0]  # two formats; nobody counts to 4
    reasons = [result.scores["success"].reason for result in run.results.values() if result.outcome is not None]
    assert sorted(reasons) == ["", "", "", "", "3 isn't 4", "3 isn't 4"]
    assert "3 isn't 4" in call("show", str(run.folder)).output


def test_a_process_that_ends_is_one_error_of_one_run(counting: Package) -> None:
    call("init", ".")
    call("environments", "add", "counting")

    async def complete(request: Request) -> Completion:
        text = json.dumps(request.messages)
        if "look around" not in text:  # the function of the file with one task
            return Completion(text='{"intent": "count", "by": 13}')
        return Completion(
            text='{"intent": "stop", "message": "."}' if "<count_result>" in text else '{"intent": "count", "by": 3}'
        )

    run = phrasing.run(Path("evals/counting.yaml"), complete=complete)
    errors = [result.error for result in run.results.values() if result.error is not None]
    said = "task 'one', after step 1: environment counting (counting==1.0): advance its process ended with code 1"
    assert [(error.kind, error.message) for error in errors] == [("environment", said)] * 2
    whole = [result.scores["success"].value for result in run.results.values() if result.outcome is not None]
    assert sorted(whole) == [0.0, 0.0, 1.0, 1.0]


def test_a_run_that_was_cut_short_goes_on_in_another_process(counting: Package) -> None:
    call("init", ".")
    call("environments", "add", "counting")
    asked = 0

    async def complete(request: Request) -> Completion:
        nonlocal asked
        asked += 1
        done = json.dumps(request.messages).count("<count_result>")
        return Completion(text='{"intent": "count", "by": 1}' if done < 3 else '{"intent": "stop", "message": "three"}')

    run = phrasing.run(Path("evals/counting.yaml"), complete=complete, max_calls=9, jobs=2)
    assert asked == 9
    packaged.load("counting").worker.close()
    resumed = phrasing.run(Path("evals/counting.yaml"), complete=complete, resume=run.folder)
    whole = [result.scores["success"].value for result in resumed.results.values() if result.outcome is not None]
    assert sorted(whole) == [0.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    assert asked == 24  # two formats, three tasks, four steps: none is asked twice


def test_what_is_there_is_the_users(counting: Package) -> None:
    call("init", ".")
    call("environments", "add", "counting")
    files = [Path("tasks/counting-plain.jsonl"), Path("baml_src/counting.baml"), Path("evals/counting.yaml")]
    made = [file.read_text() for file in files]
    for file in files[:2]:
        file.write_text("\n")
    files[2].write_text("# mine\n")
    said = call("environments", "add", "counting").output
    assert all(f"{file} is there already" in said for file in files)
    assert [file.read_text() for file in files] == ["\n", "\n", "# mine\n"]
    call("environments", "add", "counting", "--force")
    assert [file.read_text() for file in files] == [*made[:2], "# mine\n"]


def test_another_split_has_files_of_its_own(counting: Package) -> None:
    call("init", ".")
    call("environments", "add", "counting")
    call("environments", "add", "counting", "--split", "second_one")
    (task,) = tasks.load(Path("tasks/counting-second-one-plain.jsonl")).tasks.values()
    assert task.world == {"split": "second_one"}
    call("environments", "add", "counting", "-o", "mine")
    assert Path("evals/mine.yaml").is_file()
    assert "good" in call("check").output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["countin"], "environment 'countin' not found (did you mean 'counting'?); there are: counting"),
        (["counting", "--split", "secnd"], "split 'secnd' not found"),
    ],
)
def test_what_there_is_not_is_said(counting: Package, words: list[str], said: str) -> None:
    assert said in call("environments", "add", *words, code=2).output
    assert not packaged.is_there(counting)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "agents", "trials"), [("bfcl", 20, 400), ("tau2", 1, 228)])
def test_those_that_there_are_can_be_added_and_verified(
    cache: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, agents: int, trials: int
) -> None:
    monkeypatch.chdir(tmp_path)
    call("init", ".")
    call("environments", "add", name)
    package = packaged.KNOWN[name]
    found = [tasks.load(path) for path in sorted(Path("tasks").glob("*.jsonl"))]
    assert len(found) == agents
    assert {task.meta["licence"] for file in found for task in file.tasks.values()} == {package.licence}
    assert f"{trials} trials: good" in call("check", f"evals/{name}.yaml").output


def test_a_driver_that_fails_is_one_line(counting: Package, tmp_path: Path) -> None:
    (tmp_path / "driver.py").write_text("import nothing_of_that_name")
    said: Any = call("environments", "add", "counting", code=2).output
    assert "error: environment counting: make its process ended with code 1: ModuleNotFoundError" in said
