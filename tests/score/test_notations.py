"""Answers read by a notation: a reader that fails makes an answer fail, with the reason; what it reads is judged as a call."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phrasing.prompts import notations
from phrasing.prompts.notations import NotationFile
from phrasing.prompts.template import take_apart
from phrasing.score import parse
from phrasing.score.parse import Parser
from phrasing.types import Completion, Parsed, Step, ToolCall
from support.small_projects import CLIENT, STEPS, cache, function, load, write

__all__ = ["cache"]

TYPES = """
class Pay {
  intent "pay"
  amount int @alias("how_much") @assert(positive, {{ this > 0 }})
  way Way
}
enum Way {
  Cash @alias("coins")
  Card
}
"""
LINES = """
import json
def ask(steps):
    return ", ".join(step["intent"] for step in steps)
def write(step, steps):
    return "DO " + step["intent"] + " " + json.dumps(step["args"])
def read(text, steps):
    if "DO " not in text:
        return None
    name, _, args = text.partition("DO ")[2].partition(" ")
    return {"intent": name, "args": json.loads(args)}
"""
SEND = {"to": "ann", "urgent": True}


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> Parser:
    root = tmp_path_factory.mktemp("lines")
    sources = CLIENT + STEPS + TYPES + function("Pick", returns="Search | Send | Finish | Pay")
    made = load(root, {"main.baml": sources}).function("Pick")
    write(root, {"notations/lines.py": LINES})
    return Parser(take_apart(made), None, notations._load(root, "lines"))


def reading(parser: Parser, read: Callable[..., Any]) -> Parser:
    """Give the parser with another reader."""
    assert isinstance(parser.notation, NotationFile)
    return replace(parser, notation=replace(parser.notation, read=read))


def said(parser: Parser, text: str, **more: Any) -> Parsed:
    return parser.parse(Completion(text=text, **more), "prompted(lines)")


def test_what_is_read_is_judged_as_a_call(parser: Parser) -> None:
    for name, args in {
        "send": SEND,
        "Send": SEND,
        "pay": {"how_much": 3, "way": "coins"},
        "search": {"query": 3, "limit": "2"},
        "finish": {"why": "done"},
        "swim": {},
    }.items():
        called = ToolCall(name=name, arguments=json.dumps(args))
        as_call = parser.parse(Completion(tool_calls=(called,)), "tool")
        assert said(parser, f"DO {name} {json.dumps(args)}") == as_call
        assert as_call.step or name == "swim"
    failed = [
        said(parser, f"DO pay {json.dumps({'how_much': amount, 'way': way})}") for amount, way in ((0, "coins"), (1, "gold"))
    ]
    assert [(one.step, one.stage) for one in failed] == [(None, "arguments")] * 2
    assert "@assert positive this > 0: doesn't hold" in str(failed[0].reason)
    assert said(parser, 'DO pay {"how_much": 3, "way": "coins"}').step == Step(intent="pay", args={"amount": 3, "way": "Cash"})


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ('DO send {"to": "ann", "urgent": true}', "exact"),
        ('\n  DO send\n{"to":"ann",\n"urgent":true}\n'.replace("send\n", "send "), "exact"),
        ('I DO send {"to": "ann", "urgent": true}', "wrapped"),
        ('DO send {"urgent": true, "to": "ann"}', "exact"),
        ('DO send {"to": "\\u0061nn", "urgent": true}', "wrapped"),
        ('<think>DO finish {}</think>DO send {"to": "ann", "urgent": true}', "wrapped"),
        ('DO finish {} is wrong. Final answer: DO send {"to": "ann", "urgent": true}', "wrapped"),
        ('DO send {"to": "ann", "urgent": "true"}', "repaired"),
    ],
)
def test_forms(parser: Parser, text: str, form: str) -> None:
    parsed = said(parser, text)
    assert (parsed.step and parsed.step.args, parsed.form, parsed.marks) == (SEND, form, ())
    assert (parsed.as_it_stands == parsed.step) == (form != "repaired")


def test_several_steps(parser: Parser) -> None:
    several = reading(parser, lambda text, steps: [{"intent": "finish"}, {"intent": "send", "args": SEND}])
    parsed = said(several, "both")
    assert (parsed.step, parsed.further) == (Step(intent="finish"), (Step(intent="send", args=SEND),))
    assert (parsed.form, parsed.marks) == ("repaired", ("several_steps",))


def loop(text: str, steps: Any) -> Any:
    return loop(text, steps)


def deep(text: str, steps: Any) -> Any:
    made: dict[str, Any] = {}
    for _ in range(100_000):
        made = {"a": made}
    return {"intent": "finish", "args": made}


def stumble(text: str, steps: Any) -> Any:
    raise KeyError(text)


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        (stumble, "notations/lines.py: read raised KeyError: "),
        (loop, "read raised RecursionError: "),
        (deep, "which is nested too deep"),
        (lambda text, steps: None, "no step in 'x"),
        (lambda text, steps: [], "no step in 'x"),
        (lambda text, steps: "finish", "read returned 'finish', which is no step; wanted"),
        (lambda text, steps: [None], "read returned None, which is no step"),
        (lambda text, steps: {"args": {}}, "which is no step"),
        (lambda text, steps: {"intent": "finish", "args": []}, "whose intent is no text, or whose args are no dict"),
        (lambda text, steps: {"intent": "finish", "args": {"a": float("nan")}}, "which holds what JSON can't carry"),
        (lambda text, steps: {"intent": "finish", "args": {"a": {1}}}, "which holds what JSON can't carry"),
        (lambda text, steps: {"intent": "finish", "args": {"a": 10**5000}}, "which holds what JSON can't carry"),
    ],
)
def test_a_reader_that_fails_is_an_answer_that_fails(parser: Parser, read: Callable[..., Any], reason: str) -> None:
    parsed = said(reading(parser, read), "x\ud800")
    assert (parsed.step, parsed.form, parsed.stage) == (None, "unparsable", "parse")
    assert reason in str(parsed.reason)
    parsed.model_dump_json().encode()


def test_a_character_that_cannot_be_stored(parser: Parser) -> None:
    parsed = said(parser, 'DO send {"to": "\\ud800", "urgent": true}')
    assert (parsed.step, parsed.stage) == (None, "parse")


def test_what_fails_whatever_it_holds(parser: Parser) -> None:
    right = 'DO send {"to": "ann", "urgent": true}'
    assert said(parser, right, finish_reason="length").stage == "truncated"
    assert said(parser, right, finish_reason="content_filter").stage == "refused"
    assert said(parser, " \n").stage == "empty"
    assert said(parser, "<think>DO finish {}</think>").stage == "empty"
    unasked = reading(parser, lambda text, steps: pytest.fail("it was read"))
    assert said(unasked, "x" * (parse.MAX_CHARACTERS + 1)).stage == "guard"
    assert said(unasked, "[" * (parse.MAX_DEPTH + 1)).stage == "guard"  # PyYAML takes seconds for thousands of them


def test_json_where_something_else_was_asked_for_is_marked(parser: Parser) -> None:
    answer = json.dumps({"intent": "send", **SEND})

    def as_json(text: str, steps: Any) -> Any:
        value = json.loads(text)
        return {"intent": value.pop("intent"), "args": value}

    for text in (answer, f"```json\n{answer}\n```", f"So: {answer}"):
        parsed = said(parser, text)
        assert (parsed.step, parsed.stage, parsed.marks) == (None, "parse", ("json_answer",))
    read = said(reading(parser, as_json), answer)
    assert (read.step, read.form, read.marks) == (Step(intent="send", args=SEND), "wrapped", ("json_answer",))
    assert said(parser, f"DO finish {answer}").marks == ("extra_arguments",)  # inside an answer it is a part of it


def test_a_native_call_counts_whatever_was_asked_for(parser: Parser, tmp_path: Path) -> None:
    called = Completion(text="x", tool_calls=(ToolCall(name="send", arguments=json.dumps(SEND)),))
    assert parser.parse(called, "prompted(lines)").step == Step(intent="send", args=SEND)
