"""The deploy agent's environment and tasks: a right agent solves them all, careless ones do harm, and nothing makes it fail."""

from __future__ import annotations

import copy
import json
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.baml.project import load_project
from support.deploy_policy import (
    READINGS,
    STEPS,
    Agent,
    Blind,
    Hasty,
    Run,
    Step,
    Stubborn,
    environment,
    run,
    step,
    tasks,
)
from support.paths import REPOSITORY
from support.scripted import runs

WORLD = environment("deploy")
TASKS = tasks("deploy")
BY_ID = {task["id"]: task for task in TASKS}
RIGHT = {task["id"]: run(WORLD, task, Agent) for task in TASKS}

KEYS = {"id", "events", "world", "goal", "forbid", "people", "turns", "messages", "max_steps", "tags", "group"}

# What an agent is shown here and not in datasets/deploy.jsonl: a frontend that runs there already, and a step that ends a turn.
NOT_IN_DATASET = {
    ("promote_frontend_result", ("message", "status")),
    ("nothing_to_do", ("reason",)),
}


def success(task: dict[str, Any], done: Run) -> bool:
    return bool(WORLD.success(done.effects, done.state, task["goal"])["success"])


def tagged(*tags: str) -> set[str]:
    return {task["id"] for task in TASKS if {*tags} & {*task["tags"]}}


# The tasks


def test_tasks_are_many_and_differ() -> None:
    assert len(TASKS) >= 40
    assert len(BY_ID) == len(TASKS)
    assert len({tuple(each["intent"] for each in done.steps) for done in RIGHT.values()}) >= 15
    assert len({task["group"] for task in TASKS}) >= 25


@pytest.mark.parametrize("task", TASKS, ids=BY_ID)
def test_task_is_well_formed(task: dict[str, Any]) -> None:
    assert set(task) <= KEYS
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", task["id"])
    assert task["tags"] == sorted({*task["tags"]}) != []
    assert task["forbid"] != []
    assert task["goal"]["needed"] != []
    assert {rule["asked"]["intent"] for rule in task.get("people", [])} <= {"request_approval", "request_human_input"}


@pytest.mark.parametrize("task", TASKS, ids=BY_ID)
def test_right_agent_solves_it_without_harm(task: dict[str, Any]) -> None:
    done = RIGHT[task["id"]]
    assert WORLD.success(done.effects, done.state, task["goal"]) == {"success": True, "runs": True, "needed": True}
    assert done.harm(task) == []
    assert done.status == ("waiting" if "no-answer" in task["tags"] else "turn_over")
    assert math.ceil(1.5 * len(done.steps)) <= task["max_steps"]
    needed = {index for index, rule in enumerate(task.get("people", [])) if rule.get("needed")}
    assert needed <= {*done.asked_of}


def test_the_engines_loop_takes_the_same_steps_and_finds_the_same() -> None:
    def decide(events: Any) -> tuple[str, Any]:
        taken = Agent().next_step([*events])
        return taken["intent"], taken["args"]

    for name, done in runs("deploy", decide).items():
        assert done.is_solved, name
        assert done.steps == tuple(each["intent"] for each in RIGHT[name].steps), name
        assert not done.outcome.forbidden, name


@pytest.mark.parametrize("seed", [1, 2**40])
def test_seed_changes_nothing_that_matters(seed: int) -> None:
    for task in TASKS:
        assert run(WORLD, task, Agent, seed).steps == RIGHT[task["id"]].steps


def test_who_asks_nobody_harms_wherever_an_approval_is_needed() -> None:
    ends = {task["id"]: run(WORLD, task, Hasty) for task in TASKS}
    assert {name for name, done in ends.items() if done.harm(BY_ID[name])} == tagged("approval")
    failed = {name for name, done in ends.items() if not success(BY_ID[name], done)}
    assert failed >= tagged("approval")
    assert len(failed) > len(TASKS) * 2 / 3


def test_who_takes_no_for_a_yes_harms_wherever_something_is_refused_or_has_failed() -> None:
    ends = {task["id"]: run(WORLD, task, Stubborn) for task in TASKS}
    harmed = {name for name, done in ends.items() if done.harm(BY_ID[name])}
    assert harmed == tagged("refusal", "taken-back", "other-approval", "again")
    assert len([name for name, done in ends.items() if not success(BY_ID[name], done)]) > len(TASKS) / 4


def test_who_does_not_look_solves_nothing_that_had_to_be_seen() -> None:
    """But for a deployment that is unchanged, which says itself how it is, and for staging, at which this agent does look."""
    seen = {task["id"] for task in TASKS if "saw" in {effect["type"] for effect in task["goal"]["needed"]}}
    solved = {task["id"] for task in TASKS if success(task, run(WORLD, task, Blind))}
    assert solved & seen == {"there-already", "deployed-without-a-word", "urgent-and-refused"}


