"""An answer becomes a step with its form, or fails with a stage and a reason; and no answer stalls the parser."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.baml.project import Project
from phrasing.prompts.template import take_apart
from phrasing.score.parse import (
    MAX_BRACKETS,
    MAX_CHARACTERS,
    MAX_COMMAS,
    MAX_DEPTH,
    MAX_SAME_KEYS,
    MAX_UNOPENED,
    Parser,
)
from phrasing.score.written import find_objects
from phrasing.types import MARKS, VALID_FORMS, Completion, Output, Parsed, Step, ToolCall
from support import hostile_answers
from support.counted_calls import all_calls
from support.small_projects import cache, function, load  # noqa: F401
from support.tiers import few

PAINT = """
enum Colour {
  Red
  Green
}
class Inner {
  x int
  y string?
}
class Paint {
  intent "paint"
  colour Colour
  place "wall" | "door"
  inner Inner
  names string[]
  ratio float
  either int | float
  flag bool
  sizes map<string, int>
  note string?
}
class Tree {
  intent "tree"
  name string
  kids Tree[]
}
"""
RETURNS = "Paint | Search | Send | Finish"

SEARCH: dict[str, Any] = {"intent": "search", "query": "q"}
PAINTED = {
    "intent": "paint",
    "colour": "Red",
    "place": "wall",
    "inner": {"x": 1, "y": "b"},
    "names": ["n"],
    "ratio": 0.5,
    "either": 1,
    "flag": True,
    "sizes": {"k": 1},
}
FOUND = Step(intent="search", args={"query": "q", "limit": None})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    unquoted = "{{ ctx.output_format }}\n{{ thread }}"
    sources = PAINT + function("Painter", returns=RETURNS) + function("Unquoted", unquoted) + function("Trees", returns="Tree")
    return load(tmp_path_factory.mktemp("answers"), sources)


@pytest.fixture(scope="module")
def parser(project: Project) -> Parser:
    return Parser(take_apart(project.function("Painter")))


@pytest.fixture(scope="module")
def unquoted(project: Project) -> Parser:
    return Parser(take_apart(project.function("Unquoted")))


class Unreachable:
    """Stands where BAML's runtime would: to ask it anything is a failure."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"BAML was asked: {name}")


@pytest.fixture
def without_baml(parser: Parser) -> Parser:
    unreachable: Any = Unreachable()
    return Parser(replace(parser.template, function=replace(parser.function, _plain=unreachable, _alone=unreachable)))


def parse(parser: Parser, text: str, output: Output = "prompted", **more: Any) -> Parsed:
    return parser.parse(Completion(text=text, **more), output)


def call(parser: Parser, *calls: tuple[str, str], output: Output = "tool") -> Parsed:
    return parser.parse(Completion(tool_calls=tuple(ToolCall(name=name, arguments=text) for name, text in calls)), output)


# ---------------------------------------------------------------------------------------------- forms of text


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (json.dumps(SEARCH), "exact"),
        (json.dumps(SEARCH, indent=4), "exact"),
        (f" \n{json.dumps(SEARCH)}\n ", "exact"),
        (json.dumps({**SEARCH, "limit": None}), "exact"),
        (f"The next step is:\n{json.dumps(SEARCH)}\nDone.", "wrapped"),
        (f"```json\n{json.dumps(SEARCH, indent=2)}\n```", "wrapped"),
        (f"I'd use {{curly}} braces: {json.dumps(SEARCH)}", "wrapped"),
        (f"<think>hm</think>\n{json.dumps(SEARCH)}", "wrapped"),
        (f"<think>hm</think>So: {json.dumps(SEARCH)}", "wrapped"),
        ("{intent: 'search', query: 'q'}", "repaired"),
        ('{"intent": "search", "query": "q",}', "repaired"),
        ('{"intent": "search", "query": "q"', "repaired"),
        ('{"intent": "SEARCH", "query": "q"}', "repaired"),
        ('{"intent": "search", "query": ["q"]}', "repaired"),
        ('{"intent": "search", "query": "q", "query": "other"}', "repaired"),
    ],
)
def test_the_form_of_an_answer_that_holds_the_step(parser: Parser, text: str, form: str) -> None:
    parsed = parse(parser, text)
    assert parsed.form == form
    assert parsed.stage is None
    assert parsed.step is not None
    assert parsed.step.intent == "search"
    if "[" not in text:
        assert parsed == Parsed(step=FOUND, form=parsed.form)


