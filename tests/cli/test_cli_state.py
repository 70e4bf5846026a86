"""The log for operators: what is in doubt is settled by looking or by a person's word."""

from __future__ import annotations

import signal
import threading
from typing import Any

import pytest
from samples import BLUE, EXPORT

ONCE = ("apply", "--sandbox", "--yes", "--poll-interval", "0.01")
pytestmark = pytest.mark.usefixtures("hurried")
SETTLE = ("state", "settle", "--sandbox", "--settle-delay", "0")


def state(cli: Any) -> Any:
    return cli("state", "list", "--sandbox", "--format", "json").json


def doubted(cli: Any, manifest: str = BLUE, failure: str = "drop_after") -> dict[str, Any]:
    """Leave the create (or the start) in doubt: the answer is lost, and so is the look-up."""
    cli.declare(manifest)
    export = "Export" in manifest
    service, operation = ("pipefy", "exportOrganizationReport") if export else ("blue", "createReport")
    cli("sandbox", "faults", "add", f"{service}:{operation}:{failure}")
    if not export:
        cli("sandbox", "faults", "add", "blue:reports:graphql_error=INTERNAL_SERVER_ERROR;no*always")
        cli("sandbox", "faults", "add", "blue:reportList:graphql_error=INTERNAL_SERVER_ERROR;no*always")
    ran = cli(*ONCE)
    assert ran.code == 7, ran.err
    cli("sandbox", "faults", "clear")
    (doubt,) = state(cli)["in_doubt"]
    assert isinstance(doubt, dict)
    return doubt


def test_nothing_in_doubt(cli: Any) -> None:
    cli.declare(BLUE)
    assert cli(*SETTLE).code == 0
    cli(*ONCE)
    ran = cli(*SETTLE)
    assert ran.code == 0
    assert "nothing is in doubt" in ran.err
    for verdict in ("absent", "applied", "cm123"):
        refused = cli(*SETTLE, "blue/report/sales", "--as", verdict)
        assert refused.code == 64
        assert "state list" in refused.err


def test_what_is_in_doubt_is_shown(cli: Any) -> None:
    doubt = doubted(cli)
    assert doubt.keys() >= {"address", "operation", "action", "since", "reason"}
    assert (doubt["address"], doubt["action"]) == ("blue/report/sales", "create")
    text = cli("state", "list", "--sandbox").out
    assert "IN DOUBT" in text
    assert "1 in doubt" in text
    shown = cli("show", "blue/report/sales", "--sandbox", "--format", "json").json
    assert [found["operation"] for found in shown["in_doubt"]] == [doubt["operation"]]
    assert cli("state", "show", "blue/report/sales", "--sandbox").code == 0
    assert cli("plan", "--sandbox", "--format", "json").json["in_doubt"] == ["blue/report/sales"]


@pytest.mark.parametrize(("failure", "objects"), [("drop_after", 1), ("status_after=502", 1)])
def test_looking_finds_what_had_happened(cli: Any, failure: str, objects: int) -> None:
    doubted(cli, failure=failure)
    ran = cli(*SETTLE, "--format", "json")
    assert ran.code == 0
    assert ran.json["in_doubt"] == []
    assert [kept["id"] for kept in ran.json["resources"]] == [report["id"] for report in cli.live()]
    assert "had happened" in ran.err
    assert cli(*ONCE).code == 0
    assert len(cli.live()) == objects


def test_looking_without_a_settle_delay_waits_none_in_the_sandbox(cli: Any) -> None:
    doubted(cli)
    (report,) = cli.live()
    with cli.store() as store, store.transaction():
        store.delete("blue_report", str(report["id"]))
    ran = cli("state", "settle", "--sandbox")
    assert ran.code == 0
    assert "had not happened" in ran.err
    assert cli(*ONCE).code == 0
    assert len(cli.live()) == 1


def test_a_look_that_fails_leaves_the_doubt_and_is_7(cli: Any) -> None:
    doubted(cli)
    cli("sandbox", "faults", "add", "blue:*:graphql_error=INTERNAL_SERVER_ERROR;no*always")
    ran = cli(*SETTLE)
    assert ran.code == 7
    assert len(state(cli)["in_doubt"]) == 1


def test_a_persons_word_that_it_never_happened(cli: Any) -> None:
    doubted(cli, EXPORT)
    ran = cli(*SETTLE, "pipefy/export/cards", "--as", "absent")
    assert ran.code == 0
    assert state(cli)["in_doubt"] == []
    assert cli(*ONCE).code == 0
    assert state(cli)["exports"][0]["state"] == "delivered"


