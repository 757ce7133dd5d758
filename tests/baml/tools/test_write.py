"""A BAML file of tools says what their JSON Schemas say; what BAML can't say stands in a description, and in a report."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from phrasing.baml.project import Function, load_project
from phrasing.baml.tools import lists
from phrasing.baml.tools.lists import Tool
from phrasing.baml.tools.names import field_name, tool_name
from phrasing.baml.tools.write import QUESTION, SEVERAL_QUESTION, TAGS, Written, defined, function_name, write_baml
from phrasing.errors import UserError
from phrasing.prompts.template import take_apart
from support.small_projects import cache

__all__ = ["cache"]

ADDRESS = {"type": "object", "properties": {"zip": {"type": "string"}}, "required": ["zip"], "description": "where"}
NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
JSON = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/$defs/Json"}}]}
DEFINITIONS: dict[str, Any] = {
    "Address": ADDRESS,
    "Node": NODE,
    "Colour": {"enum": ["red", "blue"], "description": "of it"},
    "Json": JSON,
}
DEFINITIONS["Shade"] = {"enum": ["dark", "light"]}


def tool(properties: Mapping[str, Any], *, name: str = "put", **more: Any) -> Tool:
    return Tool(name, "", {"type": "object", "properties": properties, "$defs": DEFINITIONS, **more})


def write(*tools: Tool, **options: Any) -> Written:
    return write_baml({"Pick": tools}, **{"text": None, **options})


def load(folder: Path, text: str, name: str = "Pick") -> Function:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "made.baml").write_text(text, "utf-8", newline="\n")
    return load_project(folder).function(name)


# ---------------------------------------------------------------------------------------------- types

NULL = "null alone can't be said: any value"
SAID = "can't be checked, said in the description"

TYPES: dict[str, tuple[Any, str, list[str]]] = {
    "text": ({"type": "string", "description": " a\n  b "}, '    string @description(#"a\n  b"#)', []),
    "whole": ({"type": "integer"}, "int", []),
    "number": ({"type": "number"}, "float", []),
    "truth": ({"type": "boolean"}, "bool", []),
    "nothing": ({"type": "null"}, "AnyJson", [NULL]),
    "sloppy": ({"type": "dict", "properties": {"a": {"type": "tuple", "items": {"type": "float"}}}}, "PutX", []),
    "sloppy-any": ({"type": "any"}, "AnyJson", []),
    "unknown-type": ({"type": "path"}, "AnyJson", ["'path' is no type of JSON Schema: any value"]),
    "several-types": ({"type": ["string", "integer", "string"]}, "string | int", []),
    "nullable": ({"type": ["string", "null"]}, "string?", ["required but may be null, BAML makes it optional"]),
    "nullable-key": (
        {"type": "string", "enum": ["a", "b"], "nullable": True},
        '("a" | "b")?',
        ["required but may be null, BAML makes it optional"],
    ),
    "enum": ({"type": "string", "enum": ["it's", "größe", "it's"]}, '"it\'s" | "größe"', []),
    "enum-mixed": ({"enum": ["a", 1, True]}, '"a" | 1 | true', []),
    "enum-of-whole-numbers": ({"type": "number", "enum": [1, -2]}, "1 | -2", []),
    "const": ({"const": "a"}, '"a"', []),
    "enum-fractions": ({"type": "number", "enum": [0.5, 1]}, 'float @description(#"one of: [0.5, 1]"#)', [f"enum {SAID}"]),
    "enum-quotes": ({"enum": ['a"b'], "type": "string"}, 'string @description(#"one of: ["a\\"b"]"#)', [f"enum {SAID}"]),
    "enum-of-another-type": (
        {"type": "array", "items": {"type": "string"}, "enum": ["a"], "description": "d"},
        'string[] @description(#"d (one of: ["a"])"#)',
        [f"enum {SAID}"],
    ),
    "list": ({"type": "array", "items": {"type": "string"}}, "string[]", []),
    "list-of-union": ({"type": "array", "items": {"type": ["string", "integer"]}}, "(string | int)[]", []),
    "list-of-nullable": ({"type": "array", "items": {"type": ["string", "null"]}}, "(string?)[]", []),
    "list-of-described": (
        {"type": "array", "items": {"type": "string", "description": "an id"}, "minItems": 1},
        'string[] @description(#"minItems: 1; items: an id"#)',
        [f"minItems {SAID}"],
    ),
    "list-of-anything": ({"type": "array"}, "AnyJson[]", []),
    "tuple": (
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]},
        '(string | int)[] @description(#"items in order: string, int"#)',
        ["the order of items can't be checked, said in the description"],
    ),
    "map": ({"type": "object", "additionalProperties": {"type": "integer"}}, "map<string, int>", []),
    "map-of-anything": ({"type": "object"}, "map<string, AnyJson>", []),
    "anything": ({}, "AnyJson", []),
    "any-of": ({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}]}, "string | int[]", []),
    "any-of-described": (
        {"oneOf": [{"type": "string", "description": "a day"}, {"type": "integer"}], "description": "when"},
        'string | int @description(#"when (string: a day)"#)',
        [],
    ),
    "any-of-objects": ({"anyOf": [ADDRESS, {"type": "object", "properties": {"a": {"type": "string"}}}]}, "PutX | PutX2", []),
    "any-of-beside": ({"type": "string", "anyOf": [{"enum": ["a"]}, {"enum": ["b"]}]}, '"a" | "b"', []),
    "any-of-conditions": (
        {"type": "object", "properties": {"a": {}}, "anyOf": [{"required": ["a"]}, {"minProperties": 1}]},
        "PutX",
        ["anyOf of conditions can't be said, left out"],
    ),
    "any-of-anything": ({"anyOf": [{"type": "string"}, {}]}, "AnyJson", []),
    "all-of": ({"allOf": [{"type": "string"}, {"enum": ["a", "b"]}]}, '"a" | "b"', []),
    "all-of-objects": ({"allOf": [{"$ref": "#/$defs/Address"}, {"properties": {"b": {"type": "string"}}}]}, "PutX", []),
    "all-of-contradicts": (
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        "string",
        ["one of two type can't be said, left out"],
    ),
    "ref": ({"$ref": "#/$defs/Address"}, "Address", []),
    "ref-in-all-of": ({"allOf": [{"$ref": "#/$defs/Address"}], "description": "d"}, 'Address @description(#"d"#)', []),
    "ref-to-enum": ({"$ref": "#/$defs/Colour"}, '"red" | "blue" @description(#"of it"#)', []),
    "ref-to-itself": ({"$ref": "#/$defs/Node"}, "Node", []),
    "ref-to-any-json": (
        {"$ref": "#/$defs/Json"},
        "string | AnyJson[]",
        ["$ref '#/$defs/Json' refers to itself with no object between: any value"],
    ),
    "ref-to-nothing": ({"$ref": "#/$defs/No"}, "AnyJson", ["$ref '#/$defs/No' points to nothing here: any value"]),
    "ref-elsewhere": ({"$ref": "other.json"}, "AnyJson", ["$ref 'other.json' points to nothing here: any value"]),
    "checks": (
        {"type": "string", "format": "date", "pattern": "^a$", "default": "x", "minLength": 0},
        'string @description(#"format: date; pattern: ^a$; default: x; minLength: 0"#)',
        [f"format {SAID}", f"pattern {SAID}", f"minLength {SAID}"],
    ),
    "default-of-nothing": ({"type": "string", "default": None}, "string", []),
    "default-of-false": ({"type": "boolean", "default": False}, 'bool @description(#"default: false"#)', []),
    "no-check": ({"type": "array", "items": {"type": "string"}, "uniqueItems": False}, "string[]", []),
    "required-of-one": ({"type": "string", "required": True}, "string", ["required can't be said, left out"]),
    "unknown-keyword": ({"type": "string", "not": {"const": "a"}}, "string", ["not can't be said, left out"]),
    "no-schema": (7, "AnyJson", ["7 is no JSON Schema: any value"]),
    "hashes": ({"type": "string", "description": 'a "# b'}, 'string @description(##"a "# b"##)', []),
}


@pytest.mark.parametrize("name", TYPES)
def test_a_type_is_said_or_reported(name: str) -> None:
    schema, line, unsaid = TYPES[name]
    made = write(tool({"x": schema}, required=["x"]))
    assert f'intent "put"\n  x {line.strip()}\n}}' in made.text
    assert made.unsaid == tuple(f"put: x: {what}" for what in unsaid)
    assert made.renamed == ()


def test_all_of_that_compiles(tmp_path: Path) -> None:
    tools = [tool({"x": schema}, required=["x"], name=name) for name, (schema, _, _) in TYPES.items()]
    function = load(tmp_path, write(*tools).text)
    assert list(function.steps) == list(TYPES)
    assert function.response_format["json_schema"]["strict"] is False  # maps have free keys
    take_apart(function)


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (
            {"a": {"$ref": "#/$defs/Address"}, "b": {"type": "array", "items": {"$ref": "#/$defs/Address"}}},
            'class Put {\n  intent "put"\n  a Address?\n  b Address[]?\n}\n\n'
            'class Address {\n  zip string\n  @@description(#"where"#)\n}\n',
        ),
        ({"a": {"$ref": "#/$defs/Node"}}, 'class Put {\n  intent "put"\n  a Node?\n}\n\nclass Node {\n  next Node?\n}\n'),
        (
            {"a": {"type": "object", "properties": {"b": {"type": "object", "properties": {"c": {"type": "string"}}}}}},
            'class Put {\n  intent "put"\n  a PutA?\n}\n\nclass PutA {\n  b PutAB?\n}\n\nclass PutAB {\n  c string?\n}\n',
        ),
        (
            {"intent": {"type": "string"}, "order-id": {"type": "integer"}, "order_id": {"type": "integer"}, "from": {}},
            'class Put {\n  step "put"\n  intent string?\n  order_id_2 int? @alias("order-id")\n  order_id int?\n'
            '  from_ AnyJson? @alias("from")\n}\n',
        ),
        ({"type": {"const": "x"}}, 'class Put {\n  intent "put"\n  type "x"?\n}\n'),
    ],
    ids=["shared", "recursive", "nested", "names", "optional"],
)
def test_classes(schema: dict[str, Any], text: str) -> None:
    assert text in write(tool(schema)).text


def test_tools_share_a_class_only_where_it_is_the_same() -> None:
    other = {"type": "object", "properties": {"zip": {"type": "integer"}}}
    first, second = tool({"a": {"$ref": "#/$defs/Address"}}), tool({"a": {"$ref": "#/$defs/Address"}}, name="get")
    assert write(first, second).text.count("class Address") == 1
    third = Tool("get", "", {**second.parameters, "$defs": {**DEFINITIONS, "Address": other}})
    assert re.findall(r"class (Address\w*)", write(first, third).text) == ["Address", "Address2"]


def test_what_got_another_name_is_said() -> None:
    made = write(tool({"intent": {}, "order-id": {}}, name="orders.put"))
    assert made.renamed == (
        "tool 'orders.put' is 'orders_put'",
        "orders.put: 'order-id' is 'order_id', with @alias('order-id')",
    )
    assert 'class OrdersPut {\n  step "orders_put"\n' in made.text


def test_the_steps_are_told_apart_by_a_field_that_no_argument_has() -> None:
    made = write(tool({"intent": {"type": "string"}}), tool({"step": {"type": "integer"}}, name="get"))
    assert re.findall(r'  next_step "(\w+)"', made.text) == ["put", "get"]
    taken = write(tool({name: {"type": "string"} for name in TAGS}))
    assert 'intent "put"\n  intent_argument string?' in taken.text
    assert taken.renamed == ("put: 'intent' is 'intent_argument'",)


@pytest.mark.parametrize(
    ("parameters", "line", "unsaid"),
    [
        ({}, "", []),
        ({"type": "object", "additionalProperties": False}, "", []),
        ({"additionalProperties": True}, "", ["other arguments than those named can't be said, left out"]),
        (
            {"properties": {"a": {"type": "null"}}, "required": ["a", "b"]},
            "  a AnyJson\n",
            ["required 'b' isn't among the properties, left out", f"a: {NULL}"],
        ),
        (
            {
                "type": "object",
                "anyOf": [
                    {"properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a", "b"]},
                    {"properties": {"a": {"type": "integer"}}, "required": ["a"]},
                ],
            },
            "  a string | int\n  b string?\n",
            ["anyOf of the arguments can't be checked: all are there, and required where every branch does"],
        ),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"a": {"type": "string"}}}}}, "  a string?\n", []),
    ],
    ids=["none", "closed", "open", "required", "any-of", "ref"],
)
def test_arguments(parameters: dict[str, Any], line: str, unsaid: list[str]) -> None:
    made = write(Tool("put", "", parameters))
    assert f'class Put {{\n  intent "put"\n{line}}}' in made.text
    assert made.unsaid == tuple(f"put: {what}" for what in unsaid)


def test_a_name_of_two_lines_is_refused() -> None:
    with pytest.raises(UserError, match=r"put: x: 'a\\nb' can't be the name of an argument in BAML"):
        write(tool({"x": {"properties": {"a\nb": {}}}}))


@pytest.mark.parametrize(
    "parameters", [{"type": "string"}, {"type": "array", "items": {}}, {"type": ["object", "null"]}, {"enum": ["a"]}]
)
def test_arguments_without_names_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"^tools\.json: \[0\]: tool 'put' takes no object of named arguments: \{"):
        write(Tool("put", "", parameters, "tools.json: [0]"))


def test_levels_without_end_are_refused() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(1000):
        deep = {"type": "array", "items": deep}
    with pytest.raises(UserError, match="a tool has arguments in too many levels"):
        write(tool({"x": deep}))


# ---------------------------------------------------------------------------------------------- names


def test_names_of_the_project_around_are_avoided_and_its_client_is_used(tmp_path: Path) -> None:
    first = write(tool({"x": {}}), text="respond.message")
    around = defined([first.text])
    assert around.clients == ("Playground",)
    second = write_baml({"DetermineNextStepOther": [tool({"x": {}})]}, around=around)
    assert re.findall(r"(?m)^(?:class|type|client<llm>) (\w+)", second.text) == ["OtherPut", "OtherRespond", "OtherAnyJson"]
    load(tmp_path, first.text)
    (tmp_path / "other.baml").write_text(second.text, "utf-8")
    assert list(load_project(tmp_path).function("DetermineNextStepOther").steps) == ["put", "respond"]
    with pytest.raises(UserError, match="function 'Pick' is there already"):
        write(tool({}), around=around)


def test_any_tool_makes_a_class(tmp_path: Path) -> None:
    names = ["check", "base_model", "json", "list", "pick", "playground", "2fa", "", "größe", "true", "field"]
    names += ["big_int", "boolean", "bytes", "float", "int", "string", "timeout_error"]
    tools = [tool({"x": {"type": "string"}}, name=name) for name in names]
    function = load(tmp_path, write(*tools, tool({"Put": {}})).text)
    assert {name: [*step.fields] for name, step in function.steps.items()} == {
        **{tool_name(n): ["x"] for n in names},
        "put": ["Put"],
    }


WORDS_OF_LANGUAGES = """
    and any as assert async await bool break byte case catch char class client const continue def default del do dynamic elif else
    enum except export extends false finally float for from function generator get global if image import in int interface is json
    lambda let list lock long map module namespace native new nil nonlocal not null or package params pass pdf prompt private
    public raise ref return select self set short static string struct super switch template test this throw throws true try type
    typeof union use using var video void while with yield False None True copy dict schema validate model_config model_dump
    typing Field str
    """


@pytest.mark.slow
@given(st.lists(st.text(max_size=6).filter(lambda name: not {"\n", "\r"} & {*name}), unique=True))
@settings(max_examples=settings.default.max_examples // 8)
@example(WORDS_OF_LANGUAGES.split())
@example(["a-b", "a_b", "a.b", "a_b_2", "", " ", "_", "__", "2", '"', "\\", "a b", "intent", "intent_argument"])
def test_any_names_of_arguments_make_a_class_that_compiles(names: list[str]) -> None:
    properties = {name: {"type": "string"} for name in names}
    made = write(tool(properties), tool({"in": {"properties": properties}}, name="nested"))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "made.baml").write_text(made.text, "utf-8", newline="\n")
        found = load_project(Path(folder))
        assert {*found.functions, *found.unsupported} == {"Pick"}
    assert len(re.findall(r"(?m)^  [A-Za-z]\w* string\?", made.text)) == 2 * len(names)


def test_what_an_agent_says_is_a_step(tmp_path: Path) -> None:
    function = load(tmp_path, write(tool({}), text="say.words").text)
    assert function.steps["say"].text_field == "words"
    for text in ("say", "say.", ".x", "sa y.x", "say.class", "say.intent"):
        with pytest.raises(UserError, match=r"isn't NAME\.FIELD, such as respond\.message"):
            write(tool({}), text=text)
    with pytest.raises(UserError, match="'put' is a tool already; name another step, or leave it out with --no-text"):
        write(tool({}), text="put.x")


def test_a_function_has_a_name_of_letters() -> None:
    assert function_name("my-tools_2") == "DetermineNextStepMyTools2"
    with pytest.raises(UserError, match="'2x' can't be the name of a function"):
        write_baml({"2x": [tool({})]})


@pytest.mark.parametrize("count", [1, 2, 20])
def test_a_function_may_return_several_steps(tmp_path: Path, count: int) -> None:
    tools = [tool({"text": {"type": "string"}}, name=f"put_{i}") for i in range(count)]
    for several in (False, True):
        made = load(tmp_path / str(several), write_baml({"Pick": tools}, several=several).text)
        assert made.many == several
        assert list(made.steps) == [*(f"put_{i}" for i in range(count)), "respond"]
        assert take_apart(made).function.render("T")[1][1] == f"T\n\n{SEVERAL_QUESTION if several else QUESTION}"


def test_text_that_can_not_be_sent_is_refused() -> None:
    with pytest.raises(UserError, match="holds 'BAML_CHAT_ROLE_MAGIC_STRING_DELIMITER'"):
        write(Tool("put", "BAML_CHAT_ROLE_MAGIC_STRING_DELIMITER", {}))
    with pytest.raises(UserError, match="holds half a character"):
        write(tool({"x": {"description": "\ud800"}}))


# ---------------------------------------------------------------------------------------------- instructions

PIECES = st.sampled_from(
    ["{{ thread }}", "{% raw %}", "{% endraw %}", "{# c #}", '"#', '"##', "\\n", "\n", "\n   \n", "  ", "\t", "'", '"']
)
ANY_CHARACTER = st.characters(codec="utf-8")


@given(st.lists(st.lists(PIECES | ANY_CHARACTER, max_size=20).map("".join), min_size=1, max_size=12))
@settings(max_examples=settings.default.max_examples // 8)
def test_instructions_reach_the_prompt_as_they_are(texts: list[str]) -> None:
    """But for outer white space, and carriage returns."""
    with tempfile.TemporaryDirectory() as folder:
        written: list[str] = []
        for i, text in enumerate(texts):
            around = defined(written)
            made = write_baml({f"F{i}": [Tool("a", "", {})]}, text=None, instructions=text, around=around)
            (Path(folder) / f"{i}.baml").write_text(made.text, "utf-8", newline="\n")
            written.append(made.text)
        project = load_project(Path(folder))
        for i, text in enumerate(texts):
            template = take_apart(project.function(f"F{i}"))
            (role, content), (_, question) = template.function.render("T")
            wanted = text.replace("\r\n", "\n").replace("\r", "\n").strip()
            assert (role, content) == ("system", f"{wanted}\n\n{template.schema}".strip())
            assert question == f"T\n\n{QUESTION}"


# ---------------------------------------------------------------------------------------------- there and back

FIELD_NAMES = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,8}", fullmatch=True).filter(lambda name: field_name(name) == name)
WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
LITERALS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters='"\\'), max_size=8)
LEAVES = st.one_of(
    st.sampled_from([{"type": kind} for kind in ("string", "integer", "number", "boolean", "null", "object", "array")]),
    st.sampled_from([{}, {"$ref": "#/$defs/Address"}, {"$ref": "#/$defs/Node"}, {"$ref": "#/$defs/Shade"}]),
    st.lists(st.sampled_from(["string", "integer", "number", "boolean", "null"]), min_size=1).map(lambda kinds: {"type": kinds}),
    st.lists(LITERALS | st.integers(-(2**63) + 1, 2**63 - 1) | st.booleans() | st.none(), min_size=1).map(
        lambda found: {"enum": found}
    ),
    LITERALS.map(lambda value: {"const": value}),
    st.just({"type": "string", "nullable": True}),
)


def objects(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of named properties, some of them required, described, with defaults."""
    described = st.tuples(values, WORDS | st.none(), st.integers() | st.none()).map(
        lambda it: {**it[0], **({} if it[1] is None else {"description": it[1]}), **({} if it[2] is None else {"default": it[2]})}
    )
    properties = st.dictionaries(FIELD_NAMES, described, min_size=1, max_size=4)
    return properties.flatmap(
        lambda found: st.sets(st.sampled_from(sorted(found))).map(
            lambda required: {"type": "object", "properties": found, "required": sorted(required)}
        )
    )