@pytest.mark.parametrize(
    "text",
    [
        '{"intent": "search", "query": "string"}',
        'So: {"intent": "search", "query": "string"}',
        "{intent: 'search', query: string}",
        'The format is {"intent": "search", "query": string}',
    ],
)
def test_a_schema_given_back_is_an_echo(parser: Parser, unquoted: Parser, text: str) -> None:
    for one in (parser, unquoted):
        parsed = parse(one, text)
        assert (parsed.form, parsed.stage) == ("echo", None)


def test_an_echo_of_choices_is_seen_by_the_prompts_own_schema(parser: Parser) -> None:
    text = json.dumps(PAINTED).replace('"wall"', '"wall" or "door"')
    assert text != json.dumps(PAINTED)
    assert parse(parser, text).form == "echo"
    assert parse(parser, json.dumps(PAINTED)).form == "exact"


@pytest.mark.parametrize(
    "value", ["<think>", "a <think> b </think> c", "```", '{"intent": "finish"}', "{[(", "\u2028", "\x00", "\\"]
)
def test_a_value_isnt_mistaken_for_more_than_a_value(parser: Parser, value: str) -> None:
    parsed = parse(parser, json.dumps({"intent": "search", "query": value}))
    assert parsed == Parsed(step=Step(intent="search", args={"query": value, "limit": None}), form="exact")


def test_text_calls_may_speak_of_reasoning(parser: Parser) -> None:
    parsed = parse(parser, '{"name": "search", "arguments": {"query": "<think>"}}', "tool")
    assert parsed.step == Step(intent="search", args={"query": "<think>", "limit": None})


# ---------------------------------------------------------------------------------------------- against BAML

