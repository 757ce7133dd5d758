"""``phrasing report``: runs as a page, Markdown, a table, or for CI."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phrasing.cli.common import example, print_file, prompts_of, run_of, warn, write_file
from phrasing.errors import UserError

if TYPE_CHECKING:
    from phrasing.analysis.report_data import Report
    from phrasing.analysis.run import Run
    from phrasing.report.charts.run import Pictures

FORMATS = {"html": ".html", "markdown": ".md", "csv": ".csv", "parquet": ".parquet", "junit": ".xml"}
"""The kinds of report, and how their files end."""

TEMPLATES = Path("reports", "templates")
"""Where a project's own templates of the page lie."""

Reported = Sequence[tuple["Run", "Report"]]


@click.command("report", epilog=example("phrasing report latest -o report.html -o report.md -o trials.csv"))
@click.argument("names", metavar="RUN...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A .html, .md, .csv, .parquet or .xml (JUnit) file.",
)
@click.option("--format", "kind", type=click.Choice(list(FORMATS)), help="What is printed without -o, or how a file is written.")
@click.option(
    "--charts", type=click.Choice(["svg", "png", "none"]), help="Pictures of a .md file.  [default: svg, where they can be drawn]"
)
@click.option("--summary", metavar="FILE", help="A short Markdown for a job or a pull request; - shows it.")
@click.option("--annotations", is_flag=True, help="Print the gates that don't hold as GitHub's workflow commands.")
@click.option("--trials", is_flag=True, help="In JUnit, a test case for each trial that went wrong, too.")
@click.option("--against", metavar="RUN", help="Compare with this run; it is what gates against `recorded` are held to.")
def report(
    names: tuple[str, ...],
    outputs: tuple[Path, ...],
    kind: str | None,
    charts: str | None,
    summary: str | None,
    annotations: bool,
    trials: bool,
    against: str | None,
) -> None:
    """Write the report of each RUN (a folder, or latest): a page, Markdown with pictures, a row a trial for pandas, JUnit.

    Several runs share one file. Without an option: Markdown, here. docs/reports.md says what is in them.
    """
    from phrasing.analysis import locate

    runs = [run_of(name) for name in names]
    if len(runs) > 1 and (summary or annotations or against):
        raise UserError("--summary, --annotations and --against take one run")
    other = locate.baseline(runs[0], against) if against else None
    warn(other.damaged if other else ())
    reported = [(run, _report(run, other)) for run in runs]
    _write(reported, [(output, kind or _kind(output)) for output in outputs], charts=charts, trials=trials)
    if summary:
        _summary(summary, *reported[0], other, against)
    if annotations:
        _annotate(*reported[0])
    if not (outputs or summary or annotations):
        _print(reported, kind or "markdown", trials=trials)


def _report(run: Run, other: Run | None) -> Report:
    """Make a run's report; its gates hold against another run, if there is one."""
    found = run.report()
    return replace(found, gates=tuple(run.gates(recorded=other))) if other and found.gates else found


def _kind(output: Path) -> str:
    kinds = {suffix: kind for kind, suffix in FORMATS.items()}
    if output.suffix not in kinds:
        raise UserError(f"--output {str(output)!r}: '{output.suffix}' isn't a kind of report; there are: {', '.join(kinds)}")
    return kinds[output.suffix]


def _write(reported: Reported, outputs: Sequence[tuple[Path, str]], *, charts: str | None, trials: bool) -> None:
    """Write files, each of its kind; beside Markdown its pictures."""
    for output, kind in outputs:
        pictures = _pictures(output, reported, charts) if kind == "markdown" and charts != "none" else ()
        write_file(output, _content(kind, reported, trials=trials, pictures=pictures))


def _print(reported: Reported, kind: str, *, trials: bool) -> None:
    content = _content(kind, reported, trials=trials)
    if isinstance(content, bytes) and sys.stdout.isatty():
        raise UserError(f"--format {kind} isn't for a terminal: -o FILE writes it")
    print_file(content)


def _content(kind: str, reported: Reported, *, trials: bool, pictures: Sequence[Pictures] = ()) -> str | bytes:
    """Write runs as one file of this kind."""
    if kind == "html":
        return page(reported)
    if kind == "markdown":
        from phrasing.report.markdown import markdown

        return "\n".join(markdown(found, pictures[i] if pictures else {}) for i, (_, found) in enumerate(reported))
    if kind == "junit":
        from phrasing.report.ci import junit

        if len(reported) > 1:
            raise UserError("JUnit takes one run")
        ((run, found),) = reported
        return junit(found, run.results, trials=trials)
    from phrasing.analysis import dataframes

    table = dataframes.joined({_name(run): run.trials() for run, _ in reported})
    return dataframes.parquet(table) if kind == "parquet" else dataframes.csv(table)


def page(reported: Reported) -> str:
    """Write runs as one page."""
    from phrasing.report.html.page import Shown, html
    from phrasing.runs import run_folders

    shown = [
        Shown(
            name=_name(run),
            report=found,
            figures=run.figures(),
            results=run.results,
            prompts=None if run_folders.is_recording(run.folder) else prompts_of(run),
            steps=run.steps if run.record.loops else {},
        )
        for run, found in reported
    ]
    return html(shown, templates=TEMPLATES if TEMPLATES.is_dir() else None)


def _name(run: Run) -> str:
    """Name a run so that several in one file are told apart."""
    from phrasing.runs import run_folders

    return f"{run.record.suite} ({'recorded' if run_folders.is_recording(run.folder) else run.folder.name})"


def _pictures(output: Path, reported: Reported, charts: str | None) -> list[Pictures]:
    """Draw the charts of each run beside the file that shows them; of others that lie there, leave none.

    Where the package that draws is missing there are none, which is a mistake only of somebody who asked for them.
    """
    from phrasing.report.charts import vega
    from phrasing.report.charts.run import draw, pictures, tidy

    if not vega.drawable():
        if charts:
            raise UserError(vega.MISSING)
        click.echo(f"without charts: {vega.MISSING}", err=True)
        return []
    kind = charts or "svg"
    folder = output.with_name(f"{output.stem}-charts")
    found, drawn = [], []
    for number, (run, whole) in enumerate(reported, start=1):
        figures, prefix = run.figures(), f"{number}-" if len(reported) > 1 else ""
        drawn += draw(whole, figures, folder, kind=kind, prefix=prefix)
        found.append(pictures(whole, figures, folder.name, kind=kind, prefix=prefix))
    tidy(folder, drawn)
    return found


def _summary(target: str, run: Run, found: Report, other: Run | None, against: str | None) -> None:
    """Show a summary or write it to a file; to that of a GitHub job, which its steps share, it is added."""
    from phrasing.report import ci

    text = ci.summary(found, run.results, against=run.comparison(other, name=against) if other else None)
    if target == "-":
        print_file(text)
    elif target == os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(target).open("a", encoding="utf-8") as file:
                file.write(f"{text}\n")
        except OSError as error:
            raise UserError(f"can't be written: {error.strerror}", where=target) from None
    else:
        write_file(Path(target), text)


def _annotate(run: Run, found: Report) -> None:
    """Print the gates that don't hold, at their lines of the suite."""
    from phrasing.report import ci
    from phrasing.suite.file import load_suite

    path = Path("evals", f"{run.record.suite}.yaml")
    for line in ci.commands(found, run.results, file=load_suite(path) if path.is_file() else None):
        click.echo(line)
