"""The grid: every trial goes the same way, render, compose, count, complete, parse, score, append.

What is done for one trial is a ``Procedure``: here a single step, one request and its answer.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from phrasing.errors import CompletionError, UserError
from phrasing.plan.grid import BLOCK
from phrasing.plan.resolve import Plan
from phrasing.records import Failure, Result
from phrasing.runs.store import Store, results
from phrasing.score import builtin, user
from phrasing.types import Completion, Prompt, Request, Trial

if TYPE_CHECKING:
    from phrasing.runs.early_stop import EarlyStop

Complete = Callable[[Request], Awaitable[Completion]]
"""How a request is answered: by a provider, the embedded model, or an ``async def`` in a test."""

Recorded = Callable[[Trial, str], Result | None]
"""What an earlier run answered: (trial, request key) to its result."""

Missing = Literal["error", "ask", "skip"]
"""What to do about a trial that a recording doesn't hold."""


_FINISHED = {"overflow": "overflow", "refused": "content_filter"}
"""Errors that are answers of a kind: the trial scores 0 and isn't asked again."""


def open_recording(path: Path, plan: Plan) -> Recorded:
    """Look answers up by request key and repeat: the same trial's, else one of a trial that has another name now.

    ``path`` is a run folder or a file of results. An answer serves one trial only: variants that send the same don't share it. A
    recorded error is given too.
    """
    same: dict[tuple[str, str], Result] = {}
    renamed: dict[tuple[str, int], list[Result]] = {}
    planned = {trial.id for trial in plan.trials}
    for result in results(path).values():
        if result.trial in planned:
            same[result.trial, result.key] = result
        elif result.error is None:
            renamed.setdefault((result.key, result.repeat), []).append(result)

    def find(trial: Trial, key: str) -> Result | None:
        if (trial.id, key) in same:
            return same[trial.id, key]
        left = renamed.get((key, trial.repeat))
        return left.pop(0) if left else None

    return find


class Sent(NamedTuple):
    """What is sent: a prompt, and the request that carries it."""

    prompt: Prompt
    request: Request


Exchange = Callable[[Sent], Awaitable[Result | None]]
"""Sends a request of a trial and gives the line of its answer, or of why there is none, without scores.

A recording may answer instead. ``None``: it isn't asked, because a limit is reached or its model is stopped.
"""


class Procedure(Protocol):
    """What is done for a trial: the runner calls it, and appends each of its results when it comes."""

    def first(self, plan: Plan, trial: Trial) -> Sent:
        """Give what is sent first, before any answer: a stored answer to another request is outdated."""

    def results(self, plan: Plan, trial: Trial, sent: Sent, exchange: Exchange) -> AsyncIterator[Result]:
        """Send what was given as first, and whatever follows from its answer; give each result, scored."""


class SingleStep:
    """The procedure of a trial that is one request: the step that a model picks next."""

    def first(self, plan: Plan, trial: Trial) -> Sent:
        """Render the case and compose its request."""
        prompt = plan.prompt(trial)
        return Sent(prompt, plan.request(trial, prompt))

    async def results(self, plan: Plan, trial: Trial, sent: Sent, exchange: Exchange) -> AsyncIterator[Result]:
        """Give the one result, scored."""
        result = await exchange(sent)
        if result is not None:
            yield score(plan, trial, result)


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
    done: Mapping[str, Result] | None = None,
    recorded: Recorded | None = None,
    missing: Missing = "error",
    jobs: int = 8,
    max_cost: float | None = None,
    early_stop: EarlyStop | None = None,
    report: Callable[[Result], object] = lambda result: None,
    procedure: Procedure | None = None,
) -> Outcome:
    """Bring a store up to date with a plan.

    ``done`` are the store's own results: those with the same request and no error aren't asked again; an answer to a request that
    has changed since is outdated at once, whatever ends this run. ``recorded`` answers from another run. Each model has ``jobs``
    workers of its own, so a slow one holds up no other. ``max_cost`` is in US dollars: no request starts once that much is spent.
    ``early_stop`` says, just before a trial would be asked, that it needs no answer any more; groups are then completed in their
    order, so a slow model does hold up the others. ``procedure`` is what is done for a trial: left out, a single step.
    """
    outcome = Outcome()
    lanes: dict[str, list[Trial]] = {label: [] for label in plan.models}
    for trial in plan.trials:
        lanes[trial.variant.model].append(trial)
    workers = {label: min(plan.models[label].jobs or jobs, len(trials)) for label, trials in lanes.items()}
    pace = _Pace(plan, max(workers.values())) if early_stop else None
    work = _Work(
        plan,
        store,
        complete,
        done or {},
        recorded,
        missing,
        max_cost,
        early_stop,
        pace,
        report,
        procedure or SingleStep(),
        outcome,
    )
    for trial in plan.trials:
        work.outdate(trial)
    try:
        async with asyncio.TaskGroup() as group:
            for label, trials in lanes.items():
                queue = iter(trials)
                for _ in range(workers[label]):
                    group.create_task(work.drain(label, queue))
    except* UserError as mistakes:
        raise mistakes.exceptions[0] from None
    return outcome


