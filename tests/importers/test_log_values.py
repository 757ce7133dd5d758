from __future__ import annotations

import pytest

from phrasing.importers.log_values import read_arguments, read_output


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ('{"a": 1}', {"a": 1}),
        ({"a": 1}, {"a": 1}),
        ("", {}),
        (None, {}),
        ("[1]", "[1]"),
        ('{"a": 1', '{"a": 1'),
        ('{"a": 1, "a": 2}', '{"a": 1, "a": 2}'),
        ('{"a": NaN}', '{"a": NaN}'),
        (3, "3"),
    ],
)
def test_arguments_are_an_object_or_text(raw: object, read: object) -> None:
    assert read_arguments(raw) == read  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ('{"a": [1, 2.5]}', {"a": [1, 2.5]}),
        ('"text"', "text"),
        ("19122", 19122),
        ("007", "007"),
        ("1.10", "1.10"),
        ("1e400", "1e400"),
        ("true", True),
        ("null", None),
        ("total: 3", "total: 3"),
        (" {} ", " {} "),
        ('{"a": "\\ud800"}', '{"a": "\\ud800"}'),
        ([1], [1]),
    ],
)
def test_results_that_are_json_are_read(raw: object, read: object) -> None:
    assert read_output(raw) == read  # type: ignore[arg-type]
    assert type(read_output(raw)) is type(read)  # type: ignore[arg-type]
