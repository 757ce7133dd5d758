"""Tables as logs: the same rows however they are written, and no row that is taken for another."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.errors import LogError
from phrasing.importers import tables
from phrasing.importers.damaged_json import NOT_UTF8
from phrasing.importers.json_stream import Broken, LogEntry
from phrasing.importers.log_files import read_records
from phrasing.importers.pipeline import Options, make_cases
from phrasing.importers.summary import ImportSummary
from support.as_tables import CELLS, as_csv, as_parquet
from support.imported import labels
from support.measured import entries_and_memory
from support.tiers import few
from support.wrapped import SHAPES, TOLD

ROW = {"id": 7, "input": [{"role": "user", "content": 'é, "q"\n;'}], "output": "It is,\nhere.", "name": "a;b", "none": None}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.csv"


def read(path: Path, content: str | bytes, **limits: Any) -> list[Any]:
    path.write_bytes(content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content)
    return [(one.line, one.value if isinstance(one, LogEntry) else one.reason) for one in read_records(path, **limits)]


# ---------------------------------------------------------------------------------------------- the same in every file

WITH_ROWS = [shape for shape in SHAPES if shape != "inspect"]  # a sample says by an empty text that it has no input
TABLES = [(shape, cell) for shape in WITH_ROWS for cell in CELLS]


def cases(path: Path, content: str | bytes) -> list[Any]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    records = (("t", one.value if isinstance(one, LogEntry) else one) for one in read_records(path))
    made = [json.loads(one.line) for one in make_cases(records, Options(), ImportSummary())]
    return [(line["thread"]["events"], labels(line), line.get("tags")) for line in made]


def rows(shape: str, told: str) -> list[dict[str, Any]]:
    """Give the records of a log of which a table has rows: objects by name."""
    return [record for record in SHAPES[shape](TOLD[told]) if isinstance(record, dict)]


@pytest.mark.parametrize(("shape", "cell"), few(TABLES, TABLES[::2]))
def test_the_same_log_as_a_table_gives_the_same_cases(tmp_path: Path, shape: str, cell: str) -> None:
    for told in TOLD:
        if records := rows(shape, told):
            wanted = cases(tmp_path / "log.jsonl", "\n".join(map(json.dumps, records)))
            assert cases(tmp_path / "log.csv", as_csv(records, cell=cell)) == wanted


@pytest.mark.parametrize("shape", WITH_ROWS)
def test_the_same_log_as_parquet_gives_the_same_cases(tmp_path: Path, shape: str) -> None:
    for told in TOLD:
        if records := rows(shape, told):
            wanted = cases(tmp_path / "log.jsonl", "\n".join(map(json.dumps, records)))
            assert cases(tmp_path / "log.parquet", as_parquet(records)) == wanted
            if told in ("words", "a call", "several questions"):  # of one type, and without fields that are null
                with suppress(pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
                    assert cases(tmp_path / "log.parquet", as_parquet(records, typed=True)) == wanted


@given(st.sampled_from(WITH_ROWS), st.sampled_from(list(TOLD)), st.data())
def test_a_cell_that_is_cut_gives_no_case_that_the_whole_one_doesnt(
    tmp_path_factory: Any, shape: str, told: str, data: st.DataObject
) -> None:
    records = rows(shape, told)
    held = [
        (i, name, text)
        for i, record in enumerate(records)
        for name, text in ((name, value if isinstance(value, str) else json.dumps(value)) for name, value in record.items())
        if text[:1] in ("{", "[") and name in tables.CONTENT
    ]
    if not held:
        return
    i, name, text = data.draw(st.sampled_from(held))
    cut = text[: data.draw(st.integers(1, len(text) - 1))]
    log = tmp_path_factory.getbasetemp() / "cut.csv"
    whole = [case for case in cases(log, as_csv(records)) if case[2] is None]
    found = cases(log, as_csv([*records[:i], {**records[i], name: cut}, *records[i + 1 :]]))
    assert all(case in whole for case in found if case[2] is None)


CELL_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)


@given(
    st.lists(st.dictionaries(st.sampled_from(["a", "b b", "input"]), CELL_TEXTS), min_size=1, max_size=4),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
)
def test_any_text_comes_back(tmp_path_factory: Any, found: list[dict[str, str]], sign: str, end: str, encoding: str) -> None:
    log = tmp_path_factory.getbasetemp() / "any.csv"
    records = [{"id": "x", "input": "", **record, "output": "y"} for record in found]
    content = as_csv(records, cell="JSON, also of texts", delimiter=sign, end=end)
    wanted = [{name: value for name, value in record.items() if value} for record in records]
    assert [value for _, value in read(log, content.encode(encoding))] == wanted


# ---------------------------------------------------------------------------------------------- what a cell says


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7),
        ("7.5", 7.5),
        ("true", True),
        ("007", "007"),
        ("1e3", "1e3"),
        ("7.50", "7.50"),
        ("a", "a"),
        ('"a\\n"', "a\n"),
        ("{a}", "{a}"),
        ("[INST] a", "[INST] a"),
        ("['a', None, True, {'b': (1, 2)}]", ["a", None, True, {"b": [1, 2]}]),
        ("{1, 2}", "{1, 2}"),
        ("[]", []),
        ('{"a": 1} b', '{"a": 1} b'),
    ],
)
def test_a_cell_is_what_it_says(log: Path, text: str, value: Any) -> None:
    assert read(log, as_csv([{"meta": text, "id": "x"}])) == [(2, {"meta": value, "id": "x"})]


@pytest.mark.parametrize("text", ["", " ", "null", "NULL", "None", "nan", "\\N", '""'])
def test_a_cell_that_says_nothing_is_left_out(log: Path, text: str) -> None:
    assert read(log, as_csv([{"input": text, "id": "x"}])) == [(2, {"id": "x"})]


@pytest.mark.parametrize("text", ["7", "true", "1e3", "{a}", "[INST] a", "[1] a"])
def test_what_was_asked_or_answered_stays_a_text(log: Path, text: str) -> None:
    assert read(log, as_csv([{"output": text, "id": "x"}])) == [(2, {"output": text, "id": "x"})]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[{"role": "user", "content": "hel', "column 'input': begins as JSON and is none"),
        ("[{'role': 'user'}\n {'role': 'user'}]", "column 'input': begins as JSON and is none"),
        ("{'role': array([1])}", "column 'input': begins as JSON and is none"),
        ('{"a": 1, "a": 2}', "column 'input': key 'a' is given twice in one object"),
        ('["NaN", NaN]', "column 'input': NaN isn't JSON; wanted a number or null"),
        ("x" * 32_767, "a cell of 32,767 characters, of which a spreadsheet cut the rest"),
    ],
    ids=["cut", "numpy", "array", "twice", "NaN", "a spreadsheet's cell"],
)
def test_what_was_to_be_json_makes_no_thread_of_text(log: Path, text: str, reason: str) -> None:
    assert read(log, as_csv([{"input": text, "id": "x"}, ROW]))[0] == (2, reason)


# ---------------------------------------------------------------------------------------------- what is wrong with a table


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('id,input\n1,"a\n', [(2, "a quotation mark that isn't closed takes all that follows: 0 lines")]),
        ('id,input\n1,"a"b\n2,c\n', [(2, "not CSV: ',' expected after '\"'"), (3, {"id": 2, "input": "c"})]),
        ("id,input\n1,a,b\n2\n", [(line, "has another number of cells than the first line") for line in (2, 3)]),
        ("id,id,input\n1,2,a\n", [(1, "two columns are called 'id'")]),
        (",\n1,2\n", [(1, "the first line of a table has to name its columns")]),
        ('"[{""a"": 1}]",x\n1,2\n', [(1, "the first line of a table has to name its columns")]),
        (',id,input\n0,1,a\n\n1,2,"b\n\nc"\n', [(2, {"id": 1, "input": "a"}), (4, {"id": 2, "input": "b\n\nc"})]),
        ("id,input\n1,caf\udce9\n2,b\n", [(2, NOT_UTF8), (3, {"id": 2, "input": "b"})]),
        ("input\nhello\n", [(2, {"input": "hello"})]),
    ],
    ids=["open", "mark", "cells", "twice", "unnamed", "no names", "pandas", "bytes", "one column"],
)
def test_what_is_wrong_with_a_table_is_said(log: Path, content: str, found: list[Any]) -> None:
    assert read(log, content) == found


def test_a_table_without_rows_is_empty(log: Path) -> None:
    with pytest.raises(LogError, match="is empty"):
        read(log, "id,input\n")


@pytest.mark.parametrize("cell", ["x" * 200, "x\n" * 200], ids=["line", "lines"])
def test_a_row_that_is_too_long_ends_the_file(log: Path, cell: str) -> None:
    first, (_, reason) = read(log, as_csv([{"id": 1, "input": "a"}, {"id": 2, "input": cell}, ROW]), longest=100)
    assert first == (2, {"id": 1, "input": "a"})
    assert reason == "longer than 100 characters: the rest of the file isn't read"


@pytest.mark.parametrize("name", ["log", "log.txt", "export.CSV", "log.csv.gz"])
def test_a_table_is_known_by_its_name_or_its_first_line(tmp_path: Path, name: str) -> None:
    assert read(tmp_path / name, as_csv([ROW]))[0][1]["output"] == ROW["output"]
    assert read(tmp_path / name, json.dumps(ROW)) == [(1, ROW)]


def test_lines_of_text_are_no_table(tmp_path: Path) -> None:
    found = read(tmp_path / "log.txt", "hello, you\nthere, now\n")
    assert all("not JSON" in reason for _, reason in found)


MAGIC = [b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"PAR1", b"PK\x03\x04"]


@given(st.binary(max_size=200), st.sampled_from([b"id,input\n", b'"id";"input"\n', b"", *MAGIC]))
def test_no_bytes_stop_a_table(tmp_path_factory: Any, content: bytes, header: bytes) -> None:
    log = tmp_path_factory.getbasetemp() / "bytes.csv"
    log.write_bytes(header + content)
    with suppress(LogError):  # there are no rows
        assert all(isinstance(one, Broken | LogEntry) for one in read_records(log))


PACK = {"": lambda content: content, "gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}
WAYS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "CSV": lambda records: as_csv(records).encode(),
    "Parquet": as_parquet,
    "JSON": lambda records: json.dumps(records).encode(),
}


@given(st.sampled_from(list(WAYS)), st.sampled_from(list(PACK)), st.data())
def test_damage_to_a_file_stops_nothing(tmp_path_factory: Any, way: str, pack: str, data: st.DataObject) -> None:
    log = tmp_path_factory.getbasetemp() / "damage.csv"
    content = PACK[pack](WAYS[way]([ROW] * 20))
    at = data.draw(st.integers(0, len(content) - 1))
    log.write_bytes(data.draw(st.sampled_from([content[:at], content[:at] + b"\xff" + content[at + 1 :]])))
    with suppress(LogError):  # nothing is left
        assert list(read_records(log))


@given(st.data())
def test_a_damaged_row_gives_no_other_one(tmp_path_factory: Any, data: st.DataObject) -> None:
    """A sign too many or too few: each row that comes back is one that was written, or its cells are cut in other places."""
    log = tmp_path_factory.getbasetemp() / "damaged.csv"
    records = [{"id": n, "input": [{"role": "user", "content": f'say "{n}", {n}'}], "output": f"a, {n}"} for n in range(3)]
    text = as_csv(records)
    at = data.draw(st.integers(text.index("\n") + 2, len(text) - 1))
    damaged = data.draw(st.sampled_from([text[:at] + text[at + 1 :], text[:at] + '"' + text[at:], text[:at]]))
    inputs = [json.dumps(record["input"]) for record in records]
    for _, value in read(log, damaged):
        if isinstance(value, dict) and not isinstance(value.get("input", ""), str):
            whole = json.dumps(value["input"])
            assert whole in inputs or abs(len(whole) - len(inputs[0])) <= 2


# ---------------------------------------------------------------------------------------------- Parquet


def test_types_of_parquet_are_written_as_json_has_them(tmp_path: Path) -> None:
    made = as_parquet(
        [
            {
                "when": datetime(2026, 1, 2, tzinfo=UTC),
                "input": {"a": None, "b": [1.5, None]},
                "score": float("nan"),
                "raw": b"{}",
                "text": "7",
            }
        ],
        typed=True,
    )
    assert read(tmp_path / "t.parquet", made) == [
        (1, {"when": "2026-01-02T00:00:00+00:00", "input": {"b": [1.5, None]}, "raw": {}, "text": "7"})
    ]


def test_a_row_that_python_cant_hold_takes_no_others_with_it(tmp_path: Path) -> None:
    raw = pa.array([b"a", b"b", b"\xff", b"d", b"e"])
    text = pa.Array.from_buffers(pa.string(), 5, raw.buffers())
    late = pa.array([0, 0, 0, 10**17, 0], pa.int64()).view(pa.timestamp("ms"))
    pa.parquet.write_table(pa.table({"input": text, "when": late}), tmp_path / "t.parquet")
    found = read(tmp_path / "t.parquet", (tmp_path / "t.parquet").read_bytes())
    assert [number for number, _ in found] == [1, 2, 3, 4, 5]
    assert [value if isinstance(value, str) else value["input"] for _, value in found] == [
        "a",
        "b",
        NOT_UTF8,
        "holds a value that Python has none for, such as a date after 9999",
        "e",
    ]


def test_a_map_is_an_object(tmp_path: Path) -> None:
    kind = pa.map_(pa.string(), pa.int64())
    table = pa.table({"input": pa.array([[("a", 1), ("b", None)]], kind)})
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet", (tmp_path / "t.parquet").read_bytes()) == [(1, {"input": {"a": 1}})]


def test_json_that_breaks_off_in_parquet_is_said(tmp_path: Path) -> None:
    found = read(tmp_path / "t.parquet", as_parquet([{"input": '[{"a'}, {"input": "b"}, {"input": b"\xff"}][:2]))
    assert found == [(1, "column 'input': begins as JSON and is none"), (2, {"input": "b"})]
    assert read(tmp_path / "t.parquet", as_parquet([{"input": b"\xff"}], typed=True)) == [(1, NOT_UTF8)]


def test_damaged_parquet_is_said(tmp_path: Path) -> None:
    whole = as_parquet([ROW] * 100)
    for content in (whole[:-4], whole[: len(whole) // 2], whole[:40] + bytes(200) + whole[240:]):
        ((_, reason),) = read(tmp_path / "t.parquet", content)
        assert "can't be read as Parquet" in reason


def test_parquet_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    found = read(tmp_path / "t.parquet", as_parquet([ROW]))
    assert found == [(1, "is Parquet, which takes a package: pip install 'phrasing[parquet]'")]


def test_few_rows_are_read_at_once_where_they_are_large() -> None:
    class Group:
        def __init__(self, rows: int, size: int) -> None:
            self.num_rows, self.total_byte_size = rows, size

    class Metadata:
        def __init__(self, *groups: Group) -> None:
            self.num_row_groups, self.row_group = len(groups), groups.__getitem__

    assert tables._rows_at_once(Metadata()) == 1_000
    assert tables._rows_at_once(Metadata(Group(10, 100), Group(0, 0))) == 1_000
    assert tables._rows_at_once(Metadata(Group(10, 100), Group(10, 20_000_000))) == 2


@pytest.mark.slow
@pytest.mark.parametrize("way", ["CSV", "Parquet", "Parquet, small groups"])
def test_a_long_table_takes_little_memory(tmp_path: Path, way: str) -> None:
    luck = Random(0)
    records = [{"id": n, "input": json.dumps([str(luck.random()) * 300] * 2), "output": "x"} for n in range(20_000)]
    if way == "CSV":
        log = tmp_path / "log.csv"
        log.write_text(as_csv(records), "utf-8")
    else:
        log = tmp_path / "log.parquet"
        columns = {name: [record[name] for record in records] for name in records[0]}
        pa.parquet.write_table(pa.table(columns), log, row_group_size=500 if "small" in way else None)
    assert sum(len(str(record["input"])) for record in records) > 200_000_000
    found, megabytes = entries_and_memory(log)
    assert found == 20_000
    assert megabytes < 100
