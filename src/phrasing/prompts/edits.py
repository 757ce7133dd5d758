"""Load the edits a user owns, call them, and check what they return.

An edit is one file, ``formats/edits/<name>.py`` with ``edit(thread)`` or ``edit(thread, value)``: it makes another thread of a
thread before a format renders it. The contract is ``docs/edits.md``.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from phrasing import user_code
from phrasing.errors import FormatError, SuiteError, shorten, unknown
from phrasing.prompts import parameters
from phrasing.suite.dataset import UNKNOWN_KEY, infer_roles
from phrasing.suite.file import SuiteFile
from phrasing.types import NO_EDIT, Thread
from phrasing.user_code import CodeError

FOLDER = Path("formats", "edits")
"""Where the edits of a project are."""

MARKS = ("lossy", "adds")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_WRITTEN = re.compile(rf"(?P<name>{_NAME.pattern})(?:\((?P<value>[A-Za-z0-9_.-]+)\))?")


@dataclass(frozen=True)
class Edit:
    """An edit as a suite names it, with its value: ``keep_events(10)``. ``lossy`` says what it drops, ``adds`` what it adds."""

    name: str
    path: Path
    digest: str
    lossy: str | None
    adds: str | None
    function: Callable[[dict[str, Any]], object]


def available(folder: Path) -> dict[str, Path]:
    """Map the names of the edits in ``folder`` to their files, sorted. Files that begin with ``_`` or ``.`` are no edits."""
    found = {path.stem: path for path in sorted(folder.glob("*.py")) if path.name[0] not in "_."}
    for name, path in found.items():
        if not _NAME.fullmatch(name) or name == NO_EDIT:
            wanted = "is that of variants without an edit" if name == NO_EDIT else "must be letters, digits, '_' and '-'"
            raise FormatError(f"the name {name!r} {wanted}; rename the file", where=str(path))
    return found


def load_edits(file: SuiteFile, names: Iterable[str]) -> dict[str, Edit]:
    """Load the edits that a suite names; ``none`` is left out. Raise ``SuiteError`` for one that isn't there, with the choices,
    ``FormatError`` where a file is wrong.
    """
    found = {}
    for i, name in enumerate(names):
        if name == NO_EDIT:
            continue
        try:
            found[name] = _load(file.root, name)
        except ValueError as error:
            where = file.where("edits", i) if name in file.suite.edits else "--edit"
            raise SuiteError(f"edits: {error}", where=where) from None
    return found


def _load(project: Path, written: str) -> Edit:
    """Load one. Raise ``ValueError`` for what is wrong with its name and value."""
    match = _WRITTEN.fullmatch(written)
    if match is None:
        raise ValueError(f"{written!r} is no edit; wanted a name, or a name and one value, such as keep_events(10)")
    paths = available(project / FOLDER)
    if match["name"] not in paths:
        raise ValueError(unknown("edit", match["name"], [NO_EDIT, *paths]))
    path = paths[match["name"]]
    source = path.read_bytes()
    try:
        module = user_code.load(path, source, project=project)
    except CodeError as error:
        raise FormatError(str(error), where=error.where(path)) from error
    function, marks = _function(path, module), _marks(path, module)
    arguments = [] if match["value"] is None else [parameters.value(match["value"])]
    _check_value(function, match["name"], arguments)
    digest = hashlib.sha256(source).hexdigest()
    return Edit(written, path, digest, marks.get("lossy"), marks.get("adds"), lambda thread: function(thread, *arguments))


def _function(path: Path, module: ModuleType) -> Callable[..., object]:
    function = getattr(module, "edit", None)
    if not inspect.isfunction(function):
        raise FormatError("defines no function edit(thread)", where=str(path))
    return function


def _marks(path: Path, module: ModuleType) -> dict[str, str]:
    marks = {mark: getattr(module, mark.upper()) for mark in MARKS if hasattr(module, mark.upper())}
    if not marks:
        raise FormatError('needs a mark: LOSSY = "what it drops", or ADDS = "what it adds"', where=str(path))
    for mark, why in marks.items():
        if not isinstance(why, str) or not why.strip():
            raise FormatError(f"the mark {mark!r} needs a reason in words, got {why!r}", where=str(path))
    return marks


def _check_value(function: Callable[..., object], name: str, arguments: list[Any]) -> None:
    """Hold what stands in the parentheses against what the function takes."""
    try:
        inspect.signature(function).bind(None, *arguments)
    except TypeError:
        raise ValueError(f"{name!r} {'takes no value' if arguments else f'needs a value: {name}(…)'}") from None


# ------------------------------------------------------------------------------------------------ editing


def apply(edit: Edit, thread: Thread, steps: frozenset[str]) -> Thread:
    """Edit a thread whose roles are filled in; fill in those of what comes back by the same rules (``dataset.infer_roles``).

    The edit gets plain dicts and lists of its own. Raise ``FormatError`` where it raises, returns no thread, or another one each
    time, or leaves a result without its step.
    """
    where = str(edit.path)
    returned = _call(edit, thread)
    try:
        made, _ = infer_roles(returned, steps)
    except ValueError as error:
        raise FormatError(f"{edit.name}: {error}", where=where) from None
    if _call(edit, thread) != returned:
        raise FormatError(f"{edit.name}: edits the same thread differently each time", where=where)
    return made


def _call(edit: Edit, thread: Thread) -> Thread:
    try:
        returned = edit.function({"events": thread.model_dump()["events"]})
    except Exception as error:
        wrong = user_code.raised(edit.path, error)
        raise FormatError(f"{edit.name}: {wrong}", where=wrong.where(edit.path)) from error
    try:
        return Thread.model_validate(returned)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["loc"] == ("events",) and first["type"] == "too_short":
            raise FormatError(f"{edit.name}: leaves no event", where=str(edit.path)) from None
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).removeprefix(".")
        why = "no such key" if first["type"] in UNKNOWN_KEY else first["msg"]
        shown = f"{place}: {why}" if place else f"{type(returned).__name__} {shorten(repr(returned), 60)}"
        raise FormatError(f"{edit.name}: returned no thread: {shown}", where=str(edit.path)) from None
