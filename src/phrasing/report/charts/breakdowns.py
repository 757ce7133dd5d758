"""Charts of scores broken down: by kinds of cases, and by which intent was chosen where another was expected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import isnan

from phrasing.analysis.figures import Figures, Kind
from phrasing.analysis.terms import Wording
from phrasing.report.charts import names as lettering
from phrasing.report.charts import scatter as tradeoff
from phrasing.report.charts import vega as plots
from phrasing.report.charts.scatter import Names
from phrasing.report.charts.vega import Spec

LEVELS: Mapping[Kind, tuple[str, str]] = {
    "tag": ("score-by-tag", "by tag"),
    "events": ("score-by-length", "by events in the thread"),
    "turn": ("score-by-turn", "by turn of the conversation"),
}
"""What charts of levels are called, and how they are titled."""

HEIGHT = 1000
"""How high a chart of levels may be, in pixels: those with most cases are drawn."""
INTENTS = 15
"""How many intents a confusion shows on a side; the rarer ones are counted together."""
CONFUSIONS = 12
"""Of how many variants confusions are drawn."""

OTHERS = "(others)"

Wrong = tuple[str, str, int]
"""An intent that was expected, what was chosen, and in how many trials."""


def levels(figures: Figures, kind: Kind, names: Names) -> Spec | None:
    """Draw the score on each kind of cases: a band a kind, in it a dot with its interval for each variant."""
    found = [level for level in figures.levels.get(kind, ()) if not isnan(level.score.value)]
    cases: dict[str, int] = {}
    for level in found:
        cases[level.name] = max(cases.get(level.name, 0), level.n)
    if not cases:
        return None
    slots = max(Counter(level.name for level in found).values())
    band = slots * (11 if slots < 7 else 8) + 12
    kept = sorted(cases, key=lambda name: -cases[name])[: max(1, HEIGHT // band)]
    order = [name for name in cases if name in kept]
    shown = {name: f"{label} ({cases[name]})" for name, label in zip(order, lettering.distinct(order, 30), strict=True)}
    variants = [name for variant, name in names.items() if any(level.variant == variant for level in found)]
    here = {
        name: [variant for variant in names if any((level.variant, level.name) == (variant, name) for level in found)]
        for name in order
    }
    rows = [
        {
            "name": names[level.variant],
            "level": shown[level.name],
            "slot": here[level.name].index(level.variant) + (slots - len(here[level.name])) // 2,
            "say": f"{shown[level.name]}, {names[level.variant]}: {tradeoff.share(level.score)} of {level.n} cases",
            "value": 100 * level.score.value,
            **({} if isnan(level.score.low) else {"low": 100 * level.score.low, "high": 100 * level.score.high}),
        }
        for level in found
        if level.name in shown
    ]
    y, left = plots.rows(list(shown.values()), field="level")
    y["axis"] |= {"grid": True, "tickBand": "extent"}
    offset = {"field": "slot", "type": "nominal", "scale": {"domain": list(range(slots)), "paddingOuter": 0.8}}
    colour, shape = plots.looks(variants, key="top" if len(variants) > 1 else None)
    ends = tradeoff.percents(level.score for level in found if level.name in shown)
    x = plots.scaled("value", ends, title=tradeoff.axis(figures), orient="top")
    place: Spec = {"y": y, "yOffset": offset, "color": colour}
    bars = "; bars: 95 % intervals" if any("low" in row for row in rows) else ""
    more = f"; the {len(order)} of {len(cases)} with most cases" if len(cases) > len(order) else ""
    layers = [
        plots.layer(
            [row for row in rows if "low" in row],
            "rule",
            {"opacity": 0.6},
            x={**x, "field": "low"},
            x2={"field": "high"},
            **place,
        ),
        plots.layer(rows, "point", plots.FILLED | {"size": 36}, told=True, x=x, shape=shape, **place),
    ]
    return plots.frame(
        layers,
        title=f"{figures.words.capitalize()} {LEVELS[kind][1]}",
        subtitle=f"in brackets: how many cases{bars}{more}",
        alt=_told(figures, kind, rows),
        width=plots.WIDTH - left - 20,
        height=len(order) * band,
    )


def _told(figures: Figures, kind: Kind, rows: Sequence[plots.Row]) -> str:
    """Say of each variant where it does best and where worst."""
    said = []
    for name in dict.fromkeys(row["name"] for row in rows):
        mine = sorted((row for row in rows if row["name"] == name), key=lambda row: -row["value"])
        ends = [f"{row['value']:.0f} % in {row['level']}" for row in (mine[0], mine[-1])]
        said.append(f"{name} {' to '.join(dict.fromkeys(ends))}")
    return f"{figures.words.capitalize()} {LEVELS[kind][1]}, cases in brackets: {tradeoff.enumerated(said, '; ')}."


# ---------------------------------------------------------------------------------------------- confusions


def confusions(confused: Mapping[str, Sequence[Wrong]], names: Names, words: Wording) -> dict[str, Spec]:
    """Draw, for each variant that was wrong somewhere, which intents were expected and which chosen; by the charts' names."""
    wrong = [(i, variant) for i, variant in enumerate(names, 1) if confused.get(variant)][:CONFUSIONS]
    most = max((count for _, variant in wrong for _, _, count in confused[variant]), default=0)
    return {f"confusion-{i}": _confusion(confused[variant], names[variant], most, words) for i, variant in wrong}


