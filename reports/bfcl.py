"""Write the multi-turn conversations of the Berkeley Function Calling Leaderboard as threads, one JSON line each.

``python reports/bfcl.py multi_turn_base threads.jsonl``, or ``multi_turn_long_context``. Calls come from the ground truth,
results from the package's own simulated APIs, which run here. The package ``bfcl-eval`` (Apache-2.0) is got once, pinned by hash,
with pip or uv; it isn't installed, and what is written isn't to be committed.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from phrasing.errors import UserError
from phrasing.paths import cache_dir
from phrasing.wheels import Wheel, unpack

WHEELS = (
    Wheel("bfcl-eval", "2026.3.23", "3bb6dfa5f0c68ad403c9ec50b00db2bb3b4cc9b38ab1ff33f48fe30d853d3a0a"),
    Wheel("mpmath", "1.3.0", "a0b2b9fe80bbcd81a6647ff13108738cfb482d481d826cc0e02f5b35e5c88d2c"),
)
"""The package, and the one that its APIs need. Its other dependencies weigh gigabytes and serve other parts of it."""

CATEGORIES = ("multi_turn_base", "multi_turn_long_context")


def package(cache: Path | None = None) -> Path:
    """Give the folder that the wheels are unpacked in; get them where they aren't there."""
    folder = (cache or cache_dir()) / "bfcl"
    folder.mkdir(parents=True, exist_ok=True)
    for wheel in WHEELS:
        if not (folder / wheel.sha256).exists():
            with tempfile.TemporaryDirectory(dir=folder) as temporary:
                unpack(wheel, Path(temporary))
                os.replace(Path(temporary, "unpacked"), folder / wheel.sha256)
    return folder


def load(folder: Path) -> None:
    """Make the unpacked packages importable."""
    sys.path[:0] = [path for wheel in WHEELS if (path := str(folder / wheel.sha256)) not in sys.path]
    os.environ["TZ"] = "UTC"  # one of the APIs writes local times
    time.tzset()


def conversations(folder: Path, category: str) -> Iterator[tuple[dict[str, Any], list[list[str]]]]:
    """Give each conversation of a category with its ground truth: the calls of each turn, as Python."""
    there = folder / WHEELS[0].sha256 / "bfcl_eval" / "data"
    files = [there / f"BFCL_v4_{category}.json", there / "possible_answer" / f"BFCL_v4_{category}.json"]
    asked, answers = ([json.loads(line) for line in path.read_text("utf-8").splitlines()] for path in files)
    for conversation, answer in zip(asked, answers, strict=True):
        assert conversation["id"] == answer["id"]
        yield conversation, answer["ground_truth"]


def thread(conversation: dict[str, Any], calls: list[list[str]]) -> dict[str, Any]:
    """Run a conversation's calls and write down what was said, called and returned."""
    functions = _functions(conversation)
    events: list[dict[str, Any]] = []
    number = 0
    for messages, turn in zip(conversation["question"], calls, strict=True):
        events += [{"type": "user_message", "data": message["content"], "role": "input"} for message in messages]
        for call in turn:
            number += 1
            name, arguments, result = _run(functions, call)
            tied = {"call": f"call_{number}"}
            events.append({"type": name, "data": arguments, "role": "step", **tied})
            events.append({"type": f"{name}_result", "data": result, "role": "result", **tied})
    name = conversation["id"].replace("_", "-")
    return {"id": name, "thread": {"events": events}, "group": name}


def _functions(conversation: dict[str, Any]) -> dict[str, Callable[..., object]]:
    """Set the APIs of a conversation up, each in its first state; give their functions by name."""
    backends = importlib.import_module("bfcl_eval.constants.executable_backend_config")
    functions: dict[str, Callable[..., object]] = {}
    for name in conversation["involved_classes"]:
        api = getattr(importlib.import_module(backends.CLASS_FILE_PATH_MAPPING[name]), name)()
        if name not in backends.STATELESS_CLASSES:
            state = json.loads(json.dumps(conversation["initial_config"].get(name, {})))  # the API changes it
            api._load_scenario(state, long_context="long_context" in conversation["id"])
        functions |= {name: method for name, method in inspect.getmembers(api, inspect.ismethod) if name[0] != "_"}
    return functions


def _run(functions: dict[str, Callable[..., object]], call: str) -> tuple[str, dict[str, Any], Any]:
    """Run a call such as ``cd(folder='a')``; give its name, its arguments by name, and its result as JSON."""
    tree = ast.parse(call.strip(), mode="eval").body
    assert isinstance(tree, ast.Call)
    assert isinstance(tree.func, ast.Name)
    function = functions[tree.func.id]
    keywords = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in tree.keywords}
    bound = inspect.signature(function).bind(*map(ast.literal_eval, tree.args), **keywords)
    arguments = json.loads(json.dumps(bound.arguments, allow_nan=False))
    # written down at once, because some APIs return what they go on changing
    result = json.dumps(function(*bound.args, **bound.kwargs), allow_nan=False, default=_plain)
    return tree.func.id, arguments, json.loads(result)


def _plain(value: object) -> object:
    """Make JSON of what APIs return besides: numbers of mpmath, with the digits that they show, and an ellipsis in a list."""
    return "..." if value is ... else float(repr(value).removeprefix("mpf('").removesuffix("')"))


def main(words: list[str]) -> None:
    """Write the threads of a category to a file."""
    if len(words) != 2 or words[0] not in CATEGORIES:
        raise SystemExit(f"usage: python reports/bfcl.py {{{','.join(CATEGORIES)}}} FILE")
    folder = package()
    load(folder)
    written = [thread(*one) for one in conversations(folder, words[0])]
    lines = (json.dumps(line, ensure_ascii=False) + "\n" for line in written)
    Path(words[1]).write_text("".join(lines), "utf-8")
    print(f"{words[1]}: {len(written)} threads, {sum(len(line['thread']['events']) for line in written)} events")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
