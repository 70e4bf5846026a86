from __future__ import annotations

import subprocess
import sys

import pytest
from pipefy_sandbox import Pipefy

from reconciler.sandbox import world, world_blue
from reconciler.sandbox.store import Store

COLLECTIONS = [
    *("blue_company", "blue_user", "blue_project", "blue_list", "blue_tag", "blue_field", "blue_todo", "blue_token"),
    *("pipefy_organization", "pipefy_user", "pipefy_token", "pipefy_client", "pipefy_pipe", "pipefy_card"),
]


def dump(store: Store) -> dict[str, object]:
    return {name: store.all(name) for name in COLLECTIONS}


def test_the_world_is_always_the_same_and_made_once() -> None:
    one, two = Store(None), Store(None)
    world.seed(one)
    world.seed(one)
    world.seed(two)
    assert dump(one) == dump(two)
    sizes = {name: len(one.all(name)) for name in COLLECTIONS}
    assert sizes["blue_project"] == 8
    assert sizes["blue_todo"] == 200
    assert sizes["pipefy_pipe"] == 6
    assert sizes["pipefy_card"] == 320
    assert sum(project["archived"] for project in one.all("blue_project")) == 1
    assert all(user["email"].endswith(".example") for user in one.all("blue_user") + one.all("pipefy_user"))
    assert world.signing_key(one) != world.signing_key(two)
    one.close()
    two.close()


def test_everything_points_at_something_that_is() -> None:
    store = Store(None)
    world.seed(store)
    users = {user["id"] for user in store.all("blue_user")}
    lists = {row["id"]: row["projectId"] for row in store.all("blue_list")}
    tags = {tag["id"]: tag["projectId"] for tag in store.all("blue_tag")}
    assert world_blue.OWNER_ID in users
    for todo in store.all("blue_todo"):
        assert lists[todo["todoListId"]] == todo["projectId"]
        assert all(tags[tag] == todo["projectId"] for tag in todo["tagIds"])
        assert {todo["createdById"], *todo["assigneeIds"]} <= users
    for project in store.all("blue_project"):
        assert set(project["memberIds"]) <= users
    for token in store.all("blue_token"):
        assert token["userId"] in users
    store.close()


def test_what_manifests_mention_is_invented(open_pipefy: Pipefy) -> None:
    mentions = {
        ("blue", "workspace"): ["ws_1", "cmws000000000000salesemea"],
        ("blue", "user"): ["user_1"],
        ("pipefy", "pipe"): ["987654321", "301000009"],
        ("pipefy", "report"): ["456789123"],
    }
    for _ in range(2):
        world.ensure(open_pipefy.store, mentions, blue_organization="globex", pipefy_organization="123456789")
    store = open_pipefy.store
    assert (store.get("blue_company", "globex") or {})["slug"] == "globex"
    assert (store.get("blue_user", "user_1") or {})["companyLevel"] == {"globex": "MEMBER"}
    assert {p["id"] for p in store.all("blue_project") if p["companyId"] == "globex"} == set(
        mentions["blue", "workspace"]
    )
    assert sum(todo["projectId"] == "ws_1" for todo in store.all("blue_todo")) == 12
    owner = store.get("blue_user", world_blue.OWNER_ID) or {}
    assert owner["companyLevel"] == {world.BLUE_ORGANIZATION: "OWNER", "globex": "OWNER"}
    answer = open_pipefy.ask(
        "{ organization(id: 123456789) { role pipes { id } } organizationReport(id: 456789123) { name cardCount } }"
    )
    assert answer["organization"]["role"] == "admin"
    assert {pipe["id"] for pipe in answer["organization"]["pipes"]} == {"987654321", "301000009"}
    assert answer["organizationReport"] == {"name": "Report 456789123", "cardCount": 40}


def test_nothing_mentioned_changes_nothing() -> None:
    store = Store(None)
    world.seed(store)
    before = dump(store)
    world.ensure(store, {}, blue_organization="", pipefy_organization="")
    world.ensure(store, {}, blue_organization="acme", pipefy_organization=world.PIPEFY_ORGANIZATION)
    assert dump(store) == before
    store.close()


def test_a_new_report_never_takes_an_invented_id(pipefy: Pipefy) -> None:
    world.ensure(pipefy.store, {("pipefy", "report"): ["400000001"]}, blue_organization="", pipefy_organization="")
    assert pipefy.create()["id"] == "400000002"


@pytest.mark.parametrize(
    "module",
    ["reconciler.sandbox", "reconciler.sandbox.world", "reconciler.sandbox.faults", "reconciler.sandbox.server"],
)
def test_the_light_half_needs_no_library(module: str) -> None:
    program = f"import sys, {module}\nheavy = {{'ariadne', 'graphql', 'starlette', 'uvicorn', 'xlsxwriter'}}\n"
    program += "sys.exit(sorted(heavy & set(sys.modules)) or 0)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
