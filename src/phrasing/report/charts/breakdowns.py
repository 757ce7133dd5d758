"""Charts of scores broken down: by kinds of cases, and by which intent was chosen where another was expected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import isnan

from phrasing.analysis.figures import Figures, Kind, Level
from phrasing.analysis.report_data import Terms
from phrasing.report.charts import scatter, vega
from phrasing.report.charts.names import distinct
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
    if not found:
        return None
    cases = _cases(found)
    slots = max(Counter(level.name for level in found).values())
    band = slots * (11 if slots < 7 else 8) + 12
    order = _most(cases, HEIGHT // band)
    titles = {name: f"{label} ({cases[name]})" for name, label in zip(order, distinct(order, 30), strict=True)}
    shown = [level for level in found if level.name in titles]
    rows = _rows(shown, titles, names, slots, figures.unit)
    y, left = vega.rows(list(titles.values()), field="level")
    y["axis"] |= {"grid": True, "tickBand": "extent"}
    x = vega.scaled("value", scatter.percents(level.score for level in shown), title=scatter.axis(figures), orient="top")
    variants = {level.variant for level in found}
    return vega.frame(
        _layers(rows, [name for variant, name in names.items() if variant in variants], x=x, y=y, slots=slots),
        title=f"{figures.words.capitalize()} {LEVELS[kind][1]}",
        subtitle=_key(rows, len(order), len(cases), figures.unit),
        alt=_told(figures, kind, rows),
        width=vega.WIDTH - left - 20,
        height=len(order) * band,
    )


def _cases(found: Sequence[Level]) -> dict[str, int]:
    """Count the cases of each kind, as the variant with most has them."""
    cases: dict[str, int] = {}
    for level in found:
        cases[level.name] = max(cases.get(level.name, 0), level.n)
    return cases


def _most(cases: Mapping[str, int], room: int) -> list[str]:
    """Name the kinds with most cases, for which there is room, in the order of all."""
    kept = sorted(cases, key=lambda name: -cases[name])[: max(1, room)]
    return [name for name in cases if name in kept]


def _key(rows: Sequence[vega.Row], shown: int, of: int, unit: str) -> str:
    """Say what brackets and bars are, and how many kinds are left out."""
    said = [f"in brackets: how many {unit}"]
    said += ["bars: 95 % intervals"] if any("low" in row for row in rows) else []
    said += [f"the {shown} of {of} with most {unit}"] if of > shown else []
    return "; ".join(said)


def _rows(shown: Sequence[Level], titles: Mapping[str, str], names: Names, slots: int, unit: str) -> list[vega.Row]:
    """Give each figure the slot of its variant: those of a band stand in its middle, in the order of ``names``."""
    here = {name: {level.variant for level in shown if level.name == name} for name in titles}
    order = {name: [variant for variant in names if variant in variants] for name, variants in here.items()}
    return [
        {
            "name": names[level.variant],
            "level": titles[level.name],
            "slot": order[level.name].index(level.variant) + (slots - len(order[level.name])) // 2,
            "say": f"{titles[level.name]}, {names[level.variant]}: {scatter.share(level.score)} of {level.n} {unit}",
            "value": 100 * level.score.value,
            **({} if isnan(level.score.low) else {"low": 100 * level.score.low, "high": 100 * level.score.high}),
        }
        for level in shown
    ]


def _layers(rows: Sequence[vega.Row], variants: Sequence[str], *, x: Spec, y: Spec, slots: int) -> list[Spec]:
    """Specify the intervals and the dots on them."""
    offset = {"field": "slot", "type": "nominal", "scale": {"domain": list(range(slots)), "paddingOuter": 0.8}}
    colour, shape = vega.looks(variants, key="top" if len(variants) > 1 else None)
    place: Spec = {"y": y, "yOffset": offset, "color": colour}
    ends: Spec = {"x": {**x, "field": "low"}, "x2": {"field": "high"}}
    return [
        vega.layer([row for row in rows if "low" in row], "rule", {"opacity": 0.6}, **ends, **place),
        vega.layer(rows, "point", vega.FILLED | {"size": 36}, told=True, x=x, shape=shape, **place),
    ]


def _told(figures: Figures, kind: Kind, rows: Sequence[vega.Row]) -> str:
    """Say of each variant where it does best and where worst."""
    said = []
    for name in dict.fromkeys(row["name"] for row in rows):
        mine = sorted((row for row in rows if row["name"] == name), key=lambda row: -row["value"])
        ends = [f"{row['value']:.0f} % in {row['level']}" for row in (mine[0], mine[-1])]
        said.append(f"{name} {' to '.join(dict.fromkeys(ends))}")
    return f"{figures.words.capitalize()} {LEVELS[kind][1]}, {figures.unit} in brackets: {scatter.enumerated(said, '; ')}."


# ---------------------------------------------------------------------------------------------- confusions


def confusions(confused: Mapping[str, Sequence[Wrong]], names: Names, words: Terms) -> dict[str, Spec]:
    """Draw, for each variant that was wrong somewhere, which intents were expected and which chosen; by the charts' names."""
    wrong = [(i, variant) for i, variant in enumerate(names, 1) if confused.get(variant)][:CONFUSIONS]
    most = max((count for _, variant in wrong for _, _, count in confused[variant]), default=0)
    return {f"confusion-{i}": _confusion(confused[variant], names[variant], most, words) for i, variant in wrong}


