"""Ask models, whoever their provider is: one request in, one answer or one ``CompletionError`` out.

``Client.complete`` is the only way out to a model. It holds each to its own pace (requests at a time and a minute), tries again
what may pass, and says of everything else in one line what happened.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from phrasing.errors import CompletionError, ModelError
from phrasing.models import keys, prices
from phrasing.models.limits import Limits, Retry
from phrasing.models.provider import Complete, Provider, provider_of
from phrasing.models.status import Listener, told_to
from phrasing.suite.schema import ModelSpec
from phrasing.types import Completion, Request


@asynccontextmanager
async def opened(
    specs: Sequence[ModelSpec], *, project: Path, jobs: int, waiting: Listener = lambda line: None
) -> AsyncIterator[Complete]:
    """Make the models of a project ready, with the keys of its ``.env``, and give what asks them.

    ``waiting`` is told what takes long. Raises ``ModelError`` before anything is sent where one can't be asked.
    """
    found = keys.read_env(project, specs, os.environ)
    keys.check_keys(specs, os.environ, found)
    with told_to(waiting):
        async with Client(specs, jobs=jobs, environ={**found, **os.environ}) as client:
            yield client.complete


@dataclass(frozen=True, slots=True)
class _Model:
    """A model at an address: the spec by which it is asked, who asks it, and how fast."""

    spec: ModelSpec
    provider: Provider
    limits: Limits


class Client:
    """Asks the models it was made with. ``async with`` opens them, and closes what that took.

    ``jobs`` is how many requests may be in flight at once, over all models and for each; ``timeout`` the seconds that an attempt
    may take. ``provider`` says who asks a model, by its id. ``environ`` has the keys; that they go where they may is checked
    beforehand, by ``check_keys``.
    """

    def __init__(
        self,
        specs: Sequence[ModelSpec],
        *,
        jobs: int = 8,
        timeout: float = 300.0,
        retry: Retry | None = None,
        provider: Callable[[str], Provider] = provider_of,
        environ: Mapping[str, str] | None = None,
        found: Mapping[str, str] | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._timeout, self._retry = timeout, retry or Retry()
        self._sleep, self._clock, self._chance = sleep, clock, chance
        self._jobs = asyncio.Semaphore(jobs)
        self._models = _models(specs, jobs, provider)
        self._ready: dict[tuple[str, str | None], Complete] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Client:
        async with AsyncExitStack() as stack:
            for where, model in self._models.items():
                self._ready[where] = await stack.enter_async_context(model.provider.open(model.spec, self._environ))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ready.clear()
        await self._stack.aclose()

    async def complete(self, request: Request) -> Completion:
        """Ask once, with retries. Raises ``CompletionError``; its ``kind`` says what a failure means."""
        where = request.model, request.api_base
        if where not in self._ready:
            raise ModelError(f"model {request.model!r} was not given to this client")
        model, ask = self._models[where], self._ready[where]
        # Held while waiting to try again as well: a model that says "slow down" must not get the next request instead.
        async with model.limits.slots, model.limits.shared:
            for attempt in count(1):
                await model.limits.pace(self._clock, self._sleep)
                try:
                    async with self._jobs:
                        return await self._attempt(model, ask, request, attempt)
                except CompletionError as error:
                    if attempt >= self._worth(model, error):
                        raise self._told(model, error, attempt) from error
                    pause = self._retry.delay(attempt, error.retry_after, self._chance())
                await self._sleep(pause)
        raise AssertionError("counting ends")

    async def _attempt(self, model: _Model, ask: Complete, request: Request, attempt: int) -> Completion:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout):
                answer = await ask(request)
        except TimeoutError as error:
            raise CompletionError("transient", f"no answer within {self._timeout:g} s") from error
        update: dict[str, object] = {"attempts": attempt}
        if answer.latency is None:
            update["latency"] = time.perf_counter() - started
        if answer.cost is None:
            update["cost"] = prices.cost(model.provider.price(model.spec), answer.usage)
        return answer.model_copy(update=update)

    def _worth(self, model: _Model, error: CompletionError) -> int:
        """Say how many attempts a failure is worth."""
        usual = self._retry.attempts if error.kind == "transient" else 1
        most = self._retry.attempts if model.provider.attempts is None else model.provider.attempts
        return min(error.worth or usual, most, self._retry.attempts)

    def _told(self, model: _Model, error: CompletionError, attempts: int) -> CompletionError:
        said = f"{model.spec.label} ({model.spec.id}): {keys.scrub(str(error), self._environ, model.spec)}"
        return CompletionError(error.kind, said, attempts=attempts)


def _models(specs: Sequence[ModelSpec], jobs: int, of: Callable[[str], Provider]) -> dict[tuple[str, str | None], _Model]:
    """Join the specs of one model at one address: they differ in parameters, but a provider's limits hold for them together."""
    same: dict[tuple[str, str | None], list[ModelSpec]] = {}
    for spec in specs:
        same.setdefault((spec.id, spec.api_base), []).append(spec)
    shared: dict[Provider, AbstractAsyncContextManager[None]] = {}
    models = {}
    for where, group in same.items():
        if len({spec.api_key_env for spec in group}) > 1:
            raise ModelError(f"model {where[0]!r} is listed with different api_key_env; there must be one")
        provider = of(where[0])
        most = provider.at_once
        limit = shared.setdefault(provider, nullcontext() if most is None else asyncio.Semaphore(most))
        chosen = next((spec for spec in group if spec.price), group[0])
        models[where] = _Model(chosen, provider, Limits(group, jobs=jobs, shared=limit))
    return models
