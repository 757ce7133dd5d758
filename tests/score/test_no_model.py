"""What picks steps without a model: worked out by hand, and never helped by a case's own conversation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.score.no_model import RULES, NoModel, chances, of_cases, of_run, predictions
from phrasing.types import CaseNote, StepMatch
from support.tiny_runs import record

STEPS = ("a", "b", "c", "d")


def note(last: str, *expect: str, group: str | None = None) -> CaseNote:
    return CaseNote(last=last, expect=expect, group=group)


def test_by_hand() -> None:
    cases = {"1": note("x", "a"), "2": note("x", "a", "b"), "3": note("y", "b"), "4": note("x", "b")}
    # random: (1 + 2 + 1 + 1) / 4 / 4; a is acceptable in 2 cases, b in 3
    # bigram: 1 sees after x: a ½, b 1½, so b, wrong; 2 sees a 1, b 1, so a by name, right;
    # 3 sees no other y, so all others: a 1½, b 1½, a, wrong; 4 sees after x: a 1½, b ½, a, wrong
    assert predictions(cases, STEPS) == {"1": "b", "2": "a", "3": "a", "4": "a"}
    assert of_cases(cases, STEPS) == NoModel(random=5 / 16, majority=3 / 4, bigram=1 / 4, step="b")


def test_only_steps_that_the_function_has_count() -> None:
    cases = {"1": note("x", "a", "b"), "2": note("x", "b", "c"), "3": note("x", "b")}
    assert of_cases(cases, ("b", "d")) == NoModel(random=1 / 2, majority=1, bigram=1, step="b")


def test_one_step_is_never_several() -> None:
    wanted = (StepMatch(intent="a"), StepMatch(intent="b"))
    both = CaseNote(last="x", expect=("a", "b"), labels=wanted, together="all")
    one = CaseNote(last="x", expect=("a",), labels=wanted[:1], together="sequence")
    found = of_cases({"1": both, "2": both, "3": one}, STEPS)
    assert (found.random, found.majority, found.step) == (1 / 12, 1 / 3, "a")


def test_a_group_is_one_conversation() -> None:
    cases = {"1": note("x", "a", group="g"), "2": note("x", "a", group="g"), "3": note("x", "b", group="h")}
    assert predictions(cases, STEPS) == {"1": "b", "2": "b", "3": "a"}


def test_one_group_alone_predicts_nothing() -> None:
    cases = {"1": note("x", "a", group="g"), "2": note("x", "a", group="g")}
    assert predictions(cases, STEPS) == {"1": "", "2": ""}
    assert of_cases(cases, STEPS) == NoModel(random=1 / 4, majority=1, bigram=0, step="a")


def test_shares_are_exact() -> None:
    # three thirds are one whole: in floats a and b would not tie
    thirds = {str(i): note("x", "b", "c", "d") for i in range(3)}
    assert predictions({**thirds, "one": note("x", "a"), "asked": note("x", "d")}, STEPS)["asked"] == "a"


def test_what_words_picks_is_scored_where_it_is_known() -> None:
    cases = {"1": note("x", "a"), "2": note("x", "a", "b"), "3": note("y", "b"), "4": note("x", "b")}
    assert of_cases(cases, STEPS).words is None
    assert of_cases(cases, STEPS, {"another": "a"}).words is None
    known = of_cases(cases, STEPS, {"1": "a", "2": "b", "3": "", "another": "a"})
    assert known.words == 2 / 3
    assert (list(known.shares), list(of_cases(cases, STEPS).shares)) == (list(RULES), ["random", "majority", "bigram"])
    assert of_cases(cases, ("b", "d"), {"1": "a", "2": "b"}).words == 1 / 2


@pytest.mark.parametrize(("cases", "steps"), [({}, STEPS), ({"1": note("x", "a")}, ())], ids=["cases", "steps"])
def test_there_must_be_something(cases: Mapping[str, CaseNote], steps: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=f"got {len(cases)} and {len(steps)}"):
        of_cases(cases, steps)


def test_of_a_run_for_every_dataset_that_was_asked() -> None:
    steps = {"mail F": ["a", "b"], "mail G": ["a", "b", "c", "d"], "never F": ["a", "b"]}
    made = of_run(record(steps=steps, cases={"mail": {"1": {"expect": ["a"]}}, "never": {}}))
    assert {pair: floor.random for pair, floor in made.items()} == {("mail", "F"): 0.5, ("mail", "G"): 0.25}
    picked = {"mail F": {"1": "a", "2": "b"}}
    made = of_run(record(steps=steps, cases={"mail": {"1": {"expect": ["a"]}}, "never": {}}, words=picked))
    assert {pair: found.words for pair, found in made.items()} == {("mail", "F"): 1, ("mail", "G"): None}


@given(st.lists(st.sampled_from(["a", "b", "c", "elsewhere"]), min_size=1, unique=True), st.booleans())
def test_the_chance_of_a_case_averages_to_random(expect: list[str], more: bool) -> None:
    cases = {"mail": {"1": {"expect": expect}, **({"2": {"expect": ["b"]}} if more else {})}}
    made = record(steps={"mail F": ["a", "b"], "mail G": ["b", "c", "d"]}, cases=cases)
    for pair, found in chances(made).items():
        assert found.keys() == cases["mail"].keys()
        assert sum(found.values()) / len(found) == pytest.approx(of_run(made)[pair].random)


# ---------------------------------------------------------------------------------------------- whatever the labels

labels = st.lists(st.sampled_from(STEPS), min_size=1, max_size=3, unique=True).map(tuple)
case_notes = st.builds(
    CaseNote, last=st.sampled_from("xyz"), expect=labels, group=st.sampled_from(["g", "h", "i", None]), tags=st.just(())
)
all_cases = st.lists(case_notes, min_size=1, max_size=12).map(lambda notes: {f"n{i}": note for i, note in enumerate(notes)})


@given(all_cases, st.data())
def test_labels_of_a_group_never_reach_its_own_predictions(cases: dict[str, CaseNote], data: st.DataObject) -> None:
    group = cases["n0"].group or "n0"
    mine = [name for name, found in cases.items() if (found.group or name) == group]
    changed = {name: replace(cases[name], expect=data.draw(labels)) for name in mine}
    before, after = predictions(cases, STEPS), predictions({**cases, **changed}, STEPS)
    assert [before[name] for name in mine] == [after[name] for name in mine]


@given(all_cases)
def test_random_is_the_mean_and_majority_the_best_single_step(cases: dict[str, CaseNote]) -> None:
    found = of_cases(cases, STEPS)
    single = {step: sum(step in case.expect for case in cases.values()) / len(cases) for step in STEPS}
    assert found.random == pytest.approx(sum(single.values()) / 4)
    assert found.majority == max(single.values()) == single[found.step]
    assert 0 <= found.bigram <= 1


@given(all_cases, st.permutations(range(12)), st.permutations(["p", "q", "r"]))
def test_names_and_order_of_cases_groups_and_events_dont_matter(
    cases: dict[str, CaseNote], order: list[int], types: list[str]
) -> None:
    renamed = {
        f"m{order[i]}": replace(case, last=types["xyz".index(case.last)], group=case.group and f"k{'ghi'.index(case.group)}")
        for i, case in enumerate(cases.values())
    }
    assert of_cases(dict(sorted(renamed.items())), STEPS) == of_cases(cases, STEPS)
