"""A provider and a client in virtual time: what a ``Controller`` makes of limits, without waiting for anything."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from phrasing.models.limits.controller import Controller
from phrasing.types import Quota


@dataclass(frozen=True)
class Reply:
    """What a provider does with a request: after ``latency`` seconds it answers, or refuses."""

    latency: float
    refused: bool = False
    retry_after: float | None = None
    quota: Quota | None = None


class Provider(Protocol):
    """A provider's limit."""

    def arrived(self, now: float) -> Reply: ...

    def left(self, now: float) -> None: ...


@dataclass
class Bucket:
    """A rate: so many a second, and ``burst`` at once after a rest. ``rate`` may change with the time."""

    rate: Callable[[float], float]
    burst: float
    latency: Callable[[], float]
    retry_after: float | None = None
    refusal: float = 0.01
    tokens: float = field(init=False)
    at: float = 0.0

    def __post_init__(self) -> None:
        self.tokens = self.burst

    def arrived(self, now: float) -> Reply:
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate(now))
        self.at = now
        if self.tokens < 1 - 1e-9:
            return Reply(self.refusal, True, self.retry_after)
        self.tokens -= 1
        return Reply(self.latency())

    def left(self, now: float) -> None:
        pass


@dataclass
class Seats:
    """A number at a time."""

    seats: Callable[[float], int]
    latency: Callable[[], float]
    retry_after: float | None = None
    refusal: float = 0.01
    taken: int = 0

    def arrived(self, now: float) -> Reply:
        if self.taken >= self.seats(now):
            return Reply(self.refusal, True, self.retry_after)
        self.taken += 1
        return Reply(self.latency())

    def left(self, now: float) -> None:
        self.taken -= 1


@dataclass
class Queue:
    """A server with so many workers: who finds none free waits."""

    workers: int
    service: Callable[[], float]
    free: list[float] = field(default_factory=list)

    def arrived(self, now: float) -> Reply:
        if not self.free:
            self.free = [0.0] * self.workers
        begins = max(now, heapq.heappop(self.free))
        ends = begins + self.service()
        heapq.heappush(self.free, ends)
        return Reply(ends - now)

    def left(self, now: float) -> None:
        pass


@dataclass
class Metered:
    """So many requests in so many seconds, which come back all at once or little by little, and how many are left is told."""

    limit: int
    seconds: float
    whole: bool
    latency: Callable[[], float]
    used: float = 0.0
    at: float = 0.0

    def arrived(self, now: float) -> Reply:
        if not self.whole:
            self.used = max(0.0, self.used - (now - self.at) * self.limit / self.seconds)
        elif now // self.seconds != self.at // self.seconds:
            self.used = 0.0
        self.at = now
        refused = self.used + 1 > self.limit
        self.used += not refused
        back = self.used * self.seconds / self.limit if not self.whole else self.seconds - now % self.seconds
        return Reply(
            0.01 if refused else self.latency(), refused, quota=Quota(requests=self.limit - self.used, requests_reset=back)
        )

    def left(self, now: float) -> None:
        pass


@dataclass
class Seen:
    """What came of it: when requests were answered and refused, how long answers took, and how many were in flight."""

    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    latencies: list[tuple[float, float]] = field(default_factory=list)
    flights: list[tuple[float, int]] = field(default_factory=list)

    def rate(self, begin: float, end: float) -> float:
        return sum(begin <= at < end for at in self.answered) / (end - begin)

    def share_refused(self, begin: float, end: float = math.inf) -> float:
        no, yes = (sum(begin <= at < end for at in times) for times in (self.refused, self.answered))
        return no / max(1, no + yes)

    def latency(self, begin: float, end: float = math.inf) -> float:
        found = [took for at, took in self.latencies if begin <= at < end]
        return sum(found) / len(found)

    def reached(self, flight: int) -> float:
        return next((at for at, held in self.flights if held >= flight), math.inf)


class Simulation:
    """Virtual time, a controller, and a provider that always has another request waiting for it."""

    def __init__(self, provider: Provider, *, ceiling: int = 128, jitter: float = 0.0, seed: int = 0) -> None:
        """``jitter`` is how many seconds a timer may be late."""
        self.now = 0.0
        self.provider, self.seen = provider, Seen()
        self.controller = Controller(ceiling, lambda: self.now)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._wake = math.inf
        self._luck, self._jitter = random.Random(seed), jitter

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), what))

    def run(self, until: float) -> Seen:
        self._send()
        while self._events and self._events[0][0] < until:
            self.now, _, what = heapq.heappop(self._events)
            what()
            self._send()
        return self.seen

    def _send(self) -> None:
        while True:
            wait = self.controller.wait()
            if wait > 0:
                if wait < math.inf and not self.now < self._wake < self.now + wait + 1e-9:
                    wait += self._luck.random() * self._jitter
                    self._wake = self.now + wait
                    self.later(wait, lambda: None)
                return
            ticket = self.controller.start()
            self.seen.flights.append((self.now, self.controller.flight))
            reply = self.provider.arrived(self.now)

            def back(ticket=ticket, reply=reply) -> None:  # type: ignore[no-untyped-def]
                if reply.refused:
                    self.seen.refused.append(self.now)
                    self.controller.refused(ticket, reply.retry_after, reply.quota)
                else:
                    self.provider.left(self.now)
                    self.seen.answered.append(self.now)
                    self.seen.latencies.append((self.now, self.now - ticket.at))
                    self.controller.accepted(ticket, reply.quota)

            self.later(reply.latency, back)
