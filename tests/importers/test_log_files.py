from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phrasing.errors import LogError
from phrasing.importers import packed
from phrasing.importers.json_stream import Broken, LogEntry
from phrasing.importers.log_files import read_records
from support.as_tables import as_parquet

ONE, TWO = {"messages": [{"role": "user", "content": "é\u2028\n"}]}, {"id": 2, "n": [1.5, None, True]}
LINES = "".join(json.dumps(one) + "\n" for one in (ONE, TWO))


def read(path: Path, content: str | bytes) -> list[Any]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return [(one.line, one.value if isinstance(one, LogEntry) else one.reason) for one in read_records(path)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def test_gzip_and_zip_are_known_by_their_bytes(tmp_path: Path, log: Path) -> None:
    assert [value for _, value in read(log, gzip.compress(LINES.encode()))] == [ONE, TWO]
    with zipfile.ZipFile(tmp_path / "x.eval", "w") as archive:
        archive.writestr("samples/1.json", json.dumps(ONE, indent=1))
        archive.writestr("samples/2.json", json.dumps(TWO))
        archive.writestr("notes.txt", "no JSON")
    assert list(read_records(tmp_path / "x.eval")) == [LogEntry(1, ONE, "samples/1.json"), LogEntry(1, TWO, "samples/2.json")]


def test_the_standard_input_is_read(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from phrasing.importers.log_files import read_records; print(list(read_records(Path('-'))))"
    )
    for content in (LINES.encode(), gzip.compress(LINES.encode())):
        done = subprocess.run([sys.executable, "-c", script], input=content, capture_output=True, check=True)
        assert done.stdout.decode().strip() == str([LogEntry(1, ONE), LogEntry(2, TWO)])


def test_of_an_inspect_log_the_samples_are_read(log: Path) -> None:
    with zipfile.ZipFile(log, "w") as archive:
        archive.writestr("header.json", "{}")
        archive.writestr("samples/1.json", json.dumps(ONE))
        archive.writestr("samples/2.json", "{")
    assert list(read_records(log)) == [
        LogEntry(1, ONE, "samples/1.json"),
        Broken(1, "not JSON: Expecting property name enclosed in double quotes", "samples/2.json"),
    ]


def test_an_archive_that_cant_be_unpacked_is_said(log: Path) -> None:
    with zipfile.ZipFile(log, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.json", "{}")
    assert list(read_records(log)) == [Broken(1, "can't be unpacked: wanted deflate or zstd, got method 12", "a.json")]
    log.write_bytes(b"PK\x03\x04")
    assert list(read_records(log)) == [Broken(1, "is no zip archive that can be read: File is not a zip file")]
    with zipfile.ZipFile(log, "w") as archive:
        archive.writestr("notes.txt", "no JSON")
    ((_, reason),) = read(log, log.read_bytes())
    assert reason == "the archive holds no file that is read: .json, .jsonl, .ndjson, .csv, .tsv, .parquet"


@pytest.mark.parametrize("content", ["", " \n\n", "\ufeff"])
def test_an_empty_file_is_a_mistake(log: Path, content: str) -> None:
    with pytest.raises(LogError, match="log: is empty; wanted JSON, JSON Lines or a table"):
        read(log, content)


def test_a_file_that_isnt_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="nothing: can't be read: No such file"):
        list(read_records(tmp_path / "nothing"))


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        (b"ARROW1\0\0", "an Arrow file"),
        (b"PAR1\x15\x04", "Parquet"),
        (b"SQLite format 3\0", "SQLite"),
        (b"\x28\xb5\x2f\xfd\x04\0", "zstd"),
    ],
)
def test_a_file_that_holds_no_text_is_named_for_what_it_is(
    log: Path, monkeypatch: pytest.MonkeyPatch, first: bytes, kind: str
) -> None:
    monkeypatch.setattr(packed, "_zstd", lambda **_: None)
    ((line, reason),) = read(log, first + bytes(100))
    assert line == 1
    assert kind in reason


