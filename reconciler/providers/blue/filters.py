"""The filter of a data source: what its keys and operators may be.

Blue takes any mapping and checks nothing when it is written, so everything here is lint.  Keys and operators
are those of the page 'List Records' and of the types TodosFilter and TodoFilterGroupInput.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Final

from reconciler.model.diagnostic import Violation
from reconciler.model.values import JSON, JSONObject, Path
from reconciler.providers.values import tidy, warning

FIELD_TYPES: Final = ("CUSTOM_FIELD", "TIME_IN_LIST", "RELATIVE_DUEDATE", "FIELD")
OPERATORS: Final = ("IS", "NOT", "EQ", "NE", "IN", "NIN", "GT", "GTE", "LT", "LTE", "CONTAINS", "NOT_CONTAINS")
JOINS: Final = ("AND", "OR")


@dataclass(frozen=True, slots=True)
class Sort:
    """What sort of value a key takes, what to write instead of another one, and what is a value of that sort."""

    what: str
    hint: str
    fits: Callable[[JSON], bool]


def _is_instant(value: JSON) -> bool:
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value.upper())
    except ValueError:
        return False
    return True


_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d))?", re.ASCII)
_BOOLEAN: Final = Sort("true or false", "write true or false", lambda value: isinstance(value, bool))
_DATE: Final = Sort("a date or an instant", "write 2026-01-31 or an RFC 3339 instant", _is_instant)
_TEXT: Final = Sort("a text", "write one text, in quotes", lambda value: isinstance(value, str))
_MAPPING: Final = Sort("a mapping", "write key: value", lambda value: isinstance(value, dict))
_ANY: Final = Sort("anything", "", lambda value: True)
_TEXTS: Final = Sort("a list of texts", "write a list: [{}]", lambda value: isinstance(value, list))
_MAPPINGS: Final = Sort("a list of mappings", "write a list: [{{…}}]", lambda value: isinstance(value, list))
_OPERATOR: Final = _ANY  # judged by unknown-filter-operator
_OPERATORS: Final = Sort("a list of operators", "write a list: [{}]", lambda value: isinstance(value, list))
_INNER: Final[Mapping[Sort, Sort]] = {_TEXTS: _TEXT, _MAPPINGS: _MAPPING}
"""What the entries of a list are."""

_SHARED: Final[dict[str, Sort]] = {
    "op": _OPERATOR,
    "assigneeIds": _TEXTS,
    "unassigned": _BOOLEAN,
    "dueEnd": _DATE,
    "dueStart": _DATE,
    "showCompleted": _BOOLEAN,
    "q": _TEXT,
    "projectIds": _TEXTS,
    "tagIds": _TEXTS,
    "tagColors": _TEXTS,
    "tagTitles": _TEXTS,
    "todoListIds": _TEXTS,
    "todoListTitles": _TEXTS,
    "fields": _MAPPINGS,
    "notAssigneeIds": _TEXTS,
    "notTagIds": _TEXTS,
    "notColors": _TEXTS,
    "notTodoListIds": _TEXTS,
    "hasTag": _BOOLEAN,
    "hasColor": _BOOLEAN,
    "hasDueDate": _BOOLEAN,
    "hasDescription": _BOOLEAN,
    "hasChecklist": _BOOLEAN,
    "hasDependency": _BOOLEAN,
    "hasReference": _BOOLEAN,
    "createdStart": _DATE,
    "createdEnd": _DATE,
    "recordName": _TEXT,
    "recordNameOp": _OPERATOR,
}
KEYS: Final[dict[str, Sort]] = {
    **_SHARED,
    "todoIds": _TEXTS,
    "positionBefore": _MAPPING,
    "updatedAt_gt": _DATE,
    "updatedAt_gte": _DATE,
    "done": _BOOLEAN,
    "startedAt": _DATE,
    "duedAt": _DATE,
    "duedAtStart": _DATE,
    "duedAtEnd": _DATE,
    "search": _TEXT,
    "excludeArchivedProjects": _BOOLEAN,
    "coordinates": _ANY,
    "archived": _BOOLEAN,
    "groups": _MAPPINGS,
    "groupLinks": _OPERATORS,
}
"""The keys of a filter, and what they take."""
GROUP_KEYS: Final[dict[str, Sort]] = {
    **_SHARED,
    "colors": _TEXTS,
    "notProjectIds": _TEXTS,
    "completedStart": _DATE,
    "completedEnd": _DATE,
    "lastUpdatedByUserIds": _TEXTS,
    "lastUpdatedByAutomationIds": _TEXTS,
    "lastUpdatedByActorTypes": _TEXTS,
}
"""The keys of a group inside a filter, and what they take."""

_NEAREST: Final = 8
_SHORT: Final = 4
_LONGEST: Final = 40
_SHOWN: Final = 5


def check(filters: JSONObject, path: Path) -> Iterator[Violation]:
    """Everything in a filter that is seldom meant."""
    yield from _check_conditions(filters, path, KEYS)
    groups = filters.get("groups")
    if groups and isinstance(groups, list):
        for key in sorted(KEYS.keys() & filters.keys() - {"groups", "groupLinks"}):
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


def _check_conditions(given: JSONObject, path: Path, known: Mapping[str, Sort]) -> Iterator[Violation]:
    for key in sorted(map(str, given.keys() - known.keys())):
        yield warning((*path, key), "unknown-filter-key", f"{key} is not a key of a filter here", _advice(key, known))
    for key in sorted(given.keys() & known.keys()):
        yield from _check_value(key, given[key], known[key], (*path, key))
    yield from _check_operator(given.get("op"), (*path, "op"), JOINS)
    yield from _check_operator(given.get("recordNameOp"), (*path, "recordNameOp"), OPERATORS)
    fields = given.get("fields")
    for index, entry in enumerate(fields if isinstance(fields, list) else ()):
        if isinstance(entry, dict):
            yield from _check_field(entry, (*path, "fields", index))


def _check_value(what: str, value: JSON, sort: Sort, path: Path) -> Iterator[Violation]:
    if value is None:
        return
    if not sort.fits(value):
        shown = _shown(value)
        message = f"{what} takes {sort.what}, not {shown}"
        single = "…" if isinstance(value, dict | list) else str(value)[:40]
        yield warning(path, "filter-value-type", message, sort.hint.format(single))
    elif sort in _INNER:
        for index, item in enumerate(value):
            yield from _check_value(f"an entry of {what}", item, _INNER[sort], (*path, index))


def _shown(value: JSON) -> str:
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


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


def _advice(key: str, known: Mapping[str, Sort]) -> str:
    if key in KEYS:
        return "it is a key of the filter itself, not of a group"
    if key in GROUP_KEYS:
        return "it is a key inside groups only"
    if key == "companyIds":
        return "remove it: the organization of the project is used"
    folded = {name.casefold(): name for name in sorted(known)}
    word = key[:80].casefold()
    near = get_close_matches(word, folded, 1, 0.7)
    if len(word) <= _SHORT:
        near = get_close_matches(word, [name for name in folded if len(name) <= len(word) + 2], 1, 0.55)
    if near:
        return f"did you mean {folded[near[0]]}?"
    nearest = ", ".join(folded[name] for name in get_close_matches(word, folded, _NEAREST, 0))
    return f"nearest: {nearest}; `reconciler explain blue/report.dataSources.filters` lists all"
