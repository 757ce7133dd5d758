"""Files of traces, one a line, of any length: read in blocks, and counted in every format by every tokenizer, without a suite.

What other programs wrote is read as it is: no labels, and whatever else a line holds is left alone. An event must be one that a
dataset could hold.

Blocks of lines go to processes; each gives back totals, and totals are merged in the file's order: the numbers are the same
whatever the number of processes. Only so many blocks are on their way at a time, so memory doesn't grow with the file.
"""

from __future__ import annotations

import codecs
import itertools
import marshal
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, get_args

from pydantic import ValidationError
from pydantic_core import CoreSchema, SchemaValidator, core_schema

from phrasing.costs import event_tokens
from phrasing.costs.token_totals import Counted, TokenTotals
from phrasing.errors import DatasetError, FormatError
from phrasing.importers.packed import DAMAGE, opened
from phrasing.prompts import formats
from phrasing.suite import dataset
from phrasing.tokenizers.tokenizer import characters, check, open_tokenizer
from phrasing.types import EVENT_TYPE, Piece, Prompt, Rendering, Role, Thread

TRACE_SHAPES = 'an object with "events", one with a "thread" that has them, or their list'

BLOCK_BYTES, BLOCK_LINES = 1_000_000, 500

_MOST_NAMED = 5
"""How many lines that can't be counted are named before it only says how many more there are."""

SMALL = 4
"""So many blocks are counted here before a pool of processes would have begun to."""


@dataclass(frozen=True)
class Block:
    """Lines of a file as they are; ``first`` is the number of the first."""

    first: int
    lines: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """The events of a thread as plain dicts with all their keys, and the conversation it was cut from, if it says so."""

    events: list[dict[str, Any]]
    cluster: str | None


@dataclass(frozen=True)
class Job:
    """What is counted: formats of a folder, each by every tokenizer (paths of tokenizers begin at ``root``).

    ``baseline`` is a format, by default the first. ``by_event``: tokens of a thread by type of event, too.
    """

    folder: Path
    formats: tuple[str, ...]
    tokenizers: tuple[str, ...]
    root: Path = Path()
    baseline: str | None = None
    by_event: bool = False


@dataclass
class FileCount:
    """What was counted: the totals, of so many threads; and how many lines can't be, with the reasons of the first few."""

    totals: TokenTotals
    threads: int = 0
    bad: int = 0
    named: tuple[tuple[int, str], ...] = ()

    def add(self, other: FileCount) -> None:
        """Add what comes next in the file."""
        self.totals.merge(other.totals)
        self.threads += other.threads
        self.bad += other.bad
        self.named = (*self.named, *other.named)[:_MOST_NAMED]


def count_file(path: Path, job: Job, *, workers: int | None = None) -> FileCount:
    """Count a file of threads, one a line.

    Roles that a thread leaves out follow from what stands in it alone (``dataset.infer_roles``, with no names of steps). A line
    that can't be read, and one that a format can't render, counts for no format at all, because formats are compared on the same
    threads: it is counted, and the first are named by number and reason.

    ``workers`` are processes; by default as many as this one may use, and none but this one where the file is short.
    Raises ``DatasetError`` where the file can't be read or no line of it can be counted.
    """
    for tokenizer in job.tokenizers:
        check(tokenizer, job.root)
    found = FileCount(TokenTotals(format_baselines(job)))
    blocks = read_blocks(path)
    head = list(itertools.islice(blocks, SMALL))
    if workers is None:
        workers = 1 if len(head) < SMALL else _cores()
    every = itertools.chain(head, blocks)
    try:
        with closing(_here(job, every) if workers == 1 else _in_processes(job, every, workers)) as parts:
            for part in parts:
                found.add(part)
    except BrokenProcessPool:
        why = "a process that counted its lines was ended from outside, or ran out of memory"
        raise DatasetError(why, where=path.as_posix()) from None
    if not found.threads and not found.bad:
        raise DatasetError(f"holds no threads; wanted one a line: {TRACE_SHAPES}", where=path.as_posix())
    if not found.threads:
        number, why = found.named[0]
        rest = f" (and none of the {found.bad - 1} other lines can be counted)" if found.bad > 1 else ""
        raise DatasetError(f"{why}{rest}", where=f"{path.as_posix()}:{number}")
    return found


