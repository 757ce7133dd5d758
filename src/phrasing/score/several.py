"""Several steps at once, held against a case that wants several: the whole set, precision, recall, and their order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from itertools import pairwise

from phrasing.score.matchers import match_args, most_pairs
from phrasing.types import Case, Score, Step, StepMatch

Fits = Callable[[StepMatch, Step], bool]


def score(case: Case, steps: Sequence[Step], marks: Collection[str]) -> dict[str, Score]:
    """Score the steps of an answer that was read: ``intent``, ``args``, ``step``, ``precision``, ``recall`` and ``order``.

    Each label is matched by a step of its own, so that as many as possible are; ``order`` only for a ``sequence``.
    """
    same = partial(_same, extra="extra_arguments" in marks)
    ordered = case.together == "sequence"
    matched, kept = largest(case.labels, steps, same), longest(case.labels, steps, same)
    intent = _whole(case.labels, steps, _same_intent, ordered=ordered)
    whole = _whole(case.labels, steps, same, ordered=ordered)
    reason = "" if whole else f"expected {case.note.wanted}, got {', '.join(step.intent for step in steps)}"
    differs = "" if whole else "; ".join(dict.fromkeys(filter(None, (_difference(label, steps, same) for label in case.labels))))
    named = any(label.args or label.only for label in case.labels)
    args = Score(value=float(whole), reason=differs) if intent and named else Score()
    found = {
        "intent": Score(value=float(intent), reason="" if intent else reason),
        "args": args,
        "step": Score(value=float(whole), reason="" if whole else differs if intent else reason),
        "precision": Score(value=matched / len(steps), reason=f"{matched} of {len(steps)} steps are wanted"),
        "recall": Score(value=matched / len(case.labels), reason=f"{matched} of {len(case.labels)} wanted steps are there"),
    }
    if ordered:
        said = f"{kept} of {matched} wanted steps that are there stand in order"
        found["order"] = Score(value=kept / matched if matched else None, reason=said)
    return found


def failed(case: Case, reason: str) -> dict[str, Score]:
    """Score an answer without steps."""
    names = ("precision", "recall", "order") if case.together == "sequence" else ("precision", "recall")
    return {name: Score(value=None if name == "order" else 0.0, reason=reason) for name in names}


def _same_intent(label: StepMatch, step: Step) -> bool:
    return label.intent == step.intent


def _same(label: StepMatch, step: Step, *, extra: bool) -> bool:
    """Whether a step is what a label says. ``extra``: something that a step doesn't declare was dropped of the answer."""
    fits = label.intent == step.intent and match_args(label.args, step.args, only=label.only) is None
    return fits and not (label.only and extra)


def _difference(label: StepMatch, steps: Sequence[Step], same: Fits) -> str | None:
    """Say how the arguments of a label's steps differ from it; nothing where one of them fits."""
    alike = [step for step in steps if step.intent == label.intent]
    if any(same(label, step) for step in alike):
        return None
    reasons = (match_args(label.args, step.args, only=label.only) for step in alike)
    return next((f"{label.intent}: {reason}" for reason in reasons if reason), None)


def _whole(labels: Sequence[StepMatch], steps: Sequence[Step], fits: Fits, *, ordered: bool) -> bool:
    if len(labels) != len(steps):
        return False
    if ordered:
        return all(fits(label, step) for label, step in zip(labels, steps, strict=True))
    return largest(labels, steps, fits) == len(labels)


def largest(labels: Sequence[StepMatch], steps: Sequence[Step], fits: Fits) -> int:
    """Give the size of the largest set of pairs of a label and a step that fits, none in two of them."""
    return most_pairs([[at for at, step in enumerate(steps) if fits(label, step)] for label in labels])


def longest(labels: Sequence[StepMatch], steps: Sequence[Step], fits: Fits) -> int:
    """Give the size of the largest such set in which both stand in the same order (longest common subsequence)."""
    row = [0] * (len(steps) + 1)
    for label in labels:
        above, row = row, [0]
        for (diagonal, over), step in zip(pairwise(above), steps, strict=True):
            row.append(max(row[-1], over, diagonal + fits(label, step)))
    return row[-1]
