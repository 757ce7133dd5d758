"""Whatever a provider sends, asking gives an answer or a ``CompletionError``, and only what lasts is taken for an answer."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from phrasing.errors import CompletionError
from phrasing.models.client import Client
from phrasing.records import Result
from phrasing.runs import store
from phrasing.suite.schema import ModelSpec
from phrasing.types import Completion, Request
from support import fault_shapes
from support.fault_server import Faults, digest_of, right_answer, seeded
from support.fault_shapes import LASTING, SHAPES, Shape
from support.tiny_runs import ANSWERS, result

pytestmark = pytest.mark.filterwarnings("ignore")  # what libraries say of the odd things they are sent

MESSAGES = ({"role": "user", "content": "reply: send"},)


def asked(*names: str) -> dict[str, Completion | CompletionError]:
    """What a client makes of shapes, each met by all attempts at one request; it waits for nothing."""

    async def ask() -> dict[str, Completion | CompletionError]:
        found: dict[str, Completion | CompletionError] = {}
        for name in names:
            async with seeded(lambda digest, attempt, name=name: SHAPES[name], ANSWERS) as url:  # type: ignore[misc]
                spec = ModelSpec(id="openai/mine", api_base=f"{url}/v1")
                async with Client([spec], sleep=lambda seconds: asyncio.sleep(0), environ={}) as client:
                    try:
                        found[name] = await client.complete(Request("openai/mine", MESSAGES, api_base=f"{url}/v1"))
                    except CompletionError as error:
                        found[name] = error
        return found

    return asyncio.run(ask())
