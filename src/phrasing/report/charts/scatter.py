"""The chart of score against tokens, and what charts of scores share: their axis of percent, and how a figure is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import isnan

from phrasing.analysis.figures import Figures, Point, Span
from phrasing.report.charts import vega
from phrasing.report.charts.names import Box, Mark, Place, places, shorten
from phrasing.report.charts.vega import Row, Spec
from phrasing.scores import public

Names = Mapping[str, str]
"""A variant's text to the name that it has in charts."""

LABELS = 8
"""How many variants are named beside their marks, if there is room; of more there is a legend."""

SAID = 6
"""How many variants a sentence names."""

WIDTH, HEIGHT = vega.WIDTH - 70.0, 380.0
"""What lies within the axes."""


def spec(figures: Figures, names: Names) -> Spec | None:
    """Draw score against tokens: a mark a variant, bars in both directions, the Pareto front as steps."""
    points = [point for point in figures.points if not isnan(point.score.value + point.tokens.value)]
    if not points:
        return None
    across, up = _tokens_axis(points), percents(point.score for point in points)
    shown = [names[point.variant] for point in points]
    labels = [f"{names[point.variant]}{' (baseline)' * point.baseline}" for point in points]
    rows = [_mark(*each, figures.unit) for each in zip(points, shown, labels, strict=True)]
    bars = [bar for point, name in zip(points, shown, strict=True) for bar in _bars(point, name)]
    steps = _steps(points, across[1])
    ring = [row for row, point in zip(rows, points, strict=True) if point.baseline]
    marks, covered = _area(rows, ring, [*bars, *_levels(steps)], across, up)
    labelled = places(labels, marks, covered, (WIDTH, HEIGHT)) if len(points) <= LABELS else None
    count = ", our own count" if all(point.counted for point in points) else ""
    x = vega.scaled("tokens", across, title=f"tokens of {figures.of_prompts} (mean{count})", tickMinStep=1, format=",~f")
    y = vega.scaled("score", up, title=axis(figures), tickMinStep=1)
    ends: Spec = {"x2": {"field": "tokens2"}, "y2": {"field": "score2"}}
    colour, shape = vega.looks(shown, key=None if labelled else "bottom")
    layers = [
        vega.layer(steps, "line", _DASHED, x=x, y=y),
        vega.layer(bars, "rule", {"strokeWidth": 1.3, "opacity": 0.55}, x=x, y=y, color=colour, **ends),
        *_written(labels, marks, labelled or []),
        vega.layer(ring, "point", {"shape": "diamond", "size": 420, "stroke": vega.TEXT, "strokeWidth": 1.3}, x=x, y=y),
        vega.layer(rows, "point", vega.FILLED | _EDGE | {"size": 85}, told=True, x=x, y=y, color=colour, shape=shape),
    ]
    return vega.frame(
        layers,
        title=f"{figures.words.capitalize()} against tokens",
        subtitle=_key(points),
        alt=_alt(figures, points, names),
        width=WIDTH,
        height=HEIGHT,
    )


_DASHED = {"interpolate": "step-after", "stroke": vega.AXIS, "strokeDash": [5, 3], "strokeWidth": 1.5}
_EDGE = {"stroke": vega.PAPER, "strokeWidth": 1}
"""Keeps marks apart that lie on each other."""


def _mark(point: Point, name: str, label: str, unit: str) -> Row:
    return {"name": name, "tokens": point.tokens.value, "score": 100 * point.score.value, "say": f"{label}: {_told(point, unit)}"}


def _steps(points: Sequence[Point], end: float) -> list[Row]:
    """Give the corners of the Pareto front, the cheapest first, and where it leaves the chart; of one variant there is none."""
    if len(points) < 2:
        return []
    front = sorted((point.tokens.value, 100 * point.score.value) for point in points if point.front)
    return [{"tokens": tokens, "score": score} for tokens, score in [*front, *((end, score) for _, score in front[-1:])]]


def _levels(steps: Sequence[Row]) -> list[Row]:
    """Give the level parts of the front as bars."""
    return [{**one, "tokens2": other["tokens"], "score2": one["score"]} for one, other in pairwise(steps)]


def _area(
    rows: Sequence[Row], ring: Sequence[Row], bars: Sequence[Row], across: tuple[float, float], up: tuple[float, float]
) -> tuple[list[Mark], list[Box]]:
    """Give marks and bars in pixels, so that names can be placed among them; those in a ring are larger."""

    def pixel(tokens: float, score: float) -> tuple[float, float]:
        return (tokens - across[0]) / (across[1] - across[0]) * WIDTH, (up[1] - score) / (up[1] - up[0]) * HEIGHT

    def covered(bar: Row) -> Box:
        (left, bottom), (right, top) = pixel(bar["tokens"], bar["score"]), pixel(bar["tokens2"], bar["score2"])
        return Box(left - 1, top - 1, right + 1, bottom + 1)

    marks = [Mark(*pixel(row["tokens"], row["score"]), half=13 if row in ring else 6) for row in rows]
    return marks, [covered(bar) for bar in bars]


