"""Finished exports' files: signed addresses that expire, and spreadsheets made of the cards.

Page 'Export Organization Report', Notes; addresses look like those of Pipefy's own file service.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import hmac
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote

from starlette.responses import HTMLResponse, PlainTextResponse, Response

from reconciler.model.values import JSON, JSONObject
from reconciler.sandbox import world
from reconciler.sandbox.context import Context
from reconciler.sandbox.pipefy import cards
from reconciler.sandbox.pipefy.filter import text

PREFIX = "/storage/v1/signed/"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_PATH = re.compile(re.escape(PREFIX) + r"orgs/[^/]+/reports/(?P<key>[^/]+)/[^/]+")
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def address(context: Context, export: JSONObject) -> str:
    """Return the address of an export's file, signed now."""
    ended = datetime.fromisoformat(export["end"])
    day = ended.strftime("%Y-%m-%d" if context.switches.get("file_date") == "ymd" else "%d-%m-%Y")
    plain = re.sub(r"[^A-Za-z0-9]+", "_", export["reportName"] or "organization_report").strip("_").lower()
    name = f"{plain or 'report'}_{day}.{'csv' if context.switches.get('file_kind') == 'csv' else 'xlsx'}"
    path = f"{PREFIX}orgs/{export['organizationUuid']}/reports/{export['id']}/{name}"
    expires = int(context.clock().timestamp() + context.switches.get("url_ttl"))
    return (
        f"{context.base_url}{path}?expires_on={expires}&signature={quote(_signature(context, path, expires), safe='')}"
    )


def _signature(context: Context, path: str, expires: int) -> str:
    mac = hmac.new(world.signing_key(context.store), f"{path}?{expires}".encode(), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()


def serve(context: Context, path: str, query: str) -> Response:
    """Answer a download: the file, 404 before it is ready, and 403 or 404 for a link that is not good (any more)."""
    match, given = _PATH.fullmatch(path), parse_qs(query)
    expires = given.get("expires_on", ["0"])[-1]
    signature = given.get("signature", [""])[-1]
    good = re.fullmatch(r"\d{1,12}", expires) is not None and hmac.compare_digest(
        _signature(context, path, int(expires)).encode(), signature.encode()
    )
    if match is None or not good or context.clock().timestamp() >= int(expires):
        return PlainTextResponse("The link is not valid.\n", int(context.switches.get("url_expired")))
    found = (context.store.get(collection, match["key"]) for collection in ("pipefy_export", "pipefy_pipe_export"))
    export = next(filter(None, found), None)
    delay = timedelta(seconds=context.switches.get("file_ready_delay"))
    if export is None or context.clock() < datetime.fromisoformat(export["end"]) + delay:
        return PlainTextResponse("Not found.\n", 404)
    kind = context.switches.get("file_kind")
    if kind == "html_error":
        return HTMLResponse("<!doctype html><title>Error</title><p>Something went wrong.</p>")
    name = path.rsplit("/", 1)[1]
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    rows = table(context, export)
    body, media = (_csv(rows), "text/csv; charset=utf-8") if kind == "csv" else (_xlsx(rows), XLSX)
    return Response(body, 200, headers, media)


def table(context: Context, export: JSONObject) -> list[list[Any]]:
    """Return an export's rows, header first: strings, numbers, booleans and None."""
    keys = set(export["pipeIds"])
    pipes = [pipe for pipe in context.store.all("pipefy_pipe") if pipe["id"] in keys]
    columns = [cards.Column(**column) for column in export["columns"]]
    labels = context.switches.get("headers") == "labels"
    join = _joined if context.switches.get("multi_values") == "comma" else json.dumps
    found = cards.select(context, pipes, export["filter"], export["sortBy"])
    head = [column.label if labels else column.name for column in columns]
    return [head, *([_cell(card["values"].get(column.key), join) for column in columns] for card in found)]


def _joined(values: list[str]) -> str:
    return ", ".join(text(value) for value in values)


def _cell(value: JSON, join: Any) -> JSON:
    if isinstance(value, list):
        return join(value) if value else None
    return value


def _xlsx(rows: list[list[Any]]) -> bytes:
    import xlsxwriter  # type: ignore[import-untyped] # it ships no types

    buffer = io.BytesIO()
    workbook = xlsxwriter.Workbook(buffer, {"in_memory": True})
    workbook.set_properties({"created": _EPOCH.replace(tzinfo=None)})  # equal rows give equal bytes
    sheet = workbook.add_worksheet("Report")
    for index, row in enumerate(rows):
        for column, value in enumerate(row):
            if isinstance(value, bool):
                sheet.write_boolean(index, column, value)
            elif isinstance(value, int | float):
                sheet.write_number(index, column, value)
            elif value is not None:
                sheet.write_string(index, column, value)  # never a formula, whatever it looks like
    workbook.close()
    return buffer.getvalue()


def _csv(rows: list[list[Any]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(["" if value is None else text(value) for value in row] for row in rows)
    return buffer.getvalue().encode()
