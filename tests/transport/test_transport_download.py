"""Files: streamed, bounded, from trusted places only, without credentials."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.model.errors import Unavailable
from reconciler.model.ports import LinkExpired, Undeliverable
from reconciler.model.values import Secret
from reconciler.transport import download
from reconciler.transport.client import Client
from reconciler.transport.exchange import Lines
from reconciler.transport.hosts import VARIABLE, TrustedHosts
from reconciler.transport.pace import TRIES

Make = Callable[..., Client]


def fetch(wire: SimpleNamespace, make: Make, *script: Any, path: str = "/f", **more: Any) -> Any:
    async def scene() -> tuple[Any, Any]:
        async with wire.serving(*script) as server, make(server, **more) as client:
            try:
                async with client.download(Secret(f"http://127.0.0.1:{server.port}{path}")) as chunks:
                    return b"".join([chunk async for chunk in chunks]), server
            except (Unavailable, LinkExpired, Undeliverable) as error:
                return error, server

    return asyncio.run(scene())


def test_a_file_arrives_and_nobody_is_told_who_asks(wire: SimpleNamespace, make: Make) -> None:
    body = bytes(range(256)) * 1000
    found, server = fetch(wire, make, wire.reply(200, body))
    assert found == body
    assert "x-token" not in server.seen[0].headers
    assert wire.canary not in repr(server.seen)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_dead_link_is_told_apart(wire: SimpleNamespace, make: Make, status: int) -> None:
    found, server = fetch(wire, make, wire.reply(status, "<html>"))
    assert isinstance(found, LinkExpired)
    assert len(server.seen) == 1


@pytest.mark.parametrize(("status", "tries"), [(500, TRIES), (429, TRIES), (400, 1), (204, 1), (206, 1)])
def test_other_answers_are_failures(wire: SimpleNamespace, make: Make, status: int, tries: int) -> None:
    found, server = fetch(wire, make, wire.reply(status, b""))
    assert isinstance(found, Unavailable)
    assert len(server.seen) == tries


def test_a_passing_failure_passes(wire: SimpleNamespace, make: Make) -> None:
    assert fetch(wire, make, wire.drop, wire.reply(503, b""), wire.reply(200, b"file"))[0] == b"file"


def test_redirects_are_followed_three_times(wire: SimpleNamespace, make: Make) -> None:
    hop = wire.reply(302, b"", {"location": "/next?a=1"})
    found, server = fetch(wire, make, hop, hop, hop, wire.reply(200, b"file"))
    assert found == b"file"
    assert server.seen[-1].path == "/next?a=1"
    found, server = fetch(wire, make, hop)
    assert isinstance(found, Unavailable)
    assert len(server.seen) == 4


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.test/x",
        "http://127.0.0.2:1/x",
        "//evil.test/x",
        "https://a.example.com@evil.test/",
        "file:///etc/passwd",
        "http://[bad",
    ],
)
def test_a_redirect_elsewhere_is_refused(wire: SimpleNamespace, make: Make, location: str) -> None:
    found, server = fetch(wire, make, wire.reply(302, b"", {"location": location}))
    assert isinstance(found, Undeliverable)
    assert len(server.seen) == 1


def test_an_untrusted_link_is_never_asked(make: Make) -> None:
    async def scene() -> Undeliverable:
        async with make("http://127.0.0.1:1/graphql") as client:
            with pytest.raises(Undeliverable) as caught:
                async with client.download(Secret("https://evil.test/f?signature=abc")):
                    pass
            return caught.value

    error = str(asyncio.run(scene()))
    assert "evil.test" in error
    assert VARIABLE in error
    assert "abc" not in error


@pytest.mark.parametrize("length", [5, 100])
def test_a_file_that_breaks_off_is_a_failure(wire: SimpleNamespace, make: Make, length: int) -> None:
    assert isinstance(fetch(wire, make, wire.reply(200, b"file", length=length))[0], Unavailable)


@pytest.mark.parametrize("name", ["hang", "drip"])
def test_waiting_for_a_file_has_an_end(
    wire: SimpleNamespace, make: Make, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "LONGEST", 0.3)
    found, _ = fetch(wire, make, getattr(wire, name), timeout=0.1)
    assert isinstance(found, Unavailable)


def test_a_file_that_is_too_large_is_cut_off(wire: SimpleNamespace, clock: Any) -> None:
    async def scene() -> None:
        async with wire.serving(wire.reply(200, b"x" * 2000)) as server:
            lines = Lines(1)
            link = Secret(f"http://127.0.0.1:{server.port}/f")
            hosts = TrustedHosts((), "127.0.0.1")
            async with download.download(link, hosts, lines, timeout=5, clock=clock, largest=1000) as chunks:
                with pytest.raises(Unavailable, match="larger than 1000 bytes"):
                    b"".join([chunk async for chunk in chunks])
            await lines.close()

    asyncio.run(scene())


def test_what_the_reader_raises_is_its_own(wire: SimpleNamespace, make: Make) -> None:
    async def scene() -> None:
        async with wire.serving(wire.reply(200, b"file")) as server, make(server) as client:
            for error in (TimeoutError("mine"), KeyError("mine")):
                with pytest.raises(type(error), match="mine"):
                    async with client.download(Secret(f"http://127.0.0.1:{server.port}/f")):
                        raise error

    asyncio.run(scene())


def test_a_file_comes_from_an_application_in_this_process(make: Make) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": scope["path"].encode()[:4]})

    async def scene() -> bytes:
        hosts = TrustedHosts((), "sandbox.localhost", in_process=True)
        link = Secret("http://sandbox.localhost/abc?signature=1")
        async with (
            make("http://127.0.0.1/graphql", app=app, file_hosts=hosts) as client,
            client.download(link) as chunks,
        ):
            return b"".join([chunk async for chunk in chunks])

    assert asyncio.run(scene()) == b"/abc"
