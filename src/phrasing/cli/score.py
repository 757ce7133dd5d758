"""``phrasing score``: a run's stored answers, scored again."""

from __future__ import annotations

import sys

import click

from phrasing.cli.common import PARTIAL, example, hold_all, run_of


@click.command("score", epilog=example("phrasing score latest"))
@click.argument("name", metavar="RUN")
def score(name: str) -> None:
    """Parse and score the stored answers of RUN (a folder, or latest) again, with functions and labels as they are now."""
    from phrasing.api import rescore
    from phrasing.cli import terminal

    done, changed = rescore(run_of(name))
    report = done.report()
    terminal.show(*terminal.report(report))
    click.echo(f"\n{changed} of {len(done.results)} results changed.")
    sys.exit(PARTIAL if done.unanswered else hold_all(report))
