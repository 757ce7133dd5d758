"""The pictures of a Markdown report: which there are, and drawing them beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from phrasing.analysis.figures import Figures
from phrasing.analysis.report_data import Report
from phrasing.errors import UserError
from phrasing.report import markdown as page
from phrasing.report.charts import run as charts
from phrasing.report.charts import vega as plots
from phrasing.report.charts.run import Chart
from phrasing.report.markdown import Pictures


def named(report: Report, figures: Sequence[Figures], folder: str, *, kind: str = "svg", prefix: str = "") -> Pictures:
    """Say what each picture shows and where it lies, in a folder beside the report. ``figures`` are those of its parts."""
    return {name: (chart.alt, f"{folder}/{prefix}{name}.{kind}") for name, chart in _charts(report, figures)}


def draw(report: Report, figures: Sequence[Figures], folder: Path, *, kind: str = "svg", prefix: str = "") -> list[Path]:
    """Draw the pictures. Raises ``UserError`` where they can't be written."""
    drawn = []
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UserError(f"can't be written: {error.strerror}", where=str(folder)) from None
    for name, chart in _charts(report, figures):
        drawn.append(folder / f"{prefix}{name}.{kind}")
        plots.write(drawn[-1], chart.spec)
    return drawn


def tidy(folder: Path, drawn: Sequence[Path]) -> None:
    """Remove the pictures of a folder that a report no longer shows."""
    for path in sorted(folder.iterdir()):
        if path.suffix in plots.SUFFIXES and path not in drawn:
            path.unlink()


def _charts(report: Report, figures: Sequence[Figures]) -> Iterator[tuple[str, Chart]]:
    for part, drawn in zip(report.parts, figures, strict=True):
        before = page.OBSERVED if part is report.logged else ""
        for chart in charts.of(drawn, part):
            yield f"{before}{chart.name}", chart
