"""The tree of mistakes is the one that is drawn, and messages have one shape."""

from __future__ import annotations

import re

import pytest

from phrasing import errors
from phrasing.errors import CompletionError, UserError, shorten, unknown


def test_the_tree_is_the_one_that_is_drawn() -> None:
    drawn = set(re.findall(r"\b\w+Error\b", errors.__doc__ or ""))
    assert drawn == {"UserError", "CompletionError"} | {kind.__name__ for kind in UserError.__subclasses__()}
    assert not issubclass(CompletionError, UserError)


@pytest.mark.parametrize("kind", UserError.__subclasses__())
def test_a_mistake_says_where(kind: type[UserError]) -> None:
    assert str(kind("is wrong", where="a.yaml:3")) == "a.yaml:3: is wrong"
    assert str(kind("is wrong")) == "is wrong"
    assert kind("is wrong", where="a.yaml:3").where == "a.yaml:3"


def test_a_request_that_failed_says_how() -> None:
    error = CompletionError("transient", "timed out", attempts=3)
    assert (error.kind, str(error), error.attempts) == ("transient", "timed out", 3)


@pytest.mark.parametrize(
    ("name", "choices", "message"),
    [
        ("xlm", ["xml", "json"], "format 'xlm' not found (did you mean 'xml'?); there are: json, xml"),
        ("zzz", ["xml", "json"], "format 'zzz' not found; there are: json, xml"),
        ("x", [], "format 'x' not found; there are: none"),
    ],
)
def test_an_unknown_name_comes_with_the_nearest_and_with_all(name: str, choices: list[str], message: str) -> None:
    assert unknown("format", name, choices) == message


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("a  b\n c", "a b c"),
        ("x" * 10, "x" * 10),
        ("x" * 11, "x" * 9 + "…"),
        ("a" + " " * 100, "a…"),
        ("", ""),
    ],
)
def test_foreign_texts_are_folded_and_cut(text: str, short: str) -> None:
    assert shorten(text, 10) == short
    assert len(shorten(text * 1000, 10)) <= 10
