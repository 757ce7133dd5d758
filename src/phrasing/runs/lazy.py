"""Results and prompts that lie in their file until they are looked at: of each, only where its line begins is held.

A file is read once, line by line, when it is opened. Each result is handed on then to whoever makes figures of it; none is kept.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
import weakref
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Collection, ItemsView, Iterable, Iterator, Mapping, ValuesView
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

from phrasing.errors import StoreError
from phrasing.records import Result
from phrasing.runs import store

T = TypeVar("T")


class Lazy(Mapping[str, T], ABC, Generic[T]):
    """Values by name, in the order of their file. To get one reads its line; ``read`` gets several in one go.

    What is appended to the file later doesn't show. Where the file was replaced since (``phrasing score`` does that), to get a
    value raises ``StoreError``.
    """

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
                file.seek(self._offsets[name])
                try:
                    value = self._value(name, store.read_line(file.readline()))
                except (ValueError, TypeError, KeyError):  # what was read before is another line now
                    raise self._file.replaced() from None
                yield value

    @abstractmethod
    def _value(self, name: str, line: Any) -> T:
        """Give the value of ``name`` in a line. Raises ``ValueError``, ``TypeError`` or ``KeyError`` where that is another's."""

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

    def _value(self, name: str, line: Any) -> Any:
        if line["id"] != name:
            raise ValueError
        return line["value"]


class _File:
    """A file of lines as it was when it was read. A packed one is unpacked among the temporary files, once."""

    def __init__(self, path: Path) -> None:
        self._path, self._id = path, path.stat().st_ino
        self._unpacked: Path | None = None

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """Open the text of the file. Raises ``StoreError`` where it isn't there any more, or another one is."""
        try:
            if self._path.suffix == ".gz" and self._unpacked is None:
                self._unpacked = self._unpack()
            with (self._unpacked or self._path).open("rb") as file:
                if self._unpacked is None:
                    self._check(file)
                yield file
        except OSError as error:
            raise StoreError(f"can't be read: {error.strerror}", where=str(self._path)) from None

    def _unpack(self) -> Path:
        with self._path.open("rb") as packed:
            self._check(packed)
            handle, name = tempfile.mkstemp(prefix="phrasing-", suffix=f"-{store.RESULTS}")
            weakref.finalize(self, Path.unlink, Path(name), missing_ok=True)
            with gzip.open(packed, "rb") as text, os.fdopen(handle, "wb") as file:
                shutil.copyfileobj(text, file)
        return Path(name)

    def _check(self, file: IO[bytes]) -> None:
        if os.fstat(file.fileno()).st_ino != self._id:
            raise self.replaced()

    def replaced(self) -> StoreError:
        """Say that the file isn't the one that was read."""
        return StoreError("was replaced since it was read; read the run again", where=str(self._path))


def results(path: Path, take: Callable[[Result], object] = lambda result: None) -> tuple[LazyResults, array[int]]:
    """Read a file of results, or that of a run folder, once: ``take`` gets the result of every line.

    Returns the results that count (``store.counts``) and, for each of them, which of the results taken it is, by number from 0.
    """
    path = store.results_file(path)
    file = _File(path)
    offsets: dict[str, int] = {}
    numbers: dict[str, int] = {}
    said: dict[str, tuple[str, bool]] = {}
    for number, line in enumerate(store.lines(path)):
        result = store.result_of(path, line)
        take(result)
        trial, before = result.trial, said.get(result.trial)
        if before is None or store.counts(result, before[0], answered=before[1]):
            offsets[trial], numbers[trial], said[trial] = line.offset, number, (result.key, result.error is None)
    return LazyResults(file, offsets), array("q", numbers.values())


def prompts(folder: Path) -> Mapping[str, Any]:
    """Read what ``store.prompts`` does, and leave the texts in their file."""
    offsets = {line.value["id"]: line.offset for line in store.prompt_lines(folder)}
    return LazyPrompts(_File(folder / store.PROMPTS), offsets) if offsets else {}