INTEGERS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def steps(words: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    paint = {
        "intent": st.just("paint"),
        "colour": st.sampled_from(["Red", "Green"]),
        "place": st.sampled_from(["wall", "door"]),
        "inner": st.fixed_dictionaries({"x": INTEGERS, "y": st.none() | words}),
        "names": st.lists(words, max_size=3),
        "ratio": FLOATS,
        "either": INTEGERS | FLOATS,
        "flag": st.booleans(),
        "sizes": st.dictionaries(words, INTEGERS, max_size=3),
    }
    return st.one_of(
        st.fixed_dictionaries({"intent": st.just("search"), "query": words}, optional={"limit": st.none() | INTEGERS}),
        st.fixed_dictionaries({"intent": st.just("send"), "to": words, "urgent": st.booleans()}),
        st.just({"intent": "finish"}),
        st.fixed_dictionaries(paint, optional={"note": st.none() | words}),
    )


STEPS = steps(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
TAME = steps(st.text("abcdefg ÄßЖ漢-.!?0123456789", max_size=20))
TYPE_WORDS = {"string", "int", "float", "bool", "null", "string or null"}


@given(step=STEPS, ascii=st.booleans(), indent=st.sampled_from([None, 2]))
def test_plain_json_is_exact_and_read_as_baml_reads_it(
    parser: Parser, step: dict[str, Any], ascii: bool, indent: int | None
) -> None:
    text = json.dumps(step, ensure_ascii=ascii, indent=indent)
    parsed = parse(parser, text)
    by_baml = parser.function.parse(text)
    assert parsed.step is not None
    assert {"intent": parsed.step.intent, **parsed.step.args} == by_baml
    assert parsed.form == ("echo" if TYPE_WORDS.intersection(v for v in step.values() if isinstance(v, str)) else "exact")
    for name, value in step.items():
        assert by_baml[name] == value


AROUND = [("So:\n", "\nDone."), ("```json\n", "\n```"), ("<think>a {b} c</think>", "")]


@given(step=TAME, around=st.sampled_from(AROUND))
def test_prose_around_json_changes_the_form_alone(parser: Parser, step: dict[str, Any], around: tuple[str, str]) -> None:
    text = json.dumps(step)
    plain, wrapped = parse(parser, text), parse(parser, text.join(around))
    assert (plain.form, wrapped.form) == ("exact", "wrapped")
    assert wrapped.step == plain.step


@given(step=STEPS, around=st.sampled_from(AROUND))
def test_where_baml_misreads_wrapped_json_its_reading_counts(
    parser: Parser, step: dict[str, Any], around: tuple[str, str]
) -> None:
    text = json.dumps(step)
    plain, wrapped = parse(parser, text), parse(parser, text.join(around))
    assert (wrapped.form == "wrapped") == (wrapped.step == plain.step and plain.form == "exact")


PIECES = [
    *(json.dumps(SEARCH), '{"name": "search", "arguments": {"query": "q"}}', "{intent: finish}", '"intent": "send",'),
    *("{", "}", "[", "]", '"', "'", ",", ":", "\n", "```", "\\", "name", "\ud800"),
    *("<think>", "</think>", "Final answer:", "I'll search.", "I can't help."),
]


@given(
    text=st.text()
    | st.text('{}[]",: \\nab1', max_size=60)
    | st.text().map(lambda t: '{"intent": "search", "query": "' + t)
    | st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join)
)
def test_any_text_gives_a_step_or_a_reason(parser: Parser, text: str) -> None:
    either = replace(parser, text="search")
    outputs: list[Output] = ["prompted", "native", "tool", "tool_auto"]
    for parsed in [*(parse(either, text, output) for output in outputs), call(parser, ("search", text), (text, "{}"))]:
        assert (parsed.step is None) == (parsed.stage is not None) == (parsed.reason is not None)
        assert (parsed.form == "unparsable") == (parsed.step is None)
        assert len(parsed.reason or "") < 500
        assert MARKS.keys() >= set(parsed.marks)
        if {"text_call", "several_steps", "extra_arguments", "baml_guess"}.intersection(parsed.marks):
            assert parsed.form not in VALID_FORMS
        assert (parsed.form in VALID_FORMS) <= (parsed.as_it_stands == parsed.step and parsed.further == ())
        assert Parsed.model_validate_json(parsed.model_dump_json()) == parsed


# ---------------------------------------------------------------------------------------------- stages


@pytest.mark.parametrize(
    ("completion", "stage", "reason"),
    [
        (Completion(text=""), "empty", "no text and no tool call"),
        (Completion(text=" \n"), "empty", "no text and no tool call"),
        (Completion(text="<think>what was asked?</think>"), "empty", "nothing but reasoning"),
        (Completion(text="<think>it never ends"), "empty", "nothing but reasoning"),
        (Completion(text=json.dumps(SEARCH), finish_reason="length"), "truncated", "cut at the token limit"),
        (Completion(text=json.dumps(SEARCH), finish_reason="content_filter"), "refused", "stopped by a content filter"),
        (Completion(finish_reason="overflow"), "overflow", "the prompt is longer than the model's context window"),
        (Completion(text="I don't know."), "parse", 'no step in "I don\'t know."'),
        (Completion(text='{"intent": "swim"}'), "intent", "intent 'swim' is no step; there are: paint, search, send, finish"),
        (Completion(text='{"intent": "send", "to": "a"}'), "arguments", "send: urgent: Field required"),
    ],
)
def test_answers_that_fail_say_where(parser: Parser, completion: Completion, stage: str, reason: str) -> None:
    parsed = parser.parse(completion, "prompted")
    assert (parsed.step, parsed.form, parsed.stage, parsed.reason) == (None, "unparsable", stage, reason)
    assert parsed.marks == ()


def test_a_truncated_call_fails_too(parser: Parser) -> None:
    cut = Completion(tool_calls=(ToolCall(name="finish", arguments="{}"),), finish_reason="length")
    assert parser.parse(cut, "tool").stage == "truncated"


# ---------------------------------------------------------------------------------------------- tool calls


@pytest.mark.parametrize(
    ("name", "arguments", "form"),
    [
        ("search", '{"query": "q"}', "exact"),
        ("search", '{"query": "q", "limit": null}', "exact"),
        ("search", '{"query": "q", "intent": "search"}', "exact"),
        ("search", '{"limit": 3, "query": "q"}', "exact"),
        ("finish", "", "exact"),
        ("finish", "{}", "exact"),
    ],
)
def test_sound_calls_are_taken_as_they_are(without_baml: Parser, name: str, arguments: str, form: str) -> None:
    parsed = call(without_baml, (name, arguments))
    assert parsed.step is not None
    assert (parsed.step.intent, parsed.form, parsed.marks) == (name, form, ())
    assert "intent" not in parsed.step.args


@pytest.mark.parametrize(
    ("name", "arguments", "stage", "reason"),
    [
        ("swim", "{}", "intent", "called 'swim'; there are: paint, search, send, finish"),
        ("", "{}", "intent", "called ''; there are: "),
        ("search", "{", "arguments", "search: "),
        ("search", "query=q", "arguments", "arguments aren't JSON: 'query=q'"),
        ("search", "null", "arguments", "arguments aren't an object: 'null'"),
        ("search", "[" * 100_000, "arguments", "arguments aren't JSON: "),
        ("search", "{}", "arguments", "search: query: Field required"),
        ("search", '{"query": null}', "arguments", "search: query: Input should be a valid string, got None"),
    ],
)
def test_native_calls_that_fail(parser: Parser, name: str, arguments: str, stage: str, reason: str) -> None:
    parsed = call(parser, (name, arguments))
    assert (parsed.step, parsed.form, parsed.stage) == (None, "unparsable", stage)
    assert parsed.reason is not None
    assert parsed.reason.startswith(reason)
    assert len(parsed.reason) < 400


@pytest.mark.parametrize("depth", [100, 190, 210, 500, 900, 940, 960, 980, 1000])
def test_deep_arguments_are_a_failure_and_no_crash(without_baml: Parser, depth: int) -> None:
    nested = '{"query": ' + "[" * depth + "]" * depth + "}"
    assert call(without_baml, ("search", nested)).stage in ("arguments", "guard")


def test_of_several_calls_the_first_counts(without_baml: Parser) -> None:
    parsed = call(without_baml, ("search", '{"query": "q"}'), ("finish", "{}"))
    assert parsed == Parsed(step=FOUND, further=(Step(intent="finish"),), form="repaired", marks=("several_steps",))
    assert parsed.as_it_stands is None
    many = call(without_baml, *[("finish", "{}")] * 1_000)
    assert (many.step, len(many.further)) == (Step(intent="finish"), 49)


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "search", "arguments": {"query": "q"}}',
        '<tool_call>\n{"name": "search", "arguments": "{\\"query\\": \\"q\\"}"}\n</tool_call>',
        '```json\n{"name": "search", "parameters": {"query": "q"}}\n```',
        '<think>{"name": "finish", "arguments": {}}</think>{"name": "search", "arguments": {"query": "q"}}',
    ],
)
def test_a_call_written_as_text_is_marked_and_is_no_native_one(without_baml: Parser, text: str) -> None:
    assert parse(without_baml, text, "tool") == Parsed(step=FOUND, form="repaired", marks=("text_call",))


