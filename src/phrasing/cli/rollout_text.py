"""Runs of agents as text for reading: all steps of one in short, one step in full, two runs side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any, Protocol

from phrasing.cli.text import Block, heading, scores_text, trial_text, usage_text
from phrasing.records import Outcome
from phrasing.runs.steps import Happened, Ran, parting, picked
from phrasing.types import Parsed, Prompt, Step

_INDENT = 5
"""Columns before what came of a step."""


class Fold(Protocol):
    """Breaks a text into so many lines at most; what doesn't fit is cut."""

    def __call__(self, content: str, *, indent: int = 0, most: int = 1) -> list[str]:
        """Give the lines, those after the first indented."""


Join = Callable[[list[tuple[str, str]]], list[str]]
"""Sets the lines of two columns beside each other."""

NOT_KEPT = "what happened isn't kept"
"""What stands where a run doesn't have it."""


def overview(ran: Ran, fold: Fold) -> list[Block]:
    """Write a run of an agent, its steps one under the other, in lines that ``fold`` makes fit."""
    blocks = [_plain(line) for line in _after(ran, 0, fold)]
    for number in range(1, len(ran.steps) + 1):
        blocks += [[(line, "heading")] for line in _taken(ran, number, fold)]
        blocks += [_plain(line) for line in _after(ran, number, fold)]
    return [*blocks, *ending(ran)]


def ending(ran: Ran) -> list[Block]:
    """Say how a run ended, why, and what it was worth."""
    whole = ran.whole
    if whole is None:
        return [heading("not ended"), _plain(f"It has {_counted(len(ran.steps))} so far; phrasing run SUITE --resume goes on.")]
    if whole.outcome is None:
        return [heading("ended"), _plain(whole.why)]
    return [heading("ended"), _plain(ended(whole.outcome)), *usage_text(whole), *scores_text(whole)]


def ended(outcome: Outcome) -> str:
    """Say how a run ended, in a line."""
    said = f"{outcome.ended}, after {_counted(outcome.steps)} and {_seconds(outcome.virtual_seconds)}"
    return f"{said}: {outcome.why}" if outcome.why else said


def one_step(ran: Ran, number: int, sent: Prompt | None) -> list[Block]:
    """Write one step (from 1) in full: what happened before it, what was sent and answered, and what came of it.

    ``sent`` is ``None`` where prompts aren't kept.
    """
    result = ran.steps[number - 1]
    first, *answer = trial_text(result, sent or Prompt((), ()))
    before = "what happened first" if number == 1 else f"what came of step {number - 1}"
    blocks = [first, heading(f"step {number} of {len(ran.steps)}"), heading(before), *_in_full(ran, number - 1)]
    blocks += answer if sent else [heading("prompt"), _plain("not kept"), *answer]
    blocks += [heading(f"what came of step {number}"), *_in_full(ran, number)]
    return blocks + (ending(ran) if number == len(ran.steps) else [])


def beside(one: Ran, other: Ran, fold: Fold, join: Join) -> list[Block]:
    """Write two runs of a task side by side, and mark the first step in which they part.

    ``fold`` makes lines fit into a column, and ``join`` sets two columns beside each other.
    """

    def both(write: Callable[[Ran], list[str]]) -> list[Block]:
        return [_plain(line) for line in join(list(zip_longest(write(one), write(other), fillvalue="")))]

    apart = parting(one.steps, other.steps)
    blocks = both(lambda ran: _after(ran, 0, fold, most=2))
    for number in range(1, max(len(one.steps), len(other.steps)) + 1):
        if number == apart:
            blocks.append(heading(f"here they part: step {number}"))
        blocks += both(lambda ran, number=number: _side(ran, number, fold))  # type: ignore[misc]
    blocks.append(heading("ended" if apart else "ended; both took the same steps"))
    return blocks + both(lambda ran: [line for said in _ends(ran) for line in fold(said, indent=2, most=3)])


def _side(ran: Ran, number: int, fold: Fold) -> list[str]:
    """Write a step in short, in one of two columns; nothing where the run has ended."""
    if number > len(ran.steps):
        return []
    return [*_taken(ran, number, fold), *_after(ran, number, fold, most=2)]


def _ends(ran: Ran) -> list[str]:
    """Say how a run ended, and its scores."""
    if ran.whole is None or ran.outcome is None:
        return [ran.whole.why if ran.whole else "not ended"]
    return [ended(ran.outcome), *("".join(content for content, _ in block) for block in scores_text(ran.whole))]


def _taken(ran: Ran, number: int, fold: Fold) -> list[str]:
    """Write in short what was picked in a step: its number, when it was asked for, and the step with its arguments."""
    before, parsed = ran.happened[number - 1], ran.steps[number - 1].parsed
    at = f"{_seconds(before.now)}: " if before else ""
    said = "; ".join(map(written, picked(parsed))) or _unread(parsed)
    return fold(f"{number:>3}  {at}{said}", indent=_INDENT + len(at), most=3)


def _unread(parsed: Parsed | None) -> str:
    return f"no step: {parsed.reason or parsed.stage}" if parsed else "no step"


def _after(ran: Ran, number: int, fold: Fold, *, most: int = 1) -> list[str]:
    """Write in short what came of a step: what the agent was shown, and what changed in the world; of 0, what happened first."""
    found, events = ran.happened[number], ran.shown(number)
    if found is None or events is None:
        said = [NOT_KEPT] if number or ran.steps else []
    else:
        said = [_line("error" if event.type == "error" else "shown", event.type, event.data) for event in events]
        said += [_line("harm" if ran.forbids(effect) else "effect", effect.type, effect.data) for effect in found.effects]
        said += _anew(found)
    begin = " " * _INDENT
    return [line for text in said for line in fold(f"{begin}{text}", indent=_INDENT + 2, most=most)]


def _line(word: str, type: str, data: Any) -> str:
    return f"{word:<6} {'' if type == word else f'{type} '}{_json(data)}"


def _anew(found: Happened) -> Iterator[str]:
    if found.thread is not None:
        yield f"thread written anew by its control: {len(found.thread)} events"


def _in_full(ran: Ran, number: int) -> Iterator[Block]:
    """Write what came of a step in full."""
    found, events = ran.happened[number], ran.shown(number)
    if found is None or events is None:
        yield _plain(NOT_KEPT)
        return
    yield _plain(f"(until {_seconds(found.now)} of virtual time)")
    for event in events:
        yield _plain(f"shown {event.type}: {_json(event.data, indent=1)}")
    for effect in found.effects:
        yield _plain(f"{'harm' if ran.forbids(effect) else 'effect'} {effect.type}: {_json(effect.data, indent=1)}")
    for line in _anew(found):
        yield _plain(line)


def written(step: Step) -> str:
    """Write a step as a call."""
    return f"{step.intent}({', '.join(f'{name}={_json(value)}' for name, value in step.args.items())})"


def _json(value: Any, *, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _seconds(now: float) -> str:
    return f"{now:g} s"


def _counted(steps: int) -> str:
    return f"{steps} step{'s' * (steps != 1)}"


def _plain(line: str) -> Block:
    return [(line, "")]
