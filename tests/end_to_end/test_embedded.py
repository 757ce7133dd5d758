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
from phrasing.runs import run_folders, store
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
    return phrasing.Run(run_folders.find(project / "runs", "latest"))


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
    process, folder = _running(project)
    deadline = time.monotonic() + 240
    servers = _children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert servers
    while any(Path(f"/proc/{pid}").exists() for pid in servers):
        assert time.monotonic() < deadline, "the model's server outlived its parent"
        time.sleep(0.05)

    answered = {name: result.key for name, result in store.results(folder).items()}
    assert 1 <= len(answered) < TRIALS
    done = _run(project, "--resume")
    assert done.returncode == 0, done.stderr
    written = [json.loads(line) for line in (folder / run_folders.RESULTS).read_text("utf-8").splitlines()]
    assert len(written) == TRIALS
    assert {line["trial"]: line["key"] for line in written[: len(answered)]} == answered


def _running(project: Path) -> tuple[subprocess.Popen[str], Path]:
    """Start a run, and give it with its folder once the first answer is there."""
    before = set((project / "runs").glob("*/*"))
    process = subprocess.Popen([*PHRASING, *SMALL], cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 240
    while True:
        assert process.poll() is None
        assert time.monotonic() < deadline
        for folder in set((project / "runs").glob("*/*")) - before:
            if (folder / run_folders.RESULTS).exists() and (folder / run_folders.RESULTS).read_bytes().count(b"\n"):
                return process, folder
        time.sleep(0.05)


def _server_of(process: subprocess.Popen[str], *, but: int | None = None) -> int:
    """Give the process of a run's server, which isn't ``but``."""
    deadline = time.monotonic() + 240
    while True:
        assert process.poll() is None
        assert time.monotonic() < deadline
        found = [pid for pid in _children(process.pid) if pid != but and b"models.local.serve" in _command(pid)]
        if found:
            return found[0]
        time.sleep(0.02)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


def test_a_server_that_is_killed_in_the_middle_costs_no_answer(project: Path) -> None:
    process, folder = _running(project)
    first = _server_of(process)
    os.kill(first, signal.SIGKILL)
    second = _server_of(process, but=first)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert [line.split()[0] for line in err.splitlines()].count("loading") == 1
    assert "qwen2.5-coder-0.5b: the model's server died, and is started again: it was killed (SIGKILL)" in err
    results = store.results(folder)
    assert len(results) == TRIALS
    assert all(result.completion and not result.error for result in results.values())
    assert not any(_command(pid) for pid in (first, second))


def test_a_server_that_is_killed_twice_stops_its_model_and_says_why(project: Path) -> None:
    process, folder = _running(project)
    first = _server_of(process)
    os.kill(first, signal.SIGKILL)
    second = _server_of(process, but=first)
    os.kill(second, signal.SIGKILL)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 3, err
    why = store.read_run(folder).stopped["qwen2.5-coder-0.5b"]
    assert "the embedded model's server d" in why
    assert "it was killed (SIGKILL), as the system does when memory runs out" in why
    assert "it was killed" in out + err
    assert not any(_command(pid) for pid in (first, second))
    # nothing is in the way of going on
    done = _run(project, "--resume")
    assert done.returncode == 0, done.stderr
    assert all(result.completion for result in store.results(folder).values())


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
