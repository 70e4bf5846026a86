"""Reports as Blue keeps them: create, update, duplicate, delete, refresh, list.

A report is one document: its sources and shares go with it.  `sequence` orders changes within one
millisecond.  Everything here runs inside the transaction of its mutation: an error undoes all of it.
"""

from __future__ import annotations

import json
from typing import Any

from reconciler.sandbox.blue import scope
from reconciler.sandbox.blue.errors import bad_input, plain, refusal
from reconciler.sandbox.blue.session import Session
from reconciler.sandbox.blue.values import Doc, by_id_or_slug, instant, new_ids, page

MAX_SOURCES = 50
MAX_DESCRIPTION = 10_000
MAX_CONFIG = 102_400


def create(session: Session, given: Doc) -> Doc:
    """Create a report ('Create a Report'); config, shares and lastGeneratedAt start empty."""
    creator, company = session.caller(), session.organization()
    _refuse_without_plan(session)
    _check_description(given.get("description"))
    _check_title(session, company["id"], given["title"])
    report = {
        **_stamped(session),
        "title": given["title"],
        "description": given.get("description"),
        "config": None,
        "companyId": company["id"],
        "createdById": creator["id"],
        "lastGeneratedAt": None,
        "reportUsers": [],
    }
    failure = "Cannot create report: {}. Failed projects: {}"
    report["dataSources"] = _sources(session, report, given["dataSources"], failure)
    return _saved(session, report)


def update(session: Session, key: str, given: Doc) -> Doc:
    """Change what is given ('Manage Report Access'): lists are complete replacements, sources made afresh."""
    session.organization()
    report = scope.report(session, key, scope.may_modify)
    changed = report | _scalars(session, report, given)
    if given.get("dataSources") is not None:
        failure = "{}. Update aborted. Failed projects: {}"
        changed["dataSources"] = _sources(session, report, given["dataSources"], failure)
    if given.get("reportUsers") is not None:
        changed["reportUsers"] = _shares(session, report, given["reportUsers"])
    touched = changed != report or session.switches.get("noop_touches") == "on"
    return _saved(session, changed) if touched else report


def duplicate(session: Session, key: str, title: str | None) -> Doc:
    """Copy a visible report into a private one of the caller ('Duplicate & Delete a Report')."""
    original = scope.report(session, key, scope.may_view)
    title = f"Copy of {original['title']}" if title is None else title
    _check_title(session, original["companyId"], title)
    own = {"title": title, "createdById": session.caller()["id"], "lastGeneratedAt": None, "reportUsers": []}
    sources = [source | _stamped(session) for source in original["dataSources"]]
    return _saved(session, {**original, **_stamped(session), **own, "dataSources": sources})


def delete(session: Session, key: str) -> bool:
    """Remove a report for good, with its sources and shares."""
    report = scope.report(session, key, scope.is_creator)
    session.store.delete("blue_aggregation", report["id"])
    return session.store.delete("blue_report", report["id"])


def refresh(session: Session, key: str) -> Doc:
    """Drop the cached numbers and note when ('Report Data & Aggregations')."""
    session.organization()
    report = scope.report(session, key, scope.may_view)
    session.store.delete("blue_aggregation", report["id"])
    report["lastGeneratedAt"] = instant(session.now)
    if session.switches.get("refresh_touches") == "on":
        return _saved(session, report)
    session.store.put("blue_report", report["id"], report)
    return report


def listed(session: Session, given: Doc, skip: int | None, take: int | None) -> Doc:
    """Return a page of own and shared reports of an organization, last changed first ('Query Reports')."""
    caller = session.caller()
    company = by_id_or_slug(session.all("blue_company"), given["companyId"])
    if company is None or company["id"] not in caller["companyLevel"]:
        raise refusal("COMPANY_NOT_FOUND")
    admin = given.get("adminView") and caller["companyLevel"][company["id"]] in ("OWNER", "ADMIN")
    author = given.get("createdById")
    found = [
        report
        for report in session.store.all("blue_report")
        if report["companyId"] == company["id"]
        and (admin or scope.may_view(session, report))
        and author in (None, report["createdById"])
    ]
    found.sort(key=lambda report: (report["updatedAt"], report["sequence"]), reverse=True)
    skip, take = max(skip or 0, 0), 20 if take is None else max(take, 0)
    return {
        "items": page(found, skip, take),
        "totalCount": len(found),
        "hasNextPage": skip + take < len(found),
        "hasPreviousPage": skip > 0,
    }


def _saved(session: Session, report: Doc) -> Doc:
    report |= {"updatedAt": instant(session.now), "sequence": session.store.next("blue_sequence")}
    session.store.put("blue_report", report["id"], report)
    return report


