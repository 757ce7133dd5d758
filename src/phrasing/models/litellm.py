"""The provider behind which all of litellm is: it asks every model that no other provider does.

Three variables must be in the environment when litellm is imported, because it reads them then; they are its own. By two, set
unless the user did, it takes the price map and the list of Anthropic's features that it ships rather than asking the network. By
the third it doesn't load the ``.env`` of a project that the environment of Python lies in, whole.
"""

from __future__ import annotations

import copy
import logging
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from phrasing.errors import CompletionError, CompletionErrorKind, shorten
from phrasing.models import keys, prices
from phrasing.models.prices import Price
from phrasing.models.provider import Complete, Provider
from phrasing.models.responses import (
    REFUSAL_CODES,
    BadAnswer,
    dead_address,
    emulated,
    error_codes,
    is_overflow,
    read_answer,
    retry_after,
)
from phrasing.suite.schema import ModelSpec
from phrasing.tokenizers import tool_rules
from phrasing.tokenizers.tool_rules import UNPUBLISHED, ToolRule
from phrasing.types import Completion, Request, Usage

DEAD_ATTEMPTS = 2

OFFLINE = ("LITELLM_LOCAL_MODEL_COST_MAP", "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS")

_PATIENCE = 600.0
"""Seconds that litellm waits for an answer: longer than the client does, which holds the limit for all providers."""


@cache
def load() -> Any:
    """Import litellm (seconds) so that it neither asks the network nor reads files of the user's, nor prints, nor logs."""
    for name in OFFLINE:
        os.environ.setdefault(name, "True")
    os.environ["LITELLM_MODE"] = "PRODUCTION"
    import litellm

    litellm.suppress_debug_info = True
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return litellm


class LiteLLM(Provider):
    """Asks any model that litellm knows, and any OpenAI-compatible endpoint."""

    def problem(self, spec: ModelSpec) -> str | None:
        """Say that litellm knows no such provider, or none that may be asked at another address."""
        provider = self.receiver(spec)
        if provider is None:
            return f"{spec.id!r} names no known provider; write provider/model, such as openai/gpt-4.1-mini"
        if spec.api_base and spec.id.partition("/")[0] not in keys.ADDRESSED:
            known = ", ".join(keys.ADDRESSED)
            return f"{spec.id!r} can't be asked at an api_base; write openai/<its name there>, or one of {known}"
        return None

    def keys(self, spec: ModelSpec) -> tuple[str, ...]:
        """Name the variables of the provider's own key."""
        provider = self.receiver(spec)
        return keys.own(provider) if provider else ()

    def missing(self, spec: ModelSpec) -> tuple[str, ...]:
        """Name the key that litellm misses: clouds and local daemons have other ways than these variables."""
        own = self.keys(spec)
        return tuple(name for name in load().validate_environment(spec.id)["missing_keys"] if name in own)

    def settings(self, spec: ModelSpec) -> tuple[str, ...]:
        """Name the variables of addresses, and what litellm misses beside a key."""
        provider = self.receiver(spec)
        if provider is None:
            return ()
        missing = [name for name in load().validate_environment(spec.id)["missing_keys"] if name not in keys.own(provider)]
        return (*missing, *keys.addresses(provider))

    def receiver(self, spec: ModelSpec) -> str | None:
        """Name a model's provider as litellm does; ``None`` where there is none."""
        litellm = load()
        try:
            return str(litellm.get_llm_provider(spec.id)[1])
        except litellm.exceptions.BadRequestError:
            return None

    def price(self, spec: ModelSpec) -> Price | None:
        """Give the suite's price, else that of the map."""
        return prices.stated(spec) or prices.listed(spec)

    def tool_rule(self, spec: ModelSpec) -> ToolRule:
        """Give what OpenAI and Anthropic publish of their own models; another server at an address may show tools otherwise."""
        provider, _, name = spec.id.partition("/")
        published = {"openai": tool_rules.openai, "anthropic": tool_rules.anthropic}.get(provider)
        return published(name) if published and not spec.api_base else UNPUBLISHED

    @asynccontextmanager
    async def open(self, spec: ModelSpec, environ: Mapping[str, str]) -> AsyncIterator[Complete]:
        """Make a model ready to be asked. Closes all connections at the end."""
        litellm = load()
        async with _direct(spec, environ) as client:
            try:
                yield _Model(spec, environ, client).complete
            finally:
                await litellm.close_litellm_async_clients()
                litellm.in_memory_llm_clients_cache.flush_cache()  # a later event loop must not be given closed ones


