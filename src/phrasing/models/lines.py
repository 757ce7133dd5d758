"""Where requests wait until they may be sent: a line for each host and key, in the order in which they were first asked for.

A line asks its ``Controller`` when the next one may go, and each model of the host whether it may: by its own ceilings, and by
its ``Breaker``, which ends a model that only fails. A request that waits holds no place: others go to other hosts meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import math
from bisect import insort
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from phrasing.errors import CompletionError, NotSent
from phrasing.models.limits.controller import Controller, Ticket
from phrasing.suite.schema import ModelSpec
from phrasing.types import Completion, Request

IN_A_ROW = 10
"""Failures in a row after which a model gets one request at a time, with growing pauses between."""

PROBES, LONGEST = 6, 16.0
"""As many of these may fail as well; and the longest pause between them, in seconds."""

PATIENCE = 900.0
"""Seconds that a refused request may wait for its answer, and that a host may refuse everything."""

SHORT = 0.05
"""Seconds of a wait that nothing needs to cut short."""

LEAD = 1
"""Requests of a model that are made ready before they may be sent."""


@dataclass
class Ceilings:
    """What a suite allows a model: ``rpm`` requests and ``tpm`` tokens a minute, evenly spaced; ``jobs`` requests at a time.

    A request's tokens are told by its length, as they were in earlier answers; what it took in the end is made good.
    """

    rpm: float | None
    tpm: float | None
    jobs: int | None
    clock: Callable[[], float]
    flying: int = 0

    def __post_init__(self) -> None:
        self._next = self._next_token = -math.inf
        self._letters = self._tokens = 0

    def wait(self) -> float:
        """Seconds until the next request may be sent; infinite where one in flight has to end first."""
        if self.jobs is not None and self.flying >= self.jobs:
            return math.inf
        return max(0.0, max(self._next, self._next_token) - self.clock())

    def start(self, request: Request) -> float:
        """Take note of a request that is sent now; give the tokens that it is taken for."""
        now = self.clock()
        self.flying += 1
        if self.rpm:
            self._next = max(now, self._next) + 60 / self.rpm
        if not self.tpm:
            return 0.0
        tokens = letters(request) * (self._tokens / self._letters if self._tokens else 0.25)
        self._next_token = max(now, self._next_token) + tokens * 60 / self.tpm
        return tokens

    def ended(self, request: Request, taken: float, tokens: int | None) -> None:
        """Take note of a request that isn't in flight any more, and of the tokens that it took, where that is known."""
        self.flying -= 1
        if self.tpm and tokens:
            self._letters, self._tokens = self._letters + letters(request), self._tokens + tokens
            self._next_token += (tokens - taken) * 60 / self.tpm


def letters(request: Request) -> int:
    """Count the characters of what is sent, as JSON."""
    return len(json.dumps([request.messages, request.tools, request.response_format]))


class Breaker:
    """Ends a model that only fails, after a bounded number of requests: some in a row, then one at a time with growing pauses."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.failures, self.reason, self.dead = 0, "", False
        self._probes, self._probe, self._until = -1, 0, -math.inf

    @property
    def open(self) -> bool:
        """Whether only one request at a time is sent."""
        return self._probes >= 0

    def wait(self) -> float:
        """Seconds until the next request may be sent; infinite while one is under way that shows how things stand."""
        if not self.open:
            return 0.0
        return math.inf if self._probe else max(0.0, self._until - self._clock())

    def start(self, number: int) -> None:
        """Take note of a request that is sent now."""
        if self.open:
            self._probe = number

    def failed(self, number: int, reason: str) -> None:
        """Take note of a failure. Those of requests that were sent before the first pause count no further."""
        self.failures, self.reason = self.failures + 1, reason
        if self.open:
            if number != self._probe:
                return
            self._probe = 0
        elif self.failures < IN_A_ROW:
            return
        self._probes += 1
        self.dead = self._probes >= PROBES
        self._until = self._clock() + min(LONGEST, 2.0**self._probes)

    def answered(self) -> None:
        """Take note of an answer, whatever it says: the model is there."""
        self.failures, self._probes, self._probe = 0, -1, 0

    def gave_up(self, number: int) -> None:
        """Take note of a request that was given up."""
        self._probe = 0 if self._probe == number else self._probe


@dataclass(eq=False)
class Asked:
    """A model at an address, as a line knows it."""

    name: str
    ceilings: Ceilings
    breaker: Breaker
    places: int = 0
    wanted: deque[asyncio.Future[None]] = field(default_factory=deque)

    def wait(self) -> float:
        """Seconds until it may be sent a request."""
        return max(self.ceilings.wait(), self.breaker.wait())


class Together:
    """How many requests may be in flight over all hosts."""

    def __init__(self, most: int | None) -> None:
        self._most, self._flying = most, 0
        self.lines: list[Line] = []

    @property
    def full(self) -> bool:
        """Whether one has to end first."""
        return self._most is not None and self._flying >= self._most

    def started(self) -> None:
        """Take note of a request that is sent now."""
        self._flying += 1

    def ended(self, line: Line) -> None:
        """Take note of one that isn't in flight any more; other hosts come first."""
        self._flying -= 1
        if self._most is not None:
            for other in self.lines:
                if other is not line:
                    other.changed()
        line.changed()


