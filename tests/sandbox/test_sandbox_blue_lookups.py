"""From names to ids, and who is told what about whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from blue_sandbox import ORGANIZATION, Blue
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.sandbox.world_blue import ensure_user

WORKSPACES = """query ($filter: ProjectListFilter!, $sort: [ProjectSort!], $skip: Int, $take: Int) {
  projectList(filter: $filter, sort: $sort, skip: $skip, take: $take) { items { slug } totalCount
    pageInfo { totalItems totalPages page perPage hasNextPage hasPreviousPage startCursor endCursor nextCursor } } }"""
PEOPLE = """query ($id: String!, $search: String, $skip: Int, $not: String) {
  companyUserList(companyId: $id, search: $search, skip: $skip, notInProjectId: $not, first: 1, orderBy: email_DESC) {
    users { username email } totalCount pageInfo { page perPage hasNextPage hasPreviousPage } } }"""
FIELDS = "slug archived isTemplate hideEmailFromRoles position accessLevel"
MEMBERS = """query ($id: String!, $search: String) {
  projectUserList(projectId: $id, search: $search) { users { username email } totalCount } }"""


@pytest.fixture
def blue() -> Iterator[Blue]:
    with Blue() as service:
        yield service


def slugs(blue: Blue, who: str = "owner", sort: list[str] | None = None, **given: Any) -> list[str]:
    filter_ = {"companyIds": ["acme"], "archived": False} | given
    return [item["slug"] for item in blue.ask(WORKSPACES, who=who, sort=sort, filter=filter_)["items"]]


def change(blue: Blue, collection: str, key: str, **more: Any) -> None:
    blue.store.put(collection, key, (blue.store.get(collection, key) or {}) | more)


@pytest.mark.parametrize("key", ["acme", ORGANIZATION, None])
@pytest.mark.parametrize("root", ["company", "organization"])
def test_an_organization_by_id_slug_or_header(blue: Blue, root: str, key: str | None) -> None:
    query = f"""query ($id: String) {{ {root}(id: $id) {{ slug name plan tier tierDisplayName isLocked isBanned
      accessLevel owner {{ username }} all: projectsCount old: projectsCount(archived: true)
      templates: projectsCount(isTemplate: true) createdAt }} }}"""
    found = blue.ask(query, id=key, who="member")
    assert found.pop("createdAt").endswith(".000Z")
    assert found == {
        "slug": "acme",
        "name": "Acme Instruments",
        "plan": "pro",
        "tier": "scale",
        "tierDisplayName": "Scale",
        "isLocked": False,
        "isBanned": False,
        "accessLevel": "MEMBER",
        "owner": {"username": "ines"},
        "all": 8,
        "old": 1,
        "templates": 0,
    }


def test_organizations_are_shown_to_their_people_only(blue: Blue) -> None:
    for query, who, organization in (
        ('{ company(id: "acme") { id } }', "outsider", "acme"),
        ('{ company(id: "nowhere") { id } }', "owner", "acme"),
        ("{ company { id } }", "owner", ""),
    ):
        error = blue.fail(query, who=who, organization=organization)
        assert (error["message"], error["extensions"]["code"]) == ("Company was not found.", "COMPANY_NOT_FOUND")


@pytest.mark.parametrize("root", ["project", "workspace"])
def test_a_workspace_by_id_or_slug(blue: Blue, root: str) -> None:
    query = f"query ($id: String) {{ {root}(id: $id) {{ {FIELDS} }} }}"
    for key in ("sales-emea", blue.workspace("sales-emea")):
        assert blue.ask(query, id=key, who="member") == {
            "slug": "sales-emea",
            "archived": False,
            "isTemplate": False,
            "hideEmailFromRoles": [],
            "position": 1024.0,
            "accessLevel": "MEMBER",
        }
    for key, who in (("nowhere", "owner"), ("finance-ops", "member"), (None, "owner"), ("sales-emea", "outsider")):
        error = blue.fail(query, id=key, who=who)
        assert (error["message"], error["extensions"]["code"]) == ("Project was not found.", "PROJECT_NOT_FOUND")


def test_the_newer_names_lead_to_the_newer_types(blue: Blue) -> None:
    query = (
        '{ workspace(id: "sales-emea") { __typename company { __typename slug } organization { __typename slug } } }'
    )
    organization = {"__typename": "Organization", "slug": "acme"}
    assert blue.ask(query) == {"__typename": "Workspace", "company": organization, "organization": organization}
    assert blue.ask(
        '{ workspaceList(filter: {companyIds: ["acme"]}, sort: [name_ASC], take: 1) { items { name } } }'
    ) == {"items": [{"name": "Customer Success"}]}
    assert blue.ask('{ organizationUserList(companyId: "acme") { totalCount } }') == {"totalCount": 5}


def test_levels_of_others(blue: Blue) -> None:
    query = 'query ($id: String) { project(id: "sales-emea") { accessLevel(userId: $id) } }'
    assert blue.ask(query, id=blue.user("sana"))["accessLevel"] == "MEMBER"
    assert blue.ask(query, id="nobody")["accessLevel"] is None
    query = """query ($id: String!) { user(id: $id) { fullName companyLevel here: companyLevel(companyId: "acme")
      there: companyLevel(companyId: "nowhere") projectLevel emea: projectLevel(projectId: "sales-emea") } }"""
    assert blue.ask(query, id=blue.user("sana")) == {
        "fullName": "Sana Lindqvist",
        "companyLevel": "ADMIN",
        "here": "ADMIN",
        "there": None,
        "projectLevel": None,
        "emea": "MEMBER",
    }


def test_workspaces_the_caller_has_joined(blue: Blue) -> None:
    assert slugs(blue, who="member") == ["sales-emea", "sales-americas", "product-roadmap"]
    assert slugs(blue, who="member", archived=True) == ["legacy-pipeline"]
    assert len(slugs(blue, archived=None)) == 8
    assert slugs(blue, companyIds=[ORGANIZATION, "nowhere"]) == slugs(blue)
    assert slugs(blue, who="outsider") == []


def test_workspaces_the_caller_has_not_joined(blue: Blue) -> None:
    change(blue, "blue_project", blue.workspace("finance-ops"), memberIds=[])
    assert slugs(blue, inProject=False) == ["finance-ops"]
    not_owner = {"filter": {"companyIds": ["acme"], "inProject": False}, "who": "member"}
    assert blue.code(WORKSPACES, **not_owner) == "FORBIDDEN"
    with_folder = {"companyIds": ["acme"], "inProject": False, "folderId": None}
    assert blue.code(WORKSPACES, filter=with_folder) == "BAD_USER_INPUT"


def test_workspaces_by_filter(blue: Blue) -> None:
    assert slugs(blue, search="SALES", sort=["name_DESC"]) == ["sales-emea", "sales-americas", "sales-apac"]
    assert slugs(blue, ids=[blue.workspace("engineering"), "nowhere"]) == ["engineering"]
    assert slugs(blue, userIds=[blue.user("teo"), blue.user("yuki")]) == ["engineering"]
    assert slugs(blue, isTemplate=True) == []
    change(blue, "blue_project", blue.workspace("engineering"), folderId="f", isTemplate=True)
    assert slugs(blue, isTemplate=True) == slugs(blue, folderId="f") == ["engineering"]
    assert "engineering" not in slugs(blue, folderId=None)


@pytest.mark.parametrize("key", ["id", "name", "createdAt", "updatedAt", "position"])
def test_workspaces_are_sorted(blue: Blue, key: str) -> None:
    listed = 'projectList(filter: {companyIds: ["acme"]}, sort: $s)'
    query = f"query ($s: [ProjectSort!]) {{ {listed} {{ items {{ {key} }} }} }}"
    up = [item[key] for item in blue.ask(query, s=[f"{key}_ASC"])["items"]]
    assert up == sorted(up)
    assert [item[key] for item in blue.ask(query, s=[f"{key}_DESC"])["items"]] == up[::-1]


@settings(max_examples=12, deadline=None)
@given(take=st.integers(1, 9))
def test_pages_of_workspaces_cover_everything_once(take: int) -> None:
    with Blue() as blue:
        seen: list[str] = []
        pages, more = 0, True
        while more:
            page = blue.ask(WORKSPACES, filter={"companyIds": ["acme"]}, skip=len(seen), take=take)
            info, pages = page["pageInfo"], pages + 1
            assert (info["page"], info["perPage"], info["totalItems"], page["totalCount"]) == (pages, take, 8, 8)
            assert (info["hasPreviousPage"], info["nextCursor"]) == (pages > 1, None)
            seen += [item["slug"] for item in page["items"]]
            more = info["hasNextPage"]
        assert info["totalPages"] == pages
        assert len(seen) == len(set(seen)) == 8


def test_people_of_an_organization(blue: Blue) -> None:
    names = [user["username"] for user in blue.ask(PEOPLE, id="acme")["users"]]
    assert names == ["ines", "milo", "sana", "teo", "yuki"]
    assert blue.ask(PEOPLE, id=ORGANIZATION, search="LIND")["users"][0]["username"] == "sana"
    assert blue.ask(PEOPLE, id="acme", search="acme.example")["users"] == []
    absent = blue.ask(PEOPLE, id="acme", **{"not": blue.workspace("sales-emea")})
    assert [user["username"] for user in absent["users"]] == ["teo", "yuki"]
    assert blue.code(PEOPLE, id="nowhere") == blue.code(PEOPLE, id="acme", who="outsider") == "COMPANY_NOT_FOUND"


def test_who_does_not_own_the_organization_sees_people_of_shared_workspaces(blue: Blue) -> None:
    change(blue, "blue_project", blue.workspace("product-roadmap"), memberIds=[blue.user("milo")])
    names = [user["username"] for user in blue.ask(PEOPLE, id="acme", who="member")["users"]]
    assert names == ["ines", "milo", "sana", "teo"]


def test_people_come_by_two_hundred(blue: Blue) -> None:
    for number in range(200):
        ensure_user(blue.store, ORGANIZATION, f"extra-{number:03}")
    first = blue.ask(PEOPLE, id="acme")
    second = blue.ask(PEOPLE, id="acme", skip=200)
    assert (len(first["users"]), len(second["users"]), first["totalCount"]) == (200, 5, 205)
    assert first["pageInfo"] == {"page": 1, "perPage": 200, "hasNextPage": True, "hasPreviousPage": False}
    assert second["pageInfo"] == {"page": 2, "perPage": 200, "hasNextPage": False, "hasPreviousPage": True}
    assert len({user["username"] for user in first["users"] + second["users"]}) == 205


def test_people_of_a_workspace_are_for_its_members(blue: Blue) -> None:
    for key in ("sales-emea", blue.workspace("sales-emea")):
        assert [user["username"] for user in blue.ask(MEMBERS, id=key, who="member")["users"]] == [
            "ines",
            "milo",
            "sana",
        ]
    assert blue.ask(MEMBERS, id="sales-emea", search="oka")["totalCount"] == 1
    for key in ("finance-ops", "nowhere"):
        assert blue.code(MEMBERS, id=key, who="member") == "PROJECT_NOT_FOUND"


def test_one_person(blue: Blue) -> None:
    query = "query ($id: String!) { user(id: $id) { username isAgent isEmailVerified timezone } }"
    assert blue.ask(query, id=blue.user("teo"))["username"] == "teo"
    for key, who in (("nobody", "owner"), (blue.user("orson"), "owner"), (blue.user("teo"), "outsider")):
        error = blue.fail(query, id=key, who=who)
        assert (error["message"], error["extensions"]["code"]) == ("User was not found.", "USER_NOT_FOUND")


def test_addresses_are_blank_for_those_without_the_right(blue: Blue) -> None:
    def seen(who: str) -> list[str]:
        users = blue.ask(PEOPLE, id="acme", who=who)["users"]
        return [user["username"] for user in users if user["email"]]

    everybody = ["ines", "milo", "sana", "teo", "yuki"]
    assert seen("member") == everybody
    blue.switch(emails="blank")
    assert seen("owner") == everybody
    assert seen("member") == ["milo"]
    assert blue.ask("{ currentUser { email } }", who="member") == {"email": "milo@acme.example"}
    report = blue.create({}, fields="createdBy { email } todos(limit: 5000) { users { username email } }", who="member")
    assert report["createdBy"]["email"]
    others = {user["email"] for todo in report["todos"] for user in todo["users"] if user["username"] != "milo"}
    assert others == {""}
    for level in ("ADMIN", "OWNER"):
        change(
            blue, "blue_user", blue.user("milo"), projectLevel={blue.workspace("sales-emea"): level, "gone": "OWNER"}
        )
        assert seen("member") == ["ines", "milo", "sana"]


def test_free_slugs(blue: Blue) -> None:
    for root, taken in (("isCompanySlugAvailable", "acme"), ("isProjectSlugAvailable", "sales-emea")):
        query = f"query ($s: String!) {{ {root}(slug: $s) }}"
        assert blue.ask(query, s=taken) is False
        assert blue.ask(query, s="free") is True
