"""Tables: every figure stands under its column, in full and in short, and leads to the trials behind it."""

from __future__ import annotations

import math

from phrasing.analysis.compare import Comparison, Contrast, Ratio, compare
from phrasing.report import columns
from phrasing.report.text import span
from phrasing.suite.schema import Comparing
from support.made_up_results import compared, pairs, variants

NAN = math.nan
GRID = {"lines": "1100110011", "tags": "1111111001", "json": "eeeeeeeeee"}


def label(name: str) -> str:
    """Name a variant by its format."""
    return name.split(",")[2]


def full(found: Comparison) -> list[dict[str, str]]:
    """The rows of a comparison's table, by the keys of its columns."""
    table = columns.comparison(found, label)
    keys = [column.key for column in table.columns if column.title is not None]
    return [dict(zip(keys, row, strict=True)) for row in table.cells()]


def short(found: Comparison) -> list[dict[str, str]]:
    """The same for 80 characters."""
    shown = columns.comparison(found, label).short()
    return [{key: cells[i] for key, _, cells in shown} for i in range(len(found.contrasts))]


def test_a_comparison_in_full() -> None:
    tags, json = full(compared(GRID, settings=Comparing(confidence=0.9)))
    assert {name: tags[name] for name in ("variant", "n", "left_out", "p", "flips", "answer_ratio")} == {
        "variant": "tags", "n": "10", "left_out": "0", "p": "0.63", "flips": "3/1/6", "answer_ratio": "1.00",
    }  # fmt: skip
    assert tags["context_ratio"] == "1.24 (1.23–1.24)"
    assert "would need about " in tags["verdict"]
    assert json.pop("verdict").endswith(": no case that both answered")
    assert list(json.values()) == ["json", "0", "10", "–", "–", "–", "–", "–", "–", "–"]


def test_a_comparison_in_short() -> None:
    found = compared(GRID)
    tags, json = short(found)
    assert tags.pop("needed").startswith("~")
    assert tags == {
        "variant": "tags", "n": "10", "points": span(found.contrasts[0]), "p": "0.63", "flips": "3/1", "context_ratio": "×1.24",
        "verdict": "inconclusive",
    }  # fmt: skip
    assert list(json.values()) == ["json", "0", "–", "–", "–", "–", "inconclusive", "–"]
    (sure,) = short(compared({"lines": "0" * 20, "tags": "1" * 20}))
    assert (sure["verdict"], sure["needed"]) == ("better", "–")


def test_the_interval_has_its_confidence_in_the_title() -> None:
    titles = columns.comparison(compared(GRID, settings=Comparing(confidence=0.9)), label).titles()
    assert [title for title in titles if "90 %" in title]
    assert not [title for title in titles if "95 %" in title]


def test_a_ratio_without_a_spread_has_no_interval() -> None:
    found = compared(GRID)
    for ratio in (Ratio(1.2, NAN, NAN), Ratio(1.2, 1.2001, 1.2004)):
        shown = Contrast(**{**vars(found.contrasts[0]), "ratios": {"prompt_tokens": ratio}})
        (row,) = full(Comparison(found.settings, (shown,), ()))
        assert [row[key] for key in ("context_ratio", "answer_ratio", "cost_ratio")] == ["1.20", "–", "–"]


def test_figures_of_a_comparison_lead_to_the_cases_that_flipped() -> None:
    found = compared(GRID)
    for column in columns.comparison(found, label).columns[1:-1]:
        assert column.link
        assert column.link(found.contrasts[0]) == {"one": found.contrasts[0].variant, "other": found.contrasts[0].baseline}


def test_the_same_results_give_the_same_rows() -> None:
    one, two = (compare(pairs(variants(grid)), Comparing()) for grid in (GRID, dict(reversed(GRID.items()))))
    assert sorted(full(one), key=str) == sorted(full(two), key=str)
