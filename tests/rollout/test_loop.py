"""The loop: what an agent is shown and when, who answers, how time passes, and how it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.messages import BAML_TOKENS
from phrasing.records import Outcome
from phrasing.rollout import control, environment, loop, outcome
from phrasing.rollout.loop import Agent, ControlFailed, History, Since
from phrasing.suite.tasks import Task
from phrasing.types import Parsed, Score, Step, Thread
from support.mailbox import MAILBOX, TALK

STEPS = frozenset({"look_up", "send", "ask", "finish"})
ASK, FINISH = ("ask", {"message": "who?"}), ("finish", {})


def look_up(name: str) -> tuple[str, dict[str, Any]]:
    return "look_up", {"query": name}


def send(name: str) -> tuple[str, dict[str, Any]]:
    return "send", {"to": name}


Taken = tuple[str, dict[str, Any]] | None


class Run:
    """A task, run with steps that are given one after another; ``None`` is an answer that is no step."""

    def __init__(
        self, root: Path, steps: Sequence[Taken], *, controlled: str = TALK, mailbox: str = MAILBOX, **task: Any
    ) -> None:
        for folder, text in (("environments/box.py", mailbox), ("controls/own.py", controlled)):
            (root / folder).parent.mkdir(exist_ok=True)
            (root / folder).write_text(text)
        line = {"id": "t", "events": [{"type": "mail", "data": "hello"}], "goal": [], **task}
        self.task = Task.model_validate_json(json.dumps(line))
        self.world = environment.load(root, "box").world(self.task, 7)
        self.asked: list[tuple[Thread, Since]] = []
        self._steps = iter(steps)
        self.agent = Agent(self.world, self.task, STEPS, self._ask)
        self._control = control.load(root, "own")

    async def _ask(self, thread: Thread, number: int, since: Since) -> Parsed:
        self.asked.append((thread, since))
        assert number == len(self.asked)
        taken = next(self._steps)
        return Parsed(step=Step(intent=taken[0], args=taken[1]) if taken else None, reason=None if taken else "no JSON in it")

    def __call__(self) -> tuple[History, Outcome, dict[str, Score]]:
        history = asyncio.run(loop.run(self._control, self.agent))
        return history, *outcome.judge(self.world, self.task, history)

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.agent._history.events]


Make = Callable[..., Run]


@pytest.fixture
def made(tmp_path: Path) -> Make:
    return lambda *steps, **more: Run(tmp_path, steps, **more)


# ---------------------------------------------------------------------------------------------- the talk's loop


def test_a_step_and_its_result_are_appended_until_the_turn_is_over(made: Make) -> None:
    run = made(look_up("ann"), look_up("bob"), FINISH)
    _, found, scores = run()
    assert run.types == ["mail", "look_up", "look_up_result", "look_up", "look_up_result", "finish"]
    assert [len(thread.events) for thread, _ in run.asked] == [1, 3, 5]
    assert (found.ended, found.steps, found.virtual_seconds) == ("done", 3, 3)
    assert (scores["success"].value, scores["asked"].value, scores["false_completion"].value) == (1, 0, 0)


def test_an_agent_whose_turn_is_over_is_woken_by_what_it_is_shown(made: Make) -> None:
    run = made(look_up("ann"), send("ann"), FINISH, FINISH, goal=["ann"])
    _, found, scores = run()
    assert run.types[-3:] == ["finish", "delivered", "finish"]
    assert (found.ended, found.steps, found.virtual_seconds) == ("done", 4, 33.0)  # asked for again at 32, 30 s after it was sent
    assert scores["success"].value == 1
    assert scores["false_completion"].value == 0


def test_what_fails_is_shown_and_after_three_failures_a_person_should_look(made: Make) -> None:
    run = made(send("bob"), None, ("fly", {}), look_up("bob"))
    history, found, scores = run()
    assert run.types == ["mail", "send", "error", "error", "fly", "error"]
    assert [event.data for event in history.events if event.type == "error"] == [
        "no address: bob", "no JSON in it", "no such step: fly"
    ]  # fmt: skip
    assert (found.ended, found.why) == ("stopped", "three failures in a row")
    assert (found.errors_met, found.recovered, found.unreadable) == (3, 0, 1)
    assert (scores["success"].value, scores["false_completion"].value, scores["recovered"].value) == (1, 0, 0)


def test_errors_after_which_a_step_went_well_are_recovered_from(made: Make) -> None:
    _, found, scores = made(send("ann"), look_up("ann"), send("ann"), FINISH, FINISH, goal=["ann"])()
    assert (found.errors_met, found.recovered, scores["recovered"].value) == (1, 1, 1)


def test_no_step_is_left_after_as_many_as_the_task_allows(made: Make) -> None:
    run = made(*[look_up("ann")] * 9, max_steps=4)
    _, found, scores = run()
    assert (found.ended, found.steps, len(run.asked)) == ("limit", 4, 4)
    assert (scores["limit_reached"].value, found.repeated_steps, scores["repeated_step"].value) == (1, 3, 0.75)


def test_what_happened_between_two_steps_is_told_once(made: Make) -> None:
    run = made(look_up("ann"), send("ann"), FINISH, FINISH, goal=["ann"])
    run()
    told = [since for _, since in run.asked]
    assert [event.type for since in told for event in since.events] + [
        event.type for event in run.agent.since.events
    ] == run.types
    assert [effect.type for since in told for effect in since.effects] == ["sent"]
    assert [since.now for since in told] == [0, 1, 2, 32]


def test_an_answer_that_no_prompt_can_hold_is_no_step(made: Make) -> None:
    run = made(look_up("\ud800"), look_up(BAML_TOKENS[0]), FINISH)
    history, found, _ = run()
    assert run.types == ["mail", "error", "error", "finish"]
    assert ["half of a surrogate pair" in str(history.events[1].data), "BAML reads" in str(history.events[2].data)] == [
        True,
        True,
    ]
    assert found.unreadable == 2


def test_an_environment_in_which_something_always_comes_due_is_named(made: Make) -> None:
    old = 'events.append({"type": "delivered", "data": one["data"]})'
    again = MAILBOX.replace(old, 'due.append({"after": 1}); status = "waiting"')
    with pytest.raises(environment.EnvironmentFailed, match="let 1,000 things come due"):
        made(look_up("ann"), send("ann"), ASK, mailbox=again)()


# ---------------------------------------------------------------------------------------------- people and time


def test_the_first_rule_that_fits_answers_as_often_as_it_may(made: Make) -> None:
    people = [
        {"asked": {"intent": "ask", "args": {"message": {"$contains": "who"}}}, "answer": "ann", "after": 60, "times": 1},
        {"asked": {"intent": "ask"}, "answer": "bob"},
    ]
    run = made(ASK, ASK, ("ask", {"message": "what?"}), FINISH, people=people)
    history, found, _ = run()
    answers = [event.data for event in history.events if event.type == "human_response"]
    assert answers == ["ann", "bob", "bob"]
    assert [since.now for _, since in run.asked] == [0, 61, 62, 63]
    assert (found.questions, found.needless_questions) == (3, 3)


@pytest.mark.parametrize(
    "people", [[], [{"asked": {"intent": "ask"}, "needed": True}], [{"asked": {"intent": "send"}, "answer": 1}]]
)
def test_a_question_that_nobody_answers_ends_the_run(made: Make, people: list[dict[str, Any]]) -> None:
    run = made(ASK, people=people)
    _, found, scores = run()
    needed = any(rule.get("needed") for rule in people)
    assert (found.ended, found.steps, found.questions, found.needless_questions) == ("waiting", 1, 1, 0 if needed else 1)
    assert scores["missed_question"].value == (0 if needed else None)


def test_a_needed_question_that_isnt_asked_is_missed(made: Make) -> None:
    _, found, scores = made(FINISH, people=[{"asked": {"intent": "ask"}, "answer": "ann", "needed": True}])()
    assert (found.missed_questions, scores["missed_question"].value) == (1, 1)


def test_what_is_said_after_a_turn_goes_on_with_the_run(made: Make) -> None:
    turns = [[{"type": "mail", "data": "and now?"}], [{"type": "mail", "data": "and now?"}]]
    run = made(FINISH, FINISH, FINISH, turns=turns)
    _, found, _ = run()
    assert run.types == ["mail", "finish", "mail", "finish", "mail", "finish"]
    assert (found.ended, found.steps) == ("done", 3)


def test_what_is_said_unasked_comes_at_its_time(made: Make) -> None:
    said = [{"at": 1.5, "event": {"type": "note", "data": "quick"}}, {"at": 500, "event": {"type": "note", "data": "late"}}]
    run = made(look_up("a"), look_up("b"), look_up("c"), FINISH, FINISH, messages=said)
    run()
    assert run.types == [
        "mail", "look_up", "look_up_result", "look_up", "look_up_result", "note", "look_up", "look_up_result",
        "finish", "note", "finish",
    ]  # fmt: skip
    assert [since.now for _, since in run.asked] == [0, 1, 2, 3, 500]


@given(
    st.lists(
        st.sampled_from([None, look_up("ann"), send("ann"), send("bob"), ASK, FINISH, ("fly", {})]), min_size=40, max_size=40
    )
)
def test_a_run_always_ends_and_is_the_same_each_time(tmp_path_factory: pytest.TempPathFactory, steps: list[Taken]) -> None:
    root = tmp_path_factory.getbasetemp() / "always"
    root.mkdir(exist_ok=True)
    task = {"people": [{"asked": {"intent": "ask"}, "answer": "ann", "after": 5, "times": 3}], "goal": ["ann"], "max_steps": 20}
    task["messages"] = [{"at": 3, "event": {"type": "note", "data": "x"}}]
    one, other = (Run(root, steps, **task) for _ in range(2))
    assert one() == other()
    assert one.asked == other.asked
    found = one.agent._history
    assert found.ended is not None
    assert len(one.asked) == found.steps <= 20
    nows = [since.now for _, since in one.asked]
    assert nows == sorted(nows)


# ---------------------------------------------------------------------------------------------- controls

SEVERAL = """
async def run(agent):
    while agent.running:
        for step in await agent.next_steps():
            await agent.do(step, {"intent": "look_up", "args": {"query": "also"}})
