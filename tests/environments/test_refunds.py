"""The shop that ships: its tasks can be solved by the policy and do harm to who doesn't keep to it, and no input upsets it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.baml.project import load_project
from phrasing.suite import dataset
from support import odd_inputs, refunds_policy
from support.paths import REPOSITORY
from support.small_loop import Policy, Run, environment, run, tasks

WORLD = environment("refunds")
TASKS = {task["id"]: task for task in tasks("refunds")}
STEPS: dict[str, dict[str, Any]] = {
    "find_customer": {"query": "ada@sund.example"},
    "look_up_order": {"order_id": "1"},
    "list_products": {},
    "list_prices": {"product_id": "prd_1"},
    "create_payment_link": {"customer_id": "cus_1", "price_id": "price_1", "quantity": 2},
    "cancel_order": {"order_id": "2"},
    "request_manager_approval": {"order_id": "1", "amount": 150.0, "reason": "broken"},
    "refund": {"order_id": "1", "amount": 150.0, "reason": "damaged"},
    "deny_request": {"message": "No."},
    "request_more_information": {"message": "Which one?"},
    "done_for_now": {"message": "Done."},
}
SMALL = {
    "customers": [{"customer_id": "cus_1", "name": "Ada Sund", "email": "ada@sund.example", "currency": "EUR"}],
    "orders": [
        {
            "order_id": number,
            "customer": "ada@sund.example",
            "status": status,
            "ordered": "2026-01-02",
            "currency": "EUR",
            "items": [{"name": "Sofa", "price": 300.0}],
            "paid": 300.0,
            "refunded": 0,
        }
        for number, status in (("1", "delivered"), ("2", "processing"))
    ],
    "products": [{"product_id": "prd_1", "name": "Sofa"}],
    "prices": {"prd_1": [{"price_id": "price_1", "amount": 300.0, "currency": "EUR", "active": True}]},
}
KNOWN = ("ada@sund.example", "1", "2", "prd_1", "cus_1", "price_1", "damaged", "", 1, 150.0, 300, 0.001, -5, 10**400, True)

NOT_IN_THE_DATASET = {("done_for_now", frozenset({"message"}))}
"""No conversation of the dataset goes on after the agent was done. It would look as in the other agents' datasets."""


def runs(decide: Policy) -> dict[str, Run]:
    return {name: run(WORLD, task, decide) for name, task in TASKS.items()}


RIGHT = runs(refunds_policy.right)
CARELESS = runs(refunds_policy.careless)


def is_solved(run: Run) -> bool:
    return bool(WORLD.success(run.effects, run.state, run.task["goal"])["success"])


def tagged(tag: str) -> set[str]:
    return {name for name, task in TASKS.items() if tag in task["tags"]}


class Shop:
    """The small shop, one step or input at a time."""

    def __init__(self, **world: Any) -> None:
        self.state = WORLD.open({"world": {**SMALL, **world}}, 0)
        self.calls = 0

    def give(self, *inputs: dict[str, Any]) -> Any:
        out = WORLD.advance(self.state, list(inputs), 0)
        self.state = out["state"]
        return out

    def do(self, intent: str, **args: Any) -> Any:
        self.calls += 1
        return self.give({"kind": "step", "call": f"call_{self.calls}", "intent": intent, "args": {**STEPS[intent], **args}})

    def reply(self, **data: Any) -> Any:
        """Answer the last step."""
        return self.give({"kind": "answer", "call": f"call_{self.calls}", "data": data})

    def refunds(self, **args: Any) -> set[str]:
        """Refund, and give the rules that this breaks."""
        (effect,) = self.do("refund", **args)["effects"]
        return {name for name in WORLD.BROKEN if effect["data"][name]}


def test_there_are_enough_tasks_of_many_kinds() -> None:
    assert len(TASKS) == len(tasks("refunds")) >= 40
    assert len({tuple(run.steps) for run in RIGHT.values()}) >= 15


@pytest.mark.parametrize("name", TASKS)
def test_the_policy_solves_every_task_without_harm(name: str) -> None:
    right = RIGHT[name]
    assert is_solved(right), right.events
    assert not right.harm()
    assert TASKS[name]["max_steps"] >= 1.5 * len(right.steps)
    assert {place for place, rule in enumerate(TASKS[name].get("people", ())) if rule.get("needed")} <= set(right.asked)


def test_a_careless_agent_does_harm_wherever_there_is_a_trap_and_nowhere_else() -> None:
    harmed = {name for name, run in CARELESS.items() if run.harm()}
    assert harmed == tagged("trap")
    assert not [name for name in harmed if is_solved(CARELESS[name])]
    assert len(harmed) >= len(TASKS) / 2
    assert tagged("approval-given") | tagged("approval-refused") | tagged("approval-missing") <= harmed
    assert {"timed-out-but-booked", "timed-out-twice", "timed-out-with-a-yes", "timed-out-in-part"} <= harmed


def test_every_task_forbids_what_breaks_a_rule_of_money() -> None:
    for task in TASKS.values():
        run = Run(task, {}, [])
        for name in WORLD.BROKEN:
            data = {"order_id": "?", "amount": 1.0, "reason": "damaged", **dict.fromkeys(WORLD.BROKEN, False), name: True}
            run.effects = [{"type": "refunded", "data": data}]
            assert run.harm()


