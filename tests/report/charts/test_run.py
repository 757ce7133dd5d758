"""The charts of a report: what they hold and say, that they can be seen, and that no name can act in them."""

from __future__ import annotations

import itertools
import json
import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any
from xml.etree import ElementTree

import pytest
import vl_convert

from phrasing.analysis.compare import Comparison
from phrasing.analysis.figures import SPREAD, Figures, Level, Point, Span
from phrasing.analysis.report_data import Report
from phrasing.analysis.usage import RANGES
from phrasing.analysis.verdict import Verdict
from phrasing.report import sections
from phrasing.report.charts import vega
from phrasing.report.charts.run import SHAPES, Chart, charts_of
from phrasing.suite.schema import Comparing
from support.made_up_results import compared
from support.tiers import few
from support.tiny_runs import record

NAN = math.nan
NOTHING = Comparison(Comparing(), (), ())
GRID = {"lines": "0" * 16 + "1" * 4, "tags": "0" * 2 + "1" * 18, "json": "0" * 15 + "1" * 5}
HOSTILE = [
    "x" * 1000,
    "<script>alert(1)</script>",
    "\u202eevil\u202c",
    "a\nb\tc",
    "",
    "\ud800lone",
    '"};//${{x}}',
    "datum['x'] + event.view.location",
    "שלום",
    f"{'a' * 500}b{'a' * 499}",
    f"{'a' * 500}c{'a' * 499}",
    "](javascript:alert(1))",
]
TAGS = [f"tag-{i}" for i in range(3)]


def variant(name: str) -> str:
    return f"F,none,{name},prompted,m"


def span(value: float, half: float = 0.1) -> Span:
    return Span(value, max(0.0, value - half), min(1.0, value + half))


def figures(names: Sequence[str], tags: Sequence[str] = TAGS, *, whole: bool = True, seed: int = 0) -> Figures:
    """Make up figures of variants; ``whole``: with intervals."""
    made, variants = random.Random(seed), [variant(name) for name in names]

    def spread(value: float, half: float) -> Span:
        return Span(value, value - half, value + half) if whole else Span(value, NAN, NAN)

    points = [
        Point(one, 40, spread(made.uniform(0.2, 0.8), 0.1), spread(made.uniform(600, 900), 20), False, i == 1, i == 0)
        for i, one in enumerate(variants)
    ]
    kinds: Mapping[Any, Sequence[str]] = {"tag": tags, "events": ["1–2", "3–9"], "turn": ["1", "2–4"]}
    return Figures(
        score="step",
        words="accuracy",
        points=points,
        segments={
            one: {"instructions": 300.0, "schema": 250.0, "thread": 100.0 + i, "framing": 8.0} for i, one in enumerate(variants)
        },
        lengths={one: [(1, 400.0 + i), (4, 700.0 + i)] for i, one in enumerate(variants)},
        levels={
            kind: [Level(one, name, 12, spread(made.random() * 0.8 + 0.1, 0.1)) for name in named for one in variants]
            for kind, named in kinds.items()
        },
    )


def report(names: Sequence[str], comparison: Comparison = NOTHING, confused: Sequence[tuple[str, str, int]] = ()) -> Report:
    variants = [variant(name) for name in names]
    return Report(
        record=record(variants=variants, baselines=dict.fromkeys(variants, variants[0])),
        variants=[{"variant": one, "function": "F"} for one in variants],
        chosen={},
        forms={},
        stages={},
        confused=dict.fromkeys(variants, confused),
        comparison=comparison,
        gates=(),
        asked=None,
    )


def drawn(
    names: Sequence[str], comparison: Comparison = NOTHING, confused: Sequence[tuple[str, str, int]] = (), **more: Any
) -> dict[str, Chart]:
    return {chart.name: chart for chart in charts_of(figures(names, **more), report(names, comparison, confused))}


def rows(chart: Chart, *columns: str) -> list[tuple[Any, ...]]:
    """Give what a chart's layers hold, those rows that have all these columns."""
    held = [row for layer in chart.spec["layer"] for row in layer["data"]["values"]]
    return [tuple(row[column] for column in columns) for row in held if all(column in row for column in columns)]


def picture(chart: Chart) -> str:
    return _picture(json.dumps(chart.spec))


@cache
def _picture(spec: str) -> str:
    return vega.svg(json.loads(spec))


def words(chart: Chart) -> list[str]:
    """Give the texts of a chart as it is drawn."""
    return [element.text or "" for element in ElementTree.fromstring(picture(chart)).iter("{http://www.w3.org/2000/svg}text")]


