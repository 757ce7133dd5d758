"""The verbs that write files for a user: a project to begin with, and what leaves one for elsewhere."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import click

from phrasing.cli.common import main, verb
from phrasing.errors import UserError

EXAMPLE = "\b\nExample:\n  phrasing "

FIRST = "evals/first.yaml"
LOGS = "logs"
"""What a dataset is called before there is one."""


@verb("Begin a project: your folders, ready to edit.", "phrasing init --baml ../agent/baml_src evaluation")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.option("--all", "everything", is_flag=True, help="All that ships: every agent, dataset and suite.")
@click.option("--baml", type=click.Path(path_type=Path), metavar="DIR", help="A baml_src that exists, used where it stands.")
@click.option("--dataset", metavar="NAME", help="With --baml: what the suite's dataset is called (default: one that is there).")
def init(folder: Path, everything: bool, baml: Path | None, dataset: str | None) -> None:
    """Make a project of DIR (default: here), which may hold files: the formats, and a suite to run at once.

    With --baml, a suite over functions that exist. A file that is there is never changed, so it can be run again.
    """
    from phrasing.project import init as scaffold

    if dataset is not None and (baml is None or not re.fullmatch(r"\w[\w.-]*", dataset)):
        wrong = "is for --baml" if baml is None else "must be a name: letters, digits, '_', '-' and '.'"
        raise UserError(f"--dataset {dataset!r} {wrong}")
    if baml is None:
        files = scaffold.shipped() if everything else scaffold.quickstart()
        commands = ["phrasing check", "phrasing run evals/quickstart.yaml"]
    elif everything:
        raise UserError("--all copies a baml_src too; leave out --baml, or --all")
    else:
        text, commands = _first(folder, baml, dataset)
        files = {**scaffold.shipped(["formats"]), FIRST: text.encode()}
    for settled in scaffold.settle(folder, files):
        if settled.left is None:
            _write(folder / settled.name, settled.content)
        else:
            click.echo(f"left {folder / settled.name} {settled.left}")
    _ignore(folder / ".gitignore")
    click.echo("\nNext:")
    for command in [*([f"cd {shlex.quote(str(folder))}"] if folder.resolve() != Path.cwd() else []), *commands]:
        click.echo(f"  {command}")


def _first(folder: Path, path: Path, dataset: str | None) -> tuple[str, list[str]]:
    """Write a suite over BAML that exists; give the commands that come next, too."""
    from phrasing.baml import project as baml
    from phrasing.project import init as scaffold
    from phrasing.suite import dataset as datasets

    known = list(datasets.available(folder / "datasets"))
    name = dataset or next(iter(known), LOGS)
    others = [other for other in known if other != name]
    relative = Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    text = scaffold.first_suite(baml.load(path), baml_src=relative, dataset=name, others=others)
    commands = [] if name in known else [f"phrasing import LOG -o datasets/{name}.jsonl"]
    return text, [*commands, f"phrasing check {FIRST}", f"phrasing run {FIRST}"]


def _ignore(path: Path) -> None:
    """Let git leave out what it shall not keep."""
    from phrasing.project import init as scaffold

    there = path.read_text("utf-8", "surrogateescape") if path.is_file() else ""
    wanted = scaffold.ignoring(there)
    if wanted == there:
        click.echo(f"left {path} as it is")
    else:
        _write(path, wanted.encode("utf-8", "surrogateescape"), "added to" if there else "wrote")


def _write(path: Path, content: bytes, done: str = "wrote") -> None:
    from phrasing.runs import store

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"can't be made: {error.strerror}", where=str(path.parent)) from None
    store.replace_bytes(path, [content])
    click.echo(f"{done} {path}")


# ---------------------------------------------------------------------------------------------- export


@main.group(
    short_help="Take a format or a dataset elsewhere.",
    epilog="\b\nExample:\n  phrasing export format xml_yaml",
)
def export() -> None:
    """Take what you have found out to your agent: a format, with vectors to test it; a dataset, as tests of BAML's own."""


@export.command(
    "format", short_help="A format, for your agent.", epilog=f"{EXAMPLE}export format 'trace(body=json)' -o ../agent/trace"
)
@click.argument("name")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="A folder (default: exported/<format>).")
def export_format(name: str, output: Path | None) -> None:
    """Write the format NAME to a folder: its file, what it needs, vectors of threads with their renderings, and a test.

    None of it needs phrasing. A folder that isn't an earlier export must be empty.
    """
    from phrasing.project import export_format as exporting
    from phrasing.prompts import formats

    format = formats.load(Path("formats"), name)
    exported = exporting.export(format)
    folder = output or Path("exported", format.path.stem)
    if folder.exists() and not (folder / exporting.VECTORS).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError("holds other files; name a new folder with -o", where=str(folder))
    for file, content in exported.files.items():
        _write(folder / file, content)
    for left_out in exported.left_out:
        click.echo(f"left out, because the format can't render it: {left_out}", err=True)
    click.echo(f"\nTry it: python {shlex.quote(str(folder / exported.test))}")


@export.command(
    "tests",
    short_help="A dataset, as tests of BAML's own.",
    epilog=f"{EXAMPLE}export tests refunds --function DetermineNextStepRefunds",
)
@click.argument("name", metavar="DATASET")
@click.option("--function", required=True, metavar="NAME", help="The function that the tests are of.")
@click.option(
    "-f", "--format", "written", default="xml_yaml", show_default=True, metavar="FORMAT", help="What renders the threads."
)
@click.option(
    "--baml", type=click.Path(path_type=Path), default="baml_src", show_default=True, metavar="DIR", help="The sources."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Such as baml_src/x_tests.baml.")
def export_tests(name: str, function: str, written: str, baml: Path, output: Path | None) -> None:
    """Write the cases of DATASET as BAML `test` blocks, which `baml-cli test` runs. Without -o: print them."""
    from phrasing.baml import project as projects
    from phrasing.errors import unknown
    from phrasing.project import export_tests as testblocks
    from phrasing.prompts import formats
    from phrasing.suite import dataset as datasets

    known = datasets.available(Path("datasets"))
    if name not in known:
        raise UserError(unknown("dataset", name, known), where="datasets")
    project = projects.load(baml)
    format = formats.load(Path("formats"), written)
    blocks = testblocks.write(datasets.load(known[name]), project.function(function), format, elsewhere=project.intents)
    if output is None:
        click.echo(blocks.text, nl=False)
    elif output.exists() and not (output.is_file() and output.read_bytes().startswith(testblocks.WRITTEN.encode())):
        raise UserError("is there, and isn't of tests exported earlier; name a new file", where=str(output))
    else:
        _write(output, blocks.text.encode())
    click.echo(f"{blocks.cases} tests of {function}", err=True)
    for unsaid in blocks.unsaid:
        click.echo(f"not held by an assertion: {unsaid}", err=True)
