"""Agents without a model for ``environments/deploy.py``: one that follows its policy, and three that are careless.

Each is a function of the thread's events alone, as a model would see them, that gives the next step. What a person's sentence
means is looked up in ``deploy_readings.json``, because what is tested is the policy, not how well a pattern reads. A meaning is
a list of lines such as "deploy backend v1.3.0 staging"; "?" is what isn't said.
"""

from __future__ import annotations

import heapq
import importlib.util
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from phrasing.score.matchers import match_args
from support.paths import REPOSITORY

READINGS: dict[str, list[str]] = json.loads((REPOSITORY / "tests" / "support" / "deploy_readings.json").read_text("utf-8"))
STEPS = (
    "list_git_tags",
    "check_deployment_status",
    "request_approval",
    "request_human_input",
    "deploy_backend",
    "deploy_frontend",
    "promote_frontend",
    "wait",
    "nothing_to_do",
    "done_for_now",
)
SAID = ("slack_message", "email_received", "user_input")
CANT_WORK = (403, "BLOCKED")

Step = dict[str, Any]


def environment(name: str) -> Any:
    """Load an environment as a module."""
    spec = importlib.util.spec_from_file_location(f"environment_{name}", REPOSITORY / "environments" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tasks(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (REPOSITORY / "tasks" / f"{name}.jsonl").read_text("utf-8").splitlines()]


def step(intent: str, **args: Any) -> Step:
    return {"intent": intent, "args": args}


def read(data: Any) -> list[str]:
    """Give what an event of a person says, in lines."""
    text = data if isinstance(data, str) else next(data[key] for key in ("text", "body", "response") if key in data)
    return READINGS[text]


@dataclass
class Wish:
    """Something that is wanted, and how far it has come."""

    kind: str  # deploy; status: look and tell; mend: look, and see to it that it is healthy; tags; impossible
    service: str = "?"
    tag: str = "?"
    environment: str = "?"
    staged: bool | None = None  # whether staging runs this tag of the frontend
    approved: bool = False
    started: bool = False
    status: str | None = None
    waits: int = 0
    seconds: int = 60


@dataclass
class Agent:
    """The picture that the thread gives, and the policy."""

    wishes: list[Wish] = field(default_factory=list)
    owed: bool = False  # something is over and nobody has been told
    tags: list[str] | None = None
    failures: Counter[str] = field(default_factory=Counter)  # of each step, since it worked
    last: Step = field(default_factory=dict)
    error: Any = None

    def next_step(self, events: list[dict[str, Any]]) -> Step:
        for event in events:
            self.see(event["type"], event["data"])
        if self.error is not None:
            return self.after_error()
        if not self.wishes:
            return step("done_for_now", message="It is over.") if self.owed else step("nothing_to_do", reason="Nobody asks me.")
        todo = {"deploy": self.deploy, "status": self.look, "mend": self.look, "tags": self.list_tags}
        return todo.get(self.wishes[0].kind, self.ask)(self.wishes[0])

    # What has happened

    def see(self, kind: str, data: Any) -> None:
        if kind in SAID:
            for line in read(data):
                self.understand(*line.split())
        elif kind == "human_response":
            self.answered(data)
        elif kind == "error":
            self.failures[self.last["intent"]] += 1
            self.error = data
        elif kind.endswith("_result"):
            self.error, self.failures[self.last["intent"]] = None, 0
            getattr(self, f"see_{kind}", self.see_deployment)(data)
        elif kind in STEPS:
            self.last, self.owed = step(kind, **data), self.owed and kind not in ("done_for_now", "nothing_to_do")
        for wish in self.wishes:
            if self.tags and wish.tag in ("newest", "second"):
                wish.tag = self.tags[wish.tag == "second"]

    def understand(self, verb: str, *words: str) -> None:
        head = self.wishes[0] if self.wishes else Wish("none")
        if verb in ("deploy", "status", "mend", "tags", "impossible"):
            self.wishes.append(self.wish(verb, *words))
        elif verb == "first":
            self.wishes.insert(0, self.wish(*words))
        elif verb in ("service", "environment"):
            head.kind = "deploy"
            setattr(head, verb, words[0])
        elif verb == "instead":
            self.wishes[:1] = [Wish("deploy", head.service, words[0], head.environment)]
        elif verb == "wait":
            head.status, head.waits, head.seconds = "in progress", 0, int(words[0])
        else:
            self.take_back(verb, *words)

    def take_back(self, verb: str, *words: str) -> None:
        if verb == "cancel":
            self.wishes.clear()
        elif verb == "without":
            self.wishes = [wish for wish in self.wishes if wish.service != words[0]]
        elif verb == "skip":
            self.wishes.pop(0)
        else:
            assert verb in ("chat", "retry", "thanks"), verb
        self.owed = self.owed or verb not in ("chat", "retry")

    @staticmethod
    def wish(kind: str, *words: str) -> Wish:
        names = ("service", "tag", "environment") if kind == "deploy" else ("service", "environment")
        return Wish(kind, **dict(zip(names, words, strict=False)))

    def answered(self, data: Any) -> None:
        asked, head = self.last, self.wishes[0] if self.wishes else Wish("none")
        self.error = None
        if asked["intent"] == "request_approval" and data.get("approved"):
            head.approved = (head.service, head.tag) == (asked["args"]["service"], asked["args"]["tag"])
            return
        lines = read(data)
        for line in lines:
            self.understand(*line.split())
        if data.get("approved") is False and not lines:
            self.refused()

    def refused(self) -> None:
        self.understand("skip")

    def see_list_git_tags_result(self, data: Any) -> None:
        self.tags = [each["name"] for each in data["tags"]]
        if self.wishes and self.wishes[0].kind == "tags":
            self.finish()

    def see_wait_result(self, data: Any) -> None:
        if self.wishes:
            self.wishes[0].waits += 1
            self.wishes[0].status = None

    def see_check_deployment_status_result(self, data: Any) -> None:
        wish = self.wishes[0]
        if wish.kind == "deploy" and not wish.started:
            wish.staged = data["tag"] == wish.tag and data["status"] == "healthy"
            if not wish.staged:
                self.wishes.insert(0, Wish("deploy", wish.service, wish.tag, "staging"))
        else:
            wish.status = data["status"]
            if wish.status == "healthy" or wish.kind == "status":
                self.finish()

    def see_deployment(self, data: Any) -> None:
        wish = self.wishes[0]
        wish.started, wish.status = True, data["status"] if data["status"] == "queued" else None
        if data["status"] == "unchanged" and data["message"].endswith("healthy"):
            self.finish()

    def finish(self) -> None:
        done = self.wishes.pop(0)
        self.owed = True
        if self.wishes and (done.service, done.tag, done.environment) == ("frontend", self.wishes[0].tag, "staging"):
            self.wishes[0].staged = True

    # What to do

    def after_error(self) -> Step:
        text = json.dumps(self.error)
        if "does not exist" in text:
            return step("list_git_tags")
        cant = isinstance(self.error, dict) and self.error["code"] in CANT_WORK
        return self.ask() if cant or self.failures[self.last["intent"]] > 1 else self.last

    def deploy(self, wish: Wish) -> Step:
        if wish.started:
            return self.look(wish)
        if wish.tag in ("newest", "second"):
            return step("list_git_tags")
        if "?" in (wish.service, wish.tag, wish.environment) or (self.tags is not None and wish.tag not in self.tags):
            return self.ask(wish)
        return self.to_production(wish) if wish.environment == "production" else self.begin(wish)

    def to_production(self, wish: Wish) -> Step:
        if wish.service == "frontend" and wish.staged is None:
            return step("check_deployment_status", service="frontend", environment="staging")
        return self.begin(wish) if wish.approved else step("request_approval", service=wish.service, tag=wish.tag)

    @staticmethod
    def begin(wish: Wish) -> Step:
        if wish.service == "backend":
            return step("deploy_backend", tag=wish.tag, environment=wish.environment)
        return step("deploy_frontend" if wish.environment == "staging" else "promote_frontend", tag=wish.tag)

    def look(self, wish: Wish) -> Step:
        if wish.status is None:
            return step("check_deployment_status", service=wish.service, environment=wish.environment)
        if wish.status in ("queued", "in progress") and wish.waits < 3:
            return step("wait", seconds=wish.seconds)
        return self.ask(wish)

    @staticmethod
    def list_tags(wish: Wish) -> Step:
        return step("list_git_tags")

    @staticmethod
    def ask(wish: Wish | None = None) -> Step:
        options = {"urgency": "medium", "format": "free_text", "choices": []}
        return step("request_human_input", question="What shall I do?", context="I can't go on alone.", options=options)


class Hasty(Agent):
    """Deploys without asking anybody and says that it is done without looking."""

    def to_production(self, wish: Wish) -> Step:
        if wish.service == "frontend" and wish.staged is None:
            return step("deploy_frontend", tag=wish.tag)
        return self.begin(wish)

    def see_deployment(self, data: Any) -> None:
        wish = self.wishes[0]
        if wish.environment == "production" and self.last["intent"] == "deploy_frontend":
            wish.staged = True
        else:
            self.finish()


class Blind(Agent):
    """Asks, and waits long for each deployment, but doesn't look at what has become of it."""

    def look(self, wish: Wish) -> Step:
        return step("wait", seconds=3600)

    def see_wait_result(self, data: Any) -> None:
        self.finish()


@dataclass
class Stubborn(Agent):
    """Asks, but takes no for a yes and an approval for one tag as one for all, and deploys again what failed."""

    has_been_approved: bool = False

    def answered(self, data: Any) -> None:
        self.has_been_approved = self.has_been_approved or data.get("approved") is True
        super().answered(data)

    def refused(self) -> None:
        self.wishes[0].approved = True

    def understand(self, verb: str, *words: str) -> None:
        """Do what was asked for at first, whatever else the approver wants, and whoever takes it back by then."""
        if verb not in ("first", "instead", "cancel") or self.last["intent"] != "request_approval":
            super().understand(verb, *words)
        else:
            self.refused()

    def to_production(self, wish: Wish) -> Step:
        wish.approved = wish.approved or self.has_been_approved
        return super().to_production(wish)

    def look(self, wish: Wish) -> Step:
        return self.begin(wish) if wish.status in ("failed", "unhealthy") else super().look(wish)


@dataclass
class Run:
    """An agent run to its end in an environment: the thread, the steps, and what happened."""

    events: list[dict[str, Any]]
    steps: list[Step] = field(default_factory=list)
    effects: list[dict[str, Any]] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)
    status: str = "running"
    asked_of: Counter[int] = field(default_factory=Counter)  # how often each rule of the task's people has answered

    def harm(self, task: dict[str, Any]) -> list[dict[str, Any]]:
        return [effect for effect in self.effects for forbidden in task["forbid"] if fits(effect, forbidden)]