WRONG = [("ask", "send", 3), ("send or ask", "(parse)", 1)]


@cache
def made_of(what: str) -> dict[str, Chart]:
    """Draw the charts of three variants, of twelve, of such with strange names, or of one; where a test asks for them."""
    match what:
        case "three":
            return drawn(list(GRID), compared(GRID), WRONG)
        case "twelve":
            return drawn([f"format{i}" for i in range(12)], confused=WRONG, tags=[f"tag-{i}" for i in range(20)])
        case "one":
            return drawn(["lines"], whole=False)
    found = compared(GRID)
    strange = tuple(replace(found["F,none,tags,prompted,m"], variant=variant(name)) for name in HOSTILE[1:])
    confused = [*zip(HOSTILE, HOSTILE[1:], itertools.count(1), strict=False)]
    return drawn(HOSTILE, replace(found, contrasts=strange), confused=confused, tags=HOSTILE)


# ---------------------------------------------------------------------------------------------- what there is


def test_charts_have_names_in_the_order_of_a_report() -> None:
    kinds = ["accuracy-tokens", "differences", "segments", "length", "score-by-tag", "score-by-length", "score-by-turn"]
    assert list(made_of("three")) == [*kinds, "confusion-1", "confusion-2", "confusion-3"]
    assert [chart.title for chart in made_of("three").values()][:3] == [
        "Accuracy against tokens",
        "Differences from lines",
        "Tokens by segment of the prompt",
    ]


def test_what_has_nothing_to_show_is_left_out() -> None:
    bare = Figures(
        "step", "accuracy", [Point(variant("lines"), 0, Span(NAN, NAN, NAN), Span(NAN, NAN, NAN), False, False, True)], {}, {}
    )
    assert charts_of(bare, report(["lines"])) == []


def test_a_confusion_keeps_the_number_of_its_variant() -> None:
    made = report(["lines", "tags", "json"], confused=WRONG)
    fewer = replace(made, confused={**made.confused, variant("tags"): []})
    assert [c.name for c in charts_of(figures(["lines", "tags", "json"]), fewer) if "confusion" in c.name] == [
        "confusion-1",
        "confusion-3",
    ]


# ---------------------------------------------------------------------------------------------- what they hold


def test_variants_lie_between_score_and_tokens() -> None:
    point = figures(list(GRID)).points[2]
    chart = made_of("three")["accuracy-tokens"]
    assert ("json", point.tokens.value, 100 * point.score.value) in rows(chart, "name", "tokens", "score")
    ends = {(row[0], row[1]) for row in rows(chart, "tokens", "tokens2", "name") if row[2] == "json"}
    assert ends == {(point.tokens.low, point.tokens.high), (point.tokens.value,) * 2}
    assert {"lines (baseline)", "tags", "json"} <= set(words(chart))
    assert f"json {100 * point.score.value:.0f} % (" in chart.alt
    assert "No variant scores as high with fewer tokens than tags." in chart.alt


def test_the_front_is_a_stair() -> None:
    made = figures(["a", "b", "c"])
    points = [
        replace(point, score=span(score), tokens=Span(tokens, NAN, NAN), front=front)
        for point, score, tokens, front in zip(
            made.points, (0.5, 0.9, 0.4), (700.0, 900.0, 800.0), (True, True, False), strict=True
        )
    ]
    chart = charts_of(replace(made, points=points), report(["a", "b", "c"]))[0]
    stair = chart.spec["layer"][0]
    assert stair["mark"]["interpolate"] == "step-after"
    assert [tuple(corner.values()) for corner in stair["data"]["values"]][:2] == [(700.0, 50.0), (900.0, 90.0)]
    assert stair["data"]["values"][2]["score"] == 90.0


def test_differences_carry_their_verdict_in_words() -> None:
    chart = made_of("three")["differences"]
    assert rows(chart, "name", "span", "word")[-2:] == [
        ("tags", "+70 (+35 to +88)", "better"),
        ("json", "+5 (−14 to +25)", "inconclusive"),
    ]
    assert {"better", "inconclusive", "+70 (+35 to +88)"} <= set(words(chart))
    looks = {
        row["word"]: (row["colour"], row["shape"])
        for layer in chart.spec["layer"]
        for row in layer["data"]["values"]
        if "word" in row
    }
    assert len({shape for _, shape in looks.values()}) == len({colour for colour, _ in looks.values()}) == 2
    assert (
        chart.alt
        == "Differences in correct from lines: tags: +70 points (+35 to +88), better; json: +5 points (−14 to +25), inconclusive."
    )
    assert (-2.0, 2.0) in rows(chart, "low", "high")  # the margin