"""
COMPACT = """
async def run(agent):
    while agent.running:
        agent.thread = agent.thread[-2:]
        await agent.do(await agent.next_step())
"""
GUARD = """
async def run(agent):
    while agent.running:
        step = await agent.next_step()
        if step["intent"] == "send" and not agent.thread[-1]["type"] == "look_up_result":
            agent.append({"type": "error", "data": "look the address up first"})
        else:
            await agent.do(step)
"""


def test_steps_are_done_at_once_and_told_apart_by_their_calls(made: Make) -> None:
    run = made(look_up("ann"), FINISH, controlled=SEVERAL)
    history, _, _ = run()
    assert [(event.type, event.call) for event in history.events[1:5]] == [
        ("look_up", "call_1"), ("look_up", "call_2"), ("look_up_result", "call_1"), ("look_up_result", "call_2")
    ]  # fmt: skip


def test_a_control_may_write_the_thread_anew(made: Make) -> None:
    run = made(look_up("ann"), look_up("bob"), FINISH, controlled=COMPACT)
    run()
    assert [[event.type for event in thread.events] for thread, _ in run.asked] == [
        ["mail"], ["look_up", "look_up_result"], ["look_up", "look_up_result"]
    ]  # fmt: skip
    assert [len(since.thread or ()) for _, since in run.asked] == [1, 2, 2]


def test_a_control_may_keep_a_step_from_being_done(made: Make) -> None:
    run = made(send("ann"), look_up("ann"), send("ann"), FINISH, FINISH, controlled=GUARD, goal=["ann"])
    _, _, scores = run()
    assert run.types[:4] == ["mail", "error", "look_up", "look_up_result"]
    assert scores["success"].value == 1
    assert not [effect for effect in run.world.effects if effect.type == "lost"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise ValueError('boom')", "controls/own.py:2: run raised ValueError: boom"),
        ("while True: pass\nTIME_LIMIT = 0.2", "own.py:1: run took longer than 0.2 s (TIME_LIMIT) between two steps"),
        ("while True: agent.append({'type': 'x'})", "acted 100 times without asking for a step"),
        ("agent.append({'tpye': 'x'})", "own.py:2: run raised ValueError: {'tpye': 'x'} is no event: "),
        ("agent.append({'type': 'x', 'data': {1}})", "own.py:2: run raised ValueError: {'type': 'x', 'data'"),
        ("agent.thread = []", "own.py:2: run raised ValueError: a thread needs an event at least"),
        ("await agent.do({'intnt': 'x'})", "own.py:2: run raised ValidationError"),
        ("agent.append({'type': 'x', 'role': 'result'})", "a result, but every step before it has one"),
    ],
)
def test_a_control_that_goes_wrong_is_named_with_its_line(made: Make, body: str, message: str) -> None:
    with pytest.raises(ControlFailed) as failed:
        made(FINISH, controlled=f"async def run(agent):\n    {body}\n")()
    assert message in str(failed.value)


SWALLOWS = """
async def run(agent):
    while True:
        try:
            await agent.do(await agent.next_step())
        except Exception:
            pass
"""


def test_a_control_that_catches_everything_doesnt_hide_how_the_run_ended(made: Make) -> None:
    _, found, _ = made(FINISH, controlled=SWALLOWS)()
    assert (found.ended, found.steps) == ("done", 1)
    broken = MAILBOX.replace(
        'elif step == "finish":', 'elif step == "finish":\n            raise KeyError("gone")\n        elif False:'
    )
    with pytest.raises(environment.EnvironmentFailed, match="advance raised KeyError: 'gone'"):
        made(FINISH, controlled=SWALLOWS, mailbox=broken)()


def test_a_control_that_returns_early_has_stopped_the_run(made: Make) -> None:
    _, found, _ = made(FINISH, controlled="async def run(agent):\n    await agent.next_step()\n")()
    assert (found.ended, found.why) == ("stopped", "its control returned")
