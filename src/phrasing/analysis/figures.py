"""What a report draws, in numbers: points, intervals and shares of variants. Charts and tables are made of these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from phrasing.types import StepMatch

Kind = Literal["tag", "events", "turn"]
"""What cases are told apart by: a tag, the events in their thread (in bands), the agent's turn in its conversation (in bands)."""


@dataclass(frozen=True, slots=True)
class Span:
    """A figure with its interval (95 %), from ``low`` to ``high``; NaN where there is none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Point:
    """A variant between score and cost: the mean score of its ``n`` answered cases, from 0 to 1, and their mean prompt tokens.

    ``tokens`` are the provider's count; our own where it gave none (``counted``). ``front``: no other variant scores as high
    with fewer tokens; of variants that are asked different datasets, none is. ``baseline``: others are compared with it.
    """

    variant: str
    n: int
    score: Span
    tokens: Span
    counted: bool
    front: bool
    baseline: bool


@dataclass(frozen=True, slots=True)
class Level:
    """A variant's score on the cases of one kind: those with a tag, with so many events, of such a turn. ``n`` counts them."""

    variant: str
    name: str
    n: int
    score: Span


@dataclass(frozen=True, slots=True)
class Spread:
    """What a variant's answers took: quantiles of seconds, of US dollars a decision and of answer tokens; NaN where unknown."""

    variant: str
    seconds: tuple[float, float, float]
    cost: tuple[float, float, float]
    answer_tokens: tuple[float, float, float]


QUANTILES = (0.5, 0.9, 0.99)
"""The quantiles of a ``Spread``."""


@dataclass(frozen=True, slots=True)
class Harm:
    """A trial that picked a step which does harm: what it picked, and what its case forbids."""

    trial: str
    variant: str
    dataset: str
    case: str
    tags: tuple[str, ...]
    chosen: str
    forbidden: tuple[StepMatch, ...]


@dataclass(frozen=True)
class Figures:
    """What is drawn of a run, or of one of its ``parts``. Variants are in the order of the run.

    ``score`` names what decides (``step``, or what the suite compares by), ``words`` what its share is called: *accuracy*, or
    *agreement* with a logged agent. ``segments`` are mean tokens of a prompt's segments by our own count, ``lengths`` the mean
    tokens of prompts by the number of events in their thread.
    """

    score: str
    words: str
    points: Sequence[Point]
    segments: Mapping[str, Mapping[str, float]]
    lengths: Mapping[str, Sequence[tuple[int, float]]]
    levels: Mapping[Kind, Sequence[Level]] = field(default_factory=dict)
    spreads: Sequence[Spread] = ()
    harm: Sequence[Harm] = ()


BANDS = 6
"""Into how many bands numbers of events, or of turns, are divided, at most."""

Band = tuple[int, int]
"""The least and the most of a band."""


def bands(counted: Counter[int]) -> list[Band]:
    """Divide numbers into bands with about as many cases in each."""
    made: list[Band] = []
    first, held, left = None, 0, counted.total()
    for number in sorted(counted):
        first = number if first is None else first
        held += counted[number]
        if held * (BANDS - len(made)) >= left:
            made.append((first, number))
            left, first, held = left - held, None, 0
    return made


def band_name(band: Band) -> str:
    """Write a band: ``3–5``, or ``3``."""
    low, high = band
    return f"{low}–{high}" if low != high else str(low)
