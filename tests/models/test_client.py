"""The client against a server on loopback that fails on purpose. Nothing sleeps for real: waits are recorded."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from phrasing.errors import CompletionError, ModelError
from phrasing.models.client import Client, Retry
from phrasing.suite.schema import ModelSpec
from phrasing.types import Completion, Request, ToolCall, Usage
from support.fault_server import Endpoint, Reply, answer, anthropic, endpoint, failure

ASK = ({"role": "user", "content": "what next?"},)
KEY = "sk-test-0123456789abcdef"
ENVIRON = {"TEST_API_KEY": KEY}
USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
TOOL = {"type": "function", "function": {"name": "deploy", "parameters": {"type": "object", "properties": {}}}}
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "step",
        "strict": True,
        "schema": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False},
    },
}


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def spec(url: str, **more: Any) -> ModelSpec:
    return ModelSpec.model_validate({"id": "openai/some-model", "api_base": f"{url}/v1", "api_key_env": "TEST_API_KEY", **more})


def request(model: ModelSpec, **more: Any) -> Request:
    return Request(model=model.id, api_base=model.api_base, messages=ASK, **more)


def ask(
    *replies: Reply,
    clock: Clock | None = None,
    model: dict[str, Any] | None = None,
    client: dict[str, Any] | None = None,
    **more: Any,
) -> tuple[Completion | CompletionError, Endpoint]:
    """Ask once; give back what came of it, and what the server saw."""
    time = clock or Clock()

    async def run() -> tuple[Completion | CompletionError, Endpoint]:
        async with endpoint(*replies) as server:
            asked = spec(server.url, **(model or {}))
            options = {"environ": ENVIRON, "sleep": time.sleep, "clock": time, "chance": lambda: 1.0, **(client or {})}
            async with Client([asked], **options) as models:
                try:
                    return await models.complete(request(asked, **more)), server
                except CompletionError as error:
                    return error, server

    return asyncio.run(run())


def completion(*replies: Reply, **more: Any) -> Completion:
    got, _ = ask(*replies, **more)
    assert isinstance(got, Completion), got
    return got


def error(*replies: Reply, **more: Any) -> CompletionError:
    got, _ = ask(*replies, **more)
    assert isinstance(got, CompletionError), got
    return got


# ---------------------------------------------------------------------------------------------- answers


def test_an_answer_with_usage() -> None:
    usage = {**USAGE, "prompt_tokens_details": {"cached_tokens": 64}, "completion_tokens_details": {"reasoning_tokens": 7}}
    got = completion(answer("list_git_tags", usage=usage))
    assert (got.text, got.tool_calls, got.finish_reason, got.attempts) == ("list_git_tags", (), "stop", 1)
    assert got.usage == Usage(prompt=100, completion=20, cached=64, reasoning=7)
    assert got.latency is not None
    assert got.latency > 0
    assert got.emulated is None


def test_usage_is_none_where_the_endpoint_says_nothing() -> None:
    got = completion(answer("x"), model={"price": {"prompt": 1, "completion": 1}})
    assert (got.usage, got.cost) == (Usage(), None)


def test_tool_calls_keep_the_raw_text_of_their_arguments() -> None:
    got = completion(answer(None, tool_calls=[("deploy", '{"tag": "v1",'), ("other", "{}")]), tools=(TOOL,))
    assert got.tool_calls == (ToolCall(name="deploy", arguments='{"tag": "v1",'), ToolCall(name="other", arguments="{}"))
    assert (got.text, got.finish_reason) == ("", "tool_calls")


def test_reasoning_is_not_part_of_the_text() -> None:
    assert completion(answer("b", message={"reasoning_content": "because"})).text == "b"


def test_a_truncated_answer_says_so() -> None:
    assert completion(answer("{", finish_reason="length")).finish_reason == "length"


def test_a_refusal_beside_the_text_is_a_filtered_answer() -> None:
    got = completion(answer(None, message={"refusal": "I can't help with that."}))
    assert (got.text, got.finish_reason) == ("I can't help with that.", "content_filter")


# ---------------------------------------------------------------------------------------------- what is sent


def test_parameters_are_sent_as_they_are_and_none_is_left_out() -> None:
    _, server = ask(
        answer(),
        tools=(TOOL,),
        params={"temperature": 0, "max_tokens": None, "seed": 5, "tool_choice": "required", "parallel_tool_calls": False},
    )
    (sent,) = server.requests
    assert sent == {
        "model": "some-model",
        "messages": list(ASK),
        "temperature": 0,
        "seed": 5,
        "tools": [TOOL],
        "tool_choice": "required",
        "parallel_tool_calls": False,
    }
    assert server.keys == [f"Bearer {KEY}"]


def test_a_parameter_of_one_server_reaches_it() -> None:
    _, server = ask(answer(), params={"top_k": 1})
    assert server.requests[0]["top_k"] == 1


def test_without_api_key_env_no_key_goes_to_another_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    _, server = ask(answer(), model={"api_key_env": None})
    assert server.keys == ["Bearer none"]


def test_the_request_is_not_changed() -> None:
    messages = ({"role": "user", "content": "x"}, {"role": "assistant", "content": None, "tool_calls": []})
    before = repr(messages)

    async def run() -> None:
        async with endpoint(answer()) as server:
            model = spec(server.url)
            async with Client([model], environ=ENVIRON) as models:
                await models.complete(Request(model=model.id, api_base=model.api_base, messages=messages))

    asyncio.run(run())
    assert repr(messages) == before


def claude(reply: Reply, *, model: str, messages: tuple[dict[str, Any], ...] = ASK, **more: Any) -> tuple[Completion, Endpoint]:
    async def run() -> tuple[Completion, Endpoint]:
        async with endpoint(reply) as server:
            asked = ModelSpec(label="c", id=model, api_base=server.url, api_key_env="TEST_API_KEY")
            async with Client([asked], environ=ENVIRON) as models:
                sent = Request(model=asked.id, api_base=asked.api_base, messages=messages, **more)
                return await models.complete(sent), server

    return asyncio.run(run())


def test_anthropic_tool_calls_with_cached_tokens_counted_in() -> None:
    reply = anthropic(
        [{"type": "tool_use", "id": "t", "name": "deploy", "input": {"tag": "v1"}}],
        usage={"input_tokens": 10, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 0, "output_tokens": 5},
        stop_reason="tool_use",
    )
    got, server = claude(
        reply,
        model="anthropic/claude-haiku-4-5",
        tools=(TOOL,),
        params={"seed": 5, "max_tokens": 64, "tool_choice": "required", "parallel_tool_calls": False},
    )
    assert got.tool_calls == (ToolCall(name="deploy", arguments='{"tag": "v1"}'),)
    assert (got.usage.prompt, got.usage.cached, got.usage.completion) == (100, 90, 5)
    assert got.emulated is None
    assert "seed" not in server.requests[0]  # litellm says that this provider has none
    assert server.requests[0]["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}


def test_anthropic_may_answer_in_text_where_a_call_is_not_required() -> None:
    reply = anthropic([{"type": "text", "text": "12 degrees"}], usage={"input_tokens": 10, "output_tokens": 5})
    params = {"max_tokens": 64, "tool_choice": "auto", "parallel_tool_calls": False}
    got, server = claude(reply, model="anthropic/claude-haiku-4-5", tools=(TOOL,), params=params)
    assert (got.text, got.tool_calls, got.emulated) == ("12 degrees", (), None)
    assert [tool["name"] for tool in server.requests[0]["tools"]] == ["deploy"]
    assert server.requests[0]["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


def test_a_schema_sent_as_a_tool_is_recorded() -> None:
    reply = anthropic(
        [{"type": "tool_use", "id": "t", "name": "json_tool_call", "input": {"a": "x"}}],
        usage={"input_tokens": 10, "output_tokens": 5},
        stop_reason="tool_use",
    )
    got, server = claude(reply, model="anthropic/claude-3-5-haiku-20241022", response_format=SCHEMA, params={"max_tokens": 64})
    assert [tool["name"] for tool in server.requests[0]["tools"]] == ["json_tool_call"]
    assert got.emulated == "response_format sent as tool 'json_tool_call'"
    assert got.text == '{"a": "x"}'


def test_a_schema_sent_as_a_schema_is_not_called_emulated() -> None:
    reply = anthropic([{"type": "text", "text": "{}"}], usage={"input_tokens": 10, "output_tokens": 5})
    got, server = claude(reply, model="anthropic/claude-haiku-4-5", response_format=SCHEMA, params={"max_tokens": 64})
    assert "tools" not in server.requests[0]
    assert got.emulated is None


def test_a_tool_that_nobody_asked_for_is_recorded() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "deploy", "arguments": "{}"}}
    history = (
        *ASK,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "ok"},
    )
    reply = anthropic([{"type": "text", "text": "x"}], usage={"input_tokens": 10, "output_tokens": 5})
    got, server = claude(reply, model="anthropic/claude-haiku-4-5", messages=history, params={"max_tokens": 64})
    assert [tool["name"] for tool in server.requests[0]["tools"]] == ["dummy_tool"]
    assert got.emulated == "added tool 'dummy_tool'"


# ---------------------------------------------------------------------------------------------- failures


def test_429_waits_as_long_as_it_is_told() -> None:
    clock = Clock()
    got = completion(failure(429, "slow down", headers={"Retry-After": "7"}), answer("ok"), clock=clock)
    assert (got.text, got.attempts) == ("ok", 1)  # a refusal isn't an attempt
    assert clock.slept == [pytest.approx(7.0, abs=0.1)]


def test_retry_after_may_be_a_date() -> None:
    clock = Clock()
    later = format_datetime(datetime.now(UTC) + timedelta(minutes=5), usegmt=True)
    completion(failure(429, headers={"Retry-After": later}), answer("ok"), clock=clock)
    assert 200 < sum(clock.slept) <= 301  # a real clock has gone on meanwhile


def test_a_longer_wait_than_anybody_has_patience_for_stops_the_model() -> None:
    clock = Clock()
    got, server = ask(failure(429, headers={"Retry-After": "3600"}), answer("ok"), clock=clock)
    assert isinstance(got, CompletionError)
    assert (got.kind, clock.slept, len(server.requests)) == ("fatal", [], 1)
    assert str(got).endswith(" asks to wait 60 minutes")


@pytest.mark.parametrize("status", [429, 529])
def test_refusals_are_no_attempts_and_are_waited_on_for_a_while(status: int) -> None:
    clock = Clock()
    got = completion(*[failure(status)] * 8, failure(500), *[failure(status)] * 8, answer("ok"), clock=clock)
    assert (got.text, got.attempts) == ("ok", 2)
    clock = Clock()
    got, server = ask(failure(status, "busy"), clock=clock)
    assert isinstance(got, CompletionError)
    assert got.kind in ("transient", "fatal")
    assert 900 < clock.now < 1000
    assert len(server.requests) < 80


def test_retry_after_that_says_nothing_is_ignored() -> None:
    clock = Clock()
    completion(failure(503, headers={"Retry-After": "soon"}), answer("ok"), clock=clock)
    assert clock.slept == [1.0]


def test_500s_then_an_answer() -> None:
    clock = Clock()
    got = completion(failure(500), failure(502), failure(503), answer("ok"), clock=clock)
    assert (got.text, got.attempts) == ("ok", 4)
    assert clock.slept == [1.0, 2.0, 4.0]


def test_jitter_is_over_the_whole_wait() -> None:
    retry = Retry(base=1.0, cap=10.0)
    assert [retry.delay(n, None, 0.5) for n in (1, 2, 3, 4, 5, 6)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 504])
def test_what_may_pass_is_transient_after_all_attempts(status: int) -> None:
    got, server = ask(failure(status, "busy"))
    assert isinstance(got, CompletionError)
    assert (got.kind, got.attempts, len(server.requests)) == ("transient", 5, 5)
    assert "busy" in str(got)


@pytest.mark.parametrize("status", [400, 402, 404, 422])
def test_what_won_t_pass_is_fatal_at_once(status: int) -> None:
    got, server = ask(failure(status, "wrong"))
    assert isinstance(got, CompletionError)
    assert (got.kind, got.attempts, len(server.requests)) == ("fatal", 1, 1)
    assert str(got).startswith(f"some-model (openai/some-model): HTTP {status}: ")
    assert "wrong" in str(got)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_names_its_variable_and_never_the_key(status: int) -> None:
    got = error(failure(status, f"Incorrect API key provided: {KEY[:12]}****cdef; header was Bearer {KEY}"))
    assert got.kind == "fatal"
    assert "the key in TEST_API_KEY was refused" in str(got)
    assert KEY[:12] not in str(got)
    assert "cdef" not in str(got)


def test_a_missing_key_names_its_variable() -> None:
    assert "no key; set TEST_API_KEY" in str(error(failure(401), client={"environ": {}}))


def test_a_key_of_any_look_is_blanked_out() -> None:
    got = error(failure(400, "bad header hunter2-hunter2"), client={"environ": {**ENVIRON, "GATEWAY_TOKEN": "hunter2-hunter2"}})
    assert "bad header ***" in str(got)


def test_quota_that_is_used_up_is_not_tried_again() -> None:
    got = error(failure(429, "You exceeded your current quota", code="insufficient_quota"))
    assert (got.kind, got.attempts) == ("fatal", 1)


@pytest.mark.parametrize(
    "reply",
    [
        failure(400, "This model's maximum context length is 8192 tokens.", code="context_length_exceeded"),
        Reply(
            {
                "error": {
                    "code": 400,
                    "message": "request (9001 tokens) exceeds the available context size (8192 tokens), try increasing it",
                    "type": "exceed_context_size_error",
                }
            },
            400,
        ),
        failure(400, "prompt is too long: 210000 tokens > 200000 maximum"),
    ],
    ids=["openai", "llama.cpp", "anthropic"],
)
def test_a_prompt_longer_than_the_window_is_an_overflow(reply: Reply) -> None:
    got = error(reply)
    assert (got.kind, got.attempts) == ("overflow", 1)


def test_a_content_policy_error_is_a_refusal() -> None:
    got = error(failure(400, "Your request was rejected as a result of our safety system.", code="content_policy_violation"))
    assert (got.kind, got.attempts) == ("refused", 1)


def test_too_slow_is_transient() -> None:
    got = error(answer(delay=30), client={"timeout": 0.2, "retry": Retry(attempts=2)})
    assert (got.kind, got.attempts) == ("transient", 2)
    assert "no answer within 0.2 s" in str(got)


def test_a_model_s_own_limit_goes_before_the_client_s() -> None:
    got = completion(answer("ok", delay=0.3), client={"timeout": 0.01}, model={"timeout": 30})
    assert got.text == "ok"
    late = error(answer(delay=30), client={"timeout": 30, "retry": Retry(attempts=1)}, model={"timeout": {"total": 0.2}})
    assert "no answer within 0.2 s" in str(late)


@pytest.mark.parametrize(
    "reply",
    [Reply('{"choices": ['), Reply({"object": "chat.completion", "choices": []}), Reply("<html>busy</html>"), Reply({})],
    ids=["cut json", "no choices", "html", "empty object"],
)
def test_200_without_an_answer_is_transient(reply: Reply) -> None:
    got = error(reply)
    assert (got.kind, got.attempts) == ("transient", 5)


def test_an_answer_after_a_broken_one() -> None:
    assert completion(Reply('{"choices": ['), answer("ok")).attempts == 2


def test_a_dead_endpoint_is_named_and_not_waited_for() -> None:
    with socket.socket() as taken:  # bound, so that nobody else gets the port, but nobody listens
        taken.bind(("127.0.0.1", 0))
        model = spec(f"http://127.0.0.1:{taken.getsockname()[1]}")
        clock = Clock()

        async def run() -> CompletionError:
            async with Client([model], environ=ENVIRON, sleep=clock.sleep, clock=clock, chance=lambda: 1.0) as models:
                with pytest.raises(CompletionError) as caught:
                    await models.complete(request(model))
                return caught.value

        got = asyncio.run(run())
    assert (got.kind, got.attempts, clock.slept) == ("fatal", 2, [1.0])
    assert str(got) == f"some-model (openai/some-model): no connection to {model.api_base}: is the server running there?"


# ---------------------------------------------------------------------------------------------- pace


def many(n: int, reply: Reply, *, model: dict[str, Any], client: dict[str, Any]) -> Endpoint:
    async def run() -> Endpoint:
        async with endpoint(reply) as server:
            asked = spec(server.url, **model)
            async with Client([asked], environ=ENVIRON, **client) as models:
                await asyncio.gather(*[models.complete(request(asked, params={"seed": i})) for i in range(n)])
            return server

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("model", "client", "peak"), [({}, {"jobs": 3}, 3), ({"jobs": 2}, {"jobs": 6}, 2)], ids=["all", "one model"]
)
def test_no_more_at_once_than_allowed(model: dict[str, Any], client: dict[str, Any], peak: int) -> None:
    server = many(12, answer(delay=0.05), model=model, client=client)
    assert (len(server.requests), server.peak) == (12, peak)


def test_requests_a_minute_are_spaced_in_the_order_they_came() -> None:
    clock = Clock()
    server = many(4, answer(), model={"rpm": 30}, client={"jobs": 1, "sleep": clock.sleep, "clock": clock})
    assert clock.slept == [2.0, 2.0, 2.0]
    assert [sent["seed"] for sent in server.requests] == [0, 1, 2, 3]


def test_models_with_one_address_share_its_limits() -> None:
    async def run() -> Endpoint:
        async with endpoint(answer(delay=0.05)) as server:
            cold, warm = spec(server.url, label="cold", jobs=2), spec(server.url, label="warm", params={"temperature": 1})
            async with Client([cold, warm], environ=ENVIRON) as models:
                await asyncio.gather(*[models.complete(request(s)) for s in (cold, warm) * 4])
            return server

    assert asyncio.run(run()).peak == 2


# ---------------------------------------------------------------------------------------------- what goes together


def test_a_model_that_the_client_doesn_t_know_is_a_mistake() -> None:
    with pytest.raises(ModelError, match="'openai/x' was not given"):
        asyncio.run(Client([]).complete(Request(model="openai/x", messages=ASK)))


def test_one_address_has_one_key() -> None:
    specs = [spec("http://127.0.0.1:1"), spec("http://127.0.0.1:1", label="b", api_key_env="OTHER")]
    with pytest.raises(ModelError, match="different api_key_env"):
        Client(specs)


def test_the_cost_of_an_answer() -> None:
    got = completion(answer("x", usage=USAGE), model={"price": {"prompt": 10, "completion": 100}})
    assert got.cost == pytest.approx((100 * 10 + 20 * 100) / 1e6)
    assert completion(answer("x", usage=USAGE)).cost is None


def test_the_cost_of_an_answer_whose_prompt_was_cached() -> None:
    usage = {**USAGE, "prompt_tokens_details": {"cached_tokens": 60}}
    for cached, read in (({"cached": 1}, 40 * 10 + 60 * 1), ({}, 100 * 10)):
        got = completion(answer("x", usage=usage), model={"price": {"prompt": 10, "completion": 100, **cached}})
        assert got.cost == pytest.approx((read + 20 * 100) / 1e6)
