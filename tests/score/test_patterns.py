"""Texts made from a pattern are texts that it matches, and simple patterns give some."""

from __future__ import annotations

import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.score.patterns import LONGEST, MOST, texts

PIECES = ("9", "a", " ", "\\.", "\\d", "\\w", "\\s", ".", "[ T]", "[^0-9]", "[a-c1-3]", "[]x]", "(ab|c)", "(?:d)", "(?P<n>e)")
ROUND = ("", "^", "\\b", "(?i)", "(?<![a-z])")
simple = st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(("", "?", "+", "*", "{2}", "{1,3}", "+?")))).map(
    lambda pieces: "".join(piece.replace("n>", f"n{at}>") + repeat for at, (piece, repeat) in enumerate(pieces))
)


@given(st.sampled_from(ROUND), simple, simple, st.sampled_from(("", "$", "(?![0-9])")))
def test_a_simple_pattern_gives_texts_that_it_matches(before: str, one: str, other: str, after: str) -> None:
    pattern = f"{before}({one}|{other.replace('(?P<n', '(?P<m')}){after}"
    made = texts(pattern)
    assert all(re.search(pattern, text) for text in made)
    # a word's border may not be where the texts have none, and a lookahead may refuse what comes next
    if before in ("", "^", "(?i)") and after in ("", "$"):
        assert made


@given(st.text(alphabet="()[]{}^$|\\.*+?-,:<>=!#Px1a9d ", max_size=25))
def test_any_pattern_gives_texts_that_it_matches_or_none(pattern: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sets that look nested
        try:
            re.compile(pattern)
        except (re.error, OverflowError):
            return
        made = texts(pattern)
    assert all(re.search(pattern, text) for text in made)
    assert len(made) <= MOST


@pytest.mark.parametrize(
    ("pattern", "made"),
    [
        ("^2026-12-03[ T]0?9:00(:00)?$", ["2026-12-03 9:00", "2026-12-03 9:00:00", "2026-12-03 09:00", "2026-12-03 09:00:00"]),
        ("(?i)v1|v2", ["v1", "v2"]),
        ("^[a-z0-9]{3}$", ["000"]),
        ("(a)\\1", []),
        ("(?P<q>a)(?P=q)", []),
        ("(?(1)a|b)()", []),
        (f"x{{{LONGEST + 1}}}", []),
        ("(((x{99}){99}){99}){99}", []),
    ],
)
def test_texts(pattern: str, made: list[str]) -> None:
    assert texts(pattern) == made
