"""What a plan's prompts cost before anything is asked: tokens by arm and segment, and the price of a run."""

from __future__ import annotations

from phrasing import models, tokens
from phrasing.plan import Plan
from phrasing.types import Arm, TokenCounts


def ledger(resolved: Plan) -> list[dict[str, str]]:
    """Count the prompts of a plan by arm and segment: means over cases, as a table's rows of text."""
    rows: dict[Arm, list[TokenCounts]] = {arm: [] for arm in resolved.arms}
    for trial in resolved.trials:
        if trial.repeat == 0:
            rows[trial.arm].append(tokens.count(resolved.prompt(trial), resolved.suite.tokenizer))
    totals = {arm: sum(count.total for count in counts) for arm, counts in rows.items() if counts}
    table = []
    for arm, counts in rows.items():
        if not counts:
            continue
        segments = [count.model_dump(by_alias=True) for count in counts]
        means = {name: f"{sum(row[name] for row in segments) / len(segments):.1f}" for name in segments[0]}
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
