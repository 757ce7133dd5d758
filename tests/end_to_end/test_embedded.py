"""The whole way with the real model: the command line, the embedded server, a run folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import phrasing
from phrasing.models.local.provider import FORCED
from phrasing.report.markdown import markdown
from phrasing.runs import store
from support.paths import REPOSITORY

pytestmark = pytest.mark.model

PHRASING = [sys.executable, "-m", "phrasing"]
SMALL = ["run", "evals/quickstart.yaml", "-f", "messages_text", "-f", "xml_yaml", "-n", "3"]
TRIALS = 6


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped project, with its runs elsewhere than in the checkout."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("baml_src", "datasets", "formats", "evals"):
        (folder / name).symlink_to(REPOSITORY / name)
    return folder


def _run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PHRASING, *SMALL, *arguments], cwd=project, capture_output=True, text=True, check=False)


def _latest(project: Path) -> phrasing.Run:
    return phrasing.Run(store.find(project / "runs", "latest"))


def test_same_run_twice_gives_the_same_answers_and_a_replay_the_same_report(project: Path) -> None:
    runs = []
    for _ in range(2):
        done = _run(project)
        assert done.returncode == 0, done.stderr
        assert "Trials by the step that was chosen" in done.stdout
        runs.append(_latest(project))
    first, second = runs
    assert first.folder != second.folder
    assert len(first.results) == TRIALS
    texts = [{name: result.completion and result.completion.text for name, result in run.results.items()} for run in runs]
    assert texts[0] == texts[1]
    assert all(r.completion and r.completion.usage.prompt and r.completion.latency for r in first.results.values())

    assert _run(project, "--replay", str(first.folder)).returncode == 0
    replayed = _latest(project)
    assert markdown(replayed.report()) == markdown(first.report())
    assert replayed.trials().to_csv() == first.trials().to_csv()


def test_killed_run_keeps_what_was_answered_and_resume_asks_only_the_rest(project: Path) -> None:
    before = set((project / "runs").glob("*/*"))
    process = subprocess.Popen([*PHRASING, *SMALL], cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder, lines = None, 0
    deadline = time.monotonic() + 240
    while lines < 1:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
        new = set((project / "runs").glob("*/*")) - before
        folder = new.pop() if new else folder
        if folder and (folder / store.RESULTS).exists():
            lines = (folder / store.RESULTS).read_bytes().count(b"\n")
    servers = _children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert servers
    while any(Path(f"/proc/{pid}").exists() for pid in servers):
        assert time.monotonic() < deadline, "the model's server outlived its parent"
        time.sleep(0.05)

    assert folder is not None
    answered = {name: result.key for name, result in store.results(folder).items()}
    assert 1 <= len(answered) < TRIALS
    done = _run(project, "--resume")
    assert done.returncode == 0, done.stderr
    written = [json.loads(line) for line in (folder / store.RESULTS).read_text("utf-8").splitlines()]
    assert len(written) == TRIALS
    assert {line["trial"]: line["key"] for line in written[: len(answered)]} == answered


def _children(pid: int) -> list[int]:
    # a child is listed under the thread that started it
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]


def test_tool_calls_written_as_text_are_read_and_marked(project: Path) -> None:
    run = phrasing.run(
        project / "evals" / "formats.yaml",
        runs=project / "runs",
        models=["local/qwen2.5-coder-0.5b"],
        formats=["messages"],
        cases=2,
    )
    table = run.trials()
    assert len(table) == 2
    assert set(table["error"].dropna()) == set()
    for result in run.results.values():
        assert result.parsed is not None
        assert result.completion is not None
        assert result.parsed.step is not None
        assert not result.completion.tool_calls
        assert result.completion.emulated == FORCED
        assert result.parsed.marks == ("text_call",)
        assert result.scores["strict"].value == 0
