"""The chart of score against tokens, and what charts of scores share: their axis of percents, and how a figure is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isnan

from phrasing import lettering, plots
from phrasing.figures import Figures, Point, Span
from phrasing.lettering import Box, Place
from phrasing.plots import Row, Spec

Names = Mapping[str, str]
"""An arm's text to the name that it has in charts."""

LABELS = 8
"""How many arms are named beside their marks, if there is room; of more there is a legend."""

SAID = 6
"""How many arms a sentence names."""

AREA = (plots.WIDTH - 70.0, 380.0)
"""Width and height within the axes."""


def spec(figures: Figures, names: Names) -> Spec | None:
    """Draw score against tokens: a mark an arm, bars in both directions, the Pareto front as steps."""
    points = [point for point in figures.points if not isnan(point.score.value + point.tokens.value)]
    if not points:
        return None
    across, up = _tokens_axis(points), percents(point.score for point in points)
    marks = [_placed(point.tokens.value, 100 * point.score.value, across, up) for point in points]
    labels = [names[point.arm] + (" (baseline)" if point.baseline else "") for point in points]
    bars = [bar for point in points for bar in _bars(point, labels[points.index(point)])]
    covered = [_covered(bar, across, up) for bar in bars]
    places = lettering.places(labels, marks, covered, AREA) if len(points) <= LABELS else None
    colour, shape = plots.series(labels, key=places is None)
    rows = [
        {"name": label, "tokens": point.tokens.value, "score": 100 * point.score.value, "say": f"{label}: {_told(point)}"}
        for point, label in zip(points, labels, strict=True)
    ]
    count = ", our own count" if all(point.counted for point in points) else ""
    x = plots.scaled("tokens", across, title=f"tokens of a prompt (mean{count})", tickMinStep=1, format=",~f")
    y = plots.scaled("score", up, title=axis(figures), tickMinStep=1)
    ring = [row for row, point in zip(rows, points, strict=True) if point.baseline]
    front = sorted((point.tokens.value, 100 * point.score.value) for point in points if point.front)
    steps = [{"tokens": t, "score": s} for t, s in [*front, (across[1], front[-1][1])]] if front else []
    layers = [
        plots.layer(steps, "line", {"interpolate": "step-after", "stroke": plots.AXIS, "strokeDash": [5, 3]}, x=x, y=y),
        plots.layer(bars, "rule", {"strokeWidth": 1.3, "opacity": 0.55}, x=x, y=y, color=colour, **_TO),
        plots.layer(ring, "point", {"shape": "diamond", "size": 420, "stroke": plots.TEXT, "strokeWidth": 1.3}, x=x, y=y),
        plots.layer(rows, "point", plots.FILLED | {"size": 75}, told=True, x=x, y=y, color=colour, shape=shape),
        *_written(labels, places or [], across, up, x, y),
    ]
    return plots.frame(
        [layer for layer in layers if layer["data"]["values"]],
        title=f"{figures.words.capitalize()} against tokens",
        subtitle=_key(points),
        alt=_alt(figures, points, names),
        width=AREA[0],
        height=AREA[1],
    )


_TO: Spec = {"x2": {"field": "tokens2"}, "y2": {"field": "score2"}}


def _key(points: Sequence[Point]) -> str:
    said = ["bars: 95 % intervals"] if any(not isnan(end) for p in points for end in (p.score.low, p.tokens.low)) else []
    said += ["dashed: the best score for so many tokens"] if any(point.front for point in points) else []
    said += ["in a diamond: the baseline"] if any(point.baseline for point in points) else []
    return "; ".join(said)


def _alt(figures: Figures, points: Sequence[Point], names: Names) -> str:
    best = sorted(points, key=lambda point: (-point.score.value, point.tokens.value))
    told = [f"{names[point.arm]}{' (the baseline)' if point.baseline else ''} {_told(point)}" for point in best]
    front = [names[point.arm] for point in sorted(points, key=lambda point: point.tokens.value) if point.front]
    ends = f" No arm scores as high with fewer tokens than {enumerated(front)}." if front else ""
    return f"{figures.words.capitalize()} against mean tokens of a prompt: {enumerated(told, '; ')}.{ends}"


def _told(point: Point) -> str:
    return f"{share(point.score)} of {point.n} cases with {_tokens(point.tokens)} tokens"


def _tokens(span: Span) -> str:
    return f"{span.value:,.0f}" + ("" if isnan(span.low) else f" ({span.low:,.0f}–{span.high:,.0f})")


# ---------------------------------------------------------------------------------------------- shared


def axis(figures: Figures) -> str:
    """Name the axis of scores."""
    return f"{figures.words} ({lettering.shorten(figures.score)}), %"


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


# ---------------------------------------------------------------------------------------------- where things lie


def _ends(span: Span) -> list[float]:
    return [end for end in (span.value, span.low, span.high) if not isnan(end)]


def _tokens_axis(points: Sequence[Point]) -> tuple[float, float]:
    ends = [end for point in points for end in _ends(point.tokens)]
    margin = max(0.06 * (max(ends) - min(ends)), 0.02 * max(ends), 1)
    return max(0, min(ends) - margin), max(ends) + margin


def _bars(point: Point, name: str) -> Iterable[Row]:
    """Give the intervals of an arm as lines: from (tokens, score) to (tokens2, score2)."""
    tokens, score = point.tokens, point.score
    if not isnan(tokens.low):
        yield {
            "name": name,
            "tokens": tokens.low,
            "tokens2": tokens.high,
            "score": 100 * score.value,
            "score2": 100 * score.value,
        }
    if not isnan(score.low):
        yield {
            "name": name,
            "tokens": tokens.value,
            "tokens2": tokens.value,
            "score": 100 * score.low,
            "score2": 100 * score.high,
        }


def _placed(tokens: float, score: float, across: tuple[float, float], up: tuple[float, float]) -> tuple[float, float]:
    """Give the pixel at which a mark lies."""
    return (tokens - across[0]) / (across[1] - across[0]) * AREA[0], (up[1] - score) / (up[1] - up[0]) * AREA[1]


def _covered(bar: Row, across: tuple[float, float], up: tuple[float, float]) -> Box:
    (left, bottom), (right, top) = (_placed(bar[f"tokens{end}"], bar[f"score{end}"], across, up) for end in ("", "2"))
    return Box(left - 1, top - 1, right + 1, bottom + 1)


def _written(
    labels: Sequence[str], places: Sequence[Place], across: tuple[float, float], up: tuple[float, float], x: Spec, y: Spec
) -> Iterable[Spec]:
    """Specify the names beside the marks."""
    for align in ("left", "right", "center"):
        rows = [
            {
                "text": label,
                "tokens": across[0] + place.x / AREA[0] * (across[1] - across[0]),
                "score": up[1] - place.y / AREA[1] * (up[1] - up[0]),
            }
            for label, place in zip(labels, places, strict=bool(places))
            if place.align == align
        ]
        yield plots.layer(rows, "text", plots.WORDS | {"align": align}, x=x, y=y, text=plots.text("text"))
