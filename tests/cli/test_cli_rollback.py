"""`plan --rollback-to`: what a run left behind is planned again, from the log alone."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import PROJECT

from reconciler.app.settings import Settings
from reconciler.app.state import reading
from reconciler.app.wiring import Wiring

REPORT = """\
apiVersion: blue/v1
kind: Report
metadata: {{name: {name}, labels: {{owner: {owner}}}}}
lifecycle: {{protect: {protect}, onRemove: {removed}}}
spec:
  title: Test {title}
  dataSources: [{{filters: {{done: false}}}}]
"""
SAVED = """\
apiVersion: pipefy/v1
kind: Report
metadata: {name: sales}
spec: {name: Test sales, pipeIds: [301000001], fields: [title]}
"""
REFERRING = """\
apiVersion: pipefy/v1
kind: Export
metadata: {name: weekly}
spec:
  report: {ref: pipefy/report/sales}
  schedule: "0 6 * * 1"
"""
ONCE = ("apply", "--sandbox", "--yes", "--poll-interval", "0.01")
pytestmark = pytest.mark.usefixtures("hurried")


def report(name: str, title: str = "one", protect: str = "false", removed: str = "delete", owner: str = "me") -> str:
    return REPORT.format(name=name, title=title, protect=protect, removed=removed, owner=owner)


def cards(*columns: str) -> str:
    return (
        "apiVersion: pipefy/v1\nkind: Export\nmetadata: {name: cards}\n"
        f"spec: {{pipeIds: [301000001], columns: [{', '.join(columns)}]}}\n"
    )


def apply(cli: Any, *documents: str) -> str:
    """Make these real, and return the name of the run."""
    cli.declare(*documents)
    ran = cli(*ONCE, "--format", "json", "--allow-deletes", "99")
    assert ran.code == 0, ran.err
    return str(ran.events[-1]["run"])


def rolled(cli: Any, run: str, *arguments: str) -> Any:
    ran = cli("plan", "--sandbox", "--rollback-to", run, "--out", "plan.json", "--format", "json", *arguments)
    assert ran.code == 0, ran.err
    return ran.json


def perform(cli: Any, *arguments: str) -> Any:
    return cli("apply", "plan.json", "--sandbox", "--yes", "--poll-interval", "0.01", *arguments)


def recorded(cli: Any) -> dict[str, Any]:
    """The specs and rules of everything that is recorded."""
    known = reading.recorded(Wiring(Settings(sandbox=True)))
    return {
        str(held.address): (held.spec, held.lifecycle) for held in (*known.resources.values(), *known.exports.values())
    }


def steps(plan: Any) -> list[tuple[str, str]]:
    return [(step["action"], step["address"]) for step in plan["steps"]]


def test_all_that_a_run_left_behind_comes_back(cli: Any) -> None:
    first = apply(cli, report("kept", "one", protect="true"), report("gone"), cards("title"))
    before = recorded(cli)
    ids = {row["address"]: row["id"] for row in cli("state", "list", "--sandbox", "--format", "json").json["resources"]}
    apply(cli, report("kept", "two"), report("new"), cards("title", "priority"))
    plan = rolled(cli, first)
    assert plan["source"]["rollback_to"] == first
    reasons = {(step["action"], step["address"]): step["reason"] for step in plan["steps"]}
    assert reasons == {
        ("delete", "blue/report/new"): f"not there when run {first} had ended",
        ("create", "blue/report/gone"): "deleted since; it is made anew, with another id",
        ("update", "blue/report/kept"): "changed",
        ("export", "pipefy/export/cards"): "changed",
    }
    ran = perform(cli)
    assert ran.code == 0, ran.err
    assert recorded(cli) == before
    now = {row["address"]: row["id"] for row in cli("state", "list", "--sandbox", "--format", "json").json["resources"]}
    assert now["blue/report/kept"] == ids["blue/report/kept"]
    assert now["blue/report/gone"] != ids["blue/report/gone"]
    assert f"! this goes back to run {first}, but the manifests do not" in ran.out
    cli.declare(report("kept", "one", protect="true"), report("gone"), cards("title"))
    assert cli("plan", "--sandbox", "--detailed-exitcode").code == 0
    assert perform(cli).code == 6


def test_text_names_the_run_and_the_manifests_need_not_be_valid(cli: Any) -> None:
    first = apply(cli, report("a", "one"))
    apply(cli, report("a", "two"))
    cli.declare("kind: nonsense\n")
    text = cli("plan", "--sandbox", "--rollback-to", first[:10]).out
    assert f"from what run {first} left behind, not from the manifests" in text
    assert 'title: "Test two" -> "Test one"' in text
    rolled(cli, first)
    assert perform(cli).code == 0
    assert recorded(cli)["blue/report/a"][0]["title"] == "Test one"


def test_going_back_to_the_last_run_is_nothing_to_do(cli: Any) -> None:
    last = apply(cli, report("a"), cards("title"), SAVED, REFERRING)
    assert steps(rolled(cli, last)) == []


def test_the_commit_of_the_run_is_named(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.app.plan.git_commit", lambda folder: "c" * 40)
    first = apply(cli, report("a", "one"))
    monkeypatch.setattr("reconciler.app.plan.git_commit", lambda folder: "d" * 40)
    apply(cli, report("a", "two"))
    assert rolled(cli, first)["source"]["commit"] == "c" * 40
    assert f"(its commit was {'c' * 40})" in cli("plan", "--sandbox", "--rollback-to", first).out


@pytest.mark.parametrize("text", ["zz", ""])
def test_a_run_that_is_not_there(cli: Any, text: str) -> None:
    runs = [apply(cli, report("a", title)) for title in ("one", "two")]
    ran = cli("plan", "--sandbox", "--rollback-to", text)
    assert (ran.code, ran.out) == (64, "")
    assert all(run in ran.err for run in runs)


def test_deletes_go_through_the_valve_and_what_is_protected_stays(cli: Any) -> None:
    first = apply(cli, report("a"))
    apply(cli, report("a"), *(report(f"b{number}") for number in range(11)), report("safe", protect="true"))
    warned = cli("plan", "--sandbox", "--rollback-to", first, "--select", "blue/report/b*", "--out", "plan.json")
    assert (warned.code, "! the plan deletes 11 of 13" in warned.out) == (0, True)
    assert perform(cli).code == 8
    assert perform(cli, "--allow-deletes", "11").code == 0
    rolled(cli, first)
    ran = perform(cli, "--allow-deletes", "20")
    assert (ran.code, "protected" in ran.err) == (8, True)
    assert len(cli.live()) == 2


def test_what_is_detached_or_moved_is_not_lost(cli: Any) -> None:
    first = apply(cli, report("a", "one"), SAVED, REFERRING)
    apply(cli, report("a", "one"), report("left", removed="detach"), SAVED, REFERRING)
    plan = rolled(cli, first)
    (step,) = plan["steps"]
    assert (step["action"], step["address"]) == ("forget", "blue/report/left")
    assert step["reason"].startswith(f"not there when run {first} had ended; onRemove: detach")
    perform(cli)
    assert len(cli.live()) == 2


def test_a_run_that_was_killed_is_gone_back_to_as_far_as_it_came(cli: Any) -> None:
    apply(cli, report("a", "one"))
    cli.declare(report("a", "two"), report("b", "two"))
    cli("sandbox", "faults", "add", "blue:createReport:drop_after")
    cli("sandbox", "faults", "add", "blue:reports:graphql_error=INTERNAL_SERVER_ERROR;no*always")
    cli("sandbox", "faults", "add", "blue:reportList:graphql_error=INTERNAL_SERVER_ERROR;no*always")
    ran = cli(*ONCE, "--format", "json")
    assert ran.code == 7
    doubtful = ran.events[-1]["run"]
    cli("sandbox", "faults", "clear")
    apply(cli, report("a", "three"), report("b", "three"))
    planned = cli("plan", "--sandbox", "--rollback-to", doubtful)
    assert "in doubt when run" in planned.out
    assert steps(rolled(cli, doubtful)) == [("update", "blue/report/a")]


def test_the_organization_must_be_the_one_of_then(cli: Any) -> None:
    first = apply(cli, report("a", "one"))
    other = PROJECT + "spec: {providers: {blue: {organization: elsewhere}}}\n"
    cli.declare(report("a", "two"), project=other)
    ran = cli("plan", "--sandbox", "--rollback-to", first)
    assert (ran.code, "the state holds blue objects of" in ran.err) == (5, True)
    assert cli(*ONCE, "--retarget", "--accept-drift", "--format", "json").code in (0, 7)
    ran = cli("plan", "--sandbox", "--rollback-to", first)
    assert (ran.code, f"run {first} left blue objects of" in ran.err) == (5, True)
    assert cli("plan", "--sandbox", "--rollback-to", first, "--retarget").code == 0


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from("abcd"),
            st.tuples(st.sampled_from(["one", "two"]), st.sampled_from(["true", "false"]), st.booleans()),
        ),
        min_size=2,
        max_size=3,
    ),
    st.data(),
)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_every_earlier_run_can_be_gone_back_to(
    cli: Any, worlds: list[dict[str, tuple[str, str, bool]]], data: st.DataObject
) -> None:
    """Then what is recorded is what that run left, and the manifests of then have nothing to add."""

    def documents(world: dict[str, tuple[str, str, bool]]) -> list[str]:
        # nothing stays protected, or the rail would refuse what a random walk takes away
        found = [report(name, title) for name, (title, _, _) in world.items()]
        if any(exports for _, _, exports in world.values()):
            found += [SAVED, REFERRING, cards("title", *sorted({"priority"} if len(world) % 2 else ()))]
        return found or [SAVED]

    shutil.rmtree(cli.folder / ".reconciler", ignore_errors=True)
    left = []
    for world in worlds:
        run = apply(cli, *documents(world))
        left.append((run, world, recorded(cli)))
    for _ in range(2):
        run, world, before = data.draw(st.sampled_from(left))
        rolled(cli, run)
        ran = perform(cli, "--allow-deletes", "99")
        assert ran.code == 0, ran.err
        assert recorded(cli) == before
        cli.declare(*documents(world))
        assert cli("plan", "--sandbox", "--detailed-exitcode").code == 0


def test_a_plan_without_a_rollback_says_nothing_of_one(cli: Any) -> None:
    cli.declare(report("a"))
    assert cli("plan", "--sandbox", "--format", "json", "--out", "plan.json").json["source"].keys() == {
        "tree",
        "commit",
    }
    assert "rollback" not in json.loads((cli.folder / "plan.json").read_text())["source"]
