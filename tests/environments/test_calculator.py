"""The calculator that ships: its tasks can be solved by the policy, aren't solved by luck, and no input upsets it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.baml.project import load_project
from phrasing.rollout import environment
from phrasing.rollout.environment import Input
from phrasing.suite import dataset
from support import calculator_policy, odd_inputs, scripted
from support.paths import REPOSITORY

CALCULATOR = environment.load(REPOSITORY, "calculator")
RIGHT = scripted.runs("calculator", calculator_policy.right)
CARELESS = scripted.runs("calculator", calculator_policy.careless)
TASKS = {name: run.task for name, run in RIGHT.items()}
STEPS = {
    **dict.fromkeys(("add", "subtract", "multiply", "divide"), ("a", "b")),
    **dict.fromkeys(("request_more_information", "done_for_now"), ("message",)),
}
NUMBERS = (0, 1, -3, 2.5, 10**100, 1e-300, True, "7")


def tagged(tag: str) -> set[str]:
    return {name for name, task in TASKS.items() if tag in task.tags}


def test_there_are_enough_tasks_of_many_kinds() -> None:
    assert len(TASKS) >= 40
    assert len({run.steps for run in RIGHT.values()}) >= 15
    operations = [len(run.effects) for run in RIGHT.values()]
    assert sum(number in (1, 2) for number in operations) >= len(TASKS) / 2
    assert sum(number in range(3, 7) for number in operations) >= 12


@pytest.mark.parametrize("name", TASKS)
def test_the_policy_solves_every_task(name: str) -> None:
    right = RIGHT[name]
    assert right.is_solved, right.history.events
    assert right.task.max_steps >= 1.5 * len(right.steps)
    counts = ("false_completion", "double_execution", "needless_question", "missed_question", "limit_reached")
    assert not [count for count in counts if right.scores[count].value]


def test_an_agent_that_works_from_left_to_right_and_never_asks_fails_where_that_matters() -> None:
    failed = {name for name, run in CARELESS.items() if not run.is_solved}
    assert len(failed) >= len(TASKS) * 0.4
    for tag in ("division-by-zero", "error-once", "error-repeated", "human-answer", "missing-number", "unanswered"):
        assert tagged(tag) <= failed


def test_no_sum_does_harm() -> None:
    assert not [task.id for task in TASKS.values() if task.forbid]


DONE = {"turn": 2, "asked": False, "last": "done_for_now"}
ASKED = {"turn": 1, "asked": True, "last": "request_more_information"}


@pytest.mark.parametrize(
    ("computed", "state", "goal", "right"),
    [
        ([(1, 4), (1, 20 * (1 + 1e-10))], DONE, {"results": [20]}, True),
        ([(1, 20), (1, 4)], DONE, {"results": [20]}, False),
        ([(1, 20 * (1 + 1e-8))], DONE, {"results": [20]}, False),
        ([(1, 20)], ASKED, {"results": [20]}, False),
        ([], DONE, {"results": [20]}, False),
        ([(1, 7), (1, 20)], DONE, {"results": [20, 7]}, True),
        ([(1, 20)], DONE, {"results": [20, 7]}, False),
        ([(1, 20), (2, 3), (2, 7)], DONE, {"results": [20, 7]}, True),
        ([(1, 20), (1, 3), (2, 7)], DONE, {"results": [20, 7]}, False),
        ([], DONE, {"results": []}, True),
        ([(1, 20)], DONE, {"results": []}, False),
        ([], DONE, {"results": [], "asked": True}, False),
        ([], ASKED, {"results": [], "ends": "request_more_information"}, True),
        ([], DONE, {"results": [], "ends": "request_more_information"}, False),
    ],
)
def test_a_result_counts_if_it_was_the_last_and_the_person_got_it(
    computed: list[tuple[int, float]], state: dict[str, Any], goal: dict[str, Any], right: bool
) -> None:
    effects = [{"type": "computed", "data": {"turn": turn, "result": result}} for turn, result in computed]
    assert CALCULATOR.module.success(effects, state, goal) is right


def step(intent: str, number: int = 1, **args: Any) -> Input:
    return {"kind": "step", "call": f"call_{number}", "intent": intent, "args": args}


def advance(*inputs: Input, state: Any = None) -> Any:
    return CALCULATOR.module.advance(state or CALCULATOR.module.open({}, 0), list(inputs), 0)


def test_it_does_every_step_of_the_agent() -> None:
    assert set(STEPS) == set(load_project(REPOSITORY / "baml_src").function("DetermineNextStepCalculator").steps)
    for intent, names in STEPS.items():
        out = advance(step(intent, **dict.fromkeys(names, 6)))
        assert (len(out["effects"]), out["state"]["last"]) == (len(names) - 1, intent)


@pytest.mark.parametrize(
    ("intent", "args", "shown"),
    [
        ("divide", {"a": 36, "b": 9}, 4),
        ("divide", {"a": 1000, "b": 16}, 62.5),
        ("divide", {"a": 1, "b": 3}, 0.333333333333),
        ("add", {"a": 0.1, "b": 0.2}, 0.3),
        ("multiply", {"a": 10**20 + 1, "b": 3}, 3 * 10**20 + 3),
        ("divide", {"a": 1, "b": 0}, "divide: division by zero"),
        ("multiply", {"a": 1e99, "b": 1e99}, "multiply: the result is too large"),
        ("add", {"a": "7", "b": 1}, "add: a has to be a number"),
        ("add", {"a": 1}, "add: b has to be a number"),
        ("add", {"a": True, "b": 1}, "add: a has to be a number"),
        ("add", {"a": 1, "b": 10**400}, "add: b has to be a number"),
        ("add", [1, 2], "add: a has to be a number"),
        ("power", {"a": 1, "b": 1}, "power: there is no such step"),
    ],
)
def test_what_a_step_shows(intent: str, args: Any, shown: Any) -> None:
    (event,) = advance({**step(intent), "args": args})["events"]
    assert event == {"type": "error" if isinstance(shown, str) else f"{intent}_result", "data": shown}
    assert type(event["data"]) is type(shown)


def test_an_event_names_its_call_where_that_is_not_plain() -> None:
    steps = [step("add", 1, a=1, b=2), step("divide", 2, a=1, b=0), step("request_more_information", 3, message="By what?")]
    out = advance(*steps)
    assert [event["call"] for event in out["events"]] == ["call_1", "call_2"]
    assert (out["asks"], out["status"]) == (["call_3"], "waiting")
    answer = {**steps[2], "kind": "answer", "data": {"response": "by 4", "user": "ada"}}
    (event,) = advance(answer, state=out["state"])["events"]
    assert event == {"type": "human_response", "data": answer["data"], "call": "call_3"}

    out = advance(step("request_more_information", message="By what?"))
    assert "call" not in advance({**answer, "call": "call_1"}, state=out["state"])["events"][0]
    later = advance(step("add", 2, a=1, b=2), state=out["state"])
    assert "call" not in later["events"][0]
    assert advance({**answer, "call": "call_1"}, state=later["state"])["events"][0]["call"] == "call_1"


def test_events_look_as_in_the_dataset() -> None:
    cases = dataset.load(REPOSITORY / "datasets" / "calculator.jsonl").cases
    labelled = {odd_inputs.shape(event) for case in cases for event in case.thread.events}
    assert {odd_inputs.shape(event) for run in RIGHT.values() for event in run.history.events} <= labelled


@given(odd_inputs.batches(STEPS, NUMBERS), st.sampled_from(list(TASKS)), st.integers())
def test_no_input_upsets_it(given: list[list[Input]], name: str, seed: int) -> None:
    odd_inputs.hold(CALCULATOR, TASKS[name], given, seed)
