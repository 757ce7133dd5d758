"""Lines of JSON in a file that only grows: what is read of them, and what is damaged.

A line without its newline is what a killed process left. A damaged one is left out, with its number and the reason, and can be
set aside in a file beside.
"""

from __future__ import annotations

import gzip
import json
import math
import os
import zlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from phrasing.errors import StoreError, shorten
from phrasing.files import check_file, write_bytes
from phrasing.types import canonical_json


class Damaged(NamedTuple):
    """A line that is left out: of which file, its number (from 1), and why."""

    path: Path
    number: int
    why: str


class Line(NamedTuple):
    """A line of a file: its number (from 1), the offset of its first byte in the file's text, and its JSON or why it has none."""

    number: int
    offset: int
    value: Any | Damaged


def lines(path: Path, *, halves: bool = False) -> Iterator[Line]:
    """Read the whole lines of a file, ``.gz`` or not: the JSON of each, or why it has none.

    ``read_line`` says what is refused. Raises ``StoreError`` as ``written`` does.
    """
    for number, offset, line in written(path):
        yield Line(number, offset, value_of(path, number, line, halves=halves))


def value_of(path: Path, number: int, line: bytes, *, halves: bool = False) -> Any | Damaged:
    """Give the JSON of a line of a file, or why it has none."""
    try:
        return read_line(line, halves=halves)
    except ValueError as error:
        return Damaged(path, number, f"not JSON: {shorten(str(error))}")


def written(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Give the whole lines of a file, ``.gz`` or not, as they are written, each with its number and its offset.

    A line without its newline is what a killed process left, and is passed over. Raises ``StoreError`` for a file that can't be
    read at all.
    """
    check_file(path)
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            offset = 0
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                yield number, offset, line
                offset += len(line)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise StoreError(f"can't be unpacked: {error}", where=str(path)) from None
    except OSError as error:
        raise StoreError(f"can't be read: {error.strerror}", where=str(path)) from None


def read_line(line: bytes, *, halves: bool = False) -> Any:
    """Read the JSON of a line. Raises ``ValueError`` where it has none.

    Refused is what isn't JSON, and what readers of JSON don't agree on: a key that stands twice in an object, ``NaN``, a number
    too large for a float, half a surrogate pair (unless ``halves``: prompts hold them).
    """
    try:
        value = from_json(line, allow_inf_nan=False)
        if to_json(value) == line.rstrip(b"\n"):
            return value  # nothing of that sort is written for a value, so whatever is written just so holds nothing of it
    except ValueError:
        pass  # what is wrong, if anything is, Python's reader says better
    try:
        value = _STRICT.decode(line.decode("utf-8", "surrogatepass" if halves else "strict"))
        if not halves and b"\\u" in line:
            canonical_json(value).encode("utf-8")
    except RecursionError as error:
        raise ValueError(str(error)) from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
        raise ValueError(f"the key {twice!r} stands twice in an object")
    return value


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text} is too large a number")
    return value


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON's")


_STRICT = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_no_number)


def whole_length(path: Path) -> int:
    """Give the length of a file up to the end of its last whole line."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - 65536)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
    return 0


def left_out(damaged: Iterable[Damaged], *, most: int = 5) -> dict[Path, str]:
    """Say of each file which lines are left out and why: of the first ``most`` of them."""
    by_file: dict[Path, list[Damaged]] = {}
    for each in damaged:
        by_file.setdefault(each.path, []).append(each)
    said = {}
    for path, listed in by_file.items():
        named = [f"line {each.number} ({each.why})" for each in listed[:most]]
        more = [f"and {len(listed) - most} more"] if len(listed) > most else []
        what = f"{len(listed)} damaged lines are" if len(listed) > 1 else "1 damaged line is"
        said[path] = f"{path}: {what} left out: {', '.join([*named, *more])}"
    return said


def beside(path: Path) -> Path:
    """Name the file that keeps the damaged lines of a file."""
    return path.with_name(f"{path.name}.damaged")


def keep_beside(path: Path, numbers: Collection[int]) -> None:
    """Add these lines of a file to those that are kept beside it."""
    if numbers:
        kept = beside(path)
        before = [kept.read_bytes()] if kept.is_file() else []
        write_bytes(kept, [*before, *numbered(path, numbers)])


def numbered(path: Path, numbers: Collection[int], *, without: bool = False) -> Iterator[bytes]:
    """Give the whole lines of a file that have these numbers, or all the others, byte for byte."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.endswith(b"\n") and (number in numbers) != without:
                yield line
