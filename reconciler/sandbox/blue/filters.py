"""Which records a filter lets through ('List Records', 'Create a Report').

A filter is a JSON object.  Keys that are not known, null and empty lists restrict nothing; a value of
the wrong type is an error when the filter is used, since nothing checks it when it is written.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.sandbox.blue.errors import plain
from reconciler.sandbox.blue.values import Doc, moment


@dataclass(frozen=True, slots=True)
class Record:
    """A record with what it hangs on."""

    todo: Doc
    todo_list: Doc
    project: Doc
    tags: Sequence[Doc]


Condition = Callable[[Record, Any], bool]


def matches(record: Record, given: Doc) -> bool:
    """Whether a record passes a filter; its `archived` is a matter of `is_listed`."""
    try:
        return _passes(record, given)
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise plain("Invalid filter") from error


def _passes(record: Record, given: Doc) -> bool:
    if given.get("groups"):
        return _linked(record, given["groups"], given.get("groupLinks") or [])
    return all(_flat(record, given, _FLAT)) and _joined(given.get("op"), _fields(record, given))


def is_listed(record: Record, *given: Doc) -> bool:
    """Whether the `archived` keys let a record through: active ones only unless one of them says otherwise."""
    asked = [each["archived"] for each in given if each.get("archived") is not None and not each.get("groups")]
    return all(bool(record.todo.get("archived")) == wanted for wanted in asked or [False])


def _linked(record: Record, groups: list[Doc], links: list[str]) -> bool:
    """Join neighbouring groups from left to right; the last link repeats, AND where there is none."""
    result = _group(record, groups[0])
    for index, group in enumerate(groups[1:]):
        link = links[min(index, len(links) - 1)] if links else "AND"
        passed = _group(record, group)
        result = (result or passed) if link == "OR" else (result and passed)
    return result


def _group(record: Record, group: Doc) -> bool:
    return _joined(
        group.get("op"), [*_flat(record, group, _GROUP), *_fields(record, group), *_updated_by(record, group)]
    )


def _joined(op: str | None, results: Iterable[bool]) -> bool:
    results = list(results)
    return any(results) if op == "OR" and results else all(results)


def _flat(record: Record, given: Doc, known: dict[str, Condition]) -> Iterator[bool]:
    for key, wanted in given.items():
        if key in known and wanted is not None and wanted != []:
            yield known[key](record, wanted)
    if given.get("recordName"):
        yield compare(given.get("recordNameOp") or "CONTAINS", record.todo["title"], [given["recordName"]])


def _fields(record: Record, given: Doc) -> Iterator[bool]:
    """Judge custom fields; entries without a type are dropped silently, as are types no page describes."""
    for entry in given.get("fields") or ():
        if (
            isinstance(entry, dict)
            and entry.get("type") == "CUSTOM_FIELD"
            and entry.get("customFieldType") not in _OPAQUE
        ):
            value = record.todo.get("customFields", {}).get(entry.get("customFieldId"))
            wanted = entry.get("values")
            yield compare(entry.get("op") or "IS", value, wanted if isinstance(wanted, list) else [wanted])


def _updated_by(record: Record, group: Doc) -> Iterator[bool]:
    """The three keys about the last change are one condition, joined with OR."""
    asked = [(key, group[name]) for name, key in _ACTORS.items() if group.get(name)]
    if asked:
        yield any(record.todo.get(key) in wanted for key, wanted in asked)


_ACTORS = {
    "lastUpdatedByUserIds": "updatedById",
    "lastUpdatedByAutomationIds": "updatedByAutomationId",
    "lastUpdatedByActorTypes": "updatedByActorType",
}
_OPAQUE = frozenset({"LOCATION", "FILE", "TIME_DURATION", "BUTTON", "CURRENCY_CONVERSION", "REFERENCED_BY"})


def compare(op: str, value: Any, wanted: Sequence[Any]) -> bool:
    """Compare a value (or any of a list of values) with wanted ones by one of the twelve operators.

    No value, or an empty list, equals null only, contains nothing and is neither more nor less than anything.
    """
    if op in _NEGATIONS:
        return not compare(_NEGATIONS[op], value, wanted)
    values = [each for each in (value if isinstance(value, list) else [value]) if each not in (None, "")]
    if not values:
        return op in ("IS", "EQ", "IN") and None in wanted
    test = _TESTS[op]
    return any(test(each, other) for each in values for other in wanted if other is not None)


_NEGATIONS = {"NOT": "IS", "NE": "EQ", "NIN": "IN", "NOT_CONTAINS": "CONTAINS"}


def _contains(value: Any, other: Any) -> bool:
    return str(other).casefold() in str(value).casefold()


def _pair(value: Any, other: Any) -> tuple[Any, Any]:
    """Make two values comparable: as numbers or as instants where both are, else as text."""
    for read in (float, moment):
        try:
            return read(value), read(other)
        except (TypeError, ValueError):
            continue
    return str(value).casefold(), str(other).casefold()


def _ordered(judge: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, other: judge(*_pair(value, other))


_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "IS": _ordered(operator.eq),
    "EQ": _ordered(operator.eq),
    "IN": _ordered(operator.eq),
    "CONTAINS": _contains,
    "GT": _ordered(operator.gt),
    "GTE": _ordered(operator.ge),
    "LT": _ordered(operator.lt),
    "LTE": _ordered(operator.le),
}


def _any_of(values: Callable[[Record], Iterable[Any]]) -> Condition:
    return lambda record, wanted: not _texts(wanted).isdisjoint(values(record))


def _none_of(values: Callable[[Record], Iterable[Any]]) -> Condition:
    return lambda record, wanted: _texts(wanted).isdisjoint(values(record))


def _texts(wanted: Any) -> set[str]:
    if not isinstance(wanted, list):
        raise TypeError(wanted)
    return set(wanted)


def _has(key: str) -> Condition:
    return lambda record, wanted: bool(record.todo.get(key)) == wanted


def _when(key: str, judge: Callable[[datetime, datetime], bool]) -> Condition:
    def condition(record: Record, wanted: Any) -> bool:
        limit, value = moment(wanted), record.todo.get(key)
        return value is not None and judge(moment(value), limit)

    return condition


def _completed(judge: Callable[[datetime, datetime], bool]) -> Condition:
    inside = _when("completedAt", judge)
    return lambda record, wanted: inside(record, wanted) and bool(record.todo["done"])


def _search(record: Record, wanted: Any) -> bool:
    return _contains(f"{record.todo['title']}\n{record.todo.get('text') or ''}", wanted)


def _before(record: Record, cursor: Any) -> bool:
    return bool((record.todo.get("position", 0), record.todo["id"]) < (cursor["position"], cursor["id"]))


_COMMON: dict[str, Condition] = {
    "projectIds": _any_of(lambda record: [record.project["id"]]),
    "assigneeIds": _any_of(lambda record: record.todo["assigneeIds"]),
    "notAssigneeIds": _none_of(lambda record: record.todo["assigneeIds"]),
    "unassigned": lambda record, wanted: not (wanted and record.todo["assigneeIds"]),
    "tagIds": _any_of(lambda record: record.todo["tagIds"]),
    "notTagIds": _none_of(lambda record: record.todo["tagIds"]),
    "tagColors": _any_of(lambda record: [tag["color"] for tag in record.tags]),
    "tagTitles": _any_of(lambda record: [tag["title"] for tag in record.tags]),
    "todoListIds": _any_of(lambda record: [record.todo_list["id"]]),
    "notTodoListIds": _none_of(lambda record: [record.todo_list["id"]]),
    "todoListTitles": _any_of(lambda record: [record.todo_list["title"]]),
    "notColors": _none_of(lambda record: [record.todo.get("color")]),
    "showCompleted": lambda record, wanted: bool(wanted) or not record.todo["done"],
    "hasTag": _has("tagIds"),
    "hasColor": _has("color"),
    "hasDueDate": _has("duedAt"),
    "hasDescription": _has("text"),
    "hasChecklist": _has("checklists"),
    "hasDependency": _has("dependencies"),
    "hasReference": _has("references"),
    "dueStart": _when("duedAt", operator.ge),
    "dueEnd": _when("duedAt", operator.le),
    "createdStart": _when("createdAt", operator.ge),
    "createdEnd": _when("createdAt", operator.le),
    "q": _search,
}
_FLAT: dict[str, Condition] = _COMMON | {
    "todoIds": _any_of(lambda record: [record.todo["id"]]),
    "positionBefore": _before,
    "excludeArchivedProjects": lambda record, wanted: not (wanted and record.project["archived"]),
    "done": lambda record, wanted: bool(record.todo["done"]) == wanted,
    "startedAt": _when("startedAt", operator.eq),
    "duedAt": _when("duedAt", operator.eq),
    "duedAtStart": _when("duedAt", operator.ge),
    "duedAtEnd": _when("duedAt", operator.le),
    "updatedAt_gt": _when("updatedAt", operator.gt),
    "updatedAt_gte": _when("updatedAt", operator.ge),
    "search": _search,
}
_GROUP: dict[str, Condition] = _COMMON | {
    "colors": _any_of(lambda record: [record.todo.get("color")]),
    "notProjectIds": _none_of(lambda record: [record.project["id"]]),
    "completedStart": _completed(operator.ge),
    "completedEnd": _completed(operator.le),
}
