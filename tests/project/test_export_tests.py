"""Datasets as BAML's own tests: `baml-cli test` runs them, on a server of ours that answers what a thread tells it to."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from phrasing.baml.project import load_project
from phrasing.errors import BamlError, DatasetError, FormatError
from phrasing.project import export_tests
from phrasing.project.export_tests import TestBlocks
from phrasing.prompts import formats
from phrasing.score.builtin import score
from phrasing.suite import dataset
from phrasing.types import Case, Parsed
from support.baml_tests import BAML, LABELS, ONLY, OTHER, SEND, VERBATIM, baml_test, blocks, find, search
from support.small_projects import CLIENT, STEPS, cache, case, event, function, lines, write

__all__ = ["cache"]

# ---------------------------------------------------------------------------------------------- threads

NASTY = [
    '"',
    "#",
    '"#',
    "\\",
    "{{",
    "}}",
    "{%",
    "\n",
    "\r\n",
    "\r",
    "\t",
    "\x00",
    "\x1b",
    "\x7f",
    "\x85",
    "\u2028",
    "\ufeff",
    " ",
    "é",
]
NASTY += [
    "👩\u200d🚀",
    "a",
    "//",
    "/*",
    "@@",
    "env.OURS",
    '"""',
    "'",
    "`",
    "class X {\n}",
    "\\n",
    "\\u0041",
    '"#####',
    "test a {",
]


@pytest.mark.slow
def test_baml_reads_the_very_text_of_every_thread(tmp_path: Path) -> None:
    chance = random.Random(0)
    texts = [f"<{part}>" for part in NASTY] + ['"', "\\", '"#', '#"x"#', '"######', "}}", '"\r\n"#', "x\\", 'x"']
    texts += ["<" + "".join(chance.choices(NASTY, k=chance.randint(2, 12))) + ">" for _ in range(100)]
    written = blocks(tmp_path, [case(f"c{i}", event("note", text)) for i, text in enumerate(texts)])
    _, prompts = baml_test(tmp_path, written)
    assert Counter(prompts) == Counter(texts)


@pytest.mark.slow
def test_the_text_is_that_of_the_format(tmp_path: Path) -> None:
    cases = [case("a", event("note", {"text": 'x\n"#"\n'}), event("search", {"query": "x"}), event("search_result", "none"))]
    written = blocks(tmp_path, cases, format="xml_yaml")
    _, (prompt,) = baml_test(tmp_path, written)
    format = formats.load(tmp_path / "formats", "xml_yaml")
    assert prompt == formats.render(format, TypeAdapter(Case).validate_python(cases[0]).thread)


# ---------------------------------------------------------------------------------------------- labels


@pytest.mark.slow
def test_an_assertion_passes_where_the_step_is_right(tmp_path: Path) -> None:
    function = find(tmp_path, "Find")
    cases, right = [], {}
    for label, (expect, answers) in {**LABELS, **ONLY}.items():
        for number, answer in enumerate(answers):
            name = f"{label.replace(' ', '-').replace(chr(39), '')}-{number}"
            said = json.dumps({"intent": answer["intent"], **answer["args"]})
            cases.append({"id": name, "thread": {"events": [event("say", said)]}, "expect": expect})
            parsed = Parsed(step=function.step(function.parse(said)), form="exact")
            found = score(Case.model_validate_json(json.dumps(cases[-1])), parsed)
            right[name.replace("-", "_")] = found["step"].value == 1
    assert set(right.values()) == {True, False}
    written = blocks(tmp_path, cases)
    assert not written.unsaid
    verdicts, _ = baml_test(tmp_path, written)
    assert verdicts == right


@pytest.mark.slow
def test_what_an_assertion_cant_hold_is_said(tmp_path: Path) -> None:
    unsayable = {"query": {"$regex": '^a}}#"'}, "words": {"$set": ["a"]}, "numbers": {"$contains": 1}, "number": 1}
    cases = [{**case("one", event("say", '{"intent":"search","number":1}')), "expect": [search(**unsayable)]}]
    written = blocks(tmp_path, cases)
    assert written.unsaid == (
        'one: search: query: {"$regex": "^a}}#\\""}',
        'one: search: words: {"$set": ["a"]}',
        'one: search: numbers: {"$contains": 1}',
    )
    assert [line.strip() for line in written.text.splitlines() if "not held" in line] == [
        f"// not held: {what.removeprefix('one: ')}" for what in written.unsaid
    ]
    verdicts, _ = baml_test(tmp_path, written)
    assert verdicts == {"one": True}


