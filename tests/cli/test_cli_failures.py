"""Services that fail: nothing is made twice, the exit code and the events tell the truth, the next apply converges."""

from __future__ import annotations

import os
import socket
from collections import Counter
from typing import Any

import pytest
from samples import BLUE, EXPORT

SAVED = """\
apiVersion: pipefy/v1
kind: Report
metadata: {name: saved}
spec: {name: Test saved, pipeIds: [301000001], fields: [title, status]}
"""
BY_REFERENCE = """\
apiVersion: pipefy/v1
kind: Export
metadata: {name: by-reference}
spec: {report: {ref: pipefy/report/saved}}
"""
ONCE = ("apply", "--sandbox", "--yes", "--poll-interval", "0.01")
pytestmark = pytest.mark.usefixtures("hurried")
BAD = {"step.rejected", "step.doubted", "step.skipped", "export.failed"}


def fault(cli: Any, *texts: str) -> None:
    for text in texts:
        assert cli("sandbox", "faults", "add", text).code == 0


def apply(cli: Any, *more: str, code: int | None = None) -> list[dict[str, Any]]:
    """Apply; what the last event says is what the process says."""
    ran = cli(*ONCE, "--format", "json", *more)
    events: list[dict[str, Any]] = ran.events
    assert [event["type"] for event in events].count("run.finished") == 1
    assert events[-1]["exit_code"] == ran.code
    if code is not None:
        assert ran.code == code, (ran.out, ran.err)
    assert bool(BAD & {event["type"] for event in events}) <= (ran.code != 0)
    return events


def converges(cli: Any) -> None:
    assert cli("sandbox", "faults", "clear").code == 0
    apply(cli, code=0)
    live = Counter(str(report["title"]) for report in cli.live())
    live.update(str(report["name"]) for report in cli.live("pipefy_report"))
    assert set(live.values()) <= {1}
    assert cli("plan", "--sandbox", "--refresh", "--detailed-exitcode").code == 0


@pytest.mark.parametrize(
    "failure",
    [
        *("drop_before", "drop_after", "status=500", "status=503", "status_after=502", "partial", "html", "garbage"),
        *("status=429;retry-after=0", "graphql_error=INTERNAL_SERVER_ERROR;oops", "graphql_error=RATE_LIMITED;wait"),
    ],
)
@pytest.mark.parametrize("operation", ["blue:createReport", "pipefy:createOrganizationReport"])
def test_a_create_that_goes_wrong_is_told_and_never_done_twice(cli: Any, operation: str, failure: str) -> None:
    cli.declare(BLUE, SAVED)
    fault(cli, f"{operation}:{failure}")
    events = apply(cli)
    assert events[-1]["exit_code"] in (0, 7)
    converges(cli)
    assert (len(cli.live()), len(cli.live("pipefy_report"))) == (1, 1)


@pytest.mark.parametrize("failure", ["drop_after", "status_after=502", "partial", "garbage"])
@pytest.mark.parametrize("removed", [False, True])
def test_updates_and_deletes_that_go_wrong_converge(cli: Any, failure: str, removed: bool) -> None:
    other = BLUE.replace("sales", "other")
    cli.declare(BLUE, other)
    apply(cli, code=0)
    cli.declare(*([] if removed else [BLUE.replace("Test sales", "Test more")]), other)
    fault(cli, f"blue:{'deleteReport' if removed else 'updateReport'}:{failure}")
    apply(cli)
    converges(cli)
    assert sorted(str(report["title"]) for report in cli.live()) == (
        ["Test other"] if removed else ["Test more", "Test other"]
    )


def test_an_answer_that_never_comes_is_found_out(cli: Any) -> None:
    cli.declare(BLUE)
    fault(cli, "blue:createReport:hang_after")
    apply(cli, "--timeout", "0.2")
    converges(cli)


def test_one_failure_stops_only_what_depends_on_it(cli: Any) -> None:
    cli.declare(BLUE, SAVED, EXPORT, BY_REFERENCE)
    fault(cli, "pipefy:createOrganizationReport:graphql_error=INVALID_INPUT;no")
    events = apply(cli, code=7)
    ended = {
        event["address"]: event["type"] for event in events if "address" in event and "started" not in event["type"]
    }
    assert ended["blue/report/sales"] == "step.applied"
    assert ended["pipefy/report/saved"] == "step.rejected"
    assert ended["pipefy/export/by-reference"] == "step.skipped"
    assert ended["pipefy/export/cards"] == "export.delivered"
    assert events[-1]["counts"] == {"applied": 1, "rejected": 1, "skipped": 1, "delivered": 1}
    text = cli("apply", "--sandbox", "--yes")
    assert text.code == 0
    converges(cli)


