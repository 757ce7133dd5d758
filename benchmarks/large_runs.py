"""What it takes to read a run of many results: the table after a run, a comparison, a report; CPU seconds and memory."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import phrasing
from benchmarks.importing import timed
from benchmarks.pages import SUITE, multiply
from phrasing.runs import store

SIZES = (2_000, 20_000, 100_000)

TABLE = """
import sys
from phrasing.analysis.run import Run
from phrasing.cli.common import conclude
conclude(Run(sys.argv[1]), "")
"""

COMMANDS = {
    "table after a run": ["-c", TABLE],
    "`phrasing compare RUN`": ["-m", "phrasing", "compare"],
    "`phrasing report RUN`": ["-m", "phrasing", "report"],
    "`phrasing report RUN -o page.html`": ["-m", "phrasing", "report", "-o", "page.html"],
    "`phrasing show RUN`": ["-m", "phrasing", "show"],
}


def measure(*sizes: int) -> Iterator[str]:
    """Read runs of so many results, made by repeating the recorded answers of a suite, each command in a process of its own."""
    sizes = sizes or SIZES
    yield f"Answers recorded for `{SUITE}`, repeated with other words in their threads. CPU seconds with the start (about 1), of"
    yield "one process; a further cell is what a result more adds."
    yield ""
    heads = [f"{size:,}: CPU s | MB" for size in sizes] + [f"µs a further cell from {size:,} on" for size in sizes[:-1]]
    yield f"| | {' | '.join(heads)} |"
    yield f"| --- |{' ---: |' * (3 * len(sizes) - 1)}"
    with tempfile.TemporaryDirectory() as folder:
        run = phrasing.run(f"evals/{SUITE}.yaml", runs=Path(folder, "runs"), replay=store.RECORDINGS / SUITE)
        for size in sizes:
            multiply(run, Path(folder, str(size)), size)
        for name, words in COMMANDS.items():
            given = [word if word != "page.html" else str(Path(folder, word)) for word in words]
            used = [timed([sys.executable, *given, str(Path(folder, str(size)))])[1:] for size in sizes]
            cells = [f"{seconds:.1f} | {peak:,.0f}" for seconds, peak in used]
            for (a, (before, _)), (b, (after, _)) in pairwise(zip(sizes, used, strict=True)):
                cells.append(f"{1e6 * (after - before) / (b - a):,.0f}")
            yield f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    for line in measure(*map(int, sys.argv[1:])):
        print(line, flush=True)
