"""``phrasing render``: the exact prompt of a case, the difference of two, or their tokens. Asks nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phrasing.cli.common import at_revision, example, files_of, read, safe
from phrasing.errors import UserError

if TYPE_CHECKING:
    from phrasing.plan.find_prompt import Shown
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
@click.option(
    "--function",
    "functions",
    multiple=True,
    metavar="NAME",
    help="NAME, NAME(terse), NAME(+20). Default: the suite's first for this dataset. Two show the difference, too.",
)
@click.option(
    "-o", "--output", metavar="MODE", help="Output mode: prompted, prompted(yaml), native … Default: the first that fits."
)
@click.option("--tokens", is_flag=True, help="Show where tokens and segments begin; two formats side by side.")
@click.option("--tokenizer", default="o200k_base", show_default=True, metavar="NAME", help="Whose tokens --tokens shows.")
@at_revision
def render(
    case: str,
    formats: tuple[str, ...],
    edits: tuple[str, ...],
    path: Path | None,
    functions: tuple[str, ...],
    output: str | None,
    at: str | None,
    tokens: bool,
    tokenizer: str,
) -> None:
    """Print the exact prompt of CASE (an id, or dataset::id). Asks nothing."""
    from phrasing.cli.text import prompt_text
    from phrasing.plan.find_prompt import Wanted, find_prompts

    shown = _shown(formats, edits, functions)
    dataset, _, name = case.rpartition("::")
    with files_of([path] if path else [], at) as files:
        suites = map(files.suite, [path] if path else files.suites())
        prompts = find_prompts(suites, Wanted(dataset, name, shown, output))
    names = [_name(one, shown) for one in shown]
    if tokens:
        _show_tokens(names, prompts, tokenizer)
    elif len(prompts) == 1:
        read(prompt_text(prompts[0]))
    else:
        _show_difference(names, prompts)


def _shown(formats: Sequence[str], edits: Sequence[str], functions: Sequence[str]) -> list[Shown]:
    """Give what is shown, each a format, an edit and a function: one or two."""
    from phrasing.plan.find_prompt import Shown
    from phrasing.types import NO_EDIT

    shown = [Shown(*one) for one in product(formats, edits or (NO_EDIT,), functions or (None,))]
    if len(shown) > 2:
        many = " × ".join(str(len(given)) for given in (formats, edits, functions) if given)
        raise UserError(f"--format: one or two can be shown, not {many}")
    return shown


def _name(one: Shown, shown: Sequence[Shown]) -> str:
    """Name what is shown by its format and edit, and by its function where they differ in that."""
    from phrasing.types import NO_EDIT

    edit = one.edit if one.edit != NO_EDIT else None
    function = one.function if len({other.function for other in shown}) > 1 else None
    return " ".join(filter(None, (one.format, edit, function)))


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
