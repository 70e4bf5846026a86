"""The port to Pipefy: its documents, its shapes, its pages, its exports."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final

from reconciler.model.errors import Unavailable
from reconciler.model.naming import Name, Named, Resolution
from reconciler.model.outcome import ExportState, ExportStatus
from reconciler.model.plan import Action, Step
from reconciler.model.values import Address, JSONObject, Secret
from reconciler.providers.base import Operation, ServiceProvider
from reconciler.providers.pipefy import documents, names, report
from reconciler.providers.settling import Live
from reconciler.providers.values import instant_text, known_id, parse_instant

if TYPE_CHECKING:
    from reconciler.transport.client import Reader

_PAGE: Final = 50
_MOST_PAGES: Final = 10_000

_OPERATIONS: Final = (
    Operation(documents.CREATE, Action.CREATE, ("createOrganizationReport", "organizationReport")),
    Operation(documents.UPDATE, Action.UPDATE, ("updateOrganizationReport", "organizationReport")),
    Operation(documents.DELETE, Action.DELETE, ("deleteOrganizationReport", "success")),
    Operation(documents.EXPORT, Action.EXPORT, ("exportOrganizationReport", "organizationReportExport")),
)

_STATES: Final = {"done": ExportState.DONE, "failed": ExportState.FAILED, "error": ExportState.FAILED}


class PipefyProvider(ServiceProvider):
    """Pipefy's organization reports and their exports.  `organization` is its number."""

    operations: ClassVar[Mapping[str, Operation]] = MappingProxyType({one.document: one for one in _OPERATIONS})
    # A missing report and a forbidden one cannot be told apart ('Status and Error Handling').
    missing: ClassVar[frozenset[str]] = frozenset(
        {"NOT_FOUND", "PERMISSION_DENIED", "RECORD_NOT_FOUND", "RESOURCE_NOT_FOUND"}
    )

    def __init__(self, client: Reader, organization: int) -> None:
        super().__init__(client)
        self._organization = organization

    async def prepare(self) -> None:
        """Nothing is needed."""

    def named(self, spec: JSONObject) -> Iterable[Named]:
        return names.named(spec)

    async def look_up(self, wanted: Collection[Name]) -> Mapping[Name, Resolution]:
        return await names.resolve(self._client, self._organization, wanted)

    def message(self, step: Step, fields: Collection[str], ids: Mapping[Address, str]) -> tuple[str, JSONObject]:
        after = step.after or {}
        if step.action is Action.EXPORT:
            return documents.EXPORT, {"organizationId": self._organization, **_export_variables(after, ids)}
        if step.action is Action.CREATE:
            sent = self.input(after, set(after) - set(report.UPDATE_ONLY))
            return documents.CREATE, {"input": {"organizationId": str(self._organization), **sent}}
        object_id = known_id(step, ids)
        if step.action is Action.DELETE:
            return documents.DELETE, {"input": {"id": object_id}}
        return documents.UPDATE, {"input": {"id": object_id, **self.input(after, fields)}}

    def input(self, after: JSONObject, fields: Collection[str]) -> JSONObject:
        sent = {key: after[key] for key in fields if key in after}
        if "filter" in fields and "filter" not in after:
            sent["filter"] = None
        if "pipeIds" in sent:
            sent["pipeIds"] = [str(pipe) for pipe in sent["pipeIds"]]
        return dict(sorted(sent.items()))

    def live(self, node: JSONObject) -> Live:
        version = instant_text(node.get("lastUpdatedAt"))
        return Live(node["id"], node.get("name") or "", parse_instant(node.get("createdAt")), version, node)

    def read(self, live: Live, spec: JSONObject) -> tuple[JSONObject, bool]:
        return report.read(live.node, spec)

    async def find(self, object_id: str) -> Live | None:
        answer = await self._client.query(documents.REPORT, {"id": object_id}, allow=self.missing)
        node = (answer.data or {}).get("organizationReport")
        return None if node is None else self.node(node)

    async def list_all(self) -> list[Live]:
        found: dict[str, Live] = {}
        after: str | None = None
        for _ in range(_MOST_PAGES):
            variables = {"organizationId": str(self._organization), "first": _PAGE, "after": after}
            answer = await self._client.query(documents.REPORTS, variables)
            page = (answer.data or {}).get("organizationReports")
            if not isinstance(page, dict) or not isinstance(page.get("pageInfo"), dict):
                raise Unavailable(
                    f"Pipefy's list of reports of organization {self._organization} cannot be read",
                    "check PIPEFY_ORG_ID and the rights of the account",
                )
            nodes = [edge.get("node") for edge in page.get("edges") or () if isinstance(edge, dict)]
            found |= {live.id: live for live in map(self.node, filter(None, nodes))}
            after = page["pageInfo"].get("endCursor")
            if not page["pageInfo"].get("hasNextPage") or not after:
                break
        return list(found.values())

    async def export_status(self, export_id: str) -> ExportStatus:
        answer = await self._client.query(documents.EXPORT_STATUS, {"id": export_id})
        export = (answer.data or {}).get("organizationReportExport")
        if not isinstance(export, dict):
            raise Unavailable(f"Pipefy says nothing about export {export_id}")
        state = _STATES.get(str(export.get("state")).lower(), ExportState.PROCESSING)
        url = export.get("fileURL")
        finished_at = instant_text(export.get("finishedAt"))
        if state is not ExportState.DONE:
            return ExportStatus(state, finished_at=finished_at)
        if not isinstance(url, str) or not url:  # the address can come later than the state
            return ExportStatus(ExportState.PROCESSING)
        return ExportStatus(state, Secret(url), finished_at)


def _export_variables(after: JSONObject, ids: Mapping[Address, str]) -> JSONObject:
    """The optional variables of an export; a reference becomes the number of its report."""
    names = ("pipeIds", "columns", "filter", "sortBy", "organizationReportId")
    variables: JSONObject = {name: after[name] for name in names if name in after}
    if "report" in after:
        address = Address.parse(after["report"]["ref"])
        if address not in ids:
            raise LookupError(f"{address} has no id yet, so an export cannot start from it")
        variables["organizationReportId"] = _number(address, ids[address])
    return variables


def _number(address: Address, object_id: str) -> int:
    number = report.normal_id(object_id)
    if not isinstance(number, int) or number > report.LARGEST_ID:
        raise LookupError(f"{address} has the id {object_id!r}, which an export cannot carry: it takes 32-bit numbers")
    return number
