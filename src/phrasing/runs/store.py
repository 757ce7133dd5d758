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
import hashlib
import io
import json
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeGuard, TypeVar

from pydantic import JsonValue, ValidationError
from pydantic_core import PydanticSerializationError, from_json

from phrasing import files
from phrasing.errors import StoreError, shorten
from phrasing.files import check_file, write_bytes, write_text
from phrasing.records import Ended, Result, RunRecord
from phrasing.runs import jsonl, run_folders, soundness
from phrasing.runs.jsonl import Damaged, Line
from phrasing.runs.run_folders import ENDED, KEYS, PACKED, PROMPTS, RESULTS, RUN
from phrasing.types import NO_EDIT, Piece, Prompt, Record, canonical_json, digest, write_axes

if TYPE_CHECKING:
    from filelock import FileLock


SYNC_EVERY = 1.0
"""Seconds after which what was written is synced: about as many of answers are lost by a power cut."""


OUTDATED = "outdated"
"""The kind of error that stands for an answer which counts no more: it hides the answer, whatever request that was given to."""


T = TypeVar("T")
Read = TypeVar("Read", RunRecord, Ended)


def _lock(folder: Path) -> FileLock:
    """Keep every other process from writing to a run folder, until the lock is released."""
    from filelock import FileLock, Timeout  # it brings asyncio, which readers don't need

    if run_folders.is_recording(folder):
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

    def hold(self, part: JsonValue) -> str:
        """Keep a part that results name, every one once; return its id."""
        return self._keep({"part": part})

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
        check_file(path)
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o644)
        kept = jsonl.whole_length(path)
        if kept < os.fstat(file).st_size:
            os.ftruncate(file, kept)
    except OSError as error:
        raise StoreError(f"can't be written: {error.strerror}", where=str(path)) from None
    return file


# ---------------------------------------------------------------------------------------------- reading


class Results(NamedTuple):
    """The results of a file by trial id, and the lines of it that were left out."""

    kept: dict[str, Result]
    damaged: tuple[Damaged, ...]


class Prompts(NamedTuple):
    """What a file of prompts keeps, by id, and the lines of it that were left out."""

    kept: dict[str, Any]
    damaged: tuple[Damaged, ...]


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
    step = f"/{result.step}" if result.step is not None else ""
    for variant in (result.variant, *([write_axes(unedited)] if result.edit == NO_EDIT else [])):
        yield f"{result.dataset}::{result.case}[{variant}]#{result.repeat}{step}"


def results(path: Path) -> dict[str, Result]:
    """Read results by trial id, as ``read_results`` does, without what it says of damaged lines."""
    return read_results(path).kept


def read_results(path: Path) -> Results:
    """Read results, and those of single steps, from a run folder or a ``.jsonl`` or ``.jsonl.gz`` file. Damaged lines are left
    out.

    Which of several lines of a trial counts says ``counts``.
    """
    return Results(*keep_results(path, lambda offset, result: result))


def keep_results(
    path: Path, take: Callable[[int, Result], T], wanted: Callable[[Result], bool] = lambda result: True
) -> tuple[dict[str, T], tuple[Damaged, ...]]:
    """Read results as ``read_results`` does, and keep only what ``take`` makes of each: of its line's offset and the result.

    ``take`` gets each result of the file that is ``wanted``, also those that don't count.
    """
    path = run_folders.results_file(path)
    kept: dict[str, T] = {}
    said: dict[str, tuple[str, bool]] = {}
    damaged: list[Damaged] = []
    for line in jsonl.lines(path):
        result = result_of(path, line)
        if isinstance(result, Damaged):
            damaged.append(result)
            continue
        if not wanted(result):
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


def prompts(folder: Path) -> dict[str, Any]:
    """Read what ``prompts.jsonl`` keeps, as ``read_prompts`` does, without what it says of damaged lines."""
    return read_prompts(folder).kept


def read_prompts(folder: Path) -> Prompts:
    """Read what ``prompts.jsonl`` keeps, by id.

    Damaged lines are left out, also those whose text isn't that of their id; and then the prompts that were made of them.
    """
    return Prompts(*keep_prompts(folder, lambda offset, value: value, texts=True))


