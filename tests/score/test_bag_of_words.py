"""What a rule on words picks: what it looks at, and that it never learns from a case's own conversation."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.score import bag_of_words
from phrasing.types import Case, Event, StepMatch, Thread

STEPS = ("a", "b", "c", "d")


def case(name: str, events: Sequence[tuple[str, object]], *expect: str, group: str | None = None) -> Case:
    return Case(
        id=name,
        thread=Thread(events=tuple(Event(type=type, data=data) for type, data in events)),  # type: ignore[arg-type]
        expect=tuple(StepMatch(intent=step) for step in expect),
        group=group,
    )


def picks(*cases: Case, steps: Sequence[str] = STEPS) -> dict[str, str]:
    return bag_of_words.picks({one.id: one for one in cases}, {"F": steps})["F"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([("x", "apples please")], [("x", "pears please")]),
        ([("x", {"apples": 1})], [("x", {"pears": 1})]),
        ([("x", {"deep": ["under", {"a": "Apples!"}]})], [("x", {"deep": ["under", {"a": "Pears!"}]})]),
        ([("x", {"n": 17})], [("x", {"n": 18})]),
        ([("apples", None)], [("pears", None)]),
        ([("x", "apples"), ("y", "same")], [("x", "pears"), ("y", "same")]),
        # all words are the same: which of them came last tells
        ([("x", "apples"), ("x", "pears")], [("x", "pears"), ("x", "apples")]),
    ],
    ids=["text", "names of fields", "nested, in any case", "numbers", "types of events", "earlier events", "the last event"],
)
def test_a_word_tells_what_to_do(one: list[tuple[str, object]], other: list[tuple[str, object]]) -> None:
    cases = [case(f"one-{i}", one, "a") for i in range(3)] + [case(f"other-{i}", other, "b") for i in range(3)]
    assert picks(*cases) == {each.id: each.expect[0].intent for each in cases}


def test_a_word_weighs_the_same_however_often_it_occurs() -> None:
    cases = [case(f"c-{i}", [("x", word)], step) for i, (word, step) in enumerate([("u", "a"), ("v", "b")] * 3)]
    asked = case("asked", [("x", "u v v v v v")], "c")
    even = case("asked", [("x", "u v")], "c")
    assert picks(*cases, asked) == picks(*cases, even)


def test_nothing_is_picked_where_no_other_group_says_anything() -> None:
    alone = [case("1", [("x", "u")], "a", group="g"), case("2", [("x", "v")], "b", group="g")]
    assert picks(*alone) == {"1": "", "2": ""}
    assert picks(*alone, case("3", [("x", "w")], "e")) == {"1": "", "2": "", "3": "a"}  # a and b are as likely; e is no step
    assert picks() == {}


def test_each_function_is_told_of_its_own_steps() -> None:
    cases = {str(i): case(str(i), [("x", "u")], "a", "b") for i in range(3)}
    found = bag_of_words.picks(cases, {"F": ["b", "c"], "G": ["a", "c"], "H": ["c"]})
    assert {name: set(picked.values()) for name, picked in found.items()} == {"F": {"b"}, "G": {"a"}, "H": {""}}
    assert bag_of_words.picks(cases, {}) == {}


@pytest.mark.slow
def test_of_very_many_cases_some_are_tried_the_same_whoever_else_is_there() -> None:
    cases = {f"c-{i}": case(f"c-{i}", [("x", f"u{i % 7}")], STEPS[i % 4]) for i in range(bag_of_words.MOST + 500)}
    found = bag_of_words.picks(cases, {"F": STEPS})["F"]
    assert len(found) == bag_of_words.MOST
    fewer = {name: one for name, one in cases.items() if name in found or name < "c-2"}
    assert bag_of_words.picks(fewer, {"F": STEPS})["F"] == found


# ---------------------------------------------------------------------------------------------- whatever the threads and labels

values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.sampled_from(["u", "v", "u v", "W!", ""])),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from("kl"), inner, max_size=2)),
    max_leaves=3,
)
threads = st.lists(st.tuples(st.sampled_from("xyz"), values), min_size=1, max_size=3)
labels = st.lists(st.sampled_from(STEPS), min_size=1, max_size=3, unique=True).map(tuple)
groups = st.sampled_from(["g", "h", "i", None])
all_cases = st.lists(st.tuples(threads, labels, groups), min_size=1, max_size=10).map(
    lambda drawn: [case(f"n{i}", events, *expect, group=group) for i, (events, expect, group) in enumerate(drawn)]
)


@given(all_cases, st.data())
def test_labels_of_a_group_never_reach_its_own_picks(cases: list[Case], data: st.DataObject) -> None:
    mine = [one.id for one in cases if one.cluster == cases[0].cluster]
    relabelled = [
        one.model_copy(update={"expect": tuple(StepMatch(intent=step) for step in data.draw(labels))}) if one.id in mine else one
        for one in cases
    ]
    before, after = picks(*cases), picks(*relabelled)
    assert [before[name] for name in mine] == [after[name] for name in mine]


@given(all_cases)
def test_only_steps_that_another_group_expects_are_picked(cases: list[Case]) -> None:
    for name, step in picks(*cases).items():
        mine = next(one.cluster for one in cases if one.id == name)
        elsewhere = {label.intent for one in cases if one.cluster != mine for label in one.expect}
        assert step in elsewhere if elsewhere else step == ""


@given(all_cases, st.permutations(range(10)))
def test_names_and_order_of_cases_and_groups_dont_matter(cases: list[Case], order: list[int]) -> None:
    renamed = {
        one.id: one.model_copy(update={"id": f"m{order[i]}", "group": one.group and f"k{'ghi'.index(one.group)}"})
        for i, one in enumerate(cases)
    }
    before, after = picks(*cases), picks(*sorted(renamed.values(), key=lambda one: one.id))
    assert {renamed[name].id: step for name, step in before.items()} == after
