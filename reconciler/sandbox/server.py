"""Both emulators as one ASGI application, in process or behind a real HTTP server."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from reconciler.model.errors import Usage
from reconciler.sandbox import outbox, world
from reconciler.sandbox.faults import Dropped
from reconciler.sandbox.store import Store
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    import uvicorn
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

IN_PROCESS = "http://sandbox.localhost"
"""Where the emulators are when no server runs; the name never leaves the process."""

_log = logging.getLogger("reconciler.sandbox")
_BLUE_PATH = "/blue/graphql"
_GRANT_PATH = "/oauth/token"
_CREDENTIALS = (b"authorization", b"blue-token-id", b"blue-token-secret", b"x-bloo-token-id", b"x-bloo-token-secret")
_Headers = list[tuple[bytes, bytes]]


def _wall() -> datetime:
    return datetime.now(UTC)


def create_app(
    store: Store,
    *,
    authenticate: bool,
    clock: Callable[[], datetime] = _wall,
    base_url: str = IN_PROCESS,
) -> ASGIApp:
    """Return the application over a store; the world is made at the first request.

    Pipefy is at `/graphql`, `/oauth/token` and `/storage/v1/signed/`, Blue at `/blue/graphql`, sent mails
    at `/outbox` (HTML, or JSON for `Accept: application/json`).  Without `authenticate` a request without
    credentials, or with some that do not exist, is taken for the owner's.  A fault that loses the
    connection raises Dropped out of the application, for the server (or the caller) to act on.

    Raises Usage when the libraries of the extra `sandbox` are not installed.
    """
    with _extra():  # on first use: `environment` alone must stay fast
        from reconciler.sandbox.blue.endpoint import endpoint as blue
        from reconciler.sandbox.pipefy.endpoint import endpoint as pipefy

    switches = Switches(store)
    rooms: dict[str, ASGIApp] = {
        _BLUE_PATH: blue(store, switches, clock),
        "": pipefy(store, switches, clock, base_url),
    }

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        world.seed(store)
        if not authenticate:
            scope = {**scope, "headers": _admitted(store, scope["path"], scope["headers"])}
        path = scope["path"]
        if path in ("/healthz", "/outbox"):
            await _page(scope, store, clock())(scope, receive, send)
        else:
            await rooms.get(path, rooms[""])(scope, receive, send)

    return app


@contextmanager
def _extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise Usage(f"the sandbox needs {error.name}, which is not installed", "install reconciler[sandbox]") from error


def _admitted(store: Store, path: str, headers: _Headers) -> _Headers:
    """Replace credentials that do not exist, or are missing, by the owner's."""
    sent = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in headers}
    if path != _BLUE_PATH:
        scheme, _, token = sent.get("authorization", "").partition(" ")
        known = scheme.lower() == "bearer" and store.get("pipefy_token", token) is not None
        given = {"authorization": f"Bearer {world.PIPEFY_TOKENS['owner']}"}
    else:
        doc = store.get("blue_token", sent.get("blue-token-id") or sent.get("x-bloo-token-id", "")) or {}
        secret = sent.get("blue-token-secret") or sent.get("x-bloo-token-secret", "")
        known = "authorization" not in sent and doc.get("secret") == secret
        given = dict(zip(("blue-token-id", "blue-token-secret"), world.BLUE_TOKENS["owner"], strict=True))
    if known or path == _GRANT_PATH:
        return headers
    kept = [(name, value) for name, value in headers if name.lower() not in _CREDENTIALS]
    return [*kept, *((name.encode(), value.encode()) for name, value in given.items())]


def _page(scope: Scope, store: Store, now: datetime) -> Response:
    from starlette.requests import Request
    from starlette.responses import HTMLResponse, PlainTextResponse

    from reconciler.sandbox.exchange import reply

    request = Request(scope)
    if request.url.path == "/healthz":
        return PlainTextResponse("ok\n")
    if "application/json" in request.headers.get("accept", ""):
        return reply({"mails": outbox.sent(store, now)})
    return HTMLResponse(outbox.page(store, now))


def environment(base_url: str) -> dict[str, str]:
    """Return the environment variables that point the program (or any client) at the sandbox.

    All values are invented and safe to source in a shell.
    """
    from urllib.parse import urlsplit

    token, secret = world.BLUE_TOKENS["owner"]
    client, client_secret = world.PIPEFY_CLIENT
    return {
        "BLUE_API_URL": base_url + _BLUE_PATH,
        "BLUE_TOKEN_ID": token,
        "BLUE_TOKEN_SECRET": secret,
        "BLUE_ORG_ID": "acme",
        "PIPEFY_API_URL": f"{base_url}/graphql",
        "PIPEFY_TOKEN_URL": base_url + _GRANT_PATH,
        "PIPEFY_TOKEN": world.PIPEFY_TOKENS["owner"],
        "PIPEFY_CLIENT_ID": client,
        "PIPEFY_CLIENT_SECRET": client_secret,
        "PIPEFY_ORG_ID": world.PIPEFY_ORGANIZATION,
        "RECONCILER_TRUSTED_HOSTS": urlsplit(base_url).netloc,
    }


def serve(store: Store, host: str, port: int, announce: Callable[[dict[str, str]], None]) -> None:
    """Serve until SIGINT or SIGTERM; `announce` gets the environment once the port is bound.

    Port 0 is any free one.  `host` decides who can reach it: whoever calls this passes a loopback address
    unless a person asked for another.  Credentials are checked.  Raises Usage when it cannot be bound.
    """
    with _extra():
        import uvicorn

    bound = _bind(host, port)
    base_url = _url(*bound.getsockname()[:2])
    world.seed(store)
    app = create_app(store, authenticate=True, base_url=base_url)
    config = uvicorn.Config(
        app,
        http=_protocol(),
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    running = uvicorn.Server(config)
    with bound, _ended_by_signals(running):
        announce(environment(base_url))
        running.run(sockets=[bound])


@contextmanager
def _ended_by_signals(running: uvicorn.Server) -> Iterator[None]:
    """Let signals end the server and not the process, also before uvicorn listens to them and when it
    raises them once more after it has ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> None:
        running.should_exit = True

    kept = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _url(address: str, port: int) -> str:
    ip = ipaddress.ip_address(address)
    if ip.is_unspecified:  # bound to every address: say the one that is always there
        ip = ipaddress.ip_address("::1" if ip.version == 6 else "127.0.0.1")
    return f"http://[{ip}]:{port}" if ip.version == 6 else f"http://{ip}:{port}"


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen()  # so that who reads the announcement can connect at once
    except (OSError, OverflowError) as error:
        bound.close()
        raise Usage(f"cannot serve on {host}:{port}: {error}", hint="another --port, or 0 for any free one") from error
    return bound


def _protocol() -> Any:
    """Return uvicorn's HTTP protocol, taught to close the socket where a fault loses the connection."""
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Droppable(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
            super().connection_made(transport)
            app = self.app

            async def dropping(scope: Any, receive: Any, send: Any) -> None:
                try:
                    await app(scope, receive, send)
                except Dropped:
                    transport.abort()
                    await asyncio.sleep(0)  # lets the server notice, so that it does not try to answer
                except Exception:
                    _log.exception("the sandbox failed")
                    raise  # the server answers 500, and is otherwise kept quiet

            self.app = dropping

    return Droppable
