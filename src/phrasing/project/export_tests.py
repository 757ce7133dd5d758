"""A dataset as ``test`` blocks of BAML's own, so that ``baml-cli test`` runs the same cases.

What BAML 0.226 makes of its source, as tests find out: a raw string is read as it stands but for CR LF; a text in plain quotes
knows the escapes of backslash, quote, LF, CR and tab; in the Jinja of an assertion a backslash is a backslash, and two braces in
a row are never text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from phrasing.baml.project import Function, StepType
from phrasing.errors import BamlError, DatasetError, FormatError
from phrasing.prompts import formats
from phrasing.prompts.formats import Format
from phrasing.score import labels
from phrasing.score.matchers import DEFAULT_TOLERANCE
from phrasing.suite.dataset import Dataset, infer_roles
from phrasing.types import Case, StepMatch

WRITTEN = "// Written by `phrasing export tests`"
"""How a file begins that may be written anew."""

_MOST_HASHES = 5


@dataclass(frozen=True, slots=True)
class TestBlocks:
    """BAML source with a test for each of so many cases. ``unsaid``: what of the labels no assertion holds, one a line.

    ``several`` are cases without a test, because they want several steps at once.
    """

    __test__ = False  # no test itself

    text: str
    cases: int
    unsaid: tuple[str, ...]
    several: int = 0


class _Unsayable(Exception):
    """An expected value that an assertion can't hold."""


def write_tests(dataset: Dataset, function: Function, format: Format, *, elsewhere: Collection[str] = ()) -> TestBlocks:
    """Write the cases of a dataset as tests of a function, their threads as a format that makes text renders them.

    An assertion holds the acceptable steps that the function has, any of them; other functions may have those of ``elsewhere``.
    Cases that want several steps at once are left out. Raises ``FormatError`` for a format that makes messages, ``DatasetError``
    for labels that don't go with the function, or where no case is left, and ``BamlError`` for a function that returns a list.
    """
    if function.many:
        raise BamlError(f"function {function.name!r} returns a list of steps, which no assertion here holds")
    blocks, unsaid = [], []
    cases = [case for case in _named(dataset, function) if case.together is None]  # a wrong name is said before anything else
    several = len(dataset.cases) - len(cases)
    if not cases:
        raise DatasetError(f"all cases want several steps at once: {function.name} returns one", where=str(dataset.path))
    for case in cases:
        labels.check(case, [function], where=dataset.where(case.id), elsewhere=elsewhere)
        steps, missed = _steps(case, function)
        name = re.sub(r"\W", "_", f"{dataset.name}_{case.id}", flags=re.ASCII)
        examples = ['    examples ""'] if function.takes_examples else []
        blocks += [
            "",
            f"test {name if name[0].isalpha() else f'data_{name}'} {{",
            f"  functions [{function.name}]",
            "  args {",
            f"    {function.thread} {_argument(_thread(case, dataset, function, format), function)}",
            *examples,
            "  }",
            *(f"  // not held: {what}" for what in missed),
            f"  @@assert(step, {{{{ {steps} }}}})",
            "}",
        ]
        unsaid += [f"{case.id}: {what}" for what in missed]
    words = f"{dataset.name} --function {function.name} -f {format.name}"
    text = "\n".join([f"{WRITTEN}: {words}", *blocks]) + "\n"
    return TestBlocks(text, len(cases), tuple(unsaid), several)


def _named(dataset: Dataset, function: Function) -> Iterator[Case]:
    for case in dataset.cases:
        try:
            yield labels.named(case, [function])
        except ValueError as error:
            raise DatasetError(str(error), where=dataset.where(case.id)) from None


def _thread(case: Case, dataset: Dataset, function: Function, format: Format) -> str:
    try:
        thread, _ = infer_roles(case.thread, frozenset(function.steps))
    except ValueError as error:
        raise DatasetError(str(error), where=dataset.where(case.id)) from None
    rendering = formats.render(format, thread)
    if not isinstance(rendering, str):
        raise FormatError("makes messages, and an argument of a BAML test is text", where=str(format.path))
    return rendering


def _argument(text: str, function: Function) -> str:
    """Write a thread as what the function takes: a text, or a list of one message."""
    if function.filling is None or function.filling.messages is None:
        return _text(text)
    (message,) = function.filling.messages.value([{"role": "user", "content": text}])
    fields = (f"        {name} {_text(str(value))}" for name, value in message.items())
    return "\n".join(["[", "      {", *fields, "      }", "    ]"])


