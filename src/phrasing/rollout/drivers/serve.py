"""Answer requests about worlds, one JSON object a line: ``python serve.py DRIVER FOLDER...``.

A request has a number, ``call``, and says what to ``do``: ``open`` a world, let it ``advance``, ``judge`` or ``close`` it, or
``make`` the tasks of a split. The answer has the same number, and what was ``returned`` or ``raised``. Whatever a package prints
goes to standard error. The process ends when its standard input does, also in the middle of a call.
"""

from __future__ import annotations

import importlib.util
import json
import os
import queue
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any


def main(words: list[str]) -> None:
    """Answer until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    sys.path[:0] = words[1:]
    driver = _load(Path(words[0]))
    worlds: dict[str, Any] = {}
    while True:
        request = json.loads(requests.get())
        try:
            answer = {"call": request["call"], "returned": _do(driver, worlds, request)}
            text = json.dumps(answer, allow_nan=False)
        except Exception as error:
            text = json.dumps({"call": request["call"], "raised": f"{type(error).__name__}: {error}"[:1000]})
        answers.write(f"{text}\n")
        answers.flush()


def _read(requests: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)  # whoever asked is gone


def _load(path: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(f"driver_{path.stem}", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _do(driver: ModuleType, worlds: dict[str, Any], request: dict[str, Any]) -> Any:
    world = request.get("world", "")
    match request["do"]:
        case "make":
            return driver.make(request["split"])
        case "open":
            worlds[world] = driver.World(world, request["task"], request["seed"])
        case "advance":
            return worlds[world].advance(request["inputs"], request["now"])
        case "judge":
            return worlds[world].judge(request["goal"])
        case "close":
            worlds.pop(world).close()
    return None


if __name__ == "__main__":
    main(sys.argv[1:])
