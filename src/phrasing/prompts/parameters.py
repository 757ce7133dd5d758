"""The parameters of a file that a suite names, as in ``trace(body=json indent=2)``: read, held against what there is, written.

A file declares the values that each parameter can have; the first is its default. One format has one name: parameters in the
order in which they are declared, defaults left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from keyword import iskeyword

from phrasing.errors import unknown

Value = int | float | str
Choices = Mapping[str, tuple[Value, ...]]
"""The values that each parameter can have, the default first."""

_COMMENT = re.compile(r"\s*\{#[-+]?\s*(.*?)\s*[-+]?#\}", re.DOTALL)
_WORD = r"[A-Za-z0-9_.-]+"
_WRITTEN = re.compile(rf"(?P<name>[^\s()]+)(?:\((?P<inside>\w+={_WORD}(?: \w+={_WORD})*)\))?")
_VALUES: tuple[tuple[re.Pattern[str], Callable[[str], Value]], ...] = (
    (re.compile(r"-?\d+"), int),
    (re.compile(r"-?\d+\.\d+"), float),
    (re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*"), str),
)


def value(text: str) -> Value:
    """Read a whole number, a decimal number or a word. Raise ``ValueError`` for anything else."""
    for pattern, read in _VALUES:
        if pattern.fullmatch(text):
            return read(text)
    raise ValueError(f"{text!r} is no value; wanted a number or a word")


def split(written: str) -> tuple[str, dict[str, str]]:
    """Take a name and its parameters apart. Raise ``ValueError`` where it isn't written so."""
    match = _WRITTEN.fullmatch(written)
    if match is None:
        example = "such as trace(body=json indent=2)"
        raise ValueError(
            f"{written!r} is no format; wanted a name, or a name and parameters with single spaces between, {example}"
        )
    pairs = [pair.split("=") for pair in (match["inside"] or "").split()]
    given = dict(pairs)
    if len(given) < len(pairs):
        raise ValueError(f"{written!r} gives a parameter twice")
    return match["name"], given


def header(text: str) -> list[tuple[str, str, list[str]]]:
    """Read the comments before anything else in a template: ``{# kind: words #}`` and ``{# kind name: words #}``."""
    found, start = [], 0
    while comment := _COMMENT.match(text, start):
        start = comment.end()
        label, colon, words = comment[1].partition(":")
        kind, _, name = label.strip().partition(" ")
        if colon and len(name.split()) < 2:
            found.append((kind, name.strip(), words.split()))
    return found


def declare(raw: Iterable[tuple[str, Iterable[object]]]) -> Choices:
    """Check what a file declares. Raise ``ValueError`` for what no one could name."""
    declared: dict[str, tuple[Value, ...]] = {}
    for name, listed in raw:
        values = tuple(listed)
        if not name.isidentifier() or iskeyword(name) or name == "thread":
            raise ValueError(f"the parameter {name!r} must be a name, and not 'thread'")
        if name in declared:
            raise ValueError(f"the parameter {name!r} is declared twice")
        declared[name] = tuple(value(str(one)) for one in values)
        if repr(declared[name]) != repr(values):  # True, or the text "5", which a suite couldn't tell from the number
            raise ValueError(f"the parameter {name!r} has the values {', '.join(map(repr, values))}; wanted numbers and words")
        if len(set(map(str, values))) < max(2, len(values)):
            raise ValueError(f"the parameter {name!r} needs two or more values, each once, the default first")
    return declared


def choose(name: str, choices: Choices, given: Mapping[str, str]) -> dict[str, Value]:
    """Give every parameter its value: the one given, or the default. Raise ``ValueError`` for what isn't there."""
    chosen = {parameter: values[0] for parameter, values in choices.items()}
    for parameter, text in given.items():
        if not choices:
            raise ValueError(f"the format {name!r} has no parameters, got {parameter}={text}")
        if parameter not in choices:
            raise ValueError(f"{name}: {unknown('parameter', parameter, choices)}")
        known = {str(one): one for one in choices[parameter]}
        if text not in known:
            raise ValueError(f"{name}: {parameter}: {unknown('value', text, known)}")
        chosen[parameter] = known[text]
    return chosen


def join(name: str, choices: Choices, chosen: Mapping[str, Value]) -> str:
    """Write a name with its parameters, defaults left out, in the order in which they are declared."""
    other = [f"{parameter}={chosen[parameter]}" for parameter, values in choices.items() if chosen[parameter] != values[0]]
    return f"{name}({' '.join(other)})" if other else name
