"""Shards of a run: put together they are the run in one piece, and what isn't all of one run is refused."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

import phrasing
from phrasing import api
from phrasing.analysis import dataframes
from phrasing.analysis.run import Run
from phrasing.errors import CompletionError, StoreError, SuiteError
from phrasing.records import RunRecord
from phrasing.report.markdown import markdown
from phrasing.runs import shards, store
from phrasing.types import Completion, Request
from support.tiers import few
from support.tiny_runs import Model, cache, case, obey, record, world

__all__ = ["cache"]

REPLIES = ["send", "ask", "finish", "look_up"]


def reports(run: Run) -> tuple[str, str]:
    fresh = Run(run.folder)
    return markdown(fresh.report()), fresh.trials().pipe(dataframes.csv)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in one piece of 42 cases in 6 blocks: two datasets, variants of one dataset, errors, a requirement."""
    cases = [case(f"a-{i}", reply=REPLIES[i % 4], expect=REPLIES[i % 3], forbid="look_up") for i in range(30)]
    more = [case(f"b-{i}", reply="ask", expect=REPLIES[i % 2], group=f"g-{i // 3}") for i in range(12)]
    suite = world(
        tmp_path_factory.mktemp("whole"),
        datasets={"mail": cases, "more": more},
        agents=[
            {"dataset": "mail", "functions": ["DetermineNextStepMail"]},
            {"dataset": "more", "functions": ["DetermineNextStepMail", "DetermineNextStepMailTerse"]},
        ],
        require=[{"score": "intent", "min": 0.1}],
    )

    async def flaky(request: Request) -> Completion:
        if "a-7," in str(request.messages):
            raise CompletionError("transient", "HTTP 503")
        return await obey(request)

    return phrasing.run(suite, complete=flaky)


@pytest.fixture(scope="module")
def its_reports(whole: Run) -> tuple[str, str]:
    return reports(whole)


def suite_of(run: Run) -> Path:
    return run.folder.parents[2] / "evals" / "small.yaml"


def parts(run: Run, runs: Path, of: int, **options: Any) -> list[Run]:
    """Replay a run in shards."""
    numbers = range(1, of + 1)
    return [phrasing.run(suite_of(run), runs=runs, replay=run.folder, shard=f"{i}/{of}", **options) for i in numbers]


# ---------------------------------------------------------------------------------------------- put together


@pytest.mark.parametrize("of", few(range(1, 6), [3]))
def test_merged_run_is_the_run_in_one_piece(whole: Run, its_reports: tuple[str, str], tmp_path: Path, of: int) -> None:
    pieces = parts(whole, tmp_path, of)
    random.Random(of).shuffle(pieces)
    merged = api.merge(pieces, runs=tmp_path)
    assert reports(merged) == its_reports
    assert "## Gates" in its_reports[0]
    assert merged.results == whole.results
    assert merged.unanswered == 2
    own = {name: getattr(whole.record, name) for name in ("started", "finished")}
    assert merged.record.model_copy(update=own) == whole.record
    assert merged.record.started == min(piece.record.started for piece in pieces)
    assert merged.record.finished == max(piece.record.finished or "" for piece in pieces)
    assert store.prompts(merged.folder) == store.prompts(whole.folder)
    lines = (merged.folder / "prompts.jsonl").read_text().splitlines()
    assert len(lines) == len(set(lines)) == len(store.prompts(whole.folder))


@pytest.mark.slow
def test_merged_selection_is_the_selection_in_one_piece(whole: Run, tmp_path: Path) -> None:
    options: dict[str, Any] = {"select": "tags and not b-1", "cases": 35, "repeats": 2}
    piece = phrasing.run(suite_of(whole), runs=tmp_path, replay=whole.folder, **options)
    merged = api.merge(parts(whole, tmp_path, 3, **options), runs=tmp_path)
    assert merged.record.part == piece.record.part == "-n 35 -k 'tags and not b-1'"
    assert reports(merged) == reports(piece)


