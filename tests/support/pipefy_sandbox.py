"""The emulator of Pipefy in process, for tests."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from reconciler.sandbox import world
from reconciler.sandbox.server import IN_PROCESS, create_app
from reconciler.sandbox.store import Store
from reconciler.sandbox.switches import Switches


class Pipefy:
    """The emulator in process, with a clock that stands still until told."""

    def __init__(self, store: Store, *, authenticate: bool = True) -> None:
        self.store = store
        self.switches = Switches(store)
        self.now = datetime(2026, 11, 23, 6, 0, 0, tzinfo=UTC)
        self.app = create_app(store, authenticate=authenticate, clock=lambda: self.now)
        self.token: str | None = world.PIPEFY_TOKENS["owner"]
        world.seed(store)

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def http(self, method: str, url: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url=IN_PROCESS) as client:
                return await client.request(method, url, **options)

        return asyncio.run(send())

    def post(self, document: str, variables: dict[str, Any] | None = None, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        body = json.dumps({"query": document, "variables": variables, **more})
        return self.http("POST", "/graphql", headers={**headers, "Content-Type": "application/json"}, content=body)

    def ask(self, document: str, **variables: Any) -> dict[str, Any]:
        body = self.post(document, variables).json()
        assert "errors" not in body, body
        data: dict[str, Any] = body["data"]
        return data

    def refusal(self, document: str, **variables: Any) -> dict[str, Any]:
        body = self.post(document, variables).json()
        error: dict[str, Any] = body["errors"][0]
        return error

    def create(self, **given: Any) -> dict[str, Any]:
        given = {"organizationId": "300123456", "name": "Weekly", "pipeIds": ["301000001"], **given}
        data = self.ask(
            "mutation($i: CreateOrganizationReportInput!) { createOrganizationReport(input: $i) { organizationReport "
            "{ id name fields filter color createdAt lastUpdatedAt cardCount repos { id name } } } }",
            i=given,
        )
        report: dict[str, Any] = data["createOrganizationReport"]["organizationReport"]
        return report

    def update(self, **given: Any) -> dict[str, Any]:
        data = self.ask(
            "mutation($i: UpdateOrganizationReportInput!) { updateOrganizationReport(input: $i) { organizationReport "
            "{ id name fields filter color createdAt lastUpdatedAt repos { id } } } }",
            i=given,
        )
        report: dict[str, Any] = data["updateOrganizationReport"]["organizationReport"]
        return report

    def start(self, **given: Any) -> dict[str, Any]:
        data = self.ask(START, i={"organizationId": 300123456, **given})
        export: dict[str, Any] = data["exportOrganizationReport"]["organizationReportExport"]
        return export

    def status(self, export: str) -> dict[str, Any]:
        data = self.ask(f"query($id: ID!) {{ organizationReportExport(id: $id) {{ {EXPORT} }} }}", id=export)
        found: dict[str, Any] = data["organizationReportExport"]
        return found

    def file(self, **given: Any) -> httpx.Response:
        """The file of an export, started and waited for."""
        export = self.start(**given)
        self.pass_time(1)
        return self.http("GET", self.status(export["id"])["fileURL"])


EXPORT = "id state startedAt finishedAt fileURL requestedBy { id name } report { id name }"
START = (
    "mutation($i: ExportOrganizationReportInput!) { exportOrganizationReport(input: $i) "
    f"{{ clientMutationId organizationReportExport {{ {EXPORT} }} }} }}"
)
