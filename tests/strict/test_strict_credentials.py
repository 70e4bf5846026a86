"""Tokens go to the services' own hosts and nowhere else; reading commands only read; broken limits send nothing."""

from __future__ import annotations

import pytest
import strict_server
from strict_project import BLUE, EXPORT, FULL, QUICK, SAVED, Strict, named
from strict_server import Foreign

DOCUMENTS = [named(BLUE, "a"), named(SAVED, "c")]


@pytest.mark.parametrize("variable", ["BLUE_TOKEN_SECRET", "BLUE_ORG_ID", "PIPEFY_TOKEN"])
def test_what_is_missing_is_named(strict: Strict, variable: str) -> None:
    strict.declare(*DOCUMENTS)
    ran = strict.apply(**{variable: ""})
    assert ran.code == 4
    assert variable in ran.err
    assert strict.server.seen == []


def test_everything_that_is_missing_is_named_at_once(strict: Strict) -> None:
    strict.declare(*DOCUMENTS)
    ran = strict.apply(BLUE_TOKEN_ID="", BLUE_TOKEN_SECRET="", PIPEFY_TOKEN="")
    assert ran.code == 4
    assert [name for name in ("BLUE_TOKEN_ID", "BLUE_TOKEN_SECRET", "PIPEFY_TOKEN") if name not in ran.err] == []


@pytest.mark.parametrize(("variable", "documents"), [("BLUE_TOKEN_SECRET", 0), ("PIPEFY_TOKEN", 1)])
def test_refused_credentials_end_with_4_and_make_nothing(strict: Strict, variable: str, documents: int) -> None:
    strict.declare(DOCUMENTS[documents])
    ran = strict.apply(**{variable: "STRICTwrong"})
    assert ran.code == 4
    assert {event["type"] for event in ran.events if event["type"].startswith("step.")} <= {
        "step.started",
        "step.rejected",
        "step.skipped",
    }
    assert strict.server.world.made == []
    assert "STRICTwrong" not in ran.out + ran.err
    strict.converged()


@pytest.mark.parametrize(
    ("trusted", "url"),
    [("127.0.0.1:1", None), ("example.com", "http://example.com/graphql"), ("", "https://example.com/graphql")],
)
def test_a_host_that_is_not_trusted_gets_nothing(strict: Strict, trusted: str, url: str | None) -> None:
    strict.declare(*DOCUMENTS)
    ran = strict.apply(RECONCILER_TRUSTED_HOSTS=trusted, **({"BLUE_API_URL": url} if url else {}))
    assert ran.code == 4
    assert strict.server.seen == []


@pytest.mark.parametrize("operation", ["createReport", "createOrganizationReport"])
def test_no_redirect_is_followed(strict: Strict, foreign: Foreign, operation: str) -> None:
    strict.declare(*DOCUMENTS)
    strict.server.fail(operation, "redirect", code=foreign.url)
    strict.apply()
    strict.converged()
    assert len(strict.server.world.made) == 2


def test_an_organization_that_cannot_be_resolved_is_not_guessed(strict: Strict) -> None:
    strict.declare(named(BLUE, "a"))
    strict.server.fail("company", "html", status=503, times=20)
    ran = strict.apply()
    assert ran.code == 7, ran.err
    assert strict.server.mutations == []
    strict.converged()


def test_a_service_that_echoes_the_token_is_not_echoed(strict: Strict) -> None:
    strict.declare(*DOCUMENTS)
    for operation in ("createReport", "createOrganizationReport"):
        strict.server.fail(operation, "null", code="INTERNAL_SERVER_ERROR")
    doubted = [event for event in strict.apply().events if event["type"] == "step.doubted"]
    assert ["***" in event["reason"] for event in doubted] == [True, True]


def test_a_token_is_fetched_once_and_renewed_when_it_is_refused(strict: Strict) -> None:
    strict.declare(named(SAVED, "a"), named(SAVED, "b"), named(EXPORT, "e"))
    service = {
        "PIPEFY_TOKEN": "",
        "PIPEFY_CLIENT_ID": strict_server.CLIENT_ID,
        "PIPEFY_CLIENT_SECRET": strict_server.CLIENT_SECRET,
    }
    strict.server.fail("token", "html", status=503)
    assert strict.apply(**service).code == 0
    assert strict.server.granted == 1
    strict.server.accepts = lambda token: token != "STRICTgranted2"
    strict.declare(named(SAVED, "a"), named(SAVED, "c"), named(EXPORT, "e"))
    assert strict.apply(**service).code == 0
    assert strict.server.granted == 3
    strict.single()
    wrong = strict.run("apply", "--yes", *QUICK, **{**service, "PIPEFY_CLIENT_SECRET": "x" * 9})
    assert wrong.code == 0  # nothing is left to do, so nobody is asked
    strict.server.violations.clear()


def test_reading_commands_send_no_mutation_and_most_send_nothing(strict: Strict) -> None:
    strict.declare(named(FULL, "a"), named(SAVED, "c"))
    assert strict.apply().code == 0
    strict.declare(named(FULL, "a").replace("Blue a", "Blue z"), named(SAVED, "d"))
    before = len(strict.server.seen)
    nothing = dict.fromkeys(("BLUE_TOKEN_ID", "BLUE_TOKEN_SECRET", "BLUE_ORG_ID", "PIPEFY_TOKEN"), "")
    for command in (["validate"], ["plan"], ["plan", "--out", "p.json"], ["state", "list"], ["schema"]):
        assert strict.run(*command, **nothing).code == 0, command
    assert strict.run("show", "blue/report/a", **nothing).code == 0
    assert len(strict.server.seen) == before
    mutations = len(strict.server.mutations)
    next(iter(strict.server.world.blue.values()))["title"] = "Edited by hand"
    refreshed = strict.plan("--refresh")
    assert [found["address"] for found in refreshed["drift"]] == ["blue/report/a"]
    assert len(strict.server.seen) > before
    assert len(strict.server.mutations) == mutations


@pytest.mark.parametrize(
    "broken",
    [
        named(BLUE, "x").replace("description: d", "description: " + "x" * 10_001),
        named(BLUE, "x").replace("description: d", "description: " + "😀" * 5_001),
        named(BLUE, "x").replace("filters: {done: false}}", "filters: {done: false}}" + ", {}" * 50),
        named(FULL, "x").replace("layout: board", "layout: " + "x" * 102_400),
        named(EXPORT, "x").replace("  columns: [priority, title]\n", ""),
        named(EXPORT, "x").replace("301000001", "3010000010000"),
    ],
    ids=["description", "utf-16", "sources", "config", "no-columns", "32-bit"],
)
def test_one_broken_limit_sends_nothing(strict: Strict, broken: str) -> None:
    strict.declare(*DOCUMENTS, broken)
    ran = strict.apply()
    assert ran.code == 3
    assert "manifests/all.yaml:" in ran.err
    assert "^" in ran.err
    assert strict.server.seen == []


def test_what_is_exactly_at_the_limit_is_sent_and_accepted(strict: Strict) -> None:
    full = named(FULL, "x").replace("description: d", "description: " + "x" * 10_000)
    full = full.replace("filters: {done: false}}", "filters: {done: false}}" + ", {}" * 49)
    strict.declare(full.replace("layout: board", "layout: " + "x" * (102_400 - len('{"layout":""}'))))
    assert strict.apply().code == 0
    strict.settled()
