"""Notations the whole way: asked, read, stored, compared; asked again where they changed, scored anew where their reader did."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import phrasing
from phrasing.analysis.run import Run
from phrasing.api import rescore
from phrasing.cli.common import MISTAKE
from phrasing.plan.resolve import resolve
from phrasing.plan.selection import Selection
from phrasing.project.init import shipped_files
from phrasing.suite.file import load_suite
from phrasing.types import Completion, Request
from support.tiny_commands import call, project
from support.tiny_runs import cache, commit, world

__all__ = ["cache", "project"]

SENT = {
    "prompted": '{"intent": "send", "to": "ann", "urgent": false}',
    "prompted(yaml)": "intent: send\nto: ann\nurgent: false",
    "prompted(typescript xml_tag)": '<send>{"to": "ann", "urgent": false}</send>',
    "prompted(mine)": 'Well, send: {"to": "ann", "urgent": false}',
}
MINE = """
import json
def ask(steps):
    return "Say who, please: " + ", ".join(step["intent"] for step in steps)
def write(step, steps):
    return step["intent"] + ": " + json.dumps(step["args"])
def read(text, steps):
    name, found, args = text.removeprefix("Well, ").partition(": ")
    return {"intent": name, "args": json.loads(args)} if found else None
"""


def add(project: Path, **files: str) -> None:
    """Add the notations that are included, and others."""
    (project / "notations").mkdir(exist_ok=True)
    for name, content in shipped_files(["notations"]).items():
        (project / name).write_bytes(content)
    for name, text in files.items():
        (project / "notations" / f"{name}.py").write_text(text)


def output_of(request: Request) -> str:
    """Say which output a request is of, by words of what it asks for."""
    text = str(request.messages[0]["content"])
    words = {
        "Answer in YAML": "prompted(yaml)",
        "Answer with one tag": "prompted(typescript xml_tag)",
        "Say who": "prompted(mine)",
    }
    return next((output for word, output in words.items() if word in text), "prompted")


def test_notations_go_the_whole_way(project: Path) -> None:
    add(project, mine=MINE)
    asked: list[str] = []

    async def complete(request: Request) -> Completion:
        asked.append(output_of(request))
        return Completion(text=SENT[asked[-1]])

    def run(**more: Any) -> Run:
        asked.clear()
        return phrasing.run("evals/small.yaml", complete=complete, **more)

    world(
        project,
        formats=["lines"],
        outputs=list(SENT),
        baseline={"output": "prompted"},
        require=[{"score": "intent", "min": 0.1, "where": {"output": "prompted(yaml)"}}],
    )
    said = call("check", "evals/small.yaml").output
    assert "runs Python of this project: notations/mine.py\n" in said
    assert (
        "\nnotations: 8 notations: call, json_schema, mine, numbered, typescript, xml_tag,\n  yaml, yes_no; in no suite" in said
    )
    first = run()
    assert Counter(asked) == dict.fromkeys(SENT, 6)
    trials = first.trials()
    assert "mail::a-1[DetermineNextStepMail,none,lines,prompted(typescript xml_tag),scripted]#0" in set(trials["trial"])
    # the step is the same, however it was written, so each case has the same scores under all outputs
    assert set(trials.groupby("case")[["intent", "correct", "valid"]].nunique().max()) == {1}
    assert trials.groupby("output")["form"].unique().map(list).to_dict() == {
        output: ["wrapped" if "mine" in output else "exact"] for output in SENT
    }
    assert set(first.compare()["baseline"]) == {"DetermineNextStepMail,none,lines,prompted,scripted"}
    before = first.record.notations
    assert sorted(before) == [f"notations/{name}.py" for name in ("mine", "typescript", "xml_tag", "yaml")]
    assert f"notations/mine.py: sha256 {before['notations/mine.py'][:16]}" in call("report", str(first.folder)).output
    replayed = run(replay=first.folder)
    assert asked == []
    assert [result.scores for result in replayed.results.values()] == [result.scores for result in first.results.values()]

    run(resume=first.folder)
    assert asked == []
    add(project, mine=MINE.replace('.removeprefix("Well, ")', ""))
    run(resume=first.folder)  # it reads otherwise, and sends the same
    assert asked == []
    done, changed = rescore(phrasing.load(first.folder))
    assert changed == 6
    after = done.record.notations
    assert [name for name in after if after[name] != before[name]] == ["notations/mine.py"]
    add(project, mine=MINE.replace("Say who", "Say who it is, and Say who"))
    again = run(resume=first.folder)
    assert asked == ["prompted(mine)"] * 6
    assert set(again.trials()["form"]) == {"exact", "wrapped"}


def test_code_of_a_notation_waits_for_trust(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(project, mine=MINE)
    world(project, formats=["lines"], outputs=["prompted", "prompted(yaml)"])
    monkeypatch.delenv("PHRASING_TRUST")
    call("check", "evals/small.yaml")
    world(project, formats=["lines"], outputs=["prompted", "prompted(mine)"])
    assert (
        "notations/mine.py would run with your rights, and this project isn't trusted"
        in call("check", "evals/small.yaml", code=MISTAKE).stderr
    )


def test_a_revision_has_its_own(project: Path) -> None:
    add(project, mine=MINE)
    world(project, formats=["lines"], outputs=["prompted(mine)"])
    commit(project, "v1")
    add(project, mine="broken")
    assert "Say who, please" in call("render", "a-1", "-f", "lines", "-o", "prompted(mine)", "--at", "v1").output
    done = call("render", "a-1", "-f", "lines", "-o", "prompted(mine)", code=MISTAKE)
    assert done.stderr.startswith("error: notations/mine.py:1: raised NameError")


def test_outputs_on_the_command_line(project: Path) -> None:
    add(project)
    world(project, formats=["lines"])
    assert "Answer with one call" in call("render", "a-1", "-f", "lines", "-o", "prompted(call)").output
    said = call("run", "evals/small.yaml", "-o", "prompted(yaml)", "-o", "prompted", "--dry-run").output
    assert "12 calls" in said
    world(project, formats=["lines"], outputs=["prompted", "prompted(yaml)"])
    assert "prompted(yaml)" in call("tokens", "evals/small.yaml").output
    wrong = call("render", "a-1", "-f", "lines", "-o", "prompted(jaml)", code=MISTAKE).stderr
    assert "notation 'jaml' not found (did you mean 'yaml'?" in wrong
    wrong = call("run", "evals/small.yaml", "-o", "tool(yaml)", code=MISTAKE).stderr
    assert wrong == "error: --output: 'tool(yaml)': tool offers steps as tools, so it takes no notation; prompted does\n"


def test_a_request_without_a_notation_keeps_its_key(project: Path) -> None:
    world(project, formats=["lines"])
    plain = resolve(load_suite(Path("evals/small.yaml")))
    before = {trial.id: plain.request(trial, plain.prompt(trial)).key for trial in plain.trials}
    add(project)
    made = resolve(load_suite(Path("evals/small.yaml")), Selection(outputs=["prompted(typescript yaml)", "prompted"]))
    after = {trial.id: made.request(trial, made.prompt(trial)).key for trial in made.trials}
    assert {name: after[name] for name in before} == before
    assert len(set(after.values())) == len(after) == 2 * len(before)
