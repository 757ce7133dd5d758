"""Bare loops that ask a list of prompts and keep nothing: ``python -m benchmarks.bare aiohttp messages.json URL``."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

FLIGHT = 64
Ask = Callable[[list[dict[str, Any]]], Awaitable[object]]


async def by_aiohttp(messages: list[list[dict[str, Any]]], url: str) -> None:
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=FLIGHT)) as session:

        async def ask(listed: list[dict[str, Any]]) -> object:
            body = {"model": "none", "messages": listed, "temperature": 0, "max_tokens": 100}
            async with session.post(f"{url}/v1/chat/completions", json=body) as answer:
                return json.loads(await answer.read())["choices"][0]["message"]["content"]

        await _all(messages, ask)


async def by_litellm(messages: list[list[dict[str, Any]]], url: str) -> None:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    litellm.suppress_debug_info = True

    async def ask(listed: list[dict[str, Any]]) -> object:
        settings = {"api_base": f"{url}/v1", "api_key": "none", "temperature": 0, "max_tokens": 100, "num_retries": 0}
        return await litellm.acompletion(model="mistral/none", messages=listed, **settings)

    await _all(messages, ask)


async def _all(messages: list[list[dict[str, Any]]], ask: Ask) -> None:
    queue = iter(messages)

    async def drain() -> None:
        for listed in queue:
            await ask(listed)

    await asyncio.gather(*(drain() for _ in range(FLIGHT)))


if __name__ == "__main__":
    loops = {"aiohttp": by_aiohttp, "litellm": by_litellm}
    asyncio.run(loops[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text("utf-8")), sys.argv[3]))
