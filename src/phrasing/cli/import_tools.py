"""``phrasing import-tools``: a list of tools as a BAML function. Asks nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phrasing.cli.common import example
from phrasing.errors import BamlError, UserError

if TYPE_CHECKING:
    from phrasing.baml.tools.lists import ToolList
    from phrasing.baml.tools.write import Written

NAMED = 5
"""How many places are named of which the same is said."""


@click.command("import-tools", epilog=example("phrasing import-tools tools.json -o baml_src/mine.baml"))
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("-o", "--output", "path", required=True, type=click.Path(path_type=Path), help="The .baml file to write.")
@click.option("--name", metavar="NAME", help="The function's name. Default: DetermineNextStep and the name of the .baml file.")
@click.option("--text", metavar="NAME.FIELD", help="The step for what the agent says. Default: respond.message.")
@click.option("--no-text", is_flag=True, help="No such step.")
@click.option("--several", is_flag=True, help="A function that returns a list: several steps at once.")
@click.option("--instructions", type=click.Path(path_type=Path), metavar="FILE", help="A text for the system message, as it is.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def import_tools(
    files: tuple[str, ...],
    path: Path,
    name: str | None,
    text: str | None,
    no_text: bool,
    several: bool,
    instructions: Path | None,
    force: bool,
) -> None:
    """Write a BAML function that picks one of the tools in FILE..., of the shapes of OpenAI, Anthropic or MCP; `-` reads stdin.

    Says what got another name, and what BAML can't say. docs/tools.md has the rules.
    """
    from phrasing.baml.tools import lists, write
    from phrasing.baml.tools.names import tool_name

    _check_output(path, force=force)
    if text is not None and no_text:
        raise UserError("--text and --no-text exclude each other")
    listed = lists.read_tools({file: _read(file) for file in files})
    root = next((folder for folder in path.parents if folder.name == "baml_src"), path.parent)
    others = [_read(str(file)) for file in sorted(root.rglob("*.baml")) if file.resolve() != path.resolve()]
    own = text is None and any(tool_name(tool.name) == write.TEXT.partition(".")[0] for tool in listed.tools)
    function = name or write.function_name(path.stem)
    made = write.write_baml(
        {function: listed.tools},
        text=None if no_text or own else text or write.TEXT,
        instructions=_read(str(instructions)) if instructions else None,
        several=several,
        around=write.defined(others),
    )
    refused = write_source(path, made, root)
    _say(path, function, listed, made)
    if own and not no_text:
        click.echo(f"No step for what the agent says: a tool has its name, {write.TEXT.partition('.')[0]}")
    if refused:
        raise UserError(f"{refused} (the file is written)")
    click.echo(f"Look at it: phrasing tools {function} --baml-src {root}")


def _check_output(path: Path, *, force: bool) -> None:
    """Raise ``UserError`` where BAML can't be written to ``path``, or would write over a file."""
    if path.suffix != ".baml":
        raise UserError(f"--output {str(path)!r} isn't a .baml file")
    if path.exists() and not force:
        raise UserError(f"{path} is there already; --force writes over it")


def _say(path: Path, function: str, listed: ToolList, made: Written) -> None:
    """Say what was written, and what of the tools it doesn't have."""
    count = len(listed.tools)
    click.echo(f"{path}: function {function}, {count} tool{'s' * (count != 1)}, {made.classes} classes and types")
    for title, lines in (("Renamed", made.renamed), ("Not said", [*_grouped(made.unsaid)]), ("Left out", listed.left_out)):
        if lines:
            click.echo("\n  ".join([f"{title}:", *lines]))


def _grouped(lines: Sequence[str]) -> Iterator[str]:
    """Join lines ``place: what`` that say the same of many places."""
    places: dict[str, list[str]] = {}
    for line in lines:
        place, _, what = line.partition(": ")
        places.setdefault(what, []).append(place)
    for what, found in places.items():
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        yield f"{', '.join(found[:NAMED])}{more}: {what}"


def _read(file: str) -> str:
    from phrasing.importers.json_stream import encoding_of  # a shell on Windows writes UTF-16

    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return content.decode(encoding_of(content)).removeprefix("\ufeff")
    except OSError as error:
        raise UserError(f"can't be read: {error.strerror}", where=file) from None
    except UnicodeDecodeError:
        raise UserError("isn't UTF-8 or UTF-16", where=file) from None


def write_source(path: Path, made: Written, root: Path) -> BamlError | None:
    """Write a file and prove that it compiles, or leave everything as it was; return why a function can't be run, if so."""
    from phrasing.baml.project import load_project
    from phrasing.prompts.template import take_apart

    before = path.read_bytes() if path.exists() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(made.text, "utf-8", newline="\n")
    try:
        project = load_project(root)
    except BamlError as error:
        if before is None:
            path.unlink()
        else:
            path.write_bytes(before)
        raise BamlError(f"{error} (nothing is written)") from None
    try:
        for function in made.functions:
            take_apart(project.function(function))
    except BamlError as error:
        return error
    return None
