"""Sources changed as a rewrite says, in memory, before BAML reads them: texts, the order of fields, descriptions.

Each function takes the texts of all sources by name and gives them changed. It raises ``ValueError`` with what is wrong, and
with files and lines of the sources where that helps; the caller knows where in the rewrite it stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os.path import commonprefix

from phrasing.baml.sources import comments, find_blocks, only_code
from phrasing.errors import shorten, unknown

REST = "..."
"""Stands for the fields that an order doesn't name."""

Texts = Mapping[str, str]

_RAW = re.compile(r'(#+)"(.*?)"\1', re.DOTALL)
_CLOSING = re.compile(r'"(#+)')


@dataclass(frozen=True)
class _Literal:
    """A raw string in a source: from ``start`` to ``end``, its ``#`` included, and what it says."""

    file: str
    start: int
    end: int
    text: str

    def put(self, texts: Texts, text: str) -> dict[str, str]:
        """Give the sources with another text in its place."""
        source = texts[self.file]
        return {**texts, self.file: source[: self.start] + _raw(text) + source[self.end :]}

    def place(self, texts: Texts, at: int = 0) -> str:
        """Name the file and the line of a place in what it says."""
        before = self.start + texts[self.file][self.start :].index('"') + 1 + at
        return f"{self.file}:{texts[self.file].count(chr(10), 0, before) + 1}"


def _raw(text: str) -> str:
    """Write a text as a raw string, between as many ``#`` as it takes."""
    hashes = "#" * (1 + max(map(len, _CLOSING.findall(text)), default=0))
    return f'{hashes}"{text}"{hashes}'


def _literal(file: str, source: str, at: int) -> _Literal | None:
    """Read the raw string that begins at a place; BAML takes no other ones for prompts and for ``template_string``."""
    found = _RAW.match(source, at)
    return _Literal(file, found.start(), found.end(), found[2]) if found else None


# ---------------------------------------------------------------------------------------------- texts of a prompt


def replace_text(texts: Texts, function: str, text: str, by: str) -> dict[str, str]:
    """Replace a text in a function's prompt, in which it must occur once. Lines are compared without the prompt's indentation."""
    prompt = _prompt(texts, function)
    indent = _indent(prompt.text)
    found = list(re.finditer(_indented(text, indent), prompt.text))
    if len(found) != 1:
        places = ", ".join(prompt.place(texts, one.start()) for one in found) or prompt.place(texts)
        times = f"stands {len(found)} times" if found else "doesn't stand"
        raise ValueError(f"{shorten(repr(text), 80)} {times} in the prompt of {function!r} ({places}), wanted once")
    lines = by.split("\n")
    written = "\n".join([lines[0], *(indent + line if line.strip() else line for line in lines[1:])])
    return prompt.put(texts, prompt.text[: found[0].start()] + written + prompt.text[found[0].end() :])


def _indented(text: str, indent: str) -> str:
    """Write a pattern of a text whose lines, but for the first, are indented."""
    first, *rest = text.split("\n")
    return "\n".join([re.escape(first), *(re.escape(indent + line) if line.strip() else r"[ \t]*" for line in rest)])


def _indent(text: str) -> str:
    """Give the white space that all lines begin with, as BAML cuts it off."""
    lines = [line for line in text.split("\n") if line.strip()]
    return commonprefix([line[: len(line) - len(line.lstrip(" \t"))] for line in lines])


def _prompt(texts: Texts, function: str) -> _Literal:
    """Find the prompt of a function."""
    for file, source in texts.items():
        bare = only_code(source)
        for head in re.finditer(rf"(?m)(?:^|(?<=\}}))[ \t]*function\s+{re.escape(function)}\s*\(", bare):
            opened = bare.find("{", head.end())
            if opened < 0:
                continue
            key = re.compile(r"\bprompt\b[ \t]*").search(bare, opened, _end(bare, opened))
            found = key and _literal(file, source, _start(source, key.start() + len("prompt")))
            if found:
                return found
    raise ValueError(f"the prompt of {function!r} can't be found in the sources")


def _end(bare: str, opened: int) -> int:
    """Find where a block that opens here ends."""
    depth, end = 1, opened + 1
    while depth and end < len(bare):
        depth += (bare[end] == "{") - (bare[end] == "}")
        end += 1
    return end


def _start(source: str, at: int) -> int:
    """Skip white space."""
    return at + len(source[at:]) - len(source[at:].lstrip())
