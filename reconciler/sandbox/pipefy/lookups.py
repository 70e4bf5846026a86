"""Look-ups that turn names into ids, the vocabularies of columns and filters, and the card search.

Pages 'Organizations', 'Pipe Reports', 'Get Organization Report Filterable Fields', 'Search Cards'.
"""

from __future__ import annotations

from typing import Final

from reconciler.model.values import JSONObject
from reconciler.sandbox.context import Context, ServiceError
from reconciler.sandbox.pipefy import cards, identity, reports

_PAGE: Final = 50
_VISIBLE: Final = ("title", "current_phase", "status", "assignee", "due_date")


def resolve_me(context: Context, given: JSONObject) -> JSONObject:
    """Query.me."""
    return identity.caller(context)


def resolve_organization(context: Context, given: JSONObject) -> JSONObject:
    """Query.organization."""
    return identity.organization(context, given["id"])


def resolve_organizations(context: Context, given: JSONObject) -> list[JSONObject]:
    """Query.organizations: the caller's; others that are named are left out."""
    mine = [doc for doc in context.store.all("pipefy_organization") if doc["id"] in identity.caller(context)["roles"]]
    ids = given.get("ids")
    return [doc for doc in mine if ids is None or doc["id"] in ids]


def resolve_user_organizations(user: JSONObject, context: Context) -> list[JSONObject] | None:
    """User.organizations: shown on the caller only."""
    return resolve_organizations(context, {}) if user["id"] == identity.caller(context)["id"] else None


def resolve_pipe(context: Context, given: JSONObject) -> JSONObject:
    """Query.pipe."""
    return identity.pipe(context, given["id"])


def resolve_role(organization: JSONObject, context: Context) -> str:
    """Organization.role: the caller's."""
    return str(identity.caller(context)["roles"][organization["id"]])


def resolve_members_count(organization: JSONObject, context: Context) -> int:
    """Organization.membersCount."""
    return sum(organization["id"] in user["roles"] for user in context.store.all("pipefy_user"))


def resolve_pipes_count(organization: JSONObject, context: Context) -> int:
    """Organization.pipesCount: all there are, within reach or not."""
    return sum(pipe["organizationId"] == organization["id"] for pipe in context.store.all("pipefy_pipe"))


def resolve_pipes(organization: JSONObject, context: Context, name_search: str | None = None) -> list[JSONObject]:
    """Organization.pipes."""
    part = (name_search or "").casefold()
    return [pipe for pipe in identity.reachable(context, organization["id"]) if part in pipe["name"].casefold()]


def resolve_pipe_saved_reports(pipe: JSONObject, context: Context) -> list[JSONObject]:
    """Pipe.reports."""
    return reports.of_pipe(context, pipe)


def resolve_filterable_fields(context: Context, given: JSONObject) -> list[JSONObject]:
    """Query.organizationReportFilterableFields."""
    return [{"name": name, "label": label, "type": sort} for name, label, sort in cards.FILTERABLE]


def resolve_pipe_columns(context: Context, given: JSONObject) -> list[JSONObject]:
    """Query.pipeReportColumns."""
    pipe = identity.pipe(context, given["pipeUuid"], by="uuid")
    built_in = [{"name": name, "label": label, "type": sort} for name, label, sort in cards.BUILT_IN]
    return [
        {**column, "visible": column["name"] in _VISIBLE, "archived": False, "options": _options(column, pipe)}
        for column in (*built_in, *pipe["fields"])
    ]


def _options(field: JSONObject, pipe: JSONObject) -> list[JSONObject]:
    if field["name"] == "current_phase":
        return [{"id": phase["id"], "name": phase["name"]} for phase in pipe["phases"]]
    options = field.get("options", ()) if field["type"] == "select" else ()
    return [{"id": option, "name": option} for option in options]


def resolve_pipe_filterable_fields(context: Context, given: JSONObject) -> list[JSONObject]:
    """Query.pipeReportFilterableFields."""
    pipe = identity.pipe(context, given["pipeUuid"], by="uuid")
    default = [{"name": name, "label": label, "type": sort} for name, label, sort in cards.FILTERABLE]
    sections = (("Default fields", "Card", default), ("Start form", "Start form", pipe["fields"]))
    return [
        {
            "title": title,
            "list": [{"label": label, "list": [{**field, "options": _options(field, pipe)} for field in fields]}],
        }
        for title, label, fields in sections
    ]


def resolve_card_search(context: Context, given: JSONObject) -> JSONObject:
    """Query.cardSearch: synchronous, by page number, at most 50 cards a page."""
    organization = identity.organization(context, given["organizationId"])
    pipes = identity.pipes(context, organization["id"], [key for key in given["pipeIds"] if key is not None])
    cards.check(given.get("filter"), context)
    found = cards.select(context, pipes, given.get("filter"), given.get("sortBy"))
    pagination = given["pagination"]
    page, size = pagination.get("page") or 1, min(pagination.get("perPage") or _PAGE, _PAGE)
    if page < 1 or size < 1:
        raise ServiceError("INVALID_INPUT", "page and perPage begin at 1")
    begin = (page - 1) * size
    return {
        "count": len(found),
        "next_page": page + 1 if begin + size < len(found) else None,
        "previous_page": page - 1 if page > 1 else None,
        "wait": False,
        "cards": [{"id": card["id"], "title": card["values"]["title"]} for card in found[begin : begin + size]],
    }
