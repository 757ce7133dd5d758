"""A process that answers for somebody else's package: one JSON object a line, a time limit a call.

The package is somebody's code, with versions of its own: it mustn't meet ours, see a key, or end a run by hanging or crashing.
So it runs in a Python of its own, which has the folders of its wheels and an environment without anything of the user's in it.
A process that doesn't answer as it should is ended, and the next call starts another one.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from phrasing.errors import shorten
from phrasing.rollout.drivers import serve

LIMIT = 60.0
"""How many seconds a call may take; the first one also loads the package."""

_KEPT = ("SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LD_LIBRARY_PATH")
"""What of our process's environment a system needs to start another one."""

_FIXED = {"TZ": "UTC", "PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}
"""What would make a package do one thing here and another elsewhere: the time zone, the order of sets, the encoding of files."""


class WorkerFailed(Exception):
    """A call wasn't answered; the message says why."""


class Worker:
    """Answers calls by a driver, in a process that starts with the first call and again after one that failed.

    ``folders`` are what the driver may import from. ``started`` counts the processes: what one of them held is gone when the
    next one starts.
    """

    def __init__(self, driver: Path, folders: Sequence[Path], *, limit: float = LIMIT) -> None:
        self.started = 0
        self._words = [str(driver), *map(str, folders)]
        self._limit = limit
        self._lock = threading.Lock()
        self._process: _Process | None = None
        self._calls = 0

    @property
    def running(self) -> int | None:
        """Which of its processes runs: the number of it; ``None`` where none does."""
        return self.started if self._process is not None else None

    def call(self, do: str, **given: Any) -> Any:
        """Have something done; give the JSON that comes back. Raises ``WorkerFailed``."""
        with self._lock:
            if self._process is None:
                self._process = _Process(self._words)
                self.started += 1
            self._calls += 1
            try:
                answer = self._process.ask({"call": self._calls, "do": do, **given}, self._limit)
            except BaseException:
                self._end()
                raise
        if "raised" in answer:
            raise WorkerFailed(f"raised {answer['raised']}")
        return answer["returned"]

    def close(self) -> None:
        """End the process, if one runs."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None


class _Process:
    """One process, and a thread that reads what it writes: no system's way of waiting for a pipe works everywhere."""

    def __init__(self, words: Sequence[str]) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115, it is closed with the process
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | _FIXED
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-s", str(serve.__file__), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=environment,
            start_new_session=True,  # an interrupt of ours isn't one of its: it ends with its standard input
        )
        lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._lines, self._input = lines, self._process.stdin
        threading.Thread(target=_read, args=(self._process.stdout, lines), daemon=True).start()
        self._kill = weakref.finalize(self, _end, self._process, self._input, self._said)

    def ask(self, request: dict[str, Any], limit: float) -> dict[str, Any]:
        """Write a request and read its answer. Raises ``WorkerFailed``."""
        try:
            self._input.write(json.dumps(request, allow_nan=False).encode() + b"\n")
            self._input.flush()
        except OSError:  # it has ended, and why is said there
            pass
        try:
            line = self._lines.get(timeout=limit)
        except queue.Empty:
            raise WorkerFailed(f"gave no answer within {limit:g} s, so its process was ended") from None
        if not line:
            raise WorkerFailed(f"its process ended{self._last_words()}")
        try:
            answer = json.loads(line)
            if answer["call"] == request["call"] and answer.keys() & {"returned", "raised"}:
                return dict(answer)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            pass  # told below
        raise WorkerFailed(f"answered what is no answer, so its process was ended: {shorten(repr(line[:200]), 80)}")

    def end(self) -> None:
        """End the process, whatever it does."""
        self._kill()

    def _last_words(self) -> str:
        code = self._process.wait()
        self._said.seek(0)
        lines = self._said.read().decode("utf-8", "replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "")
        return f" with code {code}" + (f": {shorten(last.strip(), 200)}" if last else "")


def _read(pipe: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    """Hand lines on; the empty one says that there are no more."""
    with pipe:
        for line in pipe:
            lines.put(line)
    lines.put(b"")


def _end(process: subprocess.Popen[bytes], input: IO[bytes], said: IO[bytes]) -> None:
    process.kill()
    process.wait()
    said.close()
    with suppress(OSError):  # what was still to be written has nowhere to go
        input.close()
