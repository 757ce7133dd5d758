"""Tables as logs: CSV, also with semicolons or tabs, and Parquet. Each row is a record, by the names of its columns.

Exports write messages, requests and responses as JSON in a cell; some write each cell as JSON, also a text, and libraries of
Python write what Python prints. Such cells are read. A cell that says nothing, such as ``null``, is left out. A cell of what was
asked or answered that begins as JSON and can't be read makes its row ``Broken``: taken as a text it would be a wrong thread.

CSV is read by line, Parquet by a few rows: memory holds a few megabytes, or the largest row, of which there may be ``longest``.
"""

from __future__ import annotations

import ast
import csv
import io
import json
import math
import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from io import BufferedReader
from typing import Any

from phrasing.errors import shorten
from phrasing.importers import damaged_json, packed
from phrasing.importers.json_stream import UNDECODED, Broken, LogEntry
from phrasing.suite import dataset

PARQUET = b"PAR1"
"""What a Parquet file begins with."""

CONTENT = frozenset(
    (
        *("messages", "conversation", "conversations", "traj", "history", "events", "thread", "spans", "chosen", "rejected"),
        *("input", "inputs", "prompt", "request", "request_body", "full_request", "input_messages", "proxy_server_request"),
        *("output", "outputs", "completion", "response", "response_body", "full_response", "output_messages", "choices", "body"),
        *("question", "answer"),
    )
)
"""Columns of what was asked and answered. A number there is a text."""

CUT_CELL = 32_767
"""Characters that a spreadsheet keeps of a cell (Excel's specifications and limits)."""

_NOTHING = frozenset(("", "null", "NULL", "None", "nan", "NaN", "\\N"))
_DELIMITERS = ",;\t|"
_LIKE_JSON = re.compile(r"\{\s*(?:[\"'}]|$)|\[\s*(?:[\"'{\[\]]|$)")
_NOT_JSON = "begins as JSON and is none"
_LONGEST_PRINTED = 1_000_000  # what Python parses takes a hundred times the memory of its text
_ROWS_AT_ONCE = 4_000_000
"""Bytes of rows of a Parquet file that are read at once."""

_BUFFER = 1 << 20
"""Bytes of a column that are read ahead; without such a buffer a whole column of a group of rows is."""


class _Unread(ValueError):
    """A cell that can't be read."""


def is_csv(first: bytes, name: str, encoding: str) -> bool:
    """Tell whether a file is CSV: by its name, or because its first line names such columns. JSON begins with a bracket."""
    text = first.decode(encoding, "replace").removeprefix("\ufeff").lstrip()
    if text[:1] in ("{", "["):
        return False
    if re.search(r"\.(?:csv|tsv)(?:\.\w+)?$", name, re.IGNORECASE):
        return True
    line, *more = re.split(r"[\r\n]", text, maxsplit=1)
    _, names = _split(line)
    return bool(more) and len(names) > 1 and any(map(_is_content, names))


def _split(line: str) -> tuple[str, list[str]]:
    """Split the line of names, by the sign that makes the most of it: the sign, and the names."""
    return max(((sign, _names(line, sign)) for sign in _DELIMITERS), key=lambda found: len(found[1]))


def _names(line: str, sign: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([line], delimiter=sign), [])]
    except csv.Error:
        return []


def _is_content(name: str) -> bool:
    return name.strip().lower().rpartition(".")[2] in CONTENT


# ---------------------------------------------------------------------------------------------- CSV


def read_csv(file: BufferedReader, encoding: str, *, longest: int) -> Iterator[LogEntry | Broken]:
    """Read the rows, each with the line at which it begins."""
    text = io.TextIOWrapper(file, encoding, UNDECODED, newline="")
    lines = _Lines(text, longest)
    csv.field_size_limit(longest)
    try:
        yield from _rows(lines)
    except _Unread as error:
        yield Broken(lines.number, str(error))
    except packed.DAMAGE as error:
        yield Broken(lines.number + 1, f"the file breaks off: {shorten(str(error))}")
    finally:
        text.detach()


class _Lines:
    """The lines of a text, none longer than ``longest``; ``number`` is that of the last one."""

    def __init__(self, text: io.TextIOWrapper, longest: int) -> None:
        self._text, self._longest, self.number = text, longest, 0
        self.too_long = f"longer than {longest:,} characters: the rest of the file isn't read"

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(self._longest + 1):
            self.number += 1
            if len(line) > self._longest:
                raise _Unread(self.too_long)
            yield line.removeprefix("\ufeff") if self.number == 1 else line


def _rows(lines: _Lines) -> Iterator[LogEntry | Broken]:
    source = iter(lines)
    header = next((line for line in source if line.strip()), "")
    if not header:
        return
    sign, names = _split(header.rstrip("\r\n"))
    if problem := _unnamed(names):
        yield Broken(lines.number, problem)
        return
    reader = csv.reader(source, delimiter=sign, strict=True)
    while True:
        line = lines.number + 1
        try:
            cells = next(reader, None)
            if cells is None:
                return
            if cells:
                yield _row(line, names, cells)
        except csv.Error as error:
            if "field limit" in str(error):
                raise _Unread(lines.too_long) from None
            yield Broken(line, _malformed(error, lines.number - line))


def _unnamed(names: Sequence[str]) -> str | None:
    """Say why the first line names no columns."""
    given = [name for name in names if name]
    if not given or any(_LIKE_JSON.match(name) for name in given):
        return "the first line of a table has to name its columns"
    twice = next((name for name in given if given.count(name) > 1), None)
    return f"two columns are called {twice!r}" if twice else None


