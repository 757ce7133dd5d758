"""Steps of agents that were run to their end: which belong to a trial, and where two runs part."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from phrasing.records import Result
from phrasing.runs import steps
from phrasing.types import Parsed, Step
from support.tiny_runs import result

PICKED = st.lists(
    st.one_of(
        st.none(), st.builds(Step, intent=st.sampled_from("ab"), args=st.dictionaries(st.sampled_from("xy"), st.integers(0, 1)))
    ),
    max_size=5,
)


def taken(picked: list[Step | None]) -> list[Result]:
    return [result(parsed=Parsed(step=step)) for step in picked]


@given(PICKED, PICKED)
def test_two_runs_part_at_the_first_step_that_differs(one: list[Step | None], other: list[Step | None]) -> None:
    found = steps.parting(taken(one), taken(other))
    assert found == steps.parting(taken(other), taken(one))
    if found is None:
        assert one == other
    else:
        assert one[: found - 1] == other[: found - 1]
        assert one[:found] != other[:found]


@given(st.dictionaries(st.sampled_from(["a#0", "a#1", "b/c#0"]), st.sets(st.integers(1, 12), min_size=1)))
def test_steps_are_found_by_trial_in_order(numbers: dict[str, set[int]]) -> None:
    addresses = [f"{trial}/{number}" for trial, each in numbers.items() for number in each]
    assert steps.by_trial(addresses) == {trial: sorted(each) for trial, each in numbers.items()}


def test_steps_of_an_earlier_longer_run_are_left_out() -> None:
    assert steps.until(["a#0/1", "a#0/2", "a#0/3", "b#0/3"], {"a#0": 2}) == {"a#0/1", "a#0/2", "b#0/3"}


def test_what_isnt_kept_or_was_edited_is_none() -> None:
    one = result(since="s", step=1)
    assert steps.happened({"s": {"part": {"now": 1.0, "events": [], "effects": []}}}, one) is not None
    for kept in ({}, {"s": {"part": {"now": "later"}}}, {"s": "a text"}, {"s": {"part": {}, "more": 1}}, None):
        assert steps.happened(kept, one) is None
