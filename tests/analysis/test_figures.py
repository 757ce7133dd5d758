"""The figures that reports draw: equal to those of the tables, by tag, length and turn, and what did harm."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import phrasing
from phrasing.analysis.figures import SPREAD, Figures, Span
from phrasing.analysis.run import Run
from phrasing.types import Completion, Request
from support.tiny_runs import CASES, cache, case, obey, says, world

__all__ = ["cache"]


def figures(run: Run) -> Figures:
    (found,) = run.figures()
    return found


def test_points_are_the_figures_of_the_table(tmp_path: Path) -> None:
    run = phrasing.run(world(tmp_path, repeats=2), complete=obey)
    summary = run.summary()
    for point in figures(run).points:
        row = summary.loc[point.variant]
        assert (point.n, point.score) == (row["n"], Span(row["correct"], row["correct_low"], row["correct_high"]))
        assert point.tokens.value == row["prompt_tokens"]
        assert point.tokens.low <= point.tokens.value <= point.tokens.high
        assert not point.counted


def test_the_front_is_what_none_beats_in_both(tmp_path: Path) -> None:
    def answers(dear: str) -> Any:
        async def complete(request: Request) -> Completion:
            tagged = "<mail>" in str(request.messages)
            return says(dear if tagged else "send", prompt=100 if tagged else 80)

        return complete

    better = figures(phrasing.run(world(tmp_path), complete=answers("ask"))).points
    assert [(point.variant.split(",")[2], point.front, point.baseline) for point in better] == [
        ("lines", True, True),
        ("tags", True, False),
    ]
    same = figures(phrasing.run(world(tmp_path), complete=answers("send"))).points
    assert [point.front for point in same] == [True, False]


def test_agents_with_other_cases_have_no_common_front(tmp_path: Path) -> None:
    agents = [{"dataset": name, "functions": ["DetermineNextStepMail"]} for name in ("mail", "post")]
    functions = [*agents[:1], {"dataset": "post", "functions": ["DetermineNextStepMailTerse"]}]
    suite = world(tmp_path, datasets={"mail": CASES, "post": CASES}, agents=functions, baseline={})
    assert not any(point.front for point in figures(phrasing.run(suite, complete=obey)).points)


def test_cases_are_told_apart_by_tag_length_and_turn(tmp_path: Path) -> None:
    events = [{"type": "mail", "data": {"text": f"reply: send {i}"}} for i in range(4)]
    cases = [
        case(f"b-{i}", tags=["even"] if i % 2 == 0 else ["rare"] * (i == 1), turn=i % 3 + 1)
        | {"thread": {"events": events[: i % 4 + 1]}}
        for i in range(12)
    ]
    run = phrasing.run(world(tmp_path, cases=cases), complete=obey)
    found = figures(run)
    assert {level.name for level in found.levels["tag"]} == {"even"}
    assert [(level.name, level.n) for level in found.levels["events"]][::2] == [("1", 3), ("2", 3), ("3", 3), ("4", 3)]
    assert [(level.name, level.n) for level in found.levels["turn"]][::2] == [("1", 4), ("2", 4), ("3", 4)]
    assert [events for events, _ in next(iter(found.lengths.values()))] == [1, 2, 3, 4]
    assert [sum(parts.values()) for parts in found.segments.values()] == list(run.summary()["tokens"])


def test_forbidden_is_listed_with_what_was_forbidden(tmp_path: Path) -> None:
    found = figures(phrasing.run(world(tmp_path), complete=obey))
    assert [(one.case, one.chosen, [step.intent for step in one.forbidden]) for one in found.harm] == [
        ("a-4", "send", ["send"])
    ] * 2


def test_quantiles_are_of_answers_alone(tmp_path: Path) -> None:
    found = figures(phrasing.run(world(tmp_path), complete=obey))
    assert [one.seconds for one in found.spreads] == [(0.5, 0.5, 0.5)] * 2
    assert all(math.isnan(value) for one in found.spreads for value in one.cost)


def test_counts_that_are_ranges_are_no_numbers_to_compare(tmp_path: Path) -> None:
    run = phrasing.run(world(tmp_path, outputs=["prompted", "tool"], baseline={"output": "prompted"}), complete=obey)
    found, summary = figures(run), run.summary()
    for variant, parts in found.segments.items():
        ranged = variant.split(",")[3] == "tool"
        results = [result for result in run.results.values() if result.variant == variant]
        assert parts.get(SPREAD, 0) == sum(result.tokens.spread for result in results) / len(results)
        assert (SPREAD in parts) is math.isnan(summary.loc[variant]["tokens"]) is ranged
        assert bool(found.lengths[variant]) is not ranged
