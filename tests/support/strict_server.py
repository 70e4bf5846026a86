"""A strict server of both services over a real socket, with failures by script.

It shares nothing with the emulators but the two schema files.  Whatever a well-behaved client would not
do is kept in `Server.violations`; every object ever made is kept in `Server.made`.
"""

from __future__ import annotations

import contextlib
import io
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import openpyxl
from graphql import (
    ExecutionResult,
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    build_schema,
    execute_sync,
    parse,
    validate,
)

SCHEMAS = Path(__file__).resolve().parents[2] / "reconciler" / "sandbox"

TOKEN_ID = "tok1dstrict"
TOKEN_SECRET = "pat_STRICTblueSECRET0001"
PIPEFY_TOKEN = "STRICTpipefyTOKEN0002"
CLIENT_ID = "strict-client"
CLIENT_SECRET = "STRICTclientSECRET0003"
SIGNATURE = "STRICTsignature0004"
SECRETS = (TOKEN_SECRET, PIPEFY_TOKEN, CLIENT_SECRET, SIGNATURE, "STRICTgranted")

COMPANY_ID = "org_strict_1"
COMPANY_SLUG = "acme"
PIPEFY_ORG = "300123456"

BLUE_DEPTH = 10
PIPEFY_DEPTH = 15

_REASONS = {200: "OK", 307: "Temporary Redirect", 401: "Unauthorized", 429: "Too Many Requests", 500: "Oops"}


@dataclass
class Fault:
    """What goes wrong at the `nth` request (from 1) of an operation, and at `times - 1` after it.

    `operation` is a root field of GraphQL, `token`, `file`, or `*` for any.  `executed` says whether the
    server does what it was asked before (or although) the answer goes wrong; `seconds` is how long it
    hangs, or how much later it commits.
    """

    operation: str
    kind: str
    executed: bool = False
    nth: int = 1
    times: int = 1
    seconds: float = 0.0
    status: int = 0
    code: str = ""
    retry_after: str | None = "0"
    seen: int = 0

    def hits(self, operation: str) -> bool:
        if self.operation not in ("*", operation):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


@dataclass(frozen=True)
class Seen:
    """One request, as it came."""

    path: str
    operation: str
    kind: str
    variables: Mapping[str, Any]
    headers: tuple[tuple[str, str], ...]
    fault: str | None


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)


class _Hangup(Exception):
    """Close the connection without (more of) an answer."""


def refuse(message: str, code: str = "") -> GraphQLError:
    return GraphQLError(message, extensions={"code": code} if code else None)


@dataclass
class World:
    """What both services hold; `skew` is how far their clock is ahead."""

    skew: timedelta = timedelta()
    blue: dict[str, dict[str, Any]] = field(default_factory=dict)
    saved: dict[str, dict[str, Any]] = field(default_factory=dict)
    exports: dict[str, dict[str, Any]] = field(default_factory=dict)
    made: list[tuple[str, str, str]] = field(default_factory=list)
    count: int = 0

    def now(self) -> str:
        moment = datetime.now(UTC) + self.skew
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def number(self) -> int:
        self.count += 1
        return self.count


