"""The direct lane: whom it tells what, when it gives up, and how long an answer took by the socket."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any

import pytest

from phrasing.errors import CompletionError, ModelError
from phrasing.models.direct import Direct, _address, _headers
from phrasing.models.hosts import HOSTS
from phrasing.suite.schema import ModelSpec
from phrasing.types import Completion, Quota, Request, ToolCall, Usage
from support.fault_server import Endpoint, Reply, answer, endpoint, failure, raw

ASK = ({"role": "user", "content": "what next?"},)
KEY = "sk-test-0123456789abcdef"
WHO = {"OPENAI_ORGANIZATION": "org-of-the-user", "OPENAI_ORG_ID": "org-of-the-user", "OPENAI_PROJECT_ID": "project-of-the-user"}


def asked(url: str, environ: dict[str, str], *, id: str = "openai/m", **more: Any) -> Completion | CompletionError:
    async def run() -> Completion | CompletionError:
        spec = ModelSpec.model_validate({"id": id, **({"api_base": url} if url else {}), **more})
        async with Direct().open(spec, environ) as complete:
            try:
                return await complete(Request(model=spec.id, api_base=spec.api_base, messages=ASK))
            except CompletionError as error:
                return error

    return asyncio.run(run())


def served(*replies: Reply, environ: dict[str, str] | None = None, **more: Any) -> tuple[Completion | CompletionError, Endpoint]:
    async def run() -> tuple[Completion | CompletionError, Endpoint]:
        async with endpoint(*replies) as server:
            return await asyncio.to_thread(asked, f"{server.url}/v1", environ or {}, **more), server

    return asyncio.run(run())


def error(*replies: Reply, **more: Any) -> CompletionError:
    got, _ = served(*replies, **more)
    assert isinstance(got, CompletionError), got
    return got


# ---------------------------------------------------------------------------------------------- who is told what


@pytest.mark.parametrize("id", ["openai/m", "hosted_vllm/m", "openrouter/m", "deepseek/m"])
def test_another_host_isn_t_told_who_asks(id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = {**WHO, "OPENAI_API_KEY": KEY, "OPENROUTER_API_KEY": KEY, "DEEPSEEK_API_KEY": KEY, "HOSTED_VLLM_API_KEY": KEY}
    secret |= {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_PROJECT": "project-of-the-user"}
    for name, value in secret.items():
        monkeypatch.setenv(name, value)
    got, server = served(answer("ok"), environ=secret, id=id)
    assert isinstance(got, Completion)
    assert server.keys == ["Bearer none"]
    assert not any(word in str([server.headers, server.requests]) for word in ("-of-the-user", KEY))


@pytest.mark.parametrize("name", ["OPENAI_BASE_URL", "OPENAI_API_BASE"])
def test_the_users_own_gateway_gets_the_key_and_no_more(name: str) -> None:
    async def run() -> tuple[Completion | CompletionError, Endpoint]:
        async with endpoint(answer("ok")) as server:
            environ = {**WHO, "OPENAI_API_KEY": KEY, name: f"{server.url}/v1/"}
            return await asyncio.to_thread(asked, "", environ, id="openai/gpt-4.1-mini"), server

    got, server = asyncio.run(run())
    assert isinstance(got, Completion)
    assert (server.keys, server.paths) == ([f"Bearer {KEY}"], ["/v1/chat/completions"])
    assert "-of-the-user" not in str(server.headers)


def test_openai_is_told_for_whom() -> None:
    spec = ModelSpec(label="m", id="openai/gpt-4.1-mini")
    told = _headers(spec, "https://api.openai.com/v1/chat/completions", {**WHO, "OPENAI_API_KEY": KEY})
    assert told["OpenAI-Organization"] == "org-of-the-user"
    assert told["OpenAI-Project"] == "project-of-the-user"
    assert told["Authorization"] == f"Bearer {KEY}"
    for other in ("https://api.openai.com.evil.example/v1", "https://evil.example/api.openai.com", "https://xapi.openai.com/v1"):
        assert "-of-the-user" not in str(_headers(spec, other, WHO))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    async def run() -> tuple[Completion | CompletionError, Endpoint, Endpoint]:
        async with endpoint(answer("ok")) as other:
            away = Reply("", status, {"Location": f"{other.url}/v1/chat/completions"})
            async with endpoint(away) as server:
                environ = {"MINE": KEY}
                return await asyncio.to_thread(asked, f"{server.url}/v1", environ, api_key_env="MINE"), server, other

    got, server, other = asyncio.run(run())
    assert isinstance(got, CompletionError)
    assert (got.kind, len(server.requests), other.requests) == ("fatal", 1, [])
    assert f"HTTP {status}: it points to {other.url}/v1/chat/completions" in str(got)


def test_a_model_whose_place_is_not_said() -> None:
    with pytest.raises(ModelError, match="'m': where is it\\? Give it an api_base, or set HOSTED_VLLM_API_BASE"):
        asked("", {}, id="hosted_vllm/m")


@pytest.mark.parametrize("base", ["http://[1", "http://h:many/v1", "http://h:99999", "http:///v1", "https://:80"])
def test_what_is_no_address(base: str) -> None:
    with pytest.raises(ModelError, match="is no address such as https://host:8000/v1"):
        asked(base, {})


def test_an_address_that_names_a_user() -> None:
    with pytest.raises(ModelError, match="its address names a user; name the variable of a key") as caught:
        asked("http://me:secret@127.0.0.1:9/v1", {})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["sk-a\nb", "sk-a\r\nX-Other: 1", "sk-\u00e9"])
def test_a_key_that_can_t_be_sent_isn_t_shown(key: str) -> None:
    with pytest.raises(ModelError, match="its key holds a line break, or another character") as caught:
        asked("http://127.0.0.1:9/v1", {"MINE": key}, api_key_env="MINE")
    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize(("name", "variable"), [("openai", "OPENAI_BASE_URL"), ("openrouter", "OPENROUTER_API_BASE")])
def test_where_two_hosts_are_that_litellm_only_knows_when_it_asks(name: str, variable: str) -> None:
    program = Path(str(find_spec("litellm").origin)).with_name("main.py").read_text("utf-8")  # type: ignore[union-attr]
    assert f'"{variable}"' in program
    assert HOSTS[name].addresses[0] == variable
    assert f'"{HOSTS[name].base}"' in program or name == "openai"
    spec = ModelSpec(label="m", id=f"{name}/gpt-4.1")
    assert _address(spec, HOSTS[name], {}) == f"{HOSTS[name].base}/chat/completions"
    assert _address(spec, HOSTS[name], {variable: "http://h/v1/"}) == "http://h/v1/chat/completions"


def test_litellm_isn_t_imported() -> None:
    program = """
