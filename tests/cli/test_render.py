"""`phrasing render`: prompts as they are sent, the difference of two, context edits."""

from __future__ import annotations

from pathlib import Path

import pytest

from phrasing.cli.common import MISTAKE
from support.tiny_commands import TAIL, call, project, recorded, rewrite, tailed
from support.tiny_runs import CASES, FORMATS, Model, cache, case, world

__all__ = ["cache", "project"]

# litellm ignores this warning of its own; pytest undoes that after the test in which litellm was first imported
pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")


def test_render_prints_what_run_would_send(project: Path) -> None:
    model = Model()
    recorded(model, select="a-1 and tags")
    (request,) = model.asked
    out = call("render", "a-1", "-f", "tags").output
    assert out == "".join(f"── {m['role']} ──\n{m['content']}\n" for m in request.messages)


def test_render_shows_the_difference_of_two_formats(project: Path) -> None:
    lines = call("render", "mail::a-1", "-f", "lines", "-f", "tags").output.splitlines()
    assert lines[:2] == ["--- lines", "+++ tags"]
    assert [line for line in lines[2:] if line[0] in "+-"] == [
        '-mail {"text":"a-1, reply: send"}',
        "+<mail>",
        '+{"text":"a-1, reply: send"}',
        "+</mail>",
    ]
    assert "   You send mail for a person." in [f"  {line}" for line in lines]


def test_render_of_formats_that_make_the_same(project: Path) -> None:
    (project / "formats" / "twin.j2").write_text(FORMATS["lines.j2"])
    assert call("render", "a-1", "-f", "lines", "-f", "twin").output == "lines and twin make the same prompt.\n"


def test_render_of_tool_calls_and_schemas(project: Path) -> None:
    events = [
        {"type": "mail", "data": "hello"},
        {"type": "look_up", "data": {"query": "x"}},
        {"type": "look_up_result", "data": [1]},
    ]
    world(project, cases=[{**case("a-1"), "thread": {"events": events}}])
    out = call("render", "a-1", "-f", "calls").output
    assert '── assistant ──\ncall_1: look_up({"query":"x"})\n── tool call_1 ──\n[1]\n' in out
    assert "── tools ──" in out
    assert '"name": "look_up"' in out
    assert "── response_format ──" in call("render", "a-1", "-f", "lines", "-o", "native").output
    assert "Terse" not in out
    assert call("render", "a-1", "-f", "calls", "-o", "prompted", code=MISTAKE).stderr.startswith("error: ")
    said = call("render", "a-1", "-f", "calls", "-o", "tol", code=MISTAKE).stderr
    assert said.startswith("error: --output: output 'tol' not found (did you mean 'tool'?); there are: native, native_bare, ")


def test_render_finds_cases_that_the_suite_does_not_sample(project: Path) -> None:
    world(project, agents=[{"dataset": "mail", "functions": ["DetermineNextStepMail"], "sample": 1}])
    for each in CASES:
        assert each["id"] in call("render", each["id"], "-f", "lines").output


def test_render_of_an_edit(project: Path) -> None:
    tailed(project)
    assert "once upon a time" in call("render", "b-1", "-f", "lines").output
    assert "once upon a time" not in call("render", "b-1", "-f", "lines", "-e", "tail").output
    both = call("render", "b-1", "-f", "lines", "-e", "none", "-e", "tail(1)").output
    assert both.startswith("--- lines\n+++ lines tail(1)\n")
    assert '-note "once upon a time"\n' in both
    same = call("render", "a-1", "-f", "lines", "-e", "none", "-e", "tail").output
    assert same == "lines and lines tail make the same prompt.\n"
    many = call("render", "b-1", "-f", "lines", "-f", "tags", "-e", "none", "-e", "tail", code=MISTAKE)
    assert many.stderr == "error: --format: one or two can be shown, not 2 × 2\n"
    unknown = call("render", "b-1", "-f", "lines", "-e", "tale", code=MISTAKE).stderr
    assert unknown == "error: --edit: edits: edit 'tale' not found (did you mean 'tail'?); there are: none, tail\n"


