"""Charts as Vega-Lite specifications, drawn to a file. No browser and no network: vl-convert brings Vega along.

Specifications are plain JSON: https://vega.github.io/vega-lite/docs/spec.html.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from phrasing import store
from phrasing.errors import UserError

SUFFIXES = (".svg", ".png")

Spec = dict[str, Any]

# Six of Okabe and Ito's colours (Color Universal Design, 2008), which people with any colour vision tell apart. The yellow one is
# left out, too pale for a line on white. From the seventh series on they come again, dashed.
_COLOURS = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#000000"]
_DASHES = [[1, 0], [6, 3], [2, 2]]
_FONT = "Liberation Sans, Arial, sans-serif"
"""The first is inside vl-convert, so a picture doesn't depend on the machine's fonts; the second is as wide, for who views it."""


def lines(series: Mapping[str, Sequence[tuple[float, float]]], *, x: str, y: str, title: str = "") -> Spec:
    """Specify a line with its points for each series. ``x`` and ``y`` name the axes."""
    values = [{"name": name, "x": across, "y": up} for name, points in series.items() for across, up in points]
    names = list(series)
    styles = [(dash, colour) for dash in _DASHES for colour in _COLOURS]
    drawn = [styles[i % len(styles)] for i in range(len(names))]
    legend = {"title": None, "symbolType": "stroke", "symbolSize": 400, "symbolStrokeWidth": 1.8, "labelLimit": 0}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": {"text": title, "anchor": "start"},
        "width": 520,
        "height": 320,
        "background": "white",
        "config": {"font": _FONT, "view": {"stroke": None}, "axis": {"gridColor": "#eeeeee", "labelFlush": False}},
        "data": {"values": values},
        "mark": {"type": "line", "point": {"size": 25}, "strokeWidth": 1.8},
        "encoding": {
            "x": {"field": "x", "type": "quantitative", "title": x, "axis": {"tickMinStep": 1}},
            "y": {"field": "y", "type": "quantitative", "title": y, "scale": {"zero": False, "nice": True}},
            "color": {
                "field": "name",
                "type": "nominal",
                "legend": legend,
                "scale": {"domain": names, "range": [colour for _, colour in drawn]},
            },
            "strokeDash": {
                "field": "name",
                "type": "nominal",
                "legend": legend,
                "scale": {"domain": names, "range": [dash for dash, _ in drawn]},
            },
        },
    }


def write(path: Path, spec: Spec) -> None:
    """Draw a chart as ``.svg`` or ``.png`` (two pixels a point). Equal specifications give equal bytes."""
    if path.suffix not in SUFFIXES:
        raise UserError(f"{str(path)!r}: '{path.suffix}' isn't a kind of picture; there are: {', '.join(SUFFIXES)}")
    import vl_convert

    text = json.dumps(spec)
    if path.suffix == ".svg":
        store.replace(path, [vl_convert.vegalite_to_svg(text)])
    else:
        store.replace_bytes(path, [vl_convert.vegalite_to_png(text, scale=2)])
