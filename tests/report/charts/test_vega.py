"""Charts: what a picture says, that its lines can be told apart, and where it can't be drawn."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest

from phrasing.errors import StoreError, UserError
from phrasing.report.charts import vega

LONG = "trace(body=json_pretty,indent=4,separator=line,intent=yes,call=yes) in cl100k_base"


def growth(*names: str) -> vega.Spec:
    series = {name: [(1.0, 400.0 + i), (4.0, 1500.5 + i), (7.0, 2600.0 + i)] for i, name in enumerate(names)}
    return vega.lines(series, x="events", y="tokens", title="Growth")


def test_a_picture_says_what_it_shows(tmp_path: Path) -> None:
    file = tmp_path / "growth.svg"
    vega.write(file, growth("json", LONG, "a<b&c"))
    said = re.findall(r">([^<>]+)</text>", file.read_text("utf-8"))
    assert {"Growth", "events", "tokens", "json", LONG, "a&lt;b&amp;c"} <= set(said)
    assert " ".join(text for text in said if text[0].isdigit()).startswith("1 2 3 4 5 6 7 400 600 800 1,000 1,200")


def test_eighteen_lines_differ(tmp_path: Path) -> None:
    names = [f"format{i}" for i in range(18)]
    file = tmp_path / "many.svg"
    vega.write(file, growth(*names))
    looks = re.findall(r'<path d="[^"]*" stroke="([^"]*)" stroke-width="1.8" stroke-dasharray="([^"]*)"', file.read_text("utf-8"))
    assert len(looks) == len(set(looks)) == 18


def test_a_mark_says_what_it_is() -> None:
    root = ElementTree.fromstring(vega.svg(growth("json", "a\u202e<b>")))
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == "Growth"
    told = [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")]
    assert told == [
        f"{name}: {tokens} at {events}" for name, more in (("json", 0), ("a <b>", 1)) for events, tokens in said(more)
    ]


def said(more: int) -> list[tuple[int, str]]:
    return [(1, f"{400 + more:,}"), (4, f"{1500.5 + more:,.0f}"), (7, f"{2600 + more:,}")]


def test_paper_is_white_or_none() -> None:
    white, bare = (vega.svg(growth("json"), paper=paper) for paper in (True, False))
    assert white.count(f'fill="{vega.PAPER}"') == 1
    assert f'fill="{vega.PAPER}"' not in bare


def test_pictures_can_share_a_page() -> None:
    # a continuous legend has a gradient, which marks refer to by its id
    def heat(field: str) -> vega.Spec:
        rows = [{"x": 1, "y": 2}, {"x": 2, "y": 3}]
        channel = {"field": "x", "type": "quantitative"}
        return vega.frame(
            [vega.layer(rows, "point", {"clip": True}, x=channel, color=channel)], title=field, alt=field, width=50, height=50
        )

    ids = [set(re.findall(r' id="([^"]+)"', vega.svg(heat(field)))) for field in ("one", "other")]
    assert all(ids)
    assert ids[0].isdisjoint(ids[1])
    drawn = vega.svg(heat("one"))
    assert vega.svg(heat("one")) == drawn
    assert set(re.findall(r"url\(#([^)]+)\)", drawn)) == ids[0]


# ---------------------------------------------------------------------------------------------- colours


def luminance(colour: str) -> float:
    """As WCAG 2.2 defines relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def blend(colour: str, paper: str, opacity: float) -> str:
    parts = [(int(colour[i : i + 2], 16), int(paper[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(opacity * top + (1 - opacity) * below):02x}" for top, below in parts)


LIGHT = {colour: colour for colour in vega.DARK}


@pytest.mark.parametrize("shown", [LIGHT, vega.DARK], ids=["light", "dark"])
def test_colours_can_be_seen(shown: Mapping[str, str]) -> None:
    paper, text = shown[vega.PAPER], shown[vega.TEXT]
    for words in (vega.TEXT, vega.MUTED):
        assert contrast(shown[words], paper) >= 4.5
    for mark in (*vega.COLOURS, vega.GOOD, vega.BAD, vega.EVEN, vega.AXIS):
        assert contrast(shown[mark], paper) >= 3, mark
        assert contrast(text, blend(shown[mark], paper, vega.TINT)) >= 4.5, mark
    assert contrast(text, shown[vega.BAND]) >= 4.5


def test_each_colour_has_one_of_its_own_on_dark() -> None:
    assert len(set(vega.DARK.values())) == len(vega.DARK)
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for pair in vega.DARK.items() for colour in pair)


def test_equal_charts_are_equal_bytes(tmp_path: Path) -> None:
    first, again = tmp_path / "first.png", tmp_path / "again.png"
    for file in (first, again):
        vega.write(file, growth("json", "yaml"))
    assert first.read_bytes() == again.read_bytes()
    width, height = struct.unpack(">II", first.read_bytes()[16:24])
    assert 1000 < width < 1600
    assert 600 < height < 900


@pytest.mark.parametrize("name", ["growth.gif", "growth"])
def test_other_kinds_of_pictures_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"isn't a kind of picture; there are: \.svg, \.png"):
        vega.write(tmp_path / name, growth("json"))


@pytest.mark.parametrize("name", ["growth.svg", "growth.png"])
def test_a_folder_that_isn_t_there_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="can't be written: No such file"):
        vega.write(tmp_path / "nowhere" / name, growth("json"))
