"""One GraphQL request over HTTP: read, parse, validate, strike with faults, execute, answer.

Both emulators speak through this module; what differs between them is a `Dialect`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
)
from graphql.execution.values import get_variable_values
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from reconciler.model.values import JSONObject
from reconciler.sandbox import faults
from reconciler.sandbox.context import Context, ServiceError
from reconciler.sandbox.faults import Dropped, Fault

FOREVER = 3600.0
"""Seconds that a hanging request hangs: longer than any client waits."""

Fragments = dict[str, FragmentDefinitionNode]
Check = Callable[[DocumentNode, OperationDefinitionNode, JSONObject, Context], Sequence[GraphQLError]]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one service speaks GraphQL over HTTP.

    `format_invalid` renders errors found before execution, `format_failure` those of resolvers (their
    ServiceError is the error's `original_error`), `check` adds the service's own validation (depth and
    the like), `finish` has the last word on an executed answer's body.
    """

    service: str
    schema: GraphQLSchema
    invalid_status: int
    format_invalid: Callable[[GraphQLError, Context], JSONObject]
    format_failure: Callable[[GraphQLError, Context], JSONObject]
    check: Check
    finish: Callable[[JSONObject, Context], JSONObject]


@dataclass(frozen=True, slots=True)
class _Prepared:
    document: DocumentNode
    operation: OperationDefinitionNode
    name: str | None
    variables: JSONObject


