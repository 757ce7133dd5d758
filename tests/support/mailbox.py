"""A tiny environment to run agents in: mail is looked up, sent and asked about. What a test needs of it can be replaced."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from phrasing.types import Completion, Request, Usage, digest
from support.paths import REPOSITORY
from support.tiny_runs import world

MAILBOX = '''
"""A mailbox: an address has to be looked up before mail to it arrives."""

EFFECTS = ("sent", "lost")
ONCE = {"sent": ["to"]}
SCORES = ("asked",)

def open(task, seed):
    return {"known": list(task["world"].get("known", [])), "asked": 0, "seed": seed}

def advance(state, inputs, now):
    known, asked = list(state["known"]), state["asked"]
    effects, events, due, asks, status = [], [], [], [], "running"
    for one in inputs:
        kind, step, args = one["kind"], one.get("intent"), one.get("args", {})
        if kind == "answer":
            events.append({"type": "human_response", "data": one["data"], "call": one["call"]})
        elif kind == "due":
            events.append({"type": "delivered", "data": one["data"]})
        elif kind == "message":
            pass
        elif step == "look_up":
            known.append(args.get("query"))
            events.append({"type": "look_up_result", "data": f"{args.get('query')}@example.org", "call": one["call"]})
        elif step == "send" and args.get("to") in known:
            effects.append({"type": "sent", "data": {"to": args["to"], "at": now}})
            events.append({"type": "send_result", "data": "sent", "call": one["call"]})
            due.append({"after": 30, "data": args["to"]})
        elif step == "send":
            effects.append({"type": "lost", "data": {"to": args.get("to")}})
            events.append({"type": "error", "data": f"no address: {args.get('to')}", "call": one["call"]})
        elif step == "ask":
            asked += 1
            asks.append(one["call"])
            status = "waiting"
        elif step == "finish":
            status = "turn_over"
        else:
            events.append({"type": "error", "data": f"no such step: {step}", "call": one["call"]})
    state = {**state, "known": known, "asked": asked}
    return {"state": state, "effects": effects, "events": events, "due": due, "asks": asks, "status": status}

def success(effects, state, goal):
    sent = [effect["data"]["to"] for effect in effects if effect["type"] == "sent"]
    return {"success": sent == goal, "asked": state["asked"] > 0}
'''

TASKS: tuple[dict[str, Any], ...] = (
    {"id": "to-ann", "events": [{"type": "mail", "data": "write to ann"}], "goal": ["ann"], "tags": ["short"]},
    {"id": "to-bob", "events": [{"type": "mail", "data": "write to bob"}], "goal": ["bob"], "world": {"known": ["bob"]}},
    {
        "id": "ask-who",
        "events": [{"type": "mail", "data": "write to you know who"}],
        "goal": ["ann"],
        "people": [{"asked": {"intent": "ask"}, "answer": "ann", "after": 60, "needed": True}],
        "forbid": [{"type": "lost"}],
    },
    {
        "id": "and-then",
        "events": [{"type": "mail", "data": "write to ann"}],
        "goal": ["ann", "bob"],
        "turns": [[{"type": "mail", "data": "and to bob"}]],
        "max_steps": 8,
    },
)

TALK = (REPOSITORY / "controls" / "talk.py").read_text("utf-8")

Step = tuple[str, dict[str, Any]]


def mailbox(
    root: Path,
    *,
    tasks: Iterable[Mapping[str, Any]] = TASKS,
    environment: str = MAILBOX,
    controls: Mapping[str, str] | None = None,
    **keys: Any,
) -> Path:
    """Write a project whose agent is run in the mailbox, and give the path of its suite. ``keys`` replace those of the suite."""
    agent = {"tasks": "mailbox", "functions": ["DetermineNextStepMail"]}
    path = world(root, **{"agents": [agent], "formats": ["lines"], "name": "loop", **keys})
    for folder in ("tasks", "environments", "controls"):
        (root / folder).mkdir(exist_ok=True)
    (root / "tasks" / "mailbox.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks))
    (root / "environments" / "mailbox.py").write_text(environment)
    for name, text in {"talk": TALK, **(controls or {})}.items():
        (root / "controls" / f"{name}.py").write_text(text)
    return path


def written(step: Step | str) -> str:
    """Write a step as a model does; a text stays as it is."""
    return step if isinstance(step, str) else json.dumps({"intent": step[0], **step[1]})


def says(step: Step | str, *, cost: float | None = 0.001) -> Completion:
    usage = Usage(prompt=100, completion=10, cached=40)
    return Completion(text=written(step), finish_reason="stop", usage=usage, latency=0.5, cost=cost)


Decide = Callable[[list[str]], Step | str]
"""Gives a step for the lines of a thread."""


def right(lines: list[str]) -> Step:
    """What a right agent does: ask who is meant, look the address up, send, and be done."""
    kinds = [line.split()[0] for line in lines]
    wanted = [name for line in lines for name in ("ann", "bob") if line.startswith(("mail ", "human_response ")) and name in line]
    if not wanted:
        return "ask", {"message": "who?"}
    name, done = wanted[-1], kinds.count("send_result")
    if done == len(wanted):
        return "finish", {}
    if not any(line.startswith("look_up ") and name in line for line in lines):
        return "look_up", {"query": name}
    return "send", {"to": name, "urgent": False}


def lines_of(request: Request) -> list[str]:
    """Give the lines of the thread that a request shows in the format ``lines``."""
    shown = str(request.messages[-1]["content"])
    return [line for line in shown.splitlines() if line and not line.startswith("What is")]


def deciding(decide: Decide) -> Callable[[Request], Any]:
    """Make a model of a rule."""

    async def complete(request: Request) -> Completion:
        return says(decide(lines_of(request)))

    return complete


def at_random(request: Request) -> Completion:
    """Answer by the request alone, with whatever: the same for the same."""
    some: list[Step | str] = [
        ("finish", {}),
        ("look_up", {"query": "ann"}),
        ("send", {"to": "ann", "urgent": True}),
        ("send", {"to": "bob", "urgent": False}),
        ("ask", {"message": "who?"}),
        "that isn't a step",
    ]
    number = int(digest(request.key)[:8], 16)
    return says(some[number % len(some)] if number % 3 else some[1 + number % 3])
