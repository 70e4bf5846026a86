from __future__ import annotations

import base64
from typing import Any

import pytest
from graphql import build_client_schema, get_introspection_query, get_named_type
from pipefy_sandbox import START, Pipefy

from reconciler.sandbox import world
from reconciler.sandbox.pipefy.schema import executable

UNAUTHORIZED = {"errors": [{"title": "Unauthorized", "detail": "You are not authorized to access this page"}]}
ME = "{ me { id } }"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer nope", "Basic x", world.PIPEFY_TOKENS["owner"]])
def test_who_is_not_known_is_told_so(pipefy: Pipefy, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = pipefy.http("POST", "/graphql", headers=headers, json={"query": ME})
    assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED)


def test_without_authentication_anybody_is_the_owner(open_pipefy: Pipefy) -> None:
    for token in (None, "nope", world.PIPEFY_TOKENS["owner"]):
        open_pipefy.token = token
        assert open_pipefy.ask(ME) == {"me": {"id": "500000001"}}
    open_pipefy.token = world.PIPEFY_TOKENS["member"]
    assert open_pipefy.ask(ME) == {"me": {"id": "500000002"}}


CLIENT, SECRET = world.PIPEFY_CLIENT
GRANT = {"grant_type": "client_credentials"}
BASIC = {"Authorization": "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()}


@pytest.mark.parametrize(
    "sent",
    [
        {"json": {**GRANT, "client_id": CLIENT, "client_secret": SECRET}},
        {"data": {**GRANT, "client_id": CLIENT, "client_secret": SECRET}},
        {"data": GRANT, "headers": BASIC},
        {"json": GRANT, "headers": BASIC},
    ],
)
def test_tokens_are_issued_and_expire(pipefy: Pipefy, sent: dict[str, Any]) -> None:
    pipefy.switches.set("token_ttl", "600")
    answer = pipefy.http("POST", "/oauth/token", **sent)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 600)
    pipefy.token = body["access_token"]
    pipefy.pass_time(599)
    assert pipefy.ask(ME) == {"me": {"id": "500000001"}}
    pipefy.pass_time(1)
    assert pipefy.post(ME).status_code == 401


def test_a_token_lives_five_minutes_at_first(pipefy: Pipefy) -> None:
    body = pipefy.http("POST", "/oauth/token", data=GRANT, headers=BASIC).json()
    assert body["expires_in"] == 300


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"json": GRANT},
        {"json": ["x"]},
        {"content": b"\xff", "headers": {"Content-Type": "application/json"}},
        {"json": {**GRANT, "client_id": CLIENT, "client_secret": "wrong"}},
        {"json": {**GRANT, "client_id": CLIENT, "client_secret": 7}},
        {"data": {**GRANT, "client_id": "nobody", "client_secret": SECRET}},
        {"data": GRANT, "headers": {"Authorization": "Basic ???"}},
    ],
)
def test_other_clients_get_no_token(pipefy: Pipefy, sent: dict[str, Any]) -> None:
    answer = pipefy.http("POST", "/oauth/token", **sent)
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})


def test_other_grants_and_methods(pipefy: Pipefy) -> None:
    answer = pipefy.http("POST", "/oauth/token", data={"grant_type": "password"}, headers=BASIC)
    assert (answer.status_code, answer.json()) == (400, {"error": "unsupported_grant_type"})
    assert pipefy.http("GET", "/oauth/token").status_code == 404
    assert pipefy.http("GET", "/nowhere").status_code == 404


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"x"', b"{}", b'{"query": 1}', b"[" * 100_000, b"\xff"])
def test_bodies_that_are_no_request(pipefy: Pipefy, content: bytes) -> None:
    headers = {"Authorization": f"Bearer {pipefy.token}"}
    assert pipefy.http("POST", "/graphql", headers=headers, content=content).status_code == 400


