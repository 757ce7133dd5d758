"""The steps of agents that were run to their end, in Python: results by address, and a table of one row a step."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest

from phrasing.analysis.run import Run
from phrasing.runs import run_folders
from support.tiny_rollouts import ran
from support.tiny_runs import cache, obey, world

__all__ = ["cache"]

TAGS = "DetermineNextStepMail@talk,none,tags,prompted,scripted"


@pytest.fixture(scope="module")
def done(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return ran(tmp_path_factory.mktemp("rollouts"))


def copied(done: Run, folder: Path, lines: list[str], *, packed: bool = False) -> Run:
    """A run of these lines of results; ``packed``: a recording."""
    folder.mkdir()
    for name in (run_folders.RUN, *(() if packed else (run_folders.PROMPTS,))):
        (folder / name).write_bytes((done.folder / name).read_bytes())
    text = "".join(lines).encode()
    (folder / (run_folders.PACKED if packed else run_folders.RESULTS)).write_bytes(gzip.compress(text) if packed else text)
    return Run(folder)


def test_a_row_is_a_step(done: Run) -> None:
    table = done.steps_table()
    assert len(table) == len(done.steps) == sum(result.outcome.steps for result in done.results.values() if result.outcome)
    assert [f"{trial}/{step}" for trial, step in zip(table["trial"], table["step"], strict=True)] == sorted(done.steps)
    rows = table[table["trial"] == f"mail::t-2[{TAGS}]#0"]
    assert rows["chosen"].tolist() == ["look_up", "ask", "send", "finish"]
    assert rows["now"].tolist() == [0.0, 1.0, 62.0, 63.0]
    assert rows["shown"].tolist() == ["look_up_result", "human_response", "send_result", ""]
    assert rows["effects"].tolist() == ["looked_up", "", "sent", ""]
    assert json.loads(rows["chosen_arguments"].iloc[2]) == {"to": "ann", "urgent": False}
    assert rows["control"].tolist() == ["talk"] * 4
    assert rows["prompt_tokens"].dtype == "Int64"
    assert rows["tokens_thread"].is_monotonic_increasing
    harm = table[table["harm"] > 0]
    assert harm["trial"].str.partition("[")[0].tolist() == ["mail::t-5"]
    unread = table[table["chosen"].isna()]
    assert len(unread) == 1
    assert unread["reason"].notna().all()


def test_sums_of_steps_are_those_of_trials(done: Run) -> None:
    sums = done.steps_table().groupby("trial")[["tokens", "prompt_tokens", "answer_tokens", "latency"]].sum()
    trials = done.trials().set_index("trial")[["tokens", "prompt_tokens", "answer_tokens", "latency"]]
    pd.testing.assert_frame_equal(sums.sort_index(), trials.sort_index(), check_dtype=False)


def test_a_recording_lacks_what_happened(done: Run, tmp_path: Path) -> None:
    lines = (done.folder / run_folders.RESULTS).read_text().splitlines(keepends=True)
    table = copied(done, tmp_path / "recorded", lines, packed=True).steps_table()
    assert len(table) == len(done.steps)
    assert table[["now", "shown", "effects", "harm"]].isna().all(axis=None)
    bare = copied(done, tmp_path / "bare", [line for line in lines if '"step":' not in line.partition('"key"')[0]], packed=True)
    assert len(bare.results) == 10
    assert len(bare.steps_table()) == 0
    assert list(bare.steps_table().columns) == list(table.columns)


def test_steps_of_an_earlier_longer_run_of_a_trial_are_left_out(done: Run, tmp_path: Path) -> None:
    lines = (done.folder / run_folders.RESULTS).read_text().splitlines(keepends=True)
    longer = [line for line in lines if f"t-2[{TAGS}]#0/4" in line]
    stale = [line.replace("#0/4", "#0/5").replace('"step":4', '"step":5') for line in longer]
    run = copied(done, tmp_path / "stale", [*stale, *lines])
    assert sorted(run.steps) == sorted(done.steps)


def test_a_run_of_single_steps_has_none(cache: None, tmp_path: Path) -> None:
    import phrasing

    run = phrasing.run(world(tmp_path), complete=obey)
    assert len(run.steps) == 0
    assert len(run.steps_table()) == 0