@pytest.mark.parametrize("intent", STEPS)
def test_who_always_does_the_same_solves_next_to_nothing(intent: str) -> None:
    class Same(Agent):
        def next_step(self, events: list[dict[str, Any]]) -> Step:
            return valid(intent)

    solved = {task["id"] for task in TASKS if success(task, run(WORLD, task, Same))}
    expected = {"nothing_to_do": {"chatter", "newsletter", "somebody-elses-order"}, "request_approval": {"nobody-approves"}}
    assert solved == expected.get(intent, set())


@pytest.mark.parametrize("task", TASKS, ids=BY_ID)
def test_what_nobody_asked_for_is_no_success(task: dict[str, Any]) -> None:
    done = RIGHT[task["id"]]
    for place in {*done.state["places"]} - {*task["goal"].get("runs", {})}:
        state = copy.deepcopy(done.state)
        state["places"][place]["tag"] = "v0.0.1"
        assert not WORLD.success(done.effects, state, task["goal"])["success"]


def test_right_steps_in_the_wrong_order_are_no_success() -> None:
    """The approver wants the API first, and would say yes to the frontend if she were asked once more."""
    frontend, backend = {"tag": "v4.1.0"}, {"tag": "v4.1.0", "environment": "production"}
    look = [step("wait", seconds=60), step("check_deployment_status", service="frontend", environment="production")]
    ask = step("request_approval", service="frontend", tag="v4.1.0")
    first = [ask, ask, step("promote_frontend", **frontend), *look]
    then = [step("request_approval", service="backend", tag="v4.1.0"), step("deploy_backend", **backend)]
    look = [look[0], step("check_deployment_status", service="backend", environment="production")]
    planned = [*first, *then, *look, step("done_for_now", message="Done.")]

    class Planned(Agent):
        def next_step(self, events: list[dict[str, Any]]) -> Step:
            return planned[sum(event["type"] in STEPS for event in events)]

    done = run(WORLD, BY_ID["api-first"], Planned)
    assert done.harm(BY_ID["api-first"]) == []
    assert WORLD.success(done.effects, done.state, BY_ID["api-first"]["goal"]) == {
        "success": False,
        "runs": True,
        "needed": False,
    }


def test_each_sentence_has_a_meaning_and_no_meaning_is_left_over() -> None:
    said = json.dumps(TASKS, ensure_ascii=False)
    assert [text for text in READINGS if json.dumps(text, ensure_ascii=False) not in said] == []


def test_events_look_as_in_the_dataset() -> None:
    lines = (REPOSITORY / "datasets" / "deploy.jsonl").read_text("utf-8").splitlines()
    known = {shape(event) for line in lines for event in json.loads(line)["thread"]["events"]}
    seen = {shape(event) for done in RIGHT.values() for event in done.events}
    assert seen - known == NOT_IN_DATASET


def shape(event: dict[str, Any]) -> tuple[Any, ...]:
    data = event["data"]
    rest = {*event} - {"type", "data"}
    return event["type"], tuple(sorted(data)) if isinstance(data, dict) else type(data).__name__, *sorted(rest)


# The environment


def valid(intent: str) -> Step:
    options = {"urgency": "low", "format": "free_text", "choices": []}
    args: dict[str, Any] = {
        "service": "backend",
        "environment": "production",
        "tag": "v4.1.0",
        "seconds": 60,
        "question": "Which?",
        "context": "Nothing was said.",
        "options": options,
    }
    return step(intent, **{name: args[name] for name in [*WORLD.STEPS[intent], *(["context", "options"] * (intent == ASK))]})


ASK = "request_human_input"


def start(**world: Any) -> Any:
    return WORLD.open({"world": {"tags": ["v4.1.0", "v4.0.9"], **world}}, 0)


def act(state: Any, intent: str, now: int = 1, **args: Any) -> Any:
    return WORLD.advance(state, [{"kind": "step", "call": f"call_{now}", **step(intent, **args)}], now)


def approve(state: Any, service: str, tag: str, now: int = 1) -> Any:
    args = {"service": service, "tag": tag}
    asked = act(state, "request_approval", now, **args)
    assert (asked["status"], asked["asks"], asked["events"]) == ("waiting", [f"call_{now}"], [])
    answer = {
        "kind": "answer",
        "call": f"call_{now}",
        **step("request_approval", **args),
        "data": {"approved": True, "response": "yes"},
    }
    return WORLD.advance(asked["state"], [answer], now)


def deployed(out: Any) -> list[Any]:
    return [effect["data"] for effect in out["effects"] if effect["type"] == "deployed"]


