"""Runs for the page: as an agent's, and as somebody's who wants to break out of it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import phrasing
from phrasing.analysis.run import Run
from phrasing.report.html.page import Shown
from phrasing.runs import store
from phrasing.types import Completion, Request
from support.tiny_runs import ANSWERS, CASES, world

HOSTILE = (
    "<script>window.pwned=1</script></script><img src=x onerror=window.pwned=1>\u202etxt.exe\u200b\x01 javascript:alert(1) "
    "\" onclick='window.pwned=1'"
)


async def mixed(request: Request) -> Completion:
    """Answer rightly, wrongly, or nonsense, by luck that the request gives."""
    luck = random.Random(request.key)
    texts = ["no idea", *(json.dumps({"intent": name, **args}) for name, args in ANSWERS.items())]
    return Completion(text=luck.choice(texts), finish_reason="stop", latency=0.5 + luck.random())


INTENT = "<svg/onload=window.pwned=1>"
"""The name of a step, and of a model."""


async def hostile(request: Request) -> Completion:
    """Answer with what would act if it weren't shown as text: a megabyte, or a step of such a name."""
    if int(request.key[0], 16) % 2:
        return Completion(text=json.dumps({"intent": INTENT}), finish_reason="stop", latency=1.0)
    return Completion(text=HOSTILE + "x" * 1_000_000, finish_reason="stop")


def run(folder: Path, complete: Any, **changes: Any) -> Run:
    """Run a small suite."""
    return phrasing.run(world(folder, **changes), complete=complete)


def hostile_run(folder: Path) -> Run:
    """Run a suite whose every text is hostile: question, models, a step, threads, tags, groups and answers."""
    made = []
    for i, one in enumerate(CASES):
        events = [{"type": "mail", "data": {HOSTILE: HOSTILE}}, *one["thread"]["events"]]
        right, harm = ("ask", INTENT) if i % 2 else (INTENT, "ask")
        named = {"id": f"a-{i}", "tags": [HOSTILE], "group": HOSTILE + str(i % 3)}
        steps = {"expect": [{"intent": right}], "forbid": [{"intent": harm}]}
        made.append({**one, **named, **steps, "thread": {"events": events}})
    models = [{"id": f"openai/{label}", "label": label} for label in (INTENT, f"{INTENT}&'\"")]
    suite = world(folder, cases=made, description=f"{HOSTILE}?", models=models)
    source = folder / "baml_src" / "mail.baml"
    source.write_text(source.read_text("utf-8").replace('"finish"', f'"{INTENT}"'), "utf-8")
    return phrasing.run(suite, complete=hostile)


def shown(done: Run, name: str = "small") -> Shown:
    """Give a run as the page shows it."""
    steps = done.steps if done.record.loops else {}
    return Shown(name, done.report(), done.figures(), done.results, store.prompts(done.folder), steps)
