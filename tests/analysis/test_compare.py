"""Variants against baselines: numbers worked out by hand, words that follow from them, and what must not change them."""

from __future__ import annotations

import dataclasses
import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.analysis.compare import Comparison, Contrast, Flip, compare, match, ratios, tally
from phrasing.analysis.tables import pair
from phrasing.errors import StoreError
from phrasing.records import Result
from phrasing.report.text import conclusion
from phrasing.stats import paired
from phrasing.stats.power import about
from phrasing.suite.schema import MEASURES, Comparing
from support.made_up_results import Grid, compared, notes, pairs, results, variant, variants
from support.tiers import examples

L, T = variant("lines"), variant("tags")
BLIND = 0.2
"""A margin wide enough to be cleared by few cases."""


def only(grid: Grid, **options: Any) -> Contrast:
    (found,) = compared(grid, **options).contrasts
    return found


# ---------------------------------------------------------------------------------------------- one contrast


def test_a_contrast_worked_out_by_hand() -> None:
    found = only({"lines": "1100110011", "tags": "1111111001"})
    assert (found.variant, found.baseline, found.n, found.left, found.apart) == (T, L, 10, 0, 0)
    assert (found.mine, found.theirs, found.difference) == pytest.approx((0.8, 0.6, 0.2))
    assert found.found is not None
    assert (found.found.wins, found.found.losses, found.found.ties) == (3, 1, 6)
    assert [(flip.case, flip.mine, flip.baseline) for flip in found.flips] == [
        ("c-002", 1, 0), ("c-003", 1, 0), ("c-006", 1, 0), ("c-008", 0, 1),
    ]  # fmt: skip
    assert found.p == found.corrected == pytest.approx(10 / 16, rel=0.01)  # of 16 ways to flip four signs, 10 give 2 or more
    assert found.mcnemar == 10 / 16
    assert (found.low, found.high) == paired.interval(found.found)
    assert found.low < 0 < found.high
    assert found.verdict == "inconclusive"


def test_repeats_are_averaged_before_cases_are_compared() -> None:
    found = only({"lines": ["11", "10", "00"], "tags": ["11", "11", "0e"]})
    assert (found.n, found.mine, found.theirs) == pytest.approx((3, 2 / 3, 0.5))
    assert found.flips == (Flip("mail", "c-001", 1.0, 0.5),)


def test_cases_without_an_answer_in_one_variant_leave_the_pair_and_are_counted() -> None:
    found = only({"lines": ["1", "0", "e", "1", "-", "ee", "1"], "tags": ["1", "1", "1", "ee", "1", "ee", "-"]})
    assert (found.n, found.left, found.apart) == (2, 3, 2)
    assert (found.mine, found.theirs) == (1.0, 0.5)


def test_a_score_that_applies_in_one_variant_only_isnt_compared() -> None:
    found = only({"lines": "1101", "tags": "0111"}, settings=Comparing(score="args"))
    assert (found.n, found.left, found.mine, found.theirs) == (2, 0, 1.0, 1.0)


def test_datasets_weigh_the_same() -> None:
    # the even cases are of the first dataset, and one odd case, asked of no other variant, is all that the second one has besides
    found = only({"lines": "00000000", "tags": "10101010"}, datasets=["mail", "more"])
    assert (found.mine, found.theirs) == (0.5, 0.0)
    found = only({"lines": ["0"] * 8, "tags": ["1", "0", "-", "0", "-", "0", "-", "0"]}, datasets=["mail", "more"])
    assert math.isnan(found.low)
    assert found.mine == 0.5


# ---------------------------------------------------------------------------------------------- verdicts


