"""The talk's numbers come out of the texts that docs/slide.md shows, and the page says what the counts say."""

from __future__ import annotations

import json
from types import ModuleType

import pytest

from support.paths import REPOSITORY
from support.tools import tool

PAGE = (REPOSITORY / "docs" / "slide.md").read_text("utf-8")


@pytest.fixture(scope="module")
def slide() -> ModuleType:
    return tool("slide")


@pytest.fixture(scope="module")
def parts(slide: ModuleType) -> dict[str, str]:
    return dict(slide.parts(REPOSITORY))


def table(text: str) -> dict[str, list[int]]:
    rows = (line.strip("| ").split(" | ") for line in text.splitlines()[2:])
    return {name: [int(cell) for cell in cells] for name, *cells in rows}


def test_the_four_numbers_of_the_slide(slide: ModuleType) -> None:
    assert (slide.counts(slide.COUNTED_JSON), len(slide.COUNTED_JSON)) == ((87, 87), 336)
    assert (slide.counts(slide.COUNTED_XML), len(slide.COUNTED_XML)) == ((57, 57), 182)
    assert "**87 tokens and 336 characters** of JSON against\n**57 tokens and 182 characters** of XML" in PAGE


def test_what_was_counted_is_what_the_slide_shows(slide: ModuleType) -> None:
    words = slide.SHOWN_JSON.split()
    assert slide.COUNTED_JSON.split() == words
    assert slide.COUNTED_XML.split() == slide.SHOWN_XML.split()
    assert json.loads(slide.COUNTED_JSON) == slide.events(slide.CALL, slide.REPEATED)
    with pytest.raises(json.JSONDecodeError, match="Invalid control character"):
        json.loads(slide.SHOWN_JSON)


def test_the_page_holds_what_is_generated(parts: dict[str, str]) -> None:
    for name, content in parts.items():
        assert f"<!-- {name} -->\n{content}\n<!-- /{name} -->" in PAGE, "run: python tools/reference.py"


def test_what_the_page_concludes(slide: ModuleType, parts: dict[str, str]) -> None:
    counted = {name: slide.counts(text)[0] for name, text in slide.TEXTS.items()}
    assert all(one == other for one, other in map(slide.counts, slide.TEXTS.values()))
    pretty, xml, compact = (counted[name] for name in (slide.INDENTED, slide.ONE_LINE, slide.COMPACT))
    assert (pretty, compact, xml) == (84, 55, 52)
    formats, sent = table(parts["formats"]), table(parts["prompts"])
    assert (formats["json_pretty"][0], formats["json"][0]) == (pretty, compact)
    assert abs(formats["json"][2] - formats["xml_yaml"][2]) <= 2  # "about the same"
    messages, trace = sent["messages, tool"], sent["xml_yaml, tool"]
    assert messages[2] < trace[2]
    assert messages[-1] > trace[-1]  # "the wrong sign"
    assert all(sum(row[:-1]) == row[-1] and row[1] > row[2] for row in sent.values())


def test_text_of_a_copied_block_is_indented_but_for_its_first_line(slide: ModuleType) -> None:
    assert slide.indented("a\n b\n\nc", 2) == "a\n   b\n\n  c"
