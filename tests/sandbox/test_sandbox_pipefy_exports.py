from __future__ import annotations

import io
import json
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from pipefy_sandbox import START, Pipefy

from reconciler.sandbox import outbox, world

COLUMNS = ["title", "status", "assignee", "due_date", "priority"]
EXAMPLE = {
    "pipeIds": [301000001, 301000002],
    "columns": COLUMNS,
    "filter": {
        "operator": "and",
        "queries": [{"field": "status", "operator": "contains", "value": ["in_progress", "review"]}],
    },
    "sortBy": {"field": "due_date", "direction": "asc"},
}


def sheet(content: bytes) -> list[tuple[Any, ...]]:
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert len(book.worksheets) == 1
    return list(book.worksheets[0].iter_rows(values_only=True))


def column(content: bytes, name: str) -> list[Any]:
    rows = sheet(content)
    at = rows[0].index(name)
    return [row[at] for row in rows[1:]]


def test_the_example_of_the_page(pipefy: Pipefy) -> None:
    rows = sheet(pipefy.file(**EXAMPLE).content)
    assert list(rows[0]) == COLUMNS
    assert {row[1] for row in rows[1:]} == {"in_progress", "review"}
    dates = [row[3] for row in rows[1:] if row[3] is not None]
    assert dates == sorted(dates)
    assert [row[3] for row in rows[1:]][len(dates) :] == [None] * (len(rows) - 1 - len(dates))
    assert any(json.loads(row[2])[0] for row in rows[1:] if row[2])


def test_the_life_of_an_export(pipefy: Pipefy) -> None:
    pipefy.switches.set("export_plan", "10/20")
    made = pipefy.start(columns=["title"])
    who = {"id": "500000001", "name": "Sandbox Service Account"}
    nothing = {"startedAt": None, "finishedAt": None, "fileURL": None}
    waiting = {"id": made["id"], "state": "processing", **nothing, "requestedBy": who, "report": None}
    assert made == waiting
    pipefy.pass_time(9)
    assert pipefy.status(made["id"]) == waiting
    pipefy.pass_time(1)
    working = waiting | {"startedAt": "2026-11-23T06:00:10Z"}
    assert pipefy.status(made["id"]) == working
    pipefy.pass_time(19.9)
    assert pipefy.status(made["id"]) == working
    assert outbox.sent(pipefy.store, pipefy.now) == []
    pipefy.pass_time(0.1)
    done = pipefy.status(made["id"])
    assert done | {"fileURL": None} == working | {"state": "done", "finishedAt": "2026-11-23T06:00:30Z"}
    assert done["fileURL"].startswith("http://sandbox.localhost/storage/v1/signed/orgs/")
    mails = outbox.sent(pipefy.store, pipefy.now)
    assert [(mail["to"], mail["service"]) for mail in mails] == [("robot@acme.example", "pipefy")]


@pytest.mark.parametrize("finished", ["set", "null"])
@pytest.mark.parametrize("mail", ["off", "on"])
def test_a_failed_export(pipefy: Pipefy, finished: str, mail: str) -> None:
    pipefy.switches.set("export_plan", "fail")
    pipefy.switches.set("finished_at_on_failure", finished)
    pipefy.switches.set("failure_mail", mail)
    made = pipefy.start(columns=["title"])
    pipefy.pass_time(1)
    failed = pipefy.status(made["id"])
    assert (failed["state"], failed["fileURL"]) == ("failed", None)
    assert (failed["finishedAt"] is None) == (finished == "null")
    assert len(outbox.sent(pipefy.store, pipefy.now)) == (mail == "on")


def test_an_export_that_never_ends(pipefy: Pipefy) -> None:
    pipefy.switches.set("export_plan", "stuck")
    made = pipefy.start(columns=["title"])
    pipefy.pass_time(10**6)
    stuck = pipefy.status(made["id"])
    assert (stuck["state"], stuck["finishedAt"], stuck["fileURL"]) == ("processing", None, None)
    assert stuck["startedAt"]


def test_columns_come_in_the_order_asked_for(pipefy: Pipefy) -> None:
    names = ["priority", "id", "title", "assignees", "card_id", "title", "region", "amount"]
    rows = sheet(pipefy.file(columns=names).content)
    assert list(rows[0]) == names
    assert len(rows) == 301
    by_name = dict(zip(rows[0], rows[1], strict=True))
    assert by_name["id"] == by_name["card_id"] == "900000001"
    assert any(isinstance(row[-1], float) for row in rows[1:])


