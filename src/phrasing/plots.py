"""Charts as Vega-Lite specifications, drawn to a file. No browser and no network: vl-convert brings Vega along.

Specifications are plain JSON (https://vega.github.io/vega-lite/docs/spec.html), so a ``.json`` file can be edited elsewhere.
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

# Twelve colours that people with any colour vision tell apart better than most sets: P. Tol, Colour schemes (2021), "muted", and
# three of "bright". Dashes tell neighbours apart where colours don't.
_COLOURS = [
    "#332288",
    "#cc6677",
    "#117733",
    "#882255",
    "#44aa99",
    "#999933",
    "#88ccee",
    "#aa4499",
    "#ddcc77",
    "#4477aa",
    "#ee6677",
]
_COLOURS += ["#bbbbbb"]
_DASHES = [[1, 0], [6, 3], [2, 2]]
_FONT = "Helvetica, Arial, sans-serif"


def lines(series: Mapping[str, Sequence[tuple[float, float]]], *, x: str, y: str, title: str = "") -> Spec:
    """Specify a line with its points for each series. ``x`` and ``y`` name the axes."""
    values = [{"name": name, "x": across, "y": up} for name, points in series.items() for across, up in points]
    names = list(series)
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": {"text": title, "anchor": "start"},
        "width": 520,
        "height": 320,
        "background": "white",
        "config": {"font": _FONT, "view": {"stroke": None}, "axis": {"gridColor": "#eeeeee"}},
        "data": {"values": values},
        "mark": {"type": "line", "point": {"size": 25}, "strokeWidth": 1.8},
        "encoding": {
            "x": {"field": "x", "type": "quantitative", "title": x, "axis": {"tickMinStep": 1, "format": ",.0f"}},
            "y": {
                "field": "y",
                "type": "quantitative",
                "title": y,
                "scale": {"zero": False, "nice": True},
                "axis": {"format": ","},
            },
            "color": {
                "field": "name",
                "type": "nominal",
                "title": None,
                "scale": {"domain": names, "range": _cycle(_COLOURS, names)},
            },
            "strokeDash": {"field": "name", "type": "nominal", "scale": {"domain": names, "range": _cycle(_DASHES, names)}},
        },
    }


def _cycle(choices: Sequence[Any], names: Sequence[str]) -> list[Any]:
    return [choices[i % len(choices)] for i in range(len(names))]


def write(path: Path, spec: Spec) -> None:
    """Draw a chart as ``.svg`` or ``.png`` (two pixels a point). Equal specifications give equal bytes."""
    if path.suffix not in SUFFIXES:
        raise UserError(f"{str(path)!r}: '{path.suffix}' isn't a kind of picture; there are: {', '.join(SUFFIXES)}")
    import vl_convert

    text = json.dumps(spec)
    if path.suffix == ".svg":
        store.replace(path, [vl_convert.vegalite_to_svg(text)])
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(vl_convert.vegalite_to_png(text, scale=2))
