"""The benchmarks run: each at a small size, because nobody else would notice that one doesn't any more."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.paths import REPOSITORY

MEASURES = {
    "pipeline": "",
    "archive": "50",
    "importing": "1",
    "large_runs": "20",
    "pages": "200",
    "rollouts": "30",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURES)
def test_a_benchmark_gives_a_table(name: str) -> None:
    script = f"from benchmarks import {name}\nfor line in {name}.measure({MEASURES[name]}): print(line)"
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    heads = sum(line.startswith("| ---") for line in lines)
    assert 0 < 2 * heads < len(lines)
    assert not any("nan" in line for line in lines)
