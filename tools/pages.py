"""Pages of the documentation that a script writes, or marked parts of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def fill(page: Path, parts: Mapping[str, str], text: str | None = None) -> str:
    """Give a page with what stands between the marks of each part replaced; ``text``: what the page says, where that is known."""
    text = page.read_text("utf-8") if text is None else text
    for name, content in parts.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        if text.count(start) != 1 or text.count(end) != 1:
            raise SystemExit(f"{page.relative_to(ROOT)}: the marks {start} and {end} must stand once each")
        text = text[: text.index(start)] + f"{start}\n{content}\n{end}" + text[text.index(end) + len(end) :]
    return text
