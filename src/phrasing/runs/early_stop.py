"""Stops asking about a variant once its difference from the baseline is decided, however often one looks."""

from __future__ import annotations

from collections import Counter

import numpy as np

from phrasing.plan.resolve import Plan
from phrasing.records import Result
from phrasing.scores import is_of_labels
from phrasing.stats import paired
from phrasing.types import Trial, Variant


class EarlyStop:
    """Watches the results of a plan, group by group, and says which trials need no answer any more.

    A difference is decided when it is better, worse, or not worse by the suite's ``compare.margin``, at its confidence shared
    among all comparisons with a baseline (Bonferroni). The tests are those of ``paired.evidence``, which keep their error rate
    under any number of looks. A baseline is asked on until nothing is compared with it any more. Where some labels are logged,
    a score of labels is that of the other cases.
    """

    def __init__(self, plan: Plan) -> None:
        self.decided: set[Variant] = set()
        self._plan = plan
        self._settings = plan.suite.compare
        self._variants = {str(variant): variant for variant in plan.variants}
        self._baselines = {variant: baseline for variant, baseline in plan.baselines.items() if variant != baseline}
        self._level = (1 - self._settings.confidence) / max(1, len(self._baselines))
        strengths = {plan.case(trial).strength for trial in plan.trials}
        self._apart = len(strengths) > 1 and is_of_labels(self._settings.score)
        self._missing = Counter((trial.variant, *self._group(trial.dataset, trial.case)) for trial in plan.trials)
        self._scores: dict[tuple[Variant, str, str], dict[str, list[float]]] = {}
        self._differences: dict[Variant, list[float]] = {}

    def _group(self, dataset: str, case: str) -> tuple[str, str]:
        return dataset, self._plan.agents[dataset].cases[case].cluster

    def add(self, result: Result) -> None:
        """Take a result in; where it completes a group of a variant and its baseline, look again."""
        variant, group = self._variants[result.variant], self._group(result.dataset, result.case)
        self._missing[variant, *group] -= 1
        score = result.scores.get(self._settings.score)
        apart = self._apart and self._plan.agents[result.dataset].cases[result.case].strength == "logged"
        if result.error is None and score is not None and score.value is not None and not apart:
            self._scores.setdefault((variant, *group), {}).setdefault(result.case, []).append(score.value)
        for one, baseline in self._baselines.items():
            if variant in (one, baseline) and not self._missing[one, *group] and not self._missing[baseline, *group]:
                self._look(one, baseline, group)

    def _look(self, variant: Variant, baseline: Variant, group: tuple[str, str]) -> None:
        mine, theirs = self._scores.get((variant, *group), {}), self._scores.get((baseline, *group), {})
        differences = [np.mean(mine[case]) - np.mean(theirs[case]) for case in mine if case in theirs]
        if not differences or variant in self.decided:
            return
        seen = self._differences.setdefault(variant, [])
        seen.append(float(np.mean(differences)))
        values = np.array(seen)
        different = 2 * min(paired.evidence(values, 0.0), paired.evidence(-values, 0.0))
        if min(different, paired.evidence(values, -self._settings.margin)) <= self._level:
            self.decided.add(variant)

    def spare(self, trial: Trial) -> bool:
        """Whether a trial can tell nothing more."""
        against = [variant for variant, baseline in self._baselines.items() if baseline == trial.variant]
        mine = trial.variant in self._baselines
        return (mine or bool(against)) and (not mine or trial.variant in self.decided) and self.decided.issuperset(against)
