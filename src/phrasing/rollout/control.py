"""Controls: the loop that an agent runs under, a file of the user's that imports nothing of ours.

``controls/<name>.py`` defines ``async def run(agent)``, which gets a ``loop.Agent``. ``docs/rollouts.md`` is the contract.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from phrasing import user_code
from phrasing.errors import UserError, unknown
from phrasing.user_code import CodeError

FOLDER = "controls"
"""The folder of a project's controls."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Control:
    """A control, loaded."""

    name: str
    path: Path
    digest: str
    run: Callable[[Any], Coroutine[Any, Any, object]] = field(repr=False)
    time_limit: float = user_code.TIME_LIMIT

    async def drive(self, agent: object) -> None:
        """Run an agent by it. Raises what it raises, and ``TookTooLong`` where it takes too long without asking for a step."""
        await _Driven(self.run(agent), self.time_limit)


class _Driven:
    """A coroutine of a user's, each stretch of which between two waits has its time."""

    def __init__(self, coroutine: Coroutine[Any, Any, object], seconds: float) -> None:
        self._coroutine, self._seconds = coroutine, seconds

    def __await__(self) -> Generator[Any, Any, None]:
        go_on: Callable[[], Any] = partial(self._coroutine.send, None)
        while True:
            try:
                with user_code.within(self._seconds):
                    waiting = go_on()
            except StopIteration:
                return
            try:
                go_on = partial(self._coroutine.send, (yield waiting))
            except BaseException as error:  # also where the run is cancelled
                go_on = partial(self._coroutine.throw, error)


def available(folder: Path) -> dict[str, Path]:
    """List the controls of a folder by name. Files that begin with ``_`` or ``.`` are none."""
    return {path.stem: path for path in sorted(folder.glob("*.py")) if _NAME.fullmatch(path.stem) and path.name[0] != "_"}


def load(project: Path, name: str) -> Control:
    """Load a control of a project. Raises ``ValueError`` for a name that isn't there, ``UserError`` where its file is wrong."""
    paths = available(project / FOLDER)
    if name not in paths:
        raise ValueError(unknown("control", name, paths))
    path = paths[name]
    source = path.read_bytes()
    try:
        module = user_code.load(path, source, project=project)
        limit = user_code.time_limit(path, module)
    except CodeError as error:
        raise UserError(str(error), where=error.where(path)) from error
    function = getattr(module, "run", None)
    if not inspect.iscoroutinefunction(function):
        raise UserError("defines no function: async def run(agent)", where=str(path))
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        where = f"{path}:{function.__code__.co_firstlineno}"
        raise UserError(f"run takes {inspect.signature(function)}; wanted (agent)", where=where) from None
    return Control(name, path, hashlib.sha256(source).hexdigest(), function, limit)
