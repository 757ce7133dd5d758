"""Expected arguments, compared with those of a step.

Expected arguments are compared by name: an argument (or a key of a nested object) that the label doesn't name is not compared,
unless the label says ``only``. ``null`` matches an argument left out as well, because an optional field left out reads as null in
one kind of answer and is missing in another. Texts are compared in NFC and without outer white space (``texts.normal``); keys are
compared as they stand. An object whose keys begin with ``$`` is a matcher:

=======================================  ==============================================================================
``{"$any_of": [x, ...]}``                one of these (values or matchers)
``{"$ignore": true}``                    anything, also nothing: says that the argument was thought of
``{"$number": 3.5, "$tolerance": 0.1}``  a number at most ``$tolerance`` away (default 1e-9)
``{"$int": 3}``                          this whole number, written as one: not 3.0
``{"$regex": "^v1"}``                    text in which ``re.search`` finds the pattern, white space and all
``{"$contains": x}``                     text holding the text x, in any case; or a list with an element that matches x
``{"$any_case": "Rome"}``                this text in any case
``{"$loose": "New York"}``               this text, whatever its case, spaces and ``, . / - _ * ^``; ``'`` is ``"``
``{"$set": [x, ...]}``                   a list that holds exactly these, in any order, each as often as given
``{"$only": {...}}``                     an object that matches and has no other keys (but with null)
=======================================  ==============================================================================
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from phrasing.errors import unknown
from phrasing.texts import caseless, composed, folded, how_unlike, loose, normal
from phrasing.types import StepMatch

MATCHERS = ("$any_of", "$ignore", "$number", "$int", "$regex", "$contains", "$any_case", "$loose", "$set", "$only")

DEFAULT_TOLERANCE = 1e-9

_TEXT_FORMS: Mapping[str, Callable[[str], str]] = {"$any_case": caseless, "$loose": loose}
"""Matchers of one text, with the form in which it is compared."""


def match_args(expected: Mapping[str, JsonValue], args: Mapping[str, JsonValue], *, only: bool = False) -> str | None:
    """Compare arguments: ``None`` where they match, else the first difference: its path and both values.

    ``only``: arguments that aren't expected have to be left out, or null.
    """
    return _first((value, args.get(name, _MISSING), name) for name, value in expected.items()) or (
        _others(expected, args) if only else None
    )


class _Missing:
    """What an argument left out is compared as."""


_MISSING = _Missing()


def _difference(expected: Any, got: Any, path: str) -> str | None:
    """Return ``None`` where ``got`` is what was expected, else what differs. Types are JSON's: true is not 1, but 3 is 3.0."""
    if isinstance(expected, dict):
        if "$only" in expected and isinstance(got, dict):
            return _difference(expected["$only"], got, path) or _others(expected["$only"], got, f"{path}.")
        if _is_matcher(expected):
            return None if _matches(expected, got) else _unequal(path, _wanted(expected), expected, got)
        if isinstance(got, dict):
            return _first((value, got.get(key, _MISSING), f"{path}.{key}") for key, value in expected.items())
    elif isinstance(expected, list):
        if isinstance(got, list) and len(got) == len(expected):
            pairs = enumerate(zip(expected, got, strict=True))
            return _first((value, item, f"{path}[{index}]") for index, (value, item) in pairs)
    elif expected is None:
        if got is None or got is _MISSING:
            return None
    elif same_scalar(expected, got):
        return None
    return _unequal(path, quote(expected), expected, got)


def same_scalar(one: Any, other: Any) -> bool:
    """Whether two values that are neither lists nor objects are equal."""
    if isinstance(one, str) and isinstance(other, str):
        return one == other or normal(one) == normal(other)
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _unequal(path: str, wanted: str, expected: Any, got: Any) -> str:
    """Say that a value isn't what was wanted, and how the two differ where they look alike."""
    found = (how_unlike(form(text), form(got)) for text, form in _texts(expected)) if isinstance(got, str) else ()
    how = next(filter(None, found), None)
    return f"{path}: expected {wanted}, got {quote(got)}{f' ({how})' if how else ''}"


