"""BFCL's conversations of several turns: its APIs do the calls, its checker judges them.

A task's ``world`` is a question as the package has it (``id``, ``involved_classes``, ``initial_config``), its ``goal`` the calls
of the ground truth, turn by turn. Runs end as the package's own do: a turn with more steps than it allows ends the run, and a run
that hasn't begun each turn has failed.

The package evaluates calls as Python, also those of a task's goal, and puts a task's id into them. Tasks are data, which may be
anybody's. So what isn't a plain call of a function that there is never gets there.
"""

from __future__ import annotations

import ast
import importlib
import json
import keyword
import re
from pathlib import Path
from typing import Any

SPLITS = ("multi_turn_base", "multi_turn_long_context", "multi_turn_miss_param")
"""Its categories of which each task has the same tools in every turn."""

END = "done_for_now"
"""The step that ends a turn, which in BFCL is an answer without a call."""

INSTRUCTIONS = f"""
Somebody asks for something, turn by turn. Do it with the steps that there are, one at a time, until nothing is left to do in this
turn; what you need to know and aren't told, look up with a step. Then pick {END}, and the next turn begins.
"""

_CHECKER = "bfcl_eval.eval_checker.multi_turn_eval.multi_turn_checker"
_UTILS = "bfcl_eval.eval_checker.multi_turn_eval.multi_turn_utils"
_BACKENDS = "bfcl_eval.constants.executable_backend_config"
_PROMPTS = "bfcl_eval.constants.default_prompts"
_ERROR = "Error during execution"


class World:
    """A run of a question. ``name`` tells the package's objects of this run from those of others."""

    def __init__(self, name: str, task: dict[str, Any], seed: int) -> None:
        self._name = name
        self._entry = task["world"]
        self._limit = importlib.import_module(_PROMPTS).MAXIMUM_STEP_LIMIT
        self._turns: list[list[list[str]]] = [[]]  # of each turn its steps, of each step its calls
        self._ended = False  # the turn, by the agent
        backends = importlib.import_module(_BACKENDS)
        if not re.fullmatch(r"\w+", self._entry["id"], re.ASCII):
            raise ValueError(f"world.id isn't one of BFCL's: {self._entry['id']!r:.100}")
        data = _data() / "multi_turn_func_doc"
        files = [data / backends.MULTI_TURN_FUNC_DOC_FILE_MAPPING[name] for name in self._entry["involved_classes"]]
        self._known = {tool["name"] for file in files for tool in _lines(file)}
        self._execute([])

    def advance(self, inputs: list[dict[str, Any]], now: float) -> dict[str, Any]:
        """Make the calls that steps are; begin a turn with what is said after one that has ended."""
        steps = [each for each in inputs if each["kind"] == "step"]
        if self._ended and len(steps) < len(inputs):
            self._turns.append([])
            self._ended = False
        events = []
        for step in steps:
            if step["intent"] == END:
                self._ended = True
                continue
            kind, data = self._step(step["intent"], step["args"])
            events.append({"type": kind, "data": data, **({"call": step["call"]} if len(steps) > 1 else {})})
        over = len(self._turns[-1]) > self._limit
        return {"events": events, "status": "over" if over else "turn_over" if self._ended else "running"}

    def judge(self, goal: list[list[str]]) -> dict[str, Any]:
        """Have the package's checker judge all calls, as its runner does."""
        if len(self._turns) != len(goal):
            return {"success": False, "why": f"turn {len(self._turns)} of {len(goal)} wasn't ended"}
        for call in (call for turn in goal for call in turn):
            if not _is_plain(call, self._known):
                raise ValueError(f"goal: isn't a call of a function that there is, with plain values: {call!r:.100}")
        checker = importlib.import_module(_CHECKER)
        category = self._entry["id"].rsplit("_", 1)[0]
        verdict = checker.multi_turn_checker(self._turns, goal, self._entry, category, self._name)
        return {"success": bool(verdict["valid"]), "why": verdict.get("error_message", "")[:300]}

    def close(self) -> None:
        """Forget the package's objects, which it keeps by name among its module's variables."""
        variables = vars(importlib.import_module(_UTILS))
        for variable in [variable for variable in variables if variable.startswith(f"{self._name}_")]:
            del variables[variable]

    def _step(self, intent: str, args: dict[str, Any]) -> tuple[str, Any]:
        """Make a call; give the event for what came back."""
        given = _given(args)
        wrong = [name for name in given if not name.isidentifier() or keyword.iskeyword(name)]
        if intent not in self._known:
            return "error", f"{intent}: there is no such function here"
        if wrong:
            return "error", f"{intent}: no argument is called {wrong[0]!r}"
        call = f"{intent}({', '.join(f'{name}={value!r}' for name, value in given.items())})"
        self._turns[-1].append([call])
        (result,) = self._execute([call])
        data = _read(result)
        failed = result.startswith(_ERROR) or (isinstance(data, dict) and data.keys() == {"error"})
        return "error" if failed else f"{intent}_result", data

    def _execute(self, calls: list[str]) -> list[str]:
        results, _ = importlib.import_module(_UTILS).execute_multi_turn_func_call(
            func_call_list=calls,
            initial_config=self._entry["initial_config"],
            involved_classes=self._entry["involved_classes"],
            model_name=self._name,
            test_entry_id=self._entry["id"],
            long_context="long_context" in self._entry["id"],
        )
        return list(results)


