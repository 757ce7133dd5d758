"""Write files whole or not at all, and where things are kept outside a project."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import platformdirs

from phrasing.errors import StoreError, shorten


def write_text(path: Path, lines: Iterable[str]) -> None:
    """Write a file of text beside its place and move it there. Raises ``StoreError`` where that can't be."""
    write_bytes(path, (line.encode("utf-8", "surrogatepass") for line in lines))


def write_bytes(path: Path, chunks: Iterable[bytes], *, mode: int = 0o644) -> None:
    """Write a file as ``write_text`` does, of bytes. ``mode`` says who may read it, where the system has that."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(chunks)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(mode)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StoreError(f"can't be written: {error.strerror}", where=str(path)) from None
    sync_folder(path.parent)


def sync(file: int) -> None:
    """Have what was written to an open file survive a power cut, as far as the system and the disk keep to their word."""
    getattr(os, "fdatasync", os.fsync)(file)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder survive a power cut. Where a folder can't be opened or synced (Windows), they aren't."""
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def is_file(path: Path) -> bool:
    """Whether there is a file. Raises ``StoreError`` where that can't be told."""
    try:
        return path.is_file()
    except OSError as error:  # no right to look, or too long a name
        raise StoreError(f"can't be read: {error.strerror}", where=shorten(str(path), 300)) from None


def check_file(path: Path) -> None:
    """Raise ``StoreError`` for what would be opened and is no file: a folder, a pipe, a link that leads nowhere."""
    if not is_file(path):
        raise StoreError("isn't a file", where=str(path))


def cache_dir() -> Path:
    """Give the folder for what can be made again: generated BAML types, assembled weights.

    ``PHRASING_CACHE_DIR`` moves it.
    """
    return Path(os.environ.get("PHRASING_CACHE_DIR") or platformdirs.user_cache_dir("phrasing", appauthor=False))


GIT = ("git", "-c", "core.fsmonitor=false", "-c", "safe.bareRepository=explicit")
"""How git is called in a folder that may be anybody's: it runs no watcher that a repository names, and takes no folder in a
repository for one of its own."""


def config_dir() -> Path:
    """Give the folder for what the user has confirmed. ``PHRASING_CONFIG_DIR`` moves it."""
    return Path(os.environ.get("PHRASING_CONFIG_DIR") or platformdirs.user_config_dir("phrasing", appauthor=False))


def shipped_dir() -> Path:
    """Give the folder that holds those which a user gets of us: ``formats``, ``evals`` and the others."""
    wheel = Path(__file__).parent / "project"
    # in a wheel they lie beside the package's own files; an editable install shares those of the repository
    return wheel if (wheel / "baml_src").is_dir() else wheel.parents[2]
