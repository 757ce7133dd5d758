"""Load the notations a user owns, call them, and check what they return.

A notation is one file, ``notations/x.py``: with ``schema(steps)`` it shows the steps in place of BAML's own schema, with
``ask(steps)``, ``write(step, steps)`` and ``read(text, steps)`` it is how a model answers. The contract is ``docs/notations.md``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phrasing import user_code
from phrasing.baml.project import Function
from phrasing.errors import FormatError, SuiteError, shorten, unknown
from phrasing.messages import check_text
from phrasing.suite.file import SuiteFile
from phrasing.suite.functions import NAME
from phrasing.suite.outputs import notations_of
from phrasing.types import Output
from phrasing.user_code import CodeError

FOLDER = "notations"
"""Where the notations of a project are."""

Told = dict[str, Any]
"""A step as a notation writes and reads it: its ``intent`` and its ``args``, by the names that a model is shown."""

_ANSWER = ("ask", "write", "read")


@dataclass(frozen=True)
class NotationFile:
    """A file of a notation, run. ``schema`` is its schema part; ``ask``, ``write`` and ``read`` are its answer part.

    ``in_prose``: it promises to read an answer with words around it.
    """

    name: str
    path: Path
    digest: str
    schema: Callable[..., object] | None
    ask: Callable[..., object] | None
    write: Callable[..., object] | None
    read: Callable[..., object] | None
    in_prose: bool

    @property
    def shown(self) -> str:
        """The file as its project names it."""
        return f"{FOLDER}/{self.path.name}"

    def error(self, message: str) -> FormatError:
        """Make the error that names the file."""
        return FormatError(message, where=str(self.path))


@dataclass(frozen=True)
class Notation:
    """What an output names: how the schema is shown, and how an answer is written; ``None``: as BAML does."""

    schema: NotationFile | None
    answer: NotationFile | None

    @property
    def files(self) -> tuple[NotationFile, ...]:
        """The files that it is made of, each once."""
        return tuple(dict.fromkeys(file for file in (self.schema, self.answer) if file is not None))


# ------------------------------------------------------------------------------------------------ loading


def available(root: Path) -> dict[str, Path]:
    """Map the names of a project's notations to their files, sorted. A file that begins with ``_`` or ``.`` is none."""
    return {path.stem: path for path in sorted((root / FOLDER).glob("*.py")) if NAME.fullmatch(path.stem)}


def load_notations(file: SuiteFile, outputs: Iterable[Output]) -> dict[Output, Notation]:
    """Load the notations that outputs name, by output; one without any is left out.

    Raises ``SuiteError`` for one that isn't there, with the choices, or doesn't go with another; ``FormatError`` where a file is
    wrong.
    """
    found = {}
    for i, output in enumerate(outputs):
        try:
            if names := notations_of(output):
                found[output] = _notation(*(_load(file.root, name) for name in names))
        except ValueError as error:
            where = file.where("outputs", i) if output in file.suite.outputs else "--output"
            raise SuiteError(f"outputs: {output}: {error}", where=where) from None
    return found


def _notation(first: NotationFile, second: NotationFile | None = None) -> Notation:
    """Say which part each of the files is. Raises ``ValueError`` where two don't go together."""
    if second is None:
        return Notation(first if first.schema else None, first if first.read else None)
    for one in (first, second):
        if one.schema and one.read:
            raise ValueError(f"{one.name} has a schema part and an answer part, so it stands alone")
    if first.read or second.schema:
        kinds = [f"{one.name} is a{' schema' if one.schema else 'n answer'} part" for one in (first, second)]
        raise ValueError(f"{' and '.join(kinds)}; wanted a schema part and then an answer part")
    return Notation(first, second)


def _load(root: Path, name: str) -> NotationFile:
    """Load one. Raises ``ValueError`` where there is none of this name, ``FormatError`` where its file is wrong."""
    known = available(root)
    if name not in known:
        raise ValueError(unknown("notation", name, known))
    path = known[name]
    source = path.read_bytes()
    try:
        module = user_code.load(path, source, project=root)
    except CodeError as error:
        raise FormatError(str(error), where=error.where(path)) from error
    functions = {part: getattr(module, part, None) for part in ("schema", *_ANSWER)}
    given = [part for part, function in functions.items() if callable(function)]
    lacking = [part for part in _ANSWER if part not in given]
    if not given or 0 < len(lacking) < len(_ANSWER):
        what = (
            f"no {', no '.join(lacking)}"
            if given
            else "neither schema(steps) nor ask(steps), write(step, steps), read(text, steps)"
        )
        raise FormatError(f"defines {what}; the last three belong together", where=str(path))
    digest = hashlib.sha256(source).hexdigest()
    return NotationFile(name, path, digest, **functions, in_prose=bool(getattr(module, "IN_PROSE", False)))


