"""Inputs of environments that no sensible agent or person would give, and what holds whatever an environment is given."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

from hypothesis import strategies as st

STATUSES = {"running", "waiting", "turn_over", "over"}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
"""Any JSON value."""


def batches(steps: Mapping[str, Iterable[str]], known: Iterable[Any]) -> st.SearchStrategy[list[list[dict[str, Any]]]]:
    """Give inputs turn by turn. ``steps``: the names of each step's arguments; ``known``: values that mean something."""
    value = st.sampled_from(list(known)) | values
    calls = st.sampled_from([f"call_{number}" for number in range(5)])
    likely = st.sampled_from(list(steps)).flatmap(
        lambda intent: st.tuples(st.just(intent), st.fixed_dictionaries({}, optional=dict.fromkeys(steps[intent], value)))
    )
    step = likely | st.tuples(st.sampled_from(list(steps)) | st.text(max_size=8), values)
    decided = st.builds(lambda call, step: {"kind": "step", "call": call, "intent": step[0], "args": step[1]}, calls, step)
    reply = value | st.fixed_dictionaries({"text": values}, optional={"approved": st.booleans() | values, "amount": value})
    answer = st.builds(lambda given, reply: {**given, "kind": "answer", "data": reply}, decided, reply)
    event = st.fixed_dictionaries({"type": st.sampled_from(["user_input", "chat_message", "page_viewed"]), "data": values})
    other = st.builds(lambda event: {"kind": "message", "event": event}, event)
    due = st.builds(lambda data: {"kind": "due", "data": data}, values)
    return st.lists(st.lists(decided | decided | answer | other | due, min_size=1, max_size=3), max_size=8)


def hold(world: ModuleType, task: dict[str, Any], given: list[list[dict[str, Any]]], seed: int) -> None:
    """Take these inputs one after the other and assert what the contract of environments says of any of them."""
    state, effects = world.open(copy.deepcopy(task), seed), []
    assert is_json(state)
    assert state == world.open(task, seed)
    for now, inputs in enumerate(given):
        before = copy.deepcopy((state, inputs))
        out = world.advance(state, inputs, now)
        assert (state, inputs) == before
        assert out == world.advance(state, inputs, now)
        assert is_json(out)
        assert set(out) <= {"state", "effects", "events", "due", "asks", "status"}
        assert out["status"] in STATUSES
        assert set(out["asks"]) <= {one["call"] for one in inputs if one["kind"] == "step"}
        assert all(set(effect) == {"type", "data"} for effect in out["effects"])
        assert all({"type", "data"} <= set(event) <= {"type", "data", "call"} for event in out["events"])
        state, effects = out["state"], effects + out["effects"]
    before_verdict = copy.deepcopy((effects, state, task["goal"]))
    verdict = world.success(effects, state, task["goal"])
    assert (effects, state, task["goal"]) == before_verdict
    assert all(0 <= score <= 1 for score in (verdict.values() if isinstance(verdict, dict) else [verdict]))


def is_json(value: Any) -> bool:
    """Whether a value is the same after it was written as JSON and read."""
    return bool(json.loads(json.dumps(value, allow_nan=False)) == value)


def shape(event: Mapping[str, Any]) -> tuple[str, Any]:
    """Give an event's type and the keys of its data, or the kind of data that it has instead."""
    data = event["data"]
    if isinstance(data, dict):
        return event["type"], frozenset(data)
    return event["type"], "number" if isinstance(data, int | float) else type(data).__name__