def _texts(expected: Any) -> Iterator[tuple[str, Callable[[str], str]]]:
    """Give the texts of which a value or matcher wants one, each with the form in which a reader should compare it."""
    if isinstance(expected, str):
        yield expected, normal
    elif isinstance(expected, dict):
        for value in expected.get("$any_of", ()):
            yield from _texts(value)
        yield from ((text, caseless) for name, text in expected.items() if name in _TEXT_FORMS)


def _others(expected: Mapping[str, Any], got: Mapping[str, Any], within: str = "") -> str | None:
    """Say what stands in an object that isn't expected there, if anything does."""
    found = ((name, value) for name, value in got.items() if name not in expected and value is not None)
    return next((f"{within}{name}: expected nothing, got {quote(value)}" for name, value in found), None)


def _first(compared: Iterable[tuple[Any, Any, str]]) -> str | None:
    """Give the first difference of several: (expected, got, path)."""
    return next((found for one in compared if (found := _difference(*one)) is not None), None)


def _is_matcher(value: Mapping[str, Any]) -> bool:
    return any(key.startswith("$") for key in value)


def matches(expected: Any, got: Any) -> bool:
    """Whether a value is what was expected: a value or a matcher."""
    return _difference(expected, got, "") is None


def _matches(matcher: Mapping[str, Any], got: Any) -> bool:
    """Whether a value fits a matcher other than ``$only``, which wants an object."""
    name = "$number" if "$number" in matcher else next(iter(matcher))
    operand = matcher[name]
    match name:
        case "$any_of":
            return any(matches(value, got) for value in operand)
        case "$number":
            return _is_number(got) and _near(operand, got, matcher.get("$tolerance", DEFAULT_TOLERANCE))
        case "$int":
            return isinstance(got, int) and not isinstance(got, bool) and got == operand
        case "$regex":
            return isinstance(got, str) and re.search(composed(operand), composed(got)) is not None
        case "$contains":
            return _contains(operand, got)
        case "$any_case" | "$loose":
            form = _TEXT_FORMS[name]
            return isinstance(got, str) and form(operand) == form(got)
        case "$set":
            return isinstance(got, list) and _pair_up(operand, got)
    return name == "$ignore"


def _contains(part: Any, got: Any) -> bool:
    if isinstance(got, list):
        return any(matches(part, item) for item in got)
    if not isinstance(got, str) or not isinstance(part, str):
        return False
    return folded(part) in folded(got)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _near(expected: float, got: float, tolerance: float) -> bool:
    try:
        # 3.6 is written as 0.1 away from 3.5, and as floats a little more.
        return abs(got - expected) <= tolerance * (1 + 1e-9)
    except OverflowError:  # an integer beyond every float, against a float
        return False


def _pair_up(expected: Sequence[Any], got: Sequence[Any]) -> bool:
    """Tell whether each expected value can have an element of its own."""
    if len(expected) != len(got):
        return False
    return most_pairs([[i for i, item in enumerate(got) if matches(value, item)] for value in expected]) == len(expected)


def most_pairs(fits: Sequence[Sequence[int]]) -> int:
    """Give how many rows can have a column of their own at once; ``fits`` are the columns that fit each row.

    Taking the first that fits may leave none for the next: an augmenting path (Kuhn 1955) moves earlier choices where that helps.
    """
    owner: dict[int, int] = {}

    def place(row: int, tried: set[int]) -> bool:
        for column in fits[row]:
            if column not in tried:
                tried.add(column)
                if column not in owner or place(owner[column], tried):
                    owner[column] = row
                    return True
        return False

    return sum(place(row, set()) for row in range(len(fits)))


# ---------------------------------------------------------------------------------------------- checking labels


