"""JSON Schemas of steps, as model providers want them: tools for native tool calling, one closed object for structured output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union

from pydantic import BaseModel, ValidationError, create_model

from phrasing.baml import generated
from phrasing.errors import BamlError, shorten
from phrasing.messages import TOOL_NAME

Schema = dict[str, Any]

WRAPPER, WRAPPER_OF_MANY = "step", "steps"
"""The property of the object in ``response_format``, and that of a list: providers refuse a union at the root."""


def tool(intent: str, model: type[BaseModel], tag: str | None = "intent") -> Schema:
    """Describe a step as an OpenAI tool: its name is the intent, so the field ``tag`` that holds it leaves the parameters.

    The description is that of the class, then that of the intent literal. Raises ``BamlError`` where the API refuses the name.
    """
    if not TOOL_NAME.fullmatch(intent):
        raise BamlError(f"intent {intent!r} can't be a tool's name: letters, digits, _ and - only, at most 64")
    description, parameters = described(model, tag)
    function = {"name": intent} | ({"description": description} if description else {}) | {"parameters": parameters}
    return {"type": "function", "function": function}


def described(model: type[BaseModel], tag: str | None) -> tuple[str, Schema]:
    """Give the description of a step and the JSON Schema of its arguments; ``tag`` is the field that names it."""
    parameters = _tidy(generated.json_schema(model))
    literal = parameters["properties"].pop(tag) if tag is not None else {}
    description = "\n".join(filter(None, [parameters.pop("description", None), literal.get("description")]))
    required = [name for name in parameters.pop("required", []) if name != tag]
    if required:
        parameters["required"] = required
    return description, parameters


def response_format(types: Sequence[Any], *, many: bool = False) -> Schema:
    """Describe "one of these steps" as an OpenAI ``json_schema`` response format. ``types``: classes, enums, literals.

    The union stands under the property ``step`` (``many``: a list of them, under ``steps``), and every object is closed, with all
    its properties required: what strict structured output asks for. A map with free keys can't be closed; then ``strict`` is
    false.
    """
    union: Any = Union[tuple(types)]  # noqa: UP007 - the members are known only here
    field: dict[str, Any] = {WRAPPER_OF_MANY: (list[union], ...)} if many else {WRAPPER: (union, ...)}
    schema = _tidy(create_model("NextStep", **field).model_json_schema())
    strict = _close(schema)
    return {"type": "json_schema", "json_schema": {"name": "next_step", "strict": strict, "schema": schema}}


def first_fault(error: ValidationError) -> str:
    """Say what is wrong with a step that doesn't fit: the first fault, with its path and the value."""
    first = error.errors(include_url=False, include_context=False)[0]
    got = "" if first["type"] == "missing" else f", got {shorten(repr(first['input']), 120)}"
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}{got}"


def _tidy(schema: Any, *, names: bool = False) -> Any:
    """Drop the titles and null defaults that pydantic adds: they say nothing and cost tokens. ``names``: keys are field names."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if names:
        return {name: _tidy(value) for name, value in schema.items()}
    return {
        key: _tidy(value, names=key in ("properties", "$defs"))
        for key, value in schema.items()
        if key != "title" and not (key == "default" and value is None)
    }


def _close(schema: Any) -> bool:
    """Close every object below, in place; say whether that was possible."""
    if isinstance(schema, list):
        return all([_close(item) for item in schema])
    if not isinstance(schema, dict):
        return True
    possible = all([_close(value) for value in schema.values()])
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        schema["additionalProperties"] = False
        schema["required"] = list(schema["properties"])
    elif schema.get("type") == "object":
        return False
    return possible
