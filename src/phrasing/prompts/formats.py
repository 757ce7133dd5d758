"""Load the formats a user owns, call them, and check what they return.

A format is one file: ``formats/x.j2`` (a Jinja template, text) or ``formats/x.py`` with ``render(thread)``. It may declare
parameters: ``x(body=json)``; and it may take ``tools``, to be told whether steps are offered as tools. The contract is
``docs/formats.md``. Templates run sandboxed, a Python file doesn't.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from phrasing import user_code
from phrasing.errors import FormatError, unknown
from phrasing.messages import check_messages, check_text
from phrasing.prompts import parameters, yaml
from phrasing.prompts.parameters import Choices
from phrasing.types import Rendering, Thread
from phrasing.user_code import CodeError

Function = Callable[..., object]
"""What a format file comes down to: a thread as plain dicts and lists, parameters by name. What it returns has to be checked."""

MARKS = ("injectable", "lossy")
TOLD = "tools"
"""What a format takes that is told whether steps are offered as tools."""

_OLD_MARK = "spoofable"
"""What files may still call the mark ``injectable``; digests and stored runs go on doing so."""
_SUFFIXES = (".j2", ".py")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Format:
    """A format file, compiled, with parameters set as its name says. ``parameters`` are all that it has, with their choices.

    ``injectable`` and ``lossy`` are its marks: why its borders don't hold, and what it drops. The digest is that of the file
    with the mark under its old name, ``spoofable``: another word for it makes no other format. ``hint`` says, with file and line,
    that the file uses the old name. ``closed``: what it makes of a thread depends on nothing but the file, the thread and our
    software: a template can neither read files nor import, where a Python file can. ``contained``: what it returns depends on
    nothing but the thread and the file, as far as a Python file's text tells.

    ``told`` renders where the format takes ``tools``; ``tools`` is what it is told, and false where no prompt is composed.
    """

    name: str
    path: Path
    digest: str
    injectable: str | None
    lossy: str | None
    parameters: Choices
    function: Callable[[dict[str, Any]], object]
    hint: str | None = None
    closed: bool = False
    contained: bool = False
    told: Callable[[dict[str, Any], bool], object] | None = None
    tools: bool = False

    def where(self, *, tools: bool) -> Format:
        """Give the format as it renders where steps are offered as ``tools``, or where not: itself, unless it is told."""
        told = self.told
        return (
            self
            if told is None or tools == self.tools
            else replace(self, tools=tools, function=lambda thread: told(thread, tools))
        )


# ------------------------------------------------------------------------------------------------ loading


def available(folder: Path) -> dict[str, Path]:
    """Map the names of the formats in ``folder`` to their files, sorted. Files that begin with ``_`` or ``.`` are no formats."""
    if not folder.is_dir():
        raise FormatError("no such folder", where=str(folder))
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix not in _SUFFIXES or path.name[0] in "_." or not path.is_file():
            continue
        if not _NAME.fullmatch(path.stem):
            raise FormatError(f"the name {path.stem!r} must be letters, digits, '_', '-' and '.'", where=str(path))
        if path.stem in found:
            raise FormatError(f"the name {path.stem!r} is taken by {found[path.stem]}; rename one of them", where=str(path))
        found[path.stem] = path
    return found


def load(folder: Path, written: str) -> Format:
    """Load a format of ``folder``: ``xml_yaml``, or ``trace(body=json)``. Raise ``FormatError`` where that can't be."""
    try:
        return find(folder, written)
    except ValueError as error:
        raise FormatError(str(error), where=str(folder)) from None


