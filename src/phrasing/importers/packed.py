"""Files that are packed: gzip, bzip2, xz and zstd, which their first bytes tell, and zip archives of several files.

zstd comes with Python 3.14; before that, the package ``backports.zstd`` reads it (``phrasing[zstd]``).
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from io import BufferedReader
from pathlib import Path
from types import ModuleType
from typing import Any

NEEDS_ZSTD = "zstd, which Python reads from 3.14 on; before: pip install 'phrasing[zstd]'"

_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_IN_ZIP = 93
"""The method of zips that Inspect has used since early 2026."""


@cache
def _zstd(*, zips: bool = False) -> ModuleType | None:
    """Find what reads zstd, or ``zips`` packed with it: Python itself, or what was taken from it for older ones."""
    own, taken = ("zipfile", "backports.zstd.zipfile") if zips else ("compression.zstd", "backports.zstd")
    try:
        return importlib.import_module(own if sys.version_info >= (3, 14) else taken)
    except ImportError:
        return None


def _damage() -> tuple[type[Exception], ...]:
    packer = _zstd()
    more = () if packer is None else (packer.ZstdError,)
    return OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, *more


DAMAGE = _damage()
"""What reading a damaged file raises."""

_UNPACK: Mapping[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
    _ZSTD: lambda file: packer.ZstdFile(file) if (packer := _zstd()) is not None else file,
}


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """Open a file, also a packed one; ``-`` is the standard input. What can't be unpacked here is given as it is."""
    stdin = path == Path("-")
    with open(sys.stdin.fileno() if stdin else path, "rb", closefd=not stdin) as file:
        first = file.peek(8)
        unpack = next((unpack for mark, unpack in _UNPACK.items() if first.startswith(mark)), None)
        # no further buffer around it: where a packed file breaks off, that would lose what was read before
        yield unpack(file) if unpack else file


def is_zstd(first: bytes) -> bool:
    """Tell whether a file that begins so is packed with zstd."""
    return first.startswith(_ZSTD)


def archive(file: BufferedReader) -> zipfile.ZipFile:
    """Open a zip, with what reads most ways of packing. Raises ``DAMAGE``, ``ValueError`` and ``NotImplementedError``."""
    found = zipfile.ZipFile(file)
    packer = _zstd(zips=True) if any(info.compress_type == _ZSTD_IN_ZIP for info in found.infolist()) else None
    opened: zipfile.ZipFile = packer.ZipFile(file) if packer is not None else found
    return opened


def check_method(info: zipfile.ZipInfo) -> None:
    """Raise ``NotImplementedError`` where a member of a zip is packed in a way that isn't read here."""
    if info.compress_type == _ZSTD_IN_ZIP and _zstd(zips=True) is None:
        raise NotImplementedError(NEEDS_ZSTD)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, _ZSTD_IN_ZIP):
        raise NotImplementedError(f"wanted deflate or zstd, got method {info.compress_type}")
