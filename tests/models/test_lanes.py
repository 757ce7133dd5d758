"""The direct lane against litellm's: the same requests to the same server, and what it got, and what came of it, side by side."""

from __future__ import annotations

import asyncio
from itertools import cycle
from typing import Any

import pytest

from phrasing.errors import CompletionError
from phrasing.models.direct import Direct
from phrasing.models.hosts import HOSTS, host_of
from phrasing.models.litellm import LiteLLM, load
from phrasing.models.provider import Provider
from phrasing.suite.schema import ModelSpec
from phrasing.types import Completion, Request
from support.fault_server import Endpoint, Reply, answer, endpoint, failure
from support.tiers import few

pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning", "ignore:Pydantic serializer")

KEY = "sk-test-0123456789abcdef"
ASK = ({"role": "system", "content": "be brief"}, {"role": "user", "content": "what next? é \u2028 \U0001f600"})
CALL = {"id": "c1", "type": "function", "function": {"name": "deploy", "arguments": '{"tag": "v1"}'}}
HISTORY = (
    {"role": "user", "content": "x"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "ok"},
    {"role": "assistant", "content": "done"},
    {"role": "user", "content": "go on"},
)
TAG = {"type": "object", "properties": {"tag": {"type": "string"}}, "required": ["tag"], "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "deploy", "description": "d", "parameters": TAG}}
STRICT = {"type": "function", "function": {**TOOL["function"], "strict": True}}  # type: ignore[dict-item]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "step", "strict": True, "schema": TAG}}
SAMPLED = {"temperature": 0, "max_tokens": 64, "seed": 5, "top_p": 0.9, "stop": ["x"], "top_k": None}

REQUESTS: dict[str, dict[str, Any]] = {
    "text": {"messages": ASK, "params": SAMPLED},
    "own parameters": {"messages": ASK, "params": {"top_k": 3, "chat_template_kwargs": {"a": 1}, "extra_body": {"min_p": 0.1}}},
    "tool": {
        "messages": HISTORY,
        "tools": (TOOL,),
        "params": {"tool_choice": "required", "parallel_tool_calls": False, "max_tokens": 8},
    },
    "strict tool": {"messages": HISTORY, "tools": (STRICT,), "params": {"tool_choice": "auto"}},
    "history": {"messages": HISTORY, "params": {"temperature": 0.5}},
    "schema": {"messages": ASK, "response_format": SCHEMA, "params": {"temperature": 0}},
    "who asks": {"messages": ASK, "params": {"user": "u"}},
    "effort": {"messages": ASK, "params": {"reasoning_effort": "low"}},
}

MEANT = {
    ("hosted_vllm", "tools"): ("tool", "litellm takes strict and additionalProperties out of tools, for old versions of vLLM"),
    ("openrouter", "usage"): ("text", "litellm asks for OpenRouter's own price, which nobody here reads"),
    **{
        (host, "user"): ("who asks", "litellm leaves it out for models it doesn't know; parameters are sent as they are")
        for host in HOSTS
        if host != "cerebras"
    },
    ("deepseek", "reasoning_effort"): ("effort", "litellm makes it `thinking`; parameters are sent as they are"),
    ("deepseek", "thinking"): ("effort", "the same"),
}
"""What differs in the body, by host and key: in which request that shows, and why it is so."""

REFUSED = {
    "effort": "litellm refuses it for most hosts; they say themselves whether they have it",
    "own parameters": "litellm's client has no top_k for some",
}
"""Requests that litellm doesn't send to every host."""


def through(lane: Provider, spec: ModelSpec, reply: Reply, **asked: Any) -> tuple[Completion | CompletionError, Endpoint]:
    async def run() -> tuple[Completion | CompletionError, Endpoint]:
        async with endpoint(reply) as server:
            there = spec.model_copy(update={"api_base": f"{server.url}/v1", "api_key_env": "TEST_API_KEY"})
            async with lane.open(there, {"TEST_API_KEY": KEY}) as complete:
                try:
                    return await complete(Request(model=there.id, api_base=there.api_base, **asked)), server
                except CompletionError as error:
                    return error, server

    return asyncio.run(run())


def both(
    reply: Reply, *, id: str = "openai/some-model", **asked: Any
) -> tuple[tuple[Completion | CompletionError, Endpoint], tuple[Completion | CompletionError, Endpoint]]:
    spec = ModelSpec(label="m", id=id)
    asked = {"messages": ASK, **asked}
    return through(Direct(), spec, reply, **asked), through(LiteLLM(), spec, reply, **asked)


# ---------------------------------------------------------------------------------------------- what is sent


SENT = [(host, what) for host in HOSTS for what in REQUESTS]
QUICK = zip(HOSTS, cycle(REQUESTS), strict=False)


@pytest.mark.parametrize(("host", "what"), few(SENT, QUICK))
def test_the_same_is_sent(host: str, what: str) -> None:
    (_, ours), (_, theirs) = both(answer("ok"), id=f"{host}/some-model", **REQUESTS[what])
    if not theirs.requests and what in REFUSED:
        return
    (sent,), (usual,) = ours.requests, theirs.requests
    differing = {(host, key) for key in {*sent, *usual} if sent.get(key, "-") != usual.get(key, "-")}
    assert differing - MEANT.keys() == set()
    assert {key for key, (shown, _) in MEANT.items() if shown == what and key[0] == host} <= differing
    for headers in (ours.headers[0], theirs.headers[0]):
        assert headers["Authorization"] == f"Bearer {KEY}"
        assert headers["Content-Type"] == "application/json"
    assert ours.paths == theirs.paths == ["/v1/chat/completions"]


MODELS = ["gpt-4.1", "gpt-4o-mini", "gpt-5", "gpt-5-mini", "gpt-5.2", "o1", "o3", "o4-mini", "ft:gpt-4o-mini:me", "some-model"]


@pytest.mark.parametrize("model", MODELS)
def test_openais_own_models_are_sent_what_they_take(model: str) -> None:
    params = {"max_tokens": 9, "seed": 5, "tool_choice": "required", "parallel_tool_calls": False}
    spec = ModelSpec(label="m", id=f"openai/{model}")
    assert host_of(spec)
    supported = load().get_supported_openai_params(spec.id)
    asked = {"messages": HISTORY, "tools": (TOOL,), "params": params}
    (_, ours), (_, theirs) = both(answer("ok"), id=spec.id, **asked)
    (sent,), (usual,) = ours.requests, theirs.requests
    assert sent == usual
    assert ("parallel_tool_calls" in sent) == ("parallel_tool_calls" in supported)


# ---------------------------------------------------------------------------------------------- what comes back

USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
ANSWERS = {
    "text": answer("hi", usage=USAGE),
    "no usage": answer("hi"),
    "usage of zero": answer("hi", usage={"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}),
    "cached": answer("hi", usage={**USAGE, "prompt_tokens_details": {"cached_tokens": 64}}),
    "nothing cached": answer("hi", usage={**USAGE, "prompt_tokens_details": {"cached_tokens": 0}}),
    "reasoning": answer("hi", usage={**USAGE, "completion_tokens_details": {"reasoning_tokens": 7}}),
    "details of null": answer("hi", usage={**USAGE, "prompt_tokens_details": None, "completion_tokens_details": None}),
    "deepseek's cache": answer("hi", usage={**USAGE, "prompt_cache_hit_tokens": 60, "prompt_cache_miss_tokens": 40}),
    "anthropic's cache": answer("hi", usage={**USAGE, "cache_read_input_tokens": 50}),
    "call": answer(None, tool_calls=[("deploy", '{"tag": "v1",'), ("other", "")], usage=USAGE),
    "call that stops": Reply({**answer(None, tool_calls=[("deploy", "{}")]).body}),
    "call beside text": answer("I call", tool_calls=[("deploy", "{}")]),
    "arguments as an object": answer(
        "", message={"tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": {"b": 1, "a": [2]}}}]}
    ),
    "cut": answer("{", finish_reason="length"),
    "filtered": answer("", finish_reason="content_filter"),
    "in other words": answer("x", finish_reason="max_tokens"),
    "ended otherwise": answer("x", finish_reason="eos"),
    "refusal": answer(None, message={"refusal": "I can't help with that."}),
    "reasoning beside": answer("b", message={"reasoning_content": "because"}),
    "reasoning before": answer("<think>because</think>b"),
    "reasoning that isn't closed": answer("<think>because"),
    "nothing": answer(""),
    "null": answer(None),
    "unicode": answer("é \u2028 \U0001f600 \x00"),
}


