"""How fast and how often a model may be asked: requests in flight, requests a minute, waits between attempts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from phrasing.suite.schema import ModelSpec


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how long to wait: exponential with full jitter, in seconds. ``Retry-After`` counts up to ``cap``."""

    attempts: int = 5
    base: float = 1.0
    cap: float = 60.0

    def delay(self, attempt: int, retry_after: float | None, chance: float) -> float:
        """Seconds to wait after a failed attempt (the first is 1); ``chance`` is from 0 to 1."""
        if retry_after is not None:  # not all at the same moment
            return min(self.cap, retry_after) + chance * self.base
        return chance * min(self.cap, self.base * 2.0 ** (attempt - 1))


class Limits:
    """What all requests to one model share: ``slots`` of its own, those of its provider, and a pace.

    ``specs`` are those of one model at one address. They may differ in parameters, but what holds it back is the strictest of
    them; ``jobs`` holds where they say nothing.
    """

    def __init__(self, specs: Iterable[ModelSpec], *, jobs: int, shared: AbstractAsyncContextManager[None]) -> None:
        listed = list(specs)
        self.slots = asyncio.Semaphore(min([*(spec.jobs for spec in listed if spec.jobs), jobs]))
        self.shared = shared
        rpm = min((spec.rpm for spec in listed if spec.rpm), default=None)
        self._gap = 60 / rpm if rpm else 0.0
        self._next = 0.0
        self._turn = asyncio.Lock()

    async def pace(self, clock: Callable[[], float], sleep: Callable[[float], Awaitable[object]]) -> None:
        """Wait for the next start that the requests a minute allow; first come, first served."""
        async with self._turn:
            now = clock()
            if self._next > now:
                await sleep(self._next - now)
            self._next = max(now, self._next) + self._gap