@pytest.mark.slow
def test_names_are_those_of_baml(tmp_path: Path) -> None:
    label = {"intent": "look", "args": {"look-at": {"kind": "a", "no.": 1}, "how": "closely"}}
    said = {"to do": "look", "look-at": {"kind": "a", "no.": 1}, "how": "closely"}
    wrong = {**said, "how": "FAR"}
    cases = [case(f"c{i}", event("say", json.dumps(text)), expect=[label]) for i, text in enumerate([said, wrong])]
    verdicts, _ = baml_test(tmp_path, blocks(tmp_path, cases, sources=OTHER))
    assert verdicts == {"c0": True, "c1": False}


@pytest.mark.slow
def test_values_that_are_checked_are_not_held(tmp_path: Path) -> None:
    sources = BAML.replace("to string", "to string @check(short, {{ this|length < 9 }})")
    cases = [case("one", event("say", '{"intent":"send","to":"bob"}'), expect=[SEND])]
    written = blocks(tmp_path, cases, sources=sources)
    assert written.unsaid == ('one: send: to: "ann"',)
    verdicts, _ = baml_test(tmp_path, written)
    assert verdicts == {"one": True}


# ---------------------------------------------------------------------------------------------- names, and mistakes


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mail", "7 days", "é-mail", "env"])
def test_names_are_what_baml_takes(tmp_path: Path, name: str) -> None:
    cases = [case("env"), case("a-b"), case("1"), case("test")]
    written = blocks(tmp_path, cases, "FindShown", name=name)
    write(tmp_path, {"baml_src/tests.baml": written.text})
    load_project(tmp_path / "baml_src")
    assert len(set(re.findall(r"(?m)^test (\w+)", written.text))) == len(cases)


def test_a_test_reads_like_one_written_by_hand(tmp_path: Path) -> None:
    cases = [case("one", event("note", "a\nb"), expect=[search(query="a", words={"$set": ["b"]}), {"intent": "sing"}, SEND])]
    write(tmp_path, {"formats/it.j2": VERBATIM, "datasets/mail.jsonl": lines(*cases)})
    read, format = dataset.load(tmp_path / "datasets" / "mail.jsonl"), formats.load(tmp_path / "formats", "it")
    function = find(tmp_path, "FindShown")
    with pytest.raises(DatasetError, match=r"mail\.jsonl:1: expect: intent 'sing' not found; there are: search, send"):
        export_tests.write_tests(read, function, format)
    # a step that another function of the project has
    written = export_tests.write_tests(read, function, format, elsewhere={"sing"})
    assert written == TestBlocks(
        """\
// Written by `phrasing export tests`: mail --function FindShown -f it

test mail_one {
  functions [FindShown]
  args {
    thread #"a
b"#
    examples ""
  }
  // not held: search: words: {"$set": ["b"]}
  @@assert(step, {{ (this.intent == "search" and this.query == "a") or (this.intent == "send" and this.to == "ann") }})
}
""",
        1,
        ('one: search: words: {"$set": ["b"]}',),
    )


UNTAGGED = (
    CLIENT
    + """
class Said {
  role "user" | "assistant"
  content string
}
class Search {
  query string
}
class Stop {
}
"""
    + function(
        "Find", "{% for m in said %}{{ m.content }}{% endfor %}", parameters="said: Said[]", returns='Search | Stop | "wait"'
    )
)


def test_a_message_and_a_step_without_a_literal_are_written(tmp_path: Path) -> None:
    cases = [
        case("one", expect=[{"intent": "Search", "args": {"query": "a"}}, {"intent": "Stop"}]),
        case("other", expect=[{"intent": "wait"}]),
    ]
    written = blocks(tmp_path, cases, sources=UNTAGGED)
    assert (
        """\
    said [
      {
        role #"user"#
        content #\""""
        in written.text
    )
    assert '  @@assert(step, {{ (this.query == "a") or (true) }})\n' in written.text
    assert '  @@assert(step, {{ this == "wait" }})\n' in written.text
    assert written.unsaid == ("one: Search: its class", "one: Stop: its class")
    write(tmp_path, {"baml_src/tests.baml": written.text})
    load_project(tmp_path / "baml_src")  # BAML takes it


def test_several_steps_at_once_are_left_out(tmp_path: Path) -> None:
    listed = CLIENT + STEPS + function("Find", "{{ thread }}", returns="(Search | Send)[]") + function("One", "{{ thread }}")
    with pytest.raises(BamlError, match="'Find' returns a list of steps, which no assertion here holds"):
        blocks(tmp_path, [case("a")], sources=listed)
    both = {key: value for key, value in case("a").items() if key != "expect"} | {"all": [{"intent": "search"}]}
    written = blocks(tmp_path, [{**both, "id": "b"}, case("a")], "One", sources=listed)
    assert (written.cases, written.several, written.text.count("\ntest ")) == (1, 1, 1)
    with pytest.raises(DatasetError, match="all cases want several steps at once: One returns one"):
        blocks(tmp_path, [both], "One", sources=listed)


def test_formats_that_make_messages_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="makes messages, and an argument of a BAML test is text"):
        blocks(tmp_path, [case("a")], format="messages")
