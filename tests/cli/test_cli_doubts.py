"""What is in doubt is listed with what a person can do about it, in the very words."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from samples import BLUE, EXPORT

ONCE = ("apply", "--sandbox", "--yes", "--poll-interval", "0.01")
SETTLE = ("state", "settle", "--sandbox", "--settle-delay", "0")
pytestmark = pytest.mark.usefixtures("hurried")


def commands(text: str) -> list[list[str]]:
    """The command lines that are offered, without what they mean."""
    lines = [line.partition("  # ")[0].strip() for line in text.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("reconciler ")]


def blind(cli: Any) -> None:
    for operation in ("reports", "reportList"):
        cli("sandbox", "faults", "add", f"blue:{operation}:graphql_error=INTERNAL_SERVER_ERROR;no*always")


def doubted(cli: Any) -> Any:
    """Leave the create in doubt: the answer is lost, and so is the look-up."""
    cli.declare(BLUE)
    cli("sandbox", "faults", "add", "blue:createReport:drop_after")
    blind(cli)
    ran = cli(*ONCE)
    assert ran.code == 7, ran.err
    cli("sandbox", "faults", "clear")
    return ran


def twin(cli: Any) -> str:
    """Make an object that is equal to the one whose create is in doubt, behind our backs; return both ids."""
    with cli.store() as store:
        (original,) = [doc for doc in store.all("blue_report") if doc["title"] == "Test sales"]
        copy = {**original, "id": original["id"][:-1] + ("0" if original["id"][-1] != "0" else "1")}
        store.put("blue_report", copy["id"], copy)
    return str(copy["id"])


def test_the_end_of_apply_and_the_list_say_how_to_go_on(cli: Any) -> None:
    ran = doubted(cli)
    assert "in doubt: blue/report/sales; `state settle` looks again" in ran.err
    offered = [
        ["state", "settle", "blue/report/sales", "--as", "ID", "--sandbox"],
        ["state", "settle", "blue/report/sales", "--as", "absent", "--sandbox"],
        ["state", "rm", "blue/report/sales", "--sandbox"],
    ]
    assert commands(ran.err) == offered
    assert commands(cli("state", "list", "--sandbox").out) == offered
    assert "reconciler" not in cli("state", "list", "--sandbox", "--format", "json").out.replace(
        "reconciler.state/1", ""
    )
    assert "reconciler state" not in cli(*ONCE, "-q", "--settle-delay", "9").err


def test_nothing_in_doubt_offers_nothing(cli: Any) -> None:
    cli.declare(BLUE)
    ran = cli(*ONCE)
    assert commands(ran.out + ran.err + cli("state", "list", "--sandbox").out + cli(*SETTLE).out) == []


def test_twins_are_candidates_and_never_deleted(cli: Any) -> None:
    doubted(cli)
    other = twin(cli)
    with cli.store() as store:
        ids = {str(doc["id"]) for doc in store.all("blue_report") if doc["title"] == "Test sales"}
    ran = cli(*SETTLE)
    assert ran.code == 7
    assert "candidates: " in ran.out
    offered = commands(ran.out)
    assert {line[4] for line in offered if line[1] == "settle"} == {*ids, "absent"}
    ran = cli(*ONCE, "--format", "json")
    assert ran.code == 7
    settled, finished = ran.events[0], ran.events[-1]
    assert (settled["type"], settled["address"], settled["finding"]) == ("step.settled", "blue/report/sales", "unclear")
    assert set(settled["candidates"]) == ids
    (doubt,) = finished["in_doubt"]
    assert set(doubt["candidates"]) == ids
    assert [shlex.split(command)[1:] for command, _ in doubt["commands"]] == commands(ran.err) == offered
    with cli.store() as store:
        assert {str(doc["id"]) for doc in store.all("blue_report") if doc["title"] == "Test sales"} == ids
    adopt = next(line for line in offered if line[4] == other)
    assert cli(*adopt).code == 0
    assert cli("plan", "--sandbox", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("happened", [True, False])
def test_what_apply_finds_out_first_is_an_event(cli: Any, happened: bool) -> None:
    doubted(cli)
    if not happened:
        with cli.store() as store:
            for doc in store.all("blue_report"):
                if doc["title"] == "Test sales":
                    store.delete("blue_report", doc["id"])
    ran = cli(*ONCE, "--format", "json")
    assert ran.code == 0, ran.err
    first = ran.events[0]
    known = {"type": "step.settled", "address": "blue/report/sales", "action": "create"}
    assert first.items() >= known.items()
    assert first["finding"] == ("applied" if happened else "absent")
    assert bool(first.get("id")) is happened
    assert f"had {'' if happened else 'not '}happened" in ran.err
    terminal = [event for event in ran.events if event["type"] == "step.applied"]
    assert len(terminal) == (0 if happened else 1)
    assert len(cli.live()) == 1


def test_text_says_it_once(cli: Any) -> None:
    doubted(cli)
    ran = cli(*ONCE)
    assert (ran.code, ran.err.count("blue/report/sales")) == (0, 1)


def test_an_export_of_which_nobody_knows(cli: Any) -> None:
    cli.declare(EXPORT)
    cli("sandbox", "faults", "add", "pipefy:exportOrganizationReport:drop_after")
    ran = cli(*ONCE)
    assert ran.code == 7
    offered = commands(ran.err)
    assert [line[4] if line[1] == "settle" else "rm" for line in offered] == ["ID", "applied", "absent", "rm"]


def test_the_commands_reach_the_same_log(cli: Any) -> None:
    cli.declare(BLUE)
    (cli.folder / "manifests").rename(cli.folder / "my manifests")
    where = ("--dir", "my manifests", "--env", "prod", "--state", "sqlite:here.db", "--sandbox")
    cli.write("my manifests/environments/prod.yaml", ENVIRONMENT)
    cli("sandbox", "faults", "add", "blue:createReport:drop_after")
    blind(cli)
    ran = cli(*ONCE, *where)
    assert ran.code == 7, ran.err
    cli("sandbox", "faults", "clear")
    absent = next(line for line in commands(ran.err) if "absent" in line)
    assert absent[-7:] == ["--dir", "my manifests", "--env", "prod", "--sandbox", "--state", "sqlite:here.db"]
    assert cli(*absent).code == 0
    assert json.loads(cli("state", "list", *where, "--format", "json").out)["in_doubt"] == []


ENVIRONMENT = "apiVersion: reconciler/v1\nkind: Environment\nmetadata: {name: prod}\nspec: {values: {}}\n"


def test_an_equal_object_that_was_there_before_is_told(cli: Any) -> None:
    doubted(cli)
    with cli.store() as store:
        (original,) = [doc for doc in store.all("blue_report") if doc["title"] == "Test sales"]
        older = {**original, "id": twin(cli), "createdAt": "2020-01-01T00:00:00.000Z"}
        store.put("blue_report", older["id"], older)
    ran = cli(*SETTLE)
    assert ran.code == 0, ran.err
    assert f"had happened; an equal object that is not managed here was there before: {older['id']}" in ran.err
    assert len(cli.live()) == 2
