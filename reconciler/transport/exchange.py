"""One request, one reply: connections, time-outs, and whether a byte of the request may have left."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import httpx

from reconciler import __version__
from reconciler.transport.hosts import is_loopback

if TYPE_CHECKING:
    import ssl

LARGEST_ANSWER: Final = 64 * 1024 * 1024
"""Bytes of one answer, unpacked; a larger one counts as unreadable."""

# Servers that close idle connections do so after 5 s or later; one that is closed while a mutation is
# on its way in would leave that mutation in doubt, so connections are given up earlier.
_KEEP_ALIVE: Final = 3.0

UNACKNOWLEDGED: Final = 15.0
"""Seconds after which a connection is given up whose other end confirms nothing, where the system can do that (Linux).

Else the system would go on sending what was handed to it for minutes, also for a process that has stopped or is gone,
and a mutation could arrive when it is believed not to have happened."""

# At DEBUG it would write headers, and with them signed addresses, into anybody's log.
logging.getLogger("httpcore").setLevel(logging.WARNING)

_Message: TypeAlias = MutableMapping[str, Any]
App: TypeAlias = Callable[
    [_Message, Callable[[], Awaitable[_Message]], Callable[[_Message], Awaitable[None]]], Awaitable[None]
]
"""An ASGI application that answers instead of the network."""

Permit: TypeAlias = Callable[[], None]
"""Asked right before a request leaves; raises what is to be raised instead."""


def permitted() -> None:
    """The permit of what may always leave."""


class Failure(Exception):
    """A try without a usable reply.  `sent` is False only when no byte of the request can have left."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, whole; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Lines:
    """At most `concurrency` requests at once, each on a connection of its own.

    A pool is a stack of one-connection transports: httpx's own pool scans all its connections for
    every request, and the connection used last is the one most likely still open.
    """

    def __init__(self, concurrency: int, app: App | None = None) -> None:
        self._slots = asyncio.Semaphore(concurrency)
        self._idle: dict[str, list[httpx.AsyncBaseTransport]] = {}
        self._app = app

    async def close(self) -> None:
        """Close every idle connection."""
        for transports in self._idle.values():
            while transports:
                await transports.pop().aclose()

    async def send(self, request: httpx.Request, timeout: float, permit: Permit = permitted) -> Reply:
        """Send one request and read its whole reply within `timeout` seconds.

        Raises Failure, and what `permit` raises: then the body of the request has not left, so that
        nothing can come of it.
        """
        async with self.open(request, timeout, total=timeout, permit=permit) as response:
            return Reply(response.status_code, dict(response.headers), await _read(response))

    @asynccontextmanager
    async def open(
        self,
        request: httpx.Request,
        timeout: float,
        *,
        total: float | None = None,
        permit: Permit = permitted,
    ) -> AsyncIterator[httpx.Response]:
        """Send one request; its reply is read inside the context.  Raises Failure, also for what goes
        wrong there.  Each step takes at most `timeout` seconds, everything together at most `total`."""
        sent = self._app is not None

        async def trace(event: str, info: Mapping[str, object]) -> None:
            nonlocal sent
            if event.endswith(("send_request_headers.started", "send_request_body.started")):
                permit()  # the connection stands by now, which may have taken its time
                sent = True
            elif event.endswith("start_tls.started"):
                sent = False  # what was sent before was for the proxy

        request.extensions = {"timeout": httpx.Timeout(timeout).as_dict(), "trace": trace}
        async with self._slots:
            permit()
            idle = self._idle.setdefault(_origin(request.url), [])
            transport = idle.pop() if idle else self._connect(request.url)
            try:
                async with asyncio.timeout(total):
                    response = await self._ask(transport, request)
                    try:
                        yield response
                    finally:
                        await response.aclose()
            except TimeoutError:
                if total is None:  # not ours: raised by whoever reads the reply
                    raise
                raise Failure(f"no answer within {total:g} seconds", sent=sent) from None
            except httpx.RequestError as error:
                unsent = isinstance(error, httpx.ProxyError)  # the tunnel was not opened
                raise Failure(_reason(error, timeout), sent=sent and not unsent) from None
            finally:
                idle.append(transport)

    async def _ask(self, transport: httpx.AsyncBaseTransport, request: httpx.Request) -> httpx.Response:
        try:
            return await transport.handle_async_request(request)
        except httpx.RequestError:
            raise
        except Exception as error:
            if self._app is None:
                raise
            raise Failure("the connection was lost", sent=True) from error  # what an application in this process broke

    def _connect(self, url: httpx.URL) -> httpx.AsyncBaseTransport:
        if self._app is not None:
            return httpx.ASGITransport(app=self._app)
        try:
            return httpx.AsyncHTTPTransport(
                verify=self._ssl if url.scheme == "https" else False,
                proxy=_proxy(url),
                trust_env=False,
                socket_options=_options(),
                limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEEP_ALIVE),
            )
        except (ImportError, ValueError, httpx.InvalidURL):
            raise Failure("the proxy of the environment is of a kind that cannot be used", sent=False) from None

    @cached_property
    def _ssl(self) -> ssl.SSLContext:
        return httpx.create_ssl_context()


def _options() -> list[tuple[int, int, int]]:
    if sys.platform != "linux":
        return []
    return [(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * UNACKNOWLEDGED))]


def build(method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes | None = None) -> httpx.Request:
    """Make a request with the headers every request has."""
    common = {"user-agent": f"reconciler/{__version__}", "accept-encoding": "gzip"}
    return httpx.Request(method, url, headers={**common, **headers}, content=body)


async def _read(response: httpx.Response) -> bytes:
    # Other codings can unpack a few bytes to gigabytes in one step.
    if response.headers.get("content-encoding", "identity").lower() not in ("gzip", "deflate", "identity"):
        raise Failure("the answer is packed in a way that was not asked for", sent=True)
    chunks, size = [], 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > LARGEST_ANSWER:
            raise Failure(f"the answer is larger than {LARGEST_ANSWER} bytes", sent=True)
        chunks.append(chunk)
    return b"".join(chunks)


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def _proxy(url: httpx.URL) -> str | None:
    """The proxy of the environment, for https only: through it, a proxy sees no credentials."""
    if url.scheme != "https" or is_loopback(url.host) or urllib.request.proxy_bypass(url.host):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get("https") or proxies.get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


def _reason(error: httpx.RequestError, seconds: float) -> str:
    """Say in our words what happened; httpx's may hold addresses."""
    reasons: dict[type[httpx.RequestError], str] = {
        httpx.ConnectTimeout: f"no connection within {seconds:g} seconds",
        httpx.TimeoutException: f"no answer within {seconds:g} seconds",
        httpx.ConnectError: "no connection could be made",
        httpx.ProxyError: "the proxy refused the connection",
        httpx.DecodingError: "the answer cannot be unpacked",
        httpx.RemoteProtocolError: "the connection was closed before the answer was complete",
        httpx.NetworkError: "the connection was lost",
    }
    for kind, reason in reasons.items():
        if isinstance(error, kind):
            detail = str(error.__cause__ or error) if kind is httpx.ConnectError else ""
            return f"{reason} ({detail})" if detail else reason
    return "the exchange broke off"