WORDS: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "better": ({"lines": "0" * 20, "tags": "1" * 12 + "0" * 8}, {}, "better", "better"),
    "worse": ({"lines": "1" * 12 + "0" * 8, "tags": "0" * 20}, {}, "worse", "worse"),
    "a little worse": (
        {"lines": "1" * 400, "tags": "0" * 9 + "1" * 391}, {"margin": 0.1}, "worse", "worse, by less than 10 points",
    ),
    "equivalent": ({"lines": "1" * 400, "tags": "1" * 400}, {}, "equivalent", "equivalent within 2 points"),
    "not worse": (
        {"lines": "0" * 5 + "1" * 95, "tags": "1" * 5 + "0" * 1 + "1" * 94},
        {"margin": 0.025}, "not worse", "not worse (within 2.5 points)",
    ),
    "one conversation": (
        {"lines": "0011", "tags": "1111"}, {"groups": ["talk"] * 4}, "untested", "inconclusive: one conversation only",
    ),
    "nothing answered": ({"lines": "1111", "tags": "eeee"}, {}, "untested", "inconclusive: no case that both answered"),
}  # fmt: skip


@pytest.mark.parametrize(("grid", "options", "word", "text"), WORDS.values(), ids=WORDS)
def test_words(grid: Grid, options: dict[str, Any], word: str, text: str) -> None:
    how = Comparing(margin=options.pop("margin", 0.02))
    found = only(grid, settings=how, **options)
    assert (found.verdict, conclusion(found, how)) == (word, text)


def test_inconclusive_says_how_many_cases_it_would_need() -> None:
    how = Comparing()
    found = only({"lines": "1100110011", "tags": "1111111001"}, settings=how)
    assert found.needed is not None
    assert found.needed > 10
    assert conclusion(found, how) == f"inconclusive: would need {about(found.needed)}"
    assert found.detectable is not None
    assert found.detectable > 0.2


@pytest.mark.parametrize(
    ("cases", "text"),
    [
        (None, "more than 100,000 cases"), (7, "about 7 cases"), (99, "about 99 cases"), (100, "about 100 cases"),
        (341, "about 350 cases"), (1001, "about 1,100 cases"), (98_765, "about 99,000 cases"),
    ],
)  # fmt: skip
def test_a_number_of_cases_is_a_guess_of_two_digits(cases: int | None, text: str) -> None:
    assert about(cases) == text


def test_one_conversation_gives_means_and_flips_but_no_claim() -> None:
    found = only({"lines": "0011", "tags": "1111"}, groups=["talk"] * 4)
    assert (found.mine, found.theirs, len(found.flips)) == (1.0, 0.5, 2)
    for name in ("low", "high", "p", "corrected", "not_worse", "equivalent", "mcnemar"):
        assert math.isnan(getattr(found, name)), name
    assert (found.detectable, found.needed) == (None, None)
    assert all(math.isnan(ratio.low) and math.isnan(ratio.high) and ratio.value >= 1 for ratio in found.ratios.values())


def test_the_cases_of_a_conversation_are_no_independent_evidence() -> None:
    grid = {"lines": "0" * 40, "tags": "1" * 15 + "0" * 25}
    alone = only(grid)
    together = only(grid, groups=[f"talk-{number // 5}" for number in range(40)])
    assert alone.verdict == "better"
    assert together.verdict == "inconclusive"
    assert together.corrected == pytest.approx(2 / 2**3, rel=0.02)  # three conversations differ
    assert (together.mine, together.theirs, together.mcnemar) == (alone.mine, alone.theirs, alone.mcnemar)


def test_correction_is_over_all_contrasts_of_a_run() -> None:
    grid = {"lines": "0" * 20, "tags": "1" * 6 + "0" * 14, "other": "1" * 7 + "0" * 13, "more": "0" * 20}
    found = compared(grid)
    ps = [contrast.p for contrast in found.contrasts]
    assert ps == pytest.approx([2 / 2**6, 2 / 2**7, 1.0], rel=0.04)
    assert [contrast.corrected for contrast in found.contrasts] == [2 * ps[0], 3 * ps[1], 1.0]
    assert [contrast.verdict for contrast in found.contrasts] == ["not worse", "better", "inconclusive"]
    assert [contrast.withheld for contrast in found.contrasts] == [True, False, False]
    assert conclusion(found.contrasts[0], Comparing()) == "not worse (within 2 points); better if this were the only comparison"
    assert only({"lines": grid["lines"], "tags": grid["tags"]}).verdict == "better"


def test_an_variant_is_found_by_its_text() -> None:
    found = compared({"lines": "1100", "tags": "1111", "other": "0000"})
    assert found[variant("other")] is found.contrasts[1]


# ---------------------------------------------------------------------------------------------- ratios


