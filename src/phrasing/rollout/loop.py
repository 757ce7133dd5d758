"""A run of an agent: its control decides, a model picks steps, the environment does them, people answer, virtual time passes.

Nothing here depends on the clock, and on no randomness but that of the environment's seed. So a run is done again by giving the
same answers to the same questions: that is how one that was cut short goes on, with the answers that it had.
"""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from pydantic import JsonValue, TypeAdapter, ValidationError

from phrasing import user_code
from phrasing.errors import shorten
from phrasing.messages import BAML_TOKENS
from phrasing.records import Ending
from phrasing.rollout.control import Control
from phrasing.rollout.environment import Effect, EnvironmentFailed, Input, Turn, World
from phrasing.score.matchers import match_args
from phrasing.suite.dataset import check_json, infer_roles
from phrasing.suite.tasks import Answering, Task
from phrasing.types import Event, Parsed, Step, Thread
from phrasing.user_code import TookTooLong

STEP_SECONDS = 1.0
"""How much virtual time a step takes."""

IDLE = 100
"""So many times in a row a control may act without asking for a step."""


MOST_DUE = 1000
"""So many things in a row may come due without the agent having anything to do."""


class ControlFailed(Exception):
    """A control raised, or did what its contract doesn't allow; the message names its file and line."""


class _End(BaseException):
    """Leaves a control, which mustn't catch it: an agent's run has ended."""

    def __init__(self, ended: Ending, why: str = "") -> None:
        self.ended, self.why = ended, why


class Since(NamedTuple):
    """What happened since the step before: at which virtual ``now`` the agent is asked again, ``effects`` in the world, and
    ``events`` that were appended to the thread; ``thread`` is all of it, where a control wrote it anew.
    """

    now: float
    effects: tuple[Effect, ...]
    events: tuple[Event, ...]
    thread: tuple[Event, ...] | None = None


Ask = Callable[[Thread, int, Since], Awaitable[Parsed]]
"""Has a model pick a step: of a thread, the number of the step (from 1), and what happened since the one before."""


class Taken(NamedTuple):
    """A step that an agent took, whether it asked somebody, and by which of the task's rules that was answered."""

    step: Step
    asked: bool = False
    rule: int | None = None


@dataclass
class History:
    """What happened in a run, as far as it has come."""

    steps: int = 0
    unreadable: int = 0
    taken: list[Taken] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    now: float = 0.0
    ended: Ending | None = None
    why: str = ""


class People:
    """Those who answer, by the rules of a task: the first one that fits and isn't used up."""

    def __init__(self, rules: Sequence[Answering]) -> None:
        self._rules = rules
        self._used = [0] * len(rules)

    def answer(self, step: Step) -> int | None:
        """Give the number of the rule that answers a step, and count it as used; ``None``: nobody answers."""
        for number, rule in enumerate(self._rules):
            asked = rule.asked
            left = rule.times is None or self._used[number] < rule.times
            if left and asked.intent == step.intent and match_args(asked.args, step.args, only=asked.only) is None:
                self._used[number] += 1
                return number
        return None


_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


