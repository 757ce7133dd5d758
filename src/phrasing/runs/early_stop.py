"""Stops asking about a variant once its difference from the baseline is decided, however often one looks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from phrasing.records import Group, Result, RunRecord
from phrasing.scores import stored
from phrasing.stats import paired
from phrasing.stats.anytime import Progress
from phrasing.suite.schema import Suite
from phrasing.types import Trial


@dataclass(frozen=True)
class Looked:
    """What a comparison looks at: the first groups, in the order drawn for them.

    ``places`` number the groups of the cases looked at, by dataset and id; ``sizes`` are the cases of all groups of the
    comparison, in their order, ``strata`` their datasets by number, and ``seen`` how many groups are looked at.
    """

    places: Mapping[tuple[str, str], int]
    sizes: tuple[int, ...]
    strata: tuple[int, ...]
    seen: int

    def progress(self, cases: Iterable[tuple[str, str]]) -> Progress:
        """Give what the tests need, for these of the cases looked at."""
        places = np.array([self.places[case] for case in cases], dtype=np.intp)
        return Progress(np.array(self.sizes, dtype=np.intp), np.array(self.strata, dtype=np.intp), self.seen, places)


def look(record: RunRecord, groups: Sequence[Group], seen: int) -> Looked:
    """Look at the first ``seen`` of these groups, with those of their cases that ``record`` has: it may be a part of the run."""
    held = [[case for case in group.cases if case in record.cases[group.dataset]] for group in groups]
    kept = [(group.dataset, cases) for group, cases in zip(groups, held, strict=True) if cases]
    strata = {dataset: number for number, dataset in enumerate(sorted({dataset for dataset, _ in kept}))}
    seen = sum(bool(cases) for cases in held[:seen])
    return Looked(
        places={(dataset, case): place for place, (dataset, cases) in enumerate(kept[:seen]) for case in cases},
        sizes=tuple(len(cases) for _, cases in kept),
        strata=tuple(strata[dataset] for dataset, _ in kept),
        seen=seen,
    )


def unordered(record: RunRecord) -> list[Group]:
    """Give the groups of an old run, which doesn't say in which order it looked at them, in the order of its cases."""
    found: dict[tuple[str, str], list[str]] = {}
    for dataset, listed in record.cases.items():
        for case, note in listed.items():
            found.setdefault((dataset, note.group or case), []).append(case)
    return [Group(dataset=dataset, cases=tuple(cases), trials=()) for (dataset, _), cases in found.items()]


