from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipefy_sandbox import Pipefy

from reconciler.sandbox import world
from reconciler.sandbox.context import ServiceError
from reconciler.sandbox.pipefy import paging

FILTER = {
    "operator": "or",
    "queries": [{"field": "status", "operator": "contains", "value": ["in_progress", "review"]}],
    "groups": [{"operator": "and", "queries": [{"field": "amount", "operator": "gt", "value": "5000"}]}],
}
GET = "query($id: ID!) { organizationReport(id: $id) { id name } }"
DELETE = "mutation($id: ID!) { deleteOrganizationReport(input: {id: $id}) { success } }"
UUID = "{ pipe(id: 301000001) { uuid } }"


def test_a_report_is_created_read_changed_and_deleted(pipefy: Pipefy) -> None:
    made = pipefy.create(fields=["title", "amount"], filter=FILTER)
    assert made["fields"] == ["title", "amount"]
    assert made["filter"] == FILTER
    assert made["repos"] == [{"id": "301000001", "name": "Sales Pipeline"}]
    assert made["createdAt"] == made["lastUpdatedAt"] == "2026-11-23T06:00:00Z"
    assert made["color"] is None
    assert 0 < made["cardCount"] < 60
    pipefy.pass_time(60)
    changed = pipefy.update(id=made["id"], name="Daily", pipeIds=["301000002", "301000001"], color="red")
    assert changed["name"] == "Daily"
    assert changed["color"] == "#FF6B6B"
    assert changed["fields"] == ["title", "amount"]
    assert changed["filter"] == FILTER
    assert [repo["id"] for repo in changed["repos"]] == ["301000002", "301000001"]
    assert (changed["createdAt"], changed["lastUpdatedAt"]) == ("2026-11-23T06:00:00Z", "2026-11-23T06:01:00Z")
    assert pipefy.ask(DELETE, id=made["id"]) == {"deleteOrganizationReport": {"success": True}}
    for document in (GET, DELETE):
        assert pipefy.refusal(document, id=made["id"])["extensions"]["code"] == "PERMISSION_DENIED"


def test_ids_go_in_as_numbers_or_strings_and_come_out_as_strings(pipefy: Pipefy) -> None:
    made = pipefy.create(organizationId=300123456, pipeIds=[301000001])
    assert pipefy.ask(GET, id=int(made["id"])) == pipefy.ask(GET, id=made["id"])
    assert isinstance(made["id"], str)


def test_nulls_clear_unless_the_switch_says_otherwise(pipefy: Pipefy) -> None:
    made = pipefy.create(fields=["title"], filter=FILTER)
    pipefy.update(id=made["id"], color="blue")
    nothing = {"id": made["id"], "fields": None, "filter": None, "color": None, "name": None, "pipeIds": None}
    pipefy.switches.set("null_clears", "ignore")
    kept = pipefy.update(**nothing)
    assert (kept["fields"], kept["filter"], kept["color"]) == (["title"], FILTER, "#4D96FF")
    pipefy.switches.set("null_clears", "clear")
    gone = pipefy.update(**nothing)
    assert (gone["fields"], gone["filter"], gone["color"], gone["repos"]) == (None, None, None, [])
    assert gone["name"] == "Weekly"


def test_equal_names_are_accepted_and_blank_ones_are_not(pipefy: Pipefy) -> None:
    assert pipefy.create()["id"] != pipefy.create()["id"]
    document = (
        "mutation($i: CreateOrganizationReportInput!) { createOrganizationReport(input: $i) { clientMutationId } }"
    )
    given = {"organizationId": 300123456, "name": " ", "pipeIds": []}
    assert pipefy.refusal(document, i=given)["extensions"]["code"] == "BLANK_NAME"
    given = {"organizationId": 300123456, "name": "A", "clientMutationId": "mine"}
    assert pipefy.ask(document, i=given) == {"createOrganizationReport": {"clientMutationId": "mine"}}


@pytest.mark.parametrize(
    ("shape", "read"),
    [
        ("as_sent", FILTER),
        (
            "uppercase",
            {
                "operator": "OR",
                "queries": [{"field": "status", "operator": "CONTAINS", "value": ["in_progress", "review"]}],
                "groups": [{"operator": "AND", "queries": [{"field": "amount", "operator": "GT", "value": "5000"}]}],
            },
        ),
        ("flat", {"status": ["in_progress", "review"], "amount": ["5000"]}),
    ],
)
def test_a_filter_reads_back_in_one_of_the_shapes_shown(pipefy: Pipefy, shape: str, read: Any) -> None:
    pipefy.switches.set("filter_readback", shape)
    assert pipefy.create(filter=FILTER)["filter"] == read


