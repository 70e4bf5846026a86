"""From names to ids: organizations, workspaces, people ('Query an Organization', 'List Workspaces', 'List Users')."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import itemgetter

from reconciler.sandbox.blue.errors import bad_input, refusal
from reconciler.sandbox.blue.session import Session
from reconciler.sandbox.blue.values import Doc, by_id_or_slug, page

_PEOPLE_PER_PAGE = 200


def company(session: Session, key: str | None) -> Doc:
    """Return an organization of the caller by id or slug, the header's without one; else COMPANY_NOT_FOUND."""
    caller = session.caller()
    found = by_id_or_slug(session.all("blue_company"), key) if key is not None else session.company
    if found is None or found["id"] not in caller["companyLevel"]:
        raise refusal("COMPANY_NOT_FOUND")
    return found


def project(session: Session, key: str | None) -> Doc:
    """Return a workspace by id or slug, the header's without one; PROJECT_NOT_FOUND unless joined or owned."""
    caller = session.caller()
    found = by_id_or_slug(session.all("blue_project"), session.project_key if key is None else key)
    if found is None or not (caller["id"] in found["memberIds"] or _owns(caller, found["companyId"])):
        raise refusal("PROJECT_NOT_FOUND")
    return found


def projects(session: Session, given: Doc, sort: Sequence[str], skip: int | None, take: int | None) -> Doc:
    """Return a page of workspaces, by position unless told; organizations that are not the caller's add nothing."""
    caller = session.caller()
    companies = [by_id_or_slug(session.all("blue_company"), key) for key in given["companyIds"]]
    own = {each["id"] for each in companies if each and each["id"] in caller["companyLevel"]}
    joined = given.get("inProject") is not False
    if not joined:
        if "folderId" in given:
            raise bad_input("folderId cannot be combined with inProject: false.", "folderId")
        if not all(_owns(caller, key) for key in own):
            raise refusal("FORBIDDEN")
    found = [
        each
        for each in session.all("blue_project")
        if each["companyId"] in own and (caller["id"] in each["memberIds"]) == joined and _fits(each, given)
    ]
    for spelling in reversed(sort or ["position_ASC"]):
        name, _, direction = spelling.rpartition("_")
        found.sort(key=itemgetter(name), reverse=direction == "DESC")
    return _page("items", found, skip, 20 if take is None else take)


def _fits(candidate: Doc, given: Doc) -> bool:
    ids, members, search = given.get("ids"), given.get("userIds"), given.get("search")
    return (
        (ids is None or candidate["id"] in ids)
        and (given.get("archived") is None or candidate["archived"] == given["archived"])
        and (given.get("isTemplate") is None or candidate.get("isTemplate", False) == given["isTemplate"])
        and (not search or search.casefold() in candidate["name"].casefold())
        and ("folderId" not in given or candidate.get("folderId") == given["folderId"])
        and set(members or ()) <= set(candidate["memberIds"])
    )


def company_people(session: Session, key: str, search: str | None, skip: int | None, not_in_project: str | None) -> Doc:
    """Return a page of an organization's people; who does not own it sees only people of shared workspaces."""
    caller, found = session.caller(), company(session, key)
    people = [user for user in session.all("blue_user") if found["id"] in user["companyLevel"]]
    if not _owns(caller, found["id"]):
        near = _near(session, caller)
        people = [user for user in people if user["id"] in near]
    if not_in_project is not None:
        members = (by_id_or_slug(session.all("blue_project"), not_in_project) or {"memberIds": []})["memberIds"]
        people = [user for user in people if user["id"] not in members]
    return _people(people, search, skip)


def project_people(session: Session, key: str, search: str | None, skip: int | None) -> Doc:
    """Return a page of a workspace's people; for its members only, else PROJECT_NOT_FOUND."""
    caller, found = session.caller(), by_id_or_slug(session.all("blue_project"), key)
    if found is None or caller["id"] not in found["memberIds"]:
        raise refusal("PROJECT_NOT_FOUND")
    return _people((user for user in session.all("blue_user") if user["id"] in found["memberIds"]), search, skip)


def user(session: Session, key: str) -> Doc:
    """Return a person of one of the caller's organizations; else USER_NOT_FOUND."""
    caller, found = session.caller(), session.one("blue_user", key)
    if found is None or not caller["companyLevel"].keys() & found["companyLevel"].keys():
        raise refusal("USER_NOT_FOUND")
    return found


def is_free(session: Session, collection: str, slug: str) -> bool:
    """Whether nothing in a collection has the slug yet."""
    session.caller()
    return all(each["slug"] != slug for each in session.all(collection))


def email(session: Session, person: Doc) -> str:
    """Return an e-mail address, or "" for a caller without the right to see it.

    Owners of a common organization and owners and admins of a common workspace have it ('List Users'), and
    everybody for their own.
    """
    caller = session.caller()
    if session.switches.get("emails") == "visible" or person["id"] == caller["id"]:
        return str(person["email"])
    owned = any(_owns(caller, key) for key in person["companyLevel"])
    administered = (key for key, level in caller["projectLevel"].items() if level in ("OWNER", "ADMIN"))
    seen = owned or any(
        person["id"] in (session.one("blue_project", key) or {"memberIds": ()})["memberIds"] for key in administered
    )
    return str(person["email"]) if seen else ""


def company_level(session: Session, person: Doc, key: str | None) -> str | None:
    """Return a person's level in an organization by id or slug, in the header's without one."""
    found = session.company if key is None else by_id_or_slug(session.all("blue_company"), key)
    return person["companyLevel"].get(found["id"]) if found else None


def project_level(session: Session, person: Doc | None, key: str | None) -> str | None:
    """Return a person's level in a workspace by id or slug, in the header's without one."""
    found = by_id_or_slug(session.all("blue_project"), session.project_key if key is None else key)
    return person["projectLevel"].get(found["id"]) if person and found else None


def projects_count(session: Session, company: Doc, given: Doc) -> int:
    """Return how many workspaces an organization has, archived ones and templates too unless told."""
    own = (each for each in session.all("blue_project") if each["companyId"] == company["id"])
    return sum(_fits(each, given) for each in own)


def _owns(caller: Doc, company_id: str) -> bool:
    return bool(caller["companyLevel"].get(company_id) == "OWNER")


def _near(session: Session, caller: Doc) -> set[str]:
    shared = (each["memberIds"] for each in session.all("blue_project") if caller["id"] in each["memberIds"])
    return {caller["id"]}.union(*shared)


def _people(people: Iterable[Doc], search: str | None, skip: int | None) -> Doc:
    wanted = (search or "").casefold()
    found = [each for each in people if wanted in each["firstName"].casefold() or wanted in each["lastName"].casefold()]
    found.sort(key=lambda each: (each["firstName"].casefold(), each["lastName"].casefold(), each["id"]))
    return _page("users", found, skip, _PEOPLE_PER_PAGE)


def _page(key: str, found: Sequence[Doc], skip: int | None, take: int) -> Doc:
    first, size = max(skip or 0, 0), max(take, 0)
    info = {
        "totalItems": len(found),
        "totalPages": math.ceil(len(found) / size) if size else 0,
        "page": first // size + 1 if size else 1,
        "perPage": size,
        "hasNextPage": first + size < len(found),
        "hasPreviousPage": first > 0,
    }
    return {key: page(found, first, size), "pageInfo": info, "totalCount": len(found)}
