"""Functions as a suite names them: ``Pick``; with a rewrite ``Pick(terse)``; with added tools ``Pick(+20)``, or both."""

from __future__ import annotations

import re
from typing import NamedTuple

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
"""What a file of the user's may be called that a suite names in parentheses: a rewrite, a notation."""

_WRITTEN = re.compile(rf"(?P<name>[^()]*)\((?P<rewrite>{NAME.pattern})?(?:\+(?P<added>[1-9]\d*))?\)")


class Named(NamedTuple):
    """A function's name, its rewrite's, and how many tools are added to its steps."""

    name: str
    rewrite: str | None = None
    added: int = 0

    def __str__(self) -> str:
        more = (self.rewrite or "") + (f"+{self.added}" if self.added else "")
        return f"{self.name}({more})" if more else self.name


def split(written: str) -> Named:
    """Take apart what a suite names. Raises ``ValueError`` where it isn't written so."""
    if "(" not in written and ")" not in written:
        return Named(written)
    match = _WRITTEN.fullmatch(written)
    if match is None or not (match["rewrite"] or match["added"]):
        raise ValueError(
            f"{written!r} is no function; wanted a name, and perhaps a rewrite, such as Pick(terse), or a number of added tools, "
            "such as Pick(+20)"
        )
    return Named(match["name"], match["rewrite"], int(match["added"] or 0))


def with_added(written: str, count: int) -> str:
    """Name a function with so many added tools; one that has a number, or isn't written as one, stays as it is."""
    try:
        named = split(written)
    except ValueError:
        return written
    return written if named.added else str(named._replace(added=count))