def test_a_persons_word_that_it_happened_with_this_id(cli: Any) -> None:
    doubted(cli, EXPORT)
    with cli.store() as store:
        (export,) = store.all("pipefy_export")
    ran = cli(*SETTLE, "pipefy/export/cards", "--as", str(export["id"]), "--format", "json")
    assert ran.code == 0
    assert ran.json["exports"][0]["state"] == "started"
    assert cli(*ONCE).code == 0
    assert state(cli)["exports"][0]["state"] == "delivered"
    with cli.store() as store:
        assert len(store.all("pipefy_export")) == 1


def test_a_persons_word_that_an_export_happened_without_an_id(cli: Any) -> None:
    doubted(cli, EXPORT)
    ran = cli(*SETTLE, "pipefy/export/cards", "--as", "applied")
    assert ran.code in (0, 64)
    if ran.code == 0:
        assert cli("plan", "--sandbox", "--format", "json").json["steps"] == []
        assert cli(*ONCE).code == 0


def test_a_persons_word_on_a_create(cli: Any) -> None:
    doubted(cli)
    (report,) = cli.live()
    refused = cli(*SETTLE, "blue/report/sales", "--as", "applied")
    assert refused.code == 64
    assert "--as ID" in refused.err
    assert cli(*SETTLE, "blue/report/sales", "--as", str(report["id"])).code == 0
    assert cli("plan", "--sandbox", "--refresh", "--detailed-exitcode").code == 0
    assert len(cli.live()) == 1


def test_a_persons_word_is_about_one_address_only(cli: Any) -> None:
    doubted(cli)
    cli.declare(BLUE, EXPORT)
    cli("sandbox", "faults", "add", "blue:*:graphql_error=INTERNAL_SERVER_ERROR;no*always")
    cli("sandbox", "faults", "add", "pipefy:exportOrganizationReport:drop_after")
    assert cli(*ONCE).code == 7
    cli("sandbox", "faults", "clear")
    assert {doubt["address"] for doubt in state(cli)["in_doubt"]} == {"blue/report/sales", "pipefy/export/cards"}
    assert cli(*SETTLE, "pipefy/export/cards", "--as", "absent").code == 7
    assert [doubt["address"] for doubt in state(cli)["in_doubt"]] == ["blue/report/sales"]
    assert cli(*SETTLE).code == 0


def test_an_interrupt_while_the_absence_is_waited_for_is_130(cli: Any) -> None:
    doubted(cli)
    (report,) = cli.live()
    with cli.store() as store, store.transaction():
        store.delete("blue_report", str(report["id"]))
    for command in (("apply", "--sandbox", "--yes"), ("state", "settle", "--sandbox")):
        timer = threading.Timer(0.7, signal.raise_signal, [signal.SIGINT])
        timer.start()
        ran = cli(*command, "--settle-delay", "1000")
        timer.join()
        assert ran.code == 130, (command, ran)
        assert "Traceback" not in ran.err
    assert len(state(cli)["in_doubt"]) == 1
    assert cli(*SETTLE).code == 0