class Blue:
    """Reports of one organization, after the pages 'Create a Report' and 'Manage Report Access'."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.projects = {"project_1", "project_2", "project_3"}
        self.users = {"user_1", "user_2", "user_3"}
        self.hidden: set[str] = set()
        self.trims = False
        self.repeats = False

    def root(self) -> dict[str, Any]:
        return {
            "company": self.company,
            "report": self.report,
            "reports": self.reports,
            "projectList": self.project_list,
            "companyUserList": self.user_list,
            "createReport": self.create,
            "updateReport": self.update,
            "deleteReport": self.delete,
        }

    def company(self, _info: Any, id: str | None = None) -> dict[str, Any]:  # noqa: A002 -- the service's name
        if id not in (None, COMPANY_ID, COMPANY_SLUG):
            raise refuse("Company was not found.", "COMPANY_NOT_FOUND")
        return {"id": COMPANY_ID, "uid": "c1", "name": "Acme", "slug": COMPANY_SLUG}

    def report(self, _info: Any, id: str) -> dict[str, Any]:  # noqa: A002 -- the service's name
        return self._shown(self._known(id))

    def reports(self, _info: Any, filter: dict[str, Any], skip: int, take: int) -> dict[str, Any]:  # noqa: A002
        if filter["companyId"] not in (COMPANY_ID, COMPANY_SLUG):
            raise refuse("Company was not found.", "COMPANY_NOT_FOUND")
        found = sorted(self.world.blue.values(), key=lambda kept: kept["updatedAt"], reverse=True)
        page = found[skip : skip + take]
        return {
            "items": [self._shown(kept) for kept in page],
            "totalCount": len(found),
            "hasNextPage": skip + take < len(found),
            "hasPreviousPage": skip > 0,
        }

    def project_list(self, _info: Any, filter: dict[str, Any], skip: int, take: int, **_: Any) -> dict[str, Any]:  # noqa: A002
        if set(filter["companyIds"]) - {COMPANY_ID, COMPANY_SLUG} or filter.get("archived") is not False:
            raise refuse("Company was not found.", "COMPANY_NOT_FOUND")
        found = [
            {"id": key, "slug": key.replace("_", "-"), "name": f"Name of {key[:9]}"} for key in sorted(self.projects)
        ]
        return self._page(found, "items", skip, min(take, 40))  # a page that is too large is cut without a word

    def user_list(self, _info: Any, companyId: str, skip: int = 0, **_: Any) -> dict[str, Any]:  # noqa: N803
        if companyId not in (COMPANY_ID, COMPANY_SLUG):
            raise refuse("Company was not found.", "COMPANY_NOT_FOUND")
        found = [
            {"id": key, "email": "" if key in self.hidden else f"{key}@Acme.example", "fullName": f"User {key}"}
            for key in sorted(self.users)
        ]
        return self._page(found, "users", skip, 200)

    def _page(self, found: list[dict[str, Any]], name: str, skip: int, take: int) -> dict[str, Any]:
        begin = 0 if self.repeats else skip
        info = {"hasNextPage": self.repeats or skip + take < len(found), "hasPreviousPage": skip > 0}
        return {name: found[begin : begin + take], "pageInfo": info, "totalCount": len(found)}

    def create(self, _info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: A002
        self._limits(input, "Cannot create report: ")
        number = self.world.number()
        now = self.world.now()
        title = input["title"].strip() if self.trims else input["title"]
        kept = {
            "id": f"clrep{number:06}",
            "uid": f"u{number}",
            "title": title,
            "description": input.get("description"),
            "config": None,
            "createdAt": now,
            "updatedAt": now,
            "dataSources": self._sources(input["dataSources"]),
            "reportUsers": [],
        }
        self.world.blue[kept["id"]] = kept
        self.world.made.append(("blue/report", kept["id"], title))
        return self._shown(kept)

    def update(self, _info: Any, id: str, input: dict[str, Any]) -> dict[str, Any]:  # noqa: A002
        kept = self._known(id)
        self._limits(input, "")
        for user in input.get("reportUsers") or ():
            if user["userId"] not in self.users:
                raise refuse("User is not in the company.", "USER_NOT_IN_COMPANY")
        for name in ("title", "description", "config"):
            if name in input:
                kept[name] = input[name]
        if input.get("dataSources") is not None:
            kept["dataSources"] = self._sources(input["dataSources"])
        if input.get("reportUsers") is not None:
            kept["reportUsers"] = [
                {"id": f"share{self.world.number()}", "user": {"id": user["userId"]}, "role": user["role"]}
                for user in input["reportUsers"]
            ]
        kept["updatedAt"] = self.world.now()
        return self._shown(kept)

    def delete(self, _info: Any, id: str) -> bool:  # noqa: A002
        del self.world.blue[self._known(id)["id"]]
        return True

    def _known(self, report: str) -> dict[str, Any]:
        if report not in self.world.blue:
            raise refuse("Report was not found.", "REPORT_NOT_FOUND")
        return self.world.blue[report]

    def _limits(self, given: Mapping[str, Any], prefix: str) -> None:
        if len(given.get("dataSources") or ()) > 50:
            raise refuse("A report can have at most 50 data sources")
        if len(given.get("description") or "") > 10_000:
            raise refuse("Description is too long")
        blobs = [given.get("config"), *(source.get("filters") for source in given.get("dataSources") or ())]
        if any(blob is not None and not isinstance(blob, dict) for blob in blobs):
            raise refuse("not an object", "BAD_USER_INPUT")
        for source in given.get("dataSources") or ():
            unknown = set(source.get("projectIds") or ()) - self.projects
            if unknown:
                raise refuse(f"{prefix}Failed to backfill {len(unknown)} projects. Failed projects: {sorted(unknown)}")

    def _sources(self, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
        numbered = [
            {
                "id": f"src{self.world.number()}",
                "name": source.get("name"),
                "sourceType": source.get("sourceType") or "TODOS",
                "projectIds": source.get("projectIds") or None,
                "filters": source.get("filters"),
                "order": index if source.get("order") is None else source["order"],
            }
            for index, source in enumerate(given)
        ]
        return sorted(numbered, key=lambda source: source["order"])

    def _shown(self, kept: dict[str, Any]) -> dict[str, Any]:
        copy: dict[str, Any] = json.loads(json.dumps(kept))
        return copy


class Pipefy:
    """Saved reports and exports, after 'Export Organization Report' and the pages on organization reports.

    `shape` is how a filter is read back: `same`, `upper` (words in upper case) or `flat`.  `polls` is how
    often an export is asked about until it is done, `state` how it ends, `refusals` what the file's host
    answers before it gives the file.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.shape = "same"
        self.polls = 2
        self.state = "done"
        self.refusals: list[int] = []
        self.file: bytes | None = None
        self.host = ""
        self.reachable: set[str] = {"301000001", "301000002", "301000003"}

    def root(self) -> dict[str, Any]:
        return {
            "organization": self.organization,
            "organizationReports": self.reports,
            "organizationReport": self.report,
            "organizationReportExport": self.status,
            "createOrganizationReport": self.create,
            "updateOrganizationReport": self.update,
            "deleteOrganizationReport": self.delete,
            "exportOrganizationReport": self.export,
        }

    def organization(self, _info: Any, id: str) -> dict[str, Any]:  # noqa: A002
        self._mine(id)
        return {"id": id, "pipes": [{"id": pipe, "name": f"Pipe {pipe}"} for pipe in sorted(self.reachable)]}

    def reports(self, _info: Any, organizationId: str, first: int | None = None, after: str | None = None) -> Any:  # noqa: N803
        self._mine(organizationId)
        found = list(self.world.saved.values())
        begin = 0 if after is None else int(after) + 1
        page = found[begin : begin + min(first or 50, 30)]  # a page that is too large is cut without a word
        return {
            "edges": [{"cursor": str(begin + at), "node": self._shown(kept)} for at, kept in enumerate(page)],
            "pageInfo": {
                "hasNextPage": begin + len(page) < len(found),
                "hasPreviousPage": begin > 0,
                "endCursor": str(begin + len(page) - 1) if page else None,
            },
        }

    def report(self, _info: Any, id: str) -> dict[str, Any]:  # noqa: A002
        return self._shown(self._known(id))

    def create(self, _info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: A002
        self._mine(input["organizationId"])
        if not input["name"].strip():
            raise refuse("Name can't be blank", "BLANK_NAME")
        self._pipes(input.get("pipeIds"))
        number = 400_000_000 + self.world.number()
        now = self.world.now()
        kept = {
            "id": str(number),
            "name": input["name"],
            "color": "#6B6B6B",
            "fields": input.get("fields") or [],
            "filter": input.get("filter"),
            "repos": [{"id": str(pipe), "name": f"Pipe {pipe}"} for pipe in input.get("pipeIds") or ()],
            "createdAt": now,
            "lastUpdatedAt": now,
        }
        self.world.saved[kept["id"]] = kept
        self.world.made.append(("pipefy/report", kept["id"], kept["name"]))
        return {"organizationReport": self._shown(kept)}

    def update(self, _info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: A002
        kept = self._known(input["id"])
        for name in ("name", "fields", "filter"):
            if name in input:
                kept[name] = input[name]
        if "pipeIds" in input:
            self._pipes(input["pipeIds"])
            kept["repos"] = [{"id": str(pipe)} for pipe in input["pipeIds"] or ()]
        if input.get("color"):
            kept["color"] = {"red": "#FF6B6B", "blue": "#6B6BFF", "green": "#6BFF6B"}[input["color"]]
        kept["lastUpdatedAt"] = self.world.now()
        return {"organizationReport": self._shown(kept)}

    def delete(self, _info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: A002
        del self.world.saved[self._known(input["id"])["id"]]
        return {"success": True}

    def export(self, _info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: A002
        self._mine(str(input["organizationId"]))
        self._pipes(input.get("pipeIds"))
        report = input.get("organizationReportId")
        if report is not None and str(report) not in self.world.saved:
            raise refuse("Permission denied", "PERMISSION_DENIED")
        number = self.world.number()
        kept = {
            "id": f"export-uuid-{number}",
            "asked": 0,
            "columns": input.get("columns") or (["title", "status"] if report is not None else []),
            "report": None if report is None else str(report),
        }
        self.world.exports[kept["id"]] = kept
        self.world.made.append(("pipefy/export", kept["id"], json.dumps(input, sort_keys=True)))
        return {"organizationReportExport": self._export(kept)}

    def status(self, _info: Any, id: str) -> dict[str, Any]:  # noqa: A002
        if id not in self.world.exports:
            raise refuse("Permission denied", "PERMISSION_DENIED")
        kept = self.world.exports[id]
        kept["asked"] += 1
        return self._export(kept)

    def workbook(self, export: str) -> bytes:
        if self.file is not None:
            return self.file
        kept = self.world.exports[export]
        if "file" in kept:
            return bytes(kept["file"])
        book = openpyxl.Workbook()
        sheet = book.active
        assert sheet is not None
        columns = kept["columns"]
        sheet.append(columns)
        sheet.append([f"{column} 1" for column in columns])
        written = io.BytesIO()
        book.save(written)
        return bytes(kept.setdefault("file", written.getvalue()))

    def _export(self, kept: dict[str, Any]) -> dict[str, Any]:
        over = kept["asked"] >= self.polls and self.state != "processing"
        done = over and self.state == "done"
        return {
            "id": kept["id"],
            "state": self.state if over else "processing",
            "startedAt": self.world.now() if kept["asked"] > 1 or over else None,
            "finishedAt": self.world.now() if over else None,
            "fileURL": f"{self.host}/files/{kept['id']}.xlsx?expires_on=1&signature={SIGNATURE}" if done else None,
            "requestedBy": {"id": "user-456", "name": "John Doe"},
            "report": None if kept["report"] is None else {"id": kept["report"], "name": "Saved"},
        }

    def _mine(self, organization: str) -> None:
        if organization != PIPEFY_ORG:
            raise refuse("Permission denied", "PERMISSION_DENIED")

    def _pipes(self, pipes: list[Any] | None) -> None:
        if {str(pipe) for pipe in pipes or ()} - self.reachable:
            raise refuse("Permission denied", "PERMISSION_DENIED")

    def _known(self, report: str) -> dict[str, Any]:
        if report not in self.world.saved:
            raise refuse(f"Report not found with id: {report}", "RESOURCE_NOT_FOUND")
        return self.world.saved[report]

    def _shown(self, kept: dict[str, Any]) -> dict[str, Any]:
        copy: dict[str, Any] = json.loads(json.dumps(kept))
        if copy["filter"] and self.shape == "flat":
            copy["filter"] = {query["field"]: query.get("value") for query in copy["filter"].get("queries") or ()}
        elif copy["filter"] and self.shape == "upper":
            copy["filter"] = _shouted(copy["filter"])
        return copy


def _shouted(group: Any) -> Any:
    if isinstance(group, list):
        return [_shouted(each) for each in group]
    if isinstance(group, dict):
        return {name: value.upper() if name == "operator" else _shouted(value) for name, value in group.items()}
    return group


class Server:
    """Listens on a free loopback port from `start` until `stop`; safe to look at at any time."""

    def __init__(self) -> None:
        self.world = World()
        self.blue = Blue(self.world)
        self.pipefy = Pipefy(self.world)
        self.faults: list[Fault] = []
        self.seen: list[Seen] = []
        self.violations: list[str] = []
        self.granted = 0
        self.accepts: Callable[[str], bool] = lambda token: True
        self.lock = threading.RLock()
        self._schemas = {
            name: build_schema((SCHEMAS / name / "schema.graphql").read_text(encoding="utf-8"))
            for name in ("blue", "pipefy")
        }
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._open: set[socket.socket] = set()
        self._stopping = threading.Event()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def mutations(self) -> list[Seen]:
        return [seen for seen in self.seen if seen.kind == "mutation"]

    @property
    def made(self) -> Counter[tuple[str, str]]:
        """How often each title was ever made, by sort; exports by their whole input."""
        return Counter((sort, title) for sort, _, title in self.world.made)

    def start(self) -> Server:
        self.pipefy.host = self.url
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def stop(self) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def fail(self, operation: str, kind: str, **how: Any) -> None:
        self.faults.append(Fault(operation, kind, **how))

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with connection, connection.makefile("rb") as stream:
                while request := _read(stream):
                    _write(connection, self._answer(connection, *request), self.world.skew)
        except (_Hangup, OSError, ValueError):
            pass
        finally:
            self._open.discard(connection)

    def _answer(
        self, connection: socket.socket, method: str, path: str, headers: list[tuple[str, str]], body: bytes
    ) -> Answer:
        bare = path.partition("?")[0]
        if bare.startswith("/files/"):
            return self._file(method, path, headers)
        if method != "POST":
            self.violations.append(f"{method} {path}")
            return Answer(405, b"")
        if bare == "/oauth/token":
            return self._token(headers, body)
        service = {"/graphql": "pipefy", "/blue/graphql": "blue"}.get(bare)
        if service is None:
            self.violations.append(f"unknown path {path}")
            return Answer(404, b"")
        return self._graphql(connection, service, path, headers, body)

    def _note(
        self, path: str, operation: str, kind: str, variables: Any, headers: list[tuple[str, str]]
    ) -> Fault | None:
        with self.lock:
            hit = [fault for fault in self.faults if fault.hits(operation)]
            fault = hit[0] if hit else None
            self.seen.append(Seen(path, operation, kind, variables, tuple(headers), fault.kind if fault else None))
            return fault

    def _file(self, method: str, path: str, headers: list[tuple[str, str]]) -> Answer:
        fault = self._note(path, "file", "file", {}, headers)
        names = {name for name, _ in headers}
        if method != "GET" or names & {"authorization", "blue-token-id", "blue-token-secret", "cookie"}:
            self.violations.append(f"{method} of a file with {sorted(names)}")
        with self.lock:
            if self.pipefy.refusals:
                return Answer(self.pipefy.refusals.pop(0), b"<html>expired</html>", (("Content-Type", "text/html"),))
        content = self.pipefy.workbook(path.rpartition("/")[2].partition(".")[0])
        kind = (("Content-Type", "application/octet-stream"),)
        if fault is not None and fault.kind == "redirect":
            return Answer(302, b"", (("Location", fault.code),))
        if fault is not None and fault.kind == "half":
            return Answer(200, content[: len(content) // 2], (*kind, ("Content-Length", str(len(content)))))
        if fault is not None and fault.kind == "html":
            return Answer(200, b"<html>sign in</html>", (("Content-Type", "text/html"),))
        if fault is not None:
            return Answer(fault.status, b"")
        return Answer(200, content, kind)

    def _token(self, headers: list[tuple[str, str]], body: bytes) -> Answer:
        fault = self._note("/oauth/token", "token", "token", {}, headers)
        if fault is not None:
            return Answer(fault.status, b"<html>no</html>", (("Content-Type", "text/html"),))
        asked = json.loads(body)
        wanted = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        if asked != wanted:
            self.violations.append(f"token asked for with {sorted(asked)}")
            return Answer(401, b'{"error":"invalid_client"}')
        self.granted += 1
        return Answer(200, json.dumps({"access_token": f"STRICTgranted{self.granted}", "expires_in": 300}).encode())

    def _graphql(
        self, connection: socket.socket, service: str, path: str, headers: list[tuple[str, str]], body: bytes
    ) -> Answer:
        try:
            asked = json.loads(body)
            document = parse(asked["query"])
        except (ValueError, KeyError, TypeError, GraphQLError) as error:
            self.violations.append(f"unreadable request to {service}: {error}")
            return Answer(400, b'{"errors":[{"message":"unreadable"}]}')
        (definition,) = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
        operation = next(node.name.value for node in definition.selection_set.selections if isinstance(node, FieldNode))
        variables = asked.get("variables") or {}
        fault = self._note(path, operation, definition.operation.value, variables, headers)
        self._check(service, asked, document, definition, headers)
        if (denied := self._authenticate(service, operation, headers)) is not None:
            return denied

        def perform() -> ExecutionResult:
            with self.lock:
                root = (self.blue if service == "blue" else self.pipefy).root()
                result = execute_sync(self._schemas[service], document, root, variable_values=variables)
            for error in result.errors or ():
                if error.path is None or (error.original_error and not isinstance(error.original_error, GraphQLError)):
                    self.violations.append(f"{operation}: {error.message}")
            return result

        if fault is None:
            return _graph(perform())
        return self._failed(connection, service, operation, fault, perform)

    def _check(self, service: str, asked: Any, document: Any, definition: Any, headers: list[tuple[str, str]]) -> None:
        schema: GraphQLSchema = self._schemas[service]
        problems = [error.message for error in validate(schema, document)]
        if set(asked) - {"query", "variables", "operationName"}:
            problems.append(f"unknown keys {sorted(asked)}")
        if _depth(definition.selection_set) > (BLUE_DEPTH if service == "blue" else PIPEFY_DEPTH):
            problems.append("too deep")
        kinds = [value for name, value in headers if name == "content-type"]
        if [kind.partition(";")[0] for kind in kinds] != ["application/json"]:
            problems.append(f"content type {kinds}")
        self.violations.extend(f"{service}: {problem}" for problem in problems)

    def _authenticate(self, service: str, operation: str, headers: list[tuple[str, str]]) -> Answer | None:
        def values(name: str) -> list[str]:
            return [value for key, value in headers if key == name]

        if service == "pipefy":
            tokens = values("authorization")
            word, _, token = tokens[0].partition(" ") if tokens else ("", "", "")
            own = token == PIPEFY_TOKEN or token.startswith("STRICTgranted")
            if len(tokens) != 1 or word != "Bearer" or values("blue-token-secret"):
                self.violations.append(f"{operation}: authorization headers {len(tokens)}")
            if not own or not self.accepts(token):
                detail = {"title": "Unauthorized", "detail": "You are not authorized to access this page"}
                return Answer(401, json.dumps({"errors": [detail]}).encode())
            return None
        once = all(len(values(name)) == 1 for name in ("blue-token-id", "blue-token-secret", "blue-org-id"))
        if not once or values("authorization"):
            self.violations.append(f"{operation}: Blue's headers")
        if values("blue-token-id") != [TOKEN_ID] or values("blue-token-secret") != [TOKEN_SECRET]:
            return _error("You are not authenticated.", "UNAUTHENTICATED")
        if values("blue-org-id") != [COMPANY_ID] and operation != "company":
            self.violations.append(f"{operation}: organization header {values('blue-org-id')}")
            return _error("You are not authorized.", "FORBIDDEN")
        return None

    def _failed(
        self, connection: socket.socket, service: str, operation: str, fault: Fault, perform: Callable[[], Any]
    ) -> Answer:
        if fault.kind == "late":
            threading.Timer(fault.seconds, perform).start()
            self._stopping.wait(fault.seconds + 5)
            raise _Hangup
        result = perform() if fault.executed else None
        if fault.kind == "drop":
            raise _Hangup
        if fault.kind == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            raise _Hangup
        if fault.kind == "hang":
            self._stopping.wait(fault.seconds or 30)
            raise _Hangup
        if fault.kind == "slow":
            time.sleep(fault.seconds)
            return _graph(perform())
        if fault.kind == "half":
            whole = _graph(result or perform()).body
            half = whole[: len(whole) // 2]
            return Answer(200, half, (("Content-Type", "application/json"), ("Content-Length", str(len(whole)))))
        return _wrong(service, operation, fault, result)


def _wrong(service: str, operation: str, fault: Fault, result: Any) -> Answer:
    told = f"told with {TOKEN_SECRET if service == 'blue' else PIPEFY_TOKEN}"  # as a careless server echoes
    extensions = {"extensions": {"code": fault.code}} if fault.code else {}
    error = {"message": told, "path": [operation], **extensions}
    answers: dict[str, Callable[[], Answer]] = {
        "429": lambda: _busy(service, fault.retry_after),
        "html": lambda: Answer(fault.status, f"<html>{told}</html>".encode(), (("Content-Type", "text/html"),)),
        "status": lambda: Answer(fault.status, json.dumps({"error": {"message": told}}).encode()),
        "redirect": lambda: Answer(307, b"", (("Location", fault.code),)),
        "empty": lambda: Answer(200, b""),
        "code": lambda: _error(told, fault.code, path=[operation]),
        "null": lambda: Answer(200, json.dumps({"data": {operation: None}, "errors": [error]}).encode()),
        "both": lambda: Answer(200, json.dumps({"data": result.data, "errors": [error]}).encode()),
    }
    return answers[fault.kind]()


def _busy(service: str, retry_after: str | None) -> Answer:
    retry = () if retry_after is None else (("Retry-After", retry_after),)
    if service == "blue":
        body = {"error": "RATE_LIMITED", "message": "Too many requests. Limit: 20 per minute."}
        told = json.dumps({**body, "retryAfter": int(retry_after or 0)}).encode()
        return Answer(429, told, (("Content-Type", "application/json"), *retry))
    return Answer(429, b"Retry later\n", (("Content-Type", "text/plain"), *retry))


def _error(message: str, code: str, path: list[str] | None = None) -> Answer:
    error: dict[str, Any] = {"message": message, **({"path": path} if path else {})}
    if code:
        error["extensions"] = {"code": code}
    return Answer(200, json.dumps({"errors": [error], "data": None}).encode())


def _graph(result: Any) -> Answer:
    return Answer(200, json.dumps(result.formatted).encode())


def _depth(selections: Any) -> int:
    if selections is None:
        return 0
    depths = []
    for node in selections.selections:
        if isinstance(node, FieldNode):
            depths.append(1 + _depth(node.selection_set))
        elif isinstance(node, InlineFragmentNode):
            depths.append(_depth(node.selection_set))
        else:
            assert isinstance(node, FragmentSpreadNode)
            depths.append(1)
    return max(depths)


def _read(stream: Any) -> tuple[str, str, list[tuple[str, str]], bytes] | None:
    line = stream.readline(65536).decode("latin-1").strip()
    if not line:
        return None
    method, path, _ = line.split(" ")
    headers = []
    while text := stream.readline(65536).decode("latin-1").strip():
        name, _, value = text.partition(":")
        headers.append((name.strip().lower(), value.strip()))
    length = next((int(value) for name, value in headers if name == "content-length"), 0)
    body = stream.read(length)
    if len(body) < length:
        raise _Hangup  # whoever sent it died over it
    return method, path, headers, body


def _write(connection: socket.socket, answer: Answer, skew: timedelta) -> None:
    given = {name.lower() for name, _ in answer.headers}
    headers = [*answer.headers, ("Date", format_datetime(datetime.now(UTC) + skew, usegmt=True))]
    if "content-length" not in given:
        headers.append(("Content-Length", str(len(answer.body))))
    head = f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Status')}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n"
    connection.sendall(head.encode("latin-1") + answer.body)
    if dict(headers)["Content-Length"] != str(len(answer.body)):
        raise _Hangup


class Foreign:
    """A host nobody trusts: it keeps whatever reaches it."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/graphql"
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection:
                    connection.settimeout(1)
                    self.received.append(connection.recv(65536))


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    server = Server().start()
    try:
        yield server
    finally:
        server.stop()
