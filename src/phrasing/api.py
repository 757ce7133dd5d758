"""The whole way in one call, for notebooks and for the command line: load a suite, run it, look at it as pandas tables.

::

    import phrasing

    run = phrasing.run("evals/quickstart.yaml")
    run.trials()   # a DataFrame, one row a trial
    run.summary()  # a DataFrame, one row a variant
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from phrasing.analysis.locate import suite_above
from phrasing.analysis.run import Run
from phrasing.errors import ModelError, StoreError, SuiteError
from phrasing.models import client, keys
from phrasing.models.lines import Traffic
from phrasing.models.provider import provider_of
from phrasing.plan.inputs import Inputs
from phrasing.plan.resolve import Plan, lay_out, resolve
from phrasing.plan.selection import WHOLE, Selection
from phrasing.records import Ended, Result, RunRecord
from phrasing.runs import lazy, provenance, run_folders, runner, shards, single_step, store
from phrasing.runs.budget import Budget
from phrasing.runs.hosts import Hosts
from phrasing.runs.lazy import Answer
from phrasing.runs.replay import Recording
from phrasing.runs.runner import Complete, Missing, Places
from phrasing.scores import CONVERSATION
from phrasing.suite.file import SuiteFile, load_suite
from phrasing.trust import run_code_of
from phrasing.types import Completion, Request

if TYPE_CHECKING:
    from phrasing.runs.early_stop import EarlyStop

__all__ = ["AskOptions", "ask", "confirm_keys", "load_suite", "merge", "plan", "rescore", "resolve", "run"]


def run(
    what: str | Path | SuiteFile | Plan,
    *,
    models: Sequence[str] = (),
    formats: Sequence[str] = (),
    edits: Sequence[str] = (),
    outputs: Sequence[str] = (),
    select: str | None = None,
    cases: int | None = None,
    repeats: int | None = None,
    shard: str | None = None,
    params: Mapping[str, JsonValue] | None = None,
    runs: Path | None = None,
    resume: Path | None = None,
    replay: Path | None = None,
    missing: Missing = "error",
    jobs: int | None = None,
    max_cost: float | None = None,
    max_calls: int | None = None,
    max_minutes: float | None = None,
    until_decided: bool = False,
    ask_again: bool = False,
    complete: Complete | None = None,
    trust: bool = False,
    started: Callable[[Path, Plan], object] = lambda folder, plan: None,
    report: Callable[[Result], object] = lambda result: None,
    say: Callable[[str], object] = lambda line: None,
) -> Run:
    """Run a suite (its path, or loaded, or resolved to a plan) and return the run.

    What is asked:

    - ``models``, ``formats``, ``edits``, ``outputs``: ask these instead of the suite's.
    - ``select``: only trials whose id or tags match, such as ``"approval and not xml"``.
    - ``cases``: only so many cases, sampled by the suite's seed.
    - ``repeats``: ask each cell so often.
    - ``shard``: only a share of the cases, such as ``"2/5"``; ``merge`` makes a run of all shares.
    - ``params``: send these parameters instead of the suite's and of its models' own; ``None`` leaves one out.

    How it is asked:

    - ``runs``: the folder that gets the run's folder; ``runs/`` in the project, if left out.
    - ``resume``: a run's folder to bring up to date.
    - ``replay``: a run's folder, or a file of results, to answer from.
    - ``missing``: what to do about a request that a replay doesn't hold: ``error``, ``ask`` or ``skip``.
    - ``jobs``: requests at a time, over all models; left out, as many as each host is found to take.
    - ``max_cost``: start no request once so many US dollars are spent.
    - ``max_calls``: start no more requests than that; one that is tried again counts once.
    - ``max_minutes``: start no request after so many minutes.
    - ``until_decided``: stop asking about a variant once its difference from the baseline is decided.
    - ``ask_again``: ask anew what was answered while its model was served at another ``api_base``.
    - ``complete``: an ``async def complete(request)`` that answers in place of the models.
    - ``trust``: let the Python of the suite's project run in this process, as ``phrasing trust add`` does from now on.
    - ``started``: called with the run's folder and its plan, once the folder is there.
    - ``report``: called with each result.
    - ``say``: called with a line that says what takes long, such as loading an embedded model, and one for each model of which
      answers from another address count.

    Raises a ``UserError`` before anything is sent if something is wrong.
    """
    selection = Selection(models, formats, edits, outputs, select, cases, repeats, shard, params or {})
    if isinstance(what, Plan):
        if selection != WHOLE:
            raise SuiteError(f"is resolved already; narrow it where it is resolved, by {' '.join(selection.words)}", where="plan")
        resolved = what
    else:
        file = what if isinstance(what, SuiteFile) else load_suite(Path(what))
        if trust:
            run_code_of(file.root)
        resolved = plan(file, selection, resume=resume)
    options = AskOptions(
        replay=Recording(replay, resolved, anew=ask_again) if replay else None,
        missing=missing,
        jobs=jobs,
        max_cost=max_cost,
        max_calls=max_calls,
        max_minutes=max_minutes,
        until_decided=until_decided,
        ask_again=ask_again,
        complete=complete,
    )
    return ask(resolved, options, runs=runs, resume=resume, started=started, report=report, say=say)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOptions:
    """How a plan is asked: what ``run`` says of the options of these names. ``replay`` was read for the plan."""

    replay: Recording | None = None
    missing: Missing = "error"
    jobs: int | None = None
    max_cost: float | None = None
    max_calls: int | None = None
    max_minutes: float | None = None
    until_decided: bool = False
    ask_again: bool = False
    complete: Complete | None = None

    @property
    def asks_models(self) -> bool:
        """Whether a model may be asked."""
        return self.complete is None and (self.replay is None or self.missing == "ask")


ASK_ALL = AskOptions()
"""Ask the models everything."""


def plan(file: SuiteFile, selection: Selection = WHOLE, *, resume: Path | None = None) -> Plan:
    """Resolve what is asked. What the run to ``resume`` composed of the same inputs was verified then, and isn't again."""
    if resume is None:
        return resolve(file, selection)
    made = lay_out(file, selection)
    known, inputs = store.keys(resume), Inputs(made)
    made.check([trial for trial in made.trials if inputs(trial) not in known])
    return made


