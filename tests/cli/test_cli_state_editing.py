"""`state mv` and `state rm`: what is recorded is corrected by hand, and it is said what follows from that."""

from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from samples import BLUE

from reconciler.model.entry import Entry, Holder, LeaseTaken
from reconciler.state.backends import open_backend
from reconciler.state.log import Log

SAVED = """\
apiVersion: pipefy/v1
kind: Report
metadata: {name: saved}
spec: {name: Test saved, pipeIds: [301000001], fields: [title]}
"""
EXPORT = """\
apiVersion: pipefy/v1
kind: Export
metadata: {name: cards}
spec:
  report: {ref: pipefy/report/saved}
"""
NIGHTLY = """\
apiVersion: pipefy/v1
kind: Export
metadata: {name: nightly}
spec: {schedule: "0 6 * * *", pipeIds: [301000001], report: {ref: pipefy/report/saved}}
"""
MANY = """\
apiVersion: blue/v1
kind: Report
metadata: {name: "r-{{ each.key }}"}
forEach: {one: {}, two: {}}
spec:
  title: "Test {{ each.key }}"
  dataSources: [{filters: {done: false}}]
"""
ONCE = ("apply", "--sandbox", "--yes", "--poll-interval", "0.01", "--settle-delay", "0")
pytestmark = pytest.mark.usefixtures("hurried")


def known(cli: Any) -> dict[str, Any]:
    found = cli("state", "list", "--sandbox", "--format", "json").json
    assert isinstance(found, dict)
    return found


def addresses(cli: Any) -> list[str]:
    found = known(cli)
    return [each["address"] for each in (*found["resources"], *found["exports"])]


def made(cli: Any, *manifests: str) -> None:
    cli.declare(*manifests)
    assert cli(*ONCE).code == 0


def mv(cli: Any, source: str, target: str, *more: str) -> Any:
    return cli("state", "mv", "--sandbox", source, target, *more)


def rm(cli: Any, *what: str) -> Any:
    return cli("state", "rm", "--sandbox", *what)


def write(cli: Any, *entries: Entry) -> None:
    class Clock:
        def now(self) -> datetime:
            return datetime.now(UTC)

        wall = now

        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(seconds)

    url = f"sqlite:{cli.folder}/.reconciler/sandbox-state.db"
    with closing(open_backend(url, "sandbox:acme/default")) as backend:
        asyncio.run(Log(backend, Clock()).record(entries))


def test_a_renamed_manifest_is_the_same_object(cli: Any) -> None:
    made(cli, BLUE)
    (report,) = cli.live()
    ran = mv(cli, "blue/report/sales", "blue/report/emea")
    assert ran.code == 0
    assert f"its object keeps the id {report['id']}" in ran.out
    assert "manifests/all.yaml:3: write `name: emea` instead of sales" in ran.out
    plan = cli("plan", "--sandbox", "--format", "json").json
    assert sorted(step["action"] for step in plan["steps"]) == ["create", "delete"]
    cli.declare(BLUE.replace("name: sales", "name: emea"))
    assert cli("plan", "--sandbox", "--refresh", "--detailed-exitcode").code == 0
    assert cli.live() == [report]


def test_what_is_said_follows_the_manifests(cli: Any) -> None:
    made(cli, BLUE)
    other = BLUE.replace("name: sales", "name: emea")
    cli.declare(other)
    assert "warning" not in mv(cli, "blue/report/sales", "blue/report/emea").out
    cli.declare(SAVED)
    assert "no manifest declares blue/report/a" in mv(cli, "blue/report/emea", "blue/report/a").out
    cli.write("manifests/all.yaml", "kind: {")
    said = mv(cli, "blue/report/a", "blue/report/b").out
    assert "the manifests cannot be read: call what was a there b" in said
    cli.declare(BLUE.replace("name: sales", "name: b"), BLUE.replace("name: sales", "name: c"))
    assert "still declares blue/report/b, and blue/report/c" in mv(cli, "blue/report/b", "blue/report/c").out


def test_one_of_many_is_named_by_its_entry(cli: Any) -> None:
    made(cli, MANY)
    assert "forEach entry 'one'; make it r-uno" in mv(cli, "blue/report/r-one", "blue/report/r-uno").out


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("blue/report/salse", "blue/report/emea", "near it: blue/report/sales"),
        ("blue/report/zzzzzzzzzzzzzzz", "blue/report/emea", "known are: blue/report/sales, pipefy/report/saved"),
        ("blue/report/sales", "pipefy/report/sales", "write blue/report/sales"),
        ("blue/report/sales", "blue/export/sales", "only its name can change"),
        ("blue/report/sales", "blue/report/sales", "its name already"),
        ("pipefy/report/saved", "pipefy/report/other", "recorded already"),
        ("sales", "emea", "not an address"),
        ("blue/report/sales", "blue/report/Emea", "not an address"),
    ],
)
def test_what_cannot_be_moved_is_64_and_changes_nothing(cli: Any, source: str, target: str, said: str) -> None:
    made(cli, BLUE, SAVED, *([SAVED.replace("name: saved", "name: other")] if target.endswith("other") else []))
    before = known(cli)
    ran = mv(cli, source, target)
    assert (ran.code, ran.out) == (64, "")
    assert said in ran.err
    assert known(cli) == before