def test_no_columns_and_no_report_gives_no_columns(pipefy: Pipefy) -> None:
    for given in ({}, {"columns": []}, {"columns": None}):
        assert sheet(pipefy.file(**given).content) == []


@pytest.mark.parametrize(("which", "own"), [("all", False), ("saved", True)])
def test_no_columns_but_a_report(pipefy: Pipefy, which: str, own: bool) -> None:
    pipefy.switches.set("report_columns", which)
    report = pipefy.create(fields=["amount", "title"])
    head = list(sheet(pipefy.file(organizationReportId=int(report["id"])).content)[0])
    assert head[:2] == ["amount", "title"]
    assert (len(head) == 2) is own
    assert own or set(head) >= {"id", "status", "created_at", "deal_stage"}
    bare = pipefy.create()
    head = list(sheet(pipefy.file(organizationReportId=int(bare["id"])).content)[0])
    assert head[:2] == ["id", "title"]
    assert len(set(head)) == len(head) == 16


@pytest.mark.parametrize(("wins", "first"), [("explicit", False), ("saved_report", True)])
def test_a_saved_report_against_explicit_arguments(pipefy: Pipefy, wins: str, first: bool) -> None:
    pipefy.switches.set("precedence", wins)
    done = {"operator": "and", "queries": [{"field": "status", "operator": "eq", "value": "done"}]}
    new = {"operator": "and", "queries": [{"field": "status", "operator": "eq", "value": "new"}]}
    report = pipefy.create(fields=["status", "id"], filter=done, pipeIds=["301000001"])
    given = {"columns": ["id", "status"], "filter": new, "pipeIds": [301000002]}
    content = pipefy.file(organizationReportId=int(report["id"]), **given).content
    assert list(sheet(content)[0]) == (["status", "id"] if first else ["id", "status"])
    assert set(column(content, "status")) == {"done" if first else "new"}
    assert (min(column(content, "id")) < "900000061") is first
    fallback = pipefy.file(organizationReportId=int(report["id"]), columns=["status", "id"]).content
    assert set(column(fallback, "status")) == {"done"}


def test_scope(pipefy: Pipefy) -> None:
    everything = column(pipefy.file(columns=["id"]).content, "id")
    assert len(everything) == 300
    assert len(column(pipefy.file(columns=["id"], pipeIds=[301000003]).content, "id")) == 60
    assert column(pipefy.file(columns=["id"], pipeIds=[]).content, "id") == everything
    pipefy.switches.set("empty_pipe_ids", "error")
    assert (
        pipefy.refusal(START, i={"organizationId": 300123456, "pipeIds": []})["extensions"]["code"] == "INVALID_INPUT"
    )
    outside = {"organizationId": 300123456, "columns": ["id"], "pipeIds": [301000003, 301000009]}
    assert pipefy.refusal(START, i=outside)["extensions"]["code"] == "PERMISSION_DENIED"
    pipefy.switches.set("pipe_access", "skip")
    assert len(column(pipefy.file(**outside).content, "id")) == 60
    pipefy.token = world.PIPEFY_TOKENS["member"]
    assert len(column(pipefy.file(columns=["id"]).content, "id")) == 140
    for where in ({"organizationId": 1}, {"organizationId": 300123456, "organizationReportId": 9}):
        assert pipefy.refusal(START, i=where)["extensions"]["code"] == "PERMISSION_DENIED"


@pytest.mark.parametrize(("what", "head"), [("drop", ["id"]), ("empty", ["id", "nope"]), ("error", None)])
def test_a_column_that_does_not_exist(pipefy: Pipefy, what: str, head: list[str] | None) -> None:
    pipefy.switches.set("unknown_column", what)
    if head is None:
        refused = pipefy.refusal(START, i={"organizationId": 300123456, "columns": ["id", "nope"]})
        assert refused["extensions"]["code"] == "INVALID_INPUT"
    else:
        rows = sheet(pipefy.file(columns=["id", "nope"]).content)
        assert list(rows[0]) == head
        assert list(rows[1][1:]) == [None] * (len(head) - 1)


@pytest.mark.parametrize(("headers", "head"), [("names", ("due_date", "region")), ("labels", ("Due date", "Region"))])
def test_headers(pipefy: Pipefy, headers: str, head: tuple[str, ...]) -> None:
    pipefy.switches.set("headers", headers)
    assert sheet(pipefy.file(columns=["due_date", "region"]).content)[0] == head


