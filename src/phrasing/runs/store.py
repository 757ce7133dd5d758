"""A run folder: ``run.json`` and ``ended.json``, ``results.jsonl``, ``prompts.jsonl`` and ``keys.jsonl``.

The ``.jsonl`` files only ever grow, one ``write`` a line, so whatever kills a run, every answer that arrived is there. They are
synced about once a second, so that a power cut costs no more than that. A line cut short at the end is dropped when the folder
is read again; a damaged one before it is left out, with its number and the reason. ``prompts.jsonl`` holds what was sent, each
text once: a piece of a prompt, then the prompts that are made of pieces. A result names its prompt. ``keys.jsonl`` holds the
keys of requests by a digest of what they were composed of: it saves composing them again, and can be deleted.

``run.json`` may be large, so it isn't written again when a run ends: what is known only then stands in ``ended.json``, which is
there only if the run that ``run.json`` describes has ended.

A recording is a run folder that is committed: ``run.json`` and ``results.jsonl.gz``, sorted by trial and without a time of its
own, so that equal answers give equal bytes. It is read like any run, and never written to.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import re
import threading
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeGuard, TypeVar

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from phrasing import files
from phrasing.errors import StoreError, shorten, unknown
from phrasing.files import write_bytes, write_text
from phrasing.records import Ended, Result, RunRecord
from phrasing.runs import soundness
from phrasing.types import NO_EDIT, Piece, Prompt, Record, canonical_json, digest, write_axes

if TYPE_CHECKING:
    from filelock import FileLock

RESULTS, PROMPTS, KEYS, RUN, ENDED = "results.jsonl", "prompts.jsonl", "keys.jsonl", "run.json", "ended.json"
PACKED = f"{RESULTS}.gz"

SYNC_EVERY = 1.0
"""Seconds after which what was written is synced: about as many of answers are lost by a power cut."""

RECORDINGS = Path("reports", "reference")
"""Where a project keeps the recordings of its suites, a folder a suite."""

OUTDATED = "outdated"
"""The kind of error that stands for an answer which counts no more: it hides the answer, whatever request that was given to."""

WORDS = LATEST, RECORDED = "latest", "recorded"
"""Words that stand for a run: the newest one, and the recording of a suite."""

T = TypeVar("T")
Read = TypeVar("Read", RunRecord, Ended)


def create(runs: Path, suite: str, now: datetime) -> Path:
    """Make a new run folder ``runs/<suite>/<UTC time>``."""
    stem = runs / suite / now.astimezone(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    for number in range(1, 1000):
        folder = stem if number == 1 else stem.with_name(f"{stem.name}-{number:03}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise StoreError(f"can't make a run folder: {error.strerror}", where=str(stem)) from None
        for above in (folder.parent, runs, runs.parent):
            files.sync_folder(above)
        return folder
    raise StoreError("can't make a run folder", where=str(stem))


def is_run(folder: Path) -> bool:
    """Whether a folder is one of a run. Raises ``StoreError`` where that can't be told."""
    return _is_file(folder / RUN)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:  # no right to look, or too long a name
        raise StoreError(f"can't be read: {error.strerror}", where=_named(str(path))) from None


