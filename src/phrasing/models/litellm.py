"""The lane through litellm: it asks the models that don't speak OpenAI's plain protocol, each in its provider's own.

Three variables must be in the environment when litellm is imported, because it reads them then; they are its own. By two, set
unless the user did, it takes the price map and the list of Anthropic's features that it ships rather than asking the network. By
the third it doesn't load the ``.env`` of a project that the environment of Python lies in, whole.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import os
import socket
import time
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from phrasing.errors import CompletionError, CompletionErrorKind, shorten
from phrasing.models import keys
from phrasing.models.addresses import is_loopback
from phrasing.models.provider import Complete, Provider
from phrasing.models.responses import (
    BadAnswer,
    ErrorBody,
    emulated,
    error_codes,
    error_kind,
    error_status,
    read_answer,
    read_error,
    read_quota,
    retry_after,
    throttles,
)
from phrasing.suite.schema import ModelSpec
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
    """Asks the models that litellm knows and nobody else can ask."""

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
            async with asyncio.timeout(self.spec.timeout.total):
                response = await litellm.acompletion(**self._arguments(request), logger_fn=before_sending)
            latency = time.perf_counter() - seen.get("started", started)
            answer = read_answer(_plain(response))
        except TimeoutError as error:
            raise CompletionError("transient", f"no answer within {self.spec.timeout.total:g} s") from error
        except ErrorBody as error:
            raise read_error(error_status(error.body), {}, error.body) from error
        except (litellm.exceptions.openai.OpenAIError, BadAnswer) as error:
            raise self._failure(error) from error
        update = {
            "latency": latency,
            "cost": self._cost(answer.usage, response.usage),
            "emulated": seen.get("emulated"),
            "quota": read_quota(_headers(response)),
        }
        return answer.model_copy(update=update)

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
        key = keys.key_to_send(self.spec, self._environ)
        if self.spec.api_base:
            arguments["api_base"] = self.spec.api_base
            if own := _KEY_HEADERS.get(self.spec.id.partition("/")[0]):
                arguments["extra_headers"] = _nobodys(own[0], own[1] + (key or keys.NO_KEY))
        if key:
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
        status, headers = getattr(error, "status_code", None), _error_headers(error)
        wait = retry_after(headers)
        if address := _dead_address(error):
            where = self.spec.api_base or address
            return CompletionError(
                "fatal", f"no connection to {where}: is the server running there?", worth=DEAD_ATTEMPTS, retry_after=wait
            )
        text = keys.scrub(str(error), self._environ, self.spec)
        said = shorten(text.partition("\nTraceback")[0].removeprefix("litellm."))
        kind = _kind(error, status, text)
        if kind in ("overflow", "refused"):
            return CompletionError(kind, said)
        about = f"{keys.about_key(self.spec, self._environ)}: " if status in (401, 403) else ""
        whose = 529 if "overloaded_error" in text else status  # litellm makes 500 of Anthropic's 529
        return CompletionError(
            kind,
            f"HTTP {status}: {about}{said}" if status else said,
            retry_after=wait,
            throttled=throttles(whose, wait, kind),
            quota=read_quota(headers),
        )


def _plain(response: Any) -> dict[str, Any]:
    """Give litellm's response as the JSON that it stands for, with a refusal where OpenAI writes it."""
    with warnings.catch_warnings(action="ignore"):  # what a provider wrote otherwise than litellm's types say
        body: dict[str, Any] = response.model_dump()
    for choice in body.get("choices") or ():
        message = choice.get("message") or {}
        refusal = (message.get("provider_specific_fields") or {}).get("refusal")
        if refusal:
            message["refusal"] = refusal
    return body


def _headers(response: Any) -> Mapping[str, str]:
    """Give the headers of a provider's response; litellm puts its own words before their names."""
    hidden = getattr(response, "_hidden_params", None) or {}
    found = hidden.get("additional_headers") or {}
    return {name.removeprefix("llm_provider-"): str(value) for name, value in found.items()}


