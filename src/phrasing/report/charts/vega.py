"""Charts as Vega-Lite specifications, drawn as SVG and PNG. No browser and no network: vl-convert brings Vega along.

Specifications are plain JSON: https://vega.github.io/vega-lite/docs/spec.html. What users wrote is data in them, never a field's
name nor an expression.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

from phrasing.errors import UserError
from phrasing.files import write_bytes, write_text
from phrasing.report.charts.names import SIZE, distinct, text_width

SUFFIXES = (".svg", ".png")

Spec = dict[str, Any]
Row = Mapping[str, Any]

WIDTH = 640
"""How wide a picture is, in pixels, all in all."""

# ---------------------------------------------------------------------------------------------- colours

PAPER, TEXT, MUTED, AXIS, GRID, BAND = "#ffffff", "#1b1b1b", "#595959", "#8a8a8a", "#e6e6e6", "#f0f0f0"
COLOURS = ("#0072b2", "#bf8300", "#009e73", "#d55e00", "#c46f9f", "#000000")
"""Six of Okabe and Ito's (Color Universal Design, 2008), which people with any colour vision tell apart; two are darker than
theirs, to be seen on white. No chart relies on them alone: series differ in shapes or dashes too."""
TINT = 0.34
"""How opaque a colour is at most that something is written on."""
GOOD, BAD, EVEN = COLOURS[2], COLOURS[3], COLOURS[0]

DARK: Mapping[str, str] = {
    PAPER: "#16191d",
    TEXT: "#e8e8e8",
    MUTED: "#b0b4ba",
    AXIS: "#7d838b",
    GRID: "#2e3339",
    BAND: "#262b31",
    **dict(zip(COLOURS, ("#56b4e9", "#e69f00", "#2fc597", "#ff8a4c", "#e39cc5", "#f5f5f5"), strict=True)),
}
"""All colours of a picture, as SVG has them in ``fill`` and ``stroke``, to those on a dark page, whose background is that of
``PAPER``. A page that turns one into the other needs no second picture."""

SHAPES = ("circle", "square", "triangle-up", "cross", "triangle-down", "triangle-right")
_DASHES = ((1, 0), (6, 3), (2, 2))
_FONT = "Liberation Sans, Arial, sans-serif"
"""The first is inside vl-convert, so a picture doesn't depend on the machine's fonts; the second is as wide, for who views it."""

_CONFIG = {
    "font": _FONT,
    "view": {"stroke": None},
    "title": {
        "anchor": "start",
        "frame": "bounds",
        "offset": 12,
        "fontSize": 14,
        "color": TEXT,
        "subtitleColor": MUTED,
        "subtitleFontSize": SIZE,
        "subtitlePadding": 5,
    },
    "axis": {
        "labelFontSize": SIZE,
        "titleFontSize": SIZE,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "labelColor": TEXT,
        "titleColor": MUTED,
        "domainColor": AXIS,
        "tickColor": AXIS,
        "gridColor": GRID,
        "labelFlush": False,
        "labelLimit": 0,
    },
    "legend": {"labelFontSize": SIZE, "labelColor": TEXT, "labelLimit": 0, "title": None},
}


def frame(
    layers: Sequence[Spec], *, title: str, subtitle: str | Sequence[str] = "", alt: str, width: float, height: float
) -> Spec:
    """Specify a chart of layers in our style. ``width`` and ``height`` are those of what lies within the axes; ``alt`` is what
    is read out instead of the picture.
    """
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "description": alt,
        "title": {"text": title, "subtitle": subtitle},
        "width": round(width),
        "height": round(height),
        "padding": 8,
        "config": _CONFIG,
        "layer": [layer for layer in layers if layer["data"]["values"]],
    }


def layer(rows: Sequence[Row], kind: str, mark: Spec, *, told: bool = False, **channels: Any) -> Spec:
    """Specify marks with data of their own. ``told``: their column ``say`` is shown where a mouse rests on one."""
    encoding = {**channels, **({"description": text("say")} if told else {})}
    return {"data": {"values": list(rows)}, "mark": {"type": kind, "aria": told, **mark}, "encoding": encoding}


FILLED: Spec = {"filled": True, "opacity": 1}
WORDS: Spec = {"fontSize": SIZE, "baseline": "middle", "color": TEXT}


def scaled(field: str, ends: tuple[float, float], *, title: str | None, **axis: Any) -> Spec:
    """Specify a channel of numbers, on an axis from one end to the other."""
    scale = {"domain": list(ends), "nice": False, "zero": False}
    return {"field": field, "type": "quantitative", "title": title, "scale": scale, "axis": {"tickCount": 6, **axis}}


def pixels(field: str) -> Spec:
    """Specify a channel of places in the picture, in pixels from the top left of what lies within the axes."""
    return {"field": field, "type": "quantitative", "scale": None, "axis": None}


def text(field: str) -> Spec:
    """Specify a channel of words."""
    return {"field": field, "type": "nominal"}


def rows(names: Sequence[str], *, field: str = "name", title: str | None = None) -> tuple[Spec, float]:
    """Specify an axis of rows, each with its name, and say how wide the names are."""
    channel = {
        "field": field,
        "type": "nominal",
        "title": title,
        "scale": {"domain": list(names)},
        "axis": {"ticks": False, "labelPadding": 8},
    }
    return channel, max(map(text_width, names)) + 20


def looks(names: Sequence[str], *, key: Literal["top", "bottom"] | None = "bottom") -> tuple[Spec, Spec]:
    """Specify the channels ``color`` and ``shape`` of the column ``name``: no two of 36 series look the same.

    ``key`` says where the legend stands, if there is one.
    """
    shown = legend(names, key) if key else None
    ranges = [COLOURS[i % 6] for i in range(len(names))], [SHAPES[(i + i // 6) % 6] for i in range(len(names))]
    colour, shape = (
        {"field": "name", "type": "nominal", "legend": shown, "scale": {"domain": list(names), "range": looks}}
        for looks in ranges
    )
    return colour, shape


def legend(names: Sequence[str], orient: Literal["top", "bottom"] = "bottom") -> Spec:
    """Specify a legend above or below a chart, in as many columns as fit."""
    widest = max(map(text_width, names), default=0) + 36
    return {"orient": orient, "columns": max(1, min(len(names), int((WIDTH - 70) / widest))), "offset": 12, "symbolOpacity": 1}


def lines(series: Mapping[str, Sequence[tuple[float, float]]], *, x: str, y: str, title: str = "", alt: str = "") -> Spec:
    """Specify a line with its points for each series. ``x`` and ``y`` name the axes."""
    names = distinct(series, 100)
    values = [
        {"name": name, "dash": i // 6 % len(_DASHES), "x": across, "y": up, "say": f"{name}: {up:,.0f} at {across:g}"}
        for i, (name, points) in enumerate(zip(names, series.values(), strict=True))
        for across, up in points
    ]
    colour, shape = looks(names)
    dash = {**text("dash"), "legend": None, "scale": {"domain": list(range(len(_DASHES))), "range": list(_DASHES)}}
    both: Spec = {
        "x": {"field": "x", "type": "quantitative", "title": x, "axis": {"tickMinStep": 1}, "scale": {"zero": False}},
        "y": {"field": "y", "type": "quantitative", "title": y, "scale": {"zero": False, "nice": True}},
        "color": colour,
    }
    drawn = [
        layer(values, "line", {"strokeWidth": 1.8}, **both, strokeDash=dash),
        layer(values, "point", FILLED | {"size": 45, "strokeDash": [1, 0]}, told=True, **both, shape=shape),
    ]
    return frame(drawn, title=title, alt=alt or title, width=WIDTH - 70, height=320)


# ---------------------------------------------------------------------------------------------- pictures

MISSING = "Charts need a package: pip install 'phrasing[charts]'"


def drawable() -> bool:
    """Whether the package that draws charts is installed. It weighs 84 MB, so it is an extra."""
    return find_spec("vl_convert") is not None


def _vega() -> Any:
    """Import the package that draws. Raises ``UserError`` where it is missing."""
    if not drawable():
        raise UserError(MISSING)
    import vl_convert

    return vl_convert


def svg(spec: Spec, *, paper: bool = True) -> str:
    """Draw a chart as SVG, on white unless ``paper`` is false. Equal specifications give equal text.

    It is one image to a screen reader, named by the specification's ``description``; a mark's text is shown where a mouse rests
    on it. Ids begin with a digest of the specification, so that several can stand in one page.
    """
    vega, text = _vega(), _json(spec, paper=paper)
    return _tidied(vega.vegalite_to_svg(text), str(spec.get("description", "")), f"c{sha256(text.encode()).hexdigest()[:8]}-")


def png(spec: Spec) -> bytes:
    """Draw a chart as PNG, two pixels a point, on white. Equal specifications give equal bytes."""
    drawn: bytes = _vega().vegalite_to_png(_json(spec, paper=True), scale=2)
    return drawn


def write(path: Path, spec: Spec) -> None:
    """Draw a chart to a file, as ``.svg`` or ``.png``."""
    if path.suffix not in SUFFIXES:
        raise UserError(f"{str(path)!r}: '{path.suffix}' isn't a kind of picture; there are: {', '.join(SUFFIXES)}")
    if path.suffix == ".svg":
        write_text(path, [svg(spec)])
    else:
        write_bytes(path, [png(spec)])


def _json(spec: Spec, *, paper: bool) -> str:
    return json.dumps({**spec, "background": PAPER if paper else None}, allow_nan=False)


_SVG = "http://www.w3.org/2000/svg"
_IDLE = {"class", "role", "pointer-events", "font-family"}
"""Attributes that nothing in a picture depends on: the font is the root's."""


