"""Stopping early: what is decided isn't asked on, what isn't is asked to the end, and false alarms stay rare."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

import phrasing
from phrasing.analysis.run import Run
from phrasing.errors import CompletionError, SuiteError
from phrasing.plan.resolve import Plan, resolve
from phrasing.records import RunRecord
from phrasing.report import text
from phrasing.runs import store
from phrasing.runs.early_stop import EarlyStop
from phrasing.stats import paired
from phrasing.stats.anytime import Progress
from phrasing.suite.file import load_suite
from phrasing.types import Completion, Request
from support.tiers import examples
from support.tiny_runs import cache as cache
from support.tiny_runs import case, reply_in, says, world

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


@pytest.mark.slow
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
def test_conversations_decide_nothing_and_are_not_compared_where_cases_did(tmp_path: Path) -> None:
    cases = [{**one, "group": f"talk-{i // 3}"} for i, one in enumerate(MANY)]
    suite = world(tmp_path / "by-case", cases=cases)
    run = phrasing.run(suite, complete=tags_hurt, jobs=1, until_decided=True)
    assert run.comparison().conversations == ()
    by_conversation = run.suite.compare.model_copy(update={"score": "conversation"})
    with pytest.raises(SuiteError, match=f"{run.folder}.*compares a score of cases, not 'conversation'"):
        run.comparison(settings=by_conversation)
    whole = phrasing.run(suite, complete=tags_hurt)
    assert whole.comparison().conversations
    assert whole.comparison(settings=by_conversation).contrasts
    other = world(tmp_path / "by-conversation", cases=cases, compare={"score": "conversation"})
    with pytest.raises(
        SuiteError, match=r"small\.yaml:\d+: compare\.score: --until-decided .* a score of cases, not 'conversation'"
    ):
        phrasing.run(other, complete=tags_hurt, until_decided=True)


# ---------------------------------------------------------------------------------------------- one answer everywhere

SIZES = {"mail": [1, 4, 1, 1, 9, 1, 2, 1, 1], "news": [2, 1, 1, 3]}


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Two datasets with groups of several sizes, two formats on two models, two repeats."""
    root, names = tmp_path_factory.mktemp("grouped"), count()
    datasets = {
        dataset: [
            case(f"c-{next(names)}", group=f"{dataset}-{number}", turn=turn)
            for number, size in enumerate(sizes)
            for turn in range(size)
        ]
        for dataset, sizes in SIZES.items()
    }
    suite = world(
        root,
        datasets=datasets,
        agents=[{"dataset": dataset, "functions": ["DetermineNextStepMail"]} for dataset in datasets],
        formats=["lines", "tags"],
        models=["openai/one", {"id": "openai/two", "jobs": 2}],
        repeats=2,
        compare={"margin": 0.3, "confidence": 0.8},
    )
    return resolve(load_suite(suite))


class Fickle:
    """A model that is right more often in one format than in another, fails now and then, takes its time, and may be cut off."""

    def __init__(self, seed: int, *, hurt: float, failing: float, last: int | None) -> None:
        self._seed, self._hurt, self._failing, self._last = seed, hurt, failing, last

    async def __call__(self, request: Request) -> Completion:
        luck = random.Random(f"{self._seed} {request.key}")
        for _ in range(luck.randrange(6)):
            await asyncio.sleep(0)
        if self._last is not None:
            self._last -= 1
            if self._last < 0:
                raise asyncio.CancelledError
        if luck.random() < self._failing and self._last is not None:
            raise CompletionError("transient", "busy", attempts=1)
        shown = json.dumps(request.messages)
        right = 0.9 - self._hurt * ("<mail>" in shown)
        return says(reply_in(request) if luck.random() < right else "finish")


