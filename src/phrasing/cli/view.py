"""``phrasing view``: the report of runs in a browser."""

from __future__ import annotations

import click

from phrasing.cli.common import example, run_of, write_file
from phrasing.cli.report import page


@click.command("view", epilog=example("phrasing view latest"))
@click.argument("names", metavar="RUN...", nargs=-1, required=True)
@click.option("--no-open", is_flag=True, help="Only write it, and say where.")
def view(names: tuple[str, ...], no_open: bool) -> None:
    """Write the page of each RUN (a folder, or latest) into one file beside the first, and open it.

    A recording is left as it is: its page lies in the cache.
    """
    from phrasing.files import cache_dir
    from phrasing.runs import run_folders

    runs = [run_of(name) for name in names]
    first = runs[0].folder
    folder = cache_dir() / "reports" / runs[0].record.suite if run_folders.is_recording(first) else first
    path = folder / "report.html"
    write_file(path, page([(run, run.report()) for run in runs]), said="", folders=True)
    if not no_open:
        click.launch(path.absolute().as_uri())