class _Model:
    """One model: what is sent to it, and what its answers and errors mean."""

    def __init__(self, spec: ModelSpec, environ: Mapping[str, str], client: object) -> None:
        self.spec = spec
        self._environ = environ
        self._client = client
        self._supported = set(load().get_supported_openai_params(spec.id) or ())

    async def complete(self, request: Request) -> Completion:
        """Make one attempt."""
        litellm = load()
        seen: dict[str, Any] = {}

        def before_sending(details: dict[str, Any]) -> None:
            if details.get("log_event_type") == "pre_api_call":
                seen["started"] = time.perf_counter()
                seen["emulated"] = emulated(request, details["additional_args"].get("complete_input_dict"))

        started = time.perf_counter()
        try:
            response = await litellm.acompletion(**self._arguments(request), logger_fn=before_sending)
            latency = time.perf_counter() - seen.get("started", started)
            answer = read_answer(response)
        except (litellm.exceptions.openai.OpenAIError, BadAnswer) as error:
            raise self._failure(error) from error
        cost = self._cost(answer.usage, response.usage)
        return answer.model_copy(update={"latency": latency, "cost": cost, "emulated": seen.get("emulated")})

    def _arguments(self, request: Request) -> dict[str, Any]:
        params = {name: value for name, value in request.params.items() if value is not None}
        for name in ("seed", "parallel_tool_calls"):
            if name not in self._supported:
                params.pop(name, None)
        arguments: dict[str, Any] = {
            **params,
            "model": self.spec.id,
            "messages": copy.deepcopy(list(request.messages)),  # litellm edits what it is given
            "num_retries": 0,
            "max_retries": 0,
            "drop_params": False,
            "timeout": _PATIENCE,
            # without it litellm imports its MCP gateway, which isn't installed, for any request with tools
            "_skip_mcp_handler": True,
        }
        if request.tools is not None:
            arguments["tools"] = copy.deepcopy(list(request.tools))
        if request.response_format is not None:
            arguments["response_format"] = copy.deepcopy(request.response_format)
        if self.spec.api_base:
            arguments["api_base"] = self.spec.api_base
        if key := keys.key_to_send(self.spec, self._environ):
            arguments["api_key"] = key
        if self._client is not None:
            arguments["client"] = self._client
        return arguments

    def _cost(self, usage: Usage, said: Any) -> float | None:
        """Price a usage. ``said`` is litellm's own record of it, which knows the cached tokens that cost less."""
        spec, litellm = self.spec, load()
        if spec.price or spec.api_base or usage.prompt is None or usage.completion is None:
            return None  # the client prices it, or nobody can
        counts = {"prompt_tokens": usage.prompt, "completion_tokens": usage.completion}
        try:
            parts = litellm.cost_per_token(model=spec.id, **counts, usage_object=said)
        except (litellm.exceptions.ModelNotMappedError, litellm.exceptions.BadRequestError):
            return None
        return float(parts[0] + parts[1])

    # ------------------------------------------------------------------------------------------ what went wrong

    def _failure(self, error: Exception) -> CompletionError:
        status = getattr(error, "status_code", None)
        if address := dead_address(error):
            where = self.spec.api_base or address
            return CompletionError(
                "fatal",
                f"no connection to {where}: is the server running there?",
                worth=DEAD_ATTEMPTS,
                retry_after=retry_after(error),
            )
        text = keys.scrub(str(error), self._environ, self.spec)
        said = shorten(text.partition("\nTraceback")[0].removeprefix("litellm."))
        kind = _kind(error, status, text)
        if kind in ("overflow", "refused"):
            return CompletionError(kind, said)
        about = f"{self._about_key()}: " if status in (401, 403) else ""
        wait = retry_after(error)
        throttled = kind == "transient" and (status in (429, 529) or (status == 503 and wait is not None))
        return CompletionError(kind, f"HTTP {status}: {about}{said}" if status else said, retry_after=wait, throttled=throttled)

    def _about_key(self) -> str:
        spec = self.spec
        names = [spec.api_key_env] if spec.api_key_env else []
        if not names and spec.api_base:
            return "no key was sent; name its variable as api_key_env"
        if not names:
            names = list(keys.own(LiteLLM().receiver(spec) or ""))
        used = next((name for name in names if self._environ.get(name)), None)
        return f"the key in {used} was refused" if used else f"no key; set {names[0]}"


