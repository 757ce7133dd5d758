"""Verdict and interval: a search over made-up data for a row in which one denies the other."""

from __future__ import annotations

import math

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from phrasing.analysis.compare import Comparison, Contrast
from phrasing.analysis.gates import GateStatus, evaluate
from phrasing.analysis.tables import pair
from phrasing.analysis.verdict import Verdict
from phrasing.suite.schema import Comparing, Requirement
from support.made_up_results import compared, variant, variants
from support.tiers import examples

ROUNDING = 1e-6
"""The ends are searched for, so closer than this they aren't known."""


@st.composite
def comparisons(draw: st.DrawFn) -> Comparison:
    """Up to three variants and their baseline, on up to 60 cases, in conversations of any size; some are much better or worse."""
    n, repeats = draw(st.integers(4, 60)), draw(st.sampled_from([1, 1, 3]))
    groups = draw(st.one_of(st.none(), st.lists(st.integers(0, n // 2), min_size=n, max_size=n)))
    grid = {}
    for name in ("lines", "tags", "other", "more")[: draw(st.integers(2, 4))]:
        rights = st.sampled_from("0" * draw(st.integers(1, 9)) + "1" * draw(st.integers(1, 9)))
        grid[name] = draw(st.lists(st.lists(rights, min_size=repeats, max_size=repeats).map("".join), min_size=n, max_size=n))
    margin = draw(st.sampled_from([0.02, 0.05, 0.1, 0.3]))
    named = {} if groups is None else {"groups": [f"talk-{group}" for group in groups]}
    return compared(grid, settings=Comparing(margin=margin), **named)


def denied(contrast: Contrast, margin: float) -> bool:
    """Whether the interval shown denies the verdict beside it."""
    low, high = contrast.low, contrast.high
    match contrast.verdict:
        case Verdict.BETTER:
            return low <= -ROUNDING
        case Verdict.WORSE:
            return high >= ROUNDING or (contrast.not_worse <= 0.05 and low <= -margin - ROUNDING)
        case Verdict.EQUIVALENT:
            return low <= -margin - ROUNDING or high >= margin + ROUNDING
        case Verdict.NOT_WORSE:
            return low <= -margin - ROUNDING
    return False


@examples(5, 400)
@given(found=comparisons())
def test_no_interval_denies_the_verdict_beside_it(found: Comparison) -> None:
    for contrast in found.contrasts:
        assert not denied(contrast, found.settings.margin)
        if not math.isnan(contrast.p):
            assert contrast.low <= contrast.difference <= contrast.high


@examples(5, 400)
@given(found=comparisons())
def test_what_only_the_correction_withholds_is_said(found: Comparison) -> None:
    for contrast in found.contrasts:
        excludes = contrast.low > ROUNDING or contrast.high < -ROUNDING
        if excludes and contrast.verdict not in (Verdict.BETTER, Verdict.WORSE):
            assert contrast.withheld
            assert contrast.alone in (Verdict.BETTER, Verdict.WORSE)
        if len(found.contrasts) == 1:
            assert not contrast.withheld


@settings(deadline=None)
@given(
    words=st.lists(st.tuples(st.sampled_from("01"), st.sampled_from("01")), min_size=4, max_size=40),
    margin=st.sampled_from([0.02, 0.1, 0.3]),
)
def test_a_gate_shows_the_interval_of_the_table_and_passes_by_it(words: list[tuple[str, str]], margin: float) -> None:
    mine, other = ("".join(side) for side in zip(*words, strict=True))
    grid = {"lines": other, "tags": mine}
    tables = variants(grid)
    L, T = variant("lines"), variant("tags")
    pairs = pair(tables[T], tables[L])
    (contrast,) = compared(grid, settings=Comparing(margin=margin)).contrasts
    assume(abs(contrast.low + margin) > ROUNDING)
    for gate in (Requirement(score="step", margin=margin), Requirement(score="step", within=margin)):
        (held,) = evaluate([gate], {T: tables[T]}, lambda one, against: (L, pairs))
        assert (held.low, held.high) == (contrast.low, contrast.high)
        inside = contrast.low > -margin and (gate.within is None or contrast.high < margin)
        if gate.within is None or abs(contrast.high - margin) > ROUNDING:
            assert (held.status is GateStatus.PASSED) == inside


def test_a_margin_is_cleared_by_the_interval_that_is_shown() -> None:
    """Two won and none lost of 67 don't show that no two points are lost, nor do five of five."""
    for grid in ({"lines": "0" * 67, "tags": "1" * 2 + "0" * 65}, {"lines": "0" * 5, "tags": "1" * 5}):
        (found,) = compared(grid).contrasts
        assert found.low < -Comparing().margin
        assert found.verdict is Verdict.INCONCLUSIVE
