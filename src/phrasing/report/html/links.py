"""The sections of a report as the page's template takes them: charts as SVG, and figures as links to the trials behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phrasing.analysis.figures import Figures
from phrasing.analysis.report_data import Report
from phrasing.report import columns, sections
from phrasing.report.charts import vega
from phrasing.report.charts.run import Chart, charts_of
from phrasing.report.columns import DASH, Column, Filters, Table


@dataclass(frozen=True)
class Cell:
    """A figure of a table, and where it leads: filters of the page's cases by name, or a trial to open.

    The page's address keeps them, so a figure is a link.
    """

    text: str
    to: Mapping[str, str]


@dataclass(frozen=True)
class Shown:
    """A table with its figures written. The first column names the row."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    caption: str


@dataclass(frozen=True)
class Links:
    """Turns what a figure leads to into filters of the page. ``label`` names variants, ``trials`` numbers trials by name.

    ``labels`` tells logged labels from judged ones, where a run has both.
    """

    label: Callable[[str], str]
    trials: Mapping[str, int]
    labels: str = ""

    def table(self, table: Table[Any]) -> Shown:
        """Write a table with its links."""
        shown = [column for column in table.columns if column.title is not None]
        return Shown(table.titles(), [[self._cell(column, row) for column in shown] for row in table.rows], table.caption)

    def _cell(self, column: Column[Any], row: Any) -> str | Cell:
        written = column.cell(row)
        filters = column.link(row) if column.link and written != DASH else {}
        return Cell(written, self._to(filters)) if filters else written

    def _to(self, filters: Filters) -> Mapping[str, str]:
        if "open" in filters:
            return {"open": str(self.trials[filters["open"]])}
        kinds = {"labels": self.labels} if self.labels and "variant" in filters else {}
        named = {"variant", "one", "other"}
        return {**kinds, **{name: self.label(value) if name in named else value for name, value in filters.items()}}


def of(part: Report, figures: Figures, links: Links) -> Iterator[dict[str, Any]]:
    """Give the sections of a part in order; none that has nothing to show."""
    drawn = charts_of(figures, part)
    for section in sections.shown(sections.of(part, links.label, figures), [chart.name for chart in drawn]):
        yield {
            "title": section.title,
            "charts": [_svg(chart) for chart in drawn if section.charts and chart.name.startswith(section.charts)],
            "tables": [links.table(table) for table in section.tables],
            "told": [
                line for table in section.tables for line in (*table.told, *([" ".join(table.legend)] if table.legend else []))
            ],
        }


def gates(report: Report, links: Links) -> Shown:
    """Make the table of gates."""
    return links.table(columns.gates(report.gates, links.label))


def _svg(chart: Chart) -> Any:
    from markupsafe import Markup

    return Markup(vega.svg(chart.spec, paper=False))
