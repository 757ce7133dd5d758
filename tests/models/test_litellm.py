"""What only litellm needs: a way past proxies to this machine, and an environment that it is imported in."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from phrasing.errors import CompletionError
from phrasing.models.client import Client
from phrasing.models.litellm import LiteLLM
from phrasing.suite.schema import ModelSpec
from phrasing.types import Completion, Quota, Request, Usage
from support.fault_server import Endpoint, Reply, answer, anthropic, endpoint

ASK = ({"role": "user", "content": "what next?"},)
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
CLAUDE = anthropic([{"type": "text", "text": "ok"}], usage={"input_tokens": 10, "output_tokens": 5})
SAID = {"content": {"role": "model", "parts": [{"text": "ok"}]}, "finishReason": "STOP"}
GEMINI = Reply({"candidates": [SAID], "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}})
OLLAMA = Reply({"model": "m", "response": "ok", "message": {"role": "assistant", "content": "ok"}, "done": True})


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name a proxy that nobody listens at, and no host to leave out."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in PROXIES:
        monkeypatch.setenv(name, "http://127.0.0.1:9")


def ask(id: str, reply: Reply, *, path: str = "", host: str = "127.0.0.1") -> tuple[Completion, Endpoint]:
    async def run() -> tuple[Completion, Endpoint]:
        async with endpoint(reply) as server:
            base = server.url.replace("127.0.0.1", host) + path
            spec = ModelSpec(label="m", id=id, api_base=base, api_key_env="TEST_API_KEY")
            async with Client([spec], environ={"TEST_API_KEY": "sk-test"}) as client:
                return await client.complete(Request(model=id, api_base=base, messages=ASK, params={"max_tokens": 8})), server

    return asyncio.run(run())


@pytest.mark.usefixtures("proxied")
@pytest.mark.parametrize(
    ("id", "reply", "path"),
    [
        ("openai/m", answer("ok"), "/v1"),
        ("hosted_vllm/m", answer("ok"), "/v1"),
        ("lm_studio/m", answer("ok"), "/v1"),
        ("llamafile/m", answer("ok"), "/v1"),
        ("mistral/m", answer("ok"), "/v1"),
        ("gemini/m", GEMINI, ""),
        ("anthropic/claude-haiku-4-5", CLAUDE, ""),
        ("ollama/m", OLLAMA, ""),
        ("ollama_chat/m", OLLAMA, ""),
    ],
)
def test_a_proxy_is_not_asked_for_this_machine(id: str, reply: Reply, path: str) -> None:
    got, server = ask(id, reply, path=path)
    asked = [body for body in server.requests if body.keys() != {"name"}]  # by which an Ollama server is asked about the model
    assert (got.text, len(asked)) == ("ok", 1)
    assert not {"NO_PROXY", "no_proxy"} & os.environ.keys()


def test_nothing_is_done_after_an_answer_for_loggers_that_are_not_there() -> None:
    """It would ask an Ollama server about the model by a request that blocks the event loop, which may be the server's too."""
    got, _ = ask("ollama/m", OLLAMA)
    worker = import_module("litellm.litellm_core_utils.logging_worker").GLOBAL_LOGGING_WORKER
    assert got.text == "ok"
    assert worker._queue is None
    assert worker._worker_task is None


@pytest.mark.usefixtures("proxied")
def test_this_machine_by_its_name() -> None:
    got, server = ask("openai/m", answer("ok"), path="/v1", host="localhost")
    assert (got.text, server.keys) == ("ok", ["Bearer sk-test"])


def test_another_machine_is_asked_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> tuple[Completion, Endpoint]:
        async with endpoint(answer("through the proxy")) as proxy:
            for name in ("NO_PROXY", "no_proxy"):
                monkeypatch.delenv(name, raising=False)
            for name in PROXIES:
                monkeypatch.setenv(name, proxy.url)
            spec = ModelSpec(label="m", id="openai/m", api_base="http://models.example/v1", api_key_env="TEST_API_KEY")
            async with Client([spec], environ={"TEST_API_KEY": "sk-test"}) as client:
                return await client.complete(Request(model=spec.id, api_base=spec.api_base, messages=ASK)), proxy

    got, proxy = asyncio.run(run())
    assert (got.text, len(proxy.requests)) == ("through the proxy", 1)


LEFT = {"anthropic-ratelimit-requests-remaining": "9", "anthropic-ratelimit-tokens-remaining": "99"}


def lane(reply: Reply, **more: Any) -> Completion | CompletionError:
    async def run() -> Completion | CompletionError:
        async with endpoint(reply) as server:
            spec = ModelSpec.model_validate({"id": "anthropic/claude-haiku-4-5", "api_base": server.url, **more})
            async with LiteLLM().open(spec, {}) as complete:
                try:
                    return await complete(Request(model=spec.id, api_base=server.url, messages=ASK, params={"max_tokens": 8}))
                except CompletionError as error:
                    return error

    return asyncio.run(run())


def test_what_is_left_of_anthropics_limit() -> None:
    got = lane(Reply(CLAUDE.body, headers=LEFT))
    assert isinstance(got, Completion)
    assert got.quota == Quota(requests=9, tokens=99)


@pytest.mark.parametrize(("status", "kind"), [(429, "rate_limit_error"), (529, "overloaded_error")])
def test_anthropics_errors_that_ask_for_fewer_requests(status: int, kind: str) -> None:
    got = lane(Reply({"type": "error", "error": {"type": kind, "message": "no"}}, status, {"Retry-After": "3", **LEFT}))
    assert isinstance(got, CompletionError)
    assert (got.kind, got.throttled, got.retry_after, got.quota) == ("transient", True, 3, Quota(requests=9, tokens=99))


def test_nothing_of_anthropics_usage_is_hidden() -> None:
    usage = {"input_tokens": 10, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 40, "output_tokens": 500}
    usage |= {"output_tokens_details": {"thinking_tokens": 123}}  # type: ignore[dict-item]
    said: list[dict[str, Any]] = [{"type": "thinking", "thinking": "because", "signature": "s"}, {"type": "text", "text": "ok"}]
    got = lane(anthropic(said, usage=usage))
    assert isinstance(got, Completion)
    assert (got.text, got.usage) == ("ok", Usage(prompt=140, completion=500, cached=90, reasoning=123))


def test_its_total_is_held() -> None:
    got = lane(Reply(CLAUDE.body, delay=30), timeout=0.3)
    assert isinstance(got, CompletionError)
    assert (got.kind, str(got)) == ("transient", "no answer within 0.3 s")


def imported(folder: Path, **environ: str) -> dict[str, Any]:
    """Import litellm as we do, in a process of its own, and give the variables that this changed."""
    program = """
import json, os
before = dict(os.environ)
from phrasing.models.litellm import load
load()
print(json.dumps({name: os.environ.get(name) for name in {*before, *os.environ} if os.environ.get(name) != before.get(name)}))
"""
    given = {name: value for name, value in os.environ.items() if not name.startswith("LITELLM_")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=folder,
        env={**given, **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    changed: dict[str, Any] = json.loads(done.stdout)
    return changed


@pytest.mark.slow
def test_importing_it_sets_three_variables_of_its_own(tmp_path: Path) -> None:
    changed = imported(tmp_path)
    changed.pop("TIKTOKEN_CACHE_DIR", None)  # litellm's own doing
    assert changed == {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
        "LITELLM_MODE": "PRODUCTION",
    }
    given = {"LITELLM_LOCAL_MODEL_COST_MAP": "False", "LITELLM_MODE": "DEV"}
    assert imported(tmp_path, **given).keys() & given.keys() == {"LITELLM_MODE"}
