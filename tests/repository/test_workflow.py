"""The workflow that users copy, and the project's own: GitHub takes them, and every command in them is one that there is."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from phrasing.cli import main
from support.paths import REPOSITORY

FOLDER = REPOSITORY / "docs" / "ci"
WORKFLOW = FOLDER / "phrasing.yml"
OWN = REPOSITORY / ".github" / "workflows" / "ci.yml"
JOBS: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text("utf-8"))["jobs"]
STEPS = [step for job in JOBS.values() for step in job["steps"]]


def commands(text: str) -> list[str]:
    """The phrasing commands among lines of shell."""
    found = re.findall(r"^\s*(?:! )?phrasing (.+?)(?:\s+#.*|\s*\|.*|\s*&.*)?$", text, re.MULTILINE)
    return [re.sub(r"\$\{\{[^}]*\}\}", "1", command) for command in found]


IN_WORKFLOW = [command for step in STEPS for command in commands(step.get("run", ""))]
IN_PAGE = [
    command
    for block in re.findall(r"```(?:sh|yaml)\n(.*?)```", (FOLDER / "README.md").read_text("utf-8"), re.DOTALL)
    for command in commands(re.sub(r"^\s*(?:- )?run: ", "", block, flags=re.MULTILINE))
]


@pytest.mark.slow
@pytest.mark.parametrize("path", [WORKFLOW, OWN], ids=["users", "own"])
def test_github_takes_the_workflow(path: Path) -> None:
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)]
    done = subprocess.run(command, env={**os.environ, **nowhere}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", sorted({*IN_WORKFLOW, *IN_PAGE}))
def test_every_command_parses(command: str) -> None:
    verb, *arguments = shlex.split(command)
    known = main.get_command(click.Context(main), verb)
    assert known, f"there is no phrasing {verb}"
    known.make_context(verb, arguments, parent=click.Context(main))


def test_the_workflow_and_its_page_have_commands() -> None:
    assert {command.split()[0] for command in IN_WORKFLOW} == {"check", "tokens", "run", "merge", "report"}
    assert len(IN_PAGE) >= 5


def test_what_a_stranger_may_write_is_in_no_script() -> None:
    scripts = " ".join(step.get("run", "") for step in STEPS)
    assert set(re.findall(r"\$\{\{\s*([\w.]+)", scripts)) <= {"matrix.shard"}


def test_shards_and_their_number_agree() -> None:
    shards = JOBS["live"]["strategy"]["matrix"]["shard"]
    (asked,) = [step["run"] for step in JOBS["live"]["steps"] if "--shard" in step.get("run", "")]
    assert shards == list(range(1, int(asked.split("}}/")[1].split()[0]) + 1))


def test_only_the_job_that_asks_knows_a_key() -> None:
    assert [name for name, job in JOBS.items() if "secrets." in str(job)] == ["live"]
    assert yaml.safe_load(WORKFLOW.read_text("utf-8"))["permissions"] == {"contents": "read"}


# ---------------------------------------------------------------------------------------------- the project's own

OWN_JOBS: dict[str, Any] = yaml.safe_load(OWN.read_text("utf-8"))["jobs"]
OWN_SCRIPTS = "\n".join(step.get("run", "") for job in OWN_JOBS.values() for step in job["steps"])


def test_the_tests_are_for_three_systems_and_every_version_that_is_allowed() -> None:
    matrix = OWN_JOBS["test"]["strategy"]["matrix"]
    assert [system.partition("-")[0] for system in matrix["os"]] == ["ubuntu", "macos", "windows"]
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert 'requires-python = ">=3.11.' in (REPOSITORY / "pyproject.toml").read_text("utf-8")


def test_every_command_of_our_own_is_one_that_there_is() -> None:
    targets = re.findall(r"^([\w-]+):", (REPOSITORY / "Makefile").read_text("utf-8"), re.MULTILINE)
    named = re.findall(r"^make ([\w-]+)", OWN_SCRIPTS, re.MULTILINE)
    assert len(named) == 4
    assert set(named) <= set(targets)
    assert all((REPOSITORY / name).is_file() for name in re.findall(r"\b(?:tools/\S+\.py|requirements\.lock)", OWN_SCRIPTS))
    assert commands(OWN_SCRIPTS)
    for command in commands(OWN_SCRIPTS):
        test_every_command_parses(command)
    assert "${{" not in OWN_SCRIPTS


def test_the_linter_of_workflows_finds_nothing() -> None:
    program = Path(sysconfig.get_path("scripts"), "zizmor")
    command = [str(program), "--offline", "--no-progress", "--config", str(REPOSITORY / ".github" / "zizmor.yml")]
    done = subprocess.run([*command, str(OWN)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_hooks_before_a_commit_run_what_the_project_installs() -> None:
    (repository,) = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    assert repository["repo"] == "local"
    programs = {hook["entry"].split()[0] for hook in repository["hooks"]}
    assert programs == {f".venv/bin/{name}" for name in ("ruff", "mypy", "check-jsonschema")}
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
