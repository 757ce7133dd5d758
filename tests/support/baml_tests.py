"""Datasets written as BAML's own tests, labels to write, and a way to run them without a model."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread as Background
from typing import Any

from phrasing.baml.project import Function
from phrasing.project.export_tests import TestBlocks, write_tests
from phrasing.prompts import formats
from phrasing.suite import dataset
from support.small_projects import lines, load, shipped, write

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
    return write_tests(read, find(root, function, sources), formats.load(root / "formats", format))


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
    "empty": ([search(query="")], [search(query=""), search(query="-"), search()]),
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
    "whole number": ([search(number={"$int": 3})], [search(number=3), search(number=4), search()]),
    "case": ([search(query={"$any_case": 'é"t'})], [search(query='É"T'), search(query="ét"), search()]),
    "contains": ([search(query={"$contains": 'ÉT"E'})], [search(query="l'ét\"e"), search(query="ete"), search()]),
    "holds": (
        [search(words={"$contains": "a"})],
        [search(words=["b", "a"]), search(words=["ab"]), search(words=["A"]), search()],
    ),
}

ONLY: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    # what comes back of it from a test names every argument
    "only": ([{**search(query="a"), "only": True}], [search(query="a"), search(query="a", number=1), search()]),
}

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
