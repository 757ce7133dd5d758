"""A run folder, read: its tables, its comparisons, its gates, what a report shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phrasing import floors, provenance, scorers, store, userscorers
from phrasing.errors import SuiteError, unknown
from phrasing.records import Result, RunRecord
from phrasing.runner import Outcome
from phrasing.suite import MEASURES, Suite

if TYPE_CHECKING:
    import pandas as pd

    from phrasing.compare import Comparison
    from phrasing.gates import Verdict
    from phrasing.report import Report
    from phrasing.suite import Comparing, Requirement


@dataclass(frozen=True)
class Run:
    """A run folder, read. ``outcome`` is there where this process did the asking."""

    folder: Path
    outcome: Outcome | None = None

    @cached_property
    def record(self) -> RunRecord:
        """What the run was made of."""
        return store.read_run(self.folder)

    @cached_property
    def results(self) -> Mapping[str, Result]:
        """Results by trial id, of the arms and cases that the run has now: an older one may have had more."""
        arms, cases = set(self.record.arms), self.record.cases
        found = store.results(self.folder)
        return {trial: r for trial, r in found.items() if r.arm in arms and r.case in cases.get(r.dataset, ())}

    @property
    def unanswered(self) -> int:
        """How many trials have no answer: an error, or never asked."""
        if self.outcome is not None:
            return self.outcome.errors + self.outcome.unasked
        errors = sum(result.error is not None for result in self.results.values())
        return errors + max(0, self.record.trials - len(self.results) - (self.record.spared or 0))

    @cached_property
    def suite(self) -> Suite:
        """The suite as it was resolved."""
        return Suite.model_validate(self.record.resolved)

    @cached_property
    def _trials(self) -> pd.DataFrame:
        from phrasing import aggregate

        return aggregate.trials(self.results.values(), self.record.cases, scorers=self.suite.scorer_names)

    @cached_property
    def _arms(self) -> dict[str, pd.DataFrame]:
        """The table of cases of each arm, in the order of arms."""
        from phrasing import aggregate

        found = aggregate.by_arm(aggregate.per_case(self._trials, scorers=self.suite.scorer_names))
        return {arm: found[arm] for arm in self.record.arms if arm in found}

    def trials(self) -> pd.DataFrame:
        """Give one row a trial; ``docs/concepts.md`` describes the columns."""
        return self._trials.copy()

    def summary(self) -> pd.DataFrame:
        """Give one row an arm, indexed by the arm's text."""
        from phrasing import aggregate

        return aggregate.summary(
            self._trials,
            self._arms,
            arms=self.record.arms,
            baselines=self.record.baselines,
            floors=floors.of_run(self.record),
            scorers=self.suite.scorer_names,
        )

    def _unchanged(self, arm: str, other: Run) -> bool:
        """Whether another run holds the same answers to the same requests of an arm: a replay, with nothing edited since."""
        mine, theirs = (
            {trial: (result.key, result.completion) for trial, result in run.results.items() if result.arm == arm}
            for run in (self, other)
        )
        return mine == theirs

    def recording(self) -> Run | None:
        """Give the recording of the run's suite in the project it stands in, if there is one."""
        folders = (parent / store.RECORDINGS / self.record.suite for parent in self.folder.absolute().parents)
        return next((Run(folder) for folder in folders if (folder / store.RUN).is_file()), None)

    def compare(self, against: Run | None = None, *, settings: Comparing | None = None, name: str | None = None) -> Comparison:
        """Compare each arm with its baseline; or, with the same arm ``against`` another run, which is shown by ``name``.

        ``settings`` replace those of the suite. Raises ``StoreError`` where the runs have no arm in common, ``SuiteError`` for a
        score that they don't have.
        """
        from phrasing import aggregate, compare

        settings = settings or self.suite.compare
        for run in (self, against or self):
            run._check_score(settings.score, set(scorers.NAMES) - {"harm"})
        others = against._arms if against else self._arms
        baselines = compare.match(list(self._arms), list(others)) if against else self.record.baselines
        pairs = {
            (arm, baselines[arm]): aggregate.pair(
                cases,
                others[baselines[arm]],
                unchanged=against is not None and self._unchanged(arm, against),
                anytime=any(run.record.spared is not None for run in (self, against) if run),
            )
            for arm, cases in self._arms.items()
            if baselines.get(arm) in others and (against or baselines[arm] != arm)
        }
        return compare.compare(
            pairs,
            settings,
            against=(name or str(against.folder)) if against else None,
            changed=provenance.changes(against.record, self.record) if against else (),
        )

    def gates(self, requirements: Sequence[Requirement] | None = None, *, recorded: Run | None = None) -> list[Verdict]:
        """Hold gates (default: the suite's) against the arms; those against ``recorded``, against that run or the recording."""
        from phrasing import aggregate, gates

        recorded = recorded or self.recording()
        requirements = self.suite.require if requirements is None else requirements
        for gate in requirements:
            for run in (self, recorded if recorded and gate.against == "recorded" else self):
                run._check_score(gate.score, {*scorers.NAMES, *MEASURES})

        def partner(arm: str, kind: gates.Against) -> tuple[str, aggregate.Pairs] | str:
            if kind == "recorded" and recorded is None:
                return "nothing is recorded for this suite"
            others = recorded._arms if kind == "recorded" and recorded else self._arms
            other = arm if kind == "recorded" else self.record.baselines.get(arm, "")
            if other not in others:
                return "the recording has no such arm" if kind == "recorded" else "its baseline wasn't asked"
            unchanged = kind == "recorded" and recorded is not None and self._unchanged(arm, recorded)
            anytime = self.record.spared is not None
            return other, aggregate.pair(self._arms[arm], others[other], unchanged=unchanged, anytime=anytime)

        return list(gates.evaluate(requirements, self._arms, partner))

    def _check_score(self, score: str, built_in: Set[str]) -> None:
        known = {*built_in, *self.suite.scorer_names}
        if score not in known:
            raise SuiteError(unknown("score", score, known), where=str(self.folder))

    def report(self) -> Report:
        """Gather what a report shows."""
        from phrasing import aggregate, bill
        from phrasing.report import Report

        table, summary = self._trials, self.summary()
        arms: list[dict[str, Any]] = [
            {str(key): value for key, value in row.items()} for row in summary.reset_index().to_dict("records")
        ]
        counts = {column: aggregate.counts(table, column, arms=summary.index) for column in ("chosen", "form", "stage")}
        asked = table.loc[table["at"] != "", "at"]
        return Report(
            record=self.record,
            arms=arms,
            chosen=counts["chosen"],
            forms=counts["form"],
            stages=counts["stage"],
            harm=aggregate.harm_by_tag(self._arms, self.record.cases),
            confused=aggregate.confusion(table, self.record.cases, arms=summary.index),
            comparison=self.compare(),
            verdicts=() if self.record.part else tuple(self.gates()),
            asked=(asked.min(), asked.max()) if len(asked) else None,
            scorers=userscorers.failures(self.results.values(), self.suite.scorer_names),
            bills=bill.reconcile(self.results.values(), self.record.cases, arms=summary.index, exact=self.record.exact_tokens),
        )