def test_ratios_divide_totals_over_the_cases_that_both_answered() -> None:
    found = only({"lines": ["1", "1", "0", "e", "1"], "tags": ["1", "0", "1", "1", "e"]})
    assert found.ratios["prompt_tokens"].value == pytest.approx((100 + 101 + 102) / (80 + 81 + 82))
    assert found.ratios["cost"].value == pytest.approx((100 + 101 + 102) / (80 + 81 + 82))
    assert found.ratios["answer_tokens"].value == 1
    assert "tokens" not in found.ratios  # the results count none, and 0/0 is no ratio
    assert set(found.ratios) <= set(MEASURES)
    for ratio in found.ratios.values():
        assert ratio.low <= ratio.value <= ratio.high
    assert 1.2 < found.ratios["prompt_tokens"].low < found.ratios["prompt_tokens"].high < 1.26


def test_a_dataset_with_one_conversation_gives_a_ratio_no_interval() -> None:
    grid = {"lines": "1" * 8, "tags": "1" * 8}
    tables = variants(grid, datasets=["mail", "more"], groups=[f"talk-{n if n % 2 else 0}" for n in range(8)])
    (made,) = ratios(list(pairs(tables).values()), 0.95)
    assert made["prompt_tokens"].value > 1
    assert math.isnan(made["prompt_tokens"].low)
    assert math.isnan(made["prompt_tokens"].high)


# ---------------------------------------------------------------------------------------------- reversals


