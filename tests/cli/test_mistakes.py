"""Mistakes of a user's, by every verb: one line, exit code 2, and nothing is written."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phrasing.cli.common import MISTAKE
from support.tiny_commands import call, project, recorded, revised, written
from support.tiny_runs import CASES, cache, case, commit, git, world

__all__ = ["cache", "project", "revised"]

# litellm ignores this warning of its own; pytest undoes that after the test in which litellm was first imported
pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")


BAML_MISTAKE = "function DetermineNextStepMail(thread: string) -> Nothing {\n"


def damage(**keys: Any) -> Callable[[Path], object]:
    return lambda project: world(project, **keys)


def into(name: str, text: str) -> Callable[[Path], object]:
    return lambda project: (project / name).write_text(text)


MISTAKES: dict[str, tuple[Callable[[Path], object], str, list[str]]] = {
    "no such suite": (damage(), "run evals/smal.yaml", ["evals/smal.yaml", "small"]),
    "suite is a folder": (damage(), "check evals", ["evals: can't be read"]),
    "suite empty": (into("evals/small.yaml", ""), "run evals/small.yaml", ["evals/small.yaml: is empty"]),
    "suite not YAML": (into("evals/small.yaml", "a: [\n"), "check", ["evals/small.yaml:2: isn't YAML"]),
    "unknown key": (damage(fromats=["x"]), "run evals/small.yaml", ["evals/small.yaml:", "'fromats'", "formats"]),
    "suite with a key": (damage(params={"api_key": "x"}), "check", ["evals/small.yaml:", "looks like a key"]),
    "unknown format": (damage(formats=["lnies"]), "run evals/small.yaml", ["evals/small.yaml:", "'lnies'", "lines", "tags"]),
    "unknown format on the line": (damage(), "run evals/small.yaml -f lnies", ["--format", "'lnies'", "did you mean 'lines'?"]),
    "unknown dataset": (
        damage(agents=[{"dataset": "mial", "functions": ["DetermineNextStepMail"]}]),
        "tokens evals/small.yaml",
        ["evals/small.yaml:", "'mial'", "mail"],
    ),
    "unknown function": (
        damage(agents=[{"dataset": "mail", "functions": ["DetermineNextStepMial"]}]),
        "check",
        ["evals/small.yaml:", "'DetermineNextStepMial'", "DetermineNextStepMail"],
    ),
    "model without a provider": (damage(), "run evals/small.yaml -m nonsense", ["'nonsense'", "names no known provider"]),
    "model that is no id": (damage(), "run evals/small.yaml -m 'a b'", ["'a b'"]),
    "models with one label": (damage(), "run evals/small.yaml -m openai/x -m azure/x", ["'x'", "named twice"]),
    "no key": (damage(models=["openai/gpt-4.1-mini"]), "run evals/small.yaml", ["OPENAI_API_KEY", ".env"]),
    "no key of its own": (
        damage(models=[{"id": "openai/x", "api_base": "http://127.0.0.1:9", "api_key_env": "MY_OWN_KEY"}]),
        "run evals/small.yaml",
        ["MY_OWN_KEY"],
    ),
    "no price": (
        damage(models=[{"id": "openai/x", "api_base": "http://127.0.0.1:9"}]),
        "run evals/small.yaml --max-cost 1",
        ["'x': its price isn't known", "--max-cost"],
    ),
    "no such weights": (damage(models=["local/none.gguf"]), "run evals/small.yaml", ["local/none.gguf", "no such file"]),
    "line not JSON": (into("datasets/mail.jsonl", '{"id": \n'), "check", ["datasets/mail.jsonl:1", "not JSON"]),
    "duplicate ids": (damage(cases=[CASES[0], CASES[1], CASES[0]]), "check", ["datasets/mail.jsonl:3", "'a-1'", "line 1"]),
    "unknown intent": (damage(cases=[case("a", expect="sned")]), "check", ["datasets/mail.jsonl:1", "'sned'", "send"]),
    "right and harmful": (damage(cases=[case("a", forbid="send")]), "check", ["datasets/mail.jsonl:1", "'send'"]),
    "role token": (
        damage(cases=[case("a", reply="BAML_CHAT_ROLE_MAGIC_STRING_DELIMITER")]),
        "run evals/small.yaml",
        ["datasets/mail.jsonl:1", "BAML_CHAT_ROLE_MAGIC_STRING_DELIMITER"],
    ),
    "format raises": (
        into("formats/tags.j2", "{{ thread.events[9].data.x }}"), "run evals/small.yaml", ["formats/tags.j2", "raised", "'a-1'"]
    ),
    "format raises lines": (
        lambda project: (
            (project / "formats" / "tags.j2").unlink(),
            into("formats/tags.py", "def render(thread):\n    raise ValueError('one\\ntwo')\n")(project),
        ),
        "check",
        ["formats/tags.py:2", "one two"],
    ),
    "format drops": (
        into("formats/tags.j2", "{{ thread.events[0].type }}"), "check", ["formats/tags.j2", "drops events[0].data.text", "'a-1'"]
    ),
    "format returns nothing": (into("formats/tags.j2", "{# nothing #}"), "check", ["formats/tags.j2", "returned"]),
    "BAML broken": (into("baml_src/mail.baml", BAML_MISTAKE), "check", ["baml_src"]),
    "expression": (damage(), "run evals/small.yaml -k 'a and'", ["'a and'", "a word was expected"]),
    "expression selects nothing": (damage(), "run evals/small.yaml -k zzz", ["'zzz'", "selects no trial", "mail::a-"]),
    "replay of nothing": (damage(), "run evals/small.yaml --replay nowhere.jsonl", ["nowhere.jsonl: no such run folder or file"]),
    "replay of a folder": (damage(), "run evals/small.yaml --replay evals", ["no such run folder or file of results"]),
    "resume of nothing": (damage(), "run evals/small.yaml --resume nowhere", ["nowhere: no run.json"]),
    "resume before any run": (damage(), "run evals/small.yaml --resume", ["no run of 'small' yet"]),
    "unknown case": (damage(), "render a-11 -f lines", ["'a-11'", "evals/small.yaml", "6"]),
    "unknown case of a dataset": (damage(), "render mail::x -f lines", ["'mail::x'"]),
    "unknown function to render": (
        damage(), "render a-1 -f lines --function Mail", ["'Mail' not found", "DetermineNextStepMail"]
    ),
    "unknown format to render": (damage(), "render a-1 -f lnies", ["'lnies'", "lines"]),
    "three formats": (damage(), "render a-1 -f lines -f tags -f calls", ["--format"]),
    "no run": (damage(), "show latest", ["runs: no run yet"]),
    "no such run": (damage(), "report runs/small/x", ["runs/small/x: no run.json"]),
    "score of no run": (damage(), "score x", ["x: no run.json"]),
}  # fmt: skip


@pytest.mark.parametrize(("damaged", "words", "parts"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_one_line_and_leave_nothing(
    project: Path, damaged: Callable[[Path], object], words: str, parts: list[str]
) -> None:
    damaged(project)
    done = call(*shlex.split(words), code=MISTAKE)
    assert done.stdout == "" or words.startswith("check")
    *before, line = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert all(other.startswith(("warning: ", "skipped: ")) for other in before)
    for part in parts:
        assert part in line
    assert len(line) < 700
    assert written(project) == []
    assert str(project) not in line


RUN_MISTAKES = {
    "report of another kind": ("report latest -o x.docx", ["'x.docx'", ".html, .md, .csv, .parquet, .xml"]),
    "report into nowhere": ("report latest -o none/x.md", ["none/x-charts: can't be written"]),
    "unknown trial": ("show latest zzz", ["'zzz'"]),
    "several trials": ("show latest a-1", ["'a-1' matches 2 trials"]),
    "expression": ("show latest -k '('", ["-k '('", "a word was expected"]),
}


@pytest.mark.parametrize(("words", "parts"), RUN_MISTAKES.values(), ids=RUN_MISTAKES)
def test_mistakes_about_a_run_are_one_line_and_change_nothing(project: Path, words: str, parts: list[str]) -> None:
    recorded()
    before = {name: (project / name).read_bytes() for name in written(project)}
    done = call(*shlex.split(words), code=MISTAKE)
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    for part in parts:
        assert part in line
    assert {name: (project / name).read_bytes() for name in written(project)} == before


def test_malformed_results_are_named_by_line(project: Path) -> None:
    first = recorded()
    with (first.folder / "results.jsonl").open("a") as file:
        file.write("nonsense\n")
    for words in (["show", "latest"], ["report", "latest"], ["score", "latest"]):
        said = f"warning: {first.folder}/results.jsonl: 1 damaged line is left out: line 13 (not JSON: "
        assert call(*words).stderr.startswith(said)


def test_check_render_and_tokens_at_a_revision(revised: Path) -> None:
    now, then = (call("check", *words).output for words in ([], ["--at", "v1"]))
    assert "1 variants, 1 trials: good" in now
    assert "2 variants, 12 trials: good" in then
    assert then.startswith("evals/small.yaml: Do tags change the step?\n")
    assert call("check", "evals/small.yaml", "--at", "v1").output == then
    assert "<mail>" in call("render", "a-1", "-f", "tags", "--at", "v1").output
    assert "<mail>" in call("render", "a-1", "-f", "tags", "-s", "evals/small.yaml", "--at", "v1").output
    assert "tags" in call("tokens", "evals/small.yaml", "--at", "v1").output
    assert git(revised, "status", "--porcelain") != ""


def test_mistakes_at_a_revision_name_it(revised: Path) -> None:
    world(revised, formats=["lnies"])
    commit(revised, "v2")
    world(revised)
    for words in (["check"], ["tokens", "evals/small.yaml"], ["run", "evals/small.yaml"]):
        done = call(*words, "--at", "v2", code=MISTAKE)
        line = done.stderr.splitlines()[-1]
        assert re.match(r"error: evals/small.yaml:\d+ at v2: formats: format 'lnies' not found", line)
    done = call("run", "evals/none.yaml", "--at", "v2", code=MISTAKE)
    assert done.stderr == "error: evals/none.yaml at v2: can't be read: No such file or directory; there are: small\n"
    done = call("check", "--at", "v3", code=MISTAKE)
    assert done.stderr == "error: git revision 'v3' not found; there are: main, v1, v2\n"
    assert written(revised) == []