def reply(body: JSONObject, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Render a JSON answer, in ASCII: a lone surrogate that a client sent must come back, not fail."""
    return Response(json.dumps(body), status, dict(headers or {}), "application/json")


async def answer(request: Request, dialect: Dialect, context: Context) -> Response:
    """Answer one request; raises Dropped where a fault loses the connection."""
    if request.method != "POST":
        return reply({"errors": [{"message": "Use POST."}]}, 405, {"Allow": "POST"})
    prepared = _prepare(await request.body(), dialect, context)
    if isinstance(prepared, Response):
        return prepared
    striking = faults.take(context.store, dialect.service, root_fields(prepared.document, prepared.operation))
    early = await strike_before(striking)
    if early is not None:
        return early
    body = _execute(prepared, dialect, context)
    return await strike_after(striking, body)


def _prepare(raw: bytes, dialect: Dialect, context: Context) -> _Prepared | Response:
    try:
        query, name, variables = _envelope(raw)
    except ValueError as error:
        return reply({"errors": [{"message": str(error)}]}, 400)
    try:
        document = parse(query)
    except (GraphQLError, RecursionError) as error:
        return _invalid([_graphql_error(error)], dialect, context)
    operation = get_operation_ast(document, name)
    if operation is None:
        wanted = f"Unknown operation named {name!r}." if name else "Name one of the document's operations."
        return _invalid([GraphQLError(wanted)], dialect, context)
    errors = list(validate(dialect.schema, document)) or list(dialect.check(document, operation, variables, context))
    if not errors:
        coerced = get_variable_values(dialect.schema, operation.variable_definitions or (), variables)
        errors = coerced if isinstance(coerced, list) else []
    return _invalid(errors, dialect, context) if errors else _Prepared(document, operation, name, variables)


def _envelope(raw: bytes) -> tuple[str, str | None, JSONObject]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ValueError("The request body is not JSON.") from error
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        raise ValueError("Send one JSON object with the key query.")
    name, variables = body.get("operationName"), body.get("variables")
    if not isinstance(variables, dict | None) or not isinstance(name, str | None):
        raise ValueError("variables is an object, operationName a string.")
    return body["query"], name or None, variables or {}


def _graphql_error(error: Exception) -> GraphQLError:
    return error if isinstance(error, GraphQLError) else GraphQLError("The document is nested too deeply.")


def _invalid(errors: Sequence[GraphQLError], dialect: Dialect, context: Context) -> Response:
    body = {"errors": [dialect.format_invalid(error, context) for error in errors]}
    return reply(body, dialect.invalid_status)


def _execute(prepared: _Prepared, dialect: Dialect, context: Context) -> JSONObject:
    result = execute_sync(
        dialect.schema,
        prepared.document,
        context_value=context,
        variable_values=prepared.variables,
        operation_name=prepared.name,
    )
    body: JSONObject = {"data": result.data}
    if result.errors:
        body["errors"] = [dialect.format_failure(error, context) for error in result.errors]
    return dialect.finish(body, context)


def make_mutations_atomic(schema: GraphQLSchema) -> None:
    """Run every root mutation in a transaction of its own, undone when it raises; to be called once per schema."""
    for field in (schema.mutation_type.fields if schema.mutation_type else {}).values():
        field.resolve = _atomic(field.resolve)


def _atomic(resolve: Any) -> Any:
    def resolved(source: Any, info: Any, **arguments: Any) -> Any:
        with info.context.store.transaction():
            try:
                return resolve(source, info, **arguments)
            except ServiceError as error:
                if not error.keep_changes:
                    raise
                refused = error
        raise refused

    return resolved


def root_fields(document: DocumentNode, operation: OperationDefinitionNode) -> list[str]:
    """Return the names of an operation's root fields, in order, fragments looked into."""
    return [node.name.value for node in selected(document, operation)]


def selected(document: DocumentNode, node: OperationDefinitionNode | FieldNode) -> list[FieldNode]:
    """Return the fields directly below a node, in order, fragments looked into."""
    return _fields(node.selection_set, _fragments(document), frozenset()) if node.selection_set else []


def depth(document: DocumentNode, operation: OperationDefinitionNode) -> int:
    """Return how deep an operation's selections nest, introspection left out; a root field counts 1."""
    return _depth(operation.selection_set, _fragments(document), frozenset())


def _fragments(document: DocumentNode) -> Fragments:
    return {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}


def _depth(selection: SelectionSetNode | None, fragments: Fragments, seen: frozenset[str]) -> int:
    if selection is None:
        return 0
    nodes = [node for node in _fields(selection, fragments, seen) if not node.name.value.startswith("__")]
    return max((1 + _depth(node.selection_set, fragments, seen) for node in nodes), default=0)


def _fields(selection: SelectionSetNode, fragments: Fragments, seen: frozenset[str]) -> list[FieldNode]:
    found: list[FieldNode] = []
    for node in selection.selections:
        if isinstance(node, FieldNode):
            found.append(node)
        elif isinstance(node, InlineFragmentNode):
            found += _fields(node.selection_set, fragments, seen)
        elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
            inner = fragments.get(node.name.value)
            found += _fields(inner.selection_set, fragments, seen | {node.name.value}) if inner else []
    return found


def is_mutation(operation: OperationDefinitionNode) -> bool:
    """Whether the operation changes anything."""
    return operation.operation is OperationType.MUTATION


async def strike_before(striking: Sequence[Fault]) -> Response | None:
    """Do what faults do before an execution: wait, drop, or answer in its place."""
    for fault in striking:
        if fault.kind == "delay":
            await asyncio.sleep(float(fault.argument))
        elif fault.kind == "drop_before":
            raise Dropped(f"injected fault: {fault}")
        elif fault.kind == "hang":
            await asyncio.sleep(FOREVER)
        elif fault.kind == "status":
            return _status(fault)
        elif fault.kind == "html":
            return HTMLResponse("<!doctype html><title>Sign in</title><p>Please sign in.</p>")
        elif fault.kind == "graphql_error":
            code, _, message = fault.argument.partition(";")
            error: JSONObject = {"message": message or "An injected failure."}
            return reply({"data": None, "errors": [error | ({"extensions": {"code": code}} if code else {})]})
    return None


async def strike_after(striking: Sequence[Fault], body: JSONObject) -> Response:
    """Render an executed GraphQL answer, unless a fault loses or damages it."""
    if any(fault.kind == "partial" for fault in striking):
        body = _without_data(body)
    return await damage(striking, reply(body))


async def damage(striking: Sequence[Fault], response: Response) -> Response:
    """Return the answer to what was executed, unless a fault loses or damages it."""
    for fault in striking:
        if fault.kind == "drop_after":
            raise Dropped(f"injected fault: {fault}")
        if fault.kind == "hang_after":
            await asyncio.sleep(FOREVER)
        elif fault.kind == "status_after":
            return _status(fault)
        elif fault.kind == "garbage":
            return Response(response.body[: len(response.body) // 2], 200, media_type=response.media_type)
    return response


def _without_data(body: JSONObject) -> JSONObject:
    error = {"message": "Internal server error", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}
    data = dict.fromkeys(body.get("data") or {})
    return {"data": data or None, "errors": [*body.get("errors", ()), error]}


def _status(fault: Fault) -> Response:
    status, _, after = fault.argument.partition(";retry-after=")
    headers = {"Retry-After": after} if after else {}
    if status == "429":
        body = {"error": "RATE_LIMITED", "message": "Too many requests.", "retryAfter": int(after or 1)}
        return reply(body, 429, headers)
    page = f"<!doctype html><title>{status}</title><h1>{status}</h1><p>An injected failure.</p>"
    return HTMLResponse(page, status_code=int(status), headers=headers)
