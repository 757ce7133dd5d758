"""Expected arguments, compared with those of a step.

Expected arguments are compared by name: an argument (or a key of a nested object) that the label doesn't name is not compared.
``null`` matches an argument left out as well, because an optional field left out reads as null in one kind of answer and is
missing in another. An object whose keys begin with ``$`` is a matcher:

=======================================  ==============================================================================
``{"$any_of": [x, ...]}``                one of these (values or matchers)
``{"$ignore": true}``                    anything, also nothing: says that the argument was thought of
``{"$number": 3.5, "$tolerance": 0.1}``  a number at most ``$tolerance`` away (default 1e-9)
``{"$regex": "^v1"}``                    text in which ``re.search`` finds the pattern
``{"$contains": x}``                     text holding the text x, in any case; or a list with an element that matches x
``{"$set": [x, ...]}``                   a list that holds exactly these, in any order, each as often as given
=======================================  ==============================================================================
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from phrasing.errors import unknown
from phrasing.types import StepMatch

MATCHERS = ("$any_of", "$ignore", "$number", "$regex", "$contains", "$set")

DEFAULT_TOLERANCE = 1e-9


def match_args(expected: Mapping[str, JsonValue], args: Mapping[str, JsonValue]) -> str | None:
    """Compare arguments: ``None`` where they match, else the first difference: its path and both values."""
    return _first((value, args.get(name, _MISSING), name) for name, value in expected.items())


class _Missing:
    """What an argument left out is compared as."""


_MISSING = _Missing()


def _difference(expected: Any, got: Any, path: str) -> str | None:
    """Return ``None`` where ``got`` is what was expected, else what differs. Types are JSON's: true is not 1, but 3 is 3.0."""
    if isinstance(expected, dict):
        if _is_matcher(expected):
            return None if _matches(expected, got) else f"{path}: expected {_wanted(expected)}, got {quote(got)}"
        if isinstance(got, dict):
            return _first((value, got.get(key, _MISSING), f"{path}.{key}") for key, value in expected.items())
    elif isinstance(expected, list):
        if isinstance(got, list) and len(got) == len(expected):
            pairs = enumerate(zip(expected, got, strict=True))
            return _first((value, item, f"{path}[{index}]") for index, (value, item) in pairs)
    elif expected is None:
        if got is None or got is _MISSING:
            return None
    elif isinstance(got, bool) == isinstance(expected, bool) and got == expected:
        return None
    return f"{path}: expected {quote(expected)}, got {quote(got)}"


def _first(compared: Iterable[tuple[Any, Any, str]]) -> str | None:
    """Give the first difference of several: (expected, got, path)."""
    return next((found for one in compared if (found := _difference(*one)) is not None), None)


def _is_matcher(value: Mapping[str, Any]) -> bool:
    return any(key.startswith("$") for key in value)


def _same(expected: Any, got: Any) -> bool:
    return _difference(expected, got, "") is None


def _matches(matcher: Mapping[str, Any], got: Any) -> bool:
    if "$any_of" in matcher:
        return any(_same(value, got) for value in matcher["$any_of"])
    if "$number" in matcher:
        return _is_number(got) and _near(matcher["$number"], got, matcher.get("$tolerance", DEFAULT_TOLERANCE))
    if "$regex" in matcher:
        return isinstance(got, str) and re.search(matcher["$regex"], got) is not None
    if "$contains" in matcher:
        part = matcher["$contains"]
        if isinstance(got, list):
            return any(_same(part, item) for item in got)
        return isinstance(got, str) and isinstance(part, str) and part.casefold() in got.casefold()
    if "$set" in matcher:
        return isinstance(got, list) and _pair_up(matcher["$set"], got)
    return "$ignore" in matcher


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _near(expected: float, got: float, tolerance: float) -> bool:
    try:
        # 3.6 is written as 0.1 away from 3.5, and as floats a little more.
        return abs(got - expected) <= tolerance * (1 + 1e-9)
    except OverflowError:  # an integer beyond every float, against a float
        return False


def _pair_up(expected: Sequence[Any], got: Sequence[Any]) -> bool:
    """Tell whether each expected value can have an element of its own.

    Matchers can fit several elements, so taking the first that fits may leave none for the next: an augmenting path
    (Kuhn 1955) moves earlier choices where that helps.
    """
    if len(expected) != len(got):
        return False
    fits = [[column for column, item in enumerate(got) if _same(value, item)] for value in expected]
    owner: dict[int, int] = {}

    def place(row: int, tried: set[int]) -> bool:
        for column in fits[row]:
            if column not in tried:
                tried.add(column)
                if column not in owner or place(owner[column], tried):
                    owner[column] = row
                    return True
        return False

    return all(place(row, set()) for row in range(len(expected)))


# ---------------------------------------------------------------------------------------------- checking labels


def check_matchers(match: StepMatch) -> None:
    """Refuse a matcher that isn't one: ``ValueError`` with its path, the value and what was wanted."""
    for name, value in match.args.items():
        _check(value, f"args.{name}")


def _check(value: Any, path: str) -> None:
    if isinstance(value, list):
        _check_all(value, path)
    elif isinstance(value, dict) and not _is_matcher(value):
        for key, item in value.items():
            _check(item, f"{path}.{key}")
    elif isinstance(value, dict):
        _check_matcher(value, path)


def _check_all(values: Iterable[Any], path: str) -> None:
    for index, item in enumerate(values):
        _check(item, f"{path}[{index}]")


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


def _check_operand(name: str, operand: Any, at: str) -> None:
    """Hold what a matcher compares with to what it takes."""
    match name:
        case "$any_of" | "$set":
            least = " of at least one value" if name == "$any_of" else ""
            if not isinstance(operand, list) or (least and not operand):
                raise ValueError(f"{at}: wanted a list{least}, got {quote(operand)}")
            _check_all(operand, at)
        case "$ignore":
            if operand is not True:
                raise ValueError(f"{at}: wanted true, got {quote(operand)}")
        case "$number":
            if not _is_number(operand) or not math.isfinite(operand):
                raise ValueError(f"{at}: wanted a number, got {quote(operand)}")
        case "$regex":
            _check_pattern(operand, at)
        case _:
            _check(operand, at)


def _check_pattern(operand: Any, at: str) -> None:
    if not isinstance(operand, str):
        raise ValueError(f"{at}: wanted a pattern as text, got {quote(operand)}")
    try:
        re.compile(operand)
    except re.error as error:
        raise ValueError(f"{at}: {quote(operand)} is no pattern: {error}") from error


# ---------------------------------------------------------------------------------------------- wording


def _wanted(matcher: Mapping[str, Any]) -> str:
    """Say what a matcher wants."""
    if "$any_of" in matcher:
        return "one of " + ", ".join(
            _wanted(x) if isinstance(x, dict) and _is_matcher(x) else quote(x) for x in matcher["$any_of"]
        )
    if "$number" in matcher:
        return f"{matcher['$number']} ± {matcher.get('$tolerance', DEFAULT_TOLERANCE)}"
    if "$regex" in matcher:
        return f"text matching {quote(matcher['$regex'])}"
    if "$contains" in matcher:
        return f"something containing {quote(matcher['$contains'])}"
    return f"in any order {quote(matcher.get('$set'))}"


def quote(value: Any) -> str:
    """Write a value for a message: text in quotes, all else as JSON, cut to 80 characters."""
    if value is _MISSING:
        return "nothing"
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"
