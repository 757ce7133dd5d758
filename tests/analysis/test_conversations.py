"""Whole conversations: right where every asked step is, in the same repeat; by hand, and against the plain rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, replace
from math import isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.analysis import conversations
from phrasing.analysis.compare import compare
from phrasing.analysis.conversations import Apart
from phrasing.analysis.tables import Cases, by_variant, pair, per_case, trials
from phrasing.scores import CONVERSATION
from phrasing.stats import paired
from phrasing.stats.proportions import proportion
from phrasing.suite.schema import Comparing
from support.made_up_results import Grid, case, notes, pairs, results, variant, variants

LINES, TAGS = variant("lines"), variant("tags")


def tables(grid: Grid, groups: Sequence[str | None], *, datasets: Sequence[str] = ()) -> dict[str, Cases]:
    """Make the tables of conversations of a grid; ``groups`` has the conversation of each case."""
    known = notes(len(groups), groups=groups, datasets=datasets)  # type: ignore[arg-type]
    table = trials(results(grid, datasets=datasets), known)
    return conversations.per_conversation(table, by_variant(per_case(table)), known)


def values(found: Cases) -> dict[str, float]:
    """What each conversation scores, by its group."""
    return {group: value for (_, group), value in found[CONVERSATION].items()}


def test_every_step_must_be_right_in_the_same_repeat() -> None:
    # g: right in the first repeat, not in the second; h: each step is right once, never both; i: one step
    found = tables({"lines": ["11", "10", "10", "01", "11", "00"]}, ["g", "g", "h", "h", "i", None])[LINES]
    assert values(found) == {"g": 0.5, "h": 0, "i": 1}
    assert list(found["right"]) == [1.5, 1, 1]
    assert list(found["asked"]) == [2, 2, 1]
    assert conversations.summary({LINES: found})[LINES] == {
        CONVERSATION: 0.5,
        "conversation_low": proportion([0.5, 0, 1])[1],
        "conversation_high": proportion([0.5, 0, 1])[2],
        "conversation_n": 3,
        "conversation_steps": 3.5 / 5,
    }


def test_a_step_without_an_answer_leaves_its_repeat_out() -> None:
    found = tables({"lines": ["11", "1e", "11", "0-", "e1", "1e"]}, ["g", "g", "h", "h", "i", "i"])[LINES]
    assert values(found)["g"] == 1  # its second repeat would be right but for the error
    assert values(found)["h"] == 0
    assert isnan(values(found)["i"])
    assert list(found["answers"]) == [1, 1, 0]
    assert conversations.summary({LINES: found})[LINES]["conversation_n"] == 2
    assert conversations.summary({LINES: found.iloc[2:]})[LINES] == pytest.approx(conversations.NOTHING, nan_ok=True)


def test_datasets_weigh_the_same() -> None:
    # cases take turns: a has the conversations g and h, b has g alone, which is another one there
    grid = {"lines": ["1", "0", "1", "0", "0", "1", "1", "1"]}
    found = tables(grid, ["g", "g", "g", "g", "h", "g", "h", "g"], datasets=["a", "b"])[LINES]
    assert found[CONVERSATION].to_dict() == {("a", "g"): 1, ("a", "h"): 0, ("b", "g"): 0}
    said = conversations.summary({LINES: found})[LINES]
    assert (said[CONVERSATION], said["conversation_steps"]) == (0.25, (0.75 + 0.5) / 2)


def test_what_a_conversation_costs_is_the_total_of_its_steps() -> None:
    found = tables({"lines": ["11", "11", "1", "e"]}, ["g", "g", "h", "h"])[LINES]
    assert list(found["prompt_tokens"]) == pytest.approx([80 + 81, nan], nan_ok=True)


def test_a_conversation_that_a_variant_wasnt_asked_is_none_of_its() -> None:
    found = tables({"lines": "1111", "tags": "11--"}, ["g", "g", "h", "h"])
    assert (list(values(found[LINES])), list(values(found[TAGS]))) == (["g", "h"], ["g"])
    (apart,) = conversations.differences(pairs(found), 0.95)
    assert (apart.n, apart.left) == (1, 0)


def test_no_group_is_no_conversation() -> None:
    found = tables({"lines": "11", "tags": "10"}, [None, None])
    assert [len(found[name]) for name in (LINES, TAGS)] == [0, 0]
    (apart,) = conversations.differences(pairs(found), 0.95)
    assert (apart.n, apart.left, isnan(apart.difference), isnan(apart.low)) == (0, 0, True, True)
    (contrast,) = compare(pairs(found), Comparing(score=CONVERSATION)).contrasts
    assert (contrast.n, contrast.verdict) == (0, "untested")


@pytest.mark.parametrize(("groups", "there"), [(["g", "h", None], False), (["g", "g", None], True), ([None] * 3, False)])
def test_conversations_are_several_steps(groups: list[str | None], there: bool) -> None:
    assert conversations.several(notes(3, groups=groups)) == there  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------- differences


def test_a_difference_is_paired_by_conversation() -> None:
    grid = {"lines": "111000111e", "tags": "1111111011"}
    groups = [group for group in "ghijk" for _ in range(2)]
    found = pairs(tables(grid, groups))
    (apart,) = conversations.differences(found, 0.9)
    by_hand = paired.difference([1, 1, 1, 0], [1, 0, 0, 1])
    assert apart == Apart(TAGS, LINES, 4, 1, 0.25, *paired.interval(by_hand, 0.9))
    (contrast,) = compare(found, Comparing(score=CONVERSATION, confidence=0.9)).contrasts
    assert (contrast.n, contrast.left, contrast.difference, contrast.low, contrast.high) == (4, 1, 0.25, apart.low, apart.high)
    assert [(flip.case, flip.mine, flip.baseline) for flip in contrast.flips] == [("h", 1, 0), ("i", 1, 0), ("j", 0, 1)]


def test_the_same_answers_differ_by_nothing() -> None:
    found = pairs(tables({"lines": "1101", "tags": "1101"}, ["g", "g", "h", "h"]))
    (apart,) = conversations.differences({key: replace(one, unchanged=True) for key, one in found.items()}, 0.95)
    assert (apart.n, apart.difference, apart.low, apart.high) == (2, 0, 0, 0)


def test_a_conversation_of_which_another_run_asked_other_steps_isnt_the_same() -> None:
    now, then = notes(4, groups=["g", "g", "h", "h"]), notes(3, groups=["g", "g", "h"])
    table = tables({"lines": "111"}, ["g", "g", "h"])[LINES]
    kept = conversations.alike(table, conversations.members(now), conversations.members(then))
    assert list(values(kept)) == ["g"]
    assert list(values(conversations.alike(table, conversations.members(then), conversations.members(then)))) == ["g", "h"]
    whole = tables({"lines": "1111"}, ["g", "g", "h", "h"])[LINES]
    assert (pair(whole, kept).left, pair(whole, kept).apart) == (0, 1)


# ---------------------------------------------------------------------------------------------- whatever was answered

words = st.text("10e-", min_size=2, max_size=2).filter(lambda word: set(word) != {"-"})
grids = st.lists(st.tuples(words, words, st.sampled_from(["g", "h", "i", None])), min_size=1, max_size=9)


@given(grids)
def test_a_conversation_is_right_where_the_plain_rule_says_so(cells: list[tuple[str, str, str | None]]) -> None:
    groups = [group for _, _, group in cells]
    found = tables({"lines": [one for one, _, _ in cells], "tags": [other for _, other, _ in cells]}, groups)
    for place, name in enumerate((LINES, TAGS)):
        for group in {*groups} - {None}:
            mine = [cell[place] for cell in cells if cell[2] == group]
            whole = [[word[repeat] for word in mine] for repeat in (0, 1) if all(word[repeat] in "10" for word in mine)]
            row = found[name].loc["mail", group]
            assert row["answers"] == len(whole)
            if whole:
                assert row[CONVERSATION] == sum("0" not in signs for signs in whole) / len(whole)
                assert row["right"] / row["asked"] >= row[CONVERSATION]
            else:
                assert isnan(row[CONVERSATION])
        assert set(values(found[name])) == {*groups} - {None}


@given(grids, st.permutations(range(9)), st.permutations("pqr"))
def test_order_and_names_dont_matter(cells: list[tuple[str, str, str | None]], order: list[int], named: list[str]) -> None:
    def said(cells: list[tuple[str, str, str | None]]) -> list[float]:
        grid = {"lines": [one for one, _, _ in cells], "tags": [other for _, other, _ in cells]}
        found = tables(grid, [group for *_, group in cells])
        figures = [one for apart in conversations.differences(pairs(found), 0.95) for one in astuple(apart)[2:]]
        return figures + [one for row in conversations.summary(found).values() for one in row.values()]

    names = dict(zip("ghi", named, strict=True))
    shuffled = [cells[place] for place in order if place < len(cells)]
    renamed = [(one, other, names[group] if group else None) for one, other, group in shuffled]
    assert said(renamed) == pytest.approx(said(cells), nan_ok=True)


@given(st.lists(st.tuples(st.sampled_from("10e"), st.sampled_from("10e")), min_size=2, max_size=12))
def test_conversations_of_one_step_are_compared_like_cases(cells: list[tuple[str, str]]) -> None:
    grid = {"lines": "".join(one for one, _ in cells), "tags": "".join(other for _, other in cells)}
    groups = [f"g{i:02}" for i in range(len(cells))]
    (by_case,) = compare(pairs(variants(grid, groups=groups)), Comparing()).contrasts
    (whole,) = compare(pairs(tables(grid, groups)), Comparing(score=CONVERSATION)).contrasts
    assert repr(replace(whole, flips=())) == repr(replace(by_case, flips=()))
    assert [flip.case for flip in whole.flips] == [f"g{int(flip.case[2:]):02}" for flip in by_case.flips]


def test_a_trial_is_told_of_its_conversation_in_its_repeat() -> None:
    known = notes(4, groups=["g", "g", "h", None])  # type: ignore[list-item]
    table = trials(results({"lines": ["11", "10", "1e", "11"]}), known)
    found = dict(zip(table["trial"].str.extract(r"::(.*)\[", expand=False) + table["trial"].str[-2:],
                     conversations.of_trials(table, known), strict=True))  # fmt: skip
    assert found == pytest.approx(
        {f"{case(0)}#0": 1, f"{case(0)}#1": 0, f"{case(1)}#0": 1, f"{case(1)}#1": 0, f"{case(2)}#0": 1, f"{case(2)}#1": nan}
        | {f"{case(3)}#{i}": nan for i in (0, 1)},
        nan_ok=True,
    )