@pytest.mark.parametrize("more", [{"variables": []}, {"operationName": 3}, {"variables": "x"}])
def test_parts_of_the_wrong_type(pipefy: Pipefy, more: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {pipefy.token}"}
    answer = pipefy.http("POST", "/graphql", headers=headers, json={"query": ME, **more})
    assert answer.status_code == 400


def test_only_posts_are_answered(pipefy: Pipefy) -> None:
    answer = pipefy.http("GET", "/graphql?query={me{id}}", headers={"Authorization": f"Bearer {pipefy.token}"})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_operations_are_chosen_by_name(pipefy: Pipefy) -> None:
    document = "query A { me { id } } query B { me { name } }"
    assert pipefy.post(document, operationName="B").json() == {"data": {"me": {"name": "Sandbox Service Account"}}}
    assert "errors" in pipefy.post(document).json()
    assert "errors" in pipefy.post(document, operationName="C").json()
    assert pipefy.post(ME, operationName="").json()["data"]


@pytest.mark.parametrize(
    ("document", "message", "code"),
    [
        ("{ nope }", "Field 'nope' doesn't exist on type 'Query'", "undefinedField"),
        ("{ organizationReport { id } }", "Field 'organizationReport' is missing required arguments: id",
         "missingRequiredArguments"),
        ("{ me(x: 1) { id } }", "Field 'me' doesn't accept argument 'x'", "argumentNotAccepted"),
        ("mutation { createOrganizationReport(input: {organizationId: 1}) { clientMutationId } }",
         "Argument 'name' on InputObject 'CreateOrganizationReportInput' is required. Expected type String!",
         "missingRequiredInputObjectAttribute"),
        ('mutation { exportOrganizationReport(input: {organizationId: "1"}) { clientMutationId } }',
         "Argument has an invalid value (\"1\"). Expected type 'Int'.", "argumentLiteralsIncompatible"),
        ("mutation { exportOrganizationReport(input: {organizationId: 1, x: 2}) { clientMutationId } }",
         "InputObject 'ExportOrganizationReportInput' doesn't accept argument 'x'", "argumentNotAccepted"),
        ("query($x: String) { organizationReport(id: $x) { id } }", "Type mismatch on variable $x (String / ID!)",
         "variableMismatch"),
        ("{ me", None, None),
        ("{" * 5000, None, None),
    ],
)  # fmt: skip
def test_documents_that_do_not_fit_are_answered_like_graphql_ruby(
    pipefy: Pipefy, document: str, message: str | None, code: str | None
) -> None:
    answer = pipefy.post(document)
    assert answer.status_code == 200
    error = answer.json()["errors"][0]
    assert "data" not in answer.json()
    assert message is None or error["message"] == message
    assert error.get("extensions", {}).get("code") == code
    if code == "missingRequiredInputObjectAttribute":
        assert error["extensions"] == {
            "code": code, "argumentName": "name", "argumentType": "String!",
            "inputObjectType": "CreateOrganizationReportInput",
        }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"organizationId": "300123456"}, "(Could not coerce value '300123456' to Int)"),
        ({"organizationId": 2**31}, "(Could not coerce value 2147483648 to Int)"),
        ({"organizationId": 1, "pipeIds": ["1"]}, "(Could not coerce value '1' to Int)"),
        ({"organizationId": 1, "organizationReportId": "1"}, "(Could not coerce value '1' to Int)"),
        ({"organizationId": 1, "colums": []}, "(Field is not defined on ExportOrganizationReportInput)"),
        ({}, "(Expected value to not be null)"),
        ({"organizationId": 1, "columns": [None]}, None),
        ({"organizationId": 1, "filter": {}}, "(Expected value to not be null)"),
        (
            {"organizationId": 1, "filter": {"operator": "and", "current_phase": ["1"]}},
            "(Field is not defined on ReportCardsFilter)",
        ),
        ({"organizationId": 1, "filter": {"operator": "xor"}}, None),
        ({"organizationId": 1, "filter": {"operator": "and", "queries": [{"field": "a", "operator": "is"}]}}, None),
        ({"organizationId": 1, "sortBy": {"direction": "ASC"}}, None),
    ],
)
def test_variables_are_held_to_the_schema(pipefy: Pipefy, given: dict[str, Any], message: str | None) -> None:
    error = pipefy.refusal(START, i=given)
    assert "path" not in error
    assert message is None or error["message"].startswith("Variable $i was provided invalid value for")
    assert message is None or error["message"].endswith(message)
    assert pipefy.store.all("pipefy_export") == []


def test_execution_errors(pipefy: Pipefy) -> None:
    document = "{ organizationReport(id: 1) { id } me { id } }"
    body = pipefy.post(document).json()
    assert body["data"] == {"organizationReport": None, "me": {"id": "500000001"}}
    error = body["errors"][0]
    assert len(error["extensions"].pop("correlation_id")) == 32
    assert error == {
        "message": "Permission denied",
        "locations": [{"line": 1, "column": 3}],
        "path": ["organizationReport"],
        "extensions": {"code": "PERMISSION_DENIED"},
    }
    pipefy.switches.set("failed_data", "missing")
    assert set(pipefy.post(document).json()) == {"data", "errors"}
    assert set(pipefy.post("{ organizationReport(id: 1) { id } }").json()) == {"errors"}
    pipefy.switches.set("error_envelope", "details")
    body = pipefy.post(document).json()
    assert (body["error"]["message"], body["error"]["details"]["code"]) == ("Permission denied", "PERMISSION_DENIED")


