"""An agent's run as the page holds it: how it ended, its steps, and what happened between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phrasing.runs.steps import Ran


def written(ran: Ran, steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Write what is the run's own. ``steps`` are its steps as trials are written; each gets what happened before it.

    What happened is missing where it isn't kept: ``now``, what was ``shown`` to the agent, as type and data, the ``effects``, as
    type, data and whether the task forbids it, and, where a control wrote the thread anew, how many events it has (``anew``).
    """
    found: dict[str, Any] = {
        "steps": [{**step, **_happened(ran, number)} for number, step in enumerate(steps)],
        "after": _happened(ran, len(steps)),
    }
    if done := ran.outcome:
        found["outcome"] = {"ended": done.ended, "why": done.why, "steps": done.steps, "now": done.virtual_seconds}
    return found


def _happened(ran: Ran, number: int) -> dict[str, Any]:
    happened, events = ran.happened[number], ran.shown(number)
    if happened is None or events is None:
        return {}
    effects = [[effect.type, effect.data, int(ran.forbids(effect))] for effect in happened.effects]
    since: dict[str, Any] = {"now": happened.now, "shown": [[event.type, event.data] for event in events], "effects": effects}
    return {"since": since if happened.thread is None else {**since, "anew": len(happened.thread)}}
