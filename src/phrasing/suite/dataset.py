"""Datasets: JSON Lines to cases, with file and line in every error; and the roles a thread leaves unsaid.

``docs/datasets.md`` describes the file. A line is checked twice: as text (what JSON alone would let pass: a key given twice, NaN,
half a surrogate pair, a token that BAML reads as a change of role) and as a ``Case``.
"""

from __future__ import annotations

import codecs
import hashlib
import itertools
import json
import math
import re
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, TypeVar, overload

from pydantic import BaseModel, ValidationError

from phrasing.errors import DatasetError, unknown
from phrasing.messages import BAML_TOKENS
from phrasing.suite.words import renamed
from phrasing.texts import normal_json
from phrasing.types import Case, CaseNote, Event, Line, Role, Step, StepMatch, Thread, canonical_json

Kind = TypeVar("Kind", bound=Line)
"""What a file holds, one a line."""

IN_MEMORY = 8_000_000
"""A file of more bytes than these is copied among the temporary files."""

REMEMBERED = 1024
"""So many cases are remembered after they were looked at."""

MAX_DEPTH = 100
"""Deeper nesting than any tool needs, and shallow enough for every reader and renderer behind it."""

TOO_DEEP = f"nested more than {MAX_DEPTH} deep"

ANSWERS = ("error", "tool_response", "tool_result", "human_response")
"""Event types that answer the latest open step, whatever its name."""

ANSWER_SUFFIXES = ("_result", "_response")


class Cases(Sequence[Case]):
    """The cases of a file, in its order: each is made of its line when it is looked at, and remembered for a while.

    All of them at once take some five times the memory of their file. The lines lie in a copy, in memory or among the temporary
    files, so that what is written to the file later doesn't show.
    """

    def __init__(self, copy: IO[bytes], offsets: Mapping[str, int], named: Callable[[Case], Case]) -> None:
        lock = threading.Lock()

        def made(name: str) -> Case:
            with lock:
                copy.seek(offsets[name])
                line = copy.readline()
            return named(Case.model_validate_json(line, strict=True))

        self._names, self._made, self._remembered = tuple(offsets), made, lru_cache(maxsize=REMEMBERED)(made)
        weakref.finalize(made, copy.close)  # an iterator holds it longer than these

    def of(self, name: str) -> Case:
        """Give the case of this id. Raises ``KeyError`` where there is none."""
        return self._remembered(name)

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[Case]:
        return map(self._made, self._names)

    @overload
    def __getitem__(self, place: int) -> Case: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Case, ...]: ...
    def __getitem__(self, place: int | slice) -> Case | tuple[Case, ...]:
        names = self._names[place]
        return self.of(names) if isinstance(names, str) else tuple(map(self.of, names))


@dataclass(frozen=True)
class Dataset:
    """The cases of one file, in its order. ``digest`` is the SHA-256 of its bytes.

    By id, ``notes`` are what is held of each case, ``lines`` where it stands, ``digests`` the SHA-256 of its line.
    ``hint`` says, with file and line, which of its words is called something else now.
    """

    name: str
    path: Path
    digest: str
    cases: Cases
    notes: Mapping[str, CaseNote]
    lines: dict[str, int]
    digests: dict[str, str]
    hint: str | None = None

    def where(self, case: str) -> str:
        """Name the file and line of a case, as errors do."""
        return f"{self.path.as_posix()}:{self.lines[case]}"


def available(folder: Path) -> dict[str, Path]:
    """List the datasets of a folder by name."""
    return {path.stem: path for path in sorted(folder.glob("*.jsonl"))}


def load(
    path: Path,
    named: Callable[[Case], Case] = lambda case: case,
    look: Callable[[Case, str], object] = lambda case, where: None,
) -> Dataset:
    """Read a dataset. The first mistake raises ``DatasetError`` with file and line.

    ``named`` makes of each case what it is to be; where it raises ``ValueError``, that is a mistake too, after those of the file
    itself. ``look`` gets each case then, with its file and line, because none is held.
    """
    copy = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115, it stays open for the cases
    with ExitStack() as unless_read:
        unless_read.callback(copy.close)
        made = _load(path, copy, named, look)
        unless_read.pop_all()
    return made


