"""What a run may take: dollars, calls, minutes; and that trials are taken up in their order, however many are under way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from phrasing.errors import CompletionError, NotSent
from phrasing.models.client import Client
from phrasing.plan.resolve import Plan
from phrasing.records import Result
from phrasing.runs import lazy, provenance, runner, store
from phrasing.runs.budget import Budget
from phrasing.runs.early_stop import EarlyStop
from phrasing.runs.runner import Outcome
from phrasing.runs.store import Store
from phrasing.types import Completion, Request
from support.simulated import Seats
from support.tiers import examples
from support.tiny_runs import Model, cache, case, obey, planned, says
from support.virtual_time import Made, Time

__all__ = ["cache"]


def ask(plan: Plan, folder: Path, complete: runner.Complete, **options: Any) -> Outcome:
    """Bring a folder up to date with a plan."""
    folder.mkdir(exist_ok=True)
    with Store(folder) as opened:
        return asyncio.run(runner.run(plan, opened, complete, done=lazy.Answers(folder), **options))


@pytest.fixture(scope="module")
def plan(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    cases = [case(f"c-{i}", group=f"g-{i // 2}") for i in range(40)]
    return planned(tmp_path_factory.mktemp("plan"), cases=cases, models=["openai/one", "openai/two"])


@examples(4, 100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1000), st.integers(1, 40), st.floats(0, 60))
def test_dollars_are_passed_by_no_more_than_what_is_in_flight(
    plan: Plan, tmp_path_factory: pytest.TempPathFactory, seed: int, jobs: int, most: float
) -> None:
    luck, flying, budget = random.Random(seed), 0, Budget(max_cost=most)
    worst = 0.0

    async def complete(request: Request) -> Completion:
        nonlocal flying, worst
        assert budget.cost < most
        flying += 1
        worst = max(worst, float(flying))
        for _ in range(luck.randrange(1, 9)):
            await asyncio.sleep(0)
        flying -= 1
        return says("send", cost=luck.random())

    outcome = ask(plan, tmp_path_factory.mktemp("run"), complete, jobs=jobs, budget=budget)
    assert outcome.cost <= most + worst
    assert outcome.asked + outcome.unasked == len(plan.trials)
    assert (outcome.unasked > 0) <= bool(outcome.stopped)


@pytest.mark.parametrize("most", [0, 1, 7, 160, 1000])
def test_calls_are_never_more_than_allowed_and_the_rest_is_asked_later(plan: Plan, tmp_path: Path, most: int) -> None:
    model, told = Model(turns=20), list[tuple[str, str]]()
    outcome = ask(plan, tmp_path, model, budget=Budget(max_calls=most), stopped=lambda *said: told.append(said))
    assert len(model.asked) == outcome.asked == min(most, 160)
    if most < 160:
        assert dict(told) == outcome.stopped == dict.fromkeys(("one", "two"), f"the limit of {most} calls is reached")
    again = Model()
    assert ask(plan, tmp_path, again).asked == max(0, 160 - most)
    assert sorted(model.keys + again.keys) == sorted(plan.request(t, plan.prompt(t)).key for t in plan.trials)


def test_minutes_end_a_run_and_answers_that_arrived_stay(plan: Plan, tmp_path: Path) -> None:
    now = 0.0
    budget = Budget(max_minutes=1, clock=lambda: now)

    async def complete(request: Request) -> Completion:
        nonlocal now
        now += 7
        if budget.left <= 0:
            raise NotSent  # as a client does for requests that still wait
        return await obey(request)

    outcome = ask(plan, tmp_path, complete, jobs=1, budget=budget)
    assert (outcome.asked, outcome.unasked, outcome.errors) == (8, 152, 0)
    assert outcome.stopped == dict.fromkeys(("one", "two"), "the limit of 1 minutes is reached")
    assert len(store.results(tmp_path)) == 8
    assert ask(plan, tmp_path, obey).asked == 152


class Few:
    """Places that come and go."""

    def __init__(self, seed: int) -> None:
        self._luck, self._places, self.taken = random.Random(seed), 1, 0
        self._changed = asyncio.Event()

    def most(self, label: str) -> int:
        self._places = max(1, min(30, self._places + self._luck.choice([-3, 0, 1, 2])))
        self._changed.set()
        return self._places

    @asynccontextmanager
    async def place(self, label: str) -> AsyncIterator[None]:
        while self.taken >= self._places:
            self._changed.clear()
            await self._changed.wait()
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1
            self._changed.set()


@examples(4, 100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000), st.sampled_from([None, 1, 5, 16]), st.booleans())
def test_groups_are_completed_in_their_order_whatever_holds_requests_back(
    plan: Plan, tmp_path_factory: pytest.TempPathFactory, seed: int, jobs: int | None, failing: bool
) -> None:
    luck, places = random.Random(seed), Few(seed)
    blocks = {group: number for number, block in enumerate(plan.blocks) for group in block}
    block = {trial.id: blocks[plan.group(trial)] for trial in plan.trials}
    of_key = {plan.request(trial, plan.prompt(trial)).key: block[trial.id] for trial in plan.trials}
    waiting = {number: [name for name, its in block.items() if its == number] for number in range(len(plan.blocks))}
    begun = list[int]()

    async def complete(request: Request) -> Completion:
        oldest = min((number for number, names in waiting.items() if names), default=0)
        assert of_key[request.key] - oldest <= -(-min(jobs or 30, 30) // 8)
        begun.append(of_key[request.key])
        for _ in range(luck.randrange(1, 30)):
            await asyncio.sleep(0)
        if failing and luck.random() < 0.1:
            raise CompletionError("transient", "HTTP 500")
        return await obey(request)

    def arrived(result: Result) -> None:
        waiting[block[result.trial]].remove(result.trial)

    stop = EarlyStop(provenance.describe(plan, started="2030-01-01T00:00:00Z", stops=True))
    folder = tmp_path_factory.mktemp("run")
    outcome = ask(plan, folder, complete, jobs=jobs, places=places, early_stop=stop, report=arrived)
    assert outcome.asked + outcome.spared == len(plan.trials)
    assert places.taken == 0


@pytest.fixture(scope="module")
def long(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    cases = [case(f"c-{i}") for i in range(500)]
    return planned(tmp_path_factory.mktemp("long"), cases=cases, models=["openai/one"])


async def hurt(request: Request) -> Completion:
    """Where tags are shown, some answers more are wrong."""
    luck = random.Random(str(request.messages)).random()
    return says("send" if luck > (0.16 if "<mail>" in str(request.messages) else 0.05) else "finish")


@pytest.mark.slow
def test_a_verdict_takes_hardly_longer_than_the_limit_allows(long: Plan, tmp_path: Path) -> None:
    stop = EarlyStop(provenance.describe(long, started="2030-01-01T00:00:00Z", stops=True))
    needed = ask(long, tmp_path / "one", hurt, jobs=1, early_stop=stop).asked
    assert 200 < needed < 1000
    time, provider = Time(), Seats(lambda at: 4, lambda: 0.4)

    async def answer(request: Request) -> Completion:
        reply = provider.arrived(time.now)
        await time.sleep(reply.latency)
        if reply.refused:
            raise CompletionError("transient", "HTTP 429", throttled=True)
        provider.left(time.now)
        return await hurt(request)

    async def run(folder: Path) -> Outcome:
        made, specs = Made(answer), list(long.models.values())
        async with Client(specs, provider=lambda _: made, environ={}, sleep=time.sleep, clock=time) as client:
            stop = EarlyStop(provenance.describe(long, started="2030-01-01T00:00:00Z", stops=True))
            with Store(folder) as opened:
                ending = asyncio.ensure_future(runner.run(long, opened, client.complete, places=client, early_stop=stop))
                await time.pass_by(ending)
                return await ending

    (tmp_path / "all").mkdir()
    outcome = asyncio.run(run(tmp_path / "all"))
    assert outcome.errors == 0
    assert outcome.asked < needed + 160  # those in the blocks that were begun
    assert time.now < 1.1 * needed * 0.4 / 4
