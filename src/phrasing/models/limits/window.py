"""How many requests at a time.

It doubles in each time of an answer until something holds it (TCP's slow start, RFC 5681), and from then on grows seldom and by
little. A refusal makes it one less than were in flight. Where answers take longer the more are in flight, as in a server with a
queue, more requests only wait: it is held at what doesn't slow answers much, as in TCP Vegas (Brakmo and Peterson, 1995).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from phrasing.models.limits.calm import Calm

START = 2
"""Requests in flight at first: more would measure a small server's queue as its usual latency."""

SLOWER, MUCH_SLOWER = 1.3, 1.7
"""How many times as long as usual answers take where the window stays as it is, and where it gets smaller."""

QUICKLY, EVENLY = 2.0, 1.1
"""How many times as fast as answers come requests are sent at most. All at once, a rate would look like a number at a time."""

USUAL = 6
"""Answers from whose latencies the usual one is told."""

ROUND = 8
"""Answers at least between two looks at the latency; or half a window."""


@dataclass(slots=True)
class Mean:
    """A running mean and its standard error (Welford, 1962)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        """Add a value."""
        self.count += 1
        off = value - self.mean
        self.mean += off / self.count
        self.squares += off * (value - self.mean)

    @property
    def error(self) -> float:
        """The standard error of the mean."""
        return math.sqrt(self.squares / self.count / max(1, self.count - 1))


@dataclass(slots=True)
class Window:
    """Requests in flight at most; ``ceiling`` is what it never passes."""

    ceiling: int
    size: float = field(init=False)
    calm: Calm = field(default_factory=Calm)
    refused: bool = False  # whether a refusal is what holds it
    step: int = 0  # by how much it grows; 0: nothing has held it yet, and it doubles
    _found: float = 0.0  # what a refusal made it last
    _bound: float = -math.inf  # how many were sent when it last held one back
    _usual: dict[str, Mean] = field(default_factory=dict)
    _first: int = 0  # the request from which on answers belong to this round
    _slower: Mean = field(default_factory=Mean)
    _flight: Mean = field(default_factory=Mean)
    _before: tuple[float, float, float] | None = None  # how slow, how many in flight, and the size: before it was made smaller

    def __post_init__(self) -> None:
        self.size = min(START, self.ceiling)

    @property
    def spread(self) -> float:
        """How many times as fast as its answers come requests are sent at most: evenly, while it tries more than was found."""
        return EVENLY if self.step and self.calm.part >= 1 and self.size < self.ceiling else QUICKLY

    def full(self, flight: int) -> bool:
        """Whether one has to end before the next one."""
        return flight >= int(self.size)

    def holds(self, sent: int) -> None:
        """Take note that it holds the next request back."""
        self._bound = sent

    def binds(self, sent: int) -> bool:
        """Whether it lately held one back."""
        return sent - self._bound <= self.size

    def started(self, since: float, sent: int) -> None:
        """Take note of a request, so many seconds since the one before."""
        if self.binds(sent):
            self.calm.held_back(since)

    def narrow(self, flight: int, sent: int) -> None:
        """Take fewer than were in flight when one was refused."""
        size = max(1.0, flight - 1.0)
        self.calm.begin(again=abs(size - self._found) <= 1)
        self.size, self._found, self.step, self.refused = size, size, 1, True
        self.look_from(sent)

    def look_from(self, sent: int) -> None:
        """Begin a round with the request after this one."""
        self._first, self._slower, self._flight = sent, Mean(), Mean()

    def answered(self, model: str, took: float, number: int, flight: int, sent: int) -> None:
        """Take note of an answer to a request, with which so many were in flight."""
        usual = self._usual.setdefault(model, Mean())
        if usual.count < USUAL:
            usual.add(took)
        binds = self.binds(sent)
        if not self.step and binds:
            self.size = min(float(self.ceiling), self.size + 1)
        if number <= self._first:
            return
        self._flight.add(flight)
        self._slower.add(took / usual.mean if usual.mean else 1.0)
        if self._slower.count < max(ROUND, self.size / 2):
            return
        slower, crowd = self._slower, self._flight.mean
        error = 2 * math.hypot(slower.error, slower.mean * usual.error / (usual.mean or 1.0))
        self.look_from(sent)
        if self._quick(slower.mean, error, crowd) and binds and self.step and self.calm.part >= 1:
            self.size = min(float(self.ceiling), self.size + self.step)
            self.step = min(2 * self.step, self.ceiling)

    def _quick(self, slower: float, error: float, flight: float) -> bool:
        """Whether answers aren't slow; where they are much slower than usual, the window gets smaller."""
        before, self._before = self._before, None
        # as slow with fewer: it isn't the window that makes it so
        if before is not None and flight < 0.8 * before[1] and slower > 0.85 * before[0]:
            self._take_for_usual(slower)
            self.size = max(self.size, before[2])
            return False
        if slower - error > MUCH_SLOWER and self.size > 1:
            self._before, self.refused = (slower, flight, self.size), False
            self.size, self.step = max(1.0, min(self.size, flight) * SLOWER / slower), 1
            return False
        if slower + error < 1:
            self._take_for_usual(0.75 + 0.25 * slower)
        if slower - error > SLOWER:
            self.step = self.step or 1
            return False
        return True

    def _take_for_usual(self, times: float) -> None:
        for usual in self._usual.values():
            usual.mean *= times
