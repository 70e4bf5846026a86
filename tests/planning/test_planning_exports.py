"""Steps for exports: on a schedule, for a content, in flight, in doubt, removed."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.manifest import Lifecycle
from reconciler.model.plan import Action, Due, Pending
from reconciler.model.recorded import RunState
from reconciler.planning import exports

E = "pipefy/export/weekly"
CRON = {"cron": "0 6 * * 1", "timezone": "UTC"}
LAST, NEXT = "2026-11-23T06:00:00Z", "2026-11-30T06:00:00Z"
SPEC = {"pipeIds": ["1"]}
TIMED = {"pipeIds": ["1"], "schedule": CRON}


def plan_of(world: Any, spec: dict[str, Any], *have: Any, due: Due | None = None, **more: Any) -> Any:
    if due is None and "schedule" in spec:
        due = Due(None, 0, NEXT)
    dues = {} if due is None else {world.address(E): due}
    return world.make(world.desired(world.manifest(E, spec, **more)), world.recorded(*have), due=dues)


def step_of(world: Any, spec: dict[str, Any], *have: Any, **more: Any) -> Any:
    steps = plan_of(world, spec, *have, **more).steps
    assert len(steps) <= 1
    return steps[0] if steps else None


class TestWithoutSchedule:
    def test_a_new_one_is_due(self, world: Any) -> None:
        step = step_of(world, SPEC)
        assert (step.action, step.reason, step.occurrence, step.after) == (Action.EXPORT, "new", None, SPEC)

    def test_one_that_never_ran_is_due(self, world: Any) -> None:
        assert step_of(world, SPEC, world.export(E, SPEC)).reason == "never run"

    def test_a_new_content_is_due(self, world: Any) -> None:
        step = step_of(world, {"pipeIds": ["2"]}, world.export(E, SPEC, world.run(SPEC)))
        assert (step.action, step.reason, step.changes[0].before) == (Action.EXPORT, "changed", ["1"])

    @pytest.mark.parametrize("ran", [True, False])
    def test_a_failed_one_is_due_again(self, world: Any, ran: bool) -> None:
        step = step_of(world, SPEC, world.export(E, SPEC, world.run(SPEC, RunState.FAILED, ran=ran)))
        assert (step.action, step.reason) == (Action.EXPORT, "last run failed")

    def test_a_delivered_one_is_done(self, world: Any) -> None:
        plan = plan_of(world, SPEC, world.export(E, SPEC, world.run(SPEC)))
        assert (plan.steps, plan.unchanged) == ((), 1)

    @pytest.mark.parametrize("state", [RunState.STARTED, RunState.FINISHED])
    def test_one_in_flight_is_pending(self, world: Any, state: RunState) -> None:
        plan = plan_of(world, SPEC, world.export(E, SPEC, world.run(SPEC, state)))
        assert plan.steps == ()
        assert plan.pending == (Pending(world.address(E), None, "77"),)

    def test_while_it_is_in_flight_a_change_is_recorded_only(self, world: Any) -> None:
        step = step_of(world, {"pipeIds": ["2"]}, world.export(E, SPEC, world.run(SPEC, RunState.STARTED)))
        assert (step.action, step.reason) == (Action.UPDATE, "changed; recorded only")

    @pytest.mark.parametrize("state", [RunState.INTENDED, RunState.IN_DOUBT])
    def test_an_unknown_one_is_shown_and_not_repeated(self, world: Any, state: RunState) -> None:
        have = world.export(E, SPEC, world.run(SPEC, state))
        plan = plan_of(world, SPEC, have)
        assert (plan.steps, plan.in_doubt, plan.unchanged) == ((), (world.address(E),), 0)
        changed = plan_of(world, {"pipeIds": ["2"]}, have)
        assert (changed.steps[0].action, changed.in_doubt) == (Action.EXPORT, (world.address(E),))

    def test_switches_and_rules_are_recorded_only(self, world: Any) -> None:
        step = step_of(world, {**SPEC, "deliver": "x"}, world.export(E, SPEC, world.run(SPEC)))
        assert (step.action, step.reason) == (Action.UPDATE, "changed; recorded only")
        step = step_of(world, SPEC, world.export(E, SPEC, world.run(SPEC)), protect=True)
        assert [change.path for change in step.changes] == [("lifecycle", "protect")]

    def test_a_schedule_that_goes_is_recorded_only(self, world: Any) -> None:
        step = step_of(world, SPEC, world.export(E, TIMED, world.run(TIMED)))
        assert (step.action, step.reason) == (Action.UPDATE, "changed; recorded only")

    def test_a_reach_that_widens_is_said(self, world: Any) -> None:
        before = {**SPEC, "projectIds": ["1"]}
        assert step_of(world, SPEC, world.export(E, before, world.run(before))).warnings == (
            "reaches all workspaces, not only some",
        )


class TestOnSchedule:
    def test_a_new_one_waits_for_its_first_occurrence(self, world: Any) -> None:
        step = step_of(world, {**SPEC, "schedule": "0 6 * * 1"}, due=Due(LAST, 0, NEXT))
        assert (step.action, step.reason) == (Action.CREATE, f"new; first run at {NEXT}")
        assert (step.after, step.occurrence) == (TIMED, None)

    def test_one_that_never_comes_says_so(self, world: Any) -> None:
        assert step_of(world, TIMED, due=Due(None, 0, None)).reason == "new; its schedule has no occurrence to come"

    def test_one_that_says_so_runs_at_once(self, world: Any) -> None:
        step = step_of(world, {**TIMED, "runOnCreate": True}, due=Due(LAST, 3, NEXT))
        assert (step.action, step.reason, step.occurrence, step.warnings) == (Action.EXPORT, "new", None, ())

    def test_the_first_run_is_due_until_it_starts(self, world: Any) -> None:
        spec = {**TIMED, "runOnCreate": True}
        never = world.export(E, spec, world.run(spec, RunState.FAILED, ran=False))
        step = step_of(world, spec, never)
        assert (step.action, step.reason, step.occurrence) == (Action.EXPORT, "its first run never started", None)
        for run in (
            world.run(spec, RunState.FAILED),
            world.run(spec, RunState.FAILED, ran=False, occurrence=LAST),
            None,
        ):
            assert step_of(world, spec, world.export(E, spec, run)) is None
        assert step_of(world, TIMED, world.export(E, TIMED, world.run(TIMED, RunState.FAILED, ran=False))) is None

    def test_an_occurrence_that_has_passed_is_run(self, world: Any) -> None:
        step = step_of(world, TIMED, world.export(E, TIMED), due=Due(LAST, 0, NEXT))
        assert (step.action, step.reason) == (Action.EXPORT, f"scheduled for {LAST}")
        assert (step.occurrence, step.warnings, step.changes) == (LAST, (), ())

    @pytest.mark.parametrize(
        ("missed", "sentence"),
        [(1, "1 earlier occurrence is passed over"), (3, "3 earlier occurrences are passed over")],
    )
    def test_earlier_ones_are_passed_over(self, world: Any, missed: int, sentence: str) -> None:
        assert step_of(world, TIMED, world.export(E, TIMED), due=Due(LAST, missed, NEXT)).warnings == (sentence,)

    @pytest.mark.parametrize("state", [RunState.DELIVERED, RunState.FAILED, RunState.IN_DOUBT, RunState.INTENDED])
    def test_an_occurrence_is_never_run_twice(self, world: Any, state: RunState) -> None:
        have = world.export(E, TIMED, world.run(TIMED, state, occurrence=LAST))
        assert step_of(world, TIMED, have, due=Due(LAST, 0, NEXT)) is None

    def test_unless_it_never_ran(self, world: Any) -> None:
        have = world.export(E, TIMED, world.run(TIMED, RunState.FAILED, ran=False, occurrence=LAST))
        assert step_of(world, TIMED, have, due=Due(LAST, 0, NEXT)).occurrence == LAST

    def test_a_doubt_does_not_hold_up_the_next_occurrence(self, world: Any) -> None:
        have = world.export(E, TIMED, world.run(TIMED, RunState.IN_DOUBT, occurrence="2026-11-16T06:00:00Z"))
        plan = plan_of(world, TIMED, have, due=Due(LAST, 0, NEXT))
        assert (plan.steps[0].occurrence, plan.in_doubt) == (LAST, (world.address(E),))

    def test_while_one_is_in_flight_none_is_started(self, world: Any) -> None:
        have = world.export(E, TIMED, world.run(TIMED, RunState.STARTED, occurrence="2026-11-16T06:00:00Z"))
        plan = plan_of(world, TIMED, have, due=Due(LAST, 0, NEXT))
        assert (plan.steps, plan.pending[0].occurrence) == ((), "2026-11-16T06:00:00Z")

    def test_a_change_is_recorded_only(self, world: Any) -> None:
        step = step_of(world, {**TIMED, "pipeIds": ["2"]}, world.export(E, TIMED, world.run(TIMED)))
        assert (step.action, step.reason) == (Action.UPDATE, "changed; recorded only")

    def test_a_change_comes_along_with_a_run(self, world: Any) -> None:
        step = step_of(world, {**TIMED, "pipeIds": ["2"]}, world.export(E, TIMED), due=Due(LAST, 0, NEXT))
        assert (step.action, step.after["pipeIds"], len(step.changes)) == (Action.EXPORT, ["2"], 1)

    @pytest.mark.parametrize("before", [SPEC, {**SPEC, "schedule": {"cron": "0 7 * * *", "timezone": "UTC"}}])
    def test_another_schedule_counts_from_now(self, world: Any, before: dict[str, Any]) -> None:
        step = step_of(world, TIMED, world.export(E, before, world.run(before)), due=Due(LAST, 9, NEXT))
        assert (step.action, step.reason) == (Action.UPDATE, f"changed; recorded only; first run at {NEXT}")


class TestRemoved:
    def test_it_is_forgotten(self, world: Any) -> None:
        have = world.recorded(world.export(E, TIMED, world.run(TIMED), lifecycle=Lifecycle(protect=True)))
        [step] = world.make(world.desired(), have).steps
        assert (step.action, step.reason, step.after, step.warnings) == (
            Action.FORGET,
            "its manifest is gone",
            None,
            (),
        )

    def test_with_what_it_has_in_flight(self, world: Any) -> None:
        have = world.recorded(world.export(E, TIMED, world.run(TIMED, RunState.STARTED)))
        plan = world.make(world.desired(), have)
        assert plan.steps[0].warnings == ("a run of it is in flight; its file will not be fetched",)
        assert plan.pending == ()


def test_an_export_needs_the_steps_of_what_it_refers_to(world: Any) -> None:
    saved = world.manifest("pipefy/report/saved", {"title": "S"})
    export = world.manifest(E, {"report": {"ref": "pipefy/report/saved"}})
    first, second = world.make(world.desired(export, saved), world.recorded()).steps
    assert (first.address, second.needs) == (saved.address, (saved.address,))
    [only] = world.make(
        world.desired(export, saved), world.recorded(world.resource("pipefy/report/saved", {"title": "S"}))
    ).steps
    assert only.needs == ()


def test_a_schedule_that_counts_from_what_is_still_to_come_is_told(world: Any) -> None:
    ahead = world.export(E, TIMED, last_occurrence="2030-01-14T06:00:00Z")
    said = exports.warnings(world.recorded(ahead), world.now)
    assert len(said) == 1
    assert f"{E}: its schedule counts from 2030-01-14T06:00:00Z, which is still to come" in said[0]
    for known in (world.export(E, TIMED), world.export(E, SPEC, last_occurrence=ahead.last_occurrence)):
        assert exports.warnings(world.recorded(known), world.now) == ()