def _malformed(error: csv.Error, more: int) -> str:
    if "unexpected end" in str(error):
        return f"a quotation mark that isn't closed takes all that follows: {more:,} lines"
    return f"not CSV: {error}"


def _row(line: int, names: Sequence[str], cells: Sequence[str]) -> LogEntry | Broken:
    if len(cells) != len(names):
        return Broken(line, "has another number of cells than the first line")
    try:
        read = {name: _cell(text, name) for name, text in zip(names, cells, strict=True) if name}
    except _Unread as error:
        return Broken(line, str(error))
    return LogEntry(line, {name: value for name, value in read.items() if value is not None})


def _cell(text: str, name: str) -> Any:
    """Read a cell; ``None`` where it says nothing. Raises ``_Unread``."""
    if text.strip() in _NOTHING:
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _Unread(damaged_json.NOT_UTF8) from None
    content = _is_content(name)
    if content and len(text) == CUT_CELL:
        raise _Unread(f"a cell of {CUT_CELL:,} characters, of which a spreadsheet cut the rest")
    if text.lstrip()[:1] in ("{", "[", '"'):
        return _written(text, name, content=content)
    if content:
        return text
    try:
        value = dataset.parse(text)
    except ValueError:
        return text
    return value if json.dumps(value) == text else text


def _written(text: str, name: str, *, content: bool) -> Any:
    """Read JSON in a cell, or what Python printed; another text stays one, unless it was to be JSON. ``None`` says nothing."""
    whole = text.strip()
    try:
        value, end, broken = damaged_json.decode(whole, 0)
    except (json.JSONDecodeError, RecursionError):
        value, end, broken = _printed(whole), len(whole), _NOT_JSON
        broken = "" if value is not None else broken
    if not broken and end == len(whole):
        return None if value == "" else value
    if content and _LIKE_JSON.match(whole):
        raise _Unread(f"column {name!r}: {broken or _NOT_JSON}")
    return text


def _printed(text: str) -> Any:
    """Read a list or an object as Python prints it; ``None`` where it is none."""
    if not _LIKE_JSON.match(text) or len(text) > _LONGEST_PRINTED:
        return None
    try:
        return dataset.parse(json.dumps(ast.literal_eval(text), allow_nan=False))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


# ---------------------------------------------------------------------------------------------- Parquet


def read_parquet(file: BufferedReader) -> Iterator[LogEntry | Broken]:
    """Read the rows, each with its number."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        yield Broken(1, "is Parquet, which takes a package: pip install 'phrasing[parquet]'")
        return
    number = 0
    try:
        table = parquet.ParquetFile(pa.PythonFile(file, mode="r"), pre_buffer=False, buffer_size=_BUFFER)
        for batch in table.iter_batches(batch_size=_rows_at_once(table.metadata), use_threads=False):  # threads read ahead
            for row in _rows_in(batch):
                number += 1
                yield Broken(number, row) if isinstance(row, str) else _typed_row(number, row)
    except (pa.ArrowException, ValueError, *packed.DAMAGE) as error:
        yield Broken(number + 1, f"can't be read as Parquet: {shorten(str(error))}")


def _rows_in(batch: Any) -> Iterator[dict[str, Any] | str]:
    """Give the rows of a batch, or why one can't be had in Python."""
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        yield from _rows_in_halves(batch, damaged_json.NOT_UTF8)
    except (ValueError, OverflowError):
        yield from _rows_in_halves(batch, "holds a value that Python has none for, such as a date after 9999")


def _rows_in_halves(batch: Any, reason: str) -> Iterator[dict[str, Any] | str]:
    if batch.num_rows < 2:
        yield reason
        return
    half = batch.num_rows // 2
    yield from _rows_in(batch.slice(0, half))
    yield from _rows_in(batch.slice(half))


def _rows_at_once(metadata: Any) -> int:
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    largest = max((group.total_byte_size / max(group.num_rows, 1) for group in groups), default=1)
    return max(1, min(1_000, int(_ROWS_AT_ONCE / max(largest, 1))))


def _typed_row(number: int, row: dict[str, Any]) -> LogEntry | Broken:
    try:
        read = {name: _typed(value, name) for name, value in row.items()}
        kept = {name: value for name, value in read.items() if value is not None}
        dataset.check_json(kept, json.dumps(kept))
    except ValueError as error:
        return Broken(number, str(error))
    return LogEntry(number, kept)


def _typed(value: Any, name: str) -> Any:
    """Read a column's value: JSON in a text as in CSV, but a number as text stays one."""
    if isinstance(value, bytes):
        value = _text(value)
    if isinstance(value, str):
        return _written(value, name, content=_is_content(name)) if value.lstrip()[:1] in ("{", "[") else value or None
    return _plain(value)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise _Unread(damaged_json.NOT_UTF8) from None


def _plain(value: Any) -> Any:
    """Write a value as JSON has it. A field that is null counts as one that isn't there: the file can't tell them apart."""
    match value:
        case dict():
            return {key: inner for key, one in value.items() if (inner := _plain(one)) is not None}
        case [(_, _), *_] if all(isinstance(one, tuple) for one in value):  # a map
            return {str(key): inner for key, one in value if (inner := _plain(one)) is not None}
        case list():
            return [_plain(one) for one in value]
        case bytes():
            return _text(value)
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case _:
            return value
