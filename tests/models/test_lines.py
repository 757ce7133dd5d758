"""Where requests wait: in order, by host and key, and not for ever. Virtual time, and providers that are written here."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.errors import CompletionError, NotSent
from phrasing.models.client import Client
from phrasing.models.limits.controller import CEILING
from phrasing.models.lines import IN_A_ROW, PROBES, Traffic
from phrasing.suite.schema import ModelSpec
from phrasing.types import Completion, Request, Usage
from support.tiers import examples
from support.virtual_time import Answer, Made, Time


def spec(label: str, **more: Any) -> ModelSpec:
    return ModelSpec.model_validate({"label": label, "id": f"{label}/m", **more})


def asking(time: Time, specs: list[ModelSpec], answer: Answer, requests: list[Request], **options: Any) -> list[Any]:
    """Ask all at once; give what came of each."""
    made = Made(answer)

    async def run() -> list[Any]:
        async with Client(specs, provider=lambda _: made, environ={}, sleep=time.sleep, clock=time, **options) as client:
            every = asyncio.ensure_future(asyncio.gather(*map(client.complete, requests), return_exceptions=True))
            await time.pass_by(every)
            return await every

    return asyncio.run(run())


def request(of: ModelSpec, number: int = 0, text: str = "") -> Request:
    return Request(model=of.id, api_base=of.api_base, messages=({"role": "user", "content": text},), params={"seed": number})


def refused(wait: float | None = None) -> CompletionError:
    return CompletionError("transient", "HTTP 429", throttled=True, retry_after=wait)


# ---------------------------------------------------------------------------------------------- waiting


def test_nothing_goes_to_a_host_that_asked_to_wait_and_others_are_not_held_up() -> None:
    time, held, free = Time(), spec("held"), spec("free")
    sent: list[tuple[str, float]] = []

    async def answer(asked: Request) -> Completion:
        sent.append((asked.model, time.now))
        await time.sleep(0.2)
        if asked.model == "held/m" and time.now < 60:
            raise refused(100.0)
        return Completion(text="ok")

    requests = [request(of, i) for i in range(40) for of in (held, free)]
    assert {got.text for got in asking(time, [held, free], answer, requests, jobs=4)} == {"ok"}
    assert all(at < 1 or at >= 100 for name, at in sent if name == "held/m")
    assert max(at for name, at in sent if name == "free/m") < 4  # 40 requests, 4 at a time


@given(st.integers(0, 10_000), st.sampled_from([None, 0.5, 5.0]), st.integers(1, 12))
def test_every_request_is_answered_once_whatever_is_refused(seed: int, wait: float | None, jobs: int) -> None:
    time, luck, answers, flying, most = Time(), random.Random(seed), Counter[int](), 0, 0
    specs = [spec("a"), spec("b", jobs=2), spec("c", rpm=600)]

    async def answer(asked: Request) -> Completion:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await time.sleep(luck.uniform(0.01, 2))
        flying -= 1
        if luck.random() < 0.2:
            raise refused(wait)
        if luck.random() < 0.02:
            raise CompletionError("transient", "HTTP 500")
        answers[asked.params["seed"]] += 1
        return Completion(text="ok")

    requests = [request(specs[i % 3], i) for i in range(60)]
    got = asking(time, specs, answer, requests, jobs=jobs)
    assert [answer.text for answer in got] == ["ok"] * 60
    assert answers == Counter(range(60))
    assert most <= jobs


def test_a_refused_request_goes_before_those_that_came_later() -> None:
    time, one, order = Time(), spec("one"), list[int]()

    async def answer(asked: Request) -> Completion:
        order.append(asked.params["seed"])
        await time.sleep(0.2)
        if order.count(3) == 1 and asked.params["seed"] == 3:
            raise refused()
        return Completion()

    asking(time, [one], answer, [request(one, i) for i in range(20)], jobs=1)
    assert order == [0, 1, 2, 3, 3, *range(4, 20)]


def test_the_default_has_a_ceiling() -> None:
    time, one, flying, most = Time(), spec("one"), 0, 0

    async def answer(asked: Request) -> Completion:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await time.sleep(0.2)
        flying -= 1
        return Completion()

    asking(time, [one], answer, [request(one, i) for i in range(1000)])
    assert most == CEILING


def test_tokens_a_minute_are_held_to_by_what_answers_took() -> None:
    time, one, sent = Time(), spec("one", tpm=6000), list[tuple[float, int]]()

    async def answer(asked: Request) -> Completion:
        tokens = 300 if asked.params["seed"] % 3 else 900
        sent.append((time.now, tokens))
        await time.sleep(0.2)
        return Completion(usage=Usage(prompt=tokens - 50, completion=50))

    sizes = {0: 3 * 1200, 1: 1200, 2: 1200}
    asking(time, [one], answer, [request(one, i, "x" * sizes[i % 3]) for i in range(90)])
    for begin, _ in sent[5:]:
        assert sum(tokens for at, tokens in sent if begin <= at < begin + 60) <= 6000 + 900
    assert sent[-1][0] < 1.1 * 60 * sum(tokens for _, tokens in sent) / 6000


def test_a_place_is_given_when_a_request_may_soon_be_sent() -> None:
    time, one, made, most, flying = Time(), spec("one"), 0, 0, 0

    async def answer(asked: Request) -> Completion:
        nonlocal flying
        flying += 1
        full = flying > 5
        await time.sleep(0.2)
        flying -= 1
        if full:
            raise refused()
        return Completion()

    async def run() -> None:
        async with Client([one], provider=lambda _: Made(answer), environ={}, sleep=time.sleep, clock=time) as client:

            async def work(number: int) -> None:
                nonlocal made, most
                async with client.place("one"):
                    made += 1
                    most = max(most, made - client.most("one"))
                    await client.complete(request(one, number))
                    made -= 1

            await time.pass_by(asyncio.ensure_future(asyncio.gather(*map(work, range(200)))))

    asyncio.run(run())
    assert (made, flying) == (0, 0)
    assert most <= 4  # a window that shrinks takes no place away


# ---------------------------------------------------------------------------------------------- ends


@examples(5, 100)
@given(st.integers(0, 50), st.sampled_from([0.01, 0.3, 5.0]))
def test_a_model_that_only_fails_ends_after_a_bounded_number_of_requests(good: int, took: float) -> None:
    time, dead, alive, sent = Time(), spec("dead", api_base="http://one"), spec("alive", api_base="http://one"), Counter[str]()

    async def answer(asked: Request) -> Completion:
        sent[asked.model] += 1
        late = sent[asked.model]
        await time.sleep(took)
        if asked.model == "dead/m" and late > good:
            raise CompletionError("transient", "HTTP 500: it broke")
        return Completion(text="ok")

    requests = [request(of, i) for i in range(150) for of in (dead, alive)]
    got = asking(time, [dead, alive], answer, requests, jobs=20)
    most = good + IN_A_ROW + 20 + PROBES
    assert sent["dead/m"] <= most
    assert [answer.text for answer in got[1::2]] == ["ok"] * 150
    last = [error for error in got[::2] if isinstance(error, CompletionError) and error.kind == "fatal"]
    assert len(last) >= 150 - most
    assert all("requests in a row failed; the last one: HTTP 500: it broke" in str(error) for error in last)


def test_a_model_that_comes_back_goes_on() -> None:
    time, one, traffic, said = Time(), spec("one"), Traffic(), set[str]()

    async def answer(asked: Request) -> Completion:
        said.update(traffic.held)
        begun = time.now
        await time.sleep(0.1)
        if 5 < begun < 15:
            raise CompletionError("transient", "HTTP 500")
        return Completion(text="ok")

    got = asking(time, [one], answer, [request(one, i) for i in range(800)], jobs=10, traffic=traffic)
    lost = sum(isinstance(answer, Exception) for answer in got)
    assert lost <= 4
    assert any(line.endswith("requests in a row failed; trying one at a time") for line in said)


def test_what_waits_is_not_sent_once_time_is_up() -> None:
    time, one, sent = Time(), spec("one"), list[float]()

    async def answer(asked: Request) -> Completion:
        sent.append(time.now)
        late = len(sent) > 30
        await time.sleep(3)
        if late:
            raise refused(500.0)
        return Completion(text="ok")

    got = asking(time, [one], answer, [request(one, i) for i in range(500)], left=lambda: max(0.0, 60 - time.now))
    assert max(sent) < 60
    assert time.now < 70
    assert {type(answer) for answer in got} == {Completion, NotSent}
    assert sum(isinstance(answer, Completion) for answer in got) == 30


def test_who_gives_up_takes_nobodys_place() -> None:
    time, one = Time(), spec("one")

    async def answer(asked: Request) -> Completion:
        await time.sleep(1)
        return Completion(text="ok")

    async def run() -> None:
        async with Client([one], jobs=1, provider=lambda _: Made(answer), environ={}, sleep=time.sleep, clock=time) as client:
            tasks = [asyncio.create_task(client.complete(request(one, i))) for i in range(9)]
            for _ in range(30):
                await asyncio.sleep(0)
            for task in tasks[:8]:
                task.cancel()
            await time.pass_by(tasks[8])
            assert (await tasks[8]).text == "ok"

    asyncio.run(run())


# ---------------------------------------------------------------------------------------------- what is shown


@pytest.mark.parametrize("kind", ["seats", "wait"])
def test_what_holds_requests_back_is_said(kind: str) -> None:
    time, one, traffic, said, flying = Time(), spec("one"), Traffic(), list[str](), 0

    async def answer(asked: Request) -> Completion:
        nonlocal flying
        said.extend(traffic.held)
        if flying >= 4:
            raise refused(30.0 if kind == "wait" else None)
        flying += 1
        await time.sleep(1)
        flying -= 1
        return Completion(text="ok")

    asking(time, [one], answer, [request(one, i) for i in range(200)], traffic=traffic)
    wanted = "one: held to 4 at a time by the provider"
    assert said[-1] == wanted
    assert all(len(line) < 80 for line in said)
    ((host, (refusals, sent)),) = traffic.refused.items()
    assert (host, sent) == ("one", 200 + refusals)
