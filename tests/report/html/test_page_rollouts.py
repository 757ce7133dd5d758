"""The page of agents that were run to their end: what of each run is in the file, and what a recording lacks."""

from __future__ import annotations

import base64
import gzip
import json
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phrasing.analysis.run import Run
from phrasing.report.html import trials
from phrasing.report.html.page import html
from phrasing.runs import store
from phrasing.types import Completion, Request
from support.page_runs import HOSTILE, shown
from support.tiny_rollouts import TASKS, follow, ran, rollouts, task
from support.tiny_runs import cache

__all__ = ["cache"]


@pytest.fixture(scope="module")
def done(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return ran(tmp_path_factory.mktemp("rollouts"))


@pytest.fixture(scope="module")
def page(done: Run) -> str:
    return html([shown(done)])


def packed(page: str, name: str) -> Any:
    (text,) = re.findall(rf'<script type="text/plain" id="{name}">([^<]*)</script>', page)
    return json.loads(gzip.decompress(base64.b64decode(text)))


def held(page: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The trials of a page's first block, by task and format."""
    index = packed(page, "r0-index")
    columns = (index["trials"]["case"], index["trials"]["variant"])
    names = [(index["cases"][case][1], index["variants"][variant]) for case, variant in zip(*columns, strict=True)]
    return dict(zip(names, packed(page, "r0-block-0")["trials"], strict=False))


def test_the_list_says_how_runs_went(page: str) -> None:
    index = packed(page, "r0-index")
    columns = index["trials"]
    said = {
        (index["cases"][case][1], index["variants"][variant]): (
            index["verdicts"][verdict],
            bool(forbidden),
            index["endings"][ended],
            steps,
        )
        for case, variant, verdict, forbidden, ended, steps in zip(
            *(columns[name] for name in ("case", "variant", "verdict", "forbidden", "ended", "steps")), strict=True
        )
    }
    assert said["t-1", "lines"] == ("success", False, "done", 3)
    assert said["t-5", "lines"] == ("success", True, "done", 2)
    assert said["t-5", "tags"] == ("no success", False, "limit", 3)
    assert re.findall(r"<h2>([^<]*)</h2>", page)[-1] == "The runs"
    assert '<th scope="col">ended</th><th scope="col">steps</th>' in page


def test_every_step_is_there_with_its_prompt_and_what_came_of_it(done: Run, page: str) -> None:
    block, common, found = packed(page, "r0-block-0"), packed(page, "r0-common"), held(page)
    assert len(found) == len(done.results)
    assert sum(len(each["steps"]) for each in found.values()) == len(done.steps)
    for (name, format), each in found.items():
        for number, step in enumerate(each["steps"], start=1):
            trial = f"mail::{name}[DetermineNextStepMail@talk,none,{format},prompted,scripted]#0/{number}"
            stored = done.steps[trial]
            assert step["answer"] == (stored.completion.text if stored.completion else None)
            pieces = [place for message in step["prompt"]["messages"] for _, place in message["pieces"]]
            text = "".join(block["texts"][place] if place >= 0 else common[-1 - place] for place in pieces)
            sent = store.prompt(store.prompts(done.folder), stored.prompt)
            assert text == "".join(piece.text for own in sent.pieces for piece in own)
    waited = found["t-2", "tags"]
    assert waited["steps"][2]["since"] == {"now": 62.0, "shown": [["human_response", "ann, of course"]], "effects": []}
    assert waited["outcome"] == {"ended": "done", "why": "", "steps": 4, "now": 64.0}
    assert found["t-5", "lines"]["steps"][1]["since"]["effects"] == [["sent", {"to": "ann", "urgent": False}, 1]]
    assert waited["after"]["since"]["shown"] == []


def test_equal_runs_give_equal_bytes_in_any_order(done: Run, page: str) -> None:
    names, steps = list(done.results), list(done.steps)
    random.Random(0).shuffle(names)
    random.Random(0).shuffle(steps)
    one = shown(done)
    shuffled = {name: done.results[name] for name in names}, {name: done.steps[name] for name in steps}
    assert html([replace(one, results=shuffled[0], steps=shuffled[1])]) == page


def test_a_recording_has_what_was_picked_and_says_what_it_lacks(done: Run) -> None:
    one = replace(shown(done), prompts=None)
    found = html([one])
    assert "A recording keeps no prompts, and not what happened between steps" in found
    step = held(found)["t-2", "tags"]["steps"][1]
    assert step["parsed"]["step"]["intent"] == "ask"
    assert "prompt" not in step
    assert "since" not in step
    assert held(html([replace(one, steps={})]))["t-2", "tags"]["steps"] == []


def test_long_threads_take_little_room(done: Run, tmp_path: Path) -> None:
    """A thread that grows step by step is sent anew with each: packed, the steps together take little more than the longest."""
    luck = random.Random(0)
    book = ["".join(luck.choices("abcdefghijklmnopqrstuvwxyz", k=8)) for _ in range(60)]
    plans = [task("g-1", " ".join(["look_up"] * length), max_steps=length, world={"book": book}) for length in (3, 30)]
    sizes = []
    for number, plan in enumerate(plans):
        found = shown(ran(tmp_path / str(number), tasks=[plan], formats=["lines"]))
        labels = {variant: variant for variant in found.report.record.variants}
        made = trials.pack(found.report.record, found.results, found.prompts, labels, steps=found.steps)
        sizes.append(sum(map(len, made.blocks)))
    assert sizes[1] < 4 * sizes[0]  # ten times the steps, a hundred times the text


def test_tasks_that_say_least_are_left_out_where_there_is_no_room(done: Run) -> None:
    whole = html([shown(done)])
    blocks = re.findall(r'<script type="text/plain" id="r0-(?:common|block-\d+)">([^<]*)<', whole)
    small = html([shown(done)], budget=sum(map(len, blocks)) - 200)
    (kept,) = re.findall(r"The steps of (\d+) of 5 tasks are in this file", small)
    assert 0 < int(kept) < 5
    assert len(packed(small, "r0-index")["trials"]["case"]) == len(done.results)
    assert any(name == "t-5" for name, _ in held(small))  # harm was done


def test_what_an_agent_or_its_world_says_is_text(tmp_path: Path) -> None:
    async def hostile(request: Request) -> Completion:
        done = await follow(request)
        return done.model_copy(update={"text": done.text.replace('"ann"', json.dumps(HOSTILE))})

    import phrasing

    tasks = [{**TASKS[1], "world": {"book": [HOSTILE]}, "tags": [HOSTILE], "group": HOSTILE}]
    found = html([shown(phrasing.run(rollouts(tmp_path, tasks=tasks), complete=hostile), HOSTILE)])
    assert "<script>window" not in found
    assert "<img" not in found
    assert HOSTILE in json.dumps(packed(found, "r0-block-0"), ensure_ascii=False).replace('\\"', '"').replace("\\u0001", "\x01")
