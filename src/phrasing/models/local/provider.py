"""The provider of the embedded models: each is served by llama.cpp in a process of its own, and asked as any such server is.

What serves it is imported when a model is opened: every suite is held against what providers say, without asking one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from phrasing.errors import CompletionError, ModelError
from phrasing.models import prices, status
from phrasing.models.direct import Direct
from phrasing.models.local.catalogue import KNOWN, PREFIX
from phrasing.models.prices import Price
from phrasing.models.provider import Complete, Provider
from phrasing.suite.schema import ModelSpec
from phrasing.tokenizers.tokenizer import Exact, Tokenizer
from phrasing.tokenizers.tool_rules import LLAMA_CPP, ToolRule
from phrasing.types import Completion, Request, digest

FORCED = "tool_choice enforced by a JSON Schema"
"""What ``emulated`` says of a tool call that the model was held to write as text."""

TOKENS_ONLY = 512
"""The context of a server that only makes tokens: it makes them of any text, and reads none."""


class Running(Protocol):
    """The server of a model's file."""

    @property
    def url(self) -> str:
        """Where it is asked."""

    def ended(self) -> str | None:
        """Say why it isn't running any more; ``None`` while it runs. May wait for a moment."""


@contextmanager
def serve(id: str) -> Iterator[Running]:
    """Serve an embedded model. Raises ``ModelError`` where its weights or the runtime are missing."""
    from phrasing.models.local import weights
    from phrasing.models.local.server import Server

    path = weights.resolve(id)
    status.tell(f"loading {path.stem}")
    with Server(path) as server:
        yield server


def check_tools(url: str, tools: Sequence[Mapping[str, Any]]) -> None:
    """Raise ``ModelError`` where the server at ``url`` doesn't show its model all of these tools."""
    from phrasing.models.local.server import assert_tools

    assert_tools(url, tools)


class Embedded(Provider):
    """Asks ``local/…``: the models of the catalogue, or a GGUF file by its path.

    ``serve`` starts a server of a model's file, by its id. One that dies is started again, once.
    """

    note = "a small model inside this environment; its figures are a smoke test"
    varies = (
        "what differs comes from rounding, which depends on the processor, the number of threads, and how much of a prompt was "
        "in the model's cache"
    )
    at_once = 1  # a server has one slot, and all share these processors: waiting for another request would count as latency
    attempts = 2  # what fails here fails again

    def __init__(
        self,
        serve: Callable[[str], AbstractContextManager[Running]] = serve,
        check_tools: Callable[[str, Sequence[Mapping[str, Any]]], None] = check_tools,
    ) -> None:
        self._serve, self._check_tools = serve, check_tools

    def price(self, spec: ModelSpec) -> Price:
        """Say that it costs nothing, whatever the suite says."""
        return prices.FREE

    def receiver(self, spec: ModelSpec) -> None:
        """Say that no key leaves this machine."""
        return

    def tool_rule(self, spec: ModelSpec) -> ToolRule:
        """Give the rule of a known model's chat template; of another file's nothing is known but what its server shows."""
        known = KNOWN.get(spec.id.removeprefix(PREFIX))
        return known.tool_rule if known else LLAMA_CPP

    def digest(self, id: str) -> str | None:
        """Give the SHA-256 that a known model's file must have, so that a replay needs no model; else that of the file."""
        name = id.removeprefix(PREFIX)
        if name in KNOWN:
            return KNOWN[name].sha256
        path = Path(name).expanduser()
        from phrasing.models.local import weights

        return weights.file_digest(path) if path.is_file() else None

    def open_tokenizer(self, id: str, stack: ExitStack) -> Tokenizer:
        """Open a model's own tokenizer through a server of its own."""
        from phrasing.models.local import weights
        from phrasing.models.local.server import Endpoint, Server

        server = stack.enter_context(Server(weights.resolve(id), context=TOKENS_ONLY))
        endpoint = stack.enter_context(Endpoint(server.url))
        return Exact(id, endpoint.apply_template, endpoint.encode)

    @asynccontextmanager
    async def open(self, spec: ModelSpec, environ: Mapping[str, str]) -> AsyncIterator[Complete]:
        """Start the server of a model, and end it."""
        name = spec.id.removeprefix(PREFIX)
        async with AsyncExitStack() as stack:

            async def start() -> _Served:
                server = await _entered(stack, self._serve(spec.id))
                served = spec.model_copy(update={"id": f"openai/{name}", "api_base": f"{server.url.rstrip('/')}/v1"})
                return _Served(server, await stack.enter_async_context(Direct().open(served, environ)))

            yield _Asking(spec.label, start, await start(), self._check_tools).complete


