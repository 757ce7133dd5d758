"""Pieces of BAML's language, written so that nothing in them is taken for another."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence


def described(text: str, said: Sequence[str] = ()) -> str:
    """Write an attribute for a description and what else it is to say, if there is anything."""
    whole = f"{text} ({'; '.join(said)})" if text and said else text or "; ".join(said)
    return f" @description({raw(whole)})" if whole else ""


def raw(text: str) -> str:
    """Write a text of BAML in which nothing needs an escape."""
    marks = "#"
    while f'"{marks}' in text:
        marks += "#"
    return f'{marks}"{text}"{marks}'


def literal(value: object, kinds: Collection[str]) -> str | None:
    """Write a value as a literal of BAML, which has no escapes in texts and no fractions; ``None`` where that can't be."""
    if isinstance(value, bool):
        kind, text = {"bool"}, json.dumps(value)
    elif isinstance(value, int) and abs(value) < 2**63:
        kind, text = {"int", "float"}, str(value)
    elif isinstance(value, str) and not re.search(r'["\\\x00-\x1f\x7f]', value):
        kind, text = {"string"}, f'"{value}"'
    else:
        return None
    return text if not kinds or kind & set(kinds) else None
