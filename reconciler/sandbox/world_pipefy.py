"""Pipefy's part of the invented world: one organization, its pipes and their cards.

Collections: `pipefy_organization`, `pipefy_user` (roles by organization id), `pipefy_token` (id is the
token, userId, expiresAt or None), `pipefy_client` (secret, userId), `pipefy_pipe` (organizationId,
memberIds, phases, fields), `pipefy_card` (pipeId, phaseId, values by column name), `pipefy_report`.
Timestamps are `2026-05-28T09:14:22Z`, dates `2026-05-28`.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from reconciler.model.values import JSON, JSONObject
from reconciler.sandbox.store import Store

EPOCH: Final = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
ORGANIZATION_ID: Final = "300123456"
SERVICE_ACCOUNT_ID: Final = "500000001"
_MEMBER_ID: Final = "500000002"
TOKENS: Final = {
    "owner": "sandbox-pipefy-token-not-real",
    "member": "sandbox-pipefy-member-token-not-real",
    "outsider": "sandbox-pipefy-outsider-token-not-real",
}
CLIENT: Final = ("sandbox-client", "sandbox-client-secret-not-real")
PRIVATE_PIPE_ID: Final = "301000009"
_USERS: Final = (
    (SERVICE_ACCOUNT_ID, "Sandbox Service Account", "robot@acme.example", "admin"),
    (_MEMBER_ID, "Lena Fortuna", "lena@acme.example", "normal"),
    ("500000003", "Orson Vale", "orson@elsewhere.example", None),
)
_Fields = tuple[tuple[str, str, str, tuple[str, ...]], ...]
_Pipe = tuple[str, str, tuple[str, ...], _Fields]
_PIPES: Final[tuple[_Pipe, ...]] = (
    (
        "301000001",
        "Sales Pipeline",
        ("Lead", "Qualified", "Proposal", "Won"),
        (
            ("deal_stage", "Deal stage", "select", ("discovery", "proposal", "contract")),
            ("region", "Region", "select", ("EMEA", "Americas", "APAC")),
        ),
    ),
    (
        "301000002",
        "Customer Onboarding",
        ("Kick-off", "Set-up", "Training", "Live"),
        (
            ("region", "Region", "select", ("EMEA", "Americas", "APAC")),
            ("go_live", "Go-live date", "date", ()),
        ),
    ),
    (
        "301000003",
        "Purchase Requests",
        ("Requested", "Approval", "Ordered", "Received"),
        (
            ("supplier", "Supplier", "string", ("Northwind", "Larkspur", "Quarry")),
            ("cost_center", "Cost center", "string", ("CC-100", "CC-200", "CC-300")),
        ),
    ),
    (
        "301000004",
        "Support Escalations",
        ("New", "Investigating", "Waiting", "Solved"),
        (
            ("severity", "Severity", "select", ("low", "medium", "high", "critical")),
            ("reopened", "Reopened", "boolean", ()),
        ),
    ),
    (
        "301000005",
        "Hiring",
        ("Applied", "Interview", "Offer", "Hired"),
        (
            ("position", "Position", "string", ("Engineer", "Analyst", "Designer")),
            ("contact_email", "Contact email", "email", ()),
        ),
    ),
)
_PRIVATE: Final[_Pipe] = (PRIVATE_PIPE_ID, "Payroll", ("Draft", "Paid"), ())
_STATUSES: Final = ("new", "in_progress", "review", "done")
_PRIORITIES: Final = ("low", "medium", "high", "urgent")
_LABELS: Final = ("vip", "renewal", "blocked", "q3")
_PEOPLE: Final = ("Lena Fortuna", "Milo Brandt", "Sana Lindqvist", "Teo Marquez")
_VERBS: Final = ("Renew", "Prepare", "Review", "Negotiate", "Close", "Migrate", "Onboard")
_THINGS: Final = ("Northwind", "Larkspur", "Bluebird", "Harbour", "Quarry", "Juniper", "Tidewater", "Foxglove")
_AWKWARD: Final = ("=SUM(1,2)", 'Zoë & "Friends" – Ünïcode', "two\nlines, one\ttab")
_CARDS: Final = 60
_INVENTED_CARDS: Final = 20


def stamp(moment: datetime) -> str:
    """Write an instant as Pipefy's organization pages do, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _uuid(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://sandbox.example/{text}"))


def seed(store: Store) -> None:
    """Write the whole of it; the caller holds the transaction."""
    for key, name, email, role in _USERS:
        roles = {ORGANIZATION_ID: role} if role else {}
        store.put("pipefy_user", key, {"id": key, "name": name, "email": email, "roles": roles})
    for token, (user, *_) in zip(TOKENS.values(), _USERS, strict=True):
        store.put("pipefy_token", token, {"id": token, "userId": user, "expiresAt": None})
    store.put("pipefy_client", CLIENT[0], {"id": CLIENT[0], "secret": CLIENT[1], "userId": SERVICE_ACCOUNT_ID})
    _put_organization(store, ORGANIZATION_ID, "Acme Instruments")
    for index, pipe in enumerate(_PIPES):
        _put_pipe(store, ORGANIZATION_ID, pipe, [SERVICE_ACCOUNT_ID, _MEMBER_ID] if index < 2 else [SERVICE_ACCOUNT_ID])
        _put_cards(store, pipe[0], _CARDS)
    _put_pipe(store, ORGANIZATION_ID, _PRIVATE, [_MEMBER_ID])
    _put_cards(store, PRIVATE_PIPE_ID, _INVENTED_CARDS)


