"""Cells a second and memory of whole commands that ask the same server the same prompts: ours, its peers', and bare loops.

``python -m benchmarks.lanes --peers FOLDER`` installs the peers from their registries into environments of their own below the
folder, unless they are there, and prints the tables; without ``--peers`` only our own sides are measured. Each side keeps 64
requests in flight, scores each answer and writes its results to disk, as its documentation says is quickest. All sides take
turns, several rounds. What is counted while asking is seen by the server: from the first request to the last answer.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import loopback

PROMPTFOO, INSPECT = "0.121.20", "0.3.285"
FLIGHT = 64
FORMATS = ("xml_yaml", "json")
SAID = """
please check the order refund customer invoice late session region queue retry build release cluster error two first
"""


@dataclass(frozen=True)
class Side:
    """A command that asks: how it is called, given the folder and the server's address, and with what in its environment."""

    name: str
    command: Callable[[Path, str], Sequence[str]]
    environment: Callable[[Path, str], Mapping[str, str]] = lambda folder, url: {}


@dataclass(frozen=True)
class Measured:
    seconds: float
    asking: float
    cpu: float
    peak: float
    answered: int
    held: int

    @property
    def rate(self) -> float:
        return self.answered / self.asking


# ---------------------------------------------------------------------------------------------- what is asked


def project(folder: Path, cells: int) -> None:
    """Make a project with two suites, one for each lane, and the same prompts as the others take them."""
    shutil.copytree("baml_src", folder / "baml_src")
    shutil.copytree("formats", folder / "formats")
    for name in ("datasets", "evals"):
        (folder / name).mkdir()
    rng = random.Random(1)
    with (folder / "datasets" / "bench.jsonl").open("w", encoding="utf-8") as file:
        for number in range(cells // len(FORMATS)):
            said = " ".join(rng.choices(SAID.split(), k=330))
            events = [{"type": "user_input", "data": said}]
            for _ in range(9):
                a, b = rng.randrange(10_000), rng.randrange(10_000)
                events += [{"type": "add", "data": {"a": a, "b": b}}, {"type": "add_result", "data": a + b}]
            expect = [{"intent": "done_for_now"}]
            case = {"id": f"case-{number}", "thread": {"events": events}, "expect": expect, "group": f"group-{number // 4}"}
            file.write(json.dumps(case) + "\n")


def suite(folder: Path, name: str, model: str, url: str) -> Path:
    path = folder / "evals" / f"{name}.yaml"
    models = [{"label": "none", "id": model, "api_base": url}]
    agents = [{"dataset": "bench", "functions": ["DetermineNextStepCalculator"]}]
    described = {"description": "How fast?", "agents": agents, "formats": list(FORMATS), "models": models}
    path.write_text(json.dumps(described | {"params": {"max_tokens": 100}}), "utf-8")
    return path


def prepare(folder: Path, cells: int) -> None:
    """Make the project, write what our own runs send as the others take it, and print the mean number of tokens.

    This is done in a process of its own: what it takes would count as the memory of every process that is started later.
    """
    project(folder, cells)
    from phrasing.plan.resolve import resolve
    from phrasing.suite.file import load_suite

    plan = resolve(load_suite(suite(folder, "prompts", "openai/none", "http://127.0.0.1:9")))
    made = [plan.prompt(trial) for trial in plan.trials]
    messages = [[dict(message) for message in prompt.messages] for prompt in made]
    (folder / "messages.json").write_text(json.dumps(messages), "utf-8")
    tests = [{"vars": {message["role"]: message["content"] for message in listed}} for listed in messages]
    (folder / "tests.json").write_text(json.dumps(tests), "utf-8")
    chat = '[{"role": "system", "content": {{ system | dump }}}, {"role": "user", "content": {{ user | dump }}}]'
    (folder / "prompt.json").write_text(chat, "utf-8")
    (folder / "task.py").write_text(TASK, "utf-8")
    print(round(statistics.mean(plan.tokenizer.count(prompt).total for prompt in made)))


TASK = '''"""The same prompts as a task of Inspect."""

import json
from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageSystem, ChatMessageUser
from inspect_ai.scorer import includes
from inspect_ai.solver import generate

MESSAGES = {"system": ChatMessageSystem, "user": ChatMessageUser}


@task
def bench():
    listed = json.loads(Path(__file__).with_name("messages.json").read_text())
    inputs = [[MESSAGES[message["role"]](content=message["content"]) for message in messages] for messages in listed]
    samples = [Sample(input=messages, target="done_for_now") for messages in inputs]
    return Task(dataset=MemoryDataset(samples), solver=generate(), scorer=includes())
'''


# ---------------------------------------------------------------------------------------------- who asks


def ours(peers: Path | None) -> list[Side]:
    """List our own sides, the bare loops, and the peers that are installed below a folder."""

    def run(model: str, path: str) -> Callable[[Path, str], Sequence[str]]:
        def command(folder: Path, url: str) -> Sequence[str]:
            file = suite(folder, model.partition("/")[0], model, url + path)
            return [sys.executable, "-m", "phrasing", "run", str(file), "-j", str(FLIGHT)]

        return command

    def bare(name: str) -> Callable[[Path, str], Sequence[str]]:
        return lambda folder, url: [sys.executable, "-m", "benchmarks.bare", name, str(folder / "messages.json"), url]

    found = [
        Side("bare aiohttp loop", bare("aiohttp")),
        Side("`phrasing run`, direct", run("openai/none", "/v1")),
        Side("bare litellm loop", bare("litellm")),
        Side("`phrasing run`, litellm", run("mistral/none", "/v1")),
    ]
    return [*found, *(_peers(peers) if peers else [])]


def _peers(folder: Path) -> list[Side]:
    binary, python = folder / "promptfoo" / "node_modules" / ".bin" / "promptfoo", folder / "inspect" / "bin"
    if not binary.exists():
        binary.parent.parent.parent.mkdir(parents=True, exist_ok=True)
        install = ["npm", "install", "--no-audit", "--no-fund", f"promptfoo@{PROMPTFOO}"]
        subprocess.run(install, cwd=folder / "promptfoo", check=True, stdout=subprocess.DEVNULL)
    if not (python / "inspect").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder / "inspect")], check=True)
        subprocess.run([str(python / "pip"), "install", "-q", f"inspect-ai=={INSPECT}", "openai"], check=True)

    def promptfoo(project: Path, url: str) -> Sequence[str]:
        settings = {"apiBaseUrl": f"{url}/v1", "apiKey": "none", "temperature": 0, "max_tokens": 100}
        config = {
            "prompts": ["file://prompt.json"],
            "providers": [{"id": "openai:chat:none", "config": settings}],
            "tests": "file://tests.json",
            "defaultTest": {"assert": [{"type": "contains", "value": "done_for_now"}]},
        }
        (project / "promptfooconfig.json").write_text(json.dumps(config), "utf-8")
        words = ["eval", "-c", "promptfooconfig.json", "-j", str(FLIGHT), "--no-cache", "--no-table", "--no-progress-bar"]
        return [str(binary), *words, "--no-write", "-o", "promptfoo.jsonl"]

    def inspect(project: Path, url: str) -> Sequence[str]:
        flight = ["--max-connections", str(FLIGHT), "--max-samples", str(FLIGHT)]
        words = ["--temperature", "0", "--max-tokens", "100", "--display", "none", "--log-dir", "inspect-logs"]
        return [str(python / "inspect"), "eval", "task.py", "--model", "openai-api/local/none", *flight, *words]

    quiet = {"PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1", "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1"}
    return [
        Side(
            f"promptfoo {PROMPTFOO}", promptfoo, lambda project, url: quiet | {"PROMPTFOO_CONFIG_DIR": str(project / "promptfoo")}
        ),
        Side(f"Inspect {INSPECT}", inspect, lambda project, url: {"LOCAL_BASE_URL": f"{url}/v1", "LOCAL_API_KEY": "none"}),
    ]


