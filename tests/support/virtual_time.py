"""Time that passes when everybody sleeps, and a provider that answers as a function does."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from phrasing.models.provider import Complete, Provider
from phrasing.suite.schema import ModelSpec
from phrasing.types import Completion, Request


class Time:
    """Time that passes when everybody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self._sleeping: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self._count += 1
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleeping, (self.now + max(0.0, seconds), self._count, woken))
        await woken

    async def pass_by(self, until: asyncio.Future[Any]) -> None:
        while not until.done():
            for _ in range(20):  # whoever can do something does it first
                await asyncio.sleep(0)
            while self._sleeping and self._sleeping[0][2].done():
                heapq.heappop(self._sleeping)
            if self._sleeping and not until.done():
                self.now, _, woken = heapq.heappop(self._sleeping)
                woken.set_result(None)


Answer = Callable[[Request], Awaitable[Completion]]


class Made(Provider):
    """A provider that answers as a function does."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    @asynccontextmanager
    async def open(self, spec: ModelSpec, environ: Mapping[str, str]) -> AsyncIterator[Complete]:
        yield self._answer