def find(folder: Path, written: str) -> Format:
    """Load a format. Raise ``ValueError`` for what is wrong with its name, ``FormatError`` for what is wrong with its file."""
    paths = available(folder)
    name, given = parameters.split(written)
    if name not in paths:
        raise ValueError(unknown("format", name, paths))
    path = paths[name]
    source = path.read_bytes()
    digest = hashlib.sha256(_NEW_WORD.sub(_old_word, source)).hexdigest()
    function, marks, declared, is_told = _template(path, source) if path.suffix == ".j2" else _module(path, source)
    for mark, why in marks.items():
        if not isinstance(why, str) or not why.strip():
            raise FormatError(f"the mark {mark!r} needs a reason in words, got {why!r}", where=str(path))
    chosen = parameters.choose(name, declared, given)
    return Format(
        name=parameters.join(name, declared, chosen),
        path=path,
        digest=digest,
        injectable=marks.get("injectable", marks.get(_OLD_MARK)),
        lossy=marks.get("lossy"),
        parameters=declared,
        function=(lambda thread: function(thread, tools=False, **chosen))
        if is_told
        else (lambda thread: function(thread, **chosen)),
        hint=_hint(path, source) if _OLD_MARK in marks else None,
        closed=path.suffix == ".j2" and not _DRAWS.search(source),
        contained=path.suffix == ".j2" or user_code.self_contained(source),
        told=(lambda thread, tools: function(thread, tools=tools, **chosen)) if is_told else None,
    )


_DRAWS = re.compile(rb"random|lipsum|\bmap\b")
"""What templates have that makes another text each time, and the one filter that takes the name of another, perhaps computed."""

_NEW_WORD = re.compile(rb"(?m)^(\{#[-+]?\s*injectable(?=\s*:)|INJECTABLE(?=\s*=))")


def _old_word(mark: re.Match[bytes]) -> bytes:
    return mark[0].replace(b"injectable", b"spoofable").replace(b"INJECTABLE", b"SPOOFABLE")


def _hint(path: Path, source: bytes) -> str:
    """Say that the old mark, which a format's file has, is called something else now."""
    lines = source.lower().split(b"\n")
    line = next((number for number, text in enumerate(lines, 1) if _OLD_MARK.encode() in text), 1)
    old, new = (_OLD_MARK, MARKS[0]) if path.suffix == ".j2" else (_OLD_MARK.upper(), MARKS[0].upper())
    return f"{path}:{line}: `{old}` is now called `{new}`"


def named(folder: Path, written: str) -> str:
    """Give the one name of a format: its parameters in their order, without defaults. What can't be read stays as it is."""
    try:
        return find(folder, written).name if "(" in written else written
    except ValueError:
        return written


@lru_cache(maxsize=64)
def _template(path: Path, source: bytes) -> tuple[Function, dict[str, Any], Choices, bool]:
    import jinja2
    from jinja2 import meta
    from jinja2.sandbox import SandboxedEnvironment

    # Not the immutable one: templates append to lists of their own, and the thread is a copy anyway.
    environment = SandboxedEnvironment(autoescape=False, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"yaml": yaml.dump, "json": json_text}
    del environment.filters["tojson"]
    try:
        text = source.decode("utf-8")
        code = environment.compile(text, filename=str(path))
    except UnicodeDecodeError as error:
        raise FormatError(f"not UTF-8: {error}", where=str(path)) from error
    except jinja2.TemplateSyntaxError as error:
        message = str(error.message)
        if "'tojson'" in message:
            message = "the filter 'tojson' sorts keys and escapes < > & ' and non-ASCII text; use 'json', which keeps both"
        raise FormatError(message, where=f"{path}:{error.lineno}") from error
    header = parameters.header(text)
    declared = _declared(path, ((name, map(parameters.value, words)) for kind, name, words in header if kind == "parameter"))
    used = meta.find_undeclared_variables(environment.parse(text)) if declared or TOLD in text else set()
    if unused := declared.keys() - used:
        raise FormatError(f"declares the parameter {min(unused)!r} and never uses it", where=str(path))
    template = jinja2.Template.from_code(environment, code, environment.globals)
    marks = {kind: " ".join(words) for kind, name, words in header if kind in (*MARKS, _OLD_MARK) and not name}
    is_told = TOLD in used and TOLD not in declared
    return lambda thread, **chosen: template.render(thread=thread, **chosen), marks, declared, is_told


