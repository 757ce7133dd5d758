"""The verbs that write reports of runs: for people, for pandas and for CI."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phrasing.cli.common import run_of, verb
from phrasing.errors import UserError

if TYPE_CHECKING:
    from phrasing.analysis.report import Report
    from phrasing.analysis.run import Run
    from phrasing.report.markdown import Pictures

FORMATS = {"html": ".html", "markdown": ".md", "csv": ".csv", "parquet": ".parquet", "junit": ".xml"}
"""The kinds of report, and how their files end."""

TEMPLATES = Path("reports", "templates")
"""Where a project's own templates of the page lie."""

Made = Sequence[tuple["Run", "Report"]]


@verb("Write reports of runs, for people and for CI.", "phrasing report latest -o report.html -o report.md -o trials.csv")
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
    "--charts", type=click.Choice(["svg", "png", "none"]), default="svg", show_default=True, help="Pictures of a .md file."
)
@click.option("--summary", metavar="FILE", help="A short Markdown for a job or a pull request; - shows it.")
@click.option("--annotations", is_flag=True, help="Print the gates that don't hold as GitHub's workflow commands.")
@click.option("--trials", is_flag=True, help="In JUnit, a test case for each trial that went wrong, too.")
@click.option("--against", metavar="RUN", help="Compare with this run; it is what gates against `recorded` are held to.")
def report(
    names: tuple[str, ...],
    outputs: tuple[Path, ...],
    kind: str | None,
    charts: str,
    summary: str | None,
    annotations: bool,
    trials: bool,
    against: str | None,
) -> None:
    """Write the report of each RUN (a folder, or latest): a page, Markdown with pictures, a row a trial for pandas, JUnit.

    Several runs share one file. Without an option: Markdown, here. docs/reports.md says what is in them.
    """
    from phrasing import api
    from phrasing.report import ci
    from phrasing.suite import file as suitefile

    done = [run_of(name) for name in names]
    if len(done) > 1 and (summary or annotations or against):
        raise UserError("--summary, --annotations and --against take one run")
    other = api.baseline(done[0], against) if against else None
    made = [(run, _report(run, other)) for run in done]
    kinds = [(output, kind or _kind(output)) for output in outputs]
    for output, wanted in kinds:
        _write(output, wanted, made, charts=charts, trials=trials)
        click.echo(f"wrote {output}")
    ((first, found), *_) = made
    if summary:
        _summary(summary, ci.summary(found, first.results, against=first.compare(other, name=against) if other else None))
    if annotations:
        path = Path("evals", f"{first.record.suite}.yaml")
        for line in ci.commands(found, first.results, file=suitefile.load(path) if path.is_file() else None):
            click.echo(line)
    if not (outputs or summary or annotations):
        content = _content(kind or "markdown", made, trials=trials)
        if isinstance(content, bytes) and sys.stdout.isatty():
            raise UserError(f"--format {kind} isn't for a terminal: -o FILE writes it")
        click.echo(content, nl=False)


@verb("Open the report of runs in a browser.", "phrasing view latest")
@click.argument("names", metavar="RUN...", nargs=-1, required=True)
@click.option("--no-open", is_flag=True, help="Only write it, and say where.")
def view(names: tuple[str, ...], no_open: bool) -> None:
    """Write the page of each RUN (a folder, or latest) into one file beside the first, and open it.

    A recording is left as it is: its page lies in the cache.
    """
    from phrasing import cache as paths
    from phrasing.runs import store

    done = [run_of(name) for name in names]
    first = done[0].folder
    folder = paths.cache_dir() / "reports" / done[0].record.suite if store.is_recording(first) else first
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.html"
    _write(path, "html", [(run, run.report()) for run in done], charts="none", trials=False)
    click.echo(path)
    if not no_open:
        click.launch(path.absolute().as_uri())


def _report(run: Run, other: Run | None) -> Report:
    found = run.report()
    return replace(found, verdicts=tuple(run.gates(recorded=other))) if other and found.verdicts else found


def _kind(output: Path) -> str:
    kinds = {suffix: kind for kind, suffix in FORMATS.items()}
    if output.suffix not in kinds:
        raise UserError(f"--output {str(output)!r}: '{output.suffix}' isn't a kind of report; there are: {', '.join(kinds)}")
    return kinds[output.suffix]


def _write(output: Path, kind: str, made: Made, *, charts: str, trials: bool) -> None:
    from phrasing.runs import store

    pictures: list[Pictures] = []
    if kind == "markdown" and charts != "none":
        pictures = _pictures(output, made, charts)
    content = _content(kind, made, trials=trials, pictures=pictures)
    if isinstance(content, bytes):
        store.replace_bytes(output, [content])
    else:
        store.replace(output, [content])


def _content(kind: str, made: Made, *, trials: bool, pictures: Sequence[Pictures] = ()) -> str | bytes:
    from phrasing.report import ci
    from phrasing.report import markdown as page

    if kind == "junit" and len(made) > 1:
        raise UserError("JUnit takes one run")
    makers: dict[str, Callable[[], str | bytes]] = {
        "html": lambda: _page(made),
        "markdown": lambda: "\n".join(page.markdown(found, pictures[i] if pictures else {}) for i, (_, found) in enumerate(made)),
        "csv": lambda: _table(made).to_csv(index=False, lineterminator="\n"),
        "parquet": lambda: _parquet(made),
        "junit": lambda: ci.junit(made[0][1], made[0][0].results, trials=trials),
    }
    return makers[kind]()


def _named(run: Run) -> str:
    from phrasing.runs import store

    return f"{run.record.suite} ({'recorded' if store.is_recording(run.folder) else run.folder.name})"


def _page(made: Made) -> str:
    from phrasing.report.html import page as webpage
    from phrasing.runs import store

    shown = [
        webpage.Shown(
            name=_named(run),
            report=found,
            figures=run.figures(),
            results=run.results,
            prompts=None if store.is_recording(run.folder) else store.prompts(run.folder),
        )
        for run, found in made
    ]
    return webpage.html(shown, templates=TEMPLATES if TEMPLATES.is_dir() else None)


def _table(made: Made):  # type: ignore[no-untyped-def]
    from phrasing.analysis import tables as aggregate

    return aggregate.joined({_named(run): run.trials() for run, _ in made})


def _parquet(made: Made) -> bytes:
    from phrasing.analysis import tables as aggregate

    return aggregate.parquet(_table(made))


def _pictures(output: Path, made: Made, kind: str) -> list[Pictures]:
    """Draw the charts of each run beside the file that shows them; of others that lie there, leave none."""
    from phrasing.report import pictures

    folder = output.with_name(f"{output.stem}-charts")
    found, drawn = [], []
    for number, (run, whole) in enumerate(made, start=1):
        figures, prefix = run.figures(), f"{number}-" if len(made) > 1 else ""
        drawn += pictures.draw(whole, figures, folder, kind=kind, prefix=prefix)
        found.append(pictures.named(whole, figures, folder.name, kind=kind, prefix=prefix))
    pictures.tidy(folder, drawn)
    return found


def _summary(name: str, text: str) -> None:
    """Show a summary or write it to a file; to that of a GitHub job, which its steps share, it is added."""
    from phrasing.runs import store

    if name == "-":
        click.echo(text, nl=False)
    elif name == os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")
    else:
        store.replace(Path(name), [text])
        click.echo(f"wrote {name}")