async def _entered(stack: AsyncExitStack, starting: AbstractContextManager[Running]) -> Running:
    """Start a server in a thread, because loading takes seconds. Interrupted, it waits, so that ``stack`` ends what has begun."""
    begun = asyncio.ensure_future(asyncio.to_thread(stack.enter_context, starting))
    try:
        return await asyncio.shield(begun)
    except asyncio.CancelledError:
        await asyncio.wait([begun])
        raise


@dataclass(frozen=True, slots=True)
class _Served:
    """A running server, and what asks it."""

    server: Running
    ask: Complete


class _Asking:
    """Asks a running server, holds it to what it doesn't do by itself, and starts it again where it dies: once.

    ``start`` starts another, and raises ``ModelError``.
    """

    def __init__(
        self,
        label: str,
        start: Callable[[], Awaitable[_Served]],
        served: _Served,
        check_tools: Callable[[str, Sequence[Mapping[str, Any]]], None],
    ) -> None:
        self._label, self._start, self._served, self._check_tools = label, start, served, check_tools
        self._checked: set[str] = set()
        self._turn = asyncio.Lock()
        self._died = False

    async def complete(self, request: Request) -> Completion:
        """Make one attempt; or two, where the server dies in the first."""
        while True:
            served = self._served
            try:
                return await self._ask(served, request)
            except CompletionError as error:
                if error.kind in ("overflow", "refused"):
                    raise
                why = await asyncio.to_thread(served.server.ended)
                if why is None:
                    raise
                await self._start_again(served, why)

    async def _start_again(self, dead: _Served, why: str) -> None:
        async with self._turn:
            if self._served is not dead:  # another request found it dead before
                return
            if self._died:
                raise CompletionError("fatal", f"the embedded model's server died twice: {why}")
            self._died = True
            status.tell(f"{self._label}: the model's server died, and is started again: {why}")
            try:
                with status.told_to(lambda line: None):  # that is said already
                    self._served = await self._start()
            except ModelError as error:
                raise CompletionError("fatal", f"the embedded model's server died: {why}; then {error}") from error

    async def _ask(self, served: _Served, request: Request) -> Completion:
        await self._assert_tools(served.server.url, request)
        emulated = None
        if request.tools and request.params.get("tool_choice") == "required":
            # llama.cpp doesn't enforce it, and a small model then goes on talking after its call until the token limit
            body = {**(request.params.get("extra_body") or {}), "json_schema": any_call(request.tools)}
            request, emulated = replace(request, params={**request.params, "extra_body": body}), FORCED
        answer = await served.ask(request)
        return answer.model_copy(update={"cost": 0.0, "emulated": emulated or answer.emulated})

    async def _assert_tools(self, url: str, request: Request) -> None:
        """Ask once for each list of tools whether the model is shown them."""
        if not request.tools or (name := digest(request.tools)) in self._checked:
            return
        try:
            await asyncio.to_thread(self._check_tools, url, request.tools)
        except ModelError as error:
            raise CompletionError("fatal", str(error)) from error
        self._checked.add(name)


def any_call(tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Describe "a call of one of these tools, as text": ``{"name": …, "arguments": …}``."""
    calls: list[dict[str, Any]] = []
    definitions: dict[str, Any] = {}
    for tool in tools:
        function = tool["function"]
        parameters = {key: value for key, value in function["parameters"].items() if key != "$defs"}
        definitions |= function["parameters"].get("$defs", {})
        properties = {"name": {"const": function["name"]}, "arguments": parameters}
        calls.append({"type": "object", "properties": properties, "required": ["name", "arguments"]})
    return {"anyOf": calls} | ({"$defs": definitions} if definitions else {})
