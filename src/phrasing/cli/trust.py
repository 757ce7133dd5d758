"""``phrasing trust``, ``phrasing trust add`` and ``phrasing trust remove``: what the user has confirmed, of keys and projects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from phrasing.cli.common import example, safe
from phrasing.errors import UserError

if TYPE_CHECKING:
    from phrasing.trust import Confirmed

EXAMPLE = example("phrasing trust add . MY_KEY=https://llm.example.com")
WHAT = click.argument("what", nargs=-1, required=True, metavar="DIR|KEY=PLACE...")


@click.group("trust", invoke_without_command=True, epilog=EXAMPLE)
@click.pass_context
def trust(context: click.Context) -> None:
    """List what you have confirmed: which key may be sent where, and the projects whose Python may run.

    It is kept in your own configuration, outside all projects.
    """
    if context.invoked_subcommand is None:
        from phrasing.trust import confirmed

        _show(confirmed())


@trust.command("add", short_help="Confirm a key's place, or a project.", epilog=EXAMPLE)
@WHAT
def add(what: tuple[str, ...]) -> None:
    """Confirm that the Python of the project in DIR may run, or that the key in the variable KEY may be sent to PLACE.

    A place is scheme, host and port, such as https://llm.example.com:8443, or a provider, such as openai.
    """
    from phrasing.trust import add

    keys, folders = _read(what)
    for folder in folders:
        if not folder.is_dir():
            raise UserError("no such folder", where=str(folder))
    _show(add(keys=keys, folders=folders))


@trust.command("remove", short_help="Take that back.", epilog=example("phrasing trust remove ."))
@WHAT
def remove(what: tuple[str, ...]) -> None:
    """Take back what was confirmed: of the project in DIR, or of the key in the variable KEY and PLACE."""
    from phrasing.trust import confirmed, remove

    keys, folders = _read(what)
    before = confirmed()
    after = remove(keys=keys, folders=folders)
    if before == after:
        raise UserError(f"nothing of that was confirmed: {' '.join(what)}")
    _show(after)


def _read(what: tuple[str, ...]) -> tuple[list[str], list[Path]]:
    """Tell pairs of key and place from folders. Raises ``UserError`` for a pair that could confirm nothing."""
    from phrasing.models.keys import pair

    pairs = [pair(each) for each in what if "=" in each]
    return pairs, [Path(each) for each in what if "=" not in each]


def _show(kept: Confirmed) -> None:
    for title, listed in (("keys", kept.keys), ("projects", kept.folders)):
        click.secho(title, bold=True)
        click.echo(safe("\n".join(f"  {each}" for each in listed) or "  none"))
