"""Lines come out as they went in: all, a sample or parts of them; and nothing else is left in the folder."""

from __future__ import annotations

import ast
import os
import resource
import tempfile
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.errors import UserError
from phrasing.importers.case_writer import CaseWriter
from phrasing.suite.sample import split

Row = tuple[str, int, str, int]
"""What stands for a case: intent, events, cluster, turn."""

SHARES = {"test": 0.7, "dev": 0.3}


def add(spool: CaseWriter, rows: Sequence[Row]) -> None:
    for row in rows:
        intent, events, cluster, turn = row
        spool.add(repr(row).encode(), intent=intent, events=events, cluster=cluster, turn=turn)


def lines(path: Path) -> list[Row]:
    """Read a file of rows."""
    return [ast.literal_eval(line.decode()) for line in path.read_bytes().splitlines()]


def sampled(folder: Path, rows: Sequence[Row], size: int | None, seed: int = 0) -> list[Row]:
    with CaseWriter(folder, seed=seed) as spool:
        add(spool, rows)
        spool.write({"x.jsonl": spool.sample(size)})
    assert [path.name for path in folder.iterdir()] == ["x.jsonl"]
    return lines(folder / "x.jsonl")


def talks(count: int, seed: int = 0) -> list[Row]:
    """Rows of so many conversations, of many lengths."""
    random = Random(seed)
    return [
        (random.choice(["ask", "send", "add"]), 1 + 2 * turn, f"c{number}", turn)
        for number in range(count)
        for turn in range(random.randint(1, 8))
    ]


conversations = st.lists(st.lists(st.sampled_from(["ask", "send", "add"]), min_size=1, max_size=4), max_size=8).map(
    lambda listed: [(intent, 1 + turn, f"c{i}", turn) for i, intents in enumerate(listed) for turn, intent in enumerate(intents)]
)


# ---------------------------------------------------------------------------------------------- which lines


