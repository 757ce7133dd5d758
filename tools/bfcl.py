"""Write the multi-turn conversations of the Berkeley Function Calling Leaderboard as threads, one JSON line each.

``python tools/bfcl.py multi_turn_base threads.jsonl``, or ``multi_turn_long_context``. Calls come from the ground truth,
results from the package's own simulated APIs, which run here. The package ``bfcl-eval`` (Apache-2.0) is got once, pinned by hash,
with pip or uv; it isn't installed, and what is written isn't to be committed.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from filelock import FileLock

from phrasing.errors import UserError
from phrasing.files import cache_dir
from phrasing.importers.bfcl import read
from phrasing.models.local.wheels import Wheel, unpack

WHEELS = (
    Wheel("bfcl-eval", "2026.3.23", "3bb6dfa5f0c68ad403c9ec50b00db2bb3b4cc9b38ab1ff33f48fe30d853d3a0a"),
    Wheel("mpmath", "1.3.0", "a0b2b9fe80bbcd81a6647ff13108738cfb482d481d826cc0e02f5b35e5c88d2c"),
)
"""The package, and the one that its APIs need. Its other dependencies weigh gigabytes and serve other parts of it."""

CATEGORIES = ("multi_turn_base", "multi_turn_long_context")


def package(cache: Path | None = None) -> list[str]:
    """Give the folders that the wheels are unpacked in, for ``sys.path``; get them where they aren't there."""
    folder = (cache or cache_dir()) / "bfcl"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):  # tests run side by side
        for wheel in WHEELS:
            if not (folder / wheel.sha256).exists():
                with tempfile.TemporaryDirectory(dir=folder) as temporary:
                    unpack(wheel, Path(temporary))
                    os.replace(Path(temporary, "unpacked"), folder / wheel.sha256)
    return [str(folder / wheel.sha256) for wheel in WHEELS]


def thread(record: dict[str, Any]) -> dict[str, Any]:
    """Write down what was said, called and returned in a conversation."""
    events: list[dict[str, Any]] = []
    number = 0
    for turn in record["turns"]:
        events += [{"type": "user_message", "data": message["content"], "role": "input"} for message in turn["messages"]]
        for call in turn["calls"]:
            number += 1
            tied = {"call": f"call_{number}"}
            events.append({"type": call["name"], "data": call["arguments"], "role": "step", **tied})
            events.append({"type": f"{call['name']}_result", "data": call["result"], "role": "result", **tied})
    name = record["id"].replace("_", "-")
    return {"id": name, "thread": {"events": events}, "group": name}


def main(words: list[str]) -> None:
    """Write the threads of a category to a file."""
    if len(words) != 2 or words[0] not in CATEGORIES:
        raise SystemExit(f"usage: python tools/bfcl.py {{{','.join(CATEGORIES)}}} FILE")
    sys.path[:0] = package()
    written = [thread(record) for _, record in read.records(words[0])]
    lines = (json.dumps(line, ensure_ascii=False) + "\n" for line in written)
    Path(words[1]).write_text("".join(lines), "utf-8")
    print(f"{words[1]}: {len(written)} threads, {sum(len(line['thread']['events']) for line in written)} events")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