def larger(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        values.map(lambda items: {"type": "array", "items": items}),
        values.map(lambda values: {"type": "object", "additionalProperties": values}),
        st.tuples(st.sampled_from(["anyOf", "oneOf"]), st.lists(values, min_size=1, max_size=3)).map(lambda it: {it[0]: it[1]}),
        objects(values),
    )


ARGUMENTS = objects(st.recursive(LEAVES, larger, max_leaves=6))


def meaning(schema: Mapping[str, Any], definitions: Mapping[str, Any], depth: int = 0) -> frozenset[Any]:
    """What a schema says, as the set of what a value may be.

    The same to it are: ``enum`` and a union of ``const``; unions in unions, in any order; ``$ref`` and what it points to; a type
    without items or properties and one of any; what isn't required and what may be null. Titles mean nothing. Recursion is
    followed four objects deep.
    """
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        return frozenset([("any",)]) if name.endswith("AnyJson") else meaning(definitions[name], definitions, depth)
    null = [("null",)] if schema.get("nullable") else []
    if branches := schema.get("anyOf") or schema.get("oneOf"):
        return whole(null, *(meaning(branch, definitions, depth) for branch in branches))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return whole(null, (("null",) if value is None else ("const", json.dumps(value)) for value in values))
    kinds = schema.get("type", "any")
    return whole(null, (kind_of(kind, schema, definitions, depth) for kind in ([kinds] if isinstance(kinds, str) else kinds)))


