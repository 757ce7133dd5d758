"""Variants against their baselines, case by case: differences with intervals, corrected, and what may be said of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from math import nan
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from phrasing.analysis.verdict import Verdict
from phrasing.errors import StoreError
from phrasing.scores import CONVERSATION, public
from phrasing.stats import means, paired, power
from phrasing.stats.bootstrap import bootstrap
from phrasing.suite.schema import MEASURES, Comparing
from phrasing.types import AXES, Axis, Variant

if TYPE_CHECKING:
    from phrasing.analysis.conversations import Apart
    from phrasing.analysis.same_answers import SameAnswers
    from phrasing.analysis.tables import Notes, Pairs


@dataclass(frozen=True)
class Ratio:
    """A variant's total over its baseline's on the same cases, with the interval of the cluster bootstrap."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Flip:
    """A case on which two variants differ. ``mine`` and ``baseline`` are scores from 0 to 1, repeats averaged."""

    dataset: str
    case: str
    mine: float
    baseline: float


@dataclass(frozen=True)
class Contrast:
    """A variant against its baseline on the cases that both answered.

    ``mine`` and ``theirs`` are means from 0 to 1; ``difference`` is mine less theirs, from ``low`` to ``high`` at the settings'
    confidence. ``p`` is that of no difference, ``corrected`` the same by Holm's correction over the comparison. ``not_worse`` is
    the smallest alpha at which the interval lies above minus the margin, ``equivalent`` that at which it lies within the margin,
    both corrected; ``alone`` is the verdict if this were the only comparison; ``mcnemar`` is a check that knows of no clusters.
    All numbers are NaN where nothing can be said. ``left`` cases have no answer in one of the variants, ``apart`` were
    asked of one only. ``detectable`` is the smallest difference that this design shows with a chance of 80 %, ``needed`` about
    how many cases would decide it (``None``: more than anyone would write).
    """

    variant: str
    baseline: str
    n: int
    left: int
    apart: int
    found: paired.Difference | None = None
    mine: float = nan
    theirs: float = nan
    low: float = nan
    high: float = nan
    p: float = nan
    corrected: float = nan
    not_worse: float = nan
    equivalent: float = nan
    mcnemar: float = nan
    detectable: float | None = None
    needed: int | None = None
    verdict: Verdict = Verdict.UNTESTED
    alone: Verdict = Verdict.UNTESTED
    ratios: Mapping[str, Ratio] = field(default_factory=dict)
    flips: tuple[Flip, ...] = ()

    @property
    def withheld(self) -> bool:
        """Whether only the correction for many comparisons withholds a stronger verdict."""
        return self.alone is not self.verdict

    @property
    def difference(self) -> float:
        """How much more this variant scores, from -1 to 1."""
        return self.found.mean.value if self.found else nan


@dataclass(frozen=True)
class Reversal:
    """A change that helps with one model and hurts with another. ``p`` is that of the change doing the same, corrected."""

    better: Contrast
    worse: Contrast
    p: float


@dataclass(frozen=True)
class Comparison:
    """All contrasts of a run; or of one run with another, which ``against`` names, with what has ``changed`` between them.

    ``agreement``: its score is that with a logged agent, because all labels are logged. ``logged`` is the comparison on the
    cases with logged labels, where a run has others too, of which this one is. ``conversations`` holds variants against their
    baselines by whole conversations, where any has several steps and they aren't what all is compared by. ``same_answers`` says
    how far another run's answers are the same. ``loops``: agents were run to their end, so what is compared are tasks.
    """

    settings: Comparing
    contrasts: tuple[Contrast, ...]
    reversals: tuple[Reversal, ...]
    against: str | None = None
    changed: tuple[str, ...] = ()
    agreement: bool = False
    logged: Comparison | None = None
    conversations: tuple[Apart, ...] = ()
    same_answers: SameAnswers | None = None
    loops: bool = False

    @property
    def parts(self) -> tuple[Comparison, ...]:
        """This comparison and, if there is one, that of the cases with logged labels."""
        return (self, self.logged) if self.logged else (self,)

    @property
    def score(self) -> str:
        """What decides, and whether that is agreement."""
        return public(self.settings.score) + (" (agreement with the logged agent)" if self.agreement else "")

    @property
    def unit(self) -> str:
        """What is paired and counted: a case, a conversation, or a task that an agent was run on."""
        if self.loops:
            return "task"
        return "conversation" if self.settings.score == CONVERSATION else "case"

    def notes(self, cases: Notes) -> Notes:
        """Give of what is known of cases what goes with ``flips``: nothing, where these are conversations."""
        return {} if self.unit == "conversation" else cases

    def __getitem__(self, variant: str) -> Contrast:
        return next(contrast for contrast in self.contrasts if contrast.variant == variant)


