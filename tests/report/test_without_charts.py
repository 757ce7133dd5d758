"""Without the extra ``charts`` reports are written all the same, without pictures, and say what would draw them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import phrasing
from phrasing.cli import main
from support.tiny_runs import cache, obey, world

__all__ = ["cache"]

SAID = "Charts need a package: pip install 'phrasing[charts]'"


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phrasing.run(world(tmp_path), complete=obey)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "vl_convert", None)  # as if it weren't installed


def test_the_page_and_markdown_are_written_and_say_once_what_is_missing() -> None:
    done = CliRunner().invoke(main, ["report", "latest", "-o", "page.html", "-o", "report.md"])
    assert done.exit_code == 0, done.output
    assert f"without charts: {SAID}" in done.output
    page = Path("page.html").read_text("utf-8")
    assert page.count("phrasing[charts]") == 1
    assert "<svg" not in page
    assert "](report-charts/" not in Path("report.md").read_text("utf-8")
    assert not Path("report-charts").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["report", "latest", "-o", "report.md", "--charts", "png"],
        ["tokens", "evals/small.yaml", "--by", "length", "-o", "growth.svg"],
    ],
)
def test_charts_that_were_asked_for_name_the_extra(words: list[str]) -> None:
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, f"error: {SAID}\n" in done.output) == (2, True), done.output
