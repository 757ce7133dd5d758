"""What is read of the tokens of an answer: all of them, or nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.models.responses import read_logprobs
from phrasing.records import Result
from phrasing.runs import store
from phrasing.types import Completion
from support.tiny_runs import result

ANY = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["logprobs", "content", "token", "logprob"]), inner),
    max_leaves=12,
)
TOKENS = st.lists(st.tuples(st.text(), st.floats(-100, 0)), min_size=1)


def said(tokens: Any) -> dict[str, Any]:
    return {"logprobs": {"content": [{"token": text, "logprob": value, "top_logprobs": []} for text, value in tokens]}}


@given(TOKENS)
def test_every_token_is_read_and_stays_as_it_is_in_a_run(tokens: list[tuple[str, float]]) -> None:
    found = read_logprobs(said(tokens))
    assert found is not None
    assert [text for text, _ in found] == [text for text, _ in tokens]
    assert all(abs(read - value) <= 0.00005 + 1e-12 for (_, read), (_, value) in zip(found, tokens, strict=True))
    kept = result(completion=Completion(text="x", logprobs=found))
    assert Result.model_validate_json(store.line(kept)) == kept


@given(ANY, TOKENS, st.data())
def test_what_is_not_whole_is_not_read_and_breaks_nothing(odd: Any, tokens: list[tuple[str, float]], data: st.DataObject) -> None:
    for choice in ({"logprobs": odd}, {"logprobs": {"content": odd}}, odd if isinstance(odd, dict) else {}):
        found = read_logprobs(choice)
        assert found is None or all(value <= 0 for _, value in found)
    whole = said(tokens)
    at = data.draw(st.integers(0, len(tokens) - 1))
    wrong = data.draw(st.sampled_from([None, float("nan"), float("-inf"), 0.5, "-1", True]))
    whole["logprobs"]["content"][at]["logprob"] = wrong
    assert read_logprobs(whole) is None


def test_half_a_character_can_be_stored() -> None:
    found = read_logprobs(json.loads(r'{"logprobs": {"content": [{"token": "\ud83d", "logprob": -1}]}}'))
    read = Result.model_validate_json(store.line(result(completion=Completion(logprobs=found))))
    assert read.completion
    assert read.completion.logprobs == (("?", -1.0),)


@pytest.mark.parametrize("choice", [{}, {"logprobs": None}, {"logprobs": {"content": []}}, {"logprobs": {"tokens": ["a"]}}])
def test_nothing_said_is_nothing(choice: dict[str, Any]) -> None:
    assert read_logprobs(choice) is None


def test_an_answer_without_them_is_stored_as_it_always_was() -> None:
    assert "logprobs" not in store.line(result(completion=Completion(text="x")))
