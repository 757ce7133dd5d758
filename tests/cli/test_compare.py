"""`phrasing compare`: differences, gates, exit codes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from phrasing.cli.common import MISSED, MISTAKE
from support.tiers import few
from support.tiny_commands import call, eager, project, recorded
from support.tiny_runs import cache, commit, world

__all__ = ["cache", "project"]

# litellm ignores this warning of its own; pytest undoes that after the test in which litellm was first imported
pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")


def test_compare_shows_differences_and_where_they_are(project: Path) -> None:
    recorded(eager)
    out = call("compare", "latest").output
    assert out.startswith("Do tags change the step?\nfunction DetermineNextStepMail, output prompted, model scripted\n")
    assert re.search(r"^tags +6 +−50 \(−\d+ to \+\d+\) +0\.25 +0/3 +×1\.25 +inconclusive +~\d+$", out, re.MULTILINE)
    assert "lost: mail::a-2, mail::a-5, mail::a-6" in out
    assert "expected → chosen: ask → send 3, look_up → send 2" in out
    wide = call("compare", "latest", "--score", "strict", "--margin", "0.9", "--confidence", "0.8").output
    assert "gave an answer that needs no repair" in wide
    assert "equivalent within 90 points" in " ".join(wide.split())


def test_compare_of_two_runs(project: Path) -> None:
    first, second = recorded(), recorded(eager)
    out = call("compare", str(second.folder), str(first.folder)).output
    assert f"Differences from {first.folder}, score correct, paired by case" in " ".join(out.split())
    assert re.search(r"^lines +6 +0 \(0 to 0\) .*unchanged", out, re.MULTILINE)
    assert re.search(r"^tags +6 +−50 \(", out, re.MULTILINE)
    assert "Unchanged, the same answers to the same requests: lines." in " ".join(out.split())


ENDS = [
    (["score: step, min: 0.1"], "fail", 0, {"passed": 2}),
    (["score: step, min: 0.5"], "fail", MISSED, {"passed": 1, "missed": 1}),
    (["score: prompt_tokens, max_ratio: 1.3", "score: step, min: 0.1"], "fail", 0, {"passed": 3}),
    (["score: prompt_tokens, max_ratio: 1.2"], "fail", MISSED, {"missed": 1}),
    (["score: step, margin: 0.1"], "fail", MISSED, {"inconclusive": 1}),
    (["score: step, margin: 0.1"], "pass", 0, {"inconclusive": 1}),
    (["score: step, margin: 0.1", "score: step, min: 0.5"], "pass", MISSED, {"inconclusive": 1, "passed": 1, "missed": 1}),
    (["score: step, margin: 0.1, against: recorded"], "pass", MISSED, {"error": 2}),
    (["score: args, min: 0"], "pass", MISSED, {"error": 2}),
]


@pytest.mark.parametrize(("gates", "inconclusive", "code", "said"), few(ENDS, ENDS[::2]))
def test_exit_codes_of_compare(project: Path, gates: list[str], inconclusive: str, code: int, said: dict[str, int]) -> None:
    world(project, inconclusive=inconclusive, require=[{"score": "step", "min": 1.0}])  # the suite's own gates aren't asked for
    recorded(eager)
    done = call("compare", "latest", *(word for gate in gates for word in ("--require", gate)), code=code)
    verdicts = re.findall(r"^(passed|missed|inconclusive|error): ", done.output, re.MULTILINE)
    assert {status: verdicts.count(status) for status in verdicts} == said


def test_compare_holds_gates_against_the_run_that_is_named(project: Path) -> None:
    first, second = recorded(), recorded(eager)
    gate = "score: step, margin: 0.1, against: recorded, where: {format: lines}"
    done = call("compare", str(second.folder), str(first.folder), "--require", gate)
    assert "passed: correct not worse than recorded by 10 points: 0 points (0 to 0); the same answers" in done.output
    call("compare", str(second.folder), str(first.folder), "--require", gate.replace("lines", "tags"), code=MISSED)


COMPARE_MISTAKES = {
    "gate": (["--require", "min: 0.5"], "--require 'min: 0.5': score: missing"),
    "score of a gate": (["--require", "score: corect, min: 0.5"], "score 'corect' not found (did you mean 'correct'?)"),
    "where": (
        ["--require", "score: step, min: 0.5, where: {format: tgas}"],
        ": no variant to hold; there are: DetermineNextStepMail,none,lines,",
    ),
    "score": (
        ["--score", "corect"],
        "score 'corect' not found (did you mean 'correct'?); there are: arguments, conversation, correct, intent, valid",
    ),
    "harm": (["--score", "harm"], "score 'forbidden' not found; there are: arguments, conversation, correct, intent, valid"),
    "margin": (["--margin", "0"], "Invalid value for '--margin'"),
    "confidence": (["--confidence", "95"], "Invalid value for '--confidence'"),
}


@pytest.mark.parametrize(("words", "message"), COMPARE_MISTAKES.values(), ids=COMPARE_MISTAKES)
def test_mistakes_of_compare(project: Path, words: list[str], message: str) -> None:
    recorded()
    done = call("compare", "latest", *words, code=MISTAKE)
    assert message in done.stderr
    assert done.stdout == ""


def test_compare_with_what_isnt_there(project: Path) -> None:
    recorded()
    commit(project, "v1")
    assert (
        "run or git revision 'nowhere' not found; there are: main, v1"
        in call("compare", "latest", "nowhere", code=MISTAKE).stderr
    )


def test_compare_of_one_variant_has_nothing_to_compare(project: Path) -> None:
    recorded(formats=["lines"])
    assert "nothing to compare: no variant but the baseline has an answer" in call("compare", "latest", code=MISTAKE).stderr
