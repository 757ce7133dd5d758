"""Numbers divided into bands that hold about as many cases each."""

from __future__ import annotations

from collections import Counter

BANDS = 6
"""Into how many bands numbers of events, or of turns, are divided, at most."""

Band = tuple[int, int]
"""The least and the most of a band."""


def divide(counted: Counter[int]) -> list[Band]:
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


def name(band: Band) -> str:
    """Write a band: ``3–5``, or ``3``."""
    low, high = band
    return f"{low}–{high}" if low != high else str(low)
