"""A sample has the size that was asked for, keeps conversations whole, and is like the whole; a split tears none."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.errors import UserError
from phrasing.suite import sample
from phrasing.suite.sample import draw_indices, length_bands, parse_shares, position, split, split_indices
from phrasing.types import Case


def made(*conversations: Sequence[str]) -> list[Case]:
    """Cases of conversations, each a list of what its turns expect."""
    return [
        Case.model_validate(
            {
                "id": f"c{number}-{turn}",
                "thread": {"events": [{"type": "mail"}]},
                "expect": [{"intent": intent}, {"intent": "anything"}],
                "group": f"g{number}",
                "turn": turn,
            }
        )
        for number, intents in enumerate(conversations)
        for turn, intent in enumerate(intents)
    ]


def draw(cases: Sequence[Case], size: int | None, seed: int) -> list[Case]:
    """The cases that are drawn by what is held of them."""
    drawn = sample.draw({case.id: case.note for case in cases}, size, seed)
    found = {case.id: case for case in cases}
    return [found[name] for name in drawn]


intents = st.sampled_from(["add", "send", "ask", "finish"])
mixed = st.lists(st.lists(intents, min_size=1, max_size=4), min_size=1, max_size=12).map(lambda listed: made(*listed))
alike = st.lists(st.tuples(intents, st.integers(1, 4)), min_size=1, max_size=15).map(
    lambda listed: made(*([intent] * turns for intent, turns in listed))
)


@given(cases=mixed, size=st.integers(1, 30), seed=st.integers(0, 5), data=st.data())
def test_a_sample_is_drawn_by_size_and_seed_alone(cases: list[Case], size: int, seed: int, data: st.DataObject) -> None:
    drawn = draw(cases, size, seed)
    assert len(drawn) == min(size, len(cases))
    assert drawn == [case for case in cases if case in drawn]
    assert drawn == draw(cases, size, seed)
    shuffled = data.draw(st.permutations(cases))
    assert {case.id for case in draw(shuffled, size, seed)} == {case.id for case in drawn}


@given(cases=mixed, size=st.integers(1, 30), seed=st.integers(0, 5))
def test_one_conversation_at_most_is_cut_and_then_at_its_end(cases: list[Case], size: int, seed: int) -> None:
    whole, kept = (Counter(case.cluster for case in listed) for listed in (cases, draw(cases, size, seed)))
    cut = [cluster for cluster in kept if kept[cluster] < whole[cluster]]
    assert len(cut) <= 1
    turns = {case.turn for case in draw(cases, size, seed) if case.cluster in cut}
    assert turns == set(range(len(turns)))


@given(cases=alike, size=st.integers(1, 40), seed=st.integers(0, 5))
def test_shares_of_intents_are_those_of_all_within_a_conversation(cases: list[Case], size: int, seed: int) -> None:
    size = min(size, len(cases))
    largest = max(Counter(case.cluster for case in cases).values())
    whole, drawn = (Counter(case.expect[0].intent for case in listed) for listed in (cases, draw(cases, size, seed)))
    for intent, count in whole.items():
        assert abs(drawn[intent] - Fraction(size * count, len(cases))) <= largest


@given(counts=st.lists(st.integers(1, 30), min_size=1, max_size=4), size=st.integers(1, 60), seed=st.integers(0, 5))
def test_without_groups_each_intent_has_its_share_within_one_case(counts: list[int], size: int, seed: int) -> None:
    cases = made(*([intent] for intent, count in zip("abcd", counts, strict=False) for _ in range(count)))
    size = min(size, len(cases))
    drawn = Counter(case.expect[0].intent for case in draw(cases, size, seed))
    assert all(abs(drawn[i] - Fraction(size * n, len(cases))) <= 1 for i, n in zip("abcd", counts, strict=False))


def test_conversations_of_many_intents_are_followed_as_far_as_they_go() -> None:
    cases = made(*(["add", "send", "send", "ask"] for _ in range(20)), *(["finish"] for _ in range(20)))
    assert Counter(case.expect[0].intent for case in draw(cases, 25, 0)) == {"add": 5, "send": 10, "ask": 5, "finish": 5}


def test_every_case_can_be_drawn() -> None:
    cases = made(["add"], ["add"], ["add", "send"], ["send"], ["ask"], ["ask", "add"])
    assert {case.id for seed in range(30) for case in draw(cases, 4, seed)} == {case.id for case in cases}
    assert draw(cases, None, 0) == cases


# ---------------------------------------------------------------------------------------------- as it was, and for many


def drawn_by_definition(cases: Sequence[Case], size: int, seed: int) -> list[Case]:
    """What ``draw`` says, step by step; it takes time with the square of the cases. Recorded samples were drawn so."""
    if size >= len(cases):
        return list(cases)
    clusters: dict[str, list[Case]] = {}
    for case in sorted(cases, key=lambda case: (case.cluster, case.turn or 0, case.id)):
        clusters.setdefault(case.cluster, []).append(case)
    waiting = list(clusters)
    Random(seed).shuffle(waiting)
    whole = Counter(case.expect[0].intent for case in cases)
    drawn: dict[str, Case] = {}
    while len(drawn) < size:
        have = Counter(case.expect[0].intent for case in drawn.values())
        behind = max(sorted(whole), key=lambda intent: whole[intent] * size - have[intent] * len(cases))
        name = next(name for name in waiting if behind in {case.expect[0].intent for case in clusters[name]})
        waiting.remove(name)
        drawn |= {case.id: case for case in clusters[name][: size - len(drawn)]}
    return [case for case in cases if case.id in drawn]


@given(cases=mixed, size=st.integers(0, 30), seed=st.integers(0, 5), data=st.data())
def test_a_sample_is_what_its_definition_draws(cases: list[Case], size: int, seed: int, data: st.DataObject) -> None:
    changes = st.sampled_from([{}, {"group": None}, {"turn": None}, {"group": "g0", "turn": 0}])
    cases = [case.model_copy(update=data.draw(changes)) for case in data.draw(st.permutations(cases))]
    assert draw(cases, size, seed) == drawn_by_definition(cases, size, seed)


def test_a_large_sample_is_what_its_definition_draws() -> None:
    random = Random(1)
    cases = made(*(random.choices("abcdefgh", range(1, 9), k=random.randint(1, 7)) for _ in range(150)))
    for size in (1, 40, 333, len(cases) - 1):
        assert draw(cases, size, size) == drawn_by_definition(cases, size, size)


def test_drawing_takes_little_memory() -> None:
    count, random = 20_000, np.random.default_rng(0)
    clusters = random.integers(0, 2**64, count, dtype=np.uint64)  # a conversation each: the most there can be
    strata, order = random.integers(0, 200, count), np.zeros(count, np.uint32)
    tracemalloc.start()
    try:
        drawn = draw_indices(strata, clusters, order, 2_000, 0)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(drawn) == 2_000
    assert most / count < 70  # bytes: a million cases in 70 MB


def test_lengths_fall_into_quarters() -> None:
    assert length_bands([7, 1, 5, 3, 8, 2, 6, 4]).tolist() == [3, 0, 2, 1, 3, 0, 2, 1]
    assert length_bands([4, 4, 4, 9]).tolist() == [0, 0, 0, 3]  # equal ones aren't told apart
    assert length_bands([]).tolist() == []


# ---------------------------------------------------------------------------------------------- parts

SHARES = {"dev": 0.3, "test": 0.6, "spare": 0.1}


def test_parts_have_their_shares() -> None:
    parts = Counter(split(f"conversation {number}", SHARES, 0) for number in range(4_000))
    for name, share in SHARES.items():
        assert abs(parts[name] - 4_000 * share) < 4 * (4_000 * share * (1 - share)) ** 0.5, name  # standard deviations


def test_a_conversation_keeps_its_part() -> None:
    # Written down: a part that is used for tests must not get conversations of another when the engine is a new one.
    names = ["c1", "c2", "c3", "c4", "c5", "", "ünï\ud800"]
    assert [split(name, SHARES, 0) for name in names] == ["dev", "dev", "dev", "test", "test", "dev", "test"]
    assert [split(name, SHARES, 1) for name in names] == ["test", "dev", "dev", "test", "test", "test", "dev"]


@given(names=st.lists(st.text("abü"), max_size=9), seed=st.integers(0, 9))
def test_all_at_once_are_split_as_one_by_one(names: list[str], seed: int) -> None:
    parts = split_indices([position(name, seed) for name in names], SHARES)
    assert list(parts) == list(SHARES)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(len(names)))
    for part, rows in parts.items():
        assert rows.tolist() == sorted(rows)
        assert {split(names[row], dict(reversed(SHARES.items())), seed) for row in rows} <= {part}


@pytest.mark.parametrize("at", [0, 2**63, 2**64 - 1])
def test_every_position_is_in_a_part(at: int) -> None:
    for shares in (SHARES, {"all": 1.0}, {"most": 1.0, "none": 1e-12}):
        assert sum(len(rows) for rows in split_indices([at], shares).values()) == 1


@pytest.mark.parametrize(
    ("text", "shares"),
    [("dev=0.3,test=0.7", {"dev": 0.3, "test": 0.7}), (" a_1 = .5, b-2 = 0.50", {"a_1": 0.5, "b-2": 0.5}), ("all=1", {"all": 1})],
)
def test_shares_are_read(text: str, shares: dict[str, float]) -> None:
    assert parse_shares(text) == shares


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no part with its share; wanted parts such as dev=0.3,test=0.7"),
        ("dev", "'dev' is no part with its share"),
        ("dev=0.3,", "'' is no part"),
        ("dev=30%,test=70%", "'dev=30%' is no part"),
        ("../dev=1", "'../dev=1' is no part"),
        ("dev=0.5.5", "'dev=0.5.5' is no part"),
        ("dev=-1,test=2", "'dev=-1' is no part"),
        ("dev=0.5,dev=0.5", "the part 'dev' is given twice, in 'dev=0.5,dev=0.5'"),
        ("dev=0,test=1", "the share of 'dev' is 0; wanted more than 0"),
        ("dev=0.3,test=0.6", "shares must add up to 1, and these add up to 0.9: dev=0.3, test=0.6"),
    ],
)
def test_shares_that_cannot_be_are_refused(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_shares(text)
    assert message in str(caught.value)


@pytest.mark.parametrize("shares", [{}, {"dev": 0.5}, {"dev": float("nan")}, {"dev": float("inf")}, {"dev": 2.0, "test": -1.0}])
def test_a_split_by_such_shares_is_refused(shares: dict[str, float]) -> None:
    with pytest.raises(UserError, match="share"):
        split("c1", shares, 0)