def _is_text(path: Path) -> bool:
    """Whether a path can be written into a report."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _named(name: str) -> str:
    return name if len(name) <= 300 else shorten(name)


def find(runs: Path, name: str, suite: str | None = None) -> Path:
    """Find a run by its folder or a word: ``latest`` is the newest one (of ``suite``), ``recorded`` the recording of ``suite``.

    ``runs`` is the folder of runs in a project. Raises ``StoreError`` with what there is.
    """
    if name == RECORDED:
        return _recording(runs.parent / RECORDINGS, suite)
    named = filter(_is_text, runs.glob(f"{suite or '*'}/*/{RUN}"))
    there = sorted(named, key=lambda file: (file.parent.name, file.parent.parent.name))
    if name == LATEST:
        if not there:
            raise StoreError(f"no run of {suite!r} yet" if suite else "no run yet", where=str(runs))
        return there[-1].parent
    folder = Path(name)
    if not _is_text(folder):
        raise StoreError("the name isn't UTF-8; rename the folder", where=ascii(_named(name)))
    if not is_run(folder):
        newest = ", ".join(str(file.parent) for file in there[-3:]) or "none"
        raise StoreError(f"no {RUN} in it; the newest runs: {newest} (or say latest)", where=_named(name))
    return folder


def _recording(recordings: Path, suite: str | None) -> Path:
    there = [file.parent.name for file in sorted(recordings.glob(f"*/{RUN}"))]
    if suite is None:
        listed = ", ".join(there) or "none"
        raise StoreError(f"of which suite? name its folder; in {recordings} there are: {listed}", where=RECORDED)
    if suite not in there:
        raise StoreError(
            f"{unknown('recording', suite, there)} (phrasing run --update-recording makes one)", where=str(recordings)
        )
    return recordings / suite


def is_recording(folder: Path) -> bool:
    """Whether a run folder is a recording."""
    return _is_file(folder / PACKED) and not os.path.lexists(folder / RESULTS)


def _lock(folder: Path) -> FileLock:
    """Keep every other process from writing to a run folder, until the lock is released."""
    from filelock import FileLock, Timeout  # it brings asyncio, which readers don't need

    if is_recording(folder):
        again = f"phrasing run SUITE --replay {folder} makes a run of its answers"
        raise StoreError(f"is a recording, which isn't changed; {again}", where=str(folder))
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise StoreError("another process is writing to this run", where=str(folder)) from None
    except OSError as error:
        raise StoreError(f"can't be written: {error.strerror}", where=str(folder / ".lock")) from None
    return lock


class Store:
    """A run folder opened for writing: locked, so that one process at a time appends to it.

    What was appended is synced in groups, at most once in ``SYNC_EVERY`` seconds and at the end, by a thread, so that nobody who
    appends waits for the disk. ``sync`` takes the file's descriptor; ``wait`` waits for so many seconds, or for an event, and
    says whether it was the event.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sync: Callable[[int], object] = files.sync,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        self.folder = folder
        self._sync, self._wait = sync, wait
        self._leave = threading.Event()
        self._thread: threading.Thread | None = None
        self._unsynced: set[str] = set()
        self._failed: StoreError | None = None
        self._lock = _lock(folder)
        try:
            kept, _ = keep_prompts(folder, lambda offset, value: is_prompt(value))
            self._known, self._whole = set(kept), {name for name, whole in kept.items() if whole}
            self._keys = keys(folder)
            # in the order in which they are synced: a result names its prompt
            new = [name for name in (PROMPTS, RESULTS, KEYS) if not (folder / name).exists()]
            self._files = {name: _open(folder / name) for name in (PROMPTS, RESULTS, KEYS)}
        except BaseException:
            self._lock.release()
            raise
        if new:
            files.sync_folder(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._leave.set()
        if self._thread:
            self._thread.join()
            self._sync_all()
        for file in self._files.values():
            os.close(file)
        self._lock.release()
        if self._failed and error is None:
            raise self._failed

    def _sync_often(self) -> None:
        while not self._wait(self._leave, SYNC_EVERY):
            self._sync_all()

    def _sync_all(self) -> None:
        for name, file in self._files.items():
            if name not in self._unsynced:
                continue
            self._unsynced.discard(name)  # before: what is written meanwhile is for the next time
            try:
                self._sync(file)
                gone = not os.fstat(file).st_nlink
            except OSError as error:
                self._failed = StoreError(f"can't be written: {error.strerror}", where=str(self.folder / name))
                return
            if gone:  # a write to it would go well, and into nothing
                self._failed = StoreError("was deleted while it was written", where=str(self.folder / name))

    def key(self, inputs: str) -> str | None:
        """Give the key of the request that is composed of inputs with this digest, if it is known."""
        return self._keys.get(inputs)

    def keep_key(self, inputs: str, key: str) -> None:
        """Keep the key of the request that is composed of inputs with this digest."""
        if self._keys.get(inputs) != key:
            self._write(KEYS, canonical_json({"inputs": inputs, "key": key}))
            self._keys[inputs] = key

    def append(self, result: Result) -> None:
        """Add a result: one write of one line."""
        self._write(RESULTS, line(result))

    def holds(self, prompt: str) -> bool:
        """Whether a prompt is kept under this id with all its parts: a power cut or damage may have cost some."""
        return prompt in self._whole

    def put(self, prompt: Prompt) -> str:
        """Keep what is sent, every text once; return the prompt's id."""
        messages: list[dict[str, Any]] = []
        for message, pieces in zip(prompt.messages, prompt.pieces, strict=True):
            if "tool_calls" in message or "tool_call_id" in message:
                messages.append({"message": self._keep(message), "kind": pieces[0].kind})
            else:
                parts = [[piece.kind, self._keep(piece.text)] for piece in pieces]
                messages.append({"role": message["role"], "pieces": parts})
        name = self._keep(
            {
                "messages": messages,
                "tools": prompt.tools and self._keep(prompt.tools),
                "response_format": prompt.response_format and self._keep(prompt.response_format),
            }
        )
        self._whole.add(name)
        return name

    def _keep(self, value: Any) -> str:
        text = canonical_json(value)
        name = _name(text)
        if name not in self._known:
            self._write(PROMPTS, _part(name, text))
            self._known.add(name)
        return name

    def _write(self, name: str, line: str) -> None:
        if self._failed:
            raise self._failed
        file, whole = self._files[name], line.encode("utf-8", "surrogatepass") + b"\n"
        try:
            wrote = os.write(file, whole)
            if wrote == len(whole):
                self._unsynced.add(name)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._sync_often, name=f"sync {self.folder}", daemon=True)
                    self._thread.start()
                return
            os.ftruncate(file, os.fstat(file).st_size - wrote)  # the next line must not be glued to half of this one
            why = "the disk is full"
        except OSError as error:
            why = str(error.strerror)
        raise StoreError(f"can't be written: {why}", where=str(self.folder / name))


