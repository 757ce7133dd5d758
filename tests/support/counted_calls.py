"""How often functions are called while something is done: what takes long is told by that, and not by a clock."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any


def calls(work: Callable[[], object], *functions: Callable[..., Any]) -> list[int]:
    """Do some work, and count the calls of each of these functions, which are written in Python."""
    counts = all_calls(work)
    return [counts[function.__code__] for function in functions]  # type: ignore[attr-defined]


def all_calls(work: Callable[[], object]) -> Counter[CodeType | str]:
    """Do some work, and count all calls: by code, or by name where a function isn't written in Python."""
    counts: Counter[CodeType | str] = Counter()

    def count(frame: FrameType, event: str, given: Any) -> None:
        if event == "call":
            counts[frame.f_code] += 1
        elif event == "c_call":
            counts[given.__name__] += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return counts