def test_failures_are_told_for_people_with_what_to_do(cli: Any) -> None:
    cli.declare(BLUE)
    fault(cli, "blue:createReport:graphql_error=FORBIDDEN;you \x1b[31mmay not")
    ran = cli(*ONCE)
    assert ran.code in (4, 7)
    assert "REJECTED" in ran.err
    assert "\x1b" not in ran.err + ran.out
    assert ran.out.rstrip().splitlines()[-1].endswith("1 rejected.")


def test_refused_credentials_are_4_and_stop_that_service(cli: Any) -> None:
    cli.declare(BLUE, BLUE.replace("sales", "other"))
    fault(cli, "blue:*:status=401*always")
    events = apply(cli, code=4)
    assert cli.live() == []
    assert {event["type"] for event in events} & {"step.rejected", "step.skipped"}
    converges(cli)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, ["BLUE_TOKEN_ID", "BLUE_TOKEN_SECRET", "PIPEFY_TOKEN", "PIPEFY_CLIENT_ID"]),
        ({"BLUE_TOKEN_ID": "x", "BLUE_TOKEN_SECRET": "pat_x", "BLUE_ORG_ID": "o"}, ["PIPEFY_TOKEN"]),
        ({"BLUE_TOKEN_ID": "x", "PIPEFY_TOKEN": "x"}, ["BLUE_TOKEN_SECRET"]),
    ],
    ids=["none", "blue", "half"],
)
def test_missing_credentials_are_4_and_named_before_anything_is_sent(
    cli: Any, variables: dict[str, str], words: list[str]
) -> None:
    cli.declare(BLUE, SAVED)
    ran = cli("apply", "--yes", "--format", "json", **variables)
    assert ran.code == 4
    assert ran.events[-1]["exit_code"] == 4
    for word in words:
        assert word in ran.err
    assert "pat_x" not in ran.out + ran.err
    assert not (cli.folder / ".reconciler").exists()


def test_credentials_never_leave_for_a_host_that_is_not_trusted(cli: Any) -> None:
    cli.declare(BLUE)
    ran = cli(
        *("apply", "--yes"),
        BLUE_TOKEN_ID="x",
        BLUE_TOKEN_SECRET="pat_secret",
        BLUE_ORG_ID="acme",
        BLUE_API_URL="https://blue.example.com/graphql",
    )
    assert ran.code == 4
    assert "blue.example.com" in ran.err
    assert "RECONCILER_TRUSTED_HOSTS" in ran.err
    assert "pat_secret" not in ran.out + ran.err


def test_a_read_that_fails_leaves_nothing_sure_to_say(cli: Any) -> None:
    cli.declare(BLUE)
    apply(cli, code=0)
    fault(cli, "blue:*:graphql_error=INTERNAL_SERVER_ERROR;oops*always")
    ran = cli("plan", "--sandbox", "--refresh")
    assert ran.code == 7
    assert ran.out == ""
    assert "error: " in ran.err


def test_a_server_that_is_not_there_is_7_and_named(cli: Any) -> None:
    cli.declare(BLUE)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{nobody.getsockname()[1]}"
        ran = cli(
            *("apply", "--yes", "--format", "json"),
            BLUE_API_URL=f"http://{place}/graphql",
            BLUE_TOKEN_ID="x",
            BLUE_TOKEN_SECRET="pat_x",
            BLUE_ORG_ID="acme",
            RECONCILER_TRUSTED_HOSTS=place,
        )
    assert ran.code == 7, ran.err
    (rejected,) = [event for event in ran.events if event["type"] == "step.rejected"]
    assert rejected["cause"] == "unsent"
    assert place in rejected["message"]


# exports


def test_an_export_that_fails_is_7_and_is_tried_again(cli: Any) -> None:
    cli.declare(EXPORT)
    cli.switch(export_plan="fail:0/0")
    events = apply(cli, code=7)
    (failed,) = [event for event in events if event["type"] == "export.failed"]
    assert failed["address"] == "pipefy/export/cards"
    (step,) = cli("plan", "--sandbox", "--format", "json").json["steps"]
    assert step["action"] == "export"
    assert "failed" in cli("state", "list", "--sandbox").out
    cli.switch(export_plan="done:0/0")
    assert apply(cli, code=0)[-1]["counts"] == {"delivered": 1}
    assert cli("plan", "--sandbox", "--detailed-exitcode").code == 0