@pytest.mark.parametrize(("how", "opens"), [("json", "["), ("comma", "")])
def test_cells_with_several_values(pipefy: Pipefy, how: str, opens: str) -> None:
    pipefy.switches.set("multi_values", how)
    cells = [cell for cell in column(pipefy.file(columns=["labels"]).content, "labels") if cell]
    assert all(cell.startswith(opens) for cell in cells)
    assert any(", " in cell for cell in cells)
    assert (cells[0][0] == "[") == (how == "json")


def test_equal_exports_give_equal_bytes_and_formulas_stay_text(pipefy: Pipefy) -> None:
    first = pipefy.file(columns=["title", "id"])
    pipefy.pass_time(86400)
    second = pipefy.file(columns=["title", "id"])
    assert first.content == second.content
    assert first.content[:4] == b"PK\x03\x04"
    book = openpyxl.load_workbook(io.BytesIO(first.content))
    assert book.worksheets[0]["A2"].value == "=SUM(1,2)"
    assert book.worksheets[0]["A2"].data_type == "s"
    assert first.headers["content-type"].endswith("spreadsheetml.sheet")


def test_addresses_are_signed_afresh_and_expire(pipefy: Pipefy) -> None:
    made = pipefy.start(columns=["title"])
    pipefy.pass_time(1)
    old = pipefy.status(made["id"])["fileURL"]
    pipefy.pass_time(3000)
    new = pipefy.status(made["id"])["fileURL"]
    assert old != new
    assert old.partition("?")[0] == new.partition("?")[0]
    expiry = [int(parse_qs(urlsplit(url).query)["expires_on"][0]) for url in (old, new)]
    assert expiry[1] - expiry[0] == 3000
    assert pipefy.http("GET", old).status_code == 200
    pipefy.pass_time(600)
    assert pipefy.http("GET", old).status_code == 403
    assert pipefy.http("GET", new).status_code == 200
    pipefy.switches.set("url_expired", "404")
    assert pipefy.http("GET", old).status_code == 404
    pipefy.switches.set("url_ttl", "5")
    short = pipefy.status(made["id"])["fileURL"]
    pipefy.pass_time(5)
    assert pipefy.http("GET", short).status_code == 404


def test_an_address_that_was_tampered_with_is_refused(pipefy: Pipefy) -> None:
    made = pipefy.start(columns=["title"])
    pipefy.pass_time(1)
    url = pipefy.status(made["id"])["fileURL"]
    path, query = url.split("?")
    expires, signature = query.split("&")
    later = f"expires_on={int(expires.partition('=')[2]) + 9}"
    tries = [path, f"{path}?{expires}", f"{path}?{later}&{signature}", f"{path}x?{query}"]
    tries += [f"{path}?{expires}&signature=é", f"{path}?expires_on=soon&{signature}", "/storage/v1/signed/x"]
    for wrong in tries:
        assert pipefy.http("GET", wrong).status_code == 403, wrong
    assert pipefy.http("POST", url).status_code == 404


def test_the_address_can_precede_the_file(pipefy: Pipefy) -> None:
    pipefy.switches.set("file_ready_delay", "30")
    made = pipefy.start(columns=["title"])
    pipefy.pass_time(1)
    url = pipefy.status(made["id"])["fileURL"]
    assert pipefy.http("GET", url).status_code == 404
    pipefy.pass_time(30)
    assert pipefy.http("GET", url).status_code == 200


@pytest.mark.parametrize(
    ("kind", "begins"), [("xlsx", b"PK\x03\x04"), ("csv", b"title\r\n"), ("html_error", b"<!doctype")]
)
def test_what_the_address_serves(pipefy: Pipefy, kind: str, begins: bytes) -> None:
    pipefy.switches.set("file_kind", kind)
    assert pipefy.file(columns=["title"]).content.startswith(begins)


@pytest.mark.parametrize(("how", "name"), [("ymd", "q3_sales_2026-11-23.xlsx"), ("dmy", "q3_sales_23-11-2026.xlsx")])
def test_file_names(pipefy: Pipefy, how: str, name: str) -> None:
    pipefy.switches.set("file_date", how)
    report = pipefy.create(name="Q3 / Sales!")
    answer = pipefy.file(organizationReportId=int(report["id"]))
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert "organization_report_" in pipefy.file(columns=["id"]).headers["content-disposition"]


