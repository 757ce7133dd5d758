"""Runs of agents that know what they do: each turn's steps as they are told, then the step that ends the turn."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
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

    with closing(environment.world(task, 0)) as world:
        agent = Agent(world, task, frozenset({end["intent"], *(step["intent"] for turn in turns for step in turn)}), ask)
        history = asyncio.run(loop.run(control.load(REPOSITORY, "talk"), agent))
        world.check()
        _, scores = outcome.judge(world, task, history)
    value = scores["success"].value
    assert value is not None
    return history, value
