"""The public conversations as threads: every call of the ground truth is run, with the result that the package itself gets."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from phrasing.dataset import infer_roles
from phrasing.types import Thread

ROOT = Path(__file__).parents[1]

# What the package's own executor answers to each call, as the text that a model would read.
THEIRS = """
import json, sys
sys.path.insert(0, "reports")
import bfcl
folder = bfcl.package()
bfcl.load(folder)
from bfcl_eval.eval_checker.multi_turn_eval.multi_turn_utils import execute_multi_turn_func_call as execute
for conversation, turns in bfcl.conversations(folder, sys.argv[1]):
    name, said = conversation["id"], []
    for turn in turns:
        state, apis = conversation["initial_config"], conversation["involved_classes"]
        said += execute(turn, state, apis, "checked", name, long_context="long_context" in name)[0]
    print(json.dumps({"calls": sum(turns, []), "said": said}))
"""


def python(*words: str) -> str:
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(text: str) -> Any:
    """Read the text of an object or a list: JSON, or Python's own, which the package uses for lists and what can't be JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return ast.literal_eval(re.sub(r"mpf\('(.*?)'\)", r"\1", text).replace("Ellipsis", "'...'"))


@pytest.mark.slow
@pytest.mark.parametrize(("category", "number"), [("multi_turn_base", 1142), ("multi_turn_long_context", 1203)])
def test_every_call_gives_what_the_package_itself_gets(tmp_path: Path, category: str, number: int) -> None:
    out = tmp_path / "threads.jsonl"
    python("reports/bfcl.py", category, str(out))
    written = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    theirs = [json.loads(line) for line in python("-c", THEIRS, category).splitlines()]
    checked = 0
    for line, their in zip(written, theirs, strict=True):
        thread = Thread.model_validate(line["thread"])
        assert infer_roles(thread, frozenset()) == (thread, ())
        steps = [event for event in thread.events if event.role == "step"]
        results = [event for event in thread.events if event.role == "result"]
        for step, result, call, said in zip(steps, results, their["calls"], their["said"], strict=True):
            tree = ast.parse(call.strip(), mode="eval").body
            assert isinstance(tree, ast.Call)
            values = [ast.literal_eval(value) for value in [*tree.args, *(keyword.value for keyword in tree.keywords)]]
            assert isinstance(step.data, dict)
            assert (step.type, sorted(map(str, step.data.values()))) == (ast.unparse(tree.func), sorted(map(str, values)))
            assert {keyword.arg for keyword in tree.keywords} <= step.data.keys()
            assert (result.type, result.call) == (f"{step.type}_result", step.call)
            if isinstance(result.data, dict | list):
                assert read(said) == result.data
            else:
                assert said == str(result.data)
            checked += 1
    assert checked == number


def test_a_word_too_few_says_how() -> None:
    done = subprocess.run([sys.executable, "reports/bfcl.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "usage: python reports/bfcl.py {multi_turn_base,multi_turn_long_context} FILE\n"


@pytest.mark.slow
def test_the_page_made_of_them_is_not_stale() -> None:
    assert python("reports/axes.py", "--check") == "fresh\n"
