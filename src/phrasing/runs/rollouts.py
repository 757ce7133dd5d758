"""The procedure of a trial that runs an agent to its end: a request a step, and what came of it at last.

A line is kept of each step as soon as it is answered, so whatever ends a run, it goes on with the answers that it has: the agent
is run anew, and a step that asks what it asked before isn't asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TypeVar

from pydantic import JsonValue

from phrasing.errors import FormatError
from phrasing.plan.resolve import Plan
from phrasing.records import Failure, Outcome, Result, TokenCounts
from phrasing.rollout import loop, outcome
from phrasing.rollout.environment import EnvironmentFailed
from phrasing.rollout.loop import Agent, ControlFailed, Since
from phrasing.runs.procedure import Exchange, Sent
from phrasing.types import Completion, Event, Parsed, Score, Thread, Trial, Usage, digest

_SUMS = TokenCounts.model_fields

_KINDS: dict[type[Exception], str] = {EnvironmentFailed: "environment", ControlFailed: "control", FormatError: "format"}
"""The errors of the user's own files that end a run, and what they are called."""

Number = TypeVar("Number", int, float)


class _Stopped(BaseException):
    """A step wasn't asked, because a limit is reached or its model is stopped."""


class _NoAnswer(BaseException):
    """A step got no answer."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure


class Rollout:
    """The procedure of a trial in which an agent is run to its end."""

    def first(self, plan: Plan, trial: Trial) -> Sent:
        """Compose the request of the first step. What the run depends on besides are its task, its environment and its
        control."""
        agent, control = plan.agents[trial.dataset], plan.controls[trial.variant.control]
        assert agent.environment is not None
        parts = [agent.dataset.digests[trial.case], agent.environment.digest, control.digest, plan.edits.get(trial.variant.edit)]
        of = digest([part if part is None or isinstance(part, str) else part.digest for part in parts])
        return _sent(plan, trial, agent.threads[trial.case], 1)._replace(of=of)

    def inputs(self, plan: Plan) -> Callable[[Trial], str | None]:
        """Composing one request of a whole run takes no time to speak of."""
        return lambda trial: None

    async def bring(self, plan: Plan, trial: Trial, sent: Sent, exchange: Exchange) -> None:
        """Run the agent; keep a result for each step, and one of all."""
        agent = plan.agents[trial.dataset]
        task, environment, control = agent.tasks[trial.case], agent.environment, plan.controls[trial.variant.control]
        assert environment is not None
        steps: list[Result] = []

        async def ask(thread: Thread, number: int, since: Since) -> Parsed:
            result = await exchange.ask(_sent(plan, trial, thread, number), number)
            if result is None:
                raise _Stopped
            if result.completion is None:
                assert result.error is not None
                raise _NoAnswer(result.error)
            several = agent.templates[agent.function(trial.variant.function, trial.case)].function.many
            parsed = plan.parser(trial).parse(result.completion, trial.variant.output, several=several)
            steps.append(result.model_copy(update={"parsed": parsed, "since": exchange.hold(_part(since))}))
            exchange.keep(steps[-1])
            return parsed

        try:
            with closing(environment.world(task, plan.seed(trial))) as world:
                running = Agent(world, task, agent.steps, ask)
                history = await loop.run(control, running)
                world.check()
                found, scores = outcome.judge(world, task, history)
        except _Stopped:
            return
        except _NoAnswer as error:
            exchange.keep(exchange.failed(sent, error.failure))
        except (EnvironmentFailed, ControlFailed, FormatError) as error:
            failure = Failure(kind=_KINDS[type(error)], message=f"task {trial.case!r}, after step {len(steps)}: {error}")
            exchange.keep(exchange.failed(sent, failure))
        else:
            if not steps:
                message = f"task {trial.case!r}: {control.path}: run asked for no step"
                exchange.keep(exchange.failed(sent, Failure(kind="control", message=message)))
                return
            exchange.keep(_whole(trial, sent, steps, exchange.hold(_part(running.since)), found, scores))


def _sent(plan: Plan, trial: Trial, thread: Thread, step: int) -> Sent:
    prompt = plan.thread_prompt(trial, thread)
    return Sent(prompt, plan.request(trial, prompt, step))


def _part(since: Since) -> dict[str, JsonValue]:
    """Write what happened since a step."""
    part: dict[str, JsonValue] = {
        "now": since.now,
        "events": [_event(event) for event in since.events],
        "effects": [effect.model_dump(mode="json") for effect in since.effects],
    }
    return part if since.thread is None else {**part, "thread": [_event(event) for event in since.thread]}


def _event(event: Event) -> dict[str, JsonValue]:
    return {
        name: value for name in ("type", "data", "role", "call") if (value := getattr(event, name)) is not None or name == "data"
    }


def _whole(trial: Trial, sent: Sent, steps: Sequence[Result], since: str, found: Outcome, scores: dict[str, Score]) -> Result:
    """Make the line of a whole run of those of its steps."""
    answers = [step.completion for step in steps if step.completion is not None]
    tokens = {name: sum(getattr(step.tokens, name) for step in steps) for name in _SUMS}
    return steps[0].model_copy(
        update={
            "trial": trial.id,
            "step": None,
            "key": sent.key,
            "tokens": TokenCounts(**{field.alias or name: tokens[name] for name, field in _SUMS.items()}),
            "completion": Completion(
                finish_reason=answers[-1].finish_reason,
                usage=_usage([answer.usage for answer in answers]),
                latency=_sum([answer.latency for answer in answers]),
                cost=_sum([answer.cost for answer in answers]),
                attempts=sum(answer.attempts for answer in answers),
            ),
            "parsed": None,
            "scores": scores,
            "since": since,
            "outcome": found.model_copy(update={"peak_tokens": max(step.tokens.total for step in steps)}),
        }
    )


def _usage(each: Sequence[Usage]) -> Usage:
    return Usage(**{name: _sum([getattr(one, name) for one in each]) for name in Usage.model_fields})


def _sum(values: Sequence[Number | None]) -> Number | None:
    """Add what steps took; ``None`` where that isn't known of each."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
