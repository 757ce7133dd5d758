"""The grid: every trial goes the same way, render, compose, count, complete, parse, score, append.

What is done for one trial is a ``procedure``: a single step, one request and its answer, or a rollout.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import JsonValue

from phrasing.errors import CompletionError, NotSent, UserError
from phrasing.plan.grid import BLOCK
from phrasing.plan.resolve import Plan
from phrasing.records import Failure, Result
from phrasing.runs.budget import Budget
from phrasing.runs.hosts import Hosts
from phrasing.runs.lazy import Answer, Answers
from phrasing.runs.procedure import Procedure, Sent
from phrasing.runs.rollouts import Rollout
from phrasing.runs.single_step import SingleStep
from phrasing.runs.store import OUTDATED, Store
from phrasing.types import Completion, Request, Trial

if TYPE_CHECKING:
    from phrasing.runs.early_stop import EarlyStop

Complete = Callable[[Request], Awaitable[Completion]]
"""How a request is answered: by a provider, the embedded model, or an ``async def`` in a test."""


class Places(Protocol):
    """How many requests to a model, by its label, are worth making."""

    def place(self, label: str) -> AbstractAsyncContextManager[None]:
        """Wait until one more is: it is among the next to be sent."""

    def most(self, label: str) -> int:
        """Say how many are at once, as far as is known."""


class _Everywhere:
    """A place for whatever comes."""

    def place(self, label: str) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    def most(self, label: str) -> int:
        return WORKERS


Recorded = Callable[[Trial, Request, int], Result | None]
"""What an earlier run answered: a trial, a request, and the step that it is of (0: the trial has but one), to its result."""

WORKERS = 128
"""Trials of a model that are under way at once, where nobody says another number."""

Missing = Literal["error", "ask", "skip"]
"""What to do about a trial that a recording doesn't hold."""


_FINISHED = {"overflow": "overflow", "refused": "content_filter"}
"""Errors that are answers of a kind: the trial scores 0 and isn't asked again."""


@dataclass
class Outcome:
    """How a run went. ``stopped`` maps a model's label to why it isn't asked any more; ``unasked`` counts trials left over, and
    ``spared`` those that weren't asked because their comparisons were decided before.
    """

    asked: int = 0
    errors: int = 0
    unasked: int = 0
    spared: int = 0
    cost: float = 0.0
    stopped: dict[str, str] = field(default_factory=dict)


async def run(
    plan: Plan,
    store: Store,
    complete: Complete,
    *,
    done: Answers | None = None,
    hosts: Hosts | None = None,
    outdated: Callable[[], object] = lambda: None,
    recorded: Recorded | None = None,
    missing: Missing = "error",
    jobs: int | None = None,
    places: Places | None = None,
    budget: Budget | None = None,
    early_stop: EarlyStop | None = None,
    report: Callable[[Result], object] = lambda result: None,
    kept: Callable[[Answer], object] | None = None,
    stopped: Callable[[str, str], object] = lambda label, why: None,
    procedure: Procedure | None = None,
) -> Outcome:
    """Bring a store up to date with a plan.

    ``done`` are the store's own answers: those to the same request aren't asked again, if their host may stand for the model by
    ``hosts``. An answer that doesn't count is outdated at once, whatever ends this run; ``outdated`` is called when all of
    these are marked, before anything is asked. ``recorded`` answers from another run. Each model has ``jobs`` workers of its
    own, so a slow one holds up no other; one takes a trial up when ``places`` has one for it. No request starts once the
    ``budget`` is used up. ``early_stop`` says, just before a trial would be asked, that it needs no answer any more; groups are
    then completed in their order, so a slow model does hold up the others. ``report`` is told each result, those of ``done``
    that count too; ``kept`` gets what is held of the latter in its place, so that none of them is read. ``stopped`` is told at
    once which model isn't asked any more, and why. ``procedure`` is what is done for a trial: left out, that of the plan.
    """
    outcome = Outcome()
    of_model: dict[str, list[Trial]] = {label: [] for label in plan.models}
    for trial in plan.trials:
        of_model[trial.variant.model].append(trial)
    workers = {label: min(plan.models[label].jobs or jobs or WORKERS, len(trials)) for label, trials in of_model.items()}
    places = places or _Everywhere()
    busy = [label for label, trials in of_model.items() if trials]
    pace = _Pace(plan, lambda: min(min(workers[label], places.most(label)) for label in busy)) if early_stop else None
    hosts = hosts or Hosts(done.hosts if done else (), plan.models, {})
    procedure = procedure or (Rollout() if plan.suite.loops else SingleStep())
    work = _Work(
        plan,
        store,
        complete,
        done,
        hosts,
        recorded,
        missing,
        places,
        budget or Budget(),
        early_stop,
        pace,
        report,
        kept,
        stopped,
        procedure,
        procedure.inputs(plan),
        outcome,
    )
    for trial in plan.trials:
        work.outdate(trial)
    outdated()
    work.keep_all()
    try:
        async with asyncio.TaskGroup() as group:
            for label, trials in of_model.items():
                queue = iter(trials)
                for _ in range(workers[label]):
                    group.create_task(work.drain(label, queue))
    except* UserError as mistakes:
        raise mistakes.exceptions[0] from None
    return outcome