def confirm_keys(resolved: Plan) -> None:
    """Let the user be asked now, if there is somebody to ask, where keys may go. What is wrong with them, ``ask`` says."""
    with suppress(ModelError):
        keys.ready(list(resolved.models.values()), project=_home(resolved))


def _home(resolved: Plan) -> Path:
    return resolved.file.home or resolved.file.root


def ask(
    resolved: Plan,
    options: AskOptions = ASK_ALL,
    *,
    runs: Path | None = None,
    resume: Path | None = None,
    started: Callable[[Path, Plan], object] = lambda folder, plan: None,
    report: Callable[[Result], object] = lambda result: None,
    kept: Callable[[Answer], object] | None = None,
    stopped: Callable[[str, str], object] = lambda label, why: None,
    traffic: Traffic | None = None,
    say: Callable[[str], object] = lambda line: None,
) -> Run:
    """Ask what a plan holds, and return the run. The parameters are those of ``run``.

    ``kept`` is called with what is held of each answer that the run to ``resume`` has already, in place of ``report``, for which
    it would be read. ``stopped`` is called with a model's label and the reason as soon as it isn't asked any more; ``traffic``
    shows what goes on between the client and its hosts.
    """
    before = _resumed(resume, resolved) if resume else None
    if options.until_decided:
        _check_whole(resolved)
    if options.asks_models and options.max_cost is not None:
        _check_prices(resolved)
    now = datetime.now(UTC)

    budget = Budget(options.max_cost, options.max_calls, options.max_minutes)

    async def work(complete: Complete, places: Places | None = None) -> Run:
        folder = resume or run_folders.create(runs or resolved.file.runs, resolved.file.name, now)
        with store.Store(folder) as writer, lazy.Answers(folder, before.unnamed if before else {}).held() as done:
            for result in done.lacking:  # before the record says another address
                writer.append(result)
            hosts = Hosts(done.hosts, resolved.models, before.ids if before else {}, anew=options.ask_again)
            record = provenance.describe(
                resolved, started=before.started if before else _utc(now), stops=options.until_decided, before=before
            )
            early_stop = _watch(record) if options.until_decided else None
            if before is None:
                store.write_run(folder, record)
            started(folder, resolved)
            for moved in dict.fromkeys([*hosts.moved, *(options.replay.hosts.moved if options.replay else ())]):
                say(str(moved))
            outcome = await runner.run(
                resolved,
                writer,
                complete,
                done=done,
                hosts=hosts,
                # what is outdated must be marked before the record says that all is as it is now
                outdated=lambda: store.write_run(folder, record, before) if before else None,
                recorded=options.replay,
                missing=options.missing,
                jobs=options.jobs,
                places=places,
                budget=budget,
                early_stop=early_stop,
                report=report,
                kept=kept,
                stopped=stopped,
            )
            spared = outcome.spared if early_stop else None
            store.end_run(folder, Ended(finished=_utc(datetime.now(UTC)), stopped=outcome.stopped, spared=spared))
        return Run(folder, outcome)

    async def asking() -> Run:  # what can't be asked is told before there is a folder
        specs, home = list(resolved.models.values()), _home(resolved)
        opened = client.opened(specs, project=home, jobs=options.jobs, left=lambda: budget.left, traffic=traffic, say=say)
        async with opened as models:
            return await work(models.complete, models)

    return _wait(asking() if options.asks_models else work(options.complete or _refuse))


