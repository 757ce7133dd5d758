"""How many requests a second: a token bucket, found from the outside.

A provider with such a limit has a reserve of tokens that fills at a rate. A request takes one, and is refused if there is none.
So at a refusal the reserve is empty, and what is taken from there to the next refusal is what came in: that is the rate. BBR
(Cardwell and others, 2016) measures a *delivery rate* likewise. After a rest, in which the reserve filled, this says less. No
correction goes below what was measured, and one that nothing measured isn't made: so refusals by themselves lead nowhere.

From then on the pace stays at the rate for a while (``Calm``), and then grows, faster the longer nothing is refused, as the
window of CUBIC does (RFC 9438). So no pace that is too low lasts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from phrasing.models.limits.calm import Calm

BACK = 0.03
"""By how much of the rate the pace is below it at first, so that there is a reserve again; it rises to the rate bit by bit."""

ENOUGH = 8
"""Requests from which a rate is measured: of fewer, one more or less would tell."""

RESTED = 0.01
"""The part of the time for which no request was due, from which on the reserve may have filled."""

SLOWEST = 0.1
"""Requests a second to a provider that takes hardly any."""

STEP, GROWTH, LARGEST = 0.002, 0.1, 0.05
"""The pace's first step upwards, by how much each is larger than the one before, and the largest: parts of the pace.

Where the limit is new, the first is as much larger as there is less calm before it.
"""

REACTION, CAREFUL = 0.2, 0.5
"""Seconds of a step at least: it takes as long as refusals need to be heard, and where they cost a pause, this part of it, up to
a second, as small steps find a limit more exactly.
"""

LEAP = 2.0
"""Steps that a request may be worth, where they are rare; or as many as the first step is larger."""

FAR = 2.0
"""A pace that got so many times as fast before it was refused says that what was found before isn't the limit."""

SAME = 0.1
"""A rate that differs by less is the one that was found before."""

SURE = 3
"""Refusals that speak for a provider without a reserve, until it takes as many of the other kind to believe that it has one."""


@dataclass(slots=True)
class Pace:
    """Requests a second; infinite as long as no refusal spoke for a rate. All times are seconds of one clock."""

    rate: float = math.inf
    calm: Calm = field(default_factory=Calm)
    _step: float = 0.0  # 0: nothing above the rate is tried
    _found: float = math.inf  # the rate that was found last, before more was tried
    _tight: int = 0
    _number: int = 0  # the request after which it is measured, and when it was sent
    _at: float = 0.0
    _rested: float = 0.0
    _refused: int = 0

    @property
    def now(self) -> float:
        """Requests a second now."""
        return self.rate if self.tight else self.rate * (1 - BACK * (1 - self.calm.part))

    @property
    def rises(self) -> bool:
        """Whether more than the rate is tried."""
        return self._step > 0

    @property
    def tight(self) -> bool:
        """Whether the provider has no reserve: a request that comes a moment too soon is refused."""
        return self._tight > 0

    @property
    def _far(self) -> bool:
        return self.rate > FAR * self._found

    def held_back(self, since: float, notice: float) -> None:
        """Take note of a request that the pace held back, so many seconds since the one before.

        A refusal is heard after ``notice`` seconds.
        """
        if self.calm.part < 1:
            self.calm.held_back(since)
            return
        steps = min(max(LEAP, 1 / self.calm.care), since / max(REACTION, notice, min(1.0, CAREFUL * self.calm.pause)))
        self._step = min(LARGEST, self._step * (1 + GROWTH * steps)) if self._step else STEP / self.calm.care
        self.rate *= 1 + self._step * steps

    def rested(self, seconds: float) -> None:
        """Take note of seconds in which a request was allowed, and none was sent."""
        self._rested += seconds

    def refused(self, number: int, at: float, soonest: float, sooner: bool, most: float) -> bool:
        """Correct the rate after a refusal of a request that was sent ``at``; say whether it is corrected.

        ``soonest`` are the seconds between two requests that were taken, at least; the refused one came ``sooner`` or didn't.
        ``most`` is the rate at which requests are sent, as long as none was found.
        """
        self._tight = min(SURE, self._tight + 1) if sooner else max(-SURE, self._tight - 2)
        self._refused += 1
        rate = most
        if self.tight and soonest < math.inf:
            rate = 1 / soonest
        elif self.rate < math.inf:
            measured = self._measured(number - self._number, at - self._at)
            if measured is None:
                return False
            rate = measured
        rate = max(SLOWEST, min(rate, self.now))
        self.calm.begin(again=rate > SLOWEST and abs(rate / self._found - 1) < SAME and not self._far)
        self.rate = rate
        self._found = self.rate
        return True

    def _measured(self, sent: int, passed: float) -> float | None:
        taken = sent - self._refused
        if taken <= 0 or passed <= 0 or (sent < ENOUGH and not self._rested):
            return None
        rate = (taken + 1) / (passed + self._rested)
        if self._rested > RESTED * passed:  # a reserve may have filled and been used up: it is between this and the pace
            return (rate + self.now) / 2
        return max(rate, self._found) if self.rises else rate  # what was taken for all of the calm isn't too much

    def measure(self, number: int, at: float, rested: float) -> None:
        """Measure from here on: after the request ``number``, and after a rest of so many seconds."""
        self._number, self._at, self._rested, self._refused, self._step = number, at, rested, 0, 0.0