def test_merged_run_can_be_brought_up_to_date(whole: Run, tmp_path: Path) -> None:
    merged = api.merge(parts(whole, tmp_path, 2), runs=tmp_path)
    model = Model()
    done = phrasing.run(suite_of(whole), resume=merged.folder, complete=model)
    assert (len(model.asked), done.unanswered) == (2, 0)


@pytest.mark.slow
def test_shard_is_said_to_be_a_part_and_evaluates_nothing(whole: Run, tmp_path: Path) -> None:
    first = parts(whole, tmp_path, 3)[0]
    assert (first.record.shard, first.record.partial, first.record.part) == ("1/3", None, "--shard 1/3")
    assert first.report().gates == ()
    assert "Only a part of the suite was asked (--shard 1/3)." in reports(first)[0]
    assert 16 <= sum(len(cases) for cases in first.record.cases.values()) < 24


def test_shard_resumed_stays_one(whole: Run, tmp_path: Path) -> None:
    first = parts(whole, tmp_path, 3)[0]
    again = phrasing.run(suite_of(whole), resume=first.folder, shard="1/3", complete=obey)
    assert again.record.shard == "1/3"
    assert again.unanswered == 0


# ---------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0", "", "-1/2", "1/2/3"])
def test_shard_that_is_none(tmp_path: Path, shard: str) -> None:
    with pytest.raises(SuiteError, match=r"--shard .*: wanted i/n, i from 1 to n, such as 2/5"):
        phrasing.run(world(tmp_path), shard=shard, complete=obey)


def test_more_shards_than_blocks(tmp_path: Path) -> None:
    with pytest.raises(
        SuiteError, match=r"--shard '1/2': 2 shards need as many blocks of whole groups \(8 cases or more\); there are 1"
    ):
        phrasing.run(world(tmp_path), shard="1/2", complete=obey)


REFUSED: dict[str, tuple[list[RunRecord], str]] = {
    "none": ([], "all missing"),
    "not a shard": ([record(shard="1/2"), record()], "r1: isn't a shard"),
    "one missing": ([record(shard="1/3"), record(shard="3/3")], "not all shards of the run: 2/3 missing"),
    "one twice": ([record(shard="1/2"), record(shard="1/2")], "r1: is shard 1/2, and so is r0"),
    "of several": ([record(shard="1/2"), record(shard="2/3")], "different runs: r0 is 1/2, r1 is 2/3"),
    "suite": ([record(shard="1/2"), record(shard="2/2", suite="other")], "r1: isn't .* as r0: suite differs"),
    "selection": ([record(shard="1/2", partial="-n 9"), record(shard="2/2")], "partial differs"),
    "version": ([record(shard="1/2"), record(shard="2/2", versions={"phrasing": "2"})], "versions.phrasing differs"),
    "format": (
        [record(shard="1/2"), record(shard="2/2", formats={"lines": {"digest": "x"}})],
        "formats.lines.digest differs",
    ),
    "edit": ([record(shard="1/2"), record(shard="2/2", edits={"keep_events(3)": {"digest": "x"}})], "edits.*differs"),
    "dataset": ([record(shard="1/2"), record(shard="2/2", datasets={"mail": "x"})], "datasets.mail differs"),
    "resolved": ([record(shard="1/2"), record(shard="2/2", resolved={"seed": 1})], "resolved.agents differs"),
}


@pytest.mark.parametrize(("records", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_all_of_one_run(records: list[RunRecord], message: str) -> None:
    with pytest.raises(StoreError, match=message):
        shards.unite({Path(f"r{i}"): each for i, each in enumerate(records)})


def test_what_shards_may_differ_in() -> None:
    one = record(shard="1/2", finished="2030-01-02T05:00:00Z", stopped={"m": "a key", "o": "full"}, commit="1" * 40)
    other = {"finished": None, "stopped": {"m": "no connection"}, "commit": "2" * 40, "started": "2030-01-01T00:00:00Z"}
    made = shards.unite({Path("a"): one, Path("b"): record(shard="2/2", trials=3, **other)})
    assert (made.shard, made.trials, made.commit, made.finished) == (None, 4, None, None)
    assert made.started == "2030-01-01T00:00:00Z"
    assert made.stopped == {"m": "a key; no connection", "o": "full"}
