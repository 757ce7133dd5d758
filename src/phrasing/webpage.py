"""The whole report as one HTML file: no request to anywhere, and nothing in it acts but the page's own script.

Templates are those of ``reports/templates``; a project's own folder of that name goes before them, file by file. All texts are
escaped by Jinja or put in as text by the script. A Content-Security-Policy names the hashes of that script and of the styles, so
nothing else runs or loads, whatever a model answered.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any, Literal

from phrasing import bill, breakdowns, findings, page, plots, report, scaffold, trialdata
from phrasing.charts import Chart
from phrasing.charts import of as charts_of
from phrasing.errors import UserError
from phrasing.figures import QUANTILES, Figures, Harm, Kind, Level, Spread
from phrasing.records import Result
from phrasing.report import Report
from phrasing.types import StepMatch, canonical_json

TEMPLATES = "reports/templates"
"""Where a project's own templates lie; ours are in a folder of that name, too."""

_KINDS: Mapping[Kind, str] = {"tag": "By tag", "events": "By the length of the thread", "turn": "By turn"}


@dataclass(frozen=True)
class Shown:
    """A run as the page shows it. ``figures`` has those of each of the report's ``parts``; ``prompts`` is what
    ``store.prompts`` reads, or ``None`` for a recording, which keeps none. ``name`` tells runs apart.
    """

    name: str
    report: Report
    figures: Sequence[Figures]
    results: Mapping[str, Result]
    prompts: Mapping[str, Any] | None


@dataclass(frozen=True)
class Table:
    """Headers and rows of text. The first column names the row. ``leads`` is the kind of cases that its figures lead to."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str
    leads: Literal["", "arms", "harm", "confusion"] = ""


def html(shown: Sequence[Shown], *, templates: Path | None = None, budget: int = trialdata.BUDGET) -> str:
    """Write the page. ``templates`` is a folder whose files replace ours of the same name.

    Raises ``UserError`` for a template that can't be used. Equal results give equal bytes, whatever their order. ``budget`` is
    how many characters the trials of all runs may take.
    """
    import jinja2

    found = {Path(name).name: text.decode() for name, text in scaffold.shipped((TEMPLATES,)).items()}
    if templates is not None:
        found |= {path.name: path.read_text("utf-8") for path in sorted(templates.glob("report.*"))}
    environment = jinja2.Environment(
        loader=jinja2.DictLoader(found), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    script, style = found["report.js"], f"{found['report.css']}\n{_dark()}"
    try:
        return environment.get_template("report.html.j2").render(
            runs=[_run(one, number, budget // len(shown)) for number, one in enumerate(shown)],
            script=_raw(script),
            style=_raw(style),
            policy=f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
            "base-uri 'none'; form-action 'none'",
        )
    except jinja2.TemplateError as error:
        raise UserError(f"the template can't be used: {error}", where=str(templates or TEMPLATES)) from None


def _raw(text: str) -> Any:
    """Mark the page's own script or style as such. Neither may end its element."""
    from markupsafe import Markup

    if "</" in text.replace("<\\/", ""):
        raise UserError("report.js and report.css mustn't hold '</': it would end their element")
    return Markup(text)


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _dark() -> str:
    """Write the rules that give charts, which are drawn once, the colours of a dark page."""
    rules = [
        f'  .chart [{attribute}="{light}"] {{ {attribute}: {dark}; }}'
        for light, dark in sorted(plots.DARK.items())
        for attribute in ("fill", "stroke")
    ]
    return "\n".join(["@media screen and (prefers-color-scheme: dark) {", *rules, "}"])


# ---------------------------------------------------------------------------------------------- a run


def _run(shown: Shown, number: int, budget: int) -> dict[str, Any]:
    found, record = shown.report, shown.report.record
    names = {row["arm"]: found.label(row["arm"]) for part in found.parts for row in part.arms}
    packed = trialdata.pack(record, shown.results, shown.prompts, names, budget=budget)
    return {
        "id": f"r{number}",
        "name": shown.name,
        "suite": record.suite,
        "question": found.description,
        "answer": report.answer(found).split("\n\n"),
        "common": found.common,
        "facts": [line.removeprefix("- ") for line in page.run_facts(record, found.asked)],
        "parts": [
            {
                "title": "Agreement with the logged agent" if part is found.logged else "",
                "id": f"r{number}p{place}",
                "sections": list(_sections(part, figures, found.label)),
            }
            for place, (part, figures) in enumerate(zip(found.parts, shown.figures, strict=True))
        ],
        "gates": Table(
            ("gate", "verdict", "arm", "measured", "note"),
            [(v.name, v.status, found.label(v.arm), v.figures or "–", v.note) for v in found.verdicts],
            "Gates",
        ),
        "packed": packed,
    }