def zipped_with_zstd() -> bytes:
    packer = pytest.importorskip("backports.zstd.zipfile") if sys.version_info < (3, 14) else zipfile
    archive = io.BytesIO()
    with packer.ZipFile(archive, "w", packer.ZIP_ZSTANDARD) as written:
        written.writestr("header.json", "{}")
        written.writestr("samples/1_epoch_1.json", LINES)
    return archive.getvalue()


def test_a_zip_packed_with_zstd_is_read(log: Path) -> None:
    assert read(log, zipped_with_zstd()) == [(1, ONE), (2, TWO)]


def test_a_zip_packed_with_zstd_says_what_it_needs(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("samples/1_epoch_1.json", LINES)
    content = bytearray(archive.getvalue())
    directory = content.index(b"PK\x01\x02")
    content[directory + 10 : directory + 12] = (93).to_bytes(2, "little")
    content[8:10] = (93).to_bytes(2, "little")
    monkeypatch.setattr(packed, "_zstd", lambda **_: None)
    ((line, reason),) = read(log, bytes(content))
    assert line == 1
    assert "pip install 'phrasing[zstd]'" in reason


# ---------------------------------------------------------------------------------------------- packed in whichever way


def with_zstd(content: bytes) -> bytes:
    packer = pytest.importorskip("backports.zstd" if sys.version_info < (3, 14) else "compression.zstd")
    return bytes(packer.compress(content))


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": with_zstd,
}


@pytest.mark.parametrize("way", PACK)
def test_a_packed_file_is_known_by_its_bytes(log: Path, way: str) -> None:
    assert read(log, PACK[way](LINES.encode())) == [(1, ONE), (2, TWO)]
    table = "id,messages\n7,[]\n"
    assert read(log, PACK[way](table.encode())) == read(log, table) == [(2, {"id": 7, "messages": []})]
    assert read(log, PACK[way](as_parquet([{"id": "a", "input": '{"b": 1}'}]))) == [(1, {"id": "a", "input": {"b": 1}})]


@pytest.mark.parametrize("way", PACK)
def test_a_packed_file_that_breaks_off_is_said(log: Path, way: str) -> None:
    content = PACK[way]("".join(json.dumps({"n": n, "text": hex(n * 7919)}) + "\n" for n in range(100_000)).encode())
    *lines, (_, reason) = read(log, content[: len(content) // 2])
    assert "breaks off" in reason
    assert len(lines) < 100_000
    assert all(value["n"] == n for n, (_, value) in enumerate(lines) if not isinstance(value, str))


def test_tables_in_a_zip_are_read(log: Path) -> None:
    with zipfile.ZipFile(log, "w") as archive:
        archive.writestr("a.CSV", "id;input\n7;hello\n")
        archive.writestr("b.tsv", "id\tinput\n8\thello\n")
        archive.writestr("c.ndjson", json.dumps(TWO))
        archive.writestr("d.jsonl", "")
        archive.writestr("e.parquet", as_parquet([{"id": "a"}]))
    assert list(read_records(log)) == [
        LogEntry(2, {"id": 7, "input": "hello"}, "a.CSV"),
        LogEntry(2, {"id": 8, "input": "hello"}, "b.tsv"),
        LogEntry(1, TWO, "c.ndjson"),
        Broken(1, "is empty", "d.jsonl"),
        LogEntry(1, {"id": "a"}, "e.parquet"),
    ]


def test_text_is_read_in_the_encoding_that_one_names(log: Path) -> None:
    for content in ('{"text": "caf\xe9 \x80"}', "id,input\n1,caf\xe9 \x80\n"):
        log.write_bytes(content.encode("latin-1"))
        (broken,) = read_records(log)
        assert isinstance(broken, Broken)
        assert "--encoding NAME" in broken.reason
        (found,) = read_records(log, encoding="cp1252")
        assert isinstance(found, LogEntry)
        assert isinstance(found.value, dict)
        assert "café €" in found.value.values()
