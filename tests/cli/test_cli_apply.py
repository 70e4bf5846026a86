"""apply: it asks, it performs, it tells; and a saved plan is performed once, here and as it is."""

from __future__ import annotations

import json
from typing import Any

import openpyxl
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
TERMINAL = {
    *("step.applied", "step.rejected", "step.doubted", "step.skipped"),
    *("export.accepted", "export.delivered", "export.failed"),
}
ONCE = ("apply", "--sandbox", "--yes")


def named(text: str, name: str) -> str:
    return text.replace("sales", name).replace("cards", name)


def test_an_apply_tells_everything_as_json_lines(company: Any) -> None:
    plan = company("plan", "--sandbox", "--format", "json").json
    ran = company(*ONCE, "--format", "json")
    assert (ran.code, ran.err) == (0, "")
    events = ran.events
    for event in events:
        assert event["format"] == "reconciler.event/1"
        assert event["time"].endswith("Z")
        assert ("address" in event) == (event["type"] not in ("run.started", "run.finished"))
    assert events[0]["type"] == "run.started"
    assert events[0]["steps"] == len(plan["steps"])
    assert events[-1]["type"] == "run.finished"
    assert events[-1]["exit_code"] == 0
    ended = [(event["address"], event["action"]) for event in events if event["type"] in TERMINAL]
    assert sorted(ended) == sorted((step["address"], step["action"]) for step in plan["steps"])
    assert events[-1]["counts"] == {"applied": 16, "delivered": 3}
    again = company(*ONCE, "--format", "json")
    assert [event["type"] for event in again.events] == ["run.finished"]
    assert again.code == 0
    assert company("plan", "--sandbox", "--refresh", "--detailed-exitcode").code == 0


def test_results_go_to_stdout_and_progress_to_stderr(cli: Any) -> None:
    cli.declare(BLUE, EXPORT)
    ran = cli(*ONCE)
    assert ran.code == 0
    assert ran.out.startswith("Plan for the environment default")
    assert ran.out.rstrip().splitlines()[-1] == "Done: 1 applied, 1 delivered."
    assert "begins" not in ran.out
    assert "create blue/report/sales: done" in ran.err
    assert "export pipefy/export/cards: delivered" in ran.err
    assert "\x1b" not in ran.out + ran.err


def test_quiet_leaves_the_results_and_the_errors(cli: Any) -> None:
    cli.declare(BLUE)
    ran = cli(*ONCE, "-q")
    assert (ran.code, ran.err) == (0, "")
    assert "Done: 1 applied." in ran.out
    cli.declare(BLUE.replace("title: Test", "titel: Test"))
    assert "error[" in cli(*ONCE, "-q").err


def test_a_pipe_that_wants_colour_gets_it_and_every_line(cli: Any) -> None:
    cli.declare(BLUE)
    ran = cli(*ONCE, "--color", "always")
    assert ran.code == 0
    assert "create blue/report/sales: begins" in ran.err
    assert "\x1b[" in ran.out
    cli.declare(BLUE.replace("Test sales", "Test more"))
    assert "\x1b" not in cli(*ONCE, "--color", "never").out


@pytest.mark.parametrize("answer", ["y\n", "Y\n", "yes\n", " YES \n"])
def test_yes_in_any_case_performs(cli: Any, answer: str) -> None:
    cli.declare(BLUE)
    assert cli("apply", "--sandbox", answer=answer).code == 0
    assert len(cli.live()) == 1


@pytest.mark.parametrize("answer", ["n\n", "\n", "yep\n", "no\n"])
def test_anything_else_sends_nothing(cli: Any, answer: str) -> None:
    cli.declare(BLUE)
    ran = cli("apply", "--sandbox", answer=answer)
    assert ran.code == 130
    assert "y/N" in ran.err
    assert "nothing was sent" in ran.err
    assert "Traceback" not in ran.err
    assert cli.live() == []
    assert cli("state", "list", "--sandbox", "--format", "json").json["position"] == 0


def test_silence_is_not_consent(cli: Any) -> None:
    cli.declare(BLUE)
    ran = cli("apply", "--sandbox")
    assert ran.code == 64
    assert "--yes" in ran.err
    assert cli("apply", "--sandbox", "--format", "json").events[-1]["exit_code"] == 64