# ------------------------------------------------------------------------------------------------ what is shown


def steps_of(function: Function) -> list[dict[str, Any]]:
    """Describe the steps of a function as plain dicts, in the order of its schema: copies, which a notation may change."""
    return list(json.loads(function.described))


def text(notation: Notation, function: Function, own: str) -> str:
    """Write what stands in a prompt where BAML's ``own`` text stood: how to answer, and the schema.

    Each is BAML's own where the notation has no such part. Raises ``FormatError`` where a file raises, returns anything but a
    text, or another one each time, or where a step isn't named.
    """
    asks, schema = function.split_schema(own)
    if notation.schema is not None:
        schema = _shown(notation.schema, "schema", function)
        for name in (name for step in steps_of(function) for name in _named(step)):
            if name not in schema:
                raise notation.schema.error(f"its schema doesn't name {name!r}, of {function.name}")
    if notation.answer is not None:
        asks = _shown(notation.answer, "ask", function) + "\n"
        for intent in function.steps:
            if intent not in asks + schema:
                raise notation.answer.error(f"neither what it asks for nor the schema names {intent!r}, of {function.name}")
    return asks + schema


def _named(step: dict[str, Any]) -> list[str]:
    """Give the names that a schema has to show of a step: how it is told from others, and its arguments."""
    return [str(step["intent"] if step["value"] is None else step["value"]), *step["parameters"]["properties"]]


def _shown(file: NotationFile, part: str, function: Function) -> str:
    made = [_call(file, part, steps_of(function)) for _ in range(2)]
    if not isinstance(made[0], str) or not made[0].strip():
        raise file.error(f"{part} returned {_repr(made[0])}; wanted a text that isn't empty")
    try:
        check_text("the text", made[0])
    except ValueError as error:
        raise file.error(f"{part}: {error}") from None
    if made[0] != made[1]:
        raise file.error(f"{part} returns another text each time")
    return made[0].strip()


def _call(file: NotationFile, part: str, *arguments: object) -> object:
    """Call a function of a file. Raises ``FormatError`` where it raises."""
    try:
        return getattr(file, part)(*arguments)
    except Exception as error:
        wrong = user_code.raised(file.path, error)
        raise FormatError(f"{part} {wrong}", where=wrong.where(file.path)) from error


# ------------------------------------------------------------------------------------------------ answers


def write(file: NotationFile, step: Told, function: Function) -> str:
    """Write a step as an answer, without outer white space. Raises ``FormatError`` where that gives no text."""
    written = _call(file, "write", json.loads(json.dumps(step)), steps_of(function))
    if not isinstance(written, str) or not written.strip():
        raise file.error(f"write returned {_repr(written)}; wanted a text that isn't empty")
    return written.strip()


def read(file: NotationFile, text: str, function: Function) -> list[Told]:
    """Read the steps in an answer, the first one first; none: there is no step in it.

    Raises ``ValueError`` where ``read`` raises, or gives what is no step.
    """
    assert file.read is not None, "only an answer part reads"
    try:
        found = file.read(text, steps_of(function))
    except Exception as error:
        wrong = user_code.raised(file.path, error)
        why = str(wrong).encode("utf-8", "backslashreplace").decode()
        raise ValueError(f"{wrong.where(Path(file.shown))}: read {why}") from error
    steps: list[Any] = [] if found is None else found if isinstance(found, list) else [found]
    for step in steps:
        if why := _wrong(step):
            raise ValueError(f"{file.shown}: read returned {_repr(step)}, {why}")
    return [{"intent": step["intent"], "args": step.get("args", {})} for step in steps]


def _repr(value: object) -> str:
    try:
        return shorten(repr(value), 120)
    except (ValueError, RecursionError):  # an endless number, or one thing in another without end
        return f"a {type(value).__name__}"


def _wrong(step: Any) -> str:
    """Say why something is no step; nothing, where it is one."""
    if not isinstance(step, dict) or "intent" not in step or not step.keys() <= {"intent", "args"}:
        return 'which is no step; wanted {"intent": …, "args": {…}}, a list of such, or None'
    if not isinstance(step["intent"], str) or not isinstance(step.get("args", {}), dict):
        return "whose intent is no text, or whose args are no dict"
    try:
        if json.loads(json.dumps(step, allow_nan=False)) == step:
            return ""
    except (TypeError, ValueError):
        pass
    except RecursionError:
        return "which is nested too deep"
    return "which holds what JSON can't carry"
