"""Threads told twice are found, whatever the rare words that spare most comparisons; repeated cases, in little memory."""

from __future__ import annotations

import json
import re
import tracemalloc
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.suite.duplicates import ALIKE, Seen, near_duplicates
from phrasing.types import Case


def case(name: str, *texts: str, group: str | None = None) -> Case:
    events = [{"type": "mail", "data": {"text": text}} for text in texts]
    return Case.model_validate({"id": name, "thread": {"events": events}, "expect": [{"intent": "ask"}], "group": group})


LONG = " ".join(f"word{i}" for i in range(60))


def test_a_thread_told_twice() -> None:
    twice = LONG.replace("word30", "other")
    found = near_duplicates([case("a", LONG), case("b", LONG.upper()), case("c", twice), case("d", LONG)])
    # 65 words (events, data, text, sixty, type, mail) make 63 runs; one other word changes three of them
    assert found == [("a", "d", 1.0), ("a", "c", 60 / 66), ("c", "d", 60 / 66)]


def test_one_conversation_may_be_told_in_many_cases() -> None:
    assert near_duplicates([case("a", LONG, group="g"), case("b", LONG, group="g")]) == []
    assert len(near_duplicates([case("a", LONG, group="g"), case("b", LONG, group="h")])) == 1


def test_a_short_thread_is_another_with_one_word() -> None:
    assert near_duplicates([case("a", "add 2 and 3"), case("b", "add 2 and 4")]) == []


def runs(one: Case) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", json.dumps(one.thread.model_dump(exclude_none=True), sort_keys=True, ensure_ascii=False))
    return set(zip(words, words[1:], words[2:], strict=False))


@given(
    st.lists(st.lists(st.sampled_from(["ab", "cd", "ef"]), max_size=25).map(" ".join), min_size=2, max_size=7), st.integers(0, 6)
)
def test_no_pair_is_missed_and_none_made_up(texts: list[str], twice: int) -> None:
    texts.append(texts[twice % len(texts)] + " ab")
    listed = [case(f"n{i}", text) for i, text in enumerate(texts)]
    alike = {
        (one.id, other.id): len(runs(one) & runs(other)) / len(runs(one) | runs(other)) for one, other in combinations(listed, 2)
    }
    found = near_duplicates(listed)
    assert {(one, other): value for one, other, value in found} == {pair: v for pair, v in alike.items() if v >= ALIKE}
    assert [value for *_, value in found] == sorted((value for *_, value in found), reverse=True)


# ---------------------------------------------------------------------------------------------- repeats


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
