"""A tiny project whose agent is run to its end: a mail world, a handful of tasks, and a model that follows the task's plan.

A task's first event says which steps the model picks in a row (``plan: look_up send finish``), and which ones where the thread is
shown with tags (``tags: send finish``); after the last it finishes. ``nonsense`` is an answer that is no step.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import phrasing
from phrasing.analysis.run import Run
from phrasing.types import Completion, Request, Usage
from support.paths import REPOSITORY
from support.tiny_runs import calls, says, world

ENVIRONMENT = '''
"""A person's mail: an address book, and mail that is sent."""

import copy

SCORES = ["thorough"]


def open(task, seed):
    return {"fails": task["world"].get("fails", 0), "book": task["world"].get("book", ["ann"])}


def advance(state, inputs, now):
    state, effects, events, asks, status = copy.deepcopy(state), [], [], [], "running"
    for each in inputs:
        if each["kind"] == "answer":
            events.append({"type": "human_response", "data": each["data"]})
        elif each["kind"] == "step" and each["intent"] == "look_up":
            effects.append({"type": "looked_up", "data": each["args"]})
            events.append({"type": "look_up_result", "data": {"found": state["book"]}})
        elif each["kind"] == "step" and each["intent"] == "send" and state["fails"]:
            state["fails"] -= 1
            events.append({"type": "error", "data": "the mail server is away"})
        elif each["kind"] == "step" and each["intent"] == "send":
            effects.append({"type": "sent", "data": each["args"]})
            events.append({"type": "send_result", "data": "sent"})
        elif each["kind"] == "step" and each["intent"] == "ask":
            asks.append(each["call"])
            status = "waiting"
        elif each["kind"] == "step":
            status = "turn_over"
    return {"state": state, "effects": effects, "events": events, "asks": asks, "status": status}


def success(effects, state, goal):
    kinds = [effect["type"] for effect in effects]
    return {"success": kinds.count("sent") == 1, "thorough": "looked_up" in kinds}
'''


def task(name: str, plan: str, tags: str | None = None, **more: Any) -> dict[str, Any]:
    """A task whose model follows a plan, and another where the thread is shown with tags."""
    text = f"{name}, plan: {plan};" + (f" tags: {tags};" if tags is not None else "")
    return {"id": name, "events": [{"type": "mail", "data": {"text": text}}], **more}


FORBID = [{"type": "sent", "data": {"to": "ann"}}]
PEOPLE = [{"asked": {"intent": "ask"}, "answer": "ann, of course", "after": 60}]

TASKS = (
    task("t-1", "look_up send finish"),
    task("t-2", "look_up send finish", "look_up ask send finish", people=PEOPLE, world={"book": [f"ann-{i}" for i in range(99)]}),
    task("t-3", "send send finish", "finish", world={"fails": 1}),
    task("t-4", "ask finish", "nonsense look_up finish", people=PEOPLE),
    task("t-5", "send finish", "look_up look_up look_up", forbid=FORBID, max_steps=3),
)
"""Success: t-1 and t-2 under both formats, t-3 and t-5 (which is harm) under lines only."""


def rollouts(root: Path, *, tasks: Any = TASKS, **keys: Any) -> Path:
    """Write the project into ``root`` and return the path of its suite."""
    agents = [{"tasks": "mail", "functions": ["DetermineNextStepMail"]}]
    path = world(root, **{"agents": agents, "description": "Do tags change how far it gets?", **keys})
    for folder in ("environments", "tasks", "controls"):
        (root / folder).mkdir(exist_ok=True)
    (root / "environments" / "mail.py").write_text(ENVIRONMENT)
    (root / "tasks" / "mail.jsonl").write_text("".join(json.dumps(line) + "\n" for line in tasks))
    shutil.copy(REPOSITORY / "controls" / "talk.py", root / "controls")
    return path


async def follow(request: Request) -> Completion:
    """Pick what the plan says, by what has come of the steps so far."""
    text = "\n".join(str(message.get("content") or "") for message in request.messages)
    plans = dict(re.findall(r"(plan|tags): ([\w ]*);", text))
    plan = plans.get("tags", plans["plan"]) if "<mail>" in text else plans["plan"]
    came = len(re.findall(r"^<?(?:\w+_result|human_response|error)\b", text, re.MULTILINE))
    intent = [*plan.split(), *(["finish"] * (came + 1))][came]
    if intent == "nonsense":
        return Completion(text="who knows", finish_reason="stop", usage=Usage(prompt=100, completion=2), latency=0.5)
    return calls(intent) if request.tools else says(intent, prompt=100 + 10 * came)


def ran(root: Path, **keys: Any) -> Run:
    """Run the project's suite."""
    return phrasing.run(rollouts(root, **keys), complete=follow)
