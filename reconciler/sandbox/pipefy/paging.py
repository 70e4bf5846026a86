"""Relay connections over lists ('Pagination Basics'): opaque cursors, too large pages cut without a word."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from reconciler.model.values import JSONObject
from reconciler.sandbox.context import ServiceError

_PREFIX = "arrayconnection:"


def connection(nodes: Sequence[JSONObject], arguments: JSONObject, cap: int) -> JSONObject:
    """Return one page of `nodes`; raises ServiceError for negative sizes, foreign cursors and mixed directions."""
    first, last = arguments.get("first"), arguments.get("last")
    after, before = arguments.get("after"), arguments.get("before")
    if (first is not None or after is not None) and (last is not None or before is not None):
        raise ServiceError("INVALID_INPUT", "Use first and after, or last and before")
    if min(first or 0, last or 0) < 0:
        raise ServiceError("INVALID_INPUT", "first and last cannot be negative")
    begin = 0 if after is None else _offset(after) + 1
    end = len(nodes) if before is None else min(_offset(before), len(nodes))
    if last is not None or before is not None:
        begin = max(begin, end - min(cap if last is None else last, cap))
    else:
        end = min(end, begin + min(cap if first is None else first, cap))
    page = list(enumerate(nodes))[begin:end]
    edges = [{"cursor": _cursor(index), "node": node} for index, node in page]
    return {
        "edges": edges,
        "pageInfo": {
            "hasNextPage": end < len(nodes),
            "hasPreviousPage": begin > 0,
            "startCursor": edges[0]["cursor"] if edges else None,
            "endCursor": edges[-1]["cursor"] if edges else None,
        },
    }


def _cursor(index: int) -> str:
    return base64.b64encode(f"{_PREFIX}{index}".encode()).decode()


def _offset(cursor: str) -> int:
    try:
        text = base64.b64decode(cursor, validate=True).decode()
        return max(0, int(text.removeprefix(_PREFIX)))
    except ValueError as error:
        raise ServiceError("INVALID_INPUT", "The cursor is not valid") from error
