"""A run folder, read: its tables, its comparisons, its gates, what a report shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from phrasing.analysis.trial_columns import ENDED, FAILED, MESSAGE, SAID
from phrasing.errors import SuiteError, unknown
from phrasing.records import Result, RunRecord
from phrasing.runs import jsonl, run_folders, store
from phrasing.score import no_model
from phrasing.scores import (
    CONVERSATION,
    CORRECT,
    FORBIDDEN,
    ROLLOUT_SCORES,
    SEVERAL,
    STORED,
    SUCCESS,
    is_of_labels,
    public,
    stored,
)
from phrasing.suite.schema import MEASURES, Suite

if TYPE_CHECKING:
    import pandas as pd

    from phrasing.analysis.compare import Comparison
    from phrasing.analysis.figures import Figures
    from phrasing.analysis.gates import Against, GateResult, Partner
    from phrasing.analysis.latency import Latency
    from phrasing.analysis.report_data import Report
    from phrasing.analysis.same_answers import SameAnswers
    from phrasing.analysis.step_figures import StepTokens
    from phrasing.analysis.tables import Pairs
    from phrasing.analysis.trial_columns import TrialColumns
    from phrasing.runs.early_stop import EarlyStop, Looked
    from phrasing.runs.lazy import LazyResults
    from phrasing.runs.runner import Outcome
    from phrasing.suite.schema import Comparing, Requirement


class _Read(NamedTuple):
    """Results, the columns of what was read, the numbers of the results in them, and the lines that are left out."""

    results: LazyResults
    columns: TrialColumns
    numbers: Sequence[int]
    damaged: tuple[jsonl.Damaged, ...]


@dataclass(frozen=True, init=False, repr=False)
class Run:
    """A run folder, read: ``Run("runs/quickstart/2026-11-30T10-00-00Z")``. ``load("latest")`` finds the newest one.

    ``outcome`` is there where this process did the asking. ``whole`` is the run that this one is a part of: the cases ``kept``,
    ids by dataset.
    """

    folder: Path
    outcome: Outcome | None
    whole: Run | None
    kept: Mapping[str, Collection[str]]

    def __init__(
        self,
        folder: str | Path,
        outcome: Outcome | None = None,
        whole: Run | None = None,
        kept: Mapping[str, Collection[str]] = MappingProxyType({}),
    ) -> None:
        for name, value in (("folder", Path(folder)), ("outcome", outcome), ("whole", whole), ("kept", kept)):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    @cached_property
    def record(self) -> RunRecord:
        """What the run was made of."""
        return self.whole.record.only(self.kept) if self.whole else store.read_run(self.folder)

    @cached_property
    def _read(self) -> _Read:
        """What the run has now: all from one pass over the file, also for its parts."""
        from phrasing.analysis.trial_columns import TrialColumns
        from phrasing.runs import lazy

        if self.whole:
            found, columns, numbers, damaged = self.whole._read
        else:
            columns = TrialColumns(self._scorers, outcomes=self.record.loops)
            found, numbers, damaged = lazy.results(self.folder, columns.add)
        variants, cases = set(self.record.variants), self.record.cases
        asked = zip(*(columns.texts(name) for name in ("variant", "dataset", "case")), strict=True)
        wanted = [variant in variants and case in cases.get(dataset, ()) for variant, dataset, case in asked]
        mine, trials = [number for number in numbers if wanted[number]], columns.texts("trial")
        if len(mine) < len(found):
            found = found.only({trials[number] for number in mine})
        return _Read(found, columns, mine, damaged)

    @cached_property
    def _table(self) -> pd.DataFrame:
        """The table of the results, with all columns."""
        from phrasing.analysis import tables

        return tables.of_columns(self._read.columns, self._read.numbers, self.record.cases)

    @property
    def results(self) -> LazyResults:
        """Results by trial id, read when looked at, of the variants and cases that the run has now: it may have had more."""
        return self._read.results

    @property
    def steps(self) -> LazyResults:
        """Results of single steps by address (``trial/3``), where agents are run to their end; like ``results``."""
        return self._steps[0]

    @cached_property
    def _steps(self) -> tuple[LazyResults, dict[str, StepTokens]]:
        """What ``steps`` gives; and of each of them what is drawn of it."""
        from phrasing.analysis import step_figures
        from phrasing.runs import lazy, steps

        variants, cases = {variant: variant for variant in self.record.variants}, self.record.cases
        taken: dict[str, StepTokens] = {}

        def take(result: Result) -> None:
            variant = variants.get(result.variant)
            if variant is not None and result.case in cases.get(result.dataset, ()):
                taken[result.trial] = step_figures.tokens_of(variant, result)

        found = lazy.results(self.folder, take, steps=True).results
        ended = {trial: result.outcome.steps for trial, result in self.results.items() if result.outcome} if taken else {}
        wanted = steps.until(taken, ended)
        return found.only(wanted), {address: one for address, one in taken.items() if address in wanted}

    @property
    def damaged(self) -> tuple[jsonl.Damaged, ...]:
        """The lines of ``results.jsonl`` that can't be used, and are left out: their trials may lack an answer."""
        return self._read.damaged

    @cached_property
    def errors(self) -> Counter[str]:
        """How many trials have an error instead of an answer, by its kind."""
        return Counter(self._table["error"].dropna())

    def only(self, cases: Mapping[str, Collection[str]]) -> Run:
        """Give the part of the run that asked these cases (ids by dataset)."""
        return Run(self.folder, whole=self, kept=cases)

    @cached_property
    def parts(self) -> tuple[Run, ...]:
        """The run itself; or two, where some labels are logged: the other cases, and those with logged labels.

        No figure mixes them: what a logged agent did isn't what is right.
        """
        kinds: dict[bool, dict[str, set[str]]] = {False: {}, True: {}}
        for dataset, listed in self.record.cases.items():
            for case, note in listed.items():
                kinds[note.strength == "logged"].setdefault(dataset, set()).add(case)
        if not all(kinds.values()):
            return (self,)
        return tuple(part for part in map(self.only, kinds.values()) if part.results) or (self,)

    @property
    def agreement(self) -> bool:
        """Whether all labels are logged, so that scores of labels are agreement with a logged agent."""
        return set(self.record.strengths) == {"logged"}

    @property
    def unanswered(self) -> int:
        """How many trials have no answer: an error, or never asked."""
        if self.outcome is not None:
            return self.outcome.errors + self.outcome.unasked
        return self.errors.total() + max(0, self.record.trials - len(self.results) - (self.record.spared or 0))

    @cached_property
    def suite(self) -> Suite:
        """The suite as it was resolved."""
        return Suite.model_validate(self.record.resolved)

    @cached_property
    def _trials(self) -> pd.DataFrame:
        from phrasing.analysis import tables

        return tables.complete(self._table, self.record.cases)

    @cached_property
    def _variants(self) -> dict[str, pd.DataFrame]:
        """The table of cases of each variant, in the order of variants."""
        from phrasing.analysis import tables

        if self.whole and not self.results:
            return {}
        found = tables.by_variant(tables.per_case(self._trials, scorers=self._scorers))
        return {variant: found[variant] for variant in self.record.variants if variant in found}

    @cached_property
    def _scorers(self) -> tuple[str, ...]:
        """The scores that have columns beside the built-in ones: the suite's own and, where cases want several steps, theirs."""
        cases = (self.whole or self).record.cases  # all parts have the same columns
        several = any(note.together for notes in cases.values() for note in notes.values())
        own = self.suite.scorer_names
        if self.record.loops:
            return (*(score.name for score in ROLLOUT_SCORES), *self.record.judged)
        return (*own, *(name for name in SEVERAL if several and name not in own))

    @cached_property
    def _conversations(self) -> dict[str, pd.DataFrame]:
        """The table of conversations of each variant, in the order of variants."""
        from phrasing.analysis import conversations

        return conversations.per_conversation(self._trials, self._variants, self.record.cases) if self._variants else {}

    def _tables(self, score: str) -> dict[str, pd.DataFrame]:
        """The table of what a score is of, for each variant: conversations or cases."""
        return self._conversations if score == CONVERSATION else self._variants

    @cached_property
    def _summary(self) -> pd.DataFrame:
        from phrasing.analysis import conversations, tables

        whole, scorers = conversations.summary(self._conversations), self._scorers
        found = tables.summary(
            self._trials,
            self._variants,
            variants=self.record.variants,
            baselines=self.record.baselines,
            no_model=no_model.of_run(self.record),
            chances=no_model.chances(self.record),
            scorers=scorers,
        )
        names = [name for name in conversations.NOTHING if name not in scorers]  # an older run's may be called so
        return found.assign(**{name: [whole[variant][name] for variant in found.index] for name in names})

    def trials(self) -> pd.DataFrame:
        """Give one row a trial, sorted by address; ``docs/concepts.md`` describes the columns."""
        from phrasing.analysis import dataframes

        return dataframes.trials(
            self._trials,
            self.results,
            self.record.cases,
            steps=self.record.steps,
            variants=self.record.variants,
            scorers=self._scorers,
        )

    def steps_table(self) -> pd.DataFrame:
        """Give one row a step of agents that were run to their end; ``dataframes.steps`` describes the columns."""
        from phrasing.analysis import dataframes
        from phrasing.runs import lazy, steps

        prompts = None if run_folders.is_recording(self.folder) else lazy.prompts(self.folder)[0]
        numbers = sorted(steps.by_trial(self.steps).items())
        runs = (steps.of_trial(trial, each, self.results, self.steps, prompts) for trial, each in numbers)
        return dataframes.steps(runs, self.record.variants)

    def summary(self) -> pd.DataFrame:
        """Give one row a variant, indexed by the variant's text: of the first of ``parts``."""
        from phrasing.analysis import dataframes

        return dataframes.summary(self.parts[0]._summary, self._scorers)

    def compare(
        self, against: Run | str | Path | None = None, *, settings: Comparing | None = None, name: str | None = None
    ) -> pd.DataFrame:
        """Give one row a variant that is compared, indexed by its text: of the first of ``parts``.

        A variant is held against its baseline; or, with another run (or its folder) ``against``, against the same variant there.
        ``settings`` replace those of the suite: the score that decides, its margin, the confidence. ``dataframes.comparison``
        describes the columns, ``comparison`` gives the same with its reversals and the cases that flipped.
        """
        from phrasing.analysis import dataframes

        other = Run(against) if isinstance(against, str | Path) else against
        return dataframes.comparison(self.comparison(other, settings=settings, name=name))

    @cached_property
    def _latency(self) -> tuple[Latency, ...]:
        from phrasing.analysis import latency

        confidence = self.suite.compare.confidence
        return latency.gather(self._trials, self._variants, baselines=self.record.baselines, confidence=confidence)

    def latency(self) -> pd.DataFrame:
        """Give one row a variant with the p50 and p95 of its answers' seconds, and how they compare with its baseline's.

        ``dataframes.latency`` describes the columns. It is of the first of ``parts``.
        """
        from phrasing.analysis import dataframes

        return dataframes.latency(self.parts[0]._latency)

    @cached_property
    def _answers(self) -> Mapping[str, Mapping[tuple[str, str], Mapping[int, object]]]:
        """What was asked and answered, by variant, case and repeat, without how long it took and what it cost."""
        found: dict[str, dict[tuple[str, str], dict[int, object]]] = {}
        columns = (self._table[name].tolist() for name in ("variant", "dataset", "case", "repeat", SAID))
        for variant, dataset, case, repeat, said in zip(*columns, strict=True):
            if said is not None:
                found.setdefault(variant, {}).setdefault((dataset, case), {})[repeat] = said
        return found

    def _unchanged(self, variant: str, other: Run, named: str) -> bool:
        """Whether this run and another hold the same answers to the same requests, in every case that both answered.

        It doesn't matter whether they are a replay or were given again. The variant is ``named`` so in the other run.
        """
        mine, theirs = self._answers.get(variant, {}), other._answers.get(named, {})
        both = mine.keys() & theirs.keys()
        return bool(both) and all(mine[case] == theirs[case] for case in both)

    def recording(self) -> Run | None:
        """Give the recording of the run's suite in the project it stands in, if there is one."""
        folders = (parent / run_folders.RECORDINGS / self.record.suite for parent in self.folder.absolute().parents)
        found = next((folder for folder in folders if run_folders.is_run(folder)), None)
        if found is None:
            return None
        written = (found / run_folders.RUN).stat()
        return self._recordings.setdefault((written.st_ino, written.st_mtime_ns), Run(found))

    @cached_property
    def _recordings(self) -> dict[tuple[int, int], Run]:
        """Recordings that were looked at, so that each is read once. One that is written anew is another file."""
        return {}

    def comparison(self, against: Run | None = None, *, settings: Comparing | None = None, name: str | None = None) -> Comparison:
        """Compare each variant with its baseline; or, with the same variant ``against`` another run, which is shown by ``name``.

        ``settings`` replace those of the suite. Where the run has two ``parts``, each is compared on its own. Raises
        ``StoreError`` where the runs have no variant in common, ``SuiteError`` for a score that they don't have or can't compare.
        """
        settings = settings or self.suite.compare
        settings = settings.model_copy(update={"score": stored(settings.score)})
        for run in (self, against or self):
            run._check_score(settings.score, {*STORED, CONVERSATION} - {FORBIDDEN})
            if settings.score == CONVERSATION and run.record.spared is not None:
                what = f"it stopped early by what its cases showed, so it compares a score of cases, not {CONVERSATION!r}"
                raise SuiteError(what, where=str(run.folder))
        first, *rest = (part._compare(part._same(against), settings, name) for part in self.parts)
        return replace(first, logged=rest[0]) if rest else first

    def _same(self, other: Run | None) -> Run | None:
        """Give of another run what this one is of its own: the same cases."""
        return other.only(self.record.cases) if other and self.whole else other

    def _compare(self, against: Run | None, settings: Comparing, name: str | None) -> Comparison:
        from phrasing.analysis import compare, conversations
        from phrasing.runs import provenance

        if against and against.whole and not against.results:
            return compare.Comparison(settings, (), (), name)
        found = compare.compare(
            self._pairs(against, settings.score),
            settings,
            against=(name or str(against.folder)) if against else None,
            changed=provenance.changes(against.record, self.record) if against else (),
            agreement=self.agreement and is_of_labels(settings.score, self.suite.scorer_names),
            loops=self.record.loops,
        )
        if against:
            found = replace(found, same_answers=self._same_answers(against, found))
        stopped = any(run.record.spared is not None for run in (self, against) if run)
        if settings.score == CONVERSATION or stopped or not conversations.several(self.record.cases):
            return found
        apart = conversations.differences(self._pairs(against, CONVERSATION), settings.confidence)
        return replace(found, conversations=tuple(apart))

    def _same_answers(self, against: Run, found: Comparison) -> SameAnswers:
        from phrasing.analysis import same_answers

        named = {contrast.variant: contrast.baseline for contrast in found.contrasts}
        scores = [*STORED, *(name for name in self._scorers if name in against._scorers)]
        return same_answers.count(self._table, against._table, named, scores)

    def _pairs(self, against: Run | None, score: str) -> dict[tuple[str, str], Pairs]:
        """Pair each variant with its baseline, or with what it is called in another run, on what a score is of."""
        from phrasing.analysis import compare, tables

        mine, others = self._tables(score), self._others(against, score)
        baselines = compare.match(list(mine), list(others)) if against else self.record.baselines
        return {
            (variant, baselines[variant]): tables.pair(
                table,
                others[baselines[variant]],
                unchanged=against is not None and self._unchanged(variant, against, baselines[variant]),
                looked=self._looked(variant, against, baselines[variant]),
            )
            for variant, table in mine.items()
            if baselines.get(variant) in others and (against or baselines[variant] != variant)
        }

    def _others(self, against: Run | None, score: str) -> dict[str, pd.DataFrame]:
        """Give the tables that this run's are held against: its own, or another run's."""
        from phrasing.analysis import conversations

        others = (against or self)._tables(score)
        if against is None or score != CONVERSATION:
            return others
        mine, theirs = (conversations.members(run.record.cases) for run in (self, against))
        return {variant: conversations.alike(table, mine, theirs) for variant, table in others.items()}

    @cached_property
    def _early_stop(self) -> EarlyStop | None:
        """What the run's own stop saw, gone through again."""
        from phrasing.runs.early_stop import EarlyStop

        if self.record.order is None:
            return None
        stop = EarlyStop(self.record)
        for result in self.results.values():
            stop.add(result)
        return stop

    def _looked(self, variant: str, against: Run | None, other: str) -> list[Looked]:
        """Say what a comparison looks at, for each of its runs that stops early: what the stop saw, or all that is complete."""
        from phrasing.runs.early_stop import look, unordered

        found = []
        for run, asked in ((self, variant), (against, other)):
            if run is None or run.record.spared is None:
                continue
            stop = (run.whole or run)._early_stop
            if stop is None:
                groups = unordered(run.record)
                found.append(look(run.record, groups, len(groups)))
            else:
                found.append(look(run.record, *(stop.answered(asked) if against else stop.compared(variant))))
        return found

    def gates(self, requirements: Sequence[Requirement] | None = None, *, recorded: Run | None = None) -> list[GateResult]:
        """Hold gates (default: the suite's) against the variants; those against ``recorded``, against that run or the recording.

        A gate on a score of labels leaves cases with logged labels out, unless the suite says ``logged: gate``.
        """
        from phrasing.analysis import gates

        recorded = recorded or self.recording()
        results: list[GateResult] = []
        for gate in self._checked(self.suite.require if requirements is None else requirements, recorded):
            held: Sequence[Run] = [self]
            if is_of_labels(gate.score, self.suite.scorer_names) and self.suite.logged == "report":
                held = [part for part in self.parts if not part.agreement]
            for run in held:
                found = gates.evaluate([gate], run._variants, run._partner(run._same(recorded)))
                results += [self._told(result, run) for result in found]
            unheld = [variant for variant in self._variants if all(variant not in run._variants for run in held)]
            results += gates.unevaluated(gate, unheld, self.record.baselines)
        return results

    def _checked(self, requirements: Sequence[Requirement], recorded: Run | None) -> list[Requirement]:
        """Give gates with stored names of scores. Raises ``SuiteError`` for a score that a run doesn't have."""
        gates = [gate.model_copy(update={"score": stored(gate.score)}) for gate in requirements]
        for gate in gates:
            for run in (self, recorded if recorded and gate.against == "recorded" else self):
                run._check_score(gate.score, {*STORED, *MEASURES})
        return gates

    def _told(self, result: GateResult, held: Run) -> GateResult:
        """Say beside a gate's result how many cases were left out, where only a part of the run was held to it."""
        left = len(self._variants[result.variant]) - len(held._variants[result.variant])
        notes = [result.note, f"{left} case{'s' * (left > 1)} with logged labels left out" if left else ""]
        return replace(result, note="; ".join(filter(None, notes)))

    def _partner(self, recorded: Run | None) -> Partner:
        """Say what a variant is held against."""
        from phrasing.analysis import tables

        def partner(variant: str, kind: Against) -> tuple[str, Pairs] | str:
            if kind == "recorded" and recorded is None:
                return "nothing is recorded for this suite"
            others = recorded._variants if kind == "recorded" and recorded else self._variants
            other = variant if kind == "recorded" else self.record.baselines.get(variant, "")
            if other not in others:
                return "the recording has no such variant" if kind == "recorded" else "its baseline wasn't asked"
            against = recorded if kind == "recorded" else None
            unchanged = against is not None and self._unchanged(variant, against, other)
            looked = self._looked(variant, against, other)
            return other, tables.pair(self._variants[variant], others[other], unchanged=unchanged, looked=looked)

        return partner

    def _check_score(self, score: str, built_in: Set[str]) -> None:
        known = {*built_in, *self._scorers}
        if score not in known:
            raise SuiteError(unknown("score", public(score), set(map(public, known))), where=str(self.folder))

    def report(self) -> Report:
        """Gather what a report shows."""
        first, *rest = (part._report() for part in self.parts)
        logged = rest[0] if rest else None
        table = self._trials
        asked = table.loc[table["at"] != "", "at"]
        return replace(
            first,
            record=self.record,
            gates=() if self.record.part else tuple(self.gates()),
            asked=(asked.min(), asked.max()) if len(asked) else None,
            damaged=tuple(jsonl.left_out(each._replace(path=Path(each.path.name)) for each in self.damaged).values()),
            scorers=self._failures(),
            errors=self._first_errors(),
            comparison=replace(first.comparison, logged=logged.comparison if logged else None),
            logged=logged,
        )

    def _failures(self) -> dict[str, int]:
        """Count how often each of the suite's own scorers failed."""
        failed = Counter(name for names in self._trials[FAILED] for name in names)
        return {name: failed[name] for name in self._scorers}

    def _first_errors(self) -> dict[str, tuple[int, str]]:
        """Count the trials without an answer by what went wrong, each kind with the message of the first."""
        wrong = self._trials.dropna(subset="error").drop_duplicates("error").sort_values("error")
        first = zip(wrong["error"].tolist(), wrong[MESSAGE].tolist(), strict=True)
        return {kind: (self.errors[kind], message) for kind, message in first}

    def figures(self) -> tuple[Figures, ...]:
        """Gather what is drawn: the figures of each of the ``parts``."""
        from phrasing.analysis import figures, step_figures

        found = tuple(
            figures.gather(
                part._trials,
                part._variants,
                self.record.cases,
                baselines=self.record.baselines,
                score=CORRECT if self.suite.compare.score == CONVERSATION else self.suite.compare.score,
                words="agreement" if part.agreement else "success" if self.record.loops else "accuracy",
            )
            for part in self.parts
        )
        if not self.record.loops:
            return found
        pairs = zip(found, self.parts, strict=True)
        return tuple(step_figures.of_runs(each, part._trials, part._steps[1].values()) for each, part in pairs)

    def _report(self) -> Report:
        """Gather the figures of one of the ``parts``."""
        from phrasing.analysis import conversations, tables, usage
        from phrasing.analysis.report_data import Report

        table, summary = self._trials, self._summary
        variants: list[dict[str, Any]] = [
            {str(key): value for key, value in row.items()} for row in summary.reset_index().to_dict("records")
        ]
        counts = {column: tables.counts(table, column, variants=summary.index) for column in ("chosen", "form", "stage")}
        return Report(
            record=self.record,
            variants=variants,
            chosen=counts["chosen"],
            forms=counts["form"],
            stages=counts["stage"],
            confused=tables.confusion(table, self.record.cases, variants=summary.index),
            comparison=self._compare(None, self.suite.compare, None),
            gates=(),
            asked=None,
            scorers=dict.fromkeys(self._scorers, 0),
            harm=tables.harm_by_tag(self._variants, self.record.cases),
            bills=usage.reconcile(
                table,
                self.record.cases,
                variants=summary.index,
                exact=self.record.exact_tokens,
                right=SUCCESS if self.record.loops else CORRECT,
            ),
            ended=tables.counts(table, ENDED, variants=summary.index) if self.record.loops else {},
            latency=self._latency,
            agreement=self.agreement,
            conversations=conversations.several(self.record.cases),
        )


def load(name: str | Path = "latest", *, suite: str | None = None, runs: str | Path = "runs") -> Run:
    """Find and read a run: its folder, ``latest`` (the newest), ``recorded`` (the recording of ``suite``), or a suite's name.

    ``runs`` is the folder of runs, below which ``latest`` and suites' names are looked up. ``suite`` narrows ``latest`` to its
    runs. Raises ``StoreError`` with what there is.
    """
    folder, name = Path(runs), str(name)
    if name not in run_folders.WORDS and not run_folders.is_run(Path(name)) and (folder / name).is_dir():
        name, suite = run_folders.LATEST, name
    return Run(run_folders.find(folder, name, suite))
