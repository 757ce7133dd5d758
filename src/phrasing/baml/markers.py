"""Marks around the schema text of a BAML prompt: put into the sources, they come out in what BAML renders of them."""

from __future__ import annotations

import re

SCHEMA_MARK, SCHEMA_END = "\u2402S\u2403", "\u2402/S\u2403"
"""What stands around the schema text in a marked rendering."""

LOST_MARK = "\u2402?\u2403"
"""What a marked rendering holds where the schema text may stand without marks."""

_STRINGS = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\""""
_JINJA = re.compile(rf"""\{{\{{(?:[^'"}}]|\}}(?!\}})|{_STRINGS})*\}}\}}|\{{%(?:[^'"%]|%(?!\}})|{_STRINGS})*%\}}""", re.DOTALL)
"""A tag of Jinja; what closes it may stand in a string."""
_SCHEMA = re.compile(r"\bctx\s*\.\s*output_format\b")


def mark(source: str) -> str:
    """Wrap each ``ctx.output_format`` inside Jinja, with its call if it has one, in marks; note where it goes by another name."""

    def inside(jinja: re.Match[str]) -> str:
        text, at = jinja[0], 0
        out = [LOST_MARK] if re.search(r"""[.'"]\s*output_format\b""", _SCHEMA.sub("", text)) else []
        for use in _SCHEMA.finditer(text):
            end = _end_of_call(text, use.end())
            out += [text[at : use.start()], f"('{SCHEMA_MARK}' ~ ", text[use.start() : end], f" ~ '{SCHEMA_END}')"]
            at = end
        return "".join([*out, text[at:]])

    return _JINJA.sub(inside, source)


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
