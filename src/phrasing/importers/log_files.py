"""Log files, whatever they are: JSON (``json_stream``), tables (``tables``), packed or in a zip (``packed``).

What can't be read is given too, as ``Broken``, at the smallest piece that can be told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Any

from phrasing.errors import LogError, shorten
from phrasing.importers import packed, tables
from phrasing.importers.json_stream import CHUNK, LONGEST_VALUE, Broken, LogEntry, encoding_of, read_json

_READ_IN_ZIP = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")

_FOREIGN = {b"ARROW1": "an Arrow file", b"SQLite": "an SQLite database"}

_UNREADABLE: tuple[type[Exception], ...] = (NotImplementedError, RuntimeError, ValueError, *packed.DAMAGE)

Entries = Iterator[LogEntry | Broken]


def read_records(path: Path, *, encoding: str | None = None, longest: int = LONGEST_VALUE, chunk: int = CHUNK) -> Entries:
    """Read a file; ``-`` is the standard input. Raises ``LogError`` where it can't be opened, or holds nothing.

    ``encoding`` is that of its text, unless its first bytes tell that. A list of JSON holds records, unless its first element is
    a message, an event or an item: then it is one record.
    """
    found = False
    read = partial(_entries, encoding=encoding, longest=longest, chunk=chunk)
    try:
        with packed.opened(path) as file:
            zipped = _first(file).startswith(b"PK\x03\x04")
            for one in _members(file, read) if zipped else read(file, path.name):
                found = True
                yield one
    except OSError as error:
        raise LogError(f"can't be read: {error.strerror or error}", where=path.as_posix()) from error
    if not found:
        raise LogError("is empty; wanted JSON, JSON Lines or a table", where=path.as_posix())


def _first(file: BufferedReader) -> bytes:
    """Look at a file's first bytes; none where it is damaged, which is said when it is read."""
    try:
        return file.peek(8)
    except packed.DAMAGE:
        return b""


def _entries(file: BufferedReader, name: str, *, encoding: str | None, longest: int, chunk: int) -> Entries:
    """Read a file that is unpacked."""
    first = _first(file)
    if packed.is_zstd(first):
        yield Broken(1, f"is packed with {packed.NEEDS_ZSTD}")
    elif first.startswith(tables.PARQUET):
        yield from tables.read_parquet(file)
    elif kind := next((kind for mark, kind in _FOREIGN.items() if first.startswith(mark)), None):
        yield Broken(1, f"is {kind}, which isn't read here: write it as JSON Lines")
    elif tables.is_csv(first, name, encoding or encoding_of(first)):
        yield from tables.read_csv(file, encoding or encoding_of(first), longest=longest)
    else:
        yield from read_json(file, encoding=encoding, longest=longest, chunk=chunk)


def _members(file: BufferedReader, read: Callable[[BufferedReader, str], Entries]) -> Entries:
    """Read the files of a zip; of one that has ``samples/``, as Inspect's logs do, only those."""
    try:
        archive = packed.archive(file)
    except _UNREADABLE as error:
        yield Broken(1, f"is no zip archive that can be read: {shorten(str(error))}")
        return
    infos = [info for info in archive.infolist() if info.filename.lower().endswith(_READ_IN_ZIP)]
    samples = [info for info in infos if info.filename.startswith("samples/")]
    if not infos:
        yield Broken(1, f"the archive holds no file that is read: {', '.join(_READ_IN_ZIP)}")
    for info in samples or infos:
        found = False
        try:
            packed.check_method(info)
            with archive.open(info) as member:
                inner: Any = member  # it offers what a buffered reader does
                for one in read(inner, info.filename):
                    found = True
                    yield replace(one, member=info.filename)
            if not found:
                yield Broken(1, "is empty", info.filename)
        except _UNREADABLE as error:
            yield Broken(1, f"can't be unpacked: {shorten(str(error))}", info.filename)