def test_every_verdict_has_a_shape_of_its_own_or_its_fellows() -> None:
    assert SHAPES.keys() == set(Verdict)
    shapes = {verdict: shape for verdict, shape in SHAPES.items() if verdict is not Verdict.UNTESTED}
    assert len(set(shapes.values())) == len(shapes)


def test_segments_add_up() -> None:
    chart = made_of("three")["segments"]
    bars = [row for row in chart.spec["layer"][0]["data"]["values"] if row["name"] == "json"]
    assert [(bar["name"], bar["part"], bar["start"], bar["end"]) for bar in bars] == [
        ("json", "instructions", 0.0, 300.0),
        ("json", "schema", 300.0, 550.0),
        ("json", "thread", 550.0, 652.0),
        ("json", "framing", 652.0, 660.0),
    ]
    said = words(chart)
    assert {"300", "250", "102", "660", "instructions"} <= set(said)
    assert "8" not in said  # too narrow to be written on
    assert chart.alt.startswith("Mean tokens of a prompt by segment: lines 658, of these instructions 300, schema 250,")


def test_a_range_is_written_at_its_lower_end() -> None:
    plain = figures(["lines"])
    ranged = replace(plain, segments={one: {**parts, SPREAD: 700.0} for one, parts in plain.segments.items()})
    one, other = (next(c for c in charts_of(f, report(["lines"])) if c.name == "segments") for f in (plain, ranged))
    assert one.spec["layer"][0]["data"] == other.spec["layer"][0]["data"]
    assert "658–1,358" in words(other)
    assert other.alt.startswith("Mean tokens of a prompt by segment: lines 658–1,358, of these instructions 300, schema 250,")
    section = next(part for part in sections.of(report(["lines"]), str, ranged) if part.charts == "segments")
    ((*_, total),) = section.tables[0].cells()
    assert total == "658.0–1,358.0"
    assert RANGES in section.tables[0].legend


def test_lengths_are_lines() -> None:
    assert [row for row in rows(made_of("three")["length"], "name", "x", "y") if row[0] == "tags"][:2] == [
        ("tags", 1, 401.0),
        ("tags", 4, 701.0),
    ]
    assert "tags from 401 at 1 to 701 at 4 events" in made_of("three")["length"].alt


def test_one_length_is_no_line() -> None:
    flat = replace(figures(["lines"]), lengths={variant("lines"): [(3, 100.0)]})
    assert "length" not in {chart.name for chart in charts_of(flat, report(["lines"]))}


def test_levels_have_a_dot_an_variant() -> None:
    for name, count in (("score-by-tag", 3), ("score-by-length", 2), ("score-by-turn", 2)):
        dots = made_of("three")[name].spec["layer"][-1]["data"]["values"]
        assert len(dots) == 3 * count
        assert all(dot["low"] < dot["value"] < dot["high"] for dot in dots)
    assert "tag-0 (12)" in words(made_of("three")["score-by-tag"])
    assert re.search(r"lines \d+ % in tag-\d \(12\) to \d+ % in tag-\d \(12\)", made_of("three")["score-by-tag"].alt)


@pytest.mark.parametrize(("variants", "most"), [(1, 43), (3, 22), (12, 9)])
def test_of_many_tags_those_with_most_cases_are_shown(variants: int, most: int) -> None:
    names = [f"format-{i}" for i in range(variants)]
    levels = [Level(variant(name), f"tag-{i}", 5 + i, span(0.5)) for i in range(50) for name in names]
    made = replace(figures(names, []), levels={"tag": levels})
    tagged = next(c for c in charts_of(made, report(names)) if c.name == "score-by-tag")
    shown = list(dict.fromkeys(row[0] for row in rows(tagged, "level", "value", "low")))
    assert shown == [f"tag-{i} ({5 + i})" for i in range(50 - most, 50)]
    assert f"the {most} of 50 with most cases" in tagged.spec["title"]["subtitle"]
    assert tagged.spec["height"] <= 1000


def test_confusions_count_what_was_chosen() -> None:
    chart = made_of("three")["confusion-1"]
    assert sorted(rows(chart, "name", "chosen", "text")[:2]) == [("ask", "send", "3"), ("send or ask", "(parse)", "1")]
    assert chart.alt == "What lines chose where the step was wrong: send for ask 3 times, (parse) for send or ask 1 time."