class EarlyStop:
    """Watches the results of a run that stops early, and says which trials need no answer any more.

    The order of groups is drawn before the run (``RunRecord.order``). A comparison looks at the longest beginning of it that is
    complete: every trial of both variants has ended there, with an answer or an error. It looks at one group after another, and
    ends with the first that decides it. So what it looks at depends on the results, not on when they came; and a report of the
    run, for which this class goes through its results again, rests on the same groups as the stop.

    A difference is decided when it is better, worse, or not worse by the suite's ``compare.margin``, by its interval at the
    confidence shared among all comparisons with a baseline (Bonferroni). A baseline is asked on until nothing is compared with
    it any more. Where some labels are logged, the other cases decide.
    """

    def __init__(self, record: RunRecord) -> None:
        suite = Suite.model_validate(record.resolved)
        settings, self._repeats = suite.compare, suite.repeats
        self._score, self._margin = stored(settings.score), settings.margin
        self._order, self._variants = record.order or (), record.variants
        self._missing = {
            (variant, group): count for group in self._order for variant, count in zip(record.variants, group.trials, strict=True)
        }
        self._groups = {(group.dataset, case): group for group in self._order for case in group.cases}
        self._scores: dict[tuple[str, str, str], dict[int, float]] = {}
        baselines = {variant: other for variant, other in record.baselines.items() if variant != other}
        self._level = (1 - settings.confidence) / max(1, len(baselines))
        self._comparisons = {
            variant: _Comparison(variant, baseline, self._asked(variant, baseline), _judged(record))
            for variant, baseline in baselines.items()
        }

    def _asked(self, *variants: str) -> tuple[Group, ...]:
        """Give the groups that all of these variants are asked about, in order."""
        columns = [self._variants.index(variant) for variant in variants]
        return tuple(group for group in self._order if all(group.trials[column] for column in columns))

    def _complete(self, group: Group, *variants: str) -> bool:
        return all(self._missing[variant, group] <= 0 for variant in variants)

    @property
    def decided(self) -> set[str]:
        """The variants whose comparisons are decided."""
        return {variant for variant, comparison in self._comparisons.items() if comparison.decided}

    def add(self, result: Result) -> None:
        """Take in the result of a trial, and look at what it completes."""
        variant, dataset, case = result.variant, result.dataset, result.case
        group = self._groups.get((dataset, case))
        outdated = result.error is not None and result.error.kind == "outdated"  # it is still to be asked
        if group is None or outdated or result.repeat >= self._repeats:
            return
        self._missing[variant, group] -= 1
        score = result.scores.get(self._score)
        if result.error is None and score is not None and score.value is not None:
            self._scores.setdefault((variant, dataset, case), {})[result.repeat] = score.value
        for comparison in self._comparisons.values():
            if variant in (comparison.variant, comparison.baseline):
                self._go_on(comparison)

    def _go_on(self, comparison: _Comparison) -> None:
        while not comparison.decided and comparison.seen < len(comparison.groups):
            group = comparison.groups[comparison.seen]
            if not self._complete(group, comparison.variant, comparison.baseline):
                return
            comparison.take(self._values(comparison, group.dataset, case) for case in comparison.cases(group))
            comparison.decide(self._margin, self._level)

    def _values(self, comparison: _Comparison, dataset: str, case: str) -> tuple[float, float] | None:
        """Give both variants' means over the repeats of a case, where both have one."""
        mine, theirs = (self._scores.get((variant, dataset, case)) for variant in (comparison.variant, comparison.baseline))
        return (_mean(mine), _mean(theirs)) if mine and theirs else None

    def compared(self, variant: str) -> tuple[Sequence[Group], int]:
        """Give the groups of a variant's comparison with its baseline, in order, and how many it looks at."""
        comparison = self._comparisons.get(variant)
        return (comparison.groups, comparison.seen) if comparison else self.answered(variant)

    def answered(self, variant: str) -> tuple[Sequence[Group], int]:
        """Give the groups of a variant, in order, and how many are complete until the first that isn't."""
        groups = self._asked(variant)
        return groups, next((place for place, group in enumerate(groups) if not self._complete(group, variant)), len(groups))

    def spare(self, trial: Trial) -> bool:
        """Whether a trial can tell nothing more."""
        variant = str(trial.variant)
        concerned = [c.decided for c in self._comparisons.values() if variant in (c.variant, c.baseline)]
        return bool(concerned) and all(concerned)


class _Comparison:
    """A variant and its baseline: what was looked at, and whether that decides it."""

    def __init__(self, variant: str, baseline: str, groups: Sequence[Group], judged: RunRecord) -> None:
        self.variant, self.baseline, self.groups = variant, baseline, groups
        self.seen, self.decided = 0, False
        self._judged = judged.cases
        whole = look(judged, groups, len(groups))
        self._sizes, self._strata = np.array(whole.sizes, dtype=np.intp), np.array(whole.strata, dtype=np.intp)
        self._held = 0  # of the groups seen, those that have a case that counts
        self._pairs: list[tuple[float, float]] = []
        self._places: list[int] = []

    def cases(self, group: Group) -> list[str]:
        """Give the cases of a group that count."""
        return [case for case in group.cases if case in self._judged[group.dataset]]

    def take(self, pairs: Iterable[tuple[float, float] | None]) -> None:
        """Look at the next group, with the scores of both variants on each of its cases that count."""
        listed = list(pairs)
        known = [pair for pair in listed if pair]
        self._pairs += known
        self._places += [self._held] * len(known)
        self._held += bool(listed)
        self.seen += 1

    def decide(self, margin: float, level: float) -> None:
        """Say whether the interval at the confidence 1 - ``level`` leaves out 0, or lies above the margin."""
        if self._pairs:
            mine, theirs = np.array(self._pairs).T
            places = np.array(self._places, dtype=np.intp)
            progress = Progress(self._sizes, self._strata, self._held, places)
            found = paired.difference(mine, theirs, places, self._strata[places], progress=progress)
            p = min(paired.p_above(found, 0.0), paired.p_below(found, 0.0), paired.p_above(found, -margin))
            self.decided = p <= level / 2


def _mean(repeats: Mapping[int, float]) -> float:
    return fmean(value for _, value in sorted(repeats.items()))


def _judged(record: RunRecord) -> RunRecord:
    """Leave cases with logged labels out, where there are others."""
    if set(record.strengths) <= {"logged"}:
        return record
    return record.only(
        {name: [c for c, note in listed.items() if note.strength != "logged"] for name, listed in record.cases.items()}
    )
