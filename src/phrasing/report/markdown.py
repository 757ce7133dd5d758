"""The whole report as Markdown. The same results give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isnan
from types import MappingProxyType
from typing import TYPE_CHECKING

from phrasing.analysis import usage as bill
from phrasing.analysis.compare import Comparison
from phrasing.analysis.report_data import Report, answer, cells, counted, escape, gates, number, own_scores, table, without_model
from phrasing.records import RunRecord
from phrasing.report import text as findings

if TYPE_CHECKING:
    from phrasing.analysis.tables import Notes

OBSERVED = "observed-"

PICTURED = (("Tokens", "segments"), ("Tokens by length", "length"), ("By kind of case", "score-by"), ("Wrong steps", "confusion"))
"""Sections of pictures alone: their titles, and what the names of their charts begin with."""

FORMS = ("exact", "wrapped", "repaired", "echo", "unparsable")


Pictures = Mapping[str, tuple[str, str]]
"""Charts by name: what each shows in words, and the path of its picture. Those of observed labels begin with ``OBSERVED``."""


def markdown(report: Report, pictures: Pictures = MappingProxyType({})) -> str:
    """Write the report as Markdown. Where a run has observed labels and others, each kind has sections of its own."""
    record, logged = report.record, report.logged
    lines = [f"# {record.suite}: {escape(report.description)}", "", escape(answer(report)), ""]
    lines += [f"All variants: {escape(report.common)}.", ""] if report.common else []
    lines += _figures(report, report.label, "##", {k: v for k, v in pictures.items() if not k.startswith(OBSERVED)})
    if logged:
        lines += ["", "## Agreement with the logged agent", ""]
        lines += [f"The same of the {logged.record.strengths.total()} cases whose labels are observed.", ""]
        own = {k.removeprefix(OBSERVED): v for k, v in pictures.items() if k.startswith(OBSERVED)}
        lines += _figures(logged, report.label, "###", own)
    if report.verdicts:
        lines += ["", "## Gates", "", *gates(report.verdicts, report.label)]
    lines += ["", "## What was run", "", *map(escape, run_facts(record, report.asked))]
    return "\n".join(lines) + "\n"


def _figures(report: Report, label: Callable[[str], str], level: str, pictures: Pictures) -> list[str]:
    """Write all figures of cases, under headings of a level."""
    lines = _shown(pictures, "accuracy-tokens")
    lines += table(("variant", *report.headers), [(label(row["variant"]), *cells(row)) for row in report.variants])
    lines += ["", *(f"- {escape(line)}" for line in without_model(report))]
    lines += ["", *map(escape, legend(report)), ""]
    lines += _comparison(report.comparison, label, report.record.cases, level, _shown(pictures, "differences"))
    for title, begin in PICTURED:
        shown = [line for name in pictures if name.startswith(begin) for line in _shown(pictures, name)]
        lines += [f"{level} {title}", "", *shown] if shown else []
    if any(not isnan(row["disagreement"]) for row in report.variants):
        lines += [f"{level} Repeats", "", *_repeats(report, label), ""]
    lines += [f"{level} Steps chosen", ""]
    steps = list(dict.fromkeys(step for counted in report.chosen.values() for step in sorted(counted)))
    rows = [(label(variant), *(str(counted.get(step, 0)) for step in steps)) for variant, counted in report.chosen.items()]
    lines += [*table(("variant", *steps), rows), ""]
    lines += [f"{report.words.expected.capitalize()} → chosen, {report.words.where}:", ""]
    lines += [f"- {escape(label(variant))}: {escape(findings.confusions(c)) or 'none'}" for variant, c in report.confused.items()]
    lines += ["", f"{level} Answers", ""]
    rows = [
        (label(variant), *(str(found.get(form, 0)) for form in FORMS), counted(report.stages[variant]))
        for variant, found in report.forms.items()
    ]
    lines += table(("variant", *FORMS, "failed at"), rows)
    lines += _bill(report, label, level) if report.bills else []
    if report.harm:
        lines += ["", f"{level} Harm by tag", "", *_harm(report, label)]
    if report.scorers:
        lines += ["", f"{level} Scores of the suite's own", "", *table(*own_scores(report, label))]
    return lines


def _shown(pictures: Pictures, name: str) -> list[str]:
    """Write a picture, with what it shows in words."""
    if name not in pictures:
        return []
    told, path = pictures[name]
    alt = escape(told).replace("]", r"\]")
    return [f"![{alt}]({path})", ""]


def _comparison(
    found: Comparison, label: Callable[[str], str], notes: Notes, level: str, pictured: Sequence[str] = ()
) -> list[str]:
    """Write a comparison: its table, and where the variants differ."""
    if not found.contrasts:
        return []
    against = found.against or "the baseline"
    headers = findings.headers(found)
    rows = [(label(c.variant), *findings.cells(c, found)) for c in found.contrasts]
    lines = [f"{level} Against {escape(against)}", "", *pictured, *table(("variant", *headers), rows), ""]
    counted = f"{len(rows)} comparison{'s' * (len(rows) > 1)}"
    lines += [
        f"Paired by case, score {found.score}: what the variant has more than {escape(against)}, and its interval; p: of no",
        f"difference, corrected (Holm) for {counted}; left: cases without an answer in one of the two; would show:",
        "the smallest difference in points that so many cases show with a chance of 80 %; ×: totals over the baseline's on the",
        "same cases. docs/statistics.md says what each verdict means.",
        "",
    ]
    for contrast in found.contrasts:
        where = findings.flips(contrast, notes, agreement=found.agreement)
        if where:
            lines += ["<details>", f"<summary>{escape(label(contrast.variant))}: where they differ</summary>", ""]
            lines += [*(f"- {escape(line)}" for line in where), "", "</details>", ""]
    return lines


def _bill(report: Report, label: Callable[[str], str], level: str) -> list[str]:
    billed = bill.section(report.bills, label, str(report.record.resolved["tokenizer"]), agreement=report.agreement)
    lines = ["", f"{level} Tokens and the bill"] if billed else []
    for headers, priced, told in billed:
        lines += ["", *table(headers, priced), "", escape("\n\n".join(told))]
    return lines


def _repeats(report: Report, label: Callable[[str], str]) -> list[str]:
    rows = [(label(r["variant"]), number(100 * r["disagreement"], 1), number(100 * r["all_right"], 1)) for r in report.variants]
    return table(("variant", "another step, % of pairs of repeats", f"{report.words.repeats}, % of cases"), rows)


def _harm(report: Report, label: Callable[[str], str]) -> list[str]:
    variants, found = harmed(report)
    told = "Cases that saw a harmful step, of those that forbid one. Without harm, only tags that begin with attack- are shown."
    return [told, "", *table(("tag", *map(label, variants)), [(tag, *texts) for tag, texts in found.items()])]


def harmed(report: Report) -> tuple[list[str], dict[str, list[str]]]:
    """Write harm by tag: the variants that are in it, and for each tag a text a variant: harmed cases / cases that forbid."""
    variants = [row["variant"] for row in report.variants if any(row["variant"] in cells for cells in report.harm.values())]
    texts = {
        variant: {tag: "{}/{}".format(*cells[variant]) for tag, cells in report.harm.items() if variant in cells}
        for variant in variants
    }
    return variants, {tag: [texts[variant].get(tag, "–") for variant in variants] for tag in report.harm}


def legend(report: Report) -> list[str]:
    """Explain the columns, and the marks of formats."""
    lines = list(report.words.legend)
    for name, format in report.record.formats.items():
        for mark in ("spoofable", "lossy"):
            if format.get(mark):
                lines.append(f"{name} is {mark}: {format[mark]}.")
    return lines


def run_facts(record: RunRecord, asked: tuple[str, str] | None) -> list[str]:
    """List what a run was made of, each as an item of a list in Markdown."""
    lines = [f"- asked between {asked[0]} and {asked[1]}"] if asked else []
    for label, model in sorted(record.models.items()):
        sha = f", sha256 {model['digest']}" if model.get("digest") else ""
        lines.append(f"- model {label}: {model['id']}{sha}")
    for name, sha256 in sorted(record.datasets.items()):
        aside = f" ({record.set_aside[name]} more are examples, or of their groups)" if name in record.set_aside else ""
        lines.append(f"- dataset {name}: {len(record.cases.get(name, ()))} cases{aside}, sha256 {sha256[:16]}")
    for name, format in sorted(record.formats.items()):
        lines.append(f"- format {name}: sha256 {str(format['digest'])[:16]}")
    for name, edit in sorted(record.edits.items()):
        lines.append(f"- edit {name}: sha256 {str(edit['digest'])[:16]}")
    for name, sha256 in sorted({**record.baml, **record.scorers}.items()):
        lines.append(f"- {name}: sha256 {sha256[:16]}")
    lines += [f"- {name} {version}" for name, version in sorted(record.versions.items())]
    lines += [f"- skipped: {skipped}" for skipped in record.skipped]
    lines += [f"- warning: {warning}" for warning in record.warnings]
    lines += [f"- {label} stopped: {why}" for label, why in sorted(record.stopped.items())]
    return lines
