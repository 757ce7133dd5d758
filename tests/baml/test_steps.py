"""Steps of a project as people have it: what the prompt shows, what tools take, what BAML parses and what labels say agree."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from phrasing.baml.project import Function, Project
from phrasing.baml.step_schemas import WRAPPER
from phrasing.errors import BamlError, DatasetError
from phrasing.prompts.template import take_apart
from phrasing.score import labels
from phrasing.score.parse import Parser
from phrasing.types import Case, Completion, Output, Parsed, StepMatch, ToolCall
from support.small_projects import CLIENT, STEPS, cache, case, function, load  # noqa: F401
from support.tiers import few

SHORT = "{{ ctx.output_format(quote_class_fields=true) }}\n{{ thread }}"

# An assistant for a calendar: told apart by `action`, with every attribute, noise in strings and comments, and words of Python's.
CALENDAR = """
enum Urgency {
  Low @alias("can wait") @description("class Fake { from int }")
  High @description(#"it's "now" }"#)
  Unused @skip
  @@alias("HowUrgent")
}

class Person { // } not the end
  name string @alias("full name")
  {// email string @alias("never") //}
  from string? @description("their town")
  notes string? @skip
}

type Minutes = int @assert(positive, {{ this > 0 }})
type Anything = int | string | Anything[] | map<string, Anything>

class Book {
  action "book" @alias("do") @description("put it into the calendar")
  title string
    @alias("what")
    // @alias("not this")
    @description("the title,\\"quoted\\" // no comment")
  people Person[]
  rooms map<string, Person>
  urgency Urgency @alias("how_urgent")
  minutes Minutes
  after (Person | Urgency)?
  extra Anything?
  schema "a" | "b" | 3
  kind "meeting"
}

class Cancel {
  action "cancel" @alias("do")
  title string @check(short, {{ this|length < 9 }})
  tries int[] @assert(some, {{ this|length > 0 }})
  @@check(polite, {{ this.title != "now" }})
  @@description("take it out again")
}

class Again {
  action "again"
  inner Again?
  reason string?
}

type Change = Book | Cancel
type Next = Change | Again
""" + function("Calendar", SHORT, returns="Next")

BOOK: dict[str, Any] = {
    "title": "Plan",
    "people": [{"name": "Ann", "from": "Bonn"}, {"name": "Bob", "from": None}],
    "rooms": {"Low": {"name": "Eve", "from": None}},
    "urgency": "Low",
    "minutes": 30,
    "after": {"name": "Zoe", "from": None},
    "extra": [1, {"name": ["x", 2]}],
    "schema": 3,
    "kind": "meeting",
}
WRITTEN: dict[str, Any] = {
    "do": "book",
    "what": "Plan",
    "people": [{"full name": "Ann", "from": "Bonn"}, {"full name": "Bob", "from": None}],
    "rooms": {"Low": {"full name": "Eve", "from": None}},
    "how_urgent": "can wait",
    "minutes": 30,
    "after": {"full name": "Zoe", "from": None},
    "extra": [1, {"name": ["x", 2]}],
    "schema": 3,
    "kind": "meeting",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return load(tmp_path_factory.mktemp("calendar"), {"main.baml": CLIENT + CALENDAR})


@pytest.fixture(scope="module")
def calendar(project: Project) -> Function:
    assert project.unsupported == {}
    return project.function("Calendar")


@pytest.fixture(scope="module")
def parser(calendar: Function) -> Parser:
    return Parser(take_apart(calendar))


def said(parser: Parser, answer: dict[str, Any], output: Output = "prompted") -> Parsed:
    return parser.parse(Completion(text=json.dumps(answer)), output)


def called(parser: Parser, name: str, answer: dict[str, Any]) -> Parsed:
    return parser.parse(Completion(text="", tool_calls=(ToolCall(name=name, arguments=json.dumps(answer)),)), "tool")


def without(answer: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in names}


# ---------------------------------------------------------------------------------------------- names


def test_steps_are_told_apart_by_another_field(calendar: Function) -> None:
    assert list(calendar.steps) == ["book", "cancel", "again"]
    assert calendar.discriminator == "action"
    assert calendar.tags == ("do", "action")
    assert [step.description for step in calendar.steps.values()] == ["put it into the calendar", "take it out again", None]
    assert list(calendar.steps["book"].fields) == list(BOOK)


def test_the_prompt_shows_the_names_that_tools_have(calendar: Function, parser: Parser) -> None:
    shown = re.findall(r'^ *"(.*?)": ', parser.template.schema, re.MULTILINE)
    book, cancel, again = (tool["function"] for tool in calendar.tools)
    people = ["full name", "from"]
    expected = ["do", "what", "people", *people, "rooms", *people, "how_urgent", "minutes", "after", *people, "extra", "schema"]
    again_first = ["action", "inner", "reason"]  # what holds itself stands above
    assert shown == [*again_first, *expected, "kind", "do", "title", "tries"]
    assert list(book["parameters"]["properties"]) == [name for name in expected[1:] if name not in people] + ["kind"]
    assert list(book["parameters"]["$defs"]["Person"]["properties"]) == people
    assert book["parameters"]["$defs"]["Urgency"]["enum"] == ["can wait", "High"]
    assert book["parameters"]["properties"]["what"]["description"] == 'the title,"quoted" // no comment'
    assert book["description"] == "put it into the calendar"
    assert cancel["parameters"] == {
        "properties": {"title": {"type": "string"}, "tries": {"type": "array", "items": {"type": "integer"}}},
        "required": ["title", "tries"],
        "type": "object",
    }
    assert list(again["parameters"]["properties"]) == ["inner", "reason"]


def test_an_answer_is_the_same_step_by_every_way(calendar: Function, parser: Parser) -> None:
    book = calendar.steps["book"]
    assert book.written(BOOK) == WRITTEN
    assert calendar.parse(json.dumps(WRITTEN)) == {"action": "book", **BOOK}
    for parsed in (
        said(parser, WRITTEN),
        said(parser, {WRAPPER: WRITTEN}, "native"),
        called(parser, "book", without(WRITTEN, "do")),
    ):
        assert (parsed.form, parsed.step and parsed.step.intent, parsed.step and parsed.step.args) == ("exact", "book", BOOK)
    schema = calendar.response_format["json_schema"]["schema"]
    assert Draft202012Validator(schema).is_valid({WRAPPER: WRITTEN})
    assert not Draft202012Validator(schema).is_valid({WRAPPER: {"action": "book", **BOOK}})
    text = json.dumps({"name": "book", "arguments": without(WRITTEN, "do")})
    assert parser.parse(Completion(text=text), "tool").step == parsed.step
    wrapped = parser.parse(Completion(text=f"Here: {json.dumps(WRITTEN)}"), "prompted")
    assert (wrapped.form, wrapped.step) == ("wrapped", parsed.step)


def test_bamls_own_names_arent_what_a_model_writes(parser: Parser) -> None:
    by_name = {"action": "book", **BOOK}
    assert said(parser, by_name).step is None
    assert called(parser, "book", BOOK).reason == "book: what: Field required"
    assert said(parser, without(WRITTEN, "what")).reason == "book: what: Field required"
    assert said(parser, {**WRITTEN, "do": "sleep"}).reason == "do 'sleep' is no step; there are: book, cancel, again"
    assert (said(parser, {"action": "again"}).step or Parsed()).model_dump() == {
        "intent": "again",
        "args": {"inner": None, "reason": None},
    }


def test_an_echo_of_an_aliased_field_is_one(parser: Parser) -> None:
    text = json.dumps(WRITTEN).replace('"can wait"', "HowUrgent").replace('"Plan"', "string")
    assert parser.parse(Completion(text=text.replace("HowUrgent", '"can wait"')), "prompted").form == "echo"


NOISE = ("", "\n    ", ' // @alias("no") @skip {\n    ', "\n    // }\n    ")
SHOWN = ("{}", "two {}", "a-{}", "{}: x", "ü{}", "{}.{{", "class {}", "// {}", "@{}")


def invented(random: Random, number: int) -> tuple[str, dict[str, str], dict[str, Any]]:
    """Invent a class with its attributes anywhere: its text, the names that it should show, and arguments for it."""
    lines, names, args = [f"class C{number} {{"], {"kind": "kind"}, {}
    if random.random() < 0.3:
        names["kind"] = f"kind of {number}"
    attribute = '@description("it")'
    if names["kind"] != "kind":
        attribute = f'@alias("{names["kind"]}")'
    lines.append(f'  kind "c{number}" {random.choice(NOISE)}{attribute}')
    for i in range(random.randint(1, 5)):
        field = random.choice((f"f{i}", f"f{i}", "from", "is")) if i == 0 else f"f{i}"
        attributes = [random.choice(("", '@description("a \\" @skip // }")', '@description(#"@alias("no")"#)'))]
        kind = "string?"
        if random.random() < 0.2:
            attributes.append("@skip")
        else:
            kind = random.choice(("string", "string?", "(string | int)"))
            names[field] = random.choice(SHOWN).format(f"{field}{number}") if random.random() < 0.6 else field
            args[field] = f"text {i}"
            if names[field] != field:
                quoted = random.choice(('"{}"', '#"{}"#')).format(names[field])
                attributes.append(f"@alias({quoted})")
        random.shuffle(attributes)
        lines.append(f"  {field} {kind}" + "".join(f" {random.choice(NOISE)}{each}" for each in attributes if each))
    return "\n".join([*lines, "}", ""]), names, args


@pytest.mark.slow
def test_names_are_found_whatever_the_sources_look_like(tmp_path: Path) -> None:
    made = [invented(Random(number), number) for number in range(60)]
    functions = [function(f"F{number}", SHORT, returns=f"C{number}") for number in range(len(made))]
    project = load(tmp_path, {"a.baml": CLIENT + "".join([text for text, *_ in made] + functions)})
    for number, (text, names, args) in enumerate(made):
        found = project.function(f"F{number}")
        step = found.steps[f"c{number}"]
        assert step.names[f"C{number}"] == names, text
        written = step.written(args)
        assert written == {names["kind"]: f"c{number}", **{names[field]: value for field, value in args.items()}}
        assert found.step(found.parse(json.dumps(written))) == step.answered(written, strict=True), text
        assert list(found.tools[0]["function"]["parameters"]["properties"]) == [names[field] for field in args]


# ---------------------------------------------------------------------------------------------- checks


def test_a_check_changes_nothing(parser: Parser) -> None:
    answer = {"do": "cancel", "title": "much too long", "tries": [1]}
    for parsed in (said(parser, answer), called(parser, "cancel", without(answer, "do"))):
        assert (parsed.form, parsed.step and parsed.step.args) == ("exact", {"title": "much too long", "tries": [1]})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"do": "cancel", "title": "t", "tries": []}, "@assert some this|length > 0: doesn't hold"),
        ({**WRITTEN, "minutes": 0}, "@assert positive this > 0: doesn't hold"),
    ],
    ids=["list", "alias"],
)
def test_what_fails_an_assertion_isnt_parsed(parser: Parser, answer: dict[str, Any], reason: str) -> None:
    for parsed in (said(parser, answer), called(parser, answer["do"], without(answer, "do"))):
        assert (parsed.step, parsed.stage) == (None, "arguments")
        assert reason in (parsed.reason or "")


def test_the_literal_itself_may_be_checked(tmp_path: Path) -> None:
    lit = 'class Lit {\n  kind "lit" @check(is, {{ this == "lit" }})\n  n int\n}\n'
    found = load(tmp_path, {"a.baml": CLIENT + lit + function("F", SHORT, returns="Lit")}).function("F")
    parser = Parser(take_apart(found))
    assert parser.parse(Completion(text="{kind: lit, n: 3}"), "prompted").step == said(parser, {"kind": "lit", "n": 3}).step


def test_what_baml_drops_by_an_assertion_is_dropped_everywhere(tmp_path: Path) -> None:
    source = 'class Roll {\n  intent "roll"\n  dice (int @assert(die, {{ this < 7 }}))[]\n}\n' + function(
        "F", SHORT, returns="Roll"
    )
    parser = Parser(take_apart(load(tmp_path, {"a.baml": CLIENT + source}).function("F")))
    for parsed in (said(parser, {"intent": "roll", "dice": [1, 9, 6]}), called(parser, "roll", {"dice": [1, 9, 6]})):
        assert (parsed.form, parsed.step and parsed.step.args) == ("repaired", {"dice": [1, 6]})
    assert called(parser, "roll", {"dice": [1, 6]}).form == "exact"


def test_what_a_function_asserts_of_all_its_steps_holds_for_repaired_answers(tmp_path: Path) -> None:
    returns = "Roll @assert(few, {{ this.dice|length < 3 }})"
    source = 'class Roll {\n  intent "roll"\n  dice int[]\n}\n' + function("F", SHORT, returns=returns)
    parser = Parser(take_apart(load(tmp_path, {"a.baml": CLIENT + source}).function("F")))
    for dice, stage in (["1", 2], None), (["1", 2, 3], "arguments"):
        for parsed in (said(parser, {"intent": "roll", "dice": dice}), called(parser, "roll", {"dice": dice})):
            assert parsed.stage == stage
            assert parsed.form == ("unparsable" if stage else "repaired")


# ---------------------------------------------------------------------------------------------- one class alone

NEAR = """
class List {
  intent "list"
  query string?
}
class ListAll {
  intent "list_all"
  query string
  deep bool
}
"""


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> Function:
    source = CLIENT + NEAR + function("F", SHORT, returns="List | ListAll")
    return load(tmp_path_factory.mktemp("near"), {"a.baml": source}).function("F")


def test_an_answer_is_read_as_the_step_that_it_names(near: Function) -> None:
    text = '{"intent": "list_all", "query": "q"}'
    assert near.parse(text)["intent"] == "list"  # the cheapest class, which lacks nothing
    with pytest.raises(ValueError, match="deep"):
        near.parse(text, near.steps["list_all"])
    assert near.parse(text[:-1] + ', "deep": "true"}', near.steps["list_all"]) == {
        "intent": "list_all",
        "query": "q",
        "deep": True,
    }


def test_one_class_alone_is_compiled_when_it_is_asked_for_and_once(tmp_path: Path) -> None:
    found = load(tmp_path, {"a.baml": CLIENT + NEAR + function("F", SHORT, returns="List | ListAll")}).function("F")
    parser = Parser(take_apart(found))
    said(parser, {"intent": "list"})
    assert "_runtime" not in vars(found._alone)
    said(parser, {"intent": "LIST"})
    compiled = vars(found._alone)["_runtime"]
    said(parser, {"intent": "LIST"})
    assert vars(found._alone)["_runtime"] is compiled


@pytest.mark.parametrize(
    ("answer", "undeclared"),
    [
        ({"do": "book", **WRITTEN}, False),
        ({"do": "book", **WRITTEN, "more": 1}, True),
        ({"do": "book", **WRITTEN, "title": "BAML's own name"}, True),
        ({"do": "book", **WRITTEN, "people": [{"full name": "Ann"}, {"full name": "Bob", "age": 3}]}, True),
    ],
    ids=["none", "one", "a name of BAML's", "inside"],
)
def test_undeclared_arguments_are_seen_by_the_names_that_a_model_writes(
    parser: Parser, answer: dict[str, Any], undeclared: bool
) -> None:
    for parsed in (said(parser, answer), called(parser, "book", without(answer, "do"))):
        assert parsed.step is not None
        assert parsed.marks == (("extra_arguments",) if undeclared else ())
        assert parsed.form == ("repaired" if undeclared else "exact")
        assert (parsed.as_it_stands is None) == undeclared


# ---------------------------------------------------------------------------------------------- labels


def labelled(**args: Any) -> Case:
    line = {**case("c"), "expect": [{"intent": "book", "args": args}, {"intent": "elsewhere", "args": {"what": 1}}]}
    return Case.model_validate_json(json.dumps(line))


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ({"what": "Plan"}, {"title": "Plan"}),
        ({"title": "Plan"}, {"title": "Plan"}),
        ({"how_urgent": "can wait"}, {"urgency": "Low"}),
        ({"urgency": {"$any_of": ["can wait", "High"]}}, {"urgency": {"$any_of": ["Low", "High"]}}),
        ({"people": [{"full name": "Ann"}]}, {"people": [{"name": "Ann"}]}),
        ({"people": {"$set": [{"full name": "Ann"}, {"name": "Bob"}]}}, {"people": {"$set": [{"name": "Ann"}, {"name": "Bob"}]}}),
        ({"rooms": {"can wait": {"full name": "Eve"}}}, {"rooms": {"can wait": {"name": "Eve"}}}),
        ({"after": {"full name": {"$regex": "Z"}}}, {"after": {"name": {"$regex": "Z"}}}),
        ({"after": "can wait"}, {"after": "Low"}),
        ({"after": None}, {"after": None}),
        ({"extra": {"full name": 1}}, {"extra": {"full name": 1}}),
        ({"minutes": {"$number": 3}}, {"minutes": {"$number": 3}}),
        ({"people": [{"$only": {"full name": "Ann"}}]}, {"people": [{"$only": {"name": "Ann"}}]}),
        ({"urgency": {"$any_case": "can wait"}}, {"urgency": {"$any_case": "Low"}}),
        ({"urgency": {"$loose": "can wait"}}, {"urgency": {"$loose": "Low"}}),
    ],
)
def test_labels_may_name_either(calendar: Function, written: dict[str, Any], named: dict[str, Any]) -> None:
    case = labels.named(labelled(**written), [calendar])
    assert case.expect == (
        StepMatch(intent="book", args=named),
        StepMatch(intent="elsewhere", args={"what": 1}),
    )
    labels.check(case, [calendar], where="here", elsewhere={"elsewhere"})


def test_a_label_with_both_names_is_refused(calendar: Function) -> None:
    with pytest.raises(ValueError, match=r"^a field is given by its name and by its alias: what, title"):
        labels.named(labelled(what="Plan", title="Plan"), [calendar])


def test_an_alias_that_isnt_one_is_an_unknown_argument(calendar: Function) -> None:
    named = labels.named(labelled(wat="Plan"), [calendar])
    with pytest.raises(DatasetError, match="argument 'wat' not found"):
        labels.check(named, [calendar], where="here", elsewhere={"elsewhere"})


def test_names_swapped_by_their_aliases_are_kept_apart(tmp_path: Path) -> None:
    source = 'class Swap {\n  kind "swap"\n  a string @alias("b")\n  b string @alias("a")\n}\n' + function(
        "F", SHORT, returns="Swap"
    )
    found = load(tmp_path, {"a.baml": CLIENT + source}).function("F")
    parser = Parser(take_apart(found))
    assert (said(parser, {"kind": "swap", "b": "1", "a": "2"}).step or Parsed()).model_dump()["args"] == {"a": "1", "b": "2"}
    assert found.parse('{"kind": "swap", "b": "1", "a": "2"}') == {"kind": "swap", "a": "1", "b": "2"}
    assert found.steps["swap"].written({"a": "1", "b": "2"}) == {"kind": "swap", "b": "1", "a": "2"}
    assert found.steps["swap"].named({"a": "1"}) == {"a": "1"}  # BAML's own name wins


# ---------------------------------------------------------------------------------------------- what is refused

REFUSED = {
    "Both": (
        'class A {\n  kind "a"\n  type "x"\n}\nclass B {\n  kind "b"\n  type "y"\n}\n',
        "A | B",
        "returns classes that kind and type both tell apart; name the one that counts `intent`, "
        "or give the others a type that isn't one literal",
    ),
    "Torn": (
        'class A {\n  kind "a"\n}\nclass B {\n  kind "b"\n}\nclass C {\n  x int\n}\n',
        "A | B | C",
        'returns class C, which has no field `kind` of one literal, as others have; give each one, such as kind "a", or none: '
        "then steps are told apart by their classes",
    ),
    "Alike": (
        'class A {\n  x int @description("one")\n  y int\n}\nclass B {\n  y int\n  x int\n}\n',
        "A | B",
        "returns A and B, whose fields are the same, so no answer says which of them is meant; "
        'give each a field of one literal, such as intent "A"',
    ),
    "NoValue": (
        "enum E {\n  X @skip\n}\n",
        "E",
        "returns E, which has no value that a model is shown",
    ),
    "SameValue": (
        'enum E {\n  X\n}\nclass Y {\n  y int\n  @@alias("X")\n}\n',
        "E | Y",
        "returns two steps that are called 'X'; give each a name of its own",
    ),
    "OneName": (
        'class A {\n  x int\n  @@alias("go")\n}\nclass B {\n  y int\n  @@alias(#"go"#)\n}\n',
        "A | B",
        "returns two steps that are called 'go'; give each a name of its own",
    ),
    "Same": (
        'class A {\n  kind "a"\n  n int\n}\nclass B {\n  kind "a"\n}\n',
        "A | B",
        "returns two classes with kind 'a': A and B; give each a literal of its own",
    ),
    "Primitive": (
        'class A {\n  kind "a"\n}\n',
        "A | string",
        "returns string, in A | string; a step is a class, a value of an enum or a literal: give each choice one",
    ),
    "Recursive": (
        "type J = int | J[]\n",
        "J",
        "returns J; a step is a class, a value of an enum or a literal: give each choice one",
    ),
    "Dynamic": (
        'class A {\n  kind "a"\n  @@dynamic\n}\n',
        "A",
        "returns A, which is @@dynamic: the agent's own code adds to it, so the prompt would be another one here; write what it "
        "adds into the sources, without @@dynamic",
    ),
    "DynamicInside": (
        'enum E {\n  X\n  @@dynamic\n}\nclass I {\n  e E[]\n}\nclass A {\n  kind "a"\n  i I?\n}\n',
        "A",
        "returns E, which is @@dynamic: the agent's own code adds to it, so the prompt would be another one here; write what it "
        "adds into the sources, without @@dynamic",
    ),
    "Twice": (
        'class A {\n  kind "a"\n  x int @alias("z")\n  y int @alias("z")\n}\n',
        "A",
        "returns A, which shows two fields or values as 'z'; give each an @alias of its own",
    ),
}


@pytest.mark.parametrize(("types", "returns", "reason"), few(REFUSED.values(), [*REFUSED.values()][::3]), ids=REFUSED)
def test_what_isnt_supported_says_what_to_change(tmp_path: Path, types: str, returns: str, reason: str) -> None:
    project = load(tmp_path, {"a.baml": CLIENT + types + function("F", SHORT, returns=returns)})
    with pytest.raises(BamlError) as error:
        project.function("F")
    assert str(error.value) == f"{project.path}: function 'F' {reason}"


def test_intent_wins_where_several_fields_tell_apart(tmp_path: Path) -> None:
    types = 'class A {\n  type "x"\n  intent "a"\n}\nclass B {\n  type "y"\n  intent "b"\n}\n'
    found = load(tmp_path, {"a.baml": CLIENT + types + function("F", SHORT, returns="A | B")}).function("F")
    assert (found.discriminator, list(found.steps)) == ("intent", ["a", "b"])
    loose = 'class A {\n  type "x"\n  intent string\n}\nclass B {\n  type "y"\n  intent string?\n}\n'
    found = load(tmp_path / "2", {"a.baml": CLIENT + loose + function("F", SHORT, returns="A | B")}).function("F")
    assert (found.discriminator, list(found.steps)) == ("type", ["x", "y"])
    step = said(Parser(take_apart(found)), {"type": "x", "intent": "to see"}).step
    assert step is not None
    assert (step.intent, step.args) == ("x", {"intent": "to see"})