def test_a_defect_of_the_emulator_is_logged_and_not_shown(
    pipefy: Pipefy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("reconciler.sandbox.pipefy.lookups.identity.caller", lambda context: {}["secret"])
    error = pipefy.refusal(ME)
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "secret" not in str(error)
    assert "a resolver failed" in caplog.text


def test_each_mutation_of_a_request_stands_alone(pipefy: Pipefy) -> None:
    body = pipefy.post(
        'mutation { a: createOrganizationReport(input: {organizationId: 300123456, name: "A"}) { organizationReport '
        '{ name } } b: createOrganizationReport(input: {organizationId: 300123456, name: ""}) { clientMutationId } }'
    ).json()
    assert body["data"] == {"a": {"organizationReport": {"name": "A"}}, "b": None}
    assert len(pipefy.store.all("pipefy_report")) == 1


def test_text_of_every_kind_comes_back(pipefy: Pipefy) -> None:
    name = "Zoë \ud800 \u0000 \U0001f600 <b> =1+1"
    assert pipefy.create(name=name)["name"] == name


DEEP = "{ me { organizations { pipes { reports { repo { id } } } } } }"


@pytest.mark.parametrize(("limit", "accepted"), [("15", True), ("6", True), ("5", False), ("off", True)])
def test_depth(pipefy: Pipefy, limit: str, accepted: bool) -> None:
    pipefy.switches.set("depth", limit)
    body = pipefy.post(DEEP).json()
    assert ("errors" not in body) is accepted
    assert accepted or body["errors"][0]["message"] == "Query has depth of 6, which exceeds max depth of 5"
    inline = DEEP.replace("me {", "... on Query { me {").replace("} }", "} } }", 1)
    assert ("errors" not in pipefy.post(inline).json()) is accepted
    inner = "organizations { pipes { reports { repo { id } } } }"
    spread = pipefy.post(f"{{ ...A }} fragment A on Query {{ me {{ ...B }} }} fragment B on User {{ {inner} }}").json()
    assert ("errors" not in spread) is accepted


LISTS = "query%s { organizationReports(organizationId: 300123456, first: %s) { edges { node { id name } } } }"


@pytest.mark.parametrize(
    ("limit", "first", "accepted"),
    [
        ("50000", "100", True),
        ("50000", "12500", False),
        ("off", "12500", True),
        ("201", "50", True),
        ("200", "50", False),
        ("201", "$n", True),
        ("200", "$n", False),
        ("200", "null", False),
    ],
)
def test_complexity(pipefy: Pipefy, limit: str, first: str, accepted: bool) -> None:
    pipefy.switches.set("complexity", limit)
    assert (
        "errors" not in pipefy.post(LISTS % ("($n: Int)" if first == "$n" else "", first), {"n": 50}).json()
    ) is accepted


def test_too_many_requests(pipefy: Pipefy) -> None:
    pipefy.switches.set("throttle", "3/30/300")
    for _ in range(3):
        assert pipefy.post(ME).status_code == 200
    pipefy.pass_time(1)
    answer = pipefy.post(ME)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "301")
    pipefy.pass_time(299)
    pipefy.switches.set("retry_after", "absent")
    answer = pipefy.post(ME)
    assert (answer.status_code, "retry-after" in answer.headers) == (429, False)
    pipefy.token = world.PIPEFY_TOKENS["member"]
    assert pipefy.post(ME).status_code == 200
    pipefy.token = world.PIPEFY_TOKENS["owner"]
    pipefy.pass_time(1)
    assert pipefy.post(ME).status_code == 200
    pipefy.switches.set("throttle", "off")
    assert [pipefy.post(ME).status_code for _ in range(5)] == [200] * 5


def test_introspection(pipefy: Pipefy) -> None:
    schema = build_client_schema(pipefy.ask(get_introspection_query()))  # type: ignore[arg-type] # a dict of the right shape
    assert schema.get_type("ReportCardsFilter") is not None


def test_key_types_of_the_schema() -> None:
    types = executable().type_map
    export: Any = types["ExportOrganizationReportInput"]
    assert {name: str(field.type) for name, field in export.fields.items()} == {
        "clientMutationId": "String",
        "organizationId": "Int!",
        "pipeIds": "[Int!]",
        "columns": "[String!]",
        "filter": "ReportCardsFilter",
        "sortBy": "ReportSortDirectionInput",
        "organizationReportId": "Int",
    }
    job: Any = types["OrganizationReportExport"]
    assert set(job.fields) == {"id", "state", "startedAt", "finishedAt", "fileURL", "requestedBy", "report"}
    operators: Any = types["ReportCardsFilterQueryOperators"]
    assert len(operators.values) == 12
    states: Any = types["ReportExportState"]
    assert set(states.values) == {"processing", "done", "failed"}
    query, mutation = executable().query_type, executable().mutation_type
    assert query is not None
    assert mutation is not None
    assert str(query.fields["organizationReportExport"].args["id"].type) == "ID!"
    assert all(str(field.args["input"].type).endswith("Input!") for field in mutation.fields.values())
    assert all(get_named_type(field.type).name.endswith("Payload") for field in mutation.fields.values())
