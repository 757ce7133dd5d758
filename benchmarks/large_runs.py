"""What it takes to make and to read a run of many results: asking, resuming, the table, a comparison, a report."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import phrasing
from benchmarks import lanes, loopback
from benchmarks.importing import timed
from benchmarks.pages import SUITE, multiply
from phrasing.runs import run_folders

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
    """Make and read runs of so many results, each command in a process of its own."""
    yield from asking(*(sizes or SIZES))
    yield ""
    yield from reading(*(sizes or SIZES))


def asking(*sizes: int) -> Iterator[str]:
    """Ask a server that answers at once, and resume the run when all is answered; both end with the table."""
    yield "Cells of 1,000 prompt tokens in two formats, asked of a server in another process that answers at once. CPU ms a cell"
    yield "are without those of a run of 2 cells:"
    yield ""
    yield "| cells | run: s | CPU ms a cell | MB | resume with nothing to do: s | CPU s | MB |"
    yield "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    with loopback.served() as url:
        least = 0.0
        for size in (2, *sizes):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                lanes.project(folder, size)
                file = lanes.suite(folder, "openai", "openai/none", f"{url}/v1")
                command = [sys.executable, "-m", "phrasing", "run", str(file), "-j", "64"]
                seconds, cpu, peak = timed(command, trust=True)
                (made,) = (folder / "runs" / "openai").iterdir()
                again, cpu_again, peak_again = timed([*command, "--resume", str(made)], trust=True)
            if size == 2:
                least = cpu
                continue
            a_cell = 1000 * (cpu - least) / size
            yield f"| {size:,} | {seconds:.0f} | {a_cell:.2f} | {peak:.0f} | {again:.1f} | {cpu_again:.1f} | {peak_again:.0f} |"


def reading(*sizes: int) -> Iterator[str]:
    """Read runs made by repeating the recorded answers of a suite."""
    yield f"Answers recorded for `{SUITE}`, repeated with other words in their threads. CPU seconds with the start (about 1), of"
    yield "one process; a further cell is what a result more adds."
    yield ""
    heads = [f"{size:,}: CPU s | MB" for size in sizes] + [f"µs a further cell from {size:,} on" for size in sizes[:-1]]
    yield f"| | {' | '.join(heads)} |"
    yield f"| --- |{' ---: |' * (3 * len(sizes) - 1)}"
    with tempfile.TemporaryDirectory() as folder:
        run = phrasing.run(f"evals/{SUITE}.yaml", runs=Path(folder, "runs"), replay=run_folders.RECORDINGS / SUITE)
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
