"""Saved reports of organizations and pipes: reading, creating, changing, deleting.

Pages 'Get Organization Reports', 'Get Organization Report', 'Create / Update / Delete Organization
Report', 'Get Pipe Reports', 'Create / Update / Delete Pipe Report'.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reconciler.model.values import JSON, JSONObject
from reconciler.sandbox.context import Context, ServiceError
from reconciler.sandbox.pipefy import cards, identity, paging
from reconciler.sandbox.world_pipefy import stamp

ORGANIZATION: Final = "pipefy_report"
PIPE: Final = "pipefy_pipe_report"
COLORS: Final = {"red": "#FF6B6B", "blue": "#4D96FF", "green": "#6BCB77"}
_PIPE_PAGE: Final = 500


def organization_report(context: Context, key: object) -> JSONObject:
    """Return a saved report the caller may see; raises ServiceError otherwise."""
    doc = context.store.get(ORGANIZATION, str(key))
    if doc is None or doc["organizationId"] not in identity.caller(context)["roles"]:
        raise identity.denied(context, "OrganizationReport", key)
    return doc


def pipe_report(context: Context, key: object) -> JSONObject:
    """Return a pipe's saved report the caller may see; raises ServiceError otherwise."""
    doc = context.store.get(PIPE, str(key))
    if doc is None or doc["pipeId"] not in {pipe["id"] for pipe in identity.reachable(context)}:
        raise identity.denied(context, "PipeReport", key)
    return doc


def resolve_organization_reports(context: Context, given: JSONObject) -> JSONObject:
    """Query.organizationReports."""
    organization = identity.organization(context, given["organizationId"])
    docs = [doc for doc in context.store.all(ORGANIZATION) if doc["organizationId"] == organization["id"]]
    return paging.connection(docs, given, context.switches.get("page_cap"))


def resolve_organization_report(context: Context, given: JSONObject) -> JSONObject:
    """Query.organizationReport."""
    return organization_report(context, given["id"])


def resolve_pipe_reports(context: Context, given: JSONObject) -> JSONObject:
    """Query.pipeReports."""
    pipe = identity.pipe(context, given["pipeUuid"], by="uuid")
    docs = of_pipe(context, pipe)
    if (wanted := given.get("reportId")) is not None:
        docs = [doc for doc in docs if doc["id"] == wanted]
    if search := given.get("search"):
        docs = [doc for doc in docs if search.casefold() in doc["name"].casefold()]
    order = given.get("order") or {}
    if order.get("field") == "name":
        docs.sort(key=lambda doc: str(doc["name"]).casefold(), reverse=order.get("direction") == "desc")
    return paging.connection(docs, given, _PIPE_PAGE)


def of_pipe(context: Context, pipe: JSONObject) -> list[JSONObject]:
    """Return a pipe's saved reports, oldest first."""
    return [doc for doc in context.store.all(PIPE) if doc["pipeId"] == pipe["id"]]


def resolve_create_organization(context: Context, given: JSONObject) -> JSONObject:
    """Mutation.createOrganizationReport."""
    organization = identity.organization(context, given["organizationId"])
    pipes = identity.pipes(context, organization["id"], given.get("pipeIds") or ())
    doc = {"organizationId": organization["id"], "pipeIds": [pipe["id"] for pipe in pipes]}
    return _payload(given, "organizationReport", _create(context, ORGANIZATION, doc, given))


def resolve_create_pipe(context: Context, given: JSONObject) -> JSONObject:
    """Mutation.createPipeReport."""
    pipe = identity.pipe(context, given["pipeId"])
    doc = {"pipeId": pipe["id"], "formulas": _formulas(given.get("formulas"))}
    return _payload(given, "pipeReport", _create(context, PIPE, doc, given))


def _create(context: Context, collection: str, doc: JSONObject, given: JSONObject) -> JSONObject:
    _check_name(given["name"])
    cards.check(given.get("filter"), context)
    now = stamp(context.clock())
    key = _fresh_id(context, collection)
    doc = doc | {
        "id": key,
        "name": given["name"],
        "fields": given.get("fields"),
        "filter": given.get("filter"),
        "sortBy": None,
        "color": None,
        "createdAt": now,
        "lastUpdatedAt": now,
    }
    context.store.put(collection, key, doc)
    return doc


def _fresh_id(context: Context, collection: str) -> str:
    while context.store.get(collection, key := str(400000000 + context.store.next("pipefy_report"))) is not None:
        pass  # the world may have invented a report of this id
    return key


def _check_name(name: str | None) -> None:
    if name is not None and not name.strip():
        raise ServiceError("BLANK_NAME", "Name can't be blank")


def resolve_update_organization(context: Context, given: JSONObject) -> JSONObject:
    """Mutation.updateOrganizationReport."""
    doc = organization_report(context, given["id"])
    changes = _changes(context, given)
    if "pipeIds" in changes:
        pipes = identity.pipes(context, doc["organizationId"], changes["pipeIds"] or ())
        changes["pipeIds"] = [pipe["id"] for pipe in pipes]
    return _payload(given, "organizationReport", _update(context, ORGANIZATION, doc, changes))


