"""Datasets as BAML's own tests: `baml-cli test` runs them, on a server of ours that answers what a thread tells it to."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread as Background
from typing import Any

import pytest
from pydantic import TypeAdapter

from phrasing.baml.project import Function, load_project
from phrasing.errors import DatasetError, FormatError
from phrasing.project import export_tests as testblocks
from phrasing.project.export_tests import TestBlocks
from phrasing.prompts import formats
from phrasing.score import builtin as scorers
from phrasing.suite import dataset
from phrasing.types import Case, Parsed
from support.small_projects import cache, case, event, lines, load, shipped, write

__all__ = ["cache"]

BAML = """
client<llm> Ours {
  provider openai-generic
  options {
    model "ours"
    base_url env.OURS
    default_role "user"
    supports_streaming false
  }
}
class Place {
  name string?
  point Point?
}
class Point {
  x float?
  tags string[]?
}
class Search {
  intent "search"
  query string?
  number int?
  price float?
  flag bool?
  kind ("one" | "two")?
  mode Mode?
  place Place?
  places Place[]?
  words string[]?
  numbers int[]?
  counts map<string, int?>?
}
enum Mode {
  FAST
  SLOW
}
class Send {
  intent "send"
  to string
}
function Find(thread: string) -> Search | Send {
  client Ours
  prompt #"{{ _.role("user") }}{{ thread }}"#
}
function FindShown(thread: string, examples: string) -> Search | Send {
  client Ours
  prompt #"{{ _.role("user") }}{{ examples }}{{ thread }}"#
}
"""

VERBATIM = "{% for event in thread.events %}{{ event.data if event.data is string else event.data | json }}{% endfor %}"
"""A format that shows what a thread says and nothing else."""


def blocks(
    root: Path,
    cases: Sequence[dict[str, Any]],
    function: str = "Find",
    *,
    name: str = "mail",
    format: str = "it",
    sources: str = BAML,
) -> TestBlocks:
    """Write a project with these cases, and the tests of them."""
    write(root, {"formats/it.j2": VERBATIM, **shipped("messages", "xml_yaml"), f"datasets/{name}.jsonl": lines(*cases)})
    read = dataset.load(root / "datasets" / f"{name}.jsonl")
    return testblocks.write(read, find(root, function, sources), formats.load(root / "formats", format))


def find(root: Path, name: str, sources: str = BAML) -> Function:
    return load(root, {"main.baml": sources}).function(name)


@contextmanager
def echo() -> Iterator[tuple[str, list[str]]]:
    """Serve a model that answers with its prompt; give its URL, and the prompts."""
    prompts: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            (message,) = body["messages"]
            prompts.append(message["content"])
            said = {"role": "assistant", "content": message["content"]}
            choice = {"index": 0, "finish_reason": "stop", "message": said}
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "ours", "choices": [choice], "usage": usage}
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Background(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", prompts
        server.shutdown()


def baml_test(root: Path, written: TestBlocks) -> tuple[dict[str, bool], list[str]]:
    """Run the tests with `baml-cli`; say which passed, and what the model was sent."""
    (root / "baml_src" / "mail_tests.baml").write_bytes(written.text.encode())
    command = "import sys, baml_py; sys.argv[0] = 'baml-cli'; sys.exit(baml_py.invoke_runtime_cli())"
    with echo() as (url, prompts):
        done = subprocess.run(
            [sys.executable, "-c", command, "test", "--from", str(root / "baml_src"), "--parallel", "4"],
            env={**os.environ, "OURS": url, "BAML_LOG": "error", "RUST_BACKTRACE": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
    verdicts = {name: verdict == "PASSED" for verdict, name in re.findall(r"(PASSED|FAILED) +\w+::mail_(\w+)", done.stdout)}
    assert len(verdicts) == written.cases, done.stdout + done.stderr
    return verdicts, prompts


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

ODD = "a\"b'c\\d\\n{{ e }} {%f%}\ng\r\nh\ti}}j{k}👩é"


def search(**args: Any) -> dict[str, Any]:
    return {"intent": "search", "args": args}


SEND = {"intent": "send", "args": {"to": "ann"}}

LABELS: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    # label: expected steps, answers
    "intent": ([{"intent": "search"}], [search(), SEND]),
    "any": ([search(query="a"), SEND], [search(query="a"), search(query="b"), search(), SEND]),
    "text": ([search(query="a")], [search(query="a"), search(query="A"), search(query=None)]),
    "odd": ([search(query=ODD)], [search(query=ODD), search(query=ODD[1:])]),
    "empty": ([search(query="")], [search(query=""), search(query=" "), search()]),
    "quote": ([search(query='"')], [search(query='"'), search(query="'")]),
    "number": ([search(number=3, price=-1.5e22)], [search(number=3, price=-1.5e22), search(number=3, price=1), search(number=4)]),
    "whole": ([search(price=3)], [search(price=3.0), search(price=3.5)]),
    "flag": ([search(flag=False)], [search(flag=False), search(flag=True), search()]),
    "none": ([search(query=None)], [search(), search(query=None), search(query="")]),
    "choice": ([search(kind="two", mode="FAST")], [search(kind="two", mode="FAST"), search(kind="two", mode="SLOW")]),
    "inside": (
        [search(place={"point": {"x": 1}})],
        [
            search(place={"name": "a", "point": {"x": 1}}),
            search(place={"point": {"x": 2}}),
            search(place={"name": "a"}),
            search(),
        ],
    ),
    "nothing inside": ([search(place={"name": None})], [search(place={}), search(place={"name": "a"}), search()]),
    "after what isn't there": ([search(place={"point": {"x": 1}}), search(query="a")], [search(query="a"), search(query="b")]),
    "list": ([search(words=["a", "}}"])], [search(words=["a", "}}"]), search(words=["}}", "a"]), search(words=["a"]), search()]),
    "no list": ([search(words=[])], [search(words=[]), search(words=["a"]), search()]),
    "objects": (
        [search(places=[{"name": "a"}, {"point": {"tags": ["b"]}}])],
        [search(places=[{"name": "a"}, {"name": "c", "point": {"tags": ["b"]}}]), search(places=[{"name": "a"}]), search()],
    ),
    "map": (
        [search(counts={"a": 1, "b-c": None})],
        [search(counts={"a": 1}), search(counts={"a": 2}), search(counts={"b-c": 1})],
    ),
    "any of": (
        [search(query={"$any_of": ["a", None, {"$contains": "z"}]})],
        [search(query="a"), search(), search(query="xZx"), search(query="b")],
    ),
    "ignore": ([search(query={"$ignore": True}, number=1)], [search(number=1), search(query="a", number=1), search(query="a")]),
    "near": (
        [search(price={"$number": 3.5, "$tolerance": 0.1}, number={"$number": 2})],
        [
            search(price=3.6, number=2),
            search(price=3.4, number=2),
            search(price=3.61, number=2),
            search(price=3.5, number=1),
            search(),
        ],
    ),
    "contains": ([search(query={"$contains": 'ÉT"E'})], [search(query="l'ét\"e"), search(query="ete"), search()]),
    "holds": (
        [search(words={"$contains": "a"})],
        [search(words=["b", "a"]), search(words=["ab"]), search(words=["A"]), search()],
    ),
}


@pytest.mark.slow
def test_an_assertion_passes_where_the_step_is_right(tmp_path: Path) -> None:
    function = find(tmp_path, "Find")
    cases, right = [], {}
    for label, (expect, answers) in LABELS.items():
        for number, answer in enumerate(answers):
            name = f"{label.replace(' ', '-').replace(chr(39), '')}-{number}"
            said = json.dumps({"intent": answer["intent"], **answer["args"]})
            cases.append({"id": name, "thread": {"events": [event("say", said)]}, "expect": expect})
            parsed = Parsed(step=function.step(function.parse(said)), form="exact")
            found = scorers.score(Case.model_validate_json(json.dumps(cases[-1])), parsed)
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


OTHER = (
    BAML[: BAML.index("class Place")]
    + """
class Look {
  action "look" @alias("to do")
  at Thing @alias("look-at")
  how Way?
}
class Thing {
  kind "a" | "b"
  number int @alias("no.")
}
enum Way {
  CLOSE @alias("closely")
  FAR
}
class Leave {
  action "leave" @alias("to do")
}
function Find(history: string, locale: string?) -> Look | Leave {
  client Ours
  prompt #"{{ _.role("user") }}{{ history }}"#
}
"""
)


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
        testblocks.write(read, function, format)
    # a step that another function of the project has
    written = testblocks.write(read, function, format, elsewhere={"sing"})
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


def test_formats_that_make_messages_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="makes messages, and an argument of a BAML test is text"):
        blocks(tmp_path, [case("a")], format="messages")
