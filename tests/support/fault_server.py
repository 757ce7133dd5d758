"""A server on loopback that speaks like an OpenAI-compatible endpoint (and a little like Anthropic's) and fails on purpose.

``endpoint`` serves replies in turn, for tests that write them. The seeded mode serves anything that asks, for as long as one
likes: the right answer is a function of the request, and a share of the answers arrives in one of the shapes of
``fault_shapes``. Which, is decided by the seed, the digest of the request's body and the number of the attempt, so that it is the
same each time. In a process of its own, so that a test can kill what asks::

    python -m support.fault_server --seed 7 --faults 0.2 --answers '{"send": {"to": "ann"}}' --log asked.jsonl

prints its address (``http://127.0.0.1:…``) in a line, and goes on until its standard input ends. A thread says which step is
right (``reply: send``); ``--answers`` holds the arguments of each. The log has a line for each request when it was answered:
``digest``, ``attempt``, the ``shape`` it met (``right``: none), and whether all of it was ``sent``. ``--faults`` is the share of
attempts that meet a passing shape, ``--lasting`` and ``--stopping`` are the shares of requests that meet one of these.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import re
import socket
import struct
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TextIO

from aiohttp import web

from support.fault_shapes import LASTING, RESET, SHAPES, Answer, Kind, Shape, right


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


# ---------------------------------------------------------------------------------------------- the seeded mode


@dataclass(frozen=True)
class Faults:
    """How often which kind of shape is met: ``passing`` is a share of attempts, the others are shares of requests."""

    seed: int
    passing: float = 0.2
    lasting: float = 0.0
    stopping: float = 0.0

    def shape(self, digest: str, attempt: int) -> Shape | None:
        """Give the shape that an attempt (from 1) at a request meets; ``None``: it is answered as it should be."""
        if attempt == 1 and (found := self._drawn("stopping", self.stopping, digest)):
            return found
        if attempt <= LASTING and (found := self._drawn("lasting", self.lasting, digest)):
            return found
        return self._drawn("passing", self.passing, digest, attempt)

    def _drawn(self, kind: Kind, share: float, *of: object) -> Shape | None:
        listed = [shape for shape in SHAPES.values() if shape.kind == kind]
        drawn = hashlib.sha256(f"{self.seed} {kind} {of}".encode()).digest()
        if int.from_bytes(drawn[:8]) / 2**64 >= share:
            return None
        return listed[int.from_bytes(drawn[8:16]) % len(listed)]


def right_answer(body: Mapping[str, Any], answers: Mapping[str, Any], digest: str) -> Answer:
    """Answer a request as its thread says; the counts of tokens follow from its digest, so that no two answers are alike."""
    step = re.findall(r"reply: (\w+)", json.dumps(body["messages"]))[-1]
    said = json.dumps({"intent": step, **answers[step]})
    prompt, completion = 100 + int(digest[:3], 16), 10 + int(digest[3:5], 16)
    used = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    reply = answer(said, usage=used)
    return {**reply.body, "id": f"chatcmpl-{digest}"}


def digest_of(body: Any) -> str:
    """Name a request by its body."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


Choose = Callable[[str, int], Shape | None]


class _Seeded:
    """Serves connections. Talks HTTP itself: most shapes are what no library lets one send."""

    def __init__(self, choose: Choose, answers: Mapping[str, Any], log: Callable[[dict[str, Any]], object]) -> None:
        self._choose, self._answers, self._log = choose, answers, log
        self._attempts: Counter[str] = Counter()

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after another, until either side has enough."""
        try:
            while body := await _read(reader):
                if not await self._reply(body, writer):
                    break
        except (OSError, EOFError, ValueError):  # the client was killed, or left
            pass
        finally:
            writer.close()

    async def _reply(self, body: Any, writer: asyncio.StreamWriter) -> bool:
        digest = digest_of(body)
        self._attempts[digest] += 1
        attempt = self._attempts[digest]
        shape, answer = self._choose(digest, attempt), right_answer(body, self._answers, digest)
        sent = False
        try:
            for part in shape.make(answer) if shape else [right(answer)]:
                if isinstance(part, bytes):
                    writer.write(part)
                    await writer.drain()
                elif isinstance(part, float):
                    await asyncio.sleep(part)
                else:
                    if part == RESET:
                        _reset(writer)
                    return False
            sent = True
        finally:
            self._log({"digest": digest, "attempt": attempt, "shape": shape.name if shape else "right", "sent": sent})
        return True


async def _read(reader: asyncio.StreamReader) -> Any:
    """Read a request's body as JSON; ``None`` where the connection ends, or something else is asked for than an answer."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return json.loads(await reader.readexactly(int(length[1]))) if length and head.startswith(b"POST") else None


def _reset(writer: asyncio.StreamWriter) -> None:
    """Have the connection reset, not closed."""
    held = writer.get_extra_info("socket")
    held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def seeded(
    choose: Choose, answers: Mapping[str, Any], log: Callable[[dict[str, Any]], object] = lambda entry: None
) -> AsyncIterator[str]:
    """Serve the shapes that ``choose`` names for a digest and an attempt; give the server's address."""
    at_work: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        at_work.add(task)
        with suppress(asyncio.CancelledError):  # the server's end: asyncio would log it
            await serve.connection(reader, writer)
        at_work.discard(task)

    serve = _Seeded(choose, answers, log)
    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"
    finally:
        server.close()
        for task in list(at_work):
            task.cancel()
        await asyncio.gather(*at_work, return_exceptions=True)
        await asyncio.sleep(0)


def _write(log: TextIO, entry: dict[str, Any]) -> None:
    log.write(json.dumps(entry) + "\n")
    log.flush()


async def _serve(faults: Faults, answers: Mapping[str, Any], log: TextIO) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait() -> None:
        sys.stdin.read()
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(over.set)

    threading.Thread(target=wait, daemon=True).start()
    async with seeded(faults.shape, answers, partial(_write, log)) as url:
        print(url, flush=True)
        await over.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="Answer chat completions on loopback, some of them badly.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", type=float, default=0.2, help="the share of attempts that meet a passing shape")
    parser.add_argument("--lasting", type=float, default=0.0, help="the share of requests that meet a lasting shape")
    parser.add_argument("--stopping", type=float, default=0.0, help="the share of requests that meet a stopping shape")
    parser.add_argument("--answers", required=True, help="the arguments of each step, as JSON")
    parser.add_argument("--log", required=True, help="a file that gets a line for each request")
    given = parser.parse_args()
    faults = Faults(given.seed, given.faults, given.lasting, given.stopping)
    with open(given.log, "a", encoding="utf-8") as log:
        asyncio.run(_serve(faults, json.loads(given.answers), log))


if __name__ == "__main__":
    main()
