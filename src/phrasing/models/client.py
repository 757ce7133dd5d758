"""Ask a model: one request in, one answer or one ``CompletionError`` out.

``Client.complete`` is the only way out to a provider. It holds each model to its own pace (requests at a time and a minute),
tries again what may pass, and says of everything else in one line what happened. All of litellm is behind this module.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import os
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from phrasing.baml.step_schemas import any_call
from phrasing.errors import CompletionError, CompletionErrorKind, ModelError, shorten
from phrasing.models import keys
from phrasing.models.responses import (
    REFUSAL_CODES,
    BadAnswer,
    Retry,
    dead_address,
    emulated,
    error_codes,
    is_overflow,
    read_answer,
    retry_after,
    scrub,
)
from phrasing.suite.schema import LOCAL, ModelSpec
from phrasing.types import Completion, Request, Usage, digest

NO_KEY = "none"
"""Sent as the key to a server that needs none. The provider's own key never goes to another address."""

FORCED = "tool_choice enforced by a JSON Schema"
"""What ``emulated`` says of a tool call that the embedded model was held to write as text."""

DEAD_ATTEMPTS = 2
LOCAL_ATTEMPTS = 2

CheckTools = Callable[[str, Sequence[dict[str, Any]]], None]


@cache
def _litellm() -> Any:
    """Import litellm (seconds) so that it neither asks the network for a price map nor prints nor logs."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS", "True")
    os.environ["LITELLM_MODE"] = "PRODUCTION"  # else it loads the .env of a project that its environment lies in, whole
    for name in ("NO_PROXY", "no_proxy"):  # a proxy doesn't know this machine's loopback
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1,localhost,::1"]))
    import litellm

    litellm.suppress_debug_info = True
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return litellm


# ---------------------------------------------------------------------------------------------- keys and costs


def read_env(root: Path, specs: Iterable[ModelSpec], environ: Mapping[str, str]) -> dict[str, str]:
    """Read from ``root/.env`` the keys of these models that ``environ`` lacks: nothing else, least of all an address.

    Raises ``ModelError`` where it names an address, or another setting that a model needs: to ignore it would ask elsewhere than
    is meant.
    """
    found: dict[str, str] = {}
    file = _dotenv(root / ".env")
    for spec in specs if file else ():
        if spec.api_key_env:
            found |= keys.wanted(file, [spec.api_key_env], environ)
        if spec.api_base or (provider := _provider(spec)) is None:
            continue
        own = keys.own(provider)
        if not spec.api_key_env:
            found |= keys.wanted(file, own, environ)
        settings = [name for name in _litellm().validate_environment(spec.id)["missing_keys"] if name not in own]
        if unread := [name for name in (*settings, *keys.addresses(provider)) if name in file and name not in environ]:
            raise ModelError(
                f"model {spec.label!r}: {' and '.join(dict.fromkeys(unread))} can't come from .env, from which only keys of "
                "models are read; set it in the environment, or take it out",
                where=str(root / ".env"),
            )
    return found


def _dotenv(path: Path) -> dict[str, str]:
    """Read a ``.env`` file as it stands: filling in ``${NAME}`` would let it copy any variable into a key."""
    from dotenv import dotenv_values

    try:
        return {name: value for name, value in dotenv_values(path, interpolate=False).items() if value}
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"can't be read: {getattr(error, 'strerror', None) or 'not UTF-8'}", where=str(path)) from None


def check_keys(specs: Iterable[ModelSpec], environ: Mapping[str, str], found: Mapping[str, str] | None = None) -> None:
    """Raise ``ModelError`` for each model that lacks its key, or would send one where it mustn't go, before anything is sent.

    ``environ`` is the user's; ``found`` are the keys that ``read_env`` found, which confirm nothing.
    """
    problems = [problem for spec in specs if (problem := _key_problem(spec, environ, found or {}))]
    if problems:
        raise ModelError("; ".join(problems))


def _key_problem(spec: ModelSpec, environ: Mapping[str, str], found: Mapping[str, str]) -> str | None:
    provider = _provider(spec)
    if provider is None and not spec.id.startswith(LOCAL):
        return f"model {spec.label!r}: {spec.id!r} names no known provider; write provider/model, such as openai/gpt-4.1-mini"
    if provider and spec.api_base and spec.id.partition("/")[0] not in keys.ADDRESSED:
        return (
            f"model {spec.label!r}: {spec.id!r} can't be asked at an api_base; write openai/<its name there>, "
            f"or one of {', '.join(keys.ADDRESSED)}"
        )
    if spec.api_key_env:
        if provider and (why := keys.refusal(spec.api_key_env, provider, spec.api_base, environ)):
            return f"model {spec.label!r}: {why}"
        if environ.get(spec.api_key_env) or found.get(spec.api_key_env):
            return None
        return f"model {spec.label!r}: no key: set {spec.api_key_env} in the environment or in .env"
    if provider is None or spec.api_base:
        return None
    # only variables that are surely keys: clouds and local daemons have other ways than their variables
    missing = [name for name in _litellm().validate_environment(spec.id)["missing_keys"] if name in keys.own(provider)]
    if not missing or any(environ.get(name) or found.get(name) for name in keys.own(provider)):
        return None
    return f"model {spec.label!r}: no key for {provider}: set {' or '.join(missing)} in the environment or in .env"


def _provider(spec: ModelSpec) -> str | None:
    """Name a model's provider as litellm does; ``None`` for an embedded model, and where there is none."""
    if spec.id.startswith(LOCAL):
        return None
    try:
        return str(_litellm().get_llm_provider(spec.id)[1])
    except _litellm().exceptions.BadRequestError:
        return None