def _text(text: str) -> str:
    """Write a text that BAML reads back as it is."""
    hashes = next((n for n in range(1, _MOST_HASHES + 1) if '"' + "#" * n not in text), 0)
    if hashes and "\r\n" not in text:
        return "#" * hashes + f'"{text}"' + "#" * hashes
    for char, escaped in ("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"):
        text = text.replace(char, escaped)
    return f'"{text}"'


# ---------------------------------------------------------------------------------------------- assertions


def _steps(case: Case, function: Function) -> tuple[str, list[str]]:
    """Write the expected steps that a function has as a condition; say what of them it doesn't hold."""
    steps, unsaid = [], []
    for label in case.labels:
        if label.intent in function.steps:
            step, missed = _step(label, function)
            steps.append(step)
            unsaid += missed
    return steps[0] if len(steps) == 1 else " or ".join(f"({step})" for step in steps), unsaid


def _step(label: StepMatch, function: Function) -> tuple[str, list[str]]:
    conditions, unsaid = _which(function.steps[label.intent])
    for name, value in label.args.items():
        try:
            if function.checks:
                raise _Unsayable
            conditions += _value(value, _member("this", name))
        except _Unsayable:
            unsaid.append(f"{label.intent}: {name}: {json.dumps(value, ensure_ascii=False)}")
    if label.only and function.checks:
        unsaid.append(f"{label.intent}: only")
    elif label.only:
        others = (name for name in function.steps[label.intent].fields if name not in label.args)
        conditions += [_absent(_member("this", name)) for name in others]
    return " and ".join(conditions) or "true", unsaid


def _which(step: StepType) -> tuple[list[str], list[str]]:
    """Write which step it is as a condition; nothing in BAML's conditions says which class an answer was taken for."""
    if step.discriminator is not None:
        return [f"{_member('this', step.discriminator)} == {_literal(step.intent)}"], []
    if step.value is not None:
        return [f"this == {_literal(step.intent if isinstance(step.value, str) else step.value)}"], []
    return [], [f"{step.intent}: its class"]


def _value(value: Any, path: str) -> Iterator[str]:
    """Give the conditions under which what stands at a path is as expected, each one safe after those before it."""
    if value is None:
        yield _absent(path)
    elif isinstance(value, dict) and any(key.startswith("$") for key in value):
        yield from _matcher(value, path)
    elif isinstance(value, dict):
        yield f"{path} is mapping"
        for key, item in value.items():
            yield from _value(item, _member(path, key))
    elif isinstance(value, list):
        yield from (f"{path} is sequence", f"{path}|length == {len(value)}")
        for index, item in enumerate(value):
            yield from _value(item, f"{path}[{index}]")
    else:
        yield f"{path} == {_literal(value)}"


def _matcher(matcher: dict[str, Any], path: str) -> Iterator[str]:
    """Give the conditions of a matcher. Raises ``_Unsayable`` for those that need more than Jinja has."""
    if "$any_of" in matcher:
        yield _any(["(" + " and ".join(_value(value, path)) + ")" for value in matcher["$any_of"]])
    elif "$number" in matcher:
        number, room = matcher["$number"], matcher.get("$tolerance", DEFAULT_TOLERANCE) * (1 + 1e-9)
        yield f"{path} is number"
        yield from (f"{path} >= {_literal(number - room)}", f"{path} <= {_literal(number + room)}")
    elif "$int" in matcher:
        yield from (f"{path} is integer", f"{path} == {_literal(matcher['$int'])}")
    elif isinstance(text := matcher.get("$any_case"), str) and text.casefold() == text.lower():
        yield from (f"{path} is string", f"{path}|lower == {_literal(text.lower())}")
    elif isinstance(part := matcher.get("$contains"), str) and part.casefold() == part.lower():
        texts = f"({path} is string and {_literal(part.lower())} in {path}|lower)"
        yield _any([texts, f"({path} is sequence and {_literal(part)} in {path})"])
    elif "$ignore" not in matcher:
        raise _Unsayable


def _absent(path: str) -> str:
    return f"({path} is undefined or {path} is none)"


def _any(conditions: Sequence[str]) -> str:
    return f"({' or '.join(conditions)})"


def _member(path: str, name: str) -> str:
    return f"{path}.{name}" if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) else f"{path}[{_literal(name)}]"


def _literal(value: JsonValue) -> str:
    """Write a text, a number, ``true`` or ``false`` in Jinja. Nothing can be escaped there: a text is put together of parts."""
    if not isinstance(value, str):
        return json.dumps(value)
    parts = [f"'{part}'" if '"' in part else f'"{part}"' for part in re.findall(r'"+|[{}\r]|[^"{}\r]+', value)]
    return parts[0] if len(parts) == 1 else f"({' ~ '.join(parts)})" if parts else '""'
