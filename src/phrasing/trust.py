"""What the user has confirmed: which key may go where, and the code of which projects may run.

Both come with a project, which may be anybody's; the keys and the machine are the user's. So neither is a project's to decide:
what is confirmed is kept in the user's own configuration, and a terminal is where it is asked for.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from filelock import FileLock
from pydantic import ValidationError

from phrasing.errors import StoreError, UserError
from phrasing.files import config_dir, shipped_dir, write_bytes
from phrasing.types import Record

RUN_ALL = "PHRASING_TRUST"
"""The variable that lets the code of every project run where it is ``1``. What else may say that a machine tests, as ``CI`` does,
counts for nothing: there too, what is tested may be anybody's."""

_FILE = "trust.json"


class Confirmed(Record):
    """What is kept. ``keys`` are pairs ``VARIABLE=place``, ``folders`` the whole paths of projects."""

    keys: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


def confirmed() -> Confirmed:
    """Read what the user has confirmed. Raises ``StoreError`` where that can't be read, or others may write it."""
    path = config_dir() / _FILE
    try:
        if os.name == "posix" and path.stat().st_mode & 0o022:
            raise StoreError(f"others may write it, so it confirms nothing; mend that: chmod 600 {path}", where=str(path))
        return Confirmed.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Confirmed()
    except OSError as error:
        raise StoreError(f"can't be read: {error.strerror}", where=str(path)) from None
    except ValidationError:
        raise StoreError("isn't what phrasing wrote; mend it, or remove it and confirm anew", where=str(path)) from None


def add(*, keys: Sequence[str] = (), folders: Sequence[Path] = ()) -> Confirmed:
    """Keep that these are confirmed; give all that is."""
    return _change(lambda kept: _with(kept, keys, [_whole(folder) for folder in folders]))


def remove(*, keys: Sequence[str] = (), folders: Sequence[Path] = ()) -> Confirmed:
    """Keep that these are confirmed no longer; give all that still is."""
    gone = {*keys, *(_whole(folder) for folder in folders)}
    return _change(
        lambda kept: Confirmed(
            keys=tuple(each for each in kept.keys if each not in gone),
            folders=tuple(each for each in kept.folders if each not in gone),
        )
    )


def _with(kept: Confirmed, keys: Sequence[str], folders: Sequence[str]) -> Confirmed:
    return Confirmed(keys=tuple(sorted({*kept.keys, *keys})), folders=tuple(sorted({*kept.folders, *folders})))


def _change(how: Callable[[Confirmed], Confirmed]) -> Confirmed:
    path = config_dir() / _FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(path.with_suffix(".lock"), mode=0o600):
            before = confirmed()
            after = how(before)
            if after != before:
                write_bytes(path, [after.model_dump_json(indent=2).encode() + b"\n"], mode=0o600)
    except OSError as error:
        raise StoreError(f"can't be written: {error.strerror}", where=str(path)) from None
    return after


# ---------------------------------------------------------------------------------------------- asking

Ask = Callable[[str], bool]
"""Shows a question and says whether the user said yes."""

_ask: Ask | None = None


@contextmanager
def asking(ask: Ask | None) -> Iterator[None]:
    """Let what isn't confirmed be asked for until the end of the block; ``None``: there is nobody to ask."""
    global _ask
    before, _ask = _ask, ask and cache(ask)  # what was refused isn't asked again
    try:
        yield
    finally:
        _ask = before


def key_may_go(pair: str, question: str) -> bool:
    """Whether a pair of key and place is confirmed; if not, and there is somebody to ask, ask and keep a yes."""
    if pair in confirmed().keys:
        return True
    if _ask is None or not _ask(question):
        return False
    add(keys=[pair])
    return True


# ---------------------------------------------------------------------------------------------- code

_running: set[str] = set()
"""Projects whose code may run in this process, whatever is kept."""

_copies: dict[str, str] = {}
"""Folders that hold a project as it was, with that project."""


def run_code_of(project: Path) -> None:
    """Let the code of a project run in this process."""
    _running.add(_whole(project))


@contextmanager
def copy_of(project: Path, folder: Path) -> Iterator[None]:
    """Hold a folder, until the end of the block, for the project of which it is a copy."""
    copy = _whole(folder)
    _copies[copy] = _whole(project)
    try:
        yield
    finally:
        del _copies[copy]


def ships(source: bytes) -> bool:
    """Whether a file of Python is one that comes with this package, to the byte."""
    return hashlib.sha256(source).hexdigest() in _shipped()


_CODE = ("controls", "environments", "evals", "formats", "notations")
"""The folders whose Python runs."""


@cache
def _shipped() -> frozenset[str]:
    found = (path for folder in _CODE for path in (shipped_dir() / folder).rglob("*.py"))
    return frozenset(hashlib.sha256(path.read_bytes()).hexdigest() for path in found)


def code_may_run(project: Path) -> bool:
    """Whether the code of a project may run, without asking."""
    folder = _folder(project)
    return os.environ.get(RUN_ALL) == "1" or folder in _running or folder in confirmed().folders


def check_code(files: Sequence[Path], project: Path) -> None:
    """Raise ``UserError`` where the code of a project may not run: these files of it, none of which ships with the package.

    Ask first, if there is somebody to ask. A project is trusted as a folder: not as its files are now, for its author changes
    them all the time, and not for the folders in it that are projects themselves.
    """
    if not files or code_may_run(project):
        return
    folder = _folder(project)
    listed = "\n".join(f"  {file}" for file in files)
    if _ask and _ask(f"This Python would run with your rights:\n{listed}\nRead it first. Trust the project {folder}?"):
        add(folders=[Path(folder)])
        return
    named = ", ".join(map(str, files))
    raise UserError(
        f"{named} would run with your rights, and this project isn't trusted; read what it does, then: "
        f"phrasing trust add {shlex.quote(folder)} (or set {RUN_ALL}=1)"
    )


def _folder(project: Path) -> str:
    whole = _whole(project)
    return _copies.get(whole, whole)


def _whole(folder: Path) -> str:
    """Give the one path of a folder, whatever links lead to it."""
    return os.path.normcase(os.path.realpath(folder))
