r"""Filters as short texts: `status in (in_progress, review) and priority = high`.

    expression = all { "or" all }
    all        = term { "and" term }                        "and" binds tighter than "or"
    term       = "(" expression ")" | condition
    condition  = field comparison
    comparison = ( "=" | "!=" | ">" | ">=" | "<" | "<=" | "period" ) value
               | [ "not" ] "contains" ( value | list )
               | [ "not" ] "in" list
               | [ "not" ] "exists"
               | "unknown"
    list       = "(" value { "," value } ")"
    field      = ( NAME | QUOTED ) [ ":" type ]             without blanks around the colon: due_date:date
    type       = "email" | "number" | "string" | "group_select" | "select" | "date" | "boolean"
    value      = WORD | QUOTED
    NAME       = letters, digits and _ - . @ / + %
    WORD       = the same and ":"                           2026-01-31, 12:30, ann@example.com
    QUOTED     = '…' or "…" with the escapes \\ \' \" \n \r \t \uXXXX

The words of the language may be written in capitals.  `and`, `or`, `not`, `in` and `null` must be quoted to be values,
the first four also to be fields.  A value is sent as the text that is written: 007 keeps its zeros, 1.50 its last one.

Every comparison is that operator of the documented form ('Export Organization Report', Filter Structure) which has its
meaning; `in` is an or-group of `=`, `not in` an and-group of `!=`, and with one value they are that comparison.
Parentheses around several conditions make a group, around one they mean nothing.  A lone condition is a group of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from reconciler.model.diagnostic import Violation
from reconciler.model.values import JSONObject, Path
from reconciler.providers.pipefy.grammar import LONGEST
from reconciler.providers.pipefy.parser import Condition, Group, Node, TooDeep, parse
from reconciler.providers.pipefy.tokens import Place

MOST_PROBLEMS: Final = 20
"""Problems of one expression that are looked for."""

_CODE: Final = "filter-expression"
_EMPTY: Final = "write a condition such as status = done, or leave the filter out to let every card through"


@dataclass(frozen=True, slots=True)
class Expression:
    """What a text says: `filter` in its normal form, None when `problems` has what is wrong with the text.

    Equal texts share it, so nobody changes it.
    """

    filter: JSONObject | None
    problems: tuple[Violation, ...] = ()
    places: Mapping[Path, Place] = field(default_factory=dict)

    def place(self, path: Path) -> Place | None:
        """From where up to where in the text that stands which `path` leads to in the filter, or what it is in."""
        ways = (path[:length] for length in range(len(path), -1, -1))
        return next((self.places[way] for way in ways if way in self.places), None)


class _EnoughError(Exception):
    """Nobody mends more at once."""


@lru_cache(maxsize=64)  # the same text is checked and then normalised, once for each entry of a forEach
def read(text: str) -> Expression:
    """Read an expression.  No effects and no exceptions; the time it takes grows with the text, whatever it says."""
    if not text.strip() or len(text) > LONGEST:
        message = f"the filter has {len(text):,} characters, more than the {LONGEST:,} permitted"
        problem = (
            (message, "shorten it, or write the documented form") if text.strip() else ("the filter is empty", _EMPTY)
        )
        return Expression(None, (Violation((), _CODE, *problem),))
    problems: list[Violation] = []

    def note(place: Place, message: str, hint: str) -> None:
        if any(found.within is not None and _overlap(found.within, place) for found in problems):
            return  # it follows from what was said of that place
        problems.append(Violation((), _CODE, message, hint, within=place))
        if len(problems) == MOST_PROBLEMS:
            raise _EnoughError

    node: Node | None = None
    try:
        node = parse(text, note)
    except TooDeep as error:
        problems.append(Violation((), "filter-too-deep", str(error), "say it with fewer", within=error.place))
    except _EnoughError:
        pass
    if node is None or problems:
        return Expression(None, tuple(problems))
    places: dict[Path, Place] = {}
    group = node if isinstance(node, Group) else Group("and", (node,), node.place)
    return Expression(_filter(group, (), places), (), places)


def _overlap(one: Place, other: Place) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _filter(group: Group, path: Path, places: dict[Path, Place]) -> JSONObject:
    """Put a group into the documented form, and note where its parts stand."""
    places[path] = group.place
    queries: list[JSONObject] = []
    groups: list[JSONObject] = []
    for child in group.children:
        if isinstance(child, Group):
            groups.append(_filter(child, (*path, "groups", len(groups)), places))
        else:
            queries.append(_query(child, (*path, "queries", len(queries)), places))
    kept = {"queries": queries, "groups": groups}
    return {"operator": group.operator, **{key: members for key, members in kept.items() if members}}


def _query(condition: Condition, path: Path, places: dict[Path, Place]) -> JSONObject:
    places[path] = condition.place
    query: JSONObject = {}
    for key in ("field", "operator", "type"):
        if (token := getattr(condition, key)) is not None:
            query[key] = token.value
            places[*path, key] = token.place
    values = condition.values
    if values:
        query["value"] = [token.value for token in values] if condition.listed else values[0].value
        places[*path, "value"] = (values[0].place[0], values[-1].place[1])
    return query
