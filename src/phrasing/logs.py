"""Log files as streams of JSON values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Broken:
    """A value that can't be read: the line at which it begins, and why."""

    line: int
    reason: str
