"""Log files as streams of JSON values, of any length: JSON Lines, values over many lines, one after the other, or in an array.

What can't be read is given too, as ``Broken``, at the smallest piece that can be told apart; the rules are those of datasets
(``dataset.parse``). Files may be gzipped, and a zip of JSON files is read file by file. Memory holds a few megabytes, or the
largest value, of which there may be ``LONGEST``.
"""

from __future__ import annotations

import codecs
import gzip
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from phrasing import dataset
from phrasing.errors import LogError, shorten

LONGEST = 32_000_000
"""Characters of one value: a longer one isn't read, because in memory a value takes about ten times its text."""

CHUNK = 2_000_000
"""Bytes that are read at a time."""

_NEXT = re.compile(r"[^ \t\r\n,\]]")  # what separates the elements of a list says nothing
_START = re.compile(r"^[\[{]", re.MULTILINE)
_PLAIN = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Entry:
    """A value, and the line at which it begins; ``member`` is its file in an archive."""

    line: int
    value: JsonValue
    member: str = ""


@dataclass(frozen=True, slots=True)
class Broken:
    """What can't be read, where it begins, and why."""

    line: int
    reason: str
    member: str = ""


def records(path: Path, *, longest: int = LONGEST, chunk: int = CHUNK) -> Iterator[Entry | Broken]:
    """Read a file. Raises ``LogError`` where it can't be opened, or holds nothing."""
    found = False
    try:
        with path.open("rb") as file:
            magic = file.read(2)
            file.seek(0)
            opened = partial(_Stream, longest=longest, chunk=chunk)
            for entry in _members(file, opened) if magic == b"PK" else opened(_unzipped(file, magic)).entries():
                found = True
                yield entry
    except OSError as error:
        raise LogError(f"can't be read: {error.strerror or error}", where=path.as_posix()) from error
    if not found:
        raise LogError("is empty; wanted JSON or JSON Lines", where=path.as_posix())


def _unzipped(file: BufferedIOBase, magic: bytes) -> BufferedIOBase:
    return gzip.GzipFile(fileobj=file) if magic == b"\x1f\x8b" else file


def _members(file: BufferedIOBase, opened: Callable[[Any], _Stream]) -> Iterator[Entry | Broken]:
    """Read the JSON files of a zip."""
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        yield Broken(1, f"is no zip archive that can be read: {error}")
        return
    for info in archive.infolist():
        if info.filename.endswith((".json", ".jsonl")):
            try:
                with archive.open(info) as member:
                    for one in opened(member).entries():
                        yield Entry(one.line, one.value, info.filename) if isinstance(one, Entry) else _in(one, info.filename)
            except (NotImplementedError, RuntimeError, zipfile.BadZipFile) as error:
                yield Broken(1, f"can't be unpacked: {shorten(str(error))}", info.filename)


def _in(broken: Broken, member: str) -> Broken:
    return Broken(broken.line, broken.reason, member)


class _Stream:
    """The text of a stream from a place on: ``_text[_at:]``, whose first line is ``_line``; more is read when it is needed."""

    def __init__(self, file: BufferedIOBase, *, longest: int, chunk: int) -> None:
        self._file, self._longest, self._chunk = file, longest, chunk
        # bytes that aren't UTF-8 become characters that can't be written again, and are found in the value that holds them
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text, self._at, self._line = "", 0, 1
        self._ended, self._broken_off = False, ""
        self._more()
        self._text = self._text.removeprefix("\ufeff")

    def entries(self) -> Iterator[Entry | Broken]:
        """Give all values; those of a list of records one by one."""
        while self._skip():
            if self._text[self._at] == "[" and self._holds_records():
                self._go(self._at + 1)
            else:
                yield self._value()
        if self._broken_off:
            yield Broken(self._line, self._broken_off)

    def _more(self) -> None:
        """Read on, as much as there is already."""
        self._text, self._at = self._text[self._at :], 0
        raw, wanted = b"", max(self._chunk, len(self._text))
        try:
            # piece by piece: where a compressed file breaks off, what was read before is to be had
            while len(raw) < wanted and (piece := self._file.read1(wanted - len(raw))):
                raw += piece
        except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
            self._broken_off = f"the compressed file breaks off: {shorten(str(error))}"
        self._ended = len(raw) < wanted
        self._text += self._decoder.decode(raw, final=self._ended)

    def _go(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    def _skip(self) -> bool:
        """Go to the next character of a value; tell whether there is one."""
        while (found := _NEXT.search(self._text, self._at)) is None:
            self._go(len(self._text))
            if self._ended:
                return False
            self._more()
        self._go(found.start())
        return True

    def _decode(self, decoder: json.JSONDecoder, offset: int = 0) -> tuple[Any, int]:
        """Read a value, reading on as long as it isn't whole; give it and where it ends. ``offset``: it begins so far on.

        Raises ``json.JSONDecodeError`` where it isn't JSON, and another ``ValueError`` where it breaks a rule or is too long.
        """
        while True:
            try:
                value, end = decoder.raw_decode(self._text, self._at + offset)
                # a number at the end of what was read may go on
                whole, wrong = end < len(self._text), None
            except json.JSONDecodeError as error:
                whole, wrong = not error.msg.startswith("Unterminated") and error.pos < len(self._text) - 10, error
            except RecursionError:
                raise ValueError(dataset.TOO_DEEP) from None
            if not whole and len(self._text) - self._at > self._longest:
                raise ValueError(f"longer than {self._longest:,} characters")
            if whole or self._ended:
                if wrong:
                    raise wrong
                return value, end
            self._more()

    def _holds_records(self) -> bool:
        """Tell whether the list here is one of records: its first element is an object, and no message, event or item of one."""
        offset = 1
        while (found := _NEXT.search(self._text, self._at + offset)) is None and not self._ended:
            self._more()
        if found is None or found[0] == "]":
            return False
        try:
            first, _ = self._decode(_PLAIN, found.start() - self._at)
        except ValueError:
            return True  # what is wrong with it is said when it is read
        return isinstance(first, list) or (isinstance(first, dict) and not {"role", "type"} & first.keys())

    def _value(self) -> Entry | Broken:
        """Read the value here, and go behind it."""
        line = self._line
        try:
            value, end = self._decode(dataset.DECODER)
        except json.JSONDecodeError as error:
            here = "\n" not in self._text[self._at : error.pos]
            self._resume(next_line=here)
            return Broken(line, f"not JSON: {error.msg}")
        except ValueError as error:
            try:
                self._go(self._decode(_PLAIN)[1])
            except ValueError:
                self._resume(next_line=True)
            return Broken(line, str(error))
        text = self._text[self._at : end]
        self._go(end)
        try:
            dataset.check_json(value, text)
            text.encode()
        except UnicodeEncodeError:
            return Broken(line, "holds bytes that aren't UTF-8")
        except ValueError as error:
            return Broken(line, str(error))
        return Entry(line, value)

    def _resume(self, *, next_line: bool) -> None:
        """Go on behind what can't be read: at the next line, or at the next one that begins as a value does."""
        if self._at > 10_000:
            # Whoever says what is wrong counts the lines before it, from the beginning: of a million mistakes, a million times.
            self._text, self._at = self._text[self._at :], 0
        while True:
            end = self._text.find("\n", self._at)
            if end >= 0 and next_line:
                self._go(end + 1)
                return
            found = _START.search(self._text, end + 1) if end >= 0 else None
            if found:
                self._go(found.start())
                return
            self._go(len(self._text) if end < 0 else self._text.rindex("\n"))
            if self._ended:
                self._go(len(self._text))
                return
            self._more()