def test_colours_read_back_as_hex_or_word(pipefy: Pipefy) -> None:
    made = pipefy.create()
    assert pipefy.update(id=made["id"], color="green")["color"].startswith("#")
    pipefy.switches.set("color_readback", "word")
    assert pipefy.update(id=made["id"], color="green")["color"] == "green"


def test_a_filter_the_service_cannot_read_saves_nothing(pipefy: Pipefy) -> None:
    document = (
        "mutation($i: CreateOrganizationReportInput!) { createOrganizationReport(input: $i) { clientMutationId } }"
    )
    wrong = {"operator": "and", "queries": [{"field": "due_date", "operator": "period", "value": "today"}]}
    given = {"organizationId": 300123456, "name": "A", "filter": wrong}
    assert pipefy.refusal(document, i=given)["extensions"]["code"] == "INVALID_INPUT"
    pipefy.switches.set("filter_open_operators", "interpret")
    pipefy.ask(document, i=given)


LIST = """query($first: Int, $after: String, $last: Int, $before: String) {
  organizationReports(organizationId: 300123456, first: $first, after: $after, last: $last, before: $before) {
    edges { cursor node { name } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""


def test_reports_are_listed_in_pages_that_are_cut_silently(pipefy: Pipefy) -> None:
    for number in range(53):
        pipefy.create(name=f"R{number}")
    page = pipefy.ask(LIST, first=100)["organizationReports"]
    assert len(page["edges"]) == 50
    assert page["pageInfo"]["hasNextPage"]
    rest = pipefy.ask(LIST, after=page["pageInfo"]["endCursor"])["organizationReports"]
    assert [edge["node"]["name"] for edge in rest["edges"]] == ["R50", "R51", "R52"]
    assert rest["pageInfo"] | {"startCursor": 0, "endCursor": 0} == {
        "hasNextPage": False,
        "hasPreviousPage": True,
        "startCursor": 0,
        "endCursor": 0,
    }
    back = pipefy.ask(LIST, last=2, before=rest["edges"][0]["cursor"])["organizationReports"]
    assert [edge["node"]["name"] for edge in back["edges"]] == ["R48", "R49"]
    pipefy.switches.set("page_cap", "10")
    assert len(pipefy.ask(LIST)["organizationReports"]["edges"]) == 10


@pytest.mark.parametrize("page", [{"first": -1}, {"after": "x"}, {"after": "eA=="}, {"first": 1, "last": 1}])
def test_pages_that_make_no_sense_are_refused(pipefy: Pipefy, page: dict[str, Any]) -> None:
    assert pipefy.refusal(LIST, **page)["extensions"]["code"] == "INVALID_INPUT"


@given(st.integers(0, 12), st.integers(1, 5), st.integers(1, 6), st.booleans())
def test_walking_the_pages_gives_everything_once(total: int, size: int, cap: int, forwards: bool) -> None:
    nodes = [{"n": number} for number in range(total)]
    seen: list[Any] = []
    cursor, more = None, True
    while more:
        arguments = {"first": size, "after": cursor} if forwards else {"last": size, "before": cursor}
        page = paging.connection(nodes, arguments, cap)
        found = [edge["node"] for edge in page["edges"]]
        seen = seen + found if forwards else found + seen
        cursor = page["pageInfo"]["endCursor" if forwards else "startCursor"]
        more = page["pageInfo"]["hasNextPage" if forwards else "hasPreviousPage"]
    assert seen == nodes


def test_a_cursor_beyond_the_end_gives_nothing() -> None:
    far = paging.connection([{}] * 9, {"first": 9}, 9)["edges"][8]["cursor"]
    assert paging.connection([{}] * 2, {"after": far}, 9)["edges"] == []
    with pytest.raises(ServiceError):
        paging.connection([], {"after": "é"}, 9)


@pytest.mark.parametrize("code", ["PERMISSION_DENIED", "RESOURCE_NOT_FOUND"])
def test_missing_and_forbidden_look_the_same(pipefy: Pipefy, code: str) -> None:
    pipefy.switches.set("missing_code", code)
    mine = pipefy.create()["id"]
    assert pipefy.refusal(GET, id="1")["extensions"]["code"] == code
    pipefy.token = world.PIPEFY_TOKENS["outsider"]
    for document in (GET, DELETE):
        assert pipefy.refusal(document, id=mine)["extensions"]["code"] == code
    for document in ("{ organization(id: 300123456) { id } }", "{ pipe(id: 301000001) { id } }"):
        assert pipefy.refusal(document)["extensions"]["code"] == code
    assert pipefy.ask("{ me { name organizations { id } } organizations { id } }") == {
        "me": {"name": "Orson Vale", "organizations": []},
        "organizations": [],
    }


@pytest.mark.parametrize(("access", "repos"), [("error", None), ("skip", ["301000001"])])
def test_a_pipe_out_of_reach(pipefy: Pipefy, access: str, repos: list[str] | None) -> None:
    pipefy.switches.set("pipe_access", access)
    given = {"pipeIds": ["301000001", "301000009"]}
    if repos is None:
        with pytest.raises(AssertionError, match="PERMISSION_DENIED"):
            pipefy.create(**given)
    else:
        assert [repo["id"] for repo in pipefy.create(**given)["repos"]] == repos


def test_a_new_service_account_sees_no_pipes(pipefy: Pipefy) -> None:
    document = "{ organization(id: 300123456) { pipesCount membersCount role pipes { id } } }"
    everything = pipefy.ask(document)["organization"]
    assert (everything["pipesCount"], everything["membersCount"], everything["role"]) == (6, 2, "admin")
    assert len(everything["pipes"]) == 5
    pipefy.switches.set("service_account_pipes", "none")
    assert pipefy.ask(document)["organization"]["pipes"] == []


def test_look_ups(pipefy: Pipefy) -> None:
    found = pipefy.ask(
        '{ organizations(ids: [300123456, 1]) { name planName uuid pipes(name_search: "hir") { id name } } '
        "pipe(id: 301000005) { name uuid organizationId description phases { name } reports { id } } }"
    )
    assert found["organizations"][0]["pipes"] == [{"id": "301000005", "name": "Hiring"}]
    assert [phase["name"] for phase in found["pipe"]["phases"]] == ["Applied", "Interview", "Offer", "Hired"]
    assert found["pipe"]["organizationId"] == "300123456"
    fields = pipefy.ask("{ organizationReportFilterableFields { label name type } }")
    names = [field["name"] for field in fields["organizationReportFilterableFields"]]
    assert " ".join(names[:10]) == (
        "card_id title current_phase labels due_date created_by creatorEmail assignees finished_at created_at"
    )


def test_pipe_reports(pipefy: Pipefy) -> None:
    uuid = pipefy.ask(UUID)["pipe"]["uuid"]
    create = "mutation($i: CreatePipeReportInput!) { createPipeReport(input: $i) { pipeReport { id name " + (
        "fields color repo { id } selectedFormulaFields { indexName } } } }"
    )
    listing = (
        "query($u: String!, $s: String, $r: ID, $o: PipeReportsOrder) { pipeReports(pipeUuid: $u, search: $s, "
        + ("reportId: $r, order: $o) { edges { node { id name cardCount } } pageInfo { hasNextPage } } }")
    )

    def names(**given: Any) -> list[str]:
        edges = pipefy.ask(listing, u=uuid, **given)["pipeReports"]["edges"]
        return [edge["node"]["name"] for edge in edges]

    for name, formulas in (("Beta", ["amount", "sum"]), ("alpha", [["amount", "avg"], ["id", "count"]]), ("Ab", None)):
        made = pipefy.ask(create, i={"pipeId": 301000001, "name": name, "formulas": formulas, "fields": ["title"]})
    made = made["createPipeReport"]["pipeReport"]
    assert made | {"id": 0} == {
        "id": 0,
        "name": "Ab",
        "fields": ["title"],
        "color": None,
        "repo": {"id": "301000001"},
        "selectedFormulaFields": [],
    }
    assert names() == ["Beta", "alpha", "Ab"]
    assert names(o={"field": "name", "direction": "desc"}) == ["Beta", "alpha", "Ab"]
    assert names(o={"field": "name", "direction": "asc"}) == ["Ab", "alpha", "Beta"]
    assert names(s="A") == ["Beta", "alpha", "Ab"]
    assert names(s="AB") == ["Ab"]
    assert names(r=made["id"]) == ["Ab"]
    inner = pipefy.ask("{ pipe(id: 301000001) { reports { name selectedFormulaFields { indexName } } } }")
    assert inner["pipe"]["reports"][:2] == [
        {"name": "Beta", "selectedFormulaFields": [{"indexName": "amount_sum"}]},
        {"name": "alpha", "selectedFormulaFields": [{"indexName": "amount_avg"}, {"indexName": "id_count"}]},
    ]
    update = "mutation($i: UpdatePipeReportInput!) { updatePipeReport(input: $i) { pipeReport { name color fields } } }"
    changed = pipefy.ask(update, i={"id": made["id"], "color": "red", "formulas": ["id", "sum"], "featuredField": "id"})
    assert changed["updatePipeReport"]["pipeReport"] == {"name": "Ab", "color": "#FF6B6B", "fields": ["title"]}
    wrong = {"id": made["id"], "formulas": [["one"]]}
    assert pipefy.refusal(update, i=wrong)["extensions"]["code"] == "INVALID_INPUT"
    delete = "mutation($i: DeletePipeReportInput!) { deletePipeReport(input: $i) { success clientMutationId } }"
    gone = pipefy.ask(delete, i={"id": made["id"], "clientMutationId": "x"})
    assert gone == {"deletePipeReport": {"success": True, "clientMutationId": "x"}}
    assert pipefy.refusal(delete, i={"id": made["id"]})["extensions"]["code"] == "PERMISSION_DENIED"


@pytest.mark.parametrize("answer", ["null", "number", "error"])
def test_card_counts_of_pipe_reports(pipefy: Pipefy, answer: str) -> None:
    pipefy.ask('mutation { createPipeReport(input: {pipeId: 301000001, name: "A"}) { clientMutationId } }')
    pipefy.switches.set("card_count", answer)
    body = pipefy.post("{ pipe(id: 301000001) { reports { cardCount } } }").json()
    assert body["data"]["pipe"]["reports"] == [{"cardCount": 60 if answer == "number" else None}]
    assert ("errors" in body) == (answer == "error")


def test_metadata_of_a_pipe(pipefy: Pipefy) -> None:
    uuid = pipefy.ask(UUID)["pipe"]["uuid"]
    document = "query($u: String!) { pipeReportColumns(pipeUuid: $u) { name visible archived options { id name } } }"
    columns = {column["name"]: column for column in pipefy.ask(document, u=uuid)["pipeReportColumns"]}
    assert columns["title"]["visible"]
    assert not columns["amount"]["visible"]
    assert [option["name"] for option in columns["current_phase"]["options"]] == [
        "Lead",
        "Qualified",
        "Proposal",
        "Won",
    ]
    assert columns["region"]["options"][0] == {"id": "EMEA", "name": "EMEA"}
    document = (
        "query($u: String!) { pipeReportFilterableFields(pipeUuid: $u) { title list { label list { name type } } } }"
    )
    sections = pipefy.ask(document, u=uuid)["pipeReportFilterableFields"]
    assert [section["title"] for section in sections] == ["Default fields", "Start form"]
    assert {"name": "deal_stage", "type": "select"} in sections[1]["list"][0]["list"]
    assert pipefy.refusal(document, u="301000001")["extensions"]["code"] == "PERMISSION_DENIED"


def test_card_search(pipefy: Pipefy) -> None:
    document = """query($p: [Int]!, $n: ReportPaginationInput!, $s: ReportSortDirectionInput, $f: ReportCardsFilter) {
      cardSearch(organizationId: 300123456, pipeIds: $p, pagination: $n, sortBy: $s, filter: $f) {
        count next_page previous_page wait cards { id title } } }"""
    first = pipefy.ask(document, p=[301000001], n={})["cardSearch"]
    assert (first["count"], first["next_page"], first["previous_page"], len(first["cards"])) == (60, 2, None, 50)
    second = pipefy.ask(document, p=[301000001, None], n={"page": 2, "perPage": 100})["cardSearch"]
    assert (second["next_page"], second["previous_page"], len(second["cards"])) == (None, 1, 10)
    phase = pipefy.ask("{ pipe(id: 301000001) { phases { id } } }")["pipe"]["phases"][0]["id"]
    by_phase = {
        "operator": "and",
        "queries": [{"field": "current_phase", "operator": "eq", "type": "select", "value": phase}],
    }
    some = pipefy.ask(document, p=[301000001], n={}, f=by_phase)["cardSearch"]["count"]
    assert 0 < some < 60
    assert pipefy.refusal(document, p=[301000009], n={})["extensions"]["code"] == "PERMISSION_DENIED"
    assert pipefy.refusal(document, p=[], n={"page": -1})["extensions"]["code"] == "INVALID_INPUT"
