"""Runs of agents that know what they do: each turn's steps as they are told, then the step that ends the turn."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Sequence
from typing import Any

from phrasing.rollout import control, loop, outcome
from phrasing.rollout.environment import Environment
from phrasing.rollout.loop import Agent, Since
from phrasing.suite.tasks import Task
from phrasing.types import Parsed, Step, Thread
from support.paths import REPOSITORY

Steps = list[dict[str, Any]]


def play(environment: Environment, task: Task, turns: Sequence[Steps], end: dict[str, Any]) -> tuple[loop.History, float]:
    """Run an agent that takes these steps, and ``end`` after each turn's; give what happened, and the success."""
    answers = iter([step for turn in turns for step in (*turn, end)])

    async def ask(thread: Thread, number: int, since: Since) -> Parsed:
        return Parsed(step=Step.model_validate(next(answers, end)))

    world = environment.world(task, 0)
    agent = Agent(world, task, frozenset({end["intent"], *(step["intent"] for turn in turns for step in turn)}), ask)
    history = asyncio.run(loop.run(control.load(REPOSITORY, "talk"), agent))
    _, scores = outcome.judge(world, task, history)
    world.close()
    value = scores["success"].value
    assert value is not None
    return history, value


def bfcl_steps(task: dict[str, Any], tools: Sequence[dict[str, Any]]) -> list[Steps]:
    """Read the calls of a task's ground truth: Python such as ``sort('final_report.pdf')``. Values without a name come in the
    order in which the tool declares its arguments."""
    declared = {tool["name"]: list(tool["parameters"]["properties"]) for tool in tools}
    return [[_step(call, declared) for call in turn] for turn in task["goal"]]


def _step(call: str, declared: dict[str, list[str]]) -> dict[str, Any]:
    tree = ast.parse(call.strip(), mode="eval").body
    assert isinstance(tree, ast.Call)
    assert isinstance(tree.func, ast.Name)
    args = {name: ast.literal_eval(value) for name, value in zip(declared[tree.func.id], tree.args, strict=False)}
    return {"intent": tree.func.id, "args": args | {str(each.arg): ast.literal_eval(each.value) for each in tree.keywords}}
