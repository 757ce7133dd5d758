"""A pull request that shortens a prompt, as CI sees it: offline first, then live on the embedded model, in a git repository."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from junitparser import JUnitXml

from support.tiny_runs import REPOSITORY

SUITE = """
description: Does a shorter prompt do as well?
agents:
  - {dataset: calculator, functions: [DetermineNextStepCalculator], sample: 9}
formats: [xml_yaml]
models: [local/qwen2.5-coder-0.5b]
params: {max_tokens: 60}
require:
  - {score: step, margin: 0.9, against: recorded}
  - {score: tokens, max_ratio: 1, against: recorded}
"""

LONG = (
    "You work out sums for a person, one operation at a time. You are shown what has happened so far, oldest first. Pick the one"
)
SHORT = "You work out sums, one operation at a time. Pick"


def run(folder: Path, *command: str, code: int = 0) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in ("baml_src", "formats"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    for name in ("datasets", "evals"):
        (tmp_path / name).mkdir()
    shutil.copy(REPOSITORY / "datasets" / "calculator.jsonl", tmp_path / "datasets")
    (tmp_path / "evals" / "sums.yaml").write_text(SUITE)
    (tmp_path / ".gitignore").write_text("runs/\n")
    run(tmp_path, "git", "init", "-q", "-b", "main")
    commit(tmp_path, "Start")
    return tmp_path


def commit(folder: Path, message: str) -> None:
    run(folder, "git", "add", "-A")
    run(folder, "git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", message)


@pytest.mark.model
def test_a_branch_that_shortens_a_prompt(repository: Path) -> None:
    def phrasing(*arguments: str, code: int = 0) -> str:
        return run(repository, sys.executable, "-m", "phrasing", *arguments, code=code)

    suite = "evals/sums.yaml"
    assert "nothing is recorded for this suite" in phrasing("run", suite, "--update-recording", code=1)
    commit(repository, "Record")
    phrasing("run", suite, "--replay", "recorded")  # what main's own pushes see: all gates hold
    run(repository, "git", "checkout", "-q", "-b", "shorter")
    prompt = repository / "baml_src" / "calculator.baml"
    assert LONG in prompt.read_text()
    prompt.write_text(prompt.read_text().replace(LONG, SHORT))
    commit(repository, "Shorten the prompt")

    # offline: the prompt is cheaper, and what a model makes of it isn't known
    phrasing("check", suite)
    assert "passed: tokens ×0.9" in phrasing("tokens", suite, "--against", "main", "--max-ratio", "1")
    assert "9 of 9 requests have changed since they were recorded" in phrasing("run", suite, "--replay", "recorded", code=3)
    said = phrasing("report", "latest", "--against", "recorded", "--summary", "-")
    assert "1 of 2 gates can't be measured" in said
    assert "| passed | tokens at most 1 times recorded |" in said

    # live: in two jobs, put together
    shards = []
    for shard in ("1/2", "2/2"):
        phrasing("run", suite, "--shard", shard)
        shards.append(str(max((repository / "runs" / "sums").iterdir())))
    merged = phrasing("merge", *shards)
    assert merged.count("passed: ") == 2
    compared = phrasing("compare", "latest", "main")
    assert "changed since main: baml_src/calculator.baml" in compared
    assert "×0.9" in compared
    phrasing("report", "latest", "--against", "main", "-o", "gates.xml")
    assert {case.name for found in JUnitXml.fromfile(str(repository / "gates.xml")) for case in found if case.is_passed} == {
        "correct not worse than recorded by 90 points [xml_yaml]",
        "tokens at most 1 times recorded [xml_yaml]",
    }
