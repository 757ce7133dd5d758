"""Environments: what a file has to be, and what is said of one that isn't."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from phrasing.errors import UserError
from phrasing.rollout import control, environment
from phrasing.rollout.environment import EnvironmentFailed
from phrasing.suite.tasks import Task
from support.mailbox import MAILBOX

TASK = Task.model_validate_json(
    json.dumps({"id": "t", "events": [{"type": "mail", "data": "x"}], "goal": [], "world": {"known": ["a"]}})
)
STEP: dict[str, Any] = {"kind": "step", "call": "call_1", "intent": "send", "args": {"to": "a"}}


def loaded(root: Path, text: str) -> environment.Environment:
    (root / "environments").mkdir(exist_ok=True)
    (root / "environments" / "box.py").write_text(text)
    return environment.load(root, "box")


def changed(old: str, new: str) -> str:
    assert old in MAILBOX
    return MAILBOX.replace(old, new)


def test_what_happened_adds_up_and_is_judged(tmp_path: Path) -> None:
    found = loaded(tmp_path, MAILBOX)
    assert (found.scores, found.effects, found.once) == (("asked",), ("sent", "lost"), {"sent": ("to",)})
    world = found.world(TASK, 7)
    assert world.state == {"known": ["a"], "asked": 0, "seed": 7}
    turn = world.advance([STEP], 3.0)
    assert [effect.model_dump() for effect in world.effects] == [{"type": "sent", "data": {"to": "a", "at": 3.0}}]
    assert [(event.type, event.call) for event in turn.events] == [("send_result", "call_1")]
    assert [(due.after, due.data) for due in turn.due] == [(30, "a")]
    assert world.judge(["a"]) == {"success": 1.0, "asked": 0.0}
    assert world.judge([]) == {"success": 0.0, "asked": 0.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MAILBOX.replace("def open(", "def opened("), "environments/box.py: defines no function open(task, seed)"),
        (MAILBOX.replace("advance(state, inputs, now)", "advance(inputs)"), "takes (inputs); wanted (state, inputs, now)"),
        (MAILBOX + "\nopen = 3\n", "defines no function open(task, seed)"),
        (MAILBOX + "\nSCORES = 'asked'\n", "SCORES has to be a list of names, got 'asked'"),
        (MAILBOX + "\nSCORES = ['success']\n", "SCORES names those beside 'success', which every environment gives"),
        (MAILBOX + "\nEFFECTS = [1]\n", "EFFECTS has to be a list of names, got [1]"),
        (MAILBOX + "\nONCE = ['sent']\n", "ONCE has to name fields by type of effect"),
        (MAILBOX + "\nONCE = {'snet': ['to']}\n", "ONCE: effect 'snet' not found (did you mean 'sent'?)"),
        (MAILBOX + "\nTIME_LIMIT = -1\n", "TIME_LIMIT has to be a number of seconds, got -1"),
        (MAILBOX + "\n1 / 0\n", ": raised ZeroDivisionError: division by zero"),
        ("def open(:", "SyntaxError"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_environment_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as refused:
        loaded(tmp_path, text)
    assert message in str(refused.value)
    assert "box.py" in str(refused.value)


def test_an_environment_that_isnt_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    loaded(tmp_path, MAILBOX)
    with pytest.raises(ValueError, match=r"environment 'bxo' not found \(did you mean 'box'\?\); there are: box"):
        environment.load(tmp_path, "bxo")


OPEN = 'return {"known": list(task["world"].get("known", [])), "asked": 0, "seed": seed}'
LAST = 'return {"state": state, "effects": effects,'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (OPEN, "raise KeyError('world')", "box.py:9: open raised KeyError: 'world'"),
        (OPEN, "return None", "box.py:8: open returned None; wanted the state of the world, an object"),
        (OPEN, "return {'when': (1, 2)}", "box.py:8: open returned what isn't JSON: (1, 2) at .when"),
        (OPEN, "return {'when': {1, 2}}", "open returned what isn't JSON: {1, 2} at .when"),
        (OPEN, "return {'x': float('nan')}", "open returned what isn't JSON: "),
        (OPEN, "return {1: 2}", "open returned what isn't JSON: "),
        (OPEN, "return {'x': '\\ud800'}", "open returned what isn't JSON: x: '\\ud800' is half of a surrogate pair"),
        (OPEN, "task['world']['known'].append('x'); return {}", "open changed its argument task; it has to make another"),
        (OPEN, "\n    while True: pass\nTIME_LIMIT = 0.2", "open took longer than 0.2 s (TIME_LIMIT)"),
        (OPEN, "x = {}\n    x['x'] = x\n    return x", "open returned what isn't JSON: "),
    ],
)
def test_an_environment_that_doesnt_open_says_why(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(EnvironmentFailed) as failed:
        loaded(tmp_path, changed(old, new)).world(TASK, 7)
    assert message in str(failed.value)


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ("inputs[0]['args']['to'] = 'b'; " + LAST, "advance changed its argument inputs; it has to make another (copy.deepcopy)"),
        ("inputs.clear(); " + LAST, "advance changed its argument inputs"),
        ("return {'effects': effects,", "advance returned something else than wanted: state: field required"),
        ("return 3\n    " + LAST, "advance returned something else than wanted: what it returned: "),
        ("effects.append({'type': 'flown'}); " + LAST, "advance returned an effect that isn't in EFFECTS: 'flown'"),
        ("effects.append({'tpye': 'sent'}); " + LAST, "effects.1.tpye: isn't one of its keys"),
        ("status = 'runing'; " + LAST, "status: input should be 'running', 'waiting', 'turn_over' or 'over', got 'runing'"),
        ("due.append({'after': -1}); " + LAST, "due.1.after: input should be greater than or equal to 0, got -1"),
        ("events.append({'type': 'two words'}); " + LAST, "events.1.type: "),
        ('return {\'sate\': 1, "state": state, "effects": effects,', "sate: isn't one of its keys"),
    ],
)
def test_what_inputs_do_has_to_be_said_as_the_contract_says(tmp_path: Path, new: str, message: str) -> None:
    world = loaded(tmp_path, changed(LAST, new)).world(TASK, 7)
    with pytest.raises(EnvironmentFailed) as failed:
        world.advance([STEP], 0.0)
    assert message in str(failed.value)
    assert "box.py:" in str(failed.value)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("True", "success gave the scores success; wanted success, asked (SCORES names those beside success)"),
        ("{'success': 2, 'asked': 0}", "success gave 2 for success; wanted True, False or a number from 0 to 1"),
        ("{'success': None, 'asked': 0}", "success gave None for success"),
        ("{'success': 1, 'asked': 0, 'more': 0}", "success gave the scores asked, more, success; wanted success, asked"),
        ("1 / 0", "success raised ZeroDivisionError"),
    ],
)
def test_success_has_to_be_a_share(tmp_path: Path, returned: str, message: str) -> None:
    old = 'return {"success": sent == goal, "asked": state["asked"] > 0}'
    world = loaded(tmp_path, changed(old, f"return {returned}")).world(TASK, 7)
    with pytest.raises(EnvironmentFailed) as failed:
        world.judge([])
    assert message in str(failed.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def run(agent):\n    pass\n", "defines no function: async def run(agent)"),
        ("async def run():\n    pass\n", "own.py:1: run takes (); wanted (agent)"),
        ("async def run(agent):\n    pass\nTIME_LIMIT = 'x'\n", "TIME_LIMIT has to be a number of seconds, got 'x'"),
        ("", "defines no function: async def run(agent)"),
    ],
)
def test_a_file_that_is_no_control_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "controls").mkdir()
    (tmp_path / "controls" / "own.py").write_text(text)
    with pytest.raises(UserError) as refused:
        control.load(tmp_path, "own")
    assert message in str(refused.value)
    with pytest.raises(ValueError, match=r"control 'onw' not found \(did you mean 'own'\?\); there are: own"):
        control.load(tmp_path, "onw")
