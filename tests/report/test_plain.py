"""The last lines of a table say of each comparison whether anything is decided."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.analysis.compare import Comparison, Contrast
from phrasing.analysis.verdict import Verdict
from phrasing.report import text
from phrasing.suite.schema import Comparing

OPEN = {Verdict.INCONCLUSIVE, Verdict.UNTESTED}


def said(*contrasts: Contrast, margin: float = 0.1, agreement: bool = False) -> list[str]:
    settings = Comparing(margin=margin)
    return [line for _, line in text.plain(Comparison(settings, contrasts, (), agreement=agreement), str.upper)]


def contrast(name: str, verdict: Verdict, *, baseline: str = "base", n: int = 40, needed: int | None = 350) -> Contrast:
    return Contrast(name, baseline, n, 0, 0, verdict=verdict, needed=needed)


SAYINGS = {
    Verdict.BETTER: ("Decided: A is better than BASE here.", "Decided: A agrees more with the logged agent than BASE here."),
    Verdict.WORSE: ("Decided: A is worse than BASE here.", "Decided: A agrees less with the logged agent than BASE here."),
    Verdict.EQUIVALENT: (
        "Decided: A is as good as BASE here, within 10 points.",
        "Decided: A agrees as much with the logged agent as BASE here, within 10 points.",
    ),
    Verdict.NOT_WORSE: (
        "Decided: A is not worse than BASE here by 10 points or more.",
        "Decided: A agrees no less with the logged agent than BASE here, within 10 points.",
    ),
    Verdict.UNCHANGED: ("Decided: A is the same as BASE.", "Decided: A is the same as BASE."),
    Verdict.INCONCLUSIVE: 2 * ("Not decided: 40 cases can't tell A from BASE; it would take about 350 cases.",),
    Verdict.UNTESTED: 2 * ("Not decided: A against BASE; there is one conversation only.",),
}


@pytest.mark.parametrize("verdict", Verdict)
def test_each_verdict_in_plain_words(verdict: Verdict) -> None:
    for agreement, line in zip((False, True), SAYINGS[verdict], strict=True):
        assert said(contrast("a", verdict), agreement=agreement) == [line]


def test_several_are_said_together() -> None:
    worse = [contrast(name, Verdict.WORSE) for name in "abc"]
    assert said(*worse) == ["Decided: A, B and C are worse than BASE here."]
    unclear = [contrast("a", Verdict.INCONCLUSIVE), contrast("b", Verdict.INCONCLUSIVE, n=39, needed=230)]
    assert said(*unclear) == ["Not decided: 39 to 40 cases can't tell A and B from BASE; it would take about 230 to 350 cases."]
    assert said(contrast("a", Verdict.INCONCLUSIVE, needed=None))[0].endswith("it would take more than 100,000 cases.")
    assert said(contrast("a", Verdict.UNTESTED, n=0)) == ["Not decided: A against BASE; no case has both answers."]
    assert said(*worse[:2], agreement=True) == ["Decided: A and B agree less with the logged agent than BASE here."]


@given(st.lists(st.tuples(st.sampled_from(Verdict), st.sampled_from(["base", "other"])), max_size=8), st.booleans())
def test_every_variant_is_in_the_one_line_of_its_verdict(drawn: list[tuple[Verdict, str]], agreement: bool) -> None:
    contrasts = [contrast(f"<{i}>", verdict, baseline=baseline) for i, (verdict, baseline) in enumerate(drawn)]
    lines = said(*contrasts, agreement=agreement)
    assert len(lines) == len(set(drawn))
    for one in contrasts:
        (line,) = (line for line in lines if one.variant in line)
        assert line.startswith("Not decided: " if one.verdict in OPEN else "Decided: ")
        assert one.baseline.upper() in line