@pytest.mark.parametrize(("who", "seen"), [("organization", True), ("requester", False)])
def test_somebody_elses_export(pipefy: Pipefy, who: str, seen: bool) -> None:
    pipefy.switches.set("export_visibility", who)
    made = pipefy.start(columns=["title"])
    document = "query($id: ID!) { organizationReportExport(id: $id) { requestedBy { name } } }"
    pipefy.token = world.PIPEFY_TOKENS["member"]
    if seen:
        assert pipefy.ask(document, id=made["id"])
    else:
        assert pipefy.refusal(document, id=made["id"])["extensions"]["code"] == "PERMISSION_DENIED"
    pipefy.token = world.PIPEFY_TOKENS["outsider"]
    assert pipefy.refusal(document, id=made["id"])["extensions"]["code"] == "PERMISSION_DENIED"


def test_a_report_of_another_organization_cannot_be_exported(pipefy: Pipefy) -> None:
    mentions = {("pipefy", "report"): ["456"]}
    world.ensure(pipefy.store, mentions, blue_organization="", pipefy_organization="123456789")
    given = {"organizationId": 300123456, "organizationReportId": 456}
    assert pipefy.refusal(START, i=given)["extensions"]["code"] == "PERMISSION_DENIED"
    assert "errors" not in pipefy.post(START, {"i": {**given, "organizationId": 123456789}}).json()


def test_truth_is_truth_in_a_sheet(pipefy: Pipefy) -> None:
    cells = column(pipefy.file(columns=["reopened"], pipeIds=[301000004]).content, "reopened")
    assert set(cells) == {True, False, None}


def test_equal_requests_are_two_exports(pipefy: Pipefy) -> None:
    assert pipefy.start(columns=["title"])["id"] != pipefy.start(columns=["title"])["id"]


def test_an_export_outlives_its_report(pipefy: Pipefy) -> None:
    report = pipefy.create(fields=["title"])
    made = pipefy.start(organizationReportId=int(report["id"]))
    assert made["report"] == {"id": report["id"], "name": "Weekly"}
    pipefy.ask("mutation($id: ID!) { deleteOrganizationReport(input: {id: $id}) { success } }", id=report["id"])
    pipefy.pass_time(1)
    left = pipefy.status(made["id"])
    assert left["report"] is None
    assert sheet(pipefy.http("GET", left["fileURL"]).content)[0][0] == "title"


PIPE_START = (
    "mutation($i: ExportPipeReportInput!) { exportPipeReport(input: $i) { clientMutationId pipeReportExport "
    "{ id state report { id } } } }"
)


def pipe_report(pipefy: Pipefy, pipe: int = 301000001, **given: Any) -> str:
    document = "mutation($i: CreatePipeReportInput!) { createPipeReport(input: $i) { pipeReport { id } } }"
    made = pipefy.ask(document, i={"pipeId": pipe, "name": "P", **given})
    return str(made["createPipeReport"]["pipeReport"]["id"])


def test_a_pipe_export(pipefy: Pipefy) -> None:
    report = pipe_report(pipefy, fields=["amount", "title"])
    given = {"pipeId": "301000001", "pipeReportId": report}
    made = pipefy.ask(PIPE_START, i=given)["exportPipeReport"]["pipeReportExport"]
    assert made == {"id": "700000001", "state": "processing", "report": {"id": report}}
    pipefy.pass_time(1)
    document = "query($id: ID!) { pipeReportExport(id: $id) { state finishedAt fileURL report { name } } }"
    done = pipefy.ask(document, id=made["id"])["pipeReportExport"]
    assert (done["state"], done["finishedAt"], done["report"]) == ("done", "2026-11-23T06:00:00Z", {"name": "P"})
    assert sheet(pipefy.http("GET", done["fileURL"]).content)[0] == ("amount", "title")
    other = {**given, "pipeId": 301000002}
    assert pipefy.refusal(PIPE_START, i=other)["extensions"]["code"] == "PERMISSION_DENIED"
    organization = "query($id: ID!) { organizationReportExport(id: $id) { id } }"
    assert pipefy.refusal(organization, id=made["id"])["extensions"]["code"] == "PERMISSION_DENIED"


