"""Texts that a regular expression matches, made from its source.

Characters, classes, groups, alternatives and repeats are understood, and what has no width is passed over. Other constructs, such
as references to groups, give no texts. Every text is tried before it is given.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

MOST = 32
"""How many texts are put together at most, for a pattern or a part of it: optional parts double them."""

LONGEST = 1000
"""No text of a part is longer, so that a pattern with large repeats costs no memory."""

_CLASSES = {"d": "5", "D": "x", "w": "x", "W": " ", "s": " ", "S": "x", "n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
_NO_WIDTH = "AZbB"
_OUTSIDE = "".join(map(chr, range(ord("!"), ord("~")))) + " "
_REPEAT = re.compile(r"([?*+]|\{(\d*)(,?)(\d*)\})[?+]?")
_GROUP = re.compile(r"\((?:\?(?:P<\w+>|[a-zA-Z]*(?:-[a-z]+)?:|(?P<around><?[=!])))?")
_FLAGS = re.compile(r"\(\?[a-zA-Z]+\)")


class _UnknownError(Exception):
    """The pattern holds a construct that isn't understood."""


def texts(pattern: str) -> list[str]:
    """Give some texts that ``re.search`` finds the pattern in, shortest choices first. None where it isn't understood."""
    reader = _Reader(pattern)
    try:
        made = reader.either()
    except (_UnknownError, RecursionError, re.error):
        return []
    whole = reader.at == len(pattern)
    return [text for text in dict.fromkeys(made) if re.search(pattern, text)] if whole else []


class _Reader:
    """Goes through a pattern once; each method gives the texts that stand for what it read."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at = pattern, 0

    def either(self) -> list[str]:
        """Read alternatives, up to the end of the group or the pattern."""
        found = self._row()
        while self._next("|"):
            found += self._row()
        return found[:MOST]

    def _row(self) -> list[str]:
        row = [""]
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            row = list(itertools.islice(map("".join, itertools.product(row, self._repeated(self._atom()))), MOST))
        return row

    def _repeated(self, atom: list[str]) -> list[str]:
        found = _REPEAT.match(self.pattern, self.at)
        if found is None:
            return atom
        sign, least, comma, most = found.groups()
        if least == most == "" and sign.startswith("{"):  # braces that are no repeat
            return atom
        self.at = found.end()
        low = int(least or 0) if least is not None else int(sign == "+")
        more = sign in "?*+" or (comma and (not most or int(most) > low))
        times = [low] if low or not more else [0, 1]
        if low * max(map(len, atom)) > LONGEST:
            raise _UnknownError
        return [text * n for n in times for text in atom]

    def _atom(self) -> list[str]:
        flags = _FLAGS.match(self.pattern, self.at)
        if flags:
            self.at = flags.end()
            return [""]
        if self.pattern[self.at] == "(":
            return self._group()
        char = self._take()
        if char in "^$":
            return [""]
        if char == "[":
            return [self._one_of()]
        if char == "\\":
            return [self._escaped()]
        return ["x"] if char == "." else [char]

    def _group(self) -> list[str]:
        opened = _GROUP.match(self.pattern, self.at)
        if opened is None or self.pattern.startswith("?", opened.end()):
            raise _UnknownError
        self.at = opened.end()
        inside = self.either()
        if not self._next(")"):
            raise _UnknownError
        return [""] if opened["around"] else inside

    def _escaped(self) -> str:
        char = self._take()
        if char in _NO_WIDTH:
            return ""
        if char in _CLASSES:
            return _CLASSES[char]
        if char.isalnum():
            raise _UnknownError
        return char

    def _one_of(self) -> str:
        """Read a set: a digit of it if it has any, else its first character."""
        start = self.at - 1
        self._next("^")
        self._next("]")
        while not self._next("]"):
            if self._take() == "\\":
                self._take()
        chosen = re.compile(self.pattern[start : self.at])
        inside = (char for char in self._inside(start) if chosen.fullmatch(char))
        return next(inside)

    def _inside(self, start: int) -> Iterator[str]:
        """Give what may be in a set, what is most likely meant first."""
        named = self.pattern[start + 1 : self.at - 1]
        yield from filter(str.isdecimal, named)
        yield "5"
        yield from named
        yield from _OUTSIDE
        raise _UnknownError

    def _take(self) -> str:
        if self.at == len(self.pattern):
            raise _UnknownError
        self.at += 1
        return self.pattern[self.at - 1]

    def _next(self, char: str) -> bool:
        """Step over a character, if it comes next."""
        found = self.pattern.startswith(char, self.at)
        self.at += found
        return found
