"""Files of traces: what a line may be, and what is said of one that isn't."""

from __future__ import annotations

import gzip
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from phrasing.costs.trace_files import BLOCK_BYTES, BLOCK_LINES, TRACE_SHAPES, Block, Trace, read_blocks, read_trace
from phrasing.errors import DatasetError
from phrasing.types import Thread

NOTE = {"type": "note", "data": None, "role": None, "call": None}


def line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


@pytest.mark.parametrize(
    ("value", "cluster"),
    [
        ([{"type": "note"}], None),
        ({"events": [{"type": "note"}]}, None),
        ({"id": "a", "events": [{"type": "note"}]}, "a"),
        ({"id": "a", "group": "g", "thread": {"events": [{"type": "note"}]}}, "g"),
        ({"id": 7, "group": None, "thread": {"events": [{"type": "note"}]}, "expect": "?", "model": "x"}, "7"),
    ],
)
def test_shapes(value: Any, cluster: str | None) -> None:
    assert read_trace(line(value)) == Trace([NOTE], cluster)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (b"x", "column 1: not JSON: Expecting value, at 'x'"),
        (b'{"events": [', "column 13: not JSON: Expecting value, at the end of the line"),
        (b"null", f"wanted {TRACE_SHAPES}, got null"),
        (b'{"messages": []}', f'wanted {TRACE_SHAPES}, got {{"messages": []}}'),
        (b'{"events": {}}', "events: wanted a list, got {}"),
        (b"[]", "events: wanted at least one, got []"),
        (b'{"thread": [{"type": "a"}]}', 'thread: wanted an object, got [{"type": "a"}]'),
        (b'{"thread": {"events": [{"type": "a"}], "note": 1}}', "key 'note' not found"),
        (b'["a"]', 'events[0]: wanted an object, got "a"'),
        (b'[{"data": 1}]', "events[0].type: missing"),
        (b'[{"type": "1"}]', 'events[0].type: wanted a letter or _ first, then letters, digits, _ . -, got "1"'),
        (b'[{"type": "a"}, {"type": 1}]', "events[1].type: wanted text, got 1"),
        (b'[{"type": "a", "role": "user"}]', "events[0].role: wanted 'input', 'step' or 'result', got \"user\""),
        (b'[{"type": "a", "call": 1}]', "events[0].call: wanted text, got 1"),
        (b'[{"type": "a", "at": 1}]', "events[0]: key 'at' not found (did you mean 'data'?); there are: call, data, role, type"),
        (b'{"group": ["g"], "events": [{"type": "a"}]}', 'group: wanted text, got ["g"]'),
        (b'[{"type": "a", "type": "b"}]', "key 'type' is given twice in one object"),
        (b'[{"type": "a", "data": NaN}]', "NaN isn't JSON; wanted a number or null"),
        (b'[{"type": "a", "data": 1e999}]', "the number 1e999 is too large"),
        (b'[{"type": "a", "data": "\\ud800"}]', "[0].data: '\\ud800' is half of a surrogate pair, which UTF-8 can't hold"),
        (b'[{"type": "a", "data": "\xed\xa0\x80"}]', "byte 0xed isn't UTF-8"),
        (b'[{"type": "a", "data": "\xff"}]', "byte 0xff isn't UTF-8"),
        (b'[{"type": "a", "data": ' + b"[" * 5000 + b"]" * 5000 + b"}]", "nested more than 100 deep"),
        (b'[{"type": "a", "data": ' + b"[" * 101 + b"]" * 101 + b"}]", "nested more than 100 deep"),
        (b'[{"type": "a", "data": "BAML_CHAT_ROLE_MAGIC_STRING_DELIMITER"}]', "which BAML reads as the start of another message"),
    ],
)
def test_bad_lines(written: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=r"(?s).") as error:
        read_trace(written)
    assert reason in str(error.value)


leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
data = st.recursive(leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2))
events = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["a", "a_result", "_", "1", ""]) | data,
        "data": data,
        "role": st.sampled_from(["input", "step", "result"]) | data,
        "call": st.text(max_size=2) | data,
        "more": data,
    },
)


@given(st.lists(events | data, max_size=3))
def test_a_thread_is_what_a_dataset_takes_for_one(listed: list[Any]) -> None:
    try:
        wanted = [asdict(event) for event in Thread.model_validate({"events": listed}).events]
    except ValidationError:
        with pytest.raises(ValueError, match="events"):
            read_trace(line(listed))
    else:
        assert read_trace(line(listed)) == Trace(wanted, None)


def test_blocks_hold_all_lines(tmp_path: Path) -> None:
    written = [b"x" * 3000 + b"\n"] * 700 + [b"y\n"] * 1200 + [b"z" * 2_500_000 + b"\n", b"\n", b"end"]
    plain, packed = tmp_path / "a.jsonl", tmp_path / "a.jsonl.gz"
    plain.write_bytes(b"".join(written))
    packed.write_bytes(gzip.compress(plain.read_bytes(), 1))
    blocks = list(read_blocks(plain))
    assert [line for block in blocks for line in block.lines] == written
    assert [block.first for block in blocks] == [1 + sum(len(b.lines) for b in blocks[:i]) for i in range(len(blocks))]
    assert all(len(block.lines) <= BLOCK_LINES for block in blocks)
    assert all(sum(map(len, block.lines[:-1])) < BLOCK_BYTES for block in blocks)
    assert list(read_blocks(packed)) == blocks


def test_white_space_is_no_thread(tmp_path: Path) -> None:
    assert [read_trace(blank) for blank in (b"\n", b" \t\r\n", b"\xe2\x80\xa8\n")] == [None] * 3


@pytest.mark.parametrize("name", ["none.jsonl", "none.jsonl.gz", "folder"])
def test_a_file_that_cant_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(DatasetError, match=f"{name}: can't be read: "):
        list(read_blocks(tmp_path / name))


def test_a_damaged_gzip_file_says_where(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    whole = gzip.compress(b"".join(b'[{"type": "n%d"}]\n' % i for i in range(5000)))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match=r"a\.gz:[1-9][0-9]+: can't be read: Compressed file ended"):
        list(read_blocks(path))


def test_gzip_is_known_by_its_bytes(tmp_path: Path) -> None:
    for content in (b"[]\n", gzip.compress(b"[]\n")):
        (tmp_path / "a.gz").write_bytes(content)
        (tmp_path / "a.jsonl").write_bytes(content)
        assert list(read_blocks(tmp_path / "a.gz")) == list(read_blocks(tmp_path / "a.jsonl")) == [Block(1, (b"[]\n",))]
