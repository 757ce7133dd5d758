"""What is drawn of agents that were run to their end, by the number of the step: how many go on so far, and their prompts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import isnan
from typing import TYPE_CHECKING

from phrasing.analysis.figures import ByStep, Figures, Kind, Level

if TYPE_CHECKING:
    import pandas as pd

    from phrasing.records import Result

Line = list[tuple[int, float]]
"""Values by the number of a step, from 1."""

StepTokens = tuple[str, int, int | None]
"""The variant of a step, its number, and the tokens of its prompt; ``None``: not known."""


def tokens_of(variant: str, step: Result) -> StepTokens:
    """Give the tokens of a step's prompt: the provider's count; our own where it gave none, if that is no range."""
    billed = step.completion.usage.prompt if step.completion else None
    return variant, step.step or 0, billed if billed is not None or step.tokens.spread else step.tokens.total


def of_runs(found: Figures, table: pd.DataFrame, tokens: Iterable[StepTokens]) -> Figures:
    """Make of figures those of runs of agents.

    ``table`` is that of trials, ``tokens`` are those of each step. What is told apart by the length of a case's thread is left
    out: an agent's thread grows.
    """
    by_step = ByStep(going(table, list(found.segments)), prompts(tokens, list(found.segments)))
    levels: dict[Kind, Sequence[Level]] = {kind: levels for kind, levels in found.levels.items() if kind != "events"}
    return replace(found, lengths={}, levels=levels, by_step=by_step)


def going(table: pd.DataFrame, variants: Sequence[str]) -> dict[str, Line]:
    """Give the share of each variant's runs that took so many steps or more; runs that ended with an error aren't counted."""
    counted: dict[str, Counter[int]] = {variant: Counter() for variant in variants}
    for variant, steps in zip(table["variant"].tolist(), table["steps"].tolist(), strict=True):
        if variant in counted and not isnan(steps):
            counted[variant][int(steps)] += 1
    found: dict[str, Line] = {}
    for variant, counts in counted.items():
        left, line = counts.total(), Line()
        for number in range(1, max(counts, default=0) + 1):
            line.append((number, left / counts.total()))
            left -= counts[number]
        found[variant] = line
    return found


def prompts(tokens: Iterable[StepTokens], variants: Sequence[str]) -> dict[str, Line]:
    """Average the tokens of the prompts of each step, over the runs that got so far and where they are known."""
    sums: Mapping[str, dict[int, list[int]]] = {variant: {} for variant in variants}
    for variant, number, count in tokens:
        if variant in sums and count is not None:
            held = sums[variant].setdefault(number, [0, 0])
            held[0] += count
            held[1] += 1
    return {variant: [(number, total / n) for number, (total, n) in sorted(each.items())] for variant, each in sums.items()}
