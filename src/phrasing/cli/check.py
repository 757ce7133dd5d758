"""``phrasing check``: whether suites and all they need are right. Asks nothing."""

from __future__ import annotations

import os
from pathlib import Path

import click

from phrasing.cli.common import at_revision, example, files_of
from phrasing.errors import UserError


@click.command("check", epilog=example("phrasing check evals/quickstart.yaml"))
@click.argument("suites", nargs=-1, type=click.Path(path_type=Path))
@at_revision
def check(suites: tuple[Path, ...], at: str | None) -> None:
    """Resolve SUITES (default: all of evals/), compile their BAML, render every case, verify every label.

    Counts labels that name no argument, and warns of matchers that accept another value than they were written for. Says of
    every function in the BAML sources whether it can be run, or what to change, and which rewrites of them are in prompts/ and
    which notations in notations/. Asks nothing: a key that is missing is a note.
    """
    from phrasing.models import keys
    from phrasing.plan import code, describe, grid, proofs, resolve

    with files_of(suites, at) as files:
        paths = suites or files.suites()
        if not paths:
            raise UserError("no suite here; name one, or change to a folder with suites in evals/")
        projects = {}
        named: dict[Path, tuple[set[str], set[str]]] = {}
        for path in paths:
            file = files.suite(path)
            if runs := code.text(file):  # before it runs
                click.echo(files.say(runs))
            plan = resolve.resolve(file)
            grid.check_models(plan.file, plan.suite)
            projects[plan.project.path] = plan.project
            rewrites, notations = named.setdefault(file.root, (set(), set()))
            rewrites.update(plan.rewrites)
            notations.update(plan.notation_files)
            click.echo(files.say(describe.plan_text(plan)))
            for line in proofs.prove(plan):
                click.echo(files.say(line))
            for note in keys.notes(plan.models.values(), plan.file.home or plan.file.root, os.environ):
                click.echo(f"  note: to run it: {note}")
        for project in projects.values():
            click.echo(files.say(describe.functions_text(project)))
        for root, (rewrites, notations) in named.items():
            for there in (describe.rewrites_text(root, rewrites), describe.notations_text(root, notations)):
                if there:
                    click.echo(files.say(there))
    click.echo("Models are those of the suites; clients in BAML files are for the BAML tools.")
