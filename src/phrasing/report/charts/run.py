"""The charts of a report, as Vega-Lite specifications with what they say in words. The same figures give the same charts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path

from phrasing.analysis.compare import Comparison, Contrast
from phrasing.analysis.figures import SPREAD, Figures
from phrasing.analysis.report_data import Report
from phrasing.analysis.verdict import Tone, Verdict
from phrasing.errors import UserError
from phrasing.report import text
from phrasing.report.charts import breakdowns, scatter, steps, vega
from phrasing.report.charts.names import distinct, text_width
from phrasing.report.charts.scatter import Names, enumerated
from phrasing.report.charts.vega import Spec, drawable

COLOURS: Mapping[Tone, str] = {"good": vega.GOOD, "bad": vega.BAD, "even": vega.EVEN, "unsure": vega.MUTED}
"""The colour of a contrast's mark, by its verdict's tone."""

SHAPES: Mapping[Verdict, str] = {
    Verdict.BETTER: "triangle-up",
    Verdict.WORSE: "triangle-down",
    Verdict.NOT_WORSE: "triangle-right",
    Verdict.EQUIVALENT: "square",
    Verdict.UNCHANGED: "diamond",
    Verdict.INCONCLUSIVE: "circle",
    Verdict.UNTESTED: "circle",
}
"""The shape of a contrast's mark, for those who see no colours."""


@dataclass(frozen=True)
class Chart:
    """A chart: a ``name`` for its file, its title, what it shows in words, and its specification for ``plots``."""

    name: str
    title: str
    alt: str
    spec: Spec


def charts_of(figures: Figures, report: Report) -> list[Chart]:
    """Draw up the charts of a run, or of one of its ``parts``, as ``report`` is. What has nothing to show is left out.

    There are none where the package that draws them is missing.
    """
    if not drawable():
        return []
    variants = [str(row["variant"]) for row in report.variants]
    names = dict(zip(variants, distinct(map(report.label, variants)), strict=True))
    made = {
        "accuracy-tokens": scatter.spec(figures, names),
        "differences": _differences(report.comparison, names),
        "steps-going": steps.going(figures.by_step, names) if figures.by_step else None,
        "steps-tokens": steps.prompts(figures.by_step, names) if figures.by_step else None,
        "segments": _segments(figures, names),
        "length": _lengths(figures, names),
        **{name: breakdowns.levels(figures, kind, names) for kind, (name, _) in breakdowns.LEVELS.items()},
        **breakdowns.confusions(report.confused, names, report.words),
    }
    return [Chart(name, spec["title"]["text"], spec["description"], spec) for name, spec in made.items() if spec]


# ---------------------------------------------------------------------------------------------- differences


def _differences(comparison: Comparison, names: Names) -> Spec | None:
    """Draw what each variant has more than its baseline, with its interval, a row a variant, and the verdict in words."""
    contrasts = comparison.contrasts
    if not contrasts:
        return None
    margin = 100 * comparison.settings.margin
    rows = [_row(contrast, comparison, names[contrast.variant]) for contrast in contrasts]
    ends = [end for row in rows if "value" in row for end in (row["value"], row.get("low", 0), row.get("high", 0))]
    ends += [-margin, margin]
    room = 0.06 * (max(ends) - min(ends))
    y, left = vega.rows([row["name"] for row in rows])
    spans, verdicts = (max(text_width(row[column]) for row in rows) for column in ("span", "word"))
    width = max(180, vega.WIDTH - left - spans - verdicts - 50)
    x = vega.scaled("value", (min(ends) - room, max(ends) + room), title=f"difference in {comparison.score}, points")
    words = {"span": width + 12, "word": width + 24 + spans}
    baselines = list(dict.fromkeys(contrast.baseline for contrast in contrasts))
    against = names.get(baselines[0], "the baseline") if len(baselines) == 1 else "their baselines"
    return vega.frame(
        _difference_layers(rows, margin, words, x=x, y=y),
        title=f"Differences from {comparison.against or against}",
        subtitle=(
            f"paired by {comparison.unit}, {100 * comparison.settings.confidence:g} % intervals; shaded: within {margin:g} points"
        ),
        alt=f"Differences in {comparison.score} from {against}: {enumerated([str(row['say']) for row in rows], '; ')}.",
        width=width,
        height=26 * len(rows),
    )


