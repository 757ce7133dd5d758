"""The run folder: whatever kills a run, every whole line is there, and the next run goes on from it."""

from __future__ import annotations

import errno
import gzip
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
from datetime import UTC, datetime, timedelta, timezone
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.errors import StoreError
from phrasing.records import Failure, Result
from phrasing.runs import jsonl, lazy, run_folders, store
from phrasing.runs.store import PROMPTS, RESULTS, RUN, Store
from phrasing.types import Completion, Parsed, Piece, Prompt, Score, Step, Usage
from support.tiny_runs import record, result

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
SYSTEM = "You send mail. " * 40

TEXT = Prompt(
    messages=({"role": "system", "content": f"{SYSTEM}schema"}, {"role": "user", "content": "<a>\n1\n</a>\n\nNext?"}),
    pieces=(
        (Piece("instructions", SYSTEM), Piece("schema", "schema")),
        (Piece("thread", "<a>\n1\n</a>"), Piece("question", "\n\nNext?")),
    ),
    response_format={"type": "json_schema", "json_schema": {"name": "step", "schema": {"type": "object"}}},
)
CALL = {"id": "call_1", "type": "function", "function": {"name": "send", "arguments": '{"to":"é \u2028"}'}}
NATIVE = Prompt(
    messages=(
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": ""},
        {"role": "assistant", "content": "text", "tool_calls": [CALL]},
    ),
    pieces=(
        (Piece("instructions", SYSTEM),),
        (Piece("thread", "hello"),),
        (Piece("thread", ""),),
        (Piece("thread", ""),),
        (Piece("thread", "text"),),
    ),
    tools=({"type": "function", "function": {"name": "send", "parameters": {"type": "object"}}},),
)


def written(folder: Path, *results: Result) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with Store(folder, sync=lambda file: None) as opened:
        for each in results:
            opened.append(each)
    return folder


def answered(name: str, text: str, key: str = "k") -> Result:
    return result(name, key=key, completion=Completion(text=text))


def failed(name: str, key: str = "k") -> Result:
    return result(name, key=key, error=Failure(kind="transient", message="no"))


# ---------------------------------------------------------------------------------------------- cut short


def test_file_cut_at_every_byte_reads_back_all_whole_lines_and_takes_more(tmp_path: Path) -> None:
    lines = [answered(f"a-{i}", text) for i, text in enumerate(["plain", "é\u2028\n\U0001f600"])]
    folder = written(tmp_path / "run", *lines)
    whole = (folder / RESULTS).read_bytes()
    more = answered("b", "later")
    for size in range(len(whole) + 1):
        (folder / RESULTS).write_bytes(whole[:size])
        kept = lines[: whole[:size].count(b"\n")]
        assert list(store.results(folder).values()) == kept
        written(folder, more)
        assert list(store.results(folder).values()) == [*kept, more], size


def test_a_cut_longer_than_one_block_is_dropped(tmp_path: Path) -> None:
    folder = written(tmp_path / "run", answered("a", "first"))
    with (folder / RESULTS).open("ab") as file:
        file.write(b'{"trial": "' + b"x" * 200_000)
    written(folder, answered("b", "second"))
    assert [r.case for r in store.results(folder).values()] == ["a", "b"]


