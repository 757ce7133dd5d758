"""Results to tables: one row a trial, one row an arm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from phrasing.errors import StoreError
from phrasing.scorers import NAMES
from phrasing.stats import upper_bound, wilson
from phrasing.types import Result


def trials(results: Iterable[Result], *, scorers: Sequence[str] = ()) -> pd.DataFrame:
    """Make the table of trials, sorted by address. ``docs/concepts.md`` describes the columns.

    ``scorers`` names the user's own scores, which have columns beside the built-in ones.

    Scores are from 0 to 1 and missing where one doesn't apply; ``latency`` is in seconds, ``cost`` in US dollars, ``at`` in UTC
    (empty where a replay found no answer).
    Raises ``StoreError`` if there is no result at all.
    """
    scores = (*NAMES, *scorers)
    rows = [_row(result, scores) for result in sorted(results, key=lambda result: result.trial)]
    if not rows:
        raise StoreError("the run holds no result yet")
    table = pd.DataFrame(rows)
    numbers = [*scores, *(name for name in rows[0] if name.endswith("_tokens")), "latency", "cost", "attempts"]
    return table.astype(dict.fromkeys(numbers, "float64"))


def _row(result: Result, scores: Sequence[str]) -> dict[str, Any]:
    completion, parsed = result.completion, result.parsed
    row: dict[str, Any] = {
        "trial": result.trial,
        "dataset": result.dataset,
        "case": result.case,
        "function": result.function,
        "format": result.format,
        "output": result.output,
        "model": result.model,
        "repeat": result.repeat,
        "arm": result.arm,
        "error": result.error.kind if result.error else None,
    }
    row |= {name: result.scores[name].value if name in result.scores else None for name in scores}
    row |= {
        "chosen": parsed.step.intent if parsed and parsed.step else None,
        "form": parsed.form if parsed else None,
        "stage": parsed.stage if parsed else None,
        "marks": " ".join(parsed.marks) if parsed else "",
        "reason": result.why,
    }
    row |= {f"tokens_{name}": count for name, count in result.tokens.model_dump(by_alias=True).items()}
    usage = completion.usage if completion else None
    row |= {
        "prompt_tokens": usage.prompt if usage else None,
        "answer_tokens": usage.completion if usage else None,
        "cached_tokens": usage.cached if usage else None,
        "reasoning_tokens": usage.reasoning if usage else None,
        "latency": completion.latency if completion else None,
        "cost": completion.cost if completion else None,
        "attempts": completion.attempts if completion else None,
        "finish_reason": completion.finish_reason if completion else None,
        "emulated": completion.emulated if completion else None,
        "at": result.at,
        "answer": completion.text if completion else None,
        "tool_calls": "; ".join(f"{call.name}({call.arguments})" for call in completion.tool_calls) if completion else None,
    }
    return row


def summary(
    table: pd.DataFrame, *, arms: Iterable[str], baselines: Mapping[str, str], scorers: Sequence[str] = ()
) -> pd.DataFrame:
    """Make the table of arms from the table of trials: one row an arm, in the order of ``arms``, indexed by the arm's text.

    ``n`` counts cases with an answer, ``trials`` all trials, ``errors`` those without (in no mean). Repeats are averaged first,
    then cases; over several datasets the mean is that of the datasets' means. ``intent_low`` and ``intent_high`` are the
    95 % Wilson interval over cases. ``harm_k`` of ``harm_n`` cases saw a harmful step in any repeat; ``harm_high`` is the
    one-sided 95 % upper bound. ``prompt_tokens`` and ``answer_tokens`` are the provider's, the mean of a case; ``prompt_ratio``
    divides the totals of the cases that both the arm and its baseline answered. ``seconds`` is the median latency. ``scorers``
    names the user's own scores, whose means are columns of these names.
    """
    averaged = [*NAMES, *scorers, "prompt_tokens", "answer_tokens"]
    cases = {str(arm): _cases(rows, averaged) for arm, rows in table.groupby("arm")}
    rows = []
    for arm in arms:
        if arm not in cases:
            continue
        mine, all_mine = cases[arm], table[table["arm"] == arm]
        answered = all_mine[all_mine["error"].isna()]
        means = {name: _mean(mine[name]) for name in averaged}
        n = len(mine)
        low, high = wilson(means["intent"], n) if n else (float("nan"), float("nan"))
        harm = mine["harm"].dropna()
        k = int((harm > 0).sum())
        function, format, output, model = arm.split(",")
        rows.append(
            {
                "arm": arm,
                "function": function,
                "format": format,
                "output": output,
                "model": model,
                "n": n,
                "trials": len(all_mine),
                "errors": int(all_mine["error"].notna().sum()),
                **{name: means[name] for name in ("intent", "args", "step", "strict", *scorers)},
                "intent_low": low,
                "intent_high": high,
                "harm_k": k,
                "harm_n": len(harm),
                "harm_high": upper_bound(k, len(harm)) if len(harm) else float("nan"),
                "prompt_tokens": means["prompt_tokens"],
                "prompt_ratio": _ratio(mine, cases.get(baselines.get(arm, "")), "prompt_tokens"),
                "answer_tokens": means["answer_tokens"],
                "seconds": answered["latency"].median(),
                "cost": answered["cost"].sum(min_count=1),
                "truncated": (answered["stage"] == "truncated").mean(),
                "text_calls": answered["marks"].str.contains("text_call").mean(),
            }
        )
    return pd.DataFrame(rows).set_index("arm")


def _cases(rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Average the repeats of each case; trials without an answer are left out."""
    answered = rows[rows["error"].isna()]
    return answered.groupby(["dataset", "case"])[columns].mean()


def _mean(values: pd.Series[float]) -> float:
    """Average cases, then datasets with equal weight."""
    return float(values.groupby("dataset").mean().mean())


def _ratio(mine: pd.DataFrame, baseline: pd.DataFrame | None, column: str) -> float:
    if baseline is None:
        return float("nan")
    both = pd.concat({"mine": mine[column], "baseline": baseline[column]}, axis=1, join="inner").dropna()
    return float(both["mine"].sum() / both["baseline"].sum()) if len(both) else float("nan")


def counts(table: pd.DataFrame, column: str, *, arms: Iterable[str]) -> dict[str, dict[str, int]]:
    """Count the values of a column (``chosen``, ``form``, ``stage``) per arm, the most frequent first; missing ones left out."""
    found: dict[str, dict[str, int]] = {}
    for arm in arms:
        values = table.loc[table["arm"] == arm, column].dropna().value_counts()
        found[arm] = {
            str(value): int(count) for value, count in sorted(values.items(), key=lambda item: (-item[1], str(item[0])))
        }
    return found
