"""Agents that are run to their end: nothing is asked twice, whatever ends a run; what goes wrong in one task leaves the
others."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import phrasing
from phrasing.analysis.run import Run
from phrasing.errors import CompletionError, SuiteError, UserError
from phrasing.runs import lazy, store
from phrasing.suite.file import load_suite
from phrasing.types import Completion, Request
from support.mailbox import MAILBOX, TASKS, at_random, deciding, mailbox, right
from support.tiny_runs import cache

__all__ = ["cache"]

Complete = Callable[[Request], Awaitable[Completion]]


@pytest.fixture(autouse=True)
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHRASING_TRUST", "1")


class Counting:
    """A model that answers by the request alone, remembers what it was asked, and is cut off after ``last`` answers."""

    def __init__(self, last: int | None = None) -> None:
        self.asked: list[str] = []
        self._last = last

    async def __call__(self, request: Request) -> Completion:
        if self._last is not None and len(self.asked) >= self._last:
            raise asyncio.CancelledError
        await asyncio.sleep(0)
        self.asked.append(request.key)
        return at_random(request)


def lines(folder: Path) -> dict[str, str]:
    """Give what a run holds of each trial and step, without its times."""
    return {name: result.model_copy(update={"at": ""}).model_dump_json() for name, result in store.results(folder).items()}


def test_a_right_agent_does_every_task_and_each_step_is_kept(tmp_path: Path) -> None:
    run = phrasing.run(mailbox(tmp_path), complete=deciding(right))
    assert [result.scores["success"].value for result in run.results.values()] == [1] * len(TASKS)
    steps = lazy.results(run.folder, steps=True).results
    whole = run.results["mailbox::to-ann[DetermineNextStepMail@talk,none,lines,prompted,scripted]#0"]
    mine = [result for result in steps.values() if result.case == "to-ann"]
    assert [result.trial for result in mine] == [f"{whole.trial}/{number}" for number in range(1, 5)]
    assert [result.parsed.step.intent for result in mine if result.parsed and result.parsed.step] == [
        "look_up", "send", "finish", "finish"
    ]  # fmt: skip
    assert whole.outcome is not None
    assert (whole.outcome.ended, whole.outcome.steps) == ("done", 4)
    assert whole.outcome.peak_tokens == max(result.tokens.total for result in mine)
    assert whole.tokens.total == sum(result.tokens.total for result in mine)
    assert whole.completion is not None
    assert (whole.completion.usage.prompt, whole.completion.usage.cached, whole.completion.cost) == (400, 160, 0.004)
    parts = [store.prompts(run.folder)[str(result.since)]["part"] for result in [*mine, whole]]
    shown = [event["type"] for part in parts for event in part["events"]]
    assert shown == ["mail", "look_up", "look_up_result", "send", "send_result", "finish", "delivered", "finish"]
    assert [effect["type"] for part in parts for effect in part["effects"]] == ["sent"]


def test_a_prompt_shows_the_thread_as_far_as_it_has_come_edited_at_each_step(tmp_path: Path) -> None:
    (tmp_path / "formats" / "edits").mkdir(parents=True)
    edit = 'LOSSY = "all but the last two"\n\ndef edit(thread):\n    return {"events": thread["events"][-2:]}\n'
    (tmp_path / "formats" / "edits" / "last_two.py").write_text(edit)
    path = mailbox(tmp_path, tasks=TASKS[:1], edits=["none", "last_two"])
    asked: dict[bool, list[int]] = {True: [], False: []}

    async def complete(request: Request) -> Completion:
        text = str(request.messages[-1]["content"])
        threads = [line for line in text.splitlines() if line and not line.startswith("What")]
        asked[len(threads) <= 2 and "mail" not in threads[0]].append(len(threads))
        return at_random(request)

    run = phrasing.run(path, complete=complete)
    assert max(asked[True]) == 2
    assert max(asked[False]) > 2
    assert len(run.results) == 2


@pytest.mark.parametrize("seed", range(3))
def test_a_run_that_is_cut_off_anywhere_goes_on_and_asks_nothing_twice(tmp_path: Path, seed: int) -> None:
    path = mailbox(tmp_path, formats=["lines", "tags"], repeats=2, params={"temperature": 1})
    calm = Counting()
    whole = phrasing.run(path, complete=calm, runs=tmp_path / "calm")
    rng, folder, asked = random.Random(seed), None, list[str]()
    for _ in range(200):
        model = Counting(rng.randint(1, 9))
        run = phrasing.run(path, complete=model, resume=folder, jobs=rng.choice([1, 2, None]))
        folder, asked = run.folder, asked + model.asked
        if not Run(run.folder).unanswered:
            break
    assert lines(run.folder) == lines(whole.folder)
    assert Counter(asked) == Counter(calm.asked)
    again = Counting()
    phrasing.run(path, complete=again, resume=run.folder)
    assert not again.asked


def test_an_answer_to_what_is_asked_otherwise_now_doesnt_count(tmp_path: Path) -> None:
    path = mailbox(tmp_path)
    run = phrasing.run(path, complete=deciding(right))
    before = lines(run.folder)
    quicker = MAILBOX.replace('"after": 30', '"after": 20')
    (tmp_path / "environments" / "mailbox.py").write_text(quicker)
    model = Counting()
    again = phrasing.run(path, complete=model, resume=run.folder)
    assert not model.asked  # the same prompts: only what came of the answers is another thing
    after = lines(again.folder)
    assert {name for name in before if before[name] != after[name]} == {name for name in before if "#0/" not in name}
    (tmp_path / "environments" / "mailbox.py").write_text(quicker.replace('"sent", "call"', '"it is sent", "call"'))
    phrasing.run(path, complete=model, resume=run.folder)
    assert model.asked
    assert all(result.error is None for result in again.results.values())


def test_a_recording_answers_every_step(tmp_path: Path) -> None:
    path = mailbox(tmp_path, formats=["lines", "tags"])
    run = phrasing.run(path, complete=Counting())
    again = phrasing.run(path, replay=run.folder)
    assert lines(again.folder) == lines(run.folder)
    shorter = [{**task, "max_steps": 2} for task in TASKS]
    fewer = phrasing.run(mailbox(tmp_path, tasks=shorter, formats=["lines"]), replay=run.folder)
    assert max(result.outcome.steps for result in fewer.results.values() if result.outcome) == 2


def test_what_a_recording_lacks_is_said_of_the_trial(tmp_path: Path) -> None:
    path = mailbox(tmp_path)
    run = phrasing.run(path, complete=deciding(right))
    text = (tmp_path / "baml_src" / "mail.baml").read_text()
    (tmp_path / "baml_src" / "mail.baml").write_text(text.replace("You send mail", "You send letters"))
    lacking = phrasing.run(path, replay=run.folder)
    assert {result.error.kind for result in lacking.results.values() if result.error} == {"not recorded"}
    assert lacking.unanswered == len(TASKS)
    asking = phrasing.run(path, replay=run.folder, missing="ask", complete=deciding(right))
    assert asking.unanswered == 0


# ---------------------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ("raise KeyError('gone')", "23: advance raised KeyError: 'gone'"),
        ("while True: pass", "11: advance took longer than 0.3 s (TIME_LIMIT)"),
        ("effects.append({'type': 'sent', 'data': {1, 2}})", "11: advance returned what isn't JSON: {1, 2} at .effects.0.data"),
        ("events.append({'type': 'x', 'call': 'call_9'})", "11: advance returned what doesn't fit: "),
    ],
)
def test_an_environment_that_goes_wrong_in_a_task_leaves_the_others(tmp_path: Path, new: str, message: str) -> None:
    old = 'elif step == "look_up":'
    wrong = f'elif step == "look_up" and args["query"] == "ann" and not asked:\n            {new}\n        {old}'
    path = mailbox(tmp_path, environment=MAILBOX.replace(old, wrong) + "\nTIME_LIMIT = 0.3\n")
    run = phrasing.run(path, complete=deciding(right))
    found = {result.case: result for result in run.results.values()}
    failed = found["to-ann"].error
    assert failed is not None
    assert failed.kind == "environment"
    assert failed.message.startswith(f"task 'to-ann', after step 1: {tmp_path}/environments/mailbox.py:{message}")
    assert {name for name, result in found.items() if result.error is None} == {"to-bob", "ask-who"}
    assert run.unanswered == 2
    (tmp_path / "environments" / "mailbox.py").write_text(MAILBOX)
    mended = phrasing.run(path, complete=deciding(right), resume=run.folder)
    assert mended.unanswered == 0


def test_an_environment_that_is_random_without_its_seed_is_named(tmp_path: Path) -> None:
    text = "import random\n" + MAILBOX.replace('"asked": 0, "seed": seed', '"asked": 0, "seed": random.random()')
    run = phrasing.run(mailbox(tmp_path, environment=text), complete=deciding(right))
    for result in run.results.values():
        assert result.error is not None
        assert result.error.kind == "environment"
        assert "isn't the same when it is done again" in result.error.message


def test_a_model_that_gives_no_answer_ends_its_run_and_is_asked_again(tmp_path: Path) -> None:
    path = mailbox(tmp_path)
    lacks = [True]

    async def complete(request: Request) -> Completion:
        lines = str(request.messages[-1]["content"])
        if "look_up_result" in lines and lacks[0]:
            raise CompletionError("transient", "503")
        return await deciding(right)(request)

    run = phrasing.run(path, complete=complete)
    assert run.unanswered == sum(result.error is not None for result in run.results.values()) > 0
    lacks[0] = False
    assert phrasing.run(path, complete=complete, resume=run.folder).unanswered == 0


def test_a_model_that_never_finishes_stops_at_the_limit(tmp_path: Path) -> None:
    run = phrasing.run(mailbox(tmp_path), complete=deciding(lambda lines: ("look_up", {"query": "ann"})))
    assert {result.outcome.ended for result in run.results.values() if result.outcome} == {"limit"}


def test_no_step_is_asked_after_a_budget_is_used_up(tmp_path: Path) -> None:
    path = mailbox(tmp_path)
    run = phrasing.run(path, complete=deciding(right), max_calls=5, jobs=1)
    assert len(lazy.results(run.folder, steps=True).results) == 5
    assert run.unanswered == len(TASKS) - len(run.results) > 0
    assert phrasing.run(path, complete=deciding(right), resume=run.folder).unanswered == 0


# ---------------------------------------------------------------------------------------------- the grid


def test_control_is_an_axis(tmp_path: Path) -> None:
    once = "async def run(agent):\n    await agent.do(await agent.next_step())\n    agent.stop('one step is enough')\n"
    path = mailbox(tmp_path, controls={"once": once}, control=["talk", "once"], baseline={"control": "talk"})
    run = phrasing.run(path, complete=deciding(right))
    table = run.summary()
    assert table["control"].tolist() == ["talk", "once"]
    assert table["success"].tolist() == [1, 0]
    assert run.compare()["won"].tolist() == [0]
    assert set(run.trials()["control"]) == {"talk", "once"}


def test_shares_of_a_run_are_merged(tmp_path: Path) -> None:
    tasks = [{**task, "id": f"{task['id']}-{number}"} for number in range(8) for task in TASKS]
    path = mailbox(tmp_path, tasks=tasks)
    whole = phrasing.run(path, complete=deciding(right))
    parts = [phrasing.run(path, complete=deciding(right), shard=f"{i}/2") for i in (1, 2)]
    merged = phrasing.merge(parts, runs=tmp_path / "merged")
    assert lines(merged.folder) == lines(whole.folder)
    assert merged.summary().equals(whole.summary())


def test_a_gate_holds_what_runs_are_worth(tmp_path: Path) -> None:
    require = [{"score": "success", "min": 0.9}, {"score": "forbidden", "max": 0}, {"score": "limit_reached", "max": 0.1}]
    run = phrasing.run(mailbox(tmp_path, require=require), complete=deciding(right))
    assert [result.passed for result in run.gates()] == [True, True, True]


MAIL = {"functions": ["DetermineNextStepMail"]}
TASKED = {"tasks": "mailbox", **MAIL}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"control": ["tlak"]}, "control.0: control 'tlak' not found (did you mean 'talk'?); there are: talk"),
        ({"agents": [{"tasks": "mialbox", **MAIL}]}, "agents.0.tasks: tasks 'mialbox' not found"),
        ({"agents": [{**TASKED, "environment": "x"}]}, "agents.0.environment: environment 'x' not found"),
        ({"agents": [{**TASKED, "dataset": "mail"}]}, "dataset: stands beside tasks; an agent has one of them"),
        ({"agents": [{"dataset": "mail", "environment": "mailbox", **MAIL}]}, "environment: is for tasks; a dataset has none"),
        ({"agents": [{**TASKED, "examples": ["a"]}]}, "examples: is for a dataset; tasks have no such thing"),
        (
            {"agents": [{"dataset": "mail", **MAIL}], "control": ["talk"]},
            "control: is for agents with tasks, which are run to their end",
        ),
        ({"compare": {"score": "sucess"}}, "compare.score: score 'sucess' not found (did you mean 'success'?)"),
        ({"compare": {"score": "limit_reached"}}, "compare.score: 'limit_reached' is better the lower it is: hold it by a gate"),
        ({"require": [{"score": "intent", "min": 0.5}]}, "require.0.score: score 'intent' not found"),
        ({"scorers": ["evals/x.py:y"]}, "scorers: score one answer; what a run was worth says its environment"),
    ],
)
def test_a_suite_that_names_what_isnt_there_is_refused(tmp_path: Path, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(SuiteError) as refused:
        phrasing.resolve(load_suite(mailbox(tmp_path, **keys)))
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"people": [{"asked": {"intent": "aks"}}]}, "people[0].asked.intent: step 'aks' not found (did you mean 'ask'?)"),
        ({"forbid": [{"type": "lsot"}]}, "forbid[0].type: effect 'lsot' not found (did you mean 'lost'?); there are: lost, sent"),
        ({"poeple": []}, "key 'poeple' not found (did you mean 'people'?)"),
        ({"people": [{"asked": {"intent": "ask"}, "answr": 1}]}, "people[0]: key 'answr' not found (did you mean 'answer'?)"),
        ({"max_steps": 0}, "max_steps: wanted"),
        ({"id": "To Ann"}, "id: wanted kebab-case"),
        ({"events": []}, "events: wanted at least one, got []"),
        ({"events": [{"type": "x", "role": "result"}]}, "a result, but every step before it has one"),
    ],
)
def test_a_task_that_is_wrong_is_refused_with_its_line(tmp_path: Path, task: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as refused:
        phrasing.resolve(load_suite(mailbox(tmp_path, tasks=[TASKS[0], {**TASKS[1], **task}])))
    assert message in str(refused.value)
    assert "tasks/mailbox.jsonl:2:" in str(refused.value)


def test_a_file_without_tasks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no tasks; wanted one JSON object a line"):
        phrasing.resolve(load_suite(mailbox(tmp_path, tasks=[])))


def test_a_run_that_is_read_again_says_the_same(tmp_path: Path) -> None:
    run = phrasing.run(mailbox(tmp_path, formats=["lines", "tags"]), complete=Counting())
    again = Run(run.folder)
    assert again.summary().equals(run.summary())
    assert again.trials().equals(run.trials())
    assert json.loads((run.folder / "run.json").read_text())["judged"] == ["asked"]
