"""Labels that say too little: matchers that accept another value as well, and labels that name no argument.

A matcher is tried with values that it accepts and that hold a digit (the text of its ``$contains``, texts made from its
``$regex``, and what the case's own steps and answer have in its place) and with these values changed: other digits, more digits,
a number before or behind, a date before a time. It is too wide where it accepts a change whatever digit is used for it. So
``9:00`` as a part is found to accept ``19:00``, and a pattern that means either of two digits passes.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from phrasing.baml.project import Function, StepType
from phrasing.score.labels import branches
from phrasing.score.matchers import match_args
from phrasing.score.patterns import texts
from phrasing.types import LABELS, Case, StepMatch, canonical_json

Schema = Mapping[str, Any]

_Place = tuple[str, Mapping[str, Any], list[str]]
"""A path, the matcher there, and the texts that stand there in the case's own steps and answer."""

_DIGITS = "0123456789"
LONGEST = 200
"""Longer values aren't tried: each digit of one costs ten comparisons."""

_HOUR = re.compile(r"\d[:h]")
_TIME = re.compile(r"\d[:h]\d\d")
_DATE = re.compile(r"\d{4}|\d[-./]\d")
_NUMBER = re.compile(r"[0-9]+")


@dataclass(frozen=True)
class TooWide:
    """A matcher at ``path`` (such as ``args.start``) in ``expect`` or ``forbid``.

    It accepts ``value`` and ``also``. Both are ``None`` where it is about digits and no value that it accepts was found.
    """

    case: str
    key: str
    intent: str
    path: str
    matcher: Mapping[str, Any]
    value: str | None
    also: str | None


@dataclass(frozen=True)
class Unfixed:
    """``labels`` of a step name no argument, though it has ``arguments`` that aren't free text."""

    labels: int
    arguments: tuple[str, ...]


def too_wide(cases: Iterable[Case], functions: Sequence[Function]) -> Iterator[TooWide]:
    """Find matchers that accept another value as well, or that couldn't be tried."""
    for case in cases:
        for key in (*LABELS, "forbid"):
            for match in getattr(case, key):
                step = _step(match.intent, functions)
                for path, matcher, own in _compared(case, match, step) if step else ():
                    found = _tried(canonical_json(matcher), tuple(own))
                    if found:
                        yield TooWide(case.id, key, match.intent, path, matcher, *found)


def unfixed(cases: Sequence[Case], functions: Sequence[Function]) -> dict[str, Unfixed]:
    """Count, by step, the expected labels that name no argument, nor that there is none, though one could be compared.

    An argument of a step isn't free text if it takes something else than text, or if another label of the step names it.
    """
    found: dict[str, Unfixed] = {}
    labels = [match for case in cases for match in case.labels]
    for intent in dict.fromkeys(match.intent for match in labels):
        step = _step(intent, functions)
        own = [match for match in labels if match.intent == intent]
        named = {name for match in own for name in match.args}
        names = tuple(name for name in step.fields if name in named or not _is_text(_argument(step, name))) if step else ()
        empty = sum(not match.args and not match.only for match in own)
        if names and empty:
            found[intent] = Unfixed(empty, names)
    return found


# ---------------------------------------------------------------------------------------------- where matchers stand


@dataclass(frozen=True)
class _Type:
    """A JSON Schema with the definitions that it refers to."""

    schema: Schema
    definitions: Schema

    def branches(self, kind: str) -> Iterator[Schema]:
        """Give its alternatives of a type; a schema that names no type is of any."""
        for branch in branches(self.schema, self.definitions):
            if branch.get("type", kind) == kind and "const" not in branch and "enum" not in branch:
                yield branch

    def within(self, kind: str, key: str) -> Iterator[_Type]:
        """Give what its objects have for a key (``properties``), or its lists as ``items``."""
        for branch in self.branches(kind):
            rest = branch.get("additionalProperties")
            inner = branch.get("properties", {}).get(key, rest) if kind == "object" else branch.get("items")
            yield _Type(inner if isinstance(inner, dict) else {}, self.definitions)


def _argument(step: StepType, name: str) -> _Type:
    return _Type(step.schema["properties"].get(name, {}), step.schema.get("$defs", {}))


def _is_text(type: _Type) -> bool:
    """Tell whether an argument takes text, a list of texts or nothing, and nothing else."""
    for branch in branches(type.schema, type.definitions):
        if branch.get("type") == "array":
            if not _is_text(_Type(branch.get("items", {}), type.definitions)):
                return False
        elif branch.get("type") not in ("string", "null") or "const" in branch or "enum" in branch:
            return False
    return True


def _step(intent: str, functions: Sequence[Function]) -> StepType | None:
    return next((function.steps[intent] for function in functions if intent in function.steps), None)


