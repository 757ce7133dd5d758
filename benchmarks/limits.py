"""Whether requests go as fast as a provider allows, and no faster: measured against a server in another process.

``python -m benchmarks.limits`` prints the section; an argument is the seconds of each measurement.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import aiohttp
from aiohttp import web

from phrasing.errors import CompletionError
from phrasing.models.client import Client
from phrasing.models.provider import Complete, Provider
from phrasing.suite.schema import ModelSpec
from phrasing.types import Completion, Request

FIRST = 10.0
"""Seconds in which a limit may be found."""

WORKERS = 128

BUCKETS = [(burst, wait, jobs) for burst in (1, 10, 50) for wait in (None, 1) for jobs in (None, 64)]
SEATS = [(1, None), (2, None), (2, 1), (8, None), (30, None)]


# ---------------------------------------------------------------------------------------------- the server


@dataclass
class Limit:
    """What a server allows: so many a second with a reserve, so many at a time, or so many workers; ``None``: any number."""

    rate: float | None = None
    burst: float = 1.0
    seats: int | None = None
    workers: int | None = None
    latency: float = 0.2
    retry_after: int | None = None
    slow: tuple[float, float, float] | None = None
    _tokens: float | None = None
    _at: float = 0.0
    _taken: int = 0
    _free: asyncio.Semaphore | None = None
    peak: int = 0
    when: float | None = None

    def takes(self, now: float, began: float) -> bool:
        """Whether a request that comes now is taken."""
        if self.seats is not None and self._taken >= self.seats:
            return False
        if self.rate is None:
            return True
        rate = self.rate
        if self.slow and self.slow[0] <= now - began < self.slow[1]:
            rate = self.slow[2]
        self._tokens = self.burst if self._tokens is None else min(self.burst, self._tokens + (now - self._at) * rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    async def answer(self, began: float) -> bool:
        """Take the time of an answer."""
        self._taken += 1
        if self._taken > self.peak:
            self.peak = self._taken
            if self._taken >= 64 and self.when is None:
                self.when = time.monotonic() - began
        try:
            if self.workers is None:
                await asyncio.sleep(self.latency)
                return True
            self._free = self._free or asyncio.Semaphore(self.workers)
            async with self._free:
                await asyncio.sleep(self.latency)
            return True
        finally:
            self._taken -= 1


async def serve() -> None:
    """Serve limits, each under its own path, as the first request to it says; print the port."""
    limits: dict[str, tuple[Limit, float]] = {}

    async def ask(request: web.Request) -> web.Response:
        now = time.monotonic()
        limit, began = limits[request.path]
        if not limit.takes(now, began):
            headers = {"Retry-After": str(limit.retry_after)} if limit.retry_after else {}
            return web.Response(status=429, headers=headers)
        await limit.answer(began)
        return web.json_response({"peak": limit.peak, "when": limit.when})

    async def put(request: web.Request) -> web.Response:
        limits[request.path] = (Limit(**await request.json()), time.monotonic())
        return web.Response()

    app = web.Application()
    app.router.add_post("/{path:.*}", ask)
    app.router.add_put("/{path:.*}", put)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


# ---------------------------------------------------------------------------------------------- the client


class Plain(Provider):
    """Asks the server with as little around it as can be, so that the limits are what is measured."""

    @asynccontextmanager
    async def open(self, spec: ModelSpec, environ: Mapping[str, str]) -> AsyncIterator[Complete]:
        """Open connections."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def ask(request: Request) -> Completion:
                async with session.post(spec.api_base or "") as response:
                    if response.status == 429:
                        wait = response.headers.get("Retry-After")
                        retry_after = float(wait) if wait else None
                        raise CompletionError("transient", "HTTP 429", throttled=True, retry_after=retry_after)
                    return Completion(text=await response.text())

            yield ask


@dataclass
class Seen:
    """What came of a measurement: when requests were answered and refused, how many were given up."""

    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    last: str = "{}"
    given_up: int = 0

    def rate(self, begin: float, end: float) -> float:
        """Answers a second."""
        return sum(begin <= at < end for at in self.answered) / (end - begin)

    def share(self, begin: float) -> float:
        """The share of requests that were refused."""
        no, yes = (sum(at >= begin for at in times) for times in (self.refused, self.answered))
        return no / max(1, no + yes)


class Watched(Plain):
    """Notes what comes of each request."""

    def __init__(self, seen: dict[str, Seen], began: float) -> None:
        self._seen, self._began = seen, began

    @asynccontextmanager
    async def open(self, spec: ModelSpec, environ: Mapping[str, str]) -> AsyncIterator[Complete]:
        """Open connections, and note."""
        seen = self._seen[spec.label]
        async with super().open(spec, environ) as ask:

            async def noted(request: Request) -> Completion:
                begin = time.monotonic()
                try:
                    answer = await ask(request)
                except CompletionError:
                    seen.refused.append(time.monotonic() - self._began)
                    raise
                seen.answered.append(time.monotonic() - self._began)
                seen.latencies.append(time.monotonic() - begin)
                seen.last = answer.text
                return answer

            yield noted


