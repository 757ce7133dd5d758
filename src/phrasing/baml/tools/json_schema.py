"""What a JSON Schema says: its kinds of value, properties and description; what it refers to; several put together."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

Schema = Mapping[str, Any]

_KINDS = {
    **dict.fromkeys(["string", "str", "char"], "string"),
    **dict.fromkeys(["integer", "int", "long", "short", "byte", "bigint"], "int"),
    **dict.fromkeys(["number", "float", "double"], "float"),
    **dict.fromkeys(["boolean", "bool"], "bool"),
    **dict.fromkeys(["array", "list", "tuple", "set", "arraylist"], "array"),
    **dict.fromkeys(["object", "dict", "map", "hashmap"], "object"),
    **dict.fromkeys(["null", "none"], "null"),
    "any": "any",
}
"""JSON Schema's types and other names for them, in lower case."""

SHAPING = frozenset(("type", "properties", "items", "prefixItems", "enum", "const", "$ref", "anyOf", "oneOf", "allOf"))
"""Keywords that say what a value looks like."""

TYPE_KEYWORDS = SHAPING | {"nullable", "required", "additionalProperties", "description"}
"""These, and those that belong to them."""

_SILENT = frozenset(("title", "$schema", "$id", "$comment", "$defs", "definitions"))
_HINTS = frozenset(("default", "examples", "example"))
_CHECKS = frozenset(("format", "pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"))
_CHECKS |= {"multipleOf", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "deprecated", "optional"}


def other_keywords(schema: Schema) -> Iterator[tuple[str, str, Literal["hint", "check", None]]]:
    """Give what a schema says beside types, keyword and text: what a model can heed, as a hint or a check, or nothing known."""
    for key, value in schema.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if key in _HINTS and value is not None:
            yield key, text, "hint"
        elif key in _CHECKS and value is not None and value is not False:
            yield key, text, "check"
        elif key not in TYPE_KEYWORDS | _SILENT | _HINTS | _CHECKS or (key == "required" and not isinstance(value, list)):
            yield key, text, None


def kinds_of(schema: Schema) -> tuple[str, ...]:
    """Give the kinds of value that a schema names, or means by its other keywords; a name of no kind as it is."""
    named = schema.get("type")
    if named is None:
        object_ = "properties" in schema or isinstance(schema.get("additionalProperties"), dict)
        return ("object",) if object_ else ("array",) if "items" in schema or "prefixItems" in schema else ()
    return tuple(
        dict.fromkeys(_KINDS.get(str(kind).lower(), str(kind)) for kind in (named if isinstance(named, list) else [named]))
    )


_OF_VALUES: dict[type, set[str]] = {
    type(None): {"null"},
    bool: {"bool"},
    int: {"int", "float"},
    float: {"float"},
    str: {"string"},
    list: {"array"},
    dict: {"object"},
}


def kinds_of_value(value: Any) -> set[str]:
    """Give the kinds that a JSON value is of: a whole number is an ``int`` and a ``float``, however it is written."""
    return _OF_VALUES[type(value)] | ({"int"} if isinstance(value, float) and value.is_integer() else set())


def properties_of(schema: Schema) -> Schema:
    """Give the properties of an object, by name."""
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def required_of(schema: Schema) -> list[str]:
    """Give the names of the properties that must be there."""
    found = schema.get("required")
    return [str(name) for name in found] if isinstance(found, list) else []


def is_class(schema: Schema) -> bool:
    """Whether a schema describes an object by its properties, and nothing else."""
    kinds = set(kinds_of(schema))
    other = schema.keys() & {"anyOf", "oneOf", "enum", "const", "$ref", "allOf"}
    return bool(properties_of(schema)) and kinds >= {"object"} and kinds <= {"object", "null"} and not other


def description_of(schema: Any) -> str:
    """Give the description of a schema as BAML keeps it: stripped, with plain ends of lines. Python has no place for a NUL."""
    found = schema.get("description") if isinstance(schema, dict) else None
    text = found if isinstance(found, str) else "" if found is None else json.dumps(found, ensure_ascii=False)
    return re.sub(r"\r\n?", "\n", text.replace("\0", "")).strip()


def target(ref: object, root: Schema) -> Schema | None:
    """Find what a ``$ref`` points to inside ``root``; ``None`` where that isn't a schema, or stands elsewhere."""
    if not isinstance(ref, str) or not ref.startswith("#"):
        return None
    found: Any = root
    for part in ref[1:].split("/")[1:]:
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def merged(schema: Any, root: Schema, lost: list[str], seen: list[object]) -> Schema:
    """Put a schema, what its ``$ref`` points to and the parts of its ``allOf`` together.

    ``lost`` gets what contradicts itself; ``seen`` gets the references that were followed, none of them twice.
    """
    if not isinstance(schema, dict):
        return {}
    parts: list[Any] = list(schema["allOf"]) if isinstance(schema.get("allOf"), list) else []
    ref = schema.get("$ref")
    if ref is not None and ref not in seen:
        seen.append(ref)
        parts.insert(0, found := target(ref, root))
        lost += [] if found is not None else [f"$ref {ref!r}, which points to nothing here,"]
    rest = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
    return combined([rest, *(merged(part, root, lost, seen) for part in parts)], every=True, lost=lost)


def combined(parts: Sequence[Schema], *, every: bool, lost: list[str]) -> dict[str, Any]:
    """Make one schema of several that a value fits all of (``every``), or any of; the first has its say where they differ."""
    made: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            _add_keyword(made, key, value, every=every, lost=lost)
    if not every and "required" in made:
        made["required"] = [name for name in required_of(made) if all(name in required_of(part) for part in parts)]
    return made


def _add_keyword(made: dict[str, Any], key: str, value: Any, *, every: bool, lost: list[str]) -> None:
    """Add a keyword to a schema that may have it already; ``lost`` gets one that says something else."""
    before = made.setdefault(key, value)
    if key == "properties" and isinstance(value, dict) and isinstance(before, dict):
        made[key] = _properties(before, value, "allOf" if every else "anyOf")
    elif key == "required" and isinstance(value, list) and isinstance(before, list):
        made[key] = [*before, *(name for name in value if name not in before)]
    elif before != value and key not in ("description", "title"):
        lost.append(f"one of two {key}")


def _properties(these: Schema, those: Schema, both: str) -> dict[str, Any]:
    """Join properties; those that differ are held to ``both`` (allOf, anyOf) of their schemas."""
    shared = {name: {both: [these[name], schema]} for name, schema in those.items() if these.get(name, schema) != schema}
    return {**these, **those, **shared}


def reachable(schema: Any, root: Schema) -> dict[str, Any]:
    """Give all that a schema refers to, by reference: two schemas with equal ones mean the same."""
    found: dict[str, Any] = {}
    ahead = [schema]
    while ahead:
        for ref in _refs(ahead.pop()):
            if ref not in found:
                found[ref] = target(ref, root)
                ahead.append(found[ref])
    return found


def _refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and isinstance(value.get("$ref"), str):
        yield value["$ref"]
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _refs(part)


def property_names(value: Any) -> Iterator[str]:
    """Give the names of all properties in a schema, at any depth."""
    if isinstance(value, dict) and isinstance(value.get("properties"), dict):
        yield from value["properties"]
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from property_names(part)
