"""The filter of a data source: what its keys and operators may be.

Blue takes any mapping and checks nothing when it is written, so everything here is lint.  Keys and operators
are those of the page 'List Records' and of the types TodosFilter and TodoFilterGroupInput.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Final

from reconciler.model.diagnostic import Violation
from reconciler.model.values import JSON, JSONObject, Path
from reconciler.providers.values import tidy, warning

FIELD_TYPES: Final = ("CUSTOM_FIELD", "TIME_IN_LIST", "RELATIVE_DUEDATE", "FIELD")
OPERATORS: Final = ("IS", "NOT", "EQ", "NE", "IN", "NIN", "GT", "GTE", "LT", "LTE", "CONTAINS", "NOT_CONTAINS")
JOINS: Final = ("AND", "OR")

_SHARED: Final = frozenset(
    {
        "op",
        "assigneeIds",
        "unassigned",
        "dueEnd",
        "dueStart",
        "showCompleted",
        "q",
        "projectIds",
        "tagIds",
        "tagColors",
        "tagTitles",
        "todoListIds",
        "todoListTitles",
        "fields",
        "notAssigneeIds",
        "notTagIds",
        "notColors",
        "notTodoListIds",
        "hasTag",
        "hasColor",
        "hasDueDate",
        "hasDescription",
        "hasChecklist",
        "hasDependency",
        "hasReference",
        "createdStart",
        "createdEnd",
        "recordName",
        "recordNameOp",
    }
)
KEYS: Final = _SHARED | frozenset(
    {
        "todoIds",
        "positionBefore",
        "updatedAt_gt",
        "updatedAt_gte",
        "done",
        "startedAt",
        "duedAt",
        "duedAtStart",
        "duedAtEnd",
        "search",
        "excludeArchivedProjects",
        "coordinates",
        "archived",
        "groups",
        "groupLinks",
    }
)
"""The keys of a filter."""
GROUP_KEYS: Final = _SHARED | frozenset(
    {
        "colors",
        "notProjectIds",
        "completedStart",
        "completedEnd",
        "lastUpdatedByUserIds",
        "lastUpdatedByAutomationIds",
        "lastUpdatedByActorTypes",
    }
)
"""The keys of a group inside a filter."""

_SHOWN: Final = 5


def check(filters: JSONObject, path: Path) -> Iterator[Violation]:
    """Everything in a filter that is seldom meant."""
    yield from _check_conditions(filters, path, KEYS)
    groups = filters.get("groups")
    if groups and isinstance(groups, list):
        for key in sorted(KEYS & filters.keys() - {"groups", "groupLinks"}):
            yield warning(
                (*path, key),
                "filter-beside-groups",
                f"{key} restricts nothing here: beside groups it is ignored",
                "move it into every group",
            )
        for index, group in enumerate(groups):
            if isinstance(group, dict):
                yield from _check_conditions(group, (*path, "groups", index), GROUP_KEYS)
    links = filters.get("groupLinks")
    for index, link in enumerate(links if isinstance(links, list) else ()):
        yield from _check_operator(link, (*path, "groupLinks", index), JOINS)


def check_agreement(sources: Sequence[JSONObject]) -> Iterator[Violation]:
    """Whether all data sources of a report filter in the same way; said once, at the first that does not."""
    for index, source in enumerate(sources[1:], start=1):
        first, other = sources[0].get("filters") or {}, source.get("filters") or {}
        if not (isinstance(first, dict) and isinstance(other, dict)):
            continue  # which is said elsewhere
        if other != first and (other := tidy(other)) != (first := tidy(first)):
            differing = sorted(str(key) for key in {*first, *other} if first.get(key) != other.get(key))
            yield warning(
                ("dataSources", index, "filters") if source.get("filters") else ("dataSources", index),
                "differing-filters",
                f"{_listed(differing)} not filtered as in dataSources[0]: an export merges the filters of all sources",
                "give all sources the same filter, or make a report of each",
            )
            return


def _listed(keys: Sequence[str]) -> str:
    shown = ", ".join(keys[:_SHOWN]) + (", …" if len(keys) > _SHOWN else "")
    return f"{shown} {'is' if len(keys) == 1 else 'are'}"


def _check_conditions(given: JSONObject, path: Path, known: frozenset[str]) -> Iterator[Violation]:
    for key in sorted(map(str, given.keys() - known)):
        yield warning((*path, key), "unknown-filter-key", f"{key} is not a key of a filter here", _advice(key, known))
    yield from _check_operator(given.get("op"), (*path, "op"), JOINS)
    yield from _check_operator(given.get("recordNameOp"), (*path, "recordNameOp"), OPERATORS)
    fields = given.get("fields")
    for index, entry in enumerate(fields if isinstance(fields, list) else ()):
        if isinstance(entry, dict):
            yield from _check_field(entry, (*path, "fields", index))


def _check_field(entry: JSONObject, path: Path) -> Iterator[Violation]:
    kind = entry.get("type")
    if not kind:
        yield warning(
            path,
            "field-without-type",
            "the service silently drops a custom field condition without `type`",
            "add type: CUSTOM_FIELD",
        )
    elif kind not in FIELD_TYPES:
        yield warning(
            (*path, "type"),
            "unknown-field-type",
            f"{str(kind)[:40]!r} is not a type of condition that is documented",
            f"known: {', '.join(FIELD_TYPES)}",
        )
    yield from _check_operator(entry.get("op"), (*path, "op"), OPERATORS)


def _check_operator(word: JSON, path: Path, known: tuple[str, ...]) -> Iterator[Violation]:
    if word is not None and word not in known:
        yield warning(
            path,
            "unknown-filter-operator",
            f"{str(word)[:40]!r} is not an operator that is documented here",
            f"known: {', '.join(known)}",
        )


def _advice(key: str, known: frozenset[str]) -> str:
    if key in KEYS:
        return "it is a key of the filter itself, not of a group"
    if key in GROUP_KEYS:
        return "it is a key inside groups only"
    if key == "companyIds":
        return "remove it: the organization of the project is used"
    folded = {name.casefold(): name for name in sorted(known)}
    near = get_close_matches(key[:80].casefold(), folded, 1, 0.7)
    return f"did you mean {folded[near[0]]}?" if near else "see the records filter in Blue's documentation"
