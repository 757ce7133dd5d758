"""Case lines on their way to a file, when which of them are kept is known only after the last.

They are written as they come to a temporary file beside the target; memory holds a few numbers of each. At the end all of them
are kept, which is a rename, or the chosen ones are copied.
"""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np

from phrasing.errors import StoreError
from phrasing.suite import sample
from phrasing.suite.sample import Indices

_BUFFER = 1 << 20


class CaseWriter:
    """Lines on their way to files of ``folder``: ``add`` all of them, choose with ``sample`` and ``split``, then ``write`` once.

    To be used with ``with``: whatever ends it, no temporary file is left. Takes 32 bytes of memory a line, and 50 more while a
    sample is drawn. ``seed`` decides both what is drawn and how conversations are split.

    Raises ``StoreError`` where a file can't be written.
    """

    def __init__(self, folder: Path, *, seed: int = 0) -> None:
        self._folder, self._seed = folder, seed
        self._ends = array("Q", [0])
        self._intents, self._lengths, self._turns = array("I"), array("I"), array("q")
        self._positions = array("Q")
        self._numbers: dict[str, int] = {}  # of the intents, as they came
        self._made: list[tuple[Path, IO[bytes]]] = []
        with _writing(folder):
            self._path, self._file = self._temporary()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        for path, file in self._made:
            with suppress(OSError):  # the disk may be full
                file.close()
            path.unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self._intents)

    def add(self, line: bytes, *, intent: str, events: int, cluster: str, turn: int) -> None:
        """Add a case's line, without its newline. ``intent`` is the first that it expects, ``events`` how many its thread has."""
        with _writing(self._folder):
            self._file.write(line + b"\n")
        self._ends.append(self._ends[-1] + len(line) + 1)
        self._intents.append(self._numbers.setdefault(intent, len(self._numbers)))
        self._lengths.append(events)
        self._turns.append(turn)
        self._positions.append(sample.position(cluster, self._seed))

    def lines(self) -> Iterator[bytes]:
        """Give all lines as they were added."""
        with _writing(self._folder):
            self._file.flush()
        with self._path.open("rb", buffering=_BUFFER) as written:
            yield from written

    def sample(self, size: int | None, among: Indices | None = None) -> Indices:
        """Draw so many of some lines (``None``: all), as ``sample.draw`` does.

        Lines are alike where they expect the same intent and their threads' lengths lie in the same quarter of all. The order in
        which conversations were added doesn't matter.
        """
        known = np.arange(len(self)) if among is None else among
        if size is None or size >= len(known):
            return known
        intents = sample.ranks(self._numbers).astype(np.uint32)[np.asarray(self._intents)]
        lengths = np.asarray(self._lengths)[known]
        strata = intents[known] * np.uint32(4) + sample.length_bands(lengths).astype(np.uint32)
        positions, turns = np.asarray(self._positions)[known], np.asarray(self._turns)[known]
        return known[sample.draw_indices(strata, positions, turns, size, self._seed)]

    def split(self, lines: Indices, shares: Mapping[str, float]) -> dict[str, Indices]:
        """Split lines into parts, as ``sample.split`` does: a part may be empty where there are few conversations."""
        positions = np.asarray(self._positions)[lines]
        return {name: lines[rows] for name, rows in sample.split_indices(positions, shares).items()}

    def write(self, files: Mapping[str, Indices]) -> None:
        """Write these lines to the files of these names, in the order they were added, once.

        One file of all lines costs no copy. No file is replaced before all are written.
        """
        with _writing(self._folder):
            self._file.flush()
            if [len(lines) for lines in files.values()] == [len(self)]:
                made = dict.fromkeys(files, (self._path, self._file))
            else:
                made = {name: self._copy(lines) for name, lines in files.items()}
            for _, file in made.values():
                file.flush()
                os.fsync(file.fileno())
                file.close()  # Windows replaces no file that is open
        for name, (path, _) in made.items():
            with _writing(self._folder / name):
                path.chmod(0o644)
                path.replace(self._folder / name)

    def _temporary(self) -> tuple[Path, IO[bytes]]:
        handle, name = tempfile.mkstemp(dir=self._folder, prefix=".cases.")
        made = Path(name), os.fdopen(handle, "wb", buffering=_BUFFER)
        self._made.append(made)
        return made

    def _copy(self, lines: Indices) -> tuple[Path, IO[bytes]]:
        path, file = self._temporary()
        with self._path.open("rb", buffering=_BUFFER) as written:
            for line in lines.data:  # plain numbers, one at a time
                begin, end = self._ends[line], self._ends[line + 1]
                written.seek(begin)
                file.write(written.read(end - begin))
        return path, file


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"can't be written: {error.strerror}", where=path.as_posix()) from None