def _error_headers(error: Exception) -> Mapping[str, str]:
    response = getattr(error, "response", None)
    return getattr(error, "litellm_response_headers", None) or getattr(response, "headers", None) or {}


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _dead_address(error: Exception) -> str | None:
    """Name the address where nobody listens (refused, or no such host), or return ``None`` for every other error."""
    chain = list(_causes(error))
    if not any(isinstance(cause, ConnectionRefusedError | socket.gaierror) for cause in chain):
        return None
    hosts = (f"{cause.host}:{cause.port}" for cause in chain if hasattr(cause, "host") and hasattr(cause, "port"))
    return next(hosts, "the provider")


def _kind(error: Exception, status: int | None, text: str) -> CompletionErrorKind:
    """Say what an error means, by its type, its status and its text."""
    litellm, codes = load(), error_codes(getattr(error, "body", None))
    if isinstance(error, litellm.exceptions.ContextWindowExceededError):
        return "overflow"
    if isinstance(error, litellm.exceptions.ContentPolicyViolationError):
        return "refused"
    return "transient" if isinstance(error, BadAnswer) else error_kind(status, text, codes)


# ---------------------------------------------------------------------------------------------- this machine

# The kinds of servers that people run beside them, by the client that litellm has for each.
_BY_OPENAI = frozenset({"openai", "custom_openai", "lm_studio", "llamafile", "litellm_proxy"})
_BY_HTTP = frozenset({"anthropic", "gemini", "hosted_vllm", "mistral", "ollama", "ollama_chat"})


_KEY_HEADERS = {"azure": ("api-key", ""), "lm_studio": ("Authorization", "Bearer "), "openai": ("Authorization", "Bearer ")}
"""In which header a key goes to those that are asked by OpenAI's client, and what stands before it."""


def _nobodys(header: str, key: str) -> dict[str, Any]:
    """Give headers by which OpenAI's client leaves out those that it takes from the environment, whoever is asked.

    They name the user's organization there, and may hold whatever ``OPENAI_CUSTOM_HEADERS`` says. ``header`` has the key.
    """
    lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
    names = ["OpenAI-Organization", "OpenAI-Project", *(line.partition(":")[0].strip() for line in lines if ":" in line)]
    return {name: key if name.lower() == header.lower() else load().exceptions.openai.Omit() for name in names}


@asynccontextmanager
async def _direct(spec: ModelSpec, environ: Mapping[str, str]) -> AsyncIterator[object]:
    """Give a client that asks no proxy for a server on this machine, whose loopback a proxy can't reach; else ``None``.

    litellm's own clients take proxies from the environment, and only ``NO_PROXY`` there would keep them from it.
    """
    litellm = load()
    address, kind = _address(spec)
    if address is None or not is_loopback(address) or kind not in _BY_OPENAI | _BY_HTTP:
        yield None
        return
    transport = _unproxied(address)
    if kind in _BY_HTTP:
        handler = litellm.AsyncHTTPHandler(transport=transport)
        try:
            yield handler
        finally:
            await handler.close()
        return
    async with litellm.httpx.AsyncClient(transport=transport, trust_env=False, follow_redirects=True) as http:
        yield litellm.AsyncOpenAI(
            api_key=keys.key_to_send(spec, environ) or keys.NO_KEY, base_url=address, http_client=http, max_retries=0
        )


def _unproxied(address: str) -> Any:
    """Make a transport like litellm's own, which is quicker than httpx's, that has no proxy for the host of an address."""
    import aiohttp
    from litellm.llms.custom_httpx.aiohttp_transport import LiteLLMAiohttpTransport

    transport = LiteLLMAiohttpTransport(lambda: aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
    transport.proxy_cache[urlsplit(address).hostname or ""] = None  # where it remembers what the environment says
    return transport


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
