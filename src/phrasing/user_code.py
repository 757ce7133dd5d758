"""Run a Python file of a project: a format, an edit, a notation or a scorer. One file, nothing of ours in it.

``load`` is the only way by which a project's code runs, so it is where the user's trust is looked for.
"""

from __future__ import annotations

import ast
import ctypes
import hashlib
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from phrasing import trust

_PURE = frozenset(
    {"__future__", "abc", "base64", "bisect", "collections", "copy", "dataclasses", "decimal", "enum", "fractions", "functools"}
    | {"hashlib", "heapq", "html", "itertools", "json", "math", "numbers", "operator", "re", "statistics", "string", "textwrap"}
    | {"toon_format", "typing", "unicodedata"}
)
"""Modules whose functions give the same for the same arguments, in one version of them."""

_REACHES = frozenset(
    {"open", "exec", "eval", "compile", "input", "globals", "locals", "vars", "dir", "getattr", "id", "hash", "breakpoint"}
)
"""Functions by which a file could depend on something else than its text."""


class CodeError(ValueError):
    """What is wrong with a user's file; ``line`` is where in it, as far as that is known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        self.line = line
        super().__init__(message)

    def where(self, path: Path) -> str:
        """Name the file and the line."""
        return f"{path}:{self.line}" if self.line else str(path)


def load(path: Path, source: bytes, *, project: Path) -> ModuleType:
    """Run the file's source as a module of its own.

    Raises ``UserError`` where code of this project may not run, ``CodeError`` where it doesn't compile or raises.
    """
    if not trust.ships(source):
        trust.check_code([path], project)
    # Compiled from the bytes that are digested: Python's own loader might run a cached, older file, and would leave one behind.
    module = ModuleType(f"phrasing_user_{path.stem}_{hashlib.sha256(source).hexdigest()[:12]}")
    module.__file__ = str(path)
    try:
        code = compile(source, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        line = error.lineno if isinstance(error, SyntaxError) else None
        raise CodeError(f"{type(error).__name__}: {what}", line) from error
    # Dataclasses look their module up by name.
    sys.modules[module.__name__] = module
    try:
        exec(code, module.__dict__)
    except Exception as error:
        raise raised(path, error) from error
    return module


def self_contained(source: bytes) -> bool:
    """Whether what a file's functions return depends on their arguments and this text alone, as far as the text shows.

    It is asked of files that are compiled already. Where it can't be told, it is denied.
    """
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                modules = [alias.name for alias in names]
            case ast.ImportFrom(module=module, level=level):
                modules = [module if module and not level else ""]
            case ast.Name(id=name) | ast.Attribute(attr=name):
                if name in _REACHES or (name.startswith("__") and name != "__name__"):
                    return False
                continue
            case ast.Global() | ast.Nonlocal():
                return False
            case _:
                continue
        if any(module.partition(".")[0] not in _PURE for module in modules):
            return False
    return True


def raised(path: Path, error: Exception) -> CodeError:
    """Say what the user's code raised, and at which of its lines."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    text = str(error)
    return CodeError(f"raised {type(error).__name__}: {text[:300]}{'…' * (len(text) > 300)}", lines[-1] if lines else None)


# ---------------------------------------------------------------------------------------------- time

TIME_LIMIT = 10.0
"""Seconds that a call of a user's code may take, where its file sets no other ``TIME_LIMIT``."""


def time_limit(path: Path, module: ModuleType) -> float:
    """Give how many seconds a call of a file's functions may take. Raises ``CodeError`` where it says something else."""
    limit = getattr(module, "TIME_LIMIT", TIME_LIMIT)
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 < limit < float("inf"):
        raise CodeError(f"TIME_LIMIT has to be a number of seconds, got {limit!r}")
    return float(limit)


class TookTooLong(BaseException):
    """What a user's code is interrupted by; it isn't an ``Exception``, so that the code doesn't catch it unawares."""


_LOOK = 0.05
"""Seconds between two looks at what runs."""

_running: dict[int, float] = {}
"""When the code that runs in a thread, by its id, has to have ended."""

_interrupted: set[int] = set()
"""The threads that were interrupted and don't know it yet."""

_looking = threading.Lock()
_watcher: threading.Thread | None = None
_IDLE = 200
"""After so many looks at nothing nobody looks any more."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Interrupt what runs here by ``TookTooLong`` once it has taken so many seconds. What runs within it has its own time.

    Only Python is interrupted: a call that waits outside of it (``time.sleep``) is when it comes back.
    """
    global _watcher
    thread = threading.get_ident()
    with _looking:
        before = _running.get(thread)
        left = before and before - time.monotonic()
        _running[thread] = time.monotonic() + seconds
        if _watcher is None:
            _watcher = threading.Thread(target=_watch, name="time of user code", daemon=True)
            _watcher.start()
    try:
        yield
    finally:
        here = isinstance(sys.exception(), TookTooLong)
        while True:
            try:
                with _looking:
                    _running.pop(thread, None)
                    if here or thread not in _interrupted:
                        _interrupted.discard(thread)
                        if left is not None:
                            _running[thread] = time.monotonic() + left
                        break
                while (
                    True
                ):  # it is on its way, and mustn't come later; to take it back would slow down the interpreter from then on
                    pass
            except TookTooLong:
                here = True


def _watch() -> None:
    global _watcher
    idle = 0
    while True:
        time.sleep(_LOOK)
        with _looking:
            now = time.monotonic()
            idle = 0 if _running else idle + 1
            if idle > _IDLE:
                _watcher = None
                return
            for thread, until in [*_running.items()]:
                if until < now:
                    del _running[thread]
                    _interrupted.add(thread)
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(TookTooLong))
