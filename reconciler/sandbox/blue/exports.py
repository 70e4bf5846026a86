"""The CSV of a report, mailed to whoever asked for it ('Export a Report', 'Rate Limits')."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

from reconciler.sandbox import outbox
from reconciler.sandbox.blue import records, scope
from reconciler.sandbox.blue.errors import plain, refusal
from reconciler.sandbox.blue.filters import Record
from reconciler.sandbox.blue.session import Session
from reconciler.sandbox.blue.values import Doc, instant, moment

_PAUSE = timedelta(seconds=50)
_COLUMNS = ("Title", "List", "Assignees", "Tags", "Start date", "Due date", "Done", "Description", "Project")


def export(session: Session, report_id: str) -> bool:
    """Queue an export; in the sandbox the mail is in the outbox at once.

    Only calls that succeed count for the throttle of one in 50 seconds, per user.
    """
    caller = session.caller()
    _refuse_throttled(session, caller)
    report = scope.report(session, report_id, scope.may_export)
    _refuse_without_right(session, report)
    project_ids = scope.union(session, report)
    if project_ids:
        _mail(session, caller, report, _csv(session, report, project_ids))
    elif session.switches.get("export_empty_error") == "caller":
        raise plain("No valid projects found in report data sources")
    session.store.put("blue_throttle", caller["id"], {"at": instant(session.now)})
    return True


def merged(sources: list[Doc]) -> Doc:
    """Merge the filters of all sources into one; the first source to set a key wins."""
    result: Doc = {}
    for source in sources:
        result = (source["filters"] or {}) | result
    return result


def _refuse_throttled(session: Session, caller: Doc) -> None:
    last = session.store.get("blue_throttle", caller["id"])
    if last and session.switches.get("export_throttle") == "on" and session.now - moment(last["at"]) < _PAUSE:
        raise refusal("RATE_LIMITED")


def _refuse_without_right(session: Session, report: Doc) -> None:
    gate = session.switches.get("plan_gate")
    if gate != "off":
        raise refusal("PRO_REQUIRED" if gate == "PRO_REQUIRED" else "FORBIDDEN")
    if session.switches.get("export_access") == "member_and_plan":
        company = session.one("blue_company", report["companyId"]) or {}
        level = session.caller()["companyLevel"].get(report["companyId"])
        if level not in ("OWNER", "ADMIN", "MEMBER") or company.get("plan") not in ("pro", "enterprise"):
            raise refusal("FORBIDDEN")


def _csv(session: Session, report: Doc, project_ids: list[str]) -> str:
    """Render the records of the union of workspaces under the merged filter; no page lists the columns."""
    found = records.filtered(session, project_ids, merged(report["dataSources"]))
    people = {user["id"]: user["fullName"] for user in session.all("blue_user")}
    names = {field["id"]: field["name"] for field in session.all("blue_field")}
    named = [{names.get(key, key): value for key, value in _custom(record).items()} for record in found]
    fields = list(dict.fromkeys(name for each in named for name in each))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*_COLUMNS, *fields])
    for record, custom in zip(found, named, strict=True):
        todo = record.todo
        row = [
            todo["title"],
            record.todo_list["title"],
            [people[key] for key in todo["assigneeIds"]],
            [tag["title"] for tag in record.tags],
            todo.get("startedAt"),
            todo.get("duedAt"),
            todo["done"],
            todo.get("text"),
            record.project["name"],
        ]
        writer.writerow([_cell(value) for value in (*row, *(custom.get(name) for name in fields))])
    return text.getvalue()


def _custom(record: Record) -> Doc:
    values: Doc = record.todo.get("customFields", {})
    return values


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return "" if value is None else str(value)


def _mail(session: Session, caller: Doc, report: Doc, content: str) -> None:
    name = "".join(each if each.isalnum() else "-" for each in report["title"]).strip("-") or "report"
    outbox.send(
        session.store,
        to=caller["email"],
        subject=f"Your export of {report['title']} is ready",
        body=f"The report {report['title']} is attached as {name}.csv.",
        moment=session.now,
        service="blue",
        attachmentName=f"{name}.csv",
        content=content,
    )
