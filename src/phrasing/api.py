"""The whole way in one call, for notebooks and for the command line: load a suite, run it, look at it as pandas tables.

::

    import phrasing

    run = phrasing.run("evals/quickstart.yaml")
    run.trials()   # a DataFrame, one row a trial
    run.summary()  # a DataFrame, one row a variant
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from phrasing.analysis.run import Run
from phrasing.costs import estimate as ledger
from phrasing.errors import ModelError, StoreError, SuiteError
from phrasing.models import client as models
from phrasing.models import prices
from phrasing.models.local import server as local
from phrasing.models.local import weights
from phrasing.plan import resolve as plan
from phrasing.plan.resolve import Plan
from phrasing.project import revision
from phrasing.records import Result
from phrasing.runs import provenance, runner, shards, store
from phrasing.runs.runner import Complete, Missing, Outcome
from phrasing.suite import file as suitefile
from phrasing.suite import schema as suite
from phrasing.suite.file import SuiteFile
from phrasing.types import Trial

load_suite = suitefile.load
resolve = plan.resolve


def run(
    what: str | Path | SuiteFile | Plan,
    *,
    runs: Path | None = None,
    models: Sequence[str] = (),
    formats: Sequence[str] = (),
    edits: Sequence[str] = (),
    select: str | None = None,
    cases: int | None = None,
    repeats: int | None = None,
    shard: str | None = None,
    jobs: int = 8,
    resume: Path | None = None,
    replay: Path | None = None,
    missing: Missing = "error",
    max_cost: float | None = None,
    until_decided: bool = False,
    complete: Complete | None = None,
    started: Callable[[Path, Plan], object] = lambda folder, plan: None,
    report: Callable[[Result], object] = lambda result: None,
) -> Run:
    """Run a suite (its path, or loaded, or resolved to a plan) and return the run.

    ``models``, ``formats`` and ``edits`` replace the suite's; ``select`` and ``cases`` narrow it; ``shard`` (``2/5``) takes a
    share of it, and ``merge`` makes a run of all shares. ``resume`` is a run folder to bring up to date; ``replay`` a run folder
    or results file to answer from, and ``missing`` what to do about what it doesn't hold. ``max_cost`` is in US dollars.
    ``until_decided`` stops asking about a variant once its difference from the baseline is settled. ``complete`` answers in place
    of the models. Results go to ``runs`` (default: ``runs/`` in the project). ``started`` is called once the folder is there,
    ``report`` with each result. Raises a ``UserError`` before anything is sent if something is wrong.
    """
    if isinstance(what, Plan):
        resolved = what
    else:
        file = what if isinstance(what, SuiteFile) else suitefile.load(Path(what))
        replaced: dict[str, Any] = {"models": models, "formats": formats, "edits": edits}
        resolved = plan.resolve(file, **replaced, select=select, cases=cases, repeats=repeats, shard=shard)
    before = store.read_run(resume) if resume else None
    if before and before.suite != resolved.file.name:
        raise StoreError(f"is a run of {before.suite!r}, not of {resolved.file.name!r}", where=str(resume))
    if until_decided and resolved.shard:
        raise SuiteError(f"shard {resolved.shard} doesn't see the others' answers, so it can't say when all is decided")
    settler = None
    if until_decided:
        from phrasing.runs.early_stop import Settler

        settler = Settler(resolved)
    recorded = _recording(replay, resolved) if replay else None
    asks = complete is None and (recorded is None or missing == "ask")
    now = datetime.now(UTC)
    with ExitStack() as stack:
        urls, found = _prepare(resolved, max_cost, stack) if asks else ({}, {})
        folder = resume or store.create(runs or resolved.file.runs, resolved.file.name, now)
        writer = stack.enter_context(store.Store(folder))
        done = store.results(folder)
        record = provenance.describe(resolved, started=before.started if before else _utc(now))
        record = record.model_copy(update={"spared": 0 if settler else None})
        store.write_run(folder, record)
        started(folder, resolved)

        def arrived(result: Result) -> None:
            if settler:
                settler.add(result)
            report(result)

        async def work() -> Outcome:
            common: dict[str, Any] = {"done": done, "recorded": recorded, "missing": missing, "jobs": jobs, "max_cost": max_cost}
            common |= {"report": arrived, **({"spare": settler.spare} if settler else {})}
            if not asks:
                return await runner.run(resolved, writer, complete or _refuse, **common)
            specs = list(resolved.models.values())
            async with _client(specs, jobs, urls, found) as client:
                return await runner.run(resolved, writer, client.complete, **common)

        outcome = _wait(work())
        ended = {"finished": _utc(datetime.now(UTC)), "stopped": outcome.stopped, "spared": outcome.spared if settler else None}
        store.write_run(folder, record.model_copy(update=ended))
    return Run(folder, outcome)


def rescore(found: Run) -> tuple[Run, int]:
    """Parse and score a run's stored answers anew, with functions, datasets, labels, scorers and requirements as they are now.

    Returns the run and how many results changed. Trials whose case or function is gone keep their scores. The run's record names
    the datasets and scorers it is scored by.
    """
    file = _suite_above(found.folder, found.record.suite)
    # as it was asked then, but judged as the suite says now
    judged = {key: getattr(file.suite, key) for key in ("scorers", "compare", "require", "undecided", "observed")}
    resolved = plan.resolve(file, asked=found.suite.model_copy(update=judged))
    trials = {trial.id: trial for trial in resolved.trials}
    with store.Store(found.folder):
        before = store.results(found.folder)
        after = {name: runner.score(resolved, trials[name], r) if name in trials else r for name, r in before.items()}
        store.rewrite(found.folder, after.values())
        now = provenance.describe(resolved, started=found.record.started)
        labels = {name: getattr(now, name) for name in ("datasets", "steps", "scorers", "resolved")}
        labels["cases"] = {
            name: {case: now.cases.get(name, {}).get(case, note) for case, note in listed.items()}
            for name, listed in found.record.cases.items()
        }
        store.write_run(found.folder, found.record.model_copy(update=labels))
    return Run(found.folder), sum(after[name] != before[name] for name in before)


def find(name: str, file: SuiteFile) -> Path:
    """Find a run of a suite: by its folder, or ``latest``, or ``recorded``; at a git revision, that is the recording of then."""
    return store.find(file.root / "runs" if name == store.RECORDED else file.runs, name, file.name)


def baseline(found: Run, name: str) -> Run:
    """Find what a run is compared with: a run (its folder, ``latest``, ``recorded``), else what a git revision has recorded.

    Raises ``UserError`` if there is no such baseline.
    """
    file = _suite_above(found.folder, found.record.suite)
    if name in store.WORDS or (Path(name) / store.RUN).is_file():
        return Run(find(name, file))
    with revision.files_at(file.root, name, what="run or git revision") as files:
        recorded = Run(store.find(files.folder / "runs", store.RECORDED, found.record.suite))
        _ = recorded._variants  # read before the folder is gone
    return recorded


def bless(found: Run, folder: Path | None = None) -> Path:
    """Write a run as the recording of its suite, with its report as Markdown and CSV; give its folder.

    The default is ``reports/reference/<suite>`` of the project the run stands in. ``started`` and ``finished`` of a recording are
    the first and the last time at which something was asked, so that a replay blessed again gives equal bytes.
    Raises ``StoreError`` for a run that isn't the whole suite as it is written now, or has trials without an answer.
    """
    from phrasing.report import pictures

    record, results = found.record, found.results
    read = _suite_above(folder or found.folder, record.suite)
    reasons = {
        f"only a part of the suite was asked ({record.part})": record.part,
        f"{found.unanswered} of {record.trials} trials have no answer": found.unanswered,
        f"it has {len(results)} results for {record.trials} trials": len(results) != record.trials,
        f"evals/{record.suite}.yaml isn't the suite that was asked any more; replay it, and bless that": found.suite
        != read.suite,
    }
    for reason, holds in reasons.items():
        if holds:
            raise StoreError(f"can't be the recording of {record.suite!r}: {reason}", where=str(found.folder))
    folder = folder or read.root / store.RECORDINGS / record.suite
    asked = [result.at for result in results.values()]
    kept = record.model_copy(update={"started": min(asked), "finished": max(asked)})
    store.write_recording(folder, kept, results.values())
    store.replace(folder / "report.md", [recorded_report(found)])
    pictures.tidy(folder / PICTURES, pictures.draw(found.report(), found.figures(), folder / PICTURES))
    store.replace(folder / "trials.csv", [found.trials().to_csv(index=False, lineterminator="\n")])
    return folder


PICTURES = "charts"
"""The folder of a recording's pictures."""


