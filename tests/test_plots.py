"""Charts: what a picture says, that its lines can be told apart, and where it can't be drawn."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from phrasing import plots
from phrasing.errors import StoreError, UserError

LONG = "trace(body=json_pretty,indent=4,separator=line,intent=yes,call=yes) in cl100k_base"


def growth(*names: str) -> plots.Spec:
    series = {name: [(1.0, 400.0 + i), (4.0, 1500.5 + i), (7.0, 2600.0 + i)] for i, name in enumerate(names)}
    return plots.lines(series, x="events", y="tokens", title="Growth")


def test_a_picture_says_what_it_shows(tmp_path: Path) -> None:
    file = tmp_path / "growth.svg"
    plots.write(file, growth("json", LONG, "a<b&c"))
    said = re.findall(r">([^<>]+)</text>", file.read_text("utf-8"))
    assert {"Growth", "events", "tokens", "json", LONG, "a&lt;b&amp;c"} <= set(said)
    assert " ".join(text for text in said if text[0].isdigit()).startswith("1 2 3 4 5 6 7 400 600 800 1,000 1,200")


def test_eighteen_lines_differ(tmp_path: Path) -> None:
    names = [f"format{i}" for i in range(18)]
    file = tmp_path / "many.svg"
    plots.write(file, growth(*names))
    drawn = re.findall(r'<path d="[^"]*L[^"]*" [^>]*stroke-width="1.8"[^>]*>', file.read_text())
    assert len(drawn) == 18
    looks = [tuple(re.findall(r'stroke(?:-dasharray)?="([^"]*)"', path)) for path in drawn]
    assert len(set(looks)) == 18


def test_equal_charts_are_equal_bytes(tmp_path: Path) -> None:
    first, again = tmp_path / "first.png", tmp_path / "again.png"
    for file in (first, again):
        plots.write(file, growth("json", "yaml"))
    assert first.read_bytes() == again.read_bytes()
    width, height = struct.unpack(">II", first.read_bytes()[16:24])
    assert 1000 < width < 1600
    assert 600 < height < 900


@pytest.mark.parametrize("name", ["growth.gif", "growth"])
def test_other_kinds_of_pictures_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"isn't a kind of picture; there are: \.svg, \.png"):
        plots.write(tmp_path / name, growth("json"))


@pytest.mark.parametrize("name", ["growth.svg", "growth.png"])
def test_a_folder_that_isn_t_there_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="can't be written: No such file"):
        plots.write(tmp_path / "nowhere" / name, growth("json"))
