"""Whatever goes wrong on the way: nothing is made twice, every run tells the truth, and the next one converges."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from strict_project import BLUE, FULL, SAVED, Strict, named

CREATED = [named(BLUE, "a"), named(FULL, "b"), named(SAVED, "c"), named(SAVED, "d")]
NEEDED = {"createReport": 2, "updateReport": 1, "createOrganizationReport": 2}
CREATING = tuple(NEEDED)
CHANGING = ("updateReport", "updateOrganizationReport", "deleteReport", "deleteOrganizationReport")

LOST: list[tuple[str, dict[str, Any]]] = [
    ("drop", {}),
    ("hang", {}),
    ("html", {"status": 502}),
    ("code", {"code": "INTERNAL_SERVER_ERROR"}),
]
LOST_AFTER: list[tuple[str, dict[str, Any]]] = [
    ("half", {}),
    ("reset", {}),
    ("html", {"status": 200}),
    ("null", {"code": "WHO_KNOWS"}),
    ("both", {}),
]
TURNED_AWAY: list[tuple[str, dict[str, Any]]] = [
    ("429", {"retry_after": None}),
    ("code", {"code": "RATE_LIMITED"}),
]
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("code", {"code": "BAD_USER_INPUT"}),
    ("null", {"code": "BAD_USER_INPUT"}),
]


def spelled(kind: tuple[str, dict[str, Any]]) -> str:
    return "-".join([kind[0], *map(str, kind[1].values())])


def fail(strict: Strict, operations: tuple[str, ...], kind: tuple[str, dict[str, Any]], *, executed: bool) -> None:
    for operation in operations:
        strict.server.fail(operation, kind[0], executed=executed, **kind[1])


def sent(strict: Strict) -> Counter[str]:
    return Counter(seen.operation for seen in strict.server.mutations)


def types(events: list[Any]) -> set[str]:
    return {event["type"] for event in events}


@pytest.mark.parametrize("kind", [*LOST, *LOST_AFTER], ids=spelled)
def test_an_answer_lost_after_the_commit_is_looked_up_and_never_repeated(strict: Strict, kind: Any) -> None:
    strict.declare(*CREATED)
    fail(strict, CREATING, kind, executed=True)
    ran = strict.apply()
    assert ran.code == 0, ran.err
    assert sent(strict) == NEEDED
    strict.settled()


@pytest.mark.parametrize("kind", [*LOST[:3], ("redirect", {"code": "http://127.0.0.1:9/graphql"})], ids=spelled)
def test_a_request_lost_before_the_commit_is_in_doubt_until_the_next_apply(strict: Strict, kind: Any) -> None:
    strict.declare(*CREATED)
    fail(strict, CREATING, kind, executed=False)
    ran = strict.apply()
    assert ran.code == 7, ran.err
    assert "step.doubted" in types(ran.events)
    strict.converged()
    assert sent(strict) - Counter({name: count + 1 for name, count in NEEDED.items()}) == Counter()
    assert (len(strict.server.world.blue), len(strict.server.world.saved)) == (2, 2)


@pytest.mark.parametrize("kind", TURNED_AWAY, ids=spelled)
def test_whoever_is_turned_away_comes_again(strict: Strict, kind: Any) -> None:
    strict.declare(*CREATED)
    fail(strict, CREATING, kind, executed=False)
    ran = strict.apply()
    assert ran.code == 0, ran.err
    assert types(ran.events) == {"run.started", "step.started", "step.applied", "run.finished"}
    assert sent(strict) == {name: count + 1 for name, count in NEEDED.items()}
    strict.single()


@pytest.mark.parametrize("kind", REFUSED, ids=spelled)
def test_what_the_service_refuses_is_rejected_and_the_rest_is_done(strict: Strict, kind: Any) -> None:
    strict.declare(*CREATED)
    fail(strict, ("createReport", "createOrganizationReport"), kind, executed=False)
    ran = strict.apply()
    assert ran.code == 7
    assert sum(event["type"] == "step.rejected" for event in ran.events) == 2
    assert strict.state()["in_doubt"] == []
    strict.converged()
    assert (len(strict.server.world.blue), len(strict.server.world.saved)) == (2, 2)


@pytest.mark.parametrize("executed", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("kind", [("drop", {}), ("half", {})], ids=spelled)
def test_changes_and_deletions_survive_a_lost_answer(strict: Strict, kind: Any, executed: bool) -> None:
    gone = [named(BLUE, "gone"), named(SAVED, "gone")]
    strict.declare(*CREATED, *gone)
    assert strict.apply().code == 0
    changed = [document.replace("Blue b", "Changed b").replace("Saved c", "Changed c") for document in CREATED]
    strict.declare(*changed)
    fail(strict, CHANGING, kind, executed=executed)
    ran = strict.apply()
    assert ran.code in (0, 7), ran.err
    strict.converged()
    assert {report["title"] for report in strict.server.world.blue.values()} == {"Blue a", "Changed b"}
    assert {report["name"] for report in strict.server.world.saved.values()} == {"Changed c", "Saved d"}


def test_a_look_up_that_fails_proves_nothing(strict: Strict) -> None:
    strict.declare(named(BLUE, "a"), named(SAVED, "c"))
    fail(strict, ("createReport", "createOrganizationReport"), ("drop", {}), executed=True)
    strict.server.fail("reports", "status", status=503, times=50)
    strict.server.fail("organizationReports", "html", status=200, times=50)
    ran = strict.apply()
    assert ran.code == 7
    assert sum(event["type"] == "step.doubted" for event in ran.events) == 2
    strict.converged()
    assert len(strict.server.world.made) == 2


def test_a_commit_that_comes_late_is_found(strict: Strict) -> None:
    strict.declare(named(BLUE, "a"), named(SAVED, "c"))
    fail(strict, ("createReport", "createOrganizationReport"), ("late", {"seconds": 1.0}), executed=True)
    assert strict.apply().code == 7
    strict.converged(quick=("--timeout", "0.6", "--settle-delay", "2.5"))
    assert len(strict.server.world.made) == 2