class Agent:
    """An agent as its control sees it. What begins with ``_`` is the engine's.

    ``thread`` is what has happened, as a list of events (``type``, ``data``, ``role``, ``call``); assign another list, and that
    is what the model is shown from then on. ``running`` says whether there is anything left to do, ``steps`` how often a model
    was asked, ``now`` the seconds of virtual time, ``problem`` why the last answer was no step.
    """

    def __init__(self, world: World, task: Task, steps: frozenset[str], ask: Ask) -> None:
        self._world, self._task, self._intents, self._ask = world, task, steps, ask
        self._people = People(task.people)
        self._turns = list(task.turns)
        self._order = itertools.count()
        self._due: list[tuple[float, int, Input]] = []
        self._calls: dict[str, Step] = {}
        self._history = History(events=list(task.events))
        self._thread: list[Event] = list(task.events)
        self._new: list[Event] = list(task.events)
        self._written = False
        self._looked = 0
        self._idle = 0
        self._failed: BaseException | None = None
        self.problem = ""
        for said in task.messages:
            self._schedule(said.at, {"kind": "message", "event": _dumped(said.event)})

    # ------------------------------------------------------------------------------------------ for controls

    @property
    def running(self) -> bool:
        """Whether there is anything left to do."""
        return self._history.ended is None

    @property
    def steps(self) -> int:
        """How often a model was asked."""
        return self._history.steps

    @property
    def now(self) -> float:
        """Seconds of virtual time since the start."""
        return self._history.now

    @property
    def thread(self) -> list[dict[str, Any]]:
        """What has happened, oldest first; a copy."""
        return [_dumped(event) for event in self._thread]

    @thread.setter
    def thread(self, events: Iterable[dict[str, Any]]) -> None:
        made = [_event(event) for event in events]
        if not made:
            raise ValueError("a thread needs an event at least")
        self._thread, self._written = self._checked(made), True

    def append(self, *events: dict[str, Any]) -> list[dict[str, Any]]:
        """Append events to the thread; give them. Unless they say otherwise they are inputs, and no results of a step."""
        self._act()
        return [_dumped(event) for event in self._append(map(_said, map(_event, events)))]

    async def next_step(self) -> dict[str, Any] | None:
        """Have the model pick the next step: ``intent`` and ``args``. ``None``: its answer was none, and ``problem`` says why."""
        return next(iter(await self.next_steps()), None)

    async def next_steps(self) -> list[dict[str, Any]]:
        """Have the model pick the next steps, of a function that may answer with several; none where its answer was no step."""
        if self._failed is not None:
            raise self._leave(self._failed)
        self._arrive()
        if self._history.ended is not None:
            raise _End(self._history.ended, self._history.why)
        if self._history.steps == self._task.max_steps:
            raise _End("limit", f"no step is left of {self._task.max_steps}")
        self._history.steps += 1
        self._idle = 0
        since = self.since
        self._looked, self._new, self._written = len(self._world.effects), [], False
        try:
            parsed = await self._ask(Thread(events=tuple(self._thread)), self._history.steps, since)
        except BaseException as error:
            raise self._leave(error) from None
        self._history.now += STEP_SECONDS
        self.problem = _showable(_problem(parsed))
        if self.problem or parsed.step is None:
            self._history.unreadable += 1
            return []
        return [{"intent": step.intent, "args": step.args} for step in (parsed.step, *parsed.further)]

    async def do(self, *steps: dict[str, Any]) -> list[dict[str, Any]]:
        """Do steps: they are appended to the thread, the environment does them all at once, and what the agent is shown of it is
        appended too. Where there is nothing to do but wait, time passes until there is. Gives what was appended after the steps.
        """
        self._act()
        if not self.running:
            return []
        inputs: list[Input] = []
        for each in steps:
            step = Step.model_validate(each)
            call = f"call_{len(self._history.taken) + 1}"
            self._calls[call] = step
            self._history.taken.append(Taken(step))
            self._append([Event(type=step.intent, data=step.args, role="step", call=call)])
            inputs.append({"kind": "step", "call": call, "intent": step.intent, "args": step.args})
        before = len(self._history.events)
        self._go_on(self._give(inputs))
        return [_dumped(event) for event in self._history.events[before:]]

    def stop(self, why: str) -> None:
        """End the run: somebody else has to go on."""
        self._end("stopped", why)

    # ------------------------------------------------------------------------------------------ inside

    @property
    def since(self) -> Since:
        """What happened since the last step was asked for."""
        effects = tuple(self._world.effects[self._looked :])
        return Since(self.now, effects, tuple(self._new), tuple(self._thread) if self._written else None)

    def _act(self) -> None:
        """Count what a control does between two steps."""
        self._idle += 1
        if self._idle > IDLE:
            raise self._leave(ControlFailed(f"acted {IDLE} times without asking for a step, so it would never end"))
        if self._failed is not None:
            raise self._leave(self._failed)

    def _leave(self, error: BaseException) -> BaseException:
        """Make what leaves the control because something failed: what ``run`` raises then is this error."""
        self._failed = self._failed or error
        return _End("stopped")

    def _end(self, ended: Ending, why: str = "") -> None:
        if self.running:
            self._history.ended, self._history.why = ended, why

    def _append(self, events: Iterable[Event]) -> list[Event]:
        made = list(events)
        self._thread = self._checked([*self._thread, *made])
        self._history.events += made
        self._new += made
        return made

    def _checked(self, events: list[Event]) -> list[Event]:
        """Hold that roles and calls of a thread don't contradict each other. Raises ``ValueError``."""
        infer_roles(Thread(events=tuple(events)), self._intents)
        return events

    def _schedule(self, at: float, what: Input) -> None:
        heapq.heappush(self._due, (at, next(self._order), what))

    def _give(self, inputs: Sequence[Input]) -> Turn:
        """Give inputs to the environment; append what the agent is shown, and take in what is due later."""
        try:
            turn = self._world.advance(inputs, self.now)
            self._append(turn.events)
            for due in turn.due:
                self._schedule(self.now + due.after, {"kind": "due", "data": due.data})
            for call in turn.asks:
                self._asks(call)
        except EnvironmentFailed as error:
            raise self._leave(error) from None
        except ValueError as error:
            failed = self._world.environment.failed("advance", f"returned what doesn't fit: {error}")
            raise self._leave(failed) from None
        return turn

    def _asks(self, call: str) -> None:
        """Have people answer a call, if any of them does."""
        if call not in self._calls:
            raise ValueError(f"asks: there is no call {call!r}")
        number = [*self._calls].index(call)
        step = self._calls[call]
        rule = self._people.answer(step)
        self._history.taken[number] = Taken(step, asked=True, rule=rule)
        answering = self._task.people[rule] if rule is not None else None
        if answering is not None and answering.answer is not None:
            answer: Input = {"kind": "answer", "call": call, "intent": step.intent, "args": step.args, "data": answering.answer}
            self._schedule(self.now + answering.after, answer)

    def _arrive(self) -> None:
        """Give the environment what has come due."""
        while self.running and self._due and self._due[0][0] <= self.now:
            self._go_on(self._give(self._next()))

    def _next(self) -> list[Input]:
        """Take what is due next: all of the same moment, to which time passes."""
        at, _, first = heapq.heappop(self._due)
        self._history.now = max(self.now, at)
        found = [first]
        while self._due and self._due[0][0] <= at:
            found.append(heapq.heappop(self._due)[2])
        for what in found:
            if what["kind"] == "message":
                self._append([_said(_event(what["event"]))])
        return found

    def _go_on(self, turn: Turn) -> None:
        """Let time pass until the agent has something to do, or nothing will come any more.

        An agent whose turn is over rests until it is shown something.
        """
        resting = False
        for _ in range(MOST_DUE):
            if turn.status == "over":
                return self._end("over")
            resting = resting or turn.status == "turn_over"
            if turn.status == "running" and not resting:
                return None
            before = len(self._history.events)
            if resting and self._turns:
                said = self._turns.pop(0)
                self._append(map(_said, said))
                turn = self._give([{"kind": "message", "event": _dumped(event)} for event in said])
            elif self._due:
                turn = self._give(self._next())
            else:
                return self._end("done" if resting else "waiting")
            resting = resting and len(self._history.events) == before
        what = f"let {MOST_DUE:,} things come due, one after another, without anything for the agent to do"
        raise self._leave(self._world.environment.failed("advance", what))