def _load(path: Path, copy: IO[bytes], named: Callable[[Case], Case], look: Callable[[Case, str], object]) -> Dataset:
    digest = _copy(path, copy)
    notes, offsets, lines, digests = dict[str, CaseNote](), dict[str, int](), dict[str, int](), dict[str, str]()
    old: list[int] = []
    wrong: DatasetError | None = None
    for record, number, offset, line in _records(path, copy, Case):
        offsets[record.id], lines[record.id], digests[record.id] = offset, number, hashlib.sha256(line).hexdigest()
        if record.strength == "logged" and _OBSERVED.search(line):
            old.append(number)
        where = f"{path.as_posix()}:{number}"
        try:
            case = named(record)
        except ValueError as error:
            wrong = wrong or DatasetError(str(error), where=where)
            continue
        notes[case.id] = case.note
        look(case, where)
    if wrong:
        raise wrong
    return Dataset(path.stem, path, digest, Cases(copy, offsets, named), notes, lines, digests, _old_word(path, old))


_OBSERVED = re.compile(rb'"strength"\s*:\s*"observed"')


def _old_word(path: Path, found: Sequence[int]) -> str | None:
    """Say of the first of these lines that it says ``observed`` where ``logged`` is the word now."""
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{path.as_posix()}:{found[0]}: {renamed('observed', 'logged')}{more}" if found else None


def read(path: Path, kind: type[Kind]) -> tuple[list[Kind], dict[str, int]]:
    """Read a file of records of this kind: the records in order, and the number of each one's line by its id.

    The first mistake raises ``DatasetError`` with file and line.
    """
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as copy:
        _copy(path, copy)
        found = [(record, number) for record, number, _, _ in _records(path, copy, kind)]
    return [record for record, _ in found], {record.id: number for record, number in found}


