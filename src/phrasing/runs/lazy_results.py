"""Results by trial id that lie in their file until they are looked at: of each, only where its line begins is held.

The file is read once when it is opened, line by line, and each result is handed on to whoever makes figures of it; none is kept.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
import weakref
from array import array
from collections.abc import Callable, Collection, ItemsView, Iterable, Iterator, Mapping, ValuesView
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from phrasing.errors import StoreError
from phrasing.records import Result
from phrasing.runs import store


class LazyResults(Mapping[str, Result]):
    """Results by trial id, in the order in which trials first came. To get one reads its line; ``read`` reads several in one go.

    What is appended to the file later doesn't show. Where the file was replaced since (``phrasing score`` does that), to get a
    result raises ``StoreError``.
    """

    def __init__(self, file: _File, offsets: Mapping[str, int]) -> None:
        self._file, self._offsets = file, offsets

    def __getitem__(self, trial: str) -> Result:
        return next(self.read([trial]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._offsets)

    def __len__(self) -> int:
        return len(self._offsets)

    def __contains__(self, trial: object) -> bool:
        return trial in self._offsets

    def read(self, trials: Iterable[str]) -> Iterator[Result]:
        """Read the results of these trials, in this order, one at a time."""
        with self._file.opened() as file:
            for trial in trials:
                file.seek(self._offsets[trial])
                yield self._file.result(file.readline(), trial)

    def values(self) -> ValuesView[Result]:
        """Give the results; each pass over them reads the file."""
        return _Values(self)

    def items(self) -> ItemsView[str, Result]:
        """Give trial ids with their results; each pass over them reads the file."""
        return _Items(self)

    def only(self, trials: Collection[str]) -> LazyResults:
        """Give the results of these trials alone, in the order of all."""
        return LazyResults(self._file, {trial: offset for trial, offset in self._offsets.items() if trial in trials})


class _Values(ValuesView[Result]):
    _mapping: LazyResults

    def __iter__(self) -> Iterator[Result]:
        return self._mapping.read(self._mapping)


class _Items(ItemsView[str, Result]):
    _mapping: LazyResults

    def __iter__(self) -> Iterator[tuple[str, Result]]:
        return zip(self._mapping, self._mapping.read(self._mapping), strict=True)


class _File:
    """A file of results as it was when it was read. A packed one is unpacked beside all others that are temporary, once."""

    def __init__(self, path: Path) -> None:
        self._path, self._id = path, path.stat().st_ino
        self._unpacked: Path | None = None

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """Open the text of the file."""
        if self._path.suffix == ".gz" and self._unpacked is None:
            self._unpacked = self._unpack()
        try:
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
            raise self._replaced()

    def result(self, line: bytes, trial: str) -> Result:
        """Read a line that was read before."""
        try:
            result = Result.model_validate(store.read_line(line))
        except (ValueError, ValidationError):
            raise self._replaced() from None
        if result.trial != trial:
            raise self._replaced()
        return result

    def _replaced(self) -> StoreError:
        return StoreError("was replaced since it was read; read the run again", where=str(self._path))


def read(path: Path, take: Callable[[Result], object]) -> tuple[LazyResults, array[int]]:
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
