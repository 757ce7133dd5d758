"""Functions and their steps are found in any ``baml_src`` folder, or refused with what is supported."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path

import pytest

from phrasing.baml.project import Project, load_project
from phrasing.errors import BamlError
from support.small_projects import CLIENT, STEPS, cache, function, load, write  # noqa: F401

SHORT = "{{ thread }} {{ ctx.output_format }}"

ODD = (
    """
type Either = Search | Finish
enum Colour {
  Red
  Green
}
enum Renamed {
  Red @alias("rot")
}
class Inner {
  x int
}
class Paint {
  intent "paint"
  colour Colour
  // colour Colour @alias("farbe")
  inner Inner
}
class Plain {
  query string
}
class TwoIntents {
  intent "one" | "two"
}
class FreeIntent {
  intent string
}
class Again {
  intent "search"
}
class Aliased {
  intent "aliased"
  message string @alias("msg")
}
class Deep {
  intent "deep"
  colours Renamed[]
}
class Asserted {
  intent "asserted"
  n int @assert(positive, {{ this > 0 }})
}
class Checked_ {
  intent "checked"
  n int @check(positive, {{ this > 0 }})
}
"""
    + function("ByAlias", SHORT, returns="Either")
    + function("One", SHORT, returns="Paint")
    + function("TwoParameters", SHORT, parameters="thread: string, history: string")
    + function("WrongExamples", SHORT, parameters="thread: string, examples: string[]")
    + function("Shown", SHORT + "{{ examples }}", parameters="examples: string, thread: string")
    + function("OtherName", "{{ events }}", parameters="events: string")
    + function("OtherType", SHORT, parameters="thread: string[]")
    + function("NoParameter", "hello", parameters="")
    + function("NoIntent", SHORT, returns="Search | Plain")
    + function("LooseIntent", SHORT, returns="Search | FreeIntent")
    + function("WideIntent", SHORT, returns="Search | TwoIntents")
    + function("Optional", SHORT, returns="Search | Finish?")
    + function("Text", SHORT, returns="string")
    + function("ListAmong", SHORT, returns="Search | Finish[]")
    + function("Several", SHORT, returns="(Search | Finish)[]")
    + function("Twice", SHORT, returns="Search | Again")
    + function("FieldAlias", SHORT, returns="Search | Aliased")
    + function("EnumAlias", SHORT, returns="Search | Deep")
    + function("Asserts", SHORT, returns="Search | Asserted")
    + function("Checks", SHORT, returns="Search | Checked_")
    + function("Mail", SHORT)
)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return load(tmp_path_factory.mktemp("odd"), ODD)


def test_functions_are_found_with_their_steps(odd: Project) -> None:
    assert {name: found.takes_examples for name, found in odd.functions.items() if found.filling} == {
        "Asserts": False,
        "ByAlias": False,
        "Checks": False,
        "EnumAlias": False,
        "FieldAlias": False,
        "Mail": False,
        "Several": False,
        "One": False,
        "OtherName": False,
        "Shown": True,
    }
    steps = odd.function("Mail").steps
    assert list(steps) == ["search", "send", "finish"]
    assert [step.description for step in steps.values()] == ["look something up", "send the mail", "nothing is left to do"]
    assert steps["search"].fields == {"query": "what to look for", "limit": None}
    assert steps["finish"].fields == {}
    assert list(odd.function("ByAlias").steps) == ["search", "finish"]
    assert list(odd.function("One").steps["paint"].fields) == ["colour", "inner"]


def test_every_step_of_every_function_can_be_read_alone(odd: Project) -> None:
    for found in odd.functions.values():
        for intent, step in found.steps.items():
            written = json.dumps({step.tag: intent})
            with suppress(ValueError):  # arguments are missing
                assert found.step(found.parse(written, step)).intent == intent


LACKS = (
    'of one literal, as others have; give each one, such as intent "search", or none: then steps are told apart by their classes'
)
NULL = "null is no step: take it out of the return type, and give doing nothing a class of its own"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("TwoParameters", "needs values for history: string; give them as arguments: {history: …}"),
        ("WrongExamples", "needs values for examples: string[]; give them as arguments: {examples: …}"),
        (
            "OtherType",
            "takes thread: string[], so its prompt writes the thread itself, which is for formats to do; "
            "declare thread: string, and write {{ thread }} where it stands in the prompt, or take a list of messages: a class "
            "of role and content",
        ),
        (
            "NoParameter",
            "takes (), none of which can be the thread: a string, or a list of a class that has role and content; "
            "declare thread: string",
        ),
        ("NoIntent", f"returns class Plain, which has no field `intent` {LACKS}"),
        ("LooseIntent", f"returns class FreeIntent, which has no field `intent` {LACKS}"),
        ("WideIntent", f"returns class TwoIntents, which has no field `intent` {LACKS}"),
        ("Optional", f"returns null, in Search | Finish | null; {NULL}"),
        (
            "Text",
            "returns string; a step is a class, a value of an enum or a literal: give each choice one",
        ),
        (
            "ListAmong",
            "returns Finish[], in Search | Finish[]; a list among steps is none: return a list of all of them, (A | B)[], "
            "or its members",
        ),
        ("Twice", "returns two classes with intent 'search': Search and Again; give each a literal of its own"),
    ],
)
def test_unsupported_functions_are_refused_with_what_to_change(odd: Project, name: str, reason: str) -> None:
    with pytest.raises(BamlError) as error:
        odd.function(name)
    assert str(error.value).removeprefix(f"{odd.path}: ") == f"function {name!r} {reason}"


def test_an_unknown_function_names_the_others(odd: Project) -> None:
    with pytest.raises(
        BamlError, match=r"function 'Mial' not found \(did you mean 'Mail'\?\); there are: Asserts, ByAlias, Checks, "
    ):
        odd.function("Mial")


# ---------------------------------------------------------------------------------------------- folders


def test_sources_may_be_spread_over_folders_and_hold_a_generator(tmp_path: Path) -> None:
    generator = 'generator theirs {\n  output_type "python/pydantic"\n  output_dir "../theirs"\n  version "0.200.0"\n}\n'
    files = {"clients.baml": CLIENT, "shared/steps.baml": STEPS, "agents/mail/main.baml": function("Mail"), "g.baml": generator}
    project = load(tmp_path, files)
    assert list(project.functions) == ["Mail"]
    assert sorted(project.digests) == ["agents/mail/main.baml", "clients.baml", "g.baml", "shared/steps.baml"]
    assert not (tmp_path / "theirs").exists()
    there = (tmp_path / "baml_src").rglob("*.*")
    assert sorted(path.name for path in there) == [
        "clients.baml",
        "g.baml",
        "main.baml",
        "steps.baml",
    ]


def test_two_projects_with_the_same_names_live_side_by_side(tmp_path: Path, odd: Project) -> None:
    other = load(
        tmp_path,
        {"main.baml": CLIENT + 'class Search {\n  intent "other"\n  n int\n}\n' + function("Mail", SHORT, returns="Search")},
    )
    assert list(other.function("Mail").steps) == ["other"]
    assert other.function("Mail").parse('{"intent": "other", "n": 1}') == {"intent": "other", "n": 1}
    assert odd.function("Mail").parse('{"intent": "search", "query": "q"}')["query"] == "q"
    assert odd.function("Mail").render("t")[0][1] != other.function("Mail").render("t")[0][1]


ANY_JSON = """
type AnyJson = string | int | float | bool | null | AnyJson[] | map<string, AnyJson>
class Put {
  intent "put"
  value AnyJson
}
"""


def test_an_alias_that_refers_to_itself(tmp_path: Path) -> None:
    put = load(tmp_path, ANY_JSON + function("F", SHORT, returns="Put")).function("F")
    value = {"a": [1, "2", None, {"b": True}]}
    assert put.steps["put"].read({"value": value}).model_dump() == {"intent": "put", "value": value}
    (tool,) = put.tools
    parameters = tool["function"]["parameters"]
    assert parameters["properties"]["value"] == {"$ref": "#/$defs/AnyJson"}
    assert {"$ref": "#/$defs/AnyJson"} in [branch.get("items") for branch in parameters["$defs"]["AnyJson"]["anyOf"]]
    assert dict(put.parse('{"intent": "put", "value": {"a": [1]}}'))["value"] == {"a": [1]}


@pytest.mark.parametrize("name", ["List", "Dict", "Literal", "TimeoutError"])
def test_a_class_may_be_called_as_a_type_of_pythons(tmp_path: Path, name: str) -> None:
    holder = f'class Holder {{\n  intent "hold"\n  held {name}?\n}}\n'
    shown = f'class {name} {{\n  intent "show"\n  of string[]\n}}\n'
    steps = load(tmp_path, shown + holder + function("Odd", returns=f"{name} | Holder | Finish")).function("Odd").steps
    assert list(steps) == ["show", "hold", "finish"]
    held = {"intent": "show", "of": ["a"]}
    assert steps["hold"].read({"held": held}).model_dump()["held"] == held


@pytest.mark.parametrize("returned", ["None | Finish", "Finish"])
def test_a_class_that_python_cant_have_is_refused(tmp_path: Path, returned: str) -> None:
    source = 'class None {\n  intent "nothing"\n}\n' + function("Odd", returns=returned)
    with pytest.raises(BamlError, match="has types that Python can't have: invalid syntax"):
        load(tmp_path, source)


def test_generated_types_are_kept_and_serve_again(tmp_path: Path, odd: Project) -> None:
    again = load(tmp_path, ODD)
    assert again.function("Mail").steps["send"].model is odd.function("Mail").steps["send"].model


# ---------------------------------------------------------------------------------------------- what doesn't compile


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("class A {\n  x nope\n}\n", "sub/a.baml:2: Type `nope` does not exist. Did you mean one of these: "),
        (
            CLIENT + STEPS + function("F", "{{ thread "),
            "sub/a.baml:27: Error validating: Error parsing jinja template: syntax error: ",
        ),
        (function("F", returns="Seek"), "sub/a.baml:2: Type `Seek` does not exist. Did you mean one of these: "),
    ],
    ids=["type", "jinja", "several"],
)
def test_what_doesnt_compile_is_said_with_file_and_line(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(BamlError) as error:
        load(tmp_path, {"sub/a.baml": source})
    said = str(error.value)
    assert said.startswith(f"{tmp_path / 'baml_src'}/{message}")
    assert "\n" not in said
    assert len(said) < 500 + len(str(tmp_path))


def test_an_error_that_quotes_another_is_one(tmp_path: Path) -> None:
    with pytest.raises(BamlError, match=r"syntax error: .* \(in F:1\)$"):
        load(tmp_path, function("F", "{{ thread "))


def test_what_only_bamls_generator_refuses_is_said_with_the_users_file(tmp_path: Path) -> None:
    with pytest.raises(BamlError) as error:
        load(tmp_path, {"sub/a.baml": CLIENT + "class Inner {\n  x int\n}\nclass A {\n  Inner Inner\n}\n"})
    assert str(error.value).startswith(
        f"{tmp_path / 'baml_src'}/sub/a.baml:13: Error validating field `Inner` in class `Inner`: "
    )


def test_several_errors_are_counted(tmp_path: Path) -> None:
    with pytest.raises(BamlError, match=r" \(and 1 more\)$"):
        load(tmp_path, {"a.baml": "class A {\n  x nope\n}\nclass B {\n  x nope\n}\n"})


def test_no_sources(tmp_path: Path) -> None:
    with pytest.raises(BamlError, match=re.escape(f"{tmp_path / 'none'}: no .baml file here")):
        load_project(tmp_path / "none")


def test_sources_that_arent_utf8(tmp_path: Path) -> None:
    write(tmp_path, {"a.baml": CLIENT})
    (tmp_path / "b.baml").write_bytes(b"// caf\xe9\n")
    with pytest.raises(BamlError, match=re.escape(f"{tmp_path / 'b.baml'}: isn't UTF-8")):
        load_project(tmp_path)


# ---------------------------------------------------------------------------------------------- parsing


@pytest.mark.parametrize("answer", ["", "no JSON", '{"intent": "swim"}', "x" * 40_000, '{"intent": "send"}', "\ud800", "\x00"])
def test_what_holds_no_step_is_a_short_value_error(odd: Project, answer: str) -> None:
    with pytest.raises(ValueError, match=r"\S") as error:
        odd.function("Mail").parse(answer)
    assert len(str(error.value)) <= 300
    assert type(error.value) is ValueError
