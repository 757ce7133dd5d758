"""The whole report as one HTML file: no request to anywhere, and nothing in it acts but the page's own script.

Templates are those of ``reports/templates``; a project's own folder of that name goes before them, file by file. All texts are
escaped by Jinja or put in as text by the script. A Content-Security-Policy names the hashes of that script and of the styles, so
nothing else runs or loads, whatever a model answered.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
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


Label = Callable[[str], str]
"""How the page names an arm."""


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


@dataclass(frozen=True)
class Section:
    """A section of the page: its title, charts whose names begin so, tables, and paragraphs below them."""

    title: str
    charts: str = ""
    tables: Sequence[Table] = ()
    told: Sequence[str] = ()


def _sections(part: Report, figures: Figures, label: Label) -> Iterator[dict[str, Any]]:
    """Give the sections of a part, in the order of the page, as the template takes them; none that has nothing to show."""
    charts = charts_of(figures, part)
    for section in _outline(part, figures, label):
        drawn = [_drawn(chart) for chart in charts if section.charts and chart.name.startswith(section.charts)]
        tables = [table for table in section.tables if table.rows]
        if drawn or tables:
            yield {"title": section.title, "charts": drawn, "tables": tables, "told": section.told}


def _outline(part: Report, figures: Figures, label: Label) -> Iterator[Section]:
    yield Section(
        f"{figures.words.capitalize()} against tokens",
        "accuracy-tokens",
        [_arms(part, label)],
        [" ".join(page.legend(part)), *report.without_model(part)],
    )
    compared = [(label(c.arm), *findings.cells(c, part.comparison)) for c in part.comparison.contrasts]
    headers = ("arm", *findings.headers(part.comparison))
    yield Section("Differences from the baseline", "differences", [Table(headers, compared, "Paired by case")])
    yield Section("Tokens by segment", "segments", [_segments(figures, label)])
    yield Section("Tokens by the length of the thread", "length")
    for kind, title in _KINDS.items():
        yield Section(title, breakdowns.LEVELS[kind][0], [_levels(figures.levels.get(kind, ()), kind, label)])
    yield Section("Confusion of steps", "confusion", [_chosen(part, label)])
    yield Section("Harm, case by case", tables=[_harm(figures.harm, label)])
    yield Section("Where answers failed", tables=[_stages(part, label)])
    yield Section("Repeats", tables=[_repeats(part, label)])
    tokenizer = str(part.record.resolved["tokenizer"])
    for headers, rows, told in bill.section(part.bills, label, tokenizer, agreement=part.agreement):
        title = "The bill" if headers[1].startswith("$") else "Our count of tokens and the provider's"
        yield Section(title, tables=[Table(headers, rows, title)], told=told)
    yield Section("Cost and time", tables=[_spread(figures.spreads, label)])
    if part.scorers:
        yield Section("Scores of the suite's own", tables=[Table(*report.own_scores(part, label), "Means")])


def _arms(part: Report, label: Label) -> Table:
    words = {c.arm: findings.cells(c, part.comparison)[-1] for c in part.comparison.contrasts}
    rows = [(label(row["arm"]), words.get(row["arm"], "baseline"), *report.cells(row)) for row in part.arms]
    return Table(("arm", "verdict", *part.headers), rows, "Arms", "arms")


def _drawn(chart: Chart) -> Any:
    from markupsafe import Markup

    return Markup(plots.svg(chart.spec, paper=False))


def _segments(figures: Figures, label: Label) -> Table:
    names = list(dict.fromkeys(name for found in figures.segments.values() for name in found))
    rows = [
        (label(arm), *(report.number(found.get(name, 0.0), 1) for name in names), report.number(sum(found.values()), 1))
        for arm, found in figures.segments.items()
    ]
    return Table(("arm", *names, "total"), rows, "Mean tokens of a prompt, by our own count")


def _levels(levels: Sequence[Level], column: str, label: Label) -> Table:
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


def _chosen(part: Report, label: Label) -> Table:
    rows = [
        (label(arm), expected, chosen, str(count))
        for arm, found in part.confused.items()
        for expected, chosen, count in found[: findings.FLIPS]
    ]
    caption = f"{part.words.where.capitalize()}, most frequent first"
    return Table(("arm", part.words.expected, "chosen", "trials"), rows, caption, "confusion")


def _harm(harm: Sequence[Harm], label: Label) -> Table:
    rows = [(one.case, one.dataset, label(one.arm), one.chosen, "; ".join(map(step, one.forbidden))) for one in harm]
    return Table(("case", "dataset", "arm", "picked", "forbidden"), rows, "Trials that picked a forbidden step", "harm")


def step(match: StepMatch) -> str:
    """Write a step with its arguments."""
    return f"{match.intent}({', '.join(f'{name}={canonical_json(value)}' for name, value in match.args.items())})"


def _stages(part: Report, label: Label) -> Table:
    stages = list(dict.fromkeys(stage for found in part.stages.values() for stage in sorted(found)))
    forms = page.FORMS
    rows = [
        (label(arm), *(str(found.get(form, 0)) for form in forms), *(str(part.stages[arm].get(stage, 0)) for stage in stages))
        for arm, found in part.forms.items()
    ]
    return Table(("arm", *forms, *(f"failed: {stage}" for stage in stages)), rows, "Forms of answers, and the stages of failure")


def _repeats(part: Report, label: Label) -> Table:
    rows = [
        (label(row["arm"]), report.number(100 * row["disagreement"], 1), report.number(100 * row["all_right"], 1))
        for row in part.arms
        if not isnan(row["disagreement"])
    ]
    return Table(("arm", "another step, % of pairs", f"{part.words.repeats}, % of cases"), rows, "Repeats of a case")


def _spread(spreads: Sequence[Spread], label: Label) -> Table:
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
