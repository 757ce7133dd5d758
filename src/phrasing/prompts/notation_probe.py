"""Prove that what a notation writes is what it reads: samples of every step go through ``write`` and ``read``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from phrasing.baml.project import Function
from phrasing.baml.tools.json_schema import Schema, kinds_of, properties_of, required_of, target
from phrasing.errors import shorten
from phrasing.prompts import notations
from phrasing.prompts.notations import NotationFile, Told
from phrasing.types import canonical_json

TEXTS = (
    "plain words",
    'She said "no", \'yes\' and \\"maybe\\".',
    "two lines\nand a third, after a blank one\n\n  - indented: [x]\n",
    "<b>bold</b> & </b> <!-- -->",
    "naïve 漢字 \U0001f600 \u2028\u00a0",
    "a=1, b=2) {c} [d] # e: f",
    "```json\n{}\n```",
    " blanks around\u00a0",
    "yes",
    "null",
    "12",
    "2024-01-31",
    "back\\slash \\n",
    "",
)
"""What notations get wrong: quotes, ends of lines, brackets, their own marks, and texts that look like another value."""

NUMBERS = (3, -7, 0, 1_000_000)
FRACTIONS = (0.5, -2.25, 1e-7, 12345.678)
_DEEP = 4
"""How deep optional parts are filled: classes may hold themselves."""


def prove(file: NotationFile, function: Function) -> None:
    """Raise ``FormatError`` where a step of a function is read otherwise than it was written, with the step.

    Where the file promises it, that holds with words around the answer; where the function returns a list, of two answers with a
    blank line between.
    """
    for step in samples(function):
        _prove(file, function, [step], around=file.in_prose)
    if function.many:
        steps = [_of(step, count()) for step in notations.steps_of(function)]
        _prove(file, function, [steps[0], steps[-1]], around=False)


def samples(function: Function) -> Iterator[Told]:
    """Make steps of a function: each with all its arguments and with those that it requires, and awkward texts in one of them."""
    numbers = count()
    steps = notations.steps_of(function)
    for step in steps:
        yield _of(step, numbers)
        yield _of(step, numbers, deep=0)
    texts = max(steps, key=lambda step: canonical_json(step["parameters"]).count('"string"'))
    for first in range(len(TEXTS)):  # so that each of its texts is each of these once
        yield _of(texts, count(first))


def _of(step: dict[str, Any], numbers: Iterator[int], deep: int = _DEEP) -> Told:
    schema = step["parameters"]
    return {"intent": step["intent"], "args": _object(schema, schema, numbers, deep)}


def _object(schema: Schema, root: Schema, numbers: Iterator[int], deep: int) -> dict[str, Any]:
    wanted = properties_of(schema) if deep > 0 else {name: properties_of(schema)[name] for name in required_of(schema)}
    return {name: _value(inner, root, numbers, deep - 1) for name, inner in wanted.items()}


def _value(schema: Schema, root: Schema, numbers: Iterator[int], deep: int) -> Any:
    """Make a value that fits a JSON Schema as BAML's types have it."""
    schema = target(schema["$ref"], root) or {} if "$ref" in schema else schema
    number = next(numbers)
    if deep < -_DEEP:  # the class requires itself, in one branch
        return None
    if "const" in schema:
        return schema["const"]
    if choices := schema.get("enum"):
        return choices[number % len(choices)]
    if choices := schema.get("anyOf"):
        return _value(choices[number % len(choices)] if deep > 0 else choices[-1], root, numbers, deep - 1)
    return _of_kind(schema, root, numbers, deep, number)


def _of_kind(schema: Schema, root: Schema, numbers: Iterator[int], deep: int, number: int) -> Any:
    match next(iter(kinds_of(schema)), "string"):
        case "string":
            return TEXTS[number % len(TEXTS)]
        case "int":
            return NUMBERS[number % len(NUMBERS)]
        case "float":
            return FRACTIONS[number % len(FRACTIONS)]
        case "bool":
            return number % 2 == 0
        case "array":
            return [_value(schema["items"], root, numbers, deep - 1) for _ in range(2)] if deep > 0 else []
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            inner = schema["additionalProperties"]
            return {f"key {n}": _value(inner, root, numbers, deep - 1) for n in range(2)} if deep > 0 else {}
        case "object":
            return _object(schema, root, numbers, deep)
    return None


def _prove(file: NotationFile, function: Function, steps: list[Told], *, around: bool) -> None:
    answer = "\n\n".join(notations.write(file, step, function) for step in steps)
    for said in (answer, f"Let me think about it.\n\n{answer}\n\nThat is my answer.")[: 1 + around]:
        try:
            found = notations.read(file, said, function)
        except ValueError as error:
            raise file.error(f"can't read what it wrote, {shorten(repr(said), 200)}: {error}") from None
        if canonical_json(found) != canonical_json(steps):
            read = canonical_json(found[0] if len(found) == 1 else found)
            wrote = canonical_json(steps[0] if len(steps) == 1 else steps)
            raise file.error(f"reads {shorten(read, 300)} where it wrote {shorten(wrote, 300)}, as {shorten(repr(said), 300)}")
