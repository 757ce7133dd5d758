"""How often functions are called while something is done: what takes long is told by that, and not by a clock."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any


def calls(work: Callable[[], object], *functions: Callable[..., Any]) -> list[int]:
    """Do some work, and count the calls of each of these functions, which are written in Python."""
    counts: Counter[CodeType] = Counter()

    def count(frame: FrameType, event: str, given: object) -> None:
        if event == "call":
            counts[frame.f_code] += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return [counts[function.__code__] for function in functions]  # type: ignore[attr-defined]
