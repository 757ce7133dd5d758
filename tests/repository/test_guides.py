"""The guides' files work as they stand: each is written to a new project and tried by the commands that its guide names."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

import phrasing
from phrasing.cli import main
from phrasing.suite import dataset
from support.paths import REPOSITORY
from support.small_projects import cache, write

__all__ = ["cache"]

_BLOCK = re.compile(r"(?P<before>[^\n]*\n)\n```(?P<language>\w*)\n(?P<text>.*?)```", re.DOTALL)
_NAME = re.compile(r"`([\w/.-]+\.(?:py|j2|yaml|toml))`")
ASKS_NOTHING = ("check", "render", "tokens")
"""Verbs of the command line that need no model."""


def blocks(guide: str, language: str = "") -> list[str]:
    """List the guide's blocks of a language, or those of none."""
    text = (REPOSITORY / "docs" / "guides" / f"{guide}.md").read_text("utf-8")
    return [found["text"] for found in _BLOCK.finditer(text) if found["language"] == language]


def files(guide: str) -> dict[str, str]:
    """Read the guide's files by name: a block is a file if the line before it names one."""
    text = (REPOSITORY / "docs" / "guides" / f"{guide}.md").read_text("utf-8")
    return {names[-1]: found["text"] for found in _BLOCK.finditer(text) if (names := _NAME.findall(found["before"]))}


def commands(guide: str, *verbs: str) -> list[list[str]]:
    """List the guide's commands that have one of these verbs, as words."""
    lines = re.findall(r"^phrasing (.+)$", "".join(blocks(guide)), re.MULTILINE)
    assert lines
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words[0] in verbs]


def said(*words: str) -> str:
    """Run the command line, which has to succeed, and give what it prints."""
    done = CliRunner().invoke(main, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def begun(guide: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Begin a project with the guide's files, run its commands that ask nothing, and give what they print."""
    monkeypatch.chdir(folder)
    said("init", "evaluation")
    monkeypatch.chdir("evaluation")
    written = files(guide)
    assert len(written) == 2
    write(Path(), written)
    return "".join(said(*words) for words in commands(guide, *ASKS_NOTHING))


async def done_for_now(request: phrasing.Request) -> phrasing.Completion:
    """Answer that the agent is done, in more than 120 characters."""
    return phrasing.Completion(text='{"intent": "done_for_now", "message": "36 ' + 120 * "!" + '"}')


def test_add_a_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = begun("add-a-format", tmp_path, monkeypatch)
    (rendered,) = (block.splitlines() for block in blocks("add-a-format") if block.startswith("1. "))
    assert [line for line in rendered if line not in printed] == []
    assert "2 variants, 80 trials: good" in printed
    assert phrasing.run("evals/lines.yaml", complete=done_for_now, cases=2).trials()["format"].nunique() == 2


def test_add_an_edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = begun("add-an-edit", tmp_path, monkeypatch)
    assert blocks("add-an-edit")[-1] in printed
    assert "3 variants, 120 trials: good" in printed
    assert phrasing.run("evals/blank.yaml", complete=done_for_now, cases=2).trials()["edit"].nunique() == 3


def test_add_a_scorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "2 variants, 80 trials: good" in begun("add-a-scorer", tmp_path, monkeypatch)
    run = phrasing.run("evals/messages.yaml", complete=done_for_now, cases=10)
    assert set(run.trials()["short_message"]) == {0.0}
    assert set(run.trials()["names_the_result"].dropna()) <= {0.0, 1.0}
    assert {result.status.value for result in run.gates()} == {"missed"}
    assert "short_message: 0  123 characters" in said("show", "latest", run.trials()["trial"][0])
    said("score", "latest")


def installed(guide: str, folder: Path) -> None:
    """Put the guide's package where Python finds it, with the entry points of its ``pyproject.toml``."""
    written = files(guide)
    project = tomllib.loads(written.pop("pyproject.toml"))["project"]
    info = f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    points = (
        f"[{group}]\n{name} = {value}\n" for group, named in project["entry-points"].items() for name, value in named.items()
    )
    about = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    write(folder, {**written, f"{info}/METADATA": about, f"{info}/entry_points.txt": "".join(points)})


def said_with(site: Path, folder: Path, *words: str) -> str:
    """Run the command line in a process of its own, since what is installed is looked up once in a process."""
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "phrasing", *words]
    environ = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_add_a_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said("init")
    installed("add-a-provider", tmp_path / "site")
    ((*words,),) = commands("add-a-provider", "run")
    printed = said_with(tmp_path / "site", tmp_path, *words)
    assert "done_for_now: a rule, not a model." in " ".join(printed.split())
    assert set(phrasing.load("latest").trials()["chosen"]) == {"done_for_now"}


@pytest.mark.slow
def test_add_an_importer(tmp_path: Path) -> None:
    installed("add-an-importer", tmp_path / "site")
    (ticket,) = blocks("add-an-importer", "json")
    unsolved = ticket.replace("true", "false").replace('"ticket": 17', '"ticket": 18')
    write(tmp_path, {"tickets.jsonl": ticket + unsolved})
    ((*words,),) = commands("add-an-importer", "import")
    printed = said_with(tmp_path / "site", tmp_path, *words)
    assert blocks("add-an-importer")[-1] in printed
    first, second = dataset.load(tmp_path / "datasets" / "orders.jsonl").cases
    assert [label.intent for case in (first, second) for label in case.expect] == ["look_up_order", "respond"]
    assert [event.data for event in first.thread.events] == ["Where is order A-1043?"]