def test_rare_intents_are_counted_together() -> None:
    many = [(f"wanted{i:02}", f"got{i:02}", 40 - i) for i in range(20)]
    chart = drawn(["lines"], confused=many)["confusion-1"]
    counted = {(down, over): text for down, over, text in rows(chart, "name", "chosen", "text")}
    assert len(counted) == 16
    assert counted["(others)", "(others)"] == str(sum(40 - i for i in range(15, 20)))


def test_agreement_is_not_called_right_or_wrong() -> None:
    names = ["lines", "tags"]
    agreed = replace(report(names, confused=WRONG), agreement=True)
    made = {chart.name: chart for chart in charts_of(replace(figures(names), words="agreement"), agreed)}
    assert made["accuracy-tokens"].title == "Agreement against tokens"
    assert made["confusion-1"].title == "Steps logged and chosen: lines"
    said = " ".join(json.dumps(chart.spec, ensure_ascii=False) for chart in made.values())
    assert not re.search(r"accura|wrong|expected", said, re.IGNORECASE)


# ---------------------------------------------------------------------------------------------- how they are drawn


@pytest.mark.parametrize("what", ["three", "twelve", "strange", "one"])
def test_vega_has_nothing_to_say_against_them(what: str, capfd: pytest.CaptureFixture[str]) -> None:
    for chart in made_of(what).values():
        vl_convert.vegalite_to_vega(json.dumps(chart.spec, allow_nan=False), show_warnings=True)
    assert capfd.readouterr() == ("", "")


def test_no_interval_is_drawn_where_none_is_known() -> None:
    made = drawn(["lines", "tags"], whole=False)
    assert not rows(made["accuracy-tokens"], "tokens2")
    assert not rows(made["score-by-tag"], "low")
    assert "95 %" not in "".join(chart.spec["title"]["subtitle"] for chart in made.values())


def test_many_variants_look_different() -> None:
    colour, shape = vega.looks([f"variant {i}" for i in range(36)])
    looks = list(zip(colour["scale"]["range"], shape["scale"]["range"], strict=True))
    assert len(set(looks)) == 36
    assert all(one[0] != other[0] and one[1] != other[1] for one, other in itertools.pairwise(looks[:6]))


def test_many_variants_get_a_legend() -> None:
    chart = made_of("twelve")["accuracy-tokens"]
    assert not rows(chart, "align")
    assert {f"format{i}" for i in range(12)} <= set(words(chart))


@pytest.mark.slow
@pytest.mark.parametrize("what", ["three", "twelve", "strange"])
def test_pictures_keep_their_width(what: str) -> None:
    for chart in made_of(what).values():
        assert float(ElementTree.fromstring(picture(chart)).attrib["width"]) <= 1.1 * vega.WIDTH, chart.name


@pytest.mark.slow
def test_same_figures_same_bytes() -> None:
    again = drawn(list(GRID), compared(GRID), WRONG)
    for name, chart in made_of("three").items():
        assert vega.svg(again[name].spec) == vega.svg(chart.spec), name


@pytest.mark.parametrize("what", few(["three", "twelve"], ["three"]))
def test_a_dark_page_knows_every_colour(what: str) -> None:
    for chart in made_of(what).values():
        used = re.findall(r'(?:fill|stroke)="([^"]*)"', picture(chart))
        assert set(used) <= {*vega.DARK, "none", "transparent"}, chart.name


# ---------------------------------------------------------------------------------------------- what names can do


def test_names_of_users_do_nothing() -> None:
    for chart in made_of("strange").values():
        root = ElementTree.fromstring(picture(chart))
        assert {element.tag.partition("}")[2] for element in root.iter()} <= {"svg", "g", "path", "rect", "line", "text", "title"}
        assert not [
            name for element in root.iter() for name in element.attrib if name.startswith("on") or name in ("style", "href")
        ]
        texts = [element.text or "" for element in root.iter()] + [root.attrib["aria-label"], chart.title]
        assert all(text.isprintable() for text in texts)
    assert "<script>alert(1)</script>" in words(made_of("strange")["differences"])


def keys(spec: Any) -> set[str]:
    if isinstance(spec, dict):
        return set(spec).union(*map(keys, spec.values()))
    return set().union(*map(keys, spec)) if isinstance(spec, list) else set()


def test_no_expression_is_made_of_anything() -> None:
    for chart in made_of("strange").values():
        assert keys(chart.spec).isdisjoint({"expr", "signal", "calculate", "filter", "transform", "href", "url", "labelExpr"})


def test_names_that_look_alike_keep_their_own_row() -> None:
    names = [row[0] for row in rows(made_of("strange")["segments"], "name", "start", "text") if row]
    assert len(set(names)) == len(HOSTILE)
    assert max(map(len, names)) <= 40
