"""``phrasing render``: the exact prompt of a case, the difference of two, or their tokens. Asks nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phrasing.cli.common import at_revision, example, files_of, read, safe
from phrasing.errors import UserError

if TYPE_CHECKING:
    from phrasing.types import Prompt


@click.command("render", epilog=example("phrasing render three-operations-ask -f messages_text -f xml_yaml"))
@click.argument("case")
@click.option(
    "-f", "--format", "formats", multiple=True, required=True, metavar="FORMAT", help="Two of them show the difference."
)
@click.option(
    "-e", "--edit", "edits", multiple=True, metavar="EDIT", help="A context edit. Default: none. Two show the difference, too."
)
@click.option("-s", "--suite", "path", type=click.Path(path_type=Path), help="Default: the first of evals/ that holds the case.")
@click.option("--function", metavar="NAME", help="Default: the suite's first for this dataset.")
@click.option("-o", "--output", metavar="MODE", help="Output mode: prompted, native, tool … Default: the first that fits.")
@click.option("--tokens", is_flag=True, help="Show where tokens and segments begin; two formats side by side.")
@click.option("--tokenizer", default="o200k_base", show_default=True, metavar="NAME", help="Whose tokens --tokens shows.")
@at_revision
def render(
    case: str,
    formats: tuple[str, ...],
    edits: tuple[str, ...],
    path: Path | None,
    function: str | None,
    output: str | None,
    at: str | None,
    tokens: bool,
    tokenizer: str,
) -> None:
    """Print the exact prompt of CASE (an id, or dataset::id). Asks nothing."""
    from phrasing.cli.text import prompt_text
    from phrasing.plan.find_prompt import Wanted, find_prompts

    shown = _pairs(formats, edits)
    dataset, _, name = case.rpartition("::")
    with files_of([path] if path else [], at) as files:
        suites = map(files.suite, [path] if path else files.suites())
        prompts = find_prompts(suites, Wanted(dataset, name, shown, function, output))
    names = [_name(*pair) for pair in shown]
    if tokens:
        _show_tokens(names, prompts, tokenizer)
    elif len(prompts) == 1:
        read(prompt_text(prompts[0]))
    else:
        _show_difference(names, prompts)


def _pairs(formats: Sequence[str], edits: Sequence[str]) -> list[tuple[str, str]]:
    """Give what is shown, each a format and an edit: one or two."""
    from phrasing.types import NO_EDIT

    shown = [(format, edit) for format in formats for edit in edits or (NO_EDIT,)]
    if len(shown) > 2:
        many = f"{len(formats)} × {len(edits)}" if edits else f"{len(formats)}"
        raise UserError(f"--format: one or two can be shown, not {many}")
    return shown


def _name(format: str, edit: str) -> str:
    from phrasing.types import NO_EDIT

    return format if edit == NO_EDIT else f"{format} {edit}"


def _show_tokens(names: Sequence[str], prompts: Sequence[Prompt], tokenizer: str) -> None:
    """Show prompts token by token."""
    from phrasing.cli import terminal
    from phrasing.models.provider import open_tokenizers
    from phrasing.tokenizers.sections import sections

    with ExitStack() as stack:
        (counted,) = open_tokenizers([tokenizer], stack)
        read = [counted.tokenize(prompt) for prompt in prompts]
    notes = [f"{counted.name}: {counted.rule}"]
    if counted.tool_rule and any(one.spread for one in read):
        more = max(one.spread for one in read)
        notes.append(f"Tools ({counted.tool_rule.name}): {counted.tool_rule.says}: up to {more:,} tokens more than shown.")
    terminal.show(*terminal.side_by_side(names, list(map(sections, read))), *notes, exact=True)


def _show_difference(names: Sequence[str], prompts: Sequence[Prompt]) -> None:
    """Show two prompts as one text, with what differs marked."""
    from difflib import unified_diff

    from phrasing.cli.text import plain, prompt_text

    (one, other), (before, after) = names, [plain(prompt_text(prompt)) for prompt in prompts]
    if before == after:
        click.echo(f"{one} and {other} make the same prompt.")
    for line in unified_diff(before.splitlines(), after.splitlines(), one, other, lineterm="", n=1000):
        click.secho(safe(line), fg={"+": "green", "-": "red"}.get(line[:1]))
