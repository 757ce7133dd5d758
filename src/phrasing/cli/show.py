"""``phrasing show``: what went wrong in a run, or one trial in full."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from phrasing.cli.common import called, example, prompts_of, read, run_of, safe
from phrasing.errors import UserError

if TYPE_CHECKING:
    from phrasing.analysis.run import Run


@click.command("show", epilog=example("phrasing show latest -k xml_yaml"))
@click.argument("name", metavar="RUN")
@click.argument("trial", required=False)
@click.option("-k", "select", metavar="EXPR", help="Only trials whose id matches.")
@click.option("--all", "everything", is_flag=True, help="Right answers too.")
@click.option("--repair", is_flag=True, help="First set damaged lines of the run's files aside, in files beside them.")
def show(name: str, trial: str | None, select: str | None, everything: bool, repair: bool) -> None:
    """List what went wrong in RUN (a folder, or latest); or show one TRIAL: prompt, answer, step, scores."""
    from phrasing.errors import StoreError, unknown
    from phrasing.suite.expressions import compile_expression

    if repair:
        _repair(name)
    done = run_of(name)
    if trial is None:
        try:
            wanted = compile_expression(select) if select is not None else lambda text: True
        except ValueError as error:
            raise UserError(f"-k {select!r}: {error}") from None
        _failures(done, wanted, everything)
        return
    from phrasing.cli.text import trial_text
    from phrasing.runs import store

    matching = [known for known in done.results if trial == known] or [known for known in done.results if trial in known]
    if len(matching) != 1:
        what = f"{trial!r} matches {len(matching)} trials; one of: {', '.join(sorted(matching)[:5])}"
        raise StoreError(what if matching else unknown("trial", trial, sorted(done.results)[:5]), where=str(done.folder))
    result = done.results[matching[0]]
    read(trial_text(result, store.prompt(prompts_of(done), result.prompt)))


def _repair(name: str) -> None:
    """Set damaged lines aside, and say which and where."""
    from phrasing.analysis.run import load
    from phrasing.runs import jsonl, store

    folder = load(name).folder
    damaged = store.repair(folder)
    for path, line in jsonl.left_out(damaged).items():
        click.echo(f"{safe(line)}; kept in {jsonl.beside(path)}", err=True)
    done = load(folder)
    if damaged and done.unanswered:
        again = f"phrasing run evals/{done.record.suite}.yaml --resume {called(folder)}"
        click.echo(f"{done.unanswered} trials have no answer; ask them again: {again}", err=True)


def _failures(done: Run, wanted: Callable[[str], bool], everything: bool) -> None:
    listed = 0
    trials = sorted(filter(wanted, done.results))
    for trial, result in zip(trials, done.results.read(trials), strict=True):
        if not (result.why or everything):
            continue
        listed += 1
        click.echo(f"{click.style(safe(trial), bold=True)}\n    {safe(result.why) or 'good'}")
    click.echo(f"{listed} of {len(done.results)} trials. One of them in full: phrasing show {called(done.folder)} TRIAL")
