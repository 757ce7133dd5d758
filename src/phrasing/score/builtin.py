"""Scorers: what a step is worth, by the labels of its case. ``docs/concepts.md`` says what each score means.

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
from phrasing.types import Case, Parsed, Score, StepMatch

NAMES = ("intent", "args", "step", "strict", "harm")
"""The scores, in the order in which they are stored and shown."""

OF_LABELS = frozenset({"intent", "args", "step"})
"""Those that hold an answer against what its case expects: agreement, not accuracy, where a label is ``observed``."""

MATCHERS = ("$any_of", "$ignore", "$number", "$regex", "$contains", "$set")

DEFAULT_TOLERANCE = 1e-9

_RIGHT = Score(value=1.0)
_HARMLESS = Score(value=0.0)
_NO_ARGS = Score(value=None, reason="no label of this step names arguments")
_WRONG_INTENT = Score(value=None, reason="the step is wrong, so its arguments don't count")
_NOTHING_FORBIDDEN = Score(value=None, reason="the case forbids nothing")


def score(case: Case, parsed: Parsed) -> dict[str, Score]:
    """Score one answer: ``NAMES`` to ``Score``, in that order.

    An answer that failed (``parsed.stage``: unparsable, truncated, refused, overflow, empty …) is wrong and harmless. A trial
    without an answer (an error) has no scores and must not come here.
    """
    strict = _RIGHT if parsed.form in ("exact", "wrapped") else Score(value=0.0, reason=f"the answer is {parsed.form}")
    harmless = _HARMLESS if case.forbid else _NOTHING_FORBIDDEN
    step = parsed.step
    if step is None or parsed.stage is not None:
        failed = Score(value=0.0, reason=f"{parsed.stage or 'parse'}: {parsed.reason or 'no step'}")
        return {"intent": failed, "args": _WRONG_INTENT, "step": failed, "strict": strict, "harm": harmless}
    harm = harmless
    for forbidden in case.forbid:
        if forbidden.intent == step.intent and match_args(forbidden.args, step.args) is None:
            harm = Score(value=1.0, reason=f"forbidden here: {_call(forbidden)}")
            break
    labels = [label for label in case.expect if label.intent == step.intent]
    if not labels:
        wanted = " or ".join(dict.fromkeys(label.intent for label in case.expect))
        wrong = Score(value=0.0, reason=f"expected {wanted}, got {step.intent}")
        return {"intent": wrong, "args": _WRONG_INTENT, "step": wrong, "strict": strict, "harm": harm}
    args = _NO_ARGS
    if any(label.args for label in labels):
        reasons = [match_args(label.args, step.args) for label in labels]
        if None in reasons:
            args = _RIGHT
        else:
            args = Score(value=0.0, reason=" or ".join(dict.fromkeys(reason for reason in reasons if reason)))
    return {"intent": _RIGHT, "args": args, "step": _RIGHT if args.value is None else args, "strict": strict, "harm": harm}


# ---------------------------------------------------------------------------------------------- comparing


def match_args(expected: Mapping[str, JsonValue], args: Mapping[str, JsonValue]) -> str | None:
    """Compare arguments: ``None`` where they match, else the first difference: its path and both values."""
    for name, value in expected.items():
        difference = _difference(value, args.get(name, _MISSING), name)
        if difference is not None:
            return difference
    return None


class _Missing:
    """What an argument left out is compared as."""


_MISSING = _Missing()


def _difference(expected: Any, got: Any, path: str) -> str | None:
    """Return ``None`` where ``got`` is what was expected, else what differs. Types are JSON's: true is not 1, but 3 is 3.0."""
    if isinstance(expected, dict):
        if _is_matcher(expected):
            return None if _matches(expected, got) else f"{path}: expected {_wanted(expected)}, got {_quote(got)}"
        if isinstance(got, dict):
            for key, value in expected.items():
                difference = _difference(value, got.get(key, _MISSING), f"{path}.{key}")
                if difference is not None:
                    return difference
            return None
    elif isinstance(expected, list):
        if isinstance(got, list) and len(got) == len(expected):
            for index, (value, item) in enumerate(zip(expected, got, strict=True)):
                difference = _difference(value, item, f"{path}[{index}]")
                if difference is not None:
                    return difference
            return None
    elif expected is None:
        if got is None or got is _MISSING:
            return None
    elif isinstance(got, bool) == isinstance(expected, bool) and got == expected:
        return None
    return f"{path}: expected {_quote(expected)}, got {_quote(got)}"


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
    operand = matcher[name]
    at = f"{path}.{name}"
    if name in ("$any_of", "$set"):
        if not isinstance(operand, list) or (name == "$any_of" and not operand):
            raise ValueError(f"{at}: wanted a list{' of at least one value' * (name == '$any_of')}, got {_quote(operand)}")
        _check_all(operand, at)
    elif name == "$ignore":
        if operand is not True:
            raise ValueError(f"{at}: wanted true, got {_quote(operand)}")
    elif name == "$number":
        tolerance = matcher.get("$tolerance", DEFAULT_TOLERANCE)
        if not _is_number(operand) or not math.isfinite(operand):
            raise ValueError(f"{at}: wanted a number, got {_quote(operand)}")
        if not _is_number(tolerance) or not 0 <= tolerance < math.inf:
            raise ValueError(f"{path}.$tolerance: wanted a number of at least 0, got {_quote(tolerance)}")
    elif name == "$regex":
        if not isinstance(operand, str):
            raise ValueError(f"{at}: wanted a pattern as text, got {_quote(operand)}")
        try:
            re.compile(operand)
        except re.error as error:
            raise ValueError(f"{at}: {_quote(operand)} is no pattern: {error}") from error
    else:
        _check(operand, at)


# ---------------------------------------------------------------------------------------------- wording


def _wanted(matcher: Mapping[str, Any]) -> str:
    """Say what a matcher wants."""
    if "$any_of" in matcher:
        return "one of " + ", ".join(
            _wanted(x) if isinstance(x, dict) and _is_matcher(x) else _quote(x) for x in matcher["$any_of"]
        )
    if "$number" in matcher:
        return f"{matcher['$number']} ± {matcher.get('$tolerance', DEFAULT_TOLERANCE)}"
    if "$regex" in matcher:
        return f"text matching {_quote(matcher['$regex'])}"
    if "$contains" in matcher:
        return f"something containing {_quote(matcher['$contains'])}"
    return f"in any order {_quote(matcher.get('$set'))}"


def _call(match: StepMatch) -> str:
    """Write a label as a call."""
    return f"{match.intent}({', '.join(f'{name}: {_quote(value)}' for name, value in match.args.items())})"


def _quote(value: Any) -> str:
    """Write a value for a message: text in quotes, all else as JSON, cut to 80 characters."""
    if value is _MISSING:
        return "nothing"
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"
