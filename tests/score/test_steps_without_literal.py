"""Steps that no field tells apart: classes by what BAML takes an answer for or a call names, values as they stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.baml.project import Function
from phrasing.prompts.template import take_apart
from phrasing.score import builtin
from phrasing.score.parse import Parser
from phrasing.types import Case, Completion, Output, Parsed, Step, ToolCall
from support import hostile_answers
from support.small_projects import CLIENT, cache, function, load
from support.tiers import few

__all__ = ["cache"]

SHORT = "{{ ctx.output_format(quote_class_fields=true) }}\n{{ thread }}"
SOURCE = (
    CLIENT
    + """
class Hoist {
  colour string
  height float?
}
class Log {
  text string
  hour int
}
class Idle {
  minutes int? @alias("for_minutes")
}
enum Bell {
  Fire @alias("k1")
  Fog
  Lunch @skip
}
"""
    + function("Deck", SHORT, returns="Hoist | Log | Idle")
    + function("Ring", SHORT, returns="Bell")
    + function("Steer", SHORT, returns='"hard port" | "ahead" | 7 | true')
    + function("Checked", SHORT, returns="Sure | Log")
    + 'class Reef {\n  intent "reef"\n  sail string\n}\nclass Stay {\n  intent "stay"\n}\n'
    + function("Sail", SHORT, returns='Reef | "belay" | Stay | Bell')
    + "class Sure {\n  depth int @assert(deep, {{ this > 3 }})\n}\n"
)


@pytest.fixture(scope="module")
def parsers(tmp_path_factory: pytest.TempPathFactory, cache: None) -> dict[str, Parser]:
    found = load(tmp_path_factory.mktemp("deck"), {"main.baml": SOURCE})
    return {name: Parser(take_apart(found.function(name))) for name in found.functions}


def said(parser: Parser, text: str, output: Output = "prompted") -> Parsed:
    return parser.parse(Completion(text=text), output)


def called(parser: Parser, *calls: tuple[str, str]) -> Parsed:
    made = tuple(ToolCall(name=name, arguments=arguments) for name, arguments in calls)
    return parser.parse(Completion(tool_calls=made), "tool")


def short(parsed: Parsed) -> tuple[Any, ...]:
    step = parsed.step
    return (step and step.intent, step and step.args, parsed.form, [each.intent for each in parsed.further])


HOIST = {"colour": "red", "height": None}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"colour": "red"}', ("Hoist", HOIST, "exact", [])),
        ('{"text": "fog", "hour": 3}', ("Log", {"text": "fog", "hour": 3}, "exact", [])),
        ('{"for_minutes": 4}', ("Idle", {"minutes": 4}, "exact", [])),
        ("{}", ("Idle", {"minutes": None}, "exact", [])),
        ('Aye. {"colour": "red"}', ("Hoist", HOIST, "wrapped", [])),
        ('<think>{"text": "a", "hour": 1}</think>{"colour": "red"}', ("Hoist", HOIST, "wrapped", [])),
        ('{"colour": "red", "mast": 2}', ("Hoist", HOIST, "repaired", [])),
        ('{"text": "fog", "hour": "3"}', ("Log", {"text": "fog", "hour": 3}, "repaired", [])),
        ('{colour: "red"}', ("Hoist", HOIST, "repaired", [])),
        ('{"text": "fog", "hour": 3} {"colour": "red"}', ("Log", {"text": "fog", "hour": 3}, "repaired", ["Hoist"])),
        ('[{"text": "fog", "hour": 3}, {"colour": "red"}]', ("Log", {"text": "fog", "hour": 3}, "repaired", ["Hoist"])),
        ('{"colour": string}', ("Hoist", {"colour": "string", "height": None}, "echo", [])),
    ],
)  # fmt: skip
def test_what_baml_takes_it_for_is_the_step(parsers: dict[str, Parser], text: str, wanted: tuple[Any, ...]) -> None:
    assert short(said(parsers["Deck"], text)) == wanted


def test_an_object_that_is_no_class_is_what_baml_makes_of_it(parsers: dict[str, Parser]) -> None:
    for text in ('{"foo": 1}', '{"Hoist": {"colour": "red"}}', "hello"):
        parsed = said(parsers["Deck"], text)
        function = parsers["Deck"].function
        assert parsed.form in ("repaired", "unparsable")
        try:
            assert parsed.step == function.step(function.parse(text))
        except ValueError:
            assert parsed.step is None


def test_plain_json_may_be_large(tmp_path: Path) -> None:
    source = SOURCE.replace("@assert(deep, {{ this > 3 }})", "")  # what is asserted BAML has to read
    parsers = {"Deck": Parser(take_apart(load(tmp_path, {"main.baml": source}).function("Deck")))}
    for text in ("x" * 200_000, "{[" * 1_000):
        assert short(said(parsers["Deck"], json.dumps({"text": text, "hour": 1}))) == (
            "Log",
            {"text": text, "hour": 1},
            "exact",
            [],
        )
    both = said(parsers["Deck"], json.dumps({"colour": "x" * 200_000, "text": "y", "hour": 1}))
    assert both.stage == "guard"


@pytest.mark.parametrize("seed", few(range(2), [0]))
@pytest.mark.parametrize("name", ["Deck", "Ring", "Steer", "Checked"])
def test_hostile_answers_are_read_or_fail_with_a_stage(parsers: dict[str, Parser], name: str, seed: int) -> None:
    for completion, output in hostile_answers.answers(seed, 60):
        parsed = parsers[name].parse(completion, output)
        assert (parsed.step is None) == (parsed.stage is not None)


@pytest.mark.parametrize(
    ("calls", "wanted"),
    [
        ([("Log", '{"text": "fog", "hour": 3}')], ("Log", {"text": "fog", "hour": 3}, "exact", [])),
        ([("log", '{"text": "fog", "hour": 3}')], ("Log", {"text": "fog", "hour": 3}, "exact", [])),
        ([("Idle", "")], ("Idle", {"minutes": None}, "exact", [])),
        ([("Hoist", '{"colour": "red", "text": "fog"}')], ("Hoist", HOIST, "repaired", [])),
        ([("Idle", '{"colour": "red"}')], ("Idle", {"minutes": None}, "repaired", [])),
        ([("Hoist", '{"colour": "red"}'), ("Idle", "{}")], ("Hoist", HOIST, "repaired", ["Idle"])),
    ],
)  # fmt: skip
def test_a_call_names_its_class(parsers: dict[str, Parser], calls: Any, wanted: tuple[Any, ...]) -> None:
    assert short(called(parsers["Deck"], *calls)) == wanted


def test_a_call_of_what_there_isnt_fails(parsers: dict[str, Parser]) -> None:
    failed = called(parsers["Deck"], ("Dive", "{}"))
    assert (failed.stage, failed.reason) == ("intent", "called 'Dive'; there are: Hoist, Log, Idle")
    assert called(parsers["Deck"], ("Log", '{"text": "a"}')).stage == "arguments"
    assert called(parsers["Deck"], ("Log", "text: a")).stage == "arguments"


def test_a_call_that_is_written_as_text_is_read(parsers: dict[str, Parser]) -> None:
    for text in ('{"name": "Log", "arguments": {"text": "fog", "hour": 3}}', '{"text": "fog", "hour": 3}'):
        parsed = said(parsers["Deck"], text, "tool")
        assert short(parsed) == ("Log", {"text": "fog", "hour": 3}, "repaired", [])
        assert parsed.marks == ("text_call",)


def test_a_wrapped_object_is_unwrapped(parsers: dict[str, Parser]) -> None:
    assert short(said(parsers["Deck"], '{"step": {"colour": "red"}}', "native")) == ("Hoist", HOIST, "exact", [])
    assert short(said(parsers["Ring"], '{"step": "k1"}', "native")) == ("Fire", {}, "exact", [])
    assert short(said(parsers["Steer"], '{"step": 7}', "native")) == ("7", {}, "exact", [])


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("Ring", "k1", ("Fire", {}, "exact", [])),
        ("Ring", ' "Fog"\n', ("Fog", {}, "exact", [])),
        ("Ring", "<think>Fog?</think>k1", ("Fire", {}, "wrapped", [])),
        ("Ring", "I would ring k1.", ("Fire", {}, "repaired", [])),
        ("Ring", "Fire", (None, None, "unparsable", [])),
        ("Ring", "Lunch", (None, None, "unparsable", [])),
        ("Ring", "k1 or Fog", (None, None, "unparsable", [])),
        ("Steer", '"hard port"', ("hard port", {}, "exact", [])),
        ("Steer", "ahead", ("ahead", {}, "exact", [])),
        ("Steer", "7", ("7", {}, "exact", [])),
        ("Steer", "true", ("true", {}, "exact", [])),
        ("Steer", "aye: ahead", ("ahead", {}, "repaired", [])),
        ("Sail", '{"intent": "reef", "sail": "main"}', ("reef", {"sail": "main"}, "exact", [])),
        ("Sail", '"belay"', ("belay", {}, "exact", [])),
        ("Sail", "k1", ("Fire", {}, "exact", [])),
        ("Sail", '{"intent": "stay"}', ("stay", {}, "exact", [])),
        ("Sail", '{"intent": "belay"}', ("belay", {}, "repaired", [])),
        ("Sail", '{"intent": "sink"}', (None, None, "unparsable", [])),
    ],
)  # fmt: skip
def test_values_are_steps(parsers: dict[str, Parser], name: str, text: str, wanted: tuple[Any, ...]) -> None:
    assert short(said(parsers[name], text)) == wanted


def test_values_are_tools_without_parameters(parsers: dict[str, Parser]) -> None:
    assert [tool["function"] for tool in parsers["Ring"].function.tools] == [
        {"name": name, "parameters": {"type": "object", "properties": {}}} for name in ("Fire", "Fog")
    ]
    assert short(called(parsers["Ring"], ("Fire", "{}"))) == ("Fire", {}, "exact", [])
    extra = called(parsers["Ring"], ("Fire", '{"loud": true}'))
    assert (extra.form, extra.marks) == ("repaired", ("extra_arguments",))


def test_an_assertion_holds_for_classes_too(parsers: dict[str, Parser]) -> None:
    assert short(said(parsers["Checked"], '{"depth": 9}'))[:3] == ("Sure", {"depth": 9}, "exact")
    assert said(parsers["Checked"], '{"depth": 1}').step is None
    assert called(parsers["Checked"], ("Sure", '{"depth": 1}')).step is None


def test_each_step_can_do_harm(parsers: dict[str, Parser]) -> None:
    case = Case.model_validate(
        {"id": "c", "thread": {"events": [{"type": "note"}]}, "expect": [{"intent": "Log"}], "forbid": [{"intent": "Hoist"}]}
    )
    parsed = said(parsers["Deck"], '{"text": "fog", "hour": 3} {"colour": "red"}')
    scores = {name: score.value for name, score in builtin.score(case, parsed).items()}
    assert scores == {"intent": 1, "args": None, "step": 1, "strict": 0, "harm": 1}


LETTERS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)))
STEPS = st.one_of(
    st.builds(lambda text, hour: Step(intent="Log", args={"text": text, "hour": hour}), LETTERS, st.integers(-9, 10**9)),
    st.builds(
        lambda colour, height: Step(intent="Hoist", args={"colour": colour, "height": height}),
        LETTERS,
        st.none() | st.integers(-9, 9).map(float),
    ),
    st.builds(lambda minutes: Step(intent="Idle", args={"minutes": minutes}), st.none() | st.integers(0, 99)),
)


@given(step=STEPS, output=st.sampled_from(["prompted", "native", "tool"]))
def test_what_a_model_writes_of_a_step_is_read_as_it(parsers: dict[str, Parser], step: Step, output: Output) -> None:
    parser = parsers["Deck"]
    written = json.dumps(found(parser.function, step).written(step.args))
    if output == "tool":
        parsed = called(parser, (step.intent, written))
    else:
        parsed = said(parser, f'{{"step": {written}}}' if output == "native" else written, output)
    if not any(value in ("string", "int", "float", "bool", "null", "string or null") for value in step.args.values()):
        assert (parsed.step, parsed.form) == (step, "exact")


def found(function: Function, step: Step) -> Any:
    return function.steps[step.intent]
