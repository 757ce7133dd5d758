"""``phrasing tools``: the steps of a BAML function as tools."""

from __future__ import annotations

import json
from pathlib import Path

import click

from phrasing.cli.common import example, print_file

SHAPES = ("openai", "anthropic", "mcp", "response_format")


@click.command("tools", epilog=example("phrasing tools DetermineNextStepCalculator --shape anthropic"))
@click.argument("function")
@click.option("--baml-src", "folder", type=click.Path(path_type=Path), default=Path("baml_src"), show_default=True, metavar="DIR")
@click.option("--shape", type=click.Choice(SHAPES), default=SHAPES[0], show_default=True, help="Whose tools they are to be.")
def tools(function: str, folder: Path, shape: str) -> None:
    """Print the steps of FUNCTION as JSON Schema tools, as they are sent under the output modes tool and native."""
    from phrasing.baml import project
    from phrasing.baml.tools import lists

    found = project.load_project(folder).function(function)
    shown = found.response_format if shape == "response_format" else lists.write_tools(found.tools, shape)
    print_file(f"{json.dumps(shown, indent=2, ensure_ascii=False)}\n")
