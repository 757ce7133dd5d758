"""What a run's tables and charts show, worked out from whole results one by one: slow, plain, and without any column."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from phrasing.records import Result, RunRecord
from phrasing.runs import store
from phrasing.scores import CORRECT, FORBIDDEN, STORED, public
from phrasing.stats.proportions import proportion
from phrasing.types import CaseNote, Usage

Value = Callable[[Result], float | None]


def results_of(folder: Path, record: RunRecord) -> dict[str, Result]:
    """Read the results that a run has now."""
    return {
        trial: result
        for trial, result in store.results(folder).items()
        if result.variant in record.variants and result.case in record.cases.get(result.dataset, ())
    }


def rows(results: Mapping[str, Result], scorers: Sequence[str]) -> list[dict[str, Any]]:
    """Give the rows of the public table of trials, without what comes from a case's note."""
    return [_row(result, [*STORED, *scorers]) for _, result in sorted(results.items())]


def _row(result: Result, scores: Sequence[str]) -> dict[str, Any]:
    parsed, done = result.parsed, result.completion
    step, usage = parsed and parsed.step, _usage(result)
    return {
        **{name: getattr(result, name) for name in ("trial", "dataset", "case", "function", "edit", "format", "output", "model")},
        "repeat": result.repeat,
        "variant": result.variant,
        "error": result.error.kind if result.error else None,
        **{public(name): result.scores[name].value if name in result.scores else None for name in scores},
        "chosen": step.intent if step else None,
        "form": parsed.form if parsed else None,
        "stage": parsed.stage if parsed else None,
        "marks": " ".join(parsed.marks) if parsed else "",
        "reason": result.why,
        **{f"tokens_{name}": count for name, count in result.tokens.model_dump(by_alias=True).items()},
        "tokens": result.tokens.total,
        "prompt_tokens": usage.prompt,
        "answer_tokens": usage.completion,
        "cached_tokens": usage.cached,
        "reasoning_tokens": usage.reasoning,
        "latency": done and done.latency,
        "cost": done and done.cost,
        "attempts": done and done.attempts,
        "finish_reason": done and done.finish_reason,
        "emulated": done and done.emulated,
        "answer": done.text if done else None,
        "tool_calls": "; ".join(f"{call.name}({call.arguments})" for call in done.tool_calls) if done else None,
    }


def bill(results: Sequence[Result], cases: Mapping[str, Mapping[str, CaseNote]]) -> dict[str, float]:
    """Give the figures of a variant's ``usage.Bill``."""
    billed = [result for result in results if _usage(result).prompt is not None]
    costed = [result for result in results if result.completion and result.completion.cost is not None]
    differences = [_difference(result) for result in billed]
    right, low, high = _share(_by_case(costed, _right), cases)
    return {
        "n": len(_by_case(billed, _difference)),
        "ours": mean(billed, lambda result: result.tokens.total),
        "ours_most": mean(billed, lambda result: result.tokens.most),
        "theirs": mean(billed, lambda result: _usage(result).prompt),
        "difference": mean(billed, _difference),
        "least": min(differences, default=math.nan),
        "most": max(differences, default=math.nan),
        "cached": mean(billed, lambda result: _usage(result).cached),
        "reasoning": mean(billed, lambda result: _usage(result).reasoning),
        "answer": mean(billed, lambda result: _usage(result).completion),
        "cost": mean(costed, lambda result: result.completion and result.completion.cost),
        "right": right,
        "low": low,
        "high": high,
    }


def _usage(result: Result) -> Usage:
    return result.completion.usage if result.completion else Usage()


def _difference(result: Result) -> int:
    theirs = _usage(result).prompt or 0
    return min(max(theirs, result.tokens.total), result.tokens.most) - theirs


def _right(result: Result) -> float | None:
    return result.scores[CORRECT].value if CORRECT in result.scores else None


def _by_case(results: Iterable[Result], value: Value) -> dict[tuple[str, str], float]:
    repeats: dict[tuple[str, str], list[float]] = {}
    for result in results:
        known = value(result)
        if known is not None:
            repeats.setdefault((result.dataset, result.case), []).append(known)
    return {cell: fmean(values) for cell, values in repeats.items()}