def test_a_scheduled_export_that_failed_waits_for_its_next_occurrence(
    cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.declare(EXPORT + '  schedule: "0 6 * * 1"\n')
    monkeypatch.setenv("RECONCILER_NOW", "2026-11-22T12:00:00Z")
    apply(cli, code=0)
    cli.switch(export_plan="fail:0/0")
    monkeypatch.setenv("RECONCILER_NOW", "2026-11-23T07:00:00Z")
    apply(cli, code=7)
    assert cli("plan", "--sandbox", "--format", "json").json["steps"] == []
    cli.switch(export_plan="done:0/0")
    monkeypatch.setenv("RECONCILER_NOW", "2026-11-30T07:00:00Z")
    assert apply(cli, code=0)[-1]["counts"] == {"delivered": 1}


def test_a_link_that_expired_is_asked_for_again(cli: Any) -> None:
    cli.declare(EXPORT)
    cli.switch(export_plan="done:0/0")
    fault(cli, "pipefy:file:status=403")
    assert apply(cli, code=0)[-1]["counts"] == {"delivered": 1}


@pytest.mark.parametrize("failure", ["status=500", "html", "garbage", "drop_before"])
def test_a_download_that_goes_wrong_once_is_tried_again_or_told(cli: Any, failure: str) -> None:
    cli.declare(EXPORT)
    cli.switch(export_plan="done:0/0")
    fault(cli, f"pipefy:file:{failure}")
    apply(cli)
    converges(cli)
    assert len(list((cli.folder / "exports").iterdir())) == 1


def test_a_file_that_is_no_spreadsheet_is_never_delivered_as_one(cli: Any) -> None:
    cli.declare(EXPORT)
    cli.switch(export_plan="done:0/0", file_kind="html_error")
    apply(cli, code=7)
    assert not (cli.folder / "exports").exists() or not list((cli.folder / "exports").glob("*.xlsx"))


def test_a_folder_that_cannot_take_the_file_leaves_the_export_for_later(cli: Any) -> None:
    cli.declare(EXPORT)
    cli.switch(export_plan="done:0/0")
    cli.write("exports", "in the way")
    ran = cli(*ONCE, "--format", "json")
    assert ran.code in (1, 7)
    assert "Traceback" not in ran.err
    assert ran.events[-1]["exit_code"] == ran.code
    (cli.folder / "exports").unlink()
    events = apply(cli, code=0)
    assert "export.delivered" in {event["type"] for event in events}
    assert "export.started" not in {event["type"] for event in events}


@pytest.mark.parametrize("failure", ["drop_after", "status_after=502", "garbage"])
def test_a_start_without_an_answer_is_never_repeated_by_itself(cli: Any, failure: str) -> None:
    cli.declare(EXPORT)
    fault(cli, f"pipefy:exportOrganizationReport:{failure}")
    events = apply(cli, code=7)
    assert "step.doubted" in {event["type"] for event in events}
    (doubt,) = cli("state", "list", "--sandbox", "--format", "json").json["in_doubt"]
    assert doubt["address"] == "pipefy/export/cards"
    assert "pipefy/export/cards" in cli("state", "list", "--sandbox").out
    assert cli("plan", "--sandbox", "--format", "json").json["steps"] == []
    apply(cli, code=7)
    with cli.store() as store:
        assert len(store.all("pipefy_export")) == 1


def test_two_applies_at_once_one_waits_its_turn_or_is_told_to(cli: Any) -> None:
    """The lease is held by somebody alive: 5, who it is, and nothing is sent."""
    import asyncio
    from contextlib import closing

    from reconciler.app.settings import Settings
    from reconciler.app.wiring import Wiring
    from reconciler.state.holder import this_holder
    from reconciler.state.lease import Lease
    from reconciler.state.log import Log

    cli.declare(BLUE)
    wiring = Wiring(Settings(sandbox=True, environ=dict(os.environ)))

    async def while_held() -> Any:
        with closing(wiring.backend(wiring.project())) as backend:
            log = Log(backend, wiring.clock)
            await log.refresh()
            async with Lease(log, run="other", holder=this_holder("apply"), clock=wiring.clock):
                return await asyncio.to_thread(cli, *ONCE, "--format", "json")

    ran = asyncio.run(while_held())
    assert ran.code == 5
    assert ran.events[-1]["exit_code"] == 5
    assert "lock" in ran.err.lower() or "lease" in ran.err.lower() or "holds" in ran.err.lower()
    assert cli.live() == []
    converges(cli)