class _Pace:
    """Holds trials back whose block lies too far ahead of the oldest that isn't finished.

    The blocks between hold a trial for each request that the model of fewest takes at once (``most``), so that one that takes
    long lets none of its others wait; quicker models wait for that model anyway.
    """

    def __init__(self, plan: Plan, most: Callable[[], int]) -> None:
        self._plan, self._most = plan, most
        self._blocks = {group: number for number, block in enumerate(plan.blocks) for group in block}
        self._left = Counter(map(self._block, plan.trials))
        self._ahead = math.ceil(most() / BLOCK)
        self._oldest, self._moved = 0, asyncio.Event()

    def _block(self, trial: Trial) -> int:
        return self._blocks[self._plan.group(trial)]

    @asynccontextmanager
    async def turn(self, trial: Trial) -> AsyncIterator[None]:
        """Wait until a trial may be asked, and take note when nothing more is done for it."""
        block = self._block(trial)
        while block > self._oldest + self._ahead:
            await self._moved.wait()
        try:
            yield
        except asyncio.CancelledError:
            self._go_on_from(len(self._plan.blocks))  # its block is never finished, so nobody may wait for that
            raise
        self._left[block] -= 1
        oldest = self._oldest
        while oldest < len(self._plan.blocks) and not self._left[oldest]:
            oldest += 1
        self._go_on_from(oldest)

    def _go_on_from(self, oldest: int) -> None:
        ahead = math.ceil(self._most() / BLOCK)
        further = oldest > self._oldest or ahead > self._ahead
        self._oldest, self._ahead = max(oldest, self._oldest), ahead
        if further:
            self._moved.set()
            self._moved = asyncio.Event()


