"""Inputs of environments that no sensible agent or person would give, and what holds whatever an environment is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hypothesis import strategies as st

from phrasing.rollout.environment import EnvironmentFile, Input
from phrasing.suite.tasks import Task
from phrasing.types import Event

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
"""Any JSON value."""


def batches(steps: Mapping[str, Iterable[str]], known: Iterable[Any]) -> st.SearchStrategy[list[list[Input]]]:
    """Give inputs turn by turn. ``steps``: the names of each step's arguments; ``known``: values that mean something."""
    value = st.sampled_from(list(known)) | values
    calls = st.sampled_from([f"call_{number}" for number in range(5)])
    likely = st.sampled_from(list(steps)).flatmap(
        lambda intent: st.tuples(st.just(intent), st.fixed_dictionaries({}, optional=dict.fromkeys(steps[intent], value)))
    )
    other_args = st.dictionaries(st.sampled_from(["a", "amount", "x"]), values, max_size=2)
    step = likely | st.tuples(st.sampled_from(list(steps)) | st.text(max_size=8), other_args | values)
    decided = st.builds(lambda call, step: {"kind": "step", "call": call, "intent": step[0], "args": step[1]}, calls, step)
    reply = value | st.fixed_dictionaries({"text": values}, optional={"approved": st.booleans() | values, "amount": value})
    answer = st.builds(lambda given, reply: {**given, "kind": "answer", "data": reply}, decided, reply)
    event = st.fixed_dictionaries({"type": st.sampled_from(["user_input", "chat_message", "page_viewed"]), "data": values})
    other = st.builds(lambda event: {"kind": "message", "event": event}, event)
    due = st.builds(lambda data: {"kind": "due", "data": data}, values)
    return st.lists(st.lists(decided | decided | answer | other | due, min_size=1, max_size=3), max_size=8)


def hold(environment: EnvironmentFile, task: Task, given: list[list[Input]], seed: int) -> None:
    """Take these inputs one after the other, twice.

    The engine's checks hold that nothing raises, changes its arguments, or gives anything but JSON of the right form.
    """
    world, twin = (environment.world(task, seed) for _ in range(2))
    assert world.state == twin.state
    for now, inputs in enumerate(given):
        turn = world.advance(inputs, now)
        assert turn == twin.advance(inputs, now)
        assert set(turn.asks) <= {one["call"] for one in inputs if one["kind"] == "step"}
    assert world.judge(task.goal) == twin.judge(task.goal)


def shape(event: Event) -> tuple[str, Any]:
    """Give an event's type and the keys of its data, or the kind of data that it has instead."""
    if isinstance(event.data, dict):
        return event.type, frozenset(event.data)
    return event.type, "number" if isinstance(event.data, int | float) else type(event.data).__name__
