"""The study: its page says what its files hold, and asking goes on where it stopped."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import phrasing
from phrasing.runs import run_folders, store
from phrasing.suite.file import load_suite
from support.paths import REPOSITORY
from support.tiny_runs import Model, cache, world
from support.tools import tool

__all__ = ["cache"]


@pytest.fixture(scope="module")
def study() -> Any:
    return tool("study")


@pytest.mark.slow
def test_the_page_says_what_the_files_hold() -> None:
    done = subprocess.run(
        [sys.executable, "tools/study.py", "--check"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("fresh\n", 0), "run: python tools/study.py"


def test_what_is_declared_is_in_the_suites(study: Any) -> None:
    """Each family shares 5 %, each case has one of five wordings, and nothing is drawn when the model answers."""
    declared = {path.stem: load_suite(path).suite for path in (REPOSITORY / "evals" / "study").glob("*.yaml")}
    assert declared.keys() == {*study.SUITES}
    for name, suite in declared.items():
        assert suite.compare.score == "intent"
        assert suite.compare.confidence == (0.975 if name in ("steps", "noise") else 0.95)
        assert suite.params == {"max_tokens": 160, "cache_prompt": False}
        assert suite.repeats == 1
        for agent in suite.agents:
            for names in agent.functions.values():
                assert [each.partition("(")[2] for each in names] == [f"wording_{number})" for number in range(1, 6)]


def test_equal_variants_are_shown_to_be_equal_within_a_margin_that_shrinks_with_cases(study: Any) -> None:
    margins = [study.margin(size, 0.25, alpha=0.025, added=1.0) for size in (100, 200, 400, 800)]
    assert margins == sorted(margins, reverse=True)
    assert 0.08 < margins[2] < 0.12


@pytest.mark.parametrize(("cases", "differ", "low", "high"), [(450, 0.25, 0.8, 1.0), (60, 0.3, 0.0, 0.35)])
def test_a_ruler_is_found_where_the_design_can_find_it(study: Any, cases: int, differ: float, low: float, high: float) -> None:
    rng = np.random.default_rng(1)
    theirs = (rng.random(cases) < 0.5).astype(float)
    mine = np.where(rng.random(cases) < differ, 1 - theirs, theirs)
    pair = study.Pair(mine, theirs, np.full(cases, 0.1), np.arange(cases), np.zeros(cases, int))
    found = [study.detected(pair, points, 0.025, draws=100) for points in (0.0, 0.05, 0.1, 0.2)]
    assert found == sorted(found)
    assert found[0] <= 0.05  # variants that are alike, exchanged: nothing is there to be found
    assert low <= found[2] <= high
    assert np.isnan(study.detected(pair, 0.6, 0.025))


def test_asking_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, study: Any) -> None:
    """No answer that was kept is asked again, whoever has only what is committed; the last slice makes a recording."""
    world(tmp_path)
    (tmp_path / "evals" / "study").mkdir()
    shutil.move(tmp_path / "evals" / "small.yaml", tmp_path / "evals" / "study" / "small.yaml")
    monkeypatch.setattr(study, "ROOT", tmp_path)
    monkeypatch.setattr(study, "CHECKPOINTS", tmp_path / "reports" / "study")
    model, kept = Model(), [0]
    monkeypatch.setattr(study.phrasing, "run", partial(phrasing.run, complete=model, max_calls=5))
    while not study.is_whole("small"):
        study.keep("small", 1)
        shutil.rmtree(tmp_path / "runs")
        kept.append(len(study.answers("small")))
    total = store.read_run(study.recorded("small")).trials
    assert kept == [*range(0, total, 5), total]
    assert len(model.asked) == total
    assert not (tmp_path / "reports" / "study" / "small").exists()
    assert study.recorded("small") == tmp_path / run_folders.RECORDINGS / "study" / "small"
