"""What a provider says is left of a quota, of requests or of tokens: half is used at once, and the rest is spread."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(slots=True)
class Left:
    """What was left when the request ``number`` was answered, and the most that ever was; infinite, as long as nobody says."""

    most: float = 0.0
    left: float = math.inf
    number: int = 0
    whole: float = 0.0
    longest: float = 0.0

    def said(self, left: float | None, reset: float | None, number: int, now: float) -> None:
        """Take note of what an answer says: so much is left, and in ``reset`` seconds it is whole again."""
        if left is not None and reset is not None and number >= self.number:
            self.most, self.longest = max(self.most, left), max(self.longest, reset)
            self.left, self.number, self.whole = left, number, now + reset

    def gap(self, each: float, sent: int, now: float, last: float) -> float:
        """Seconds after the ``last`` start that spread what is left until it is whole again; a request takes ``each`` of it."""
        if now >= self.whole:  # it is whole again; until the next answer tells, no more is left than there ever was
            self.left, self.number, self.whole = self.most or math.inf, sent, now + self.longest
        left = self.left - each * (sent - self.number)
        if left > self.most / 2:
            return 0.0
        return (self.whole - now) / (left / each) if left >= each else self.whole - last