def looked_at(found: Run, variant: str) -> Iterator[tuple[int, bool]]:
    """Say of each look in turn how many groups it is at and whether it decides, computed anew from what the run has stored."""
    record, settings = found.record, found.suite.compare
    assert record.order is not None
    baseline = record.baselines[variant]
    level = (1 - settings.confidence) / sum(one != other for one, other in record.baselines.items()) / 2
    kept: dict[tuple[str, str, str], list[float]] = {}
    ended: dict[tuple[str, str, str], int] = {}
    for result in store.results(found.folder).values():
        key = (result.variant, result.dataset, result.case)
        ended[key] = ended.get(key, 0) + 1
        if result.error is None:
            kept.setdefault(key, []).append(float(result.scores["step"].value or 0))
    sizes = np.array([len(group.cases) for group in record.order])
    strata = np.array([["mail", "news"].index(group.dataset) for group in record.order])
    mine, theirs, places = list[float](), list[float](), list[int]()
    for place, group in enumerate(record.order):
        keys = [[(one, group.dataset, name) for one in (variant, baseline)] for name in group.cases]
        if any(ended.get(key, 0) < found.suite.repeats for pair in keys for key in pair):
            return
        for one, other in keys:
            if one in kept and other in kept:
                mine.append(float(np.mean(kept[one])))
                theirs.append(float(np.mean(kept[other])))
                places.append(place)
        decides = False
        if places:
            progress = Progress(sizes, strata, place + 1, np.array(places))
            made = paired.difference(mine, theirs, places, strata[places], progress=progress)
            ps = (paired.p_above(made, 0.0), paired.p_below(made, 0.0), paired.p_above(made, -settings.margin))
            decides = min(ps) <= level
        yield place + 1, decides
        if decides:
            return


@examples(2, 20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000),
    hurt=st.sampled_from([0.0, 0.4, 0.9]),
    failing=st.sampled_from([0.0, 0.1, 0.4]),
    cuts=st.lists(st.integers(0, 200), max_size=2),
    jobs=st.integers(1, 20),
    whole=st.booleans(),
)
def test_a_report_rests_on_what_the_stop_saw(
    grouped: Plan,
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    hurt: float,
    failing: float,
    cuts: list[int],
    jobs: int,
    whole: bool,
) -> None:
    folder = tmp_path_factory.mktemp("kept")
    found: Run | None = None
    for last in [*cuts, 10_000] if whole else [*cuts, 40]:  # cut off after so many answers, then taken up again
        found = phrasing.run(
            grouped,
            complete=Fickle(seed, hurt=hurt, failing=failing, last=last),
            jobs=jobs,
            until_decided=True,
            runs=folder,
            resume=found.folder if found else None,
        )
    assert found is not None
    read = Run(found.folder)
    stop = EarlyStop(read.record)
    shuffled = list(read.results.values())
    random.Random(seed).shuffle(shuffled)
    for result in shuffled:
        stop.add(result)
    contrasts = {contrast.variant: contrast for contrast in read.comparison().contrasts} if read.results else {}
    for variant, baseline in read.record.baselines.items():
        if variant == baseline:
            continue
        looks = list(looked_at(read, variant))
        seen, decided = looks[-1] if looks else (0, False)
        assert stop.compared(variant)[1] == seen
        assert (variant in stop.decided) == decided
        if variant in contrasts:
            contrast = contrasts[variant]
            cases = [(group.dataset, name) for group in (read.record.order or ())[:seen] for name in group.cases]
            assert contrast.n + contrast.left == len(cases)
            if contrast.found:
                assert contrast.found.anytime is not None
                assert len(contrast.found.anytime.values) == seen
        if decided:
            assert contrasts[variant].verdict in ("better", "worse", "equivalent", "not worse")
        # what isn't decided was asked on, unless the run was cut off
        if whole and not decided:
            assert seen == len(read.record.order or ())


def test_the_order_is_drawn_before_and_kept(grouped: Plan, tmp_path: Path) -> None:
    found = phrasing.run(grouped, complete=Fickle(1, hurt=0, failing=0, last=None), until_decided=True, runs=tmp_path)
    order = found.record.order
    assert order is not None
    assert sorted((group.dataset, len(group.cases)) for group in order) == sorted(
        (dataset, size) for dataset, sizes in SIZES.items() for size in sizes
    )
    assert all(group.trials == (2 * len(group.cases),) * 4 for group in order)
    plain = phrasing.run(grouped, complete=Fickle(1, hurt=0, failing=0, last=None), runs=tmp_path)
    assert plain.record.order is None
    assert "order" not in json.loads((plain.folder / "run.json").read_text())


