"""Parameters that are given for a run stand in place of the suite's, and are written as the command line takes them."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.cli import main
from phrasing.errors import SuiteError
from phrasing.plan.selection import Selection, override
from phrasing.suite.schema import Suite
from support.tiny_runs import SUITE

NAME = st.sampled_from(["temperature", "seed", "stop", "reasoning_effort", "cache_prompt", "top_k"])
VALUE = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1e-05,
        -1.5,
        1e300,
        "",
        "null",
        "low",
        "1",
        "yes",
        "- a",
        "it's = \n 'ü'",
        ["a", 1],
        {"type": "on", "n": 1024},
    ]
)
PARAMS = st.dictionaries(NAME, VALUE, max_size=4)


def suite(params: object, *own: object) -> Suite:
    models = [{"id": "openai/x", "label": f"x{number}", "params": each} for number, each in enumerate(own)]
    return Suite.model_validate({**SUITE, "params": params, "models": models or ["openai/x"]})


@given(PARAMS, PARAMS, PARAMS)
def test_what_is_given_is_sent_and_the_rest_as_before(shared: dict, own: dict, given: dict) -> None:  # type: ignore[type-arg]
    made = override(suite(shared, own), Selection(params=given))
    assert {**made.params, **made.models[0].params} == {**shared, **own, **given}
    assert made.models[0].label == "x0"
    assert override(suite(shared, own), Selection()) == suite(shared, own)


def test_models_that_are_given_have_them_too() -> None:
    made = override(suite({"seed": 1}), Selection(models=["openai/y"], params={"seed": None}))
    assert (made.params, [(model.id, model.params) for model in made.models]) == ({"seed": None}, [("openai/y", {})])


def read(*words: str) -> click.Context:
    """Read the options of ``run``."""
    above = click.Context(main)
    verb = main.get_command(above, "run")
    assert verb
    return verb.make_context("run", ["evals/x.yaml", *words], parent=above)


@given(PARAMS)
def test_words_are_read_as_they_were_meant(params: dict) -> None:  # type: ignore[type-arg]
    assert read(*Selection(params=params).words).params["params"] == params


def test_a_word_needs_no_quotes() -> None:
    assert read("-p", "reasoning_effort=low", "-p", "stop=a=b").params["params"] == {"reasoning_effort": "low", "stop": "a=b"}


@pytest.mark.parametrize("word", ["temperature", "=1", "stop=[", "stop=", "seed=None", "seed=NaN", ""])
def test_what_is_no_parameter(word: str) -> None:
    with pytest.raises(click.BadParameter, match=r"isn't NAME=VALUE|names no parameter"):
        read("-p", word)


def test_what_may_not_be_set_in_a_suite_may_not_here() -> None:
    with pytest.raises(SuiteError, match=r"command line: params: .*'api_key' can't be set here"):
        override(suite({}), Selection(params={"api_key": "mine"}))