def _name(text: str) -> str:
    """Name a part of a prompt by its JSON: damage shows, as the id of a damaged text is another one."""
    return digest(text)[:16]


def _part(name: str, text: str) -> str:
    """Write a part of a prompt as its line of JSON; ``text`` is JSON already."""
    return f'{{"id":"{name}","value":{text}}}'


def line(result: Result) -> str:
    """Write a result as its line of JSON. Half a surrogate pair, which a provider may send but no file holds, becomes ``?``."""
    return _json(result, exclude_defaults=True)


def _json(record: Record, *, exclude_defaults: bool = False, indent: int | None = None) -> str:
    try:
        text = record.model_dump_json(exclude_defaults=exclude_defaults, by_alias=True, indent=indent)
    except PydanticSerializationError:
        value = record.model_dump(exclude_defaults=exclude_defaults, by_alias=True)
        text = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")
    else:
        if _REPLACED not in text:
            return text
    # keys that differed in what was replaced are one key now, which mustn't stand twice
    read = json.loads(text, parse_constant=lambda name: None)
    return json.dumps(read, ensure_ascii=False, indent=indent, separators=None if indent else (",", ":"))


_REPLACED = "\N{REPLACEMENT CHARACTER}"


def _open(path: Path) -> int:
    """Open for appending; drop what a killed process left of its last line."""
    if os.path.lexists(path):
        _check_file(path)
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o644)
        kept = _whole_lines(path)
        if kept < os.fstat(file).st_size:
            os.ftruncate(file, kept)
    except OSError as error:
        raise StoreError(f"can't be written: {error.strerror}", where=str(path)) from None
    return file