def _own(case: Case, intent: str) -> Iterator[Mapping[str, Any]]:
    """Give the arguments that the step has in the case itself: in its answer, and where it was taken before."""
    if case.answer and case.answer.intent == intent:
        yield case.answer.args
    yield from (event.data for event in case.thread.events if event.type == intent and isinstance(event.data, dict))


def _compared(case: Case, match: StepMatch, step: StepType) -> Iterator[_Place]:
    """Find the matchers of a label that are held against a text."""
    for name, value in match.args.items():
        own = [args[name] for args in _own(case, match.intent) if name in args]
        yield from _places(value, _argument(step, name), f"args.{name}", own)


def _places(value: Any, type: _Type, path: str, own: Sequence[Any]) -> Iterator[_Place]:
    """Find them in a value that a label names: ``own`` is what stands there in the case."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            for inner in type.within("array", ""):
                yield from _places(item, inner, f"{path}[{index}]", [])
    elif isinstance(value, dict) and "$only" in value:
        yield from _inside(value["$only"], type, f"{path}.$only", own)
    elif isinstance(value, dict) and any(key.startswith("$") for key in value):
        if any(type.branches("string")):
            yield path, value, [text for text in own if isinstance(text, str)]
        elements = [item for one in own if isinstance(one, list) for item in one]
        for operand, inner in itertools.product(_elements(value), type.within("array", "")):
            yield from _places(operand, inner, path, elements)
    elif isinstance(value, dict):
        yield from _inside(value, type, path, own)


def _inside(value: Mapping[str, Any], type: _Type, path: str, own: Sequence[Any]) -> Iterator[_Place]:
    """Find them in an object."""
    for key, item in value.items():
        theirs = [one[key] for one in own if isinstance(one, dict) and key in one]
        for inner in type.within("object", key):
            yield from _places(item, inner, f"{path}.{key}", theirs)


def _elements(matcher: Mapping[str, Any]) -> Iterator[Any]:
    """Give what a matcher of a list compares its elements with."""
    if "$contains" in matcher:
        yield matcher["$contains"]
    yield from matcher.get("$set", ())
    for choice in matcher.get("$any_of", ()):
        if isinstance(choice, list):
            yield from choice
        elif isinstance(choice, dict):
            yield from _elements(choice)


# ---------------------------------------------------------------------------------------------- trying them


@lru_cache(maxsize=4096)
def _tried(written: str, own: tuple[str, ...]) -> tuple[str | None, str | None] | None:
    """Try a matcher, as JSON: the value that it accepts and the other one, or ``None`` where it accepts no other."""
    matcher = json.loads(written)

    def accepts(text: str) -> bool:
        return match_args({"": matcher}, {"": text}) is None

    made, digits = [], False
    for text, pattern in _parts(matcher):
        digits = digits or any(char in _DIGITS for char in text) or (pattern and "\\d" in text)
        made += texts(text) if pattern else [text]
    if not digits:
        return None
    known = [text for text in dict.fromkeys([*made, *own]) if len(text) <= LONGEST and _NUMBER.search(text) and accepts(text)]
    for text in known:
        for change in _changes(text):
            if all(map(accepts, change)):
                return text, change[0]
    return None if known else (None, None)


def _parts(matcher: Any) -> Iterator[tuple[str, bool]]:
    """Give the texts of ``$contains`` and the patterns of ``$regex`` (true) in a matcher."""
    if isinstance(matcher, dict):
        for key, operand in matcher.items():
            if isinstance(operand, str) and key in ("$contains", "$regex"):
                yield operand, key == "$regex"
        for choice in matcher.get("$any_of", ()):
            yield from _parts(choice)


def _changes(text: str) -> Iterator[tuple[str, ...]]:
    """Change a value into other values. Each change is made with several digits: what accepts them all minds none of them."""
    if _HOUR.match(text):  # 19:00 says more of 9:00 than another day does
        yield from _other_numbers(text)
    if _TIME.search(text) and not _DATE.search(text):
        yield f"2001-01-02 {text}", f"2032-11-23 {text}"
    yield from _other_numbers(text)
    for joint in "-.":
        yield f"7{joint}{text}", f"38{joint}{text}"
        yield f"{text}{joint}7", f"{text}{joint}38"


def _other_numbers(text: str) -> Iterator[tuple[str, ...]]:
    """Put a digit before or behind each number, and another in the place of each digit."""
    for number in _NUMBER.finditer(text):
        start, end = number.span()
        yield tuple(f"{text[:start]}{digit}{text[start:]}" for digit in _DIGITS[1:])
        yield tuple(f"{text[:end]}{digit}{text[end:]}" for digit in _DIGITS)
        for at in range(start, end):
            yield tuple(f"{text[:at]}{digit}{text[at + 1 :]}" for digit in _DIGITS if digit != text[at])
