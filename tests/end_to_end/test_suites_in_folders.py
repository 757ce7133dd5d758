"""A suite in a folder below evals/: its name is its path there, wherever runs and recordings are kept and found."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import phrasing
from phrasing.report.recording import update_recording
from phrasing.suite.file import load_suite
from support.tiny_commands import call, project
from support.tiny_runs import cache, obey

__all__ = ["cache", "project"]


@pytest.fixture
def nested(project: Path) -> Path:
    """A suite that two folders have under one stem, and a folder of that name."""
    for folder in ("small", "nightly"):
        (project / "evals" / folder).mkdir()
        shutil.copy(project / "evals" / "small.yaml", project / "evals" / folder / "small.yaml")
    return project


def test_its_name_is_its_path(nested: Path) -> None:
    names = {
        path: load_suite(Path(path)).name for path in ("evals/small.yaml", "evals/small/small.yaml", "evals/nightly/small.yaml")
    }
    assert list(names.values()) == ["small", "small/small", "nightly/small"]
    assert load_suite(nested / "evals" / "nightly" / "small.yaml").name == "nightly/small"
    shutil.copy("evals/small.yaml", "elsewhere.yaml")
    assert load_suite(Path("elsewhere.yaml")).name == "elsewhere"
    assert call("check").output.count(": good\n") == 3


def test_its_runs_and_recordings_are_its_own(nested: Path) -> None:
    runs = {name: phrasing.run(f"evals/{name}.yaml", complete=obey) for name in ("small", "small/small", "nightly/small")}
    for name, run in runs.items():
        assert run.folder.parent == Path("runs", name)
        assert run.record.suite == name
        assert phrasing.load("latest", suite=name).folder == run.folder
        assert phrasing.load(name).folder == run.folder
    assert phrasing.load("latest").folder.name == max(run.folder.name for run in runs.values())
    for name, run in runs.items():
        assert update_recording(run) == Path("reports", "reference", name)
        call("show", str(run.folder))
    for name in runs:
        call("run", f"evals/{name}.yaml", "--replay", "recorded")
        call("compare", str(runs[name].folder), "recorded")
        call("report", str(runs[name].folder), "-o", f"{name.replace('/', '-')}.html")
    refused = call("compare", "recorded", code=2).output
    assert "nightly/small, small, small/small" in refused
    assert (
        "is a run of 'small', not of 'small/small'"
        in call("run", "evals/small/small.yaml", "--resume", str(runs["small"].folder), code=2).output
    )
