"""What a step takes of an agent that is run to its end, beside a trial of one step with the same thread; and their memory."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from benchmarks.importing import timed

ROOT = Path(__file__).parent.parent
KINDS = ("tasks", "datasets")

STEPS = 10
"""How many steps each run takes: as many as its task allows."""

SIZES = (50, 1_000)

FUNCTION = "DetermineNextStepCalculator"
ANSWER = {"intent": "add", "a": 2, "b": 3}
ASK = f"""
import sys
import phrasing
from phrasing.types import Completion, Usage

async def complete(request):
    return Completion(text={json.dumps(ANSWER)!r}, usage=Usage(prompt=400, completion=10), latency=0.5)

phrasing.run(sys.argv[1], complete=complete)
"""


def project(folder: Path, tasks: int) -> None:
    """Write a project with so many tasks, and a dataset of the threads that their steps show."""
    for name in ("baml_src", "formats", "environments", "controls"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "evals").mkdir()
    lines: dict[str, list[dict[str, Any]]] = {"tasks": [], "datasets": []}
    for number in range(tasks):
        events = [{"type": "user_input", "data": f"add 2 and 3, and call it {number}"}]
        goal = {"results": [5]}
        lines["tasks"].append({"id": f"t-{number}", "events": events, "goal": goal, "max_steps": STEPS})
        for step in range(STEPS):
            taken = [{"type": "add", "data": {"a": 2, "b": 3}}, {"type": "add_result", "data": 5}] * step
            case = {"id": f"t-{number}-{step}", "thread": {"events": [*events, *taken]}, "expect": [{"intent": "done_for_now"}]}
            lines["datasets"].append(case)
    for kind, listed in lines.items():
        (folder / kind).mkdir()
        (folder / kind / "calculator.jsonl").write_text("".join(json.dumps(line) + "\n" for line in listed))
        agent = {"tasks" if kind == "tasks" else "dataset": "calculator", "functions": [FUNCTION]}
        suite = {"description": "How long?", "agents": [agent], "formats": ["xml_yaml"], "models": ["openai/none"]}
        (folder / "evals" / f"{kind}.yaml").write_text(yaml.safe_dump(suite))


def measure(*sizes: int) -> Iterator[str]:
    """Ask a model that answers at once, in a process of its own for each row."""
    yield f"Agents that take {STEPS} steps each, beside as many trials of one step with the same threads, asked of a model in the"
    yield "same process that answers at once. CPU ms are what a further step takes, without the start:"
    yield ""
    yield "| steps | run to the end: CPU ms a step | MB | single steps: CPU ms a step | MB | times |"
    yield "| ---: | ---: | ---: | ---: | ---: | ---: |"
    least: dict[str, float] = {}
    for size in (1, *(sizes or SIZES)):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            project(folder, size)
            suites = {kind: str(folder / "evals" / f"{kind}.yaml") for kind in KINDS}
            used = {kind: timed([sys.executable, "-c", ASK, suite], trust=True)[1:] for kind, suite in suites.items()}
        if size == 1:
            least = {kind: cpu for kind, (cpu, _) in used.items()}
            continue
        steps = (size - 1) * STEPS
        a_step = {kind: 1000 * (cpu - least[kind]) / steps for kind, (cpu, _) in used.items()}
        cells = [f"{a_step[kind]:.2f} | {used[kind][1]:.0f}" for kind in KINDS]
        yield f"| {size * STEPS:,} | {' | '.join(cells)} | {a_step['tasks'] / a_step['datasets']:.2f} |"


if __name__ == "__main__":
    for line in measure(*map(int, sys.argv[1:])):
        print(line, flush=True)
