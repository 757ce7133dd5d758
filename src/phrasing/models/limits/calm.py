"""When more may be tried than a limit that was found: seldom, as each attempt ends with a refusal, but sooner if it is new."""

from __future__ import annotations

from dataclasses import dataclass

REQUESTS = 120
"""As many are sent without an attempt at more, so about 1 % are refused by one."""

SECONDS = 60.0
"""Seconds after which more is tried, however few requests that are: a limit may have risen."""

PAUSES, LONGEST = 33.0, 300.0
"""Where a refusal costs a pause, the time without an attempt is as many times as long, so that pauses take 3 % of the time; but
no longer than this.
"""

HEARD = 3.0
"""How many times as long as a refusal needs to be heard it takes at least, so that none is on its way."""

NEW = 1 / 8
"""The part of all this that suffices after a limit was found that is new."""


@dataclass(slots=True)
class Calm:
    """The requests that a limit held back since it was last found, and the seconds in which they were sent.

    ``pause`` is how long the provider last asked to wait, and ``notice`` how long a refusal needs to be heard.
    """

    requests: int = 0
    seconds: float = 0.0
    pause: float = 0.0
    notice: float = 0.0
    care: float = NEW

    def held_back(self, seconds: float) -> None:
        """Take note of a request, so many seconds after the one before it."""
        self.requests += 1
        self.seconds += seconds

    @property
    def part(self) -> float:
        """How much of it is over, from 0 to 1: then more may be tried."""
        sent = max(self.requests / REQUESTS, self.seconds / SECONDS) / self.care
        least = max(self.care * min(PAUSES * self.pause, LONGEST), HEARD * self.notice)
        return min(1.0, sent, self.seconds / least if least else 1.0)

    def begin(self, *, again: bool) -> None:
        """Begin anew after a refusal: the limit was found ``again``, or is a new one."""
        self.requests, self.seconds, self.care = 0, 0.0, 1.0 if again else NEW