def test_nobody_is_asked_when_nothing_is_to_do(cli: Any) -> None:
    cli.declare(BLUE)
    cli(*ONCE)
    ran = cli("apply", "--sandbox")
    assert ran.code == 0
    assert "y/N" not in ran.err
    assert "nothing to do" in ran.out


def test_ctrl_c_at_the_question_is_130(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Impatient:
        def readline(self) -> str:
            raise KeyboardInterrupt

    cli.declare(BLUE)
    monkeypatch.setattr("reconciler.cli.apply.sys.stdin", Impatient(), raising=False)
    monkeypatch.setattr("io.StringIO", lambda text: Impatient())
    ran = cli("apply", "--sandbox", "--format", "json")
    assert ran.code == 130
    assert ran.events[-1]["exit_code"] == 130
    assert "interrupted" in ran.err


def test_a_file_of_an_export_is_as_declared(cli: Any) -> None:
    cli.declare(EXPORT, SAVED, BY_REFERENCE)
    assert cli(*ONCE).code == 0
    state = cli("state", "list", "--sandbox", "--format", "json").json
    heads = {}
    for export in state["exports"]:
        sheet = openpyxl.load_workbook(cli.folder / export["location"]).active
        assert sheet is not None
        heads[export["address"]] = [cell.value for cell in next(sheet.iter_rows())]
    assert heads["pipefy/export/cards"] == ["priority", "title", "due_date"]
    assert heads["pipefy/export/by-reference"][:2] == ["title", "status"]


def test_no_wait_leaves_it_in_flight_and_the_next_apply_brings_it(cli: Any) -> None:
    cli.declare(EXPORT)
    first = cli(*ONCE, "--no-wait", "--format", "json")
    assert first.code == 0
    assert first.events[-1]["counts"] == {"accepted": 1}
    assert not (cli.folder / "exports").exists()
    assert cli("plan", "--sandbox", "--detailed-exitcode").code == 2
    assert cli(*ONCE, "--no-wait", "--format", "json").events[-1]["counts"] == {}
    second = cli(*ONCE, "--format", "json")
    assert [event["type"] for event in second.events if "export" in event["type"]][-1] == "export.delivered"
    assert len(list((cli.folder / "exports").iterdir())) == 1
    assert cli("plan", "--sandbox", "--detailed-exitcode").code == 0


def test_a_saved_plan_is_performed_without_asking_and_once(cli: Any) -> None:
    cli.declare(BLUE, EXPORT)
    assert cli("plan", "--sandbox", "--out", "p.json").code == 0
    cli.declare(named(BLUE, "another"))
    assert cli("apply", "p.json", "--sandbox").code == 0
    assert [report["title"] for report in cli.live()] == ["Test sales"]
    again = cli("apply", "p.json", "--sandbox", "--format", "json")
    assert again.code == 6
    assert "used" in again.err
    assert again.events[-1]["exit_code"] == 6
    assert len(cli.live()) == 1


def _edited(cli: Any, edit: Any) -> None:
    file = cli.folder / "p.json"
    plan = json.loads(file.read_text(encoding="utf-8"))
    edit(plan)
    file.write_text(json.dumps(plan), encoding="utf-8")


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (lambda plan: plan["steps"][0]["after"].update(title="Test mine"), "edited"),
        (lambda plan: plan.update(expires="2099-01-01T00:00:00Z"), "edited"),
        (lambda plan: plan["steps"].clear(), "edited"),
        (lambda plan: plan.update(format="reconciler.plan/9"), "plan"),
        (lambda plan: plan.pop("steps"), "plan"),
    ],
    ids=["title", "expiry", "steps", "format", "missing"],
)
def test_an_edited_plan_is_refused(cli: Any, edit: Any, why: str) -> None:
    cli.declare(BLUE)
    cli("plan", "--sandbox", "--out", "p.json")
    _edited(cli, edit)
    ran = cli("apply", "p.json", "--sandbox")
    assert ran.code == 6
    assert why in ran.err
    assert "hint: " in ran.err
    assert cli.live() == []


