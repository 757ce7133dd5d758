"""What a plan's prompts cost before anything is asked: tokens by arm and segment, and the price of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from phrasing import models, tokens
from phrasing.plan import Plan
from phrasing.records import Result, TokenCounts
from phrasing.suite import AXES
from phrasing.types import Arm

Kind = tuple[str, ...]
"""Function, edit, format and output: what our own count of a prompt depends on. The model doesn't matter to it."""

_KIND = [axis for axis in AXES if axis != "model"]

Counts = Mapping[Kind, Mapping[tuple[str, str], int]]
"""Tokens of prompts, framing included, by kind, then by dataset and case."""


def ledger(resolved: Plan) -> list[dict[str, str]]:
    """Count the prompts of a plan by arm and segment: means over cases, as a table's rows of text."""
    rows: dict[Arm, list[TokenCounts]] = {arm: [] for arm in resolved.arms}
    for trial in resolved.trials:
        if trial.repeat == 0:
            rows[trial.arm].append(tokens.count(resolved.prompt(trial), resolved.suite.tokenizer))
    shown = any(count.examples for counts in rows.values() for count in counts)
    totals = {arm: sum(count.total for count in counts) for arm, counts in rows.items() if counts}
    table = []
    for arm, counts in rows.items():
        if not counts:
            continue
        segments = [count.model_dump(by_alias=True) for count in counts]
        names = [name for name in segments[0] if shown or name != "examples"]
        means = {name: f"{sum(row[name] for row in segments) / len(segments):.1f}" for name in names}
        baseline = totals.get(resolved.baselines[arm]) if arm in resolved.baselines else None
        ratio = f"{totals[arm] / baseline:.3f}" if baseline else "–"
        table.append(
            {"arm": str(arm), "cases": str(len(counts)), **means, "total": f"{totals[arm] / len(counts):.1f}", "ratio": ratio}
        )
    return table


def estimate(resolved: Plan) -> list[str]:
    """Say what a plan would cost, a line a model: calls, prompt tokens by our own count, and dollars where the price is known."""
    lines = []
    for label, spec in resolved.models.items():
        trials = [trial for trial in resolved.trials if trial.arm.model == label]
        prompt = sum(tokens.count(resolved.prompt(trial), resolved.suite.tokenizer).total for trial in trials)
        limit = {**resolved.suite.params, **spec.params}.get("max_tokens")
        answers = len(trials) * limit if isinstance(limit, int) else 0
        dollars = models.price(spec, prompt, answers)
        what = f"answers of at most {limit} tokens" if answers else "without the answers: no max_tokens is set"
        cost = "price unknown" if dollars is None else f"${dollars:.4f} ({what})"
        lines.append(f"{label}: {len(trials)} calls, about {prompt:,} prompt tokens by {resolved.suite.tokenizer}, {cost}")
    return lines


# ---------------------------------------------------------------------------------------------- then and now


@dataclass(frozen=True)
class Change:
    """What an arm's prompts cost now and in a baseline, over the ``cases`` that both have; ``why`` it can't be said, if so.

    ``before`` and ``after`` are the tokens of all these cases, framing included.
    """

    arm: str
    cases: int = 0
    before: int = 0
    after: int = 0
    why: str | None = None

    @property
    def ratio(self) -> float:
        """``after`` by ``before``."""
        return self.after / self.before


def _kind(what: Arm | Result) -> Kind:
    return tuple(getattr(what, axis) for axis in _KIND)


def count(resolved: Plan) -> Counts:
    """Count the prompts of a plan."""
    found: dict[Kind, dict[tuple[str, str], int]] = {}
    for trial in resolved.trials:
        cases = found.setdefault(_kind(trial.arm), {})
        if (trial.dataset, trial.case) not in cases:  # repeats and models send the same
            cases[trial.dataset, trial.case] = tokens.count(resolved.prompt(trial), resolved.suite.tokenizer).total
    return found


def counted(results: Iterable[Result]) -> Counts:
    """Gather what a run's results say of their prompts."""
    found: dict[Kind, dict[tuple[str, str], int]] = {}
    for result in results:
        cases = found.setdefault(_kind(result), {})
        cases[result.dataset, result.case] = result.tokens.total
    return found


def changes(resolved: Plan, baseline: Counts, name: str) -> list[Change]:
    """Hold every arm of a plan against the baseline of that name; then list what only the baseline has."""
    now = count(resolved)
    made = []
    for arm in resolved.arms:
        kind = _kind(arm)
        mine, before = now.get(kind, {}), baseline.get(kind)
        both = [case for case in mine if case in (before or {})]
        if before is None:
            made.append(Change(str(arm), why=f"only here: {_lacks(kind, baseline)} in {name}"))
        elif not both:
            made.append(Change(str(arm), why=f"no case of it is in {name} too"))
        else:
            then, here = (sum(side[case] for case in both) for side in (before, mine))
            made.append(Change(str(arm), len(both), then, here))
    gone = [kind for kind in baseline if kind not in set(map(_kind, resolved.arms))]
    return [*made, *(Change(",".join(kind), why=f"only in {name}: {_lacks(kind, now)} here") for kind in gone)]


def _lacks(kind: Kind, others: Iterable[Kind]) -> str:
    """Say which part of a kind isn't among the others."""
    listed = list(others)
    for i, axis in enumerate(_KIND):
        if kind[i] not in {other[i] for other in listed}:
            return f"no {axis} {kind[i]}"
    return "no such combination"
