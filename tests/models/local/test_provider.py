"""The provider of the embedded models, with a server on loopback in place of llama.cpp's."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from phrasing.errors import CompletionError, ModelError
from phrasing.models.client import Client
from phrasing.models.local.catalogue import DEFAULT, KNOWN
from phrasing.models.local.provider import FORCED, Embedded, any_call
from phrasing.models.provider import provider_of
from phrasing.suite.schema import ModelSpec
from phrasing.types import Completion, Request
from support.fault_server import Endpoint, Reply, answer, endpoint, failure

ASK = ({"role": "user", "content": "what next?"},)
USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
TOOL = {"type": "function", "function": {"name": "deploy", "parameters": {"type": "object", "properties": {}}}}
TINY = ModelSpec.model_validate({"id": "local/tiny", "price": {"prompt": 1, "completion": 1}})


def ask(
    *requests: dict[str, Any], reply: Reply | None = None, specs: tuple[ModelSpec, ...] = (TINY,), check_tools: Any = None
) -> tuple[list[Completion | BaseException], Endpoint]:
    """Ask each model each request, all at once; give what came of them, and what the server saw."""

    async def run() -> tuple[list[Completion | BaseException], Endpoint]:
        async with endpoint(reply or answer("ok", usage=USAGE)) as server:
            embedded = Embedded(lambda id: nullcontext(server.url), check_tools or (lambda url, tools: None))
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


@pytest.mark.parametrize("id", ["local/gone", "local/gone.gguf"])
def test_a_model_that_is_not_there_is_a_mistake(id: str) -> None:
    async def run() -> None:
        async with Client([ModelSpec.model_validate({"id": id})]):
            pass

    with pytest.raises(ModelError, match="gone"):
        asyncio.run(run())
