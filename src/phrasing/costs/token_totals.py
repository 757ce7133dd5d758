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

_CONFIDENCE = 0.95
"""How sure the intervals of ratios are."""

Column = tuple[str, str]
"""A variant, and the name of the tokenizer that counts it."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One prompt, counted: tokens by segment, characters, and, where it was asked for, its thread by type of event."""

    counts: TokenCounts
    characters: int
    events: Mapping[str, EventTokens] = field(default_factory=dict)


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
    """A variant's tokens over those of its baseline on the same cases. The ends are NaN for fewer than two clusters."""

    value: float
    low: float
    high: float


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
    """What is known of one variant by one tokenizer. ``totals`` and ``lengths`` count prompts by tokens, by events."""

    n: int = 0
    characters: int = 0
    segments: Counter[str] = field(default_factory=Counter)
    totals: Counter[int] = field(default_factory=Counter)
    events: dict[str, EventTokens] = field(default_factory=dict)
    lengths: Counter[int] = field(default_factory=Counter)
    tokens_by_length: Counter[int] = field(default_factory=Counter)

    def add(self, found: Counted, events: int) -> int:
        """Add a case that has so many events; return the tokens of its prompt."""
        total = 0
        for name, tokens in vars(found.counts).items():
            if tokens:
                self.segments[name.rstrip("_")] += tokens
                total += tokens
        self.n += 1
        self.characters += found.characters
        self.totals[total] += 1
        self.lengths[events] += 1
        self.tokens_by_length[events] += total
        for kind, tokens in found.events.items():
            self.events[kind] = self.events.get(kind, EventTokens()) + tokens
        return total

    def merge(self, other: Sums) -> None:
        """Add what another part of the cases gave."""
        self.n += other.n
        self.characters += other.characters
        for name in ("segments", "totals", "lengths", "tokens_by_length"):
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

    def quantile(self, share: float) -> float:
        """The total below which this share of the prompts lies, between two of them by their distance (as numpy does)."""
        place = share * (self.n - 1)
        below, above = (self._ranked(rank) for rank in (math.floor(place), math.ceil(place)))
        return below + (place - math.floor(place)) * (above - below)

    def _ranked(self, rank: int) -> int:
        values = sorted(self.totals)
        passed = accumulate(self.totals[value] for value in values)
        return next(value for value, upto in zip(values, passed, strict=True) if upto > rank)

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


class TokenTotals:
    """Sums by variant and tokenizer, and what ratios to ``baselines`` need."""

    def __init__(self, baselines: Mapping[str, str]) -> None:
        self.baselines = {variant: other for variant, other in baselines.items() if variant != other}
        self.columns: dict[Column, Sums] = {}
        self._pairs: dict[Column, _Pair] = {}
        self._open: dict[Column, tuple[str, int, int]] = {}

    def add(self, counted: Mapping[Column, Counted], *, cluster: str | None, events: int) -> None:
        """Add a case. ``events`` is the length of its thread; cases in a row that name the same cluster are one."""
        totals = {}
        for column, found in counted.items():
            if column not in self.columns:
                self.columns[column] = Sums()
            totals[column] = self.columns[column].add(found, events)
        for column, total in totals.items():
            variant, tokenizer = column
            other = totals.get((self.baselines.get(variant, ""), tokenizer))
            if other is not None:
                self._add_pair(column, cluster, total, other)

    def _add_pair(self, column: Column, cluster: str | None, a: int, b: int) -> None:
        held = self._open.pop(column, None)
        if held and cluster is not None and held[0] == cluster:
            a, b = a + held[1], b + held[2]
        elif held:
            self._pairs.setdefault(column, _Pair()).add(*held[1:])
        if cluster is None:
            self._pairs.setdefault(column, _Pair()).add(a, b)
        else:
            self._open[column] = (cluster, a, b)

    def merge(self, other: TokenTotals) -> None:
        """Add the totals of the cases that come next. A cluster that goes on from one to the other counts as two."""
        for column, sums in other.columns.items():
            self.columns.setdefault(column, Sums()).merge(sums)
        for column, held in self._open.items():
            self._pairs.setdefault(column, _Pair()).add(*held[1:])
        self._open = {}
        for column in other._pairs.keys() | other._open.keys():
            self._pairs.setdefault(column, _Pair()).merge(other._pair(column))

    def _pair(self, column: Column) -> _Pair:
        """Give the sums over clusters as if the last one had ended."""
        pair = replace(self._pairs.get(column, _Pair()))
        if column in self._open:
            pair.add(*self._open[column][1:])
        return pair

    def ratio(self, column: Column) -> TokenRatio | None:
        """Give a variant's tokens over its baseline's on the cases that both have; ``None`` for a baseline.

        Source: the ratio estimator and its variance by linearisation, with clusters as the units: W. G. Cochran (1977), Sampling
        Techniques, third edition, sections 2.11 and 6.4; Student's quantile with one degree of freedom less than clusters.
        """
        from scipy import special

        pair = self._pair(column)
        if not pair.b:
            return None
        value = pair.a / pair.b
        if pair.m < 2:
            return TokenRatio(value, math.nan, math.nan)
        # in whole numbers, because the three terms all but cancel where variants are alike
        residual = pair.aa * pair.b**2 - 2 * pair.a * pair.b * pair.ab + pair.a**2 * pair.bb
        error = math.sqrt(pair.m / (pair.m - 1) * (residual / pair.b**2)) / pair.b
        half = float(special.stdtrit(pair.m - 1, (1 + _CONFIDENCE) / 2)) * error
        return TokenRatio(value, value - half, value + half)

    def variants(self) -> list[str]:
        """List the variants, in the order in which they came."""
        return list(dict.fromkeys(variant for variant, _ in self.columns))

    def tokenizers(self) -> list[str]:
        """List the tokenizers, in the order in which they came."""
        return list(dict.fromkeys(name for _, name in self.columns))
