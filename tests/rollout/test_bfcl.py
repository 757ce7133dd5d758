"""BFCL's conversations of several turns, run by its own package: what we say of a run is what its own runner says."""

from __future__ import annotations

import ast
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phrasing.baml.project import load_project
from phrasing.project import from_package
from phrasing.prompts.template import take_apart
from phrasing.rollout import packaged
from phrasing.rollout.drivers.bfcl import END, SPLITS
from phrasing.rollout.environment import EnvironmentFailed
from phrasing.rollout.loop import History
from phrasing.score.parse import Parser
from phrasing.suite.tasks import Task
from phrasing.types import Completion
from support.gold_runs import Steps, play
from support.small_projects import cache

__all__ = ["cache"]

pytestmark = pytest.mark.slow  # the package is got from the index

BFCL = packaged.KNOWN["bfcl"]
DONE = {"intent": END, "args": {"message": "done"}}

# The package's runner, which judges what it wrote down of a run. It imports the clients of forty providers; stand-ins do, since
# none of them is asked here.
RUNNER = """
import importlib.machinery, json, sys, types
from unittest.mock import MagicMock

class StandIn(types.ModuleType):
    __path__ = []
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {}) if name == "EnforceOverrides" else MagicMock()

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {*sys.stdlib_module_names, "bfcl_eval", "mpmath"}:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)
    def create_module(self, spec):
        return StandIn(spec.name)
    def exec_module(self, module):
        pass

sys.meta_path.append(Finder())
sys.path[:0] = json.loads(sys.argv[1])
from bfcl_eval.eval_checker.eval_runner import _evaluate_single_multi_turn_entry as evaluate
from bfcl_eval.model_handler.utils import convert_to_function_call

class Handler:
    def decode_execute(self, result, has_tool_call_tag):
        return convert_to_function_call(result)

for number, line in enumerate(sys.stdin):
    run = json.loads(line)
    entry, category = run["world"], run["world"]["id"].rsplit("_", 1)[0]
    found = evaluate(Handler(), entry["id"], run["turns"], run["goal"], dict(entry), f"model{number}", category)
    print(json.dumps(found["valid"]))
"""


@pytest.fixture(scope="module")
def groups(cache: None) -> dict[str, Any]:
    packaged.add(BFCL)
    found: dict[str, Any] = packaged.make(BFCL, SPLITS[0])["groups"]
    assert sum(len(group["tasks"]) for group in found.values()) == 200
    return found


def own_verdicts(runs: list[dict[str, Any]]) -> list[bool]:
    command = [sys.executable, "-S", "-c", RUNNER, json.dumps([str(folder) for folder in packaged.folders(BFCL)])]
    said = subprocess.run(
        command, input="".join(f"{json.dumps(run)}\n" for run in runs), capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in said.stdout.splitlines()]


def written(task: dict[str, Any], history: History) -> dict[str, Any]:
    """Write a run down as the package would have: of each turn that was begun its calls, each with its arguments as JSON."""
    turns: list[list[list[dict[str, str]]]] = [[]]
    ended = False
    for taken in history.taken:
        if ended:
            turns.append([])
        ended = taken.step.intent == END
        if not ended:
            turns[-1].append([{taken.step.intent: json.dumps(taken.step.args)}])
    if ended and len(turns) < len(task["turns"]) + 1:  # what is said next begins a turn before there is a step in it
        turns.append([])
    return {"world": task["world"], "goal": task["goal"], "turns": turns}


def gold(task: dict[str, Any], tools: list[dict[str, Any]]) -> list[Steps]:
    """Read the calls of a task's ground truth: Python such as ``sort('final_report.pdf')``. Values without a name come in the
    order in which the tool declares its arguments."""
    declared = {tool["name"]: list(tool["parameters"]["properties"]) for tool in tools}

    def step(call: str) -> dict[str, Any]:
        tree = ast.parse(call.strip(), mode="eval").body
        assert isinstance(tree, ast.Call)
        assert isinstance(tree.func, ast.Name)
        args = {name: ast.literal_eval(value) for name, value in zip(declared[tree.func.id], tree.args, strict=False)}
        return {"intent": tree.func.id, "args": args | {str(each.arg): ast.literal_eval(each.value) for each in tree.keywords}}

    return [[step(call) for call in turn] for turn in task["goal"]]


