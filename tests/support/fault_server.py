"""A server on loopback that speaks like an OpenAI-compatible endpoint (and a little like Anthropic's) and fails on purpose."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True)
class Reply:
    """One answer of the server: a body (text is sent as it is), after ``delay`` seconds."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    reason: str | None = None


@dataclass
class Endpoint:
    """What a test sees: where the server is, what it was sent, and how many requests it held at once at most."""

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    peak: int = 0
    held: int = 0


def answer(
    text: str | None = "hi",
    *,
    tool_calls: Sequence[tuple[str, str]] = (),
    finish_reason: str = "stop",
    usage: Mapping[str, Any] | None = None,
    message: Mapping[str, Any] | None = None,
    delay: float = 0.0,
) -> Reply:
    """A chat completion."""
    calls = [
        {"id": f"call_{i}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for i, (name, arguments) in enumerate(tool_calls)
    ]
    said = {"role": "assistant", "content": text, **({"tool_calls": calls} if calls else {}), **(message or {})}
    body: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "served-model",
        "choices": [{"index": 0, "finish_reason": "tool_calls" if calls else finish_reason, "message": said}],
    }
    if usage is not None:
        body["usage"] = usage
    return Reply(body, delay=delay)


def failure(status: int, message: str = "no", *, code: str | None = None, headers: Mapping[str, str] | None = None) -> Reply:
    """An error in OpenAI's shape."""
    return Reply({"error": {"message": message, "type": code or "error", "code": code}}, status, headers or {})


def anthropic(content: Sequence[Mapping[str, Any]], *, usage: Mapping[str, int], stop_reason: str = "end_turn") -> Reply:
    """A message in Anthropic's shape."""
    return Reply(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-haiku-4-5",
            "content": list(content),
            "stop_reason": stop_reason,
            "usage": dict(usage),
        }
    )


@asynccontextmanager
async def endpoint(*replies: Reply) -> AsyncIterator[Endpoint]:
    """Serve the replies in turn on a free loopback port; the last one is repeated."""
    served = Endpoint("")

    async def reply(request: web.Request) -> web.Response:
        served.requests.append(await request.json())
        served.paths.append(request.path)
        served.headers.append(dict(request.headers))
        served.keys.append(request.headers.get("Authorization", request.headers.get("x-api-key", "")))
        chosen = replies[min(len(served.requests), len(replies)) - 1]
        served.held += 1
        served.peak = max(served.peak, served.held)
        try:
            await asyncio.sleep(chosen.delay)
        finally:
            served.held -= 1
        text = chosen.body if isinstance(chosen.body, str) else json.dumps(chosen.body)
        return web.Response(
            text=text, status=chosen.status, reason=chosen.reason, headers=chosen.headers, content_type="application/json"
        )

    app = web.Application()
    app.router.add_post("/{path:.*}", reply)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        served.url = f"http://{host}:{port}"
        yield served
    finally:
        assert runner.server is not None
        open_yet = [connection.transport for connection in runner.server.connections if connection.transport]
        await runner.cleanup()
        # One that still had something to send would stay open, and Python would complain of it in whichever test comes later.
        for transport in open_yet:
            transport.abort()
        await asyncio.sleep(0)


Serve = Callable[[bytes, bytes, asyncio.StreamWriter], Awaitable[None]]
"""Takes the head and the body of a request, and writes what it likes."""


@asynccontextmanager
async def raw(serve: Serve) -> AsyncIterator[str]:
    """Let ``serve`` answer the first request of each connection, byte by byte; gives the address."""
    serving: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
                await serve(head, await reader.readexactly(int(length or 0)), writer)
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await asyncio.sleep(0)
