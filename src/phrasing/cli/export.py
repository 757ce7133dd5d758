"""``phrasing export format`` and ``phrasing export tests``: what leaves a project for elsewhere."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from phrasing.cli.common import example, print_file, write_file
from phrasing.errors import UserError, unknown


@click.group("export", epilog=example("phrasing export format xml_yaml"))
def export() -> None:
    """Take what you have found out to your agent: a format, with vectors to test it; a dataset, as tests of BAML's own."""


@export.command(
    "format",
    short_help="A format, for your agent.",
    epilog=example("phrasing export format 'trace(body=json)' -o ../agent/trace"),
)
@click.argument("name")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="A folder (default: exported/<format>).")
def format_(name: str, output: Path | None) -> None:
    """Write the format NAME to a folder: its file, what it needs, vectors of threads with their renderings, and a test.

    None of it needs phrasing. A folder that isn't an earlier export must be empty.
    """
    from phrasing.project import export_format
    from phrasing.prompts import formats

    format = formats.load(Path("formats"), name)
    exported = export_format.export_format(format)
    folder = output or Path("exported", format.path.stem)
    if folder.exists() and not (folder / export_format.VECTORS).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError("holds other files; name a new folder with -o", where=str(folder))
    for file, content in exported.files.items():
        write_file(folder / file, content, folders=True)
    for left_out in exported.left_out:
        click.echo(f"left out, because the format can't render it: {left_out}", err=True)
    click.echo(f"\nTry it: python {shlex.quote(str(folder / exported.test))}")


@export.command(
    "tests",
    short_help="A dataset, as tests of BAML's own.",
    epilog=example("phrasing export tests calculator --function DetermineNextStepCalculator"),
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
def tests(name: str, function: str, written: str, baml: Path, output: Path | None) -> None:
    """Write the cases of DATASET as BAML `test` blocks, which `baml-cli test` runs. Without -o: print them."""
    from phrasing.baml.project import load_project
    from phrasing.project import export_tests
    from phrasing.prompts import formats
    from phrasing.suite import dataset

    known = dataset.available(Path("datasets"))
    if name not in known:
        raise UserError(unknown("dataset", name, known), where="datasets")
    project = load_project(baml)
    format = formats.load(Path("formats"), written)
    blocks = export_tests.write_tests(dataset.load(known[name]), project.function(function), format, elsewhere=project.intents)
    if output is None:
        print_file(blocks.text)
    elif output.exists() and not (output.is_file() and output.read_bytes().startswith(export_tests.WRITTEN.encode())):
        raise UserError("is there, and isn't of tests exported earlier; name a new file", where=str(output))
    else:
        write_file(output, blocks.text, folders=True)
    left_out = f"; left out: {blocks.several} cases that want several steps at once" if blocks.several else ""
    click.echo(f"{blocks.cases} tests of {function}{left_out}", err=True)
    for unsaid in blocks.unsaid:
        click.echo(f"not held by an assertion: {unsaid}", err=True)
