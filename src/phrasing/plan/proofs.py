"""Hold environments to their contract, without a model: every step of the functions is done in the world of every task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from phrasing.errors import UserError
from phrasing.plan.agents import AgentPlan
from phrasing.plan.resolve import Plan
from phrasing.prompts.notation_probe import samples
from phrasing.rollout.environment import EnvironmentFailed, EnvironmentFile, Input, World
from phrasing.suite.tasks import Task

UNKNOWN = "no_such_step"
"""A step that no function has, as a model may still pick it."""

SEED = 7


def prove(plan: Plan) -> Iterator[str]:
    """Say of each environment that is a file how it was tried. Raises ``UserError`` with the task where it doesn't hold its
    contract.

    In the world of each task every step is done, one after another: with arguments as its function has them, with those left out
    that may be, with none at all; then one that there isn't. What is shown of that has to be an ``error``; the same inputs have
    to do the same again; and a run has to be judged.
    """
    for name, agent in plan.agents.items():
        if not isinstance(agent.environment, EnvironmentFile):  # what others wrote is tried where it is added to those we know
            continue
        steps = [_input(number, step) for number, step in enumerate(_steps(agent), 1)]
        asked = [agent.tasks[task] for task in agent.notes]
        for task in asked:
            try:
                _try(agent.environment.world(task, SEED), task, steps)
            except EnvironmentFailed as error:
                raise UserError(f"{error} (task {task.id!r}, {agent.dataset.where(task.id)})") from None
        yield f"  {name}: {len(steps)} steps done in the worlds of {len(asked)} tasks: the same each time"


def _steps(agent: AgentPlan) -> list[dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for template in agent.templates.values():
        for step in samples(template.function):
            found.setdefault(str(step), dict(step))
    bare: list[dict[str, object]] = [{"intent": intent, "args": {}} for intent in sorted(agent.steps)]
    return [*found.values(), *bare]


def _input(number: int, step: dict[str, object]) -> Input:
    return {"kind": "step", "call": f"call_{number}", **step}  # type: ignore[dict-item]


def _try(world: World, task: Task, steps: Sequence[Input]) -> None:
    for now, step in enumerate(steps):
        world.advance([step], float(now))
    unknown: Input = {"kind": "step", "call": "call_0", "intent": UNKNOWN, "args": {}}
    shown = world.advance([unknown], float(len(steps))).events
    if not any(event.type == "error" for event in shown):
        what = f"shows no event of the type error for a step that it doesn't know ({UNKNOWN!r})"
        raise world.environment.failed("advance", what)
    world.judge(task.goal)
    world.check()
