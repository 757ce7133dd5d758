"""How long the verbs take that ask nothing, and what they import."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

RUNS = 7
VERBS = (["--help"], ["check", "evals/quickstart.yaml"], ["tokens", "evals/quickstart.yaml"])


def measure() -> Iterator[str]:
    bare = _seconds([sys.executable, "-c", "pass"])
    yield "| command | seconds, median of 7 | times a bare interpreter | imports litellm |"
    yield "| --- | ---: | ---: | ---: |"
    for verb in VERBS:
        seconds = _seconds([sys.executable, "-m", "phrasing", *verb])
        imported = "yes" if "litellm" in _imports(verb) else "no"
        yield f"| `phrasing {' '.join(verb)}` | {seconds:.2f} | {seconds / bare:.0f} | {imported} |"


def _seconds(command: list[str]) -> float:
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _imports(verb: list[str]) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "phrasing", *verb], check=True, capture_output=True, text=True
    )
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines() if "|" in line}