@dataclass
class _Work:
    plan: Plan
    store: Store
    complete: Complete
    done: Answers | None
    hosts: Hosts
    recorded: Recorded | None
    missing: Missing
    places: Places
    budget: Budget
    early_stop: EarlyStop | None
    pace: _Pace | None
    report: Callable[[Result], object]
    kept: Callable[[Answer], object] | None
    stopped: Callable[[str, str], object]
    procedure: Procedure
    inputs: Callable[[Trial], str | None]
    outcome: Outcome
    answered: set[Trial] = field(default_factory=set)
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def _turn(self) -> None:
        """Wait for a round of the event loop in which no other trial is worked on.

        Between two rounds the loop takes in what has arrived. So the latency of an answer holds the work on one trial at most.
        """
        async with self._one:
            await asyncio.sleep(0)

    def outdate(self, trial: Trial) -> None:
        """Take note that a trial is answered, or mark its answer as outdated: that must be in no figure of this run.

        It is where it was given to another request than the trial sends now, or by another host.
        """
        if self.done is None or (answer := self.done.known(trial.id)) is None:
            return
        if not self._same(trial, answer):
            why = "the request has changed and wasn't asked again yet"
        elif not self.hosts.serve(answer.host, self.plan.models[trial.variant.model]):
            why = "it was answered at another address and wasn't asked again yet"
        else:
            self.answered.add(trial)
            return
        at = self.done[trial.id].at
        self.store.append(self.result(trial, self._first(trial), at, Failure(kind=OUTDATED, message=why)))

    def _same(self, trial: Trial, answer: Answer) -> bool:
        """Whether a stored answer is one to the request that a trial sends now, perhaps by the key of an earlier version.

        The request is composed only if the keys that the store knows don't say so: none of them makes an answer outdated.
        """
        inputs = self.inputs(trial)
        bases = dict.fromkeys((None, answer.host.api_base))
        names = {base: inputs if base is None else f"{inputs} {base}" for base in bases} if inputs else {}
        if any(self.store.key(name) == answer.key for name in names.values() if name):
            return True
        sent = self._first(trial)
        for base in bases:
            key = sent.key_at(base)
            if name := names.get(base):
                self.store.keep_key(name, key)
            if key == answer.key:
                return True
        return False

    def _first(self, trial: Trial) -> Sent:
        return self.procedure.first(self.plan, trial)

    @property
    def _unread(self) -> bool:
        """Whether answers that count needn't be read: to stop early takes their scores."""
        return self.kept is not None and self.early_stop is None

    def keep_all(self) -> None:
        """Tell of the answers that count, where they needn't be read."""
        if self.done is None or self.kept is None or not self._unread:
            return
        for trial in self.plan.trials:
            if trial in self.answered and (answer := self.done.known(trial.id)):
                if not self.store.holds(answer.prompt):
                    self.store.put(self._first(trial).prompt)
                self.kept(answer)

    async def drain(self, label: str, queue: Iterator[Trial]) -> None:
        """Bring the trials of a queue up to date, one after another."""
        for trial in queue:
            async with self.pace.turn(trial) if self.pace else nullcontext():
                if self.done and trial in self.answered:
                    if not self._unread:
                        await self._keep(trial, self.done[trial.id])
                    continue
                async with self.places.place(label):
                    await self._bring(label, trial)

    async def _keep(self, trial: Trial, before: Result) -> None:
        await self._turn()
        if not self.store.holds(before.prompt):
            self.store.put(self._first(trial).prompt)
        self._arrived(before)

    async def _bring(self, label: str, trial: Trial) -> None:
        await self._turn()
        if self.early_stop and self.early_stop.spare(trial):
            self.outcome.spared += 1
            return
        sent = self._first(trial)
        inputs = self.inputs(trial)
        if inputs is not None:
            self.store.keep_key(inputs, sent.key)
        exchange = _Exchange(self, label, trial)
        await self.procedure.bring(self.plan, trial, sent, exchange)
        self.outcome.unasked += not exchange.ended

    def _arrived(self, result: Result) -> None:
        if self.early_stop and result.step is None:
            self.early_stop.add(result)
        self.report(result)

    def keep(self, result: Result) -> None:
        """Append a result, and tell of it."""
        self.outcome.errors += result.error is not None and result.step is None
        self.store.append(result)
        self._arrived(result)

    def had(self, trial: Trial, sent: Sent, step: int) -> Result | None:
        """Give what a step of a trial was answered before, if that counts for what it sends now."""
        if self.done is None or not step or (answer := self.done.known(trial.step(step))) is None:
            return None
        same = answer.key == sent.key and self.hosts.serve(answer.host, self.plan.models[trial.variant.model])
        return self.done[trial.step(step)] if same else None

    async def answer(self, label: str, trial: Trial, sent: Sent, step: int) -> Result | None:
        """Make the result of a request from the recording or the model; ``None``: it isn't asked."""
        if self.recorded is not None:
            found = self._replay(self.recorded, trial, sent, step)
            if found is not None or self.missing != "ask":
                return found
        if why := self.budget.reached:
            self._stop(label, why)
        if label in self.outcome.stopped:
            return None
        try:
            return await self._ask(label, trial, sent, step)
        except NotSent:
            self._stop(label, self.budget.reached or "")
            return None

    async def _ask(self, label: str, trial: Trial, sent: Sent, step: int) -> Result:
        """Make the result of a request that a model gets. Raises ``NotSent``."""
        now = _now()
        self.outcome.asked += 1
        self.budget.calls += 1
        answer: Completion | Failure
        try:
            answer = await self.complete(sent.request)
        except NotSent:
            self.outcome.asked -= 1
            self.budget.calls -= 1
            raise
        except CompletionError as error:
            if error.kind == "fatal":
                self._stop(label, str(error))
            await self._turn()
            if error.kind in _FINISHED:
                answer = Completion(finish_reason=_FINISHED[error.kind], attempts=error.attempts)
            else:
                answer = Failure(kind=error.kind, message=str(error))
        else:
            self.outcome.cost += answer.cost or 0.0
            self.budget.cost = self.outcome.cost
            await self._turn()
        return self.result(trial, sent, now, answer, step).model_copy(update={"api_base": sent.request.api_base})

    def _replay(self, recorded: Recorded, trial: Trial, sent: Sent, step: int) -> Result | None:
        """Make the result of a request from the recording; ``None``: it holds none, and that is no error."""
        recording = recorded(trial, sent.request, step)
        if recording is not None and not (recording.error and self.missing == "ask"):
            result = self.result(trial, sent, recording.at, recording.completion or recording.error, step)
            return result.model_copy(update={"key": recording.key, "api_base": recording.api_base})
        if self.missing != "error":
            return None
        failure = Failure(kind="not recorded", message="the recording holds no answer to this request")
        return self.result(trial, sent, "", failure, step)

    def _stop(self, label: str, why: str) -> None:
        if label not in self.outcome.stopped:
            self.outcome.stopped[label] = why
            self.stopped(label, why)

    def result(self, trial: Trial, sent: Sent, at: str, answer: Completion | Failure | None, step: int = 0) -> Result:
        """Count what was sent, and make the line of a trial, or of one of its steps."""
        return Result(
            trial=trial.step(step) if step else trial.id,
            dataset=trial.dataset,
            case=trial.case,
            function=trial.variant.function,
            edit=trial.variant.edit,
            format=trial.variant.format,
            output=trial.variant.output,
            model=trial.variant.model,
            control=trial.variant.control,
            repeat=trial.repeat,
            step=step or None,
            key=sent.key,
            prompt=self.store.put(sent.prompt),
            tokens=self.plan.tokenizers[trial.variant.model].count(sent.prompt),
            at=at,
            completion=answer if isinstance(answer, Completion) else None,
            error=answer if isinstance(answer, Failure) else None,
        )


class _Exchange:
    """The exchange of a trial; ``ended``: it has a result, be it an error."""

    def __init__(self, work: _Work, label: str, trial: Trial) -> None:
        self._work, self._label, self._trial = work, label, trial
        self._known: set[str] = set()
        self.ended = False

    async def ask(self, sent: Sent, step: int = 0) -> Result | None:
        before = self._work.had(self._trial, sent, step)
        if before is None:
            return await self._work.answer(self._label, self._trial, sent, step)
        self._known.add(before.trial)
        if not self._work.store.holds(before.prompt):
            self._work.store.put(sent.prompt)
        return before

    def failed(self, sent: Sent, failure: Failure) -> Result:
        return self._work.result(self._trial, sent, _now(), failure)

    def keep(self, result: Result) -> None:
        self.ended = self.ended or result.step is None
        if result.trial not in self._known:
            self._work.keep(result)

    def hold(self, part: JsonValue) -> str:
        return self._work.store.hold(part)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
