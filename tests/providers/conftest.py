"""Both services in a few lines: strict about every document, forgetful on demand."""

# ruff: noqa: A002 -- resolvers are called with the argument names of the schema

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import pytest
from graphql import GraphQLError, GraphQLSchema, build_schema, execute, parse, validate

from reconciler import providers
from reconciler.model.ports import Kind, Provider

BLUE = {
    "BLUE_API_URL": "http://sandbox.localhost/blue/graphql",
    "BLUE_TOKEN_ID": "token-id",
    "BLUE_TOKEN_SECRET": "pat_token-secret",
    "BLUE_ORG_ID": "acme",
    "RECONCILER_TRUSTED_HOSTS": "sandbox.localhost",
}
PIPEFY = {
    "PIPEFY_API_URL": "http://sandbox.localhost/graphql",
    "PIPEFY_TOKEN": "pipefy-token",
    "PIPEFY_ORG_ID": "300123456",
    "RECONCILER_TRUSTED_HOSTS": "sandbox.localhost",
}


@dataclass
class FakeClock:
    """Time that passes only by sleeping."""

    instant: datetime = datetime(2026, 11, 23, 6, tzinfo=UTC)

    def now(self) -> datetime:
        return self.instant

    def wall(self) -> datetime:
        return self.instant

    async def sleep(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)
        await asyncio.sleep(0)


def schema(service: str) -> GraphQLSchema:
    text = resources.files(f"reconciler.sandbox.{service}").joinpath("schema.graphql").read_text("utf-8")
    return build_schema(text)


def fail(code: str | None) -> GraphQLError:
    return GraphQLError("sorry", extensions={"code": code} if code else None)


@dataclass
class Service:
    """What both services have in common: objects, requests seen, and ways to misbehave.

    `lose` says for how many mutations the answer is lost, "before" or "after" they were done.
    """

    schema: GraphQLSchema
    clock: FakeClock
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: list[dict[str, Any]] = field(default_factory=list)
    lose: list[str] = field(default_factory=list)
    made: int = 0

    @property
    def mutations(self) -> list[dict[str, Any]]:
        return [request for request in self.seen if request["query"].startswith("mutation")]

    def now(self) -> str:
        return self.clock.instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def new_id(self) -> str:
        self.made += 1
        return str(900 + self.made)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        request = json.loads((await receive())["body"])
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.seen.append({**request, "headers": headers})
        document = parse(request["query"])
        errors = validate(self.schema, document)
        assert not errors, errors
        fault = self.lose.pop(0) if request["query"].startswith("mutation") and self.lose else ""
        body: dict[str, Any] = {}
        if fault != "before":
            result = execute(self.schema, document, root_value=self.roots(), variable_values=request["variables"])
            assert not [error for error in result.errors or () if error.path is None], result.errors
            body = {"data": result.data}
            if result.errors:
                body["errors"] = [error.formatted for error in result.errors]
        date = self.clock.instant.strftime("%a, %d %b %Y %H:%M:%S GMT").encode()
        start = {"type": "http.response.start", "status": 502 if fault else 200, "headers": [(b"date", date)]}
        await send(start)
        await send({"type": "http.response.body", "body": b"<html>" if fault else json.dumps(body).encode()})

    def roots(self) -> dict[str, Callable[..., Any]]:
        raise NotImplementedError


