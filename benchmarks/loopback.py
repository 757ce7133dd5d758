"""A server that answers chat completions at once, or after a while, and costs as little as Python allows.

``python -m benchmarks.loopback --delay 0.2 --spread 0.05`` prints its address and serves until its standard input ends. ``GET
/seen`` tells how many requests it answered since the last time it was asked, how long that took from the first byte of the first
to the last byte of the last, and how many it held at once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.request import ProxyHandler, build_opener

ANSWER = json.dumps({"intent": "done_for_now", "message": "All is done."})
BODY = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "none",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ANSWER}}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 15, "total_tokens": 1015},
    }
).encode()


@dataclass
class Seen:
    answered: int = 0
    first: float = 0.0
    last: float = 0.0
    held: int = 0
    peak: int = 0


@dataclass
class Server(asyncio.Protocol):
    """One connection. Requests come one after another, each with its length."""

    delay: float
    spread: float
    seen: list[Seen]
    waiting: bytearray = field(default_factory=bytearray)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while (end := self.waiting.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.waiting[:end]).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            if len(self.waiting) < end + 4 + length:
                return
            del self.waiting[: end + 4 + length]
            self._asked(head)

    def _asked(self, head: bytes) -> None:
        seen = self.seen[0]
        if head.startswith(b"get /seen"):
            told = {"answered": seen.answered, "seconds": seen.last - seen.first, "peak": seen.peak}
            self.seen[0] = Seen()
            self._send(json.dumps(told).encode())
            return
        seen.first = seen.first or time.perf_counter()
        seen.held += 1
        seen.peak = max(seen.peak, seen.held)
        if self.delay:
            wait = self.delay + random.uniform(-self.spread, self.spread)
            asyncio.get_running_loop().call_later(wait, self._answer, seen)
        else:
            self._answer(seen)

    def _answer(self, seen: Seen) -> None:
        seen.held -= 1
        seen.answered += 1
        self._send(BODY)
        seen.last = time.perf_counter()

    def _send(self, body: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)


async def serve(delay: float, spread: float) -> None:
    loop, seen = asyncio.get_running_loop(), [Seen()]
    server = await loop.create_server(lambda: Server(delay, spread, seen), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.buffer.read)


@contextmanager
def served(delay: float = 0.0, spread: float = 0.0) -> Iterator[str]:
    """Serve in a process of its own, and give the address."""
    command = [sys.executable, "-m", "benchmarks.loopback", "--delay", str(delay), "--spread", str(spread)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        assert process.stdin is not None
        process.stdin.close()


def ask_seen(url: str) -> dict[str, Any]:
    with build_opener(ProxyHandler({})).open(f"{url}/seen") as answer:
        told: dict[str, Any] = json.load(answer)
    return told


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--spread", type=float, default=0.0)
    options = parser.parse_args()
    asyncio.run(serve(options.delay, options.spread))