@pytest.mark.parametrize("limit", ["50", "25", "2"])
@pytest.mark.parametrize("error", ["code", "message_only"])
@pytest.mark.parametrize("refused", ["ignored", "extends"])
def test_the_quota_of_a_pipe(pipefy: Pipefy, limit: str, error: str, refused: str) -> None:
    pipefy.switches.set("quota_per_pipe", limit)
    pipefy.switches.set("quota_error", error)
    pipefy.switches.set("quota_refused", refused)
    given = {"pipeId": 301000001, "pipeReportId": pipe_report(pipefy)}
    for _ in range(int(limit)):
        pipefy.ask(PIPE_START, i=given)
    pipefy.pass_time(23 * 3600)
    body = pipefy.post(PIPE_START, {"i": given}).json()
    assert body["data"] == {"exportPipeReport": None}
    assert body["errors"][0]["extensions"].get("code") == ("USAGE_LIMIT_EXCEEDED" if error == "code" else None)
    other = {"pipeId": 301000002, "pipeReportId": pipe_report(pipefy, 301000002)}
    pipefy.ask(PIPE_START, i=other)
    pipefy.pass_time(3600)
    if refused == "extends":
        assert "errors" in pipefy.post(PIPE_START, {"i": given}).json()
        pipefy.pass_time(24 * 3600)
    pipefy.ask(PIPE_START, i=given)


def test_old_exports_leave_the_quota_and_it_can_be_off(pipefy: Pipefy) -> None:
    pipefy.switches.set("quota_per_pipe", "2")
    given = {"pipeId": 301000001, "pipeReportId": pipe_report(pipefy)}
    for _ in range(4):
        pipefy.ask(PIPE_START, i=given)
        pipefy.pass_time(24 * 3600)
    pipefy.switches.set("quota_per_pipe", "off")
    for _ in range(60):
        pipefy.ask(PIPE_START, i=given)


def test_a_quota_of_the_organization(pipefy: Pipefy) -> None:
    for _ in range(60):
        pipefy.start(columns=["id"])
    pipefy.switches.set("quota_organization", "1")
    pipefy.start(columns=["id"])
    refused = pipefy.refusal(START, i={"organizationId": 300123456, "columns": ["id"]})
    assert refused["extensions"]["code"] == "USAGE_LIMIT_EXCEEDED"


@pytest.mark.parametrize(("case", "hits"), [("insensitive", True), ("sensitive", False)])
def test_filter_switches_reach_the_filter(pipefy: Pipefy, case: str, hits: bool) -> None:
    pipefy.switches.set("filter_case", case)
    query = {"field": "title", "operator": "contains", "value": "NORTHWIND"}
    given = {"columns": ["id"], "filter": {"operator": "and", "queries": [query]}}
    assert bool(column(pipefy.file(**given).content, "id")) is hits


@pytest.mark.parametrize(("empty", "rows"), [("all", 300), ("none", 0)])
def test_an_empty_group(pipefy: Pipefy, empty: str, rows: int) -> None:
    pipefy.switches.set("filter_empty_group", empty)
    assert len(column(pipefy.file(columns=["id"], filter={"operator": "or"}).content, "id")) == rows


@pytest.mark.parametrize(("values", "accepted"), [("any", True), ("strings_only", False)])
def test_filter_values(pipefy: Pipefy, values: str, accepted: bool) -> None:
    pipefy.switches.set("filter_values", values)
    query = {"field": "status", "operator": "contains", "value": ["done"]}
    given = {"organizationId": 300123456, "filter": {"operator": "and", "queries": [query]}}
    assert ("errors" not in pipefy.post(START, {"i": given}).json()) is accepted


@pytest.mark.parametrize(("depth", "accepted"), [("10", False), ("11", True), ("off", True)])
def test_filter_depth(pipefy: Pipefy, depth: str, accepted: bool) -> None:
    pipefy.switches.set("filter_depth", depth)
    nested: dict[str, Any] = {"operator": "and"}
    for _ in range(10):
        nested = {"operator": "or", "groups": [nested]}
    given = {"organizationId": 300123456, "filter": nested}
    assert ("errors" not in pipefy.post(START, {"i": given}).json()) is accepted


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati"])
def test_the_zone_of_dates(pipefy: Pipefy, zone: str) -> None:
    pipefy.switches.set("date_zone", zone)
    everything = column(pipefy.file(columns=["created_at"]).content, "created_at")
    local = [datetime.fromisoformat(text).astimezone(ZoneInfo(zone)).date().isoformat() for text in everything]
    for day in local[:20]:
        query = {"field": "created_at", "operator": "eq", "value": day}
        content = pipefy.file(columns=["created_at"], filter={"operator": "and", "queries": [query]}).content
        assert len(column(content, "created_at")) == local.count(day)