def recorded_report(found: Run) -> str:
    """Write the Markdown that a recording keeps, which shows the pictures beside it."""
    from phrasing.report import markdown as page
    from phrasing.report import pictures

    made = found.report()
    return page.markdown(made, pictures.named(made, found.figures(), PICTURES))


def merge(found: Sequence[Run], *, runs: Path) -> Run:
    """Make one run, in a new folder of ``runs``, of all shards of it. Its reports are those of the run in one piece.

    Raises ``StoreError`` if they aren't shards of one run, each once.
    """
    parts = {shard.folder: shard for shard in found}
    record = shards.unite({folder: shard.record for folder, shard in parts.items()})
    folder = store.create(runs, record.suite, datetime.now(UTC))
    store.unite(folder, record, (result for shard in parts.values() for result in shard.results.values()), parts)
    return Run(folder)


def token_changes(resolved: Plan, name: str) -> list[ledger.Change]:
    """Hold what a plan's prompts cost against a baseline: a run (its folder, ``latest``, ``recorded``), else a git revision.

    A run's counts are those in its results; a revision's prompts are counted anew, for the whole suite as it was then.
    Raises ``UserError`` if there is no such baseline, or it counts by another tokenizer.
    """
    file = resolved.file
    project = file.home or file.root
    if name in store.WORDS or (Path(name) / store.RUN).is_file():
        run = Run(find(name, file))
        tokenizer, before = run.suite.tokenizer, ledger.counted(run.results.values())
    else:
        with revision.files_at(project, name, what="run or git revision") as files:
            then = plan.resolve(files.suite(project / file.path.absolute().relative_to(file.root.absolute())))
            tokenizer, before = then.suite.tokenizer, ledger.count(then)
    if tokenizer != resolved.suite.tokenizer:
        raise SuiteError(f"counts by {tokenizer!r}, this suite by {resolved.suite.tokenizer!r}", where=name)
    made = ledger.changes(resolved, before, name)
    if all(change.why for change in made):
        raise SuiteError(
            f"no case of any variant is in it too; {'; '.join(f'{c.variant}: {c.why}' for c in made[:3])}", where=name
        )
    return made


