"""Names of tools as every API takes them."""

from __future__ import annotations

import re

LONGEST = 64


def tool_name(name: str) -> str:
    """Give a name that OpenAI, Anthropic and an event's type all take: equal names give equal results.

    Characters outside ``A-Z a-z 0-9 _ -`` become ``_``, a first character that is neither a letter nor ``_`` gets one in front,
    and what is longer than 64 characters is cut.
    """
    taken = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    return (taken if re.match(r"[A-Za-z_]", taken) else f"_{taken}")[:LONGEST]
