"""Whatever a provider sends, asking gives an answer that can be kept, or a ``CompletionError``."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from phrasing.errors import CompletionError
from phrasing.models.client import Client
from phrasing.runs import run_folders, store
from phrasing.suite.schema import ModelSpec
from phrasing.types import Completion, Request
from support.fault_server import Faults, seeded
from support.fault_shapes import LASTING, RIGHT, SHAPES
from support.tiny_runs import ANSWERS, result

pytestmark = pytest.mark.filterwarnings("ignore")  # what libraries say of the odd things they are sent

Outcome = Completion | CompletionError


async def ask(names: list[str]) -> dict[str, Outcome]:
    """Ask a server of each shape, which all attempts meet; wait for nothing between them."""
    async with AsyncExitStack() as stack:
        bases = {}
        for name in names:
            url = await stack.enter_async_context(seeded(lambda digest, attempt, name=name: SHAPES[name], ANSWERS))  # type: ignore[misc]
            bases[name] = f"{url}/v1"
        specs = [ModelSpec(id="openai/mine", api_base=base) for base in bases.values()]
        now = 0.0

        async def sleep(seconds: float) -> None:
            nonlocal now
            now += seconds
            await asyncio.sleep(0)

        client = await stack.enter_async_context(Client(specs, sleep=sleep, clock=lambda: now, environ={}))

        async def one(name: str) -> Outcome:
            messages = ({"role": "user", "content": "reply: send"},)
            try:
                return await client.complete(Request("openai/mine", messages, api_base=bases[name]))
            except CompletionError as error:
                return error

        return dict(zip(names, await asyncio.gather(*map(one, names)), strict=True))


@pytest.mark.slow
def test_every_shape_is_an_answer_that_can_be_kept_or_an_error(tmp_path: Path) -> None:
    outcomes = asyncio.run(ask(list(SHAPES)))
    assert outcomes.keys() == SHAPES.keys()
    assert len(SHAPES) > 120
    for name, outcome in outcomes.items():
        kind = SHAPES[name].kind
        if isinstance(outcome, CompletionError):
            assert name not in RIGHT
            assert outcome.kind == "transient" or kind != "passing"
            assert len(str(outcome)) < 500
            continue
        assert kind != "stopping"
        if name in RIGHT:
            assert json.loads(outcome.text) == {"intent": "send", **ANSWERS["send"]}
        path = tmp_path / run_folders.RESULTS
        path.write_text(store.line(result(completion=outcome)) + "\n", encoding="utf-8")
        assert store.read_results(path).damaged == ()


def test_which_shape_is_met_depends_on_seed_digest_and_attempt_alone() -> None:
    faults = Faults(7, passing=0.2, lasting=0.3, stopping=0.1)
    digests = [f"{number:016x}" for number in range(1000)]
    drawn = {digest: [faults.shape(digest, attempt) for attempt in range(1, LASTING + 3)] for digest in digests}
    assert drawn == {d: [Faults(7, 0.2, 0.3, 0.1).shape(d, attempt) for attempt in range(1, LASTING + 3)] for d in digests}
    assert drawn != {d: [Faults(8, 0.2, 0.3, 0.1).shape(d, attempt) for attempt in range(1, LASTING + 3)] for d in digests}
    assert {shape.name for shapes in drawn.values() for shape in shapes if shape} == SHAPES.keys()
    for shapes in drawn.values():
        kinds = [shape.kind if shape else None for shape in shapes]
        assert "stopping" not in kinds[1:]
        assert "lasting" not in kinds[LASTING:]
        lasting = {shape for shape in shapes if shape and shape.kind == "lasting"}
        assert len(lasting) <= 1
    assert 0.15 < sum(shapes[-1] is not None for shapes in drawn.values()) / len(drawn) < 0.25
