"""Log files as streams of JSON values, of any length: JSON Lines, values over many lines, one after the other, or in an array.

What can't be read is given too, as ``Broken``, at the smallest piece that can be told apart; the rules are those of datasets
(``dataset.parse``). Text is UTF-8, or UTF-16 or 32, which its first bytes tell, or as one says. Memory holds a few megabytes, or
the largest value, of which there may be ``LONGEST_VALUE``.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Any

from pydantic import JsonValue

from phrasing.errors import shorten
from phrasing.importers import damaged_json
from phrasing.importers.packed import DAMAGE
from phrasing.suite.dataset import TOO_DEEP

LONGEST_VALUE = 32_000_000
"""Characters of one value: a longer one isn't read, because in memory a value takes about ten times its text."""

CHUNK = 1_000_000
"""Bytes that are read at a time."""


@dataclass(frozen=True, slots=True)
class LogEntry:
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


def read_json(
    file: BufferedIOBase, *, encoding: str | None = None, longest: int = LONGEST_VALUE, chunk: int = CHUNK
) -> Iterator[LogEntry | Broken]:
    """Read a file. ``encoding`` is that of its text, unless its first bytes tell that.

    An array holds records, unless its first element is a message, an event or an item: then it is one record.
    """
    return _Stream(file, encoding=encoding, longest=longest, chunk=chunk).entries()


def encoding_of(first: bytes) -> str:
    """Tell from a file's first bytes how its text is encoded: as UTF-8, unless a mark or zeros beside a bracket say otherwise."""
    if first.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # JSON begins with two characters of ASCII, or a bracket alone
    zeros = "".join("0" if byte == 0 else "x" for byte in first[:4])
    return {"x000": "utf-32-le", "000x": "utf-32-be", "x0x0": "utf-16-le", "0x0x": "utf-16-be"}.get(zeros, "utf-8")


