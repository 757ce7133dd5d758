"""What all verbs share: the group they belong to, exit codes, how a run is found and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from phrasing.errors import UserError

if TYPE_CHECKING:
    from phrasing.gates import Verdict
    from phrasing.revision import Files
    from phrasing.runs import Run

F = TypeVar("F", bound=Callable[..., Any])

MISTAKE, PARTIAL, MISSED = 2, 3, 1


class _Group(click.Group):
    """Prints a ``UserError`` as one line, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            line = " ".join(str(error).splitlines())  # what a format or a provider said may have several
            click.echo(f"{click.style('error:', fg='red', bold=True)} {line}", err=True)
            ctx.exit(MISTAKE)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="phrasing")
def main() -> None:
    """Measure how the phrasing of an agent's context changes the next step a model picks, and what it costs.

    Start with `phrasing init`, then `phrasing run evals/quickstart.yaml`. Every verb's --help ends with an example.
    """


def verb(short: str, example: str, *, name: str | None = None) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a verb with its line in the list of verbs; its help ends with an example."""
    return main.command(name, short_help=short, epilog=f"\b\nExample:\n  {example}")


def suite_options(function: F) -> F:
    """Add the options that narrow a suite."""
    options = [
        click.option("-m", "--model", "models", multiple=True, metavar="MODEL", help="Ask this instead of the suite's models."),
        click.option(
            "-f", "--format", "formats", multiple=True, metavar="FORMAT", help="Use this format instead of the suite's."
        ),
        click.option("-e", "--edit", "edits", multiple=True, metavar="EDIT", help="Use this edit instead of the suite's."),
        click.option("-k", "select", metavar="EXPR", help="Only trials whose id or tags match, such as 'approval and not xml'."),
        click.option("-n", "cases", type=click.IntRange(1), metavar="CASES", help="Only so many cases, sampled by the seed."),
        click.option("--repeats", type=click.IntRange(1), metavar="TIMES", help="Ask each cell so often."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


at_revision = click.option("--at", metavar="REV", help="Take suites, datasets, formats and BAML from this git revision.")


def files_of(paths: Sequence[Path], at: str | None) -> AbstractContextManager[Files]:
    """Give the files of the project that these suites are in, or the one here: as they are, or at a revision."""
    from phrasing import revision, suitefile

    return revision.files(suitefile.find_root(paths[0]) if paths else Path(), at)


def run_of(name: str) -> Run:
    """Find a run of the project here: its folder, or ``latest``."""
    from phrasing import store
    from phrasing.runs import Run

    return Run(store.find(Path("runs"), name))


def read(text: str) -> None:
    """Print a text for reading, its headings in bold."""
    from phrasing.lookup import HEADING

    for line in text.split("\n"):
        click.secho(line, bold=line.startswith(HEADING))


def conclude(done: Run, again: str) -> int:
    """Show the table and say how it went; return the exit code. ``again`` is how the rest is asked."""
    from phrasing import console

    for label, why in done.record.stopped.items():
        click.secho(f"{label} stopped: {why}", fg="red", err=True)
    changed = sum(result.error.kind == "not recorded" for result in done.results.values() if result.error)
    if changed:
        click.echo(
            f"{changed} of {done.record.trials} requests have changed since they were recorded: what a model answers to them "
            "isn't known. Ask it: phrasing run with --missing ask, and --bless to record the answers.",
            err=True,
        )
    if not any(result.error is None for result in done.results.values()):
        click.echo(f"Nothing was answered. {'' if changed else f'When that is mended: {again}'}".strip(), err=True)
        return PARTIAL
    report = done.report()
    console.show(*console.report(report))
    click.echo(f"\nKept in {done.folder}. Look further: phrasing show {done.folder}")
    if done.unanswered:
        click.echo(f"{done.unanswered} trials have no answer; ask them again: {again}", err=True)
        return PARTIAL
    return hold_all(report)


def hold_all(report: Any) -> int:
    """Print the gates of a report, and why some weren't held; return the exit code."""
    required = report.record.resolved["require"]
    if report.record.part and required:
        click.echo(f"No gate was evaluated: only a part was asked ({report.record.part}).", err=True)
        return 0
    held = [verdict.requirement.model_dump(mode="json") for verdict in report.verdicts]
    for requirement in required:
        if requirement not in held:
            where = ", ".join(f"{axis} {value}" for axis, value in requirement["where"].items()) or "every arm but the baseline"
            click.echo(f"Not evaluated: {requirement['score']} where {where}: no such arm was asked.", err=True)
    return hold(report.verdicts, report.record.resolved["undecided"])


def hold(verdicts: Sequence[Verdict], undecided: object) -> int:
    """Print verdicts; return the exit code. ``undecided`` (pass or fail) is what the suite makes of those."""
    colours = {"passed": "green", "undecided": "yellow", "not evaluated": "yellow"}
    for verdict in verdicts:
        click.secho(str(verdict), fg=colours.get(verdict.status, "red"))
    held = {"passed", "not evaluated", *(["undecided"] if undecided == "pass" else [])}
    return 0 if all(verdict.status in held for verdict in verdicts) else MISSED