def _copy(path: Path, copy: IO[bytes]) -> str:
    """Copy a file, of which every line must be UTF-8; give the SHA-256 of the file. Raises ``DatasetError``."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                digest.update(line)
                # Some editors begin a UTF-8 file with a byte order mark; it says nothing, so it is let pass.
                text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
                text.decode("utf-8")
                _write(path, copy, text)
    except OSError as error:
        raise DatasetError(f"can't be read: {error.strerror}", where=path.as_posix()) from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"byte {error.object[error.start]:#04x} isn't UTF-8", where=f"{path.as_posix()}:{number}") from error
    return digest.hexdigest()


def _write(path: Path, copy: IO[bytes], text: bytes) -> None:
    try:
        copy.write(text)
    except OSError as error:
        where = tempfile.gettempdir()
        raise DatasetError(f"its copy in {where} can't be written: {error.strerror}", where=path.as_posix()) from error


def _records(path: Path, copy: IO[bytes], kind: type[Kind]) -> Iterator[tuple[Kind, int, int, bytes]]:
    """Give the records of a copied file, each with the number of its line, where that begins, and the line without its end."""
    lines: dict[str, int] = {}
    copy.seek(0)
    offset = 0
    # Not splitlines(): that also cuts at U+2028 and others, which are ordinary characters in a JSON string.
    for number, whole in enumerate(copy, start=1):
        line = whole.removesuffix(b"\n")
        text = line.decode("utf-8")
        if text.strip():
            try:
                record = _record(text, kind)
                if record.id in lines:
                    raise ValueError(f"id {record.id!r} is already used on line {lines[record.id]}")
            except ValueError as error:
                raise DatasetError(str(error), where=f"{path.as_posix()}:{number}") from error
            lines[record.id] = number
            yield record, number, offset, line
        offset += len(whole)
    if not lines:
        raise DatasetError(f"has no {kind.plural}; wanted one JSON object a line", where=path.as_posix())


# ---------------------------------------------------------------------------------------------- one line


def _record(line: str, kind: type[Kind]) -> Kind:
    """Read one line, or raise ``ValueError`` with a message for the user."""
    value = parse(line)
    if not isinstance(value, dict):
        raise ValueError(f"wanted an object, got {quote(value)}")
    try:
        # From text, because only there does strict mode (no "3" for 3, no true for 1) take a list for a tuple.
        record = kind.model_validate_json(line, strict=True)
    except ValidationError as error:
        raise ValueError(readable(error, kind)) from error
    if isinstance(record, Case):
        _check_labels(record)
    return record


def parse(line: str) -> Any:
    """Read JSON that a prompt, a hash and a request can hold, or raise ``ValueError`` with a message for the user."""
    try:
        value = DECODER.decode(line)
    except json.JSONDecodeError as error:
        raise ValueError(not_json(error)) from error
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    check_json(value, line)
    return value


def not_json(error: json.JSONDecodeError) -> str:
    """Say where a line stops being JSON."""
    rest = error.doc[error.pos : error.pos + 200].strip()
    at = f"at {rest[:30]!r}" if rest else "at the end of the line"
    return f"column {error.colno}: not JSON: {error.msg}, {at}"


def check_json(value: Any, text: str) -> None:
    """Raise ``ValueError`` for what JSON allows and a prompt, a hash and a request don't, in a value read from a text."""
    # What no text may hold stands in the text too, or is escaped there as half a pair or as ASCII; depth takes brackets. So few
    # values need a closer look.
    deep = text.count("{") + text.count("[") > MAX_DEPTH and _deeper(value, MAX_DEPTH - 1)
    if deep or ("\\u" in text and _ESCAPED.search(text)) or any(token in text for token in BAML_TOKENS):
        _check_json(value, "", 0)


def _deeper(value: Any, depth: int) -> bool:
    """Tell whether containers are nested deeper than that."""
    level = [value] if isinstance(value, dict | list) else []
    while level and depth >= 0:
        depth -= 1
        level = [
            item
            for one in level
            for item in (one.values() if type(one) is dict else one)
            if type(item) is dict or type(item) is list
        ]
    return bool(level)


