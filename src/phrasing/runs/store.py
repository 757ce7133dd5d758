"""A run folder: ``run.json``, ``results.jsonl`` and ``prompts.jsonl``.

Both ``.jsonl`` files only ever grow, one ``write`` a line, so whatever kills a run, every answer that arrived is there. A line
cut short at the end is dropped when the folder is read again. ``prompts.jsonl`` holds what was sent, each text once: a piece of
a prompt, then the prompts that are made of pieces. A result names its prompt.

A recording is a run folder that is committed: ``run.json`` and ``results.jsonl.gz``, sorted by trial and without a time of its
own, so that equal answers give equal bytes. It is read like any run, and never written to.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from filelock import FileLock, Timeout
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from phrasing.errors import StoreError, shorten, unknown
from phrasing.files import write_bytes, write_text
from phrasing.records import Result, RunRecord
from phrasing.types import Piece, Prompt, canonical_json, digest

RESULTS, PROMPTS, RUN = "results.jsonl", "prompts.jsonl", "run.json"
PACKED = f"{RESULTS}.gz"

RECORDINGS = Path("reports", "reference")
"""Where a project keeps the recordings of its suites, a folder a suite."""

WORDS = LATEST, RECORDED = "latest", "recorded"
"""Words that stand for a run: the newest one, and the recording of a suite."""


def create(runs: Path, suite: str, now: datetime) -> Path:
    """Make a new run folder ``runs/<suite>/<UTC time>``."""
    stem = runs / suite / now.astimezone(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    for number in range(1, 1000):
        folder = stem if number == 1 else stem.with_name(f"{stem.name}-{number:03}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise StoreError("can't make a run folder", where=str(stem))


def find(runs: Path, name: str, suite: str | None = None) -> Path:
    """Find a run by its folder or a word: ``latest`` is the newest one (of ``suite``), ``recorded`` the recording of ``suite``.

    ``runs`` is the folder of runs in a project. Raises ``StoreError`` with what there is.
    """
    if name == RECORDED:
        return _recording(runs.parent / RECORDINGS, suite)
    there = sorted(runs.glob(f"{suite or '*'}/*/{RUN}"), key=lambda file: (file.parent.name, file.parent.parent.name))
    if name == LATEST:
        if not there:
            raise StoreError(f"no run of {suite!r} yet" if suite else "no run yet", where=str(runs))
        return there[-1].parent
    folder = Path(name)
    if not (folder / RUN).is_file():
        newest = ", ".join(str(file.parent) for file in there[-3:]) or "none"
        raise StoreError(f"no {RUN} in it; the newest runs: {newest} (or say latest)", where=name)
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
    return (folder / PACKED).is_file() and not (folder / RESULTS).exists()


class Store:
    """A run folder opened for writing: locked, so that one process at a time appends to it."""

    def __init__(self, folder: Path) -> None:
        if is_recording(folder):
            again = f"phrasing run SUITE --replay {folder} makes a run of its answers"
            raise StoreError(f"is a recording, which isn't changed; {again}", where=str(folder))
        self.folder = folder
        self._lock = FileLock(folder / ".lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise StoreError("another process is writing to this run", where=str(folder)) from None
        try:
            self._known = set(prompts(folder))
            self._files = {name: _open(folder / name) for name in (RESULTS, PROMPTS)}
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        for file in self._files.values():
            os.close(file)
        self._lock.release()

    def append(self, result: Result) -> None:
        """Add a result: one write of one line."""
        self._write(RESULTS, line(result))

    def put(self, prompt: Prompt) -> str:
        """Keep what is sent, every text once; return the prompt's id."""
        messages: list[dict[str, Any]] = []
        for message, pieces in zip(prompt.messages, prompt.pieces, strict=True):
            if "tool_calls" in message or "tool_call_id" in message:
                messages.append({"message": self._keep(message), "kind": pieces[0].kind})
            else:
                parts = [[piece.kind, self._keep(piece.text)] for piece in pieces]
                messages.append({"role": message["role"], "pieces": parts})
        return self._keep(
            {
                "messages": messages,
                "tools": prompt.tools and self._keep(prompt.tools),
                "response_format": prompt.response_format and self._keep(prompt.response_format),
            }
        )

    def _keep(self, value: Any) -> str:
        text = canonical_json(value)
        name = digest(text)[:16]
        if name not in self._known:
            self._write(PROMPTS, _part(name, text))
            self._known.add(name)
        return name

    def _write(self, name: str, line: str) -> None:
        file, whole = self._files[name], line.encode("utf-8", "surrogatepass") + b"\n"
        try:
            wrote = os.write(file, whole)
            if wrote == len(whole):
                return
            os.ftruncate(file, os.fstat(file).st_size - wrote)  # the next line must not be glued to half of this one
            why = "the disk is full"
        except OSError as error:
            why = str(error.strerror)
        raise StoreError(f"can't be written: {why}", where=str(self.folder / name))


