"""Records and numbers of a report, and its export."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest
from blue_sandbox import ORGANIZATION, READ, Blue
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.sandbox import outbox
from reconciler.sandbox.blue import exports, records

EXPORT = "mutation ($id: String!) { exportReport(input: {reportId: $id}) }"
REFRESH = "mutation ($id: String!) { refreshReportAggregations(reportId: $id) { id } }"
TODOS = """query ($id: String!, $filter: TodosFilter, $sort: [TodosSort!], $limit: Int, $skip: Int) {
  report(id: $id) { todos(filter: $filter, sort: $sort, limit: $limit, skip: $skip) { %s } } }"""
COUNT = "query ($id: String!, $filter: TodosFilter) { report(id: $id) { todoCount(filter: $filter) } }"
NUMBERS = """query ($id: String!, $fields: [AggregationFieldInput!]!, $filter: TodosFilter) {
  report(id: $id) { aggregations(fields: $fields, filter: $filter) {
    field fieldName fieldType sum avg min max count } } }"""
BASE = {"companyIds": ["acme"]}


@pytest.fixture
def blue() -> Iterator[Blue]:
    with Blue() as service:
        yield service


def todos(blue: Blue, report: str, fields: str = "id", **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = blue.ask(TODOS % fields, id=report, **more)["todos"]
    return found


def count(blue: Blue, report: str, **given: Any) -> int:
    return int(blue.ask(COUNT, id=report, filter=BASE | given)["todoCount"])


def kept(blue: Blue, slug: str, **where: Any) -> list[dict[str, Any]]:
    here = blue.workspace(slug)
    wanted = {"archived": False, "projectId": here} | where
    return [doc for doc in blue.store.all("blue_todo") if all(doc[key] == value for key, value in wanted.items())]


def put(blue: Blue, slug: str, number: int, **more: Any) -> str:
    """Write a record and return its id; the first ones replace those of the world."""
    here = blue.workspace(slug)
    doc = blue.store.get("blue_todo", f"{here}-todo-{number}") or kept(blue, slug)[0] | {"id": f"{here}-todo-{number}"}
    blue.store.put("blue_todo", doc["id"], doc | {"archived": False} | more)
    return str(doc["id"])


def test_no_sources_no_data(blue: Blue) -> None:
    fields = 'todos { id } todoCount aggregations(fields: [{field: "x"}]) { count }'
    assert blue.read(blue.create()["id"], fields) == {"todos": [], "todoCount": 0, "aggregations": []}


def test_sources_filter_for_themselves_and_a_record_counts_once(blue: Blue) -> None:
    emea, apac = blue.workspace("sales-emea"), blue.workspace("sales-apac")
    report = blue.create(
        {"projectIds": [emea], "filters": {"done": True}},
        {"projectIds": [emea, apac], "filters": {"done": False}},
        {"projectIds": [emea]},
    )["id"]
    expected = {doc["id"] for doc in kept(blue, "sales-emea") + kept(blue, "sales-apac", done=False)}
    found = [doc["id"] for doc in todos(blue, report)]
    assert set(found) == expected
    assert count(blue, report) == len(found) == len(expected)


def test_the_extra_filter_comes_on_top_and_its_workspaces_are_ignored(blue: Blue) -> None:
    report = blue.create({"projectIds": [blue.workspace("sales-emea")], "filters": {"done": False}})["id"]
    expected = [doc for doc in kept(blue, "sales-emea", done=False) if doc["tagIds"]]
    assert count(blue, report, hasTag=True, projectIds=["nowhere"]) == len(expected)
    assert count(blue, report, done=True) == 0
    shelved = len(kept(blue, "sales-emea", done=False, archived=True))
    assert count(blue, report, archived=True) == shelved


def test_data_is_read_with_the_creators_rights(blue: Blue) -> None:
    report = blue.create({"projectIds": [blue.workspace("finance-ops")]})["id"]
    blue.update(report, reportUsers=[{"userId": blue.user("milo"), "role": "VIEWER"}])
    data = todos(blue, report, "todoList { project { slug } }", who="member")
    assert data[0] == {"todoList": {"project": {"slug": "finance-ops"}}}


@pytest.mark.parametrize("field", ["todos { id }", "todoCount", "aggregations(fields: []) { count }"])
def test_data_needs_an_organization(blue: Blue, field: str) -> None:
    report = blue.create({})["id"]
    answer = blue.post(READ % f"id {field}", id=report, organization="").json()
    (error,) = answer["errors"]
    name, _, _ = field.replace("(", " ").partition(" ")
    assert answer["data"] == {"report": None}
    assert (error["extensions"]["code"], error["path"]) == ("FORBIDDEN", ["report", name])


def test_the_limit_has_a_default_and_is_clamped(blue: Blue, monkeypatch: pytest.MonkeyPatch) -> None:
    report = blue.create({})["id"]
    total = count(blue, report)
    assert total > 100
    assert len(todos(blue, report)) == len(todos(blue, report, limit=None)) == 100
    assert len(todos(blue, report, limit=10_000)) == total
    assert todos(blue, report, limit=0) == todos(blue, report, limit=-1) == []
    assert records.MAX_PAGE == 5000
    monkeypatch.setattr(records, "MAX_PAGE", 7)
    assert len(todos(blue, report, limit=10_000)) == 7


@settings(max_examples=15, deadline=None)
@given(
    limit=st.integers(1, 9), sort=st.lists(st.sampled_from(["title_ASC", "duedAt_DESC", "createdAt_ASC"]), max_size=2)
)
def test_pages_of_records_cover_everything_once(limit: int, sort: list[str]) -> None:
    with Blue() as blue:
        report = blue.create({"projectIds": [blue.workspace("sales-emea")]})["id"]
        whole = todos(blue, report, sort=sort)
        paged: list[dict[str, Any]] = []
        while page := todos(blue, report, sort=sort, limit=limit, skip=len(paged)):
            paged += page
        assert paged == whole
        assert len(whole) == len(kept(blue, "sales-emea"))


@pytest.mark.parametrize(
    ("key", "field"),
    [
        ("id", "id"),
        ("title", "title"),
        ("createdAt", "createdAt"),
        ("updatedAt", "updatedAt"),
        ("startedAt", "startedAt"),
        ("duedAt", "duedAt"),
        ("completedAt", "completedAt"),
        ("position", "position"),
        ("todoListTitle", "todoList { title }"),
        ("todoListPosition", "todoList { position }"),
        ("projectName", "todoList { project { name } }"),
        ("createdBy", "createdBy { firstName }"),
    ],
)
def test_records_are_sorted_and_what_lacks_the_value_comes_last(blue: Blue, key: str, field: str) -> None:
    report = blue.create({})["id"]

    def values(direction: str) -> list[Any]:
        found: list[Any] = []
        for value in todos(blue, report, field, sort=[f"{key}_{direction}"], limit=5000):
            while isinstance(value, dict):
                (value,) = value.values()  # noqa: PLW2901 # down to the leaf
            found.append(value.casefold() if isinstance(value, str) else value)
        return found

    for direction in ("ASC", "DESC"):
        read = values(direction)
        present = [value for value in read if value is not None]
        assert read == sorted(present, reverse=direction == "DESC") + [None] * (len(read) - len(present))


def test_records_are_sorted_by_people_and_tags(blue: Blue) -> None:
    report = blue.create({})["id"]
    people = [
        min(u["firstName"] for u in t["users"])
        for t in todos(blue, report, "users { firstName }", sort=["assignees_ASC"])
        if t["users"]
    ]
    assert people == sorted(people)
    tags = [
        min(t["title"] for t in r["tags"])
        for r in todos(blue, report, "tags { title }", sort=["todoTags_DESC"])
        if r["tags"]
    ]
    assert tags == sorted(tags, reverse=True)


def test_the_first_sort_key_is_the_strongest_and_unknown_things_keep_the_order(blue: Blue) -> None:
    report = blue.create({})["id"]
    read = todos(
        blue, report, "title todoList { title }", sort=["todoListTitle_ASC", "title_DESC", "checklistTitle_ASC"]
    )
    lists = [each["todoList"]["title"] for each in read]
    assert lists == sorted(lists)
    first = [each["title"].casefold() for each in read if each["todoList"]["title"] == lists[0]]
    assert first == sorted(first, reverse=True)


def test_a_record_in_full(blue: Blue) -> None:
    key = put(
        blue,
        "sales-emea",
        0,
        text="a < b",
        timeTracking={"timeToCompletion": 5.5},
        todoListId=f"{blue.workspace('sales-emea')}-list-1",
    )
    report = blue.create({"filters": {"todoIds": [key]}})["id"]
    fields = """text html done archived timezone position timeTracking { timeToCompletion timeInCurrentProject }
      todoList { title project { slug company { slug } } } users { username } tags { title color }"""
    (read,) = todos(blue, report, fields)
    assert read["html"] == "<p>a &lt; b</p>"
    assert read["timeTracking"] == {"timeToCompletion": 5.5, "timeInCurrentProject": None}
    assert read["todoList"] == {"title": "In progress", "project": {"slug": "sales-emea", "company": {"slug": "acme"}}}


def test_a_filter_that_makes_no_sense_fails_when_it_is_read(blue: Blue) -> None:
    report = blue.create({"filters": {"tagIds": 5}})["id"]
    assert set(blue.fail(COUNT, id=report)) == {"message", "path"}


def amounts(blue: Blue) -> tuple[str, list[float]]:
    field = f"{blue.workspace('sales-emea')}-field-0"
    return field, [doc["customFields"][field] for doc in kept(blue, "sales-emea", done=False)]


def test_numbers(blue: Blue) -> None:
    field, values = amounts(blue)
    report = blue.create({"filters": {"done": False}})["id"]
    put(blue, "sales-apac", 0, done=False, timeTracking={"totalDuration": 90})
    asked = [
        {"field": "timeTracking.totalDuration", "footerType": "SUM"},
        {"field": field, "fieldType": "CURRENCY"},
        {"field": "title"},
        {"field": "done"},
        {"field": "nothing"},
    ]
    duration, amount, *none = blue.ask(NUMBERS, id=report, fields=asked)["aggregations"]
    assert duration == {
        "field": "timeTracking.totalDuration",
        "fieldName": "Time tracking",
        "fieldType": None,
        "sum": 90,
        "avg": 90,
        "min": 90,
        "max": 90,
        "count": 1,
    }
    assert (amount["field"], amount["fieldName"], amount["fieldType"]) == (field, "Amount", "CURRENCY")
    assert amount["sum"] == pytest.approx(sum(values))
    assert amount["avg"] == pytest.approx(sum(values) / len(values))
    assert (amount["min"], amount["max"], amount["count"]) == (min(values), max(values), len(values))
    for each, name in zip(none, ("title", "done", "nothing"), strict=True):
        empty = dict.fromkeys(("fieldName", "fieldType", "sum", "avg", "min", "max"))
        assert each == {"field": name, "count": 0, **empty}


def test_a_record_counts_once_in_a_merged_field(blue: Blue) -> None:
    first, _ = amounts(blue)
    second = f"{blue.workspace('sales-emea')}-field-1"
    report = blue.create({"projectIds": [blue.workspace("sales-emea")]})["id"]
    asked = [{"field": "merged_x", "originalIds": [first, second]}, {"field": "merged_y"}]
    both, none = blue.ask(NUMBERS, id=report, fields=asked)["aggregations"]
    values = [doc["customFields"][first] for doc in kept(blue, "sales-emea")]
    assert both["sum"] == pytest.approx(sum(values))
    assert both["count"] == len(values)
    assert none["count"] == 0


def test_numbers_are_kept_for_five_minutes_or_until_refreshed(blue: Blue) -> None:
    report = blue.create({"filters": {"hasTag": True}})["id"]

    def total() -> int:
        asked = [{"field": "timeTracking.totalDuration"}]
        return int(blue.ask(NUMBERS, id=report, fields=asked)["aggregations"][0]["count"])

    tags = [f"{blue.workspace('sales-emea')}-tag-0"]
    assert total() == 0
    put(blue, "sales-emea", 0, tagIds=tags, timeTracking={"totalDuration": 1})
    assert total() == 0
    blue.ask(REFRESH, id=report)
    assert total() == 1
    put(blue, "sales-emea", 1, tagIds=tags, timeTracking={"totalDuration": 1})
    assert total() == 1
    blue.tick(300)
    assert total() == 2
    blue.update(report, dataSources=[])
    assert blue.ask(NUMBERS, id=report, fields=[{"field": "x"}])["aggregations"] == []


def mailed(blue: Blue) -> list[dict[str, str]]:
    (mail,) = outbox.sent(blue.store, blue.now)
    return list(csv.DictReader(io.StringIO(mail["content"])))


def test_an_export_is_mailed_to_the_caller(blue: Blue) -> None:
    report = blue.create({"projectIds": [blue.workspace("sales-emea")]}, title="Q3 / Pipeline")["id"]
    assert blue.ask(EXPORT, id=report, who="member") is True  # any member of the organization
    (mail,) = outbox.sent(blue.store, blue.now)
    assert (mail["to"], mail["service"], mail["attachmentName"]) == ("milo@acme.example", "blue", "Q3---Pipeline.csv")
    rows = mailed(blue)
    assert [row["Title"] for row in rows] == [doc["title"] for doc in kept(blue, "sales-emea")]
    assert {row["Project"] for row in rows} == {"Sales EMEA"}
    amount = kept(blue, "sales-emea")[0]["customFields"]
    assert rows[0]["Amount"] == str(next(iter(amount.values())))


def test_cells_survive_commas_quotes_and_lines(blue: Blue) -> None:
    text = 'say "hi", then\r\nleave; =1+1'
    key = put(blue, "sales-emea", 0, text=text, title="a,b")
    blue.ask(EXPORT, id=blue.create({"filters": {"todoIds": [key]}})["id"])
    (row,) = mailed(blue)
    assert (row["Title"], row["Description"]) == ("a,b", text)


def test_an_export_merges_filters_and_the_first_source_wins(blue: Blue) -> None:
    emea, apac = blue.workspace("sales-emea"), blue.workspace("sales-apac")
    report = blue.create(
        {"projectIds": [emea], "filters": {"done": True}},
        {"projectIds": [apac], "filters": {"done": False, "hasTag": True}},
    )["id"]
    blue.ask(EXPORT, id=report)
    expected = [doc for slug in ("sales-emea", "sales-apac") for doc in kept(blue, slug, done=True) if doc["tagIds"]]
    assert [row["Title"] for row in mailed(blue)] == [doc["title"] for doc in expected]
    assert {doc["id"] for doc in todos(blue, report)} != {doc["id"] for doc in expected}


BLOBS = st.none() | st.dictionaries(st.sampled_from("abcd"), st.integers())


@given(st.lists(BLOBS, max_size=4))
def test_a_merged_filter_has_every_key_from_the_first_who_set_it(blobs: list[dict[str, int] | None]) -> None:
    merged = exports.merged([{"filters": blob} for blob in blobs])
    assert merged == {key: value for blob in reversed(blobs) for key, value in (blob or {}).items()}


def test_one_export_in_fifty_seconds_per_user(blue: Blue) -> None:
    report = blue.create({})["id"]
    assert blue.code(EXPORT, id="nothing") == "REPORT_NOT_FOUND"  # does not count
    assert blue.ask(EXPORT, id=report)
    blue.tick(49.9)
    answer = blue.post(EXPORT, id=report)
    assert answer.status_code == 200
    assert answer.json() == {
        "data": None,
        "errors": [
            {
                "message": "Too many requests, please try again later.",
                "path": ["exportReport"],
                "extensions": {"code": "RATE_LIMITED"},
            }
        ],
    }
    assert blue.ask(EXPORT, id=report, who="member")
    blue.tick(0.1)
    assert blue.ask(EXPORT, id=report)
    blue.switch(export_throttle="off")
    assert blue.ask(EXPORT, id=report)
    assert len(outbox.sent(blue.store, blue.now)) == 4


@pytest.mark.parametrize("sources", [[], [{"projectIds": ["legacy-pipeline"]}]])
def test_an_export_of_no_workspaces(blue: Blue, sources: list[dict[str, Any]]) -> None:
    blue.switch(slug_project_ids="resolve")
    report = blue.create(*sources)["id"]
    error = {"message": "No valid projects found in report data sources", "path": ["exportReport"]}
    assert blue.fail(EXPORT, id=report) == error
    blue.switch(export_empty_error="silent")
    assert blue.ask(EXPORT, id=report) is True
    assert outbox.sent(blue.store, blue.now) == []


def test_who_may_export(blue: Blue) -> None:
    blue.switch(export_throttle="off")
    report = blue.create({})["id"]
    assert blue.code(EXPORT, id=report, who="outsider") == "REPORT_NOT_FOUND"
    blue.switch(export_access="member_and_plan")
    assert blue.code(EXPORT, id=report, who="outsider") == "REPORT_NOT_FOUND"
    assert blue.ask(EXPORT, id=report, who="member")
    milo = blue.store.get("blue_user", blue.user("milo")) or {}
    blue.store.put("blue_user", milo["id"], milo | {"companyLevel": {ORGANIZATION: "CLIENT"}})
    assert blue.code(EXPORT, id=report, who="member") == "FORBIDDEN"
    company = blue.store.get("blue_company", ORGANIZATION) or {}
    blue.store.put("blue_company", ORGANIZATION, company | {"plan": "free"})
    assert blue.code(EXPORT, id=report) == "FORBIDDEN"
    blue.switch(export_access="any_member")
    assert blue.ask(EXPORT, id=report)
    assert blue.ask(EXPORT, id=report, who="member")


@pytest.mark.parametrize(
    ("gate", "code"), [("missing_feature", "FORBIDDEN"), ("PRO_REQUIRED", "PRO_REQUIRED"), ("FORBIDDEN", "FORBIDDEN")]
)
def test_no_export_without_the_plan(blue: Blue, gate: str, code: str) -> None:
    report = blue.create({})["id"]
    blue.switch(plan_gate=gate)
    assert blue.code(EXPORT, id=report) == code
