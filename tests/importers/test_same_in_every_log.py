"""The same conversation gives the same threads and labels, whatever wrote it down; or the case is tagged."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.importers import registry
from phrasing.importers.summary import ImportSummary
from support.imported import labels, made
from support.wrapped import SHAPES, SYSTEM, TOLD, Agent, Gave, Talk, User


def cases(shape: str, told: str) -> tuple[list[tuple[Any, Any, Any]], ImportSummary]:
    lines, account = made(*SHAPES[shape](TOLD[told]))
    return [(line["thread"]["events"], labels(line), line.get("tags")) for line in lines], account


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
def test_calls_made_at_once_are_all_wanted_in_every_log(shape: str) -> None:
    (first, *others), account = cases(shape, "calls at once")
    ring, look = {"intent": "ring", "args": {"times": 1}}, {"intent": "look", "args": {"at": "pier"}}
    assert first[1:] == ({"all": [ring, look]}, None)
    assert [wanted for _, wanted, _ in others] == [{"expect": [{"intent": "respond"}]}]
    assert account.at_once == {"all": 1, "expect": 0}
    lines, _ = made(*SHAPES[shape](TOLD["calls at once"]), together="any")
    assert labels(lines[0]) == {"expect": [ring, look]}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_importer_is_among_the_shapes(shape: str) -> None:
    single = {name for name in registry.OURS if hasattr(registry.load_importer(name), "fits")}
    assert single == {name.partition(",")[0] for name in SHAPES}


# ---------------------------------------------------------------------------------------------- any conversation


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), min_size=1, max_size=12).filter(
    lambda text: text.strip() == text
)
VALUES = st.recursive(
    st.booleans() | st.integers(-9, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
)
NAMES = st.sampled_from(["ring", "look", "moor"])
OUTPUTS = st.dictionaries(st.sampled_from(["at", "seen", "rung"]), VALUES, min_size=2, max_size=3)


@st.composite
def talks(draw: st.DrawFn) -> Talk:
    made: Talk = []
    calls = 0
    for _ in range(draw(st.integers(1, 3))):
        made.append(User(draw(TEXTS)))
        for _ in range(draw(st.integers(0, 2))):
            wanted = draw(st.lists(NAMES, min_size=1, max_size=3))
            listed = [(f"c{calls + i}", name, draw(st.dictionaries(NAMES, VALUES, max_size=2))) for i, name in enumerate(wanted)]
            calls += len(listed)
            made.append(Agent(draw(TEXTS | st.just("")), tuple(listed)))
            made += [Gave(call, name, draw(OUTPUTS)) for call, name, _ in listed]
        made.append(Agent(draw(TEXTS)))
    return made


@given(talks(), st.sampled_from(list(SHAPES)))
def test_any_conversation_is_the_same_in_every_log(talk: Talk, shape: str) -> None:
    def told(name: str) -> list[tuple[Any, Any, Any]]:
        return [(line["thread"]["events"], labels(line), line.get("tags")) for line in made(*SHAPES[name](talk))[0]]

    assert told(shape) == told("openai")