def _confusion(counts: Sequence[Wrong], name: str, most: int, words: Terms) -> Spec:
    """Draw one: a row an expected intent, a column a chosen one; cells as deep as their share of the ``most`` of any variant."""
    cells, down, over = _table(counts)
    rows = [
        {
            "name": wanted,
            "chosen": got,
            "text": f"{n:,}",
            "depth": vega.TINT * n / most,
            "say": f"{wanted} {words.expected}, {got} chosen: {n:,}",
        }
        for (wanted, got), n in sorted(cells.items())
    ]
    right = [{"name": label, "chosen": label} for label in down if label in over and label != OTHERS]
    y, left = vega.rows(down, title=words.expected)
    x, _ = vega.rows(over, field="chosen", title="chosen")
    x["axis"] |= {"labelAngle": -40}
    for axis in (x, y):
        axis["axis"] |= {"grid": True, "tickBand": "extent"}
    depth = {"field": "depth", "type": "quantitative", "scale": None, "legend": None}
    layers = [
        vega.layer(right, "rect", {"color": vega.BAND}, x=x, y=y),
        vega.layer(rows, "rect", {"color": vega.EVEN}, told=True, x=x, y=y, fillOpacity=depth),
        vega.layer(rows, "text", vega.WORDS | {"align": "center"}, x=x, y=y, text=vega.text("text")),
    ]
    told = [f"{got} for {wanted} {n:,} time{'s' * (n > 1)}" for (wanted, got), n in cells.most_common()]
    return vega.frame(
        layers,
        title=f"Steps {words.expected} and chosen: {name}",
        subtitle=f"trials {words.where}{'; grey: the same step' if right else ''}",
        alt=f"What {name} chose {words.where}: {scatter.enumerated(told)}.",
        width=min(vega.WIDTH - left - 30, 56 * len(over)),
        height=26 * len(down),
    )


def _table(counts: Sequence[Wrong]) -> tuple[Counter[tuple[str, str]], list[str], list[str]]:
    """Count by what the axes show: the cells, the rows and the columns. Rare intents are counted together on each axis."""
    sides: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    for wanted, got, count in counts:
        sides[0][wanted] += count
        sides[1][got] += count
    both = sides[0] + sides[1]
    order = sorted(both, key=lambda intent: (intent.startswith("("), -both[intent], intent))  # where an answer failed comes last
    labels = dict(zip(order, distinct([OTHERS, *order], 28)[1:], strict=True))
    kept = [{intent for intent, _ in side.most_common(INTENTS)} for side in sides]
    cells: Counter[tuple[str, str]] = Counter()
    for wanted, got, count in counts:
        cells[labels[wanted] if wanted in kept[0] else OTHERS, labels[got] if got in kept[1] else OTHERS] += count
    down, over = (
        [labels[intent] for intent in order if intent in few] + ([OTHERS] if len(few) < len(side) else [])
        for few, side in zip(kept, sides, strict=True)
    )
    return cells, down, over
