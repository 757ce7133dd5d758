"""tau2-bench's telecom tasks without a user: the agent has the user's tools too, and a ticket says what is wrong.

A task's ``world`` is a task as the package has it but for its ``evaluation_criteria``, which are the ``goal``. The package's own
orchestrator runs it, in a thread that waits for each step, so that its limits hold, and its own evaluator judges the run.
"""

from __future__ import annotations

import importlib
import json
import queue
import re
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

SPLITS = ("base", "small", "train", "test", "full")
"""Its splits of the telecom tasks."""

END = "done"
"""The step that ends a run: the package's own."""

DOMAIN = "telecom"


def _refuse(*given: object, **named: object) -> None:
    raise RuntimeError("no model is asked here")


class _StandIn(ModuleType):
    """A module with just what is named."""


STAND_INS: dict[str, dict[str, Any]] = {
    "deepdiff": {"DeepDiff": None},
    "dotenv": {"load_dotenv": lambda: True},
    "pandas": {"DataFrame": object},
    "tau2.utils.llm_utils": {"generate": _refuse, "get_cost": lambda messages: None},
}
"""What the package imports and doesn't need for a run in which it asks no model, or would read keys with: what is named there."""


class World:
    """A run of a task. ``name`` isn't needed: nothing of a run is kept elsewhere."""

    def __init__(self, name: str, task: dict[str, Any], seed: int) -> None:
        _prepare()
        self._task = importlib.import_module("tau2.data_model.tasks").Task.model_validate(
            {**task["world"], "evaluation_criteria": task["goal"]}
        )
        self._steps: queue.SimpleQueue[list[dict[str, Any]] | None] = queue.SimpleQueue()
        self._shown: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._simulation: Any = None
        threading.Thread(target=self._run, args=(_orchestrator(self._task, self._ask),), daemon=True).start()
        self._next()

    def advance(self, inputs: list[dict[str, Any]], now: float) -> dict[str, Any]:
        """Hand on what the agent decided, and show what came of it."""
        steps = [each for each in inputs if each["kind"] == "step"]
        if not steps:
            return {}
        if self._simulation:
            return {"status": "over"}
        self._steps.put(steps)
        message = self._next()
        if message is None:
            stopped = self._simulation.termination_reason.value == "agent_stop"
            return {"status": "turn_over" if stopped else "over"}
        results = getattr(message, "tool_messages", None) or [message]
        events = [_event(step, result, several=len(steps) > 1) for step, result in zip(steps, results, strict=True)]
        return {"events": events}

    def judge(self, goal: Any) -> dict[str, Any]:
        """Have the package's evaluator judge the run; one that hasn't ended by its rules is worth nothing, as there."""
        if self._simulation is None:
            return {"success": 0.0, "why": f"{END} wasn't picked"}
        evaluator = importlib.import_module("tau2.evaluator.evaluator")
        kind = evaluator.EvaluationType.ALL
        found = evaluator.evaluate_simulation(self._simulation, self._task, kind, solo_mode=True, domain=DOMAIN)
        missed = [check.env_assertion.func_name for check in found.env_assertions or () if not check.met]
        missed += [f"{check.action.name} not done" for check in found.action_checks or () if not check.action_match]
        return {"success": float(found.reward), "why": ", ".join(missed) or self._simulation.termination_reason.value}

    def close(self) -> None:
        """End the thread."""
        self._steps.put(None)

    def _run(self, orchestrator: Any) -> None:
        try:
            self._shown.put(("ended", orchestrator.run()))
        except _Closed:
            pass
        except Exception as error:
            self._shown.put(("raised", error))

    def _ask(self, message: Any) -> list[dict[str, Any]]:
        """Show the agent a message, and wait for its steps: in the package's thread."""
        self._shown.put(("asked", message))
        steps = self._steps.get()
        if steps is None:
            raise _Closed
        return steps

    def _next(self) -> Any:
        """Wait for what the agent is shown next; nothing, where the run has ended."""
        kind, value = self._shown.get()
        if kind == "raised":
            raise value
        if kind == "ended":
            self._simulation = value
            return None
        return value


class _Closed(Exception):
    """Nobody wants this run any more."""