def _module(path: Path, source: bytes) -> tuple[Function, dict[str, Any], Choices, bool]:
    try:
        module = user_code.load(path, source, project=path.absolute().parents[1])
    except CodeError as error:
        raise FormatError(str(error), where=error.where(path)) from error
    function = getattr(module, "render", None)
    if not callable(function):
        raise FormatError("defines no function render(thread)", where=str(path))
    raw = getattr(module, "PARAMETERS", {})
    if not isinstance(raw, dict) or any(not isinstance(k, str) or not isinstance(v, list | tuple) for k, v in raw.items()):
        raise FormatError(f'PARAMETERS is no dict such as {{"body": ("yaml", "json")}}, but {repr(raw)[:60]}', where=str(path))
    declared = _declared(path, raw.items())
    is_told = TOLD not in declared and _takes_tools(function)
    if declared:
        try:
            told = {TOLD: False} if is_told else {}
            inspect.signature(function).bind(None, **{name: values[0] for name, values in declared.items()}, **told)
        except TypeError as error:
            raise FormatError(f"render doesn't take what PARAMETERS declares: {error}", where=str(path)) from None
    names = {mark: mark.upper() for mark in (*MARKS, _OLD_MARK)}
    return function, {mark: getattr(module, name) for mark, name in names.items() if hasattr(module, name)}, declared, is_told


def _takes_tools(function: Function) -> bool:
    """Whether a function can't be called without ``tools``, beside the thread: one with a default keeps that."""
    try:
        others = list(inspect.signature(function).parameters.values())[1:]
    except (TypeError, ValueError):  # it isn't known what it takes
        return False
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return any(one.name == TOLD and one.default is one.empty and one.kind in by_name for one in others)


def _declared(path: Path, raw: Iterable[tuple[str, Iterable[object]]]) -> Choices:
    try:
        return parameters.declare(raw)
    except ValueError as error:
        raise FormatError(str(error), where=str(path)) from None


def json_text(value: JsonValue, indent: int | None = None) -> str:
    """Write JSON, keys in their order, characters as they are: the filter ``json``. No white space without ``indent``."""
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(value, ensure_ascii=False, separators=separators, allow_nan=False, indent=indent)


# ------------------------------------------------------------------------------------------------ rendering


def render(format: Format, thread: Thread) -> Rendering:
    """Render a thread: text without outer white space, or messages that the OpenAI API accepts.

    The format gets plain dicts and lists of its own, so one that changes them harms nobody. Raise ``FormatError`` where it raises
    or returns anything else.
    """
    return render_events(format, events_of(thread, [plain(event.data) for event in thread.events]))


def events_of(thread: Thread, bodies: list[JsonValue]) -> list[dict[str, Any]]:
    """Write a thread's events as plain dicts, with these as their data: ``bodies`` are given away."""
    return [
        {"type": event.type, "data": body, "role": event.role, "call": event.call}
        for event, body in zip(thread.events, bodies, strict=True)
    ]


def render_events(format: Format, events: list[dict[str, Any]]) -> Rendering:
    """Render the events of a thread, as plain dicts that are given away: ``render`` without the copy."""
    try:
        returned = format.function({"events": events})
    except Exception as error:
        raise _raised(format.path, error) from error
    try:
        if isinstance(returned, str):
            text = returned.strip()
            check_text("the text", text)
            if text:
                return text
        elif isinstance(returned, list):
            check_messages(returned)
            return returned
    except ValueError as error:
        raise FormatError(str(error), where=str(format.path)) from None
    shown = "None" if returned is None else f"{type(returned).__name__} {repr(returned)[:60]}"
    raise FormatError(f"returned {shown}; wanted a text or a list of messages that isn't empty", where=str(format.path))


def uses_tools(rendering: Rendering) -> bool:
    """Tell whether a rendering is messages with native tool calls, which only outputs that offer tools can carry."""
    return not isinstance(rendering, str) and any(message["role"] == "tool" or "tool_calls" in message for message in rendering)


_HOLDS = (dict, list)


def plain(value: JsonValue) -> JsonValue:
    """Copy a JSON value, so that a format may change it."""
    # A call for each leaf would cost more than the copy.
    if isinstance(value, dict):
        return {key: plain(item) if isinstance(item, _HOLDS) else item for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) if isinstance(item, _HOLDS) else item for item in value]
    return value


def _raised(path: Path, error: Exception) -> FormatError:
    wrong = user_code.raised(path, error)
    return FormatError(str(wrong), where=wrong.where(path))
