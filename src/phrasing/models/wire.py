"""HTTP to one address: a body goes, an answer comes, and when their bytes passed the socket.

The request's last byte counts as gone when aiohttp has handed it to the transport. The answer's bytes are stamped in the protocol
that the event loop calls when it finds them, not when whoever waits for the answer gets its turn.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any, cast
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import certifi
from aiohttp.client_proto import ResponseHandler
from aiohttp.payload import BytesPayload, Payload

from phrasing.errors import CompletionError, ModelError, shorten
from phrasing.models.addresses import is_loopback
from phrasing.suite.schema import Timeouts

DEAD_ATTEMPTS = 2
"""How often it is worth trying to reach an address where nobody listens."""

IDLE = 15.0
"""Seconds for which a connection is kept that nobody uses."""


@dataclass(slots=True)
class Times:
    """When the request's last byte went, and the answer's first and last came, as ``perf_counter`` says. ``None``: not yet."""

    sent: float | None = None
    first: float | None = None
    last: float | None = None

    def after_sending(self, moment: float | None) -> float | None:
        """Give the seconds from the request's last byte to a moment."""
        return None if moment is None or self.sent is None else max(0.0, moment - self.sent)


@dataclass(frozen=True, slots=True)
class Reply:
    """A response, read to its end. ``headers`` are looked up in any case. ``body`` is empty where somebody took it in parts."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    times: Times


class _Body(BytesPayload):
    """A body that knows when it went."""

    sent: float | None = None

    def __init__(self, content: bytes) -> None:
        Payload.__init__(self, content, content_type="application/json")  # its own warns of a long prompt
        self._size = len(content)

    async def write_with_length(self, writer: aiohttp.abc.AbstractStreamWriter, content_length: int | None) -> None:
        await super().write_with_length(writer, content_length)
        self.sent = perf_counter()


class _Protocol(ResponseHandler):
    """Stamps the bytes of an answer as they come."""

    times: Times | None = None

    def data_received(self, data: bytes) -> None:
        if data and self.times is not None:
            self.times.last = perf_counter()
            self.times.first = self.times.first or self.times.last
        super().data_received(data)


class _Response(aiohttp.ClientResponse):
    """A response with the times of its bytes. Its connection may serve another request as soon as its last byte is there."""

    times: Times

    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        self.times = Times()
        if isinstance(connection.protocol, _Protocol):
            connection.protocol.times = self.times
        return await super().start(connection)


Part = Callable[[bytes, Times], None]
"""Takes what came of a body."""


class Wire:
    """Asks one URL, over connections that are kept. Made by ``connected``."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], timeouts: Timeouts, proxy: _Proxy
    ) -> None:
        self._session, self._url, self._timeouts, self._proxy = session, url, timeouts, proxy
        # not the session's own, which aiohttp tells a proxy as well, the key among them
        self._headers = {**headers, **proxy.beside}

    async def ask(self, content: bytes, *, part: Part | None = None) -> Reply:
        """Send a body, and read the answer to its end: as a whole, or where its status is 200, part by part.

        Raises ``CompletionError`` where no whole answer came. A redirect isn't followed: it is an answer, with its status.
        """
        limits = self._timeouts
        body = _Body(content)
        started = asyncio.timeout(limits.first_byte)
        try:
            async with asyncio.timeout(limits.total):
                async with started:
                    response = await self._session.post(
                        self._url,
                        data=body,
                        proxy=self._proxy.url,
                        proxy_headers=self._proxy.before,
                        headers=self._headers,
                        allow_redirects=False,
                        timeout=aiohttp.ClientTimeout(sock_connect=limits.connect),
                    )
                async with response:
                    return await _read(response, body, part)
        except TimeoutError as error:  # aiohttp's for connecting is one too
            raise CompletionError("transient", self._late(error, waiting=started.expired())) from error
        except aiohttp.ClientError as error:
            raise self._failure(error) from error

    def _late(self, error: TimeoutError, *, waiting: bool) -> str:
        limits = self._timeouts
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return f"no connection to {self._place} within {limits.connect:g} s"
        if waiting:
            return f"no first byte of an answer within {limits.first_byte:g} s"
        return f"no answer within {limits.total:g} s"

    @property
    def _place(self) -> str:
        return self._url.removesuffix("/chat/completions")

    def _failure(self, error: aiohttp.ClientError) -> CompletionError:
        if isinstance(error, aiohttp.ClientHttpProxyError):
            return CompletionError(
                "fatal" if error.status == 407 else "transient", f"the proxy said HTTP {error.status}: {error.message}"
            )
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            said = shorten(str(error.certificate_error))
            return CompletionError(
                "fatal", f"the certificate of {self._place} isn't accepted: {said}; SSL_CERT_FILE may name more"
            )
        if isinstance(error, aiohttp.ClientConnectorError):
            return self._unconnected(error)
        if isinstance(error, aiohttp.InvalidURL):
            return CompletionError("fatal", f"{self._url!r} is no address")
        said = shorten(str(error)) or type(error).__name__
        return CompletionError("transient", f"the connection broke off before there was a whole answer: {said}")

    def _unconnected(self, error: aiohttp.ClientConnectorError) -> CompletionError:
        cause = error.os_error
        dead = isinstance(cause, ConnectionRefusedError | socket.gaierror)
        if isinstance(error, aiohttp.ClientProxyConnectionError):
            place, hint = f"the proxy {error.host}:{error.port}", "it is the one that the environment names"
        else:
            place, hint = self._place, "is the server running there?"
        if dead:
            return CompletionError("fatal", f"no connection to {place}: {hint}", worth=DEAD_ATTEMPTS)
        return CompletionError("transient", f"no connection to {place}: {shorten(cause.strerror or str(cause))}")