async def send(port: int, limits: dict[str, dict[str, Any]], seconds: float, jobs: int | None = None) -> dict[str, Seen]:
    """Send as much as limits allow, for so long: each is a host of its own."""
    began = time.monotonic()
    seen = {label: Seen() for label in limits}
    specs = [
        ModelSpec(  # a key of its own makes it a host of its own
            label=label, id=f"plain/{label}", api_base=f"http://127.0.0.1:{port}/{label}-{began}", api_key_env=label.upper()
        )
        for label in limits
    ]
    async with aiohttp.ClientSession() as session:
        for spec, limit in zip(specs, limits.values(), strict=True):
            await session.put(spec.api_base or "", json=limit)

    async def work(client: Client, spec: ModelSpec) -> None:
        while time.monotonic() - began < seconds:
            try:
                async with client.place(spec.label):
                    await client.complete(Request(model=spec.id, api_base=spec.api_base, messages=()))
            except CompletionError:
                seen[spec.label].given_up += 1

    watched = Watched(seen, began)
    async with Client(specs, jobs=jobs, provider=lambda _: watched, environ={}) as client:
        tasks = [asyncio.create_task(work(client, spec)) for spec in specs for _ in range(WORKERS)]
        await asyncio.sleep(began + seconds - time.monotonic())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return seen


async def one(port: int, seconds: float, jobs: int | None = None, **limit: Any) -> Seen:
    """Send as much as one limit allows."""
    return (await send(port, {"one": limit}, seconds, jobs))["one"]


async def measured(port: int, seconds: float) -> AsyncIterator[str]:
    """Measure each kind of limit."""
    yield f"A server in another process that answers in 200 ms, {seconds:.0f} s each; *reached* is the allowed, after 10 s:"
    yield ""
    yield "| limit | refusals say | `-j` | reached | refused after 10 s | before | given up |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: |"
    for burst, wait, jobs in BUCKETS:
        seen = await one(port, seconds, jobs, rate=50.0, burst=burst, retry_after=wait)
        name, says = f"50/s, {burst} at once", f"`Retry-After: {wait}`" if wait else "nothing"
        yield _row(name, says, jobs, seen, 50.0, seconds)
    for seats, wait in SEATS:
        seen = await one(port, seconds, seats=seats, retry_after=wait)
        says = f"`Retry-After: {wait}`" if wait else "nothing"
        yield _row(f"{seats} at a time", says, None, seen, seats / fmean(seen.latencies), seconds)
    yield ""
    third = seconds
    seen = await one(port, 3 * third, rate=50.0, burst=10, slow=(third, 2 * third, 20.0))
    down = next(at for at in range(int(third), int(2 * third)) if seen.rate(at, at + 2) < 24)
    up = next((at for at in range(int(2 * third), int(3 * third)) if seen.rate(at, at + 2) > 45), 3 * third)
    yield f"- 50/s, then 20/s, then 50/s again: followed within {down + 2 - third:.0f} s down and {up + 2 - 2 * third:.0f} s up;"
    yield f"  {seen.share(FIRST):.1%} refused."
    seen = await one(port, seconds, workers=8)
    slower = fmean(seen.latencies[len(seen.latencies) // 3 :]) / 0.2
    yield f"- 8 workers and a queue: {seen.rate(FIRST, seconds) / 40:.0%} of what they do; answers: {slower:.1f} times as long."
    seen = await one(port, 10)
    yield f"- No limit: {json.loads(seen.last)['when']:.1f} s until 64 are in flight; {json.loads(seen.last)['peak']} at most."
    alone = await one(port, seconds, seats=20)
    both = await send(port, {"free": {"seats": 20}, "held": {"rate": 2.0, "retry_after": 1}}, seconds)
    share = both["free"].rate(FIRST, seconds) / alone.rate(FIRST, seconds)
    yield f"- Two hosts, one of them held to 2/s: the other does {share:.0%} of what it does alone."


def _row(name: str, says: str, jobs: int | None, seen: Seen, allowed: float, seconds: float) -> str:
    before = sum(at < FIRST for at in seen.refused)
    reached, refused = seen.rate(FIRST, seconds) / allowed, seen.share(FIRST)
    return f"| {name} | {says} | {jobs or 'found'} | {reached:.0%} | {refused:.1%} | {before} | {seen.given_up} |"


def measure(seconds: float = 60) -> Iterator[str]:
    """Measure against a server in another process."""
    with asyncio.Runner() as runner:

        async def start() -> tuple[asyncio.subprocess.Process, int]:
            command = [sys.executable, "-m", "benchmarks.limits", "serve"]
            process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
            assert process.stdout is not None
            return process, int(await process.stdout.readline())

        process, port = runner.run(start())
        lines = measured(port, seconds)
        try:
            while True:
                try:
                    yield runner.run(anext(lines))
                except StopAsyncIteration:
                    return
        finally:
            process.terminate()
            runner.run(process.wait())


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    else:
        for line in measure(*map(float, sys.argv[1:])):
            print(line, flush=True)