@given(rows=conversations, size=st.none() | st.integers(0, 40), seed=st.integers(0, 5), data=st.data())
def test_a_sample_is_whole_conversations_in_the_order_they_came(
    rows: list[Row], size: int | None, seed: int, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        drawn = sampled(Path(folder), rows, size, seed)
        assert drawn == [row for row in rows if row in drawn]
        assert len(drawn) == (len(rows) if size is None else min(size, len(rows)))
        whole, kept = (Counter(cluster for _, _, cluster, _ in listed) for listed in (rows, drawn))
        cut = [cluster for cluster in kept if kept[cluster] < whole[cluster]]
        assert len(cut) <= 1
        turns = {turn for _, _, cluster, turn in drawn if cluster in cut}
        assert turns == set(range(len(turns)))
        shuffled = data.draw(st.permutations(rows))
        assert set(sampled(Path(folder), shuffled, size, seed)) == set(drawn)


def test_intents_and_lengths_keep_their_shares(tmp_path: Path) -> None:
    random = Random(0)
    # 40 of 100 are long; they expect other steps than the short ones do
    rows = [("ask", 2, f"short{i}", 0) for i in range(600)]
    rows += [(random.choice(["ask", "send", "send", "send"]), 30 + i % 40, f"long{i}", 0) for i in range(400)]
    drawn = sampled(tmp_path, rows, 100)
    for what in (lambda row: row[0], lambda row: row[1] > 2, lambda row: (row[0], row[1] > 2), lambda row: row[1] > 55):
        whole, kept = Counter(map(what, rows)), Counter(map(what, drawn))
        for value, count in whole.items():
            assert abs(kept[value] - count / 10) <= 4, value  # the strata of a value: at most four, each within one case


def test_another_seed_draws_others(tmp_path: Path) -> None:
    rows = talks(40)
    assert sampled(tmp_path, rows, 20, seed=0) != sampled(tmp_path, rows, 20, seed=1)


@given(rows=conversations, seed=st.integers(0, 5), size=st.none() | st.integers(0, 20))
def test_parts_hold_every_line_by_its_conversation(rows: list[Row], seed: int, size: int | None) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with CaseWriter(folder, seed=seed) as spool:
            add(spool, rows)
            spool.write({**spool.split(spool.sample(size), SHARES), "whole": spool.sample(size)})
        parts = {part: lines(folder / part) for part in SHARES}
        whole = lines(folder / "whole")
        assert sorted(path.name for path in folder.iterdir()) == ["dev", "test", "whole"]
        for part, held in parts.items():
            assert held == [row for row in whole if split(row[2], SHARES, seed) == part]


def test_later_conversations_move_no_earlier_one(tmp_path: Path) -> None:
    rows = talks(60)
    held = {}
    for count in (len(rows) // 2, len(rows)):
        with CaseWriter(tmp_path) as spool:
            add(spool, rows[:count])
            spool.write(spool.split(spool.sample(None), SHARES))
        held[count] = {part: lines(tmp_path / part) for part in SHARES}
    for part in SHARES:
        early = held[len(rows) // 2][part]
        assert held[len(rows)][part][: len(early)] == early


# ---------------------------------------------------------------------------------------------- how they are written


def test_a_line_may_hold_anything(tmp_path: Path) -> None:
    texts = [b"", b"\xff\r", "\u2028".encode(), b"x" * 3_000_000, b"{}"]
    for size in (None, 4):
        with CaseWriter(tmp_path) as spool:
            for number, text in enumerate(texts):
                spool.add(text, intent="ask", events=1, cluster=f"c{number}", turn=0)
            chosen = spool.sample(size)
            spool.write({"x": chosen})
        assert (tmp_path / "x").read_bytes() == b"".join(texts[i] + b"\n" for i in chosen)


def test_all_lines_are_not_copied(tmp_path: Path) -> None:
    with CaseWriter(tmp_path) as spool:
        add(spool, talks(5))
        (temporary,) = tmp_path.iterdir()
        assert temporary.suffix != ".jsonl"  # nobody takes it for a dataset
        number = temporary.stat().st_ino
        spool.write({"x.jsonl": spool.sample(None)})
    assert [path.stat().st_ino for path in tmp_path.iterdir()] == [number]
    assert lines(tmp_path / "x.jsonl") == talks(5)
    assert (tmp_path / "x.jsonl").stat().st_mode & 0o777 == 0o644


def test_a_file_of_no_lines(tmp_path: Path) -> None:
    assert sampled(tmp_path, [], None) == []
    assert sampled(tmp_path, talks(3), 0) == []


def test_nothing_is_left_by_what_was_interrupted(tmp_path: Path) -> None:
    old = tmp_path / "x.jsonl"
    old.write_text("old")

    def interrupted() -> None:
        with CaseWriter(tmp_path) as spool:
            add(spool, talks(5))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == [old]
    assert old.read_text() == "old"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").mkdir()
    with pytest.raises(UserError, match=r"x\.jsonl: can't be written: Is a directory"):
        sampled(tmp_path, talks(5), 3)
    assert [path.name for path in tmp_path.iterdir()] == ["x.jsonl"]
    with pytest.raises(UserError, match="nowhere: can't be written: No such file or directory"):
        CaseWriter(tmp_path / "nowhere")


@pytest.mark.parametrize("room", [20_000, 60_000], ids=["for a part of the lines", "for the lines, but not for a copy"])
def test_a_full_disk_leaves_the_old_files(tmp_path: Path, room: int) -> None:
    # No file may grow larger than this: what a full disk does, without one. The copy has every line twice.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    (tmp_path / "dev").write_text("old")

    def written() -> None:
        with CaseWriter(tmp_path) as spool:
            for number in range(50):
                spool.add(b"x" * 999, intent="ask", events=1, cluster=f"c{number}", turn=0)
            chosen = spool.sample(None)
            spool.write({"dev": chosen[:1], "test": chosen.repeat(2)})

    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
        with pytest.raises(UserError, match="can't be written: File too large"):
            written()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("dev", "old")]


@pytest.mark.slow
def test_a_line_takes_little_memory(tmp_path: Path) -> None:
    count = 40_000
    with CaseWriter(tmp_path) as spool:
        add(spool, talks(2))
        tracemalloc.start()
        try:
            for number in range(count):
                spool.add(b"x", intent="ask", events=1, cluster=f"c{number}", turn=0)
            held = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
    assert held / count < 40  # bytes: 40 MB for a million
    assert os.listdir(tmp_path) == []