def make(split: str) -> dict[str, Any]:
    """Make the tasks of a category: a file for the questions that have the same APIs, and so the same tools."""
    backends = importlib.import_module(_BACKENDS)
    limit = importlib.import_module(_PROMPTS).MAXIMUM_STEP_LIMIT
    file = f"BFCL_v4_{split}.json"
    truth = {line["id"]: line["ground_truth"] for line in _lines(_data() / "possible_answer" / file)}
    groups: dict[str, dict[str, Any]] = {}
    for question in _lines(_data() / file):
        apis = sorted(Path(backends.MULTI_TURN_FUNC_DOC_FILE_MAPPING[name]) for name in question["involved_classes"])
        group = groups.setdefault("-".join(path.stem.replace("_", "-") for path in apis), {"tools": [], "tasks": []})
        if not group["tools"]:
            group["tools"] = [tool for path in apis for tool in _lines(_data() / "multi_turn_func_doc" / path)]
        group["tasks"].append(_task(question, truth[question["id"]], limit))
    return {"groups": dict(sorted(groups.items())), "instructions": INSTRUCTIONS, "text": f"{END}.message"}


def _task(question: dict[str, Any], truth: list[list[str]], limit: int) -> dict[str, Any]:
    turns = [[{"type": "user_message", "data": said["content"]} for said in turn] for turn in question["question"]]
    return {
        "id": question["id"].replace("_", "-"),
        "events": turns[0],
        "turns": turns[1:],
        "world": {name: question[name] for name in ("id", "involved_classes", "initial_config")},
        "goal": truth,
        "max_steps": len(turns) * (limit + 2),  # the package's own limit, for each turn, comes first
    }


def _is_plain(call: str, known: set[str]) -> bool:
    """Whether this is a call of a function that is known, with constants for arguments."""
    try:
        tree = ast.parse(call.strip(), mode="eval").body
        if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name) or tree.func.id not in known:
            return False
        for value in (*tree.args, *(named.value for named in tree.keywords)):
            ast.literal_eval(value)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return False
    return all(named.arg for named in tree.keywords)


def _given(value: Any) -> Any:
    """Leave out what is null, as deep as it stands: it is as good as left out."""
    return {key: _given(inner) for key, inner in value.items() if inner is not None} if isinstance(value, dict) else value


def _data() -> Path:
    return Path(str(importlib.import_module("bfcl_eval").__file__)).parent / "data"


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _read(result: str) -> Any:
    """Read what an API gave back, an object as JSON; all else is text, and so are numbers that JSON doesn't have."""
    try:
        return json.loads(result, parse_constant=str) if result.startswith("{") else result
    except ValueError:
        return result