def test_nothing_can_be_moved_or_forgotten_before_anything_is_recorded(cli: Any) -> None:
    cli.declare(BLUE)
    for ran in (mv(cli, "blue/report/sales", "blue/report/emea"), rm(cli, "blue/report/sales")):
        assert ran.code == 64
        assert "nothing is recorded yet" in ran.err
    assert not (cli.folder / ".reconciler" / "sandbox-state.db").exists()


def doubted(cli: Any, *manifests: str, what: str = "updateReport") -> None:
    """Leave a mutation of Blue in doubt."""
    cli.declare(*manifests)
    cli("sandbox", "faults", "add", f"blue:{what}:drop_after")
    for operation in ("report", "reports", "reportList"):
        at = "" if what == "createReport" else "@2"
        cli("sandbox", "faults", "add", f"blue:{operation}:graphql_error=INTERNAL_SERVER_ERROR;no{at}*always")
    assert cli(*ONCE).code == 7
    cli("sandbox", "faults", "clear")
    assert len(known(cli)["in_doubt"]) == 1


def test_doubts_come_along(cli: Any) -> None:
    made(cli, BLUE)
    doubted(cli, BLUE.replace("Test sales", "Test more"))
    ran = mv(cli, "blue/report/sales", "blue/report/emea", "--format", "json")
    assert [doubt["action"] for doubt in ran.json["changes"][0]["in_doubt"]] == ["update"]
    assert [doubt["address"] for doubt in known(cli)["in_doubt"]] == ["blue/report/emea"]
    cli.declare(BLUE.replace("Test sales", "Test more").replace("name: sales", "name: emea"))
    assert cli(*ONCE).code == 0
    assert [report["title"] for report in cli.live()] == ["Test more"]


def test_what_is_only_in_doubt_is_settled_first(cli: Any) -> None:
    made(cli, SAVED)
    doubted(cli, SAVED, BLUE, what="createReport")
    source = mv(cli, "blue/report/sales", "blue/report/emea")
    assert (source.code, "state settle blue/report/sales" in source.err) == (64, True)
    assert known(cli)["in_doubt"]


def test_no_address_is_moved_onto_a_doubt(cli: Any) -> None:
    made(cli, BLUE.replace("name: sales", "name: emea").replace("Test sales", "Test emea"))
    doubted(
        cli, BLUE.replace("name: sales", "name: emea").replace("Test sales", "Test emea"), BLUE, what="createReport"
    )
    ran = mv(cli, "blue/report/emea", "blue/report/sales")
    assert (ran.code, "blue/report/sales is in doubt" in ran.err) == (64, True)


def test_export_runs_come_along(cli: Any) -> None:
    cli.declare(SAVED, EXPORT)
    assert cli(*ONCE, "--no-wait").code == 0
    ran = mv(cli, "pipefy/export/cards", "pipefy/export/tickets")
    assert "is started, and comes along" in ran.out
    cli.declare(SAVED, EXPORT.replace("name: cards", "name: tickets"))
    assert cli(*ONCE).code == 0
    (export,) = known(cli)["exports"]
    assert (export["address"], export["state"]) == ("pipefy/export/tickets", "delivered")
    with cli.store() as store:
        assert len(store.all("pipefy_export")) == 1


def test_references_are_named_and_what_becomes_of_them(cli: Any) -> None:
    made(cli, SAVED, EXPORT, NIGHTLY)
    ran = mv(cli, "pipefy/report/saved", "pipefy/report/kept", "--format", "json")
    warnings = ran.json["warnings"]
    assert len([each for each in warnings if "write pipefy/report/kept there" in each]) == 2
    (again,) = [each for each in warnings if "is run once more" in each]
    assert again.startswith("once pipefy/export/cards refers to pipefy/report/kept")
    renamed = [text.replace("report/saved", "report/kept") for text in (EXPORT, NIGHTLY)]
    cli.declare(SAVED.replace("name: saved", "name: kept"), *renamed)
    plan = cli("plan", "--sandbox", "--format", "json").json
    assert sorted((step["address"], step["action"]) for step in plan["steps"]) == [
        ("pipefy/export/cards", "export"),
        ("pipefy/export/nightly", "update"),
    ]