def test_prompts_cut_at_every_byte_are_kept_again(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with Store(folder) as opened:
        name = opened.put(NATIVE)
    whole = (folder / PROMPTS).read_bytes()
    for size in range(0, len(whole), 17):
        (folder / PROMPTS).write_bytes(whole[:size])
        with Store(folder) as opened:
            assert opened.put(NATIVE) == name
        assert store.prompt(store.prompts(folder), name) == NATIVE


WHOLE = json.loads(answered("a", "x").model_dump_json())


def changed(**fields: object) -> str:
    return json.dumps({**WHOLE, **fields})


DAMAGED = {
    "cut": ('{"trial": "a', "not JSON: "),
    "empty": ("", "not JSON: "),
    "two in one": (f"{changed()}{changed()}", "not JSON: Extra data"),
    "zeros": ("\0" * 80, "not JSON: "),
    "not UTF-8": ("\udc80", "not JSON: 'utf-8'"),
    "half a surrogate": (changed(key="\ud83d"), "not JSON: 'utf-8'"),
    "deep": ("[" * 100_000, "not JSON: "),
    "key twice": (changed().replace('"key": "k"', '"key": "k", "key": "l"'), "not JSON: the key 'key' stands twice"),
    "key twice within": (
        changed(tokens={}).replace("{}", '{"thread": 1, "thread": 2}'),
        "not JSON: the key 'thread' stands twice",
    ),
    "NaN": (changed(scores={"intent": {"value": float("nan")}}), "not JSON: NaN is no number"),
    "infinity": (changed(scores={"intent": {"value": float("-inf")}}), "not JSON: -Infinity is no number"),
    "too large": (changed(scores={"intent": {"value": 2.5}}).replace("2.5", "1e999"), "not JSON: 1e999 is too large"),
    "huge count": (changed(tokens={"thread": 2**63}), "not a result: tokens.thread: Input should be less than"),
    "huge usage": (changed(completion={"usage": {"prompt": -(2**63) - 1}}), "not a result: completion.usage.prompt: Input"),
    "5,000 digits": (changed(repeat=1).replace(": 1,", f": {'9' * 5000},"), "not JSON: Exceeds the limit"),
    "list": ("[1]", "not a result: "),
    "fields missing": ('{"trial": "a"}', "not a result: dataset: Field required"),
    "field unknown": (changed(extra=1), "not a result: extra: Extra inputs"),
    "no time": (changed(at="2030-13-01T00:00:00Z"), "not a result: at: '2030-13-01T00:00:00Z' isn't a time"),
    "far time": (changed(at="6030-01-01T00:00:00Z"), "not a result: at: '6030-"),
    "another's address": (changed(case="c"), "not a result: trial: isn't the address of its own"),
}


@pytest.mark.parametrize(("line", "why"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_line_is_left_out_named_and_set_aside(tmp_path: Path, line: str, why: str) -> None:
    results = [answered("a", "x"), answered("b", "y"), answered("c", "é")]
    folder = written(tmp_path / "run", *results)
    path, whole = folder / RESULTS, (folder / RESULTS).read_bytes()
    first, *rest = whole.splitlines(keepends=True)
    bad = line.encode("utf-8", "surrogateescape") + b"\n"
    path.write_bytes(b"".join([first, bad, *rest]))
    read = store.read_results(folder)
    assert list(read.kept.values()) == list(store.results(folder).values()) == results
    ((where, number, said),) = read.damaged
    assert (where, number) == (path, 2)
    assert said.startswith(why)
    assert len(said) < 320
    assert [line.offset for line in jsonl.lines(path)] == [0, *accumulate(map(len, [first, bad, *rest[:-1]]))]
    assert store.repair(folder) == read.damaged
    assert (path.read_bytes(), jsonl.beside(path).read_bytes()) == (whole, bad)
    assert store.repair(folder) == ()
    path.write_bytes(whole + bad)
    store.repair(folder)
    assert (path.read_bytes(), jsonl.beside(path).read_bytes()) == (whole, bad * 2)


def strictly(text: str) -> Any:
    """Read JSON by Python's own reader, without what readers don't agree on."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(found)) < len(found):
            raise ValueError
        return dict(found)

    def refuse(name: str) -> None:
        raise ValueError

    value = json.loads(text, object_pairs_hook=pairs, parse_constant=refuse)
    if "inf" in repr(value) or "\\ud" in ascii(value):
        raise ValueError
    return value


PARTS = [
    *('"a"', '"b"', '"\\u0061"', '"\\\\"', '"\\":"', '"\\ud83d"', *"{}[]:,", " "),
    *("1", "1.0", "-0", "1e5", "1E400", "NaN", "true"),
]


def one_of(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Write an object or a list, also with keys that stand twice and with white space."""
    keys = st.sampled_from(['"a"', '"b"', '"\\u0061"', '"a\\\\"', '"\\":"'])
    fields = st.lists(st.tuples(keys, st.sampled_from([":", " : "]), inner).map("".join), max_size=3)
    return fields.map(lambda listed: f"{{{','.join(listed)}}}") | st.lists(inner, max_size=3).map(lambda x: f"[{','.join(x)}]")


@given(st.recursive(st.sampled_from(PARTS), one_of, max_leaves=8) | st.lists(st.sampled_from(PARTS), max_size=8).map("".join))
def test_a_line_is_read_quickly_as_it_is_read_strictly(text: str) -> None:
    try:
        expected = strictly(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            jsonl.read_line(text.encode() + b"\n")
    else:
        read = jsonl.read_line(text.encode() + b"\n")
        assert (read, repr(read)) == (expected, repr(expected))


def test_only_the_first_damaged_lines_are_named(tmp_path: Path) -> None:
    damaged = [jsonl.Damaged(tmp_path, number, "no") for number in range(1, 8)]
    (said,) = jsonl.left_out(damaged, most=2).values()
    assert said == f"{tmp_path}: 7 damaged lines are left out: line 1 (no), line 2 (no), and 5 more"
    assert jsonl.left_out(damaged[:1]) == {tmp_path: f"{tmp_path}: 1 damaged line is left out: line 1 (no)"}


def test_scoring_anew_keeps_damaged_lines_beside(tmp_path: Path) -> None:
    folder = written(tmp_path / "run", answered("a", "x"))
    with (folder / RESULTS).open("ab") as file:
        file.write(b"nonsense\n")
    store.rewrite(folder, store.results(folder).values())
    assert store.read_results(folder) == ({answered("a", "x").trial: answered("a", "x")}, ())
    assert jsonl.beside(folder / RESULTS).read_bytes() == b"nonsense\n"


@given(st.data())
def test_flipped_bits_change_no_other_trials_result(data: st.DataObject) -> None:
    """Damage that can be seen costs the lines it is in; what can't be seen (a letter in an answer) stays in its own trial."""
    results = [answered(f"a-{i}", f"said {i}") for i in range(3)]
    whole = b"".join(store.line(each).encode() + b"\n" for each in results)
    flipped = bytearray(whole)
    places = data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 7)), min_size=1, max_size=4))
    for place, bit in places:
        flipped[place] ^= 1 << bit
    hit = {whole[:place].count(b"\n") for place, _ in places}
    hit |= {number + 1 for number in hit}  # where the newline is gone
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, RESULTS)
        path.write_bytes(bytes(flipped))
        read = store.read_results(path)
    for number, each in enumerate(results):
        if number not in hit:
            assert read.kept[each.trial] == each
    assert len(read.kept) <= len(results)


