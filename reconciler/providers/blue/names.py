"""Workspaces by slug or name, people by e-mail address.

'Create a Report' takes ids only.  Slugs and names come from 'List Workspaces', addresses from 'List Users'.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING, Final, TypeVar

from reconciler.model.diagnostic import Violation
from reconciler.model.errors import Unavailable
from reconciler.model.naming import Found, Name, Named, Names, Resolution, Unfound
from reconciler.model.values import JSON, JSONObject
from reconciler.providers import naming
from reconciler.providers.blue import documents
from reconciler.providers.naming import Known
from reconciler.providers.values import blank, compact, repeated

if TYPE_CHECKING:
    from reconciler.transport.client import Reader

T = TypeVar("T")

WORKSPACE: Final = ("blue", "workspace")
USER: Final = ("blue", "user")
KEYS: Final = ("slug", "name")

EMAIL: Final = r"^[^\s@<>(),;]+@[^\s@<>(),;]+$"
"""What every e-mail address looks like, and no name or list of addresses does."""

_EMAIL: Final = re.compile(EMAIL)
_PAGE: Final = 100
_LOWER: Final = str.maketrans(ascii_uppercase, ascii_lowercase)


def named(spec: JSONObject) -> Iterator[Named]:
    """The names in a declared or normalised spec."""
    for index, source in enumerate(spec.get("dataSources") or ()):
        for field in ("projects", "projectIds"):
            if source.get(field):
                yield from naming.named(source[field], ("dataSources", index, field), WORKSPACE, KEYS)
    for index, user in enumerate(spec.get("reportUsers") or ()):
        email = user.get("email")
        if isinstance(email, str) and email.strip():
            yield Named(("reportUsers", index, "email"), _by_email(email))


def resolved(spec: JSONObject, names: Names) -> JSONObject:
    """The spec with the ids of these names in their places."""
    changed = {}
    if spec.get("dataSources"):
        changed["dataSources"] = [_resolved_source(source, names) for source in spec["dataSources"]]
    if spec.get("reportUsers"):
        changed["reportUsers"] = [_resolved_user(user, names) for user in spec["reportUsers"]]
    return {**spec, **changed}


def scope(source: JSONObject) -> list[JSON]:
    """The workspaces of a source, each once: ids, then names; empty for all workspaces."""
    entries = [*(source.get("projectIds") or ()), *(source.get("projects") or ())]
    return [*sorted(set(ids(source))), *naming.normal(entries, KEYS)]


def ids(source: JSONObject) -> list[str]:
    """The workspaces of a source that are given by id."""
    return [entry for entry in source.get("projectIds") or () if not naming.is_name(entry)]


def empty_scope(source: JSONObject) -> list[str]:
    """The fields of a source in which an empty list stands for every workspace."""
    return [] if scope(source) else [field for field in ("projectIds", "projects") if source.get(field) == []]


def normal_users(users: Collection[JSONObject]) -> list[JSONObject]:
    """Everybody a report is shared with: those with an id, then those with an address."""
    kept = [compact({**user, "email": user.get("email") and _folded(user["email"])}) for user in users]
    return sorted(kept, key=lambda user: ("userId" not in user, str(user.get("userId") or user.get("email"))))


def check_users(users: Collection[JSONObject]) -> Iterator[Violation]:
    """Everybody is given by id or by address, once."""
    for index, user in enumerate(users):
        path = ("reportUsers", index)
        given = [key for key in ("userId", "email") if user.get(key) is not None]
        if not given:
            yield Violation(path, "name-missing", "this names nobody: give userId or email")
        elif len(given) > 1:
            yield Violation((*path, "email"), "two-names", "userId and email exclude each other", "keep one of them")
        elif not user[given[0]].strip():
            yield blank((*path, given[0]), given[0])
        elif given == ["email"] and not _EMAIL.search(user["email"]):
            message = f"{user['email'][:80]!r} is not an e-mail address"
            yield Violation((*path, "email"), "bad-email", message, "write one address alone: sana@acme.example")
    for key in ("userId", "email"):
        known = [(index, str(user[key])) for index, user in enumerate(users) if user.get(key) is not None]
        for place in repeated(_folded(text) if key == "email" else text for _, text in known):
            index, text = known[place]
            message = f"user {text!r} is listed twice"
            yield Violation(("reportUsers", index, key), "repeated-user", message, "keep one role")


async def resolve(client: Reader, organization: str, names: Collection[Name]) -> dict[Name, Resolution]:
    """Look names up: one list of workspaces and one of people, where needed.

    Workspaces are those the account has joined and that are not archived: others add nothing to a
    report.  An address is "" where the account may not see it ('List Users'), so then there may be more.
    Raises Unavailable or CredentialError.
    """
    workspaces = [name for name in names if name.sort == "workspace"]
    people = [name for name in names if name.sort == "user"]
    found: dict[Name, Resolution] = {}
    if workspaces:
        given = {"filter": {"companyIds": [organization], "archived": False}, "take": _PAGE}
        listed = await _listed(client, documents.WORKSPACES, given, ("projectList", "items"), _workspace)
        for index, key in enumerate(KEYS):
            groups = naming.grouped(workspace[index] for workspace in listed)
            found |= {name: naming.match(name.value, groups) for name in workspaces if name.by == key}
    if people:
        users = await _listed(client, documents.PEOPLE, {"id": organization}, ("companyUserList", "users"), _user)
        groups = naming.grouped(users)
        hidden = bool(groups.pop("", None))
        found |= {name: _person(name, groups, hidden=hidden) for name in people}
    return found


async def _listed(
    client: Reader, document: str, given: JSONObject, way: tuple[str, str], read: Callable[[JSONObject], T]
) -> list[T]:
    """Everything on all pages of a list that is paged by offset, each thing once.

    Raises Unavailable for a list that does not come to an end: it repeats what it has said.
    """
    root, items = way
    found: dict[str, T] = {}
    skip = 0
    while True:
        answer, before = await client.query(document, {**given, "skip": skip}), len(found)
        try:
            page = (answer.data or {})[root]
            nodes = page[items]
            found |= {node["id"]: read(node) for node in nodes}
            more = page["pageInfo"]["hasNextPage"] and nodes
        except (KeyError, TypeError, AttributeError) as error:
            raise Unavailable(f"Blue's {root} cannot be read", "this may be a new version of it") from error
        if not more:
            return list(found.values())
        if len(found) == before:
            raise Unavailable(f"Blue's {root} repeats a page without end", "run it again; nothing was sent")
        skip += len(nodes)


def _workspace(node: JSONObject) -> tuple[Known, Known]:
    """A workspace as its slug names it, and as its name does."""
    return (
        naming.known(node["id"], node["slug"], node["name"]),
        naming.known(node["id"], node["name"], f"{node['name']}, slug {node['slug']}"),
    )


def _user(node: JSONObject) -> Known:
    return naming.known(node["id"], _folded(node["email"]), node["fullName"])


def _by_email(email: str) -> Name:
    return Name(*USER, "email", _folded(email))


def _folded(email: str) -> str:
    """An address in lower case, but for letters beyond ASCII: those that fold to the same may be two people's."""
    return email.translate(_LOWER)


def _resolved_source(source: JSONObject, names: Names) -> JSONObject:
    left, ids = naming.replaced(source.get("projects"), WORKSPACE, KEYS, names)
    kept, more = naming.replaced(source.get("projectIds"), WORKSPACE, KEYS, names)
    if not ids and not more:
        return source
    rest = {key: value for key, value in source.items() if key != "projects"}
    return {**rest, "projectIds": [*kept, *more, *ids], **({"projects": left} if left else {})}


def _resolved_user(user: JSONObject, names: Names) -> JSONObject:
    email = user.get("email")
    found = names.get(_by_email(email)) if isinstance(email, str) else None
    if found is None:
        return user
    return {"userId": found, **{key: value for key, value in user.items() if key not in ("email", "userId")}}


def _person(name: Name, known: Mapping[str, list[Known]], *, hidden: bool) -> Resolution:
    resolution = naming.match(name.value, known, lists=False)
    if isinstance(resolution, Found) or resolution.ambiguous or not hidden:
        return resolution
    return Unfound(resolution.candidates, hidden=True)
