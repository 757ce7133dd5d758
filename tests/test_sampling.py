"""A sample has the size that was asked for, keeps conversations whole, and is like the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from phrasing.sampling import draw
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