def check_matchers(match: StepMatch) -> None:
    """Refuse a matcher that isn't one: ``ValueError`` with its path, the value and what was wanted."""
    for name, value in match.args.items():
        _check(value, f"args.{name}")


def _check(value: Any, path: str) -> None:
    if isinstance(value, list):
        for index, item in enumerate(value):
            _check(item, f"{path}[{index}]")
    elif isinstance(value, dict) and not _is_matcher(value):
        for key, item in value.items():
            _check(item, f"{path}.{key}")
    elif isinstance(value, dict):
        _check_matcher(value, path)


def _check_matcher(matcher: Mapping[str, Any], path: str) -> None:
    name = next(iter(matcher))
    known = (*MATCHERS, "$tolerance") if "$number" in matcher else MATCHERS
    for key in matcher:
        if key.startswith("$") and key not in known:
            hint = "; $tolerance stands beside $number" if key == "$tolerance" else ""
            raise ValueError(f"{path}: {unknown('matcher', key, MATCHERS)}{hint}")
    if "$number" in matcher and set(matcher) <= {"$number", "$tolerance"}:
        name = "$number"
    elif len(matcher) > 1:
        raise ValueError(f"{path}: a matcher stands alone in its object, got the keys {', '.join(map(repr, matcher))}")
    _check_operand(name, matcher[name], f"{path}.{name}")
    tolerance = matcher.get("$tolerance", DEFAULT_TOLERANCE)
    if not _is_number(tolerance) or not 0 <= tolerance < math.inf:
        raise ValueError(f"{path}.$tolerance: wanted a number of at least 0, got {quote(tolerance)}")


_OPERANDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "$any_of": (lambda x: isinstance(x, list) and bool(x), "a list of at least one value"),
    "$ignore": (lambda x: x is True, "true"),
    "$number": (lambda x: _is_number(x) and math.isfinite(x), "a number"),
    "$int": (lambda x: isinstance(x, int) and not isinstance(x, bool), "a whole number"),
    "$regex": (lambda x: isinstance(x, str), "a pattern as text"),
    "$any_case": (lambda x: isinstance(x, str), "a text"),
    "$loose": (lambda x: isinstance(x, str), "a text"),
    "$set": (lambda x: isinstance(x, list), "a list"),
    "$only": (lambda x: isinstance(x, dict) and not _is_matcher(x), "an object"),
}
"""What a matcher may compare with, and how that is called; ``$contains`` takes any value."""


def _check_operand(name: str, operand: Any, at: str) -> None:
    """Hold what a matcher compares with to what it takes."""
    takes, wanted = _OPERANDS.get(name, (lambda x: True, ""))
    if not takes(operand):
        raise ValueError(f"{at}: wanted {wanted}, got {quote(operand)}")
    if name == "$regex":
        try:
            re.compile(operand)
        except re.error as error:
            raise ValueError(f"{at}: {quote(operand)} is no pattern: {error}") from error
    _check(operand, at)


# ---------------------------------------------------------------------------------------------- wording


_WORDING = {
    "$int": "{}, written as a whole number",
    "$regex": "text matching {}",
    "$contains": "something containing {}",
    "$any_case": "{} in any case",
    "$loose": "{}, whatever its case and punctuation",
    "$set": "in any order {}",
    "$only": "{}",
}


def _wanted(matcher: Mapping[str, Any]) -> str:
    """Say what a matcher wants."""
    if "$any_of" in matcher:
        return "one of " + ", ".join(
            _wanted(x) if isinstance(x, dict) and _is_matcher(x) else quote(x) for x in matcher["$any_of"]
        )
    if "$number" in matcher:
        return f"{matcher['$number']} ± {matcher.get('$tolerance', DEFAULT_TOLERANCE)}"
    name, operand = next(iter(matcher.items()))
    return _WORDING.get(name, "{}").format(quote(operand))


def quote(value: Any) -> str:
    """Write a value for a message: text in quotes, all else as JSON, cut to 80 characters."""
    if value is _MISSING:
        return "nothing"
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"