def mutants(turns: list[Steps], chance: random.Random) -> Iterator[tuple[str, list[Steps]]]:
    """Change a run in each of several ways, at a place that is drawn."""
    place = chance.choice([(i, j) for i, turn in enumerate(turns) for j in range(len(turn))])

    def at(change: Any) -> list[Steps]:
        made = [list(turn) for turn in turns]
        made[place[0]][place[1] : place[1] + 1] = change(made[place[0]][place[1]])
        return made

    def other(step: dict[str, Any]) -> dict[str, Any]:
        args = {name: value + 1 if isinstance(value, int) else f"{value}x" for name, value in step["args"].items()}
        return {**step, "args": args or {"nonsense": 1}}

    yield "a call left out", at(lambda step: [])
    yield "other arguments", at(lambda step: [other(step)])
    yield "a call twice", at(lambda step: [step, step])
    yield "a call, and wrongly before that", at(lambda step: [other(step), step])
    yield "no arguments", at(lambda step: [{**step, "args": {}}])
    if len(turns) > 1:
        first = chance.randrange(len(turns) - 1)
        yield "two turns swapped", [*turns[:first], turns[first + 1], turns[first], *turns[first + 2 :]]
        yield "all in the first turn", [[step for turn in turns for step in turn], *[[] for _ in turns[1:]]]
        yield "the last turn left out", turns[:-1]


def test_the_right_calls_of_each_task_succeed(groups: dict[str, Any]) -> None:
    environment, runs, errors, calls = packaged.load("bfcl"), [], 0, 0
    for group in groups.values():
        for task in group["tasks"]:
            history, success = play(environment, Task.model_validate(task), gold(task, group["tools"]), DONE)
            assert (history.ended, success) == ("done", 1.0), task["id"]
            runs.append(written(task, history))
            errors += sum(event.type == "error" for event in history.events)
            calls += sum(taken.step.intent != END for taken in history.taken)
    assert (calls, errors) == (1142, 0)
    assert own_verdicts(runs) == [True] * 200


def test_changed_runs_get_the_verdict_of_the_packages_own_runner(groups: dict[str, Any]) -> None:
    environment, chance = packaged.load("bfcl"), random.Random(5)
    runs, ours, kinds = list[dict[str, Any]](), list[bool](), list[str]()
    for group in groups.values():
        for task in group["tasks"]:
            for kind, turns in mutants(gold(task, group["tools"]), chance):
                history, success = play(environment, Task.model_validate(task), turns, DONE)
                runs.append(written(task, history))
                ours.append(success == 1.0)
                kinds.append(kind)
    assert ours == own_verdicts(runs)
    assert len(runs) == 1591  # docs/environments.md names it
    said = {kind: Counter(value for value, its in zip(ours, kinds, strict=True) if its == kind) for kind in kinds}
    assert all(counted[False] for counted in said.values()), said
    assert said["a call twice"][True] > 50, said  # a look that changes nothing is free


def test_a_run_that_was_cut_short_gets_the_verdict_of_the_packages_own_runner(groups: dict[str, Any]) -> None:
    environment, runs, ours = packaged.load("bfcl"), list[dict[str, Any]](), list[bool]()
    for group in groups.values():
        for task in group["tasks"][:3]:
            turns = gold(task, group["tools"])
            needed = sum(map(len, turns)) + len(turns)
            for steps in {1, needed // 2, needed - 1, needed} - {0}:
                history, success = play(environment, Task.model_validate({**task, "max_steps": steps}), turns, DONE)
                assert history.steps <= steps
                runs.append(written(task, history))
                ours.append(success == 1.0)
    assert ours == own_verdicts(runs)
    assert {True, False} == set(ours)


def test_a_turn_without_end_is_ended_as_the_package_ends_it(groups: dict[str, Any]) -> None:
    group = groups["gorilla-file-system"]
    task = group["tasks"][0]
    history, success = play(packaged.load("bfcl"), Task.model_validate(task), [[{"intent": "pwd", "args": {}}] * 90], DONE)
    assert (history.ended, history.steps, success) == ("over", 21, 0.0)


def test_what_goes_wrong_is_shown_as_an_error(groups: dict[str, Any]) -> None:
    task = groups["gorilla-file-system"]["tasks"][0]
    for step, said in (
        ({"intent": "cat", "args": {"file_name": "nothing.txt"}}, "No such file"),
        ({"intent": "cat", "args": {"nonsense": 1}}, "unexpected keyword argument"),
        ({"intent": "cat", "args": {"a b": 1}}, "no argument is called 'a b'"),
        ({"intent": "__import__", "args": {"name": "os"}}, "there is no such function here"),
    ):
        history, _ = play(packaged.load("bfcl"), Task.model_validate(task), [[step]], DONE)
        shown = history.events[len(task["events"]) + 1]
        assert shown.type == "error"
        assert said in json.dumps(shown.data)


EVIL = "__import__('pathlib').Path('{path}').touch()"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"goal": [[EVIL]]}, "judge raised ValueError: goal: isn't a call of a function that there is"),
        ({"goal": [[f"cd(folder={EVIL})"]]}, "judge raised ValueError: goal: isn't a call"),
        ({"goal": [[f"cd(**{EVIL})"]]}, "judge raised ValueError: goal: isn't a call"),
        ({"goal": [[f"cd(folder='a') or {EVIL}"]]}, "judge raised ValueError: goal: isn't a call"),
        ({"goal": [["(lambda: 1)()"]]}, "judge raised ValueError: goal: isn't a call"),
        ({"world": {"id": f"x if {EVIL} else y"}}, "open raised ValueError: world.id isn't one of BFCL's"),
        ({"world": {"id": "x\n"}}, "open raised ValueError: world.id isn't one of BFCL's"),
        ({"world": {"involved_classes": ["os"]}}, "open raised KeyError: 'os'"),
    ],
)
def test_a_task_of_anybodys_runs_no_code(groups: dict[str, Any], change: dict[str, Any], said: str, tmp_path: Path) -> None:
    task = groups["gorilla-file-system"]["tasks"][0]
    touched = tmp_path / "touched"
    text = json.dumps({**task, "turns": [], **change, "world": {**task["world"], **change.get("world", {})}})
    with pytest.raises(EnvironmentFailed) as caught:
        play(packaged.load("bfcl"), Task.model_validate_json(text.replace("{path}", str(touched))), [[]], DONE)
    assert said in str(caught.value)
    assert not touched.exists()