def test_a_plan_that_is_stale_expired_or_for_somebody_else_is_refused(cli: Any) -> None:
    cli.declare(BLUE)
    cli("plan", "--sandbox", "--out", "p.json")
    assert "expired" in cli("apply", "p.json", "--sandbox", RECONCILER_NOW="2030-01-01T00:00:00Z").err
    for refused in (
        cli("apply", "p.json", "--sandbox", RECONCILER_NOW="2030-01-01T00:00:00Z"),
        cli("apply", "p.json", BLUE_ORG_ID="acme", BLUE_TOKEN_ID="x", BLUE_TOKEN_SECRET="pat_x"),
    ):
        assert refused.code == 6
    cli.write(
        "manifests/environments/prod.yaml", "apiVersion: reconciler/v1\nkind: Environment\nmetadata: {name: prod}\n"
    )
    other = cli("apply", "p.json", "--sandbox", "--env", "prod")
    assert other.code == 6
    assert "--env default" in other.err
    assert cli(*ONCE).code == 0
    stale = cli("apply", "p.json", "--sandbox")
    assert stale.code == 6
    assert len(cli.live()) == 1


def test_a_plan_for_another_organization_is_refused(cli: Any) -> None:
    project = (
        "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: acme}\n"
        "spec: {providers: {blue: {organization: %s}}}\n"
    )
    cli.declare(BLUE, project=project % "acme")
    assert cli("plan", "--sandbox", "--out", "p.json").code == 0
    cli.declare(BLUE, project=project % "globex")
    ran = cli("apply", "p.json", "--sandbox")
    assert ran.code == 6
    assert "acme" in ran.err
    assert "globex" in ran.err


def test_a_plan_made_from_another_log_is_refused(cli: Any) -> None:
    cli.declare(BLUE)
    cli(*ONCE)
    cli.declare(BLUE.replace("Test sales", "Test more"))
    cli("plan", "--sandbox", "--out", "p.json")
    cli("sandbox", "reset")
    assert cli("apply", "p.json", "--sandbox").code == 6


