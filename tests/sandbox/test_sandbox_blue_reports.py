"""What happens to reports: create, update, share, duplicate, delete, refresh, list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from blue_sandbox import CREATE, READ, UPDATE, Blue
from hypothesis import given, settings
from hypothesis import strategies as st

DELETE = "mutation ($id: String!) { deleteReport(id: $id) }"
DUPLICATE = "mutation ($id: String!, $input: DuplicateReportInput) { duplicateReport(id: $id, input: $input) { %s } }"
COPY = """id uid title description config createdAt lastGeneratedAt projectIds createdBy { username }
  dataSources { id uid name sourceType projectIds filters order } reportUsers { id }"""
REFRESH = "mutation ($id: String!) { refreshReportAggregations(reportId: $id) { lastGeneratedAt updatedAt } }"


@pytest.fixture
def blue() -> Iterator[Blue]:
    with Blue() as service:
        yield service


def share(blue: Blue, report: str, **roles: str) -> Any:
    users = [{"userId": blue.user(name), "role": role} for name, role in roles.items()]
    return blue.update(report, reportUsers=users)


def test_a_new_report(blue: Blue) -> None:
    report = blue.ask(
        CREATE % "id uid title description config createdAt updatedAt lastGeneratedAt createdBy { username }"
        " company { slug } reportUsers { id } dataSources { name sourceType projectIds filters order createdAt }",
        input={"title": " T ", "description": "", "dataSources": [{}]},
    )
    assert len(report.pop("id")) == 25
    assert 0 < len(report.pop("uid")) < 12
    stamp = "2026-11-23T06:00:00.000Z"
    source = {"name": None, "sourceType": "TODOS", "projectIds": None, "filters": None, "order": 0, "createdAt": stamp}
    assert report == {
        "title": " T ",
        "description": "",
        "config": None,
        "createdAt": stamp,
        "updatedAt": stamp,
        "lastGeneratedAt": None,
        "createdBy": {"username": "ines"},
        "company": {"slug": "acme"},
        "reportUsers": [],
        "dataSources": [source],
    }


def test_no_sources_is_fine(blue: Blue) -> None:
    report = blue.create()
    assert (report["dataSources"], report["projectIds"]) == ([], [])


@pytest.mark.parametrize("spelling", [{}, {"projectIds": None}, {"projectIds": []}])
def test_three_spellings_of_every_workspace(blue: Blue, spelling: dict[str, Any]) -> None:
    report = blue.create(spelling, who="member")
    assert report["dataSources"][0]["projectIds"] is None
    own = {blue.workspace(slug) for slug in ("sales-emea", "sales-americas", "product-roadmap")}
    assert set(report["projectIds"]) == own  # joined, and without the archived one


def test_sources_are_sorted_by_order_and_then_by_place(blue: Blue) -> None:
    report = blue.create(
        {"name": "a", "order": 5}, {"name": "b"}, {"name": "c", "order": -1}, {"name": "d", "order": 5}
    )
    assert [(s["name"], s["order"]) for s in report["dataSources"]] == [("c", -1), ("b", 1), ("a", 5), ("d", 5)]


def test_computed_workspaces_are_within_the_creators_reach(blue: Blue) -> None:
    emea, apac, old = (blue.workspace(slug) for slug in ("sales-emea", "sales-apac", "legacy-pipeline"))
    report = blue.create({"projectIds": [emea, old]}, {"projectIds": [apac, emea]})
    assert set(report["projectIds"]) == {emea, apac}
    assert report["dataSources"][0]["projectIds"] == [emea, old]
    project = blue.store.get("blue_project", apac) or {}
    blue.store.put("blue_project", apac, project | {"memberIds": []})
    assert blue.read(report["id"])["projectIds"] == [emea]


def test_resolved_workspaces_are_sorted_by_name(blue: Blue) -> None:
    ids = [blue.workspace(slug) for slug in ("sales-emea", "engineering", "sales-apac")]
    report = blue.create({"projectIds": ids}, fields="dataSources { projects { name } }")
    names = [project["name"] for project in report["dataSources"][0]["projects"]]
    assert names == ["Engineering", "Sales APAC", "Sales EMEA"]


def test_a_workspace_out_of_reach_undoes_the_whole_creation(blue: Blue) -> None:
    emea, finance = blue.workspace("sales-emea"), blue.workspace("finance-ops")
    sources = [{"projectIds": [emea, "nowhere"]}, {"projectIds": [finance, emea]}]
    error = blue.fail(CREATE % "id", input={"title": "T", "dataSources": sources}, who="member")
    assert error == {
        "message": f"Cannot create report: Failed to backfill 2 of 3 projects. Failed projects: nowhere, {finance}",
        "path": ["createReport"],
    }
    assert blue.reports() == []


def test_unknown_workspaces_can_be_accepted(blue: Blue) -> None:
    blue.switch(unknown_project="accept")
    report = blue.create({"projectIds": ["nowhere"]})
    assert (report["dataSources"][0]["projectIds"], report["projectIds"]) == (["nowhere"], [])


def test_whether_slugs_are_resolved_is_a_switch(blue: Blue) -> None:
    source = {"projectIds": ["sales-emea"]}
    assert "1 of 1" in blue.fail(CREATE % "id", input={"title": "T", "dataSources": [source]})["message"]
    blue.switch(slug_project_ids="resolve")
    assert blue.create(source)["dataSources"][0]["projectIds"] == [blue.workspace("sales-emea")]
    assert blue.create({})["dataSources"][0]["projectIds"] is None
    assert (
        "nowhere"
        in blue.fail(CREATE % "id", input={"title": "T", "dataSources": [{"projectIds": ["nowhere"]}]})["message"]
    )


def test_what_omitted_filters_read_as_is_a_switch(blue: Blue) -> None:
    for value, read in (("null", None), ("empty_object", {})):
        blue.switch(filters_omitted=value)
        assert blue.create({}, {"filters": {"done": True}})["dataSources"][0]["filters"] == read


@pytest.mark.parametrize(
    ("fits", "breaks"),
    [
        ({"dataSources": [{}] * 50}, {"dataSources": [{}] * 51}),
        ({"description": "x" * 10_000}, {"description": "x" * 10_001}),
        ({"description": "\N{GRINNING FACE}" * 5_000}, {"description": "\N{GRINNING FACE}" * 5_001}),
        ({"config": {"a": "x" * (102_400 - 8)}}, {"config": {"a": "x" * (102_400 - 7)}}),
        ({"config": {"a": "é" * 51_196}}, {"config": {"a": "é" * 51_197}}),
    ],
)
def test_limits_are_exact_and_errors_plain(blue: Blue, fits: dict[str, Any], breaks: dict[str, Any]) -> None:
    report = blue.create()["id"]
    assert blue.update(report, **fits)
    before = blue.reports()
    error = blue.fail(UPDATE % "id", id=report, input={"title": "never"} | breaks)
    assert set(error) == {"message", "path"}
    assert blue.reports() == before
    if "config" not in fits:
        base = {"title": "T", "dataSources": []}
        assert set(blue.fail(CREATE % "id", input=base | breaks)) == {"message", "path"}
        assert blue.ask(CREATE % "id", input=base | fits)
    else:
        assert error["message"].endswith("bytes) exceeds maximum of 102400 bytes")


def test_update_leaves_what_is_omitted_and_replaces_what_is_given(blue: Blue) -> None:
    report = blue.create({"name": "a"})
    blue.update(report["id"], description="d", config={"a": 1, "b": 2})
    changed = blue.update(report["id"], title="New", config={"b": 3}, dataSources=None, reportUsers=None)
    assert (changed["title"], changed["description"], changed["config"]) == ("New", "d", {"b": 3})
    assert changed["dataSources"] == report["dataSources"]


def test_every_replacement_of_sources_makes_new_ones(blue: Blue) -> None:
    old = blue.create({"name": "a", "filters": {"done": False}})
    kept = {key: old["dataSources"][0][key] for key in ("id", "name", "filters")}
    new = blue.update(old["id"], dataSources=[kept])
    assert new["dataSources"][0]["name"] == "a"
    assert {new["dataSources"][0][key] for key in ("id", "uid")}.isdisjoint(
        {old["dataSources"][0][key] for key in ("id", "uid")}
    )
    assert new["dataSources"][0]["sourceType"] == "TODOS"
    assert blue.update(old["id"], dataSources=[])["dataSources"] == []


def test_a_failing_update_changes_nothing(blue: Blue) -> None:
    report = blue.create({"name": "a"})["id"]
    before = blue.reports()
    sources = [{"projectIds": ["nowhere", blue.workspace("sales-emea")]}]
    users = [{"userId": blue.user("milo"), "role": "VIEWER"}]
    given = {"title": "New", "reportUsers": users, "dataSources": sources}
    assert blue.fail(UPDATE % "id", id=report, input=given)["message"] == (
        "Failed to backfill 1 of 2 projects. Update aborted. Failed projects: nowhere"
    )
    given = {"title": "New", "reportUsers": [{"userId": "nobody", "role": "VIEWER"}], "dataSources": []}
    assert blue.fail(UPDATE % "id", id=report, input=given) == {
        "message": "User is not in the company.",
        "path": ["updateReport"],
        "extensions": {"code": "USER_NOT_IN_COMPANY"},
    }
    assert blue.reports() == before


def test_null_clears_or_is_ignored(blue: Blue) -> None:
    report = blue.create()["id"]
    blue.update(report, description="d", config={"a": 1})
    error = blue.fail(UPDATE % "id", id=report, input={"title": None, "description": None})
    assert error["extensions"]["data"]["field"] == "title"
    assert blue.read(report)["description"] == "d"
    blue.switch(null_clears_blue="ignore")
    same = blue.update(report, title=None, description=None, config=None)
    assert (same["title"], same["description"], same["config"]) == ("Pipeline", "d", {"a": 1})
    blue.switch(null_clears_blue="clear")
    cleared = blue.update(report, description=None, config=None)
    assert (cleared["description"], cleared["config"]) == (None, None)


def test_the_share_list_is_reconciled(blue: Blue) -> None:
    report = blue.create()["id"]
    first = share(blue, report, milo="VIEWER", sana="EDITOR")["reportUsers"]
    blue.tick(60)
    second = share(blue, report, teo="VIEWER", sana="VIEWER", ines="EDITOR")["reportUsers"]
    sana, teo = second
    assert (sana["user"]["id"], teo["user"]["id"]) == (blue.user("sana"), blue.user("teo"))
    assert (sana["id"], sana["createdAt"]) == (first[1]["id"], first[1]["createdAt"])
    assert (sana["role"], sana["updatedAt"]) == ("VIEWER", "2026-11-23T06:01:00.000Z")
    blue.tick(60)
    assert share(blue, report, sana="VIEWER", teo="VIEWER")["reportUsers"] == second
    assert blue.update(report, reportUsers=[])["reportUsers"] == []


def test_of_two_entries_for_one_user_the_last_wins(blue: Blue) -> None:
    twins = [{"userId": blue.user("milo"), "role": role} for role in ("EDITOR", "VIEWER")]
    (only,) = blue.update(blue.create()["id"], reportUsers=twins)["reportUsers"]
    assert only["role"] == "VIEWER"


def test_somebody_of_another_organization_cannot_be_given_access(blue: Blue) -> None:
    outsider = [{"userId": blue.user("orson"), "role": "VIEWER"}]
    assert blue.code(UPDATE % "id", id=blue.create()["id"], input={"reportUsers": outsider}) == "USER_NOT_IN_COMPANY"


def test_access_tiers(blue: Blue) -> None:
    report = blue.create()["id"]
    tries = {
        "view": (READ % "id", {}),
        "duplicate": (DUPLICATE % "id", {}),
        "refresh": (REFRESH, {}),
        "modify": (UPDATE % "id", {"input": {"title": "Theirs"}}),
        "delete": (DELETE, {}),
    }

    def refused() -> set[str]:
        answers = {
            name: blue.post(query, who="member", id=report, **more).json() for name, (query, more) in tries.items()
        }
        codes = {error["extensions"]["code"] for answer in answers.values() for error in answer.get("errors", ())}
        assert codes <= {"REPORT_NOT_FOUND"}
        return {name for name, answer in answers.items() if "errors" in answer}

    assert refused() == set(tries)
    share(blue, report, milo="VIEWER")
    assert refused() == {"modify", "delete"}
    share(blue, report, milo="EDITOR")
    assert refused() == {"delete"}
    assert blue.read(report)["title"] == "Theirs"
    assert blue.update(report, who="member", reportUsers=[])["reportUsers"] == []  # an editor who leaves
    assert refused() == set(tries)


def test_an_editors_sources_are_resolved_with_the_creators_rights(blue: Blue) -> None:
    report = blue.create()["id"]
    share(blue, report, milo="EDITOR")
    finance = blue.workspace("finance-ops")  # the creator's, not the editor's
    assert blue.update(report, who="member", dataSources=[{"projectIds": [finance]}])["projectIds"] == [finance]


def test_not_found_looks_the_same_whatever_the_reason(blue: Blue) -> None:
    report = blue.create()["id"]
    answers = [blue.post(READ % "id", id=key, who="member").json() for key in (report, "nothing")]
    assert answers[0] == answers[1]
    assert answers[0] == {
        "data": {"report": None},
        "errors": [
            {"message": "Report was not found.", "path": ["report"], "extensions": {"code": "REPORT_NOT_FOUND"}}
        ],
    }


@pytest.mark.parametrize("query", [UPDATE % "id", REFRESH])
def test_no_organization_comes_before_no_report(blue: Blue, query: str) -> None:
    assert blue.code(query, id="nothing", input={}, organization="") == "FORBIDDEN"


def test_delete_is_for_good(blue: Blue) -> None:
    report = blue.create({})["id"]
    blue.read(report, 'aggregations(fields: [{field: "x"}]) { count }')
    assert blue.ask(DELETE, id=report) is True
    assert blue.code(DELETE, id=report) == "REPORT_NOT_FOUND"
    assert blue.reports() == blue.store.all("blue_aggregation") == []


def test_a_duplicate_is_a_private_copy_of_the_callers(blue: Blue) -> None:
    old = blue.create({"name": "a", "filters": {"done": True}, "projectIds": [blue.workspace("finance-ops")]}, {})
    blue.update(old["id"], config={"layout": "table"}, description="d")
    old = share(blue, old["id"], milo="VIEWER")
    blue.ask(REFRESH, id=old["id"])
    blue.tick(5)
    new = blue.ask(DUPLICATE % COPY, id=old["id"], who="member", organization="")
    assert (new["title"], new["createdBy"]["username"], new["reportUsers"]) == ("Copy of Pipeline", "milo", [])
    assert (new["lastGeneratedAt"], new["createdAt"]) == (None, "2026-11-23T06:00:05.000Z")
    for key in ("config", "description"):
        assert new[key] == old[key]
    for ours, theirs in zip(new["dataSources"], old["dataSources"], strict=True):
        for key in ("name", "sourceType", "projectIds", "filters", "order"):
            assert ours[key] == theirs[key]
        assert ours["id"] != theirs["id"]
        assert ours["uid"] != theirs["uid"]
    assert new["id"] != old["id"]
    assert new["uid"] != old["uid"]
    assert blue.workspace("finance-ops") not in new["projectIds"]  # the new creator's reach
    assert blue.ask(DUPLICATE % "title", id=old["id"], input={"title": "Mine"}) == {"title": "Mine"}


def test_refresh_and_updated_at(blue: Blue) -> None:
    report = blue.create()["id"]
    for value, updated in (("off", "2026-11-23T06:00:00.000Z"), ("on", "2026-11-23T06:02:00.000Z")):
        blue.switch(refresh_touches=value)
        blue.tick(60)
        answer = blue.ask(REFRESH, id=report)
        assert answer["updatedAt"] == updated
        assert answer["lastGeneratedAt"] == blue.now.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_no_change_and_updated_at(blue: Blue) -> None:
    report = blue.create()["id"]
    for value, updated in (("off", "2026-11-23T06:00:00.000Z"), ("on", "2026-11-23T06:02:00.000Z")):
        blue.switch(noop_touches=value)
        blue.tick(60)
        assert blue.update(report, title="Pipeline")["updatedAt"] == updated
    blue.switch(noop_touches="off")
    blue.tick(60)
    assert blue.update(report, title="Other")["updatedAt"] == "2026-11-23T06:03:00.000Z"


def test_titles_may_repeat_unless_switched(blue: Blue) -> None:
    first, second = blue.create(title="A")["id"], blue.create(title="A")["id"]
    blue.switch(duplicate_titles="reject")
    assert blue.code(CREATE % "id", input={"title": "A", "dataSources": []}) == "BAD_USER_INPUT"
    assert blue.code(DUPLICATE % "id", id=first, input={"title": "A"}) == "BAD_USER_INPUT"
    assert blue.update(second, title="B")["title"] == "B"
    assert blue.update(second, title="B")["title"] == "B"
    assert blue.code(UPDATE % "id", id=second, input={"title": "A"}) == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("gate", "code"),
    [("missing_feature", "PLAN_LIMIT_REACHED"), ("PRO_REQUIRED", "PRO_REQUIRED"), ("FORBIDDEN", "FORBIDDEN")],
)
def test_an_organization_without_reports(blue: Blue, gate: str, code: str) -> None:
    blue.switch(plan_gate=gate)
    error = blue.fail(CREATE % "id", input={"title": "T", "dataSources": []})
    assert error["extensions"]["code"] == code
    assert error["extensions"].get("kind") == ("missing_feature" if gate == "missing_feature" else None)


SOURCE = st.fixed_dictionaries(
    {},
    optional={
        "name": st.none() | st.text(max_size=5),
        "order": st.none() | st.integers(-5, 5),
        "filters": st.none() | st.dictionaries(st.text(max_size=5), st.booleans() | st.integers(0, 9), max_size=2),
    },
)


@settings(max_examples=25, deadline=None)
@given(first=st.lists(SOURCE, max_size=4), second=st.lists(SOURCE, max_size=4))
def test_an_update_replaces_whatever_was_there(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> None:
    def kept(report: dict[str, Any]) -> list[dict[str, Any]]:
        return [{k: v for k, v in source.items() if k not in ("id", "uid")} for source in report["dataSources"]]

    with Blue() as blue:
        fresh, other = blue.create(*second), blue.create(*first)
        updated = blue.update(other["id"], dataSources=second)
        assert kept(updated) == kept(fresh)
        ids = [source["id"] for report in (fresh, other, updated) for source in report["dataSources"]]
        assert len(set(ids)) == len(ids)
        assert kept(blue.read(other["id"])) == kept(updated)
