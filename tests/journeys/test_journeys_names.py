"""Names instead of ids, as a user meets them."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

from running import Program

from reconciler.sandbox.store import Store

NAMED = """\
apiVersion: blue/v1
kind: Report
metadata: {name: sales}
spec:
  title: Sales
  dataSources:
    - projects: [{slug: sales-emea}, {name: Sales APAC}]
  reportUsers:
    - {email: Sana@acme.example, role: EDITOR}
---
apiVersion: pipefy/v1
kind: Export
metadata: {name: cards}
spec:
  pipes: [{name: Hiring}]
  columns: [title]
  deadline: 20m
"""


def change(program: Program, collection: str, key: str, **fields: Any) -> None:
    """Somebody changes the world."""
    with closing(Store(program.folder / ".reconciler" / "sandbox.db")) as store:
        doc = store.get(collection, key)
        assert doc is not None
        store.put(collection, key, {**doc, **fields})


def test_names_are_planned_applied_and_remembered(project: Callable[[str], Program]) -> None:
    program = project(NAMED)
    assert program("validate").code == 0
    offline = program("plan")
    assert offline.code == 0
    assert '{"slug": "sales-emea"}' in offline.out
    assert "not known yet" in offline.out
    assert not (program.folder / ".reconciler").exists(), "nothing was asked of anybody"
    assert program("apply", "--sandbox", "--yes").code == 0
    assert program("plan", "--sandbox", "--detailed-exitcode").code == 0
    assert program("plan", "--sandbox", "--refresh", "--detailed-exitcode").code == 0
    change(program, "blue_project", "cmws000000000000salesapac", name="Sales Asia")
    change(program, "blue_project", "cmws0000000000engineering", name="Sales APAC")
    assert program("plan", "--sandbox", "--detailed-exitcode").code == 0, "the log remembers"
    refreshed = program("plan", "--sandbox", "--refresh", "--format", "json", "--out", "p.json").json
    (step,) = refreshed["steps"]
    ids = ["cmws000000000000salesapac", "cmws000000000000salesemea"]
    assert [(each["path"], each["before"]) for each in step["changes"]] == [("dataSources[0].projectIds", ids)]
    assert "cmws0000000000engineering" in step["changes"][0]["after"]
    assert program("apply", "--sandbox", "--yes", "--refresh").code == 0
    assert program("plan", "--sandbox", "--detailed-exitcode").code == 0
    assert program("apply", "p.json", "--sandbox").code == 6


def test_names_that_lead_nowhere_stop_everything(project: Callable[[str], Program]) -> None:
    program = project(NAMED.replace("sales-emea", "sales-emae"))
    program("plan", "--sandbox", "--refresh")
    change(program, "pipefy_pipe", "301000002", name="Hiring")
    for command in (("plan", "--refresh"), ("apply", "--yes")):
        ran = program(*command, "--sandbox")
        assert ran.code == 3
        shown = ran.out + ran.err
        assert "manifests/all.yaml:" in shown
        assert "several pipes have the name 'Hiring': 301000002 (Hiring), 301000005 (Hiring)" in shown
        assert "there is no workspace with the slug 'sales-emae'" in shown
        assert "sales-emea" in shown
        assert "2 errors" in shown
    listed = program("state", "list", "--sandbox", "--format", "json").json
    assert (listed["resources"], listed["position"]) == ([], 0)


def test_a_plan_made_offline_is_given_its_ids_when_it_is_applied(project: Callable[[str], Program]) -> None:
    program = project(NAMED)
    assert program("plan", "--sandbox", "--out", "p.json").code == 0
    saved = json.loads((program.folder / "p.json").read_text(encoding="utf-8"))
    assert any("not known yet" in warning for step in saved["steps"] for warning in step["warnings"])
    assert program("apply", "p.json", "--sandbox").code == 0
    assert program("plan", "--sandbox", "--detailed-exitcode").code == 0
    assert program("plan", "--sandbox", "--refresh", "--detailed-exitcode").code == 0
