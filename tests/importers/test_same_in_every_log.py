"""The same conversation gives the same threads and labels, whatever wrote it down; or the case is tagged."""

from __future__ import annotations

from typing import Any

import pytest

from phrasing.importers import registry
from phrasing.importers.summary import ImportSummary
from support.imported import made
from support.wrapped import SHAPES, SYSTEM, TOLD


def cases(shape: str, told: str) -> tuple[list[tuple[Any, Any, Any]], ImportSummary]:
    lines, account = made(*SHAPES[shape](TOLD[told]))
    return [(line["thread"]["events"], line["expect"], line.get("tags")) for line in lines], account


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_known_for_what_it_is(shape: str) -> None:
    for talk in TOLD.values():
        assert {registry.detect(record) for record in SHAPES[shape](talk)} == {shape.partition(",")[0]}


@pytest.mark.parametrize("told", TOLD)
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "openai"])
def test_every_shape_gives_the_same_threads_and_labels(shape: str, told: str) -> None:
    wanted, _ = cases("openai", told)
    found, account = cases(shape, told)
    assert found == wanted
    assert all("no call of a model" in reason for reason in account.left)
    assert shape == "events" or set(account.systems) == {SYSTEM}
    assert len(wanted) == sum(type(one).__name__ == "Agent" for one in TOLD[told])


@pytest.mark.parametrize("shape", SHAPES)
def test_every_importer_is_among_the_shapes(shape: str) -> None:
    single = {name for name in registry.OURS if hasattr(registry.load_importer(name), "fits")}
    assert single == {name.partition(",")[0] for name in SHAPES}
