"""What a report shows: its records and the numbers over them ('Report Data & Aggregations')."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from reconciler.sandbox.blue import filters, scope
from reconciler.sandbox.blue.filters import Record
from reconciler.sandbox.blue.session import Session
from reconciler.sandbox.blue.values import Doc, page

MAX_PAGE = 5000
_BUCKET = 300
_NAMES = {"timeTracking.totalDuration": "Time tracking"}


def todos(
    session: Session, report: Doc, extra: Doc | None, *, sort: Sequence[str], limit: int | None, skip: int | None
) -> list[Doc]:
    """Return a page of a report's records; the limit is 100 unless told and is cut to 5000."""
    session.organization()
    found = ordered(session, selected(session, report, extra), sort)
    return [record.todo for record in page(found, skip, min(100 if limit is None else limit, MAX_PAGE))]


def count(session: Session, report: Doc, extra: Doc | None) -> int:
    """Return the number of a report's records."""
    session.organization()
    return len(selected(session, report, extra))


def selected(session: Session, report: Doc, extra: Doc | None) -> list[Record]:
    """Return the records of all sources, each once: a source's own filter and the extra one on top of it."""
    also = {key: value for key, value in (extra or {}).items() if key != "projectIds"}
    found: dict[str, Record] = {}
    for source in report["dataSources"]:
        inside = {project["id"] for project in scope.workspaces(session, report, source)}
        for record in _all(session, inside):
            if record.todo["id"] not in found and _passes(record, source["filters"] or {}, also):
                found[record.todo["id"]] = record
    return list(found.values())


def filtered(session: Session, project_ids: Iterable[str], given: Doc) -> list[Record]:
    """Return the records of some workspaces that pass one filter."""
    return [record for record in _all(session, set(project_ids)) if _passes(record, given)]


def _passes(record: Record, *given: Doc) -> bool:
    return filters.is_listed(record, *given) and all(filters.matches(record, each) for each in given)


def _all(session: Session, project_ids: set[str]) -> list[Record]:
    projects = {each["id"]: each for each in session.all("blue_project")}
    lists = {each["id"]: each for each in session.all("blue_list")}
    tags = {each["id"]: each for each in session.all("blue_tag")}
    return [
        Record(todo, lists[todo["todoListId"]], projects[todo["projectId"]], [tags[key] for key in todo["tagIds"]])
        for todo in session.all("blue_todo")
        if todo["projectId"] in project_ids
    ]


def ordered(session: Session, records: list[Record], sort: Sequence[str]) -> list[Record]:
    """Sort by several keys, the first one strongest; records without a value come last.

    Keys about things that the sandbox's records do not have (checklists, a custom field that no
    argument names) leave the order as it is.
    """
    people = {user["id"]: user["firstName"].casefold() for user in session.all("blue_user")}
    keys = _KEYS | {
        "assignees": lambda record: min((people[key] for key in record.todo["assigneeIds"]), default=None),
        "createdBy": lambda record: people.get(record.todo.get("createdById")),
    }
    for spelling in reversed(sort):
        name, _, direction = spelling.rpartition("_")
        if name in keys:
            records = _sorted(records, keys[name], descending=direction == "DESC")
    return records


def _sorted(records: list[Record], key: Callable[[Record], Any], *, descending: bool) -> list[Record]:
    present = [record for record in records if key(record) is not None]
    absent = [record for record in records if key(record) is None]
    return sorted(present, key=key, reverse=descending) + absent


def _plain(name: str) -> Callable[[Record], Any]:
    return lambda record: record.todo.get(name)


_KEYS: dict[str, Callable[[Record], Any]] = {
    **{name: _plain(name) for name in ("id", "createdAt", "updatedAt", "startedAt", "duedAt", "completedAt")},
    **{name: _plain(name) for name in ("archivedAt", "position")},
    "title": lambda record: record.todo["title"].casefold(),
    "todoListPosition": lambda record: record.todo_list.get("position"),
    "todoListTitle": lambda record: record.todo_list["title"].casefold(),
    "projectName": lambda record: record.project["name"].casefold(),
    "todoTags": lambda record: min((tag["title"].casefold() for tag in record.tags), default=None),
}


def aggregations(session: Session, report: Doc, fields: Sequence[Doc], extra: Doc | None) -> list[Doc]:
    """Return sum, mean, least, largest and count for every field asked for, kept for 5-minute buckets."""
    session.organization()
    if not report["dataSources"]:
        return []
    bucket = int(session.now.timestamp()) // _BUCKET
    key = json.dumps([fields, extra, report["dataSources"]], sort_keys=True)
    with session.store.transaction():
        kept = session.store.get("blue_aggregation", report["id"]) or {}
        results = kept["results"] if kept.get("bucket") == bucket else {}
        if key not in results:
            records = selected(session, report, extra)
            results[key] = [_aggregated(session, records, field) for field in fields]
            session.store.put("blue_aggregation", report["id"], {"bucket": bucket, "results": results})
    found: list[Doc] = results[key]
    return found


def _aggregated(session: Session, records: list[Record], asked: Doc) -> Doc:
    field = asked["field"]
    names = asked.get("originalIds") or [] if field.startswith("merged_") else [field]
    values = [value for record in records if (value := _number(record.todo, names)) is not None]
    custom = session.one("blue_field", field)
    return {
        "field": field,
        "fieldName": custom["name"] if custom else _NAMES.get(field),
        "fieldType": asked.get("fieldType"),
        "sum": sum(values) if values else None,
        "avg": sum(values) / len(values) if values else None,
        "min": min(values, default=None),
        "max": max(values, default=None),
        "count": len(values),
    }


def _number(todo: Doc, names: Sequence[str]) -> float | None:
    """Return the first number found, so that a record counts once however many fields are merged."""
    values = (_value(todo, name) for name in names)
    return next((each for each in values if isinstance(each, int | float) and not isinstance(each, bool)), None)


def _value(todo: Doc, name: str) -> Any:
    if name in todo.get("customFields", {}):
        return todo["customFields"][name]
    value: Any = todo
    for step in name.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value
