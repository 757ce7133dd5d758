"""Take keys out of what comes back from models, before anybody reads or keeps it.

A server that was sent a key may repeat it: in an answer, in the arguments of a call, in an error. What is kept of a run is passed
on, so no key may be in it, and a replay has to score what the live run did. A server that means harm can write a key in a way
that no list foresees; it has the key already.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

BLANK = "***"

SHORTEST = 8
"""Characters of the shortest key that is blanked: in answers, a shorter one may be a word."""


class Blanks:
    """Finds the values of keys: as they are, escaped as in JSON or in an address, and in base64."""

    def __init__(self, values: Sequence[str]) -> None:
        self.values = values
        self._written = [re.compile("".join(map(_character, value))) for value in values]
        self._encoded = [text for value in values for text in _base64(value)]

    def text(self, text: str) -> str:
        """Blank the keys in a text."""
        for pattern in self._written:
            text = pattern.sub(BLANK, text)
        for encoded in self._encoded:
            text = text.replace(encoded, BLANK)
        return text

    def said(self, text: str) -> str:
        """Blank the keys in a message, which may have been cut: what begins or ends like one is blanked too."""
        text = self.text(text)
        for value in self.values:
            for part in (value[:SHORTEST], value[-SHORTEST:]):
                while (at := text.find(part)) >= 0:
                    start, end = _grown(text, at, at + SHORTEST, value)
                    text = text[:start] + BLANK + text[end:]
        return text

    def value(self, value: Any) -> Any:
        """Blank the keys in a text, or in all texts of a record. What holds none is given back itself."""
        match value:
            case str():
                return self.text(value)
            case BaseModel():
                fields = {name: (old, self.value(old)) for name, old in value}
                update = {name: new for name, (old, new) in fields.items() if new is not old}
                return value.model_copy(update=update) if update else value
            case tuple():
                items = tuple(map(self.value, value))
                return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
        return value

    def within(self, value: Any) -> bool:
        """Whether a value of JSON holds a key somewhere."""
        match value:
            case str():
                return self.text(value) != value
            case Mapping():
                return any(self.within(each) for item in value.items() for each in item)
            case list() | tuple():
                return any(map(self.within, value))
        return False


@lru_cache(maxsize=64)
def blanks(values: tuple[str, ...]) -> Blanks:
    """Make what blanks these keys; those that are too short are left out."""
    return Blanks(sorted({value for value in values if len(value) >= SHORTEST}, key=len, reverse=True))


def _character(character: str) -> str:
    """Match a character as it is, as JSON may escape it (however often that is done), and as an address does."""
    units = character.encode("utf-16-be", "surrogatepass").hex()
    escaped = "".join(rf"\\\\*u(?i:{units[at : at + 4]})" for at in range(0, len(units), 4))
    percent = "".join(f"%(?i:{byte:02x})" for byte in character.encode("utf-8", "surrogatepass"))
    plain = re.escape(character)
    # the longer one first, or half of an escaped sign would be left
    return rf"(?:\\\\*{plain}|{plain}|{escaped}|{percent})" if character in '"\\/' else rf"(?:{plain}|{escaped}|{percent})"


def _base64(value: str) -> Iterator[str]:
    """Give what base64 makes of a key wherever it stands in what is encoded, in both alphabets."""
    raw = value.encode("utf-8", "surrogatepass")
    for before in range(3):
        # the first characters also depend on what stands before it, the last on what stands behind
        first, last = (0, 2, 3)[before], (before + len(raw)) * 8 // 6
        text = base64.b64encode(bytes(before) + raw).decode()[first:last]
        yield from {text, text.replace("+", "-").replace("/", "_")}


def _grown(text: str, start: int, end: int, value: str) -> tuple[int, int]:
    """Give the whole of what is in a text of a key, from a part on that begins or ends it."""
    at = value.find(text[start:end])
    begin = at
    while begin and start and text[start - 1] == value[begin - 1]:
        begin, start = begin - 1, start - 1
    at += SHORTEST
    while at < len(value) and end < len(text) and text[end] == value[at]:
        at, end = at + 1, end + 1
    return start, end