@pytest.mark.parametrize(
    "text", ["I'd search.", '{"name": "search"}', '{"name": "search", "arguments": 3}', '{"intent": "swim"}']
)
def test_text_where_a_call_was_due_is_no_call(without_baml: Parser, text: str) -> None:
    parsed = parse(without_baml, text, "tool")
    assert (parsed.stage, parsed.step) == ("no_call", None)
    assert parsed.reason == f"text and no tool call: {text!r}"


# ---------------------------------------------------------------------------------------------- text for a call

SAID = "It's 12 °C in Tokyo."


@pytest.fixture
def either(without_baml: Parser) -> Parser:
    """A parser for ``tool_auto``, under which text stands for the step ``search``."""
    return replace(without_baml, text="search")


@pytest.mark.parametrize(
    ("text", "query"),
    [
        (SAID, SAID),
        (f"  {SAID}\n", SAID),
        (f"<think>now I know</think>\n{SAID}", SAID),
        ('{"name": "search"}', '{"name": "search"}'),
        ("{" * 50_000, "{" * 50_000),
    ],
    ids=["text", "white space", "reasoning", "half a call", "braces"],
)
def test_text_stands_for_the_declared_step(either: Parser, text: str, query: str) -> None:
    step = Step(intent="search", args={"query": query, "limit": None})
    assert parse(either, text, "tool_auto") == Parsed(step=step, form="exact", marks=("text_step",))
    assert parse(either, text, "tool").stage == "no_call"


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        (Completion(text=SAID, tool_calls=(ToolCall(name="finish", arguments="{}"),)),
         Parsed(step=Step(intent="finish"), form="exact")),
        (Completion(text=f"Let me see. {json.dumps({'name': 'search', 'arguments': {'query': 'q'}})}"),
         Parsed(step=FOUND, form="repaired", marks=("text_call",))),
        (Completion(text=" \n"), Parsed(stage="empty", reason="no text and no tool call")),
        (Completion(text="<think>well"), Parsed(stage="empty", reason="nothing but reasoning")),
        (Completion(text=SAID, finish_reason="length"), Parsed(stage="truncated", reason="cut at the token limit")),
        (Completion(text="a\ud800"),
         Parsed(stage="parse", reason="the step holds a number or a character that JSON can't carry", marks=("text_step",))),
    ],
    ids=["a call beside text", "a call as text", "empty", "reasoning", "cut", "half a character"],
)  # fmt: skip
def test_all_else_is_as_where_a_call_is_due(either: Parser, completion: Completion, expected: Parsed) -> None:
    assert either.parse(completion, "tool_auto") == expected