def _tidied(drawn: str, alt: str, prefix: str) -> str:
    """Leave out what Vega writes for its own use, and say what the picture shows."""
    ElementTree.register_namespace("", _SVG)
    root = ElementTree.fromstring(drawn)
    _remove_unseen(root)
    # Vega counts its ids on from picture to picture
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    for element in root.iter():
        mark = element.get("role") == "graphics-symbol" and not len(element)
        if mark and "aria-label" in element.attrib:
            ElementTree.SubElement(element, f"{{{_SVG}}}title").text = element.attrib["aria-label"]
        for name, text in element.items():
            if name in _IDLE or name.startswith("aria-"):
                del element.attrib[name]
            elif name == "id":
                element.set(name, f"{prefix}{ids.index(text)}")
            elif text.startswith("url(#"):
                element.set(name, f"url(#{prefix}{ids.index(text[5:-1])})")
            else:
                element.set(name, _NUMBER.sub(_rounded, text))
    root.attrib |= {"role": "img", "aria-label": alt, "font-family": _FONT}
    return ElementTree.tostring(root, encoding="unicode")


def _remove_unseen(root: ElementTree.Element) -> None:
    """Remove what isn't drawn: backgrounds without a colour, and what is hidden."""
    for parent in root.iter():
        for child in list(parent):
            empty = child.get("class") == "background" and "fill" not in child.attrib
            if empty or child.get("display") == "none":
                parent.remove(child)


_NUMBER = re.compile(r"\d+\.\d{3,}")


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
