"""The charts of a report, as Vega-Lite specifications with what they say in words. The same figures give the same charts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan

from phrasing.analysis.compare import Comparison, Contrast, Word
from phrasing.analysis.figures import Figures
from phrasing.analysis.report_data import Report
from phrasing.report import text as findings
from phrasing.report.charts import breakdowns
from phrasing.report.charts import names as lettering
from phrasing.report.charts import scatter as tradeoff
from phrasing.report.charts import vega as plots
from phrasing.report.charts.scatter import Names, enumerated
from phrasing.report.charts.vega import Spec, drawable

VERDICTS: Mapping[Word, tuple[str, str]] = {
    "better": (plots.GOOD, "triangle-up"),
    "worse": (plots.BAD, "triangle-down"),
    "not worse": (plots.EVEN, "triangle-right"),
    "same": (plots.EVEN, "square"),
    "unchanged": (plots.EVEN, "diamond"),
    "undecided": (plots.MUTED, "circle"),
    "unknown": (plots.MUTED, "circle"),
}
"""The colour and the shape of a contrast's mark."""


@dataclass(frozen=True)
class Chart:
    """A chart: a ``name`` for its file, its title, what it shows in words, and its specification for ``plots``."""

    name: str
    title: str
    alt: str
    spec: Spec


def of(figures: Figures, report: Report) -> list[Chart]:
    """Draw up the charts of a run, or of one of its ``parts``, as ``report`` is. What has nothing to show is left out.

    There are none where the package that draws them is missing.
    """
    if not drawable():
        return []
    variants = [str(row["variant"]) for row in report.variants]
    names = dict(zip(variants, lettering.distinct(map(report.label, variants)), strict=True))
    made = {
        "accuracy-tokens": tradeoff.spec(figures, names),
        "differences": _differences(report.comparison, names),
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
    words = {c.variant: findings.short_cells(c, agreement=comparison.agreement) for c in contrasts}
    rows: list[Spec] = [
        {
            "name": names[c.variant],
            "span": words[c.variant][1],
            "word": words[c.variant][5],
            "say": f"{names[c.variant]}: {findings.span(c, 'points')}, {words[c.variant][5]}",
            "colour": VERDICTS[c.word][0],
            "shape": VERDICTS[c.word][1],
            **{name: 100 * end for name, end in _known(c).items()},
        }
        for c in contrasts
    ]
    known = [row for row in rows if "value" in row]
    ends = [end for row in known for end in (row["value"], row.get("low", 0), row.get("high", 0))] + [-margin, margin]
    room = 0.06 * (max(ends) - min(ends))
    y, left = plots.rows([row["name"] for row in rows])
    spans, verdicts = (max(lettering.width(row[column]) for row in rows) for column in ("span", "word"))
    width = max(180, plots.WIDTH - left - spans - verdicts - 50)
    x = plots.scaled("value", (min(ends) - room, max(ends) + room), title=f"difference in {comparison.score}, points")
    low, high = {**x, "field": "low"}, {"field": "high"}
    as_is = {"type": "nominal", "scale": None}
    looks = {"color": {"field": "colour", **as_is}, "shape": {"field": "shape", **as_is}}
    band = [{"low": -margin, "high": margin}]
    layers = [
        plots.layer(band, "rect", {"color": plots.BAND}, x=low, x2=high),
        plots.layer([{"value": 0}], "rule", {"color": plots.MUTED}, x=x),
        plots.layer(
            [row for row in known if "low" in row], "rule", {"strokeWidth": 2}, x=low, x2=high, y=y, color=looks["color"]
        ),
        plots.layer(known, "point", plots.FILLED | {"size": 80}, told=True, x=x, y=y, **looks),
        *(
            plots.layer(rows, "text", plots.WORDS | {"align": "left"}, x={"value": round(at)}, y=y, text=plots.text(column))
            for column, at in (("span", width + 12), ("word", width + 24 + spans))
        ),
    ]
    baselines = list(dict.fromkeys(contrast.baseline for contrast in contrasts))
    against = names.get(baselines[0], "the baseline") if len(baselines) == 1 else "their baselines"
    return plots.frame(
        layers,
        title=f"Differences from {comparison.against or against}",
        subtitle=f"paired by case, {100 * comparison.settings.confidence:g} % intervals; shaded: within {margin:g} points",
        alt=f"Differences in {comparison.score} from {against}: {enumerated([str(row['say']) for row in rows], '; ')}.",
        width=width,
        height=26 * len(rows),
    )


def _known(contrast: Contrast) -> dict[str, float]:
    found = {"value": contrast.difference, "low": contrast.low, "high": contrast.high}
    return {name: value for name, value in found.items() if not isnan(value)}


# ---------------------------------------------------------------------------------------------- tokens


def _segments(figures: Figures, names: Names) -> Spec | None:
    """Draw the mean tokens of each segment as stacked bars, with their numbers where they fit."""
    parts = list(dict.fromkeys(part for found in figures.segments.values() for part, tokens in found.items() if tokens))
    if not parts:
        return None
    totals = {variant: sum(found.values()) for variant, found in figures.segments.items()}
    y, left = plots.rows([names[variant] for variant in totals])
    width, most = plots.WIDTH - left - 60, max(totals.values())
    x = plots.scaled("start", (0, most), title="tokens of a prompt (mean, our own count)", grid=False, format=",~f")
    rows = []
    for variant, found in figures.segments.items():
        start = 0.0
        for part in parts:
            end = start + found.get(part, 0)
            shown = f"{end - start:,.0f}"
            fits = (end - start) / most * width > lettering.width(shown) + 4
            said = {
                "part": part,
                "name": names[variant],
                "say": f"{names[variant]}, {part}: {shown}",
                "text": shown if fits else "",
            }
            rows.append({**said, "start": start, "end": end, "middle": (start + end) / 2})
            start = end
    ends = [{"name": names[variant], "start": total, "text": f"{total:,.0f}"} for variant, total in totals.items()]
    colour = {
        "field": "part",
        "type": "nominal",
        "legend": plots.legend(parts) | {"symbolType": "square"},
        "scale": {"domain": parts, "range": [plots.COLOURS[i % 6] for i in range(len(parts))]},
    }
    bar = {"fillOpacity": plots.TINT, "strokeWidth": 1, "height": {"band": 0.72}}
    layers = [
        plots.layer(rows, "bar", bar, told=True, x=x, x2={"field": "end"}, y=y, fill=colour, stroke=colour),
        plots.layer(
            [row for row in rows if row["text"]],
            "text",
            plots.WORDS | {"align": "center"},
            x={**x, "field": "middle"},
            y=y,
            text=plots.text("text"),
        ),
        plots.layer(ends, "text", plots.WORDS | {"align": "left", "dx": 6}, x=x, y=y, text=plots.text("text")),
    ]
    told = [f"{names[variant]} {total:,.0f}, of these {_parts(figures.segments[variant])}" for variant, total in totals.items()]
    return plots.frame(
        layers,
        title="Tokens by segment of the prompt",
        alt=f"Mean tokens of a prompt by segment: {enumerated(told, '; ')}.",
        width=width,
        height=26 * len(totals),
    )


def _parts(found: Mapping[str, float]) -> str:
    return ", ".join(f"{part} {tokens:,.0f}" for part, tokens in found.items() if tokens)


def _lengths(figures: Figures, names: Names) -> Spec | None:
    """Draw how prompts grow with the events in a thread."""
    series = {names[variant]: list(points) for variant, points in figures.lengths.items() if points}
    if len({events for points in series.values() for events, _ in points}) < 2:
        return None
    told = [
        f"{name} from {points[0][1]:,.0f} at {points[0][0]} to {points[-1][1]:,.0f} at {points[-1][0]} events"
        for name, points in ((name, sorted(points)) for name, points in series.items())
    ]
    return plots.lines(
        series,
        x="events in the thread",
        y="tokens of a prompt (mean)",
        title="Tokens by length of the thread",
        alt=f"Mean tokens of a prompt by events in its thread: {enumerated(told, '; ')}.",
    )