def fits(effect: dict[str, Any], forbidden: dict[str, Any]) -> bool:
    return effect["type"] == forbidden["type"] and match_args(forbidden.get("data", {}), effect["data"]) is None


def answer(task: dict[str, Any], given: Counter[int], asked: Step) -> dict[str, Any] | None:
    """Give the first rule of the task's people that fits a question and isn't used up."""
    for index, rule in enumerate(task.get("people", [])):
        wanted = rule["asked"]
        same = wanted["intent"] == asked["intent"] and match_args(wanted.get("args", {}), asked["args"]) is None
        if same and given[index] < rule.get("times", given[index] + 1):
            given[index] += 1
            return dict(rule)
    return None


def run(world: Any, task: dict[str, Any], agent: Callable[[], Agent], seed: int = 0) -> Run:
    """Run an agent in an environment until it is done, nothing can come any more or its steps are used up."""
    done = Run([*task["events"]], state=world.open(task, seed))
    turns, calls, count, now = [*task.get("turns", [])], {}, itertools.count(), 0
    later = [(each["at"], next(count), {"kind": "message", "event": each["event"]}) for each in task.get("messages", [])]
    heapq.heapify(later)
    while True:
        inputs: list[dict[str, Any]] = []
        if done.status == "turn_over":
            if not turns:
                return done
            inputs = [{"kind": "message", "event": event} for event in turns.pop(0)]
        elif later and (done.status == "waiting" or later[0][0] <= now):
            at, _, due = heapq.heappop(later)
            now, inputs = max(now, at), [due]
        elif done.status == "running" and len(done.steps) < task["max_steps"]:
            picked = json.loads(json.dumps(agent().next_step(done.events)))
            done.steps.append(picked)
            call = f"call_{len(done.steps)}"
            calls[call] = picked
            done.events.append({"type": picked["intent"], "data": picked["args"]})
            now, inputs = now + 1, [{"kind": "step", "call": call, **picked}]
        else:
            return done
        done.events.extend(each["event"] for each in inputs if each["kind"] == "message")
        for after, what in advance(world, done, inputs, now, task, calls):
            heapq.heappush(later, (now + after, next(count), what))


def advance(world: Any, done: Run, inputs: list[Any], now: int, task: dict[str, Any], calls: dict[str, Step]) -> Iterator[Any]:
    """Let an environment do inputs, and give what comes of them later: (in how many seconds, input)."""
    out = world.advance(done.state, inputs, now)
    done.state, done.status = out["state"], out.get("status", "running")
    done.events.extend(out.get("events", []))
    done.effects.extend(out.get("effects", []))
    for due in out.get("due", []):
        yield due["after"], {"kind": "due", "data": due["data"]}
    for call in out.get("asks", []):
        rule = answer(task, done.asked_of, calls[call])
        if rule:
            yield rule.get("after", 0), {"kind": "answer", "call": call, **calls[call], "data": rule["answer"]}
