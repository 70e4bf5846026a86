"""Evaluates report filters ('Pipefy: Export Organization Report', Filter Structure): pure, no store, no clock.

A card is a mapping from field name to the list of its values, empty when it has none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from reconciler.model.values import JSON, JSONObject

Card = Mapping[str, Sequence[Any]]
_NEGATED: Final = {"not_eq": "eq", "not_contains": "contains", "not_exists": "exists", "unknown": "exists"}
_EXACT: Final = ("select", "group_select")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_LAST_DAYS = re.compile(r"last_(\d{1,4})_days")


@dataclass(frozen=True, slots=True)
class Rules:
    """What the documentation leaves open, settled; `types` are the fields' own types, `today` is for periods."""

    types: Mapping[str, str]
    values: str = "any"
    case: str = "insensitive"
    zone: str = "UTC"
    empty_group: str = "all"
    open_operators: str = "refuse"
    depth: int | None = 10
    today: date = date(2026, 6, 1)


def problem(group: JSONObject, rules: Rules, level: int = 1) -> str | None:
    """Return what is wrong with a filter, in a sentence, or None."""
    if rules.depth is not None and level > rules.depth:
        return f"Filter groups nest deeper than {rules.depth} levels"
    for query in group.get("queries") or ():
        operator, value = query["operator"], query.get("value")
        if operator in ("period", "unknown") and rules.open_operators == "refuse":
            return f"Operator {operator} is not supported for field {query['field']}"
        if not _fits(value, rules):
            return f"Value of field {query['field']} is not supported"
        if operator == "period" and _period(value, rules) is None:
            return f"Value of field {query['field']} is not a period"
    return next(filter(None, (problem(inner, rules, level + 1) for inner in group.get("groups") or ())), None)


def _fits(value: JSON, rules: Rules) -> bool:
    if rules.values == "strings_only":
        return isinstance(value, str | None)
    if isinstance(value, list):
        return all(isinstance(item, str | int | float) for item in value)
    return isinstance(value, str | int | float | None)


def matches(group: JSONObject | None, card: Card, rules: Rules) -> bool:
    """Whether a card passes; None passes every card."""
    if group is None:
        return True
    queries, groups = group.get("queries") or (), group.get("groups") or ()
    if not queries and not groups:
        return rules.empty_group == "all"
    found = (
        *(_query(query, card, rules) for query in queries),
        *(matches(inner, card, rules) for inner in groups),
    )
    return all(found) if group["operator"] == "and" else any(found)


def _query(query: JSONObject, card: Card, rules: Rules) -> bool:
    operator = query["operator"]
    if operator in _NEGATED:
        return not _query({**query, "operator": _NEGATED[operator]}, card, rules)
    have = card.get(query["field"], ())
    if operator == "exists":
        return bool(have)
    sort = query.get("type") or rules.types.get(query["field"], "string")
    if operator == "period":
        within = _period(query.get("value"), rules)
        moments = [_moment(item, rules) for item in have]
        return within is not None and any(span and within[0] <= span[0] < within[1] for span in moments)
    value = query.get("value")
    wanted = value if isinstance(value, list) else [] if value is None else [value]
    return any(_compare(operator, sort, item, target, rules) for item in have for target in wanted)


def _compare(operator: str, sort: str, have: Any, wanted: Any, rules: Rules) -> bool:
    if operator == "contains":
        return _contains(sort, have, wanted, rules)
    if sort == "date" and (moments := _moments(have, wanted, rules)):
        return _compare_moments(operator, *moments)
    numbers = (_number(have), _number(wanted)) if sort in ("number", "string") else (None, None)
    if numbers[0] is not None and numbers[1] is not None:
        return _ordered(operator, numbers[0], numbers[1])
    if sort == "number" and operator != "eq":
        return False
    return _ordered(operator, text(have), text(wanted))


def _contains(sort: str, have: Any, wanted: Any, rules: Rules) -> bool:
    pair = text(have), text(wanted)
    if rules.case == "insensitive":
        pair = pair[0].casefold(), pair[1].casefold()
    return pair[0] == pair[1] if sort in _EXACT else pair[1] in pair[0]


def _ordered(operator: str, have: Any, wanted: Any) -> bool:
    if operator == "eq":
        return bool(have == wanted)
    if operator in ("gt", "gte"):
        return bool(have > wanted) or (operator == "gte" and bool(have == wanted))
    return bool(have < wanted) or (operator == "lte" and bool(have == wanted))


def _compare_moments(operator: str, have: datetime, wanted: tuple[datetime, datetime]) -> bool:
    begin, end = wanted  # a date in a filter is the whole day: [begin, end)
    return {
        "eq": begin <= have < end,
        "gt": have >= end,
        "gte": have >= begin,
        "lt": have < begin,
        "lte": have < end,
    }[operator]


def _moments(have: Any, wanted: Any, rules: Rules) -> tuple[datetime, tuple[datetime, datetime]] | None:
    ours, theirs = _moment(have, rules), _moment(wanted, rules)
    return (ours[0], theirs) if ours and theirs else None


def _moment(value: Any, rules: Rules) -> tuple[datetime, datetime] | None:
    """Return the instants a date or an instant spans, the end exclusive; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        if _DATE.fullmatch(value):
            return _day(date.fromisoformat(value), rules), _day(date.fromisoformat(value) + timedelta(1), rules)
        moment = datetime.fromisoformat(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(rules.zone))
        return moment.astimezone(UTC), moment.astimezone(UTC) + timedelta(microseconds=1)
    except (ValueError, OverflowError):
        return None


def _day(day: date, rules: Rules) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(rules.zone)).astimezone(UTC)


def _period(value: JSON, rules: Rules) -> tuple[datetime, datetime] | None:
    """Read `today`, `this_week`, `this_month`, `this_year`, `last_N_days` or `FROM/TO` (dates, both included)."""
    if not isinstance(value, str):
        return None
    today = rules.today
    starts = {
        "today": today,
        "this_week": today - timedelta(days=today.weekday()),
        "this_month": today.replace(day=1),
        "this_year": today.replace(month=1, day=1),
    }
    try:
        if value in starts:
            return _day(starts[value], rules), _day(today + timedelta(1), rules)
        if days := _LAST_DAYS.fullmatch(value):
            return _day(today - timedelta(int(days[1]) - 1), rules), _day(today + timedelta(1), rules)
        begin, _, end = value.partition("/")
        return _day(date.fromisoformat(begin), rules), _day(date.fromisoformat(end) + timedelta(1), rules)
    except (ValueError, OverflowError):
        return None


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if math.isnan(number) else number  # NaN compares with nothing


def text(value: Any) -> str:
    """Write one value as filters and files do."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def order(cards: Sequence[Card], field: str | None, direction: str | None) -> list[int]:
    """Return the cards' indexes in the wished order: stable, cards without a value last either way."""
    indexes = range(len(cards))
    if not field:
        return list(indexes)
    have = [index for index in indexes if cards[index].get(field)]
    lack = [index for index in indexes if not cards[index].get(field)]
    return sorted(have, key=lambda index: _rank(cards[index][field]), reverse=direction == "desc") + lack


def _rank(values: Sequence[Any]) -> tuple[int, float, str]:
    number = _number(values[0]) if len(values) == 1 and not isinstance(values[0], str) else None
    return (0, number, "") if number is not None else (1, 0.0, ", ".join(text(value) for value in values).casefold())
