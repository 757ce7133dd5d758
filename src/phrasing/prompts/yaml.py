"""Write JSON values as block-style YAML, specified to the byte in ``docs/formats.md``.

A library's emitter may change its output between versions, and it takes ten times as long. What a model reads must not depend on
that, so the emitter is ours: every text it writes reads back as the same value in YAML 1.1 and in the core schema of YAML 1.2.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from json.encoder import encode_basestring
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # this file also goes along with templates that are taken elsewhere: it needs nothing but Python
    from pydantic import JsonValue

# What both YAML versions leave out of their printable characters, what YAML 1.1 reads as a line break, and the byte order mark.
_UNPRINTABLE = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff"
_NOT_PLAIN = re.compile(f"[\t\n{_UNPRINTABLE}]")
_NOT_LITERAL = re.compile(f"[{_UNPRINTABLE}]")
_ESCAPED = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_INDICATORS = frozenset("-?:,[]{}#&*!|>'\"%@`")

# What YAML 1.1 or the 1.2 core schema reads as something else than a string. Wider than either: digits and dots alone are enough.
_TYPED = re.compile(
    r"""y|yes|n|no|on|off|true|false|null|~|=|<<
    |[-+]?[0-9.][0-9_.]*(e[-+]?[0-9]+)?             # 12  012  1_000  1.5  .5  1e3  10.0.0.1
    |[-+]?0[xob][0-9a-f_]+                          # 0x1F  0o17  0b1
    |[-+]?[0-9][0-9_]*(:[0-9]+)+(\.[0-9_]*)?        # 12:30  1:02:03.5
    |[-+]?\.(inf|nan)
    |[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(([Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(\.[0-9]*)?([ \t]*(Z|[-+][0-9]{1,2}(:[0-9]{2})?))?)?
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)

# A literal block finds its indentation in its first line of text, so that line must not begin with white space; a line of white
# space alone would be taken for indentation.
_LITERAL = re.compile(r"\n*[^ \t\n]")
_BLANK_LINE = re.compile(r"^[ \t]+$", re.MULTILINE)

# Parsers look no further than 1024 characters for the colon of a key.
_LONGEST_KEY = 1024


def dump(value: JsonValue) -> str:
    """Write a JSON value as YAML.

    The text has no line break at its end, except where its last string is a literal block that ends in one. Raises ``TypeError``
    for what isn't JSON and ``ValueError`` for a number that isn't finite.
    """
    lines: list[str] = []
    if value and isinstance(value, dict | list):
        _collection(value, "", "", lines)
    else:
        lines.append(_scalar(value, ""))
    if _ends_in_break(value):
        lines.append("")
    return "\n".join(lines)


def _collection(value: dict[str, JsonValue] | list[JsonValue], first: str, pad: str, lines: list[str]) -> None:
    """Write a collection that isn't empty: ``first`` begins its first line (it may hold a dash), ``pad`` the others."""
    if isinstance(value, list):
        for item in value:
            _item(item, first + "- ", pad, lines)
            first = pad
        return
    for name, item in value.items():
        key = _line(name)
        if len(key) > _LONGEST_KEY:
            lines.append(f"{first}? {key}")
            _item(item, pad + ": ", pad, lines)
        elif item and isinstance(item, dict | list):
            lines.append(f"{first}{key}:")
            deeper = pad + "  "
            _collection(item, deeper, deeper, lines)
        else:
            lines.append(f"{first}{key}: {_scalar(item, pad)}")
        first = pad


def _item(item: JsonValue, first: str, pad: str, lines: list[str]) -> None:
    if item and isinstance(item, dict | list):
        _collection(item, first, pad + "  ", lines)
    else:
        lines.append(first + _scalar(item, pad))


def _scalar(value: JsonValue, pad: str) -> str:
    if isinstance(value, str):
        if _is_literal(value):
            return _literal(value, pad)
        return _line(value) if len(value) <= _SHORT else _string(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, list):
        return "[]"
    raise TypeError(f"yaml: {type(value).__name__} is not a JSON value")


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"yaml: {value} is not a JSON number")
    text = repr(value)
    # YAML 1.1 reads 1e+16 as a string: it wants a dot.
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


def _string(text: str) -> str:
    """Write a string on one line: plain where that reads back as the same string, else in double quotes."""
    if (
        not text
        or text[0] in _INDICATORS
        or text[0].isspace()
        or text[-1].isspace()
        or text[-1] == ":"
        or ": " in text
        or " #" in text
        or text.startswith("...")
        or (not text.isprintable() and _NOT_PLAIN.search(text))
        or _TYPED.fullmatch(text)
    ):
        return _ESCAPED.sub(lambda char: f"\\u{ord(char[0]):04x}", encode_basestring(text))
    return text


# Keys and short values come back in event after event; long ones aren't worth the memory.
_SHORT = 200
_line = lru_cache(maxsize=4096)(_string)


def _is_literal(text: str) -> bool:
    return "\n" in text and bool(_LITERAL.match(text)) and not _NOT_LITERAL.search(text) and not _BLANK_LINE.search(text)


def _literal(text: str, pad: str) -> str:
    body = text[:-1] if text.endswith("\n") else text
    # The line break after the block is the text's own last one: `|-` drops it, `|` keeps it, `|+` keeps empty lines as well.
    header = "|-" if body is text else "|+" if body.endswith("\n") else "|"
    lines = (f"{pad}  {line}" if line else "" for line in body.split("\n"))
    return "\n".join([header, *lines])


def _ends_in_break(value: JsonValue) -> bool:
    while value and isinstance(value, dict | list):
        value = value[-1] if isinstance(value, list) else next(reversed(value.values()))
    return isinstance(value, str) and value.endswith("\n") and _is_literal(value)
