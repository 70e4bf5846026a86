"""Blue over HTTP: the limiter, then GraphQL, then the headers and the status of the answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from graphql import DocumentNode, GraphQLError, OperationDefinitionNode
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from reconciler.model.values import JSONObject
from reconciler.sandbox import exchange
from reconciler.sandbox.blue import errors, rate, session
from reconciler.sandbox.blue.schema import executable
from reconciler.sandbox.context import Context
from reconciler.sandbox.store import Store
from reconciler.sandbox.switches import Switches

MAX_DEPTH = 10


def endpoint(store: Store, switches: Switches, clock: Callable[[], datetime]) -> ASGIApp:
    """Return the ASGI application for `POST /blue/graphql`; every path it is given is that one.

    Credentials are always checked: who lets strangers in sends the owner's along.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        headers = {name.lower(): value for name, value in request.headers.items()}
        context = Context(store, switches, clock, headers, base_url="")
        response = await _answer(request, context)
        await response(scope, receive, send)

    return app


async def _answer(request: Request, context: Context) -> Response:
    opened = context.memo["session"] = session.opened(context)
    verdict = rate.admit(opened, context.headers)
    if verdict is not None and verdict.retry_after is not None:
        return exchange.reply(verdict.body, 429, verdict.headers)
    response = await exchange.answer(request, _dialect(context), context)
    if context.memo.get("stranger") and context.switches.get("bad_token_status") == "401":
        response.status_code = 401
    response.headers.update(verdict.headers if verdict else {})
    return response


def _dialect(context: Context) -> exchange.Dialect:
    return exchange.Dialect(
        service="blue",
        schema=executable(admin_view=context.switches.get("admin_view") == "supported"),
        invalid_status=400,
        format_invalid=errors.format_invalid,
        format_failure=errors.format_failure,
        check=_check_depth,
        finish=_finish,
    )


def _check_depth(
    document: DocumentNode, operation: OperationDefinitionNode, variables: JSONObject, context: Context
) -> list[GraphQLError]:
    if exchange.depth(document, operation) <= MAX_DEPTH:
        return []
    return [GraphQLError(f"The query is nested deeper than {MAX_DEPTH} levels.", operation)]


def _finish(body: JSONObject, context: Context) -> JSONObject:
    codes: list[Any] = [error.get("extensions", {}).get("code") for error in body.get("errors", ())]
    context.memo["stranger"] = "UNAUTHENTICATED" in codes
    return body
