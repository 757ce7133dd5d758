"""The simulations that show whether the statistics hold: they run, and their committed tables say what their figures say."""

from __future__ import annotations

import csv
import importlib
import subprocess
import sys
from pathlib import Path
from statistics import fmean

import pytest

from support.paths import REPOSITORY

RESULTS = REPOSITORY / "benchmarks"


def run(*options: str) -> None:
    command = [sys.executable, "-m", "benchmarks.calibration", *options]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def rows(folder: Path, kind: str) -> list[dict[str, str]]:
    with (folder / "calibration.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["kind"].startswith(kind)]


def average(found: list[dict[str, str]], column: str) -> float:
    return fmean(float(row[column]) for row in found if row[column])


@pytest.mark.slow
def test_a_short_run_finds_about_what_is_promised(tmp_path: Path) -> None:
    run("--simulations", "24", "--every", "19", "--jobs", "1", "--to", str(tmp_path))
    assert 0.88 < average(rows(tmp_path, "coverage"), "coverage") <= 1
    assert 0.85 < average(rows(tmp_path, "coverage"), "own coverage") <= 1
    assert average(rows(tmp_path, "families"), "rate") < 0.2
    assert average(rows(tmp_path, "inferior"), "rate") < 0.25
    assert 0.6 < average(rows(tmp_path, "promised"), "rate") < 0.95
    assert {row["kind"] for row in rows(tmp_path, "")} == {row["kind"] for row in rows(RESULTS, "")}
    assert (tmp_path / "calibration.md").read_text("utf-8").startswith("# Calibration\n")


def test_the_committed_tables_say_what_the_committed_figures_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "calibration.csv").write_bytes((RESULTS / "calibration.csv").read_bytes())
    monkeypatch.syspath_prepend(REPOSITORY)
    monkeypatch.setattr(sys, "argv", ["calibration", "--tables", "--to", str(tmp_path)])
    importlib.import_module("benchmarks.calibration.__main__").main()
    assert (tmp_path / "calibration.md").read_text("utf-8") == (RESULTS / "calibration.md").read_text("utf-8")


def test_the_committed_figures_are_of_a_full_run() -> None:
    simulations = {row["kind"]: int(row["simulations"]) for row in rows(RESULTS, "")}
    assert min(count for kind, count in simulations.items() if kind != "ratios") >= 4000
    assert simulations["ratios"] >= 1000
