"""Stopping early: what is decided isn't asked on, what isn't is asked to the end, and false alarms stay rare."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

import phrasing
from phrasing.errors import SuiteError
from phrasing.report import text
from phrasing.stats import paired
from phrasing.types import Completion, Request
from support.tiny_runs import cache as cache
from support.tiny_runs import case, says, world

MANY = [case(f"c-{i}", reply="send", expect="send") for i in range(120)]


async def tags_hurt(request: Request) -> Completion:
    return says("finish" if "<mail>" in json.dumps(request.messages) else "send")


async def coin(request: Request) -> Completion:
    return says(random.Random(request.key).choice(["send", "finish"]))


def test_a_clear_difference_stops_the_variant_and_then_its_baseline(tmp_path: Path) -> None:
    run = phrasing.run(world(tmp_path, cases=MANY), complete=tags_hurt, jobs=1, until_decided=True)
    (contrast,) = run.comparison().contrasts
    assert contrast.verdict == "worse"
    assert contrast.high < 0
    assert run.outcome is not None
    assert run.record.spared == run.outcome.spared > 100
    assert len(run.results) + run.outcome.spared == 240
    assert run.unanswered == 0
    assert f"{run.outcome.spared} of 240 calls weren't needed" in text.answer(run.report())


def test_what_is_not_decided_is_asked_to_the_end(tmp_path: Path) -> None:
    run = phrasing.run(world(tmp_path, cases=MANY[:40]), complete=coin, until_decided=True)
    assert run.record.spared == 0
    assert len(run.results) == 80
    (contrast,) = run.comparison().contrasts
    assert contrast.verdict == "inconclusive"
    # the price of looking again and again: a wider interval than that of the same answers looked at once
    once = phrasing.run(world(tmp_path, cases=MANY[:40]), complete=coin).comparison().contrasts[0]
    assert once.difference == pytest.approx(contrast.difference)
    assert contrast.high - contrast.low > once.high - once.low


def test_an_variant_goes_on_with_the_baseline_when_another_has_stopped(tmp_path: Path) -> None:
    suite = world(tmp_path, cases=MANY[:60], formats=["lines", "tags", "pipes"])
    pipes = "{% for event in thread.events %}\n| {{ event.type }} | {{ event.data | json }}\n{% endfor %}\n"
    (tmp_path / "formats" / "pipes.j2").write_text(pipes)
    run = phrasing.run(suite, complete=tags_hurt, jobs=1, until_decided=True)
    words = {contrast.variant.split(",")[2]: contrast.verdict for contrast in run.comparison().contrasts}
    trials = dict(zip(run.summary()["format"], run.summary()["trials"], strict=True))
    assert words == {"tags": "worse", "pipes": "inconclusive"}
    assert trials["tags"] < trials["lines"] == trials["pipes"] == 60


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    suite = world(tmp_path, cases=MANY)
    run = phrasing.run(suite, complete=tags_hurt, jobs=1, until_decided=True)
    again = phrasing.run(suite, complete=tags_hurt, jobs=1, until_decided=True, resume=run.folder)
    assert again.outcome is not None
    assert again.outcome.asked == 0
    assert again.results.keys() == run.results.keys()
    whole = phrasing.run(suite, complete=tags_hurt, resume=run.folder)
    assert len(whole.results) == 240
    assert whole.record.spared is None


def test_a_shard_cannot_decide(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="shard 1/2 doesn't see the others' answers"):
        phrasing.run(world(tmp_path, cases=MANY), complete=tags_hurt, shard="1/2", until_decided=True)


@pytest.mark.slow
def test_looking_after_every_value_keeps_false_alarms_rare() -> None:
    rng = np.random.default_rng(3)
    alarms = 0
    for _ in range(200):
        values = rng.choice([-1.0, 0.0, 1.0], p=[0.15, 0.7, 0.15], size=60)
        looks = (min(paired.evidence(values[:n], 0.0), paired.evidence(-values[:n], 0.0)) for n in range(1, 61))
        alarms += any(2 * p <= 0.05 for p in looks)
    assert alarms <= 10


def test_evidence_is_what_the_gambler_has() -> None:
    values = np.array([1.0, -0.5, 0.0, 1.0])
    wealth = np.mean([np.prod([1 + bet * value for value in values]) for bet in paired.BETS])
    assert paired.evidence(values, 0.0) == pytest.approx(1 / wealth)
    assert paired.evidence(np.zeros(5), 0.0) == pytest.approx(1)
    assert paired.evidence(np.array([]), 0.0) == pytest.approx(1)
    assert paired.evidence(-np.ones(9), 0.0) == 1
    assert paired.evidence(np.zeros(400), -0.02) < 0.01