def compare(
    pairs: Mapping[tuple[str, str], Pairs],
    settings: Comparing,
    *,
    against: str | None = None,
    changed: Sequence[str] = (),
    agreement: bool = False,
    loops: bool = False,
) -> Comparison:
    """Compare each variant with its baseline: (variant, baseline) to the cases they share. ``agreement`` and ``loops`` are as in
    ``Comparison``.

    The family of Holm's correction is all of ``pairs``: any of them could have been the one that is quoted.
    """
    raw = [_contrast(variant, baseline, found, settings) for (variant, baseline), found in pairs.items()]
    family = max(1, sum(not math.isnan(contrast.p) for contrast in raw))
    totals = ratios(list(pairs.values()), settings.confidence)
    contrasts = [
        replace(_plan(contrast, settings, family), ratios=found)
        for contrast, found in zip(conclude(raw, 1 - settings.confidence), totals, strict=True)
    ]
    reversals = tuple(_reversals(pairs, contrasts, settings.score))
    return Comparison(settings, tuple(contrasts), reversals, against, tuple(changed), agreement, loops=loops)


def _contrast(variant: str, baseline: str, pairs: Pairs, settings: Comparing) -> Contrast:
    mine, theirs, both = pairs.values(settings.score)
    empty = Contrast(variant, baseline, len(mine), pairs.left, pairs.apart)
    if not len(mine):
        return empty
    clusters, strata = pairs.clusters[both], pairs.strata[both]
    found = paired.difference(mine, theirs, clusters, strata, progress=pairs.progress_of(both))
    both_means = (means.mean(values, clusters, strata).value for values in (mine, theirs))
    cases = list(pairs.mine.index[both])
    differ = np.flatnonzero(np.abs(mine - theirs) > paired.ROUNDING)
    flips = (Flip(cases[i][0], cases[i][1], float(mine[i]), float(theirs[i])) for i in differ)
    empty = replace(empty, found=found, mine=next(both_means), theirs=next(both_means), flips=tuple(flips))
    if pairs.unchanged and not empty.flips:  # nothing is estimated, so nothing is uncertain
        return replace(empty, low=0.0, high=0.0, verdict=Verdict.UNCHANGED, alone=Verdict.UNCHANGED)
    low, high = paired.interval(found, settings.confidence)
    if math.isnan(low):
        return empty
    return replace(
        empty,
        low=low,
        high=high,
        p=paired.p_different(found),
        not_worse=paired.level_above(found, -settings.margin),
        equivalent=paired.level_within(found, settings.margin),
        mcnemar=paired.mcnemar(found.wins, found.losses),
    )


def conclude(contrasts: Sequence[Contrast], alpha: float) -> list[Contrast]:
    """Correct the levels of all contrasts, and say what may be said: all claims together are wrong at most ``alpha`` of the time.

    Holm's correction decides which variants differ from their baselines. The two claims about the margin are read from intervals
    that share ``alpha`` among the contrasts that aren't called different: those that are, and rightly, can't be wrong any more.
    """
    corrected = paired.holm([contrast.p for contrast in contrasts])
    known = sum(not math.isnan(p) for p in corrected)
    called = sum(p <= alpha for p in corrected)
    said = []
    for contrast, p in zip(contrasts, corrected, strict=True):
        if math.isnan(p):
            said.append(contrast)
            continue
        others = known - called + (p <= alpha)
        contrast = replace(
            contrast,
            corrected=p,
            not_worse=min(1.0, others * contrast.not_worse),
            equivalent=min(1.0, others * contrast.equivalent),
            alone=_verdict(contrast, contrast.p, alpha),
        )
        said.append(replace(contrast, verdict=_verdict(contrast, p, alpha)))
    return said