def _kind(error: Exception, status: int | None, text: str) -> CompletionErrorKind:
    """Say what an error means, by its type, its status and its text."""
    litellm, codes = load(), error_codes(error)
    too_long = isinstance(error, litellm.exceptions.ContextWindowExceededError) or status == 413
    if too_long or is_overflow(" ".join([text, *codes])):
        return "overflow"
    if isinstance(error, litellm.exceptions.ContentPolicyViolationError) or codes & REFUSAL_CODES:
        return "refused"
    if status in (401, 403) or "insufficient_quota" in codes:  # a 429 that doesn't pass
        return "fatal"
    passing = status is None or status in (408, 409, 425, 429) or status >= 500
    return "transient" if isinstance(error, BadAnswer) or passing else "fatal"


# ---------------------------------------------------------------------------------------------- this machine

# The kinds of servers that people run beside them, by the client that litellm has for each.
_BY_OPENAI = frozenset({"openai", "custom_openai", "lm_studio", "llamafile", "litellm_proxy"})
_BY_HTTP = frozenset({"anthropic", "gemini", "hosted_vllm", "mistral", "ollama", "ollama_chat"})


@asynccontextmanager
async def _direct(spec: ModelSpec, environ: Mapping[str, str]) -> AsyncIterator[object]:
    """Give a client that asks no proxy for a server on this machine, whose loopback a proxy can't reach; else ``None``.

    litellm's own clients take proxies from the environment, and only ``NO_PROXY`` there would keep them from it.
    """
    litellm = load()
    address, kind = _address(spec)
    if address is None or not _is_loopback(address) or kind not in _BY_OPENAI | _BY_HTTP:
        yield None
        return
    if kind in _BY_HTTP:
        handler = litellm.AsyncHTTPHandler(transport=litellm.httpx.AsyncHTTPTransport())
        try:
            yield handler
        finally:
            await handler.close()
        return
    async with litellm.httpx.AsyncClient(trust_env=False, follow_redirects=True) as http:
        yield litellm.AsyncOpenAI(
            api_key=keys.key_to_send(spec, environ) or keys.NO_KEY, base_url=address, http_client=http, max_retries=0
        )


def _address(spec: ModelSpec) -> tuple[str | None, str]:
    """Say where a model is asked, if that isn't its provider's own business, and by which of litellm's providers."""
    litellm = load()
    try:
        model, kind, _, usual = litellm.get_llm_provider(spec.id)
        if kind == "ollama_chat":  # it is where ollama is, but isn't told
            usual = litellm.get_llm_provider(f"ollama/{model}")[3]
    except litellm.exceptions.BadRequestError:  # told when it is asked
        return None, ""
    return spec.api_base or usual, str(kind)


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