def _part(name: str, text: str) -> str:
    """Write a part of a prompt as its line of JSON; ``text`` is JSON already."""
    return f'{{"id":"{name}","value":{text}}}'


def line(result: Result) -> str:
    """Write a result as its line of JSON. Half a surrogate pair, which a provider may send but no file holds, becomes ``?``."""
    try:
        return result.model_dump_json(exclude_defaults=True, by_alias=True)
    except PydanticSerializationError:
        kept = canonical_json(result.model_dump(exclude_defaults=True, by_alias=True))
        return kept.encode("utf-8", "replace").decode("utf-8")


def _open(path: Path) -> int:
    """Open for appending; drop what a killed process left of its last line."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o644)
    kept = _whole_lines(path)
    if kept < os.fstat(file).st_size:
        os.ftruncate(file, kept)
    return file


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


class Line(NamedTuple):
    """A line of a file: its number (from 1), the offset of its first byte in the file's text, and its JSON."""

    number: int
    offset: int
    value: Any


def lines(path: Path) -> Iterator[Line]:
    """Read whole lines; a line without its newline is what a killed process left, and is passed over."""
    if not path.exists():
        return
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        offset = 0
        try:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    value = read_line(line)
                except ValueError as error:
                    raise StoreError(f"not JSON: {shorten(str(error))}", where=f"{path}:{number}") from None
                yield Line(number, offset, value)
                offset += len(line)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise StoreError(f"can't be unpacked: {error}", where=str(path)) from None


def read_line(line: bytes) -> Any:
    """Read the JSON of a line. Raises ``ValueError`` where it has none."""
    return json.loads(line.decode("utf-8", "surrogatepass"))


def result_of(path: Path, line: Line) -> Result:
    """Read a line of results. Raises ``StoreError`` with its place where it holds none."""
    try:
        return Result.model_validate(line.value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message = ": ".join(["not a result", *filter(None, [".".join(map(str, first["loc"]))]), first["msg"]])
        raise StoreError(message, where=f"{path}:{line.number}") from None


def results(path: Path) -> dict[str, Result]:
    """Read results by trial id, from a run folder or a ``.jsonl`` or ``.jsonl.gz`` file.

    Which of several lines of a trial counts says ``counts``.
    """
    path = results_file(path)
    kept: dict[str, Result] = {}
    for line in lines(path):
        result = result_of(path, line)
        before = kept.get(result.trial)
        if before is None or counts(result, before.key, answered=before.error is None):
            kept[result.trial] = result
    return kept


def results_file(path: Path) -> Path:
    """Name the file of results in a run folder, or the file itself. Raises ``StoreError`` where there is none."""
    if path.is_dir():
        path = path / (PACKED if is_recording(path) else RESULTS)
    if not path.is_file():
        raise StoreError("no such run folder or file of results", where=str(path))
    return path


def counts(result: Result, key: str, *, answered: bool) -> bool:
    """Whether a result replaces an earlier one of its trial, which had this ``key`` and an answer or none.

    Of several lines of a trial the last one wins, but an error never hides an answer to the same request.
    """
    return not answered or result.error is None or result.key != key


def prompts(folder: Path) -> dict[str, Any]:
    """Read what ``prompts.jsonl`` keeps, by id."""
    return {line.value["id"]: line.value["value"] for line in prompt_lines(folder)}


def prompt_lines(folder: Path) -> Iterator[Line]:
    """Read the lines of ``prompts.jsonl``: each is an object with an ``id`` and a ``value``."""
    path = folder / PROMPTS
    if not path.exists() and is_recording(folder):
        again = f"phrasing run SUITE --replay {folder} makes a run that does"
        raise StoreError(f"is a recording and keeps no prompts; {again}", where=str(folder))
    for line in lines(path):
        if not (isinstance(line.value, dict) and isinstance(line.value.get("id"), str) and "value" in line.value):
            raise StoreError("not a part of a prompt", where=f"{path}:{line.number}")
        yield line


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
    return Prompt(tuple(messages), tuple(pieces), tuple(tools) if tools else None, response_format)


# ---------------------------------------------------------------------------------------------- whole files


def write_run(folder: Path, record: RunRecord) -> None:
    """Write ``run.json``, whole or not at all."""
    write_text(folder / RUN, [record.model_dump_json(indent=2, by_alias=True) + "\n"])


def read_run(folder: Path) -> RunRecord:
    """Read ``run.json``."""
    try:
        return RunRecord.model_validate_json((folder / RUN).read_text("utf-8"))
    except (OSError, ValueError) as error:  # not there, not UTF-8, not a record
        raise StoreError(f"can't be read: {shorten(str(error))}", where=str(folder / RUN)) from None


def rewrite(folder: Path, scored: Iterable[Result]) -> None:
    """Replace ``results.jsonl``, whole or not at all."""
    lines = (line(result) + "\n" for result in scored)
    write_text(folder / RESULTS, lines)


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
