"""How many requests a provider takes: found out by asking, for each host and key. Nothing here waits or sends.

A provider may hold its users to a *number at a time* or to a *rate*, and says which only by refusing. ``Controller`` keeps both:
a window (requests in flight) and a pace (requests a second). What a refusal means is told from the number that were in flight:
more than were ever answered together, and the window is too wide; otherwise the pace is too high. Between two refusals that a
rate makes, exactly the allowed number was answered, so that is what the pace becomes.

Both are raised again with care: first nothing above what is known to pass, for about a hundred requests, or for as long as makes
the pauses that a provider asks for a small part of the time; then by a hundredth in the time that a refusal takes to arrive, and
faster the longer none does. Where answers take longer the more are in flight, the window stays at what doesn't slow them much.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from phrasing.types import Quota

CEILING = 128
"""Requests in flight to one host, unless the user says another number."""

START = 2
"""Requests in flight at first: more would measure a small server's queue as its usual latency."""

BACK = 0.03
"""By how much of the rate found the pace stays below it at first."""

SLOWEST = 0.1
"""Requests a second to a provider that refuses whatever it gets."""

CALM = 120
"""Requests that are sent between two attempts at more: so fewer than 2 % are refused."""

LONGEST = 60.0
"""Seconds after which more is tried, however few requests that are."""

PAUSES = 33.0
"""How many times the length of the last pause that a provider asked for passes before an attempt at more."""

SLOWER, MUCH_SLOWER = 1.3, 1.7
"""How much longer than usual answers take where the window stays as it is, and where it gets smaller."""

USUAL = 6
"""Answers from whose latencies the usual one is told."""

COARSE = 0.01
"""Seconds between starts below which a late start is made up for in any case: a timer's delay is a good part of them."""

UNEVEN = 0.005
"""Seconds between starts below which they aren't spread over the latency: a timer is no more exact."""

FIRST_GAP = 0.05
"""Seconds between starts before the first answer has come."""

CLOSED, KNOCK = 1.0, 15.0
"""Seconds without an answer after which requests pause, and how long such a pause is at most."""

ENOUGH = 6
"""Requests from which a rate is told."""

LEARNING = 0.125
"""The part of the usual care that is taken before an attempt at more where little is known yet; it doubles with each attempt."""

REACTION = 0.2
"""Seconds that a refusal is taken to need at least until it is heard: who is refused at once mustn't be pushed quicker."""

Held = Literal["", "window", "rate", "quota", "pause", "spread"]
"""What keeps the next request from being sent."""


@dataclass(slots=True, eq=False)
class Ticket:
    """A request in flight: the how-many-th, when it was sent, and how many that weren't refused were in flight with it."""

    number: int
    at: float
    flight: int
    gap: float = math.inf
    model: str = ""
    answered: bool = False


