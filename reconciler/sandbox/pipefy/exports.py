"""Exports: starting them, and how far they are by the clock.

Page 'Export Organization Report' and, for pipes, 'Pipe Reports' and 'Get Reports'.  An export is a
document with the instants at which it starts and ends; its state follows from them and the clock, so
every process sees the same.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Final

from reconciler.model.values import JSONObject
from reconciler.sandbox import outbox
from reconciler.sandbox.context import Context, ServiceError
from reconciler.sandbox.pipefy import cards, files, identity, reports
from reconciler.sandbox.world_pipefy import stamp

ORGANIZATION: Final = "pipefy_export"
PIPE: Final = "pipefy_pipe_export"
_DAY: Final = timedelta(hours=24)
_SAVED: Final = (("columns", "fields"), ("filter", "filter"), ("sortBy", "sortBy"))


def resolve_start_organization(context: Context, given: JSONObject) -> JSONObject:
    """Mutation.exportOrganizationReport."""
    organization = identity.organization(context, given["organizationId"])
    report = None
    if given.get("organizationReportId") is not None:
        report = reports.organization_report(context, given["organizationReportId"])
        if report["organizationId"] != organization["id"]:
            raise identity.denied(context, "OrganizationReport", report["id"])
    settled = _settle(context, given, report)
    if not given.get("columns") and context.switches.get("report_columns") == "all":
        settled.pop("columns", None)
    pipes = _scope(context, organization["id"], given, report)
    chosen = _columns(context, pipes, settled, report)
    _spend(context, f"organization/{organization['id']}", context.switches.get("quota_organization"))
    based = {"id": str(uuid.uuid4()), **_based_on(organization, report)}
    doc = _put(context, ORGANIZATION, based | _content(pipes, chosen, settled))
    return {"clientMutationId": given.get("clientMutationId"), "organizationReportExport": doc}


def _settle(context: Context, given: JSONObject, report: JSONObject | None) -> JSONObject:
    """Return columns, filter and sortBy as they apply: given, saved, or by the switch where both are."""
    cards.check(given.get("filter"), context)
    saved = {key: report[kept] for key, kept in _SAVED if report[kept]} if report else {}
    own = {key: given[key] for key, _ in _SAVED if given.get(key)}
    return own | saved if context.switches.get("precedence") == "saved_report" else saved | own


def _columns(
    context: Context, pipes: Sequence[JSONObject], settled: JSONObject, report: JSONObject | None
) -> Sequence[cards.Column]:
    """Named columns; else, with a saved report, all there are, its own first; else none."""
    if names := settled.get("columns"):
        return cards.choose(names, pipes, context)
    if report is None:
        return ()
    first = cards.choose(report["fields"] or (), pipes, context)
    return [*first, *(column for column in cards.columns(pipes) if column.key not in {own.key for own in first})]


def _scope(context: Context, organization: str, given: JSONObject, report: JSONObject | None) -> Sequence[JSONObject]:
    keys = given.get("pipeIds")
    if keys == [] and context.switches.get("empty_pipe_ids") == "error":
        raise ServiceError("INVALID_INPUT", "pipeIds cannot be empty")
    pipes = identity.pipes(context, organization, keys or ())
    saved_wins = context.switches.get("precedence") == "saved_report" and report and report["pipeIds"]
    if keys and not saved_wins:
        return pipes
    return reports.scope(context, report) if report else identity.reachable(context, organization)


def resolve_start_pipe(context: Context, given: JSONObject) -> JSONObject:
    """Mutation.exportPipeReport."""
    pipe = identity.pipe(context, given["pipeId"])
    report = reports.pipe_report(context, given["pipeReportId"])
    if report["pipeId"] != pipe["id"]:
        raise identity.denied(context, "PipeReport", report["id"])
    settled = _settle(context, given, report)
    chosen = _columns(context, [pipe], settled, report)
    _spend(context, f"pipe/{pipe['id']}", context.switches.get("quota_per_pipe"))
    organization = context.store.get("pipefy_organization", pipe["organizationId"]) or {}
    based = {"id": str(700000000 + context.store.next("pipefy_pipe_export")), **_based_on(organization, report)}
    doc = _put(context, PIPE, based | _content([pipe], chosen, settled))
    return {"clientMutationId": given.get("clientMutationId"), "pipeReportExport": doc}


def _spend(context: Context, whose: str, limit: int | None) -> None:
    """Count an export against a quota: at the limit it takes 24 h from the last request ('Pipe Reports')."""
    if limit is None:
        return
    now = context.clock()
    doc = context.store.get("pipefy_quota", whose) or {"times": [], "until": None}
    blocked = doc["until"] is not None and now < datetime.fromisoformat(doc["until"])
    if blocked:
        if context.switches.get("quota_refused") == "extends":
            context.store.put("pipefy_quota", whose, {**doc, "until": (now + _DAY).isoformat()})
        code = "USAGE_LIMIT_EXCEEDED" if context.switches.get("quota_error") == "code" else None
        raise ServiceError(code, f"The limit of {limit} exports in 24 hours is reached", keep_changes=True)
    times = [] if doc["until"] else [time for time in doc["times"] if datetime.fromisoformat(time) > now - _DAY]
    times.append(now.isoformat())
    until = (now + _DAY).isoformat() if len(times) >= limit else None
    context.store.put("pipefy_quota", whose, {"times": times, "until": until})


def _content(pipes: Sequence[JSONObject], chosen: Sequence[cards.Column], settled: JSONObject) -> JSONObject:
    return {
        "pipeIds": [pipe["id"] for pipe in pipes],
        "columns": [asdict(column) for column in chosen],
        "filter": settled.get("filter"),
        "sortBy": settled.get("sortBy"),
    }


def _based_on(organization: JSONObject, report: JSONObject | None) -> JSONObject:
    return {
        "organizationId": organization["id"],
        "organizationUuid": organization["uuid"],
        "reportId": report["id"] if report else None,
        "reportName": report["name"] if report else None,
    }


def _put(context: Context, collection: str, based: JSONObject) -> JSONObject:
    plan, user = context.switches.get("export_plan"), identity.caller(context)
    begin = context.clock().astimezone(UTC) + timedelta(seconds=plan.queued)
    end = begin + timedelta(seconds=plan.processing)
    times = {"outcome": plan.outcome, "begin": begin.isoformat(), "end": end.isoformat()}
    doc = based | times | {"userId": user["id"]}
    context.store.put(collection, doc["id"], doc)
    name = doc["reportName"] or "organization report"
    if plan.outcome == "done":
        text = "Your report is ready. Sign in to download it."
        outbox.send(
            context.store, to=user["email"], subject=f"{name} is ready", body=text, moment=end, service="pipefy"
        )
    elif plan.outcome == "fail" and context.switches.get("failure_mail") == "on":
        text = "Your report could not be made."
        outbox.send(context.store, to=user["email"], subject=f"{name} failed", body=text, moment=end, service="pipefy")
    return doc


def resolve_organization_export(context: Context, given: JSONObject) -> JSONObject:
    """Query.organizationReportExport."""
    return _visible(context, ORGANIZATION, given["id"])


def resolve_pipe_export(context: Context, given: JSONObject) -> JSONObject:
    """Query.pipeReportExport."""
    return _visible(context, PIPE, given["id"])


def _visible(context: Context, collection: str, key: str) -> JSONObject:
    doc, user = context.store.get(collection, key), identity.caller(context)
    if doc is None or doc["organizationId"] not in user["roles"]:
        raise identity.denied(context, "Export", key)
    if context.switches.get("export_visibility") == "requester" and doc["userId"] != user["id"]:
        raise identity.denied(context, "Export", key)
    return doc


def _ended(doc: JSONObject, context: Context) -> bool:
    return doc["outcome"] != "stuck" and context.clock() >= datetime.fromisoformat(doc["end"])


def resolve_state(doc: JSONObject, context: Context) -> str:
    """The state by the clock."""
    if not _ended(doc, context):
        return "processing"
    return "done" if doc["outcome"] == "done" else "failed"


def resolve_started_at(doc: JSONObject, context: Context) -> str | None:
    """Null while queued."""
    begin = datetime.fromisoformat(doc["begin"])
    return stamp(begin) if context.clock() >= begin else None


def resolve_finished_at(doc: JSONObject, context: Context) -> str | None:
    """Null until it has ended; after a failure by switch."""
    if not _ended(doc, context):
        return None
    if doc["outcome"] == "fail" and context.switches.get("finished_at_on_failure") == "null":
        return None
    return stamp(datetime.fromisoformat(doc["end"]))


def resolve_file_url(doc: JSONObject, context: Context) -> str | None:
    """A freshly signed address once there is a file."""
    done = _ended(doc, context) and doc["outcome"] == "done"
    return files.address(context, doc) if done else None


def resolve_requested_by(doc: JSONObject, context: Context) -> JSONObject | None:
    """Who started it."""
    user: JSONObject | None = context.store.get("pipefy_user", doc["userId"])
    return user


def resolve_organization_export_report(doc: JSONObject, context: Context) -> JSONObject | None:
    """The saved report, null when there was none or it is gone."""
    report: JSONObject | None = context.store.get(reports.ORGANIZATION, doc["reportId"] or "")
    return report


def resolve_pipe_export_report(doc: JSONObject, context: Context) -> JSONObject | None:
    """The saved report, null when it is gone."""
    report: JSONObject | None = context.store.get(reports.PIPE, doc["reportId"] or "")
    return report
