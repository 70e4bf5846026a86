"""Who may do what with a report, and which workspaces a report comes to."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.sandbox.blue.errors import refusal
from reconciler.sandbox.blue.session import Session
from reconciler.sandbox.blue.values import Doc

Tier = Callable[[Session, Doc], bool]


def is_creator(session: Session, report: Doc) -> bool:
    """Delete tier ('Duplicate & Delete a Report')."""
    return bool(report["createdById"] == session.caller()["id"])


def may_view(session: Session, report: Doc) -> bool:
    """View tier: the creator and every collaborator ('Manage Report Access')."""
    return is_creator(session, report) or _role(session, report) is not None


def may_modify(session: Session, report: Doc) -> bool:
    """Modify tier: the creator and editors."""
    return is_creator(session, report) or _role(session, report) == "EDITOR"


def may_export(session: Session, report: Doc) -> bool:
    """Export tier, the widest: also every member of the organization ('Export a Report')."""
    return may_view(session, report) or report["companyId"] in session.caller()["companyLevel"]


def _role(session: Session, report: Doc) -> str | None:
    shares = (share for share in report["reportUsers"] if share["userId"] == session.caller()["id"])
    return next((share["role"] for share in shares), None)


def report(session: Session, key: str, tier: Tier) -> Doc:
    """Return a report; one that is missing and one out of reach are the same REPORT_NOT_FOUND."""
    session.caller()
    found = session.store.get("blue_report", key) if key.isascii() else None  # half a character cannot be looked up
    if found is None or not tier(session, found):
        raise refusal("REPORT_NOT_FOUND")
    return found


def reach(session: Session, company_id: str, user_id: str) -> list[Doc]:
    """Return the workspaces of an organization that a user has joined, archived ones too."""
    projects = session.all("blue_project")
    return [each for each in projects if each["companyId"] == company_id and user_id in each["memberIds"]]


def workspaces(session: Session, report: Doc, source: Doc) -> list[Doc]:
    """Return what one source comes to with the creator's rights, archived ones left out, sorted by name."""
    wanted = source["projectIds"]
    active = [each for each in reach(session, report["companyId"], report["createdById"]) if not each["archived"]]
    return sorted((each for each in active if wanted is None or each["id"] in wanted), key=lambda each: each["name"])


def union(session: Session, report: Doc) -> list[str]:
    """Return the ids of all workspaces of all sources: `Report.projectIds` ('Query Reports')."""
    found = [each["id"] for source in report["dataSources"] for each in workspaces(session, report, source)]
    return list(dict.fromkeys(found))
