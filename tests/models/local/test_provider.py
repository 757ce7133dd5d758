"""The provider of the embedded models, with a server on loopback in place of llama.cpp's."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from phrasing.errors import CompletionError, ModelError
from phrasing.models.client import Client
from phrasing.models.local.catalogue import DEFAULT, KNOWN
from phrasing.models.local.provider import FORCED, Embedded, any_call
from phrasing.models.provider import provider_of
from phrasing.models.status import tell, told_to
from phrasing.suite.schema import ModelSpec
from phrasing.types import Completion, Request
from support.fault_server import Endpoint, Reply, answer, endpoint, failure

ASK = ({"role": "user", "content": "what next?"},)
USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
TOOL = {"type": "function", "function": {"name": "deploy", "parameters": {"type": "object", "properties": {}}}}
TINY = ModelSpec.model_validate({"id": "local/tiny", "price": {"prompt": 1, "completion": 1}})


@dataclass
class Served:
    """A server that runs until it is told to say why it doesn't."""

    url: str
    why: str | None = None

    def ended(self) -> str | None:
        return self.why


def ask(
    *requests: dict[str, Any], reply: Reply | None = None, specs: tuple[ModelSpec, ...] = (TINY,), check_tools: Any = None
) -> tuple[list[Completion | BaseException], Endpoint]:
    """Ask each model each request, all at once; give what came of them, and what the server saw."""

    async def run() -> tuple[list[Completion | BaseException], Endpoint]:
        async with endpoint(reply or answer("ok", usage=USAGE)) as server:
            embedded = Embedded(lambda id: nullcontext(Served(server.url)), check_tools or (lambda url, tools: None))
            async with Client(specs, provider=lambda id: embedded, sleep=lambda seconds: asyncio.sleep(0)) as client:
                asked = [client.complete(Request(**{"model": s.id, "messages": ASK, **more})) for s in specs for more in requests]
                return await asyncio.gather(*asked, return_exceptions=True), server

    return asyncio.run(run())


def test_it_asks_ids_that_begin_with_local() -> None:
    assert isinstance(provider_of("local/tiny"), Embedded)
    assert not isinstance(provider_of("openai/local"), Embedded)


def test_a_model_is_asked_at_its_server_and_costs_nothing() -> None:
    (got,), server = ask({})
    assert isinstance(got, Completion)
    assert (got.text, got.cost, got.usage.prompt) == ("ok", 0.0, 100)
    assert (server.paths, server.requests[0]["model"]) == (["/v1/chat/completions"], "tiny")


def test_tools_are_checked_once() -> None:
    seen: list[tuple[str, Any]] = []
    _, server = ask({}, {"tools": (TOOL,)}, {"tools": (TOOL,)}, check_tools=lambda url, tools: seen.append((url, tools)))
    assert seen == [(server.url, (TOOL,))]


def test_tools_that_a_template_drops_stop_the_model() -> None:
    def refuse(url: str, tools: Any) -> None:
        raise ModelError("the chat template drops tools")

    (got,), server = ask({"tools": (TOOL,)}, check_tools=refuse)
    assert isinstance(got, CompletionError)
    assert (got.kind, str(got), server.requests) == ("fatal", "tiny (local/tiny): the chat template drops tools", [])


def test_a_required_call_is_enforced_by_a_schema() -> None:
    (forced, free), server = ask(
        *({"tools": (TOOL,), "params": {"tool_choice": choice}} for choice in ("required", "auto")),
    )
    assert isinstance(forced, Completion)
    assert isinstance(free, Completion)
    assert (forced.emulated, free.emulated) == (FORCED, None)
    assert [sent.get("json_schema") for sent in server.requests] == [any_call([TOOL]), None]


def test_models_are_asked_one_at_a_time_over_all_of_them() -> None:
    specs = tuple(ModelSpec.model_validate({"id": f"local/{name}"}) for name in ("tiny", "small"))
    got, server = ask({}, {}, reply=answer(delay=0.05), specs=specs)  # one server under both names, so that it sees all
    assert (server.peak, len(server.requests), len(got)) == (1, 4, 4)


def test_what_fails_is_tried_once_more() -> None:
    (got,), server = ask({}, reply=failure(500))
    assert isinstance(got, CompletionError)
    assert (got.kind, got.attempts, len(server.requests)) == ("transient", 2, 2)


def test_the_digest_is_that_of_the_catalogue_or_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "own.gguf"
    file.write_bytes(b"weights")
    assert Embedded().digest(f"local/{DEFAULT}") == KNOWN[DEFAULT].sha256
    assert Embedded().digest(f"local/{file}") == hashlib.sha256(b"weights").hexdigest()
    assert Embedded().digest("local/gone.gguf") is None


