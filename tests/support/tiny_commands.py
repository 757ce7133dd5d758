"""Verbs called in a tiny project: the project as a fixture, the call, runs on scripted models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import phrasing
from phrasing.analysis.run import Run
from phrasing.cli import main
from phrasing.errors import CompletionError
from phrasing.runs import runner
from phrasing.types import Completion, Request
from support.tiny_runs import CASES, case, commit, obey, says, world

Call = Callable[..., Result]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny project, and the working folder in it; no key anywhere."""
    world(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def call(*words: str, code: int = 0) -> Result:
    """Run a verb; whatever isn't an exit comes out as it is, so a traceback fails the test."""
    done = CliRunner().invoke(main, words, prog_name="phrasing", catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done


def printed_by(*words: str, code: int = 0) -> str:
    """Run a verb, and give what it prints and says."""
    return call(*words, code=code).output


def recorded(complete: runner.Complete = obey, **options: Any) -> Run:
    """Run the project's suite on a scripted model."""
    return phrasing.run("evals/small.yaml", complete=complete, **options)


def written(project: Path) -> list[str]:
    """What stands in runs/."""
    return sorted(str(path.relative_to(project)) for path in (project / "runs").rglob("*") if path.is_file())


async def flaky(request: Request) -> Completion:
    if "a-2" in str(request.messages):
        raise CompletionError("transient", "HTTP 503")
    return await obey(request)


def rewrite(project: Path, name: str, by: str) -> str:
    """Write a rewrite of the first words of the project's function; give the function as a suite names it then."""
    (project / "prompts").mkdir(exist_ok=True)
    (project / "prompts" / f"{name}.yaml").write_text(f"replace:\n- text: You send mail for a person.\n  by: {by}\n")
    return f"DetermineNextStepMail({name})"


TAIL = 'LOSSY = "the start"\ndef edit(thread, n=1):\n    return {"events": thread["events"][-n:]}\n'


def tailed(project: Path, **keys: Any) -> None:
    """Write a project with an edit: one case of two events among the others, of one."""
    two = case("b-1")
    two["thread"]["events"].insert(0, {"type": "note", "data": "once upon a time"})
    world(project, cases=[*CASES, two], **keys)
    (project / "formats" / "edits").mkdir(exist_ok=True)
    (project / "formats" / "edits" / "tail.py").write_text(TAIL)


@pytest.fixture
def revised(project: Path) -> Path:
    """A project whose ``v1`` asks with formats lines and tags, and now with lines only, of other cases."""
    commit(project, "v1")
    (project / "formats" / "tags.j2").unlink()
    world(project, formats=["lines"], cases=[case("b-1")])
    (project / "formats" / "tags.j2").unlink()
    return project


async def eager(request: Request) -> Completion:
    """Obey, but send where tags are shown."""
    return says("send") if "<mail>" in str(request.messages) else await obey(request)