TEXTS = st.text(st.characters(), max_size=5) | st.sampled_from(["\ud83d", "\ufffd", "\x00", "\u2028", "\n"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(text=TEXTS, args=st.dictionaries(TEXTS, VALUES, max_size=3), reason=TEXTS, seconds=st.floats(0, 1e9))
def test_whatever_is_appended_is_no_damaged_line(text: str, args: dict[str, Any], reason: str, seconds: float) -> None:
    completion = Completion(text=text, latency=seconds, usage=Usage(prompt=2**63 - 1))
    parsed = Parsed(step=Step(intent="send", args=args), reason=reason)
    made = result("a", completion=completion, parsed=parsed, scores={"intent": Score(value=1, reason=reason)})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, RESULTS)
        path.write_text(store.line(made) + "\n", encoding="utf-8", newline="\n")
        read = store.read_results(path)
    assert read.damaged == ()
    assert read.kept.keys() == {made.trial}


@pytest.mark.parametrize(
    "line",
    ["[1]", "{", '{"value": 1}', '{"id": ["x"], "value": 1}', '{"id": "x"}', '{"id": "x", "value": 1}'],
    ids=["list", "cut", "no id", "id a list", "no value", "another's id"],
)
def test_damaged_part_of_a_prompt_is_left_out_and_written_again(tmp_path: Path, line: str) -> None:
    folder = written(tmp_path / "run", answered("a", "x"))
    with Store(folder) as opened:
        name = opened.put(TEXT)
    path = folder / PROMPTS
    parts = path.read_text("utf-8").splitlines(keepends=True)
    for number in range(len(parts)):
        path.write_text("".join([*parts[:number], f"{line}\n", *parts[number + 1 :]]), "utf-8")
        assert [(each.path, each.number) for each in store.read_prompts(folder).damaged] == [(path, number + 1)]
        with pytest.raises(StoreError, match=rf"lacks '{name}' of prompt {name}"):
            store.prompt(store.prompts(folder), name)
        with Store(folder) as opened:
            assert not opened.holds(name)
            assert opened.put(TEXT) == name
        with Store(folder) as opened:
            assert opened.holds(name)
        assert store.prompt(store.prompts(folder), name) == TEXT
        assert len(store.repair(folder)) == 1
        assert store.read_prompts(folder).damaged == ()
        assert store.prompt(store.prompts(folder), name) == TEXT


PARTS = st.sampled_from(
    [
        *(Piece("thread", text) for text in ("", "a", 'say "no"\\', "\ud83d", "é\u2028", '"}\n{"id":"')),
        {"role": "assistant", "content": "x", "tool_calls": [{"id": "\ud83d", "function": {"name": "f", "arguments": "{}"}}]},
    ]
)


@given(prompts=st.lists(st.lists(PARTS, min_size=1, max_size=3), min_size=1, max_size=3), data=st.data())
def test_parts_are_told_apart_without_their_texts(prompts: list[list[Piece | dict[str, Any]]], data: st.DataObject) -> None:
    """Whatever the file holds: the same parts, the same prompts, the same damage."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Store(folder) as opened:
            for listed in prompts:
                messages = [one if isinstance(one, dict) else {"role": "user", "content": one.text} for one in listed]
                pieces = [(one,) if isinstance(one, Piece) else (Piece("thread", "x"),) for one in listed]
                opened.put(
                    Prompt(tuple(messages), tuple(pieces), tools=data.draw(st.sampled_from([None, ({"name": "\ud83d"},)])))
                )
        path = folder / PROMPTS
        damaged = bytearray(path.read_bytes())
        for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), max_size=3)):
            damaged[place] = data.draw(st.sampled_from([*b'"}\n\\ a0'])) if data.draw(st.booleans()) else damaged[place] ^ 1
        path.write_bytes(bytes(damaged))

        def take(offset: int, value: Any) -> tuple[int, bool]:
            return offset, store.is_prompt(value)

        assert store.keep_prompts(folder, take) == store.keep_prompts(folder, take, texts=True)


# ---------------------------------------------------------------------------------------------- power cuts


class Disk:
    """Counts syncs by file, and lets seconds pass when a test says so."""

    def __init__(self, folder: Path) -> None:
        self.synced: list[str] = []
        self._names = {name: folder / name for name in (RESULTS, PROMPTS)}
        self._passed, self._slept = threading.Semaphore(0), threading.Semaphore(0)
        self.seconds = 0.0

    def sync(self, file: int) -> None:
        self.synced += [name for name, path in self._names.items() if path.stat().st_ino == os.fstat(file).st_ino]

    def wait(self, leave: threading.Event, seconds: float) -> bool:
        self.seconds = seconds
        self._slept.release()
        while not leave.is_set():
            if self._passed.acquire(timeout=0.01):
                return False
        return True

    def second(self) -> None:
        """Let the store wait once, and see to the end what it does then."""
        self._slept.acquire()
        self._passed.release()
        self._slept.acquire()
        self._slept.release()


def test_what_is_written_is_synced_once_a_second_and_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    disk = Disk(folder)
    with Store(folder, sync=disk.sync, wait=disk.wait) as opened:
        assert disk.synced == []
        for number in range(500):
            opened.append(answered(f"a-{number}", "x"))
        assert disk.synced == []
        disk.second()
        assert disk.synced == [RESULTS]
        disk.second()
        assert disk.synced == [RESULTS]  # nothing was written
        opened.put(TEXT)
        opened.append(answered("b", "x"))
        disk.second()
        assert disk.synced == [RESULTS, PROMPTS, RESULTS]  # what a result names before the result
        opened.append(answered("c", "x"))
    assert disk.synced == [RESULTS, PROMPTS, RESULTS, RESULTS]
    assert disk.seconds == store.SYNC_EVERY == 1.0


def test_a_store_that_is_only_opened_syncs_nothing(tmp_path: Path) -> None:
    folder = written(tmp_path / "run", answered("a", "x"))
    disk = Disk(folder)
    with Store(folder, sync=disk.sync, wait=disk.wait):
        pass
    assert disk.synced == []


def test_disk_that_fails_is_told_at_the_next_answer_or_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()

    def broken(file: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def append(*names: str) -> None:
        disk = Disk(folder)
        with Store(folder, sync=broken, wait=disk.wait) as opened:
            for name in names:
                opened.append(answered(name, "x"))
                disk.second()

    for names in (["a"], ["b", "c"]):
        with pytest.raises(StoreError, match=rf"{RESULTS}: can't be written: Input/output error"):
            append(*names)
    assert [each.case for each in store.results(folder).values()] == ["a", "b"]


def test_folder_that_vanishes_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    appended = []

    def append() -> None:
        disk = Disk(folder)
        with Store(folder, sync=lambda file: None, wait=disk.wait) as opened:
            for name in "ab":
                opened.append(answered(name, "x"))
                appended.append(name)
                shutil.rmtree(folder, ignore_errors=True)
                disk.second()

    with pytest.raises(StoreError, match=rf"{RESULTS}: was deleted while it was written"):
        append()
    assert appended == ["a"]


def test_full_disk_is_a_store_error_and_costs_no_line(tmp_path: Path) -> None:
    folder = written(tmp_path / "run", answered("a", "x"))
    size = (folder / RESULTS).stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Store(folder) as opened:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, hard))
        try:
            for _ in range(2):
                with pytest.raises(StoreError, match="can't be written"):
                    opened.append(answered("b", "y"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        opened.append(answered("c", "z"))
    assert [r.case for r in store.results(folder).values()] == ["a", "c"]


# ---------------------------------------------------------------------------------------------- prompts


@pytest.mark.parametrize("prompt", [TEXT, NATIVE], ids=["text", "native"])
def test_prompts_round_trip(tmp_path: Path, prompt: Prompt) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with Store(folder) as opened:
        name = opened.put(prompt)
    assert store.prompt(store.prompts(folder), name) == prompt


def test_every_text_is_written_once(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    threads = [f"thread {i}" for i in range(50)]
    system = ({"role": "system", "content": SYSTEM}, (Piece("instructions", SYSTEM),))
    prompts = [
        Prompt((system[0], {"role": "user", "content": thread}), (system[1], (Piece("thread", thread),)), NATIVE.tools)
        for thread in threads
    ]
    with Store(folder) as opened:
        names = [opened.put(prompt) for prompt in prompts]
    size = (folder / PROMPTS).stat().st_size
    assert (folder / PROMPTS).read_text().count(SYSTEM) == 1
    with Store(folder) as opened:
        assert [opened.put(prompt) for prompt in prompts] == names
    assert (folder / PROMPTS).stat().st_size == size
    kept = store.prompts(folder)
    assert [store.prompt(kept, name) for name in names] == prompts


def test_lone_surrogates_in_a_prompt_round_trip(tmp_path: Path) -> None:
    prompt = Prompt(({"role": "user", "content": "half \ud83d"},), ((Piece("thread", "half \ud83d"),),))
    folder = tmp_path / "run"
    folder.mkdir()
    with Store(folder) as opened:
        name = opened.put(prompt)
    with Store(folder) as opened:
        assert opened.put(prompt) == name
    assert store.prompt(store.prompts(folder), name) == prompt


def test_missing_part_of_a_prompt_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with Store(folder) as opened:
        name = opened.put(TEXT)
    kept = store.prompts(folder)
    for part in list(kept):
        with pytest.raises(StoreError, match=f"lacks '{part}' of prompt {name}"):
            store.prompt({key: value for key, value in kept.items() if key != part}, name)


# ---------------------------------------------------------------------------------------------- which line counts

GOOD, LATER, ERROR = answered("a", "good"), answered("a", "later"), failed("a")
LATER_ERROR = result("a", error=Failure(kind="transient", message="later"))
OTHER, OTHER_ERROR = answered("a", "other request", "k2"), failed("a", "k2")
OUTDATED = result("a", error=Failure(kind="outdated", message="no"))


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        ([GOOD, LATER], LATER),
        ([GOOD, ERROR], GOOD),
        ([ERROR, GOOD], GOOD),
        ([GOOD, OTHER], OTHER),
        ([GOOD, OTHER_ERROR], OTHER_ERROR),
        ([ERROR, OTHER_ERROR], OTHER_ERROR),
        ([ERROR, LATER_ERROR], LATER_ERROR),
        ([GOOD, OUTDATED], OUTDATED),
        ([GOOD, OUTDATED, ERROR], ERROR),
        ([GOOD, OUTDATED, LATER, ERROR], LATER),
    ],
    ids=[
        *["last", "error hides nothing", "answer", "other request", "other request failed", "other error", "last error"],
        *["outdated", "outdated and failed", "outdated and asked again"],
    ],
)
def test_which_line_of_a_trial_counts(tmp_path: Path, lines: list[Result], kept: Result) -> None:
    assert list(store.results(written(tmp_path / "run", *lines)).values()) == [kept]
    with Store(tmp_path / "run") as opened, lazy.Answers(tmp_path / "run").held() as answers:
        opened.append(answered("a", "while it is read"))
        known = answers.known(kept.trial)
        assert (known is None) == (kept.error is not None)
        assert known is None or (known.key, answers[kept.trial], answers.hosts) == (kept.key, kept, {known.host})


def test_a_result_is_read_as_json_says_it_whoever_wrote_it(tmp_path: Path) -> None:
    plain = json.loads(answered("a", "x").model_dump_json())
    path = tmp_path / "results.jsonl"
    for text in ('"\\ud83d\\ude00"', '"\\u00e9"', '"\\/"', '"a\\u0000b"', '"\U0001f600"'):
        line = json.dumps({**plain, "completion": {"text": "TEXT"}}).replace('"TEXT"', text)
        path.write_text(line + "\n")
        (read,) = store.results(path).values()
        assert read == Result.model_validate(json.loads(line))


def test_results_round_trip_with_everything_set(tmp_path: Path) -> None:
    full = answered("a", "x").model_copy(update={"tokens": result(tokens={"schema": 3, "thread": 4}).tokens})
    assert list(store.results(written(tmp_path / "run", full)).values()) == [full]


# ---------------------------------------------------------------------------------------------- files


def test_results_read_from_folder_file_and_gz(tmp_path: Path) -> None:
    folder = written(tmp_path / "run", answered("a", "é"), answered("b", "y"))
    packed = tmp_path / "results.jsonl.gz"
    packed.write_bytes(gzip.compress((folder / RESULTS).read_bytes()))
    shutil.copy(folder / RESULTS, tmp_path / "copy.jsonl")
    read = [store.results(path) for path in (folder, folder / RESULTS, packed, tmp_path / "copy.jsonl")]
    assert len(read[0]) == 2
    assert read == [read[0]] * 4


@pytest.mark.parametrize("damage", ["cut", "not gz", "flipped"])
def test_damaged_gz_is_an_error(tmp_path: Path, damage: str) -> None:
    text = "".join(f"{{{os.urandom(30).hex()}\n" for _ in range(100)).encode()
    whole = gzip.compress(text)
    flipped = bytearray(whole)
    flipped[10:40] = b"\xff" * 30
    path = tmp_path / "results.jsonl.gz"
    path.write_bytes({"cut": gzip.compress(b"")[:-4], "not gz": b"plain\n", "flipped": bytes(flipped)}[damage])
    with pytest.raises(StoreError, match="can't be unpacked"):
        store.results(path)


def test_no_results_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such run folder or file of results"):
        store.results(tmp_path / "nothing")
    with pytest.raises(StoreError, match="no such run folder or file of results"):
        store.results(tmp_path)


def test_create_names_folders_by_utc_and_never_takes_one_twice(tmp_path: Path) -> None:
    east = NOW.astimezone(timezone(timedelta(hours=9)))
    names = [run_folders.create(tmp_path, "small", moment).name for moment in (NOW, east, NOW)]
    assert names == ["2030-01-02T03-04-05Z", "2030-01-02T03-04-05Z-002", "2030-01-02T03-04-05Z-003"]


def test_find(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no run yet"):
        run_folders.find(tmp_path, "latest")
    old, other, new = (
        run_folders.create(tmp_path, suite, NOW + timedelta(hours=hours))
        for suite, hours in [("small", 0), ("big", 1), ("small", 2)]
    )
    for folder in (old, other, new):
        store.write_run(folder, record())
    unfinished = run_folders.create(tmp_path, "small", NOW + timedelta(hours=3))  # killed before its run.json
    assert run_folders.find(tmp_path, "latest") == new
    assert run_folders.find(tmp_path, "latest", "big") == other
    assert run_folders.find(tmp_path, str(old)) == old
    with pytest.raises(StoreError, match="no run of 'none' yet"):
        run_folders.find(tmp_path, "latest", "none")
    with pytest.raises(StoreError, match=r"no run.json in it; the newest runs: ") as caught:
        run_folders.find(tmp_path, str(unfinished))
    assert str(new) in str(caught.value)
    with pytest.raises(StoreError, match=r"^nowhere: no run.json"):
        run_folders.find(tmp_path, "nowhere")


def test_latest_of_many_runs_in_one_second(tmp_path: Path) -> None:
    folders = [run_folders.create(tmp_path, "small", NOW) for _ in range(11)]
    for folder in folders:
        store.write_run(folder, record())
    assert run_folders.find(tmp_path, "latest") == folders[-1]


def test_two_writers_are_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "run")
    program = (
        "import sys; from pathlib import Path; from phrasing.runs.store import Store\n"
        "with Store(Path(sys.argv[1])): print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(StoreError, match="another process is writing to this run") as caught:
            Store(folder)
        assert caught.value.where == str(folder)
        other.kill()
    written(folder, answered("a", "x"))


# ---------------------------------------------------------------------------------------------- whole files


def test_run_record_round_trips(tmp_path: Path) -> None:
    full = record(finished="2030-01-02T03:05:00Z", stopped={"scripted": "no key"}, partial="-n 3")
    store.write_run(tmp_path, full)
    assert store.read_run(tmp_path) == full
    assert (tmp_path / RUN).stat().st_mode & 0o777 == 0o644


def test_rewrite_keeps_the_order_given(tmp_path: Path) -> None:
    folder = written(tmp_path / "run", answered("a", "1"), answered("b", "2"))
    store.rewrite(folder, [answered("b", "3"), answered("a", "4")])
    assert [r.completion.text for r in store.results(folder).values() if r.completion] == ["3", "4"]


@pytest.mark.parametrize(
    "text", [None, "", "{", '{"suite": 1}', "\ud800"], ids=["missing", "empty", "cut", "fields", "not UTF-8"]
)
def test_unreadable_run_record(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / RUN).write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(StoreError, match=r"run.json: can't be read") as caught:
        store.read_run(tmp_path)
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------------------------------------- recordings


def kept(root: Path, *results: Result, suite: str = "small") -> Path:
    folder = root / "reports" / "reference" / suite
    store.write_recording(folder, record(suite=suite), results)
    return folder


def test_recording_is_read_like_a_run(tmp_path: Path) -> None:
    results = [answered("b", "é"), answered("a", "x")]
    folder = kept(tmp_path, *results)
    assert list(store.results(folder).values()) == results[::-1]
    assert store.read_run(folder) == record()
    assert sorted(path.name for path in folder.iterdir()) == ["results.jsonl.gz", "run.json"]
    assert gzip.decompress((folder / "results.jsonl.gz").read_bytes()).decode() == "".join(
        store.line(each) + "\n" for each in results[::-1]
    )


def test_equal_results_give_equal_bytes(tmp_path: Path) -> None:
    one, two = answered("a", "x"), answered("b", "y")
    first = kept(tmp_path, one, two)
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    assert before["results.jsonl.gz"][4:8] == bytes(4)  # no time in it
    assert {path.name: path.read_bytes() for path in kept(tmp_path, two, one).iterdir()} == before
    assert {path.name: path.read_bytes() for path in kept(tmp_path / "other", two, one).iterdir()} == before


def test_recording_is_not_written_to_and_keeps_no_prompts(tmp_path: Path) -> None:
    folder = kept(tmp_path, answered("a", "x"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(StoreError, match=r"small: is a recording, which isn't changed; phrasing run SUITE --replay .*small"):
        Store(folder)
    with pytest.raises(StoreError, match=r"small: is a recording and keeps no prompts"):
        store.prompts(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_recording_is_found_by_a_word_and_by_path(tmp_path: Path) -> None:
    folder, runs = kept(tmp_path, answered("a", "x")), tmp_path / "runs"
    kept(tmp_path, answered("a", "x"), suite="other")
    assert run_folders.find(runs, "recorded", "small") == run_folders.find(runs, str(folder)) == folder
    with pytest.raises(StoreError, match=r"reports/reference: recording 'smal' not found \(did you mean 'small'"):
        run_folders.find(runs, "recorded", "smal")
    with pytest.raises(StoreError, match=r"^recorded: of which suite\? .* there are: other, small$"):
        run_folders.find(runs, "recorded")
    with pytest.raises(StoreError, match="there are: none"):
        run_folders.find(tmp_path / "none" / "runs", "recorded", "small")


def test_recording_can_be_where_a_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file")
    with pytest.raises(StoreError, match="reports/reference/small: can't be written: Not a directory"):
        kept(tmp_path, answered("a", "x"))
