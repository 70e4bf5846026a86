"""Headers, credentials, envelopes, limits of the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from blue_sandbox import CREATE, ORGANIZATION, READ, Blue
from graphql import GraphQLError, build_client_schema, get_introspection_query

from reconciler.sandbox import world
from reconciler.sandbox.blue.errors import format_failure
from reconciler.sandbox.context import Context

TOKEN, SECRET = world.BLUE_TOKENS["owner"]
ME = {"query": "{ currentUser { username } }"}
HERE = {"query": "{ company { id } }"}
MINIMAL = {"title": "T", "dataSources": []}


@pytest.fixture
def blue() -> Iterator[Blue]:
    with Blue() as service:
        yield service


@pytest.mark.parametrize(
    "names",
    [
        ("blue-token-id", "blue-token-secret", "blue-org-id"),
        ("Blue-Token-ID", "Blue-Token-Secret", "Blue-Org-ID"),
        ("X-Bloo-Token-ID", "X-Bloo-Token-Secret", "X-Bloo-Company-ID"),
        ("X-Bloo-Token-ID", "X-Bloo-Token-Secret", "X-Company-ID"),
    ],
)
def test_current_and_older_header_names(blue: Blue, names: tuple[str, str, str]) -> None:
    headers = dict(zip(names, (TOKEN, SECRET, "acme"), strict=True))
    assert blue.send(headers, json=HERE).json() == {"data": {"company": {"id": ORGANIZATION}}}


@pytest.mark.parametrize("name", ["blue-workspace-id", "X-Bloo-Project-ID", "X-Project-ID"])
def test_the_workspace_header(blue: Blue, name: str) -> None:
    headers = {"blue-token-id": TOKEN, "blue-token-secret": SECRET, name: "sales-emea"}
    query = {"query": "{ project { slug accessLevel } currentUser { projectLevel } }"}
    assert blue.send(headers, json=query).json() == {
        "data": {"project": {"slug": "sales-emea", "accessLevel": "OWNER"}, "currentUser": {"projectLevel": "OWNER"}}
    }


STRANGERS = [
    {},
    {"blue-token-id": TOKEN},
    {"blue-token-id": TOKEN, "blue-token-secret": SECRET + "x"},
    {"blue-token-id": "nobody", "blue-token-secret": SECRET},
    {"blue-token-id": TOKEN, "blue-token-secret": SECRET, "Authorization": "Bearer ey"},
]


@pytest.mark.parametrize("headers", STRANGERS)
def test_strangers_are_told_so(blue: Blue, headers: dict[str, str]) -> None:
    answer = blue.send(headers, json=ME)
    assert answer.status_code == 200
    assert answer.json() == {
        "data": None,
        "errors": [
            {
                "message": "You are not authenticated.",
                "path": ["currentUser"],
                "extensions": {"code": "UNAUTHENTICATED"},
            }
        ],
    }


def test_an_expired_token_is_no_token(blue: Blue) -> None:
    token = blue.store.get("blue_token", TOKEN) or {}
    blue.store.put("blue_token", TOKEN, token | {"expiresAt": "2026-11-23T06:00:01.000Z"})
    assert blue.ask(ME["query"]) == {"username": "ines"}
    blue.tick(1)
    assert blue.code(ME["query"]) == "UNAUTHENTICATED"


def test_every_root_field_refuses_strangers(blue: Blue) -> None:
    lists = 'filter: {companyIds: ["acme"]}'
    for query in (
        '{ report(id: "x") { id } }',
        '{ reports(filter: {companyId: "acme"}) { totalCount } }',
        "{ company { id } }",
        "{ organization { id } }",
        "{ project { id } }",
        "{ workspace { id } }",
        f"{{ projectList({lists}) {{ totalCount }} }}",
        f"{{ workspaceList({lists}) {{ totalCount }} }}",
        '{ companyUserList(companyId: "acme") { totalCount } }',
        '{ organizationUserList(companyId: "acme") { totalCount } }',
        '{ projectUserList(projectId: "sales-emea") { totalCount } }',
        '{ user(id: "x") { id } }',
        '{ isCompanySlugAvailable(slug: "x") }',
        '{ isProjectSlugAvailable(slug: "x") }',
        'mutation { createReport(input: {title: "T", dataSources: []}) { id } }',
        'mutation { updateReport(id: "x", input: {}) { id } }',
        'mutation { deleteReport(id: "x") }',
        'mutation { duplicateReport(id: "x") { id } }',
        'mutation { refreshReportAggregations(reportId: "x") { id } }',
        'mutation { exportReport(input: {reportId: "x"}) }',
    ):
        (error,) = blue.send({"blue-org-id": "acme"}, json={"query": query}).json()["errors"]
        assert error["extensions"]["code"] == "UNAUTHENTICATED", query


@pytest.mark.parametrize("status", [200, 401])
def test_the_status_for_a_bad_token_is_a_switch(blue: Blue, status: int) -> None:
    blue.switch(bad_token_status=str(status))
    assert blue.send({}, json=ME).status_code == status
    assert blue.post(ME["query"]).status_code == 200


def test_the_organization_comes_from_the_header(blue: Blue) -> None:
    for header in ("", "nowhere"):
        assert blue.code(CREATE % "id", input=MINIMAL, organization=header) == "FORBIDDEN"
    for header in ("acme", ORGANIZATION):
        assert blue.ask(CREATE % "company { slug }", input=MINIMAL, organization=header) == {
            "company": {"slug": "acme"}
        }
    assert blue.code(CREATE % "id", input=MINIMAL, who="outsider") == "FORBIDDEN"


def test_whether_the_header_takes_a_slug_is_a_switch(blue: Blue) -> None:
    blue.switch(org_header="id_only")
    assert blue.code(CREATE % "id", input=MINIMAL, organization="acme") == "FORBIDDEN"
    assert blue.ask(CREATE % "id", input=MINIMAL, organization=ORGANIZATION)


def test_a_suspended_organization_stops_every_call(blue: Blue) -> None:
    company = blue.store.get("blue_company", ORGANIZATION) or {}
    blue.store.put("blue_company", ORGANIZATION, company | {"isBanned": True})
    error = blue.fail(ME["query"])
    assert (error["message"], error["extensions"]) == ("Company is banned", {"code": "COMPANY_BANNED"})


@pytest.mark.parametrize(
    "query", ["{", "{ nothing }", "{ report { id } }", "query A { __typename } query B { __typename }"]
)
def test_what_does_not_fit_the_schema_never_runs(blue: Blue, query: str) -> None:
    answer = blue.post(query)
    assert answer.status_code == 400
    assert {error["extensions"]["code"] for error in answer.json()["errors"]} == {"GRAPHQL_VALIDATION_FAILED"}


@pytest.mark.parametrize("value", [[1], "text", 3, True])
def test_only_an_object_is_a_json_object(blue: Blue, value: object) -> None:
    source = {"title": "T", "dataSources": [{"filters": value}]}
    answer = blue.post(CREATE % "id", input=source)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_USER_INPUT")
    assert blue.reports() == []


def test_a_json_object_in_the_document_is_checked_too(blue: Blue) -> None:
    query = 'mutation { createReport(input: {title: "T", dataSources: [{filters: %s}]}) { dataSources { filters } } }'
    assert blue.code(query % "[1]") == "BAD_USER_INPUT"
    nested = '{done: false, groups: [{op: OR, tagIds: ["a"]}], n: 1.5, none: null}'
    read = blue.ask(query % nested)["dataSources"][0]["filters"]
    assert read == {"done": False, "groups": [{"op": "OR", "tagIds": ["a"]}], "n": 1.5, "none": None}


@pytest.mark.parametrize("instant", ["yesterday", 5, "0001-01-01T00:00:00+05:00"])
def test_an_instant_must_be_one(blue: Blue, instant: object) -> None:
    report = blue.create()["id"]
    query = "query ($id: String!, $f: TodosFilter) { report(id: $id) { todoCount(filter: $f) } }"
    assert blue.code(query, id=report, f={"companyIds": [], "dueStart": instant}) == "BAD_USER_INPUT"


def test_missing_variables_are_bad_input(blue: Blue) -> None:
    assert blue.code(CREATE % "id") == "BAD_USER_INPUT"


def test_queries_nest_ten_levels_at_most(blue: Blue) -> None:
    report = blue.create({})["id"]
    deep = "dataSources { report { dataSources { report { dataSources { report { dataSources { %s } } } } } } }"
    assert blue.read(report, deep % "report { id }")
    assert blue.code(READ % (deep % "report { company { id } }"), id=report) == "GRAPHQL_VALIDATION_FAILED"
    assert blue.code(READ % "...F" + "fragment F on Report {" + deep % "report { company { id } }" + "}", id=report)


def test_introspection_needs_no_credentials_and_tells_of_admin_view(blue: Blue) -> None:
    for value, told in (("supported", True), ("validation_error", False)):
        blue.switch(admin_view=value)
        answer = blue.send({}, json={"query": get_introspection_query()}).json()["data"]
        assert ("adminView" in build_client_schema(answer).type_map["ReportFilter"].fields) == told  # type: ignore[attr-defined] # an input


def test_plain_errors_have_no_code_or_are_masked(blue: Blue) -> None:
    too_many = {"title": "T", "dataSources": [{}] * 51}
    plain = blue.fail(CREATE % "id", input=too_many)
    assert set(plain) == {"message", "path"}
    blue.switch(plain_errors="masked")
    assert blue.fail(CREATE % "id", input=too_many) == {
        "message": "Internal server error",
        "path": ["createReport"],
        "extensions": {"code": "INTERNAL_SERVER_ERROR"},
    }


def test_a_bug_of_the_emulator_is_not_dressed_up_as_an_answer(blue: Blue) -> None:
    bug = GraphQLError("boom", original_error=ZeroDivisionError("boom"))
    with pytest.raises(ZeroDivisionError):
        format_failure(bug, Context(blue.store, blue.switches, lambda: blue.now, {}, ""))


def test_several_mutations_run_one_after_the_other_and_each_is_whole(blue: Blue) -> None:
    query = """mutation { a: createReport(input: {title: "A", dataSources: []}) { id }
      b: createReport(input: {title: "B", dataSources: [{projectIds: ["nowhere"]}]}) { id } }"""
    answer = blue.post(query).json()
    assert (answer["data"], answer["errors"][0]["path"]) == (None, ["b"])
    assert [report["title"] for report in blue.reports()] == ["A"]


@pytest.mark.parametrize(
    "request_",
    [{"content": b"{"}, {"content": b"[]"}, {"json": {"query": 5}}, {"json": {"query": "{a}", "variables": 1}}],
)
def test_bodies_that_are_no_request(blue: Blue, request_: dict[str, object]) -> None:
    assert blue.send({}, **request_).status_code == 400


def test_only_post(blue: Blue) -> None:
    assert blue.send({}, method="GET").status_code == 405


def test_half_a_character_is_looked_up_in_vain(blue: Blue) -> None:
    headers = {"blue-token-id": TOKEN, "blue-token-secret": SECRET}
    body = json.dumps({"query": READ % "id", "variables": {"id": "\ud800"}}).encode()
    (error,) = blue.send(headers, content=body).json()["errors"]
    assert error["extensions"]["code"] == "REPORT_NOT_FOUND"


LIMITS = {
    "starter": 20,
    "starter_plus": 30,
    "growth": 50,
    "growth_plus": 100,
    "scale": 200,
    "enterprise": 1000,
}


def test_no_limiter_no_headers(blue: Blue) -> None:
    assert "x-ratelimit-limit" not in blue.post(ME["query"]).headers


@pytest.mark.parametrize("pro", ["off", "on"])
@pytest.mark.parametrize("plan", LIMITS)
def test_each_plan_has_its_limit(blue: Blue, plan: str, pro: str) -> None:
    blue.switch(rate_window="minute", rate_plan=plan, rate_pro=pro)
    limit = LIMITS[plan] * (2 if pro == "on" and plan != "enterprise" else 1)
    headers = blue.post(ME["query"]).headers
    assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == (str(limit), str(limit - 1))


@pytest.mark.parametrize(("window", "seconds"), [("minute", 60), ("second", 1)])
def test_a_429_comes_before_graphql_and_is_not_shaped_like_it(blue: Blue, window: str, seconds: int) -> None:
    blue.switch(rate_window=window, rate_plan="starter")
    for _ in range(20):
        assert blue.post(ME["query"]).status_code == 200
    answer = blue.post("{ not even valid")
    assert answer.status_code == 429
    assert answer.json() == {
        "error": "RATE_LIMITED",
        "message": f"Too many requests. Limit: 20 per {window}.",
        "retryAfter": seconds,
    }
    assert answer.headers["retry-after"] == str(seconds)
    assert answer.headers["x-ratelimit-remaining"] == "0"
    assert answer.headers["x-ratelimit-reset"] == str(int(blue.now.timestamp()) + seconds)
    blue.tick(seconds)
    assert blue.post(ME["query"]).status_code == 200


def test_the_window_slides(blue: Blue) -> None:
    blue.switch(rate_window="minute", rate_plan="starter")
    for _ in range(20):
        blue.post(ME["query"])
        blue.tick(2)
    refused = blue.post(ME["query"])
    assert (refused.status_code, refused.json()["retryAfter"]) == (429, 20)
    blue.tick(20)
    assert blue.post(ME["query"]).status_code == 200
    assert blue.post(ME["query"]).status_code == 429


def test_users_and_organizations_have_limits_of_their_own(blue: Blue) -> None:
    blue.switch(rate_window="minute", rate_plan="starter")
    second = {"id": "second", "secret": "pat_s", "userId": blue.user("ines")}
    blue.store.put("blue_token", "second", second)
    third = {"blue-token-id": "second", "blue-token-secret": "pat_s", "blue-org-id": "acme"}
    for _ in range(20):
        assert blue.post(ME["query"]).status_code == 200
        assert blue.send(third, json=ME).status_code == 200
    blue.store.put("blue_token", "third", second | {"id": "third"})
    refused = blue.send(third | {"blue-token-id": "third"}, json=ME)
    assert (refused.status_code, refused.headers["x-ratelimit-limit"]) == (429, "40")
    for _ in range(20):
        assert blue.post(ME["query"], who="member").status_code == 200
    blue.store.put("blue_token", "fourth", {"id": "fourth", "secret": "pat_s", "userId": blue.user("teo")})
    refused = blue.send(third | {"blue-token-id": "fourth"}, json=ME)
    assert (refused.status_code, refused.headers["x-ratelimit-limit"]) == (429, "60")
    assert blue.send(third | {"blue-token-id": "fourth", "blue-org-id": ""}, json=ME).status_code == 200
    assert "x-ratelimit-limit" not in blue.send({}, json=ME).headers
