"""Results and prompts that stay in their file: what is looked at is what was read, or it is said that it can't be."""

from __future__ import annotations

import gc
import gzip
import random
import tempfile
from itertools import zip_longest
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.errors import StoreError
from phrasing.records import Failure, Result
from phrasing.runs import lazy, run_folders, store
from phrasing.types import Completion, Piece, Prompt
from support.tiny_runs import result


def answered(name: str, text: str) -> Result:
    return result(name, completion=Completion(text=text))


LINES = st.builds(
    lambda name, key, text, failed: result(
        name,
        key=key,
        completion=Completion(text=text),
        error=Failure(kind="transient", message=text) if failed else None,
    ),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from("kl"),
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.booleans(),
)


def write(path: Path, results: list[Result]) -> None:
    text = "".join(f"{store.line(one)}\n" for one in results).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


@given(
    st.lists(LINES, max_size=12), st.sampled_from([run_folders.RESULTS, run_folders.PACKED]), st.randoms(use_true_random=False)
)
def test_lazy_results_are_those_that_are_read_at_once(results: list[Result], name: str, luck: random.Random) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        write(path, results)
        whole, taken = store.results(path), []
        found, numbers, damaged = lazy.results(path, taken.append)
        assert (taken, damaged) == (results, ())
        assert [taken[number] for number in numbers] == list(whole.values())
        assert list(found.items()) == list(whole.items())
        assert list(found.values()) == list(whole.values())
        order = luck.sample(sorted(whole), len(whole))
        assert list(found.read(order)) == [whole[trial] for trial in order]
        assert all(found[trial] == whole[trial] and trial in found for trial in order)
        some = set(order[::2])
        assert list(found.only(some).items()) == [(trial, one) for trial, one in whole.items() if trial in some]
        assert list(lazy.read(found, order)) == list(lazy.read(whole, order))


@pytest.mark.parametrize("name", [run_folders.RESULTS, run_folders.PACKED])
def test_two_passes_at_a_time_do_not_disturb_each_other(tmp_path: Path, name: str) -> None:
    results = [answered(f"c-{i}", "x" * 997 * i) for i in range(30)]
    write(tmp_path / name, results)
    found, *_ = lazy.results(tmp_path / name)
    pairs = zip_longest(found.values(), found.read(reversed(list(found))))
    assert [(one, other) for one, other in pairs] == list(zip(results, reversed(results), strict=True))


def test_what_is_appended_later_does_not_show(tmp_path: Path) -> None:
    write(tmp_path / run_folders.RESULTS, [answered("a", "first")])
    found, *_ = lazy.results(tmp_path)
    with (tmp_path / run_folders.RESULTS).open("a") as file:
        file.write(f"{store.line(answered('a', 'second'))}\n{store.line(answered('b', 'third'))}\n")
    assert list(found.values()) == [answered("a", "first")]
    assert "b" not in found


def test_a_file_that_was_replaced_is_not_taken_for_the_one_that_was_read(tmp_path: Path) -> None:
    write(tmp_path / run_folders.RESULTS, [answered("a", "first"), answered("b", "x")])
    found, *_ = lazy.results(tmp_path)
    store.rewrite(tmp_path, [answered("a", "other"), answered("b", "x")])  # as long, byte for byte
    for trial in found:
        with pytest.raises(StoreError, match="was replaced since it was read; read the run again"):
            found[trial]
    (tmp_path / run_folders.RESULTS).unlink()
    with pytest.raises(StoreError, match="can't be read: No such file"):
        list(found.values())


def test_a_file_that_was_written_over_in_its_place_is_noticed(tmp_path: Path) -> None:
    write(tmp_path / run_folders.RESULTS, [answered("a", "first"), answered("b", "x")])
    found, *_ = lazy.results(tmp_path)
    for text in ("", "[1]\n" * 500, f"{store.line(answered('c', 'x'))}\n"):
        (tmp_path / run_folders.RESULTS).write_text(text)
        with pytest.raises(StoreError, match="was replaced"):
            list(found.values())


@given(st.lists(st.sampled_from(["a", "b", "damaged"]), max_size=8), st.sampled_from([run_folders.RESULTS, run_folders.PACKED]))
def test_damaged_lines_are_left_out_as_they_are_when_all_is_read(names: list[str], name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        lines = [store.line(answered(one, f"{i}")).replace('"damaged"', '"damaged') for i, one in enumerate(names)]
        text = "".join(f"{line}\n" for line in lines).encode()
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
        kept, damaged = store.read_results(path)
        taken: list[Result] = []
        found = lazy.results(path, taken.append)
        assert found.damaged == damaged
        assert [each.number for each in damaged] == [i for i, one in enumerate(names, 1) if one == "damaged"]
        assert dict(found.results) == kept
        assert [taken[number] for number in found.numbers] == list(kept.values())
        assert dict(lazy.Answers(path)) == kept


def test_damaged_prompts_are_left_out_as_they_are_when_all_is_read(tmp_path: Path) -> None:
    with store.Store(tmp_path) as opened:
        names = [opened.put(Prompt(({"role": "user", "content": text},), ((Piece("thread", text),),))) for text in "ab"]
    path = tmp_path / run_folders.PROMPTS
    path.write_bytes(path.read_bytes().replace(b'"value":"a"', b'"value":"x"'))
    found, damaged = lazy.prompts(tmp_path)
    kept = store.read_prompts(tmp_path)
    assert (dict(found), damaged) == (kept.kept, kept.damaged)
    assert len(damaged) == 1
    assert [name in found for name in names] == [False, True]  # a prompt goes with its piece


def test_a_file_that_is_held_is_opened_once(tmp_path: Path) -> None:
    results = [answered(name, name) for name in "abc"]
    write(tmp_path / run_folders.RESULTS, results)
    answers = lazy.Answers(tmp_path)
    with answers.held():
        (tmp_path / run_folders.RESULTS).unlink()
        assert list(answers.values()) == results
    with pytest.raises(StoreError, match="can't be read: No such file"):
        list(answers.values())


def test_no_result_of_that_name(tmp_path: Path) -> None:
    write(tmp_path / run_folders.RESULTS, [answered("a", "x")])
    found, *_ = lazy.results(tmp_path)
    with pytest.raises(KeyError, match="nobody"):
        found["nobody"]
    assert found.get("nobody") is None


def test_an_unpacked_recording_is_gone_when_nobody_needs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    write(tmp_path / run_folders.PACKED, [answered("a", "x")])
    found, *_ = lazy.results(tmp_path)
    assert not list((tmp_path / "temporary").iterdir())  # figures don't take it
    part = found.only(found)
    assert [*part.values(), *found.values()] == [answered("a", "x")] * 2
    assert len(list((tmp_path / "temporary").iterdir())) == 1
    del found, part
    gc.collect()
    assert not list((tmp_path / "temporary").iterdir())


def test_lazy_prompts_are_those_that_are_read_at_once(tmp_path: Path) -> None:
    prompts = [
        Prompt(({"role": "user", "content": text},), ((Piece("thread", text),),)) for text in ("one", "two\u2028", "half \ud83d")
    ]
    with store.Store(tmp_path) as opened:
        names = [opened.put(prompt) for prompt in prompts]
    found, damaged = lazy.prompts(tmp_path)
    assert damaged == ()
    assert dict(found.items()) == store.prompts(tmp_path)
    assert [store.prompt(found, name) for name in names] == prompts
    with pytest.raises(StoreError, match="lacks 'nothing'"):
        store.prompt(found, "nothing")
    assert lazy.prompts(tmp_path / "nowhere") == ({}, ())
