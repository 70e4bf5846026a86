"""Plans are made of values, and saved whole or not at all."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from samples import PROJECT

from reconciler.app import plan as use_case
from reconciler.app import sandbox
from reconciler.app.schema import files
from reconciler.app.state import reading
from reconciler.model.errors import Broken, Usage
from reconciler.model.plan import Target
from reconciler.model.recorded import Recorded

BLUE = """\
apiVersion: blue/v1
kind: Report
metadata: {name: sales}
spec: {title: Test sales, dataSources: [{filters: {done: false}}]}
"""
NOW = "2026-11-23T06:00:00Z"


def git(*arguments: str) -> str:
    who = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *who, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_commit_of_the_manifests_is_in_the_plan(wiring: Any) -> None:
    wired = wiring(BLUE, RECONCILER_NOW=NOW)
    assert asyncio.run(use_case.plan(wired)).plan.commit is None
    git("init", "-q")
    assert use_case.git_commit(Path("manifests")) is None
    git("add", ".")
    git("commit", "-qm", "x")
    assert asyncio.run(use_case.plan(wired)).plan.commit == git("rev-parse", "HEAD")


def test_without_git_there_is_no_commit(wiring: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wired = wiring(BLUE, RECONCILER_NOW=NOW)
    monkeypatch.setenv("PATH", "")
    assert use_case.git_commit(wired.settings.folder) is None


def test_two_plans_of_one_instant_are_the_same_bytes(wiring: Any) -> None:
    wired = wiring(BLUE, RECONCILER_NOW=NOW)
    for name in ("one.json", "two.json"):
        use_case.save(wired, asyncio.run(use_case.plan(wired)).plan, Path(name))
    assert Path("one.json").read_bytes() == Path("two.json").read_bytes()


def test_a_plan_that_cannot_be_saved_leaves_nothing(wiring: Any) -> None:
    wired = wiring(BLUE)
    planned = asyncio.run(use_case.plan(wired))
    Path("kept.json").mkdir()
    for file in (Path("missing/p.json"), Path("kept.json")):
        with pytest.raises(Broken, match=file.name):
            use_case.save(wired, planned.plan, file)
    assert not list(Path().rglob("*.part"))


def test_planning_is_pure(wiring: Any) -> None:
    wired = wiring(BLUE, RECONCILER_NOW=NOW)
    desired = wired.desired()
    targets = wired.targets(desired.project, ["blue"], desired)
    made = [use_case.make(wired, desired, Recorded(), targets).plan for _ in range(2)]
    assert made[0] == made[1]
    assert sorted(file.name for file in Path().iterdir()) == ["manifests"]


def test_a_state_with_nothing_in_doubt_is_0(wiring: Any) -> None:
    assert reading.exit_code(Recorded()) == 0
    with pytest.raises(Usage, match="nothing is known"):
        reading.resource(wiring(BLUE), "blue/report/nobody", declared=True)
    assert reading.resource(wiring(BLUE), "blue/report/sales", declared=True)["recorded"] is None


def test_schemas_name_their_parts_apart(wiring: Any) -> None:
    found = files.schemas(wiring(BLUE))
    shared = found["blue.report.v1"]["$defs"].keys() & found["pipefy.report.v1"]["$defs"].keys()
    for kind in ("blue.report.v1", "blue.report.v1alpha1", "pipefy.report.v1", "pipefy.export.v1"):
        own = found[kind]["$defs"].keys() - shared
        assert all(name == kind or name.startswith(f"{kind}.") for name in own)
        assert own <= found["manifest"]["$defs"].keys()
    assert all(each["$schema"].endswith("2020-12/schema") for each in found.values())


def test_reset_of_nothing_removes_nothing(wiring: Any) -> None:
    wiring(BLUE)
    assert sandbox.reset() == []


def test_a_run_without_an_organization_says_nothing_about_where_its_objects_are() -> None:
    said = Target("https://api.blue.app/graphql", "acme")
    unsaid = Target("https://api.pipefy.com/graphql", "")
    assert use_case.known_places({"blue": said, "pipefy": unsaid}) == {
        "blue": "the official service, organization acme"
    }


def test_what_has_a_default_need_not_be_in_the_schema(wiring: Any) -> None:
    defaults = """apiVersion: reconciler/v1
kind: Project
metadata: {name: acme}
spec:
  defaults:
    blue/report: {spec: {dataSources: []}}
    pipefy/export: {spec: {columns: [title], deadline: 30m}}
"""
    short = "apiVersion: blue/v1\nkind: Report\nmetadata: {name: a}\nspec: {title: T}\n"
    export = "apiVersion: pipefy/v1\nkind: Export\nmetadata: {name: b}\nspec: {pipeIds: [1]}\n"
    wired = wiring(short, export, project=defaults)
    assert wired.load().valid
    documents = [yaml.safe_load(text) for text in (short, export)]
    for project, right in ((defaults, True), (PROJECT, False)):
        schemas = files.schemas(wiring(short, export, project=project))
        validator = jsonschema.Draft202012Validator(schemas["manifest"])
        assert [validator.is_valid(each) for each in documents] == [right, right]
        assert not validator.is_valid({**documents[0], "spec": {}})
