"""The calls of BFCL's multi-turn ground truth, run by the simulated APIs of an installed ``bfcl-eval``.

The APIs' own results are what an agent would have read. Where the order of a turn's calls is free, that is found by trying.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import importlib
import inspect
import json
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Apis = dict[str, Any]
"""The APIs of a conversation by name, each in its present state."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A call that was run: its arguments by name, the values of those that it may leave out, and what came back.

    ``also`` are the places, in the turn, of later calls that might as well have come now.
    """

    name: str
    arguments: dict[str, Any]
    defaults: dict[str, Any]
    result: Any
    also: tuple[int, ...]


def run_turns(question: dict[str, Any], turns: Sequence[Sequence[str]]) -> list[list[Ran]]:
    """Run a conversation's calls, turn by turn, each as ground truth has it: Python such as ``cd(folder='a')``."""
    with _utc():
        apis = _apis(question)
        return [_turn(apis, calls) for calls in turns]


@contextlib.contextmanager
def _utc() -> Iterator[None]:
    """Be in Greenwich: one of the APIs writes local times."""
    set_zone = getattr(time, "tzset", lambda: None)  # Windows has none
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    set_zone()
    try:
        yield
    finally:
        del os.environ["TZ"]
        os.environ |= {} if before is None else {"TZ": before}
        set_zone()


def _apis(question: dict[str, Any]) -> Apis:
    backends = importlib.import_module("bfcl_eval.constants.executable_backend_config")
    apis = {}
    for name in question["involved_classes"]:
        apis[name] = getattr(importlib.import_module(backends.CLASS_FILE_PATH_MAPPING[name]), name)()
        if name not in backends.STATELESS_CLASSES:
            state = copy.deepcopy(question["initial_config"].get(name, {}))  # the API changes it
            apis[name]._load_scenario(state, long_context="long_context" in question["id"])
    return apis


def _turn(apis: Apis, calls: Sequence[str]) -> list[Ran]:
    """Run a turn's calls; the APIs are then in the state after it."""
    states, results = [], []
    for call in calls:
        states.append(copy.deepcopy(apis))
        results.append(_result(apis, call))
    ran = []
    for i, call in enumerate(calls):
        others = [j for j in range(i + 1, len(calls)) if calls[j] not in calls[i:j]]
        also = tuple(
            j for j in others if _same_in_order(states[i], calls, results, [j, *range(i, j), *range(j + 1, len(calls))], apis)
        )
        function, arguments = _bound(apis, call)
        parameters = inspect.signature(function).parameters.values()
        defaults = {one.name: one.default for one in parameters if one.default is not one.empty}
        ran.append(Ran(function.__name__, arguments, json.loads(json.dumps(defaults)), json.loads(results[i]), also))
    return ran


def _same_in_order(before: Apis, calls: Sequence[str], results: Sequence[str], order: Sequence[int], after: Apis) -> bool:
    """Tell whether calls in another order give each the same result, and the same state in the end."""
    apis = copy.deepcopy(before)
    try:
        return all(_result(apis, calls[i]) == results[i] for i in order) and _state(apis) == _state(after)
    except Exception:  # whatever the package's own code raises: this order doesn't work
        return False


def _state(apis: Apis) -> list[Any]:
    values = [value for api in apis.values() for value in vars(api).values()]
    return [value.getstate() if isinstance(value, random.Random) else value for value in values]


def _bound(apis: Apis, call: str) -> tuple[Callable[..., object], dict[str, Any]]:
    """Find the function of a call, and its arguments by name."""
    tree = ast.parse(call.strip(), mode="eval").body
    assert isinstance(tree, ast.Call)
    assert isinstance(tree.func, ast.Name)
    name = tree.func.id
    function = next(getattr(api, name) for api in reversed(apis.values()) if hasattr(api, name))
    keywords = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in tree.keywords}
    bound = inspect.signature(function).bind(*map(ast.literal_eval, tree.args), **keywords)
    return function, json.loads(json.dumps(bound.arguments, allow_nan=False))


def _result(apis: Apis, call: str) -> str:
    """Run a call and write its result down at once, because some APIs return what they go on changing."""
    function, arguments = _bound(apis, call)
    return json.dumps(function(**arguments), allow_nan=False, default=_plain)


def _plain(value: object) -> object:
    """Make JSON of what APIs return besides: numbers of mpmath, with the digits that they show, and an ellipsis in a list."""
    return "..." if value is ... else float(repr(value).removeprefix("mpf('").removesuffix("')"))
