"""A run that is killed again and again, asking a server that fails on purpose; and beside it one that nobody disturbs.

``python -m support.torture --cells 10000 --seconds 20`` (in ``tests``) does it at length and says what it saw.
``tests/end_to_end/test_torture.py`` holds a small one.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from phrasing.records import Result
from phrasing.runs import jsonl, run_folders, store
from support.fault_server import Faults
from support.fault_shapes import RIGHT
from support.tiny_runs import ANSWERS, case, world

FORMATS = ("lines", "tags")
STEPS = tuple(ANSWERS)


@dataclass(frozen=True)
class Tortured:
    """What became of a run: its folder, what the server wrote of each request, and how often which way it ended."""

    folder: Path
    asked: list[dict[str, Any]]
    kills: int
    ends: Counter[int]

    @property
    def lines(self) -> list[Result]:
        """All results that were appended, also those that another line of the trial replaced."""
        found = [store.result_of(self.folder, line) for line in jsonl.lines(self.folder / run_folders.RESULTS)]
        assert all(isinstance(each, Result) for each in found), "a line is damaged"
        return [each for each in found if isinstance(each, Result)]

    @property
    def again(self) -> int:
        """How many right answers the server gave to a request that it had answered before."""
        given = Counter(each["digest"] for each in self.asked if each["sent"] and each["shape"] in {"right", *RIGHT})
        return sum(n - 1 for n in given.values())


@contextmanager
def serving(faults: Faults, log: Path) -> Iterator[str]:
    """Start the server in a process of its own; give its address."""
    words = {"--seed": faults.seed, "--faults": faults.passing, "--lasting": faults.lasting, "--stopping": faults.stopping}
    given = [str(word) for pair in words.items() for word in pair]
    command = [sys.executable, "-m", "support.fault_server", *given, "--answers", json.dumps(ANSWERS), "--log", str(log)]
    tests = Path(__file__).parents[1]
    with subprocess.Popen(command, cwd=tests, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.communicate()


def written(root: Path, url: str, cells: int) -> Path:
    """Write a project whose suite has so many cells, each with an answer of its own."""
    steps = [STEPS[i % len(STEPS)] for i in range(cells // len(FORMATS))]
    cases = [case(f"c-{i}", reply=step, expect=STEPS[i % 3]) for i, step in enumerate(steps)]
    return world(root, cases=cases, formats=list(FORMATS), models=[{"id": "openai/mine", "api_base": f"{url}/v1"}])


def torture(
    root: Path, faults: Faults, *, cells: int, jobs: int, kill: Callable[[Path, int], bool], starts: int = 100
) -> Tortured:
    """Start ``phrasing run … --resume`` until all is answered.

    ``kill`` is asked every few milliseconds whether to kill it now, with the folder of runs and how often it was killed before.
    """
    kills, ends = 0, Counter[int]()
    log = root / "asked.jsonl"
    root.mkdir(parents=True, exist_ok=True)
    with serving(faults, log) as url:
        suite = written(root, url, cells)
        for _ in range(starts):
            there = any((root / "runs").glob("*/*/run.json"))
            command = [sys.executable, "-m", "phrasing", "run", str(suite), "-j", str(jobs), *(["--resume"] if there else [])]
            with subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as running:
                while running.poll() is None:
                    if kill(root / "runs", kills):
                        os.kill(running.pid, signal.SIGKILL)
                        running.wait()
                        kills += 1
                        break
                    try:
                        running.wait(0.02)
                    except subprocess.TimeoutExpired:
                        continue
                assert running.stderr is not None
                said = running.stderr.read().decode()
            ends[running.returncode] += 1
            assert "Traceback" not in said, said
            if running.returncode in (0, 1):
                break
        else:
            raise AssertionError(f"not done after {starts} starts: {ends}")
    (folder,) = (file.parent for file in (root / "runs").glob("*/*/run.json"))
    asked = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    return Tortured(folder, asked, kills, ends)


def never(runs: Path, kills: int) -> bool:
    """Kill it never."""
    return False


def by_answers(every: int) -> Callable[[Path, int], bool]:
    """Kill it whenever so many lines more were written."""

    def kill(runs: Path, kills: int) -> bool:
        written = sum(file.read_bytes().count(b"\n") for file in runs.glob(f"*/*/{run_folders.RESULTS}"))
        return written >= every * (kills + 1)

    return kill


def by_seconds(every: float) -> Callable[[Path, int], bool]:
    """Kill it every so many seconds."""
    next_time = (time.monotonic() + every * i for i in count(1))
    due = [next(next_time)]

    def kill(runs: Path, kills: int) -> bool:
        if time.monotonic() < due[0]:
            return False
        due[0] = next(next_time)
        return True

    return kill


def essence(folder: Path) -> dict[str, dict[str, Any]]:
    """Give of each trial what doesn't depend on when and how often it was asked, and where the server was."""
    own = {"at", "key", "prompt", "api_base"}
    timed = {"latency", "attempts", "first_byte", "first_token"}
    found = {}
    for trial, result in store.results(folder).items():
        kept = result.model_dump(mode="python", exclude=own | {"completion", "error"})
        completion = result.completion.model_dump(mode="python", exclude=timed) if result.completion else None
        found[trial] = {**kept, "completion": completion, "error": result.error and result.error.kind}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill a run again and again, and hold it against one that nobody disturbs.")
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20.0, help="between kills")
    parser.add_argument("--answers", type=int, help="between kills, instead of seconds: for a machine that does other things too")
    parser.add_argument("--jobs", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    faults = Faults(given.seed, passing=0.2, lasting=0.01, stopping=0.0005)
    quiet = Faults(given.seed, passing=0.0, lasting=faults.lasting)
    with tempfile.TemporaryDirectory() as folder:
        kill = by_answers(given.answers) if given.answers else by_seconds(given.seconds)
        killed = torture(Path(folder, "killed"), faults, cells=given.cells, jobs=given.jobs, kill=kill, starts=1000)
        calm = torture(Path(folder, "calm"), quiet, cells=given.cells, jobs=given.jobs, kill=never)
        finals = Counter(result.trial for result in killed.lines if result.error is None)
        shapes = Counter(each["shape"] for each in killed.asked)
        mine, theirs = essence(killed.folder), essence(calm.folder)
        print(f"{given.cells} cells, {killed.kills} kills, ends {dict(killed.ends)}, {len(killed.asked)} requests")
        print(f"{len(shapes) - 1} shapes met, by {sum(shapes.values()) - shapes['right']} requests")
        print(f"trials by how many final results they have: {dict(Counter(finals.values()))}")
        print(f"right answers given again: {killed.again}, at most {killed.kills * given.jobs}")
        print(f"equal to the calm run: {sum(mine[trial] == theirs.get(trial) for trial in mine)} of {len(theirs)}")


if __name__ == "__main__":
    main()
