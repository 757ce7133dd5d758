"""The sections of the page: charts, and tables whose figures lead to the trials behind them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

from phrasing.analysis import report_data as report
from phrasing.analysis import usage as bill
from phrasing.analysis.figures import QUANTILES, Figures, Harm, Kind, Level, Spread
from phrasing.analysis.report_data import Report
from phrasing.analysis.usage import Label
from phrasing.report import markdown as page
from phrasing.report import text as findings
from phrasing.report.charts import breakdowns
from phrasing.report.charts import run as charts
from phrasing.report.charts import vega as plots
from phrasing.types import StepMatch, canonical_json

HARMS = 200
"""How many trials that did harm are listed; all are among the cases, one click away."""

_KINDS: Mapping[Kind, str] = {"tag": "By tag", "events": "By the length of the thread", "turn": "By turn"}


@dataclass(frozen=True)
class Cell:
    """A figure of a table, and where it leads: filters of its cases by name (``variant``, ``verdict``, …), or a trial to open.

    The page's address keeps them, so a figure is a link.
    """

    text: str
    to: Mapping[str, str]


Row = Sequence[str | Cell]


@dataclass(frozen=True)
class Table:
    """Headers and rows. The first column names the row."""

    headers: Sequence[str]
    rows: Sequence[Row]
    caption: str


@dataclass(frozen=True)
class Section:
    """A section of the page: its title, charts whose names begin so, tables, and paragraphs below them."""

    title: str
    charts: str = ""
    tables: Sequence[Table] = ()
    told: Sequence[str] = ()


@dataclass(frozen=True)
class Leads:
    """Makes the links of a part's figures. ``label`` names variants, ``trials`` are the numbers of trials by name.

    ``labels`` tells observed labels from judged ones, where a run has both.
    """

    label: Label
    trials: Mapping[str, int]
    labels: str = ""

    def cell(self, text: str, variant: str, **where: str) -> str | Cell:
        """Give a figure of a variant that leads to its trials, of these alone; a dash leads nowhere."""
        if text == "–":
            return text
        kinds = {"labels": self.labels} if self.labels else {}
        return Cell(text, {**kinds, "variant": self.label(variant), **where})

    def count(self, count: int, variant: str, **where: str) -> str | Cell:
        """Give a number of trials, which leads to them; none leads nowhere."""
        return self.cell(str(count), variant, **where) if count else "0"

    def row(self, variant: str, texts: Iterable[str], **where: str) -> Row:
        """Give the row of a variant: its name, then figures."""
        return [self.label(variant), *(self.cell(text, variant, **where) for text in texts)]

    def trial(self, text: str, trial: str) -> Cell:
        """Give a text that opens a trial."""
        return Cell(text, {"open": str(self.trials[trial])})

    def flips(self, variant: str, baseline: str, texts: Iterable[str]) -> Row:
        """Give the row of a contrast: its figures lead to the cases that flipped between the two, or in repeats of one."""
        to = {"one": self.label(variant), "other": self.label(baseline)}
        return [self.label(variant), *(text if text == "–" else Cell(text, to) for text in texts)]


def of(part: Report, figures: Figures, leads: Leads) -> Iterator[dict[str, Any]]:
    """Give the sections of a part, in the order of the page, as the template takes them; none that has nothing to show."""
    drawn = charts.of(figures, part)
    for section in _outline(part, figures, leads):
        shown = [_svg(chart) for chart in drawn if section.charts and chart.name.startswith(section.charts)]
        tables = [table for table in section.tables if table.rows]
        if shown or tables:
            yield {"title": section.title, "charts": shown, "tables": tables, "told": section.told}


def _svg(chart: charts.Chart) -> Any:
    from markupsafe import Markup

    return Markup(plots.svg(chart.spec, paper=False))


def _outline(part: Report, figures: Figures, leads: Leads) -> Iterator[Section]:
    yield Section(
        f"{figures.words.capitalize()} against tokens",
        "accuracy-tokens",
        [_variants(part, leads)],
        [" ".join(page.legend(part)), *report.without_model(part)],
    )
    yield Section("Differences from the baseline", "differences", [_contrasts(part, leads)])
    yield Section("Tokens by segment", "segments", [_segments(figures, leads)])
    yield Section("Tokens by the length of the thread", "length")
    for kind, title in _KINDS.items():
        yield Section(title, breakdowns.LEVELS[kind][0], [_levels(figures.levels.get(kind, ()), kind, leads)])
    yield Section("Confusion of steps", "confusion", [_confused(part, leads)])
    more = [f"The first {HARMS} of {len(figures.harm):,}; the cases below list all."] if len(figures.harm) > HARMS else []
    yield Section("Harm", tables=[_harm_by_tag(part, leads), _harm(figures.harm[:HARMS], leads)], told=more)
    yield Section("Where answers failed", tables=[_stages(part, leads)])
    yield Section("Repeats", tables=[_repeats(part, leads)])
    variants = {leads.label(row["variant"]): row["variant"] for row in part.variants}
    tokenizer = str(part.record.resolved["tokenizer"])
    for headers, rows, told in bill.section(part.bills, leads.label, tokenizer, agreement=part.agreement):
        title = "The bill" if headers[1].startswith("$") else "Our count of tokens and the provider's"
        yield Section(title, tables=[_by_variant(headers, rows, "Means", variants, leads)], told=told)
    yield Section("Cost and time", tables=[_spread(figures.spreads, leads)])
    if part.scorers:
        headers, rows = report.own_scores(part, leads.label)
        yield Section("Scores of the suite's own", tables=[_by_variant(headers, rows, "Means", variants, leads)])


def _by_variant(
    headers: Sequence[str], rows: Sequence[Sequence[str]], caption: str, variants: Mapping[str, str], leads: Leads
) -> Table:
    return Table(headers, [leads.row(variants[name], texts) for name, *texts in rows], caption)


def _variants(part: Report, leads: Leads) -> Table:
    words = {c.variant: findings.cells(c, part.comparison)[-1] for c in part.comparison.contrasts}
    # shares of cases that were wrong lead to what was: intent, step, strict, harm, then errors
    where = [
        {},
        {"verdict": "wrong step"},
        {"verdict": "wrong"},
        {},
        {"verdict": "harmful"},
        {},
        {},
        {"verdict": "no answer"},
        {},
    ]
    rows = [
        [
            leads.label(row["variant"]),
            words.get(row["variant"], "baseline"),
            *(leads.cell(text, row["variant"], **to) for text, to in zip(report.cells(row), where, strict=True)),
        ]
        for row in part.variants
    ]
    return Table(("variant", "verdict", *part.headers), rows, "Variants")


def _contrasts(part: Report, leads: Leads) -> Table:
    rows = [
        leads.flips(c.variant, part.record.baselines[c.variant], findings.cells(c, part.comparison))
        for c in part.comparison.contrasts
    ]
    return Table(("variant", *findings.headers(part.comparison)), rows, "Paired by case")


def _segments(figures: Figures, leads: Leads) -> Table:
    names = list(dict.fromkeys(name for found in figures.segments.values() for name in found))
    rows = [
        leads.row(variant, [*(report.number(found.get(name, 0.0), 1) for name in names), report.number(sum(found.values()), 1)])
        for variant, found in figures.segments.items()
    ]
    return Table(("variant", *names, "total"), rows, "Mean tokens of a prompt, by our own count")


def _levels(levels: Sequence[Level], kind: Kind, leads: Leads) -> Table:
    variants = list(dict.fromkeys(level.variant for level in levels))
    names = list(dict.fromkeys(level.name for level in levels))
    cells = {(level.name, level.variant): level for level in levels}
    rows = [
        [name, *(leads.cell(_share(cells.get((name, variant))), variant, **{kind: name}) for variant in variants)]
        for name in names
    ]
    return Table((kind, *map(leads.label, variants)), rows, "Percent of cases (95 %), n")


def _share(level: Level | None) -> str:
    if level is None:
        return "–"
    ends = "" if isnan(level.score.low) else f" ({report.percent(level.score.low)}–{report.percent(level.score.high)})"
    return f"{report.percent(level.score.value)}{ends}, {level.n}"


def _confused(part: Report, leads: Leads) -> Table:
    rows = [
        [leads.label(variant), wanted, got, leads.count(count, variant, expected=wanted, chosen=got)]
        for variant, found in part.confused.items()
        for wanted, got, count in found[: findings.FLIPS]
    ]
    caption = f"{part.words.where.capitalize()}, most frequent first"
    return Table(("variant", part.words.expected, "chosen", "trials"), rows, caption)


def _harm(harm: Sequence[Harm], leads: Leads) -> Table:
    rows: list[Row] = [
        [leads.trial(one.case, one.trial), one.dataset, leads.label(one.variant), one.chosen, "; ".join(map(step, one.forbidden))]
        for one in harm
    ]
    return Table(("case", "dataset", "variant", "picked", "forbidden"), rows, "Trials that picked a forbidden step")


def _harm_by_tag(part: Report, leads: Leads) -> Table:
    variants, found = page.harmed(part)
    rows: list[Row] = [
        [tag, *(leads.cell(text, variant, tag=tag, verdict="harmful") for variant, text in zip(variants, texts, strict=True))]
        for tag, texts in found.items()
    ]
    return Table(("tag", *map(leads.label, variants)), rows, "Cases that saw a harmful step, of those that forbid one, by tag")


def step(match: StepMatch) -> str:
    """Write a step with its arguments."""
    return f"{match.intent}({', '.join(f'{name}={canonical_json(value)}' for name, value in match.args.items())})"


def _stages(part: Report, leads: Leads) -> Table:
    stages = list(dict.fromkeys(stage for found in part.stages.values() for stage in sorted(found)))
    rows = [
        [
            leads.label(variant),
            *(leads.count(found.get(form, 0), variant, form=form) for form in page.FORMS),
            *(leads.count(part.stages[variant].get(stage, 0), variant, chosen=f"({stage})") for stage in stages),
        ]
        for variant, found in part.forms.items()
    ]
    headers = ("variant", *page.FORMS, *(f"failed: {stage}" for stage in stages))
    return Table(headers, rows, "Forms of answers, and the stages of failure")


def _repeats(part: Report, leads: Leads) -> Table:
    rows = [
        leads.flips(
            row["variant"],
            row["variant"],
            [report.number(100 * row["disagreement"], 1), report.number(100 * row["all_right"], 1)],
        )
        for row in part.variants
        if not isnan(row["disagreement"])
    ]
    return Table(("variant", "another step, % of pairs", f"{part.words.repeats}, % of cases"), rows, "Repeats of a case")


def _spread(spreads: Sequence[Spread], leads: Leads) -> Table:
    quantiles = [f"{100 * q:g} %" for q in QUANTILES]
    rows = [
        leads.row(
            one.variant,
            [
                *(report.number(value, 2) for value in one.seconds),
                *(report.number(value) for value in one.answer_tokens),
                *map(bill.dollars, one.cost),
            ],
        )
        for one in spreads
    ]
    headers = [f"{name} {q}" for name in ("seconds", "answer tokens", f"$ per {bill.PER:,}") for q in quantiles]
    return Table(("variant", *headers), rows, "Quantiles over answers")


def gates(found: Report, leads: Leads) -> Table:
    """Make the table of gates."""
    rows = [[v.name, v.status, leads.label(v.variant), leads.cell(v.figures or "–", v.variant), v.note] for v in found.verdicts]
    return Table(("gate", "verdict", "variant", "measured", "note"), rows, "Gates")
