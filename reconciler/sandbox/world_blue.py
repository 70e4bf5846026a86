"""Blue's part of the invented world: one organization, its people, workspaces and records.

Collections and the keys of their documents (timestamps as Blue writes them, `2026-05-28T09:14:22.000Z`):
`blue_company`, `blue_user` (companyLevel and projectLevel: levels by key), `blue_project` (companyId,
memberIds), `blue_list` (projectId), `blue_tag` (projectId), `blue_field` (custom fields: name, type,
projectId), `blue_todo` (projectId, todoListId, assigneeIds, tagIds, customFields by field id) and
`blue_token` (key, secret, userId).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from reconciler.model.values import JSONObject
from reconciler.sandbox.store import Store

EPOCH: Final = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
COMPANY_ID: Final = "cmorg0000000000000000acme"
OWNER_ID: Final = "cmuser000000000000000ines"
TOKENS: Final = {
    "owner": ("sandbox-owner-token", "pat_sandbox_owner_not_a_real_secret"),
    "member": ("sandbox-member-token", "pat_sandbox_member_not_a_real_secret"),
    "outsider": ("sandbox-outsider-token", "pat_sandbox_outsider_not_a_real_secret"),
}
_PEOPLE: Final = (
    ("ines", "Ines", "Okafor", "OWNER"),
    ("milo", "Milo", "Brandt", "MEMBER"),
    ("sana", "Sana", "Lindqvist", "ADMIN"),
    ("teo", "Teo", "Marquez", "MEMBER"),
    ("yuki", "Yuki", "Adeyemi", "MEMBER"),
    ("orson", "Orson", "Vale", None),
)
_MEMBER: Final = "milo"
_WORKSPACES: Final = (
    ("sales-emea", "Sales EMEA", ("ines", "milo", "sana")),
    ("sales-americas", "Sales Americas", ("ines", "milo", "teo")),
    ("sales-apac", "Sales APAC", ("ines", "yuki")),
    ("customer-success", "Customer Success", ("ines", "sana", "teo")),
    ("product-roadmap", "Product Roadmap", ("ines", "milo", "yuki")),
    ("engineering", "Engineering", ("ines", "teo", "yuki")),
    ("finance-ops", "Finance Operations", ("ines", "sana")),
    ("legacy-pipeline", "Legacy Pipeline", ("ines", "milo")),
)
_ARCHIVED: Final = "legacy-pipeline"
_LISTS: Final = ("Backlog", "In progress", "Review", "Done")
_TAGS: Final = (("priority", "#ff4b4b"), ("renewal", "#3b82f6"), ("at risk", "#f59e0b"))
_FIELDS: Final = (("Amount", "CURRENCY"), ("Probability", "PERCENT"), ("Seats", "NUMBER"), ("Region", "TEXT_SINGLE"))
_VERBS: Final = ("Renew", "Prepare", "Review", "Negotiate", "Close", "Migrate", "Onboard")
_THINGS: Final = ("Northwind", "Larkspur", "Bluebird", "Harbour", "Quarry", "Juniper", "Tidewater", "Foxglove")
_RECORDS: Final = 25
_INVENTED_RECORDS: Final = 12


def stamp(moment: datetime) -> str:
    """Write an instant as Blue does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _id(sort: str, name: str) -> str:
    plain = "".join(letter for letter in name if letter.isalnum())
    return f"cm{sort}{plain.rjust(23 - len(sort), '0')}"


def _dated(doc: JSONObject, days: int = 0) -> JSONObject:
    moment = stamp(EPOCH - timedelta(days=days))
    return {**doc, "createdAt": moment, "updatedAt": moment}


def seed(store: Store) -> None:
    """Write the whole of it; the caller holds the transaction."""
    _put_company(store, COMPANY_ID, "acme", "Acme Instruments")
    for name, first, last, level in _PEOPLE:
        _put_user(store, _id("user", name), name, (first, last), {COMPANY_ID: level} if level else {})
    for who, name in (("owner", "ines"), ("member", _MEMBER), ("outsider", "orson")):
        token, secret = TOKENS[who]
        store.put("blue_token", token, {"id": token, "secret": secret, "userId": _id("user", name)})
    for index, (slug, name, members) in enumerate(_WORKSPACES):
        people = [_id("user", member) for member in members]
        _put_workspace(store, COMPANY_ID, _id("ws", slug), slug=slug, name=name, people=people, position=index)
        _put_records(store, _id("ws", slug), people, _RECORDS)


def _put_company(store: Store, key: str, slug: str, name: str) -> None:
    doc = {
        "id": key,
        "uid": f"o-{slug}",
        "name": name,
        "slug": slug,
        "description": None,
        "ownerId": OWNER_ID,
        "tier": "scale",
        "tierDisplayName": "Scale",
        "plan": "pro",
        "isLocked": False,
        "isBanned": False,
    }
    store.put("blue_company", key, _dated(doc, 400))


def _put_user(store: Store, key: str, name: str, full_name: tuple[str, str], levels: dict[str, str]) -> None:
    first, last = full_name
    doc = {
        "id": key,
        "uid": f"u-{name}",
        "username": name,
        "email": f"{name}@acme.example",
        "firstName": first,
        "lastName": last,
        "fullName": f"{first} {last}".strip(),
        "isEmailVerified": True,
        "isAgent": False,
        "timezone": "Europe/Berlin",
        "companyLevel": levels,
        "projectLevel": {},
    }
    store.put("blue_user", key, _dated(doc, 390))