def _stamped(session: Session) -> Doc:
    key, uid = new_ids(session.store, session.now)
    return {"id": key, "uid": uid, "createdAt": instant(session.now), "updatedAt": instant(session.now)}


def _scalars(session: Session, report: Doc, given: Doc) -> Doc:
    kept: Doc = {name: given[name] for name in ("title", "description", "config") if name in given}
    if session.switches.get("null_clears_blue") == "ignore":
        kept = {name: value for name, value in kept.items() if value is not None}
    if "title" in kept:
        if kept["title"] is None:
            raise bad_input("title cannot be null.", "title")
        _check_title(session, report["companyId"], kept["title"], besides=report["id"])
    _check_description(kept.get("description"))
    _check_config(kept.get("config"))
    return kept


def _sources(session: Session, report: Doc, given: list[Doc], failure: str) -> list[Doc]:
    if len(given) > MAX_SOURCES:
        raise plain(f"A report can have at most {MAX_SOURCES} data sources, {len(given)} were given")
    own = scope.reach(session, report["companyId"], report["createdById"])
    if session.switches.get("slug_project_ids") == "resolve":
        given = [source | {"projectIds": _ids(own, source.get("projectIds"))} for source in given]
    _backfill(session, own, given, failure)
    empty: Doc | None = {} if session.switches.get("filters_omitted") == "empty_object" else None
    sources = [
        {
            **_stamped(session),
            "name": source.get("name"),
            "sourceType": source.get("sourceType") or "TODOS",
            "projectIds": source.get("projectIds") or None,  # an empty list means every workspace too
            "filters": empty if source.get("filters") is None else source["filters"],
            "order": index if source.get("order") is None else source["order"],
        }
        for index, source in enumerate(given)
    ]
    return sorted(sources, key=lambda source: source["order"])


def _ids(own: list[Doc], keys: list[str] | None) -> list[str]:
    found = ((key, by_id_or_slug(own, key)) for key in keys or ())
    return [project["id"] if project else key for key, project in found]


def _backfill(session: Session, own: list[Doc], given: list[Doc], failure: str) -> None:
    if session.switches.get("unknown_project") == "accept":
        return
    named = list(dict.fromkeys(key for source in given for key in source.get("projectIds") or ()))
    known = {project["id"] for project in own}
    failed = [key for key in named if key not in known]
    if failed:
        counts = f"Failed to backfill {len(failed)} of {len(named)} projects"
        raise plain(failure.format(counts, ", ".join(failed)))


def _shares(session: Session, report: Doc, given: list[Doc]) -> list[Doc]:
    """Reconcile the share list: a collaborator who stays keeps id and createdAt, the creator is passed over."""
    roles = {share["userId"]: share["role"] for share in given}
    for user_id in roles:
        user = session.one("blue_user", user_id)
        if user is None or report["companyId"] not in user["companyLevel"]:
            raise refusal("USER_NOT_IN_COMPANY")
    roles.pop(report["createdById"], None)
    kept = [share for share in report["reportUsers"] if share["userId"] in roles]
    shares = [_regranted(session, share, roles.pop(share["userId"])) for share in kept]
    return shares + [{**_stamped(session), "userId": user_id, "role": role} for user_id, role in roles.items()]


def _regranted(session: Session, share: Doc, role: str) -> Doc:
    return share if share["role"] == role else share | {"role": role, "updatedAt": instant(session.now)}


def _check_title(session: Session, company_id: str, title: str, besides: str = "") -> None:
    if session.switches.get("duplicate_titles") == "accept":
        return
    for other in session.store.all("blue_report"):
        if other["companyId"] == company_id and other["title"] == title and other["id"] != besides:
            raise bad_input("A report with this title already exists.", "title")


def _check_description(text: str | None) -> None:
    length = len((text or "").encode("utf-16-le", "surrogatepass")) // 2  # as the service's own language counts
    if length > MAX_DESCRIPTION:
        raise plain(f"Description is too long ({length} characters), at most {MAX_DESCRIPTION} are allowed")


def _check_config(config: Any) -> None:
    size = len(json.dumps(config, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass"))
    if size > MAX_CONFIG:
        raise plain(f"Config size ({size} bytes) exceeds maximum of {MAX_CONFIG} bytes")


def _refuse_without_plan(session: Session) -> None:
    gate = session.switches.get("plan_gate")
    if gate == "missing_feature":
        raise refusal("PLAN_LIMIT_REACHED", kind="missing_feature", feature="FEATURE_REPORTS")
    if gate != "off":
        raise refusal(gate)