def test_a_persons_word_on_an_update(cli: Any) -> None:
    cli.declare(BLUE)
    cli(*ONCE)
    cli.declare(BLUE.replace("Test sales", "Test more"))
    cli("sandbox", "faults", "add", "blue:updateReport:drop_after")
    # the look before the update must work, those after it must not
    cli("sandbox", "faults", "add", "blue:report:graphql_error=INTERNAL_SERVER_ERROR;no@2*always")
    cli("sandbox", "faults", "add", "blue:reports:graphql_error=INTERNAL_SERVER_ERROR;no@2*always")
    cli("sandbox", "faults", "add", "blue:reportList:graphql_error=INTERNAL_SERVER_ERROR;no@2*always")
    ran = cli(*ONCE)
    cli("sandbox", "faults", "clear")
    assert ran.code == 7, ran.err
    assert cli(*SETTLE, "blue/report/sales", "--as", "applied").code == 0
    assert cli("plan", "--sandbox", "--refresh", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("content", [b"garbage" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
@pytest.mark.parametrize("command", [("plan",), ("apply", "--yes"), ("state", "list"), ("state", "settle")])
def test_a_damaged_log_is_5_and_is_left_alone(cli: Any, content: bytes, command: tuple[str, ...]) -> None:
    cli.declare(BLUE)
    file = cli.folder / ".reconciler" / "sandbox-state.db"
    file.parent.mkdir()
    file.write_bytes(content)
    ran = cli(*command, "--sandbox")
    assert ran.code == 5
    assert "sandbox-state.db" in ran.err
    assert "Traceback" not in ran.err
    assert file.read_bytes() == content


@pytest.mark.parametrize("url", ["sqlite:manifests", "sqlite:file/under.db"])
def test_a_state_that_cannot_be_kept_is_5_before_anything_is_sent(cli: Any, url: str) -> None:
    cli.declare(BLUE)
    cli.write("file", "")
    ran = cli(*ONCE, "--state", url)
    assert ran.code == 5
    assert "Traceback" not in ran.err
    assert cli.live() == []


def test_the_state_of_the_project_file_and_what_wins_over_it(cli: Any) -> None:
    project = "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: acme}\nspec: {state: 'sqlite:mine.db'}\n"
    cli.declare(BLUE, project=project)
    assert cli("state", "list").code == 0
    cli.write("theirs.db", "garbage")
    cli.write("mine.db", "garbage")
    assert "mine.db" in cli("state", "list").err
    assert "theirs.db" in cli("state", "list", RECONCILER_STATE="sqlite:theirs.db").err
    assert cli("state", "list", "--state", "sqlite:none.db", RECONCILER_STATE="sqlite:theirs.db").code == 0


@pytest.mark.parametrize("word", ["Absent", "abscent", "yes", "report"])
def test_a_word_that_is_none_of_the_two_is_no_id(cli: Any, word: str) -> None:
    doubted(cli)
    refused = cli(*SETTLE, "blue/report/sales", "--as", word)
    assert refused.code == 64
    assert "applied" in refused.err
    assert "absent" in refused.err
    assert len(state(cli)["in_doubt"]) == 1


def test_an_id_is_a_word_on_what_makes_something_new(cli: Any) -> None:
    cli.declare(BLUE)
    cli(*ONCE)
    cli.declare(BLUE.replace("Test sales", "Test more"))
    cli("sandbox", "faults", "add", "blue:updateReport:drop_after")
    for operation in ("report", "reports", "reportList"):
        cli("sandbox", "faults", "add", f"blue:{operation}:graphql_error=INTERNAL_SERVER_ERROR;no@2*always")
    assert cli(*ONCE).code == 7
    cli("sandbox", "faults", "clear")
    before = state(cli)["resources"]
    refused = cli(*SETTLE, "blue/report/sales", "--as", "cm123")
    assert refused.code == 64
    assert "update" in refused.err
    assert state(cli)["resources"] == before


def test_an_id_is_of_one_address_only(cli: Any) -> None:
    other = BLUE.replace("name: sales", "name: first").replace("Test sales", "Test first")
    cli.declare(other)
    cli(*ONCE)
    (first,) = cli.live()
    cli("sandbox", "faults", "add", "blue:createReport:drop_after")
    for operation in ("reports", "reportList"):
        cli("sandbox", "faults", "add", f"blue:{operation}:graphql_error=INTERNAL_SERVER_ERROR;no*always")
    cli.declare(other, BLUE)
    assert cli(*ONCE).code == 7
    cli("sandbox", "faults", "clear")
    refused = cli(*SETTLE, "blue/report/sales", "--as", str(first["id"]))
    assert refused.code == 64
    assert "blue/report/first" in refused.err
    (second,) = (report for report in cli.live() if report["id"] != first["id"])
    assert cli(*SETTLE, "blue/report/sales", "--as", str(second["id"])).code == 0


@pytest.mark.parametrize(
    ("verdict", "became", "again"), [("applied", "delivered", []), ("absent", "failed", ["export"])]
)
def test_a_run_in_flight_has_a_way_out(cli: Any, verdict: str, became: str, again: list[str]) -> None:
    cli.declare(EXPORT)
    assert cli(*ONCE, "--no-wait").code == 0
    refused = cli(*SETTLE, "pipefy/export/cards", "--as", "123")
    assert refused.code == 64
    assert "in flight" in refused.err
    ran = cli(*SETTLE, "pipefy/export/cards", "--as", verdict, "--format", "json")
    assert ran.code == 0
    assert ran.json["exports"][0]["state"] == became
    plan = cli("plan", "--sandbox", "--format", "json").json
    assert [step["action"] for step in plan["steps"]] == again
    assert plan["pending"] == []
