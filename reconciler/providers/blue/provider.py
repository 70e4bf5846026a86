"""The port to Blue: its documents, its shapes, its pages."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final

from reconciler.model.errors import CredentialError, Unavailable
from reconciler.model.naming import Name, Named, Resolution
from reconciler.model.plan import Action, Step
from reconciler.model.values import Address, JSONObject
from reconciler.providers.base import Operation, ServiceProvider
from reconciler.providers.blue import documents, names, report
from reconciler.providers.settling import Live
from reconciler.providers.values import instant_text, known_id, parse_instant

if TYPE_CHECKING:
    from reconciler.transport.client import Reader

ORGANIZATION_HEADER: Final = "blue-org-id"

_PAGE: Final = 50
_PASSES: Final = 3
_IDLE_PAGES: Final = 10
"""Pages in a row that show nothing new until the list is taken to have no end."""
_NOT_FOUND: Final = "REPORT_NOT_FOUND"
_NO_COMPANY: Final = "COMPANY_NOT_FOUND"

_OPERATIONS: Final = (
    Operation(documents.CREATE, Action.CREATE, ("createReport",)),
    Operation(documents.UPDATE, Action.UPDATE, ("updateReport",)),
    Operation(documents.DELETE, Action.DELETE, ("deleteReport",)),
)


class BlueProvider(ServiceProvider):
    """Blue's reports.  `headers` are those the client sends; the organization's id is put there."""

    operations: ClassVar[Mapping[str, Operation]] = MappingProxyType({one.document: one for one in _OPERATIONS})
    missing: ClassVar[frozenset[str]] = frozenset({_NOT_FOUND})

    def __init__(self, client: Reader, headers: dict[str, str], organization: str) -> None:
        super().__init__(client)
        self._headers = headers
        self._organization = organization
        self._resolved = False
        self._failure: Unavailable | None = None
        self._lock = asyncio.Lock()
        headers[ORGANIZATION_HEADER] = organization

    async def prepare(self) -> None:
        """Turn a slug into the id, once: whether the header takes slugs is not certain.

        Whatever `company` answers beside "no such organization", the value is used as it was given; when it
        does not answer at all, nothing is guessed, and asked no more.  Raises CredentialError or Unavailable.
        """
        async with self._lock:
            if self._failure is not None:
                raise self._failure
            if not self._resolved:
                try:
                    await self._resolve()
                except Unavailable as error:
                    self._failure = error
                    raise
                self._resolved = True

    async def _resolve(self) -> None:
        answer = await self._client.query(documents.COMPANY, {"id": self._organization}, allow=None)
        if any(error.code == _NO_COMPANY for error in answer.errors):
            raise CredentialError(
                f"Blue knows no organization {self._organization!r} that this token belongs to",
                "check BLUE_ORG_ID or the project file, and the token",
            )
        company = (answer.data or {}).get("company")
        if isinstance(company, dict) and isinstance(company.get("id"), str) and company["id"]:
            self._organization = self._headers[ORGANIZATION_HEADER] = company["id"]

    def named(self, spec: JSONObject) -> Iterable[Named]:
        return names.named(spec)

    async def look_up(self, wanted: Collection[Name]) -> Mapping[Name, Resolution]:
        return await names.resolve(self._client, self._organization, wanted)

    def message(self, step: Step, fields: Collection[str], ids: Mapping[Address, str]) -> tuple[str, JSONObject]:
        after = step.after or {}
        if step.action is Action.CREATE:
            return documents.CREATE, {"input": self.input(after, set(after) - set(report.UPDATE_ONLY))}
        object_id = known_id(step, ids)
        if step.action is Action.DELETE:
            return documents.DELETE, {"id": object_id}
        return documents.UPDATE, {"id": object_id, "input": self.input(after, fields)}

    def input(self, after: JSONObject, fields: Collection[str]) -> JSONObject:
        sent = {key: after[key] for key in fields if key in after and key != "dataSources"}
        if "description" in fields and "description" not in after:
            sent["description"] = None
        if "dataSources" in fields:
            sent["dataSources"] = [
                {"sourceType": "TODOS", **source, "order": order} for order, source in enumerate(after["dataSources"])
            ]
        return dict(sorted(sent.items()))

    def live(self, node: JSONObject) -> Live:
        version = instant_text(node.get("updatedAt"))
        return Live(node["id"], node.get("title") or "", parse_instant(node.get("createdAt")), version, node)

    def read(self, live: Live, spec: JSONObject) -> tuple[JSONObject, bool]:
        return report.read(live.node, spec), True

    async def find(self, object_id: str) -> Live | None:
        answer = await self._client.query(documents.REPORT, {"id": object_id}, allow=self.missing)
        node = (answer.data or {}).get("report")
        return None if node is None else self.node(node)

    async def list_all(self) -> list[Live]:
        """Pages are ordered by the last change, so they shift while anybody writes: read all, drop
        repeats, and read again when the count says that one was missed."""
        found: dict[str, Live] = {}
        for _ in range(_PASSES):
            now, counts = await self._list_once()
            found |= now
            if counts == {len(now)}:
                return list(now.values())
        return list(found.values())

    async def _list_once(self) -> tuple[dict[str, Live], set[int]]:
        found: dict[str, Live] = {}
        counts: set[int] = set()
        skip = idle = 0
        while True:
            variables = {"filter": {"companyId": self._organization}, "skip": skip, "take": _PAGE}
            answer = await self._client.query(documents.REPORTS, variables)
            page = (answer.data or {}).get("reports")
            if not isinstance(page, dict) or not isinstance(page.get("items"), list):
                raise Unavailable("Blue's list of reports cannot be read")
            before = len(found)
            found |= {live.id: live for live in map(self.node, page["items"])}
            # Reports that are changed meanwhile move to the front and push others back: a page or two may be old news.
            idle = idle + 1 if len(found) == before else 0
            if idle > _IDLE_PAGES:
                raise Unavailable("Blue's list of reports repeats a page without end", "run it again")
            counts.add(page.get("totalCount", -1))
            skip += len(page["items"])
            if not page.get("hasNextPage") or not page["items"]:
                return found, counts