def _row(contrast: Contrast, comparison: Comparison, name: str) -> Spec:
    span, word = text.span(contrast), contrast.verdict.word(agreement=comparison.agreement)
    return {
        "name": name,
        "span": span,
        "word": word,
        "say": f"{name}: {text.span(contrast, 'points')}, {word}",
        "colour": COLOURS[contrast.verdict.tone],
        "shape": SHAPES[contrast.verdict],
        **{name: 100 * end for name, end in _known(contrast).items()},
    }


def _difference_layers(rows: Sequence[Spec], margin: float, words: Mapping[str, float], *, x: Spec, y: Spec) -> list[Spec]:
    """Specify the band of the margin, the intervals, the marks, and beside them the columns ``words``, each at its place."""
    low, high = {**x, "field": "low"}, {"field": "high"}
    as_is = {"type": "nominal", "scale": None}
    colour, shape = {"field": "colour", **as_is}, {"field": "shape", **as_is}
    known = [row for row in rows if "value" in row]
    bars = [row for row in known if "low" in row]
    return [
        vega.layer([{"low": -margin, "high": margin}], "rect", {"color": vega.BAND}, x=low, x2=high),
        vega.layer([{"value": 0}], "rule", {"color": vega.MUTED}, x=x),
        vega.layer(bars, "rule", {"strokeWidth": 2}, x=low, x2=high, y=y, color=colour),
        vega.layer(known, "point", vega.FILLED | {"size": 80}, told=True, x=x, y=y, color=colour, shape=shape),
        *(
            vega.layer(rows, "text", vega.WORDS | {"align": "left"}, x={"value": round(at)}, y=y, text=vega.text(column))
            for column, at in words.items()
        ),
    ]


def _known(contrast: Contrast) -> dict[str, float]:
    found = {"value": contrast.difference, "low": contrast.low, "high": contrast.high}
    return {name: value for name, value in found.items() if not isnan(value)}


# ---------------------------------------------------------------------------------------------- tokens


def _segments(figures: Figures, names: Names) -> Spec | None:
    """Draw the mean tokens of each segment as stacked bars, with their numbers where they fit."""
    parts = list(dict.fromkeys(part for found in figures.segments.values() for part, tokens in found.items() if tokens))
    parts = [part for part in parts if part != SPREAD]
    if not parts:
        return None
    totals = {variant: sum(found.get(part, 0) for part in parts) for variant, found in figures.segments.items()}
    shown_totals = {variant: _total(total, figures.segments[variant].get(SPREAD, 0)) for variant, total in totals.items()}
    y, left = vega.rows([names[variant] for variant in totals])
    width, most = vega.WIDTH - left - 60, max(totals.values())
    x = vega.scaled("start", (0, most), title=f"tokens of {figures.of_prompts} (mean, our own count)", grid=False, format=",~f")
    rows = []
    for variant, found in figures.segments.items():
        start = 0.0
        for part in parts:
            end = start + found.get(part, 0)
            shown = f"{end - start:,.0f}"
            fits = (end - start) / most * width > text_width(shown) + 4
            said = {
                "part": part,
                "name": names[variant],
                "say": f"{names[variant]}, {part}: {shown}",
                "text": shown if fits else "",
            }
            rows.append({**said, "start": start, "end": end, "middle": (start + end) / 2})
            start = end
    ends = [{"name": names[variant], "start": total, "text": shown_totals[variant]} for variant, total in totals.items()]
    colour = {
        "field": "part",
        "type": "nominal",
        "legend": vega.legend(parts) | {"symbolType": "square"},
        "scale": {"domain": parts, "range": [vega.COLOURS[i % 6] for i in range(len(parts))]},
    }
    bar = {"fillOpacity": vega.TINT, "strokeWidth": 1, "height": {"band": 0.72}}
    layers = [
        vega.layer(rows, "bar", bar, told=True, x=x, x2={"field": "end"}, y=y, fill=colour, stroke=colour),
        vega.layer(
            [row for row in rows if row["text"]],
            "text",
            vega.WORDS | {"align": "center"},
            x={**x, "field": "middle"},
            y=y,
            text=vega.text("text"),
        ),
        vega.layer(ends, "text", vega.WORDS | {"align": "left", "dx": 6}, x=x, y=y, text=vega.text("text")),
    ]
    told = [f"{names[variant]} {shown}, of these {_parts(figures.segments[variant])}" for variant, shown in shown_totals.items()]
    return vega.frame(
        layers,
        title=f"Tokens by segment of the prompt{'s' if figures.by_step else ''}",
        alt=f"Mean tokens of {figures.of_prompts} by segment: {enumerated(told, '; ')}.",
        width=width,
        height=26 * len(totals),
    )


