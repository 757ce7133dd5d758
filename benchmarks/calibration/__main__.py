"""Simulate every setting on every core; write what was found as ``calibration.csv`` and what it says as ``calibration.md``."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from functools import partial
from itertools import groupby
from pathlib import Path

from benchmarks.calibration import tables
from benchmarks.calibration.measure import Row, measure
from benchmarks.calibration.settings import settings


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__)
    parser.add_argument("--simulations", type=int, default=10_000, help="data sets a setting; a tenth of it for the bootstrap")
    parser.add_argument("--every", type=int, default=1, help="only every so many-th setting of a kind, for a quick look")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--tables", action="store_true", help="simulate nothing, only write the text of calibration.csv again")
    parser.add_argument("--to", type=Path, default=Path("benchmarks"), help="the folder to write to")
    options = parser.parse_args()
    table = options.to / "calibration.csv"
    if not options.tables:
        tables.write(table, simulate(options.simulations, options.every, options.jobs))
    (options.to / "calibration.md").write_text(tables.text(tables.read(table)), "utf-8")


def simulate(simulations: int, every: int, jobs: int) -> list[Row]:
    start, tasks = time.perf_counter(), [s for _, kind in groupby(settings(), lambda s: s.kind) for s in list(kind)[::every]]
    rows: list[Row] = []
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for done, found in enumerate(pool.imap(partial(measure, simulations), tasks), start=1):
            rows += found
            if done % 20 == 0 or done == len(tasks):
                print(f"{done} of {len(tasks)} settings, {time.perf_counter() - start:.0f} s", flush=True)
    return rows


if __name__ == "__main__":
    main()
