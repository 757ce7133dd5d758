"""What holds for every importer: it knows its own records, and nothing that a file may hold stops it."""

from __future__ import annotations

import copy
import os
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.importers import registry
from phrasing.importers.pipeline import Options, make_cases
from phrasing.importers.summary import ImportSummary
from phrasing.suite import dataset
from support.broken_records import JSON, broken
from support.log_records.every_importer import RECORDS


def test_every_importer_has_records_here() -> None:
    assert set(RECORDS) == {name for name in registry.OURS if hasattr(registry.load_importer(name), "fits")}


@pytest.mark.parametrize(
    ("name", "record"),
    [pytest.param(name, record, id=f"{name}{i}") for name in RECORDS for i, record in enumerate(RECORDS[name])],
)
def test_a_record_is_known_for_what_it_is(name: str, record: Any) -> None:
    assert registry.detect(record) == name


@pytest.mark.parametrize("name", RECORDS)
def test_an_importer_changes_nothing_that_it_reads(name: str) -> None:
    for record in RECORDS[name]:
        kept = copy.deepcopy(record)
        list(registry.load_importer(name).read(record))
        assert record == kept


# ---------------------------------------------------------------------------------------------- whatever comes


def holds(record: Any, importer: str | None) -> None:
    """Import a record; whatever became of it is accounted for, and a dataset takes every line."""
    account = ImportSummary()
    made = list(make_cases([("log.jsonl:1", record)], Options(), account, importer=importer))
    assert made or account.left or account.conversations or account.records
    list(account.lines())
    if made:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "made.jsonl").write_bytes(b"\n".join(one.line for one in made))
            assert len(dataset.load(Path(folder, "made.jsonl")).cases) == len(made)


@given(JSON, st.sampled_from([None, *RECORDS]))
def test_no_json_stops_an_importer(record: Any, importer: str | None) -> None:
    holds(record, importer)


@given(st.sampled_from([(name, i) for name in RECORDS for i in range(len(RECORDS[name]))]), st.integers(0, 2**32), st.booleans())
def test_no_broken_record_stops_an_importer(which: tuple[str, int], seed: int, named: bool) -> None:
    name, i = which
    holds(broken(RECORDS[name][i], random.Random(seed)), name if named else None)


FUZZ = int(os.environ.get("FUZZ", "5000"))
"""Broken records an importer and way: ``FUZZ=100000 pytest -m slow THIS_FILE`` takes a quarter of an hour."""


@pytest.mark.slow
@pytest.mark.parametrize("named", [True, False], ids=["named", "detected"])
@pytest.mark.parametrize("name", RECORDS)
def test_thousands_of_broken_records_stop_no_importer(name: str, named: bool) -> None:
    luck = random.Random(f"broken {name} {named}")
    account = ImportSummary()
    records = (broken(luck.choice(RECORDS[name]), luck) for _ in range(FUZZ))
    entries = ((f"log.jsonl:{i}", record) for i, record in enumerate(records))
    made = make_cases(entries, Options(), account, importer=name if named else None)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "made.jsonl").write_bytes(b"\n".join(one.line for one in made))
        assert len(dataset.load(Path(folder, "made.jsonl")).cases) > FUZZ / 10