def _check_file(path: Path) -> None:
    """Raise ``StoreError`` for what would be opened and is no file: a folder, a pipe, a link that leads nowhere."""
    if not _is_file(path):
        raise StoreError("isn't a file", where=str(path))


def _whole_lines(path: Path) -> int:
    """Give the length of a file up to the end of its last whole line."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - 65536)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
    return 0


# ---------------------------------------------------------------------------------------------- reading


class Damaged(NamedTuple):
    """A line that is left out: of which file, its number (from 1), and why."""

    path: Path
    number: int
    why: str


class Line(NamedTuple):
    """A line of a file: its number (from 1), the offset of its first byte in the file's text, and its JSON or why it has none."""

    number: int
    offset: int
    value: Any | Damaged


class Results(NamedTuple):
    """The results of a file by trial id, and the lines of it that were left out."""

    kept: dict[str, Result]
    damaged: tuple[Damaged, ...]


class Prompts(NamedTuple):
    """What a file of prompts keeps, by id, and the lines of it that were left out."""

    kept: dict[str, Any]
    damaged: tuple[Damaged, ...]


def lines(path: Path, *, halves: bool = False) -> Iterator[Line]:
    """Read the whole lines of a file, ``.gz`` or not: the JSON of each, or why it has none.

    ``read_line`` says what is refused. A line without its newline is what a killed process left, and is passed over. Raises
    ``StoreError`` for a file that can't be read at all.
    """
    _check_file(path)
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            offset = 0
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    value = read_line(line, halves=halves)
                except ValueError as error:
                    value = Damaged(path, number, f"not JSON: {shorten(str(error))}")
                yield Line(number, offset, value)
                offset += len(line)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise StoreError(f"can't be unpacked: {error}", where=str(path)) from None
    except OSError as error:
        raise StoreError(f"can't be read: {error.strerror}", where=str(path)) from None


def read_line(line: bytes, *, halves: bool = False) -> Any:
    """Read the JSON of a line. Raises ``ValueError`` where it has none.

    Refused is what isn't JSON, and what readers of JSON don't agree on: a key that stands twice in an object, ``NaN``, a number
    too large for a float, half a surrogate pair (unless ``halves``: prompts hold them).
    """
    try:
        value = from_json(line, allow_inf_nan=False)
        if to_json(value) == line.rstrip(b"\n"):
            return value  # nothing of that sort is written for a value, so whatever is written just so holds nothing of it
    except ValueError:
        pass  # what is wrong, if anything is, Python's reader says better
    try:
        value = _STRICT.decode(line.decode("utf-8", "surrogatepass" if halves else "strict"))
        if not halves and b"\\u" in line:
            canonical_json(value).encode("utf-8")
    except RecursionError as error:
        raise ValueError(str(error)) from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
        raise ValueError(f"the key {twice!r} stands twice in an object")
    return value


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text} is too large a number")
    return value


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON's")


_STRICT = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_no_number)


