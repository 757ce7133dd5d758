"""The scripts of ``tools/``, for tests of what they make."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest

from support.paths import REPOSITORY


def tool(name: str) -> ModuleType:
    """Import a script as it is when it runs: its neighbours beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(REPOSITORY / "tools")
        return importlib.import_module(name)
