"""``test`` blocks of BAML sources, read as BAML 0.226 reads them. The sources are ones that BAML takes.

A block of text between ``#"`` and ``"#`` that begins on a line of its own loses the indentation that its lines share; all lose
the white space at their ends. A text in plain quotes knows the escapes of backslash, quote, LF, CR and tab. Words need no quotes.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from phrasing.baml import sources

_SPACE = re.compile(r"(?:\s|,|\{//.*?//\}|//[^\n]*)*", re.DOTALL)
_RAW = re.compile(r'(#+)"(.*?)"\1', re.DOTALL)
_QUOTED = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)
_BARE = re.compile(r'(?:(?!\s//)[^\n,\[\]{}"])+')
_KEY = re.compile(r'"((?:\\.|[^"\\])*)"|([\w-]+)')
_ATTRIBUTE = re.compile(r"@@\w+\s*\([^{}]*\{\{(.*?)\}\}\s*\)", re.DOTALL)
_NUMBER = re.compile(r"-?(?:\d+\.\d+|\d{1,18})")
_ESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n", "\\r": "\r", "\\t": "\t"}


@dataclass(frozen=True, slots=True)
class BamlTest:
    """A test as it is written. ``conditions`` are those of ``@@assert`` and ``@@check``: BAML fails a test for either."""

    name: str
    functions: tuple[str, ...]
    arguments: dict[str, JsonValue]
    conditions: tuple[str, ...]


def read_tests(source: str) -> Iterator[tuple[int, BamlTest | None]]:
    """Read the tests of a source, each with its line; ``None`` for one that is written in another way than is known."""
    for start, body, end in sources.find_blocks(sources.only_code(source), "test"):
        at = source.index("test", start)
        try:
            test = _test(source[at:body].split()[1].rstrip("{"), _Reader(source[: end - 1], body))
        except (ValueError, RecursionError):
            test = None
        yield source.count("\n", 0, at) + 1, test


def _test(name: str, reader: _Reader) -> BamlTest:
    functions: JsonValue = []
    arguments: JsonValue = {}
    conditions = []
    while reader.goes_on():
        if attribute := reader.take(_ATTRIBUTE):
            conditions.append(attribute[1].strip())
            continue
        match reader.key():
            case "functions":
                functions = reader.value()
            case "args":
                arguments = reader.value()
            case _:
                reader.skip_block()
    if not isinstance(arguments, dict):
        raise ValueError("args that aren't in braces")
    listed = functions if isinstance(functions, list) else [functions]
    return BamlTest(name, tuple(map(str, listed)), arguments, tuple(conditions))


class _Reader:
    """A text, read from a place on."""

    def __init__(self, text: str, at: int) -> None:
        self._text, self._at = text, at

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Read what a pattern finds here, if it does."""
        found = pattern.match(self._text, self._at)
        if found:
            self._at = found.end()
        return found

    def goes_on(self, end: str = "") -> bool:
        """Go to what comes next; tell whether it is something else than this end, which is read."""
        self.take(_SPACE)
        if end and self._text.startswith(end, self._at):
            self._at += 1
            return False
        return self._at < len(self._text) or bool(end)

    def key(self) -> str:
        """Read a name, and the colon that may come after it."""
        found = self.take(_KEY)
        if not found:
            raise ValueError("wanted a name")
        self.take(re.compile(r"[ \t]*:?[ \t]*"))
        return found[2] or _unescaped(found[1])

    def value(self) -> JsonValue:
        """Read a text, a number, a list or a map."""
        if found := self.take(_RAW):
            return _block(found[2])
        if found := self.take(_QUOTED):
            return _unescaped(found[1])
        if self.take(re.compile(r"\s*\[")):
            listed = []
            while self.goes_on("]"):
                listed.append(self.value())
            return listed
        if self.take(re.compile(r"\s*\{")):
            mapped = {}
            while self.goes_on("}"):
                name = self.key()
                mapped[name] = self.value()
            return mapped
        if found := self.take(_BARE):
            return _word(found[0].strip())
        raise ValueError("wanted a value")

    def skip_block(self) -> None:
        """Leave out a block in braces of another language than values, or else the rest of a line."""
        rest = sources.only_code(self._text[self._at :])
        depth = 0
        for char in rest:
            self._at += 1
            depth += (char == "{") - (char == "}")
            if char in "}\n" and not depth:
                break


def _block(text: str) -> str:
    first, _, rest = text.partition("\n")
    return (text if first.strip() else textwrap.dedent(rest)).strip()


def _unescaped(text: str) -> str:
    return re.sub(r'\\[\\"nrt]', lambda escaped: _ESCAPED[escaped[0]], text)


def _word(text: str) -> JsonValue:
    if text in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[text]
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text
