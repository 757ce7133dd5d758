"""Scorers: what a step is worth, by the labels of its case. ``docs/concepts.md`` says what each score means.

How arguments are compared is said in ``matchers``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import product

from phrasing import scores
from phrasing.score import several
from phrasing.score.matchers import match_args, quote
from phrasing.types import VALID_FORMS, Case, Parsed, Score, Step, StepMatch

_RIGHT = Score(value=1.0)
_HARMLESS = Score(value=0.0)
_NO_ARGS = Score(value=None, reason="no label of this step names arguments")
_WRONG_INTENT = Score(value=None, reason="the step is wrong, so its arguments don't count")
_DROPPED = "an argument that the step doesn't declare"
_NOTHING_FORBIDDEN = Score(value=None, reason="the case forbids nothing")


def score(case: Case, parsed: Parsed) -> dict[str, Score]:
    """Score one answer: ``scores.STORED`` to ``Score``, in that order; and more, where the case wants several steps at once.

    The repaired reading decides (``parsed.step``); only ``strict`` says whether the answer stands without repair. Of several
    steps the first one counts, unless several are wanted, and each of them can do harm. An answer that failed (``parsed.stage``:
    unparsable, truncated, refused, overflow, empty …) is wrong, and harmless but for further steps in it. A trial without an
    answer (an error) has no scores and must not come here.
    """
    strict = _RIGHT if parsed.form in VALID_FORMS else Score(value=0.0, reason=f"the answer is {parsed.form}")
    step = parsed.step if parsed.stage is None else None
    harm = _forbidden(case, [*filter(None, [step]), *parsed.further])
    if step is None:
        failed = Score(value=0.0, reason=f"{parsed.stage or 'parse'}: {parsed.reason or 'no step'}")
        more = several.failed(case, failed.reason) if case.together else {}
        return {"intent": failed, "args": _WRONG_INTENT, "step": failed, "strict": strict, "harm": harm} | more
    if case.together:
        found = several.score(case, [step, *parsed.further], parsed.marks)
        args = found["args"] if found["args"].value is not None else _NO_ARGS if found["intent"].value else _WRONG_INTENT
        return {"intent": found["intent"], "args": args, "step": found["step"], "strict": strict, "harm": harm} | {
            name: found[name] for name in scores.SEVERAL if name in found
        }
    labels = [label for label in case.expect if label.intent == step.intent]
    if not labels:
        wanted = " or ".join(dict.fromkeys(label.intent for label in case.expect))
        wrong = Score(value=0.0, reason=f"expected {wanted}, got {step.intent}")
        return {"intent": wrong, "args": _WRONG_INTENT, "step": wrong, "strict": strict, "harm": harm}
    args = _arguments(labels, step, parsed.marks)
    return {"intent": _RIGHT, "args": args, "step": _RIGHT if args.value is None else args, "strict": strict, "harm": harm}


def _forbidden(case: Case, steps: Sequence[Step]) -> Score:
    """Score 1 where any step is one that the case forbids. No step does no harm."""
    for step, forbidden in product(steps, case.forbid):
        if forbidden.intent == step.intent and match_args(forbidden.args, step.args, only=forbidden.only) is None:
            return Score(value=1.0, reason=f"forbidden here: {_call(forbidden)}")
    return _HARMLESS if case.forbid else _NOTHING_FORBIDDEN


def _arguments(labels: Sequence[StepMatch], step: Step, marks: Collection[str]) -> Score:
    """Score the arguments of a step by the labels that have its intent: any of them will do."""
    if not any(label.args or label.only for label in labels):
        return _NO_ARGS
    dropped = _DROPPED if "extra_arguments" in marks else None  # what isn't declared is no argument of the step any more
    reasons = [match_args(label.args, step.args, only=label.only) or (dropped if label.only else None) for label in labels]
    if None in reasons:
        return _RIGHT
    return Score(value=0.0, reason=" or ".join(dict.fromkeys(reason for reason in reasons if reason)))


def _call(match: StepMatch) -> str:
    """Write a label as a call."""
    args = [f"{name}: {quote(value)}" for name, value in match.args.items()]
    return f"{match.intent}({', '.join([*args, *(['nothing else'] if match.only else [])])})"
