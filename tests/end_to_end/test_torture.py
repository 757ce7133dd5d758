"""A run that is killed while its provider fails in every way ends as one that nobody disturbs: nothing lost, nothing twice."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from phrasing.runs import store
from support.fault_server import Faults
from support.tiny_runs import cache
from support.torture import Tortured, by_answers, essence, never, torture

__all__ = ["cache"]

CELLS, JOBS = 120, 16
FAULTS = Faults(5, passing=0.2, lasting=0.02, stopping=0.01)


def compared(run: Tortured) -> str:
    """What ``compare`` prints of a run: the figures, intervals and verdicts of its variants."""
    command = [sys.executable, "-m", "phrasing", "compare", str(run.folder)]
    done = subprocess.run(command, cwd=run.folder.parents[2], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert re.search(r"\d", done.stdout)
    return done.stdout


@pytest.mark.slow
def test_killed_run_ends_as_a_quiet_one(cache: None, tmp_path: Path) -> None:
    killed = torture(tmp_path / "killed", FAULTS, cells=CELLS, jobs=JOBS, kill=by_answers(35))
    quiet = torture(tmp_path / "quiet", Faults(5, passing=0, lasting=FAULTS.lasting), cells=CELLS, jobs=JOBS, kill=never)
    assert killed.kills >= 3
    assert len({each["shape"] for each in killed.asked}) > 10
    finals = Counter(result.trial for result in killed.lines if result.error is None)
    assert len(finals) == CELLS
    assert set(finals.values()) == {1}
    assert killed.again <= killed.kills * JOBS
    assert essence(killed.folder) == essence(quiet.folder)
    assert compared(killed) == compared(quiet)
    kept = store.read_prompts(killed.folder)
    assert kept.damaged == ()
    assert all(store.prompt(kept.kept, result.prompt) for result in store.results(killed.folder).values())