def mean(results: Iterable[Result], value: Value) -> float:
    """Average repeats, then cases, then datasets."""
    datasets: dict[str, list[float]] = {}
    for (dataset, _), found in _by_case(results, value).items():
        datasets.setdefault(dataset, []).append(found)
    return fmean(map(fmean, datasets.values())) if datasets else math.nan


def _share(right: Mapping[tuple[str, str], float], cases: Mapping[str, Mapping[str, CaseNote]]) -> tuple[float, float, float]:
    if not right:
        return math.nan, math.nan, math.nan
    cells = sorted(right)
    groups = [cases[dataset][case].group or case for dataset, case in cells]
    return proportion([right[cell] for cell in cells], groups, [dataset for dataset, _ in cells])


def segments(results: Sequence[Result]) -> dict[str, float]:
    """Average the tokens of each segment that has any."""
    names = ("instructions", "schema_", "examples", "thread", "question", "framing", "spread")
    found = {name.rstrip("_"): mean(results, lambda result, name=name: getattr(result.tokens, name)) for name in names}
    return {name: value for name, value in found.items() if value}


def lengths(results: Sequence[Result], notes: Mapping[str, Mapping[str, CaseNote]]) -> list[tuple[int, float]]:
    """Average the tokens of prompts by the events in their thread."""
    totals: dict[int, dict[tuple[str, str], int]] = {}
    for result in sorted(results, key=lambda result: result.trial):
        if result.tokens.spread:
            return []
        if events := notes[result.dataset][result.case].events:
            totals.setdefault(events, {})[result.dataset, result.case] = result.tokens.total
    return [(events, sum(found.values()) / len(found)) for events, found in sorted(totals.items())]


def spread(results: Sequence[Result]) -> list[tuple[float, ...]]:
    """Give the quantiles of seconds, dollars and answer tokens."""
    done = [result.completion for result in results if result.completion and not result.error]
    columns = [[one.latency for one in done], [one.cost for one in done], [one.usage.completion for one in done]]
    known = [[value for value in column if value is not None] for column in columns]
    return [tuple(np.quantile(column, (0.5, 0.9, 0.99)).tolist()) if column else (math.nan,) * 3 for column in known]


def harmful(results: Iterable[Result]) -> list[tuple[str, str]]:
    """List the trials that picked a forbidden step, and which."""
    found = [result for result in results if FORBIDDEN in result.scores and result.scores[FORBIDDEN].value]
    return [(one.trial, one.parsed.step.intent if one.parsed and one.parsed.step else "") for one in found]


def counts(results: Iterable[Result], value: Callable[[Result], str | None]) -> dict[str, int]:
    """Count values, frequent ones first."""
    counted = Counter(known for result in results if (known := value(result)) is not None)
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def errors(results: Mapping[str, Result]) -> dict[str, tuple[int, str]]:
    """Count the trials without an answer by kind, with the message of the first."""
    messages: dict[str, list[str]] = {}
    for _, result in sorted(results.items()):
        if result.error:
            messages.setdefault(result.error.kind, []).append(result.error.message)
    return {kind: (len(said), said[0]) for kind, said in sorted(messages.items())}


def failures(results: Iterable[Result], names: Iterable[str]) -> dict[str, int]:
    """Count how often each scorer failed."""
    listed = list(results)
    return {name: sum(name in result.scores and result.scores[name].failed for result in listed) for name in names}


def unchanged(variant: str, mine: Mapping[str, Result], theirs: Mapping[str, Result]) -> bool:
    """Whether both gave the same answers to the same requests, in each case that both answered."""
    one, other = (_answers(variant, results) for results in (mine, theirs))
    both = one.keys() & other.keys()
    return bool(both) and all(one[case] == other[case] for case in both)


def _answers(variant: str, results: Mapping[str, Result]) -> dict[tuple[str, str], dict[int, object]]:
    found: dict[tuple[str, str], dict[int, object]] = {}
    for one in results.values():
        if one.variant == variant and one.completion and not one.error:
            said = one.completion.text, one.completion.tool_calls, one.completion.finish_reason
            found.setdefault((one.dataset, one.case), {})[one.repeat] = (one.key, *said)
    return found
