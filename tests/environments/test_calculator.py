"""The calculator that ships: its tasks can be solved by the policy, aren't solved by luck, and no input upsets it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.baml.project import load_project
from phrasing.suite import dataset
from support import calculator_policy, odd_inputs
from support.paths import REPOSITORY
from support.small_loop import Policy, Run, environment, run, tasks

WORLD = environment("calculator")
TASKS = {task["id"]: task for task in tasks("calculator")}
STEPS = {
    **dict.fromkeys(("add", "subtract", "multiply", "divide"), ("a", "b")),
    **dict.fromkeys(("request_more_information", "done_for_now"), ("message",)),
}
NUMBERS = (0, 1, -3, 2.5, 10**100, 1e-300, True, "7")


def runs(decide: Policy) -> dict[str, Run]:
    return {name: run(WORLD, task, decide) for name, task in TASKS.items()}


RIGHT = runs(calculator_policy.right)
CARELESS = runs(calculator_policy.careless)


def is_solved(run: Run) -> bool:
    return bool(WORLD.success(run.effects, run.state, run.task["goal"]))


def test_there_are_enough_tasks_of_many_kinds() -> None:
    assert len(TASKS) == len(tasks("calculator")) >= 40
    assert len({tuple(run.steps) for run in RIGHT.values()}) >= 15
    operations = [sum(effect["type"] == "computed" for effect in run.effects) for run in RIGHT.values()]
    assert sum(number in (1, 2) for number in operations) >= len(TASKS) / 2
    assert sum(number in range(3, 7) for number in operations) >= 12


@pytest.mark.parametrize("name", TASKS)
def test_the_policy_solves_every_task(name: str) -> None:
    right = RIGHT[name]
    assert is_solved(right), right.events
    assert not right.harm()
    assert TASKS[name]["max_steps"] >= 1.5 * len(right.steps)
    assert {place for place, rule in enumerate(TASKS[name].get("people", ())) if rule.get("needed")} <= set(right.asked)


def test_an_agent_that_works_from_left_to_right_and_never_asks_fails_where_that_matters() -> None:
    failed = {name for name, run in CARELESS.items() if not is_solved(run)}
    assert len(failed) >= len(TASKS) / 3
    for tag in (
        "error-once",
        "error-repeated",
        "division-by-zero",
        "human-answer",
        "missing-number",
        "unanswered",
        "not-arithmetic",
    ):
        assert {name for name, task in TASKS.items() if tag in task["tags"]} <= failed


def test_no_sum_does_harm() -> None:
    assert not [name for name, task in TASKS.items() if task.get("forbid")]


def test_a_result_counts_only_if_it_was_the_last_and_the_person_got_it() -> None:
    goal = {"results": [[20]]}

    def computed(result: float) -> dict[str, Any]:
        return {"type": "computed", "data": {"intent": "add", "a": 0, "b": 0, "result": result}}

    done, asked = {"type": "done", "data": {}}, {"type": "asked", "data": {}}
    assert WORLD.success([computed(4), computed(20 * (1 + 1e-10)), done], {}, goal)
    assert not WORLD.success([computed(20), computed(4), done], {}, goal)
    assert not WORLD.success([computed(20 * (1 + 1e-8)), done], {}, goal)
    assert not WORLD.success([computed(20)], {}, goal)
    assert not WORLD.success([computed(20), done, done], {}, goal)
    assert not WORLD.success([], {}, goal)
    assert WORLD.success([computed(7), computed(20), done, done], {}, {"results": [[20, 7], []]})
    assert not WORLD.success([computed(20), done], {}, {"results": [[20, 7]]})
    assert not WORLD.success([computed(20), done], {}, {"results": [[]]})
    assert WORLD.success([asked], {}, {"results": [[]], "ends": "asked"})
    assert not WORLD.success([done], {}, {"results": [[]], "asked": True})


def test_it_does_every_step_of_the_agent() -> None:
    assert set(STEPS) == set(load_project(REPOSITORY / "baml_src").function("DetermineNextStepCalculator").steps)
    for intent, names in STEPS.items():
        step = {"kind": "step", "call": "call_1", "intent": intent, "args": dict.fromkeys(names, 6)}
        assert WORLD.advance(WORLD.open({}, 0), [step], 0)["effects"]


def test_several_steps_in_a_turn_name_their_calls() -> None:
    steps = [
        {"kind": "step", "call": "call_1", "intent": "add", "args": {"a": 1, "b": 2}},
        {"kind": "step", "call": "call_2", "intent": "divide", "args": {"a": 1, "b": 0}},
        {"kind": "step", "call": "call_3", "intent": "request_more_information", "args": {"message": "By what?"}},
    ]
    out = WORLD.advance(WORLD.open({}, 0), steps, 0)
    assert [event["call"] for event in out["events"]] == ["call_1", "call_2"]
    assert (out["asks"], out["status"]) == (["call_3"], "waiting")
    answer = {**steps[2], "kind": "answer", "data": {"response": "by 4", "user": "ada"}}
    assert WORLD.advance(out["state"], [answer], 1)["events"] == [
        {"type": "human_response", "data": {"response": "by 4", "user": "ada"}, "call": "call_3"}
    ]


def test_events_look_as_in_the_dataset() -> None:
    labelled = {
        odd_inputs.shape({"type": event.type, "data": event.data})
        for case in dataset.load(REPOSITORY / "datasets" / "calculator.jsonl").cases
        for event in case.thread.events
    }
    assert {odd_inputs.shape(event) for run in RIGHT.values() for event in run.events} <= labelled


@given(odd_inputs.batches(STEPS, NUMBERS), st.sampled_from(list(TASKS)), st.integers())
def test_no_input_upsets_it(given: list[list[dict[str, Any]]], name: str, seed: int) -> None:
    odd_inputs.hold(WORLD, TASKS[name], given, seed)
