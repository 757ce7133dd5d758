"""Texts of ``.baml`` files, as far as they must be read before BAML does: comments and strings told from code, blocks found."""

from __future__ import annotations

import keyword
import re

_QUIET = re.compile(r"""\{//.*?//\}|//[^\n]*|\{\{.*?\}\}|(?P<hashes>\#+)".*?"(?P=hashes)|"(?:\\.|[^"\\])*\"""", re.DOTALL)
"""What holds no code: comments, ``"strings"``, ``#"blocks of text"#`` and ``{{ Jinja }}``."""

_FIELD = re.compile(rf"(?m)^[ \t]*({'|'.join(keyword.kwlist)})(?=[ \t]+\S)")


def code(source: str) -> str:
    """Blank comments, strings and Jinja: what is left is code, at its place."""
    return _QUIET.sub(lambda quiet: _blank(quiet[0]), source)


def without(source: str, kind: str) -> str:
    """Blank the top-level blocks of a kind, such as ``generator``; all other lines keep their numbers."""
    bare = code(source)
    for start, _, end in blocks(bare, kind):
        source = source[:start] + _blank(source[start:end]) + source[end:]
    return source


def uses(source: str, attribute: str) -> bool:
    """Whether types, or the functions that return them, have an attribute such as ``@alias``; ``test`` blocks don't count."""
    return re.search(rf"{attribute}\b", code(without(source, "test"))) is not None


def for_python(source: str, suffix: str) -> str:
    """Put a suffix behind the fields that are Python's keywords, so that BAML's generator for Python takes them."""
    bare = code(source)
    found = [field.end(1) for _, body, end in blocks(bare, "class") for field in _FIELD.finditer(bare, body, end)]
    for at in reversed(found):
        source = source[:at] + suffix + source[at:]
    return source


def blocks(bare: str, kind: str) -> list[tuple[int, int, int]]:
    """Find where blocks begin, where their bodies do, and where they end; ``bare`` is code."""
    found = []
    for head in re.finditer(rf"(?m)(?:^|(?<=\}}))[ \t]*{kind}\s+\w+\s*\{{", bare):
        depth, end = 1, head.end()
        while depth and end < len(bare):
            depth += (bare[end] == "{") - (bare[end] == "}")
            end += 1
        found.append((head.start(), head.end(), end))
    return found


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)
