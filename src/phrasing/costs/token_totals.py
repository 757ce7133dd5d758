"""What a token report adds up, one case at a time, in memory that doesn't grow with the number of cases.

Totals of parts of a file add up to those of the whole. Variants are named by any text; nothing here depends on what it says.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate

from phrasing.records import TokenCounts
from phrasing.stats.tails import student

_CONFIDENCE = 0.95
"""How sure the intervals of ratios are."""

Column = tuple[str, str]
"""A variant, and the name of the tokenizer that counts it."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One prompt, counted: tokens by segment, characters, and, where it was asked for, its thread by type of event.

    ``offered`` names its tools and enforced schema: where they are counted as a range, only prompts that offer the same compare.
    """

    counts: TokenCounts
    characters: int
    events: Mapping[str, EventTokens] = field(default_factory=dict)
    offered: str = ""


@dataclass(frozen=True, slots=True)
class EventTokens:
    """The events of one type: how many, how many of them have no text of their own, and the tokens of all."""

    n: int = 0
    empty: int = 0
    tokens: int = 0

    def __add__(self, other: EventTokens) -> EventTokens:
        return EventTokens(self.n + other.n, self.empty + other.empty, self.tokens + other.tokens)


@dataclass(frozen=True, slots=True)
class TokenRatio:
    """A variant's tokens over those of its baseline on the same cases. The ends are NaN for fewer than two clusters.

    ``other`` is the ratio at the other end of a range, where both offer the same tools: the more tokens those are, the nearer the
    ratio is to 1. ``low`` and ``high`` then hold the intervals of both.
    """

    value: float
    low: float
    high: float
    other: float | None = None


@dataclass(frozen=True, slots=True)
class LengthLine:
    """A straight line through (events, tokens) by least squares: ``slope`` is tokens an event."""

    start: float
    slope: float

    def at(self, events: int) -> float:
        """The tokens of a prompt with so many events, by this line."""
        return self.start + self.slope * events

    def crosses(self, other: LengthLine) -> float | None:
        """At how many events the lines cross; ``None`` where they are parallel."""
        apart = self.slope - other.slope
        return None if abs(apart) < 1e-9 else (other.start - self.start) / apart


@dataclass
class Sums:
    """What is known of one variant by one tokenizer. ``totals`` and ``lengths`` count prompts by tokens, by events.

    Where counts are ranges, all are of the lower ends, ``most`` counts prompts by the upper ones, and ``spread`` is how far those
    of all prompts are apart. ``spreads`` is the same by events.
    """

    n: int = 0
    characters: int = 0
    spread: int = 0
    segments: Counter[str] = field(default_factory=Counter)
    totals: Counter[int] = field(default_factory=Counter)
    most: Counter[int] = field(default_factory=Counter)
    events: dict[str, EventTokens] = field(default_factory=dict)
    lengths: Counter[int] = field(default_factory=Counter)
    tokens_by_length: Counter[int] = field(default_factory=Counter)
    spreads: Counter[int] = field(default_factory=Counter)

    def add(self, found: Counted, events: int) -> int:
        """Add a case that has so many events; return the tokens of its prompt."""
        total, spread = 0, found.counts.spread
        for name, tokens in vars(found.counts).items():
            if tokens and name != "spread":
                self.segments[name.rstrip("_")] += tokens
                total += tokens
        self.n += 1
        self.characters += found.characters
        self.spread += spread
        self.totals[total] += 1
        self.most[total + spread] += 1
        self.lengths[events] += 1
        self.tokens_by_length[events] += total
        self.spreads[events] += spread
        for kind, tokens in found.events.items():
            self.events[kind] = self.events.get(kind, EventTokens()) + tokens
        return total

    def merge(self, other: Sums) -> None:
        """Add what another part of the cases gave."""
        self.n += other.n
        self.characters += other.characters
        self.spread += other.spread
        for name in ("segments", "totals", "most", "lengths", "tokens_by_length", "spreads"):
            getattr(self, name).update(getattr(other, name))
        for kind, tokens in other.events.items():
            self.events[kind] = self.events.get(kind, EventTokens()) + tokens

    @property
    def total(self) -> int:
        """The tokens of all prompts."""
        return self.segments.total()

    @property
    def mean(self) -> float:
        """Tokens of a prompt."""
        return self.total / self.n

    @property
    def ends(self) -> tuple[float, float]:
        """The mean at the lower ends and at the upper ones."""
        return self.mean, (self.total + self.spread) / self.n

    def quantiles(self, share: float) -> tuple[float, float]:
        """The ``quantile`` at the lower ends and at the upper ones."""
        return self.quantile(share), self.quantile(share, most=True)

    def quantile(self, share: float, *, most: bool = False) -> float:
        """The total below which this share of the prompts lies, between two of them by their distance (as numpy does).

        ``most``: of the upper ends.
        """
        place = share * (self.n - 1)
        totals = self.most if most else self.totals
        below, above = (_ranked(totals, rank) for rank in (math.floor(place), math.ceil(place)))
        return below + (place - math.floor(place)) * (above - below)

    @property
    def line(self) -> LengthLine | None:
        """The line through tokens by number of events; ``None`` where all cases have as many."""
        if len(self.lengths) < 2:
            return None
        x = sum(k * n for k, n in self.lengths.items()) / self.n
        spread = sum(n * (k - x) ** 2 for k, n in self.lengths.items())
        along = sum((k - x) * tokens for k, tokens in self.tokens_by_length.items())
        slope = along / spread
        return LengthLine(self.mean - slope * x, slope)


def _ranked(totals: Counter[int], rank: int) -> int:
    values = sorted(totals)
    passed = accumulate(totals[value] for value in values)
    return next(value for value, upto in zip(values, passed, strict=True) if upto > rank)


Ends = tuple[int, int]
"""A variant's tokens and its baseline's."""


@dataclass
class _Pair:
    """Sums over clusters of a variant's tokens a and of its baseline's b: how many, a, b, and their products."""

    m: int = 0
    a: int = 0
    b: int = 0
    aa: int = 0
    ab: int = 0
    bb: int = 0

    def add(self, a: int, b: int) -> None:
        self.m += 1
        self.a += a
        self.b += b
        self.aa += a * a
        self.ab += a * b
        self.bb += b * b

    def merge(self, other: _Pair) -> None:
        for name in ("m", "a", "b", "aa", "ab", "bb"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


class _Ratio:
    """What the ratio of a variant to its baseline needs, at the lower ends of counts and at the upper ones.

    ``unlike``: in some case a count is a range, and the other one's tools aren't the same.
    """

    def __init__(self) -> None:
        self.least, self.most = _Pair(), _Pair()
        self.unlike = False
        self._open: tuple[str, Ends, Ends] | None = None

    def add(self, cluster: str | None, least: Ends, most: Ends) -> None:
        """Add a case; cases in a row that name the same cluster are one."""
        if self._open and cluster is not None and self._open[0] == cluster:
            _, low, high = self._open
            self._open = (cluster, (low[0] + least[0], low[1] + least[1]), (high[0] + most[0], high[1] + most[1]))
            return
        self.close()
        if cluster is None:
            self.least.add(*least)
            self.most.add(*most)
        else:
            self._open = (cluster, least, most)

    def close(self) -> None:
        """End the last cluster."""
        if self._open:
            self.least.add(*self._open[1])
            self.most.add(*self._open[2])
            self._open = None

    def closed(self) -> _Ratio:
        """Copy this as if the last cluster had ended."""
        made = _Ratio()
        made.least, made.most = replace(self.least), replace(self.most)
        made.unlike, made._open = self.unlike, self._open
        made.close()
        return made

    def merge(self, other: _Ratio) -> None:
        """Add what comes next."""
        self.close()
        other = other.closed()
        self.least.merge(other.least)
        self.most.merge(other.most)
        self.unlike |= other.unlike


class TokenTotals:
    """Sums by variant and tokenizer, and what ratios to ``baselines`` need."""

    def __init__(self, baselines: Mapping[str, str]) -> None:
        self.baselines = {variant: other for variant, other in baselines.items() if variant != other}
        self.columns: dict[Column, Sums] = {}
        self._ratios: dict[Column, _Ratio] = {}

    def add(self, counted: Mapping[Column, Counted], *, cluster: str | None, events: int) -> None:
        """Add a case. ``events`` is the length of its thread; cases in a row that name the same cluster are one."""
        totals = {}
        for column, found in counted.items():
            if column not in self.columns:
                self.columns[column] = Sums()
            totals[column] = self.columns[column].add(found, events)
        for column, total in totals.items():
            variant, tokenizer = column
            base = (self.baselines.get(variant, ""), tokenizer)
            if base in totals:
                if column not in self._ratios:
                    self._ratios[column] = _Ratio()
                held, mine, theirs = self._ratios[column], counted[column], counted[base]
                spreads = mine.counts.spread, theirs.counts.spread
                held.unlike |= any(spreads) and mine.offered != theirs.offered
                held.add(cluster, (total, totals[base]), (total + spreads[0], totals[base] + spreads[1]))

    def merge(self, other: TokenTotals) -> None:
        """Add the totals of the cases that come next. A cluster that goes on from one to the other counts as two."""
        for column, sums in other.columns.items():
            self.columns.setdefault(column, Sums()).merge(sums)
        for column, ratio in other._ratios.items():
            self._ratios.setdefault(column, _Ratio()).merge(ratio)

    def unlike(self, column: Column) -> bool:
        """Whether a variant can't be compared with its baseline: tools of one are a range, and the other's aren't the same."""
        return column in self._ratios and self._ratios[column].unlike

    def ratio(self, column: Column) -> TokenRatio | None:
        """Give a variant's tokens over its baseline's on the cases that both have; ``None`` for a baseline, and where ``unlike``.

        Source: the ratio estimator and its variance by linearisation, with clusters as the units: W. G. Cochran (1977), Sampling
        Techniques, third edition, sections 2.11 and 6.4; Student's quantile with one degree of freedom less than clusters.
        """
        if column not in self._ratios or self.unlike(column):
            return None
        held = self._ratios[column].closed()
        if not held.least.b:
            return None
        least = _estimated(held.least)
        if held.least == held.most:
            return least
        most = _estimated(held.most)
        return TokenRatio(least.value, min(least.low, most.low), max(least.high, most.high), most.value)

    def variants(self) -> list[str]:
        """List the variants, in the order in which they came."""
        return list(dict.fromkeys(variant for variant, _ in self.columns))

    def tokenizers(self) -> list[str]:
        """List the tokenizers, in the order in which they came."""
        return list(dict.fromkeys(name for _, name in self.columns))


def _estimated(pair: _Pair) -> TokenRatio:
    value = pair.a / pair.b
    if pair.m < 2:
        return TokenRatio(value, math.nan, math.nan)
    # in whole numbers, because the three terms all but cancel where variants are alike
    residual = pair.aa * pair.b**2 - 2 * pair.a * pair.b * pair.ab + pair.a**2 * pair.bb
    error = math.sqrt(pair.m / (pair.m - 1) * (residual / pair.b**2)) / pair.b
    half = student(pair.m - 1, (1 + _CONFIDENCE) / 2) * error
    return TokenRatio(value, value - half, value + half)
