"""Two tiers: what the plain suite tries of many, and what is left to the thorough one (``CONTRIBUTING.md``)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import settings

TRIED = settings.default.max_examples if settings.default is not None else 0
THOROUGH = TRIED > 10


def examples(plain: int, thorough: int, **more: Any) -> settings:
    """Settings of a property whose examples take long: so many in the plain suite and the thorough one; CI tries some between."""
    return settings(max_examples=max(plain, thorough * TRIED // 200) if THOROUGH else plain, deadline=None, **more)


def few(values: Iterable[Any], quick: Iterable[Any]) -> list[Any]:
    """Values to parametrize with: the quick ones stand for their kind in the plain suite, all others are slow."""
    listed, kept = list(values), list(quick)
    assert all(value in listed for value in kept), "one of these is no value"
    slow = [pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=pytest.mark.slow) for value in listed]
    return [value if value in kept else marked for value, marked in zip(listed, slow, strict=True)]