_ESCAPED = re.compile(r"\\u(?:[dD][89a-fA-F]|00[2-7])")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object, refusing a key given twice: JSON readers keep one of the two in silence."""
    built = dict(pairs)
    if len(built) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {twice!r} is given twice in one object")
    return built


def _constant(name: str) -> None:
    raise ValueError(f"{name} isn't JSON; wanted a number or null")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
"""Reads JSON, and refuses a key given twice, NaN, and numbers too large for a float."""


def _check_json(value: object, path: str, depth: int) -> None:
    """Refuse what JSON allows and a prompt, a hash or a request does not."""
    if depth > MAX_DEPTH:
        raise ValueError(f"{path[:60]}…: {TOO_DEEP}")
    if isinstance(value, dict):
        for key, item in value.items():
            _check_json(key, f"{path}, its key" if path else "a key", depth)
            _check_json(item, f"{path}.{key}" if path else key, depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_json(item, f"{path}[{index}]", depth + 1)
    elif isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError(f"{path}: {value[error.start]!a} is half of a surrogate pair, which UTF-8 can't hold") from error
        for token in BAML_TOKENS:
            if token in value:
                raise ValueError(f"{path}: holds {token!r}, which BAML reads as the start of another message")


def _check_labels(case: Case) -> None:
    """Refuse a step that would be both right and harmful."""
    key = case.together or "expect"
    for i, expect in enumerate(case.labels):
        for j, forbid in enumerate(case.forbid):
            if _overlap(expect, forbid):
                raise ValueError(
                    f"{key}[{i}] and forbid[{j}] both cover {expect.intent!r}: a step could be right and harmful; "
                    "give an argument that both name a different value in each, or drop one"
                )


def _overlap(one: StepMatch, other: StepMatch) -> bool:
    """Tell whether one step can match both: the intents are the same, and no argument that both name has different values.

    Matchers are compared as they are written. What one of them has ``only`` leaves no room for a plain value of the other's.
    """
    if one.intent != other.intent or _no_room(one, other) or _no_room(other, one):
        return False
    shared = one.args.keys() & other.args.keys()
    return all(canonical_json(normal_json(one.args[k])) == canonical_json(normal_json(other.args[k])) for k in shared)


def _no_room(one: StepMatch, other: StepMatch) -> bool:
    """Tell whether a label has only other arguments than another one wants."""
    wanted = (name for name, value in other.args.items() if value is not None and not isinstance(value, dict))
    return one.only and any(name not in one.args for name in wanted)


# ---------------------------------------------------------------------------------------------- readable errors

_KEYS: Mapping[str, Iterable[str]] = {
    "thread": Thread.model_fields,
    "events": [field.name for field in fields(Event)],
    "expect": StepMatch.model_fields,
    "all": StepMatch.model_fields,
    "sequence": StepMatch.model_fields,
    "forbid": StepMatch.model_fields,
    "answer": Step.model_fields,
}

_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "dataclass_type": "an object",
    "too_short": "at least one",
}

_PATTERNS = {
    "id": "kebab-case: a-z, 0-9 and single hyphens between them",
    "type": "a letter or _ first, then letters, digits, _ . -",
}


UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")
"""What pydantic says of a key that a model, or a dataclass, doesn't have."""


def readable(wrong: ValidationError, kind: type[BaseModel]) -> str:
    """Say in one line what is wrong: field, value, what was wanted."""
    # The first only: pydantic adds follow-ups (a list whose item is wrong is "too short" as well).
    error = wrong.errors(include_url=False)[0]
    if not error["loc"]:  # it is about the whole line, and says itself where
        return str(error["ctx"]["error"])
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).removeprefix(".")
    name = str(error["loc"][-1])
    if error["type"] in UNKNOWN_KEY:
        parents = [part for part in error["loc"][:-1] if isinstance(part, str)]
        known = {**_KEYS, **getattr(kind, "nested", {})}[parents[-1]] if parents else kind.model_fields
        prefix = path.removesuffix(name).removesuffix(".")
        return (f"{prefix}: " if prefix else "") + unknown("key", name, known)
    if error["type"] == "missing":
        return f"{path}: missing"
    wanted = _WANTED.get(error["type"])
    if error["type"] == "string_pattern_mismatch":
        wanted = _PATTERNS[name]
    elif error["type"] == "literal_error":
        wanted = error["ctx"]["expected"]
    return f"{path}: wanted {wanted or error['msg']}, got {quote(error['input'])}"


