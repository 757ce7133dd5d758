"""Scores of several steps decide: compared with intervals, held by gates, and refused where no case has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import phrasing
from phrasing.analysis.run import Run
from phrasing.errors import SuiteError
from phrasing.plan.resolve import resolve
from phrasing.report.markdown import markdown
from phrasing.report.text import sentences
from phrasing.suite.file import load_suite
from phrasing.types import Completion, Request
from support.tiny_commands import call, project
from support.tiny_runs import cache, world

__all__ = ["cache", "project"]

MANY = """
function DetermineNextStepMany(thread: string) -> (LookUp | Send | Ask | Finish)[] {
  client Nobody
  prompt #"
    {{ ctx.output_format(quote_class_fields=true) }}
    {{ _.role("user") }}
    {{ thread }}
  "#
}
"""
WANTED = ["look_up", "ask", "finish"]
STEPS: dict[str, dict[str, Any]] = {
    "look_up": {"intent": "look_up", "query": "ann"},
    "ask": {"intent": "ask", "message": "who?"},
    "finish": {"intent": "finish"},
    "send": {"intent": "send", "to": "ann", "urgent": False},
}


def cases(number: int, key: str = "all", **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "id": f"c-{i}",
            "thread": {"events": [{"type": "mail", "data": {"text": f"number {i}"}}]},
            key: [{"intent": step} for step in WANTED],
            **more,
        }
        for i in range(number)
    ]


def saying(*steps: str) -> Completion:
    return Completion(text=json.dumps([STEPS[step] for step in steps]))


async def halting(request: Request) -> Completion:
    """All wanted steps under lines; under tags two of them and another one."""
    return saying("look_up", "ask", "send") if "<mail>" in str(request.messages) else saying(*WANTED)


def suite(project: Path, *, key: str = "all", number: int = 30, more: list[dict[str, Any]] | None = None, **keys: Any) -> Path:
    path = world(
        project,
        cases=[*cases(number, key), *(more or [])],
        agents=[{"dataset": "mail", "functions": ["DetermineNextStepMany"]}],
        **keys,
    )
    (project / "baml_src" / "many.baml").write_text(MANY)
    return path


def ran(project: Path, **keys: Any) -> Run:
    suite(project, **keys)
    return phrasing.run("evals/small.yaml", complete=halting)


@pytest.mark.parametrize("score", ["precision", "recall"])
def test_a_share_is_compared_like_any_other_score(project: Path, score: str) -> None:
    gates = [
        {"score": score, "min": 0.6},
        {"score": score, "min": 0.9, "confidence": 0.95},
        {"score": score, "margin": 0.4},
        {"score": score, "within": 0.1},
    ]
    run = ran(project, compare={"score": score}, require=gates, baseline={"format": "lines"})
    (row,) = run.compare().to_dict("records")
    assert (row["n"], round(row["difference"], 3)) == (30, -0.333)
    assert row["low"] <= -1 / 3 <= row["high"]
    assert row["verdict"] == "worse"
    said = {(result.name, result.variant.split(",")[2]): str(result.status) for result in run.gates()}
    assert said[f"{score} at least 0.6", "tags"] == "passed"
    assert said[f"{score} at least 0.9 at 95 %", "tags"] == "missed"
    # thirty conversations, all alike: the interval knows of one that nobody has seen
    assert said[f"{score} not worse than the baseline by 40 points", "tags"] in ("passed", "inconclusive")
    assert said[f"{score} within 10 points of the baseline", "tags"] == "missed"
    text = markdown(run.report(), {})
    assert f"lines (the baseline) has a mean {score} of 100 %" in text
    assert f"score {score}, paired by case" in text


def test_order_is_of_the_cases_in_which_something_was_found(project: Path) -> None:
    async def backwards(request: Request) -> Completion:
        if "number 1" in str(request.messages):
            return saying("send")
        return saying(*reversed(WANTED)) if "<mail>" in str(request.messages) else saying(*WANTED)

    suite(project, key="sequence", compare={"score": "order"})
    run = phrasing.run("evals/small.yaml", complete=backwards)
    (row,) = run.compare().to_dict("records")
    assert row["n"] == 30 - sum("number 1" in str(case["thread"]) for case in cases(30))
    assert round(row["difference"], 3) == -0.667


def test_the_command_compares_by_them_and_says_what_there_is(project: Path) -> None:
    ran(project)
    assert "score recall, paired by case" in " ".join(call("compare", "latest", "--score", "recall").output.split())
    assert call("compare", "latest", "--require", "score: recall, min: 0.5").exit_code == 0
    assert "missed" in call("compare", "latest", "--require", "score: precision, min: 0.9", code=1).output
    for words in (["--score", "recal"], ["--require", "score: recal, min: 0.5"]):
        said = call("compare", "latest", *words, code=2).output
        assert "score 'recal' not found (did you mean 'recall'?); there are: " in said
        assert "precision" in said


def test_a_run_without_such_cases_has_no_such_score(project: Path) -> None:
    world(project)
    phrasing.run("evals/small.yaml", complete=halting)
    said = call("compare", "latest", "--score", "recall", code=2).output
    assert "score 'recall' not found" in said


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ({"compare": {"score": "recall"}}, "compare.score: 'recall' is of cases with all or sequence, and there is none"),
        (
            {"require": [{"score": "intent", "min": 0.5}, {"score": "precision", "min": 0.5}]},
            "require.1.score: 'precision' is of cases with all or sequence, and there is none",
        ),
        ({"compare": {"score": "recal"}}, "compare.score: score 'recal' not found (did you mean 'recall'?); there are: "),
    ],
)
def test_a_suite_without_such_cases_is_refused(project: Path, key: dict[str, Any], said: str) -> None:
    with pytest.raises(SuiteError) as error:
        resolve(load_suite(world(project, **key)))
    assert said in str(error.value)


def test_order_needs_a_sequence(project: Path) -> None:
    with pytest.raises(SuiteError, match=r"compare.score: 'order' is of cases with sequence, and there is none"):
        resolve(load_suite(suite(project, compare={"score": "order"})))
    assert resolve(load_suite(suite(project, key="sequence", compare={"score": "order"})))


def test_a_scorer_of_the_suites_own_keeps_its_name(project: Path) -> None:
    scorer = "def recall(case, step, answer):\n    return 0.25\n"
    world(project, scorers=["evals/own.py:recall"], compare={"score": "recall"}, require=[{"score": "recall", "max": 0.3}])
    (project / "evals" / "own.py").write_text(scorer)
    run = phrasing.run("evals/small.yaml", complete=halting)
    assert set(run.summary()["recall"]) == {0.25}
    assert {str(result.status) for result in run.gates()} == {"passed"}


def test_logged_sets_are_no_accuracy(project: Path) -> None:
    """What a logged agent did, all of it at once, is reported apart, and gates leave it out."""
    logged = [{**case, "id": f"l-{case['id']}", "strength": "logged"} for case in cases(6)]
    run = ran(project, number=6, more=logged, compare={"score": "recall"}, require=[{"score": "recall", "min": 0.6}])
    report = run.report()
    assert report.logged is not None
    assert report.logged.comparison.agreement
    assert [contrast.n for part in report.comparison.parts for contrast in part.contrasts] == [6, 6]
    assert all("6 cases with logged labels left out" in result.note for result in run.gates())


def test_a_part_in_which_no_case_wants_several_is_not_compared(project: Path) -> None:
    single = [
        {**case, "id": f"l-{case['id']}", "strength": "logged", "expect": [{"intent": "look_up"}]}
        for case in ({name: value for name, value in each.items() if name != "all"} for each in cases(4))
    ]
    run = ran(project, number=6, more=single, compare={"score": "recall"}, require=[{"score": "recall", "min": 0.6}])
    first, second = run.comparison().parts
    assert [contrast.n for contrast in first.contrasts] == [6]
    assert [(contrast.n, str(contrast.verdict)) for contrast in second.contrasts] == [(0, "untested")]
    assert {str(result.status) for result in run.gates()} == {"passed"}
    assert np.isnan(run.summary()["order"]).all()


def test_another_run_is_held_against_by_them(project: Path) -> None:
    before = ran(project)

    async def better(request: Request) -> Completion:
        return saying(*WANTED)

    after = phrasing.run("evals/small.yaml", complete=better)
    settings = after.suite.compare.model_copy(update={"score": "precision"})
    found = after.comparison(before, settings=settings, name="before")
    assert {contrast.variant.split(",")[2]: str(contrast.verdict) for contrast in found.contrasts} == {
        "lines": "unchanged",
        "tags": "better",
    }
    assert " had a mean precision of 67 % over 30 cases in before, now 100 %: " in " ".join(sentences(found, {}, str))