def _cost(spec: ModelSpec, usage: Usage, said: Any) -> float | None:
    """Price a usage. ``said`` is litellm's own record of it, which knows the cached tokens that cost less."""
    if spec.id.startswith(LOCAL):
        return 0.0
    prompt, completion = usage.prompt, usage.completion
    if prompt is None or completion is None:
        return None
    if spec.price:
        cached = 0 if spec.price.cached is None else usage.cached or 0
        read = cached * (spec.price.cached or 0)
        return ((prompt - cached) * spec.price.prompt + read + completion * spec.price.completion) / 1_000_000
    if spec.api_base:  # whoever serves a model there sets their own price
        return None
    litellm = _litellm()
    try:
        parts = litellm.cost_per_token(model=spec.id, prompt_tokens=prompt, completion_tokens=completion, usage_object=said)
    except (litellm.exceptions.ModelNotMappedError, litellm.exceptions.BadRequestError):
        return None
    return float(parts[0] + parts[1])


# ---------------------------------------------------------------------------------------------- the client


@dataclass(frozen=True, slots=True)
class _Fault:
    """One failed attempt. ``attempts``: how many to make before giving up."""

    kind: CompletionErrorKind
    message: str
    attempts: int = 1
    retry_after: float | None = None


class _Lane:
    """What requests to one model share: slots, pace, and what the model takes."""

    def __init__(self, spec: ModelSpec, *, url: str | None, slots: asyncio.Semaphore, rpm: float | None) -> None:
        self.spec = spec
        self.url = url
        self.slots = slots
        self.checked: set[str] = set()
        self._gap = 60 / rpm if rpm else 0.0
        self._next = 0.0
        self._turn = asyncio.Lock()
        self.supported = set(_litellm().get_supported_openai_params(_sent_model(spec)) or ())

    async def pace(self, clock: Callable[[], float], sleep: Callable[[float], Awaitable[object]]) -> None:
        """Wait for the next start that the requests a minute allow; first come, first served."""
        async with self._turn:
            now = clock()
            if self._next > now:
                await sleep(self._next - now)
            self._next = max(now, self._next) + self._gap