def _bars(point: Point, name: str) -> Iterable[Row]:
    """Give the intervals of a variant as lines: from (tokens, score) to (tokens2, score2)."""
    tokens, score = point.tokens, point.score
    row = {"name": name, "tokens": tokens.value, "tokens2": tokens.value, "score": 100 * score.value, "score2": 100 * score.value}
    if not isnan(tokens.low):
        yield row | {"tokens": tokens.low, "tokens2": tokens.high}
    if not isnan(score.low):
        yield row | {"score": 100 * score.low, "score2": 100 * score.high}


def _written(labels: Sequence[str], marks: Sequence[Mark], labelled: Sequence[Place]) -> list[Spec]:
    """Specify the names beside the marks, with lines to those that lie apart."""
    if not labelled:
        return []
    x, y = vega.pixels("x"), vega.pixels("y")
    drawn = [{"text": label, "x": p.x, "y": p.y, "align": p.align} for label, p in zip(labels, labelled, strict=True)]
    lines = [{"x": m.x, "y": m.y, "x2": p.x, "y2": p.y} for m, p in zip(marks, labelled, strict=True) if p.far]
    written = [
        vega.layer([row for row in drawn if row["align"] == align], "text", vega.WORDS | style, x=x, y=y, text=vega.text("text"))
        for align, style in (("left", {"align": "left"}), ("right", {"align": "right"}))
    ]
    return [vega.layer(lines, "rule", {"color": vega.AXIS}, x=x, y=y, x2={"field": "x2"}, y2={"field": "y2"}), *written]


def _tokens_axis(points: Sequence[Point]) -> tuple[float, float]:
    ends = [end for point in points for end in _ends(point.tokens)]
    margin = max(0.06 * (max(ends) - min(ends)), 0.02 * max(ends), 1)
    return max(0, min(ends) - margin), max(ends) + margin


# ---------------------------------------------------------------------------------------------- words


def _key(points: Sequence[Point]) -> str:
    said = ["bars: 95 % intervals"] if any(not isnan(end) for p in points for end in (p.score.low, p.tokens.low)) else []
    said += ["dashed: the best score for so many tokens"] if _steps(points, 0) else []
    said += ["in a diamond: the baseline"] if any(point.baseline for point in points) else []
    return "; ".join(said)


def _alt(figures: Figures, points: Sequence[Point], names: Names) -> str:
    best = sorted(points, key=lambda point: (-point.score.value, point.tokens.value))
    told = [f"{names[point.variant]}{' (the baseline)' if point.baseline else ''} {_told(point, figures.unit)}" for point in best]
    front = [names[point.variant] for point in sorted(points, key=lambda point: point.tokens.value) if point.front]
    ends = f" No variant scores as high with fewer tokens than {enumerated(front)}." if front else ""
    return f"{figures.words.capitalize()} against mean tokens of {figures.of_prompts}: {enumerated(told, '; ')}.{ends}"


def _told(point: Point, unit: str) -> str:
    return f"{share(point.score)} of {point.n} {unit} with {_tokens(point.tokens)} tokens"


def _tokens(span: Span) -> str:
    return f"{span.value:,.0f}" + ("" if isnan(span.low) else f" ({span.low:,.0f}–{span.high:,.0f})")


# ---------------------------------------------------------------------------------------------- shared


def axis(figures: Figures) -> str:
    """Name the axis of scores."""
    score = public(figures.score)
    return f"{figures.words}, %" if score == figures.words else f"{figures.words} ({shorten(score)}), %"


def share(span: Span) -> str:
    """Write a score and its interval in percent."""
    return f"{100 * span.value:.0f} %" + ("" if isnan(span.low) else f" ({100 * span.low:.0f}–{100 * span.high:.0f})")


def enumerated(said: Sequence[str], between: str = ", ") -> str:
    """List the first few, and how many more there are."""
    more = len(said) - SAID
    return between.join(said[:SAID]) + (f"{between}and {more} more" if more > 0 else "")


def percents(spans: Iterable[Span]) -> tuple[float, float]:
    """Give the ends of an axis of percent that begins and ends near what it shows."""
    ends = [100 * end for span in spans for end in _ends(span)]
    low, high = 5 * (min(ends) // 5), -5 * (-max(ends) // 5)
    return (low, high) if high - low > 10 else (max(0, low - 5), min(100, high + 5))


def _ends(span: Span) -> list[float]:
    return [end for end in (span.value, span.low, span.high) if not isnan(end)]
