"""Cards as reports see them: columns, filtering, sorting, counting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final

from reconciler.model.values import JSON, JSONObject
from reconciler.sandbox.context import Context, ServiceError
from reconciler.sandbox.pipefy import filter as filters

BUILT_IN: Final = (
    ("id", "Card id", "number"),
    ("title", "Title", "string"),
    ("current_phase", "Current phase", "group_select"),
    ("status", "Status", "select"),
    ("assignee", "Assignee", "select"),
    ("labels", "Labels", "group_select"),
    ("due_date", "Due date", "date"),
    ("priority", "Priority", "select"),
    ("amount", "Amount", "number"),
    ("created_by", "Created by", "select"),
    ("creatorEmail", "Creator email", "email"),
    ("created_at", "Created at", "date"),
    ("updated_at", "Updated at", "date"),
    ("finished_at", "Finished at", "date"),
)
"""Name, label and type of the columns every card has."""

ALIASES: Final = {"assignees": "assignee", "card_id": "id"}
"""Names that differ between the lists of the documentation, by the name used here."""

FILTERABLE: Final = (
    ("card_id", "Card id", "number"),
    ("title", "Title", "string"),
    ("current_phase", "Current phase", "group_select"),
    ("labels", "Labels", "group_select"),
    ("due_date", "Due date", "date"),
    ("created_by", "Created by", "select"),
    ("creatorEmail", "Creator email", "email"),
    ("assignees", "Assignees", "select"),
    ("finished_at", "Finished at", "date"),
    ("created_at", "Created at", "date"),
    ("updated_at", "Updated at", "date"),
    ("status", "Status", "select"),
    ("priority", "Priority", "select"),
    ("amount", "Amount", "number"),
)
"""'Get Organization Report Filterable Fields'; the page's part first, in its order."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file: `name` as it was asked for, `key` as cards have it (None: no such column)."""

    name: str
    label: str
    key: str | None


def columns(pipes: Iterable[JSONObject]) -> list[Column]:
    """Return all columns that cards of these pipes have: what every card has, then the pipes' own fields."""
    found = {name: Column(name, label, name) for name, label, _ in BUILT_IN}
    for field in _fields(pipes):
        found.setdefault(field["name"], Column(field["name"], field["label"], field["name"]))
    return list(found.values())


def choose(names: Sequence[str], pipes: Sequence[JSONObject], context: Context) -> list[Column]:
    """Return the named columns in the order named; what does not exist is dropped, empty or refused, by switch."""
    known = {column.name: column for column in columns(pipes)}
    unknown = context.switches.get("unknown_column")
    chosen = []
    for name in names:
        column = known.get(ALIASES.get(name, name))
        if column is not None:
            chosen.append(Column(name, column.label, column.key))
        elif unknown == "error":
            raise ServiceError("INVALID_INPUT", f"Column {name} does not exist")
        elif unknown == "empty":
            chosen.append(Column(name, name, None))
    return chosen


def _fields(pipes: Iterable[JSONObject]) -> list[JSONObject]:
    return [field for pipe in pipes for field in pipe["fields"]]


def rules(pipes: Iterable[JSONObject], context: Context) -> filters.Rules:
    """Return the filter rules that the switches settle, for the fields of these pipes."""
    types = {name: sort for name, _, sort in (*FILTERABLE, *BUILT_IN)}
    types |= {field["name"]: field["type"] for field in _fields(pipes)}
    switch = context.switches.get
    return filters.Rules(
        types=types,
        values=switch("filter_values"),
        case=switch("filter_case"),
        zone=switch("date_zone"),
        empty_group=switch("filter_empty_group"),
        open_operators=switch("filter_open_operators"),
        depth=switch("filter_depth"),
        today=context.clock().astimezone(UTC).date(),
    )


def check(group: JSONObject | None, context: Context) -> None:
    """Raise ServiceError for a filter that the schema lets through and the service does not."""
    wrong = filters.problem(group, rules((), context)) if group is not None else None
    if wrong is not None:
        raise ServiceError("INVALID_INPUT", wrong)


def select(
    context: Context, pipes: Sequence[JSONObject], group: JSONObject | None, sort: JSONObject | None
) -> list[JSONObject]:
    """Return the cards of these pipes that pass the filter, in the wished order."""
    settled = rules(pipes, context)
    within = {pipe["id"] for pipe in pipes}
    if "cards" not in context.memo:  # a page of reports counts the same cards fifty times
        context.memo["cards"] = context.store.all("pipefy_card")
    found = [card for card in context.memo["cards"] if card["pipeId"] in within]
    views = [_view(card) for card in found]
    passing = [index for index, view in enumerate(views) if filters.matches(group, view, settled)]
    field = (sort or {}).get("field")
    ranked = filters.order(
        [views[index] for index in passing], ALIASES.get(field or "", field), (sort or {}).get("direction")
    )
    return [found[passing[index]] for index in ranked]


def _view(card: JSONObject) -> filters.Card:
    view: dict[str, Sequence[Any]] = {name: _list(value) for name, value in card["values"].items()}
    view["current_phase"] = [*view["current_phase"], card["phaseId"]]
    return view | {alias: view[name] for alias, name in ALIASES.items()}


def _list(value: JSON) -> Sequence[Any]:
    if value is None or value == "":
        return ()
    return value if isinstance(value, list) else (value,)
