"""The verbs, in the order in which they are met, and the group that loads the one that is used."""

from __future__ import annotations

import os
import sys
from copy import copy
from importlib import import_module
from typing import Any

import click

from phrasing.cli.common import MISTAKE
from phrasing.errors import UserError, unknown

VERBS = {
    "init": "Begin a project: your folders, ready to edit.",
    "import": "Make a dataset of logs.",
    "import-tools": "Make a BAML function of a list of tools.",
    "tools": "Print the steps of a BAML function as tools.",
    "check": "Verify suites and all they need; asks nothing.",
    "render": "Print the exact prompt of a case.",
    "verify": "Hold logged requests against what would be composed here.",
    "tokens": "Count what each part of the prompts costs.",
    "models": "List the models inside this environment, or add one.",
    "environments": "List what agents are run in, or add one that others wrote.",
    "run": "Ask the models of a suite; show the table.",
    "merge": "Put the shards of a run together.",
    "score": "Score a run's stored answers again.",
    "show": "List what went wrong in a run, or one trial in full.",
    "compare": "Compare variants with their baselines, or a run with another.",
    "report": "Write reports of runs, for people and for CI.",
    "view": "Open the report of runs in a browser.",
    "export": "Take a format or a dataset elsewhere.",
    "trust": "List what you have confirmed: keys and projects.",
}
"""Each verb with its line in the help. Nothing of a verb is imported for it."""


def module(verb: str) -> str:
    """Name the module of a verb, which holds its command under the same name."""
    return {"import": "import_logs"}.get(verb, verb.replace("-", "_"))


def _asking(verb: click.Command) -> click.Command:
    """Let a verb ask the user, at a terminal, for what isn't confirmed."""
    asking, callback = copy(verb), verb.callback
    if isinstance(asking, click.Group):
        asking.commands = {name: _asking(below) for name, below in asking.commands.items()}
        return asking

    def called(*arguments: Any, **given: Any) -> Any:
        from phrasing import trust  # not where only the help is printed

        with trust.asking(_ask if sys.stdin.isatty() and sys.stderr.isatty() else None):
            return callback(*arguments, **given) if callback else None

    asking.callback = called
    return asking


def _ask(question: str) -> bool:
    from phrasing.cli import text

    try:
        return click.confirm(text.visible(question), err=True)  # a project's words must not rewrite what is asked
    except click.Abort:  # no answer is no
        click.echo(err=True)
        return False


class _Verbs(click.Group):
    """Loads a verb when it is used. Prints a ``UserError`` as one line, without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        found = getattr(import_module(f"phrasing.cli.{module(cmd_name)}"), module(cmd_name))
        assert isinstance(found, click.Command)
        return _asking(found)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in VERBS and not args[0].startswith("-"):
            raise UserError(unknown("command", args[0], VERBS))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        if os.environ.get("NO_COLOR"):  # click doesn't ask for it
            ctx.color = False
        try:
            return super().invoke(ctx)
        except UserError as error:
            line = " ".join(str(error).splitlines())  # what a format or a provider said may have several
            click.echo(f"{click.style('error:', fg='red', bold=True)} {line}", err=True)
            ctx.exit(MISTAKE)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="phrasing", prog_name="phrasing")
def main() -> None:
    """Measure how the phrasing of an agent's context changes the next step a model picks, and what it costs.

    Start with `phrasing init`, then `phrasing run evals/quickstart.yaml`. Every command's --help ends with an example.
    """
