from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.baml.tools.names import field_name, tool_name
from phrasing.messages import TOOL_NAME
from phrasing.types import EVENT_TYPE


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("find_user", "find_user"),
        ("list-tags", "list-tags"),
        ("math.factorial", "math_factorial"),
        ("größe", "gr__e"),
        ("2fa", "_2fa"),
        ("-x", "_-x"),
        ("", "_"),
        ("a" * 70, "a" * 64),
    ],
)
def test_names_become_what_apis_take(name: str, taken: str) -> None:
    assert tool_name(name) == taken


@given(st.text(max_size=80))
def test_every_name_becomes_one_that_apis_and_events_take_and_stays_it(name: str) -> None:
    taken = tool_name(name)
    assert TOOL_NAME.fullmatch(taken)
    assert re.fullmatch(EVENT_TYPE, taken)
    assert tool_name(taken) == taken


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("zip", "zip"),
        ("order-id", "order_id"),
        ("_id", "id"),
        ("2nd", "field_2nd"),
        ("", "field"),
        ("größe", "gr__e"),
        ("$filter", "filter"),
        ("class", "class_"),
        ("from", "from_"),
        ("None", "None_"),
        ("model_config", "field_model_config"),
        ("model_name", "model_name"),
        ("json", "field_json"),
        ("model_dump_all", "field_model_dump_all"),
    ],
)
def test_names_become_what_baml_takes(name: str, taken: str) -> None:
    assert field_name(name) == taken


@given(st.text(max_size=20))
def test_every_name_becomes_one_that_baml_takes_and_stays_it(name: str) -> None:
    taken = field_name(name)
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", taken)
    assert field_name(taken) == taken
