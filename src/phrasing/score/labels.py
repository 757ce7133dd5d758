"""Labels against the steps of the functions that will answer: names, argument values, and that every function can be right."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from phrasing.baml.project import Function, StepType
from phrasing.errors import DatasetError, unknown
from phrasing.score.matchers import DEFAULT_TOLERANCE, check_matchers, matches, same_scalar
from phrasing.texts import first_unlike
from phrasing.types import LABELS, Case, Step, StepMatch

Schema = Mapping[str, Any]
Match = TypeVar("Match", Step, StepMatch)


def named(case: Case, functions: Sequence[Function]) -> Case:
    """Write labels and answer by BAML's names, where they have those that a model reads and writes (``@alias``).

    Raises ``ValueError`` where a label has a field by both names.
    """
    if not any(function.renames for function in functions):
        return case
    changed = {key: tuple(_named(match, functions) for match in getattr(case, key)) for key in (*LABELS, "forbid")}
    return case.model_copy(update={**changed, "answer": case.answer and _named(case.answer, functions)})


def _named(match: Match, functions: Sequence[Function]) -> Match:
    """The first function that has the step says what its names mean."""
    step = next((function.steps[match.intent] for function in functions if match.intent in function.steps), None)
    return match.model_copy(update={"args": step.named(match.args)}) if step else match


def check(case: Case, functions: Sequence[Function], *, where: str, elsewhere: Collection[str] = ()) -> None:
    """Hold a case's labels against the functions of its agent. Raises ``DatasetError``, with ``where``, for the first mistake.

    Functions may have different steps: a label may name one that only some of them have, or none of them but another function of
    the project (``elsewhere``: all its intents), and each function must have an expected step, or all that are wanted together.
    Values that a step's JSON Schema refuses could never match, so they are mistakes too.
    """
    known = {intent for function in functions for intent in function.steps}
    for key in (*LABELS, "forbid"):
        for match in getattr(case, key):
            if match.intent not in known and match.intent not in elsewhere:
                names = ", ".join(function.name for function in functions)
                raise DatasetError(f"{key}: {unknown('intent', match.intent, known)} (the steps of {names})", where=where)
            try:
                check_matchers(match)
                for function in functions:
                    if match.intent in function.steps:
                        check_args(match.args, function.steps[match.intent], only=match.only)
            except ValueError as error:
                raise DatasetError(f"{key}: {match.intent}: {error}", where=where) from None
    expected = list(dict.fromkeys(match.intent for match in case.labels))
    for function in functions:
        lacking = [intent for intent in expected if intent not in function.steps]
        if case.together and lacking:
            message = f"case {case.id!r}: {function.name} hasn't all of these steps, but lacks {', '.join(lacking)}"
            raise DatasetError(f"{case.together}: {message}; there are: {', '.join(sorted(function.steps))}", where=where)
        if function.steps.keys().isdisjoint(expected):
            message = f"case {case.id!r}: {function.name} has none of its expected steps ({', '.join(expected)})"
            raise DatasetError(f"expect: {message}; there are: {', '.join(sorted(function.steps))}", where=where)


def check_args(args: Mapping[str, Any], step: StepType, *, only: bool = False) -> None:
    """Raise ``ValueError`` for the first expected argument that no call of this step can have: its path and what was wanted.

    Objects may name some of their keys; ``only``, and the matcher of that name, have to name all that are required. A matcher is
    held to what it needs; ``$regex``, ``$contains`` and ``$ignore`` can't be decided and pass.
    """
    lacking = [name for name in step.schema.get("required", ()) if name not in args and name != step.discriminator]
    if only and lacking:
        raise ValueError(f"only: leaves out what every call has: {', '.join(lacking)}")
    for name, value in args.items():
        if name not in step.fields:
            raise ValueError(unknown("argument", name, step.fields))
        problem = _problem(value, step.schema["properties"][name], step.schema.get("$defs", {}), f"args.{name}")
        if problem:
            raise ValueError(problem)


def _problem(value: Any, schema: Schema, definitions: Schema, path: str) -> str | None:
    """Say why no value that the schema accepts can match, or ``None``."""
    if isinstance(value, dict) and any(key.startswith("$") for key in value):
        return _matcher_problem(value, schema, definitions, path)
    options = list(branches(schema, definitions))
    problems = [_branch_problem(value, branch, definitions, path) for branch in options]
    if None in problems:
        return None
    # what is wrong inside an object or a list says more than that it is one
    inside = [problem for problem in problems if problem and not problem.startswith(f"{path}: wanted")]
    return inside[0] if inside else f"{path}: {_unlike(options, value)}"


def _matcher_problem(matcher: Mapping[str, Any], schema: Schema, definitions: Schema, path: str) -> str | None:
    if "$any_of" in matcher:
        found = (_problem(value, schema, definitions, f"{path}.$any_of[{i}]") for i, value in enumerate(matcher["$any_of"]))
        return next(filter(None, found), None)
    if "$set" in matcher:
        return _problem(matcher["$set"], schema, definitions, f"{path}.$set")
    if "$number" in matcher:
        number = matcher["$number"]
        # 4 serves 3.9 in a field of whole numbers
        near = abs(round(number) - number) <= matcher.get("$tolerance", DEFAULT_TOLERANCE)
        return _problem(round(number) if near else number, schema, definitions, f"{path}.$number")
    if "$only" in matcher:
        return _only_problem(matcher["$only"], schema, definitions, f"{path}.$only")
    if "$int" in matcher:
        whole = [branch for branch in branches(schema, definitions) if branch.get("type") != "number"]
        alone = f"{path}.$int: wanted a number without $int, because a number here may have a fraction, got {matcher['$int']}"
        return _problem(matcher["$int"], {"anyOf": whole}, definitions, f"{path}.$int") if whole else alone
    if "$any_case" in matcher or "$loose" in matcher:
        return _text_problem(matcher, schema, definitions, path)
    return None


def _only_problem(value: Mapping[str, Any], schema: Schema, definitions: Schema, path: str) -> str | None:
    """Say why no object that has these keys alone is one that the schema accepts."""
    problem = _problem(value, schema, definitions, path)
    required = [branch.get("required", ()) for branch in branches(schema, definitions) if _is(value, branch.get("type"))]
    lacking = [name for name in min(required, key=len, default=()) if name not in value]
    return problem or (f"{path}: leaves out what every object here has: {', '.join(lacking)}" if lacking else None)


def _text_problem(matcher: Mapping[str, Any], schema: Schema, definitions: Schema, path: str) -> str | None:
    """Say why no text that the schema accepts fits a matcher of one text."""
    ((name, text),) = matcher.items()
    options = list(branches(schema, definitions))
    for branch in options:
        choices = _choices(branch)
        if any(matches(matcher, choice) for choice in choices) or (not choices and _is(text, branch.get("type"))):
            return None
    return f"{path}.{name}: {_unlike(options, text)}"


def branches(schema: Schema, definitions: Schema) -> Iterator[Schema]:
    """Give the alternatives of a schema, its references followed."""
    if "$ref" in schema:
        yield from branches(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    elif "anyOf" in schema:
        for branch in schema["anyOf"]:
            yield from branches(branch, definitions)
    else:
        yield schema


def _branch_problem(value: Any, schema: Schema, definitions: Schema, path: str) -> str | None:
    choices = _choices(schema)
    fits = any(same_scalar(choice, value) for choice in choices) if choices else _is(value, schema.get("type"))
    if not fits:
        return f"{path}: wanted {_wanted(schema)}"
    if isinstance(value, list):
        found = (_problem(item, schema.get("items", {}), definitions, f"{path}[{i}]") for i, item in enumerate(value))
        return next(filter(None, found), None)
    if isinstance(value, dict):
        known, free = schema.get("properties", {}), schema.get("additionalProperties")
        for key, item in value.items():
            if key not in known and known and not free:
                return f"{path}: {unknown('key', key, known)}"
            inner = known.get(key, free if isinstance(free, dict) else {})
            problem = _problem(item, inner, definitions, f"{path}.{key}")
            if problem:
                return problem
    return None


def _choices(schema: Schema) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))


def _is(value: Any, kind: str | None) -> bool:
    """Whether a JSON value is of a JSON Schema type: 3.0 is a whole number, true is no number."""
    match kind:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "string":
            return isinstance(value, str)
        case "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case "integer":
            return isinstance(value, (int, float)) and not isinstance(value, bool) and value == int(value)
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
    return True


_WORDS = {
    "null": "null",
    "boolean": "true or false",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "array": "a list",
    "object": "an object",
}


def _unlike(options: Sequence[Schema], value: Any) -> str:
    """Say what was wanted, what came, and how a text differs from a choice that looks like it."""
    wanted = " or ".join(dict.fromkeys(_wanted(branch) for branch in options))
    choices = (choice for branch in options for choice in _choices(branch) if isinstance(choice, str))
    how = first_unlike(choices, value) if isinstance(value, str) else None
    return f"wanted {wanted}, got {_quote(value)}{f' ({how})' if how else ''}"


def _wanted(schema: Schema) -> str:
    choices = _choices(schema)
    return " or ".join(_quote(choice) for choice in choices) if choices else _WORDS.get(str(schema.get("type")), "something else")


def _quote(value: Any) -> str:
    """Write a value as it stands in the file, cut to 80 characters."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"
