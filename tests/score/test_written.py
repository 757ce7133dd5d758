"""What stands in an answer is found: objects, sound or not, and reasoning, which is none of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.score.written import drafts, find_objects, without_reasoning

PROSE = st.text("abc .,:;!?\"'()<>\n`*")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab{}[]\"'\\: ,\n<think>é漢"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab{\"' "), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text("ab{\"' "), VALUES, max_size=3)


# ---------------------------------------------------------------------------------------------- objects


def as_read(text: str) -> Any:
    """Read JSON; an integer beyond 64 bits is read as a float."""
    return json.loads(text, parse_int=lambda digits: int(digits) if -(2**63) <= int(digits) < 2**63 else float(digits))


@given(pieces=st.lists(st.tuples(PROSE, OBJECTS), max_size=5), end=PROSE)
def test_sound_objects_are_found_in_whatever_prose(pieces: list[tuple[str, dict[str, Any]]], end: str) -> None:
    text = "".join(prose + json.dumps(value) for prose, value in pieces) + end
    found = list(find_objects(text, ()))
    assert [one.value for one in found] == [as_read(json.dumps(value)) for _, value in pieces]
    assert [as_read(text[one.start : one.end]) for one in found] == [one.value for one in found]


@given(text=st.text("{}[]\"':=,\\ ab\n", max_size=200))
def test_objects_are_pieces_of_any_text_one_after_another(text: str) -> None:
    found = list(find_objects(text, {"a"}))
    ends = [0, *(place for one in found for place in (one.start, one.end))]
    assert ends == sorted(ends)
    assert ends[-1] <= len(text)
    assert all(text[one.start] == "{" and one.start < one.end for one in found)
    for one in found:
        assert one.value is None or not one.keys
        assert all(one.start < place <= one.end for place in one.keys.values())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{a: 1} and {b: 2}", ["{a: 1}", "{b: 2}"]),
        ("{'a': '}'} {a: 1}", ["{'a': '}'}", "{a: 1}"]),
        ('{"a": "}", } {a: 1}', ['{"a": "}", }', "{a: 1}"]),
        ("{a: {b: 1}} {a: 1}", ["{a: {b: 1}}", "{a: 1}"]),
        ('{"a": 1\n{"a": 2}', ['{"a": 1\n', '{"a": 2}']),
        ('{"a": {"b": 1}', ['{"a": {"b": 1}']),
        ('{"a": "never ends {', ['{"a": "never ends {']),
        ("a { that says nothing, then {a: 1}", ["{a: 1}"]),
        ("it's {not: 'it''s} one", ["{not: 'it''s}"]),
        ("{" * 1_000, []),
    ],
)
def test_unsound_objects_end_where_they_do(text: str, found: list[str]) -> None:
    assert [text[one.start : one.end] for one in find_objects(text, {"a"})] == found


@pytest.mark.parametrize(
    ("text", "enclosed"), [('[{"a": 1}]', True), ('{"a": 1}}', True), ('{"a": 1} }', True), ('{"a": 1}. So.', False)]
)
def test_what_belongs_to_more_json_is_enclosed(text: str, enclosed: bool) -> None:
    (found,) = find_objects(text, ())
    assert found.enclosed == enclosed


def test_no_text_has_too_many_objects() -> None:
    assert len(list(find_objects("{} " * 1_000, ()))) == 50


# ---------------------------------------------------------------------------------------------- reasoning

WRAPPERS = [
    ("<think>", "</think>"),
    ("<THINKING>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ('<reasoning effort="high">', "</reasoning>"),
    ("<analysis>", "</analysis>"),
    ("<reflection>", "</reflection>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<inner_monologue>", "</inner_monologue>"),
    ("<draft>", "</draft>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
]


@pytest.mark.parametrize(("opened", "closed"), WRAPPERS)
def test_reasoning_is_cut_out_of_every_wrapper(opened: str, closed: str) -> None:
    draft = '{"intent": "a"} or {b: <c>}?\nNo.'
    assert without_reasoning(f"{opened}{draft}{closed}\nsaid") == "said"
    assert without_reasoning(f"one {opened}{draft}{closed}two {opened}{draft}{closed}") == "one two"
    assert without_reasoning(f"{draft}{closed}\nsaid") == "said"
    assert without_reasoning(f"said\n{opened}{draft}") == "said"


@given(value=OBJECTS, prose=st.sampled_from(["", "So: ", "```json\n"]))
def test_a_value_that_speaks_of_reasoning_keeps_it(value: dict[str, Any], prose: str) -> None:
    text = prose + json.dumps({**value, "a": "<think>b</think>"})
    assert without_reasoning(text) == text


@given(text=st.text('abc <>{}[]/"\n'))
def test_a_text_without_reasoning_is_left_as_it_is(text: str) -> None:
    assert without_reasoning(text) == text.strip()


@pytest.mark.parametrize(
    "text", ["a < b and c > d", "write <reason> in the box", "<b>bold</b>", "[plan] ahead", "I think: <yes>", "the <th> tag"]
)
def test_other_tags_and_words_are_no_reasoning(text: str) -> None:
    assert without_reasoning(text) == text


@pytest.mark.parametrize(
    ("text", "behind"),
    [
        ("Draft. Final answer: a", [": a"]),
        ("final answer a, FINAL ANSWER b", [" b", " a, FINAL ANSWER b"]),
        ("<answer>a</answer>", ["a</answer>"]),
        ('{"a": "the final answer"} b', []),
        ("finally answered", []),
    ],
)
def test_drafts_stand_before_a_final_answer(text: str, behind: list[str]) -> None:
    assert [text[place:] for place in drafts(text)] == behind
