"""The steps of agents that were run to their end: which a trial has, what happened between them, where two runs part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from pydantic import ValidationError

from phrasing.records import Outcome, Result
from phrasing.rollout.environment import Effect
from phrasing.runs import lazy
from phrasing.types import Event, Parsed, Record, Step, canonical_json


class Happened(Record):
    """What happened since the step before, as ``prompts.jsonl`` keeps it.

    That is until the virtual second ``now``: the ``effects`` in the world, and the ``events`` that were appended to the thread.
    ``thread`` is all of it, where a control wrote it anew.
    """

    now: float
    events: tuple[Event, ...] = ()
    effects: tuple[Effect, ...] = ()
    thread: tuple[Event, ...] | None = None


class Ran(NamedTuple):
    """A trial of an agent: its line, if it has ended; its steps; and what happened before each, and after the last.

    ``happened`` has one more than there are steps; ``None``: that isn't kept, or not yet known.
    """

    whole: Result | None
    steps: Sequence[Result]
    happened: Sequence[Happened | None]

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; ``None``: it hasn't, or with an error."""
        return self.whole.outcome if self.whole else None

    def forbids(self, effect: Effect) -> bool:
        """Whether the task forbids an effect that was done; not known before the run has ended."""
        return self.outcome is not None and f"{effect.type} {canonical_json(effect.data)}" in self.outcome.forbidden

    def shown(self, number: int) -> list[Event] | None:
        """Give what the agent was shown after so many steps, without the step that it took; ``None``: that isn't kept."""
        found = self.happened[number]
        if found is None:
            return None
        taken = [_text(step) for step in picked(self.steps[number - 1].parsed)] if number else []
        events = []
        for event in found.events:
            step = canonical_json([event.type, event.data])
            if event.role == "step" and step in taken:
                taken.remove(step)
            else:
                events.append(event)
        return events


def _text(step: Step) -> str:
    return canonical_json([step.intent, step.args])


def by_trial(steps: Iterable[str]) -> dict[str, list[int]]:
    """Give the numbers of the steps that each trial has, in order, of the addresses of steps."""
    found: dict[str, list[int]] = {}
    for address in steps:
        trial, _, number = address.rpartition("/")
        found.setdefault(trial, []).append(int(number))
    return {trial: sorted(numbers) for trial, numbers in found.items()}


def until(steps: Iterable[str], ended: Mapping[str, int]) -> set[str]:
    """Leave out steps after the number that a trial ``ended`` with: they are those of an earlier run of it."""
    found = set()
    for address in steps:
        trial, _, number = address.rpartition("/")
        if trial not in ended or int(number) <= ended[trial]:
            found.add(address)
    return found


def of_trial(
    trial: str,
    numbers: Iterable[int],
    results: Mapping[str, Result],
    steps: Mapping[str, Result],
    prompts: Mapping[str, Any] | None,
) -> Ran:
    """Gather a trial. ``results`` are those of trials, ``steps`` those of steps, by their addresses; ``prompts`` is what
    ``store.prompts`` reads, or ``None`` for a recording, which keeps none.
    """
    whole = results.get(trial)
    taken = list(lazy.read(steps, (f"{trial}/{number}" for number in numbers)))
    return Ran(whole, taken, [*(happened(prompts, step) for step in taken), happened(prompts, whole)])


def happened(prompts: Mapping[str, Any] | None, result: Result | None) -> Happened | None:
    """Read what happened before a step, or after the last one; ``None`` where that isn't kept."""
    if prompts is None or result is None or result.since is None:
        return None
    held = prompts.get(result.since)
    try:
        return Happened.model_validate(held["part"]) if isinstance(held, dict) and held.keys() == {"part"} else None
    except ValidationError:  # an edited file
        return None


def picked(parsed: Parsed | None) -> list[Step]:
    """Give the steps that an answer picks; none where it is no step."""
    return [parsed.step, *parsed.further] if parsed and parsed.step else []


def parting(one: Sequence[Result], other: Sequence[Result]) -> int | None:
    """Give the number of the first step in which two runs of a task differ: another step or other arguments, or only one of them
    has it. ``None``: they don't.
    """
    sides = ([[_text(step) for step in picked(result.parsed)] for result in side] for side in (one, other))
    for number, (mine, theirs) in enumerate(zip_longest(*sides), start=1):
        if mine != theirs:
            return number
    return None
