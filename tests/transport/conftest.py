"""A scripted HTTP server on a real loopback socket: it answers, stalls, lies and hangs up as told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.model.values import Secret
from reconciler.transport.answer import Codes
from reconciler.transport.auth import Credentials, HeaderCredentials
from reconciler.transport.client import Client, Reader
from reconciler.transport.hosts import TrustedHosts

CANARY = "c4n4ry-secret-value/+="


@dataclass
class FakeClock:
    """Time that passes only by sleeping."""

    instant: datetime = datetime(2026, 11, 23, 6, tzinfo=UTC)
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.instant

    def wall(self) -> datetime:
        return self.instant

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.instant += timedelta(seconds=seconds)
        await asyncio.sleep(0)


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Behaviour = Callable[[Seen, asyncio.StreamWriter], Awaitable[None]]


def http(
    status: int, body: bytes | str | dict[str, Any], headers: Mapping[str, str] | None = None, length: int | None = None
) -> bytes:
    """A whole reply, as bytes."""
    kind = "text/html" if isinstance(body, str) else "application/json"
    raw = json.dumps(body).encode() if isinstance(body, dict) else body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} x", f"content-length: {len(raw) if length is None else length}"]
    lines += [f"{name}: {value}" for name, value in {"content-type": kind, **(headers or {})}.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw


def reply(status: int, body: Any, headers: Mapping[str, str] | None = None, length: int | None = None) -> Behaviour:
    """Answer with this."""

    async def behave(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(http(status, body, headers, length))
        await writer.drain()
        if length is not None:
            writer.close()

    return behave


async def drop(_: Seen, writer: asyncio.StreamWriter) -> None:
    """Hang up without a word."""
    writer.close()


async def hang(_: Seen, writer: asyncio.StreamWriter) -> None:
    """Say nothing, for longer than anybody waits."""
    await asyncio.sleep(30)


async def drip(_: Seen, writer: asyncio.StreamWriter) -> None:
    """A byte at a time, without end."""
    writer.write(b"HTTP/1.1 200 x\r\ncontent-length: 100000\r\n\r\n")
    for _n in range(1000):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


class Server:
    """Plays its script, one behaviour per request; the last one again and again."""

    def __init__(self, script: list[Behaviour]) -> None:
        self.script = script
        self.seen: list[Seen] = []
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/graphql"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while (seen := await read_request(reader)) is not None:
                behaviour = self.script[min(len(self.seen), len(self.script) - 1)]
                self.seen.append(seen)
                await behaviour(seen, writer)
                if writer.is_closing():
                    return
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> Seen | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Seen(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))


@asynccontextmanager
async def serving(*script: Behaviour) -> AsyncIterator[Server]:
    server = Server(list(script))
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await server.stop()
        await listener.wait_closed()


CODES = Codes(
    refused=frozenset({"NO_WAY", "NOT_FOUND"}), credentials=frozenset({"UNAUTHENTICATED"}), uncoded_refuses=True
)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def make(clock: FakeClock) -> Callable[..., Client]:
    """Makes a client for a server; more keywords go to the client."""

    def build(
        server: Server | str, *, kind: type[Reader] = Client, credentials: Credentials | None = None, **more: Any
    ) -> Any:
        url = server if isinstance(server, str) else server.url
        settings = {"timeout": 5.0, "concurrency": 4, "clock": clock, "jitter": lambda: 0.0, "codes": CODES, **more}
        return kind(
            url,
            TrustedHosts(("api.example.com",), "127.0.0.1"),
            credentials or HeaderCredentials({"x-token": Secret(CANARY)}),
            settings.pop("codes"),
            file_hosts=settings.pop("file_hosts", TrustedHosts(("*.example.com",), "127.0.0.1")),
            **settings,
        )

    return build


@pytest.fixture
def wire() -> SimpleNamespace:
    """The server and its behaviours, by name."""
    return SimpleNamespace(serving=serving, reply=reply, drop=drop, hang=hang, drip=drip, http=http, canary=CANARY)
