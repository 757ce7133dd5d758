"""`phrasing check`: what it says of suites, and where it stops."""

from __future__ import annotations

from pathlib import Path

from phrasing.cli.common import MISTAKE
from support.tiny_commands import call, project
from support.tiny_runs import CASES, cache, case, world

__all__ = ["cache", "project"]


def test_check_says_what_is_there(project: Path) -> None:
    world(project, agents=[{"dataset": "mail", "functions": ["DetermineNextStepMail", "DetermineNextStepMailTerse"]}])
    out = call("check", "evals/small.yaml").output.splitlines()
    assert out[0] == "evals/small.yaml: Do tags change the step?"
    assert "  mail: 6 cases in 6 groups" in out
    assert out[2] == "    expected: ask 3, look_up 2, send 1"
    at = out.index("    DetermineNextStepMailTerse: 4 steps, random 25, majority 50, bigram 50,")
    assert out[at + 1] == "      words 33 %"
    assert out[at + 2] == "    no case expects: finish"
    assert "    6 events inferred as input" in out
    assert "  tags is injectable: text that holds a closing tag ends its event early" in out
    assert "  4 variants, 24 trials: good" in out


def test_check_warns_of_threads_told_twice_and_names_a_few(project: Path) -> None:
    text = " ".join(f"word{i}" for i in range(60))
    told = {"events": [{"type": "mail", "data": {"text": text}}]}
    world(project, cases=[*CASES, *({**case(f"told-{i}"), "thread": told} for i in range(4))])
    out = call("check", "evals/small.yaml").output
    assert "\n    warning: told-0 and told-1 are in different groups, and their threads are\n      100 % alike\n" in out
    assert out.count("warning: told-") == 5
    assert "    warning: and 1 more pair of near-duplicates\n" in out


def test_check_looks_at_every_suite_and_stops_at_the_first_mistake(project: Path) -> None:
    world(project, name="other", formats=["calls", "lines"], outputs=["tool", "prompted"])
    assert call("check").output.count("trials: good") == 2
    world(project, name="broken", formats=["lnies"])
    done = call("check", code=MISTAKE)
    assert done.stderr.startswith("error: evals/broken.yaml:")
    assert "did you mean 'lines'?" in done.stderr