@pytest.mark.parametrize("text", ["", "garbage", "[]", "{}", "null", '{"format": "reconciler.plan/1"}', "\ud800"])
def test_what_is_no_plan_is_refused(cli: Any, text: str) -> None:
    cli.declare(BLUE)
    (cli.folder / "p.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    ran = cli("apply", "p.json", "--sandbox")
    assert ran.code == 6
    assert "Traceback" not in ran.err
    assert cli("apply", "missing.json", "--sandbox").code == 6
    assert cli("apply", "manifests", "--sandbox").code == 64


def test_a_signed_plan_needs_its_key_and_a_key_needs_a_signature(cli: Any) -> None:
    cli.declare(BLUE)
    assert cli("plan", "--sandbox", "--out", "unsigned.json").code == 0
    assert cli("plan", "--sandbox", "--out", "p.json", RECONCILER_PLAN_KEY="correct horse").code == 0
    assert "correct horse" not in (cli.folder / "p.json").read_text(encoding="utf-8")
    assert cli("apply", "unsigned.json", "--sandbox", RECONCILER_PLAN_KEY="correct horse").code == 6
    wrong = cli("apply", "p.json", "--sandbox", RECONCILER_PLAN_KEY="wrong horse")
    assert wrong.code == 6
    assert "horse" not in wrong.err
    assert cli("apply", "p.json", "--sandbox", RECONCILER_PLAN_KEY="correct horse").code == 0


def test_a_saved_plan_with_nothing_to_do_is_fine(cli: Any) -> None:
    cli.declare(BLUE)
    cli(*ONCE)
    cli("plan", "--sandbox", "--out", "p.json")
    assert cli("apply", "p.json", "--sandbox").code == 0


def test_deletes_beyond_the_valve_and_what_is_protected_are_refused(cli: Any) -> None:
    reports = [named(BLUE, f"r-{number}") for number in range(12)]
    cli.declare(*reports)
    assert cli(*ONCE).code == 0
    cli.declare(reports[0])
    refused = cli(*ONCE, "--format", "json")
    assert refused.code == 8
    assert refused.events[-1]["exit_code"] == 8
    assert "--allow-deletes 11" in refused.err
    assert cli(*ONCE, RECONCILER_ALLOW_DELETES="10").code == 8
    assert "11 of 12" in cli("plan", "--sandbox").out
    assert cli(*ONCE, RECONCILER_ALLOW_DELETES="11").code == 0
    assert len(cli.live()) == 1
    cli.declare(reports[0] + "lifecycle: {protect: true}\n")
    assert cli(*ONCE).code == 0
    cli.declare(named(BLUE, "r-1"))
    protected = cli(*ONCE, "--allow-deletes", "5")
    assert protected.code == 8
    assert "blue/report/r-0" in protected.err
    assert len(cli.live()) == 1


def test_detach_forgets_and_leaves_the_live_object(cli: Any) -> None:
    cli.declare(BLUE + "lifecycle: {onRemove: detach}\n", named(BLUE, "kept"))
    assert cli(*ONCE).code == 0
    cli.declare(named(BLUE, "kept"))
    (step,) = cli("plan", "--sandbox", "--format", "json").json["steps"]
    assert step["action"] == "forget"
    assert cli(*ONCE).code == 0
    assert len(cli.live()) == 2


def test_drift_is_never_overwritten_unasked(cli: Any) -> None:
    cli.declare(BLUE)
    cli(*ONCE)
    (report,) = cli.live()
    with cli.store() as store, store.transaction():
        store.put("blue_report", report["id"], {**report, "title": "Test by hand"})
    assert cli("plan", "--sandbox", "--detailed-exitcode").code == 0
    shown = cli("plan", "--sandbox", "--refresh", "--detailed-exitcode")
    assert shown.code == 2
    assert "Test by hand" in shown.out
    (drift,) = cli("plan", "--sandbox", "--refresh", "--format", "json").json["drift"]
    assert drift["address"] == "blue/report/sales"
    cli.declare(BLUE.replace("Test sales", "Test again"))
    blind = cli(*ONCE, "--format", "json")
    assert blind.code == 7
    assert blind.events[-1]["counts"] == {"rejected": 1}
    assert [report["title"] for report in cli.live()] == ["Test by hand"]
    assert cli(*ONCE, RECONCILER_ACCEPT_DRIFT="1").code == 0
    assert [report["title"] for report in cli.live()] == ["Test again"]


def test_an_apply_that_looks_first_puts_drift_right(cli: Any) -> None:
    cli.declare(BLUE, BLUE.replace("sales", "other"))
    cli(*ONCE)
    first, second = cli.live()
    with cli.store() as store, store.transaction():
        store.put("blue_report", first["id"], {**first, "title": "Test by hand"})
        store.delete("blue_report", str(second["id"]))
    assert cli(*ONCE, "--refresh").code == 0
    assert sorted(str(report["title"]) for report in cli.live()) == ["Test other", "Test sales"]
    assert cli("plan", "--sandbox", "--refresh", "--detailed-exitcode").code == 0


def test_a_log_is_not_believed_about_another_place(cli: Any) -> None:
    organization = (
        "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: acme}\n"
        "spec: {providers: {blue: {organization: %s}}}\n"
    )
    cli.declare(BLUE, project=organization % "acme")
    assert cli(*ONCE).code == 0
    cli.declare(BLUE, project=organization % "globex")
    for arguments in (("plan", "--sandbox"), ("plan", "--sandbox", "--refresh"), ONCE):
        refused = cli(*arguments)
        assert refused.code == 5, arguments
        assert refused.out == ""
        assert "--retarget" in refused.err
    assert len(cli.live()) == 1
    assert cli("plan", "--sandbox", "--retarget").code == 0
    assert cli(*ONCE, "--retarget").code == 0
    assert cli("plan", "--sandbox").code == 0


@pytest.mark.parametrize("option", ["--refresh", "--retarget", "--select=blue/*"])
def test_a_saved_plan_is_performed_as_it_is(cli: Any, option: str) -> None:
    cli.declare(BLUE)
    cli("plan", "--sandbox", "--out", "p.json")
    ran = cli("apply", "p.json", "--sandbox", option)
    assert ran.code == 64
    assert option.partition("=")[0] in ran.err
    assert cli("apply", "p.json", "--sandbox").code == 0


def test_what_vanished_is_seen_by_refresh_and_made_again(cli: Any) -> None:
    cli.declare(BLUE)
    cli(*ONCE)
    (report,) = cli.live()
    with cli.store() as store, store.transaction():
        store.delete("blue_report", report["id"])
    plan = cli("plan", "--sandbox", "--refresh", "--format", "json", "--out", "p.json").json
    assert [drift["missing"] for drift in plan["drift"]] == [True]
    assert cli("apply", "p.json", "--sandbox").code == 0
    assert len(cli.live()) == 1
    assert cli("plan", "--sandbox", "--refresh", "--detailed-exitcode").code == 0


def test_a_schedule_runs_each_occurrence_once(cli: Any) -> None:
    cli.declare(EXPORT + '  schedule: {cron: "0 6 * * 1", timezone: Europe/Berlin}\n')
    assert "first run at" in cli("plan", "--sandbox", RECONCILER_NOW="2026-11-22T12:00:00Z").out
    assert cli(*ONCE, RECONCILER_NOW="2026-11-22T12:00:00Z").code == 0
    later = "2026-12-09T09:00:00Z"
    (step,) = cli("plan", "--sandbox", "--format", "json", RECONCILER_NOW=later).json["steps"]
    assert (step["action"], step["occurrence"]) == ("export", "2026-12-07T05:00:00Z")
    assert cli(*ONCE, RECONCILER_NOW=later).code == 0
    assert cli("plan", "--sandbox", "--detailed-exitcode", RECONCILER_NOW=later).code == 0
    assert len(list((cli.folder / "exports").iterdir())) == 1


def test_an_export_that_is_removed_is_forgotten(cli: Any) -> None:
    cli.declare(BLUE, EXPORT)
    cli(*ONCE, "--no-wait")
    cli.declare(BLUE)
    (step,) = cli("plan", "--sandbox", "--format", "json").json["steps"]
    assert (step["action"], step["address"]) == ("forget", "pipefy/export/cards")
    assert cli(*ONCE).code == 0
    assert cli("state", "list", "--sandbox", "--format", "json").json["exports"] == []


def test_what_cannot_be_seen_any_more_is_not_doubled_by_a_refresh(company: Any) -> None:
    assert company(*ONCE).code == 0
    (company.folder / ".reconciler" / "sandbox.db").unlink()
    ran = company(*ONCE, "--refresh")
    assert ran.code == 8
    assert "replaces what is gone (or can no longer be seen)" in ran.err
    assert company.live() == []


def test_something_in_doubt_is_a_difference(cli: Any) -> None:
    cli.declare(EXPORT)
    cli("sandbox", "faults", "add", "pipefy:exportOrganizationReport:drop_after")
    assert cli(*ONCE).code == 7
    assert cli("plan", "--sandbox", "--detailed-exitcode").code == 2
    assert cli("plan", "--sandbox").code == 0


def test_a_pretended_future_is_told_and_what_it_leaves_behind_too(cli: Any) -> None:
    cli.declare(EXPORT + '  schedule: "0 6 * * 1"\n')
    ran = cli(*ONCE, RECONCILER_NOW="2130-01-15T00:00:00Z")
    assert ran.code == 0
    assert "RECONCILER_NOW" in ran.err
    assert "2130-01-15T00:00:00Z" in ran.err
    ran = cli("plan", "--sandbox")
    assert "its schedule counts from 2130-01-15T00:00:00Z, which is still to come" in ran.out + ran.err
    assert "RECONCILER_NOW" not in cli(*ONCE).err


def test_a_saved_plan_without_steps_is_performed_once_too(cli: Any) -> None:
    cli.declare(EXPORT)
    cli(*ONCE)
    assert cli("plan", "--sandbox", "--out", "p.json").code == 0
    assert cli("apply", "p.json", "--sandbox").code == 0
    used = cli("apply", "p.json", "--sandbox")
    assert used.code == 6
    assert "used" in used.err


def test_a_retarget_that_is_declined_changes_nothing(cli: Any) -> None:
    organization = (
        "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: acme}\n"
        "spec: {providers: {blue: {organization: %s}}}\n"
    )
    first = named(BLUE, "first")
    cli.declare(first, project=organization % "acme")
    assert cli(*ONCE).code == 0
    cli.declare(first, BLUE, project=organization % "acme")
    cli("sandbox", "faults", "add", "blue:createReport:drop_after")
    for operation in ("reports", "reportList"):
        cli("sandbox", "faults", "add", f"blue:{operation}:graphql_error=INTERNAL_SERVER_ERROR;no*always")
    assert cli(*ONCE).code == 7
    cli("sandbox", "faults", "clear")
    cli.declare(first, BLUE.replace("Test sales", "Test more"), project=organization % "globex")
    declined = cli("apply", "--sandbox", "--settle-delay", "0", "--retarget", answer="n\n")
    assert declined.code == 130
    assert cli("plan", "--sandbox").code == 5
    assert cli(*ONCE, "--retarget").code == 0
    assert cli("plan", "--sandbox").code == 0
