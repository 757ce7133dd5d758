"""Answers written by hand are read as a careful person would read them, said as text and as a call alike."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from phrasing.prompts.template import take_apart
from phrasing.score import builtin
from phrasing.score.parse import Parser
from phrasing.types import (
    MARKS,
    VALID_FORMS,
    AnswerForm,
    Case,
    Completion,
    Event,
    FailureStage,
    Output,
    Parsed,
    Step,
    Thread,
    ToolCall,
)
from support.paths import REPOSITORY
from support.small_projects import cache, function, load  # noqa: F401
from support.tools import tool

ANSWERS = yaml.safe_load(Path(__file__).with_name("answers.yaml").read_text("utf-8"))

AGENT = """
class Deploy {
  intent "deploy"
  environment "staging" | "production"
  tag string
  note string?
}
class Scale {
  intent "scale"
  replicas int
}
class Wait {
  intent "wait"
  minutes float
}
class Via {
  channel string
}
class Notify {
  intent "notify"
  people string[]
  urgent bool
  via Via?
}
class ListTags {
  intent "list_tags"
}
class ListTagsOf {
  intent "list_tags_of"
  service string
}
class Done {
  intent "done_for_now"
  message string
}
""" + function("Agent", returns="Deploy | Scale | Wait | Notify | ListTags | ListTagsOf | Done")

CASE = Case.model_validate(
    {"id": "a", "thread": Thread(events=(Event(type="note"),)), "expect": ANSWERS["expect"], "forbid": ANSWERS["forbid"]}
)

EXPECTED = {"step": None, "stage": None, "further": [], "form": "unparsable", "marks": [], "correct": 0, "forbidden": 0}


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> Parser:
    project = load(tmp_path_factory.mktemp("answers"), AGENT)
    return Parser(take_apart(project.function("Agent")), text="done_for_now")


def answers() -> Iterator[Any]:
    """Give each answer with its output, what is said, and what it should be read as; as text and as a call."""
    for kind, listed in ANSWERS["kinds"].items():
        for answer in listed:
            reading = {name: answer.get(name, other) for name, other in EXPECTED.items()}
            name = f"{kind}: {answer['says']}"
            if "text" in answer:
                said = Completion(text=answer["text"])
                yield pytest.param(answer.get("output", "prompted"), said, reading, id=f"{name}, as text")
            if "calls" in answer:
                calls = tuple(ToolCall(name=name, arguments=written) for name, written in answer["calls"])
                expected = reading | answer.get("as_call", {})
                yield pytest.param("tool", Completion(tool_calls=calls), expected, id=f"{name}, as a call")


def read(parsed: Parsed) -> dict[str, Any]:
    """Write what became of an answer as the file of answers does, without the arguments that are null."""
    scores = builtin.score(CASE, parsed)
    assert scores["strict"].value == (parsed.form in VALID_FORMS)
    return {
        "step": _step(parsed.step) if parsed.step else None,
        "stage": parsed.stage,
        "further": [_step(step) for step in parsed.further],
        "form": parsed.form,
        "marks": list(parsed.marks),
        "correct": scores["step"].value,
        "forbidden": scores["harm"].value,
    }


def _step(step: Step) -> dict[str, Any]:
    args = {name: value for name, value in step.args.items() if value is not None}
    return {"intent": step.intent, "args": args} if args else {"intent": step.intent}


@pytest.mark.parametrize(("output", "said", "expected"), list(answers()))
def test_an_answer_is_read_as_a_careful_person_reads_it(
    parser: Parser, output: Output, said: Completion, expected: dict[str, Any]
) -> None:
    parsed = parser.parse(said, output)
    assert read(parsed) == expected
    assert (parsed.as_it_stands == parsed.step is not None) == (parsed.form in VALID_FORMS) or parsed.form == "echo"
    assert Parsed.model_validate_json(parsed.model_dump_json(exclude_defaults=True)) == parsed


def test_there_are_answers_of_every_kind() -> None:
    listed = [answer for kind in ANSWERS["kinds"].values() for answer in kind]
    assert len(listed) >= 76
    assert sum("text" in answer and "calls" in answer for answer in listed) >= 60
    assert {mark for answer in listed for mark in answer.get("marks", ())} == MARKS.keys() - {"json_answer"}  # that of notations
    assert {answer["form"] for answer in listed if "form" in answer} == {"exact", "wrapped", "repaired", "echo"}
    assert all(("form" in answer) == ("step" in answer) == ("stage" not in answer) for answer in listed)


def test_the_page_shows_these_answers() -> None:
    content = tool("answers").parts(REPOSITORY)["answers"]
    page = (REPOSITORY / "docs" / "scorers.md").read_text("utf-8")
    assert f"<!-- answers -->\n{content}\n<!-- /answers -->" in page, "run: python tools/answers.py"
    shown = re.findall(r"^(\w+)\(", page.partition("The steps are\n\n```\n")[2].partition("```")[0], re.MULTILINE)
    assert shown == NAMES


def test_the_documents_name_every_mark_form_and_stage() -> None:
    page = (REPOSITORY / "docs" / "concepts.md").read_text("utf-8")
    part = page.partition("## How an answer is read")[2].partition("\n## ")[0]
    tables = [re.findall(r"^\| `(\w+)` \|", each, re.MULTILINE) for each in part.split("\n\n")]
    expected = [list(get_args(AnswerForm)), list(get_args(FailureStage)), list(MARKS)]
    assert [names for names in tables if names] == expected


# ---------------------------------------------------------------------------------------------- the same, said either way

WORDS = st.sampled_from(
    ["staging", "Production", "v1.2.0", "", "a, b", "it's", 'say "no"', "{}", "[1", "ä漢", "1,000", "string", "60.7"]
)
VALUES = st.one_of(
    WORDS, st.integers(-5, 2_000), st.floats(-10, 2_000), st.booleans(), st.none(), st.lists(WORDS, max_size=2),
    st.dictionaries(st.sampled_from(["channel", "loud"]), WORDS, max_size=2),
)  # fmt: skip
NAMES = ["deploy", "scale", "wait", "notify", "list_tags", "list_tags_of", "done_for_now"]
ARGS = {
    "deploy": {"environment": "staging", "tag": "v1.2.0"},
    "scale": {"replicas": 1000},
    "wait": {"minutes": 2.5},
    "notify": {"people": ["ana"], "urgent": True},
    "list_tags": {},
    "list_tags_of": {"service": "backend"},
    "done_for_now": {"message": "bye"},
}


@st.composite
def contents(draw: st.DrawFn) -> tuple[str, str]:
    """Draw the name of a step and its arguments between the brackets, right or wrong in some way."""
    name = draw(st.sampled_from(NAMES))
    args: dict[str, Any] = dict(ARGS[name])
    for key in draw(st.lists(st.sampled_from([*args, "force", "note"]), max_size=2)):
        args[key] = draw(VALUES)
    for key in draw(st.lists(st.sampled_from([*args, None]), max_size=1)):
        args.pop(key, None)
    written = draw(st.sampled_from([name, name, name, name.upper(), f"{name}_result", name.replace("_", "-")]))
    return written, json.dumps(args, ensure_ascii=draw(st.booleans()))[1:-1]


def unsound(inside: str, how: str) -> str:
    match how:
        case "comma":
            return f"{inside}," if inside else inside
        case "single quotes":
            return inside.replace('"', "'")
        case "no quotes":
            return inside.replace('"', "")
        case "twice":
            return f"{inside}, {inside}" if inside else inside
    return inside


def said(parser: Parser, text: str, calls: list[tuple[str, str]]) -> tuple[Any, Any]:
    """Read the same content as text and as calls: all that is made of it but the wording of reasons."""
    called = Completion(tool_calls=tuple(ToolCall(name=name, arguments=arguments) for name, arguments in calls))
    return tuple(  # type: ignore[return-value]
        (parsed.model_dump(exclude={"reason"}), {name: score.value for name, score in builtin.score(CASE, parsed).items()})
        for parsed in (parser.parse(Completion(text=text), "prompted"), parser.parse(called, "tool"))
    )


@given(
    content=contents(),
    how=st.sampled_from(["", "", "comma", "single quotes", "no quotes", "twice"]),
    end=st.sampled_from(["}", "}", "}", "", "}}", "]"]),
    cut=st.integers(0, 6),
)
def test_the_same_content_scores_the_same_as_text_and_as_a_call(
    parser: Parser, content: tuple[str, str], how: str, end: str, cut: int
) -> None:
    name, inside = content
    inside = unsound(inside, how)
    if not end:
        inside = inside[: len(inside) - cut]
    text, call = said(parser, f'{{"intent": "{name}"{", " if inside else ""}{inside}{end}', [(name, f"{{{inside}{end}")])
    assert text == call


@given(listed=st.lists(contents(), min_size=2, max_size=4), between=st.sampled_from([", ", "\n", " and "]))
def test_the_same_steps_score_the_same_as_texts_and_as_calls(parser: Parser, listed: list[tuple[str, str]], between: str) -> None:
    whole = [f'{{"intent": "{name}"{", " if inside else ""}{inside}}}' for name, inside in listed]
    joined = between.join(whole)
    text, calls = said(parser, f"[{joined}]" if between == ", " else joined, [(name, f"{{{inside}}}") for name, inside in listed])
    assert text == calls
    assert text[0]["form"] not in VALID_FORMS
    assert "several_steps" in text[0]["marks"]
    alone = [parser.parse(Completion(text=one), "prompted") for one in whole]
    assert text[1]["harm"] == max(builtin.score(CASE, parsed)["harm"].value or 0 for parsed in alone)
    assert text[0]["step"] == alone[0].model_dump()["step"]