def test_any_call_takes_a_call_of_each_tool_and_nothing_else() -> None:
    place = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    search = {
        "type": "object",
        "properties": {"query": {"type": "string"}, "near": {"$ref": "#/$defs/Place"}},
        "required": ["query", "near"],
        "$defs": {"Place": place},
    }
    finish = {"type": "object", "properties": {}}
    validator = Draft202012Validator(
        any_call([{"function": {"name": n, "parameters": p}} for n, p in {"search": search, "finish": finish}.items()])
    )
    near = {"title": "here"}
    assert validator.is_valid({"name": "search", "arguments": {"query": "x", "near": near}})
    assert validator.is_valid({"name": "finish", "arguments": {}})
    assert not validator.is_valid({"name": "search", "arguments": {"query": "x", "near": {"title": 3}}})
    assert not validator.is_valid({"name": "search", "arguments": {}})
    assert not validator.is_valid({"name": "pair", "arguments": {}})
    assert not validator.is_valid({"name": "finish"})


class Dying:
    """Servers of which the first ``deaths`` are dead when they are asked, and what was said meanwhile."""

    def __init__(self, url: str, deaths: int) -> None:
        self.url, self.deaths = url, deaths
        self.running = self.started = 0
        self.said: list[str] = []

    @contextmanager
    def serve(self, id: str) -> Iterator[Served]:
        self.started += 1
        self.running += 1
        number = self.started
        tell("loading")
        dead = number <= self.deaths
        try:  # nobody listens at port 1 of loopback
            yield Served("http://127.0.0.1:1" if dead else self.url, f"last words {number}" if dead else None)
        finally:
            self.running -= 1


def ask_dying(deaths: int, requests: int = 3) -> tuple[list[Completion | BaseException], Dying]:
    """Ask requests, one after another, while servers die."""

    async def run() -> tuple[list[Completion | BaseException], Dying]:
        async with endpoint(answer("ok", usage=USAGE)) as server:
            dying = Dying(server.url, deaths)
            embedded = Embedded(dying.serve, lambda url, tools: None)
            with told_to(dying.said.append):
                async with Client([TINY], provider=lambda id: embedded, sleep=lambda seconds: asyncio.sleep(0)) as client:
                    asked = [client.complete(Request(model=TINY.id, messages=ASK)) for _ in range(requests)]
                    return await asyncio.gather(*asked, return_exceptions=True), dying

    return asyncio.run(run())


def test_a_server_that_dies_is_started_again_and_asked_again() -> None:
    got, dying = ask_dying(1)
    assert [answer.text for answer in got if isinstance(answer, Completion)] == ["ok"] * 3
    assert (dying.started, dying.running) == (2, 0)
    assert dying.said == ["loading", "tiny: the model's server died, and is started again: last words 1"]


def test_a_server_that_dies_twice_stops_its_model_with_its_last_words() -> None:
    got, dying = ask_dying(2)
    assert all(isinstance(error, CompletionError) and error.kind == "fatal" for error in got)
    assert {str(error) for error in got} == {"tiny (local/tiny): the embedded model's server died twice: last words 2"}
    assert (dying.started, dying.running, len(dying.said)) == (2, 0, 2)


def test_a_server_that_cannot_be_started_again_stops_its_model() -> None:
    class Once(Dying):
        @contextmanager
        def serve(self, id: str) -> Iterator[Served]:
            if self.started:
                raise ModelError("no memory left")
            with super().serve(id) as served:
                yield served

    async def run() -> CompletionError:
        dying = Once("", deaths=1)
        async with Client([TINY], provider=lambda id: Embedded(dying.serve)) as client:
            with pytest.raises(CompletionError) as caught:
                await client.complete(Request(model=TINY.id, messages=ASK))
        assert dying.running == 0
        return caught.value

    error = asyncio.run(run())
    assert error.kind == "fatal"
    assert str(error).endswith("server died: last words 1; then no memory left")


def test_one_that_is_interrupted_while_it_loads_leaves_no_server_behind() -> None:
    loading, go_on = threading.Event(), threading.Event()
    running = 0

    @contextmanager
    def serve(id: str) -> Iterator[Served]:
        nonlocal running
        loading.set()
        assert go_on.wait(10)
        running += 1
        try:
            yield Served("http://127.0.0.1:1")
        finally:
            running -= 1

    async def run() -> None:
        async def opening() -> None:
            async with Embedded(serve).open(TINY, {}):
                raise AssertionError("it was interrupted before")

        task = asyncio.create_task(opening())
        assert await asyncio.to_thread(loading.wait, 10)
        task.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert running == 0

    asyncio.run(run())


def test_what_the_suite_sends_besides_goes_along_with_an_enforced_call() -> None:
    _, server = ask({"tools": (TOOL,), "params": {"tool_choice": "required", "cache_prompt": False, "extra_body": {"top_k": 3}}})
    sent = server.requests[0]
    assert (sent["cache_prompt"], sent["top_k"], sent["json_schema"]) == (False, 3, any_call([TOOL]))


@pytest.mark.parametrize("id", ["local/gone", "local/gone.gguf"])
def test_a_model_that_is_not_there_is_a_mistake(id: str) -> None:
    async def run() -> None:
        async with Client([ModelSpec.model_validate({"id": id})]):
            pass

    with pytest.raises(ModelError, match="gone"):
        asyncio.run(run())