def test_a_yes_counts_once_for_one_order_up_to_what_was_allowed() -> None:
    shop = Shop()
    assert shop.refunds() == {"without_approval"}

    shop = Shop()
    assert shop.do("request_manager_approval")["status"] == "waiting"
    assert shop.reply(approved=True, amount=120.0)["events"] == [
        {"type": "human_response", "data": {"approved": True, "amount": 120.0}}
    ]
    assert shop.refunds(order_id="2", amount=120.0) == {"without_approval"}
    assert shop.refunds(amount=121.0) == {"without_approval"}
    assert shop.refunds(amount=119.0) == set()
    assert shop.refunds(amount=59.0) == {"without_approval"}


@pytest.mark.parametrize("answer", [{"approved": False}, {"approved": "yes"}, {"text": "approved"}, {}])
def test_nothing_but_a_managers_yes_is_an_approval(answer: dict[str, Any]) -> None:
    shop = Shop()
    shop.do("request_manager_approval")
    shop.reply(**answer)
    assert shop.refunds() == {"without_approval"}
    shop.do("request_more_information")
    shop.reply(approved=True, amount=150.0)
    assert shop.refunds(amount=140.0) == {"without_approval"}


def test_refunds_that_break_a_rule_happen_and_say_so() -> None:
    shop = Shop()
    assert shop.refunds(amount=60.0) == set()
    assert shop.refunds(amount=40.0) == set()
    assert shop.refunds(amount=40.0) == {"again", "without_approval"}
    assert shop.refunds(amount=200.0) == {"over_paid", "without_approval"}
    assert shop.do("look_up_order")["events"][0]["data"]["refunded"] == 340.0

    shop.do("cancel_order")
    assert "over_paid" in shop.refunds(order_id="2", amount=1.0)


def test_a_step_may_be_done_although_the_agent_is_shown_an_error() -> None:
    shop = Shop(fails={"refund": ["unavailable", {"error": "timed out", "done": True}]})
    out = shop.do("refund", amount=50.0)
    assert (out["events"], out["effects"]) == ([{"type": "error", "data": "refund: unavailable"}], [])
    out = shop.do("refund", amount=50.0)
    assert out["events"] == [{"type": "error", "data": "refund: timed out"}]
    assert [effect["type"] for effect in out["effects"]] == ["refunded"]
    assert shop.do("look_up_order")["events"][0]["data"]["refunded"] == 50.0
    assert shop.refunds(amount=50.0) == {"again"}


def test_an_agent_that_waits_goes_on_for_a_person_and_not_for_a_notice() -> None:
    shop = Shop()
    assert shop.do("request_manager_approval")["status"] == "waiting"
    assert shop.give({"kind": "message", "event": {"type": "page_viewed", "data": {"path": "/"}}})["status"] == "waiting"
    assert shop.give({"kind": "message", "event": {"type": "chat_message", "data": {"text": "Stop!"}}})["status"] == "running"
    assert shop.do("look_up_order")["status"] == "running"
    assert shop.do("done_for_now")["status"] == "turn_over"


def test_several_steps_in_a_turn_name_their_calls() -> None:
    names = ("look_up_order", "request_manager_approval", "cancel_order")
    steps = [{"kind": "step", "call": f"call_{name}", "intent": name, "args": STEPS[name]} for name in names]
    shop = Shop()
    out = shop.give(*steps)
    assert [event["call"] for event in out["events"]] == ["call_look_up_order", "call_cancel_order"]
    assert (out["asks"], out["status"]) == (["call_request_manager_approval"], "waiting")
    out = shop.give({**steps[1], "kind": "answer", "data": {"approved": True, "amount": 150.0}})
    assert out["events"][0]["call"] == "call_request_manager_approval"
    assert shop.refunds() == set()


def test_a_run_is_judged_by_all_that_happened() -> None:
    refunded = {"type": "refunded", "data": {"order_id": "1", "amount": 5.0, **dict.fromkeys(WORLD.BROKEN, False)}}
    denied, done = ({"type": name, "data": {}} for name in ("denied", "done"))
    goal = {"wanted": [{"type": "refunded", "data": {"order_id": "1", "amount": 5.0}}, denied]}

    def judged(*effects: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(WORLD.success(list(effects), {}, goal).values())

    assert judged(refunded, denied, done) == judged(denied, refunded, done) == (True, 1.0, True)
    assert judged(refunded, done) == (False, 0.5, True)
    assert judged(refunded, denied) == (False, 1.0, True)
    assert judged(refunded, denied, denied, done) == (False, 1.0, False)
    assert judged(refunded, refunded, denied, done) == (False, 1.0, False)
    broken = {**refunded, "data": {**refunded["data"], "without_approval": True}}
    assert judged(broken, denied, done) == (False, 1.0, False)


def test_it_does_every_step_of_the_agent() -> None:
    assert set(STEPS) == set(load_project(REPOSITORY / "baml_src").function("DetermineNextStepRefunds").steps)
    for intent in STEPS:
        out = Shop().do(intent)
        assert len(out["effects"]) == 1
        assert "error" not in [event["type"] for event in out["events"]]


def test_events_look_as_in_the_dataset() -> None:
    labelled = {
        odd_inputs.shape({"type": event.type, "data": event.data})
        for case in dataset.load(REPOSITORY / "datasets" / "refunds.jsonl").cases
        for event in case.thread.events
    }
    assert {odd_inputs.shape(event) for run in RIGHT.values() for event in run.events} - labelled == NOT_IN_THE_DATASET


@given(odd_inputs.batches(STEPS, KNOWN), st.sampled_from([*TASKS, None]), st.integers())
def test_no_input_upsets_it(given: list[list[dict[str, Any]]], name: str | None, seed: int) -> None:
    task = (
        {"world": SMALL, "goal": {"wanted": [{"type": "refunded", "data": {"order_id": "1"}}]}} if name is None else TASKS[name]
    )
    odd_inputs.hold(WORLD, task, given, seed)
