"""Where runs are: a folder a run, and what the files in it are called."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from phrasing import files
from phrasing.errors import StoreError, shorten, unknown
from phrasing.files import is_file

RESULTS, PROMPTS, KEYS, RUN, ENDED = "results.jsonl", "prompts.jsonl", "keys.jsonl", "run.json", "ended.json"
PACKED = f"{RESULTS}.gz"

RECORDINGS = Path("reports", "reference")
"""Where a project keeps the recordings of its suites, a folder a suite."""

WORDS = LATEST, RECORDED = "latest", "recorded"
"""Words that stand for a run: the newest one, and the recording of a suite."""


def create(runs: Path, suite: str, now: datetime) -> Path:
    """Make a new run folder ``runs/<suite>/<UTC time>``."""
    stem = runs / suite / now.astimezone(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    for number in range(1, 1000):
        folder = stem if number == 1 else stem.with_name(f"{stem.name}-{number:03}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise StoreError(f"can't make a run folder: {error.strerror}", where=str(stem)) from None
        for above in (folder.parent, runs, runs.parent):
            files.sync_folder(above)
        return folder
    raise StoreError("can't make a run folder", where=str(stem))


def is_run(folder: Path) -> bool:
    """Whether a folder is one of a run. Raises ``StoreError`` where that can't be told."""
    return is_file(folder / RUN)


def _is_text(path: Path) -> bool:
    """Whether a path can be written into a report."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _named(name: str) -> str:
    return name if len(name) <= 300 else shorten(name)


def find(runs: Path, name: str, suite: str | None = None) -> Path:
    """Find a run by its folder or a word: ``latest`` is the newest one (of ``suite``), ``recorded`` the recording of ``suite``.

    ``runs`` is the folder of runs in a project. Raises ``StoreError`` with what there is.
    """
    if name == RECORDED:
        return _recording(runs.parent / RECORDINGS, suite)
    named = filter(_is_text, runs.glob(f"{suite or '**'}/*/{RUN}"))
    there = sorted(named, key=lambda file: (file.parent.name, file.parent.parent.name))
    if name == LATEST:
        if not there:
            raise StoreError(f"no run of {suite!r} yet" if suite else "no run yet", where=str(runs))
        return there[-1].parent
    folder = Path(name)
    if not _is_text(folder):
        raise StoreError("the name isn't UTF-8; rename the folder", where=ascii(_named(name)))
    if not is_run(folder):
        newest = ", ".join(str(file.parent) for file in there[-3:]) or "none"
        raise StoreError(f"no {RUN} in it; the newest runs: {newest} (or say latest)", where=_named(name))
    return folder


def _recording(recordings: Path, suite: str | None) -> Path:
    there = recorded(recordings)
    if suite is None:
        listed = ", ".join(there) or "none"
        raise StoreError(f"of which suite? name its folder; in {recordings} there are: {listed}", where=RECORDED)
    if suite not in there:
        raise StoreError(
            f"{unknown('recording', suite, there)} (phrasing run --update-recording makes one)", where=str(recordings)
        )
    return recordings / suite


def recorded(recordings: Path) -> list[str]:
    """Name the suites that have a recording."""
    return [file.parent.relative_to(recordings).as_posix() for file in sorted(recordings.rglob(RUN))]


def is_recording(folder: Path) -> bool:
    """Whether a run folder is a recording."""
    return is_file(folder / PACKED) and not os.path.lexists(folder / RESULTS)


def results_file(path: Path) -> Path:
    """Name the file of results in a run folder, or the file itself. Raises ``StoreError`` where there is none."""
    try:
        is_folder = path.is_dir()
    except OSError as error:
        raise StoreError(f"can't be read: {error.strerror}", where=_named(str(path))) from None
    if is_folder:
        path = path / (PACKED if is_recording(path) else RESULTS)
    if not is_file(path):
        raise StoreError("no such run folder or file of results", where=_named(str(path)))
    return path