async def _read(response: aiohttp.ClientResponse, body: _Body, part: Part | None) -> Reply:
    assert isinstance(response, _Response)
    times, whole = response.times, b""
    times.sent = body.sent
    if part is None or response.status != 200:
        whole = await response.read()
    else:
        async for data in response.content.iter_any():
            part(data, times)
    return Reply(response.status, response.headers, whole, times)


@asynccontextmanager
async def connected(url: str, headers: Mapping[str, str], timeouts: Timeouts) -> AsyncIterator[Wire]:
    """Open what asks a URL, and close all its connections at the end. As many are opened as there are requests at a time.

    This machine is asked without a proxy, which couldn't reach its loopback; all else through the one that the environment
    names. Raises ``ModelError`` where that can't be used.
    """
    proxy = _proxy(url)
    context = _certificates() if "https" in (urlsplit(url).scheme, urlsplit(proxy.url or "").scheme) else True
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE, ssl=context)
    connector._factory = cast(Any, partial(_Protocol, loop=asyncio.get_running_loop()))  # aiohttp has no argument for it
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        response_class=_Response,
        timeout=aiohttp.ClientTimeout(total=None),
    ) as session:
        yield Wire(session, url, headers, timeouts, proxy)


def _certificates() -> ssl.SSLContext:
    """Accept what the system accepts, or ``SSL_CERT_FILE`` names, and what browsers do: some systems' Python knows none."""
    context = ssl.create_default_context()
    if not os.environ.get("SSL_CERT_FILE"):
        context.load_verify_locations(certifi.where())
    return context


@dataclass(frozen=True, slots=True)
class _Proxy:
    """The proxy through which a URL is asked, if any, and what it is told: beside a request that it reads, or before a tunnel."""

    url: str | None = None
    beside: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, str] = field(default_factory=dict)


def _proxy(url: str) -> _Proxy:
    place = urlsplit(url)
    if is_loopback(url) or proxy_bypass(place.hostname or ""):
        return _Proxy()
    proxies = getproxies()
    named = proxies.get(place.scheme) or proxies.get("all")
    if not named:
        return _Proxy()
    proxy = urlsplit(named if "://" in named else f"http://{named}")
    plain = proxy._replace(netloc=proxy.netloc.rpartition("@")[2])
    if proxy.scheme not in ("http", "https"):
        raise ModelError(f"the environment names the proxy {plain.geturl()}; only http and https proxies can be used")
    told = {}
    if proxy.username is not None:
        user = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        told = {"Proxy-Authorization": f"Basic {b64encode(user.encode()).decode()}"}
    return _Proxy(plain.geturl(), before=told) if place.scheme == "https" else _Proxy(plain.geturl(), beside=told)