@dataclass(slots=True)
class _Mean:
    """A running mean and its standard error."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        self.count += 1
        off = value - self.mean
        self.mean += off / self.count
        self.squares += off * (value - self.mean)

    @property
    def error(self) -> float:
        return math.sqrt(self.squares / self.count / max(1, self.count - 1))


@dataclass(slots=True)
class _Round:
    """Answers to requests that were sent since the window was last looked at."""

    first: int
    slower: _Mean = field(default_factory=_Mean)
    flight: _Mean = field(default_factory=_Mean)


@dataclass(slots=True)
class _Left:
    """What a provider said is left of something, when it answered a request, and the most it ever said."""

    most: float = 0.0
    left: float = math.inf
    number: int = 0
    whole: float = 0.0
    longest: float = 0.0

    def said(self, left: float | None, reset: float | None, ticket: Ticket, now: float) -> None:
        if left is not None and reset is not None and ticket.number >= self.number:
            self.most, self.longest = max(self.most, left), max(self.longest, reset)
            self.left, self.number, self.whole = left, ticket.number, now + reset

    def gap(self, each: float, sent: int, now: float, last: float) -> float:
        """Seconds after the ``last`` start that spread what is left until it is whole again, once half of it is used."""
        if now >= self.whole:  # it is whole again; until the next answer tells, no more is left than there ever was
            self.left, self.number, self.whole = self.most or math.inf, sent, now + self.longest
        left = self.left - each * (sent - self.number)
        if left > self.most / 2:
            return 0.0
        return (self.whole - now) / (left / each) if left >= each else self.whole - last


@dataclass
class Controller:
    """Says when the next request to a host may be sent, from what became of those before.

    ``ceiling`` is how many may be in flight at most; ``clock`` gives seconds. What was sent is told by ``start``, what became of
    it by ``accepted``, ``refused`` or ``ended``, once each.
    """

    ceiling: int
    clock: Callable[[], float]
    window: float = field(init=False)
    rate: float | None = None
    held: Held = ""
    flight: int = 0
    sent: int = 0
    refusals: int = 0

    def __post_init__(self) -> None:
        self.window = min(START, self.ceiling)
        self._next = self._resume = self._last = -math.inf
        self._by_gap = False  # whether a rate was told from a gap alone
        self._row, self._passed_at = 0, 0.0  # refusals without an answer between, and when the last that was answered was sent
        self._good = 0.0  # a rate at which nothing was refused until more was tried
        self._gaps_tell = True  # until a refusal shows that they don't
        self._gaps = (
            math.inf,
            math.inf,
        )  # the least time between two starts of which the later was answered: before, and since then
        self._known = 0  # as many were in flight together, and were answered
        self._since, self._since_at, self._refused = 0, -math.inf, 0  # of the requests sent after the last correction
        self._age = 0.0  # seconds that the pace held requests back since it was corrected
        self._steps, self._paced = 0.0, False  # by which it was raised since; whether it holds the next one back
        self._calm = 0.0  # requests until the window may grow, and how much it grows then; 0: it doubles
        self._calm_until, self._step = -math.inf, 0
        self._narrowed = False  # whether a refusal is what keeps the window
        self._pause, self._rested, self._care = 0.0, 0.0, LEARNING
        self._bound = -math.inf  # how many were sent when the window last held one back
        self._latency: float | None = None
        self._notice: float | None = None
        self._usual: dict[str, _Mean] = {}
        self._flying: deque[Ticket] = deque()
        self._round = _Round(0)
        self._before: tuple[float, float, float] | None = None
        self._starts: deque[float] = deque(maxlen=16)
        self._requests, self._tokens, self._size = _Left(), _Left(), 0.0

    # ------------------------------------------------------------------------------------------ sending

    def wait(self) -> float:
        """Seconds until the next request may be sent; infinite where one in flight has to end first."""
        now = self.clock()
        if self.flight >= int(self.window):
            self.held, self._bound = "window", self.sent
            return math.inf
        if self._resume > now:
            self.held = "pause"
            return self._resume - now
        gap, why = self._gap(now)
        if self._next + gap > now:
            self.held, self._paced = why, why == "rate"
            return self._next + gap - now
        return 0.0

    def _gap(self, now: float) -> tuple[float, Held]:
        """Seconds between two starts, and why there have to be any."""
        gaps: dict[Held, float] = {"": 0.0, "spread": self._spread(now)}
        if self.rate is not None:
            gaps["rate"] = 1 / self.pace
        quotas = (self._requests, 1.0), (self._tokens, self._size or 1.0)
        gaps["quota"] = max(left.gap(each, self.sent, now, self._next) for left, each in quotas)
        why = max(gaps, key=lambda name: gaps[name])
        return gaps[why], why

    def _spread(self, now: float) -> float:
        """Spread starts over the time of an answer: sent all at once, any rate would look like a number at a time."""
        known = self._step and self.flight < self._known and now > self._resume + (self._latency or 0.0)
        if self.rate is not None or known:
            return 0.0
        gap = FIRST_GAP if self._latency is None else self._latency / (2 * self.window)
        return gap if gap >= UNEVEN else 0.0

    @property
    def pace(self) -> float:
        """Requests a second; infinite where nothing is known of a rate."""
        if self.rate is None:
            return math.inf
        calm = self._care * max(min(CALM / self.rate, LONGEST), PAUSES * self._pause)
        if self._age < calm:
            return self.rate * (1 - BACK * (1 - self._age / calm))
        steps = min(100.0, self._steps)
        return self.rate * (1 + (0.01 * steps if steps < 10 else 0.1 * math.exp((steps - 10) / 10)))

    def start(self, model: str = "") -> Ticket:
        """Take note of a request that is sent now."""
        now = self.clock()
        gap, why = self._gap(now)
        since = now - self._last
        self._last = now
        late = now - max(self._next + gap, self._resume)
        reserve = why != "quota" and (gap < COARSE or self._closest < gap / 2)
        self._next = now - (min(late, 2 * gap) if reserve else 0.0)
        if self._paced and why == "rate":
            if self.pace >= (self.rate or 0.0):
                self._steps += min(1.0, gap / max(self._notice or 0.0, REACTION) / max(self._care, 0.5))
            self._age += gap
        self._paced = False
        self.flight += 1
        self.sent += 1
        self._starts.append(now)
        if self.sent == 1:
            self._since_at = self._passed_at = now
        ticket = Ticket(self.sent, now, self.flight, since, model)
        self._flying.append(ticket)
        return ticket

    @property
    def held_to(self) -> str:
        """Say in a few words what holds requests back; nothing, if only the ceiling does."""
        rest, found = self._resume - self.clock(), int(self.window)
        if rest > 1:
            return (
                f"waits for {rest:.0f} s, as it asked"
                if self._row < ENOUGH
                else f"throttles every request; tries again in {rest:.0f} s"
            )
        if self.held == "rate":
            return f"held to {_short(self.pace)} by the provider"
        if self.held == "quota":
            gap, _ = self._gap(self.clock())
            return f"held to {_short(1 / gap)} by what is left of its quota" if gap else ""
        if self.held == "window" and self._step and found < self.ceiling:
            return (
                f"held to {found} at a time by the provider" if self._narrowed else f"held to {found} at a time; more are slower"
            )
        return ""

    # ------------------------------------------------------------------------------------------ what became of it

    def ended(self, ticket: Ticket) -> None:
        """Take note of a request that came to nothing, which says nothing of limits."""
        self.flight -= 1
        if ticket in self._flying and not ticket.answered:
            self._flying.remove(ticket)

    def accepted(self, ticket: Ticket, quota: Quota | None = None, tokens: int | None = None) -> None:
        """Take note of an answer; ``tokens`` are those of prompt and answer."""
        now = self.clock()
        ticket.answered = True
        self.ended(ticket)
        took = now - ticket.at
        self._latency = _towards(self._latency, took, 0.1)
        self._row, self._passed_at = 0, max(self._passed_at, ticket.at)
        self._settle(now)
        if tokens:
            self._size = _towards(self._size or None, tokens, 0.1)
        self._left(quota, ticket, now)
        self._look(ticket, took)

    def _settle(self, now: float) -> None:
        """Learn from requests that were taken, once no refusal of an earlier one can come that would make their numbers wrong."""
        heard = max(3 * (self._notice or 0.0), 2 * (self._latency or 0.0))
        while self._flying and (self._flying[0].answered or now - self._flying[0].at > heard):
            taken = self._flying.popleft()
            self._known, self._gaps = max(self._known, taken.flight), (self._gaps[0], min(self._gaps[1], taken.gap))

    @property
    def _closest(self) -> float:
        """Seconds between two starts of which the later was answered, at least: a provider without a reserve holds to this."""
        return min(self._gaps) if self._gaps_tell else 0.0

    def refused(self, ticket: Ticket, retry_after: float | None = None, quota: Quota | None = None) -> None:
        """Take note of a refusal: the provider asks for fewer requests, and may say for how many seconds it wants none."""
        now = self.clock()
        self.ended(ticket)
        self.refusals += 1
        for other in self._flying:
            other.flight -= other.number > ticket.number
        self._notice = _towards(self._notice, now - ticket.at, 0.2)
        self._settle(now)
        self._left(quota, ticket, now)
        if retry_after:
            self._resume = max(self._resume, now + retry_after)
            self._pause = retry_after
        if ticket.number <= self._since:  # it was sent before the last correction
            return
        if self._closed(ticket, now):
            return
        self._refused += 1
        # more in flight than ever, and not sooner after another one than ever
        usual = ticket.gap >= self._closest or self._closest == math.inf
        if ticket.flight > max(1, self._known) and usual and not (self.rate is not None and self.pace > self.rate):
            if self._by_gap:  # it wasn't how soon it came
                self._gaps_tell = False
            self._narrow(max(1, ticket.flight - 1), now)
            return
        self._by_gap = ticket.flight > self._known and not usual
        self._gaps_tell = self._gaps_tell or ticket.flight <= self._known
        self._slow_down(ticket, now)

    def _closed(self, ticket: Ticket, now: float) -> bool:
        """Pause where all that was sent for a while is refused: it isn't a rate, but a door that opens at some time."""
        self._row += 1
        if self._row < ENOUGH or ticket.at - self._passed_at < CLOSED:
            return False
        self._resume = max(self._resume, now + min(KNOCK, 2.0 ** (self._row - ENOUGH)))
        self._age = self._steps = 0.0
        self._correct(now)
        return True

    def _left(self, quota: Quota | None, ticket: Ticket, now: float) -> None:
        if quota is not None:
            self._requests.said(quota.requests, quota.requests_reset, ticket, now)
            self._tokens.said(quota.tokens, quota.tokens_reset, ticket, now)

    def _narrow(self, window: float, now: float) -> None:
        """Take a number at a time for what was refused."""
        self._care = LEARNING if abs(window - self.window) > 1 else min(1.0, 2 * self._care)
        self._calm, self._step = self.sent + self._care * CALM, 1
        self._calm_until = now + self._care * PAUSES * self._pause
        self.window, self._known, self._narrowed = window, int(window), True
        self._correct(now)

    def _slow_down(self, ticket: Ticket, now: float) -> None:
        """Take a rate for what was refused: it is what was answered since the last correction."""
        sent, passed = ticket.number - self._since, ticket.at - self._since_at
        few = sent < ENOUGH or passed <= 0
        if few and now >= self._resume and (self.rate is not None or ticket.gap >= self._closest):
            return
        before, answered = self.rate, sent - self._refused
        if self.rate is None:  # what came first was a reserve, or a slow beginning; only the last requests tell
            recent = len(self._starts) / max(now - self._starts[0], 0.001) * answered / sent
            spread = self._spread(now)
            recent = recent if answered > 0 else len(self._starts) / max(now - self._starts[0], 0.001) / 2
            self.rate = min(
                max(recent, 0.5 / spread if spread else 0.0), 1 / self._closest if 0 < self._closest < math.inf else math.inf
            )
        elif few:
            self.rate = 0.7 * self.pace
        elif self.pace > self.rate and ticket.gap < self._closest:  # one request, and no reserve
            self.rate = min(self.pace, 1 / self._closest)
        else:
            # A reserve that filled in the pause was answered as well: the rate lies between this and the pace.
            probed = self.pace > self.rate
            least = max(answered / (passed + self._rested), self.rate if probed else self.pace / 2)
            found = least + max(0.0, self.pace - least) * (0.25 if self._rested else 0.0)
            held = (
                0.0 if probed or not self._rested else min(self._good, 0.97 * self.pace)
            )  # but what held for long is tried first
            self._good = self.rate if probed else 0.0
            self.rate = max(found, held)
        self.rate = max(self.rate, SLOWEST)
        alike = before is not None and 0.8 < self.rate / before < 1.25
        self._care = min(1.0, 2 * self._care) if alike else LEARNING
        self._age = self._steps = 0.0
        if ticket.flight <= self._known:  # so it wasn't the window
            self._step, self._calm, self._calm_until, self._narrowed = 0, 0.0, -math.inf, False
        self._correct(now)

    def _correct(self, now: float) -> None:
        self._gaps = self._gaps[1], math.inf
        self._since, self._since_at, self._refused = self.sent, max(now, self._resume), 0
        self._rested = self._since_at - now
        self._round = _Round(self.sent)

    # ------------------------------------------------------------------------------------------ the window

    def _look(self, ticket: Ticket, took: float) -> None:
        """Look at the window once enough answers have come to requests that were sent since the last look."""
        usual = self._usual.setdefault(ticket.model, _Mean())
        if usual.count < USUAL:
            usual.add(took)
        bound = self.sent - self._bound <= self.window
        if not self._step and bound:
            self.window = min(float(self.ceiling), self.window + 1)
        if ticket.number <= self._round.first:
            return
        this = self._round
        this.flight.add(ticket.flight)
        this.slower.add(took / usual.mean if usual.mean else 1.0)
        if this.slower.count < max(8, self.window / 2):
            return
        self._round = _Round(self.sent)
        error = math.hypot(this.slower.error, this.slower.mean * usual.error / (usual.mean or 1.0))
        if self._weigh(this.slower.mean, 2 * error, this.flight.mean) and bound and self._step:
            self._widen()

    def _weigh(self, slower: float, error: float, flight: float) -> bool:
        """Shrink the window where answers take much longer than usual; say whether it may grow.

        ``flight`` is how many were in flight while they did.
        """
        if self._before is not None:
            (was, crowd, window), self._before = self._before, None
            if flight < 0.8 * crowd and slower > 0.85 * was:  # it isn't us who make it slow
                for usual in self._usual.values():
                    usual.mean *= slower
                self.window = max(self.window, window)
                return False
        if slower - error > MUCH_SLOWER and self.window > 1:
            self._before, self._narrowed = (slower, flight, self.window), False
            self.window, self._step = max(1.0, min(self.window, flight) * SLOWER / slower), 1
            return False
        if slower + error < 1:
            for usual in self._usual.values():
                usual.mean *= 0.75 + 0.25 * slower
        if slower - error > SLOWER:
            self._step = self._step or 1
            return False
        return True

    def _widen(self) -> None:
        if self.sent < self._calm or self.clock() < self._calm_until:
            return
        self.window = min(float(self.ceiling), self.window + self._step)
        self._step *= 2


def _towards(before: float | None, value: float, share: float) -> float:
    return value if before is None else before + share * (value - before)


def _short(rate: float) -> str:
    """Write a rate: ``50/s``, ``2.5/s``, ``12/min``."""
    return f"{rate:.0f}/s" if rate >= 9.5 else f"{rate:.1f}/s" if rate >= 1 else f"{60 * rate:.0f}/min"