class _Pace:
    """Holds trials back whose block lies too far ahead of the oldest that isn't finished.

    The blocks between hold a trial for each worker of a lane, so that one that takes long lets none of the others wait.
    """

    def __init__(self, plan: Plan, workers: int) -> None:
        self._plan = plan
        self._blocks = {group: number for number, block in enumerate(plan.blocks) for group in block}
        self._left = Counter(map(self._block, plan.trials))
        self._ahead = math.ceil(workers / BLOCK)
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
        if oldest > self._oldest:
            self._oldest = oldest
            self._moved.set()
            self._moved = asyncio.Event()


@dataclass
class _Work:
    plan: Plan
    store: Store
    complete: Complete
    done: Mapping[str, Result]
    recorded: Recorded | None
    missing: Missing
    max_cost: float | None
    early_stop: EarlyStop | None
    pace: _Pace | None
    report: Callable[[Result], object]
    procedure: Procedure
    outcome: Outcome

    def outdate(self, trial: Trial) -> None:
        """Mark an answer to another request than this trial sends now: it must be in no figure of this run."""
        before = self.done.get(trial.id)
        if before is None or before.error is not None:
            return
        sent = self.procedure.first(self.plan, trial)
        if before.key != sent.request.key:
            failure = Failure(kind="outdated", message="the request has changed and wasn't asked again yet")
            self.store.append(self._result(trial, sent, before.at, failure))

    async def drain(self, label: str, queue: Iterator[Trial]) -> None:
        """Bring the trials of a queue up to date, one after another."""
        for trial in queue:
            if self.pace is None:
                await self._bring(label, trial)
                continue
            async with self.pace.turn(trial):
                await self._bring(label, trial)

    async def _bring(self, label: str, trial: Trial) -> None:
        sent = self.procedure.first(self.plan, trial)
        before = self.done.get(trial.id)
        if before is not None and before.key == sent.request.key and before.error is None:
            if not self.store.holds(before.prompt):
                self.store.put(sent.prompt)
            self._arrived(before)
            return
        if self.early_stop and self.early_stop.spare(trial):
            self.outcome.spared += 1
            return
        asked = False
        async for result in self.procedure.results(self.plan, trial, sent, partial(self._answer, label, trial)):
            asked = True
            self.outcome.errors += result.error is not None
            self.store.append(result)
            self._arrived(result)
        self.outcome.unasked += not asked

    def _arrived(self, result: Result) -> None:
        if self.early_stop:
            self.early_stop.add(result)
        self.report(result)

    async def _answer(self, label: str, trial: Trial, sent: Sent) -> Result | None:
        """Make the result of a request from the recording or the model; ``None``: it isn't asked."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self.recorded is not None:
            recording = self.recorded(trial, sent.request.key)
            if recording is not None and not (recording.error and self.missing == "ask"):
                return self._result(trial, sent, recording.at, recording.completion or recording.error)
            if self.missing == "skip":
                return None
            if self.missing == "error":
                failure = Failure(kind="not recorded", message="the recording holds no answer to this request")
                return self._result(trial, sent, "", failure)
        if self.max_cost is not None and self.outcome.cost >= self.max_cost:
            self.outcome.stopped.setdefault(label, f"the limit of ${self.max_cost:g} is reached")
        if label in self.outcome.stopped:
            return None
        self.outcome.asked += 1
        try:
            completion = await self.complete(sent.request)
        except CompletionError as error:
            if error.kind in _FINISHED:
                completion = Completion(finish_reason=_FINISHED[error.kind], attempts=error.attempts)
                return self._result(trial, sent, now, completion)
            if error.kind == "fatal":
                self.outcome.stopped.setdefault(label, str(error))
            return self._result(trial, sent, now, Failure(kind=error.kind, message=str(error)))
        self.outcome.cost += completion.cost or 0.0
        return self._result(trial, sent, now, completion)

    def _result(self, trial: Trial, sent: Sent, at: str, answer: Completion | Failure | None) -> Result:
        """Count what was sent, and make the line of a trial."""
        return Result(
            trial=trial.id,
            dataset=trial.dataset,
            case=trial.case,
            function=trial.variant.function,
            edit=trial.variant.edit,
            format=trial.variant.format,
            output=trial.variant.output,
            model=trial.variant.model,
            repeat=trial.repeat,
            key=sent.request.key,
            prompt=self.store.put(sent.prompt),
            tokens=self.plan.tokenizers[trial.variant.model].count(sent.prompt),
            at=at,
            completion=answer if isinstance(answer, Completion) else None,
            error=answer if isinstance(answer, Failure) else None,
        )


def score(plan: Plan, trial: Trial, result: Result) -> Result:
    """Parse and score a stored answer anew, with the functions and labels as they are now."""
    if result.completion is None:
        return result
    parsed = plan.parser(trial).parse(result.completion, trial.variant.output)
    case = plan.case(trial)
    scores = builtin.score(case, parsed) | user.score(plan.scorers, case, parsed, result.completion)
    return result.model_copy(update={"parsed": parsed, "scores": scores})