class Client:
    """Asks the models it was made with. Use it with ``async with``: leaving closes the connections.

    ``local`` maps an id such as ``local/qwen2.5-coder-0.5b`` to its server's URL, and ``check_tools`` (url, tools) is
    called once for each list of tools that goes there. ``jobs`` is how many requests may be in flight at once, over all models
    and for each; ``timeout`` the seconds that an attempt may take. ``found`` are keys that aren't in the environment. That
    keys go where they may is checked beforehand, by ``check_keys``.
    """

    def __init__(
        self,
        specs: Sequence[ModelSpec],
        *,
        jobs: int = 8,
        timeout: float = 300.0,
        retry: Retry | None = None,
        local: Mapping[str, str] | None = None,
        check_tools: CheckTools | None = None,
        environ: Mapping[str, str] | None = None,
        found: Mapping[str, str] | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._found = found or {}
        self._environ = {**self._found, **(os.environ if environ is None else environ)}
        self._timeout, self._retry, self._check_tools = timeout, retry or Retry(), check_tools
        self._sleep, self._clock, self._chance = sleep, clock, chance
        self._jobs = asyncio.Semaphore(jobs)
        same: dict[tuple[str, str | None], list[ModelSpec]] = {}
        for spec in specs:
            same.setdefault((spec.id, spec.api_base), []).append(spec)
        # an embedded server has one slot, and all share these processors: waiting for another request would count as latency
        embedded = asyncio.Semaphore(1)
        self._lanes = {where: _lane(group, jobs, local or {}, embedded) for where, group in same.items()}

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        litellm = _litellm()
        await litellm.close_litellm_async_clients()
        litellm.in_memory_llm_clients_cache.flush_cache()  # a later event loop must not be given closed ones

    async def complete(self, request: Request) -> Completion:
        """Ask once, with retries. Raises ``CompletionError``; its ``kind`` says what a failure means."""
        lane = self._lanes.get((request.model, request.api_base))
        if lane is None:
            raise ModelError(f"model {request.model!r} was not given to this client")
        # Held while waiting to try again as well: a model that says "slow down" must not get the next request instead.
        async with lane.slots:
            await self._assert_tools(lane, request)
            attempt = 0
            while True:
                attempt += 1
                await lane.pace(self._clock, self._sleep)
                async with self._jobs:
                    answer = await self._attempt(lane, request, attempt)
                if isinstance(answer, Completion):
                    return answer
                if attempt >= answer.attempts:
                    raise CompletionError(answer.kind, answer.message, attempts=attempt)
                await self._sleep(self._retry.delay(attempt, answer.retry_after, self._chance()))

    async def _assert_tools(self, lane: _Lane, request: Request) -> None:
        if not (lane.url and request.tools and self._check_tools) or (name := digest(request.tools)) in lane.checked:
            return
        try:
            await asyncio.to_thread(self._check_tools, lane.url.removesuffix("/v1"), request.tools)
        except ModelError as error:
            raise CompletionError("fatal", str(error)) from error
        lane.checked.add(name)

    async def _attempt(self, lane: _Lane, request: Request, attempt: int) -> Completion | _Fault:
        litellm = _litellm()
        seen: dict[str, Any] = {}
        started = time.perf_counter()

        arguments = self._arguments(lane, request)

        def before_sending(details: dict[str, Any]) -> None:
            if details.get("log_event_type") == "pre_api_call":
                seen["started"] = time.perf_counter()
                sent = details["additional_args"].get("complete_input_dict")
                seen["emulated"] = FORCED if "extra_body" in arguments else emulated(request, sent)

        try:
            async with asyncio.timeout(self._timeout):
                response = await litellm.acompletion(**arguments, logger_fn=before_sending)
            latency = time.perf_counter() - seen.get("started", started)
            answer = read_answer(response)
            cost = _cost(lane.spec, answer.usage, response.usage)
            return answer.model_copy(
                update={"latency": latency, "cost": cost, "attempts": attempt, "emulated": seen.get("emulated")}
            )
        except (litellm.exceptions.openai.OpenAIError, BadAnswer, TimeoutError) as error:
            return self._fault(lane, error)

    def _arguments(self, lane: _Lane, request: Request) -> dict[str, Any]:
        params = {name: value for name, value in request.params.items() if value is not None}
        for name in ("seed", "parallel_tool_calls"):
            if name not in lane.supported:
                params.pop(name, None)
        spec = lane.spec
        arguments: dict[str, Any] = {
            **params,
            "model": _sent_model(spec),
            "messages": copy.deepcopy(list(request.messages)),  # litellm edits what it is given
            "num_retries": 0,
            "max_retries": 0,
            "drop_params": False,
            "timeout": self._timeout + 5,
            # without it litellm imports its MCP gateway, which isn't installed, for any request with tools
            "_skip_mcp_handler": True,
        }
        if request.tools is not None:
            arguments["tools"] = copy.deepcopy(list(request.tools))
            if lane.url and params.get("tool_choice") == "required":
                # llama.cpp doesn't enforce it, and a small model then goes on talking after its call until the token limit
                arguments["extra_body"] = {"json_schema": any_call(request.tools)}
        if request.response_format is not None:
            arguments["response_format"] = copy.deepcopy(request.response_format)
        if base := lane.url or spec.api_base:
            arguments["api_base"] = base
        if spec.api_key_env:
            arguments["api_key"] = self._environ.get(spec.api_key_env) or NO_KEY  # empty, litellm would look elsewhere
        elif base:
            arguments["api_key"] = NO_KEY
        elif self._found:
            own = [self._found[name] for name in keys.own(_provider(spec) or "") if name in self._found]
            arguments |= {"api_key": own[0]} if own else {}
        return arguments

    def _fault(self, lane: _Lane, error: Exception) -> _Fault:
        litellm = _litellm()
        spec, status = lane.spec, getattr(error, "status_code", None)
        most = min(LOCAL_ATTEMPTS if lane.url else self._retry.attempts, self._retry.attempts)  # what fails locally fails again
        text = scrub(str(error), {**self._environ, "KEY": self._environ.get(spec.api_key_env or "", "")})  # whatever it is called
        codes = error_codes(error)

        def fault(kind: CompletionErrorKind, message: str, attempts: int = 1) -> _Fault:
            return _Fault(kind, f"{spec.label} ({spec.id}): {message}", attempts, retry_after(error))

        if isinstance(error, TimeoutError):
            return fault("transient", f"no answer within {self._timeout:g} s", most)
        if address := dead_address(error):
            where = spec.api_base or lane.url or address
            return fault("fatal", f"no connection to {where}: is the server running there?", min(DEAD_ATTEMPTS, most))
        said = shorten(text.partition("\nTraceback")[0].removeprefix("litellm."))
        if (
            isinstance(error, litellm.exceptions.ContextWindowExceededError)
            or status == 413
            or is_overflow(" ".join([text, *codes]))
        ):
            return fault("overflow", said)
        if isinstance(error, litellm.exceptions.ContentPolicyViolationError) or codes & REFUSAL_CODES:
            return fault("refused", said)
        if status in (401, 403):
            return fault("fatal", f"HTTP {status}: {self._about_key(spec)}: {said}")
        if isinstance(error, BadAnswer) or status is None or status in (408, 409, 425, 429) or status >= 500:
            if "insufficient_quota" in codes:  # a 429 that doesn't pass
                return fault("fatal", f"HTTP {status}: {said}")
            return fault("transient", f"HTTP {status}: {said}" if status else said, most)
        return fault("fatal", f"HTTP {status}: {said}")

    def _about_key(self, spec: ModelSpec) -> str:
        names = [spec.api_key_env] if spec.api_key_env else []
        if not names and spec.api_base:
            return "no key was sent; name its variable as api_key_env"
        if not names:
            names = list(keys.own(_provider(spec) or ""))
        used = next((name for name in names if self._environ.get(name)), None)
        return f"the key in {used} was refused" if used else f"no key; set {names[0]}"


def _lane(group: list[ModelSpec], jobs: int, local: Mapping[str, str], embedded: asyncio.Semaphore) -> _Lane:
    """Join the specs of one model at one address: they differ in parameters, but a provider's limits hold for them together."""
    spec = next((s for s in group if s.price), group[0])
    if len({s.api_key_env for s in group}) > 1:
        raise ModelError(f"model {spec.id!r} is listed with different api_key_env; there must be one")
    url = None
    if spec.id.startswith(LOCAL):
        if spec.id not in local:
            raise ModelError(f"model {spec.id!r} has no server; there are: {', '.join(sorted(local)) or 'none'}")
        url = local[spec.id].rstrip("/") + "/v1"
    caps = [s.jobs for s in group if s.jobs]
    rates = [s.rpm for s in group if s.rpm]
    slots = embedded if url else asyncio.Semaphore(min([*caps, jobs]))
    return _Lane(spec, url=url, slots=slots, rpm=min(rates, default=None))


def _sent_model(spec: ModelSpec) -> str:
    return f"openai/{spec.id.removeprefix(LOCAL)}" if spec.id.startswith(LOCAL) else spec.id
