"""Write files whole or not at all, and where things are kept outside a project."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import platformdirs

from phrasing.errors import StoreError


def write_text(path: Path, lines: Iterable[str]) -> None:
    """Write a file of text beside its place and move it there. Raises ``StoreError`` where that can't be."""
    write_bytes(path, (line.encode("utf-8", "surrogatepass") for line in lines))


def write_bytes(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file as ``write_text`` does, of bytes."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(chunks)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink()
            raise
    except OSError as error:
        raise StoreError(f"can't be written: {error.strerror}", where=str(path)) from None


def cache_dir() -> Path:
    """Give the folder for what can be made again: generated BAML types, assembled weights.

    ``PHRASING_CACHE_DIR`` moves it.
    """
    return Path(os.environ.get("PHRASING_CACHE_DIR") or platformdirs.user_cache_dir("phrasing", appauthor=False))
