"""Agents of every shape that picks steps: each goes the whole way, from the check of its sources to the scores of its answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from phrasing.cli import main
from phrasing.runs import jsonl, run_folders, store
from support.fault_server import answer
from support.small_projects import CLIENT, cache, event, function, lines, shipped, write
from support.step_shapes import SHAPES, Shape
from support.tiers import few
from support.tiny_runs import serving

__all__ = ["cache"]

# litellm ignores this warning of its own; pytest undoes that after the test in which litellm was first imported
pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")


def ship(root: Path, shape: Shape, url: str) -> None:
    asked = {"id": "c1", "thread": {"events": [event("mate", {"text": "what now?"})]}, **shape.label}
    suite = {
        "description": "Does it run?",
        "agents": [{"dataset": "deck", "functions": ["NextOrder"], **shape.agent}],
        "formats": list(shape.formats),
        "outputs": ["prompted", "tool"],
        "models": [{"id": "openai/mine", "api_base": url, "jobs": 1}],
    }
    source = shape.types + function("NextOrder", shape.prompt, parameters=shape.parameters, returns=shape.returns)
    write(root, {"baml_src/main.baml": CLIENT + source, "datasets/deck.jsonl": lines(asked)} | shipped("json", "messages"))
    write(root, {"evals/deck.yaml": yaml.safe_dump(suite, sort_keys=False)})


def call(*words: str) -> str:
    done = CliRunner().invoke(main, words, prog_name="phrasing", catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("name", few(SHAPES, [*SHAPES][::4]))
def test_every_shape_goes_the_whole_way(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = SHAPES[name]
    monkeypatch.chdir(tmp_path)
    replies = answer(shape.text), answer(None, tool_calls=shape.calls)
    with serving(*replies, *replies) as served:
        ship(tmp_path, shape, f"{served.url}/v1")
        assert "can't be run" not in call("check")
        assert "what now?" in call("render", "c1", "-f", shape.formats[0])
        assert "function NextOrder" in call("tokens", "evals/deck.yaml")
        shown = call("run", "evals/deck.yaml")
        asked = served.requests
    by_tool = [request for request in asked if "tools" in request]
    assert len(asked) == 2 * len(by_tool) == 2 * len(shape.formats)
    offered = {tool["function"]["name"]: tool["function"]["parameters"] for tool in by_tool[0]["tools"]}
    for name, arguments in shape.calls:
        assert {*json.loads(arguments or "{}")} <= {*offered[name]["properties"]}
    (folder,) = (tmp_path / "runs" / "deck").iterdir()
    results = [store.result_of(folder, line) for line in jsonl.lines(folder / run_folders.RESULTS)]
    for result in results:
        assert result.parsed is not None
        assert result.parsed.form in ("exact", "wrapped"), result.parsed
        assert ("precision" in result.scores) == ("precision" in shown) == ("expect" not in shape.label)
        assert {name: score.value for name, score in result.scores.items() if score.value not in (None, 1)} == {}
