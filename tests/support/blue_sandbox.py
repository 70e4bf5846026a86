"""The emulator of Blue over an in-process transport, with a world of its own and a clock that stands."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from reconciler.sandbox import world
from reconciler.sandbox.blue.endpoint import endpoint
from reconciler.sandbox.store import Store
from reconciler.sandbox.switches import Switches

REPORT = """id uid title description config createdAt updatedAt lastGeneratedAt projectIds
  dataSources { id uid name sourceType projectIds filters order }
  reportUsers { id user { id } role createdAt updatedAt }"""
CREATE = "mutation ($input: CreateReportInput!) { createReport(input: $input) { %s } }"
UPDATE = "mutation ($id: String!, $input: UpdateReportInput!) { updateReport(id: $id, input: $input) { %s } }"
READ = "query ($id: String!) { report(id: $id) { %s } }"
ORGANIZATION = world.BLUE_ORGANIZATION


class Blue:
    """One emulator; `who` is the owner, a member or an outsider."""

    def __init__(self) -> None:
        self.store = Store(None)
        world.seed(self.store)
        self.switches = Switches(self.store)
        self.now = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
        self.app = endpoint(self.store, self.switches, lambda: self.now)

    def __enter__(self) -> Blue:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def switch(self, **values: str) -> None:
        for name, value in values.items():
            self.switches.set(name, value)

    def send(self, headers: Mapping[str, str], **request: Any) -> httpx.Response:
        async def exchange() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://blue.example") as client:
                return await client.request(**{"method": "POST", "url": "/blue/graphql", **request}, headers=headers)

        return asyncio.run(exchange())

    def post(self, query: str, *, who: str = "owner", organization: str = "acme", **variables: Any) -> httpx.Response:
        token, secret = world.BLUE_TOKENS[who]
        headers = {"blue-token-id": token, "blue-token-secret": secret, "blue-org-id": organization}
        return self.send(headers, json={"query": query, "variables": variables})

    def ask(self, query: str, **more: Any) -> Any:
        """Return the data of the one root field; nothing may have failed."""
        answer = self.post(query, **more).json()
        assert "errors" not in answer, answer
        (value,) = answer["data"].values()
        return value

    def fail(self, query: str, **more: Any) -> dict[str, Any]:
        """Return the one error."""
        (error,) = self.post(query, **more).json()["errors"]
        return error

    def code(self, query: str, **more: Any) -> str:
        return self.fail(query, **more)["extensions"]["code"]

    def create(self, *sources: dict[str, Any], title: str = "Pipeline", fields: str = REPORT, **more: Any) -> Any:
        return self.ask(CREATE % fields, input={"title": title, "dataSources": sources}, **more)

    def update(self, report: str, fields: str = REPORT, who: str = "owner", **given: Any) -> Any:
        return self.ask(UPDATE % fields, id=report, input=given, who=who)

    def read(self, report: str, fields: str = REPORT, **more: Any) -> Any:
        return self.ask(READ % fields, id=report, **more)

    def reports(self) -> list[dict[str, Any]]:
        return self.store.all("blue_report")

    def workspace(self, slug: str) -> str:
        return next(doc["id"] for doc in self.store.all("blue_project") if doc["slug"] == slug)

    def user(self, name: str) -> str:
        return next(doc["id"] for doc in self.store.all("blue_user") if doc["username"] == name)
