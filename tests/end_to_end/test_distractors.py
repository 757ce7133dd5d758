"""Tools added to an agent's steps over loopback: asked, mistaken for a right step, counted, replayed, and asked again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import phrasing
from support.fault_server import answer
from support.tiny_commands import call, project
from support.tiny_runs import cache, serving, world

__all__ = ["cache", "project"]

# litellm ignores this warning of its own; pytest undoes that after the test in which litellm was first imported
pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")

PLAIN = "DetermineNextStepMail"
NAMES = [f"tool_{letter}{letter}" for letter in "bcdfghjklmnp"]
RIGHT = '{"intent": "send", "to": "ann", "urgent": false}'


def tools(project: Path, *names: str) -> None:
    listed = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in names]
    (project / "tools").mkdir(exist_ok=True)
    (project / "tools" / "other.json").write_text(json.dumps(listed))


def suite(project: Path, url: str, **more: Any) -> None:
    agent = {"dataset": "mail", "functions": [PLAIN], "distractors": {"tools": "tools/other.json", "counts": [0, 12, 2]}}
    world(
        project,
        agents=[agent],
        formats=["lines"],
        models=[{"id": "openai/mine", "api_base": f"{url}/v1", "jobs": 1}],
        baseline={"function": PLAIN},
        **more,
    )


def shown(request: dict[str, Any]) -> int:
    """How many added tools a request shows."""
    return sum(f'"{name}"' in request["messages"][0]["content"] for name in NAMES)


@pytest.fixture
def prepared(project: Path) -> Path:
    tools(project, *NAMES)
    return project


def test_added_tools_go_the_whole_way(prepared: Path) -> None:
    mistaken = '{"intent": "%s"}'
    with serving(*[answer(RIGHT)] * 60) as served:
        suite(prepared, served.url)
        checked = call("check", "evals/small.yaml").output
        assert "3 variants, 18 trials: good" in checked
        assert f"{PLAIN}(+2) 2," in checked
        call("run", "evals/small.yaml")
        asked = list(served.requests)
        assert sorted(map(shown, asked)) == [0] * 6 + [2] * 6 + [12] * 6

        (folder,) = (prepared / "runs" / "small").iterdir()
        run = phrasing.load(folder)
        functions = [PLAIN, f"{PLAIN}(+2)", f"{PLAIN}(+12)"]  # by their numbers, not as text
        assert list(run.summary()["function"]) == functions
        assert set(run.compare()["baseline"]) == {f"{PLAIN},none,lines,prompted,mine"}
        assert set(run.compare()["difference"]) == {0}
        record = run.record
        assert [len(record.added[f"mail {name}"]) for name in functions[1:]] == [2, 12]
        assert len(record.added) == 2
        assert set(record.prompts) == {"tools/other.json"}
        said = call("report", "latest").output
        assert f"tools/other.json: sha256 {record.prompts['tools/other.json'][:16]}" in said
        assert "A tool that the suite adds was picked" not in said

        call("run", "evals/small.yaml", "--resume", "latest")
        assert len(served.requests) == 18
        tools(prepared, *NAMES, "tool_aa")  # drawn or not, the others keep their order
        call("run", "evals/small.yaml", "--resume", "latest")
        assert len(served.requests) - 18 in (0, 6, 12)
        assert all(shown(request) for request in served.requests[18:])

    with serving(*[answer(mistaken % next(iter(record.added[f"mail {PLAIN}(+2)"])))] * 18) as served:
        suite(prepared, served.url, require=[{"score": "intent", "min": 0.1}])
        tools(prepared, *NAMES)
        call("run", "evals/small.yaml", code=1)
        run = phrasing.load("latest")
        trials = run.trials()
        changed = trials[trials["function"] != PLAIN]
        assert set(changed["intent"]) == {0}
        assert set(changed["chosen"]) == {record.added[f"mail {PLAIN}(+2)"][0]}
        # without the tool among its steps the same answer names no step at all
        assert trials[trials["function"] == PLAIN]["chosen"].isna().all()
        said = " ".join(call("report", "latest").output.split())
        told = "A tool that the suite adds was picked, which is never right:"
        assert f"{told} Mail(+2) in 100 % of 6 answers; Mail(+12) in 100 % of 6 answers." in said
        markdown = " ".join(call("report", "latest", "--format", "markdown").output.split())
        assert "| Mail(+2) | 2 | 6 | 6 | 100 |" in markdown
