"""A tiny project to run: one BAML agent, two or three formats, a handful of cases, one suite; and models that answer by script.

A case's thread says what the scripted model replies (``reply: send``), its label what would have been right: so a test knows
every score before it runs.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

import phrasing
from phrasing.plan.resolve import Plan, resolve
from phrasing.records import Result, RunRecord, TokenCounts
from phrasing.report.recording import update_recording
from phrasing.suite.file import load_suite
from phrasing.suite.schema import Suite
from phrasing.types import Completion, Request, ToolCall, Usage
from support.fault_server import Endpoint, Reply, endpoint
from support.paths import REPOSITORY
from support.small_projects import shared_cache

BAML = """
class LookUp {
  intent "look_up" @description("search the address book")
  query string
}
class Send {
  intent "send" @description("send the mail")
  to string
  urgent bool
}
class Ask {
  intent "ask" @description("ask the person")
  message string
}
class Finish {
  intent "finish" @description("nothing is left to do")
}
function DetermineNextStepMail(thread: string) -> LookUp | Send | Ask | Finish {
  client Nobody
  prompt #"
    {{ _.role("system") }}
    You send mail for a person.
    {{ ctx.output_format(quote_class_fields=true) }}
    {{ _.role("user") }}
    {{ thread }}

    What is the next step?
  "#
}
function DetermineNextStepMailTerse(thread: string) -> LookUp | Send | Ask | Finish {
  client Nobody
  prompt #"
    {{ ctx.output_format(quote_class_fields=true) }}
    {{ _.role("user") }}
    {{ thread }}
  "#
}
client<llm> Nobody {
  provider openai
  options {
    model "none"
    api_key "none"
  }
}
"""

FORMATS = {
    "tags.j2": "{# spoofable: text that holds a closing tag ends its event early #}\n"
    "{% for event in thread.events %}\n<{{ event.type }}>\n{{ event.data | json }}\n</{{ event.type }}>\n{% endfor %}\n",
    "lines.j2": "{% for event in thread.events %}\n{{ event.type }} {{ event.data | json }}\n{% endfor %}\n",
    "calls.py": (REPOSITORY / "formats" / "messages.py").read_text("utf-8"),
}

ANSWERS = {
    "look_up": {"query": "ann"},
    "send": {"to": "ann", "urgent": False},
    "ask": {"message": "who?"},
    "finish": {},
}


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Generate BAML's types once for all tests, and away from the user's cache. Import it where it is to hold."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHRASING_CACHE_DIR", str(shared_cache(tmp_path_factory)))
        yield


def case(name: str, reply: str = "send", expect: str = "send", *, forbid: str | None = None, **more: Any) -> dict[str, Any]:
    """A case whose model replies ``reply`` where ``expect`` is right."""
    return {
        "id": name,
        "thread": {"events": [{"type": "mail", "data": {"text": f"{name}, reply: {reply}"}}]},
        "expect": [{"intent": expect}],
        **({"forbid": [{"intent": forbid}]} if forbid else {}),
        **more,
    }


CASES = (
    case("a-1", tags=["short"]),
    case("a-2", reply="ask", expect="ask"),
    case("a-3", reply="finish", expect="look_up"),
    case("a-4", expect="ask", forbid="send"),
    case("a-5", reply="look_up", expect="look_up", forbid="send"),
    case("a-6", reply="ask", expect="ask", forbid="send"),
)
"""Right: 4 of 6. Harmful: 1 of 3."""

SUITE: dict[str, Any] = {
    "description": "Do tags change the step?",
    "agents": [{"dataset": "mail", "functions": ["DetermineNextStepMail"]}],
    "formats": ["lines", "tags"],
    "models": ["openai/scripted"],
}


def world(root: Path, *, cases: Any = CASES, datasets: dict[str, Any] | None = None, name: str = "small", **keys: Any) -> Path:
    """Write the project into ``root`` and return the path of its suite. ``keys`` replace those of ``SUITE``."""
    for folder in ("baml_src", "formats", "datasets", "evals"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "baml_src" / "mail.baml").write_text(BAML)
    for file, text in FORMATS.items():
        (root / "formats" / file).write_text(text)
    for dataset, listed in (datasets or {"mail": cases}).items():
        (root / "datasets" / f"{dataset}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in listed))
    path = root / "evals" / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**SUITE, **keys}, sort_keys=False))
    return path


def planned(root: Path, *, cases: Any = CASES, **keys: Any) -> Plan:
    """Write the project and resolve its suite."""
    return resolve(load_suite(world(root, cases=cases, **keys)))


def reply_in(request: Request) -> str:
    """What the thread in a request says that the model replies."""
    found = re.findall(r"reply: (\w+)", json.dumps(request.messages))
    return str(found[-1])


def says(intent: str, *, prompt: int = 100, cost: float | None = None) -> Completion:
    """A model's text that picks a step."""
    return Completion(
        text=json.dumps({"intent": intent, **ANSWERS[intent]}),
        finish_reason="stop",
        usage=Usage(prompt=prompt, completion=10),
        latency=0.5,
        cost=cost,
    )


