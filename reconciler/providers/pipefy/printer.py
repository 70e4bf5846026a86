"""Writes filters as expressions; `expression` has the grammar, and reads what is written here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from reconciler.model.values import JSON, JSONObject
from reconciler.providers.pipefy import filters
from reconciler.providers.pipefy.grammar import DEEPEST, LONGEST, TYPES
from reconciler.providers.pipefy.parser import SIGNS
from reconciler.providers.pipefy.tokens import ESCAPES, RESERVED, WORD

_NAME: Final = re.compile(r"[\w.@/+%-]+")
_COMPARED: Final = {
    **{operator: sign for sign, operator in SIGNS.items()},
    "contains": "contains",
    "not_contains": "not contains",
    "period": "period",
}
_ALONE: Final = {"exists": "exists", "not_exists": "not exists", "unknown": "unknown"}
_LISTED: Final = ("contains", "not_contains")
_INSIDE: Final = {("or", "eq"): "in", ("and", "not_eq"): "not in"}
_LETTERS: Final = {character: f"\\{letter}" for letter, character in ESCAPES.items()}


class _UnsayableError(Exception):
    """The language has no words for it."""


def write(filter: JSON) -> str | None:  # noqa: A002 - it is what the service calls it
    """Return the shortest expression that is read as the normal form of a filter; None when there is none.

    There is none for filters without any condition, in another shape than that of the documentation, longer or nested
    deeper than permitted; with `id`, `lastId` or `label`; with lists other than those of texts behind `contains` and
    `not_contains`; with a value the operator does not take, or without one that it does; and with groups
    of one member, but for an outermost one that is a condition joined by `and`.
    A group of `and` inside one of `or` has parentheses that it does not need: nobody has to know which binds tighter.
    """
    group = filters.as_group(filters.normalise(filter))
    if group is None:
        return None
    try:
        text = _group(group, 1)
    except _UnsayableError:
        return None
    return text if len(text) <= LONGEST else None


def _group(group: JSONObject, level: int) -> str:
    """Write a group; inside another one it has parentheses, unless it is one comparison."""
    joint, queries, groups = group["operator"], group["queries"], group["groups"]
    alone = level == 1 and joint == "and" and len(queries) == 1
    if not group.keys() <= {"operator", "queries", "groups"} or level > DEEPEST:
        raise _UnsayableError
    if len(queries) + len(groups) < 2 and not alone:
        raise _UnsayableError
    if not groups and (text := _inside(joint, queries)):
        return text
    members = [*map(_condition, queries), *(_group(inner, level + 1) for inner in groups)]
    text = f" {joint} ".join(members)
    return text if level == 1 else f"({text})"


def _inside(joint: str, queries: Sequence[JSONObject]) -> str:
    """Write a group as one `in` or `not in`; empty when it is none."""
    words = _INSIDE.get((joint, queries[0]["operator"]))
    same = {(query["field"], query["operator"], query.get("type")) for query in queries}
    if words is None or len(queries) < 2 or len(same) > 1:
        return ""
    return f"{_field(queries[0])} {words} {_list([query.get('value') for query in queries])}"


def _condition(query: JSONObject) -> str:
    operator, value = query["operator"], query.get("value")
    field = _field(query)
    if operator in _ALONE and value is None:
        return f"{field} {_ALONE[operator]}"
    if operator not in _COMPARED:
        raise _UnsayableError
    written = _list(value) if isinstance(value, list) and operator in _LISTED else _value(value)
    return f"{field} {_COMPARED[operator]} {written}"


def _field(query: JSONObject) -> str:
    kind = query.get("type")
    if not query.keys() <= {"field", "operator", "type", "value"} or kind not in (None, *TYPES):
        raise _UnsayableError
    name = query["field"]
    bare = _NAME.fullmatch(name) and name.lower() not in RESERVED
    return (name if bare else _quoted(name)) + (f":{kind}" if kind else "")


def _list(values: Sequence[JSON]) -> str:
    if not values:
        raise _UnsayableError
    return f"({', '.join(map(_value, values))})"


def _value(value: JSON) -> str:
    if not isinstance(value, str):
        raise _UnsayableError
    bare = WORD.fullmatch(value) and value.lower() not in {*RESERVED, "null"}
    return value if bare else _quoted(value)


def _quoted(text: str) -> str:
    quote = '"' if "'" in text and '"' not in text else "'"
    return quote + "".join(character if character == " " else _escaped(character, quote) for character in text) + quote


def _escaped(character: str, quote: str) -> str:
    if character in "'\"" and character != quote:
        return character
    if character in _LETTERS:
        return _LETTERS[character]
    if character.isprintable() or not "\0" <= character < "\ud800":
        return character
    return f"\\u{ord(character):04x}"
