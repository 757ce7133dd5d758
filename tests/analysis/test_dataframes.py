"""The public tables: one row a trial, a variant, a comparison; public names of scores, and types that pandas can use."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest

import phrasing
from phrasing.analysis import dataframes
from phrasing.analysis.run import Run
from phrasing.errors import CompletionError
from phrasing.scores import NAMES, STORED
from phrasing.suite.schema import Comparing
from phrasing.types import Completion, Request
from support.tiny_runs import CASES, cache, case, obey, says, world

__all__ = ["cache"]

LABELS = [{"intent": "send", "args": {"to": "ann"}}, {"intent": "ask"}]


async def flaky(request: Request) -> Completion:
    if "a-2" in str(request.messages):
        raise CompletionError("transient", "HTTP 503")
    return await obey(request)


async def hurt_by_tags(request: Request) -> Completion:
    return says("finish") if "<mail>" in str(request.messages) else await obey(request)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    first = {**case("a-1"), "expect": LABELS, "tags": ["short", "two steps"], "group": "talk", "turn": 3}
    return phrasing.run(world(tmp_path, cases=[first, *CASES[1:]]), complete=hurt_by_tags)


def test_scores_have_public_names_and_nothing_stored_is_left(run: Run) -> None:
    for table in (run.trials(), run.summary()):
        columns = set(table.columns)
        assert {"intent", "arguments", "correct", "valid"} <= columns
        assert not columns & {"args", "step", "strict", "harm", "cluster", "step_low", "harm_k", "random"}
    assert [name for name in run.trials().columns if name in NAMES] == list(NAMES)


def test_a_scorer_of_the_suites_own_keeps_its_name() -> None:
    assert dataframes._public(["valid"]) == {one: two for one, two in zip(STORED, NAMES, strict=True) if two != "valid"}


def test_what_is_known_of_a_case_and_both_steps(run: Run) -> None:
    row = run.trials().set_index("case").loc["a-1"].iloc[0]
    assert (row["group"], row["turn"], row["tags"], row["strength"]) == ("talk", 3, "short, two steps", "written")
    assert (row["expected"], json.loads(row["expected_arguments"])) == ("send or ask", [{"to": "ann"}, {}])
    assert (row["chosen"], json.loads(row["chosen_arguments"])) == ("send", {"to": "ann", "urgent": False})
    alone = run.trials().set_index("case").loc["a-2"].iloc[0]
    assert alone["group"] == "a-2"
    assert pd.isna(alone["turn"])


def test_how_likely_answers_were_has_a_column_where_any_provider_says_so(tmp_path: Path) -> None:
    async def sure(request: Request) -> Completion:
        answer = await obey(request)
        return answer.model_copy(update={"logprobs": (("{", -0.5), ("}", -0.25))}) if "a-1" in str(request.messages) else answer

    suite = world(tmp_path)
    table = phrasing.run(suite, complete=sure).trials().set_index("case")
    assert set(table.loc["a-1", "logprob"]) == {-0.75}
    assert table.loc["a-2", "logprob"].isna().all()
    assert list(table.columns[-3:]) == ["at", "answer", "tool_calls"]
    assert "logprob" not in phrasing.run(suite, complete=obey).trials()


def test_columns_have_the_types_of_what_they_hold(tmp_path: Path) -> None:
    table = phrasing.run(world(tmp_path), complete=flaky).trials()
    kinds: dict[str, set[str]] = {}
    for name, kind in table.dtypes.items():
        kinds.setdefault(str(kind), set()).add(str(name))
    assert set(NAMES) | {"latency", "cost"} <= kinds["float64"]
    assert {"prompt_tokens", "answer_tokens", "attempts", "turn"} <= kinds["Int64"]
    assert {"tokens", "tokens_thread", "repeat"} <= kinds["int64"]
    assert {"dataset", "function", "edit", "format", "output", "model", "variant", "error", "stage"} <= kinds["category"]
    assert isinstance(table["at"].dtype, pd.DatetimeTZDtype)


def test_axes_are_in_the_order_of_the_run(run: Run) -> None:
    table = run.trials()
    assert list(table["format"].cat.categories) == ["lines", "tags"]
    assert list(table["variant"].cat.categories) == list(run.record.variants)
    assert dict(table.groupby("format", observed=True)["correct"].mean()) == dict(
        zip(run.summary()["format"], run.summary()["correct"], strict=True)
    )


def test_csv_has_times_as_they_are_stored(run: Run) -> None:
    read = pd.read_csv(io.StringIO(dataframes.csv(run.trials())))
    assert dict(zip(read["trial"], read["at"], strict=True)) == {name: result.at for name, result in run.results.items()}
    assert set(read["prompt_tokens"].dropna()) == {80, 100}


def test_parquet_gives_the_same_csv(run: Run) -> None:
    table = run.trials()
    assert dataframes.csv(pd.read_parquet(io.BytesIO(dataframes.parquet(table)))) == dataframes.csv(table)


def test_a_table_is_the_readers_own(run: Run) -> None:
    for make in (run.trials, run.summary, run.compare):
        changed = make()
        changed.iloc[0, 0] = changed.iloc[-1, 0]
        del changed[changed.columns[-1]]
        assert len(make().columns) == len(changed.columns) + 1


# ---------------------------------------------------------------------------------------------- comparing


def test_compare_is_a_table_of_the_comparison(run: Run) -> None:
    table, (found,) = run.compare(), run.comparison().contrasts
    assert list(table.index) == [found.variant]
    row = table.iloc[0]
    assert (row["baseline"], row["verdict"], row["n"]) == (found.baseline, "inconclusive", found.n)
    assert (row["score"], row["baseline_score"], row["difference"]) == (found.mine, found.theirs, found.difference)
    assert (row["p"], row["p_corrected"]) == (found.p, found.corrected)
    assert row["won"] + row["lost"] + row["tied"] == found.n
    assert row["prompt_tokens_ratio"] == found.ratios["prompt_tokens"].value
    assert run.compare(settings=Comparing(score="intent")).loc[found.variant, "difference"] < 0


def test_compare_with_another_run_or_its_folder(run: Run) -> None:
    itself = run.compare(run)
    assert set(itself["verdict"]) == {"unchanged"}
    assert itself.equals(run.compare(run.folder))
    assert itself.equals(run.compare(str(run.folder)))


def test_nothing_to_compare_is_an_empty_table(tmp_path: Path) -> None:
    table = phrasing.run(world(tmp_path, formats=["lines"]), complete=obey).compare()
    assert len(table) == 0
    assert {"baseline", "verdict", "difference", "cost_ratio_high"} <= set(table.columns)


# ---------------------------------------------------------------------------------------------- finding a run


def test_a_run_is_found_by_folder_word_or_suite(run: Run) -> None:
    runs = run.folder.parent.parent
    assert run.folder.name in repr(Run(str(run.folder)))
    for found in (
        phrasing.load(run.folder),
        phrasing.load(str(run.folder)),
        phrasing.load(runs=runs),
        phrasing.load("latest", suite="small", runs=str(runs)),
        phrasing.load("small", runs=runs),
        Run(str(run.folder)),
    ):
        assert found.folder == run.folder
        assert found.record == run.record
    with pytest.raises(phrasing.UserError, match=r"the newest runs: .*small"):
        phrasing.load("large", runs=runs)
