"""Gates: what a suite requires of its variants, held against what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isnan, nan
from typing import TYPE_CHECKING, Literal

import numpy as np

from phrasing.analysis.compare import cases_needed, ratios
from phrasing.analysis.verdict import Tone
from phrasing.scores import FORBIDDEN, public
from phrasing.stats import means, paired
from phrasing.stats.power import about
from phrasing.stats.proportions import one_sided, proportion
from phrasing.suite.schema import MEASURES, Requirement
from phrasing.types import Variant

if TYPE_CHECKING:
    from phrasing.analysis.tables import Cases, Pairs

CONFIDENCE = 0.95
"""That of ``margin`` and ``within`` where the gate names none."""

ALONE = "a dataset has one conversation only, so its spread isn't known"
"""Why a gate that needs an interval is an error."""

WORST = 3
"""How many cases a result names."""

Against = Literal["baseline", "recorded"]

LOGGED = "labels are logged, what an agent did; `logged: gate` in the suite holds it"
"""Why a gate on a score of labels isn't evaluated."""

Partner = Callable[[str, Against], "tuple[str, Pairs] | str"]
"""(variant, what it is held against) to the variant there and the cases they share, or why there is none."""


Outcome = Literal["passed", "failed", "error", "skipped"]
"""What a gate is to a test runner, and to an exit code: 0 where all gates passed or were skipped."""


class GateStatus(StrEnum):
    """What came of holding a gate: ``INCONCLUSIVE`` where its interval lies on both sides of the bound."""

    PASSED = "passed"
    MISSED = "missed"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    NOT_EVALUATED = "not evaluated"

    @property
    def tone(self) -> Tone:
        """Whether it is good news, bad, or not known."""
        unsure = (GateStatus.INCONCLUSIVE, GateStatus.NOT_EVALUATED)
        return "good" if self is GateStatus.PASSED else "unsure" if self in unsure else "bad"

    def outcome(self, *, inconclusive: Literal["pass", "fail"]) -> Outcome:
        """Say what that is to a test runner; ``inconclusive`` is what the suite makes of gates that are."""
        match self:
            case GateStatus.PASSED:
                return "passed"
            case GateStatus.ERROR:
                return "error"
            case GateStatus.NOT_EVALUATED:
                return "skipped"
            case GateStatus.INCONCLUSIVE if inconclusive == "pass":
                return "skipped"
        return "failed"


