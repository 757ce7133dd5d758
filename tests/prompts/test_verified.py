"""What passed is remembered, and nothing else: not what failed, not what is damaged, and not for ever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phrasing.prompts.verified import MOST_BYTES, MOST_KEPT, Passed, Verified, digest_of

texts = st.lists(st.text(st.characters() | st.sampled_from("\ud800\udfff"), max_size=5), max_size=4)


@given(one=texts, other=texts)
def test_digests_are_the_same_of_the_same_texts_only(one: list[str], other: list[str]) -> None:
    assert (digest_of(one) == digest_of(other)) == (one == other)


def test_no_part_is_taken_for_its_neighbour() -> None:
    assert len({digest_of(parts) for parts in (["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["", "abc"])}) == 5


def asked(passed: Passed, *keys: str) -> list[str]:
    """Say which of these are verified, and weren't known."""
    found: list[str] = []
    for key in keys:
        passed.once([key], lambda key=key: found.append(key))
    return found


def test_what_passed_is_remembered_by_all_its_parts(tmp_path: Path) -> None:
    first = Passed(tmp_path / "x")
    assert asked(first, "a", "b", "a") == ["a", "b"]
    first.keep()
    assert asked(Passed(tmp_path / "x"), "b", "c", "a") == ["c"]
    assert asked(Passed(tmp_path / "y"), "a") == ["a"]


def test_what_failed_is_verified_each_time(tmp_path: Path) -> None:
    def fail() -> None:
        raise ValueError("no")

    for _ in range(3):
        passed = Passed(tmp_path / "x")
        asked(passed, "a")
        with pytest.raises(ValueError, match="no"):
            passed.once(["b"], fail)
        passed.keep()
    assert asked(Passed(tmp_path / "x"), "a", "b") == ["b"]


def test_processes_keep_what_others_found_meanwhile(tmp_path: Path) -> None:
    one, other = Passed(tmp_path / "x"), Passed(tmp_path / "x")
    asked(one, "a", "b")
    asked(other, "b", "c")
    one.keep()
    other.keep()
    assert asked(Passed(tmp_path / "x"), "a", "b", "c") == []
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_empty_and_is_written_anew(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "x"
    path.unlink(missing_ok=True)
    whole = Passed(path)
    asked(whole, "a", "b", "c")
    whole.keep()
    content = bytearray(path.read_bytes())
    kind = data.draw(st.sampled_from(["flipped", "cut", "longer"]))
    at = data.draw(st.integers(0, len(content) - 1))
    if kind == "flipped":
        content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content[:at] if kind == "cut" else content + bytes(at + 1) if kind == "longer" else content)
    again = Passed(path)
    assert asked(again, "a", "b", "c") == ["a", "b", "c"]
    again.keep()
    assert asked(Passed(path), "a", "b", "c") == []


def test_where_nothing_can_be_written_nothing_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("PHRASING_CACHE_DIR", str(tmp_path / "file"))
    for _ in range(2):
        verified = Verified()
        assert asked(verified.of("format", "x"), "a", "b") == ["a", "b"]
        verified.keep()
    assert (tmp_path / "file").read_text() == "no folder"


def test_subjects_are_told_apart_by_all_their_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHRASING_CACHE_DIR", str(tmp_path))
    verified = Verified()
    assert asked(verified.of("format", "x"), "a") == ["a"]
    assert asked(verified.of("format", "x"), "a") == []
    verified.keep()
    again = Verified()
    for parts in (["format", "y"], ["formatx"], ["prompt", "x"], ["format", "x", ""]):
        assert asked(again.of(*parts), "a") == ["a"]
    assert asked(again.of("format", "x"), "a") == []


def test_only_so_many_are_kept_the_latest_used_ones(tmp_path: Path) -> None:
    first = Passed(tmp_path / "x")
    for number in range(MOST_KEPT):
        first.once([str(number)], lambda: None)
    first.keep()
    then = Passed(tmp_path / "x")
    assert asked(then, "0", "new", "newer") == ["new", "newer"]
    then.keep()
    assert (tmp_path / "x").stat().st_size == 16 * (MOST_KEPT + 1)
    assert asked(Passed(tmp_path / "x"), "0", "new", "newer", "1", "2", "3") == ["1", "2"]


def test_files_that_were_not_used_for_longest_go_first(tmp_path: Path) -> None:
    for age, name in enumerate(("newer", "older", "oldest")):
        with (tmp_path / name).open("wb") as file:
            file.truncate(MOST_BYTES // 3)
        os.utime(tmp_path / name, ns=(0, 10**18 - age))
    passed = Passed(tmp_path / "now")
    asked(passed, "a")
    passed.keep()
    assert {path.name for path in tmp_path.iterdir()} == {"now", "newer", "older"}
    assert asked(Passed(tmp_path / "now"), "a") == []