def resolve_update_pipe(context: Context, given: JSONObject) -> JSONObject:
    """Mutation.updatePipeReport."""
    doc = pipe_report(context, given["id"])
    changes = _changes(context, given)
    if "formulas" in changes:
        changes["formulas"] = _formulas(changes["formulas"])
    return _payload(given, "pipeReport", _update(context, PIPE, doc, changes))


def _changes(context: Context, given: JSONObject) -> JSONObject:
    _check_name(given.get("name"))
    cards.check(given.get("filter"), context)
    keep_nulls = context.switches.get("null_clears") == "clear"
    return {
        key: value
        for key, value in given.items()
        if key not in ("id", "clientMutationId") and (value is not None or (keep_nulls and key != "name"))
    }


def _update(context: Context, collection: str, doc: JSONObject, changes: JSONObject) -> JSONObject:
    doc = doc | changes | {"lastUpdatedAt": stamp(context.clock())}
    context.store.put(collection, doc["id"], doc)
    return doc


def _formulas(value: JSON) -> list[list[str]]:
    """Read `["field", "sum"]` or a list of such pairs: the pages show one, the official client sends the other."""
    if value is None:
        return []
    pairs = [value] if isinstance(value, list) and value and isinstance(value[0], str) else value
    if not isinstance(pairs, list) or not all(_is_pair(pair) for pair in pairs):
        raise ServiceError("INVALID_INPUT", "formulas is a pair of field and function, or a list of pairs")
    return pairs


def _is_pair(pair: JSON) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)


def resolve_delete_organization(context: Context, given: JSONObject) -> JSONObject:
    """Mutation.deleteOrganizationReport."""
    doc = organization_report(context, given["id"])
    return _payload(given, "success", context.store.delete(ORGANIZATION, doc["id"]))


def resolve_delete_pipe(context: Context, given: JSONObject) -> JSONObject:
    """Mutation.deletePipeReport."""
    doc = pipe_report(context, given["id"])
    return _payload(given, "success", context.store.delete(PIPE, doc["id"]))


def _payload(given: JSONObject, key: str, value: JSON) -> JSONObject:
    return {"clientMutationId": given.get("clientMutationId"), key: value}


def resolve_color(doc: JSONObject, context: Context) -> str | None:
    """OrganizationReport.color and PipeReport.color: a word went in, hex or the word comes out."""
    word = doc["color"]
    return COLORS.get(word) if context.switches.get("color_readback") == "hex" else word


def resolve_filter(doc: JSONObject, context: Context) -> JSON:
    """The saved filter, in one of the shapes that pages show."""
    saved, shape = doc["filter"], context.switches.get("filter_readback")
    if saved is None or shape == "as_sent":
        return saved
    return _upper(saved) if shape == "uppercase" else _flat(saved)


def _upper(group: JSONObject) -> JSONObject:
    upper: JSONObject = {**group, "operator": group["operator"].upper()}
    if group.get("queries"):
        upper["queries"] = [{**query, "operator": query["operator"].upper()} for query in group["queries"]]
    if group.get("groups"):
        upper["groups"] = [_upper(inner) for inner in group["groups"]]
    return upper


def _flat(group: JSONObject) -> JSONObject:
    flat: JSONObject = {}
    for query in group.get("queries") or ():
        value = query.get("value")
        flat.setdefault(query["field"], []).extend(value if isinstance(value, list) else [value])
    for inner in group.get("groups") or ():
        flat |= _flat(inner)
    return flat


def scope(context: Context, doc: JSONObject) -> Sequence[JSONObject]:
    """Return the pipes of a saved organization report that the caller reaches; none named means all."""
    within = identity.reachable(context, doc["organizationId"])
    return [pipe for pipe in within if pipe["id"] in doc["pipeIds"]] if doc["pipeIds"] else within


def resolve_card_count(doc: JSONObject, context: Context) -> int:
    """OrganizationReport.cardCount."""
    return len(cards.select(context, scope(context, doc), doc["filter"], None))


def resolve_pipe_card_count(doc: JSONObject, context: Context) -> int | None:
    """PipeReport.cardCount, which sources say to leave alone."""
    answer = context.switches.get("card_count")
    if answer == "error":
        raise ServiceError("INTERNAL_SERVER_ERROR", "Internal server error")
    if answer == "null":
        return None
    return len(cards.select(context, [identity.pipe(context, doc["pipeId"])], doc["filter"], None))


def resolve_repos(doc: JSONObject, context: Context) -> list[JSONObject]:
    """OrganizationReport.repos, in the order given."""
    found = (context.store.get("pipefy_pipe", key) for key in doc["pipeIds"])
    return [pipe for pipe in found if pipe is not None]


def resolve_repo(doc: JSONObject, context: Context) -> JSONObject | None:
    """PipeReport.repo."""
    pipe: JSONObject | None = context.store.get("pipefy_pipe", doc["pipeId"])
    return pipe


def resolve_formula_fields(doc: JSONObject, _: Context) -> list[JSONObject]:
    """PipeReport.selectedFormulaFields."""
    return [{"indexName": f"{field}_{function}"} for field, function in doc["formulas"]]
