"""The filter grammar `ReportCardsFilter`: limits, normal form, and what a read-back can tell.

Groups, queries and nesting are those of the page 'Export Organization Report'.  What the service reads
back is not documented to have the same shape ('Get Organization Report' shows several), so a filter
is compared only where it has.  A manifest may also say it in a text, which `expression` reads: everything
here takes that for the filter it stands for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from reconciler.model.diagnostic import Violation
from reconciler.model.values import JSON, JSONObject, Path
from reconciler.providers.pipefy.grammar import DEEPEST, MEANT, OPERATORS
from reconciler.providers.values import blank, compact, tidy, warning

if TYPE_CHECKING:
    from reconciler.providers.pipefy.expression import Expression

PHASE_KEYS: Final = frozenset({"current_phase", "current_phase_id", "phase_id", "phase_ids", "phases_ids"})

_GROUP_KEYS: Final = frozenset({"operator", "queries", "groups", "id", "lastId"})
_QUERY_KEYS: Final = frozenset({"field", "operator", "value", "type", "label", "id"})
_SIGNS: Final = {"eq": "=", "not_eq": "!=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_PLAIN: Final = re.compile(r"[\w.@/+%-]{1,40}")
_BOOKKEEPING: Final = frozenset({"id", "lastId", "label"})
_WITHOUT_VALUE: Final = ("exists", "not_exists", "unknown")


def known_operator(value: object) -> object:
    """Raise ValueError, with what to write, for an operator that is one in other languages."""
    word = value.strip().lower().replace(" ", "_") if isinstance(value, str) else ""
    if word in ("in", "not_in"):
        written = word.replace("_", " ")
        raise ValueError(f"{value} is not an operator here", f"write the filter as a text: field {written} (a, b)")
    if word in MEANT:
        raise ValueError(f"{value} is not an operator here", f"write {MEANT[word]}")
    return value


def known_shape(value: object) -> object:
    """Raise ValueError, with what to write, for conditions that stand where a group of them belongs."""
    if not isinstance(value, dict):
        return value
    if phases := PHASE_KEYS & value.keys():
        raise ValueError(f"{min(phases)} is not a key of a filter; write filter: current_phase:select = <phase id>")
    strange = [key for key in value if key not in _GROUP_KEYS]
    if not strange or value.keys() & {"queries", "groups"} or ("operator" in value and "field" not in value):
        return value
    if "field" in value:
        operator = value.get("operator", "eq")
        text = _as_text(value["field"], MEANT.get(str(operator), operator), value.get("value"))
    else:
        text = " and ".join(_as_text(key, "eq", value[key]) for key in strange[:3])
    raise ValueError(
        f"{strange[0]} is not a key of a filter", f"put conditions into queries, or write it as a text: {text}"
    )


def _as_text(field: JSON, operator: object, value: JSON) -> str:
    """A condition as an expression, for a hint."""
    sign = _SIGNS.get(str(operator), str(operator))
    shown = "…" if value is None else value if _PLAIN.fullmatch(str(value)) else "…"
    name = str(field)[:40] if _PLAIN.fullmatch(str(field)) else f"'{str(field)[:40]}'"
    return f"{name} {sign} {json.dumps(shown) if isinstance(shown, bool) else shown}"


def normalise(live: JSON) -> JSON:
    """The normal form of a filter; None for one that lets every card through.

    What is neither of the grammar's shape (a filter that was read back) nor an expression stays as it is.
    """
    if not live:
        return None
    group = as_group(live)
    if group is None:
        return tidy(live)
    normal = _normal_group(group)
    return normal if normal.keys() & {"queries", "groups"} else None


def check(group: JSONObject | str, path: Path, level: int = 1) -> Iterator[Violation]:
    """Every rule the model cannot say, for one group and everything in it."""
    if isinstance(group, str):
        yield from _check_text(group, path)
        return
    if level > DEEPEST:
        yield Violation(path, "filter-too-deep", f"filter groups are nested more than {DEEPEST} levels deep")
        return
    for index, query in enumerate(group.get("queries") or ()):
        yield from _check_query(query, (*path, "queries", index))
    for index, inner in enumerate(group.get("groups") or ()):
        yield from check(inner, (*path, "groups", index), level + 1)


def _expression(text: str) -> Expression:
    from reconciler.providers.pipefy import expression  # loaded on first use: most manifests have none

    return expression.read(text)


def _check_text(text: str, path: Path) -> Iterator[Violation]:
    found = _expression(text)
    for problem in found.problems:
        yield replace(problem, path=path)
    for violation in check(found.filter, ()) if found.filter is not None else ():
        yield replace(violation, path=path, within=found.place(violation.path))


def read(live: JSON, asked: JSON) -> tuple[JSON, bool]:
    """What a read-back filter says, in the form of a normalised one, and whether it says it for sure.

    One that means the same as `asked` is given as `asked`.  One whose shape is not that of the grammar
    cannot be compared with one: it is taken for what was asked, and not for sure.
    """
    normal = normalise(live)
    if asked is not None and normal is not None and as_group(live) is None:
        return asked, normal == asked
    return (asked if _meaning(normal) == _meaning(asked) else normal), True


def _normal_group(group: JSONObject) -> JSONObject:
    queries = [_normal_query(query) for query in group.get("queries") or ()]
    groups = [_normal_group(inner) for inner in group.get("groups") or ()]
    return compact({**group, "queries": queries or None, "groups": groups or None})


def _normal_query(query: JSONObject) -> JSONObject:
    return compact({**query, "value": _normal_value(query.get("value"))})


def _normal_value(value: JSON) -> JSON:
    """Official clients send texts only, and lists of texts where the documentation shows lists."""
    if isinstance(value, list):
        return [_normal_value(item) for item in value]
    if isinstance(value, bool | int | float):
        return json.dumps(tidy(value))
    return tidy(value)


def _check_query(query: JSONObject, path: Path) -> Iterator[Violation]:
    operator, value = query["operator"], query.get("value")
    if not query["field"].strip():
        yield blank((*path, "field"), "the field of a condition")
    if operator in ("period", "unknown"):
        yield warning((*path, "operator"), "undocumented-operator", f"what {operator!r} does is not documented")
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict | list) for item in value)):
        yield Violation(
            (*path, "value"), "filter-value", "the value must be a text, a number, true or false, or a list"
        )
    elif isinstance(value, list) and operator not in ("contains", "not_contains"):
        yield warning((*path, "value"), "filter-list", f"lists are documented for contains only, not for {operator}")
    elif value is None and operator not in _WITHOUT_VALUE:
        yield warning(path, "filter-without-value", f"{operator} compares with nothing: there is no value")


def as_group(live: JSON) -> JSONObject | None:
    """A filter in the form of the grammar (words in lower case), or None when it has another shape."""
    if isinstance(live, str):
        live = _expression(live).filter
    if not isinstance(live, dict) or not live.keys() <= _GROUP_KEYS:
        return None
    operator = _word(live, ("and", "or"))
    queries = [_as_query(query) for query in _items(live, "queries")]
    groups = [as_group(inner) for inner in _items(live, "groups")]
    if operator is None or None in queries or None in groups:
        return None
    return {**live, "operator": operator, "queries": queries, "groups": groups}


def _as_query(live: JSON) -> JSONObject | None:
    if not isinstance(live, dict) or not live.keys() <= _QUERY_KEYS or not isinstance(live.get("field"), str):
        return None
    operator = _word(live, OPERATORS)
    return None if operator is None else {**live, "operator": operator}


def _word(live: Mapping[str, JSON], words: tuple[str, ...]) -> str | None:
    word = str(live.get("operator")).lower()
    return word if word in words else None


def _items(live: Mapping[str, JSON], key: str) -> list[JSON]:
    """A list of the filter; one impossible item when it is no list."""
    items = live.get(key)
    return [] if items is None else items if isinstance(items, list) else [None]


def _meaning(group: JSON) -> JSON:
    """A filter without what the web application keeps for itself."""
    if isinstance(group, dict):
        return {key: _meaning(value) for key, value in group.items() if key not in _BOOKKEEPING}
    if isinstance(group, list):
        return [_meaning(item) for item in group]
    return group