class Blue(Service):
    """Blue, as 'Create a Report' and its neighbours describe it."""

    def roots(self) -> dict[str, Callable[..., Any]]:
        return {
            "company": self.company,
            "report": self.report,
            "reports": self.reports,
            "createReport": self.create,
            "updateReport": self.update,
            "deleteReport": self.delete,
        }

    def company(self, _: Any, id: str) -> dict[str, Any]:
        if id not in ("acme", "company-1"):
            raise fail("COMPANY_NOT_FOUND")
        return {"id": "company-1", "slug": "acme"}

    def report(self, _: Any, id: str) -> dict[str, Any]:
        if id not in self.objects:
            raise fail("REPORT_NOT_FOUND")
        return copy.deepcopy(self.objects[id])

    def reports(self, _: Any, filter: dict[str, Any], skip: int, take: int) -> dict[str, Any]:
        assert filter == {"companyId": "company-1"}
        items = sorted(self.objects.values(), key=lambda node: node["updatedAt"], reverse=True)
        page = items[skip : skip + take]
        return {"items": page, "totalCount": len(items), "hasNextPage": skip + take < len(items)}

    def create(self, _: Any, input: dict[str, Any]) -> dict[str, Any]:
        node = {"id": self.new_id(), "title": "", "description": None, "config": None, "reportUsers": []}
        node |= {"createdAt": self.now(), "updatedAt": self.now()}
        self.objects[node["id"]] = node
        return self.put(node, input)

    def update(self, _: Any, id: str, input: dict[str, Any]) -> dict[str, Any]:
        self.report(_, id)
        return self.put(self.objects[id], input)

    def delete(self, _: Any, id: str) -> bool:
        self.report(_, id)
        del self.objects[id]
        return True

    def put(self, node: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
        node |= {key: given[key] for key in ("title", "description", "config") if key in given}
        if "dataSources" in given:
            assert len(given["dataSources"]) <= 50
            node["dataSources"] = [
                {"name": None, "filters": None, **source, "projectIds": source.get("projectIds") or None}
                for source in given["dataSources"]
            ]
        if "reportUsers" in given:
            node["reportUsers"] = [
                {"user": {"id": share["userId"]}, "role": share["role"]} for share in given["reportUsers"]
            ]
        node["updatedAt"] = self.now()
        return copy.deepcopy(node)


class Pipefy(Service):
    """Pipefy, as its pages on organization reports describe it."""

    def roots(self) -> dict[str, Callable[..., Any]]:
        return {
            "organizationReport": self.report,
            "organizationReports": self.reports,
            "createOrganizationReport": self.create,
            "updateOrganizationReport": self.update,
            "deleteOrganizationReport": self.delete,
            "exportOrganizationReport": self.export,
            "organizationReportExport": self.status,
        }

    def report(self, _: Any, id: str) -> dict[str, Any]:
        if id not in self.objects:
            raise fail("PERMISSION_DENIED")
        return copy.deepcopy(self.objects[id])

    def reports(self, _: Any, **arguments: Any) -> dict[str, Any]:
        assert arguments["organizationId"] == "300123456"
        nodes = list(self.objects.values())
        start = int(arguments.get("after") or 0)
        end = start + min(arguments["first"], 50)
        return {
            "edges": [{"node": node} for node in nodes[start:end]],
            "pageInfo": {"hasNextPage": end < len(nodes), "hasPreviousPage": start > 0, "endCursor": str(end)},
        }

    def create(self, _: Any, input: dict[str, Any]) -> dict[str, Any]:
        node: dict[str, Any] = {"id": self.new_id(), "color": "#CCCCCC", "fields": ["title"], "filter": None}
        node |= {"createdAt": self.now()}
        self.objects[node["id"]] = node
        return {"organizationReport": self.put(node, input)}

    def update(self, _: Any, input: dict[str, Any]) -> dict[str, Any]:
        self.report(_, input["id"])
        return {"organizationReport": self.put(self.objects[input["id"]], input)}

    def delete(self, _: Any, input: dict[str, Any]) -> dict[str, Any]:
        self.report(_, input["id"])
        del self.objects[input["id"]]
        return {"success": True}

    def put(self, node: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
        node |= {key: given[key] for key in ("name", "fields", "filter") if key in given}
        if "color" in given:
            node["color"] = {"red": "#FF6B6B", "blue": "#0000FF", "green": "#00FF00"}[given["color"]]
        if "pipeIds" in given:
            node["repos"] = [{"id": str(pipe)} for pipe in reversed(given["pipeIds"])]
        node["lastUpdatedAt"] = self.now()
        return copy.deepcopy(node)

    def export(self, _: Any, input: dict[str, Any]) -> dict[str, Any]:
        export = {"id": f"export-{self.new_id()}", "state": "processing"}
        return {"organizationReportExport": export}

    def status(self, _: Any, id: str) -> dict[str, Any]:
        return {"id": id, **self.objects[id]}


Act = Callable[[Provider], Awaitable[Any]]


@dataclass
class Bench:
    """A service and its provider, for one act at a time."""

    name: str
    service: Any
    environ: dict[str, str]

    def act(self, act: Act, *, read_only: bool = False) -> Any:
        async def scene() -> Any:
            connection = providers.connect(
                self.name,
                environ=self.environ,
                organization="",
                endpoint="",
                clock=self.service.clock,
                timeout=5,
                concurrency=4,
                app=self.service.app,
                read_only=read_only,
            )
            async with connection as provider:
                return await act(provider)

        return asyncio.run(scene())


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def blue(clock: FakeClock) -> Bench:
    return Bench("blue", Blue(schema("blue"), clock), dict(BLUE))


@pytest.fixture
def pipefy(clock: FakeClock) -> Bench:
    return Bench("pipefy", Pipefy(schema("pipefy"), clock), dict(PIPEFY))


@pytest.fixture(scope="session")
def kinds() -> dict[str, Kind]:
    """Every kind by `<provider>/<kind>`; the only good cron expression has five fields."""
    found = providers.kinds(lambda cron, zone: "" if len(cron.split()) == 5 and zone != "Mars" else "no such schedule")
    return {f"{kind.provider}/{kind.kind.lower()}": kind for kind in found}
