"""Names instead of ids: looked up before anything is sent, or nothing is."""

from __future__ import annotations

from typing import Any

import pytest
from strict_project import Strict, bundle

BLUE = """\
apiVersion: blue/v1
kind: Report
metadata: {name: sales}
spec:
  title: Sales
  dataSources: [{projects: [{slug: project-1}, {name: Name of project_3}]}]
  reportUsers: [{email: USER_2@acme.example, role: VIEWER}]
"""
SAVED = """\
apiVersion: pipefy/v1
kind: Report
metadata: {name: saved}
spec: {name: Saved, pipes: [{name: Pipe 301000002}], fields: [title], filter: status = open}
"""
EXPORT = """\
apiVersion: pipefy/v1
kind: Export
metadata: {name: cards}
spec: {pipes: [{name: Pipe 301000001}], columns: [title], deadline: 5m}
"""
NAMED = (BLUE, SAVED, EXPORT)
MANY = """\
apiVersion: blue/v1
kind: Report
metadata: {name: "r{{ each.value }}"}
forEach: [ENTRIES]
spec:
  title: "Report {{ each.value }}"
  dataSources: [{projects: [{slug: "project-{{ each.value }}"}]}]
  reportUsers: [{email: "user_{{ each.value }}@acme.example", role: VIEWER}]
"""
LISTS = ("projectList", "companyUserList", "organization")


def reads(strict: Strict) -> list[str]:
    return [seen.operation for seen in strict.server.seen if seen.operation in LISTS]


def untouched(strict: Strict) -> None:
    assert strict.server.mutations == []
    assert strict.state()["position"] == 0


def test_ids_are_sent_and_the_plan_is_empty(strict: Strict) -> None:
    strict.declare(*NAMED)
    assert len(strict.plan()["steps"]) == 4
    assert len(strict.plan("--refresh")["steps"]) == 4
    untouched(strict)
    assert strict.apply().code == 0
    (blue,), (saved,) = strict.server.world.blue.values(), strict.server.world.saved.values()
    assert blue["dataSources"][0]["projectIds"] == ["project_1", "project_3"]
    assert [share["user"]["id"] for share in blue["reportUsers"]] == ["user_2"]
    assert [repo["id"] for repo in saved["repos"]] == ["301000002"]
    before, position = len(strict.server.mutations), strict.state()["position"]
    for arguments in ((), ("--refresh",)):
        assert strict.plan(*arguments)["steps"] == []
    assert strict.apply().code == 0
    assert (len(strict.server.mutations), strict.state()["position"]) == (before, position)


@pytest.mark.parametrize(
    ("operation", "kind", "how", "arguments"),
    [
        ("projectList", "both", {"executed": True, "code": "BAD_USER_INPUT"}, []),
        ("projectList", "drop", {}, ["p.json"]),
        ("companyUserList", "429", {"retry_after": "4000"}, []),
        ("companyUserList", "code", {"code": "BAD_USER_INPUT"}, ["p.json"]),
        ("organization", "null", {"code": "BAD_USER_INPUT"}, []),
        ("organization", "429", {"retry_after": "4000"}, ["p.json"]),
    ],
)
def test_what_cannot_be_looked_up_stops_everything(
    strict: Strict, operation: str, kind: str, how: Any, arguments: list[str]
) -> None:
    strict.declare(*NAMED)
    strict.plan("--out", "p.json")
    strict.server.fail(operation, kind, times=100, **how)
    ran = strict.apply(*arguments)
    assert ran.code == 7, ran.err
    assert "127.0.0.1" in ran.err
    untouched(strict)
    strict.server.faults.clear()
    assert strict.apply(*arguments).code == 0
    assert strict.plan()["steps"] == []


def test_a_look_up_is_tried_again(strict: Strict) -> None:
    strict.declare(*NAMED)
    for operation, kind in zip(LISTS, ("drop", "429", "half"), strict=True):
        strict.server.fail(operation, kind)
    assert strict.apply().code == 0
    assert strict.plan("--refresh")["steps"] == []


def many(strict: Strict, count: int) -> None:
    strict.server.blue.projects = {f"project_{number}" for number in range(count)}
    strict.server.blue.users = {f"user_{number}" for number in range(count)}
    strict.declare(MANY.replace("ENTRIES", ", ".join(f"'{number}'" for number in range(count))))


def test_the_number_of_requests_depends_on_the_lists_and_not_on_the_names(strict: Strict) -> None:
    many(strict, 250)
    assert len(strict.plan("--refresh")["steps"]) == 500
    assert reads(strict) == ["projectList"] * 7 + ["companyUserList"] * 2
    untouched(strict)


def test_a_list_of_which_only_some_pages_come_is_no_list(strict: Strict) -> None:
    many(strict, 100)
    strict.server.fail("projectList", "html", status=502, nth=3, times=100)
    assert strict.apply().code == 7
    untouched(strict)


def test_a_list_that_repeats_itself_is_no_list(strict: Strict) -> None:
    strict.declare(*NAMED)
    strict.server.blue.repeats = True
    ran = strict.apply()
    assert ran.code == 7
    assert "repeats a page" in ran.err
    untouched(strict)


def test_a_name_of_two_and_a_hidden_address_are_told_at_their_places(strict: Strict) -> None:
    strict.declare(*NAMED)
    strict.server.blue.projects |= {"project_3x"}
    strict.server.blue.hidden = {"user_2"}
    ran = strict.apply("--color", "never")
    assert ran.code == 3
    assert "all.yaml:6:55: error[name-ambiguous]" in ran.err
    assert "all.yaml:7:25: error[name-hidden]" in ran.err
    untouched(strict)


def test_from_ids_to_names_nothing_is_sent_and_nothing_exported_again(strict: Strict) -> None:
    plain = bundle(*NAMED)
    for name, id_ in {
        "projects: [{slug: project-1}, {name: Name of project_3}]": "projectIds: [project_3, project_1]",
        "email: USER_2@acme.example": "userId: user_2",
        "pipes: [{name: Pipe 301000002}]": "pipeIds: [301000002]",
        "pipes: [{name: Pipe 301000001}]": "pipeIds: ['301000001']",
        "filter: status = open": "filter: {operator: and, queries: [{field: status, operator: eq, value: open}]}",
        ", deadline: 5m": "",
    }.items():
        assert name in plain
        plain = plain.replace(name, id_)
    strict.declare(plain)
    assert strict.apply().code == 0
    sent, made = len(strict.server.mutations), len(strict.server.world.made)
    strict.declare(*NAMED)
    strict.plan("--out", "p.json")
    (step,) = strict.plan("--refresh")["steps"]
    assert (step["action"], [change["path"] for change in step["changes"]]) == ("update", ["deadline"])
    assert strict.apply("p.json").code == 0
    assert strict.plan()["steps"] == []
    assert (len(strict.server.mutations), len(strict.server.world.made)) == (sent, made)
