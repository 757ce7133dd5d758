"""Threads told twice: what is found is what comparing all pairs finds, and it doesn't take comparing all pairs."""

from __future__ import annotations

import json
import random
import re
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.suite import dataset
from phrasing.suite.near_duplicates import ALIKE, FEW, Near, near_duplicates
from phrasing.types import Case
from support.paths import REPOSITORY
from support.tiers import few


def case(name: str, *texts: str, group: str | None = None) -> Case:
    events = [{"type": "mail", "data": {"text": text}} for text in texts]
    return Case.model_validate({"id": name, "thread": {"events": events}, "expect": [{"intent": "ask"}], "group": group})


LONG = " ".join(f"word{i}" for i in range(60))


def test_a_thread_told_twice() -> None:
    twice = LONG.replace("word30", "other")
    found = near_duplicates([case("a", LONG), case("b", LONG.upper()), case("c", twice), case("d", LONG)])
    # 65 words (events, data, text, sixty, type, mail) make 63 runs; one other word changes three of them
    assert found == Near([("a", "d", 1.0), ("a", "c", 60 / 66), ("c", "d", 60 / 66)], 3, whole=True)


def test_one_conversation_may_be_told_in_many_cases() -> None:
    assert near_duplicates([case("a", LONG, group="g"), case("b", LONG, group="g")]).total == 0
    assert near_duplicates([case("a", LONG, group="g"), case("b", LONG, group="h")]).total == 1


def test_a_short_thread_is_another_with_one_word() -> None:
    assert near_duplicates([case("a", "add 2 and 3"), case("b", "add 2 and 4")]).total == 0


def test_nothing_has_no_duplicates() -> None:
    assert near_duplicates([]) == Near([], 0, whole=True)


# ---------------------------------------------------------------------------------------------- against comparing all pairs


def runs(one: Case) -> frozenset[tuple[str, ...]]:
    words = re.findall(r"\w+", json.dumps(one.thread.model_dump(exclude_none=True), sort_keys=True, ensure_ascii=False))
    return frozenset(zip(words, words[1:], words[2:], strict=False))


def by_all_pairs(listed: list[Case]) -> list[tuple[str, str, float]]:
    cut = {one.id: runs(one) for one in listed}
    alike = (
        (one.id, other.id, len(cut[one.id] & cut[other.id]) / len(cut[one.id] | cut[other.id]))
        for one, other in combinations(listed, 2)
        if one.cluster != other.cluster
    )
    return sorted((pair for pair in alike if pair[2] >= ALIKE), key=lambda pair: (-pair[2], pair[:2]))


@given(
    texts=st.lists(st.lists(st.sampled_from(["ab", "cd", "ef"]), max_size=25).map(" ".join), min_size=2, max_size=7),
    twice=st.integers(0, 6),
    groups=st.lists(st.sampled_from(["g", "h", None]), min_size=8, max_size=8),
    most=st.integers(0, 4),
)
def test_no_pair_is_missed_and_none_made_up(texts: list[str], twice: int, groups: list[str | None], most: int) -> None:
    texts.append(texts[twice % len(texts)] + " ab")
    listed = [case(f"n{i}", text, group=group) for i, (text, group) in enumerate(zip(texts, groups, strict=False))]
    expected = by_all_pairs(listed)
    assert near_duplicates(listed) == Near(expected, len(expected), whole=True)
    assert near_duplicates(listed, most) == Near(expected[:most], len(expected), whole=True)


@given(seed=st.integers(0, 10_000), length=st.integers(10, 120), varying=st.integers(1, 12))
def test_no_pair_is_missed_where_all_threads_share_their_words(seed: int, length: int, varying: int) -> None:
    # More threads than FEW hold every run, so that they are dealt to buckets; they differ in a few words, and in length.
    rng = random.Random(seed)
    words = [f"w{i}" for i in range(length)]
    listed = []
    for number in range(2 * FEW):
        said = words[: length - rng.randrange(3)]
        for _ in range(rng.randrange(varying)):
            said[rng.randrange(len(said))] = rng.choice("xyz")
        listed.append(case(f"n{number}", " ".join(said), group=rng.choice(["g", "h", None])))
    expected = by_all_pairs(listed)
    assert near_duplicates(listed) == Near(expected, len(expected), whole=True)


SHIPPED = sorted(path.stem for path in (REPOSITORY / "datasets").glob("*.jsonl"))


@pytest.mark.parametrize("name", few(SHIPPED, [name for name in SHIPPED if name != "nightdesk"]))
def test_shipped_datasets_have_the_near_duplicates_that_comparing_all_pairs_finds(name: str) -> None:
    listed = list(dataset.load(REPOSITORY / "datasets" / f"{name}.jsonl").cases)
    expected = by_all_pairs(listed)
    assert near_duplicates(listed) == Near(expected, len(expected), whole=True)


# ---------------------------------------------------------------------------------------------- and by far fewer comparisons


def orders(number: int) -> list[Case]:
    """Make cases of a form with a few fields: every run of words is in many of them, and no two are near-duplicates."""
    rng = random.Random(number)
    told = set[str]()
    while len(told) < number:
        fields = (f"{name} {rng.randrange(40)}" for name in ("from", "to", "sends", "wants", "pays", "owes", "has", "needs"))
        told.add(" and ".join(fields))
    return [case(f"n{i}", text) for i, text in enumerate(sorted(told))]


@pytest.mark.parametrize("number", [400, 1600])
def test_few_pairs_are_looked_at_where_all_share_their_runs(number: int) -> None:
    pairs = number * (number - 1) // 2
    assert near_duplicates(orders(number), effort=pairs // 25) == Near([], 0, whole=True)


def test_of_too_many_pairs_some_are_named_and_the_same_each_time() -> None:
    listed = [case(f"n{i}", f"{LONG} order {i} ends") for i in range(200)]
    found = near_duplicates(listed, 5, effort=150)
    assert not found.whole
    assert len(found.pairs) == 5
    assert 5 < found.total <= 150
    assert found == near_duplicates(listed, 5, effort=150)
    assert near_duplicates(listed, 5).total == 200 * 199 // 2
