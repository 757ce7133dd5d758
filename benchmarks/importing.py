"""How fast logs become a dataset, and in how much memory: one process, from the file to the file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

WORDS = [
    "order",
    "parcel",
    "thanks",
    "please",
    "where",
    "when",
    "size",
    "colour",
    "return",
    "exchange",
    "refund",
    "address",
    "late",
    "broken",
    "blue",
    "small",
    "ship",
    "card",
]


def measure(megabytes: int = 100) -> Iterator[str]:
    """Import chat logs of about so many megabytes, made here: last turns only, and every turn."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log.jsonl")
        conversations = write(log, megabytes)
        size = log.stat().st_size / 1e6
        yield f"{size:,.0f} MB of OpenAI chat messages, {conversations:,} conversations, with redaction, in one process:"
        yield ""
        yield "| cases | MB/s of log | CPU s | peak MB | cases made | MB written |"
        yield "| --- | ---: | ---: | ---: | ---: | ---: |"
        for option in ("--last", "--every-step"):
            out = Path(folder, "cases.jsonl")
            seconds, cpu, peak = timed([sys.executable, "-m", "phrasing", "import", str(log), "-o", str(out), option])
            with out.open("rb") as file:
                made = sum(1 for _ in file)
            yield f"| `{option}` | {size / seconds:.0f} | {cpu:.0f} | {peak:.0f} | {made:,} | {out.stat().st_size / 1e6:,.0f} |"
            out.unlink()


def timed(command: list[str], *, trust: bool = False) -> tuple[float, float, float]:
    """Run a command; give its seconds, its CPU seconds and its peak memory in MB. ``trust``: code of its project may run."""
    start = time.perf_counter()
    environment = os.environ | ({"PHRASING_TRUST": "1"} if trust else {})
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0
    return time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3


def write(path: Path, megabytes: int) -> int:
    """Write conversations of a support agent until the file is that large; say how many."""
    luck = Random(0)
    written = count = 0
    with path.open("w", encoding="utf-8") as file:
        while written < megabytes * 1_000_000:
            written += file.write(json.dumps({"id": f"talk-{count}", "reward": count % 2, "messages": list(talk(luck))}) + "\n")
            count += 1
    return count


def talk(luck: Random) -> Iterator[dict[str, object]]:
    """Make a conversation: instructions, and some fourteen turns with look-ups."""
    yield {"role": "system", "content": "You help customers with their orders. " * 60}
    for turn in range(luck.randint(10, 18)):
        if turn % 2 == 0:
            mail = f" I am {luck.choice(WORDS)}{turn}@example.org." if turn == 2 else ""
            yield {"role": "user", "content": said(luck, 30) + mail}
        if luck.random() < 0.4:
            yield {"role": "assistant", "content": said(luck, 60)}
            continue
        call = f"call_{luck.randrange(10**9)}"
        function = {"name": "get_order", "arguments": json.dumps({"order_id": f"#W{luck.randrange(10**7)}"})}
        yield {"role": "assistant", "content": None, "tool_calls": [{"id": call, "type": "function", "function": function}]}
        yield {"role": "tool", "tool_call_id": call, "content": json.dumps(order(luck))}
    yield {"role": "user", "content": said(luck, 10)}
    yield {"role": "assistant", "content": said(luck, 30)}


def said(luck: Random, words: int) -> str:
    """Say something."""
    return " ".join(luck.choices(WORDS, k=words)).capitalize() + "."


def order(luck: Random) -> dict[str, object]:
    """Make what a look-up gives back."""
    items = [
        {"item_id": str(luck.randrange(10**9, 10**10)), "name": luck.choice(WORDS), "price": luck.randrange(10**4) / 100}
        for _ in range(luck.randint(1, 8))
    ]
    return {"status": "delivered", "items": items, "address": {"street": said(luck, 2), "zip": str(luck.randrange(10**4, 10**5))}}