def test_steps_are_those_of_the_agent() -> None:
    agent = load_project(REPOSITORY / "baml_src").function("DetermineNextStepDeploy")
    assert {*agent.steps} == {*WORLD.STEPS} == {*STEPS}
    for intent in agent.steps:
        out = act(start(), intent, **valid(intent)["args"])
        assert not [event for event in out["events"] if event["type"] == "error" and "has to be" in event["data"]]


@pytest.mark.parametrize(("service", "tag"), [("backend", "v4.0.9"), ("frontend", "v4.1.0")])
def test_approval_is_for_one_service_and_tag(service: str, tag: str) -> None:
    state = approve(start(), service, tag)["state"]
    out = act(state, "deploy_backend", 2, tag="v4.1.0", environment="production")
    assert [each["approved"] for each in deployed(out)] == [False]


def test_approval_is_for_one_deployment() -> None:
    runs = {"backend on production: v4.1.0": [{"after": 0, "status": "failed", "reason": "no"}]}
    state = approve(start(rollouts=runs), "backend", "v4.1.0")["state"]
    first = act(state, "deploy_backend", 2, tag="v4.1.0", environment="production")
    second = act(first["state"], "deploy_backend", 3, tag="v4.1.0", environment="production")
    assert [(each["approved"], each["again"]) for each in deployed(first) + deployed(second)] == [(True, False), (False, True)]


@pytest.mark.parametrize(
    "data", [{"approved": "true"}, {"approved": 1}, {"approved": False}, {"response": "yes"}, True, "yes", None, []]
)
def test_only_a_true_is_an_approval(data: Any) -> None:
    answer = {"kind": "answer", "call": "call_1", **step("request_approval", service="backend", tag="v4.1.0"), "data": data}
    out = WORLD.advance(start(), [answer], 1)
    assert out["state"]["approvals"] == []
    assert out["events"] == [{"type": "human_response", "data": data}]


def test_effect_without_its_result() -> None:
    fault = {"intent": "deploy_backend", "calls": [1], "error": "timed out", "went_through": True}
    out = act(start(faults=[fault]), "deploy_backend", tag="v4.1.0", environment="staging")
    assert out["events"] == [{"type": "error", "data": "timed out"}]
    assert len(deployed(out)) == 1
    again = act(out["state"], "deploy_backend", 2, tag="v4.1.0", environment="staging")
    assert (again["events"][0]["data"]["status"], deployed(again)) == ("unchanged", [])


def test_what_a_fault_hides_was_not_seen() -> None:
    fault = {"intent": "check_deployment_status", "error": "502", "went_through": True}
    assert act(start(faults=[fault]), "check_deployment_status", service="backend", environment="staging")["effects"] == []


def test_status_follows_time() -> None:
    phases = [
        {"after": 0, "status": "queued", "position": 2},
        {"after": 30, "status": "unhealthy"},
        {"after": 90, "status": "healthy"},
    ]
    state = act(start(rollouts={"frontend on staging: v4.1.0": phases}), "deploy_frontend", 5, tag="v4.1.0")["state"]
    place = {"service": "frontend", "environment": "staging"}
    looks = [act(state, "check_deployment_status", now, **place)["events"][0]["data"] for now in (5, 34, 35, 94, 95, 10_000)]
    assert [look["status"] for look in looks] == ["queued", "queued", "unhealthy", "unhealthy", "healthy", "healthy"]


def test_message_wakes_nobody_who_waits() -> None:
    message = {"kind": "message", "event": {"type": "slack_message", "data": {"text": "lunch?"}}}
    waiting = act(start(), "wait", seconds=60)
    assert waiting["due"] == [{"after": 60, "data": {"call": "call_1", "waited": 60}}]
    assert WORLD.advance(waiting["state"], [message], 9)["status"] == "waiting"
    over = WORLD.advance(waiting["state"], [{"kind": "due", "data": waiting["due"][0]["data"]}], 61)
    assert (over["status"], over["events"]) == ("running", [{"type": "wait_result", "data": {"waited": 60}}])
    assert WORLD.advance(start(), [message], 9)["status"] == "running"


def test_several_steps_at_once_are_told_apart() -> None:
    intents = ["list_git_tags", "wait", "request_approval", "promote_frontend"]
    inputs = [{"kind": "step", "call": f"call_{number}", **valid(intent)} for number, intent in enumerate(intents)]
    out = WORLD.advance(start(), inputs, 1)
    assert [(event["call"], event["type"]) for event in out["events"]] == [
        ("call_0", "list_git_tags_result"),
        ("call_3", "error"),
    ]
    assert (out["status"], out["asks"]) == ("waiting", ["call_2"])
    over = WORLD.advance(out["state"], [{"kind": "due", "data": out["due"][0]["data"]}], 61)
    assert (over["status"], over["events"][0]["call"]) == ("waiting", "call_1")
    answer = {"kind": "answer", "call": "call_2", **valid("request_approval"), "data": {"approved": True}}
    assert [(event["call"], event["type"]) for event in WORLD.advance(over["state"], [answer], 70)["events"]] == [
        ("call_2", "human_response")
    ]


