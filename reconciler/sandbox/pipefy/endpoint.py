"""Pipefy's addresses: `/graphql`, `/oauth/token` and the signed files, as one ASGI application."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from reconciler.sandbox import exchange, faults
from reconciler.sandbox.context import Context
from reconciler.sandbox.pipefy import files, identity, wording
from reconciler.sandbox.pipefy.schema import executable
from reconciler.sandbox.store import Store
from reconciler.sandbox.switches import Switches

_SERVICE = "pipefy"


def endpoint(store: Store, switches: Switches, clock: Callable[[], datetime], base_url: str) -> ASGIApp:
    """Return the emulator; file addresses begin with `base_url`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        now = clock()  # one instant for the whole answer: its fields must not contradict each other
        context = Context(store, switches, lambda: now, dict(request.headers), base_url)
        response = await _answer(request, context)
        await response(scope, receive, send)

    return app


async def _answer(request: Request, context: Context) -> Response:
    path = request.scope["path"]
    if path == "/graphql":
        return await _graphql(request, context)
    if path == "/oauth/token" and request.method == "POST":
        raw = await request.body()
        return await _struck("token", context, lambda: identity.issue_token(context, raw))
    if path.startswith(files.PREFIX) and request.method == "GET":
        return await _struck("file", context, lambda: files.serve(context, path, request.url.query))
    return PlainTextResponse("Not found.\n", 404)


async def _graphql(request: Request, context: Context) -> Response:
    refused = identity.admit(context)
    if refused is not None:
        return refused
    schema = context.memo["schema"] = executable()
    dialect = exchange.Dialect(
        service=_SERVICE,
        schema=schema,
        invalid_status=200,
        format_invalid=wording.format_invalid,
        format_failure=wording.format_failure,
        check=wording.check_limits,
        finish=wording.finish,
    )
    return await exchange.answer(request, dialect, context)


async def _struck(operation: str, context: Context, perform: Callable[[], Response]) -> Response:
    striking = faults.take(context.store, _SERVICE, [operation])
    early = await exchange.strike_before(striking)
    if early is not None:
        return early
    return await exchange.damage(striking, perform())
