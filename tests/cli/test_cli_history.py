"""`history`: who did what and when, what changed, what the service answered; and the state as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
from samples import EXPORT

REPORT = """\
apiVersion: blue/v1
kind: Report
metadata: {{name: {name}}}
spec:
  title: Test {title}
  dataSources: [{{filters: {{done: false}}}}]
"""
ONCE = ("apply", "--sandbox", "--yes", "--poll-interval", "0.01")
pytestmark = pytest.mark.usefixtures("hurried")


def report(name: str, title: str) -> str:
    return REPORT.format(name=name, title=title)


def runs(cli: Any, *arguments: str) -> list[dict[str, Any]]:
    ran = cli("history", "--sandbox", "--format", "json", *arguments)
    assert ran.code == 0, ran.err
    document = ran.json
    assert document["format"] == "reconciler.history/1"
    return list(document["runs"])


def test_nothing_yet(cli: Any) -> None:
    cli.declare(EXPORT)
    ran = cli("history", "--sandbox")
    assert (ran.code, ran.out) == (0, "Nothing is recorded yet.\n")
    assert runs(cli) == []
    assert cli("history", "--sandbox", "--as-of", "1h").out.startswith("Nothing was recorded up to ")


def test_everything_that_happened(cli: Any) -> None:
    cli.declare(report("a", "one"), EXPORT)
    assert cli(*ONCE).code == 0
    cli.declare(report("a", "two"))
    cli("sandbox", "faults", "add", "blue:updateReport:graphql_error=BAD_USER_INPUT;\x1b[31mno")
    assert cli(*ONCE).code == 7
    two, one = runs(cli)
    assert (one["exit_code"], two["exit_code"], one["command"]) == (0, 7, "apply")
    steps = {item["address"]: item for item in one["items"] if "address" in item}
    assert steps["blue/report/a"]["state"] == "applied"
    assert steps["pipefy/export/cards"]["state"] == "delivered"
    assert steps["pipefy/export/cards"]["bytes"] > 0
    (refused,) = [item for item in two["items"] if item.get("action") == "update"]
    assert refused["changes"] == [{"path": "title", "before": "Test one", "after": "Test two"}]
    assert (refused["state"], "no" in refused["message"]) == ("rejected", True)
    assert {item["type"] for item in two["items"]} == {"lease", "step", "forgotten"}
    text = cli("history", "--sandbox").out
    assert '        title: "Test one" -> "Test two"\n' in text
    assert "    > export pipefy/export/cards: delivered to exports/" in text
    assert "\x1b" not in text
    assert text.index(two["run"]) < text.index(one["run"])
    assert "    = lease: from" in cli("history", "--sandbox", "-v").out
    assert "\x1b[" in cli("history", "--sandbox", "--color", "always").out
    assert [run["run"] for run in runs(cli, "--reverse")] == [one["run"], two["run"]]
    assert runs(cli, "--limit", "1") == [two]
    assert runs(cli, "--run", one["run"][:12], "--address", "blue/*")[0]["items"] == [steps["blue/report/a"]]
    assert runs(cli, "--since", "1h") == runs(cli, "--since", "2000-01-01", "--until", "2999-01-01") == [two, one]
    assert runs(cli, "--until", "2000-01-01") == []


def test_the_state_as_it_was(cli: Any) -> None:
    cli.declare(report("a", "one"))
    cli(*ONCE)
    (run,) = runs(cli)
    past = cli("history", "--sandbox", "--format", "json", "--as-of", run["ended_at"]).json
    now = cli("state", "list", "--sandbox", "--format", "json").json
    about = past.pop("as_of")
    assert past == now
    assert about == {
        "asked": run["ended_at"],
        "position": now["position"],
        "last": run["ended_at"],
        "next": None,
    }
    ran = cli("history", "--sandbox", "--as-of", "2000-01-01")
    assert ran.out.startswith("Nothing was recorded up to 2000-01-01T23:59:59Z; the first entry of the log is of ")
    text = cli("history", "--sandbox", "--as-of", "2999-01-01", "--address", "blue/report/a").out
    assert "title: Test one" in text
    shown = cli("history", "--sandbox", "--as-of", "2999-01-01", "--address", "blue/report/a", "--format", "json").json
    assert shown["recorded"]["spec"]["title"] == "Test one"
    assert (
        "Nothing was recorded of blue/report/b."
        in cli("history", "--sandbox", "--as-of", "2999-01-01", "--address", "blue/report/b").out
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--run", "zz"), "the latest are: "),
        (("--run", ""), "every run has a name, and none is said"),
        (("--address", "blue/report/aa"), "the nearest: blue/report/a"),
        (("--address", "blue"), "is not an address"),
        (("--since", "soon"), "is not a time"),
        (("--as-of", "2026-11-23T06:00:00"), "is not a time"),
        (("--as-of", "1h", "--limit", "3"), "--as-of goes with nothing but"),
        (("--as-of", "1h", "--address", "blue/report/a", "--address", "blue/report/b"), "--as-of goes with"),
        (("--limit", "0"), "0 is not in the range"),
    ],
)
def test_wrong_usage(cli: Any, arguments: tuple[str, ...], said: str) -> None:
    cli.declare(report("a", "one"))
    cli(*ONCE)
    ran = cli("history", "--sandbox", *arguments)
    assert (ran.code, ran.out) == (64, "")
    assert said in ran.err


def test_a_lost_answer_is_told_with_what_became_of_it(cli: Any) -> None:
    cli.declare(report("a", "one"))
    cli("sandbox", "faults", "add", "blue:createReport:drop_after")
    cli("sandbox", "faults", "add", "blue:reports:graphql_error=INTERNAL_SERVER_ERROR;no*always")
    cli("sandbox", "faults", "add", "blue:reportList:graphql_error=INTERNAL_SERVER_ERROR;no*always")
    assert cli(*ONCE).code == 7
    cli("sandbox", "faults", "clear")
    assert "IN DOUBT: " in cli("history", "--sandbox").out
    assert cli("state", "settle", "--sandbox").code == 0
    settling, applying = runs(cli)
    assert (settling["command"], settling["state"]) == ("state settle", "released")
    (step,) = [item for item in applying["items"] if item["type"] == "step"]
    assert step["state"] == "in_doubt"
    assert step["settled"] == {
        "run": settling["run"],
        "at": settling["ended_at"],
        "how": "lookup",
        "applied": True,
        "id": step["id"],
    }
    assert "had happened" in cli("history", "--sandbox").out


def test_a_damaged_log_is_not_told(cli: Any) -> None:
    cli.declare(report("a", "one"))
    cli(*ONCE)
    import sqlite3

    file = cli.folder / ".reconciler" / "sandbox-state.db"
    with sqlite3.connect(file) as database:
        database.execute("UPDATE batches SET batch = replace(CAST(batch AS TEXT), 'Test one', 'Test two')")
    database.close()
    ran = cli("history", "--sandbox", "--format", "json")
    assert (ran.code, ran.out) == (5, "")
    assert json.dumps("damaged")[1:-1] in ran.err


def test_what_was_archived(cli: Any) -> None:
    cli.declare(report("a", "one"))
    cli(*ONCE)
    (first,) = runs(cli)
    ran = cli("state", "archive", "old.jsonl", "--sandbox")
    assert ran.code == 0, ran.err
    cli.declare(report("a", "two"))
    cli(*ONCE)
    later = runs(cli)
    assert [(run["command"], run["user"] is not None) for run in later] == [("apply", True), ("state archive", True)]
    assert "; --archive FILE shows what was before.\n" in cli("history", "--sandbox").out
    assert [run["run"] for run in runs(cli, "--archive", "old.jsonl")] == [*(run["run"] for run in later), first["run"]]
    assert runs(cli, "--archive", "old.jsonl", "--run", first["run"]) == [first]
    ran = cli("history", "--sandbox", "--run", first["run"])
    assert (ran.code, "it begins with the archive that run" in ran.err) == (64, True)
    assert "what was before is shown with --archive FILE" in ran.err
    ran = cli("history", "--sandbox", "--as-of", "2000-01-01")
    assert (ran.code, "say --archive FILE" in ran.err) == (64, True)
    ran = cli("history", "--sandbox", "--as-of", "2000-01-01", "--archive", "old.jsonl")
    assert (ran.code, ran.out.startswith("Nothing was recorded up to")) == (0, True)
    ran = cli("plan", "--sandbox", "--rollback-to", first["run"])
    assert (ran.code, "it begins with the archive that run" in ran.err) == (64, True)
