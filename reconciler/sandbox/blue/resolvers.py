"""Which function answers which field; whatever is not here is read off the document by name."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any, TypeAlias

from reconciler.sandbox.blue import exports, lookups, records, reports, scope
from reconciler.sandbox.blue.session import Session
from reconciler.sandbox.blue.values import Doc

Resolver: TypeAlias = Callable[[Session, Any, Doc], Any]
"""Called with the session, the parent document and the arguments by their names in the SDL."""


def _one(collection: str, key: str) -> Resolver:
    return lambda session, parent, given: session.one(collection, parent.get(key))


def _many(collection: str, key: str) -> Resolver:
    return lambda session, parent, given: [session.one(collection, key) for key in parent[key]]


def _company(session: Session, _: Any, given: Doc) -> Doc:
    return lookups.company(session, given.get("id"))


def _project(session: Session, _: Any, given: Doc) -> Doc:
    return lookups.project(session, given.get("id"))


def _projects(session: Session, _: Any, given: Doc) -> Doc:
    return lookups.projects(session, given["filter"], given.get("sort") or (), given.get("skip"), given.get("take"))


def _company_people(session: Session, _: Any, given: Doc) -> Doc:
    return lookups.company_people(
        session, given["companyId"], given.get("search"), given.get("skip"), given.get("notInProjectId")
    )


def _project_people(session: Session, _: Any, given: Doc) -> Doc:
    return lookups.project_people(session, given["projectId"], given.get("search"), given.get("skip"))


def _todos(session: Session, report: Doc, given: Doc) -> list[Doc]:
    sort, limit, skip = given.get("sort") or (), given.get("limit"), given.get("skip")
    return records.todos(session, report, given.get("filter"), sort=sort, limit=limit, skip=skip)


def _sources(session: Session, report: Doc, given: Doc) -> list[Doc]:
    return [source | {"report": report} for source in report["dataSources"]]


_QUERY: dict[str, Resolver] = {
    "report": lambda session, _, given: scope.report(session, given["id"], scope.may_view),
    "reports": lambda session, _, given: reports.listed(session, given["filter"], given.get("skip"), given.get("take")),
    "currentUser": lambda session, _, given: session.caller(),
    "company": _company,
    "organization": _company,
    "project": _project,
    "workspace": _project,
    "projectList": _projects,
    "workspaceList": _projects,
    "companyUserList": _company_people,
    "organizationUserList": _company_people,
    "projectUserList": _project_people,
    "user": lambda session, _, given: lookups.user(session, given["id"]),
    "isCompanySlugAvailable": lambda session, _, given: lookups.is_free(session, "blue_company", given["slug"]),
    "isProjectSlugAvailable": lambda session, _, given: lookups.is_free(session, "blue_project", given["slug"]),
}
_MUTATION: dict[str, Resolver] = {
    "createReport": lambda session, _, given: reports.create(session, given["input"]),
    "updateReport": lambda session, _, given: reports.update(session, given["id"], given["input"]),
    "deleteReport": lambda session, _, given: reports.delete(session, given["id"]),
    "duplicateReport": lambda session, _, given: reports.duplicate(
        session, given["id"], (given.get("input") or {}).get("title")
    ),
    "refreshReportAggregations": lambda session, _, given: reports.refresh(session, given["reportId"]),
    "exportReport": lambda session, _, given: exports.export(session, given["input"]["reportId"]),
}
_REPORT: dict[str, Resolver] = {
    "company": _one("blue_company", "companyId"),
    "createdBy": _one("blue_user", "createdById"),
    "dataSources": _sources,
    "projectIds": lambda session, report, given: scope.union(session, report),
    "aggregations": lambda session, report, given: records.aggregations(
        session, report, given["fields"], given.get("filter")
    ),
    "todos": _todos,
    "todoCount": lambda session, report, given: records.count(session, report, given.get("filter")),
}
_COMPANY: dict[str, Resolver] = {
    "owner": _one("blue_user", "ownerId"),
    "accessLevel": lambda session, company, _: (
        lookups.company_level(session, session.caller(), company["id"]) or "VIEW_ONLY"  # a guest of one workspace
    ),
    "projectsCount": lookups.projects_count,
}
_PROJECT: dict[str, Resolver] = {
    "company": _one("blue_company", "companyId"),
    "accessLevel": lambda session, project, given: lookups.project_level(
        session, session.one("blue_user", given["userId"]) if given.get("userId") else session.caller(), project["id"]
    ),
}
_USER: dict[str, Resolver] = {
    "email": lambda session, user, _: lookups.email(session, user),
    "companyLevel": lambda session, user, given: lookups.company_level(session, user, given.get("companyId")),
    "projectLevel": lambda session, user, given: lookups.project_level(session, user, given.get("projectId")),
}
_TODO: dict[str, Resolver] = {
    "html": lambda session, todo, _: f"<p>{escape(todo['text'])}</p>" if todo["text"] else "",
    "todoList": _one("blue_list", "todoListId"),
    "users": _many("blue_user", "assigneeIds"),
    "tags": _many("blue_tag", "tagIds"),
    "createdBy": _one("blue_user", "createdById"),
}
RESOLVERS: dict[str, dict[str, Resolver]] = {
    "Query": _QUERY,
    "Mutation": _MUTATION,
    "Report": _REPORT,
    "ReportDataSource": {
        "projects": lambda session, source, _: scope.workspaces(session, source["report"], source),
    },
    "ReportUser": {"user": _one("blue_user", "userId")},
    "Company": _COMPANY,
    "Organization": _COMPANY,
    "Project": _PROJECT,
    "Workspace": _PROJECT | {"organization": _PROJECT["company"]},
    "User": _USER,
    "Todo": _TODO,
    "TodoList": {"project": _one("blue_project", "projectId")},
}
