"""How Pipefy words its refusals ('Status and Error Handling', 'How to handle errors'), and its query limits.

Documents that do not fit the schema are answered as graphql-ruby does: HTTP 200, its messages and codes.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    get_named_type,
)

from reconciler.model.values import JSONObject
from reconciler.sandbox import exchange
from reconciler.sandbox.context import Context, ServiceError

_log = logging.getLogger("reconciler.sandbox")
_PAGE: Final = 50

_TRANSLATED: Final = tuple(
    (re.compile(pattern, re.DOTALL), message, code, names)
    for pattern, message, code, names in (
        (
            r"Cannot query field '(\w+)' on type '(\w+)'.*",
            "Field '{0}' doesn't exist on type '{1}'",
            "undefinedField",
            ("fieldName", "typeName"),
        ),
        (
            r"Unknown argument '(\w+)' on field '(?:\w+\.)?(\w+)'.*",
            "Field '{1}' doesn't accept argument '{0}'",
            "argumentNotAccepted",
            ("argumentName", "name"),
        ),
        (
            r"(?:Field|Argument) '(?:\w+\.)?(\w+)\((\w+):\)'.* is required.*",
            "Field '{0}' is missing required arguments: {1}",
            "missingRequiredArguments",
            ("name", "arguments"),
        ),
        (
            r"Expected value of type '(\w+)' to include required field '(\w+)', found: .*",
            "Argument '{1}' on InputObject '{0}' is required",
            "missingRequiredInputObjectAttribute",
            ("inputObjectType", "argumentName"),
        ),
        (
            r"Variable '\$(\w+)' has invalid value(?: at \.?(\S+))?: "
            r"Expected value of type '(\w+)' not to include unknown field '(\w+)'.*",
            "Variable ${0} was provided invalid value for {3} (Field is not defined on {2})",
            None,
            (),
        ),
        (
            r"Expected value of type '(\w+)' not to include unknown field '(\w+)'.*",
            "InputObject '{0}' doesn't accept argument '{1}'",
            "argumentNotAccepted",
            ("name", "argumentName"),
        ),
        (
            r"Variable '\$(\w+)' has invalid value at \.?(\S+): Int cannot represent .*: (.*)",
            "Variable ${0} was provided invalid value for {1} (Could not coerce value {2} to Int)",
            None,
            (),
        ),
        (
            r"Variable '\$(\w+)' has invalid value(?: at \.?(\S+))?: "
            r"Expected value of type '\w+' to include required field '(\w+)', found: .*",
            "Variable ${0} was provided invalid value for {2} (Expected value to not be null)",
            None,
            (),
        ),
        (
            r"Variable '\$(\w+)' of type '([^']+)' used in position expecting type '([^']+)'.*",
            "Type mismatch on variable ${0} ({1} / {2})",
            "variableMismatch",
            ("variableName", "typeName"),
        ),
        (
            r"Variable '\$(\w+)' is never used.*",
            "Variable ${0} is declared but not used",
            "variableNotUsed",
            ("variableName",),
        ),
        (
            r"(Int|ID|String|Float|Boolean) cannot represent .*: (.*)",
            "Argument has an invalid value ({1}). Expected type '{0}'.",
            "argumentLiteralsIncompatible",
            ("typeName",),
        ),
    )
)


def format_invalid(error: GraphQLError, context: Context) -> JSONObject:
    """Render an error found before execution."""
    answer: JSONObject = {"message": error.message, "locations": _locations(error)}
    for pattern, message, code, names in _TRANSLATED:
        match = pattern.fullmatch(error.message)
        if match is not None:
            answer["message"] = message.format(*match.groups())
            if code is not None:
                answer["extensions"] = {"code": code, **dict(zip(names, match.groups(), strict=False))}
                _say_type(answer, context)
            break
    return answer


def _say_type(answer: JSONObject, context: Context) -> None:
    extensions = answer["extensions"]
    if extensions["code"] == "missingRequiredInputObjectAttribute":
        fields = context.memo["schema"].type_map[extensions["inputObjectType"]].fields
        extensions["argumentType"] = str(fields[extensions["argumentName"]].type)
        answer["message"] += f". Expected type {extensions['argumentType']}"


def format_failure(error: GraphQLError, context: Context) -> JSONObject:
    """Render what a resolver raised; anything but a ServiceError is a defect, logged and not shown."""
    cause = error.original_error
    if isinstance(cause, ServiceError):
        code, message, more = cause.code, cause.message, cause.extensions
    elif cause is None:
        code, message, more = "INTERNAL_SERVER_ERROR", error.message, {}
    else:
        _log.error("a resolver failed", exc_info=cause)
        code, message, more = "INTERNAL_SERVER_ERROR", "Internal server error", {}
    extensions = {**({"code": code} if code else {}), **more, "correlation_id": uuid.uuid4().hex}
    return {"message": message, "locations": _locations(error), "path": error.path, "extensions": extensions}


def _locations(error: GraphQLError) -> list[JSONObject]:
    return [{"line": place.line, "column": place.column} for place in error.locations or ()]


def finish(body: JSONObject, context: Context) -> JSONObject:
    """Give an executed answer the envelope that the switches ask for."""
    errors = body.get("errors")
    if errors and context.switches.get("error_envelope") == "details":
        return {"error": {"message": errors[0]["message"], "details": errors[0]["extensions"]}}
    empty = not any(value is not None for value in (body["data"] or {}).values())
    if errors and empty and context.switches.get("failed_data") == "missing":
        return {"errors": errors}
    return body


def check_limits(
    document: DocumentNode, operation: OperationDefinitionNode, variables: JSONObject, context: Context
) -> Sequence[GraphQLError]:
    """Check depth and complexity ('Limits and Best Practices')."""
    found = []
    most, deep = context.switches.get("depth"), exchange.depth(document, operation)
    if most is not None and deep > most:
        found.append(GraphQLError(f"Query has depth of {deep}, which exceeds max depth of {most}"))
    most = context.switches.get("complexity")
    schema: GraphQLSchema = context.memo["schema"]
    root = schema.mutation_type if exchange.is_mutation(operation) else schema.query_type
    cost = _cost(exchange.selected(document, operation), root, variables, document) if most is not None else 0
    if most is not None and cost > most:
        found.append(GraphQLError(f"Query has complexity of {cost}, which exceeds max complexity of {most}"))
    return found


def _cost(fields: Sequence[FieldNode], parent: Any, variables: Mapping[str, Any], document: DocumentNode) -> int:
    """Count 1 for a field, and the children of a connection as often as the page is long."""
    total = 0
    for node in fields:
        kind = parent.fields.get(node.name.value) if isinstance(parent, GraphQLObjectType) else None
        named = get_named_type(kind.type) if kind is not None else None
        inner = _cost(exchange.selected(document, node), named, variables, document) if node.selection_set else 0
        pages = _page_size(node, variables) if getattr(named, "name", "").endswith("Connection") else 1
        total += 0 if node.name.value.startswith("__") else 1 + pages * inner
    return total


def _page_size(node: FieldNode, variables: Mapping[str, Any]) -> int:
    for argument in node.arguments or ():
        if argument.name.value in ("first", "last"):
            literal = getattr(argument.value, "value", None)
            size = (
                literal if literal is not None else variables.get(getattr(argument.value, "name", argument.name).value)
            )
            return max(0, int(size)) if isinstance(size, int | str) and str(size).isdigit() else _PAGE
    return _PAGE