@dataclass(frozen=True)
class GateResult:
    """A gate held against one variant.

    ``value`` is what is held to the bound: a mean, a share, a difference or a ratio; ``low`` and ``high`` its interval, the
    two-sided one that tables show (of forbidden steps the one-sided bounds), NaN where it has none. ``note`` says why there
    is an error, why it isn't evaluated, or what an inconclusive one would need. ``worst`` are the cases (dataset and id) that
    speak most against it.
    """

    requirement: Requirement
    variant: str
    status: GateStatus
    value: float = nan
    low: float = nan
    high: float = nan
    note: str = ""
    worst: tuple[tuple[str, str], ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the gate holds. One that is inconclusive, or can't be measured, doesn't."""
        return self.status is GateStatus.PASSED

    @property
    def name(self) -> str:
        """What is required: ``correct at least 0.9``."""
        return describe(self.requirement)

    @property
    def figures(self) -> str:
        """What was measured: ``0.830 (0.761 to 0.889)``; nothing where a gate isn't evaluated."""
        if self.status is GateStatus.NOT_EVALUATED:
            return ""
        if isnan(self.value):
            return "nothing to measure"
        if self.requirement.margin is not None or self.requirement.within is not None:
            value, low, high = (f"{100 * x:+.1f}" if round(x, 3) else "0" for x in (self.value, self.low, self.high))
            return f"{value} points ({low} to {high})".replace("-", "−")
        digits = 1 if self.requirement.score in MEASURES and self.requirement.max_ratio is None else 3
        interval = "" if isnan(self.low) else f" ({self.low:,.{digits}f} to {self.high:,.{digits}f})"
        return f"{self.value:,.{digits}f}{interval}"

    @property
    def text(self) -> str:
        """All of it in a line, but for the variant."""
        return f"{self.status}: {self.name}: {'; '.join(filter(None, (self.figures, self.note)))}"

    def __str__(self) -> str:
        return f"{self.text} [{self.variant}]"


def describe(gate: Requirement) -> str:
    """Write what a gate requires: ``correct at least 0.9``."""
    score = public(gate.score)
    against = "the baseline" if gate.against == "baseline" else "recorded"
    if gate.margin is not None:
        text = f"{score} not worse than {against} by {100 * gate.margin:g} points"
    elif gate.within is not None:
        text = f"{score} within {100 * gate.within:g} points of {against}"
    elif gate.max_ratio is not None:
        text = f"{score} at most {gate.max_ratio:g} times {against}"
    else:
        limits = (("at least", gate.min), ("at most", gate.max))
        text = f"{score} {' and '.join(f'{what} {limit:g}' for what, limit in limits if limit is not None)}"
    return f"{text} at {100 * gate.confidence:g} %" if gate.confidence else text


def evaluate(requirements: Iterable[Requirement], variants: Mapping[str, Cases], partner: Partner) -> Iterator[GateResult]:
    """Hold each gate against each variant that its ``where`` matches.

    The baseline isn't held against itself. Every gate is a claim of its own that was declared before, and a run passes only if
    all hold: that needs no correction.
    """
    for gate in requirements:
        for variant, cases in variants.items():
            if not _matches(gate, variant):
                continue
            if gate.min is not None or gate.max is not None:
                yield _bounded(gate, variant, cases)
                continue
            found = partner(variant, gate.against)
            if isinstance(found, str):
                yield GateResult(gate, variant, GateStatus.ERROR, note=found)
            elif gate.against == "recorded" or found[0] != variant:
                yield (_ratio if gate.max_ratio is not None else _difference)(gate, variant, found[1])


def unevaluated(gate: Requirement, variants: Iterable[str], baselines: Mapping[str, str]) -> Iterator[GateResult]:
    """Say of each variant that a gate would be held against that it isn't, because all labels there are logged."""
    for variant in variants:
        itself = gate.min is None and gate.max is None and gate.against == "baseline" and baselines.get(variant) == variant
        if _matches(gate, variant) and not itself:
            yield GateResult(gate, variant, GateStatus.NOT_EVALUATED, note=LOGGED)


def _matches(gate: Requirement, variant: str) -> bool:
    return Variant.parse(variant).matches(gate.where)


def _bounded(gate: Requirement, variant: str, cases: Cases) -> GateResult:
    known = cases[cases[gate.score].notna()]
    if not len(known):
        return GateResult(gate, variant, GateStatus.ERROR, note="no answer it applies to")
    values = known[gate.score]
    confidence = gate.confidence or CONFIDENCE
    if gate.score == FORBIDDEN:  # a case in which any repeat did harm
        harmed = values > 0
        value, (low, high) = float(harmed.mean()), one_sided(harmed, known["cluster"], confidence)
    elif gate.score in MEASURES:
        value, low, high = means.average(values.to_numpy(), known["cluster"], known["stratum"], confidence)
    else:
        value, low, high = proportion(values.to_numpy(), known["cluster"], known["stratum"], confidence)
    bad_is_high = gate.score == FORBIDDEN or gate.score in MEASURES
    worst = values[values > 0 if gate.score == FORBIDDEN else values < 1 if not bad_is_high else slice(None)]
    worst = worst.sort_values(ascending=not bad_is_high, kind="stable")
    status = _status(gate, (value, value) if gate.confidence is None else (low, high))
    return GateResult(
        gate, variant, status, value, low, high, ALONE if status is GateStatus.ERROR else "", tuple(worst.index[:WORST])
    )


def _status(gate: Requirement, span: tuple[float, float]) -> GateStatus:
    """Say whether what is between two numbers lies within a gate's bounds, outside, or across one of them."""
    low, high = gate.min if gate.min is not None else -np.inf, gate.max if gate.max is not None else np.inf
    if gate.max_ratio is not None:
        high = gate.max_ratio
    if isnan(span[0]):
        return GateStatus.ERROR
    if span[0] >= low and span[1] <= high:
        return GateStatus.PASSED
    return GateStatus.MISSED if span[1] < low or span[0] > high else GateStatus.INCONCLUSIVE


def _difference(gate: Requirement, variant: str, pairs: Pairs) -> GateResult:
    mine, theirs, both = pairs.values(gate.score)
    if not len(mine):
        return GateResult(gate, variant, GateStatus.ERROR, note="no case that both answered")
    if pairs.unchanged and (mine == theirs).all():
        return GateResult(gate, variant, GateStatus.PASSED, 0.0, 0.0, 0.0, "the same answers to the same requests")
    found = paired.difference(mine, theirs, pairs.clusters[both], pairs.strata[both], progress=pairs.progress_of(both))
    alpha = 1 - (gate.confidence or CONFIDENCE)
    low, high = paired.interval(found, 1 - alpha)
    margin = gate.margin or gate.within or 0.0
    difference = pairs.differences(gate.score)
    if gate.within is not None:
        holds = paired.level_within(found, margin) <= alpha
        fails = high < -margin or low > margin
        difference = -difference.abs()
    else:
        holds = paired.level_above(found, -margin) <= alpha
        fails = high < -margin
    worst = difference[difference < 0].sort_values(kind="stable").index[:WORST]
    value = found.mean.value
    if isnan(low):
        return GateResult(gate, variant, GateStatus.ERROR, value, low, high, ALONE, tuple(worst))
    status = GateStatus.PASSED if holds else GateStatus.MISSED if fails else GateStatus.INCONCLUSIVE
    note = ""
    if status is GateStatus.INCONCLUSIVE:
        distance = margin - abs(value) if gate.within is not None else margin + value
        note = f"it would need {about(cases_needed(found, distance, clear=alpha / 2))}"
    return GateResult(gate, variant, status, value, low, high, note, tuple(worst))


def _ratio(gate: Requirement, variant: str, pairs: Pairs) -> GateResult:
    found = ratios([pairs], gate.confidence or CONFIDENCE)[0].get(gate.score)
    if found is None:
        return GateResult(gate, variant, GateStatus.ERROR, note=f"no case of which both know their {gate.score}")
    status = _status(gate, (found.value, found.value) if gate.confidence is None else (found.low, found.high))
    each = (pairs.mine[gate.score] / pairs.baseline[gate.score]).dropna().sort_values(ascending=False, kind="stable")
    note = ALONE if status is GateStatus.ERROR else ""
    return GateResult(gate, variant, status, found.value, found.low, found.high, note, tuple(each[each > 1].index[:WORST]))
