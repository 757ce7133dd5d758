"""``phrasing merge``: one run of all its shards."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from phrasing.cli.common import conclude, example, run_of


@click.command("merge", epilog=example("phrasing merge shards/*"))
@click.argument("names", metavar="RUN...", nargs=-1, required=True)
def merge(names: tuple[str, ...]) -> None:
    """Make one run of all its shards (folders of `run --shard`), in runs/, and show the table. Exit codes are those of `run`."""
    from phrasing import api

    done = api.merge([run_of(name) for name in names], runs=Path("runs"))
    sys.exit(conclude(done, "resume the shards they are in, then merge anew"))
