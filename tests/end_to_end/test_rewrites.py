"""Prompt variants of one function over loopback: asked, stored, compared, and asked again where their file has changed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import phrasing
from support.fault_server import answer
from support.tiny_commands import call, project, rewrite
from support.tiny_runs import cache, serving, world

__all__ = ["cache", "project"]

# litellm ignores this warning of its own; pytest undoes that after the test in which litellm was first imported
pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")

PLAIN = "DetermineNextStepMail"
SENT = '{"to": "ann", "urgent": false, "intent": "send"}'


def first_words(request: dict[str, Any]) -> str:
    return str(request["messages"][0]["content"]).partition("\n")[0]


def test_rewrites_go_the_whole_way(project: Path) -> None:
    short = rewrite(project, "short", "You send mail.")
    (project / "prompts" / "last.yaml").write_text("fields: [..., intent]\n")
    last = f"{PLAIN}(last)"
    with serving(*[answer(SENT)] * 24) as served:
        world(
            project,
            agents=[{"dataset": "mail", "functions": [PLAIN, short, last]}],
            formats=["lines"],
            models=[{"id": "openai/mine", "api_base": f"{served.url}/v1", "jobs": 1}],
            baseline={"function": PLAIN},
            require=[{"score": "intent", "min": 0.1, "where": {"function": short}}],
        )
        assert "3 variants, 18 trials: good" in call("check", "evals/small.yaml").output
        call("run", "evals/small.yaml")
        (asked,) = [list(served.requests)]
        assert Counter(map(first_words, asked)) == {"You send mail for a person.": 12, "You send mail.": 6}
        shown = [request["messages"][0]["content"] for request in asked]
        assert sum('"urgent": bool,\n  // send the mail\n  "intent": "send",' in text for text in shown) == 6

        (folder,) = (project / "runs" / "small").iterdir()
        run = phrasing.load(folder)
        trials = run.trials()
        assert set(trials["function"]) == {PLAIN, short, last}
        assert f"mail::a-1[{short},none,lines,prompted,mine]#0" in set(trials["trial"])
        # the answer is the same, whatever order of fields was shown, so each case has the same scores in all three
        assert set(trials.groupby("case")[["intent", "correct", "valid"]].nunique().max()) == {1}
        compared = run.compare()
        assert set(compared["baseline"]) == {f"{PLAIN},none,lines,prompted,mine"}
        assert set(compared["difference"]) == {0}
        before = json.loads((folder / "run.json").read_text())["prompts"]
        assert sorted(before) == ["prompts/last.yaml", "prompts/short.yaml"]
        assert f"prompts/short.yaml: sha256 {before['prompts/short.yaml'][:16]}" in call("report", "latest").output

        call("run", "evals/small.yaml", "--resume", "latest")
        assert len(served.requests) == 18
        rewrite(project, "short", "You mail.")
        call("run", "evals/small.yaml", "--resume", "latest")
        assert [first_words(request) for request in served.requests[18:]] == ["You mail."] * 6
        after = json.loads((folder / "run.json").read_text())["prompts"]
        assert after["prompts/last.yaml"] == before["prompts/last.yaml"]
        assert after["prompts/short.yaml"] != before["prompts/short.yaml"]
        call("score", "latest")
        assert len(served.requests) == 24