def format_baselines(job: Job) -> dict[str, str]:
    """Map each format to the one that it is compared with."""
    names = [formats.load(job.folder, name).name for name in job.formats]
    baseline = names[0] if job.baseline is None else formats.load(job.folder, job.baseline).name
    return dict.fromkeys(names, baseline)


# ---------------------------------------------------------------------------------------------- reading


def read_blocks(path: Path) -> Iterator[Block]:
    """Read a file, also a gzipped one, in blocks of whole lines. Raises ``DatasetError`` where that can't be."""
    number, lines, size = 1, [], 0
    try:
        with opened(path) as file:
            for line in file:
                lines.append(line)
                size += len(line)
                if size >= BLOCK_BYTES or len(lines) == BLOCK_LINES:
                    yield Block(number, tuple(lines))
                    number, lines, size = number + len(lines), [], 0
    except DAMAGE as error:
        at = f"{path.as_posix()}:{number + len(lines)}" if number > 1 or lines else path.as_posix()
        raise DatasetError(f"can't be read: {getattr(error, 'strerror', None) or error}", where=at) from error
    if lines:
        yield Block(number, tuple(lines))


def read_trace(line: bytes) -> Trace | None:
    """Read a line, or raise ``ValueError`` with a message for the user; a line of white space is ``None``."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {line[error.start]:#04x} isn't UTF-8") from error
    if text.isspace():
        return None
    value = dataset.parse(text)
    cluster = None
    if isinstance(value, list):
        thread = {"events": value}
    elif isinstance(value, dict) and ("thread" in value or "events" in value):
        thread = value["thread"] if "thread" in value else {"events": value["events"]}
        cluster = _cluster(value)
    else:
        raise ValueError(f"wanted {TRACE_SHAPES}, got {dataset.quote(value)}")
    if not isinstance(thread, dict):
        raise ValueError(f"thread: wanted an object, got {dataset.quote(thread)}")
    try:
        return Trace(_THREAD.validate_python(thread)["events"], cluster)
    except ValidationError as error:
        raise ValueError(dataset.readable(error, Thread)) from error


def _cluster(line: dict[str, Any]) -> str | None:
    for key in ("group", "id"):
        name = line.get(key)
        if isinstance(name, str | int):
            return str(name)
        if name is not None:
            raise ValueError(f"{key}: wanted text, got {dataset.quote(name)}")
    return None


def _thread() -> CoreSchema:
    """Say what ``types.Thread`` says, of plain dicts: making models takes three times as long."""

    def or_none(schema: CoreSchema) -> core_schema.TypedDictField:
        return core_schema.typed_dict_field(core_schema.with_default_schema(core_schema.nullable_schema(schema), default=None))

    event = {
        "type": core_schema.typed_dict_field(core_schema.str_schema(pattern=EVENT_TYPE)),
        "data": or_none(core_schema.any_schema()),  # it comes out of a JSON reader
        "role": or_none(core_schema.literal_schema(list(get_args(Role)))),
        "call": or_none(core_schema.str_schema()),
    }
    events = core_schema.list_schema(core_schema.typed_dict_schema(event, extra_behavior="forbid"), min_length=1)
    return core_schema.typed_dict_schema({"events": core_schema.typed_dict_field(events)}, extra_behavior="forbid")


_THREAD = SchemaValidator(_thread())


# ---------------------------------------------------------------------------------------------- counting


class _Counter:
    """Formats and tokenizers, loaded."""

    def __init__(self, job: Job) -> None:
        loaded = [formats.load(job.folder, name) for name in job.formats]
        self._formats = list({format.name: format for format in loaded}.values())
        self._tokenizers = [open_tokenizer(name, job.root) for name in dict.fromkeys(job.tokenizers)]
        self._baselines = format_baselines(job)
        self._by_event = job.by_event
        self._changed = False

    def count(self, block: Block) -> FileCount:
        """Count a block."""
        found = FileCount(TokenTotals(self._baselines))
        named: list[tuple[int, str]] = []
        for number, line in enumerate(block.lines, start=block.first):
            try:
                trace = read_trace(line.removeprefix(codecs.BOM_UTF8) if number == 1 else line)
                if trace:
                    found.totals.add(self._counted(trace), cluster=trace.cluster, events=len(trace.events))
                    found.threads += 1
            except (ValueError, FormatError) as error:
                found.bad += 1
                if len(named) < _MOST_NAMED:
                    named.append((number, str(error)))
        found.named = tuple(named)
        return found

    def _counted(self, trace: Trace) -> dict[tuple[str, str], Counted]:
        unknown = ""
        try:
            inferred = dataset.roles([(event["type"], event["role"], event["call"]) for event in trace.events], frozenset())
            for event, (role, call, _) in zip(trace.events, inferred, strict=True):
                event |= {"role": role, "call": call}
        except ValueError as error:
            unknown = f" (roles can't be told: {error})"  # not every format needs them
        try:
            renderings = self._rendered(trace.events)
        except FormatError as error:
            raise FormatError(f"{error}{unknown}") from error
        counted: dict[tuple[str, str], Counted] = {}
        for format, rendering in zip(self._formats, renderings, strict=True):
            sent = prompt_of(rendering)
            if self._by_event:
                thread = Thread.model_validate({"events": trace.events})
                borders = event_tokens.borders(format, thread, rendering)
                found = {one.name: event_tokens.count_events(one, sent, rendering, borders) for one in self._tokenizers}
            else:
                length = characters(sent)
                found = {one.name: Counted(one.count(sent), length) for one in self._tokenizers}
            for name, one in found.items():
                counted[format.name, name] = one
        return counted

    def _rendered(self, events: list[dict[str, Any]]) -> list[Rendering]:
        """Render a thread in every format. A format may change what it gets, so where one does, each gets a copy."""
        before = marshal.dumps(events, _VALUES)
        if not self._changed:
            made, failed = [], None
            try:
                made = [formats.render_events(format, events) for format in self._formats]
            except FormatError as error:
                failed = error
            self._changed = marshal.dumps(events, _VALUES) != before
            if not self._changed and failed:
                raise failed
            if not self._changed:
                return made
            events[:] = marshal.loads(before)
        return [formats.render_events(format, marshal.loads(before)) for format in self._formats]


_VALUES = 2
"""The last version of marshal that writes equal values alike; later ones look at who else holds them."""


def prompt_of(rendering: Rendering) -> Prompt:
    """Make a prompt of a thread alone: its messages, or one of the user's."""
    messages = [{"role": "user", "content": rendering}] if isinstance(rendering, str) else rendering
    return Prompt(tuple(messages), tuple((Piece("thread", message.get("content") or ""),) for message in messages))


