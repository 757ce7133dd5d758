"""The whole report as Markdown. The same results give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import MappingProxyType
from typing import Any

from phrasing.analysis.report_data import Report
from phrasing.report import columns, sections
from phrasing.report.charts.run import LOGGED, Pictures
from phrasing.report.columns import Table
from phrasing.report.sections import Section
from phrasing.report.text import answer, escape, table

FOLDED = 20
"""From how many rows on a table is folded."""


def markdown(report: Report, pictures: Pictures = MappingProxyType({})) -> str:
    """Write the report as Markdown. Where a run has logged labels and others, each kind has sections of its own."""
    lines = [f"# {report.record.suite}: {escape(report.description)}", "", escape(answer(report)), ""]
    lines += [f"All variants: {escape(report.common)}.", ""] if report.common else []
    lines += _part(report, report.label, "##", {k: v for k, v in pictures.items() if not k.startswith(LOGGED)})
    if report.logged:
        lines += [f"## {sections.AGREEMENT}", ""]
        lines += [f"The same of the {report.logged.record.strengths.total()} cases whose labels are logged.", ""]
        own = {name.removeprefix(LOGGED): shown for name, shown in pictures.items() if name.startswith(LOGGED)}
        lines += _part(report.logged, report.label, "###", own)
    if report.gates:
        lines += ["## Gates", "", *written(columns.gates(report.gates, report.label)), ""]
    lines += ["## What was run", "", *(f"- {escape(fact)}" for fact in sections.facts(report))]
    return "\n".join(lines) + "\n"


def written(shown: Table[Any]) -> list[str]:
    """Write a table."""
    return table(shown.titles(), shown.cells())


def _part(part: Report, label: Callable[[str], str], level: str, pictures: Pictures) -> Iterable[str]:
    for section in sections.shown(sections.of(part, label), list(pictures)):
        yield from (f"{level} {escape(section.title)}", "")
        yield from _section(section, pictures)


def _section(section: Section, pictures: Pictures) -> Iterable[str]:
    for name, (told, path) in pictures.items():
        if section.charts and name.startswith(section.charts):
            alt = escape(told).replace("]", r"\]")
            yield from (f"![{alt}]({path})", "")
    for shown in section.tables:
        yield from _table(shown)
    for title, lines in section.details:
        yield from ("<details>", f"<summary>{escape(title)}</summary>", "", *(f"- {escape(line)}" for line in lines))
        yield from ("", "</details>", "")


def _table(shown: Table[Any]) -> Iterable[str]:
    """Write a table, what it says and what its columns mean; a long one is folded."""
    if len(shown.rows) > FOLDED:
        rows = f"{escape(shown.caption)}: {len(shown.rows)} rows"
        yield from ("<details>", f"<summary>{rows}</summary>", "", *written(shown), "", "</details>", "")
    else:
        yield from (f"{escape(shown.caption)}:", "", *written(shown), "")
    yield from (*(f"- {escape(line)}" for line in shown.told), "") if shown.told else ()
    yield from (" ".join(map(escape, shown.legend)), "") if shown.legend else ()
