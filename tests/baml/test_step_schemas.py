"""Steps as providers want them: tools, and one closed object for structured output."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from phrasing.baml.step_schemas import WRAPPER, response_format, tool
from phrasing.errors import BamlError


class Place(BaseModel):
    title: str
    default: int | None = None


class Search(BaseModel):
    """Look something up."""

    intent: Literal["search"] = Field(description="search the address book")
    query: str = Field(description="what to look for")
    near: Place
    limit: int | None = None


class Finish(BaseModel):
    intent: Literal["finish"] = Field(description="nothing is left to do")


class Pair(BaseModel):
    intent: Literal["pair"]
    counts: dict[str, int]


def objects(schema: Any) -> list[dict[str, Any]]:
    """All object schemas in a schema."""
    if isinstance(schema, list):
        return [found for item in schema for found in objects(item)]
    if not isinstance(schema, dict):
        return []
    own = [schema] if schema.get("type") == "object" else []
    return own + [found for item in schema.values() for found in objects(item)]


def test_a_step_as_a_tool() -> None:
    assert tool("finish", Finish) == {
        "type": "function",
        "function": {
            "name": "finish",
            "description": "nothing is left to do",
            "parameters": {"properties": {}, "type": "object"},
        },
    }
    function = tool("search", Search)["function"]
    assert function["description"] == "Look something up.\nsearch the address book"
    assert list(function["parameters"]["properties"]) == ["query", "near", "limit"]
    assert function["parameters"]["required"] == ["query", "near"]


def test_what_pydantic_adds_goes_and_fields_of_that_name_stay() -> None:
    text = json.dumps(tool("search", Search))
    place = tool("search", Search)["function"]["parameters"]["$defs"]["Place"]
    assert list(place["properties"]) == ["title", "default"]
    assert text.count('"title"') == 2  # the field and its place in `required`
    assert text.count('"default"') == 1


def test_a_step_without_descriptions_has_none() -> None:
    assert "description" not in tool("pair", Pair)["function"]


@pytest.mark.parametrize("name", ["a.b", "", "ü", "a b", "x" * 65, "a\n"])
def test_a_name_that_apis_refuse_is_refused_here(name: str) -> None:
    with pytest.raises(BamlError, match=r"can't be a tool's name: letters, digits, _ and - only, at most 64$"):
        tool(name, Finish)


def test_structured_output_is_one_closed_object() -> None:
    made = response_format([Search, Finish])
    assert (made["type"], made["json_schema"]["name"], made["json_schema"]["strict"]) == ("json_schema", "next_step", True)
    schema = made["json_schema"]["schema"]
    assert schema["required"] == [WRAPPER]
    assert len(objects(schema)) == 4
    for found in objects(schema):
        assert found["additionalProperties"] is False
        assert found["required"] == list(found["properties"])


@pytest.mark.parametrize(
    ("answer", "valid"),
    [
        ({"intent": "finish"}, True),
        ({"intent": "search", "query": "q", "near": {"title": "t", "default": None}, "limit": 3}, True),
        ({"intent": "search", "query": "q", "near": {"title": "t", "default": None}}, False),
        ({"intent": "finish", "more": 1}, False),
        ({"intent": "swim"}, False),
    ],
)
def test_the_schema_takes_steps_and_nothing_else(answer: dict[str, Any], valid: bool) -> None:
    for models in ([Search, Finish], [Finish, Search]):
        validator = Draft202012Validator(response_format(models)["json_schema"]["schema"])
        assert validator.is_valid({WRAPPER: answer}) is valid
        assert not validator.is_valid(answer)


def test_a_map_cant_be_closed_so_the_schema_isnt_strict() -> None:
    made = response_format([Pair, Finish])["json_schema"]
    assert made["strict"] is False
    assert Draft202012Validator(made["schema"]).is_valid({WRAPPER: {"intent": "pair", "counts": {"a": 1}}})


def test_one_step_alone() -> None:
    schema = response_format([Finish])["json_schema"]["schema"]
    assert Draft202012Validator(schema).is_valid({WRAPPER: {"intent": "finish"}})
