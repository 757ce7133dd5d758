"""The grid: every trial goes the same way, render, compose, count, complete, parse, score, append."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from phrasing.errors import CompletionError, UserError
from phrasing.plan.resolve import Plan
from phrasing.records import Failure, Result
from phrasing.runs.store import Store
from phrasing.score import builtin as scorers
from phrasing.score import user as userscorers
from phrasing.types import Completion, Prompt, Request, Trial

Complete = Callable[[Request], Awaitable[Completion]]
"""How a request is answered: by a provider, the embedded model, or an ``async def`` in a test."""

Recorded = Callable[[Trial, str], Result | None]
"""What an earlier run answered: (trial, request key) to its result."""

Missing = Literal["error", "ask", "skip"]
"""What to do about a trial that a recording doesn't hold."""


_FINISHED = {"overflow": "overflow", "refused": "content_filter"}
"""Errors that are answers of a kind: the trial scores 0 and isn't asked again."""


@dataclass
class Outcome:
    """How a run went. ``stopped`` maps a model's label to why it isn't asked any more; ``unasked`` counts trials left over, and
    ``spared`` those that could tell nothing more.
    """

    reused: int = 0
    replayed: int = 0
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
    spare: Callable[[Trial], bool] = lambda trial: False,
    report: Callable[[Result], object] = lambda result: None,
) -> Outcome:
    """Bring a store up to date with a plan.

    ``done`` are the store's own results: those with the same request and no error aren't asked again; an answer to a request that
    has changed since is outdated at once, whatever ends this run. ``recorded`` answers from another run. Each model has ``jobs``
    workers of its own, so a slow one holds up no other. ``max_cost`` is in US dollars: no request starts once that much is spent.
    ``spare`` says, just before a trial would be asked, that it needs no answer any more.
    """
    outcome = Outcome()
    lanes: dict[str, list[Trial]] = {label: [] for label in plan.models}
    for trial in plan.trials:
        lanes[trial.variant.model].append(trial)
    work = _Work(plan, store, complete, done or {}, recorded, missing, max_cost, spare, report, outcome)
    for trial in plan.trials:
        work.outdate(trial)
    try:
        async with asyncio.TaskGroup() as group:
            for label, trials in lanes.items():
                queue = iter(trials)
                for _ in range(min(plan.models[label].jobs or jobs, len(trials))):
                    group.create_task(work.drain(label, queue))
    except* UserError as mistakes:
        raise mistakes.exceptions[0] from None
    return outcome


@dataclass
class _Work:
    plan: Plan
    store: Store
    complete: Complete
    done: Mapping[str, Result]
    recorded: Recorded | None
    missing: Missing
    max_cost: float | None
    spare: Callable[[Trial], bool]
    report: Callable[[Result], object]
    outcome: Outcome

    def outdate(self, trial: Trial) -> None:
        """Mark an answer to another request than this trial sends now: it must be in no figure of this run."""
        before = self.done.get(trial.id)
        if before is None or before.error is not None:
            return
        prompt = self.plan.prompt(trial)
        request = self.plan.request(trial, prompt)
        if before.key != request.key:
            failure = Failure(kind="outdated", message="the request has changed and wasn't asked again yet")
            self.store.append(self._result(trial, prompt, request, before.at, failure))

    async def drain(self, label: str, queue: Iterator[Trial]) -> None:
        for trial in queue:
            prompt = self.plan.prompt(trial)
            request = self.plan.request(trial, prompt)
            before = self.done.get(trial.id)
            if before is not None and before.key == request.key and before.error is None:
                self.outcome.reused += 1
                self.report(before)
                continue
            if self.spare(trial):
                self.outcome.spared += 1
                continue
            result = await self._answer(label, trial, prompt, request)
            if result is None:
                self.outcome.unasked += 1
                continue
            self.outcome.errors += result.error is not None
            self.store.append(result)
            self.report(result)

    async def _answer(self, label: str, trial: Trial, prompt: Prompt, request: Request) -> Result | None:
        """Make the result of a trial from the recording or the model; ``None``: it isn't asked."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self.recorded is not None:
            recording = self.recorded(trial, request.key)
            if recording is not None and not (recording.error and self.missing == "ask"):
                self.outcome.replayed += 1
                return self._result(trial, prompt, request, recording.at, recording.completion or recording.error)
            if self.missing == "skip":
                return None
            if self.missing == "error":
                failure = Failure(kind="not recorded", message="the recording holds no answer to this request")
                return self._result(trial, prompt, request, "", failure)
        if self.max_cost is not None and self.outcome.cost >= self.max_cost:
            self.outcome.stopped.setdefault(label, f"the limit of ${self.max_cost:g} is reached")
        if label in self.outcome.stopped:
            return None
        self.outcome.asked += 1
        try:
            completion = await self.complete(request)
        except CompletionError as error:
            if error.kind in _FINISHED:
                completion = Completion(finish_reason=_FINISHED[error.kind], attempts=error.attempts)
                return self._result(trial, prompt, request, now, completion)
            if error.kind == "fatal":
                self.outcome.stopped.setdefault(label, str(error))
            return self._result(trial, prompt, request, now, Failure(kind=error.kind, message=str(error)))
        self.outcome.cost += completion.cost or 0.0
        return self._result(trial, prompt, request, now, completion)

    def _result(self, trial: Trial, prompt: Prompt, request: Request, at: str, answer: Completion | Failure | None) -> Result:
        """Count, parse and score: make the line of a trial."""
        result = Result(
            trial=trial.id,
            dataset=trial.dataset,
            case=trial.case,
            function=trial.variant.function,
            edit=trial.variant.edit,
            format=trial.variant.format,
            output=trial.variant.output,
            model=trial.variant.model,
            repeat=trial.repeat,
            key=request.key,
            prompt=self.store.put(prompt),
            tokens=self.plan.tokenizer.count(prompt),
            at=at,
            completion=answer if isinstance(answer, Completion) else None,
            error=answer if isinstance(answer, Failure) else None,
        )
        return score(self.plan, trial, result)


def score(plan: Plan, trial: Trial, result: Result) -> Result:
    """Parse and score a stored answer anew, with the functions and labels as they are now."""
    if result.completion is None:
        return result
    parsed = plan.parser(trial).parse(result.completion, trial.variant.output)
    case = plan.case(trial)
    scores = scorers.score(case, parsed) | userscorers.score(plan.scorers, case, parsed, result.completion)
    return result.model_copy(update={"parsed": parsed, "scores": scores})
