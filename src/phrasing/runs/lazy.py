"""Results and prompts that lie in their file until they are looked at: of each, only where its line begins is held.

A file is read once, line by line, when it is opened. Each result is handed on then to whoever makes figures of it; none is kept.
Of the answers that a resumed run begins with, what tells whether they count is held beside.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
import weakref
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Collection, ItemsView, Iterable, Iterator, Mapping, Set, ValuesView
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Generic, NamedTuple, Self, TypeVar

from phrasing.errors import StoreError
from phrasing.records import Result
from phrasing.runs import jsonl, run_folders, store
from phrasing.runs.hosts import Host
from phrasing.runs.jsonl import Damaged

T = TypeVar("T")


class Lazy(Mapping[str, T], ABC, Generic[T]):
    """Values by name, in the order of their file. To get one reads its line; ``read`` gets several in one go.

    What is appended to the file later doesn't show. Where the file was replaced since (``phrasing score`` does that), to get a
    value raises ``StoreError``. ``halves``: whether the file holds halves of surrogate pairs.
    """

    halves = False

    def __init__(self, file: _File, offsets: Mapping[str, int]) -> None:
        self._file, self._offsets = file, offsets

    def __getitem__(self, name: str) -> T:
        (value,) = self.read([name])
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._offsets)

    def __len__(self) -> int:
        return len(self._offsets)

    def __contains__(self, name: object) -> bool:
        return name in self._offsets

    def read(self, names: Iterable[str]) -> Iterator[T]:
        """Read these, in this order, one at a time. Raises ``KeyError`` for a name that isn't there."""
        with self._file.opened() as file:
            for name in names:
                offset = self._offsets[name]
                try:
                    file.seek(offset)
                    value = self._value(name, jsonl.read_line(file.readline(), halves=self.halves))
                except OSError as error:
                    raise self._file.unreadable(error) from None
                except (ValueError, TypeError, KeyError):  # what was read before is another line now
                    raise self._file.replaced() from None
                yield value

    @abstractmethod
    def _value(self, name: str, line: Any) -> T:
        """Give the value of ``name`` in a line. Raises ``ValueError``, ``TypeError`` or ``KeyError`` where that is another's."""

    @contextmanager
    def held(self) -> Iterator[Self]:
        """Hold the file open meanwhile, so that it isn't opened for each value. Only for a file that nobody replaces then."""
        with self._file.held():
            yield self

    def values(self) -> ValuesView[T]:
        """Give the values; each pass over them reads the file."""
        return _Values(self)

    def items(self) -> ItemsView[str, T]:
        """Give names with their values; each pass over them reads the file."""
        return _Items(self)


def read(values: Mapping[str, T], names: Iterable[str]) -> Iterator[T]:
    """Give the values of these names: in one go where they lie in a file."""
    return values.read(names) if isinstance(values, Lazy) else map(values.__getitem__, names)


class _Values(ValuesView[T]):
    _mapping: Lazy[T]

    def __iter__(self) -> Iterator[T]:
        return self._mapping.read(self._mapping)


class _Items(ItemsView[str, T]):
    _mapping: Lazy[T]

    def __iter__(self) -> Iterator[tuple[str, T]]:
        return zip(self._mapping, self._mapping.read(self._mapping), strict=True)


class LazyResults(Lazy[Result]):
    """Results by trial id, in the order in which trials first came."""

    def _value(self, name: str, line: Any) -> Result:
        if line["trial"] != name:
            raise ValueError
        return Result.model_validate(line)

    def only(self, trials: Collection[str]) -> LazyResults:
        """Give the results of these trials alone, in the order of all."""
        return LazyResults(self._file, {trial: offset for trial, offset in self._offsets.items() if trial in trials})


class LazyPrompts(Lazy[Any]):
    """What ``store.prompts`` reads."""

    halves = True

    def _value(self, name: str, line: Any) -> Any:
        if line["id"] != name:
            raise ValueError
        return line["value"]