def measure_side(side: Side, folder: Path, url: str) -> Measured:
    """Run a side's command to its end."""
    command, start = side.command(folder, url), time.perf_counter()
    environment = {**os.environ, "PHRASING_TRUST": "1", **side.environment(folder, url)}
    with (folder / "said.txt").open("wb") as said:
        process = subprocess.Popen(command, cwd=_home(side, folder), env=environment, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seen = loopback.ask_seen(url)
    if not seen["answered"]:
        raise RuntimeError(f"{side.name}: status {process.returncode}: {(folder / 'said.txt').read_text('utf-8')[-2000:]}")
    cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    return Measured(time.perf_counter() - start, seen["seconds"], cpu, peak, seen["answered"], seen["peak"])


def _home(side: Side, folder: Path) -> Path:
    return Path.cwd() if side.name.startswith("bare") or "phrasing" in side.name else folder


def table(rows: Mapping[str, Sequence[Measured]]) -> Iterator[str]:
    yield "| | cells/s while asking | of the bare aiohttp loop | seconds in all | CPU ms a cell | peak MB | at once |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    base = statistics.median(one.rate for one in rows["bare aiohttp loop"])
    for name, found in rows.items():
        rate, seconds, cpu, peak = (
            statistics.median(values)
            for values in zip(*((one.rate, one.seconds, 1000 * one.cpu / one.answered, one.peak) for one in found), strict=True)
        )
        held = max(one.held for one in found)
        yield f"| {name} | {rate:,.0f} | {100 * rate / base:.1f} % | {seconds:.1f} | {cpu:.1f} | {peak:.0f} | {held} |"


def measure(cells: int = 2000, rounds: int = 3, peers: Path | None = None, only: str = "") -> Iterator[str]:
    """Measure at a server that answers at once, and at one that takes 150 to 250 ms."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ready = [sys.executable, "-m", "benchmarks.lanes", "--prepare", name, "--cells", str(cells)]
        tokens = int(subprocess.run(ready, check=True, capture_output=True, text=True).stdout)
        sides = [side for side in ours(peers) if only in side.name or side.name == "bare aiohttp loop"]
        for what, delay, spread in (("at once", 0.0, 0.0), ("after 150 to 250 ms", 0.2, 0.05)):
            of = f"{cells:,} cells of {tokens:,} tokens, {FLIGHT} in flight"
            yield f"{of}, a server that answers {what}, median of {rounds} rounds:"
            yield ""
            with loopback.served(delay, spread) as url:
                found: dict[str, list[Measured]] = {side.name: [] for side in sides}
                for _ in range(rounds):
                    for side in sides:
                        found[side.name].append(measure_side(side, folder, url))
            yield from table(found)
            yield ""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lanes", description=__doc__)
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--only", default="", help="only sides whose names hold this")
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare:
        prepare(options.prepare, options.cells)
        sys.exit()
    for line in measure(options.cells, options.rounds, options.peers and options.peers.absolute(), options.only):
        print(line, flush=True)