def _confusion(counts: Sequence[Wrong], name: str, most: int, words: Wording) -> Spec:
    """Draw one: a row an expected intent, a column a chosen one; cells as deep as their share of the ``most`` of any variant."""
    sides: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    for wanted, got, count in counts:
        sides[0][wanted] += count
        sides[1][got] += count
    both = sides[0] + sides[1]
    order = sorted(both, key=lambda intent: (intent.startswith("("), -both[intent], intent))  # where an answer failed comes last
    labels = dict(zip(order, lettering.distinct([OTHERS, *order], 28)[1:], strict=True))
    kept = [{intent for intent, _ in side.most_common(INTENTS)} for side in sides]
    shown = [
        [labels[intent] for intent in order if intent in few] + ([OTHERS] if len(few) < len(side) else [])
        for few, side in zip(kept, sides, strict=True)
    ]
    cells: Counter[tuple[str, str]] = Counter()
    for wanted, got, count in counts:
        cells[labels[wanted] if wanted in kept[0] else OTHERS, labels[got] if got in kept[1] else OTHERS] += count
    rows = [
        {
            "name": down,
            "chosen": over,
            "text": f"{n:,}",
            "depth": plots.TINT * n / most,
            "say": f"{down} {words.expected}, {over} chosen: {n:,}",
        }
        for (down, over), n in sorted(cells.items())
    ]
    right = [{"name": label, "chosen": label} for label in shown[0] if label in shown[1] and label != OTHERS]
    y, left = plots.rows(shown[0], title=words.expected)
    x, _ = plots.rows(shown[1], field="chosen", title="chosen")
    x["axis"] |= {"labelAngle": -40}
    for axis in (x, y):
        axis["axis"] |= {"grid": True, "tickBand": "extent"}
    depth = {"field": "depth", "type": "quantitative", "scale": None, "legend": None}
    layers = [
        plots.layer(right, "rect", {"color": plots.BAND}, x=x, y=y),
        plots.layer(rows, "rect", {"color": plots.EVEN}, told=True, x=x, y=y, fillOpacity=depth),
        plots.layer(rows, "text", plots.WORDS | {"align": "center"}, x=x, y=y, text=plots.text("text")),
    ]
    told = [f"{got} for {wanted} {n:,} time{'s' * (n > 1)}" for (wanted, got), n in cells.most_common()]
    return plots.frame(
        layers,
        title=f"Steps {words.expected} and chosen: {name}",
        subtitle=f"trials {words.where}{'; grey: the same step' if right else ''}",
        alt=f"What {name} chose {words.where}: {tradeoff.enumerated(told)}.",
        width=min(plots.WIDTH - left - 30, 56 * len(shown[1])),
        height=26 * len(shown[0]),
    )