def _sections(part: Report, figures: Figures, label: Any) -> Any:
    """Give the sections of a part, in the order of the page: a title, charts, tables, and paragraphs below them."""
    charts = {chart.name: chart for chart in charts_of(figures, part)}

    def section(title: str, names: Sequence[str] = (), tables: Sequence[Table] = (), told: Sequence[str] = ()) -> Any:
        drawn = [_drawn(charts[name]) for name in names if name in charts]
        shown = [table for table in tables if table.rows]
        return {"title": title, "charts": drawn, "tables": shown, "told": told} if drawn or shown else None

    words = {c.arm: findings.cells(c, part.comparison)[-1] for c in part.comparison.contrasts}
    arms = Table(
        ("arm", "verdict", *part.headers),
        [(label(row["arm"]), words.get(row["arm"], "baseline"), *report.cells(row)) for row in part.arms],
        "Arms",
        "arms",
    )
    compared = Table(
        ("arm", *findings.headers(part.comparison)),
        [(label(c.arm), *findings.cells(c, part.comparison)) for c in part.comparison.contrasts],
        "Differences from the baseline, paired by case",
    )
    shares = figures.words.capitalize()
    legend = [" ".join(page.legend(part)), *report.without_model(part)]
    found = [
        section(f"{shares} against tokens", ["accuracy-tokens"], [arms], legend),
        section("Differences from the baseline", ["differences"], [compared]),
        section("Tokens by segment", ["segments"], [_segments(figures, label)]),
        section("Tokens by the length of the thread", ["length"]),
        *(
            section(title, [breakdowns.LEVELS[kind][0]], [_levels(figures.levels.get(kind, ()), kind, label)])
            for kind, title in _KINDS.items()
        ),
        section("Confusion of steps", [name for name in charts if name.startswith("confusion")], [_chosen(part, label)]),
        section("Harm, case by case", [], [_harm(figures.harm, label)]),
        section("Where answers failed", [], [_stages(part, label)]),
        section("Repeats", [], [_repeats(part, label)]),
        *_billed(part, label, section),
        section("Cost and time", [], [_spread(figures.spreads, label)]),
        section("Scores of the suite's own", [], [Table(*report.own_scores(part, label), "Means")] if part.scorers else []),
    ]
    return [one for one in found if one]


def _drawn(chart: Chart) -> Any:
    from markupsafe import Markup

    return Markup(plots.svg(chart.spec, paper=False))


def _segments(figures: Figures, label: Any) -> Table:
    names = list(dict.fromkeys(name for found in figures.segments.values() for name in found))
    rows = [
        (label(arm), *(report.number(found.get(name, 0.0), 1) for name in names), report.number(sum(found.values()), 1))
        for arm, found in figures.segments.items()
    ]
    return Table(("arm", *names, "total"), rows, "Mean tokens of a prompt, by our own count")


def _levels(levels: Sequence[Level], column: str, label: Any) -> Table:
    arms = list(dict.fromkeys(level.arm for level in levels))
    names = list(dict.fromkeys(level.name for level in levels))
    cells = {(level.name, level.arm): level for level in levels}
    rows = [(name, *(_share(cells.get((name, arm))) for arm in arms)) for name in names]
    return Table((column, *map(label, arms)), rows, "Percent of cases (95 %), n")


def _share(level: Level | None) -> str:
    if level is None:
        return "–"
    ends = "" if isnan(level.score.low) else f" ({report.percent(level.score.low)}–{report.percent(level.score.high)})"
    return f"{report.percent(level.score.value)}{ends}, {level.n}"


def _chosen(part: Report, label: Any) -> Table:
    rows = [
        (label(arm), expected, chosen, str(count))
        for arm, found in part.confused.items()
        for expected, chosen, count in found[: findings.FLIPS]
    ]
    caption = f"{part.words.where.capitalize()}, most frequent first"
    return Table(("arm", part.words.expected, "chosen", "trials"), rows, caption, "confusion")


def _harm(harm: Sequence[Harm], label: Any) -> Table:
    rows = [(one.case, one.dataset, label(one.arm), one.chosen, "; ".join(map(step, one.forbidden))) for one in harm]
    return Table(("case", "dataset", "arm", "picked", "forbidden"), rows, "Trials that picked a forbidden step", "harm")


def step(match: StepMatch) -> str:
    """Write a step with its arguments."""
    return f"{match.intent}({', '.join(f'{name}={canonical_json(value)}' for name, value in match.args.items())})"


def _stages(part: Report, label: Any) -> Table:
    stages = list(dict.fromkeys(stage for found in part.stages.values() for stage in sorted(found)))
    forms = page.FORMS
    rows = [
        (label(arm), *(str(found.get(form, 0)) for form in forms), *(str(part.stages[arm].get(stage, 0)) for stage in stages))
        for arm, found in part.forms.items()
    ]
    return Table(("arm", *forms, *(f"failed: {stage}" for stage in stages)), rows, "Forms of answers, and the stages of failure")


def _repeats(part: Report, label: Any) -> Table:
    rows = [
        (label(row["arm"]), report.number(100 * row["disagreement"], 1), report.number(100 * row["all_right"], 1))
        for row in part.arms
        if not isnan(row["disagreement"])
    ]
    return Table(("arm", "another step, % of pairs", f"{part.words.repeats}, % of cases"), rows, "Repeats of a case")


def _billed(part: Report, label: Any, section: Any) -> list[Any]:
    blocks = bill.section(part.bills, label, str(part.record.resolved["tokenizer"]), agreement=part.agreement)
    titles = ("Our count of tokens and the provider's", "The bill")
    return [
        section(title, [], [Table(headers, rows, title)], told)
        for title, (headers, rows, told) in zip(titles, blocks, strict=False)
    ]


def _spread(spreads: Sequence[Spread], label: Any) -> Table:
    quantiles = [f"{100 * q:g} %" for q in QUANTILES]
    rows = [
        (
            label(one.arm),
            *(report.number(value, 2) for value in one.seconds),
            *(report.number(value) for value in one.answer_tokens),
            *("–" if isnan(value) else bill.dollars(1000 * value) for value in one.cost),
        )
        for one in spreads
    ]
    headers = [f"{name} {q}" for name in ("seconds", "answer tokens", "$ per 1,000") for q in quantiles]
    return Table(("arm", *headers), rows, "Quantiles over answers")
