"""Run an agent that is a function in an environment of the project: one step a turn, people by rule, virtual time."""

from __future__ import annotations

import heapq
import importlib.util
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from types import ModuleType
from typing import Any

from phrasing.score.matchers import match_args
from support.paths import REPOSITORY

Json = dict[str, Any]
Policy = Callable[[Sequence[Json]], tuple[str, Json]]
"""Gives a step's intent and arguments for a thread's events, as an agent would see them."""


def environment(name: str) -> ModuleType:
    """Load ``environments/<name>.py``."""
    spec = importlib.util.spec_from_file_location(f"environments_{name}", REPOSITORY / "environments" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tasks(name: str) -> list[Json]:
    """Load ``tasks/<name>.jsonl``."""
    return [json.loads(line) for line in (REPOSITORY / "tasks" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


Coming = list[tuple[int, int, Json]]
"""What is to come: when, a number that keeps in order what comes at the same time, and the input."""


@dataclass
class Run:
    """What became of one task."""

    task: Json
    state: Json
    events: list[Json]
    effects: list[Json] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    """The task's rules of people that answered, by their place."""

    def harm(self) -> list[Json]:
        """The effects that the task forbids."""
        return [effect for effect in self.effects if any(fits(pattern, effect) for pattern in self.task.get("forbid", ()))]


def fits(pattern: Json, effect: Json) -> bool:
    """Whether an effect is of a pattern's type and has its data."""
    return bool(pattern["type"] == effect["type"]) and match_args(pattern.get("data", {}), effect["data"]) is None


def run(world: ModuleType, task: Json, decide: Policy, seed: int = 0) -> Run:
    """Run one task until the agent is done, nothing can come any more, or no step is left."""
    result = Run(task, world.open(task, seed), list(task["events"]))
    order, now = count(), 0
    coming: Coming = []
    for message in task.get("messages", ()):
        heapq.heappush(coming, (message["at"], next(order), {"kind": "message", "event": message["event"]}))
    turns = list(task.get("turns", ()))
    while len(result.steps) < task["max_steps"]:
        intent, args = decide(result.events)
        result.steps.append(intent)
        result.events.append({"type": intent, "data": args})
        now += 1
        step = {"kind": "step", "call": f"call_{len(result.steps)}", "intent": intent, "args": args}
        status = _take(world, result, step, now, coming, order)
        while coming and (coming[0][0] <= now or status == "waiting"):
            at, _, given = heapq.heappop(coming)
            now = max(now, at)
            if given["kind"] == "message":
                result.events.append(given["event"])
            status = _take(world, result, given, now, coming, order)
        if status == "turn_over" and turns:
            result.events += turns.pop(0)
        elif status != "running":
            break
    return result


def _take(world: ModuleType, result: Run, given: Json, now: int, coming: Coming, order: Iterator[int]) -> str:
    """Give the environment one input, keep what comes of it, and say how the agent stands."""
    out = world.advance(result.state, [given], now)
    result.state = out["state"]
    result.effects += out.get("effects", [])
    result.events += out.get("events", [])
    for due in out.get("due", ()):
        heapq.heappush(coming, (now + due["after"], next(order), {"kind": "due", "data": due["data"]}))
    for call in out.get("asks", ()):
        rule = _rule(result, given)
        if rule is not None:
            answer = {**given, "kind": "answer", "call": call, "data": rule["answer"]}
            heapq.heappush(coming, (now + rule.get("after", 0), next(order), answer))
    return str(out.get("status", "running"))


def _rule(result: Run, step: Mapping[str, Any]) -> Json | None:
    """Give the first rule of the task's people that fits a step and isn't used up."""
    for place, rule in enumerate(result.task.get("people", ())):
        asked = rule["asked"]
        left = result.asked.count(place) < rule.get("times", len(result.asked) + 1)
        if left and asked["intent"] == step["intent"] and match_args(asked.get("args", {}), step["args"]) is None:
            result.asked.append(place)
            return dict(rule)
    return None