class _File:
    """A file of lines as it was when it was read. A packed one is unpacked among the temporary files, once."""

    def __init__(self, path: Path) -> None:
        self._path, self._id = path, path.stat().st_ino
        self._unpacked: Path | None = None
        self._held: IO[bytes] | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the file open meanwhile."""
        with self._open() as self._held:
            try:
                yield
            finally:
                self._held = None

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """Give the text of the file. Raises ``StoreError`` where it isn't there any more, or another one is."""
        if self._held is not None:
            yield self._held
            return
        with self._open() as file:
            yield file

    def _open(self) -> IO[bytes]:
        try:
            if self._path.suffix == ".gz" and self._unpacked is None:
                self._unpacked = self._unpack()
            file = (self._unpacked or self._path).open("rb")
        except OSError as error:
            raise self.unreadable(error) from None
        if self._unpacked is None:
            self._check(file)
        return file

    def _unpack(self) -> Path:
        with self._path.open("rb") as packed:
            self._check(packed)
            handle, name = tempfile.mkstemp(prefix="phrasing-", suffix=f"-{run_folders.RESULTS}")
            weakref.finalize(self, Path.unlink, Path(name), missing_ok=True)
            with gzip.open(packed, "rb") as text, os.fdopen(handle, "wb") as file:
                shutil.copyfileobj(text, file)
        return Path(name)

    def _check(self, file: IO[bytes]) -> None:
        if os.fstat(file.fileno()).st_ino != self._id:
            file.close()
            raise self.replaced()

    def unreadable(self, error: OSError) -> StoreError:
        """Say that the file can't be read."""
        return StoreError(f"can't be read: {error.strerror}", where=str(self._path))

    def replaced(self) -> StoreError:
        """Say that the file isn't the one that was read."""
        return StoreError("was replaced since it was read; read the run again", where=str(self._path))


class Found(NamedTuple):
    """What was read of a file of results.

    ``results`` are those that count (``store.counts``), ``numbers`` says of each of them which of the results taken it is, from
    0, and ``damaged`` which lines are left out.
    """

    results: LazyResults
    numbers: array[int]
    damaged: tuple[Damaged, ...]


def results(path: Path, take: Callable[[Result], object] = lambda result: None, *, steps: bool = False) -> Found:
    """Read a file of results, or that of a run folder, once: ``take`` gets the result of every line that isn't damaged.

    They are those of trials; or those of single ``steps``, where agents are run to their end.
    """
    path, number = run_folders.results_file(path), count()
    file = _File(path)

    def place(offset: int, result: Result) -> tuple[int, int]:
        take(result)
        return offset, next(number)

    kept, damaged = store.keep_results(path, place, lambda result: (result.step is not None) == steps)
    offsets = {trial: offset for trial, (offset, _) in kept.items()}
    return Found(LazyResults(file, offsets), array("q", (number for _, number in kept.values())), damaged)


def prompts(folder: Path) -> tuple[Mapping[str, Any], tuple[Damaged, ...]]:
    """Read what ``store.prompts`` does, and leave the texts in their file. Say which lines of it are left out."""
    offsets, damaged = store.keep_prompts(folder, lambda offset, value: offset)
    return (LazyPrompts(_File(folder / run_folders.PROMPTS), offsets) if offsets else {}), damaged


class Answer(NamedTuple):
    """What is held of an answer: where its line begins, the key and the prompt of its request, who gave it, and what it cost."""

    offset: int
    key: str
    prompt: str
    host: Host
    cost: float


class Answers(LazyResults):
    """The answers of a run folder by trial id: its results without those that are errors.

    ``unnamed`` says where models were served whose results don't (``RunRecord.unnamed``).
    """

    def __init__(self, folder: Path, unnamed: Mapping[str, str] = MappingProxyType({})) -> None:
        hosts: dict[Host, Host] = {}

        def take(offset: int, result: Result) -> Answer | None:
            host = Host(result.model, result.at_base(unnamed).api_base)
            cost = (result.completion and result.completion.cost) or 0.0
            return None if result.error else Answer(offset, result.key, result.prompt, hosts.setdefault(host, host), cost)

        path = run_folders.results_file(folder)
        file = _File(path)
        kept, _ = store.keep_results(path, take)
        self._unnamed = unnamed
        self._known = {trial: answer for trial, answer in kept.items() if answer}
        super().__init__(file, {trial: answer.offset for trial, answer in self._known.items()})

    @property
    def hosts(self) -> Set[Host]:
        """Who gave the answers."""
        return {answer.host for answer in self._known.values()}

    def known(self, trial: str) -> Answer | None:
        """Give what is held of a trial's answer; ``None``: it has none."""
        return self._known.get(trial)

    def read(self, names: Iterable[str]) -> Iterator[Result]:
        """Read these, with what is known of where they were given."""
        return (line.at_base(self._unnamed) for line in super().read(names))

    @property
    def lacking(self) -> Iterator[Result]:
        """The answers whose lines don't say where they were given, with what is known of that."""
        for line in super().read(self) if self._unnamed else ():
            whole = line.at_base(self._unnamed)
            if whole is not line:
                yield whole
