"""How long the verbs take that ask nothing, and what they import."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

RUNS = 7
RECORDED = "reports/reference/quickstart"
VERBS = (
    ["--help"],
    ["run", "--help"],
    ["check", "evals/quickstart.yaml"],
    ["check"],
    ["render", "which-larger-one", "-f", "xml_yaml"],
    ["run", "evals/quickstart.yaml", "--dry-run"],
    ["tokens", "evals/quickstart.yaml"],
    ["show", "runs/none"],
    ["show", RECORDED],
    ["compare", RECORDED],
    ["report", RECORDED],
)
HEAVY = ("scipy", "pandas", "litellm")


def measure() -> Iterator[str]:
    bare = _seconds([sys.executable, "-c", "pass"])
    yield "| command | seconds, median of 7 | times a bare interpreter | imports |"
    yield "| --- | ---: | ---: | --- |"
    for verb in VERBS:
        seconds = _seconds([sys.executable, "-m", "phrasing", *verb])
        found = _imports(verb)
        imported = ", ".join(name for name in HEAVY if name in found) or "–"
        yield f"| `phrasing {' '.join(verb)}` | {seconds:.2f} | {seconds / bare:.0f} | {imported} |"


def _seconds(command: list[str]) -> float:
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run(command, check=False, capture_output=True)  # what there isn't is said, too
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _imports(verb: list[str]) -> set[str]:
    command = [sys.executable, "-X", "importtime", "-m", "phrasing", *verb]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines() if "|" in line}