def _put_organization(store: Store, key: str, name: str) -> None:
    made = stamp(EPOCH - timedelta(days=700))
    doc = {"id": key, "uuid": _uuid(f"organization/{key}"), "name": name, "planName": "Enterprise", "createdAt": made}
    store.put("pipefy_organization", key, doc)


def _put_pipe(store: Store, organization: str, pipe: _Pipe, members: list[str]) -> None:
    key, name, phases, fields = pipe
    doc = {
        "id": key,
        "uuid": _uuid(f"pipe/{key}"),
        "name": name,
        "description": None,
        "organizationId": organization,
        "memberIds": members,
        "phases": [{"id": str(310000000 + store.next("pipefy_phase")), "name": phase} for phase in phases],
        "fields": [
            {"name": field, "label": label, "type": sort, "options": list(options)}
            for field, label, sort, options in fields
        ],
    }
    store.put("pipefy_pipe", key, doc)


def _put_cards(store: Store, pipe_id: str, count: int) -> None:
    random = Random(pipe_id)  # noqa: S311 # the same invented cards every time
    pipe = store.get("pipefy_pipe", pipe_id) or {}
    for index in range(count):
        key = str(900000000 + store.next("pipefy_card"))
        phase = random.choice(pipe["phases"])
        values = _values(random, key, phase["name"])
        if index < len(_AWKWARD):
            values["title"] = _AWKWARD[index]
        values |= {field["name"]: _custom(random, field) for field in pipe["fields"]}
        store.put("pipefy_card", key, {"id": key, "pipeId": pipe_id, "phaseId": phase["id"], "values": values})


def _values(random: Random, key: str, phase: str) -> JSONObject:
    made = EPOCH - timedelta(days=random.randrange(5, 200), minutes=random.randrange(1440))
    touched = made + timedelta(hours=random.randrange(1, 100))
    status = random.choice(_STATUSES)
    creator = random.choice(_PEOPLE)
    due = EPOCH + timedelta(days=random.randrange(-60, 90)) if random.random() < 0.8 else None
    return {
        "id": key,
        "title": f"{random.choice(_VERBS)} {random.choice(_THINGS)}",
        "current_phase": phase,
        "status": status,
        "assignee": random.sample(_PEOPLE, random.randrange(0, 3)),
        "labels": random.sample(_LABELS, random.randrange(0, 3)),
        "due_date": due.date().isoformat() if due else None,
        "priority": random.choice(_PRIORITIES) if random.random() < 0.9 else None,
        "amount": round(random.uniform(50, 90000), 2) if random.random() < 0.85 else None,
        "created_by": creator,
        "creatorEmail": creator.split()[0].lower() + "@acme.example",
        "created_at": stamp(made),
        "updated_at": stamp(touched),
        "finished_at": stamp(touched) if status == "done" else None,
    }


def _custom(random: Random, field: JSONObject) -> JSON:
    if random.random() < 0.2:
        return None
    if field["type"] == "date":
        return (EPOCH + timedelta(days=random.randrange(0, 180))).date().isoformat()
    if field["type"] == "boolean":
        return random.random() < 0.3
    if field["type"] == "email":
        return f"contact{random.randrange(1, 99)}@customer.example"
    return random.choice(field["options"])


def ensure_organization(store: Store, key: str) -> str:
    """Make an organization of this id exist, with the service account as its administrator."""
    if store.get("pipefy_organization", key) is None:
        _put_organization(store, key, f"Organization {key}")
        account = store.get("pipefy_user", SERVICE_ACCOUNT_ID) or {}
        account["roles"][key] = "admin"
        store.put("pipefy_user", SERVICE_ACCOUNT_ID, account)
    return key


def ensure_pipe(store: Store, organization: str, key: str) -> None:
    """Make a pipe of this id exist in the organization, within the service account's reach; a new one has cards."""
    pipe = store.get("pipefy_pipe", key)
    if pipe is None:
        _, _, phases, fields = _PIPES[0]
        _put_pipe(store, organization, (key, f"Pipe {key}", phases, fields), [SERVICE_ACCOUNT_ID])
        _put_cards(store, key, _INVENTED_CARDS)
    elif pipe["organizationId"] != organization:
        members = sorted({*pipe["memberIds"], SERVICE_ACCOUNT_ID})
        store.put("pipefy_pipe", key, {**pipe, "organizationId": organization, "memberIds": members})


def ensure_report(store: Store, organization: str, key: str) -> None:
    """Make a saved organization report of this id exist, over the organization's pipes."""
    if store.get("pipefy_report", key) is not None:
        return
    made = stamp(EPOCH)
    doc = {
        "id": key,
        "organizationId": organization,
        "name": f"Report {key}",
        "pipeIds": [pipe["id"] for pipe in store.all("pipefy_pipe") if pipe["organizationId"] == organization],
        "fields": ["title", "status", "assignee", "due_date", "priority"],
        "filter": None,
        "sortBy": None,
        "color": None,
        "createdAt": made,
        "lastUpdatedAt": made,
    }
    store.put("pipefy_report", key, doc)