def _undecoded(error: UnicodeError) -> tuple[str, int]:
    """Put a character that can't be written again in the place of bytes that are none: the value that holds it is found by it."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udc80" * (error.end - error.start), error.end


UNDECODED = "phrasing-undecoded"
"""How bytes that are no text are decoded (``errors``)."""

codecs.register_error(UNDECODED, _undecoded)


class _Wrong(Exception):
    """There is no value here: ``at`` is the character at which it stops being JSON."""

    def __init__(self, reason: str, at: int) -> None:
        super().__init__(reason)
        self.at = at


class _TooLong(Exception):
    """The value here is longer than memory shall hold."""


class _Stream:
    """The text of a stream from a place on: ``_text[_at:]``, whose first line is ``_line``; more is read when it is needed."""

    def __init__(self, file: BufferedIOBase, *, encoding: str | None, longest: int, chunk: int) -> None:
        self._file, self._encoding, self._longest, self._chunk = file, encoding, longest, chunk
        self._decoder: codecs.IncrementalDecoder | None = None  # the first bytes tell which
        self._text, self._at, self._line = "", 0, 1
        self._ended, self._damage = False, ""
        self._more()
        self._text = self._text.removeprefix("\ufeff")

    def entries(self) -> Iterator[LogEntry | Broken]:
        """Give all values; those of a list of records one by one."""
        while first := self._next():
            yield from self._elements() if first == "[" and self._holds_records() else self._value()
        if self._damage:
            yield Broken(self._line, self._damage)

    # ------------------------------------------------------------------------------------------ text

    def _more(self) -> bool:
        """Read on, as much as there is already, and tell whether there was more. What is before the place goes."""
        if self._ended:
            return False
        self._text, self._at = self._text[self._at :], 0
        pieces, wanted = [], max(self._chunk, 4, min(len(self._text), self._longest - len(self._text)))
        try:
            # piece by piece: where a compressed file breaks off, what was read before is to be had
            while wanted > 0 and (piece := self._file.read1(wanted)):
                pieces.append(piece)
                wanted -= len(piece)
        except DAMAGE as error:
            self._damage = f"the file breaks off: {shorten(str(error))}"
        self._ended = wanted > 0
        read = b"".join(pieces)
        if self._decoder is None:
            self._decoder = codecs.getincrementaldecoder(self._encoding or encoding_of(read))(UNDECODED)
        self._text += self._decoder.decode(read, final=self._ended)
        return True

    def _go(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    def _here(self) -> str:
        """Give the character at the place; none at the end."""
        while self._at == len(self._text) and self._more():
            pass
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        """Go behind what says nothing, and give the character there; none at the end."""
        while self._here():
            self._go(damaged_json.behind_gap(self._text, self._at))
            if self._at < len(self._text):
                break
        return self._here()

    def _cut(self) -> None:
        """Drop what was read: whoever says what is wrong counts the lines before it, and there may be millions of mistakes."""
        if self._at > 10_000:
            self._text, self._at = self._text[self._at :], 0

    # ------------------------------------------------------------------------------------------ values

    def _decode(self, offset: int = 0) -> tuple[Any, int, str]:
        """Decode the value so far on, reading on as long as it isn't whole: the value, its end, and the rule it breaks.

        Raises ``_Wrong`` where it isn't JSON, ``_TooLong`` and ``RecursionError``.
        """
        while True:
            near = len(self._text) - 10  # a number or a word that ends here may go on
            try:
                found = damaged_json.decode(self._text, self._at + offset)
                if found[1] - self._at > self._longest:
                    raise _TooLong
                if found[1] < near or not self._more():
                    return found
            except json.JSONDecodeError as error:
                wrong = error.pos < near and not error.msg.startswith("Unterminated")
                if not wrong and len(self._text) - self._at > self._longest:
                    raise _TooLong from None
                if wrong or not self._more():
                    raise _Wrong(damaged_json.reason(error), error.pos) from None

    def _holds_records(self) -> bool:
        """Tell whether the list here is one of records."""
        while (first := damaged_json.behind_gap(self._text, self._at + 1)) == len(self._text) and self._more():
            pass
        try:
            return self._text[first : first + 1] != "]" and _is_record(self._decode(first - self._at)[0])
        except (_Wrong, _TooLong, RecursionError):
            return True  # what is wrong with it is said when it is read

    def _value(self) -> Iterator[LogEntry | Broken]:
        """Give the value here, and go behind it."""
        line = self._line
        try:
            value, end, rule = self._decode()
            if not damaged_json.may_follow(value, self._text[end : end + 1]):
                raise _Wrong(damaged_json.BEHIND, end)
        except _Wrong as error:
            yield Broken(line, str(error))
            yield from self._resume(error.at)
        except _TooLong:
            yield Broken(line, self._too_long() + self._skip())
        except RecursionError:
            yield Broken(line, TOO_DEEP)
            # on this line only: one that breaks off would take all that follow
            line_end = self._text.find("\n", self._at)
            end, _, closed = damaged_json.close(self._text[self._at : line_end if line_end >= 0 else None], 0, 0)
            if closed:
                self._go(self._at + end)
            else:
                yield from self._resume(self._at)
        else:
            self._go(end)
            yield Broken(line, rule) if rule else LogEntry(line, value)

    def _elements(self) -> Iterator[LogEntry | Broken]:
        """Give the records of the list here, and go behind it."""
        self._go(self._at + 1)
        while (first := self._next()) not in ("", "]"):
            line = self._line
            try:
                value, end, rule = self._decode()
            except _Wrong as error:
                reason = str(error)
                if damaged_json.breaks_off(self._text, error.at):
                    yield Broken(line, reason)
                    self._go(self._text.index("\n", error.at) + 1)
                    return
            except _TooLong:
                reason = self._too_long()
            except RecursionError:
                reason = TOO_DEEP
            else:
                self._go(end)
                yield Broken(line, rule) if rule else LogEntry(line, value)
                continue
            left = self._skip()
            yield Broken(line, reason + left)
            if left:
                return
        if first:
            self._go(self._at + 1)
        else:
            yield Broken(self._line, "the file ends inside a list")

    def _too_long(self) -> str:
        return f"longer than {self._longest:,} characters"

    # ------------------------------------------------------------------------------------------ behind what can't be read

    def _resume(self, wrong: int) -> Iterator[LogEntry | Broken]:
        """Go behind a value that stops being JSON at ``wrong``: to the next line, or the next that begins as a value does.

        Where many lines were taken for one value, those among them that begin as values do are given each for itself: the first
        may be a line that breaks off.
        """
        many = self._text.find("\n", self._at, wrong) >= 0
        self._next_line()
        if many:
            while 0 <= (end := self._text.find("\n", self._at)) < wrong:
                if self._text[self._at] in "{[":
                    yield self._alone(end)
                self._go(end + 1)
            while self._here() not in ("", "{", "["):
                self._next_line()
        self._cut()

    def _alone(self, end: int) -> LogEntry | Broken:
        """Read the line here, which ends so far on."""
        try:
            value, stop, rule = damaged_json.decode(self._text[self._at : end], 0)
        except json.JSONDecodeError as error:
            return Broken(self._line, damaged_json.reason(error))
        except RecursionError:
            return Broken(self._line, TOO_DEEP)
        if damaged_json.behind_gap(self._text, self._at + stop) < end:
            return Broken(self._line, damaged_json.BEHIND)
        return Broken(self._line, rule) if rule else LogEntry(self._line, value)

    def _next_line(self) -> None:
        while self._here():
            end = self._text.find("\n", self._at) + 1
            self._go(end or len(self._text))
            if end:
                return

    def _skip(self) -> str:
        """Go behind a value, whatever is wrong with it, without holding it. Say so where it takes all that is left."""
        depth, skipped, again = 0, 0, ""
        if self._text[self._at] not in '{["':
            self._go(self._at + 1)
            while self._here():
                self._go(damaged_json.behind_word(self._text, self._at))
                if self._at < len(self._text):
                    break
            self._cut()
            return ""
        while True:
            end, depth, closed = damaged_json.close(self._text, self._at, depth)
            if closed:
                self._go(end)
                self._cut()
                return ""
            skipped += len(self._text) - self._at - len(again)
            # A string that goes on behind the text begins anew there, behind half an escape if there is one.
            rest = self._text[end:]
            again = rest and '"' + "\\" * ((len(rest) - len(rest.rstrip("\\"))) % 2)
            self._go(len(self._text))
            if not self._more():
                return f"; it has no end, so the rest of the file isn't read: {skipped:,} characters"
            self._text = again + self._text


def _is_record(first: Any) -> bool:
    """Tell from the first element of a list whether its elements are records, or the list is one: of messages, events, items."""
    if not isinstance(first, dict):
        return isinstance(first, list)
    keys = first.keys()
    event = "type" in keys and ("data" in keys or keys <= {"type", "call"})
    return not ("role" in keys or "call_id" in keys or event)