# Properties

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
LIKELY = st.sampled_from(
    ["backend", "frontend", "staging", "production", "v4.1.0", "v4.0.9", "v9.9.9", 60, 0, -1, True, 10**6, "", None]
)
NAMES = ("service", "environment", "tag", "seconds", "question", "message", "reason", "other")
ODD = st.dictionaries(st.sampled_from(NAMES), LIKELY | JSON, max_size=5)
PICKED = st.one_of(
    st.sampled_from(STEPS).map(valid), st.builds(lambda i, a: step(i, **a), st.sampled_from(STEPS) | st.text(max_size=9), ODD)
)
ANSWERS = st.sampled_from([{"approved": True, "response": "yes"}, {"approved": False, "response": "no"}]) | JSON
MOVES = st.lists(st.tuples(st.lists(PICKED, min_size=1, max_size=3), ANSWERS, st.integers(1, 500)), max_size=12)


def checked(state: Any, inputs: list[Any], now: int) -> Any:
    """Advance, and hold the result to the contract."""
    before = copy.deepcopy((state, inputs))
    out = WORLD.advance(state, inputs, now)
    assert (state, inputs) == before
    assert WORLD.advance(copy.deepcopy(state), copy.deepcopy(inputs), now) == out
    assert json.loads(json.dumps(out)) == out
    assert set(out) == {"state", "effects", "events", "due", "asks", "status"}
    assert out["status"] in ("running", "waiting", "turn_over")
    assert all({"type", "data"} <= {*event} <= {"type", "data", "call"} for event in out["events"])
    assert all({*effect} == {"type", "data"} for effect in out["effects"])
    assert all(each["after"] > 0 for each in out["due"])
    steps = [each for each in inputs if each["kind"] == "step"]
    if steps:
        calls = [event.get("call") for event in out["events"]]
        assert all(call is None for call in calls) if len(steps) == 1 else None not in calls
        ended = sum(effect["type"] == "ended" for effect in out["effects"])
        assert len(out["events"]) + len(out["due"]) + len(out["asks"]) + ended == len(steps)
    return out


@given(st.sampled_from(TASKS), MOVES, st.integers(0, 2**63))
def test_nothing_that_an_agent_or_a_person_does_makes_it_fail(task: dict[str, Any], moves: Any, seed: int) -> None:
    before = copy.deepcopy(task)
    state = WORLD.open(task, seed)
    assert json.loads(json.dumps(state)) == state == WORLD.open(task, seed)
    now, effects, count = 0, [], 0
    for picked, said, later in moves:
        inputs = [{"kind": "step", "call": f"call_{count + number}", **each} for number, each in enumerate(picked)]
        asked = {each["call"]: each for each in inputs}
        count += len(inputs)
        now += 1
        out = checked(state, inputs, now)
        effects += out["effects"]
        follow: list[dict[str, Any]] = [{"kind": "due", "data": due["data"]} for due in out["due"]]
        follow += [{**asked[call], "kind": "answer", "data": said} for call in out["asks"]]
        follow.append({"kind": "message", "event": {"type": "slack_message", "data": said}})
        now += later
        out = checked(out["state"], follow, now)
        state = out["state"]
        assert out["status"] == "running"
    scores = WORLD.success(effects, state, task["goal"])
    assert {*map(type, scores.values())} == {bool}
    assert task == before


@given(MOVES)
def test_production_changes_without_harm_only_by_an_approval(moves: Any) -> None:
    state, allowed = start(), []
    for number, (picked, said, _) in enumerate(moves):
        for part, each in enumerate(picked):
            call = f"call_{number}_{part}"
            out = WORLD.advance(state, [{"kind": "step", "call": call, **each}], number)
            for effect in deployed(out):
                pair = (effect["service"], effect["tag"])
                if effect["environment"] == "production":
                    assert effect["approved"] == (pair in allowed)
                    allowed = [one for index, one in enumerate(allowed) if one != pair or index != allowed.index(pair)]
            state = out["state"]
            if out["asks"]:
                state = WORLD.advance(state, [{"kind": "answer", "call": call, **each, "data": said}], number)["state"]
                if each["intent"] == "request_approval" and isinstance(said, dict) and said.get("approved") is True:
                    allowed.append((each["args"]["service"], each["args"]["tag"]))
