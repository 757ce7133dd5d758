"""Steps of a function, made by hypothesis: any arguments that fit, by the names that a model is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from phrasing.baml.project import Function
from phrasing.baml.tools.json_schema import kinds_of, properties_of, required_of, target
from phrasing.prompts import notations

SIMPLE: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(),
    "int": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "bool": st.booleans(),
    "null": st.none(),
}


def steps(function: Function) -> st.SearchStrategy[dict[str, Any]]:
    """Steps as a notation writes and reads them."""
    told = notations.steps_of(function)
    return st.one_of(
        [
            st.fixed_dictionaries({"intent": st.just(step["intent"]), "args": values(step["parameters"], step["parameters"])})
            for step in told
        ]
    )


def values(schema: Mapping[str, Any], root: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values that fit a JSON Schema."""
    if "$ref" in schema:
        meant = target(schema["$ref"], root)
        assert meant is not None
        return st.deferred(lambda: values(meant, root))
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        return st.one_of([values(one, root) for one in schema["anyOf"]])
    (kind,) = kinds_of(schema)
    if kind == "array":
        return st.lists(values(schema["items"], root), max_size=3)
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return st.dictionaries(st.text(), values(schema["additionalProperties"], root), max_size=3)
    if kind == "object":
        made = {name: values(one, root) for name, one in properties_of(schema).items()}
        wanted = required_of(schema)
        optional = {name: one for name, one in made.items() if name not in wanted}
        return st.fixed_dictionaries({name: made[name] for name in wanted}, optional=optional)
    return SIMPLE[kind]
