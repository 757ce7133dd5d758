"""Where things are kept outside a project."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """Give the folder for what can be made again: generated BAML types, assembled weights.

    ``PHRASING_CACHE_DIR`` moves it.
    """
    return Path(os.environ.get("PHRASING_CACHE_DIR") or platformdirs.user_cache_dir("phrasing", appauthor=False))