def reversed_grid(cases: int) -> Grid:
    """Tags help m in half of the cases and hurt the other model in half of them."""
    half, mixed = "0" * (cases // 2), "10" * (cases // 2)
    return {"lines/m": half + mixed[: cases // 2], "tags/m": "1" * (cases // 2) + mixed[: cases // 2],
            "lines/o": "1" * (cases // 2) + mixed[: cases // 2], "tags/o": half + mixed[: cases // 2]}  # fmt: skip


def test_a_format_that_helps_one_model_and_hurts_another_is_found() -> None:
    (found,) = compared(reversed_grid(40)).reversals
    assert (found.better.variant, found.worse.variant) == (variant("tags/m"), variant("tags/o"))
    assert (found.better.difference, found.worse.difference) == (0.5, -0.5)
    assert found.p < 0.001


def test_opposite_signs_on_few_cases_are_no_finding() -> None:
    lines, tags = "110011001100", "111011001100"
    (found,) = compared({"lines/m": lines, "tags/m": tags, "lines/o": tags, "tags/o": lines}).reversals
    assert (found.better.difference, found.worse.difference) == pytest.approx((1 / 12, -1 / 12))
    assert found.p > 0.05


def test_variants_that_agree_or_stand_still_are_no_reversal() -> None:
    low, high = "0" * 20, "1" * 20
    assert compared({"lines/m": low, "tags/m": high, "lines/o": low, "tags/o": high}).reversals == ()
    assert compared({"lines/m": low, "tags/m": high, "lines/o": low, "tags/o": low}).reversals == ()
    assert compared({"lines/m": low, "tags/m": high, "lines/o": high, "other/o": low}).reversals == ()


def test_the_p_of_reversals_is_corrected() -> None:
    grid = {**reversed_grid(12), "lines/q": "1" * 6 + "101010", "tags/q": "0" * 6 + "101010"}
    two = compared(grid).reversals
    (one,) = compared(reversed_grid(12)).reversals
    assert len(two) == 2
    assert all(found.p == pytest.approx(2 * one.p) for found in two)


def test_models_on_both_sides_of_a_baseline_model_are_no_reversal() -> None:
    tables = variants({"lines/m": "0011" * 5, "lines/o": "0000" * 5, "lines/q": "1111" * 5})
    held = {(name, variant("lines/m")): pair(tables[name], tables[variant("lines/m")]) for name in list(tables)[1:]}
    found = compare(held, Comparing())
    assert [contrast.difference for contrast in found.contrasts] == [-0.5, 0.5]
    assert found.reversals == ()


# ---------------------------------------------------------------------------------------------- runs against runs


def test_match_pairs_the_same_variants() -> None:
    assert match([L, T], [T, L, variant("other")]) == {L: L, T: T}
    assert match([L, T], [L]) == {L: L}


MOVED = {
    "function": (["F,none,a,tool,m", "F,none,b,tool,m"], ["G,none,a,tool,m", "G,none,b,tool,m"]),
    "format": (["F,none,a,tool,m", "F,none,a,tool,o"], ["F,none,b,tool,m", "F,none,b,tool,o"]),
    "output": (["F,none,a,tool,m", "F,none,b,tool,m"], ["F,none,a,prompted,m", "F,none,b,prompted,m"]),
    "model": (["F,none,a,tool,m", "F,none,b,tool,m"], ["F,none,a,tool,o", "F,none,b,tool,o"]),
    "function and model": (["F,none,a,tool,m", "F,none,b,tool,m"], ["G,none,a,tool,o", "G,none,b,tool,o"]),
}


@pytest.mark.parametrize(("mine", "others"), MOVED.values(), ids=MOVED)
def test_match_pairs_runs_that_differ_in_an_axis_with_one_value_each(mine: list[str], others: list[str]) -> None:
    assert match(mine, others) == dict(zip(mine, others, strict=True))


def test_match_guesses_nothing_where_an_axis_has_several_values() -> None:
    with pytest.raises(StoreError) as error:
        match(["F,none,a,tool,m", "F,none,b,tool,m"], ["F,none,c,tool,m", "F,none,d,tool,m"])
    assert (
        str(error.value)
        == "the runs have no variant in common: F,none,a,tool,m; F,none,b,tool,m … against F,none,c,tool,m; F,none,d,tool,m …"
    )


# ---------------------------------------------------------------------------------------------- tallies


def test_tally_counts_by_tag_and_expected_intent_the_most_telling_first() -> None:
    known = notes(8)  # even cases are tagged; cases 0, 3 and 6 expect ask or send, all others send
    flips = [
        Flip("mail", f"c-{n:03}", *scores) for n, scores in {0: (1, 0), 2: (0, 1), 4: (0, 1), 5: (1, 0), 6: (0, 0.5)}.items()
    ]
    assert tally(flips, known, "tags") == [("even", 1, 3)]
    assert tally(flips, known, "expect") == [("send", 2, 3), ("ask", 1, 1)]
    assert tally([Flip("mail", "gone", 1, 0), Flip("gone", "c-000", 1, 0)], known, "tags") == []


# ---------------------------------------------------------------------------------------------- what must not matter


def signs(repeats: int) -> st.SearchStrategy[str]:
    return st.text("1100e", min_size=repeats, max_size=repeats)


@st.composite
def grids(draw: st.DrawFn, least: int = 2, most: int = 4) -> tuple[dict[str, list[str]], list[str]]:
    """Variants, the first of them ``lines``, and the groups of their cases."""
    count, repeats = draw(st.integers(3, 14)), draw(st.integers(1, 2))
    words = st.lists(signs(repeats), min_size=count, max_size=count)
    names = ["lines", "tags", "other", "more"][: draw(st.integers(least, most))]
    groups = draw(st.lists(st.sampled_from("pqrstuvw"), min_size=count, max_size=count))
    return {name: draw(words) for name in names}, groups


def numbers(found: Comparison) -> list[Any]:
    """All that a comparison says, but for the names of variants."""
    plain = [dataclasses.asdict(contrast) for contrast in found.contrasts]
    return [{key: value for key, value in contrast.items() if key not in ("variant", "baseline")} for contrast in plain]


def text(found: Comparison) -> str:
    return repr(numbers(found))


def of(answers: list[Result], grid: Grid, groups: list[str]) -> Comparison:
    return compare(pairs(variants(grid, groups=groups, answers=answers)), Comparing())


@examples(3, 6)
@given(grids(), st.randoms(use_true_random=False))
def test_the_order_of_results_changes_no_byte(made: tuple[Grid, list[str]], rng: random.Random) -> None:
    grid, groups = made
    answers = results(grid)
    before = repr(of(answers, grid, groups))
    assert repr(of(answers, grid, groups)) == before
    rng.shuffle(answers)
    assert repr(of(answers, grid, groups)) == before


@examples(3, 6)
@given(grids(), st.permutations(["lines", "tags", "other", "more"]))
def test_the_names_of_formats_change_no_number(made: tuple[Grid, list[str]], names: list[str]) -> None:
    grid, groups = made
    renamed = {name: f"x{new}" for name, new in zip(grid, names, strict=False)}
    answers = []
    for answer in results(grid):
        name = renamed[answer.format]
        trial = answer.trial.replace(f",{answer.format},", f",{name},")
        answers.append(answer.model_copy(update={"format": name, "trial": trial}))
    tables = variants({renamed[name]: words for name, words in grid.items()}, groups=groups, answers=answers)
    assert text(compare(pairs(tables, renamed["lines"]), Comparing())) == text(compared(grid, groups=groups))


@examples(3, 6)
@given(grids(), st.permutations("pqrstuvw"))
def test_the_names_of_groups_change_no_number(made: tuple[Grid, list[str]], names: list[str]) -> None:
    grid, groups = made
    renamed = dict(zip("pqrstuvw", names, strict=True))
    assert text(compared(grid, groups=[renamed[group] for group in groups])) == text(compared(grid, groups=groups))


@examples(3, 6)
@given(grids(most=2))
def test_swapping_an_variant_and_its_baseline_mirrors_the_difference(made: tuple[Grid, list[str]]) -> None:
    grid, groups = made
    (one,) = compared(grid, groups=groups).contrasts
    (other,) = compared(grid, groups=groups, baseline="tags").contrasts
    assert (one.n, one.left, one.apart) == (other.n, other.left, other.apart)
    assert (one.mine, one.theirs) == pytest.approx((other.theirs, other.mine), nan_ok=True)
    assert one.difference == pytest.approx(-other.difference, nan_ok=True, abs=1e-12)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), nan_ok=True, abs=1e-9)
    for name in ("p", "corrected", "equivalent", "mcnemar"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), nan_ok=True, abs=1e-9), name
    for name, ratio in one.ratios.items():
        assert ratio.value == pytest.approx(1 / other.ratios[name].value)
    mirrored = {"better": "worse", "worse": "better"}
    if one.verdict in mirrored:
        assert other.verdict == mirrored[one.verdict]


@examples(3, 6)
@given(grids(least=3))
def test_another_variant_makes_no_corrected_p_smaller(made: tuple[Grid, list[str]]) -> None:
    grid, groups = made
    whole = compared(grid, groups=groups)
    fewer = compared({name: words for name, words in grid.items() if name != list(grid)[-1]}, groups=groups)
    for contrast in fewer.contrasts:
        same = whole[contrast.variant]
        assert same.p == pytest.approx(contrast.p, nan_ok=True)
        for name in ("corrected", "not_worse", "equivalent"):
            assert math.isnan(getattr(contrast, name)) or getattr(same, name) >= getattr(contrast, name) - 1e-12


@examples(8, 20)
@given(grids(), st.sampled_from([0.02, BLIND, 0.4]), st.sampled_from([0.8, 0.95]))
def test_words_follow_from_numbers(made: tuple[Grid, list[str]], margin: float, confidence: float) -> None:
    grid, groups = made
    how = Comparing(margin=margin, confidence=confidence)
    for found in compared(grid, groups=groups, settings=how).contrasts:
        alpha = 1 - confidence
        known = {
            "better": found.corrected <= alpha and found.difference > 0,
            "worse": found.corrected <= alpha and found.difference < 0,
            "equivalent": found.corrected > alpha >= found.equivalent >= found.not_worse,
            "not worse": found.corrected > alpha and found.equivalent > alpha >= found.not_worse,
            "inconclusive": min(found.corrected, found.equivalent, found.not_worse) > alpha,
            "untested": math.isnan(found.low) and math.isnan(found.corrected),
        }
        assert [word for word, holds in known.items() if holds] == [found.verdict]
        assert (found.verdict == "untested") == (
            "inconclusive: would" not in conclusion(found, how) and "inconclusive" in conclusion(found, how)
        )
        if found.verdict != "untested":
            assert -1 <= found.low <= found.difference <= found.high <= 1
            assert found.corrected >= found.p
        assert found.needed is None or found.needed > found.n
