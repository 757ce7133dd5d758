"""``make quickstart``: its commands are verbs of every day, ask the model little, and say what is decided."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import phrasing
from phrasing.cli import main
from phrasing.plan.resolve import lay_out
from phrasing.plan.selection import Selection
from phrasing.runs import run_folders
from phrasing.suite.file import load_suite
from phrasing.types import Completion, Request
from support.paths import REPOSITORY
from support.small_projects import cache

__all__ = ["cache"]

MOST = 45
"""How many trials may be asked: more take the model longer than anybody waits who only wants to see it work."""

MAKEFILE = (REPOSITORY / "Makefile").read_text("utf-8")
RECIPE = re.findall(r"^quickstart:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)[0].splitlines()
COMMANDS = [shlex.split(line)[1:] for line in RECIPE if line.startswith("\t$(BIN)/phrasing ")]
ASKING = [words for words in COMMANDS if words[0] == "run" and "--replay" not in words]


def test_each_command_is_shown_after_a_line_that_says_what_it_is_for() -> None:
    said = [line for line in RECIPE if "printf" in line]
    assert [words[0] for words in COMMANDS] == ["run", "run", "run", "compare"]
    assert len(RECIPE) == 2 * len(COMMANDS) + 1
    for number, (before, command) in enumerate(zip(RECIPE[::2], RECIPE[1::2], strict=False), 1):
        assert before == said[number - 1]
        assert f"{number} of {len(COMMANDS)}: " in before
        assert not command.startswith("\t@")  # make shows it


def test_the_page_has_the_same_commands() -> None:
    page = (REPOSITORY / "docs" / "quickstart.md").read_text("utf-8").partition("## 2.")[0]
    block = next(block for block in re.findall(r"```\n(.*?)```", page, re.DOTALL) if "--cases" in block)
    assert [shlex.split(line, comments=True)[1:] for line in block.splitlines()] == COMMANDS


def asked(words: list[str]) -> list[str]:
    """The trials that a command asks of a model."""
    assert words[2] == "--cases"
    return [trial.id for trial in lay_out(load_suite(REPOSITORY / words[1]), Selection(cases=int(words[3]))).trials]


def test_few_trials_are_asked() -> None:
    assert len(ASKING) == 1
    assert 20 <= len(asked(ASKING[0])) <= MOST


def test_the_next_step_shows_one_of_them() -> None:
    page = (REPOSITORY / "docs" / "quickstart.md").read_text("utf-8")
    (named,) = re.findall(r"^phrasing show latest '(.+)'$", page, re.MULTILINE)
    assert len([trial for trial in asked(ASKING[0]) if named in trial]) == 1


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped project, with its runs elsewhere than in the checkout."""
    for name in ("baml_src", "datasets", "formats", "prompts", "evals", "reports"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PHRASING_TRUST", "1")
    return tmp_path


def said(words: list[str]) -> str:
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert max(map(len, done.stdout.splitlines())) <= 80
    return " ".join(done.stdout.split())


def as_recorded(suite: str, *, but: int) -> Callable[[Request], Awaitable[Completion]]:
    """A model that answers as it was recorded to, but for the first answers."""
    kept = phrasing.load(REPOSITORY / run_folders.RECORDINGS / suite)
    left = [but]
    answers = {result.key: result.completion for result in kept.results.values()}

    async def complete(request: Request) -> Completion:
        answer = answers[request.key]
        assert answer is not None
        if not left[0]:
            return answer
        left[0] -= 1
        return answer.model_copy(update={"text": json.dumps({"intent": "nothing like it"})})

    return complete


def test_one_question_is_decided_and_one_is_not(project: Path) -> None:
    first, second = (said(words) for words in COMMANDS[:2])
    assert "Decided: Router20, Router50 and Router100 are worse than Router6 here." in first
    assert "Not decided" not in first
    assert "Not decided: 40 cases can't tell xml_yaml and json from messages_text; it would take about" in second
    assert " Decided" not in second


@pytest.mark.parametrize(
    ("but", "told"), [(0, "All {0} answers are the same as in the recording."), (2, "{1} of {0} answers are")]
)
def test_the_last_command_counts_the_answers_that_are_as_recorded(project: Path, but: int, told: str) -> None:
    ((_, path, _, cases),) = ASKING
    phrasing.run(path, cases=int(cases), complete=as_recorded("quickstart", but=but))
    total = len(asked(ASKING[0]))
    assert told.format(total, total - but) in said(COMMANDS[-1])