@pytest.mark.parametrize("intent", ["__import__", "exec", "_load_scenario", "kill", "pwd() or exit", "os.system"])
def test_a_step_of_no_function_runs_no_code(groups: dict[str, Any], intent: str) -> None:
    task = groups["gorilla-file-system"]["tasks"][0]
    world = packaged.load("bfcl").world(Task.model_validate(task), 0)
    turn = world.advance([{"kind": "step", "call": "call_1", "intent": intent, "args": {"name": "os"}}], 0)
    assert [event.type for event in turn.events] == ["error"]
    world.close()


@pytest.mark.parametrize("value", ["') or exit('", "\\", "\ud800", {"a": ["'", '"""', None]}, 1e308, -0.0, True, "ls()"])
def test_an_argument_is_what_it_is(groups: dict[str, Any], value: Any) -> None:
    task = groups["gorilla-file-system"]["tasks"][0]
    world = packaged.load("bfcl").world(Task.model_validate(task), 0)
    args = {"content": value, "file_name": "new.txt"}
    for intent, given in (("touch", {"file_name": "new.txt"}), ("echo", args), ("pwd", {})):
        (event,) = world.advance([{"kind": "step", "call": "call_1", "intent": intent, "args": given}], 0).events
    assert event.type == "pwd_result"
    assert world.environment.worker.running is not None  # type: ignore[attr-defined]
    world.close()


def test_null_is_as_good_as_left_out(groups: dict[str, Any]) -> None:
    task = groups["gorilla-file-system"]["tasks"][0]
    seen = []
    for args in ({}, {"a": None}):
        history, _ = play(packaged.load("bfcl"), Task.model_validate(task), [[{"intent": "ls", "args": args}]], DONE)
        seen.append([(event.type, event.data) for event in history.events if event.type == "ls_result"])
    assert seen[0] == seen[1] != []


def test_all_but_one_task_can_be_solved_by_steps_of_the_declared_types(groups: dict[str, Any], tmp_path: Path) -> None:
    """What a model writes is read by BAML: 7 for a float is 7.0. One task wants a text for what is declared as a number."""
    made = packaged.make(BFCL, SPLITS[0])
    found = from_package.groups("bfcl", made, BFCL.source)
    written = from_package.functions(found, made, [])
    assert not written.renamed
    (tmp_path / "bfcl.baml").write_text(written.text, "utf-8")
    project = load_project(tmp_path)
    failed, calls = [], 0
    for group, raw in zip(found, groups.values(), strict=True):
        parser = Parser(take_apart(project.function(group.function)), None)
        for task in raw["tasks"]:
            turns = []
            for turn in gold(task, raw["tools"]):
                answers = [Completion(text=json.dumps({"intent": step["intent"], **step["args"]})) for step in turn]
                steps = [parser.parse(answer, "prompted").step for answer in answers]
                turns.append([{"intent": step.intent, "args": step.args} for step in steps if step])
                calls += len(turns[-1])
            _, success = play(packaged.load("bfcl"), Task.model_validate(task), turns, DONE)
            failed += [] if success else [task["id"]]
    assert (calls, failed) == (1142, ["multi-turn-base-173"])


@pytest.mark.parametrize(("split", "wrong"), [("multi_turn_long_context", 2), ("multi_turn_miss_param", 0)])
def test_the_other_splits(cache: None, split: str, wrong: int) -> None:
    """Two tasks of the long context need more calls in a turn than the package allows steps."""
    packaged.add(BFCL)
    environment, failed = packaged.load("bfcl"), list[str]()
    for group in packaged.make(BFCL, split)["groups"].values():
        for task in group["tasks"]:
            history, success = play(environment, Task.model_validate(task), gold(task, group["tools"]), DONE)
            if not success:
                assert history.ended == "over"
                failed.append(task["id"])
    assert len(failed) == wrong