def calls(intent: str) -> Completion:
    """A model's native call of a step."""
    call = ToolCall(name=intent, arguments=json.dumps(ANSWERS[intent]))
    return Completion(tool_calls=(call,), finish_reason="tool_calls", usage=Usage(prompt=100, completion=10), latency=0.5)


@pytest.fixture(scope="session")
def loaded(cache: None, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Load what a run loads: pytester forgets the modules that were first imported inside it, and some can't be loaded again."""
    run = phrasing.run(world(tmp_path_factory.mktemp("loaded"), require=[{"score": "step", "min": 0.5}]), complete=obey)
    update_recording(run)
    run.gates()


async def obey(request: Request) -> Completion:
    """Reply as the thread says: as a call where tools are offered. Tags cost 100 tokens, anything else 80."""
    intent = reply_in(request)
    return calls(intent) if request.tools else says(intent, prompt=100 if "<mail>" in str(request.messages) else 80)


class Model:
    """A scripted model that remembers what it was asked, how often at once, and stops answering after ``last`` answers.

    Each answer takes so many ``turns`` of the event loop, in which others may ask.
    """

    def __init__(self, *, last: int | None = None, turns: int = 1, cost: float | None = None) -> None:
        self.asked: list[Request] = []
        self.held = self.peak = 0
        self.peaks: dict[str, int] = {}
        self._last, self._turns, self._cost = last, turns, cost
        self._holding: dict[str, int] = {}

    async def __call__(self, request: Request) -> Completion:
        if self._last is not None and len(self.asked) >= self._last:
            raise asyncio.CancelledError
        self.asked.append(request)
        self._holding[request.model] = self._holding.get(request.model, 0) + 1
        self.peaks[request.model] = max(self.peaks.get(request.model, 0), self._holding[request.model])
        for _ in range(self._turns):
            await asyncio.sleep(0)
        self._holding[request.model] -= 1
        return (await obey(request)).model_copy(update={"cost": self._cost})

    @property
    def keys(self) -> list[str]:
        """The keys of what was asked."""
        return [request.key for request in self.asked]


@contextmanager
def serving(*replies: Reply) -> Iterator[Endpoint]:
    """Serve replies on loopback from a thread of its own, for code that brings its own event loop."""
    ready, leave = threading.Event(), threading.Event()
    served: list[Endpoint] = []

    async def serve() -> None:
        async with endpoint(*replies) as one:
            served.append(one)
            ready.set()
            await asyncio.to_thread(leave.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        yield served[0]
    finally:
        leave.set()
        thread.join()


# ---------------------------------------------------------------------------------------------- without a project

VARIANT = ("DetermineNextStepMail", "none", "lines", "prompted", "scripted")


def result(name: str = "a-1", *, variant: tuple[str, str, str, str, str] = VARIANT, dataset: str = "mail", **more: Any) -> Result:
    """A result of a trial; what isn't given is plain."""
    function, edit, format, output, model = variant
    repeat = more.pop("repeat", 0)
    return Result.model_validate(
        {
            "trial": f"{dataset}::{name}[{','.join(variant)}]#{repeat}",
            "dataset": dataset,
            "case": name,
            "function": function,
            "edit": edit,
            "format": format,
            "output": output,
            "model": model,
            "repeat": repeat,
            "key": "k",
            "prompt": "p",
            "tokens": TokenCounts(),
            "at": "2030-01-02T03:04:05.000Z",
            **more,
        }
    )


def record(**more: Any) -> RunRecord:
    """A run's record; what isn't given is plain."""
    return RunRecord.model_validate(
        {
            "suite": "small",
            "started": "2030-01-02T03:04:05Z",
            "versions": {"phrasing": "1"},
            "commit": None,
            "resolved": Suite.model_validate(SUITE).stored,
            "partial": None,
            "trials": 1,
            "variants": [",".join(VARIANT)],
            "baselines": {",".join(VARIANT): ",".join(VARIANT)},
            "steps": {"mail DetermineNextStepMail": ["look_up", "send", "ask", "finish"]},
            "cases": {"mail": {"a-1": {"expect": ["send"], "last": "mail"}}},
            "formats": {"lines": {"digest": "d" * 64, "spoofable": None, "lossy": None}},
            "datasets": {"mail": "e" * 64},
            "baml": {"baml_src/mail.baml": "f" * 64},
            "models": {"scripted": {"id": "openai/scripted", "digest": None}},
            "skipped": [],
            "warnings": [],
            **more,
        }
    )


# ---------------------------------------------------------------------------------------------- in git


def git(root: Path, *words: str) -> str:
    """Run git in a folder, whatever the user has configured."""
    plain = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    named = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", "-C", str(root), *words], env=environment | plain | named, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(root: Path, tag: str) -> str:
    """Commit all there is under that tag, in a repository that is made if need be; give the commit's hash."""
    if not (root / ".git").exists():
        git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", tag)
    git(root, "tag", tag)
    return git(root, "rev-parse", "HEAD")
