"""Repeated cases are told, in little memory."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.suite.duplicates import Seen


@given(cases=st.lists(st.tuples(st.sampled_from([b"", b"a", b"ab", b"c"]), st.sampled_from([b"", b"b", b"bc", b"d"]))))
def test_repeats_are_told_and_threads_with_other_labels_counted(cases: list[tuple[bytes, bytes]]) -> None:
    seen = Seen()
    for number, one in enumerate(cases):
        assert seen.add(*one) == (one not in cases[:number])
    different = set(cases)
    assert seen.repeats == len(cases) - len(different)
    assert seen.relabelled == len(different) - len({thread for thread, _ in different})


@pytest.mark.slow
def test_many_cases_are_remembered_in_little_memory() -> None:
    count = 6_000
    tracemalloc.start()
    try:
        seen = Seen()
        assert all(seen.add(b"thread %d" % number, b"ask") for number in range(count))
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held / count < 50  # bytes
    assert not any(seen.add(b"thread %d" % number, b"ask") for number in range(count))
    assert all(seen.add(b"thread %d" % number, b"wait") for number in range(count))
    assert (seen.repeats, seen.relabelled) == (count, count)
