"""Run every benchmark and write ``benchmarks/results.md``; arguments: how many traces, and how many megabytes of logs."""

from __future__ import annotations

import os
import platform
import sys
from functools import partial
from pathlib import Path

from benchmarks import archive, importing, large_runs, limits, pages, pipeline, startup, statistics


def main() -> None:
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    lines = ["# Benchmarks", "", f"Written by `make bench` on {machine}. Times are of that machine; trust the ratios.", ""]
    parts = {"Start-up": startup.measure, "Pipeline": pipeline.measure, "Statistics": statistics.measure}
    parts["A file of traces"] = partial(archive.measure, *map(int, sys.argv[1:2]))
    parts["Logs to a dataset"] = partial(importing.measure, *map(int, sys.argv[2:3]))
    parts["Large runs"] = large_runs.measure
    parts["A page of trials"] = pages.measure
    parts["Limits of providers"] = limits.measure
    for title, measure in parts.items():
        lines += [f"## {title}", ""]
        for line in measure():
            print(line, flush=True)
            lines.append(line)
        lines.append("")
    Path("benchmarks/results.md").write_text("\n".join(lines).rstrip() + "\n", "utf-8")


if __name__ == "__main__":
    main()
