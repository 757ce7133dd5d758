"""What verbs share: options, exit codes, how a run is found, how texts are printed, how a run ends."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from phrasing.errors import StoreError, UserError

if TYPE_CHECKING:
    from phrasing.analysis.gates import GateResult
    from phrasing.analysis.run import Run
    from phrasing.cli.text import Block
    from phrasing.project.revision import ProjectFiles
    from phrasing.runs.jsonl import Damaged

F = TypeVar("F", bound=Callable[..., Any])

MISTAKE, PARTIAL, MISSED = 2, 3, 1


def example(command: str) -> str:
    """Write what the help of a verb ends with."""
    return f"\b\nExample:\n  {command}"


# ---------------------------------------------------------------------------------------------- suites


def _parameters(context: click.Context, option: click.Parameter, given: Sequence[str]) -> dict[str, Any]:
    """Read ``NAME=VALUE``: parameters of models, and their values as JSON writes them, or a word."""
    from pydantic_core import from_json  # not where only the help is printed

    found = {}
    for text in given:
        name, _, written = text.partition("=")
        try:
            found[name] = from_json(written, allow_inf_nan=False)
        except ValueError:
            if not re.match(r"(?!(True|False|None|NaN)$)\w", written):
                wanted = "isn't NAME=VALUE, with a value in JSON or a word, such as temperature=null"
                raise click.BadParameter(f"{text!r} {wanted}", context, option) from None
            found[name] = written
        if not name:
            raise click.BadParameter(f"{text!r} names no parameter", context, option)
    return found


def suite_options(function: F) -> F:
    """Add the options that narrow a suite; the verb gets them as its ``selection``, with its ``--shard`` and ``-o`` if any."""
    options = [
        click.option("-m", "--model", "models", multiple=True, metavar="MODEL", help="Ask this instead of the suite's models."),
        click.option(
            "-f", "--format", "formats", multiple=True, metavar="FORMAT", help="Use this format instead of the suite's."
        ),
        click.option(
            "-e", "--edit", "edits", multiple=True, metavar="EDIT", help="Use this context edit instead of the suite's."
        ),
        click.option("-k", "select", metavar="EXPR", help="Only trials whose id or tags match, such as 'approval and not xml'."),
        click.option(
            "-p",
            "params",
            multiple=True,
            metavar="NAME=VALUE",
            callback=_parameters,
            help="Send this parameter instead of the suite's; null leaves it out.",
        ),
        click.option("-n", "--cases", type=click.IntRange(1), metavar="CASES", help="Only so many cases, sampled by the seed."),
        click.option("--repeats", type=click.IntRange(1), metavar="TIMES", help="Ask each cell so often."),
    ]
    fields = ("models", "formats", "edits", "outputs", "select", "cases", "repeats", "shard", "params")

    @wraps(function)
    def selecting(**given: Any) -> Any:
        from phrasing.plan.selection import Selection

        return function(selection=Selection(**{name: given.pop(name) for name in fields if name in given}), **given)

    wrapped = cast(F, selecting)
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


at_revision = click.option("--at", metavar="REV", help="Take suites, datasets, formats and BAML from this git revision.")


def files_of(paths: Sequence[Path], at: str | None) -> AbstractContextManager[ProjectFiles]:
    """Give the files of the project that these suites are in, or the one here: as they are, or at a revision."""
    from phrasing.project import revision
    from phrasing.suite.file import find_root

    return revision.files_at(find_root(paths[0]) if paths else Path(), at)


# ---------------------------------------------------------------------------------------------- runs


def run_of(name: str) -> Run:
    """Find a run of the project here: its folder, or ``latest``. Say which of its results are left out because of damage."""
    from phrasing.analysis.run import load

    found = load(name)
    _ = found.record  # what makes no run is said before what is damaged in it
    warn(found.damaged)
    return found


def prompts_of(run: Run) -> Mapping[str, Any]:
    """Read the prompts of a run. Say which lines of them are left out because of damage."""
    from phrasing.runs import lazy

    kept, damaged = lazy.prompts(run.folder)
    warn(damaged)
    return kept


def warn(damaged: Iterable[Damaged]) -> None:
    """Say which lines of a run's files are left out."""
    from phrasing.runs import jsonl, run_folders

    for path, line in jsonl.left_out(damaged).items():
        in_run = path.suffix != ".gz" and run_folders.is_run(path.parent)
        how = f"; phrasing show {called(path.parent)} --repair sets what is damaged aside" if in_run else ""
        click.echo(f"warning: {safe(line)}{how}", err=True)


