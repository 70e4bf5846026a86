"""How Blue says no: codes, messages and the shape of an error ('Error Codes', 'Making Requests')."""

from __future__ import annotations

from typing import Any

from graphql import GraphQLError

from reconciler.sandbox.blue.values import Doc
from reconciler.sandbox.context import Context, ServiceError

_MESSAGES = {
    "UNAUTHENTICATED": "You are not authenticated.",
    "FORBIDDEN": "You are not authorized.",
    "REPORT_NOT_FOUND": "Report was not found.",
    "USER_NOT_IN_COMPANY": "User is not in the company.",
    "RATE_LIMITED": "Too many requests, please try again later.",
    "COMPANY_NOT_FOUND": "Company was not found.",
    "PROJECT_NOT_FOUND": "Project was not found.",
    "USER_NOT_FOUND": "User was not found.",
    "COMPANY_BANNED": "Company is banned",
    "PRO_REQUIRED": "This feature requires a Pro subscription.",
    "PLAN_LIMIT_REACHED": "Reports are not part of your plan.",
}


def refusal(code: str, **extensions: Any) -> ServiceError:
    """Return the error of a documented code, with its documented message."""
    return ServiceError(code, _MESSAGES[code], extensions)


def bad_input(message: str, field: str) -> ServiceError:
    """Return a BAD_USER_INPUT that names the field."""
    return ServiceError("BAD_USER_INPUT", message, {"data": {"field": field, "reason": message}})


def plain(message: str) -> ServiceError:
    """Return an error without a code: limits, backfill, empty exports ('Create a Report', 'Export a Report')."""
    return ServiceError(None, message)


def format_invalid(error: GraphQLError, context: Context) -> Doc:
    """Shape an error found before any resolver ran.

    A value that does not fit its type is BAD_USER_INPUT, everything else GRAPHQL_VALIDATION_FAILED.
    """
    code = "GRAPHQL_VALIDATION_FAILED" if error.original_error is None else "BAD_USER_INPUT"
    return {"message": error.message, "extensions": {"code": code, **(error.extensions or {})}}


def format_failure(error: GraphQLError, context: Context) -> Doc:
    """Shape an error of a resolver; what is no refusal of Blue's is a bug of ours and is raised again."""
    refused = error.original_error
    if not isinstance(refused, ServiceError):
        raise refused or error
    shaped: Doc = {"message": refused.message, "path": error.path}
    if refused.code is not None:
        return {**shaped, "extensions": {"code": refused.code, **refused.extensions}}
    if context.switches.get("plain_errors") == "masked":
        return {**shaped, "message": "Internal server error", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}
    return shaped