def _total(least: float, spread: float) -> str:
    """Write a total; of a range, both ends."""
    return "–".join(dict.fromkeys(f"{end:,.0f}" for end in (least, least + spread)))


def _parts(found: Mapping[str, float]) -> str:
    return ", ".join(f"{part} {tokens:,.0f}" for part, tokens in found.items() if tokens and part != SPREAD)


def _lengths(figures: Figures, names: Names) -> Spec | None:
    """Draw how prompts grow with the events in a thread."""
    series = {names[variant]: list(points) for variant, points in figures.lengths.items() if points}
    if len({events for points in series.values() for events, _ in points}) < 2:
        return None
    told = [
        f"{name} from {points[0][1]:,.0f} at {points[0][0]} to {points[-1][1]:,.0f} at {points[-1][0]} events"
        for name, points in ((name, sorted(points)) for name, points in series.items())
    ]
    return vega.lines(
        series,
        x="events in the thread",
        y="tokens of a prompt (mean)",
        title="Tokens by length of the thread",
        alt=f"Mean tokens of a prompt by events in its thread: {enumerated(told, '; ')}.",
    )


# ---------------------------------------------------------------------------------------------- pictures beside a report

LOGGED = "logged-"
"""What names of charts begin with that show agreement with the logged agent, where a report has others too."""

Pictures = Mapping[str, tuple[str, str]]
"""Charts by name: what each shows in words, and the path of its picture."""


def pictures(report: Report, figures: Sequence[Figures], folder: str, *, kind: str = "svg", prefix: str = "") -> Pictures:
    """Say what each picture shows and where it lies, in a folder beside the report. ``figures`` are those of its parts."""
    return {name: (chart.alt, f"{folder}/{prefix}{name}.{kind}") for name, chart in _named(report, figures)}


def draw(report: Report, figures: Sequence[Figures], folder: Path, *, kind: str = "svg", prefix: str = "") -> list[Path]:
    """Draw the pictures. Raises ``UserError`` where they can't be written."""
    drawn = []
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UserError(f"can't be written: {error.strerror}", where=str(folder)) from None
    for name, chart in _named(report, figures):
        drawn.append(folder / f"{prefix}{name}.{kind}")
        vega.write(drawn[-1], chart.spec)
    return drawn


def tidy(folder: Path, drawn: Sequence[Path]) -> None:
    """Remove the pictures of a folder that a report no longer shows."""
    for path in sorted(folder.iterdir()):
        if path.suffix in vega.SUFFIXES and path not in drawn:
            path.unlink()


def _named(report: Report, figures: Sequence[Figures]) -> Iterator[tuple[str, Chart]]:
    for part, drawn in zip(report.parts, figures, strict=True):
        before = LOGGED if part is report.logged else ""
        for chart in charts_of(drawn, part):
            yield f"{before}{chart.name}", chart