def test_render_of_a_rewrite(project: Path) -> None:
    rewrite(project, "short", "You send mail.")
    plain, short = "DetermineNextStepMail", "DetermineNextStepMail(short)"
    assert "You send mail.\n" in call("render", "a-1", "-f", "lines", "--function", short).output
    both = call("render", "a-1", "-f", "lines", "--function", plain, "--function", short).output
    assert both.startswith(f"--- lines {plain}\n+++ lines {short}\n")
    changed = [line for line in both.splitlines()[2:] if line[0] in "+-"]
    assert changed == ["-You send mail for a person.", "+You send mail."]
    formats = call("render", "a-1", "-f", "lines", "-f", "tags", "--function", short).output
    assert formats.startswith("--- lines\n+++ tags\n")
    many = call("render", "a-1", "-f", "lines", "-f", "tags", "--function", plain, "--function", short, code=MISTAKE).stderr
    assert many == "error: --format: one or two can be shown, not 2 × 2\n"


def test_render_of_functions_that_are_not_there(project: Path) -> None:
    rewrite(project, "short", "You send mail.")
    for name in ("DetermineNextStepMale", "DetermineNextStepMailTerse(short)"):
        said = call("render", "a-1", "-f", "lines", "--function", name, code=MISTAKE).stderr
        assert f"--function: function '{name}' not found" in said
        assert said.endswith("there are: DetermineNextStepMail\n")
    said = call("render", "a-1", "-f", "lines", "--function", "DetermineNextStepMail(shrt)", code=MISTAKE).stderr
    assert "rewrite 'shrt' not found (did you mean 'short'?); there are: short" in said
    kinds = {"mail": "", "post": "Terse"}
    agents = [{"dataset": name, "functions": [f"DetermineNextStepMail{kind}"]} for name, kind in kinds.items()]
    world(project, datasets={"mail": CASES, "post": [case("p-1")]}, agents=agents)
    words = ("--function", "DetermineNextStepMail", "--function", "DetermineNextStepMailTerse")
    said = call("render", "p-1", "-f", "lines", *words, code=MISTAKE).stderr
    assert said == "error: --function: 'DetermineNextStepMail' isn't asked about this case\n"


def test_edits_are_marked_wherever_they_are_used(project: Path) -> None:
    tailed(project, edits=["none", "tail"], baseline={"edit": "none"})
    checked = call("check").output
    assert "    tail changes 1 of 7 cases\n" in checked
    assert "  tail is lossy: the start\n" in checked
    assert "4 variants, 28 trials: good" in checked
    run = recorded()
    assert run.record.edits["tail"]["lossy"] == "the start"
    assert "tail is lossy: the start." in call("score", "latest").output
    told = call("report", "latest").output
    assert "tail is lossy: the start." in told
    assert "| tail lines | 7 |" in told
    assert "- edit tail: sha256 " in told
    assert call("tokens", "evals/small.yaml", "-e", "tail").output.count("\ntail") == 0
    assert "no edit" not in call("tokens", "evals/small.yaml", "-e", "tail").output
    (project / "formats" / "edits" / "tail.py").write_text(TAIL + "# changed\n")
    recorded()
    runs = sorted(str(path) for path in (project / "runs" / "small").iterdir())
    out = " ".join(call("compare", runs[1], runs[0]).output.split())  # where a line breaks is up to the path's length
    assert "changed since" in out
    assert "edit tail" in out


def test_a_rewrite_that_changed_is_named_where_runs_are_compared(project: Path) -> None:
    world(project, agents=[{"dataset": "mail", "functions": ["DetermineNextStepMail", rewrite(project, "short", "You mail.")]}])
    recorded()
    rewrite(project, "short", "Mail!")
    recorded()
    runs = sorted(str(path) for path in (project / "runs" / "small").iterdir())
    out = " ".join(call("compare", runs[1], runs[0]).output.split())
    assert "changed since" in out
    assert "prompts/short.yaml" in out
    assert "\nMail(short) lines " in call("tokens", "evals/small.yaml").output
