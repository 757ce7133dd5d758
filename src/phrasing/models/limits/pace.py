"""How many requests a second: a token bucket, found from the outside.

A provider with such a limit has a reserve of tokens that fills at a rate; a request takes one, or is refused if there is none.
So right after a refusal the reserve is empty, and what is taken until the next refusal is what came in: that is the rate. BBR
(Cardwell and others, 2016) measures a path's *delivery rate* likewise. After a rest, in which the reserve filled, that says only
how much the rate is at least. No correction goes below what was measured, so no number of refusals leads far down.

Then nothing above the rate is sent for a while (``Calm``), and after that the pace grows, faster the longer nothing is refused,
as the window of CUBIC does (RFC 9438): so any pace is left within a bounded time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from phrasing.models.limits.calm import Calm

BACK = 0.03
"""By how much of the rate the pace stays below it at first, so that there is a reserve again; it rises to it bit by bit."""

ENOUGH = 8
"""Requests from which a rate is measured: of fewer, one more or less would tell."""

SLOWEST = 0.1
"""Requests a second at least: what is slower is known only from refusals, and some are needed to notice that a limit has risen."""

STEP, GROWTH, QUICKEST = 0.002, 0.1, 0.1
"""The pace's first step upwards, by how much each is larger than the one before it, and the largest: parts of the pace."""

REACTION = 0.2
"""Seconds of a step at least. If refusals need longer to be heard, it is as long as they do."""

SLOW = 0.5
LEAP = 5.0
"""Steps that a single request may be worth, where they are rare."""


@dataclass(slots=True)
class Pace:
    """Requests a second, infinite as long as no refusal spoke for a rate. All times are seconds of one clock."""

    rate: float = math.inf
    calm: Calm = field(default_factory=Calm)
    score: int = 0  # there is no reserve: a request that comes too soon is refused
    _step: float = 0.0  # 0 while nothing above the rate is tried
    _stood: float = 0.0  # the rate before more was tried
    _from: int = 0  # the number of the request from which on it is measured
    _at: float = 0.0
    _rested: float = 0.0
    _refused: int = 0

    @property
    def tight(self) -> bool:
        return self.score > 0

    @property
    def now(self) -> float:
        """Requests a second now."""
        return self.rate * (1 - BACK * (1 - self.calm.part) * (not self.tight))

    def started(self, since: float, late: float, held_back: bool, notice: float) -> None:
        """Take note of a request, so many seconds since the one before.

        ``late`` are the seconds that it came after it might have; ``notice`` those after which a refusal is heard.
        """
        self._rested += late
        if not held_back:
            return
        if self.calm.part < 1:
            self.calm.held_back(since)
            return
        if not self._step:
            self._step, self._stood = STEP / self.calm._care, self.rate
        steps = min(LEAP, since / max(REACTION, notice, SLOW * self.calm.pause))
        self.rate *= 1 + self._step * steps
        self._step = min(QUICKEST, self._step * (1 + GROWTH * steps))

    def refused(self, number: int, at: float, closest: float, recent: float) -> bool:
        """Correct the rate after a refusal of a request that was sent ``at``; say whether it is corrected.

        ``closest`` are the seconds between two requests of which both were taken, at least; ``recent`` is the rate of the last.
        """
        self._refused += 1
        sent, passed = number - self._from, at - self._at
        taken = sent - self._refused
        before, pace = self.rate, self.now
        if self.tight and closest < math.inf:
            rate = 1 / closest
        elif before == math.inf:  # what was taken is a reserve, and a slow beginning
            rate = recent
        elif sent < ENOUGH and not self._rested or taken <= 0 or passed <= 0:
            return False
        else:
            rate = (taken + 1) / (passed + self._rested)
            if self._rested > 0.01 * passed:
                rate = (rate + pace) / 2
            elif self._step:
                rate = max(rate, self._stood)
        found = self._stood if self._step else before
        self.rate = max(SLOWEST, min(rate, pace))
        self.calm.begin(again=0.9 < self.rate / found < 1.1)
        return True

    def measure(self, number: int, at: float, rested: float) -> None:
        """Measure from here on: after the request ``number``, and after a rest of so many seconds."""
        self._from, self._at, self._rested, self._refused, self._step = number, at, rested, 0, 0.0