def called(folder: Path) -> str:
    """Write a run as verbs take it: ``latest``, if it is."""
    from phrasing.runs import run_folders

    try:
        newest = run_folders.find(Path("runs"), run_folders.LATEST)
    except StoreError:  # the project is elsewhere, and has its runs there
        newest = None
    return run_folders.LATEST if newest and newest.samefile(folder) else shlex.quote(str(folder))


def conclude(done: Run, again: str, *, told: bool = False) -> int:
    """Show the table and say how it went; return the exit code.

    ``again`` is how the rest is asked; ``told``: it was said already which models stopped, and why.
    """
    from phrasing.cli import terminal

    warn(done.damaged)
    for label, why in () if told else done.record.stopped.items():
        click.secho(f"{label} stopped: {why}", fg="red", err=True)
    changed = done.errors["not recorded"]
    if changed:
        click.echo(
            f"{changed} of {done.record.trials} requests have changed since they were recorded: what a model answers to them "
            "isn't known. Ask it: phrasing run with --missing ask, and --update-recording to record the answers.",
            err=True,
        )
    if done.errors.total() == len(done.results):
        click.echo(f"Nothing was answered. {'' if changed else f'When that is mended: {again}'}".strip(), err=True)
        return PARTIAL
    report = done.report()
    terminal.show(*terminal.report(report))
    code = PARTIAL if done.unanswered else hold_all(report)
    click.echo(f"\nKept in {done.folder}\nLook at it: phrasing view {called(done.folder)}")
    if done.unanswered:
        click.echo(f"{done.unanswered} trials have no answer; ask them again: {again}", err=True)
    return code


def hold_all(report: Any) -> int:
    """Print the gates of a report, and why some weren't held; return the exit code."""
    required = report.record.resolved["require"]
    if report.record.part and required:
        click.echo(f"No gate was evaluated: only a part was asked ({report.record.part}).", err=True)
        return 0
    held = [result.requirement.model_dump(mode="json") for result in report.gates]
    for requirement in required:
        if requirement not in held:
            where = (
                ", ".join(f"{axis} {value}" for axis, value in requirement["where"].items()) or "every variant but the baseline"
            )
            click.echo(f"Not evaluated: {requirement['score']} where {where}: no such variant was asked.", err=True)
    return hold(report, report.gates)


def hold(report: Any, results: Sequence[GateResult]) -> int:
    """Print the results of gates on the variants of a report; return the exit code."""
    from phrasing.cli import terminal

    terminal.gates(results, report.label)
    outcomes = {result.status.outcome(inconclusive=report.inconclusive) for result in results}
    return 0 if outcomes <= {"passed", "skipped"} else MISSED


# ---------------------------------------------------------------------------------------------- printing


def read(blocks: Sequence[Block]) -> None:
    """Print a text for reading: as it is, or on a terminal with headings in bold and segments in their colours."""
    from phrasing.cli.text import SEGMENTS

    colourful = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def styled(content: str, kind: str) -> str:
        bold = True if kind == "heading" else None
        return click.style(safe(content), fg=SEGMENTS.get(kind), bold=bold) if colourful else safe(content)

    kinds = {kind for block in blocks for _, kind in block}
    if colourful and (named := [styled(kind, kind) for kind in SEGMENTS if kind in kinds]):
        click.echo(f"segments: {' '.join(named)}")
    for block in blocks:
        click.echo("".join(styled(*part) for part in block), color=True)  # or click drops escapes that belong to the text


def safe(content: str) -> str:
    r"""Give a text that isn't ours as it is; on a terminal, its control characters as signs.

    What the output's encoding doesn't have is escaped, as ``\u2192``: a sign that only looks alike would be another prompt.
    """
    from phrasing.cli.text import visible

    shown = visible(content) if sys.stdout.isatty() else content
    encoding = sys.stdout.encoding
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def print_file(content: str | bytes) -> None:
    """Print what is meant for a file or a program: UTF-8 and line feeds, whatever encoding a terminal would have."""
    click.echo(content.encode() if isinstance(content, str) and not sys.stdout.isatty() else content, nl=False)


def write_file(path: Path, content: str | bytes, *, said: str = "wrote", folders: bool = False) -> None:
    """Write a file whole or not at all, and say so. ``folders``: make those that it lies in."""
    from phrasing.files import write_bytes

    try:
        if folders:
            path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"can't be made: {error.strerror}", where=str(path.parent)) from None
    write_bytes(path, [content.encode() if isinstance(content, str) else content])
    click.echo(f"{said} {path}".strip())
