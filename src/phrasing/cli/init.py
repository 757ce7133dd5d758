"""``phrasing init``: a project to begin with."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import click

from phrasing.cli.common import example, write_file
from phrasing.errors import StoreError, UserError

FIRST = "evals/first.yaml"
LOGS = "logs"
"""What a dataset is called before there is one."""


@click.command("init", epilog=example("phrasing init --baml ../agent/baml_src evaluation"))
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.option("--all", "everything", is_flag=True, help="All that ships: every agent, dataset and suite.")
@click.option("--baml", type=click.Path(path_type=Path), metavar="DIR", help="A baml_src that exists, used where it stands.")
@click.option("--dataset", metavar="NAME", help="With --baml: what the suite's dataset is called (default: one that is there).")
def init(folder: Path, everything: bool, baml: Path | None, dataset: str | None) -> None:
    """Make a project of DIR (default: here), which may hold files: the formats, and a suite to run at once.

    With --baml, a suite over functions that exist. A file that is there is never changed, so it can be run again.
    """
    from phrasing.project.init import OURS, compare_with_project, quickstart, shipped_files

    if dataset is not None and (baml is None or not re.fullmatch(r"\w[\w.-]*", dataset)):
        wrong = "is for --baml" if baml is None else "must be a name: letters, digits, '_', '-' and '.'"
        raise UserError(f"--dataset {dataset!r} {wrong}")
    if baml is None:
        files = shipped_files() if everything else quickstart()
        commands = ["phrasing check", "phrasing run evals/quickstart.yaml"]
    elif everything:
        raise UserError("--all copies a baml_src too; leave out --baml, or --all")
    else:
        text, commands = _first(folder, baml, dataset)
        files = {**shipped_files(["controls", "formats", "notations"]), FIRST: text.encode()}
    is_new = not any((folder / name).exists() for name in OURS)
    for file in compare_with_project(folder, files):
        if file.left is None:
            write_file(folder / file.name, file.content, folders=True)
        else:
            click.echo(f"left {folder / file.name} {file.left}")
    _ignore(folder / ".gitignore")
    _trust(folder, is_new=is_new)
    click.echo("\nNext:")
    for command in [*([f"cd {shlex.quote(str(folder))}"] if folder.resolve() != Path.cwd() else []), *commands]:
        click.echo(f"  {command}")


def _first(folder: Path, path: Path, dataset: str | None) -> tuple[str, list[str]]:
    """Write a suite over BAML that exists; give the commands that come next, too."""
    from phrasing.baml.project import load_project
    from phrasing.project.init import first_suite
    from phrasing.suite.dataset import available

    known = list(available(folder / "datasets"))
    name = dataset or next(iter(known), LOGS)
    others = [other for other in known if other != name]
    relative = Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    text = first_suite(load_project(path), baml_src=relative, dataset=name, others=others)
    commands = [] if name in known else [f"phrasing import LOG -o datasets/{name}.jsonl"]
    return text, [*commands, f"phrasing check {FIRST}", f"phrasing run {FIRST}"]


def _trust(folder: Path, *, is_new: bool) -> None:
    """Let the Python run that the user will write here. What was a project before may be somebody else's."""
    from phrasing import trust

    if trust.code_may_run(folder):
        return
    if not is_new:
        click.echo(f"not trusted, for it was a project before: phrasing trust add {shlex.quote(str(folder))}")
        return
    try:
        trust.add(folders=[folder])
    except StoreError as error:
        click.echo(f"not trusted, so Python that you add won't run until you confirm it: {error}", err=True)
    else:
        click.echo(f"trusted {folder}: its Python may run, the formats, edits and scorers that you write")


def _ignore(path: Path) -> None:
    """Let git leave out what it shall not keep."""
    from phrasing.project.init import ignoring

    there = path.read_text("utf-8", "surrogateescape") if path.is_file() else ""
    wanted = ignoring(there)
    if wanted == there:
        click.echo(f"left {path} as it is")
    else:
        write_file(path, wanted.encode("utf-8", "surrogateescape"), said="added to" if there else "wrote", folders=True)
