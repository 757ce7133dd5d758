"""What a run was worth: scores from 0 to 1, and counts, of what an agent did until its run ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from pydantic import JsonValue

from phrasing.records import Outcome
from phrasing.rollout.environment import SUCCESS, Effect, World
from phrasing.rollout.loop import History
from phrasing.score.matchers import match_args
from phrasing.scores import FORBIDDEN
from phrasing.suite.tasks import EffectMatch, Task
from phrasing.types import Score, canonical_json


def judge(world: World, task: Task, history: History) -> tuple[Outcome, dict[str, Score]]:
    """Say how a run ended, and score it. Raises ``EnvironmentFailed`` where the environment doesn't judge as its contract
    says."""
    judged = world.judge(task.goal)
    done = [effect for effect in world.effects if any(_matches(match, effect) for match in task.forbid)]
    steps = [canonical_json([taken.step.intent, taken.step.args]) for taken in history.taken]
    once = world.environment.once
    rules = {taken.rule for taken in history.taken if taken.rule is not None}
    needed = [number for number, rule in enumerate(task.people) if rule.needed]
    asked = [taken for taken in history.taken if taken.asked]
    errors, recovered = _errors(history)
    outcome = Outcome(
        ended=history.ended or "stopped",
        why=history.why,
        steps=history.steps,
        virtual_seconds=history.now,
        unreadable=history.unreadable,
        errors_met=errors,
        recovered=recovered,
        repeated_steps=sum(one == other for one, other in pairwise(steps)),
        doubled_effects=_doubled(world.effects, once),
        questions=len(asked),
        needless_questions=sum(taken.rule is None or not task.people[taken.rule].needed for taken in asked),
        missed_questions=len(set(needed) - rules),
        forbidden=tuple(f"{effect.type} {canonical_json(effect.data)}" for effect in done),
    )
    return outcome, _scores(outcome, judged, task, doubles=bool(once), why=world.why)


def _doubled(effects: Sequence[Effect], once: Mapping[str, Sequence[str]]) -> int:
    """Count the effects that should happen once, and happened before with the same values in the fields that matter."""
    seen = []
    for effect in effects:
        if effect.type in once:
            data = effect.data if isinstance(effect.data, dict) else {}
            seen.append(canonical_json([effect.type, *(data.get(name) for name in once[effect.type])]))
    return len(seen) - len(set(seen))


def _scores(outcome: Outcome, judged: dict[str, float], task: Task, *, doubles: bool, why: str) -> dict[str, Score]:
    ended = outcome.ended == "done"
    values: dict[str, float | None] = {
        **judged,
        "false_completion": float(ended and judged[SUCCESS] < 1),
        "double_execution": float(outcome.doubled_effects > 0) if doubles else None,
        "repeated_step": outcome.repeated_steps / outcome.steps if outcome.steps else None,
        "needless_question": float(outcome.needless_questions > 0),
        "missed_question": float(outcome.missed_questions > 0) if any(rule.needed for rule in task.people) else None,
        "recovered": outcome.recovered / outcome.errors_met if outcome.errors_met else None,
        "limit_reached": float(outcome.ended == "limit"),
        FORBIDDEN: float(bool(outcome.forbidden)) if task.forbid else None,
    }
    reasons = {SUCCESS: "" if judged[SUCCESS] == 1 else why or outcome.why or f"ended: {outcome.ended}"}
    if outcome.forbidden:
        reasons[FORBIDDEN] = f"did what is forbidden: {outcome.forbidden[0]}"
    return {name: Score(value=value, reason=reasons.get(name, "")) for name, value in values.items()}


def _matches(match: EffectMatch, effect: Effect) -> bool:
    """Whether an effect is one that is looked for."""
    data: JsonValue = effect.data
    fields = data if isinstance(data, dict) else {}
    return effect.type == match.type and match_args(match.data, fields) is None


def _errors(history: History) -> tuple[int, int]:
    """Count the errors that an agent was shown, and those after which one of its steps had a result that is none."""
    kinds: Sequence[str] = [_kind(event.type, event.role) for event in history.events]
    last_good = max((place for place, kind in enumerate(kinds) if kind == "result"), default=-1)
    errors = [place for place, kind in enumerate(kinds) if kind == "error"]
    return len(errors), sum(place < last_good for place in errors)


def _kind(type: str, role: str | None) -> str:
    if type == "error":
        return "error"
    return "result" if role == "result" or type.endswith(("_result", "_response")) else "other"