@dataclass(order=True, slots=True)
class _Waiting:
    number: int
    model: Asked = field(compare=False)
    request: Request = field(compare=False)
    go: asyncio.Future[tuple[Ticket, float]] = field(compare=False)


class Line:
    """Who waits to be sent to a host, and who is sent."""

    def __init__(
        self,
        name: str,
        controller: Controller,
        together: Together,
        *,
        sleep: Callable[[float], Awaitable[object]],
        clock: Callable[[], float],
        left: Callable[[], float],
    ) -> None:
        self.name, self.controller, self.closed = name, controller, ""
        self.models: list[Asked] = []
        self._together, self._sleep, self._clock, self._left = together, sleep, clock, left
        self._waiting: list[_Waiting] = []
        self._event = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self._refusing: float | None = None
        together.lines.append(self)

    def changed(self) -> None:
        """Look again who may go."""
        self._event.set()
        for model in self.models:
            while model.wanted and self._has_place(model):
                place = model.wanted.popleft()
                if not place.done():
                    model.places += 1
                    place.set_result(None)

    # ------------------------------------------------------------------------------------------ places

    def _has_place(self, model: Asked) -> bool:
        return bool(self.closed or model.breaker.dead) or model.places < self.most(model)

    def most(self, model: Asked) -> int:
        """Say how many places a model has now."""
        window = int(self.controller.window)
        return (window if model.ceilings.jobs is None else min(window, model.ceilings.jobs)) + LEAD

    @asynccontextmanager
    async def place(self, model: Asked) -> AsyncIterator[None]:
        """Wait until a request of a model is worth making: it is the next or so to be sent."""
        if self._has_place(model) and not model.wanted:
            model.places += 1
        else:
            place = asyncio.get_running_loop().create_future()
            model.wanted.append(place)
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    model.places -= 1
                raise
        try:
            yield
        finally:
            model.places -= 1
            self.changed()

    # ------------------------------------------------------------------------------------------ the line

    @asynccontextmanager
    async def turn(self, number: int, model: Asked, request: Request) -> AsyncIterator[_Turn]:
        """Wait until a request may be sent. The lowest number goes first.

        Raises ``CompletionError`` where its host or model is asked no more, ``NotSent`` where the run's limits are reached.
        """
        waiting = _Waiting(number, model, request, asyncio.get_running_loop().create_future())
        insort(self._waiting, waiting)
        self._event.set()
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send())
        try:
            ticket, taken = await waiting.go
        except asyncio.CancelledError:
            if waiting.go.done() and not waiting.go.cancelled() and not waiting.go.exception():
                _Turn(self, model, request, *waiting.go.result()).end()
            elif waiting in self._waiting:
                self._waiting.remove(waiting)
            raise
        turn = _Turn(self, model, request, ticket, taken)
        try:
            yield turn
        finally:
            turn.end()

    async def close(self) -> None:
        """End what still looks after the line."""
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)

    async def _send(self) -> None:
        while self._waiting:
            self._event.clear()
            self._turn_away()
            if not self._waiting:
                return
            wait = math.inf if self._together.full else self.controller.wait()
            if wait <= 0:
                wait, first = min(((waiting.model.wait(), waiting) for waiting in self._waiting), key=lambda pair: pair[0])
                if wait <= 0:
                    self._start(first)
                    continue
            await self._until(min(wait, self._left()))

    def _turn_away(self) -> None:
        for waiting in list(self._waiting):
            breaker = waiting.model.breaker
            why: Exception | None = None
            if self._left() <= 0:
                why = NotSent()
            elif self.closed:
                why = CompletionError("fatal", self.closed)
            elif breaker.dead:
                why = CompletionError("fatal", f"{breaker.failures} requests in a row failed; the last one: {breaker.reason}")
            if why is not None or waiting.go.done():
                self._waiting.remove(waiting)
            if why is not None and not waiting.go.done():
                waiting.go.set_exception(why)

    def _start(self, waiting: _Waiting) -> None:
        self._waiting.remove(waiting)
        if waiting.go.done():
            return
        ticket = self.controller.start(waiting.model.name)
        waiting.model.breaker.start(ticket.number)
        self._together.started()
        waiting.go.set_result((ticket, waiting.model.ceilings.start(waiting.request)))

    async def _until(self, seconds: float) -> None:
        """Wait so long, or until something has changed."""
        if seconds <= SHORT:
            await self._sleep(seconds)
            return
        changed = asyncio.ensure_future(self._event.wait())
        both = [changed] if seconds == math.inf else [changed, asyncio.ensure_future(_of(self._sleep(seconds)))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()

    def refuses(self, retry_after: float | None) -> None:
        """Close the line where the host asks for a longer wait than anybody has patience for, or refuses everything so long."""
        now = self._clock()
        self._refusing = now if self._refusing is None else self._refusing
        if retry_after is not None and retry_after > PATIENCE:
            self.closed = f"{self.name} asks to wait {retry_after / 60:.0f} minutes"
        elif now - self._refusing > PATIENCE:
            self.closed = f"{self.name} has throttled every request for {PATIENCE / 60:.0f} minutes"

    def answers(self) -> None:
        """Take note of an answer."""
        self._refusing = None

    # ------------------------------------------------------------------------------------------ what is seen of it

    @property
    def held(self) -> str:
        """Say in a few words what holds requests to this host back; nothing, if they aren't."""
        for model in self.models:
            if model.breaker.open and not model.breaker.dead:
                return f"{model.name}: {model.breaker.failures} requests in a row failed; trying one at a time"
        return f"{self.name}: {self.controller.held_to}" if self.controller.held_to else ""


@dataclass(slots=True)
class _Turn:
    """A request in flight: what becomes of it is told once."""

    line: Line
    model: Asked
    request: Request
    ticket: Ticket
    taken: float
    _told: bool = False

    def answered(self, answer: Completion) -> None:
        """Tell of an answer."""
        usage = answer.usage
        tokens = None if usage.prompt is None else usage.prompt + (usage.completion or 0)
        self.line.controller.accepted(self.ticket, answer.quota, tokens)
        self.line.answers()
        self.model.breaker.answered()
        self._over(tokens)

    def failed(self, error: CompletionError) -> None:
        """Tell of a failure."""
        if error.throttled:
            self.line.controller.refused(self.ticket, error.retry_after, error.quota)
            self.line.refuses(error.retry_after)
            self.model.breaker.answered()
        else:
            self.line.controller.ended(self.ticket)
            if error.kind == "transient":
                self.model.breaker.failed(self.ticket.number, str(error))
            else:
                self.line.answers()
                self.model.breaker.answered()
        self._over(None)

    def end(self) -> None:
        """Tell that it was given up, unless something else was told."""
        if not self._told:
            self.line.controller.ended(self.ticket)
            self.model.breaker.gave_up(self.ticket.number)
            self._over(None)

    def _over(self, tokens: int | None) -> None:
        self._told = True
        self.model.ceilings.ended(self.request, self.taken, tokens)
        self.line._together.ended(self.line)


async def _of(waiting: Awaitable[object]) -> None:
    await waiting


class Traffic:
    """What goes on between a client and its hosts, for those who look: it is empty until the client is made."""

    def __init__(self) -> None:
        self.lines: Sequence[Line] = ()

    @property
    def held(self) -> list[str]:
        """Say for each host that holds requests back how, in a few words."""
        return [line.held for line in self.lines if line.held]

    @property
    def refused(self) -> dict[str, tuple[int, int]]:
        """Name the hosts that refused requests: how many, of how many that were sent."""
        controllers = {line.name: line.controller for line in self.lines}
        return {name: (found.refusals, found.sent) for name, found in controllers.items() if found.refusals}


def ceilings(specs: Sequence[ModelSpec], clock: Callable[[], float]) -> Ceilings:
    """Take the strictest ceilings of the specs of one model at one address: they may differ in parameters."""
    rpm = min((spec.rpm for spec in specs if spec.rpm), default=None)
    tpm = min((spec.tpm for spec in specs if spec.tpm), default=None)
    return Ceilings(rpm, tpm, min((spec.jobs for spec in specs if spec.jobs), default=None), clock)