@pytest.mark.slow
def test_groups_that_are_quick_to_answer_are_not_looked_at_first(tmp_path: Path) -> None:
    """The short ones win, the long ones lose, and on average nothing is won: who stops at the first answers is wrong."""
    cases = [case(f"short-{i}") for i in range(70)] + [case(f"long-{i}") for i in range(30)]
    suite = world(tmp_path, cases=cases)
    waiting = 0

    async def complete(request: Request) -> Completion:
        nonlocal waiting
        shown = json.dumps(request.messages)
        if "long-" in shown:
            waiting += 1
            for _ in range(50):  # many others are answered meanwhile
                await asyncio.sleep(0)
            waiting -= 1
        luck = random.Random(request.key).random()
        gain = 0.15 if "short-" in shown else -0.35
        return says("send" if luck < (0.5 + gain * ("<mail>" in shown)) else "finish")

    found = phrasing.run(suite, complete=complete, jobs=16, until_decided=True)
    order = found.record.order or ()
    (contrast,) = found.comparison().contrasts
    seen = EarlyStop(found.record)
    for result in found.results.values():
        seen.add(result)
    groups, looked = seen.compared(contrast.variant)
    names = [name for group in groups[:looked] for name in group.cases]
    assert list(groups) == list(order)
    assert contrast.n == len(names) == looked
    assert sum(name.startswith("long-") for name in names) >= looked / 6


def test_a_run_that_lacks_an_order_can_still_be_read(tmp_path: Path) -> None:
    found = phrasing.run(world(tmp_path, cases=MANY), complete=tags_hurt, jobs=1, until_decided=True)
    written = json.loads((found.folder / "run.json").read_text())
    del written["order"]
    (found.folder / "run.json").write_text(json.dumps(written))
    (contrast,) = Run(found.folder).comparison().contrasts
    assert contrast.found is not None
    assert contrast.found.anytime is not None
    assert contrast.verdict == "worse"


@pytest.mark.slow
def test_a_group_is_what_it_was_when_it_was_asked(tmp_path: Path) -> None:
    found = phrasing.run(world(tmp_path, cases=MANY), complete=tags_hurt, jobs=1, until_decided=True)
    before = found.comparison().contrasts[0]
    cases = {"mail": {name: replace(note, group="all") for name, note in found.record.cases["mail"].items()}}
    store.write_run(found.folder, found.record.model_copy(update={"cases": cases}))
    after = Run(found.folder).comparison().contrasts[0]
    assert (after.n, after.low, after.high, after.verdict) == (before.n, before.low, before.high, before.verdict)


@pytest.mark.slow
def test_against_another_run_all_complete_groups_count(tmp_path: Path) -> None:
    suite = world(tmp_path, cases=MANY)
    found = phrasing.run(suite, complete=tags_hurt, jobs=1, until_decided=True)
    other = phrasing.run(suite, complete=tags_hurt)
    assert found.record.spared
    for one, against in ((found, other), (other, found)):
        contrasts = one.comparison(against).contrasts
        assert {contrast.n for contrast in contrasts} <= set(range(5, 119))
        assert all(contrast.found and contrast.found.anytime is not None for contrast in contrasts if not contrast.flips)


def test_an_outdated_answer_is_still_to_come(tmp_path: Path) -> None:
    found = phrasing.run(world(tmp_path, cases=MANY[:10]), complete=coin, until_decided=True)
    stop = EarlyStop(found.record)
    for result in found.results.values():
        outdated: dict[str, Any] = {"error": {"kind": "outdated", "message": ""}, "completion": None, "scores": {}}
        stop.add(type(result).model_validate({**result.model_dump(), **outdated}))
    assert stop.compared(found.record.variants[1])[1] == 0
    assert not stop.decided


def test_of_judged_and_logged_labels_the_judged_decide(tmp_path: Path) -> None:
    cases = [case(f"c-{i}", strength="logged" if i % 2 else "written") for i in range(40)]
    found = phrasing.run(world(tmp_path, cases=cases), complete=tags_hurt, jobs=1, until_decided=True)
    comparison = found.comparison()
    (contrast,) = comparison.contrasts
    stop = EarlyStop(found.record)
    for result in found.results.values():
        stop.add(result)
    groups, seen = stop.compared(contrast.variant)
    names = [name for group in groups[:seen] for name in group.cases]
    assert contrast.verdict == "worse"
    assert contrast.n == sum(int(name[2:]) % 2 == 0 for name in names)
    assert comparison.logged is not None
    assert comparison.logged.contrasts[0].n == sum(int(name[2:]) % 2 for name in names)


def test_a_record_round_trips(tmp_path: Path) -> None:
    found = phrasing.run(world(tmp_path, cases=MANY[:10]), complete=coin, until_decided=True)
    assert RunRecord.model_validate_json(found.record.model_dump_json(by_alias=True)) == found.record
