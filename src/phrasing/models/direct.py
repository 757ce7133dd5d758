"""The direct lane: asks whoever speaks OpenAI's plain chat-completions protocol, with nothing between but HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from phrasing.errors import CompletionError, ModelError
from phrasing.models import keys
from phrasing.models.hosts import Host, fit, host_of, name_there
from phrasing.models.provider import Complete, Provider
from phrasing.models.responses import BadAnswer, ErrorBody, error_status, read_answer, read_error, read_json, read_quota
from phrasing.models.stream import Answer
from phrasing.suite.schema import ModelSpec
from phrasing.tokenizers.vocabulary import clean
from phrasing.types import Completion, Request

if TYPE_CHECKING:
    from phrasing.models.wire import Reply, Times, Wire

PATH = "/chat/completions"


class Direct(Provider):
    """Asks the models of ``hosts.HOSTS``."""

    @asynccontextmanager
    async def open(self, spec: ModelSpec, environ: Mapping[str, str]) -> AsyncIterator[Complete]:
        """Make a model ready to be asked. Closes all connections at the end."""
        from phrasing.models import wire

        host = host_of(spec)
        if host is None:
            raise ModelError(f"model {spec.label!r}: {spec.id!r} isn't asked directly")
        url = _address(spec, host, environ)
        async with wire.connected(url, _headers(spec, url, environ), spec.timeout) as asked:
            yield _Model(spec, host, asked, environ).complete


def _address(spec: ModelSpec, host: Host, environ: Mapping[str, str]) -> str:
    named = next((environ[name] for name in host.addresses if environ.get(name)), None)
    base = (spec.api_base or named or host.base or "").rstrip("/")
    if not base:
        raise ModelError(f"model {spec.label!r}: where is it? Give it an api_base, or set {host.addresses[0]}")
    try:
        place = urlsplit(base)
        sound = place.hostname and (place.port or True) and place.scheme in ("http", "https")
    except ValueError:
        sound = False
    if not sound:
        raise ModelError(f"model {spec.label!r}: {base!r} is no address such as https://host:8000/v1")
    if "@" in place.netloc:
        raise ModelError(f"model {spec.label!r}: its address names a user; name the variable of a key as api_key_env instead")
    return base if base.endswith(PATH) else base + PATH


def _headers(spec: ModelSpec, url: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Write what goes with each request. An organization and a project are OpenAI's, and go nowhere else."""
    key = keys.key_to_send(spec, environ) or next((environ[name] for name in keys.own_of(spec) if environ.get(name)), keys.NO_KEY)
    if not (key.isascii() and key.isprintable()):
        raise ModelError(f"model {spec.label!r}: its key holds a line break, or another character that can't be sent")
    headers = {
        "Authorization": f"Bearer {key}",
        "Accept": "text/event-stream" if spec.stream else "application/json",
        "User-Agent": f"phrasing/{version('phrasing')}",
    }
    host = urlsplit(url).hostname or ""
    if not spec.api_base and (host == "api.openai.com" or host.endswith(".api.openai.com")):
        for header, names in _AS_WHOM.items():
            if said := next((environ[name] for name in names if environ.get(name)), None):
                headers[header] = said
    return headers


_AS_WHOM = {"OpenAI-Organization": ("OPENAI_ORG_ID", "OPENAI_ORGANIZATION"), "OpenAI-Project": ("OPENAI_PROJECT_ID",)}


class _Model:
    """One model: what is sent to it, and what its answers and errors mean."""

    def __init__(self, spec: ModelSpec, host: Host, wire: Wire, environ: Mapping[str, str]) -> None:
        self._spec, self._host, self._wire, self._environ = spec, host, wire, environ
        self._name = name_there(spec)

    async def complete(self, request: Request) -> Completion:
        """Make one attempt."""
        streamed = Answer() if self._spec.stream else None
        content = self._content(request)
        reply = await (self._wire.ask(content, part=_feeding(streamed)) if streamed else self._wire.ask(content))
        if not 200 <= reply.status < 300:
            raise self._refusal(reply)
        try:
            body, unread = streamed.body() if streamed else read_json(reply.body)
            answer = read_answer(body, unread)
        except ErrorBody as error:
            raise self._error(error_status(error.body), reply, error.body) from error
        except BadAnswer as error:
            raise CompletionError("transient", keys.scrub(str(error), self._environ, self._spec)) from error
        times = reply.times
        update = {
            "latency": times.after_sending(times.last),
            "first_byte": times.after_sending(times.first),
            "first_token": times.after_sending(streamed.begun) if streamed else None,
            "quota": read_quota(reply.headers),
        }
        return answer.model_copy(update=update)

    def _content(self, request: Request) -> bytes:
        """Write the body of a request. What is null in a message is left out, as the servers' own clients do."""
        params = fit(self._spec, self._host, request.params)
        more = params.pop("extra_body", None)
        body: dict[str, Any] = {
            "model": self._name,
            "messages": [{name: value for name, value in each.items() if value is not None} for each in request.messages],
            **params,
        }
        if request.tools is not None:
            body["tools"] = request.tools
        if request.response_format is not None:
            body["response_format"] = request.response_format
        if self._spec.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        if isinstance(more, Mapping):
            body |= more
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        try:
            return text.encode()
        except UnicodeEncodeError:  # half a surrogate pair
            return clean(text).encode()

    # ------------------------------------------------------------------------------------------ what went wrong

    def _refusal(self, reply: Reply) -> CompletionError:
        """Say what a status means that is no success. A redirect isn't followed: the key and the prompt were for this address."""
        if 300 <= reply.status < 400:
            target = reply.headers.get("location", "nowhere")
            return CompletionError("fatal", f"HTTP {reply.status}: it points to {target}; if that is right, make it the api_base")
        try:
            body, _ = read_json(reply.body)
        except BadAnswer:
            body = reply.body.decode("utf-8", "replace")
        return self._error(reply.status, reply, body)

    def _error(self, status: int | None, reply: Reply, body: Any) -> CompletionError:
        about = keys.about_key(self._spec, self._environ) if status in (401, 403) else ""
        error = read_error(status, reply.headers, body, about=about)
        error.args = (keys.scrub(str(error), self._environ, self._spec),)
        return error


def _feeding(answer: Answer) -> Any:
    def part(data: bytes, times: Times) -> None:
        answer.feed(data, times.last)

    return part