import asyncio, sys
from phrasing.models.client import Client
from phrasing.suite.schema import ModelSpec
from phrasing.types import Request
from support.fault_server import answer, endpoint

async def run():
    async with endpoint(answer("ok")) as server:
        spec = ModelSpec(label="m", id="openai/m", api_base=server.url)
        async with Client([spec]) as client:
            asked = Request(model=spec.id, api_base=spec.api_base, messages=({"role": "user", "content": "x"},))
            return await client.complete(asked)

assert asyncio.run(run()).text == "ok"
heavy = {"litellm", "openai", "httpx", "pandas", "scipy"} & sys.modules.keys()
assert not heavy, heavy
"""
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, "PYTHONPATH": path})


def test_a_proxy_that_can_t_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "socks5://user:secret@127.0.0.1:9")
    with pytest.raises(ModelError, match=r"names the proxy socks5://127\.0\.0\.1:9; only http and https") as caught:
        asked("https://models.example/v1", {})
    assert "secret" not in str(caught.value)


def test_a_proxy_that_nobody_listens_at(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    got = asked("http://models.example/v1", {})
    assert isinstance(got, CompletionError)
    assert got.kind == "fatal"
    assert "no connection to the proxy 127.0.0.1:" in str(got)


@pytest.fixture
def no_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_exceptions")
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_is_told_who_asks_it(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    async def run() -> tuple[Completion | CompletionError, Endpoint]:
        async with endpoint(answer("through the proxy")) as proxy:
            for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
                monkeypatch.delenv(name, raising=False)
            monkeypatch.setenv(variable.lower(), proxy.url.replace("//", "//us%40er:secret@"))
            return await asyncio.to_thread(asked, "http://models.example/v1", {"MINE": KEY}, api_key_env="MINE"), proxy

    got, proxy = asyncio.run(run())
    assert isinstance(got, Completion)
    assert proxy.headers[0]["Proxy-Authorization"] == f"Basic {b64encode(b'us@er:secret').decode()}"
    assert proxy.headers[0]["Host"] == "models.example"


@pytest.mark.usefixtures("no_exceptions")
def test_a_proxy_that_makes_a_tunnel_isn_t_shown_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    heads: list[bytes] = []

    async def serve(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        heads.append(head)
        writer.write(b"HTTP/1.1 407 Who are you?\r\nContent-Length: 0\r\n\r\n")

    async def run() -> Completion | CompletionError:
        async with raw(serve) as url:
            for name in ("HTTPS_PROXY", "https_proxy"):
                monkeypatch.setenv(name, url.replace("//", "//user:secret@"))
            return await asyncio.to_thread(asked, "https://models.example/v1", {"MINE": KEY}, api_key_env="MINE")

    got = asyncio.run(run())
    assert isinstance(got, CompletionError)
    assert (got.kind, str(got)) == ("fatal", "the proxy said HTTP 407: Who are you?")
    assert b"CONNECT models.example:443" in heads[0]
    assert f"Basic {b64encode(b'user:secret').decode()}".encode() in heads[0]
    assert KEY.encode() not in heads[0]


# ---------------------------------------------------------------------------------------------- connections


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_as_many_at_a_time_as_are_asked() -> None:
    number, content = 150, json.dumps(answer("ok").body).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n".encode()

    async def run() -> list[Completion]:
        held, all_here = 0, asyncio.Event()

        async def serve(asked: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
            nonlocal held
            held += 1
            if held == number:
                all_here.set()
            await all_here.wait()
            writer.write(head + content)

        async with raw(serve) as url:
            spec = ModelSpec(label="m", id="openai/m", api_base=f"{url}/v1")
            async with Direct().open(spec, {}) as complete:
                return await asyncio.gather(*[complete(Request(model=spec.id, messages=ASK)) for _ in range(number)])

    assert [got.text for got in asyncio.run(run())] == ["ok"] * number


def heard(*said: bytes | float, **more: Any) -> Completion | CompletionError:
    """Ask a server that says the bytes and waits the seconds, in order."""

    async def serve(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        for each in said:
            if isinstance(each, bytes):
                writer.write(each)
                await writer.drain()
            else:
                await asyncio.sleep(each)

    async def run() -> Completion | CompletionError:
        async with raw(serve) as url:
            return await asyncio.to_thread(asked, f"{url}/v1", {}, **more)

    return asyncio.run(run())


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"


@pytest.mark.parametrize(
    ("said", "timeout", "message"),
    [
        ((30.0,), {"total": 0.3}, "no answer within 0.3 s"),
        ((30.0,), 0.3, "no answer within 0.3 s"),
        ((HEAD, 30.0), {"total": 0.3}, "no answer within 0.3 s"),
        ((30.0,), {"first_byte": 0.3}, "no first byte of an answer within 0.3 s"),
        ((HEAD, b"{", 30.0), {"first_byte": 5, "total": 0.5}, "no answer within 0.5 s"),
    ],
)
def test_too_slow_says_what_for(said: Sequence[bytes | float], timeout: Any, message: str) -> None:
    got = heard(*said, timeout=timeout)
    assert isinstance(got, CompletionError)
    assert (got.kind, str(got)) == ("transient", message)


def test_an_address_that_doesn_t_answer_is_another_matter() -> None:
    with socket.socket() as full:  # it listens, but accepts nobody
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        place = full.getsockname()
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(place)
        got = asked(f"http://127.0.0.1:{place[1]}/v1", {}, timeout={"connect": 0.3, "total": 20})
        for filler in fillers:
            filler.close()
    assert isinstance(got, CompletionError)
    assert (got.kind, str(got)) == ("transient", f"no connection to http://127.0.0.1:{place[1]}/v1 within 0.3 s")


@pytest.mark.parametrize(
    "said", [(), (HEAD,), (HEAD, b'{"choices": ['), (b"what?\r\n\r\n",)], ids=["all", "head", "body", "no HTTP"]
)
def test_what_breaks_off_is_tried_again(said: Sequence[bytes]) -> None:
    got = heard(*said)
    assert isinstance(got, CompletionError)
    assert got.kind == "transient"
    assert str(got).startswith("the connection broke off before there was a whole answer: ")


# ---------------------------------------------------------------------------------------------- limits


def test_what_is_left_of_a_limit() -> None:
    headers = {
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "120ms",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    left = Quota(requests=59, requests_reset=0.12, tokens=149984, tokens_reset=360)
    got, _ = served(Reply(answer("ok").body, headers=headers))
    assert isinstance(got, Completion)
    assert got.quota == left
    refused = error(failure(429, "slow down", headers={**headers, "Retry-After": "2"}))
    assert (refused.kind, refused.throttled, refused.retry_after, refused.quota) == ("transient", True, 2.0, left)


@pytest.mark.parametrize(
    ("reply", "kind", "throttled"),
    [
        (failure(429), "transient", True),
        (failure(529), "transient", True),
        (failure(503, headers={"Retry-After": "1"}), "transient", True),
        (failure(503), "transient", False),
        (failure(500, headers={"Retry-After": "1"}), "transient", False),
        (failure(429, code="insufficient_quota"), "fatal", False),
    ],
)
def test_which_errors_ask_for_fewer_requests(reply: Reply, kind: str, throttled: bool) -> None:
    got = error(reply)
    assert (got.kind, got.throttled) == (kind, throttled)


def test_no_message_shows_a_key() -> None:
    got = error(
        failure(400, f"bad header {KEY} hunter2-hunter2"), environ={"MINE": KEY, "A_TOKEN": "hunter2-hunter2"}, api_key_env="MINE"
    )
    assert "bad header *** ***" in str(got)


# ---------------------------------------------------------------------------------------------- time


@dataclass
class Spoken:
    """What a server sent of a stream, and when (``perf_counter``); ``asked`` is when the request was there."""

    asked: float = 0.0
    sent: list[float] = field(default_factory=list)


def streamed(
    events: Sequence[Any], pause: float = 0.0, **more: Any
) -> tuple[Completion | CompletionError, Spoken, dict[str, Any]]:
    """Ask a server that sends each of the events (text as it is) after a pause."""
    spoken, seen = Spoken(), dict[str, Any]()

    async def serve(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        spoken.asked = perf_counter()
        seen.update(json.loads(body))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        for event in events:
            await asyncio.sleep(pause)
            spoken.sent.append(perf_counter())
            writer.write(event if isinstance(event, bytes) else f"data: {json.dumps(event)}\n\n".encode())
            await writer.drain()

    async def run() -> Completion | CompletionError:
        async with raw(serve) as url:
            return await asyncio.to_thread(asked, f"{url}/v1", {}, **{"stream": True, **more})

    return asyncio.run(run()), spoken, seen


def delta(content: Any = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    said = {**({"content": content} if content is not None else {}), **more}
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": said, "finish_reason": finish}]}


ROLE, END, DONE = delta("", role="assistant"), delta(finish="stop"), b"data: [DONE]\n\n"


PAUSE = 0.1


def test_the_times_of_a_stream_are_the_servers() -> None:
    waited, followed, more = [], [], []
    for _ in range(3):  # a machine that is busy once doesn't move the medians
        got, spoken, _ = streamed([ROLE, ROLE, delta("a"), delta("b"), END, DONE], pause=PAUSE)
        assert isinstance(got, Completion)
        assert got.first_byte is not None
        assert got.first_token is not None
        assert got.latency is not None
        assert 0 <= got.first_byte < got.first_token < got.latency
        waited.append(got.first_token)
        followed.append(got.latency - got.first_token)
        more.append(got.latency - (perf_counter() - spoken.asked))
    # the first token came after three pauses and the last byte after three more; one of them is left to how busy the machine is
    assert median(waited) > 2 * PAUSE
    assert median(followed) > 2 * PAUSE
    assert median(more) < PAUSE


def test_the_times_of_an_answer_in_one_piece() -> None:
    content = json.dumps(answer("x" * 100_000).body).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n".encode()
    waited, followed = [], []
    for _ in range(3):
        got = heard(2 * PAUSE, head, content[:50_000], 2 * PAUSE, content[50_000:])
        assert isinstance(got, Completion)
        assert got.first_byte is not None
        assert got.latency is not None
        assert got.first_token is None
        waited.append(got.first_byte)
        followed.append(got.latency - got.first_byte)
    assert median(waited) > PAUSE
    assert median(followed) > PAUSE


def test_latency_holds_no_work_on_other_answers() -> None:
    work, number = 0.1, 20

    async def run() -> list[float]:
        async with endpoint(answer("ok", delay=5 * PAUSE)) as server:
            return await asyncio.to_thread(asyncio.run, ask(server.url))

    async def ask(url: str) -> list[float]:
        spec = ModelSpec(label="m", id="openai/m", api_base=url)
        async with Direct().open(spec, {}) as complete:

            async def one() -> float:
                got = await complete(Request(model=spec.id, messages=ASK))
                sleep(work)  # noqa: ASYNC251 - the loop can't go on meanwhile
                assert got.latency is not None
                return got.latency

            return await asyncio.gather(*[one() for _ in range(number)])

    # One may come while the loop works on all others, as the system doesn't say when; if they were stamped where they are
    # awaited, the median would hold half of all work.
    assert median(asyncio.run(run())) < 5 * PAUSE + 0.25 * work * number


def test_a_body_that_takes_time_to_go_isn_t_in_the_latency() -> None:
    """The server reads late; only then it answers at once."""
    begun = 0.0

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        left = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        await asyncio.sleep(10 * PAUSE)
        nonlocal begun
        begun = perf_counter()
        while left:
            left -= len(await reader.read(min(left, 1 << 20)))
        content = json.dumps(answer("ok").body).encode()
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode() + content)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def run() -> Completion:
        server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=1 << 16)
        async with server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            return await asyncio.to_thread(asyncio.run, ask(url))

    async def ask(url: str) -> Completion:
        spec = ModelSpec(label="m", id="openai/m", api_base=url)
        async with Direct().open(spec, {}) as complete:
            return await complete(Request(model=spec.id, messages=({"role": "user", "content": "x" * 40_000_000},)))

    got = asyncio.run(run())
    assert got.latency is not None
    assert got.latency < perf_counter() - begun  # the last of the body left after the server had begun to read it


# ---------------------------------------------------------------------------------------------- streams


def test_a_stream_asks_for_its_usage_and_is_put_together() -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 64}}
    events = [
        ROLE,
        b": keep-alive\n\n",
        delta("I "),
        delta("call"),
        delta(tool_calls=[{"index": 0, "id": "c", "type": "function", "function": {"name": "deploy", "arguments": ""}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": '{"tag":'}}]),
        delta(tool_calls=[{"index": 1, "id": "d", "function": {"name": "other", "arguments": "{}"}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": ' "v1"}'}}]),
        delta(finish="tool_calls"),
        {"choices": [], "usage": usage},
        DONE,
    ]
    got, _, sent = streamed(events)
    assert isinstance(got, Completion)
    assert (sent["stream"], sent["stream_options"]) == (True, {"include_usage": True})
    assert got.text == "I call"
    assert got.tool_calls == (ToolCall(name="deploy", arguments='{"tag": "v1"}'), ToolCall(name="other", arguments="{}"))
    assert (got.finish_reason, got.usage) == ("tool_calls", Usage(prompt=100, completion=20, cached=64))
    assert got.unread == ()


def test_a_streamed_refusal() -> None:
    got, _, _ = streamed([delta(refusal="I can't "), delta(refusal="help."), END, DONE])
    assert isinstance(got, Completion)
    assert (got.text, got.finish_reason) == ("I can't help.", "content_filter")


def test_reasoning_begins_a_stream_and_isn_t_text() -> None:
    got, _, _ = streamed([ROLE, delta(reasoning_content="because"), delta("b"), END, DONE], pause=PAUSE)
    assert isinstance(got, Completion)
    assert got.text == "b"
    assert got.first_token is not None
    assert got.latency is not None
    assert got.latency - got.first_token > PAUSE


@pytest.mark.parametrize(
    ("events", "kind", "said"),
    [
        ([ROLE, delta("a")], "transient", "the stream broke off before the answer was whole"),
        ([{"error": {"message": "overloaded", "code": 503}}], "transient", "HTTP 503: overloaded"),
        (
            [{"error": {"message": "maximum context length is 9", "code": "context_length_exceeded"}}],
            "overflow",
            "maximum context",
        ),
        ([b"data: what?\n\n"], "transient", "isn't JSON"),
        ([], "transient", "it is empty"),
    ],
)
def test_a_stream_without_an_answer(events: Sequence[Any], kind: str, said: str) -> None:
    got, _, _ = streamed(events)
    assert isinstance(got, CompletionError)
    assert got.kind == kind
    assert said in str(got)


def test_what_of_a_stream_can_t_be_read_is_named() -> None:
    got, _, _ = streamed([delta("a"), b"data: {\n\n", delta("b"), END, DONE])
    assert isinstance(got, Completion)
    assert (got.text, got.unread) == ("ab", ("event",))


def test_an_error_after_a_text_leaves_the_text() -> None:
    got, _, _ = streamed([delta("a"), {"error": {"message": "overloaded"}}])
    assert isinstance(got, Completion)
    assert (got.text, got.unread) == ("a", ("error",))


def test_a_server_that_doesn_t_stream() -> None:
    got, server = served(answer("ok", usage={"prompt_tokens": 1, "completion_tokens": 2}), stream=True)
    assert isinstance(got, Completion)
    assert (got.text, got.usage, got.first_token) == ("ok", Usage(prompt=1, completion=2), None)
    assert server.requests[0]["stream"] is True


def test_a_refused_stream_says_why() -> None:
    assert str(error(failure(400, "no streams here"), stream=True)) == "HTTP 400: no streams here"
