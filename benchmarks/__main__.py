"""Run every benchmark and write ``benchmarks/results.md``."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from benchmarks import pipeline, startup, statistics


def main() -> None:
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    lines = ["# Benchmarks", "", f"Written by `make bench` on {machine}. Times are of that machine; trust the ratios.", ""]
    for title, measure in (("Start-up", startup.measure), ("Pipeline", pipeline.measure), ("Statistics", statistics.measure)):
        lines += [f"## {title}", ""]
        for line in measure():
            print(line, flush=True)
            lines.append(line)
        lines.append("")
    Path("benchmarks/results.md").write_text("\n".join(lines).rstrip() + "\n", "utf-8")


if __name__ == "__main__":
    main()