def result_of(path: Path, line: Line) -> Result | Damaged:
    """Read a line of results as what it holds, or say why it holds no result."""
    if isinstance(line.value, Damaged):
        return line.value
    try:
        result = Result.model_validate(line.value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        why = ": ".join(["not a result", *filter(None, [".".join(map(str, first["loc"]))]), first["msg"]])
        return Damaged(path, line.number, shorten(why))
    if result.trial not in _addresses(result):
        return Damaged(path, line.number, "not a result: trial: isn't the address of its own dataset, case, variant and repeat")
    if result.at and not _is_time(result.at):
        return Damaged(path, line.number, f"not a result: at: {shorten(repr(result.at), 40)} isn't a time")
    return result


def _is_time(text: str) -> bool:
    """Whether a text is a time as runs write it, in a year that tables can hold (to the nanosecond, in 64 bits)."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return False
    return _TIME.fullmatch(text) is not None and 1970 <= moment.year < 2262


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)


def _addresses(result: Result) -> Iterator[str]:
    """Give the addresses that a result may have: in old runs, that of a thread without an edit doesn't say so."""
    unedited = (result.function, result.format, result.output, result.model)
    for variant in (result.variant, *([write_axes(unedited)] if result.edit == NO_EDIT else [])):
        yield f"{result.dataset}::{result.case}[{variant}]#{result.repeat}"


def results(path: Path) -> dict[str, Result]:
    """Read results by trial id, as ``read_results`` does, without what it says of damaged lines."""
    return read_results(path).kept


def read_results(path: Path) -> Results:
    """Read results from a run folder or a ``.jsonl`` or ``.jsonl.gz`` file. Damaged lines are left out.

    Which of several lines of a trial counts says ``counts``.
    """
    return Results(*keep_results(path, lambda offset, result: result))


def keep_results(path: Path, take: Callable[[int, Result], T]) -> tuple[dict[str, T], tuple[Damaged, ...]]:
    """Read results as ``read_results`` does, and keep only what ``take`` makes of each: of its line's offset and the result.

    ``take`` gets each result of the file, also those that don't count.
    """
    path = results_file(path)
    kept: dict[str, T] = {}
    said: dict[str, tuple[str, bool]] = {}
    damaged: list[Damaged] = []
    for line in lines(path):
        result = result_of(path, line)
        if isinstance(result, Damaged):
            damaged.append(result)
            continue
        taken, before = take(line.offset, result), said.get(result.trial)
        if before is None or counts(result, before[0], answered=before[1]):
            kept[result.trial], said[result.trial] = taken, (result.key, result.error is None)
    return kept, tuple(damaged)


def counts(result: Result, key: str, *, answered: bool) -> bool:
    """Whether a result replaces an earlier one of its trial, which had this ``key`` and an answer or none.

    Of several lines of a trial the last one wins, but an error doesn't hide an answer to the same request, unless it says that
    the answer is ``OUTDATED``.
    """
    return not answered or result.error is None or result.key != key or result.error.kind == OUTDATED


def results_file(path: Path) -> Path:
    """Name the file of results in a run folder, or the file itself. Raises ``StoreError`` where there is none."""
    try:
        is_folder = path.is_dir()
    except OSError as error:
        raise StoreError(f"can't be read: {error.strerror}", where=_named(str(path))) from None
    if is_folder:
        path = path / (PACKED if is_recording(path) else RESULTS)
    if not _is_file(path):
        raise StoreError("no such run folder or file of results", where=_named(str(path)))
    return path


def prompts(folder: Path) -> dict[str, Any]:
    """Read what ``prompts.jsonl`` keeps, as ``read_prompts`` does, without what it says of damaged lines."""
    return read_prompts(folder).kept


def read_prompts(folder: Path) -> Prompts:
    """Read what ``prompts.jsonl`` keeps, by id.

    Damaged lines are left out, also those whose text isn't that of their id; and then the prompts that were made of them.
    """
    return Prompts(*keep_prompts(folder, lambda offset, value: value))


def keep_prompts(folder: Path, take: Callable[[int, Any], T]) -> tuple[dict[str, T], tuple[Damaged, ...]]:
    """Read prompts as ``read_prompts`` does, and keep only what ``take`` makes of each: of its line's offset and the value."""
    path = folder / PROMPTS
    if not os.path.lexists(path):
        if is_recording(folder):
            again = f"phrasing run SUITE --replay {folder} makes a run that does"
            raise StoreError(f"is a recording and keeps no prompts; {again}", where=str(folder))
        return {}, ()
    kept: dict[str, T] = {}
    lacking: dict[str, set[str]] = {}
    damaged: list[Damaged] = []
    for line in lines(path, halves=True):
        part = _part_of(path, line)
        if isinstance(part, Damaged):
            damaged.append(part)
            continue
        name, value = part
        kept[name] = take(line.offset, value)
        if is_prompt(value) and not (needs := _needs(value)) <= kept.keys():  # they may come later, where damage was mended
            lacking[name] = needs
    for name in [name for name, needs in lacking.items() if not needs <= kept.keys()]:
        del kept[name]
    return kept, tuple(damaged)


def keys(folder: Path) -> dict[str, str]:
    """Read what ``keys.jsonl`` keeps. What can't be read of it is composed again."""
    path = folder / KEYS
    found = (line.value for line in lines(path)) if os.path.lexists(path) else ()
    return {
        value["inputs"]: value["key"]
        for value in found
        if isinstance(value, dict) and all(isinstance(value.get(name), str) for name in ("inputs", "key"))
    }


def _part_of(path: Path, line: Line) -> tuple[str, Any] | Damaged:
    if isinstance(line.value, Damaged):
        return line.value
    if not isinstance(line.value, dict) or line.value.keys() != {"id", "value"}:
        return Damaged(path, line.number, "not a part of a prompt")
    name, value = line.value["id"], line.value["value"]
    if name != _name(canonical_json(value)):
        return Damaged(path, line.number, "not the part of a prompt that its id names")
    return name, value


def left_out(damaged: Iterable[Damaged], *, most: int = 5) -> dict[Path, str]:
    """Say of each file which lines are left out and why: of the first ``most`` of them."""
    by_file: dict[Path, list[Damaged]] = {}
    for each in damaged:
        by_file.setdefault(each.path, []).append(each)
    said = {}
    for path, listed in by_file.items():
        named = [f"line {each.number} ({each.why})" for each in listed[:most]]
        more = [f"and {len(listed) - most} more"] if len(listed) > most else []
        what = f"{len(listed)} damaged lines are" if len(listed) > 1 else "1 damaged line is"
        said[path] = f"{path}: {what} left out: {', '.join([*named, *more])}"
    return said


def prompt(kept: Mapping[str, Any], name: str) -> Prompt:
    """Put a prompt together again. Raises ``StoreError`` if a part of it is missing."""
    try:
        value = kept[name]
        messages, pieces = [], []
        for part in value["messages"]:
            if "message" in part:
                message = kept[part["message"]]
                own: tuple[Piece, ...] = (Piece(part["kind"], message.get("content") or ""),)
            else:
                own = tuple(Piece(kind, kept[text]) for kind, text in part["pieces"])
                message = {"role": part["role"], "content": "".join(piece.text for piece in own)}
            messages.append(message)
            pieces.append(own)
        tools, response_format = (value[key] and kept[value[key]] for key in ("tools", "response_format"))
    except KeyError as error:
        raise StoreError(f"{PROMPTS} lacks {error} of prompt {name}") from None
    except (TypeError, ValueError):  # an edited result names a part
        raise StoreError(f"{PROMPTS} has a part of a prompt under {name}, but no prompt") from None
    return Prompt(tuple(messages), tuple(pieces), tuple(tools) if tools else None, response_format)


def is_prompt(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether what ``prompts.jsonl`` keeps is a prompt, not a part of one."""
    return isinstance(value, dict) and value.keys() == {"messages", "tools", "response_format"}


def _needs(value: Mapping[str, Any]) -> set[str]:
    """Give the ids of the parts of a prompt."""
    own = {part["message"] for part in value["messages"] if "message" in part}
    pieces = {text for part in value["messages"] for _, text in part.get("pieces", ())}
    return own | pieces | {value[key] for key in ("tools", "response_format") if value[key]}


# ---------------------------------------------------------------------------------------------- whole files


def write_run(folder: Path, record: RunRecord) -> None:
    """Write ``run.json``, whole or not at all."""
    if record.finished is None:  # before: a run that goes on mustn't look as if it had ended, whatever kills it here
        _delete(folder / ENDED)
    write_text(folder / RUN, [_json(record, indent=2) + "\n"])
    _delete(folder / ENDED)


def end_run(folder: Path, ended: Ended) -> None:
    """Say how the run ended that ``run.json`` describes."""
    write_text(folder / ENDED, [_json(ended, indent=2) + "\n"])


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"can't be deleted: {error.strerror}", where=str(path)) from None


def read_run(folder: Path) -> RunRecord:
    """Read ``run.json``, and how the run ended. Raises ``StoreError`` where it isn't one, or its parts don't belong together."""
    record, ended = _read(RunRecord, folder / RUN), folder / ENDED
    try:
        soundness.check(record)
    except ValueError as error:
        raise StoreError(f"can't be read: {shorten(str(error))}", where=str(folder / RUN)) from None
    return record.model_copy(update=dict(_read(Ended, ended))) if os.path.lexists(ended) else record


def _read(kind: type[Read], path: Path) -> Read:
    if os.path.lexists(path):
        _check_file(path)
    try:
        return kind.model_validate_json(path.read_text("utf-8"))
    except (OSError, ValueError) as error:  # not to be read, not UTF-8, not a record
        why = error.strerror if isinstance(error, OSError) else shorten(str(error))
        raise StoreError(f"can't be read: {why}", where=str(path)) from None


def rewrite(folder: Path, scored: Iterable[Result]) -> None:
    """Replace ``results.jsonl``, whole or not at all; damaged lines of what was there are kept beside."""
    if os.path.lexists(folder / RESULTS):
        _keep_beside(folder / RESULTS, {each.number for each in read_results(folder).damaged})
    write_text(folder / RESULTS, (line(result) + "\n" for result in scored))


def repair(folder: Path) -> tuple[Damaged, ...]:
    """Take the damaged lines out of a run's files, and keep them in files beside; say which. Trials they held lack an answer."""
    lock = _lock(folder)
    try:
        found = (read_prompts(folder).damaged, read_results(folder).damaged)
        for path, numbers in ((damaged[0].path, {each.number for each in damaged}) for damaged in found if damaged):
            _keep_beside(path, numbers)
            write_bytes(path, _numbered(path, numbers, without=True))
    finally:
        lock.release()
    return tuple(each for damaged in found for each in damaged)


def beside(path: Path) -> Path:
    """Name the file that keeps the damaged lines of a file."""
    return path.with_name(f"{path.name}.damaged")


def _keep_beside(path: Path, numbers: Collection[int]) -> None:
    """Add these lines of a file to those that are kept beside it."""
    if numbers:
        kept = beside(path)
        before = [kept.read_bytes()] if kept.is_file() else []
        write_bytes(kept, [*before, *_numbered(path, numbers)])


def _numbered(path: Path, numbers: Collection[int], *, without: bool = False) -> Iterator[bytes]:
    """Give the whole lines of a file that have these numbers, or all the others, byte for byte."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.endswith(b"\n") and (number in numbers) != without:
                yield line


def write_recording(folder: Path, record: RunRecord, results: Iterable[Result]) -> None:
    """Write a recording: equal results give equal bytes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"can't be written: {error.strerror}", where=str(folder)) from None
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", mtime=0, fileobj=packed) as file:
        file.writelines((line(result) + "\n").encode() for result in sorted(results, key=lambda result: result.trial))
    write_bytes(folder / PACKED, [packed.getvalue()])
    write_run(folder, record)


def unite(folder: Path, record: RunRecord, results: Iterable[Result], sources: Iterable[Path]) -> None:
    """Fill a new run folder with the results of several runs, and with the prompts of those runs, each text once."""
    parts = {name: value for source in sources for name, value in prompts(source).items()}
    write_text(folder / PROMPTS, (_part(name, canonical_json(value)) + "\n" for name, value in parts.items()))
    rewrite(folder, sorted(results, key=lambda result: result.trial))
    write_run(folder, record)