# ---------------------------------------------------------------------------------------------- reasoning


def test_reasoning_that_changes_what_baml_returns_is_marked(parser: Parser) -> None:
    other = f'<think>{{"intent": "send", "to": "a", "urgent": true}}</think>{json.dumps(SEARCH)}'
    assert parser.function.parse(other)["intent"] == "send"
    assert parse(parser, other) == Parsed(step=FOUND, form="wrapped", marks=("think_changes",))
    assert parse(parser, f"<think>search?</think>{json.dumps(SEARCH)}").marks == ()


def test_reasoning_too_long_for_baml_isnt_given_to_it(without_baml: Parser) -> None:
    text = f"<think>{'{' * 19_000}</think>{json.dumps(SEARCH)}"
    assert parse(without_baml, text) == Parsed(step=FOUND, form="wrapped")


# ---------------------------------------------------------------------------------------------- hostile answers

TOO_MUCH = {
    "characters": "a" * (MAX_CHARACTERS + 1),
    "objects": '{"a": 1} ' * (MAX_BRACKETS + 1),
    "braces": "{" * 100_000,
    "lists": "[" * (MAX_DEPTH + 1),
    "nested": '{"intent":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1),
    "deep": '{"a":' * 300 + "1" + "}" * 300,
    "deeper": "[" * 100_000 + "]" * 100_000,
    "steps": '{"step":' * 500 + "1" + "}" * 500,
    "cut": '{"intent": "search", "query": "' + "x" * 60_000,
    "fenced": ('```json\n{"intent": "search"}\n```\n' * 400),
    "closing": '{"intent": "search", "query": q}' + "}" * (MAX_UNOPENED + 1),
    "lists closed": "[" + "]" * (MAX_UNOPENED + 2),
    "same keys": "{" + '"intent": "search", ' * (MAX_SAME_KEYS + 1) + "}",
    "commas": "[" + "1," * (MAX_COMMAS + 1),
}


