"""`phrasing models`: the models inside this environment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.tiny_commands import call
from support.tiny_runs import cache

__all__ = ["cache"]


def test_models_are_listed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = call("models").output
    assert re.search(r"^local/qwen2.5-coder-0.5b  (not )?installed", out)
    assert "491 MB, Apache-2.0" in out
    assert re.search(r"sha256 [0-9a-f]{64}", out)
