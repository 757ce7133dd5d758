"""When the next request to a host may be sent, by all its limits; and which of them a refusal is for.

A refusal doesn't say. But it is compared with what was taken lately: if more were in flight than with nearly all that were taken,
it is for their number; if it came sooner after the one before it than any that was taken, it is for a rate without a reserve;
otherwise for a rate with one, which was used up.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from phrasing.models.limits.pace import Pace
from phrasing.models.limits.quota import Left
from phrasing.models.limits.window import Window
from phrasing.types import Quota

CEILING = 128
"""Requests in flight to one host, unless the user says another number."""

LATELY, FEW = 100, 20
"""Requests that a refusal is compared with; and one in so many may have had as many in flight, as clients count late."""

FIRST_GAP = 0.05
"""Seconds between starts before the first answer has come."""

CATCH_UP = 0.01
"""Seconds of a late start that are made up for in any case: a timer is no more exact."""

KNOCK0, KNOCK = 0.025, 15.0
"""Seconds without an answer after which requests pause, and how long such a pause is at most."""

IN_A_ROW = 8
"""Refusals after which it may be that none is taken."""

Held = Literal["", "window", "rate", "quota", "pause", "spread"]
"""What keeps the next request from being sent."""


@dataclass(slots=True, eq=False)
class Ticket:
    """A request in flight: the how-many-th, when it was sent, how many that weren't refused were in flight with it, and how many
    seconds after the one before.
    """

    number: int
    at: float
    flight: int
    gap: float = math.inf
    model: str = ""


@dataclass
class Controller:
    """Says when the next request to a host may be sent, from what became of those before.

    ``ceiling`` is how many may be in flight at most; ``clock`` gives seconds. What was sent is told by ``start``, what became of
    it by ``accepted``, ``refused`` or ``ended``, once each.
    """

    ceiling: int
    clock: Callable[[], float]
    held: Held = ""
    sent: int = 0
    refusals: int = 0

    def __post_init__(self) -> None:
        self._window, self._pace = Window(self.ceiling), Pace()
        self._requests, self._tokens, self._size = Left(), Left(), 0.0
        self._flying: dict[int, Ticket] = {}
        self._taken: deque[tuple[int, float]] = deque(maxlen=LATELY)  # how many were in flight, and how soon they came
        self._starts: deque[float] = deque(maxlen=16)
        self._due = self._resume = -math.inf
        self._latency: float | None = None
        self._notice = 0.0  # seconds after which a refusal is heard
        self._since = 0  # the last request that was sent before the last correction
        self._row = self._knocks = 0  # refusals without an answer between, and when the last that was taken was sent

    @property
    def flight(self) -> int:
        """Requests in flight."""
        return len(self._flying)

    @property
    def window(self) -> float:
        """Requests in flight at most."""
        return self._window.size

    @property
    def rate(self) -> float | None:
        """Requests a second, if the provider holds to a rate."""
        return None if self._pace.rate == math.inf else self._pace.now

    # ------------------------------------------------------------------------------------------ sending

    def wait(self) -> float:
        """Seconds until the next request may be sent; infinite where one in flight has to end first."""
        now = self.clock()
        closed = self._closed(now)
        if self._window.full(self.flight, self.sent) or (closed and self.flight):
            self.held = "pause" if closed else "window"
            return math.inf
        if self._resume > now:
            self.held = "pause"
            return self._resume - now
        gap, why = self._gap(now)
        if self._due + gap > now:
            self.held = why
            if why == "spread" and self._window.step:
                self._window._bound = self.sent
            return self._due + gap - now
        return 0.0

    def _gap(self, now: float) -> tuple[float, Held]:
        """Seconds between two starts, and why there have to be any."""
        # Sent all at once, any rate would look like a number at a time.
        spread = FIRST_GAP if self._latency is None else self._latency / (self._window.spread * self._window.size)
        quotas = (self._requests, 1.0), (self._tokens, self._size or 1.0)
        quota = max(left.gap(each, self.sent, now, self._due) for left, each in quotas)
        gaps: tuple[tuple[float, Held], ...] = (spread, "spread"), (1 / self._pace.now, "rate"), (quota, "quota")
        return max(gaps)

    def start(self, model: str = "") -> Ticket:
        """Take note of a request that is sent now."""
        now = self.clock()
        gap, why = self._gap(now)
        last = self._starts[-1] if self._starts else -math.inf
        since, late = now - last, now - max(self._due + gap, self._resume)
        catch_up = gap if why == "rate" and not self._pace.tight else 0.0
        catch_up = 0.0 if why == "quota" else max(catch_up, CATCH_UP) if gap < CATCH_UP else catch_up
        self._due = now - min(late, catch_up)
        self.sent += 1
        self._starts.append(now)
        if self.sent == 1:
            self._pace.measure(0, now, 0.0)
        else:
            self._pace.started(since, max(0.0, late - catch_up), self.held == why == "rate", self._notice)
            self._window.started(since, self.sent)
        self.held = ""
        ticket = Ticket(self.sent, now, self.flight + 1, since, model)
        self._flying[ticket.number] = ticket
        return ticket

    # ------------------------------------------------------------------------------------------ what became of it

    def ended(self, ticket: Ticket) -> None:
        """Take note of a request that came to nothing, which says nothing of limits."""
        del self._flying[ticket.number]

    def accepted(self, ticket: Ticket, quota: Quota | None = None, tokens: int | None = None) -> None:
        """Take note of an answer; ``tokens`` are those of prompt and answer."""
        now = self.clock()
        self.ended(ticket)
        took = now - ticket.at
        self._latency = _towards(self._latency, took, 0.1)
        self._row = self._knocks = 0
        self._taken.append((ticket.flight, ticket.gap))
        if tokens:
            self._size = _towards(self._size or None, tokens, 0.1)
        self._left(quota, ticket, now)
        self._window.answered(ticket.model, took, ticket.number, ticket.flight, self.sent)

    def refused(self, ticket: Ticket, retry_after: float | None = None, quota: Quota | None = None) -> None:
        """Take note of a refusal: the provider asks for fewer requests, and may say for how many seconds it wants none."""
        now = self.clock()
        self.ended(ticket)
        self.refusals += 1
        self._row += 1
        for other in self._flying.values():
            other.flight -= other.number > ticket.number
        if after := self._flying.get(ticket.number + 1):
            after.gap += ticket.gap
        self._notice = _towards(self._notice or None, now - ticket.at, 0.2)
        self._window.calm.heard = self._pace.calm.heard = 3 * self._notice
        self._left(quota, ticket, now)
        if retry_after:
            self._resume = max(self._resume, now + retry_after)
            self._window.calm.pause = self._pace.calm.pause = retry_after
        if ticket.number <= self._since:  # sent before the last correction: it tells nothing that this didn't
            return
        if self._closed(now):
            self._knocks += 1
            self._resume = max(self._resume, now + min(KNOCK, KNOCK0 * 2.0 ** self._knocks))
            self._corrected(now)
        elif self._tells(ticket, now):
            self._corrected(now)

    def _closed(self, now: float) -> bool:
        """Whether nothing was taken for a while: it isn't a rate, but a door that opens at some time."""
        return self._row >= IN_A_ROW

    def _tells(self, ticket: Ticket, now: float) -> bool:
        """Correct the limit that a refusal is for; say whether anything was corrected."""
        heard = [(other.flight, other.gap) for other in self._flying.values() if now - other.at > 2 * self._notice]
        taken = [*self._taken, *heard]
        closest = min((gap for _, gap in taken), default=math.inf)
        crowded = FEW * sum(flight >= ticket.flight for flight, _ in taken) <= len(taken)
        sooner = ticket.gap < closest < math.inf
        if crowded and ticket.flight > 1 and not (self._pace._step and not self._window._binds(self.sent)):
            self._window.narrow(ticket.flight, self.sent)
            return True
        self._pace.score = min(3, self._pace.score + 1) if sooner else max(-3, self._pace.score - 2)
        recent = self._window.size / (self._latency or 1.0)
        return self._pace.refused(ticket.number, ticket.at, closest, recent)

    def _corrected(self, now: float) -> None:
        self._since = self.sent
        self._window.look_from(self.sent)
        self._pace.measure(self.sent, max(now, self._resume), max(0.0, self._resume - now))

    def _left(self, quota: Quota | None, ticket: Ticket, now: float) -> None:
        if quota is not None:
            self._requests.said(quota.requests, quota.requests_reset, ticket.number, now)
            self._tokens.said(quota.tokens, quota.tokens_reset, ticket.number, now)

    # ------------------------------------------------------------------------------------------ what is seen of it

    @property
    def held_to(self) -> str:
        """Say in a few words what holds requests back; nothing, if only the ceiling does."""
        now = self.clock()
        if (rest := self._resume - now) > 1:
            closed = self._closed(now)
            return f"throttles every request; tries again in {rest:.0f} s" if closed else f"waits for {rest:.0f} s, as it asked"
        gap, why = self._gap(now)
        found = int(self.window)
        match self.held or why:
            case "rate":
                return f"held to {_short(self._pace.now)} by the provider"
            case "quota" if gap:
                return f"held to {_short(1 / gap)} by what is left of its quota"
            case "window" if self._window.step and found < self.ceiling:
                return f"held to {found} at a time" + (" by the provider" if self._window.refused else "; more are slower")
        return ""


def _towards(before: float | None, value: float, share: float) -> float:
    return value if before is None else before + share * (value - before)


def _short(rate: float) -> str:
    """Write a rate: ``50/s``, ``2.5/s``, ``12/min``."""
    return f"{rate:.0f}/s" if rate >= 9.5 else f"{rate:.1f}/s" if rate >= 1 else f"{60 * rate:.0f}/min"
