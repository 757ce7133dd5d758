"""Files that are written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from phrasing.errors import StoreError
from phrasing.files import write_text


def test_whole_files_are_replaced_or_left(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    write_text(path, ["before"])

    def lines() -> Iterator[str]:
        yield "half"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_text(path, lines())
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none" / "report.md", tmp_path):
        with pytest.raises(StoreError, match="can't be written"):
            write_text(path, ["x"])
