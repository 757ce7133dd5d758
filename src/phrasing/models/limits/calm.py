"""When more may be tried than a limit that was found: seldom, as each attempt ends with a refusal, but sooner if little is known."""

from __future__ import annotations

from dataclasses import dataclass

REQUESTS = 120
"""As many are sent without an attempt at more, so fewer than 1 % are refused by one."""

SECONDS = 60.0
"""Seconds after which more is tried, however few requests that are: a limit may have risen."""

PAUSES = 33.0
"""Where a refusal costs a pause, the time without an attempt is as many times as long, so pauses take 3 % of the time."""

FIRST = 1 / 8
"""The part of this that suffices after a limit was found that is new. It doubles each time that the limit is found again."""


@dataclass(slots=True)
class Calm:
    """Requests that a limit held back since it was last found, and the seconds in which they were sent."""

    requests: int = 0
    seconds: float = 0.0
    pause: float = 0.0
    heard: float = 0.0
    _care: float = FIRST

    def held_back(self, seconds: float) -> None:
        """Take note of a request, so many seconds after the one before it."""
        self.requests += 1
        self.seconds += seconds

    @property
    def part(self) -> float:
        """How much of it is over, from 0 to 1: then more may be tried."""
        sent = max(self.requests / REQUESTS, self.seconds / SECONDS)
        paused = self.seconds / (PAUSES * self.pause) if self.pause else 1.0
        heard = self.seconds / self.heard if self.heard else 1.0
        return min(1.0, sent / self._care, paused / self._care, heard)

    def begin(self, *, again: bool) -> None:
        """Begin anew after a refusal: the limit was found ``again``, or is a new one."""
        self._care = 1.0 if again else FIRST
        self.requests, self.seconds = 0, 0.0