def _orchestrator(task: Any, ask: Any) -> Any:
    """Set a run up as the package's own ``run_task`` does, with an agent that asks ``ask`` in place of a model."""
    config = importlib.import_module("tau2.config")
    messages = importlib.import_module("tau2.data_model.message")
    base = importlib.import_module("tau2.agent.llm_agent").LLMSoloAgent
    environment = importlib.import_module("tau2.registry").registry.get_env_constructor(DOMAIN)(solo_mode=True)

    def generate_next_message(self: Any, message: Any, state: Any) -> tuple[Any, Any]:
        calls = [messages.ToolCall(id=step["call"], name=step["intent"], arguments=_given(step["args"])) for step in ask(message)]
        return self._check_if_stop_toolcall(messages.AssistantMessage(role="assistant", tool_calls=calls)), state

    agent = type("Told", (base,), {"generate_next_message": generate_next_message})
    tools = environment.get_tools() + environment.get_user_tools()
    return importlib.import_module("tau2.orchestrator.orchestrator").Orchestrator(
        domain=DOMAIN,
        agent=agent(tools=tools, domain_policy=environment.get_policy(), task=task),
        user=importlib.import_module("tau2.user.user_simulator").DummyUser(),
        environment=environment,
        task=task,
        max_steps=config.DEFAULT_MAX_STEPS,
        max_errors=config.DEFAULT_MAX_ERRORS,
        solo_mode=True,
    )


def _given(value: Any) -> Any:
    """Leave out what is null, as deep as it stands: it is as good as left out."""
    return {key: _given(inner) for key, inner in value.items() if inner is not None} if isinstance(value, dict) else value


def _event(step: dict[str, Any], result: Any, *, several: bool) -> dict[str, Any]:
    content = result.content
    try:
        data = json.loads(content, parse_constant=str) if content and content[0] in '{["' else content
    except ValueError:
        data = content
    kind = "error" if result.error else f"{step['intent']}_result"
    return {"type": kind, "data": data, **({"call": step["call"]} if several else {})}


def make(split: str) -> dict[str, Any]:
    """Make the tasks of a split."""
    _prepare()
    agents, config = importlib.import_module("tau2.agent.llm_agent"), importlib.import_module("tau2.config")
    environment = importlib.import_module("tau2.registry").registry.get_env_constructor(DOMAIN)(solo_mode=True)
    data = Path(importlib.import_module("tau2.utils").DATA_DIR) / "tau2" / "domains" / DOMAIN
    wanted = set(json.loads((data / "split_tasks.json").read_text("utf-8"))[split])
    tasks = [task for task in json.loads((data / "tasks.json").read_text("utf-8")) if task["id"] in wanted]
    tools = [tool.openai_schema for tool in environment.get_tools() + environment.get_user_tools()]
    stop = {"name": END, "description": "Pick this when you have done what the ticket asks for, or can't.", "parameters": {}}
    told = agents.AGENT_SOLO_INSTRUCTION.format(stop_function_name=END, stop_token=agents.LLMSoloAgent.STOP_TOKEN)
    instructions = f"{told}\n\n<policy>\n{environment.get_policy()}\n</policy>"
    limit = config.DEFAULT_MAX_STEPS
    group = {"tools": [*tools, stop], "tasks": [_task(task, limit) for task in tasks]}
    return {"groups": {"": group}, "instructions": instructions, "text": None}


def _task(task: dict[str, Any], limit: int) -> dict[str, Any]:
    """Make a task. The same faults under another persona of the user, who isn't there, are one group."""
    kind, faults, persona = re.fullmatch(r"\[(.*?)\](.*?)\[PERSONA:(.*?)\]", task["id"]).groups()  # type: ignore[union-attr]
    return {
        "id": "-".join(re.findall(r"[a-z0-9]+", task["id"].lower())),
        "events": [{"type": "ticket", "data": task["ticket"]}],
        "world": {name: value for name, value in task.items() if name != "evaluation_criteria"},
        "goal": task["evaluation_criteria"],
        "group": f"{kind}: {faults}",
        "tags": [kind.replace("_", "-"), f"persona-{persona.lower()}"],
        "max_steps": limit // 2 + 2,  # the package counts what comes back as a step too, and its own limit comes first
    }


def _prepare() -> None:
    """Put the stand-ins in place, before the package is imported, and have it log nothing."""
    for name, values in STAND_INS.items():
        if not isinstance(sys.modules.get(name), _StandIn):
            sys.modules[name] = _StandIn(name)
            vars(sys.modules[name]).update(values)
    importlib.import_module("loguru").logger.remove()
