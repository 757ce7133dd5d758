"""The page on agents that are run to their end, followed to the letter."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

import phrasing
from phrasing import cli
from phrasing.records import Outcome
from phrasing.rollout.loop import Agent
from phrasing.scores import ROLLOUT_SCORES
from phrasing.suite.tasks import Task
from phrasing.types import Completion, Request
from support.paths import REPOSITORY

PAGE = (REPOSITORY / "docs" / "rollouts.md").read_text("utf-8")
FILES = dict(re.findall(r"`([a-z_]+/[a-z_]+\.[a-z]+)`[^\n]*:[^\n]*\n\n```[a-z]+\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = re.findall(r"^phrasing .+$", PAGE.partition("## Environments")[0], re.MULTILINE)


def project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write what the page says, as far as to its suite."""
    monkeypatch.setenv("PHRASING_TRUST", "1")
    monkeypatch.chdir(folder)
    init = CliRunner().invoke(cli.main, shlex.split(COMMANDS[0])[1:], catch_exceptions=False)
    assert init.exit_code == 0, init.output
    monkeypatch.chdir("lamps")
    for name, text in FILES.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text, "utf-8")


def test_the_page_names_its_files_and_commands() -> None:
    assert [*FILES] == [
        "baml_src/lamps.baml", "environments/lamps.py", "tasks/lamps.jsonl", "evals/lamps.yaml", "controls/mine.py"
    ]  # fmt: skip
    assert [shlex.split(command)[1] for command in COMMANDS] == ["init", "check", "run", "show"]
    assert (REPOSITORY / "controls" / "talk.py").read_text("utf-8") in PAGE


async def right(request: Request) -> Completion:
    """Do what the tasks of the page want."""
    shown = str(request.messages[-1]["content"]) if len(request.messages) < 3 else json.dumps(request.messages)
    todo = [("kitchen", "on")] if "Turn the kitchen" in shown else [("kitchen", "on"), ("hall", "off")]
    todo = [("kitchen", "off")] if "nursery" in shown else todo
    left = [(lamp, to) for lamp, to in todo if f"{lamp} is {to}" not in shown]
    step = {"intent": f"turn_{left[0][1]}", "lamp": left[0][0]} if left else {"intent": "all_done"}
    return Completion(text=json.dumps(step))


def test_a_right_agent_does_what_the_page_wants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, monkeypatch)
    checked = CliRunner().invoke(cli.main, shlex.split(COMMANDS[1])[1:], catch_exceptions=False)
    assert checked.exit_code == 0, checked.output
    assert "lamps: " in checked.output
    assert "steps done in the worlds of 3 tasks: the same each time" in checked.output
    suite = Path("evals/lamps.yaml")
    suite.write_text(suite.read_text() + "control: [talk, mine]\nbaseline: {control: talk}\n")
    run = phrasing.run(suite, complete=right)
    assert set(run.summary()["success"]) == {1}
    assert set(run.summary()["control"]) == {"talk", "mine"}
    assert run.summary()["forbidden_k"].tolist() == [0] * 4


@pytest.mark.model
def test_the_page_is_followed_to_the_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, monkeypatch)
    for command in COMMANDS[1:]:
        done = CliRunner().invoke(cli.main, shlex.split(command)[1:], catch_exceptions=False)
        assert done.exit_code == 0, done.output
    assert "one-lamp" in done.output


def test_the_page_says_all_there_is() -> None:
    measured = PAGE.partition("## What is measured")[2]
    assert not [score.name for score in ROLLOUT_SCORES if f"`{score.name}`" not in measured]
    assert not [
        name
        for name in vars(Agent)
        if not name.startswith("_") and name != "since" and f"`{name}" not in PAGE and f" {name}(" not in PAGE
    ]
    told = PAGE.partition("## Tasks")[2].partition("## Controls")[0]
    assert not [name for name in Task.model_fields if f"`{name}`" not in told]
    endings = [
        *re.findall(r'"(\w+)"', str(Outcome.model_fields["ended"].annotation)),
        "done",
        "over",
        "limit",
        "waiting",
        "stopped",
    ]
    assert not [ending for ending in endings if f"`{ending}`" not in measured]
