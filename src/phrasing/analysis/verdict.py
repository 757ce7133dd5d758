"""What may be said of a comparison, in a word: better, worse, equivalent, not worse, inconclusive or unchanged."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

Tone = Literal["good", "bad", "even", "unsure"]
"""How a verdict is coloured: a page and a terminal each have a colour for every tone."""


class Verdict(StrEnum):
    """A variant against its baseline. No verdict decides an exit code: gates do (``gates.GateStatus``).

    ``EQUIVALENT``: the difference is shown to lie within the margin, either way; ``NOT_WORSE``: shown not to be worse by the
    margin; ``UNCHANGED``: the same answers to the same requests; ``UNTESTED``: no test could be made, for want of cases that both
    answered or of a second conversation. It reads *inconclusive* too.
    """

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    NOT_WORSE = "not worse"
    INCONCLUSIVE = "inconclusive"
    UNCHANGED = "unchanged"
    UNTESTED = "untested"

    @property
    def tone(self) -> Tone:
        """Whether it is good news, bad, neither, or not known."""
        return _TONES[self]

    def word(self, *, agreement: bool = False) -> str:
        """Name it in a word or two; ``agreement``: labels are what a logged agent did, so nothing is better, it agrees more."""
        return (_AGREEMENT if agreement else {}).get(self) or _WORDS.get(self, self.value)


_TONES: dict[Verdict, Tone] = {
    Verdict.BETTER: "good",
    Verdict.WORSE: "bad",
    Verdict.EQUIVALENT: "even",
    Verdict.NOT_WORSE: "even",
    Verdict.UNCHANGED: "even",
    Verdict.INCONCLUSIVE: "unsure",
    Verdict.UNTESTED: "unsure",
}
_WORDS = {Verdict.UNTESTED: Verdict.INCONCLUSIVE.value}
_AGREEMENT = {Verdict.BETTER: "agrees more", Verdict.WORSE: "agrees less", Verdict.NOT_WORSE: "agrees no less"}
