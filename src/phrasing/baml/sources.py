"""Texts of ``.baml`` files before BAML reads them: comments and strings told from code, blocks found, marks put in.

Marks stand around the schema text of a prompt (``ctx.output_format``): put into the sources, they come out in what BAML renders.
"""

from __future__ import annotations

import json
import keyword
import re

_NO_CODE = re.compile(r"""\{//.*?//\}|//[^\n]*|\{\{.*?\}\}|(?P<hashes>\#+)".*?"(?P=hashes)|"(?:\\.|[^"\\])*\"""", re.DOTALL)
"""What holds no code: comments, ``"strings"``, ``#"blocks of text"#`` and ``{{ Jinja }}``."""

_CLASS_ALIAS = re.compile(r"""@@alias\(\s*(?:"((?:\\.|[^"\\\n])+)"|(\#+)"(.*?)"\2)\s*\)""", re.DOTALL)

_FIELD = re.compile(rf"(?m)^[ \t]*({'|'.join(keyword.kwlist)})(?=[ \t]+\S)")

SCHEMA_MARK, SCHEMA_END = "\u2402S\u2403", "\u2402/S\u2403"
"""What stands around the schema text in a marked rendering."""

LOST_MARK = "\u2402?\u2403"
"""What a marked rendering holds where the schema text may stand without marks."""

_STRING = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\""""
_JINJA = re.compile(rf"""\{{\{{(?:[^'"}}]|\}}(?!\}})|{_STRING})*\}}\}}|\{{%(?:[^'"%]|%(?!\}})|{_STRING})*%\}}""", re.DOTALL)
"""A tag of Jinja; what closes it may stand in a string."""
_PREFIX = re.compile(rf"[(,]\s*prefix\s*=\s*(?:(?P<text>{_STRING})(?=\s*[,)])|(?P<none>none|None|null)\b)?", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_OUTPUT_FORMAT = re.compile(r"\bctx\s*\.\s*output_format\b")


def only_code(source: str) -> str:
    """Blank comments, strings and Jinja: what is left is code, at its place."""
    return _NO_CODE.sub(lambda quiet: _blank(quiet[0]), source)


def without_comments(source: str) -> str:
    """Blank comments: all else is at its place."""
    return _NO_CODE.sub(lambda quiet: _blank(quiet[0]) if quiet[0].startswith("//") else quiet[0], source)


def without_blocks(source: str, kind: str) -> str:
    """Blank the top-level blocks of a kind, such as ``generator``; all other lines keep their numbers."""
    bare = only_code(source)
    for start, _, end in find_blocks(bare, kind):
        source = source[:start] + _blank(source[start:end]) + source[end:]
    return source


def generator_version(source: str) -> tuple[int, ...]:
    """Give the version that the first generator asks for, such as ``(0, 226, 3)``; ``()``: none does."""
    bare = only_code(source)
    for start, _, end in find_blocks(bare, "generator"):
        if found := re.search(r'(?m)^\s*version\s+"(\d+)\.(\d+)\.(\d+)"', source[start:end]):
            return tuple(map(int, found.groups()))
    return ()


def may_generate(source: str) -> bool:
    """Whether BAML might see a generator, wherever it takes strings to end: none is without these words, in this order."""
    return re.search(r"generator\b.*?\boutput_type\b", source, re.DOTALL) is not None


def uses(source: str, attribute: str) -> bool:
    """Whether types, or the functions that return them, have an attribute such as ``@alias``; ``test`` blocks don't count."""
    return re.search(rf"{attribute}\b", only_code(without_blocks(source, "test"))) is not None


def for_python(source: str, suffix: str) -> str:
    """Put a suffix behind the fields that are Python's keywords, so that BAML's generator for Python takes them."""
    bare = only_code(source)
    found = [field.end(1) for _, body, end in find_blocks(bare, "class") for field in _FIELD.finditer(bare, body, end)]
    for at in reversed(found):
        source = source[:at] + suffix + source[at:]
    return source


def class_aliases(source: str) -> dict[str, str]:
    """Give the ``@@alias`` of classes by their names: BAML's text of types never shows it, so BAML can't be asked."""
    bare, found = only_code(source), {}
    for start, body, end in find_blocks(bare, "class"):
        alias = _CLASS_ALIAS.search(source, body, end)
        if alias and bare.startswith("@@alias", alias.start()):
            found[bare[start:body].split()[1].removesuffix("{")] = json.loads(f'"{alias[1]}"') if alias[1] else alias[3]
    return found


def find_blocks(bare: str, kind: str) -> list[tuple[int, int, int]]:
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


# ---------------------------------------------------------------------------------------------- marks


def mark_schema(source: str) -> str:
    """Wrap each ``ctx.output_format`` inside Jinja, with its call if it has one, in marks; note where it goes by another name."""

    def inside(jinja: re.Match[str]) -> str:
        text, at = jinja[0], 0
        out = [LOST_MARK] if re.search(r"""[.'"]\s*output_format\b""", _OUTPUT_FORMAT.sub("", text)) else []
        for use in _OUTPUT_FORMAT.finditer(text):
            end = _end_of_call(text, use.end())
            out += [text[at : use.start()], f"('{SCHEMA_MARK}' ~ ", text[use.start() : end], f" ~ '{SCHEMA_END}')"]
            at = end
        return "".join([*out, text[at:]])

    return _JINJA.sub(inside, source)


def prefixes(source: str) -> tuple[str | None, ...]:
    """Give the texts that calls of ``ctx.output_format`` put before the schema; ``None``: one is computed."""
    found: list[str | None] = []
    for jinja in _JINJA.finditer(source):
        for use in _OUTPUT_FORMAT.finditer(jinja[0]):
            call = jinja[0][use.end() : _end_of_call(jinja[0], use.end())]
            for prefix in _PREFIX.finditer(call):
                if not prefix["none"]:
                    found.append(_ESCAPED.sub(_unescaped, prefix["text"][1:-1]) if prefix["text"] else None)
    return tuple(found)


def _unescaped(escaped: re.Match[str]) -> str:
    return {"n": "\n", "t": "\t", "r": "\r"}.get(escaped[1], escaped[1])


def _end_of_call(text: str, at: int) -> int:
    """Find the end of an optional ``(...)`` at ``at``, skipping strings."""
    opened = re.match(r"\s*\(", text[at:])
    if not opened:
        return at
    depth, quote, i = 1, "", at + opened.end()
    while depth and i < len(text):
        char = text[i]
        if quote:
            i += char == "\\"
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        else:
            depth += (char in "([{") - (char in ")]}")
        i += 1
    return i
