"""The kind `pipefy/v1 Export`: rules and normal form of an organization report export."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from reconciler.model.diagnostic import Violation
from reconciler.model.lint import Rule
from reconciler.model.naming import Named, Names
from reconciler.model.values import Address, JSONObject, Reference, lookup
from reconciler.model.versions import Former
from reconciler.providers.pipefy import deadline, filters, names
from reconciler.providers.pipefy.report import check_ids, check_names, normal_id, normal_pipes, organization
from reconciler.providers.pipefy.rules import EXPORT_RULES
from reconciler.providers.values import blank, compact, unsendable, warning

if TYPE_CHECKING:
    from pydantic import BaseModel

_SWITCHES: Final = ("schedule", "runOnCreate", "deadline", "allowEmptyColumns")
"""Fields that say when a file is made and waited for, not what is in it."""

_ANY_CRON: Final = "0 0 * * *"

_NO_PIPES: Final = "what an empty list of pipes means is not documented"


class ExportKind:
    """An organization report export; see `reconciler.model.ports.Kind` for what each method promises."""

    api_version = "pipefy/v1"
    kind = "Export"
    provider = "pipefy"
    title = ""
    former: Sequence[Former] = ()
    rules: Sequence[Rule] = EXPORT_RULES

    def __init__(self, check_schedule: Callable[[str, str], str]) -> None:
        self._check_schedule = check_schedule

    def model(self) -> type[BaseModel]:
        from reconciler.providers.pipefy.models import Export

        return Export

    def check(self, spec: JSONObject) -> Sequence[Violation]:
        found = [*unsendable(spec), *check_ids(spec), *names.check(spec, _NO_PIPES), *check_names(spec, "columns")]
        found.extend(_check_scope(spec))
        if spec.get("filter") is not None:
            found.extend(filters.check(spec["filter"], ("filter",)))
        if spec.get("sortBy") is not None and not spec["sortBy"]["field"].strip():
            found.append(blank(("sortBy", "field"), "the column to sort by"))
        return [*found, *deadline.check(spec), *self._check_schedule_of(spec)]

    def named(self, spec: JSONObject) -> Sequence[Named]:
        return tuple(names.named(spec))

    def resolved(self, spec: JSONObject, known: Names) -> JSONObject:
        return names.resolved(spec, known)

    def normalise(self, spec: JSONObject) -> JSONObject:
        sort, report = spec.get("sortBy"), spec.get("report")
        return compact(
            {
                "pipeIds": normal_pipes(spec) if names.given(spec) else None,
                "columns": spec.get("columns") or None,
                "filter": filters.normalise(spec.get("filter")),
                "sortBy": None if sort is None else compact(sort),
                "organizationReportId": normal_id(spec.get("organizationReportId")),
                "report": None if report is None else {"ref": report["ref"]},
                "schedule": _normal_schedule(spec),
                "runOnCreate": spec.get("runOnCreate") or None,
                "deadline": deadline.seconds(spec.get("deadline")),
                "allowEmptyColumns": spec.get("allowEmptyColumns") or None,
            }
        )

    def creation(self, spec: JSONObject) -> JSONObject:
        return spec

    def content(self, spec: JSONObject) -> JSONObject:
        return {key: value for key, value in spec.items() if key not in _SWITCHES}

    def references(self, spec: JSONObject) -> Sequence[Reference]:
        target = _target(spec)
        return () if target is None else (Reference(("report",), target),)

    def widens(self, before: JSONObject, after: JSONObject) -> Sequence[str]:
        found = []
        if "pipeIds" in before and "pipeIds" not in after:
            saved = "report" in after or "organizationReportId" in after
            reach = "whatever pipes its report covers" if saved else "every pipe that can be reached"
            found.append(f"it covers {reach} instead of {len(before['pipeIds'])}")
        if "filter" in before and "filter" not in after:
            found.append("the filter is removed")
        return found

    def organization(self, spec: JSONObject) -> str:
        return organization(spec)

    def mentions(self, spec: JSONObject) -> Mapping[str, Collection[str]]:
        report = spec.get("organizationReportId")
        return {
            "pipe": set(map(str, names.ids(spec))),
            "report": set() if report is None else {str(report)},
        }

    def _check_schedule_of(self, spec: JSONObject) -> Iterator[Violation]:
        schedule = _normal_schedule(spec)
        if schedule is None:
            if spec.get("runOnCreate"):
                yield Violation(
                    ("runOnCreate",),
                    "run-on-create",
                    "runOnCreate needs a schedule; an export without one is due at once anyway",
                    "remove it or add a schedule",
                )
        elif problem := self._check_schedule(schedule["cron"], schedule["timezone"]):
            zone = self._check_schedule(_ANY_CRON, schedule["timezone"])
            parts = {
                "cron": self._check_schedule(schedule["cron"], "UTC" if zone else schedule["timezone"]),
                "timezone": zone,
            }
            wrong = {key: each for key, each in parts.items() if each} or {"cron": problem}
            for key, each in wrong.items():
                path = ("schedule", key) if isinstance(spec["schedule"], dict) else ("schedule",)
                yield Violation(path, "bad-schedule", each)


def _check_scope(spec: JSONObject) -> Iterator[Violation]:
    """What a file would hold ('Export Organization Report', column selection)."""
    declared = spec.get("report") is not None
    saved = declared or spec.get("organizationReportId") is not None
    if declared and spec.get("organizationReportId") is not None:
        yield Violation(("report",), "two-reports", "report and organizationReportId exclude each other", "keep one")
    if declared and _target(spec) is None:
        yield Violation(
            ("report", "ref"),
            "bad-reference",
            f"{lookup(spec, ('report', 'ref'))!r} is not the address of a saved report",
            "write pipefy/report/<name>",
        )
    if not spec.get("columns"):
        if not saved and not spec.get("allowEmptyColumns"):
            yield Violation(
                ("columns",) if "columns" in spec else (),
                "empty-columns",
                "an export with neither columns nor a report makes a file without any column",
                "list columns, name a report, or set allowEmptyColumns: true",
            )
        elif saved and spec.get("columns") == []:
            yield warning(("columns",), "every-column", "an empty list means all columns of the report")


def _normal_schedule(spec: JSONObject) -> JSONObject | None:
    schedule = spec.get("schedule")
    if schedule is None:
        return None
    declared = {"cron": schedule} if isinstance(schedule, str) else schedule
    return {"cron": " ".join(declared["cron"].split()), "timezone": declared.get("timezone") or "UTC"}


def _target(spec: JSONObject) -> Address | None:
    """The address in `report.ref`, None when it is not that of a saved report."""
    ref = lookup(spec, ("report", "ref"))
    if not isinstance(ref, str):
        return None
    try:
        address = Address.parse(ref)
    except ValueError:
        return None
    return address if (address.provider, address.kind) == ("pipefy", "report") else None
