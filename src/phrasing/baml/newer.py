"""Signs of BAML's newer language in sources that BAML 0.226 can't read: its release line has numbers of its own.

What differs is of its public change log and examples (BoundaryML/baml, ``baml_language``; BoundaryML/baml-demos), up to 0.18.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from phrasing.baml import sources
from phrasing.errors import shorten


@dataclass(frozen=True)
class Sign:
    """What stands at a line of a file, in a few words, as it is there, and how the older language writes it, if it can."""

    file: str
    line: int
    what: str
    shown: str
    older: str | None = None


_FIELD = re.compile(r"(?m)^[ \t]*(\w+)\??[ \t]*:[ \t]*([^\n]*?),?[ \t]*$")
_VALUE = re.compile(r"(?m)^[ \t]*(\w+)[ \t]*,[ \t]*$")
_ANYWHERE = (
    (re.compile(r"(?m)^[ \t]+((?:client|prompt|tools)[ \t]*:)"), "a colon in a function's body"),
    (re.compile(r"(?m)^[ \t]*(interface)[ \t]+\w+"), "an interface"),
    (re.compile(r"(?m)^[ \t]*((?:class|function|type)[ \t]+\w+[ \t]*<)"), "a type parameter"),
    (re.compile(r"(?m)^[ \t]*(client[ \t]+\w+[ \t]*=)"), "a client that is assigned"),
    (re.compile(r"(?m)^[ \t]*(testset)\b"), "a set of tests"),
    (re.compile(r"(?m)^[ \t]*(test)[ \t]{2,}\{"), "a test that is named by a text"),
    (re.compile(r"(?m)^(function)[^\n{]*\)[^\n{]*\bthrows\b"), "a function that throws"),
    (re.compile(r"(`)"), "text in backticks"),
)


def find(texts: Mapping[str, str]) -> Sign | None:
    """Find the first sign, in the order of files and lines."""
    for name, text in texts.items():
        if found := min(_signs(name, text), key=lambda sign: sign.line, default=None):
            return found
    return None


def version(path: Path) -> str | None:
    """Say which version a ``baml.toml`` at the sources, or beside them, asks for; nothing where it says none."""
    for folder in (path, path.parent):
        try:
            wanted = tomllib.loads((folder / "baml.toml").read_text("utf-8"))["toolchain"]["version"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        return shorten(str(wanted), 60)
    return None


def _signs(name: str, text: str) -> Iterator[Sign]:
    bare = sources.only_code(text)

    def sign(at: int, what: str, older: str | None = None) -> Sign:
        line = text.count("\n", 0, at) + 1
        return Sign(name, line, what, shorten(text.split("\n")[line - 1].strip(), 60), older)

    for _, body, end in sources.find_blocks(bare, "class"):
        if found := _FIELD.search(bare, body, end):
            yield sign(found.start(1), "a field with a colon", f"{found[1]} {text[found.start(2) : found.end(2)]}")
    for _, body, end in sources.find_blocks(bare, "enum"):
        if found := _VALUE.search(bare, body, end):
            yield sign(found.start(1), "a value with a comma", found[1])
    for pattern, what in _ANYWHERE:
        if found := pattern.search(bare):
            yield sign(found.start(1), what)
