"""Charts of agents that were run to their end, by the number of the step: which runs go on so far, and how prompts grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from phrasing.analysis.figures import ByStep
from phrasing.report.charts import vega
from phrasing.report.charts.scatter import Names, enumerated
from phrasing.report.charts.vega import Spec

Series = Mapping[str, Sequence[tuple[int, float]]]


def going(found: ByStep, names: Names) -> Spec | None:
    """Draw the share of runs that take so many steps: where a line falls, runs end."""
    series = {name: [(number, 100 * share) for number, share in line] for name, line in _named(found.going, names).items()}
    if not _grows(series):
        return None
    told = [f"{name} {_half(line)}" for name, line in series.items()]
    return vega.lines(
        series,
        x="step",
        y="runs that get so far, %",
        title="Runs by how many steps they take",
        alt=f"Share of runs that take so many steps: {enumerated(told, '; ')}.",
    )


def _half(line: Sequence[tuple[int, float]]) -> str:
    """Say up to which step half of the runs go on, and up to which any does."""
    half = max(number for number, share in line if share >= 50)
    return f"half of them up to step {half}, the longest up to step {line[-1][0]}"


def prompts(found: ByStep, names: Names) -> Spec | None:
    """Draw how prompts grow from step to step."""
    series = _named(found.prompts, names)
    if not _grows(series):
        return None
    told = [
        f"{name} from {line[0][1]:,.0f} at step 1 to {line[-1][1]:,.0f} at step {line[-1][0]}" for name, line in series.items()
    ]
    return vega.lines(
        series,
        x="step",
        y="tokens of its prompt (mean of the runs that get so far)",
        title="Tokens of a prompt by step",
        alt=f"Mean tokens of prompts by step, of the runs that get so far: {enumerated(told, '; ')}.",
    )


def _named(series: Series, names: Names) -> Series:
    return {names[variant]: line for variant, line in series.items() if line}


def _grows(series: Series) -> bool:
    return any(len(line) > 1 for line in series.values())
