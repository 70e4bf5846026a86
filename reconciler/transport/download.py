"""Files behind signed links: streamed, without credentials, from trusted hosts only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import httpx

from reconciler.model.errors import CredentialError, Unavailable
from reconciler.model.ports import Clock, LinkExpired, Undeliverable
from reconciler.model.values import Secret
from reconciler.transport.exchange import Failure, Lines, build
from reconciler.transport.hosts import TrustedHosts
from reconciler.transport.pace import Patience

LARGEST_FILE: Final = 2 * 1024 * 1024 * 1024
"""Bytes of one file."""

LONGEST: Final = 3600.0
"""Seconds that one file may take; its link lives no longer."""

_REDIRECTS: Final = 3


@asynccontextmanager
async def download(
    url: Secret,
    hosts: TrustedHosts,
    lines: Lines,
    *,
    timeout: float,
    clock: Clock,
    largest: int = LARGEST_FILE,
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Give the bytes of a file, in order, as they arrive.

    Every address on the way must be trusted.  Raises LinkExpired for 401, 403, 404 and 410, Unavailable
    for anything else, also from within the stream; no message holds the link.
    """
    opener = _Opener(hosts, lines, timeout, Patience(clock))
    async with AsyncExitStack() as stack:
        yield _chunks(await opener.open(url.reveal(), stack), timeout, largest)


@dataclass(frozen=True, slots=True)
class _Opener:
    """Finds the place where a file really is."""

    hosts: TrustedHosts
    lines: Lines
    timeout: float
    patience: Patience

    async def open(self, address: str, stack: AsyncExitStack) -> httpx.Response:
        """Follow redirects, try again what may pass; the reply stays open until `stack` is closed."""
        redirects = 0
        while True:
            url = _trusted(address, self.hosts)
            try:
                response = await self._ask(url, stack)
            except (TimeoutError, Failure) as failure:
                problem = str(failure) or f"no answer within {self.timeout:g} seconds"
            else:
                if response.status_code == 200:
                    return response
                problem = f"it answered {response.status_code}"
                redirects += response.has_redirect_location
                _give_up(url.host, response.status_code, redirects)
                if response.has_redirect_location:
                    address = _next(url, response.headers["location"])
                    continue
            if not await self.patience.after_failure(None):
                raise Unavailable(f"the file could not be read from {url.host}: {problem}")

    async def _ask(self, url: httpx.URL, stack: AsyncExitStack) -> httpx.Response:
        """Send one request; the reply is left open only if it is the file."""
        async with asyncio.timeout(self.timeout), AsyncExitStack() as opening:
            request = build("GET", url, {"accept-encoding": "identity"})
            response = await opening.enter_async_context(self.lines.open(request, self.timeout))
            if response.status_code == 200:
                await stack.enter_async_context(opening.pop_all())
        return response


def _give_up(host: str, status: int, redirects: int) -> None:
    """Raise for what does not get better by asking again."""
    if status in (401, 403, 404, 410):
        raise LinkExpired(f"{host} answered {status}")
    if redirects > _REDIRECTS:
        raise Unavailable(f"the file could not be read from {host}: more than {_REDIRECTS} redirects")
    if not 300 <= status < 400 and status < 500 and status != 429:
        raise Unavailable(f"the file could not be read from {host}: it answered {status}")


async def _chunks(
    response: httpx.Response,
    timeout: float,
    largest: int,
) -> AsyncIterator[bytes]:
    size, end = 0, time.monotonic() + LONGEST
    chunks = response.aiter_bytes()
    while True:
        try:
            async with asyncio.timeout(min(timeout, max(0.0, end - time.monotonic()))):
                chunk = await anext(chunks, None)
        except (TimeoutError, httpx.RequestError):
            raise Unavailable(f"the file broke off after {size} bytes", "try again") from None
        if chunk is None:
            break
        size += len(chunk)
        if size > largest:
            raise Unavailable(f"the file is larger than {largest} bytes")
        yield chunk
    expected = response.headers.get("content-length")
    packed = response.headers.get("content-encoding", "identity").lower() != "identity"
    if expected is not None and not packed and expected != str(size):
        raise Unavailable(f"the file broke off after {size} of {expected} bytes", "try again")


def _trusted(address: str, hosts: TrustedHosts) -> httpx.URL:
    try:
        return hosts.check(address, "the file request")
    except CredentialError as error:
        raise Undeliverable(error.message) from None  # asking again does not change whom we trust


def _next(url: httpx.URL, location: str) -> str:
    try:
        return str(url.join(location))
    except httpx.InvalidURL:
        raise Unavailable(f"{url.host} redirects to an address that cannot be read") from None