def _verdict(contrast: Contrast, p: float, alpha: float) -> Verdict:
    if p <= alpha:
        return Verdict.BETTER if contrast.difference > 0 else Verdict.WORSE
    if contrast.equivalent <= alpha:
        return Verdict.EQUIVALENT
    return Verdict.NOT_WORSE if contrast.not_worse <= alpha else Verdict.INCONCLUSIVE


def _plan(contrast: Contrast, settings: Comparing, family: int) -> Contrast:
    """Say what the design could have shown, and what would decide it."""
    found = contrast.found
    if found is None or math.isnan(contrast.p):
        return contrast
    level, unit = (1 - settings.confidence) / family, found.unit
    seen = None
    if not math.isnan(found.mean.size):
        discordance = min(1.0, found.square / unit**2)  # not above 1 by rounding
        seen = power.detectable(found.mean.size, discordance, alpha=level, added=found.added)
    return replace(
        contrast,
        detectable=None if seen is None else seen * unit,
        needed=cases_needed(found, contrast.difference + settings.margin, clear=level / 2, detect=level),
    )


def cases_needed(found: paired.Difference, distance: float, *, clear: float, detect: float | None = None) -> int | None:
    """Say about how many cases like these would decide a difference, with a chance of 80 %. ``None``: more than anyone writes.

    Either by showing at the one-sided level ``clear`` that it lies above a bound ``distance`` below it; or, where ``detect`` is
    given, by showing at that two-sided level that there is one.
    """
    added = 1.0 if math.isnan(found.added) else found.added
    sizes = [power.size_to_clear(min(1.0, distance), found.variance, alpha=clear, added=added)]
    if detect is not None:
        sizes.append(power.size_to_detect(found.mean.value, found.square, alpha=detect, added=added))
    enough = min((size for size in sizes if size), default=None)
    if enough is None:
        return None
    # a case is worth less than an independent one, by what the clusters showed, or as if they were single cases where they are
    # too few to show it; and as many as were asked didn't do
    size = found.mean.clusters if math.isnan(found.mean.size) else found.mean.size
    return max(found.mean.n + 1, math.ceil(enough * found.mean.n / size))


def ratios(pairs: Sequence[Pairs], confidence: float) -> list[dict[str, Ratio]]:
    """Make every ratio of totals (``MEASURES``) at once, on the same draws of clusters.

    An interval is NaN where a dataset has only one cluster.
    """
    count = 1 + max((int(pair.clusters.max()) for pair in pairs if len(pair.clusters)), default=-1)
    layers = np.full(count, -1, dtype=np.intp)
    columns: dict[bytes, tuple[int, NDArray[np.float64]]] = {}  # variants share baselines: each total is drawn once

    def column(clusters: NDArray[np.intp], values: NDArray[np.float64]) -> int:
        totals = np.bincount(clusters, values, count).astype(np.float64)
        return columns.setdefault(totals.tobytes(), (len(columns), totals))[0]

    places: list[tuple[int, str, int, int]] = []
    for i, pair in enumerate(pairs):
        layers[pair.clusters] = pair.strata
        for name in MEASURES:
            mine, theirs, both = pair.values(name)
            if len(mine) and theirs.sum() > 0:
                clusters = pair.clusters[both]
                places.append((i, name, column(clusters, mine), column(clusters, theirs)))
    made: list[dict[str, Ratio]] = [{} for _ in pairs]
    if not places:
        return made
    there = layers >= 0
    totals = np.stack([totals for _, totals in columns.values()], axis=1)[there]
    upper, lower = (np.array([place[side] for place in places]) for side in (2, 3))
    lows, highs = bootstrap(totals, lambda t: t[..., upper] / t[..., lower], strata=layers[there], confidence=confidence)
    values = totals.sum(axis=0)[upper] / totals.sum(axis=0)[lower]
    if (np.bincount(layers[there]) == 1).any():  # drawn again and again, one cluster would seem to be certain
        lows = highs = np.full(len(values), nan)
    for (i, name, _, _), value, low, high in zip(places, values, lows, highs, strict=True):
        made[i][name] = Ratio(float(value), float(low), float(high))
    return made