def _suite_above(folder: Path, name: str) -> SuiteFile:
    for parent in folder.absolute().parents:
        if (parent / "evals" / f"{name}.yaml").is_file():
            return suitefile.load(parent / "evals" / f"{name}.yaml")
    raise SuiteError(f"evals/{name}.yaml not found in any folder above the run", where=str(folder))


# ---------------------------------------------------------------------------------------------- inside


def _prepare(resolved: Plan, max_cost: float | None, stack: ExitStack) -> tuple[dict[str, str], dict[str, str]]:
    """Start the embedded models that a plan needs, and find the keys that aren't in the environment.

    Gives the models' URLs and the keys; the servers end with the stack.
    """
    found = models.read_env(resolved.file.home or resolved.file.root, resolved.models.values(), os.environ)
    models.check_keys(resolved.models.values(), os.environ, found)
    for label, spec in resolved.models.items():
        if max_cost is not None and prices.of(spec) is None:
            raise ModelError(f"model {label!r}: its price isn't known, so --max-cost can't hold; give it a price in the suite")
    ids = dict.fromkeys(spec.id for spec in resolved.models.values() if spec.id.startswith(suite.LOCAL))
    paths = {name: weights.resolve(name) for name in ids}
    return {name: stack.enter_context(local.Server(path)).url for name, path in paths.items()}, found


def _client(specs: Sequence[Any], jobs: int, urls: Mapping[str, str], found: Mapping[str, str]) -> models.Client:
    return models.Client(specs, jobs=jobs, local=urls, found=found, check_tools=local.assert_tools)


async def _refuse(request: object) -> Any:
    raise AssertionError("a replay asks nothing")


def _recording(path: Path, resolved: Plan) -> runner.Recorded:
    """Look answers up by request key and repeat: the same trial's, else one of a trial that has another name now.

    An answer serves one trial only: variants that send the same don't share it. A recorded error is given too.
    """
    same: dict[tuple[str, str], Result] = {}
    renamed: dict[tuple[str, int], list[Result]] = {}
    planned = {trial.id for trial in resolved.trials}
    for result in store.results(path).values():
        if result.trial in planned:
            same[result.trial, result.key] = result
        elif result.error is None:
            renamed.setdefault((result.key, result.repeat), []).append(result)

    def recorded(trial: Trial, key: str) -> Result | None:
        if (trial.id, key) in same:
            return same[trial.id, key]
        left = renamed.get((key, trial.repeat))
        return left.pop(0) if left else None

    return recorded


def _wait(work: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Run to the end, also where an event loop runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    ended: list[Outcome | BaseException] = []

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
