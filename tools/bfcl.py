"""Write the multi-turn conversations of the Berkeley Function Calling Leaderboard as threads, one JSON line each.

``python tools/bfcl.py multi_turn_base threads.jsonl``, or ``multi_turn_long_context``. Calls come from the ground truth,
results from the package's own simulated APIs, which run here. The package ``bfcl-eval`` (Apache-2.0) is got once, pinned by hash,
with pip or uv; it isn't installed, and what is written isn't to be committed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from phrasing.errors import UserError
from phrasing.importers.bfcl import read
from phrasing.rollout import packaged

CATEGORIES = ("multi_turn_base", "multi_turn_long_context")


def package() -> list[str]:
    """Give the folders that the wheels are unpacked in, for ``sys.path``; get them where they aren't there."""
    packaged.add(packaged.KNOWN["bfcl"])
    return [str(folder) for folder in packaged.folders(packaged.KNOWN["bfcl"])]


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