async def run(control: Control, agent: Agent) -> History:
    """Run an agent under its control to the end.

    Raises ``EnvironmentFailed`` and ``ControlFailed``, and whatever the function raises that asks the model.
    """
    try:
        await control.drive(agent)
    except _End as end:
        agent._end(end.ended, end.why)
    except TookTooLong:
        line = control.run.__code__.co_firstlineno
        what = f"run took longer than {control.time_limit:g} s (TIME_LIMIT) between two steps"
        raise ControlFailed(f"{control.path}:{line}: {what}") from None
    except Exception as error:
        if agent._failed is None:
            raised = user_code.raised(control.path, error)
            raise ControlFailed(f"{raised.where(control.path)}: run {raised}") from None
    if isinstance(agent._failed, ControlFailed):
        raise ControlFailed(f"{control.path}: run {agent._failed}")
    if agent._failed is not None:
        raise agent._failed
    agent._end("stopped", "its control returned")
    return agent._history


def _event(value: Any) -> Event:
    """Read an event of a control's. Raises ``ValueError``."""
    try:
        event = _EVENT.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise ValueError(f"{shorten(repr(value), 60)} is no event: {place}: {first['msg'].lower()}") from None
    check_json(event.data, json.dumps(event.data, allow_nan=False))
    return event


def _problem(parsed: Parsed) -> str:
    """Say why an answer is no step that can be done; nothing, where it is one."""
    if parsed.step is None:
        return parsed.reason or parsed.stage or "no step"
    try:
        for step in (parsed.step, *parsed.further):  # what it holds is shown to the model from now on
            check_json(step.args, json.dumps(step.args, allow_nan=False))
    except ValueError as error:
        return str(error)
    return ""


def _showable(text: str) -> str:
    """Take out of a text what no prompt can hold: it may quote an answer."""
    for token in BAML_TOKENS:
        text = text.replace(token, "…")
    return text.encode("utf-8", "replace").decode("utf-8")


def _said(event: Event) -> Event:
    """Give an event that nobody's step led to: an input, whatever it is called."""
    return event if event.role or event.call else replace(event, role="input")


def _dumped(event: Event) -> dict[str, JsonValue]:
    return {name: value for name, value in _EVENT.dump_python(event, mode="json").items() if value is not None or name == "data"}