def rescore(found: Run) -> tuple[Run, int]:
    """Parse and score a run's stored answers anew, with functions, datasets, labels, scorers and requirements as they are now.

    Returns the run and how many results changed. Trials whose case or function is gone keep their scores. The run's record names
    the datasets, notations and scorers it is scored by.
    """
    if found.record.loops:
        again = f"phrasing run SUITE --replay {found.folder}"
        raise StoreError(
            f"agents were run to their end, so what was answered is done again, not scored: {again}", where=str(found.folder)
        )
    file = suite_above(found.folder, found.record.suite)
    # as it was asked then, but judged as the suite says now
    judged = {key: getattr(file.suite, key) for key in ("scorers", "compare", "require", "inconclusive", "logged")}
    resolved = resolve(file, asked=found.suite.model_copy(update=judged))
    trials = {trial.id: trial for trial in resolved.trials}
    with store.Store(found.folder):
        before = store.results(found.folder)
        after = {name: single_step.score(resolved, trials[name], r) if name in trials else r for name, r in before.items()}
        store.rewrite(found.folder, after.values())
        now = provenance.describe(resolved, started=found.record.started)
        labels = {name: getattr(now, name) for name in ("datasets", "steps", "words", "notations", "scorers", "resolved")}
        labels["cases"] = {
            name: {case: now.cases.get(name, {}).get(case, note) for case, note in listed.items()}
            for name, listed in found.record.cases.items()
        }
        store.write_run(found.folder, found.record.model_copy(update=labels))
    return Run(found.folder), sum(after[name] != before[name] for name in before)


def merge(found: Sequence[Run], *, runs: Path) -> Run:
    """Make one run, in a new folder of ``runs``, of all shards of it. Its reports are those of the run in one piece.

    Raises ``StoreError`` if they aren't shards of one run, each once.
    """
    parts = {shard.folder: shard for shard in found}
    record = shards.unite({folder: shard.record for folder, shard in parts.items()})
    folder = run_folders.create(runs, record.suite, datetime.now(UTC))
    results = (
        result.at_base(shard.record.unnamed)
        for shard in parts.values()
        for held in (shard.results, shard.steps)
        for result in held.values()
    )
    store.unite(folder, record, results, parts)
    return Run(folder)


# ---------------------------------------------------------------------------------------------- inside


def _resumed(folder: Path, resolved: Plan) -> RunRecord:
    """Read what a run that is brought up to date was made of."""
    before = store.read_run(folder)
    if before.suite != resolved.file.name:
        raise StoreError(f"is a run of {before.suite!r}, not of {resolved.file.name!r}", where=str(folder))
    return before


def _check_whole(resolved: Plan) -> None:
    """Raise ``SuiteError`` for a shard: to say when all is decided takes all of a run's answers."""
    if shard := resolved.selection.shard:
        raise SuiteError(f"shard {shard} doesn't see the others' answers, so it can't say when all is decided")
    if resolved.suite.compare.score == CONVERSATION:
        message = f"--until-decided looks at cases, so it takes a score of cases, not {CONVERSATION!r}"
        raise resolved.file.at("compare", "score").error(message)


def _watch(record: RunRecord) -> EarlyStop:
    from phrasing.runs.early_stop import EarlyStop

    return EarlyStop(record)


def _check_prices(resolved: Plan) -> None:
    """Raise ``ModelError`` where a model's price isn't known."""
    for label, spec in resolved.models.items():
        if provider_of(spec.id).price(spec) is None:
            raise ModelError(f"model {label!r}: its price isn't known, so --max-cost can't hold; give it a price in the suite")


async def _refuse(request: Request) -> Completion:
    raise AssertionError("a replay asks nothing")


def _wait(work: Coroutine[Any, Any, Run]) -> Run:
    """Run to the end, also where an event loop runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    ended: list[Run | BaseException] = []

    def elsewhere() -> None:
        try:
            ended.append(asyncio.run(work))
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    if isinstance(ended[0], BaseException):
        raise ended[0]
    return ended[0]


def _utc(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
