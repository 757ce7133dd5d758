"""The committed reports and the README are what the recorded answers make of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_nothing_made_of_recorded_answers_is_stale() -> None:
    done = subprocess.run(
        [sys.executable, "reports/reference.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout + done.stderr, done.returncode) == ("", 0), "run: python reports/reference.py"


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


def test_every_suite_checks_and_asks_a_question() -> None:
    done = subprocess.run([sys.executable, "-m", "phrasing.cli", "check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": good\n") == len(list((ROOT / "evals").glob("*.yaml")))