def _reversals(pairs: Mapping[tuple[str, str], Pairs], contrasts: Sequence[Contrast], score: str) -> Iterable[Reversal]:
    """Find changes that one model gains by and another loses by, and whether that is more than chance."""
    opposed = []
    for one, other in combinations(contrasts, 2):
        if not _one_change(one, other) or not one.difference * other.difference < 0:
            continue
        better, worse = (one, other) if one.difference > 0 else (other, one)
        if any(pairs[side.variant, side.baseline].progress for side in (better, worse)):
            continue  # each ends where its own comparison was decided, which no test of both allows for
        found = [pairs[side.variant, side.baseline].differences(score) for side in (better, worse)]
        both = found[0].index.intersection(found[1].index)
        if len(both):
            place = pairs[better.variant, better.baseline].mine.loc[both]
            # two differences are up to 2 apart
            mine, theirs = (side[both].to_numpy() / 2 for side in found)
            apart = paired.difference(mine, theirs, place["cluster"], place["stratum"])
            opposed.append(Reversal(better, worse, paired.p_different(apart)))
    for reversal, p in zip(opposed, paired.holm([reversal.p for reversal in opposed]), strict=True):
        yield replace(reversal, p=p)


def _one_change(one: Contrast, other: Contrast) -> bool:
    """Whether two contrasts are of the same change, each under a model of its own."""
    changes = []
    for contrast in (one, other):
        variant, baseline = Variant.parse(contrast.variant), Variant.parse(contrast.baseline)
        changes.append((replace(variant, model=""), replace(baseline, model=""), variant.model == baseline.model))
    return changes[0] == changes[1] and changes[0][2]


def match(variants: Sequence[str], others: Sequence[str]) -> dict[str, str]:
    """Pair the variants of one run with those of another: the same text; else, on an axis where each has one value and not the
    same, those that agree on the rest. Raises ``StoreError`` if none do.
    """
    mine, theirs = ([Variant.parse(variant) for variant in listed] for listed in (variants, others))
    moved: dict[Axis, str] = {}
    for axis in AXES:
        here, there = ({getattr(variant, axis) for variant in listed} for listed in (mine, theirs))
        if len(here) == len(there) == 1:
            moved |= dict.fromkeys([axis], *there)
    renamed = {str(variant): str(variant.moved(moved)) for variant in mine}
    found = {variant: other for variant, other in renamed.items() if other in others}
    if not found:
        raise StoreError(f"the runs have no variant in common: {'; '.join(variants[:3])} … against {'; '.join(others[:3])} …")
    return found


def tally(flips: Iterable[Flip], notes: Notes, by: Literal["tags", "expect"]) -> list[tuple[str, int, int]]:
    """Count won and lost cases by tag or by expected intent: (name, won, lost), the most telling first."""
    counts: dict[str, list[int]] = {}
    for flip in flips:
        note = notes.get(flip.dataset, {}).get(flip.case)
        for name in getattr(note, by) if note else ():
            counts.setdefault(name, [0, 0])[flip.mine < flip.baseline] += 1
    rows = [(name, won, lost) for name, (won, lost) in counts.items()]
    return sorted(rows, key=lambda row: (-abs(row[1] - row[2]), -(row[1] + row[2]), row[0]))