def quote(value: object) -> str:
    """Write a value as it stands in the file, cut to 80 characters."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"


# ---------------------------------------------------------------------------------------------- roles


def infer_roles(thread: Thread, steps: frozenset[str]) -> tuple[Thread, tuple[str, ...]]:
    """Fill in ``role`` and ``call`` where a thread leaves them out, and say what was inferred, one note an event.

    What is written wins. Otherwise, the first rule that applies:

    1. The type is one of ``steps``, or the next event is ``<type>_result`` or ``<type>_response``: a step. Steps without a call
       get ``call_1``, ``call_2``, … in order.
    2. The event has a ``call``: the result of that step.
    3. ``<step>_result``, ``<step>_response``: the result of the latest open step of that name (open: without a result so far).
    4. ``error``, ``tool_response``, ``tool_result``, ``human_response``: the result of the latest open step.
    5. All else: an input.

    Raises ``ValueError`` where what is written contradicts itself: a result of no step, a second result of one step, a call
    given to two steps or to an input.
    """
    inferred = roles([(event.type, event.role, event.call) for event in thread.events], steps)
    events: list[Event] = []
    notes: list[str] = []
    for index, (event, (role, call, note)) in enumerate(zip(thread.events, inferred, strict=True)):
        if (role, call) != (event.role, event.call):
            notes.append(f"events[{index}] {event.type}: {note}")
            event = replace(event, role=role, call=call)
        events.append(event)
    return Thread(events=tuple(events)), tuple(notes)


def roles(
    events: Sequence[tuple[str, Role | None, str | None]], steps: frozenset[str]
) -> list[tuple[Role | None, str | None, str]]:
    """Infer the role and the call of each event from the types, roles and calls of all, and say by which rule.

    Raises ``ValueError`` as ``infer_roles`` does.
    """
    thread = _Calls(events)
    inferred: list[tuple[Role | None, str | None, str]] = []
    for index, (kind, role, call) in enumerate(events):
        note = ""
        answered = _answered(kind, thread.open)
        if role is None:
            following = events[index + 1][0] if index + 1 < len(events) else ""
            role, note = _role(kind, call, answered, following, steps)
        if role == "step":
            call = thread.begin(index, call)
            note = note or f"call {call}"
        elif role == "result":
            call = thread.end(index, call or answered)
            note = f"result of {thread.at(thread.met[call])}"
        elif call is not None:
            raise ValueError(f"thread.{thread.at(index)}: an input has no call, got {call!r}")
        inferred.append((role, call, note))
    return inferred


def _role(kind: str, call: str | None, answered: str | None, following: str, steps: frozenset[str]) -> tuple[Role, str]:
    """Infer the role of an event that has none, and say by which rule."""
    if kind in steps:
        return "step", "step (a step's name)"
    if _is_own_result(following, kind):
        return "step", f"step ({following} comes next)"
    if call is not None or answered is not None:
        return "result", ""
    return "input", "input"


class _Calls:
    """The calls of a thread, as far as it is read: ``met`` says where each step stands, ``open`` the types of those without a
    result, oldest first.
    """

    def __init__(self, events: Sequence[tuple[str, Role | None, str | None]]) -> None:
        written = {call for _, _, call in events}
        self._events = events
        self._fresh = (name for name in map("call_{}".format, itertools.count(1)) if name not in written)
        self.met: dict[str, int] = {}
        self.open: dict[str, str] = {}

    def at(self, index: int) -> str:
        """Name an event."""
        return f"events[{index}] {self._events[index][0]}"

    def begin(self, index: int, call: str | None) -> str:
        """Take a step in; give its call."""
        call = next(self._fresh) if call is None else call
        if call in self.met:
            raise ValueError(f"thread.{self.at(index)}: call {call!r} is already that of {self.at(self.met[call])}")
        self.met[call], self.open[call] = index, self._events[index][0]
        return call

    def end(self, index: int, call: str | None) -> str:
        """Take a result in, of the latest open step where it names none; give its call."""
        call = call or next(reversed(self.open), None)
        if call is None:
            raise ValueError(f"thread.{self.at(index)}: a result, but every step before it has one")
        if call not in self.met:
            raise ValueError(f"thread.{self.at(index)}: " + unknown("call", call, self.met))
        if self.open.pop(call, None) is None:
            raise ValueError(f"thread.{self.at(index)}: {self.at(self.met[call])} already has a result")
        return call


def _answered(answer: str, still_open: dict[str, str]) -> str | None:
    """Return the call of the open step that an event of this type answers, by its type alone."""
    for call in reversed(still_open):
        if answer in ANSWERS or _is_own_result(answer, still_open[call]):
            return call
    return None


def _is_own_result(answer: str, step: str) -> bool:
    """Tell whether a type is that of a step's result by name."""
    return answer.startswith(step) and answer.removeprefix(step) in ANSWER_SUFFIXES