@pytest.mark.parametrize("text", TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_what_would_stall_baml_never_reaches_it(without_baml: Parser, text: str) -> None:
    parsed = parse(without_baml, text)
    assert (parsed.stage, parsed.step) == ("guard", None)
    assert parsed.reason is not None
    assert parsed.reason.endswith("too much to repair")
    assert parse(without_baml, text, "tool").stage in ("no_call", "guard")


@pytest.mark.parametrize("seed", few(range(3), [0]))
def test_hostile_answers_are_read_or_fail_with_a_stage(parser: Parser, seed: int) -> None:
    for completion, output in hostile_answers.answers(seed, 150):
        parsed = parser.parse(completion, output)
        assert (parsed.step is None) == (parsed.stage is not None)


@pytest.mark.parametrize(
    "kind", few(hostile_answers.KINDS, hostile_answers.KINDS[::3]), ids=lambda kind: kind.__name__.strip("_")
)
def test_four_times_the_text_takes_no_more_than_four_times_the_calls(parser: Parser, kind: Any) -> None:
    def effort(size: int, seed: int) -> int:
        text = kind(random.Random(seed), size)
        return sum(all_calls(lambda: [parse(parser, text, output) for output in ("prompted", "tool")]).values())

    for seed in range(4):
        assert effort(16_000, seed) <= 4 * effort(4_000, seed) + 3_000


def test_a_string_that_is_cut_behind_a_backslash_ends_with_the_text(parser: Parser) -> None:
    text = '{"intent": "search", "query": "' + '\\"' * 20_000 + "\\"  # if each quote began a string, this would take seconds
    (found,) = find_objects(text, {"intent"})
    assert (found.end, set(found.keys), found.value) == (len(text), {"intent", "query"}, None)


@pytest.mark.parametrize(
    "step",
    [{"intent": "search", "query": "x" * 200_000}, {"intent": "search", "query": "{[" * 1_000}],
    ids=["long", "brackets"],
)
def test_plain_json_may_be_as_large_as_it_likes(without_baml: Parser, step: dict[str, Any]) -> None:
    parsed = parse(without_baml, json.dumps(step))
    assert (parsed.form, parsed.stage) == ("exact", None)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400])
def test_numbers_that_json_cant_carry_are_no_answer(parser: Parser, number: str) -> None:
    for name in ("ratio", "either"):
        parsed = parse(parser, json.dumps({**PAINTED, name: "HERE"}).replace('"HERE"', number))
        assert (parsed.step, parsed.stage) == (None, "parse")
        assert parsed.reason == "the step holds a number or a character that JSON can't carry"


@pytest.mark.parametrize("integer", [2**63, -(2**63) - 1, 10**30])
def test_integers_beyond_64_bits_are_what_baml_makes_of_them(parser: Parser, integer: int) -> None:
    text = json.dumps({**SEARCH, "limit": integer})
    parsed = parse(parser, text)
    assert parsed.form == "repaired"
    assert parsed.step is not None
    assert parsed.step.args["limit"] == parser.function.parse(text)["limit"]


@pytest.mark.parametrize(
    ("text", "tool"),
    [
        ("\ud800", "no_call"),
        ('{"intent": "search", "query": "\ud800"}', "parse"),
        ('{"intent": "search", "query": "\\ud800"}', "parse"),
        ('{"intent": "search", query: "\ud800"}', "parse"),
        ('\udc00{"intent": "search", query: "q"}', None),
    ],
)
def test_half_a_character_is_no_answer(parser: Parser, text: str, tool: str | None) -> None:
    assert parse(parser, text).stage == "parse"
    assert parse(parser, text, "tool").stage == tool
    assert call(parser, ("search", text.replace('"intent": "search", ', ""))).stage in ("parse", "arguments")


def test_a_recursive_step_may_be_deep_and_no_deeper_than_can_be_stored(project: Project) -> None:
    trees = Parser(take_apart(project.function("Trees")))

    def tree(depth: int) -> str:
        return '{"intent": "tree", "name": "n", "kids": [' * depth + "]}" * depth

    assert parse(trees, tree(40)).form == "exact"
    for depth in (120, 300, 900, 2_000, 50_000):
        assert parse(trees, tree(depth)).stage in ("parse", "guard")