def _put_workspace(
    store: Store, company: str, key: str, *, slug: str, name: str, people: list[str], position: int
) -> None:
    doc = {
        "id": key,
        "uid": f"w-{slug}",
        "slug": slug,
        "name": name,
        "description": None,
        "archived": slug == _ARCHIVED,
        "companyId": company,
        "memberIds": people,
        "hideEmailFromRoles": [],
        "isTemplate": False,
        "position": float(position + 1) * 1024,
        "folderId": None,
    }
    store.put("blue_project", key, _dated(doc, 300 - position))
    for person in people:
        user = store.get("blue_user", person)
        if user is not None:
            user["projectLevel"][key] = "OWNER" if person == OWNER_ID else "MEMBER"
            store.put("blue_user", person, user)
    for index, title in enumerate(_LISTS):
        row: JSONObject = {
            "id": f"{key}-list-{index}",
            "uid": f"l-{slug}-{index}",
            "title": title,
            "position": float(index + 1),
        }
        store.put("blue_list", row["id"], row | {"projectId": key})
    for index, (title, color) in enumerate(_TAGS):
        tag: JSONObject = {"id": f"{key}-tag-{index}", "uid": f"t-{slug}-{index}", "title": title, "color": color}
        store.put("blue_tag", tag["id"], tag | {"projectId": key})
    for index, (title, sort) in enumerate(_FIELDS):
        field: JSONObject = {"id": f"{key}-field-{index}", "uid": f"f-{slug}-{index}", "name": title, "type": sort}
        store.put("blue_field", field["id"], field | {"projectId": key})


def _put_records(store: Store, project: str, people: list[str], count: int) -> None:
    random = Random(project)  # noqa: S311 # the same invented records every time
    for index in range(count):
        made = EPOCH - timedelta(days=random.randrange(5, 200), minutes=random.randrange(1440))
        touched = made + timedelta(hours=random.randrange(1, 100))
        column = random.randrange(len(_LISTS))
        done = column == len(_LISTS) - 1
        due = EPOCH + timedelta(days=random.randrange(-60, 90)) if random.random() < 0.8 else None
        title = f"{random.choice(_VERBS)} {random.choice(_THINGS)} {index + 1}"
        doc: JSONObject = {
            "id": f"{project}-todo-{index}",
            "uid": f"r-{project[-8:]}-{index}",
            "title": title,
            "text": f"Notes on: {title}." if random.random() < 0.5 else "",
            "position": float(index + 1) * 1024,
            "color": random.choice((None, "#ff4b4b", "#22c55e")),
            "done": done,
            "archived": random.random() < 0.06,
            "startedAt": stamp(made + timedelta(days=1)) if random.random() < 0.7 else None,
            "duedAt": stamp(due) if due else None,
            "completedAt": stamp(touched) if done else None,
            "timezone": "Europe/Berlin",
            "projectId": project,
            "todoListId": f"{project}-list-{column}",
            "assigneeIds": sorted(random.sample(people, random.randrange(0, min(2, len(people)) + 1))),
            "tagIds": [f"{project}-tag-{tag}" for tag in sorted(random.sample(range(len(_TAGS)), random.randrange(3)))],
            "createdById": random.choice(people),
            "createdAt": stamp(made),
            "updatedAt": stamp(touched),
            "customFields": {
                f"{project}-field-0": round(random.uniform(500, 90000), 2),
                f"{project}-field-1": random.randrange(0, 101, 5),
                f"{project}-field-3": random.choice(("EMEA", "Americas", "APAC")),
            },
        }
        if random.random() < 0.5:
            doc["customFields"][f"{project}-field-2"] = random.randrange(1, 400)
        store.put("blue_todo", doc["id"], doc)


def ensure_company(store: Store, text: str) -> str:
    """Return the id of the organization with this id or slug, inventing it if there is none."""
    for doc in store.all("blue_company"):
        if text in (doc["id"], doc["slug"]):
            return str(doc["id"])
    _put_company(store, text, text, text)
    owner = store.get("blue_user", OWNER_ID) or {}
    owner["companyLevel"][text] = "OWNER"
    store.put("blue_user", OWNER_ID, owner)
    return text


def ensure_user(store: Store, company: str, key: str) -> None:
    """Make a user of this id exist as a member of the organization."""
    if store.get("blue_user", key) is None:
        _put_user(store, key, key, ("Invented", f"Person {key}"), {})
    user = store.get("blue_user", key) or {}
    user["companyLevel"].setdefault(company, "MEMBER")
    store.put("blue_user", key, user)


def ensure_workspaces(store: Store, company: str, texts: Collection[str]) -> None:
    """Make workspaces of these ids or slugs exist in the organization; new ones have the owner and a few records."""
    projects = store.all("blue_project")
    known = {doc["slug"]: doc for doc in projects} | {doc["id"]: doc for doc in projects}
    for position, text in enumerate(sorted(texts), len(projects)):
        doc = known.get(text)
        if doc is None:
            _put_workspace(store, company, text, slug=text, name=text, people=[OWNER_ID], position=position)
            _put_records(store, text, [OWNER_ID], _INVENTED_RECORDS)
        elif doc["companyId"] != company:
            store.put("blue_project", doc["id"], {**doc, "companyId": company})