def test_what_is_forgotten_stays_in_the_service(cli: Any) -> None:
    made(cli, BLUE)
    (report,) = cli.live()
    ran = rm(cli, "blue/report/sales")
    assert ran.code == 0
    assert f"its object stays in the service, with the id {report['id']}" in ran.out
    assert "manifests/all.yaml:3 still declares blue/report/sales: the next apply makes a second one\n" in ran.out
    assert (addresses(cli), cli.live()) == ([], [report])
    assert cli(*ONCE).code == 0
    assert len(cli.live()) == 2


def test_what_is_no_longer_declared_is_forgotten_without_a_warning(cli: Any) -> None:
    made(cli, BLUE, SAVED)
    cli.declare(SAVED)
    assert "warning" not in rm(cli, "blue/report/sales").out
    assert cli("plan", "--sandbox", "--detailed-exitcode").code == 0
    cli.write("manifests/all.yaml", "kind: {")
    assert (
        "if one declares pipefy/report/saved, the next apply makes a second one" in rm(cli, "pipefy/report/saved").out
    )


def test_all_or_none_are_forgotten(cli: Any) -> None:
    made(cli, BLUE, SAVED, EXPORT)
    before = known(cli)
    refused = rm(cli, "blue/report/sales", "blue/report/saless", "pipefy/export/card", "pipefy/report/saved")
    assert refused.code == 64
    assert "nothing is known of blue/report/saless, pipefy/export/card;" in refused.err
    assert "near blue/report/saless: blue/report/sales" in refused.err
    assert "near pipefy/export/card: pipefy/export/cards" in refused.err
    assert known(cli) == before
    ran = rm(cli, "blue/report/sales", "pipefy/report/saved", "blue/report/sales", "--format", "json")
    assert [change["address"] for change in ran.json["changes"]] == ["blue/report/sales", "pipefy/report/saved"]
    assert ran.json["format"] == "reconciler.edit/1"
    assert "pipefy/export/cards refers to pipefy/report/saved" in ran.json["warnings"][-1]
    assert addresses(cli) == ["pipefy/export/cards"]
    assert known(cli)["position"] == before["position"] + 3  # the lease, both, the lease


def test_forgetting_names_what_was_in_doubt(cli: Any) -> None:
    made(cli, SAVED)
    doubted(cli, SAVED, BLUE, what="createReport")
    ran = rm(cli, "blue/report/sales")
    assert ran.code == 0
    assert "in doubt there" in ran.out
    assert "create (" in ran.out
    assert "is left to you" in ran.out
    assert known(cli)["in_doubt"] == []


def test_a_forgotten_run_is_not_fetched(cli: Any) -> None:
    cli.declare(SAVED, EXPORT)
    assert cli(*ONCE, "--no-wait").code == 0
    ran = rm(cli, "pipefy/export/cards")
    assert "its file will not be fetched" in ran.out
    assert "the next apply starts it afresh" in ran.out
    assert addresses(cli) == ["pipefy/report/saved"]


def test_nothing_is_asked_of_a_service(cli: Any) -> None:
    made(cli, BLUE, SAVED)
    cli("sandbox", "faults", "add", "blue:*:graphql_error=INTERNAL_SERVER_ERROR;no*always")
    cli("sandbox", "faults", "add", "pipefy:*:graphql_error=INTERNAL_SERVER_ERROR;no*always")
    assert mv(cli, "blue/report/sales", "blue/report/emea").code == 0
    assert rm(cli, "blue/report/emea", "pipefy/report/saved").code == 0


def test_while_somebody_else_holds_the_state_nothing_is_changed(cli: Any) -> None:
    made(cli, BLUE)
    holder = Holder("ann", "build-1", "", "apply")
    write(cli, LeaseTaken("r1", "2999-01-01T00:00:00Z", holder, "2999-01-01T00:01:00Z"))
    before = known(cli)
    for ran in (mv(cli, "blue/report/sales", "blue/report/emea"), rm(cli, "blue/report/sales")):
        assert ran.code == 5
        assert "ann on build-1 holds the state" in ran.err
    refused = mv(cli, "blue/report/salse", "blue/report/emea")
    assert refused.code == 64, "what makes no sense is said without a lease"
    assert known(cli) == before


@pytest.mark.parametrize("arguments", [("mv",), ("mv", "blue/report/a"), ("rm",)])
def test_missing_arguments_are_64(cli: Any, arguments: tuple[str, ...]) -> None:
    cli.declare(BLUE)
    assert cli("state", *arguments).code == 64
