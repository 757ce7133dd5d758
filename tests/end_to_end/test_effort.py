"""One model under several efforts of reasoning: sent in both lanes, compared case by case, and told apart in reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import phrasing
from support.fault_server import Reply, answer, anthropic
from support.tiny_commands import call, project
from support.tiny_runs import cache, serving, world

__all__ = ["cache", "project"]

# litellm ignores this warning of its own; pytest undoes that after the test in which litellm was first imported
pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning", "ignore:Pydantic serializer")

RIGHT = '{"intent": "send", "to": "ann", "urgent": false}'
USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
PRICE = {"prompt": 1.0, "completion": 10.0}


def thought(tokens: int) -> Reply:
    usage = {**USAGE, "completion_tokens": 20 + tokens, "completion_tokens_details": {"reasoning_tokens": tokens}}
    return answer(RIGHT, usage=usage)


def asked(project: Path, served: Any, models: list[dict[str, Any]], **more: Any) -> list[dict[str, Any]]:
    """Run six cases, one request at a time; give the requests."""
    world(project, formats=["lines"], models=[{"jobs": 1, "price": PRICE, **model} for model in models], **more)
    call("run", "evals/small.yaml")
    return list(served.requests)


def effort(level: str | None, **more: Any) -> dict[str, Any]:
    params = {"temperature": None, **({"reasoning_effort": level} if level else {})}
    return {"id": "openai/gpt-5-mini", "params": params, **more}


def test_efforts_are_sent_directly_and_shown_in_order(project: Path) -> None:
    with serving(*[thought(50)] * 18) as served:
        base = {"api_base": f"{served.url}/v1"}
        models = [effort(level, **base) for level in ("high", "minimal", "medium")]
        label = "gpt-5-mini(reasoning_effort={})".format
        sent = asked(project, served, models, baseline={"model": label("minimal")})
    assert sorted(request["reasoning_effort"] for request in sent) == ["high"] * 6 + ["medium"] * 6 + ["minimal"] * 6
    assert not any("temperature" in request for request in sent)
    run = phrasing.load("latest")
    assert set(run.compare()["baseline"]) == {f"DetermineNextStepMail,none,lines,prompted,{label('minimal')}"}
    assert list(run.compare()["n"]) == [6, 6]
    markdown = call("report", "latest", "--format", "markdown").output
    rows = [line for line in markdown.splitlines() if line.startswith("| gpt-5-mini(") and "openai/gpt-5-mini |" in line]
    assert [line.split(" | ")[2] for line in rows] == ["minimal", "medium", "high"]
    assert all(line.split(" | ")[4:7] == ["50", "70", "0.800"] for line in rows)  # reasoning, answer, dollars
    assert "model gpt-5-mini(reasoning_effort=high): openai/gpt-5-mini, reasoning_effort high" in markdown


def test_efforts_go_through_litellm(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anthropic's models think so many tokens, or by an effort of which litellm makes a number."""
    reply = anthropic([{"type": "text", "text": RIGHT}], usage={"input_tokens": 100, "output_tokens": 90})
    with serving(*[reply] * 18) as served:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
        models = [
            {
                "id": "anthropic/claude-sonnet-4-5",
                "api_base": served.url,
                "params": {"temperature": None, "max_tokens": 4000, **more},
            }
            for more in (
                {"thinking": {"type": "enabled", "budget_tokens": 3000}},
                {"thinking": {"type": "enabled", "budget_tokens": 1024}},
                {"reasoning_effort": "low"},
            )
        ]
        sent = asked(project, served, models)
    budgets = [request["thinking"]["budget_tokens"] for request in sent]
    assert sorted(budgets) == [1024] * 12 + [3000] * 6
    markdown = call("report", "latest", "--format", "markdown").output
    (head,) = [line for line in markdown.splitlines() if line.startswith("| variant | model | ")]
    assert head.split(" | ")[2:5] == ["thinking.type", "thinking.budget_tokens", "reasoning_effort"]
    rows = [line.split(" | ")[2:5] for line in markdown.splitlines() if "| anthropic/claude-sonnet-4-5 |" in line]
    assert rows == [["–", "–", "low"], ["enabled", "1024", "–"], ["enabled", "3000", "–"]]
