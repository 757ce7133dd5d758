"""Every request that is recorded in reports/reference is the one that its suite sends now, to the byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from phrasing.plan.resolve import resolve
from phrasing.runs import run_folders, store
from phrasing.suite.file import load_suite
from support.paths import REPOSITORY

SUITES = run_folders.recorded(REPOSITORY / run_folders.RECORDINGS)


@pytest.mark.slow
@pytest.mark.parametrize("suite", SUITES)
def test_every_recorded_key_is_that_of_the_request_now(suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    resolved = resolve(load_suite(Path("evals") / f"{suite}.yaml"))
    recorded = store.results(run_folders.RECORDINGS / suite)
    record = store.read_run(run_folders.RECORDINGS / suite)
    now = {trial.id: resolved.request(trial, resolved.prompt(trial)).key for trial in resolved.trials}
    assert now == {name: result.key for name, result in recorded.items()}
    assert record.resolved == resolved.suite.stored
    assert record.variants == tuple(map(str, resolved.variants))
    assert record.formats.keys() == resolved.formats.keys()


def test_there_are_recordings() -> None:
    assert len(SUITES) >= 15


@pytest.mark.parametrize("suite", SUITES)
def test_a_recorded_run_is_written_as_it_is_read(suite: str, tmp_path: Path) -> None:
    folder = REPOSITORY / run_folders.RECORDINGS / suite
    store.write_run(tmp_path, store.read_run(folder))
    assert (tmp_path / run_folders.RUN).read_bytes() == (folder / run_folders.RUN).read_bytes()