def value_of(schema: Mapping[str, Any] | bool, definitions: Mapping[str, Any], depth: int) -> frozenset[Any]:
    """What a value may be that is no branch of a union: null alone is the same as anything."""
    kinds = meaning(schema or {}, definitions, depth) if schema is not True else frozenset([("any",)])
    return frozenset([("any",)]) if kinds == {("null",)} else kinds


def whole(*parts: Iterable[Any]) -> frozenset[Any]:
    """Join alternatives: any value takes in all others."""
    joined = frozenset(part for some in parts for part in some)
    return frozenset([("any",)]) if ("any",) in joined else joined


def kind_of(kind: str, schema: Mapping[str, Any], definitions: Mapping[str, Any], depth: int) -> tuple[Any, ...]:
    if kind == "array":
        return ("array", value_of(schema.get("items", {}), definitions, depth))
    if kind == "object" and "properties" not in schema:
        return ("map", value_of(schema.get("additionalProperties", {}), definitions, depth))
    if kind == "object":
        return ("object", depth if depth == 4 else fields(schema, definitions, depth + 1))
    return (kind,)


def fields(schema: Mapping[str, Any], definitions: Mapping[str, Any], depth: int = 0) -> frozenset[Any]:
    """What an object's properties say: names, what their values may be, and descriptions, which take in defaults."""
    found = set()
    for name, value in schema["properties"].items():
        kinds = value_of(value, definitions, depth)
        optional = name not in schema.get("required", ()) or ("null",) in kinds
        found.add((name, whole(kinds, [("null",)] if optional else []), optional))
    return frozenset(found)


