"""Exports are started at most once, and their files are brought home whole or not at all."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import openpyxl
import pytest
from strict_project import EXPORT, REFERRING, SAVED, Strict, named
from strict_server import Foreign

DAILY = named(EXPORT, "e") + '  schedule: "0 6 * * *"\n'


def last(ran: Any) -> Any:
    return next(event for event in reversed(ran.events) if event["type"].startswith("export."))


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("drop", {"executed": True}),
        ("hang", {}),
        ("html", {"status": 502}),
        ("null", {"executed": True, "code": "INTERNAL_SERVER_ERROR"}),
    ],
)
def test_an_export_in_doubt_is_never_started_again_by_itself(strict: Strict, kind: str, how: Any) -> None:
    strict.declare(named(EXPORT, "e"))
    strict.server.fail("exportOrganizationReport", kind, **how)
    assert strict.apply().code == 7
    again = strict.apply()
    assert again.code == 7
    assert "pipefy/export/e" in again.err
    assert [seen.operation for seen in strict.server.mutations] == ["exportOrganizationReport"]
    assert [doubt["address"] for doubt in strict.state()["in_doubt"]] == ["pipefy/export/e"]


@pytest.mark.parametrize(("verdict", "exports"), [("absent", 2), ("export-uuid-1", 1)])
def test_a_person_settles_an_export_in_doubt(strict: Strict, verdict: str, exports: int) -> None:
    strict.declare(named(EXPORT, "e"))
    strict.server.fail("exportOrganizationReport", "drop", executed=True)
    strict.apply()
    assert strict.run("state", "settle", "pipefy/export/e", "--as", verdict).code == 0
    ran = strict.apply()
    assert ran.code == 0, ran.err
    assert last(ran)["type"] == "export.delivered"
    assert len(strict.server.world.exports) == exports


@pytest.mark.parametrize(("kind", "how"), [("429", {}), ("code", {"code": "BAD_USER_INPUT"})])
def test_an_export_that_was_not_started_is_started_once(strict: Strict, kind: str, how: Any) -> None:
    strict.declare(named(EXPORT, "e"))
    strict.server.fail("exportOrganizationReport", kind, **how)
    assert strict.apply().code == (0 if kind == "429" else 7)
    strict.converged()
    assert len(strict.server.world.exports) == 1


def test_the_file_is_what_was_asked_for(strict: Strict) -> None:
    strict.declare(named(SAVED, "s"), named(EXPORT, "e"), named(REFERRING, "r", "s"))
    ran = strict.apply()
    assert ran.code == 0, ran.err
    delivered = {event["address"]: event for event in ran.events if event["type"] == "export.delivered"}
    content = (strict.program.folder / delivered["pipefy/export/e"]["location"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == delivered["pipefy/export/e"]["sha256"]
    assert len(content) == delivered["pipefy/export/e"]["bytes"]
    sheet = openpyxl.load_workbook(io.BytesIO(content)).active
    assert sheet is not None
    assert [cell.value for cell in next(sheet.iter_rows())] == ["priority", "title"]
    (saved,) = strict.server.world.saved
    (sent,) = [seen.variables for seen in strict.server.mutations if "organizationReportId" in seen.variables]
    assert sent == {"organizationId": 300123456, "organizationReportId": int(saved)}


def test_an_expired_link_is_renewed(strict: Strict) -> None:
    strict.declare(named(EXPORT, "e"))
    strict.server.pipefy.refusals = [403, 404]
    ran = strict.apply()
    assert ran.code == 0, ran.err
    assert last(ran)["type"] == "export.delivered"


@pytest.mark.parametrize("content", [b"", b"<html>sign in</html>", b"PK\x03\x04 cut short"])
def test_what_is_no_file_is_not_kept_and_fetched_again(strict: Strict, content: bytes) -> None:
    strict.declare(named(EXPORT, "e"))
    strict.server.pipefy.file = content
    ran = strict.apply()
    assert ran.code == 7
    assert last(ran)["type"] == "export.failed"
    assert list((strict.program.folder / "exports").glob("*")) == []
    strict.server.pipefy.file = None
    strict.converged()
    assert len(strict.server.world.exports) == 1


def test_half_a_file_is_fetched_again(strict: Strict) -> None:
    strict.declare(named(EXPORT, "e"))
    strict.server.fail("file", "half")
    assert strict.apply().code == 0
    assert len(list((strict.program.folder / "exports").iterdir())) == 1


def test_a_file_elsewhere_is_not_asked_for(strict: Strict, foreign: Foreign) -> None:
    strict.declare(named(EXPORT, "e"))
    strict.server.pipefy.host = foreign.url.removesuffix("/graphql")
    assert strict.apply("--no-wait").code == 0
    ran = strict.apply()
    assert (ran.code, last(ran)["code"]) == (7, "UNDELIVERABLE")
    assert foreign.received == []


def test_an_export_that_fails_is_told(strict: Strict) -> None:
    strict.declare(named(EXPORT, "e"))
    strict.server.pipefy.state = "failed"
    ran = strict.apply()
    assert (ran.code, last(ran)["type"]) == (7, "export.failed")


def test_an_export_left_in_flight_is_picked_up(strict: Strict) -> None:
    strict.declare(named(EXPORT, "e"))
    ran = strict.apply("--no-wait")
    assert (ran.code, last(ran)["type"]) == (0, "export.accepted")
    assert "organizationReportExport" not in {seen.operation for seen in strict.server.seen}
    second = strict.converged()
    assert last(second)["type"] == "export.delivered"
    assert len(strict.server.world.exports) == 1


def test_an_occurrence_runs_once_whatever_the_clock_says(strict: Strict) -> None:
    strict.declare(DAILY)
    for now, exports in (
        ("2026-03-01T05:00:00Z", 0),
        ("2026-03-01T06:00:00Z", 1),
        ("2026-03-01T23:00:00Z", 1),
        ("2026-02-01T07:00:00Z", 1),
        ("2026-03-09T07:00:00Z", 2),
    ):
        ran = strict.apply(RECONCILER_NOW=now)
        assert ran.code == 0, ran.err
        assert len(strict.server.world.exports) == exports, now
    (export,) = strict.state()["exports"]
    assert export["last_occurrence"] == "2026-03-09T06:00:00Z"