@pytest.mark.parametrize("name", few(ANSWERS, [*ANSWERS][::2]))
def test_an_answer_is_the_same(name: str) -> None:
    (ours, _), (theirs, _) = both(ANSWERS[name], tools=(TOOL,))
    assert isinstance(ours, Completion)
    assert isinstance(theirs, Completion)
    for field in ("text", "tool_calls", "finish_reason", "usage", "cost", "attempts", "emulated", "unread"):
        assert getattr(ours, field) == getattr(theirs, field), field
    assert ours.unread == ()


LIMITED = {"Retry-After": "7", "x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-tokens": "6m0s"}
ERRORS = {
    **{
        f"HTTP {status}": failure(status, "busy")
        for status in (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529)
    },
    "slow down": failure(429, "slow down", headers=LIMITED),
    "down for a while": failure(503, "overloaded", headers={"Retry-After": "2"}),
    "quota": failure(429, "You exceeded your current quota", code="insufficient_quota"),
    "window": failure(400, "This model's maximum context length is 8192 tokens.", code="context_length_exceeded"),
    "window of llama.cpp": failure(400, "request (9001 tokens) exceeds the available context size (8192 tokens)"),
    "window of cerebras": failure(400, "Please reduce it. Current length is 9001 while limit is 8192"),
    "policy": failure(400, "Your request was rejected as a result of our safety system.", code="content_policy_violation"),
    "text": Reply("upstream is away", 502),
    "page": Reply("<html><body>Bad gateway</body></html>", 502),
    "empty": Reply("", 500),
    "detail": Reply({"detail": "Not Found"}, 404),
    "message": Reply({"object": "error", "message": "no such model", "code": 404}, 404),
    "error as text": Reply({"error": "model 'x' not found"}, 404),
    "cut JSON": Reply('{"choices": ['),
    "no choices": Reply({"object": "chat.completion", "choices": []}),
    "empty object": Reply({}),
    "page for an answer": Reply("<html>busy</html>"),
}


@pytest.mark.parametrize("name", few(ERRORS, [*ERRORS][::2]))
def test_an_error_is_the_same(name: str) -> None:
    (ours, _), (theirs, _) = both(ERRORS[name])
    assert isinstance(ours, CompletionError)
    assert isinstance(theirs, CompletionError)
    for field in ("kind", "worth", "retry_after", "throttled", "quota"):
        assert getattr(ours, field) == getattr(theirs, field), field
    body = ERRORS[name].body
    said = body["error"]["message"] if isinstance(body, dict) and isinstance(body.get("error"), dict) else ""
    assert said in str(ours)
    assert "\n" not in str(ours)