def said(schema: Mapping[str, Any]) -> dict[str, str]:
    """The descriptions of an object's properties as they are in the tools made of BAML: stripped, no NUL, with the default."""
    texts = {}
    for name, value in schema["properties"].items():
        text = value.get("description", "").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").strip()
        hints = [f"default: {value['default']}"] if value.get("default") is not None else []
        texts[name] = f"{text} ({'; '.join(hints)})" if text and hints else text or "; ".join(hints)
    return texts


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.text(max_size=20), WORDS, ARGUMENTS), min_size=3, max_size=12, unique_by=lambda it: tool_name(it[0]))
)
@settings(max_examples=settings.default.max_examples // 5)
def test_tools_mean_the_same_there_and_back(found: list[tuple[str, str, dict[str, Any]]]) -> None:
    """A list of tools, written as BAML and read again, says the same: see ``meaning`` for what that leaves open."""
    tools = [Tool(name, about, {**arguments, "$defs": DEFINITIONS}) for name, about, arguments in found]
    with tempfile.TemporaryDirectory() as folder:
        function = load(Path(folder), write(*tools).text)
        function.response_format  # noqa: B018 - can be made
        for before, after in zip(tools, function.tools, strict=True):
            made = after["function"]
            assert made["name"] == tool_name(before.name)
            assert made.get("description", "") == said({"properties": {"": {"description": before.description}}})[""]
            parameters = made["parameters"]
            assert fields(parameters, parameters.get("$defs", {})) == fields(before.parameters, DEFINITIONS)
            assert said(parameters) == said(before.parameters)


# ---------------------------------------------------------------------------------------------- anything

NAMES_OF_KEYWORDS = """
    type properties items prefixItems enum const $ref anyOf oneOf allOf nullable required additionalProperties description default
    minimum $defs not format
    """
KEYWORDS = st.sampled_from(NAMES_OF_KEYWORDS.split())
SCALARS = st.sampled_from(["object", "string", "array", "a", "#", "#/$defs/a", "#/properties/a", None, True, False, 1, 0.5, ""])
JUNK = st.recursive(
    SCALARS,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(KEYWORDS | st.sampled_from(["a", "b"]), values, max_size=4),
    max_leaves=20,
)


@given(st.lists(st.dictionaries(KEYWORDS, JUNK, max_size=5), min_size=1, max_size=3))
@settings(max_examples=settings.default.max_examples * 4)
def test_any_json_is_written_or_refused(found: list[dict[str, Any]]) -> None:
    """Schemas that are no schemas, refer in circles or contradict themselves end in a file, or in a mistake of the user's."""
    listed = [{"name": f"t{i}", "parameters": {**parameters, "type": "object"}} for i, parameters in enumerate(found)]
    listed += [{"name": f"p{i}", "parameters": {"properties": {"a": schema}}} for i, schema in enumerate(found)]
    try:
        made = write(*lists.read_tools({"x": json.dumps(listed)}).tools)
    except UserError:
        return
    assert made.text.count("\n  intent ") == len(listed)
