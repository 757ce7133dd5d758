"""Charts by the number of the step: how many runs get so far, and how prompts grow."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.analysis import step_figures
from phrasing.analysis.figures import ByStep
from phrasing.analysis.run import Run
from phrasing.records import TokenCounts
from phrasing.report.charts import steps
from phrasing.report.charts.run import charts_of
from phrasing.types import Completion, Usage
from support.tiny_rollouts import ran
from support.tiny_runs import cache, result

__all__ = ["cache"]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.one_of(st.none(), st.integers(1, 30)))))
def test_the_share_of_runs_that_get_so_far(runs: list[tuple[str, int | None]]) -> None:
    table = pd.DataFrame(runs, columns=["variant", "steps"]).astype({"steps": "float64"})
    found = step_figures.going(table, ["a", "b"])
    for variant, line in found.items():
        lengths = [steps for name, steps in runs if name == variant and steps is not None]
        assert [number for number, _ in line] == list(range(1, max(lengths, default=0) + 1))
        for number, share in line:
            assert share == pytest.approx(sum(steps >= number for steps in lengths) / len(lengths))


def test_tokens_are_the_providers_or_ours_where_they_are_no_range() -> None:
    done = Completion(usage=Usage(prompt=7))
    exact, ranged = TokenCounts(thread=5), TokenCounts(thread=5, spread=9)
    assert step_figures.tokens_of("v", result(step=2, tokens=ranged, completion=done)) == ("v", 2, 7)
    assert step_figures.tokens_of("v", result(step=2, tokens=exact)) == ("v", 2, 5)
    assert step_figures.tokens_of("v", result(step=2, tokens=ranged)) == ("v", 2, None)
    assert step_figures.prompts([("v", 1, 4), ("v", 1, 6), ("v", 2, None), ("w", 1, 3)], ["v"]) == {"v": [(1, 5.0)]}


def test_a_report_of_runs_draws_them_in_its_own_words(cache: None, tmp_path_factory: pytest.TempPathFactory) -> None:
    done: Run = ran(tmp_path_factory.mktemp("rollouts"))
    (figures,) = done.figures()
    assert figures.by_step is not None
    lengths = Counter(result.outcome.steps for result in done.results.values() if result.outcome and result.format == "lines")
    (lines,) = [line for variant, line in figures.by_step.going.items() if ",lines," in variant]
    assert lines == [(1, 1.0), (2, 1.0), (3, lengths[3] / 5)]
    drawn = {chart.name: chart for chart in charts_of(figures, done.report())}
    assert {"steps-going", "steps-tokens", "accuracy-tokens"} <= drawn.keys()
    assert "length" not in drawn
    assert "half of them up to step 3, the longest up to step 4" in drawn["steps-going"].alt
    assert drawn["accuracy-tokens"].alt.startswith("Success against mean tokens of the prompts of a run: ")
    assert " of 5 tasks " in drawn["accuracy-tokens"].alt


def test_runs_of_one_step_have_no_chart() -> None:
    found = ByStep({"v": [(1, 1.0)]}, {"v": [(1, 100.0)]})
    assert steps.going(found, {"v": "v"}) is None
    assert steps.prompts(found, {"v": "v"}) is None
