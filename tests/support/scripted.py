"""Agents whose steps a function picks instead of a model, run in the project's environments by the engine's own loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from phrasing.records import Outcome
from phrasing.rollout import control, environment, outcome
from phrasing.rollout.loop import Agent, History, Since, run
from phrasing.suite import tasks
from phrasing.types import Parsed, Score, Step, Thread
from support.paths import REPOSITORY

Json = dict[str, Any]

Policy = Callable[[Sequence[Json]], tuple[str, Json]]
"""Gives a step's intent and arguments for the events of a thread, each with its ``type`` and ``data``."""


@dataclass(frozen=True)
class Run:
    """What became of one task: ``steps`` are the intents, ``effects`` what happened in the world."""

    task: tasks.Task
    history: History
    effects: tuple[environment.Effect, ...]
    outcome: Outcome
    scores: dict[str, Score]

    @property
    def steps(self) -> tuple[str, ...]:
        return tuple(taken.step.intent for taken in self.history.taken)

    @property
    def is_solved(self) -> bool:
        return self.scores[environment.SUCCESS].value == 1


def runs(name: str, decide: Policy) -> dict[str, Run]:
    """Run an agent on all tasks of an environment."""
    world = environment.load(REPOSITORY, name)
    found = tasks.load(REPOSITORY / "tasks" / f"{name}.jsonl").tasks
    return {task.id: one(world, task, decide) for task in found.values()}


def one(world: environment.Environment, task: tasks.Task, decide: Policy, seed: int = 0) -> Run:
    """Run an agent on one task."""

    async def ask(thread: Thread, number: int, since: Since) -> Parsed:
        intent, args = decide([{"type": event.type, "data": event.data} for event in thread.events])
        return Parsed(step=Step(intent=intent, args=args))

    opened = world.world(task, seed)
    agent = Agent(opened, task, frozenset(), ask)
    history = asyncio.run(run(control.load(REPOSITORY, "talk"), agent))
    return Run(task, history, tuple(opened.effects), *outcome.judge(opened, task, history))
