"""Ask models, whoever their provider is: one request in, one answer or one ``CompletionError`` out.

``Client.complete`` is the only way out to a model. It finds out how many requests a host takes, tries again what may pass, and
says of everything else in one line what happened.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from phrasing.errors import CompletionError, ModelError
from phrasing.models import keys, prices
from phrasing.models.limits.controller import CEILING, Controller
from phrasing.models.lines import PATIENCE, Asked, Breaker, Line, Together, Traffic, ceilings
from phrasing.models.provider import Complete, Provider, provider_of
from phrasing.models.responses import refused_params
from phrasing.models.status import Listener, told_to
from phrasing.suite.schema import RESERVED_PARAMS, ModelSpec
from phrasing.types import Completion, Request


@asynccontextmanager
async def opened(
    specs: Sequence[ModelSpec],
    *,
    project: Path,
    jobs: int | None,
    left: Callable[[], float] = lambda: math.inf,
    traffic: Traffic | None = None,
    say: Listener = lambda line: None,
) -> AsyncIterator[Client]:
    """Make the models of a project ready, with the keys of its ``.env``, and give the client that asks them.

    ``say`` is told what takes long. Raises ``ModelError`` before anything is sent where one can't be asked.
    """
    found = keys.read_env(project, specs, os.environ)
    keys.check_keys(specs, os.environ, found)
    with told_to(say):
        async with Client(specs, jobs=jobs, environ={**found, **os.environ}, left=left, traffic=traffic) as client:
            yield client


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


@dataclass(frozen=True, slots=True)
class _Model:
    """A model at an address: the spec by which it is asked, who asks it, and where its requests wait."""

    spec: ModelSpec
    provider: Provider
    line: Line
    asked: Asked


class Client:
    """Asks the models it was made with. ``async with`` opens them, and closes what that took.

    ``jobs`` is how many requests may be in flight at once, over all models: left out, as many as each host is found to take, up
    to ``CEILING``. ``timeout`` is the seconds that an attempt may take where the model's spec says nothing of it. ``provider``
    says who asks a model, by its id. ``environ`` has the keys; that they go where they may is checked beforehand, by
    ``check_keys``. ``left`` gives the seconds in which requests may still be sent: at 0, those that wait end with ``NotSent``.
    ``traffic`` shows what goes on.
    """

    def __init__(
        self,
        specs: Sequence[ModelSpec],
        *,
        jobs: int | None = None,
        timeout: float = 300.0,
        retry: Retry | None = None,
        provider: Callable[[str], Provider] = provider_of,
        environ: Mapping[str, str] | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        left: Callable[[], float] = lambda: math.inf,
        traffic: Traffic | None = None,
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._timeout, self._retry = timeout, retry or Retry()
        self._sleep, self._clock, self._chance, self._left = sleep, clock, chance, left
        self._together = Together(jobs)
        self._models = self._joined(specs, CEILING if jobs is None else jobs, provider)
        self._labels = {spec.label: (spec.id, spec.api_base) for spec in specs}
        self._numbers = count(1)
        if traffic is not None:
            traffic.lines = self._together.lines
        self._ready: dict[tuple[str, str | None], Complete] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Client:
        async with AsyncExitStack() as stack:
            for line in self._together.lines:
                stack.push_async_callback(line.close)
            for where, model in self._models.items():
                ask = await stack.enter_async_context(model.provider.open(model.spec, self._environ))
                self._ready[where] = keys.guarded(ask, model.provider, model.spec, self._environ)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ready.clear()
        await self._stack.aclose()

    def _joined(
        self, specs: Sequence[ModelSpec], jobs: int, of: Callable[[str], Provider]
    ) -> dict[tuple[str, str | None], _Model]:
        """Join the specs of one model at one address: they differ in parameters, but a provider's limits hold for them together.

        Models of one host and key wait in one line. Where a provider says how many it takes at once, that is over all its models.
        """
        same: dict[tuple[str, str | None], list[ModelSpec]] = {}
        for spec in specs:
            same.setdefault((spec.id, spec.api_base), []).append(spec)
        lines: dict[object, Line] = {}
        models = {}
        for where, group in same.items():
            if len({spec.api_key_env for spec in group}) > 1:
                raise ModelError(f"model {where[0]!r} is listed with different api_key_env; there must be one")
            provider, chosen = of(where[0]), next((spec for spec in group if spec.price), group[0])
            host = urlsplit(chosen.api_base).netloc if chosen.api_base else chosen.id.partition("/")[0]
            key: object = provider if provider.at_once else (host, chosen.api_key_env)
            if key not in lines:
                controller = Controller(min(provider.at_once or jobs, jobs), self._clock)
                lines[key] = Line(host, controller, self._together, sleep=self._sleep, clock=self._clock, left=self._left)
            asked = Asked(chosen.label, ceilings(group, self._clock), Breaker(self._clock))
            lines[key].models.append(asked)
            models[where] = _Model(chosen, provider, lines[key], asked)
        return models

    def place(self, label: str) -> AbstractAsyncContextManager[None]:
        """Wait until a request to a model is worth making, which takes memory: until it is among the next to be sent."""
        model = self._models[self._labels[label]]
        return model.line.place(model.asked)

    def most(self, label: str) -> int:
        """Say how many requests to a model are worth making at once, as far as is known."""
        model = self._models[self._labels[label]]
        return model.line.most(model.asked)

    async def complete(self, request: Request) -> Completion:
        """Ask once, with retries. A refusal for too many requests isn't an attempt; it is waited on for ``PATIENCE`` seconds.

        Raises ``CompletionError``, whose ``kind`` says what a failure means, or ``NotSent``.
        """
        where = request.model, request.api_base
        if where not in self._ready:
            raise ModelError(f"model {request.model!r} was not given to this client")
        model, ask = self._models[where], self._ready[where]
        number, attempt, refused = next(self._numbers), 1, None
        while True:
            try:
                async with model.line.turn(number, model.asked, request) as turn:
                    try:
                        answer = await self._attempt(model, ask, request, attempt)
                    except CompletionError as error:
                        turn.failed(error)
                        raise
                    turn.answered(answer)
                    return answer
            except CompletionError as error:
                if error.throttled:
                    refused = self._clock() if refused is None else refused
                    if self._clock() - refused > PATIENCE:
                        raise self._told(model, request, error, attempt) from error
                    continue
                if attempt >= self._worth(model, error):
                    raise self._told(model, request, error, attempt) from error
                pause = self._retry.delay(attempt, error.retry_after, self._chance())
            await self._sleep(min(pause, self._left()))
            attempt += 1

    async def _attempt(self, model: _Model, ask: Complete, request: Request, attempt: int) -> Completion:
        started = time.perf_counter()
        limit = model.spec.timeout.total if "timeout" in model.spec.model_fields_set else self._timeout
        try:
            async with asyncio.timeout(limit):
                answer = await ask(request)
        except TimeoutError as error:
            raise CompletionError("transient", f"no answer within {limit:g} s") from error
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

    def _told(self, model: _Model, request: Request, error: CompletionError, attempts: int) -> CompletionError:
        said = f"{model.spec.label} ({model.spec.id}): {keys.scrub(str(error), self._environ, model.spec)}"
        if error.kind == "fatal" and (refused := refused_params(str(error), sorted(request.params.keys() - RESERVED_PARAMS))):
            said += f"; leave out what it doesn't take: {' '.join(f'-p {name}=null' for name in refused)}"
        return CompletionError(error.kind, said, attempts=attempts)
