"""Measures how the phrasing of an agent's context changes the next step a model picks, and what it costs.

The names below are the public API. They are imported when first used: ``import phrasing`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phrasing.analysis.run import Run
    from phrasing.api import load_suite, resolve, run
    from phrasing.errors import UserError
    from phrasing.plan.selection import Selection

__all__ = ["Run", "Selection", "UserError", "load_suite", "resolve", "run"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'phrasing' has no attribute {name!r}")
    from importlib import import_module

    homes = {"UserError": "phrasing.errors", "Run": "phrasing.analysis.run", "Selection": "phrasing.plan.selection"}
    return getattr(import_module(homes.get(name, "phrasing.api")), name)
