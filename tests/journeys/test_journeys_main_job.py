"""The main job as a user meets it: declare, plan, apply, and nothing left to do."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import openpyxl
from running import Program
from samples import EXPORT

REPORT = """\
apiVersion: blue/v1
kind: Report
metadata: {name: sales}
spec:
  title: Sales
  dataSources: [{filters: {done: false}}]
"""

OFFICIAL = """\
apiVersion: blue/v1
kind: Report
metadata: {name: open-sales-records}
spec:
  title: Open sales records
  description: Active deals across the EMEA and US workspaces.
  dataSources:
    - name: EMEA + US
      sourceType: TODOS
      projectIds: ["project_123", "project_456"]
      filters: {done: false}
      order: 0
---
apiVersion: pipefy/v1
kind: Export
metadata: {name: tasks}
spec:
  organizationId: 123456789
  pipeIds: [987654321, 987654322]
  columns: [title, status, assignee, due_date, priority]
  filter:
    operator: and
    queries:
      - {field: status, operator: contains, value: [in_progress, review]}
  sortBy: {field: due_date, direction: asc}
"""


def test_a_newcomer_applies_the_company_and_nothing_is_left(company: Program) -> None:
    first = company("apply", "--sandbox", "--yes", "--format", "json")
    assert first.code == 0, first.err
    steps = [event for event in first.events if event["type"] == "step.started"]
    created = [event for event in first.events if event["type"] == "step.applied" and event["action"] == "create"]
    assert len(created) >= 9
    assert {event["exit_code"] for event in first.events if event["type"] == "run.finished"} == {0}

    again = company("apply", "--sandbox", "--yes", "--format", "json")
    assert again.code == 0, again.err
    assert [event["type"] for event in again.events] == ["run.finished"] or steps == []
    plan = company("plan", "--sandbox", "--format", "json").json
    assert plan["steps"] == []
    assert set(plan["summary"].values()) - {plan["summary"]["unchanged"]} == {0}


def test_the_file_of_an_export_has_the_declared_columns_in_order_and_is_recorded(
    project: Callable[[str], Program],
) -> None:
    program = project(EXPORT)
    assert program("apply", "--sandbox", "--yes").code == 0
    (file,) = (program.folder / "exports").iterdir()
    sheet = openpyxl.load_workbook(file).active
    assert [cell.value for cell in next(sheet.iter_rows())] == ["priority", "title", "due_date"]
    assert sheet.max_row > 10
    (export,) = program("state", "list", "--sandbox", "--format", "json").json["exports"]
    assert export["location"] == f"exports/{file.name}"
    assert export["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert export["bytes"] == file.stat().st_size
    assert export["state"] == "delivered"


def test_the_examples_of_the_official_pages_can_be_tried_as_they_are(project: Callable[[str], Program]) -> None:
    program = project(OFFICIAL)
    ran = program("apply", "--sandbox", "--yes")
    assert ran.code == 0, ran.err
    (file,) = (program.folder / "exports").iterdir()
    sheet = openpyxl.load_workbook(file).active
    assert [cell.value for cell in sheet[1]] == ["title", "status", "assignee", "due_date", "priority"]
    assert {row[1].value for row in sheet.iter_rows(min_row=2)} <= {"in_progress", "review"}
    assert program("plan", "--sandbox", "--refresh", "--detailed-exitcode").code == 0


def test_an_export_left_in_flight_is_picked_up_by_the_next_apply(project: Callable[[str], Program]) -> None:
    program = project(EXPORT)
    first = program("apply", "--sandbox", "--yes", "--no-wait", "--format", "json")
    assert first.code == 0
    assert "export.accepted" in {event["type"] for event in first.events}
    assert not (program.folder / "exports").exists()
    plan = program("plan", "--sandbox", "--format", "json").json
    assert plan["steps"] == []
    assert [pending["address"] for pending in plan["pending"]] == ["pipefy/export/cards"]
    second = program("apply", "--sandbox", "--yes", "--format", "json")
    assert second.code == 0
    types = [event["type"] for event in second.events]
    assert "export.delivered" in types
    assert "export.started" not in types
    assert len(list((program.folder / "exports").iterdir())) == 1


def test_a_saved_plan_is_performed_once(project: Callable[[str], Program]) -> None:
    program = project(REPORT)
    assert program("plan", "--sandbox", "--out", "p.json").code == 0
    assert program("apply", "p.json", "--sandbox").code == 0
    used = program("apply", "p.json", "--sandbox")
    assert used.code == 6
    assert "used" in used.err or "performed" in used.err


def test_an_edited_plan_is_refused(project: Callable[[str], Program]) -> None:
    program = project(REPORT)
    program("plan", "--sandbox", "--out", "p.json")
    file = program.folder / "p.json"
    plan = json.loads(file.read_text(encoding="utf-8"))
    plan["steps"][0]["after"]["title"] = "Mine now"
    file.write_text(json.dumps(plan), encoding="utf-8")
    assert program("apply", "p.json", "--sandbox").code == 6
    assert program("state", "list", "--sandbox", "--format", "json").json["resources"] == []


def test_a_stale_plan_is_refused(project: Callable[[str], Program]) -> None:
    program = project(REPORT)
    program("plan", "--sandbox", "--out", "p.json")
    assert program("apply", "--sandbox", "--yes").code == 0
    assert program("apply", "p.json", "--sandbox").code == 6


def test_a_plan_for_the_sandbox_is_not_performed_elsewhere(project: Callable[[str], Program]) -> None:
    program = project(REPORT)
    program("plan", "--sandbox", "--out", "p.json")
    refused = program("apply", "p.json", BLUE_ORG_ID="acme", BLUE_TOKEN_ID="x", BLUE_TOKEN_SECRET="pat_x")
    assert refused.code == 6


def test_a_signed_plan_needs_its_key(project: Callable[[str], Program]) -> None:
    program = project(REPORT)
    program("plan", "--sandbox", "--out", "p.json", RECONCILER_PLAN_KEY="correct horse")
    assert program("apply", "p.json", "--sandbox", RECONCILER_PLAN_KEY="wrong horse").code == 6
    assert program("apply", "p.json", "--sandbox", RECONCILER_PLAN_KEY="correct horse").code == 0


def test_two_plans_of_the_same_instant_are_byte_equal(company: Program) -> None:
    plans = [
        company("plan", "--sandbox", "--format", "json", RECONCILER_NOW="2026-11-23T06:00:00Z").out for _ in range(2)
    ]
    assert plans[0] == plans[1]


def test_an_edit_is_planned_as_what_changed_and_applied(project: Callable[[str], Program]) -> None:
    program = project(REPORT)
    program("apply", "--sandbox", "--yes")
    program.write("manifests/all.yaml", REPORT.replace("title: Sales", "title: Sales 2027"))
    (step,) = program("plan", "--sandbox", "--format", "json").json["steps"]
    assert step["action"] == "update"
    assert step["changes"] == [{"path": "title", "before": "Sales", "after": "Sales 2027"}]
    changed = program("plan", "--sandbox", "--detailed-exitcode")
    assert changed.code == 2
    assert "title" in changed.out
    assert program("apply", "--sandbox", "--yes").code == 0
    assert program("plan", "--sandbox", "--detailed-exitcode").code == 0


def test_every_spelling_of_the_same_report_is_the_same_report(project: Callable[[str], Program]) -> None:
    program = project(REPORT)
    program("apply", "--sandbox", "--yes")
    for spelling in (
        "[{filters: {done: false}, projectIds: []}]",
        "[{filters: {done: false}, projectIds: null, name: null, order: 0}]",
        "[{sourceType: TODOS, order: 7, filters: {done: false}}]",
    ):
        program.write("manifests/all.yaml", REPORT.replace("[{filters: {done: false}}]", spelling))
        assert program("plan", "--sandbox", "--detailed-exitcode").code == 0, spelling


def test_what_is_removed_is_deleted_and_protection_needs_two_applies(project: Callable[[str], Program]) -> None:
    keeper = REPORT.replace("sales", "keeper")
    protected = REPORT + "lifecycle: {protect: true}\n"
    program = project(f"{protected}---\n{keeper}")
    assert program("apply", "--sandbox", "--yes").code == 0
    program.write("manifests/all.yaml", keeper)
    refused = program("apply", "--sandbox", "--yes")
    assert refused.code == 8
    assert "blue/report/sales" in refused.err
    program.write("manifests/all.yaml", f"{REPORT}---\n{keeper}")
    assert program("apply", "--sandbox", "--yes").code == 0
    program.write("manifests/all.yaml", keeper)
    assert program("apply", "--sandbox", "--yes").code == 0
    listed = program("state", "list", "--sandbox", "--format", "json").json["resources"]
    assert [resource["address"] for resource in listed] == ["blue/report/keeper"]


def test_many_deletes_are_refused_unless_allowed_by_number(project: Callable[[str], Program]) -> None:
    reports = [REPORT.replace("name: sales", f"name: sales-{number}") for number in range(12)]
    program = project("---\n".join(reports))
    assert program("apply", "--sandbox", "--yes").code == 0
    program.write("manifests/all.yaml", reports[0])
    assert program("apply", "--sandbox", "--yes").code == 8
    assert program("apply", "--sandbox", "--yes", "--allow-deletes", "10").code == 8
    assert program("apply", "--sandbox", "--yes", "--allow-deletes", "11").code == 0


def test_one_broken_limit_stops_everything_before_anything_is_sent(project: Callable[[str], Program]) -> None:
    documents = [REPORT.replace("name: sales", f"name: sales-{number}") for number in range(50)]
    documents[37] = documents[37].replace("title: Sales", "title: Sales\n  description: " + "x" * 10_001)
    program = project("---\n".join(documents))
    for command in (["validate"], ["plan", "--sandbox"], ["apply", "--sandbox", "--yes"]):
        ran = program(*command)
        assert ran.code == 3
        shown = ran.out + ran.err
        line = 1 + "---\n".join(documents)[: "---\n".join(documents).index("description")].count("\n")
        assert re.search(rf"manifests/all\.yaml:{line}:16", shown), shown[:500]
        assert "^" in shown
        assert "10,000" in shown or "10000" in shown
    assert not (program.folder / ".reconciler" / "sandbox.db").exists()


def test_an_export_without_columns_and_report_is_refused_unless_meant(project: Callable[[str], Program]) -> None:
    empty = EXPORT.replace("  columns: [priority, title, due_date]\n", "")
    program = project(empty)
    assert program("validate").code == 3
    program.write("manifests/all.yaml", empty + "  allowEmptyColumns: true\n")
    assert program("validate").code == 0


def test_a_scheduled_export_waits_for_its_first_occurrence_and_runs_once(project: Callable[[str], Program]) -> None:
    program = project(EXPORT + '  schedule: "0 6 * * 1"\n')
    sunday, monday, later = "2026-11-22T12:00:00Z", "2026-11-23T06:00:00Z", "2026-11-23T09:00:00Z"
    (step,) = program("plan", "--sandbox", "--format", "json", RECONCILER_NOW=sunday).json["steps"]
    assert step["action"] == "create"
    assert program("apply", "--sandbox", "--yes", RECONCILER_NOW=sunday).code == 0
    assert not (program.folder / "exports").exists()
    assert program("plan", "--sandbox", "--format", "json", RECONCILER_NOW=sunday).json["steps"] == []
    (step,) = program("plan", "--sandbox", "--format", "json", RECONCILER_NOW=later).json["steps"]
    assert (step["action"], step["occurrence"]) == ("export", monday)
    assert program("apply", "--sandbox", "--yes", RECONCILER_NOW=later).code == 0
    assert len(list((program.folder / "exports").iterdir())) == 1
    assert program("plan", "--sandbox", "--format", "json", RECONCILER_NOW=later).json["steps"] == []
    (export,) = program("state", "list", "--sandbox", "--format", "json").json["exports"]
    assert export["last_occurrence"] == monday


def test_apply_asks_and_silence_is_not_consent(project: Callable[[str], Program]) -> None:
    program = project(REPORT)
    assert program("apply", "--sandbox").code == 64
    assert program("apply", "--sandbox", answer="n\n").code == 130
    assert program("state", "list", "--sandbox", "--format", "json").json["resources"] == []
    assert program("apply", "--sandbox", answer="y\n").code == 0
    assert len(program("state", "list", "--sandbox", "--format", "json").json["resources"]) == 1


def test_a_log_is_not_believed_about_another_organization(project: Callable[[str], Program]) -> None:
    program = project(REPORT)
    assert program("apply", "--sandbox", "--yes").code == 0
    acme = (program.folder / "manifests/reconciler.yaml").read_text(encoding="utf-8")
    program.write("manifests/reconciler.yaml", acme + "spec: {providers: {blue: {organization: other}}}\n")
    refused = program("plan", "--sandbox")
    assert refused.code == 5
    assert "organization other" in refused.err
    assert program("apply", "--sandbox", "--yes").code == 5
    assert program("apply", "--sandbox", "--yes", "--retarget").code == 0
    assert program("plan", "--sandbox", "--detailed-exitcode").code == 0


def test_the_sandbox_forgets_on_request(project: Callable[[str], Program]) -> None:
    program = project(REPORT)
    program("apply", "--sandbox", "--yes")
    assert program("sandbox", "reset").code == 0
    assert len(program("plan", "--sandbox", "--format", "json").json["steps"]) == 1


def test_drift_is_reported_apart_and_a_plan_with_refresh_puts_it_right(project: Callable[[str], Program]) -> None:
    program = project(REPORT)
    program("apply", "--sandbox", "--yes")
    _edit_outside(program.folder, "Renamed by hand")
    assert program("plan", "--sandbox", "--format", "json").json["steps"] == []
    refreshed = program("plan", "--sandbox", "--refresh", "--format", "json", "--out", "p.json").json
    assert [drift["address"] for drift in refreshed["drift"]] == ["blue/report/sales"]
    assert [step["action"] for step in refreshed["steps"]] == ["update"]
    program.write("manifests/all.yaml", REPORT.replace("title: Sales", "title: Sales 2027"))
    blind = program("apply", "--sandbox", "--yes", "--format", "json")
    assert blind.code == 7
    assert [event["type"] for event in blind.events if event["type"].startswith("step.")][-1] == "step.rejected"
    assert program("apply", "--sandbox", "--yes", "--accept-drift").code == 0
    assert program("plan", "--sandbox", "--refresh", "--detailed-exitcode").code == 0


def test_what_is_gone_from_the_service_is_made_again_on_request(project: Callable[[str], Program]) -> None:
    from reconciler.sandbox.store import Store

    program = project(REPORT)
    program("apply", "--sandbox", "--yes")
    store = Store(program.folder / ".reconciler" / "sandbox.db")
    (report,) = store.all("blue_report")
    store.delete("blue_report", report["id"])
    store.close()
    assert program("plan", "--sandbox", "--detailed-exitcode").code == 0
    plan = program("plan", "--sandbox", "--refresh", "--format", "json").json
    assert [drift["missing"] for drift in plan["drift"]] == [True]
    assert [step["action"] for step in plan["steps"]] == ["forget", "create"]
    assert program("apply", "--sandbox", "--yes", "--refresh").code == 0
    assert program("plan", "--sandbox", "--refresh", "--detailed-exitcode").code == 0


def _edit_outside(folder: Path, title: str) -> None:
    """Somebody renames the one Blue report in the service itself."""
    from reconciler.sandbox.store import Store

    store = Store(folder / ".reconciler" / "sandbox.db")
    (report,) = store.all("blue_report")
    with store.transaction():
        store.put("blue_report", report["id"], {**report, "title": title})
    store.close()


def test_an_apply_that_only_waits_for_an_export_does_not_lock_others_out(project: Callable[[str], Program]) -> None:
    from reconciler.sandbox.store import Store
    from reconciler.sandbox.switches import Switches

    program = project(EXPORT)
    program("plan", "--sandbox")
    store = Store(program.folder / ".reconciler" / "sandbox.db")
    Switches(store).set("export_plan", "done:0/3")
    waiting = subprocess.Popen(
        program.command("apply", "--sandbox", "--yes", "--format", "json"),
        cwd=program.folder,
        env=program.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert waiting.stdout is not None
    assert any('"export.progress"' in line for line in waiting.stdout)
    program.write("manifests/more.yaml", REPORT)
    assert program("apply", "--sandbox", "--yes", "--no-wait").code == 0
    assert '"export.delivered"' in waiting.communicate(timeout=60)[0]
    assert waiting.returncode == 0