@lru_cache(maxsize=1)
def _open(job: Job) -> _Counter:
    return _Counter(job)


def _count(job: Job, block: Block) -> FileCount:
    return _open(job).count(block)


# ---------------------------------------------------------------------------------------------- processes


def _cores() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _here(job: Job, blocks: Iterable[Block]) -> Generator[FileCount, None, None]:
    for block in blocks:
        yield _count(job, block)


def _in_processes(job: Job, blocks: Iterable[Block], workers: int) -> Generator[FileCount, None, None]:
    """Count blocks in processes, and give the counts in order."""
    with _pool(workers) as pool:
        waiting: deque[Future[FileCount]] = deque()
        for block in blocks:
            waiting.append(pool.submit(_count, job, block))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Give a pool whose processes end at once when something goes wrong here, and when this process is killed."""
    context = multiprocessing.get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with, initargs=(theirs,))
    try:
        yield pool
    except BaseException:
        ours.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        ours.close()
        theirs.close()


class _Pipe(Protocol):
    """An end of a pipe; its class is another one on Windows."""

    def poll(self, timeout: float | None) -> bool:
        """Wait for something to read, or for the other end to close."""


def _end_with(parent: _Pipe) -> None:
    """End this process when the other end of the pipe closes."""

    def wait() -> None:
        parent.poll(None)
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the parent decides
    threading.Thread(target=wait, daemon=True).start()
