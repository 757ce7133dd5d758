"""Pages of the documentation that a script writes whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from phrasing.files import write_text

ROOT = Path(__file__).parent.parent


def keep(page: Path, text: str, words: Sequence[str]) -> int:
    """Write a page; with ``--check`` among ``words``, only say whether it is as it should be. Gives the exit code."""
    stale = not page.exists() or page.read_text("utf-8") != text
    if stale and "--check" not in words:
        write_text(page, [text])
    print(f"{'stale' if '--check' in words else 'wrote'}: {page.relative_to(ROOT)}" if stale else "fresh")
    return int(stale and "--check" in words)