def keep_prompts(folder: Path, take: Callable[[int, Any], T], *, texts: bool = False) -> tuple[dict[str, T], tuple[Damaged, ...]]:
    """Read prompts as ``read_prompts`` does, and keep only what ``take`` makes of each: of its line's offset and the value.

    Without ``texts`` the value of a part that is a text is an empty one: the text itself isn't read, which takes a tenth of the
    time.
    """
    path = folder / PROMPTS
    if not os.path.lexists(path):
        if run_folders.is_recording(folder):
            again = f"phrasing run SUITE --replay {folder} makes a run that does"
            raise StoreError(f"is a recording and keeps no prompts; {again}", where=str(folder))
        return {}, ()
    kept: dict[str, T] = {}
    lacking: dict[str, set[str]] = {}
    damaged: list[Damaged] = []
    for number, offset, line in jsonl.written(path):
        part = (None if texts else _unread(line)) or _part_of(path, number, jsonl.value_of(path, number, line, halves=True))
        if isinstance(part, Damaged):
            damaged.append(part)
            continue
        name, value = part
        kept[name] = take(offset, value)
        if is_prompt(value) and not (needs := _needs(value)) <= kept.keys():  # they may come later, where damage was mended
            lacking[name] = needs
    for name in [name for name, needs in lacking.items() if not needs <= kept.keys()]:
        del kept[name]
    return kept, tuple(damaged)


def keys(folder: Path) -> dict[str, str]:
    """Read what ``keys.jsonl`` keeps. What can't be read of it is composed again."""
    path = folder / KEYS
    found = (line.value for line in jsonl.lines(path)) if os.path.lexists(path) else ()
    return {
        value["inputs"]: value["key"]
        for value in found
        if isinstance(value, dict) and all(isinstance(value.get(name), str) for name in ("inputs", "key"))
    }


def _part_of(path: Path, number: int, line: Any | Damaged) -> tuple[str, Any] | Damaged:
    if isinstance(line, Damaged):
        return line
    if not isinstance(line, dict) or line.keys() != {"id", "value"}:
        return Damaged(path, number, "not a part of a prompt")
    name, value = line["id"], line["value"]
    if name != _name(canonical_json(value)):
        return Damaged(path, number, "not the part of a prompt that its id names")
    return name, value


def _unread(line: bytes) -> tuple[str, Any] | None:
    """Give what a line keeps, a text as an empty one, if its bytes say that it is whole: those that its name was made of are."""
    found = _PART.fullmatch(line)
    if found is None or hashlib.sha256(found["value"]).hexdigest()[:16] != found["name"].decode():
        return None
    try:
        return found["name"].decode(), "" if found["value"].startswith(b'"') else from_json(found["value"])
    except ValueError:  # half a surrogate pair
        return None


_PART = re.compile(rb'\{"id":"(?P<name>[0-9a-f]{16})","value":(?P<value>.+)\}\n', re.DOTALL)


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


def write_run(folder: Path, record: RunRecord, before: RunRecord | None = None) -> None:
    """Write ``run.json``, whole or not at all. ``before`` is what the folder says: where that is the same, it stays as it is."""
    if record.finished is None:  # before: a run that goes on mustn't look as if it had ended, whatever kills it here
        _delete(folder / ENDED)
    ended = {name: getattr(record, name) for name in Ended.model_fields}
    if before is None or before.model_copy(update=ended) != record:
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
        check_file(path)
    try:
        return kind.model_validate_json(path.read_text("utf-8"))
    except (OSError, ValueError) as error:  # not to be read, not UTF-8, not a record
        why = error.strerror if isinstance(error, OSError) else shorten(str(error))
        raise StoreError(f"can't be read: {why}", where=str(path)) from None


def rewrite(folder: Path, scored: Iterable[Result]) -> None:
    """Replace ``results.jsonl``, whole or not at all; damaged lines of what was there are kept beside."""
    if os.path.lexists(folder / RESULTS):
        jsonl.keep_beside(folder / RESULTS, {each.number for each in read_results(folder).damaged})
    write_text(folder / RESULTS, (line(result) + "\n" for result in scored))


def repair(folder: Path) -> tuple[Damaged, ...]:
    """Take the damaged lines out of a run's files, and keep them in files beside; say which. Trials they held lack an answer."""
    lock = _lock(folder)
    try:
        found = (read_prompts(folder).damaged, read_results(folder).damaged)
        for path, numbers in ((damaged[0].path, {each.number for each in damaged}) for damaged in found if damaged):
            jsonl.keep_beside(path, numbers)
            write_bytes(path, jsonl.numbered(path, numbers, without=True))
    finally:
        lock.release()
    return tuple(each for damaged in found for each in damaged)


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
