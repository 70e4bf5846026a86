"""Steps: order, outcomes, failures, interruption."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import engine_fakes as fakes
import pytest
from engine_fakes import Crash, Fault, Life, World, create, delete, export, forget, kinds, until, update

from reconciler.model.errors import CredentialError, Locked, StateError, Unavailable
from reconciler.model.event import EventType
from reconciler.model.outcome import Cause, Done, Refused
from reconciler.model.plan import Step


def test_a_create_is_intended_before_it_is_sent_and_recorded_after() -> None:
    world = World()
    result = asyncio.run(world.apply(create("a", {"n": 1})))
    assert list(kinds(world.log.entries())) == ["Intended", "Applied"]
    assert world.recorded.resources[fakes.address("a")].id == "o1"
    assert world.recorded.resources[fakes.address("a")].version == "2026-11-23T06:00:01Z"
    assert result.exit_code() == 0
    assert result.counts["applied"] == 1
    assert [event.type for event in world.events] == [EventType.STEP_STARTED, EventType.STEP_APPLIED]
    assert world.last("step.applied") == {"action": "create", "id": "o1"}


def test_nothing_to_do_is_nothing_done() -> None:
    world = World()
    assert asyncio.run(world.apply()).exit_code() == 0
    assert world.events == []


def test_the_second_step_of_an_address_uses_the_id_of_the_first() -> None:
    world = World()
    asyncio.run(world.apply(create("a", {"n": 1}), update("a", None, {"n": 1, "config": {}})))
    assert world.service.objects == {"o1": {"n": 1, "config": {}}}
    assert world.told() == ["step.applied a create", "step.applied a update"]


def test_what_the_service_kept_otherwise_is_recorded() -> None:
    world = World()
    world.provider.echo = lambda after: {**after, "title": "kept"}
    asyncio.run(world.apply(create("a", {"title": "asked"})))
    assert world.recorded.resources[fakes.address("a")].remote == {"title": "kept"}
    world.provider.echo = dict
    asyncio.run(world.apply(create("b", {"n": 1})))
    assert world.recorded.resources[fakes.address("b")].remote is None


def test_content_that_canonical_json_cannot_hold_counts_as_different() -> None:
    world = World()
    world.provider.echo = lambda after: {"n": 2**60}
    asyncio.run(world.apply(create("a", {"n": 1})))
    assert world.recorded.resources[fakes.address("a")].remote == {"n": 2**60}
    world.service.objects["o1"] = {"n": 2**60}
    asyncio.run(world.apply(update("a", "o1", {"n": 3}, {"n": 1})))
    assert world.last("step.rejected")["cause"] == "changed"


def test_a_failure_stops_only_what_depends_on_it() -> None:
    world = World()
    world.provider.faults = {1: Fault.REFUSE}
    result = asyncio.run(
        world.apply(
            create("a", {"n": 1}),
            update("a", None, {"n": 2}),
            create("b", {}, "a"),
            create("c", {}, "b"),
            create("d", {}),
            export("x", {}, None, "a"),
            concurrency=1,
        )
    )
    assert sorted(world.told()) == [
        "step.applied d create",
        "step.rejected a create",
        "step.skipped a update",
        "step.skipped b create",
        "step.skipped c create",
        "step.skipped x export",
    ]
    assert world.last("step.rejected") == {"action": "create", "cause": "service", "code": "NO", "message": "no"}
    assert world.last("step.skipped")["reason"] == "depends on svc/report/a, which was rejected"
    assert list(kinds(world.log.entries())) == ["Intended", "Rejected", "Intended", "Applied"]
    assert result.exit_code() == 7


def test_a_need_is_met_by_the_last_step_of_its_address() -> None:
    world = World()
    steps = (create("b", {}, "a", "elsewhere", "b"), create("a", {"n": 1}), update("a", None, {"n": 2}))
    asyncio.run(world.apply(*steps))
    assert world.told() == ["step.applied a create", "step.applied a update", "step.applied b create"]


def test_steps_that_wait_for_each_other_are_skipped() -> None:
    world = World()
    result = asyncio.run(world.apply(create("a", {}, "b"), create("b", {}, "a")))
    assert world.told() == ["step.skipped a create", "step.skipped b create"]
    assert world.last("step.skipped")["reason"] == "waits for steps that wait for it"
    assert result.exit_code() == 7


def test_concurrency_is_bounded_and_used() -> None:
    world = World()
    world.provider.faults = dict.fromkeys(range(1, 13), Fault.SLOW)
    asyncio.run(world.apply(*(create(f"a{n}", {"n": n}) for n in range(12)), concurrency=4))
    assert world.service.most == 4
    assert len(world.service.objects) == 12


def test_record_only_steps_send_nothing() -> None:
    world = World()
    asyncio.run(world.apply(create("a", {"n": 1}), create("b", {"n": 2})))
    world.service.mutations = 0
    world.provider.quiet = True
    asyncio.run(world.apply(update("a", "o1", {"n": 1, "m": 2}, {"n": 1}), forget("b")))
    assert world.service.mutations == 0
    assert list(kinds(world.log.entries()))[4:] == ["Intended", "Applied", "Forgotten"]
    kept = world.recorded.resources[fakes.address("a")]
    assert (kept.spec, kept.remote, kept.version) == ({"n": 1, "m": 2}, {"n": 1}, "2026-11-23T06:00:01Z")
    assert fakes.address("b") not in world.recorded.resources


def test_the_schedule_of_an_export_counts_from_the_plan_when_new_or_changed() -> None:
    world = World()
    at = fakes.address("x")
    register = create("x", {"schedule": {"cron": "0 6 * * *"}})
    asyncio.run(world.apply(register))
    assert world.recorded.exports[at].due_from == fakes.CREATED
    asyncio.run(world.apply(update("x", None, {"schedule": {"cron": "0 6 * * *"}, "n": 1})))
    assert world.log.entries()[-2].due_from is None  # type: ignore[union-attr]  # an Intended
    asyncio.run(world.apply(update("x", None, {"schedule": {"cron": "0 7 * * *"}, "n": 1})))
    assert world.log.entries()[-2].due_from == fakes.CREATED  # type: ignore[union-attr]  # an Intended


@pytest.mark.parametrize(
    ("live", "cause"), [({"n": 9}, "changed"), (None, "gone")], ids=["changed by somebody", "deleted by somebody"]
)
def test_an_update_of_what_is_not_as_planned_is_rejected(live: dict[str, int] | None, cause: str) -> None:
    world = World()
    asyncio.run(world.apply(create("a", {"n": 1})))
    world.service.objects = {} if live is None else {"o1": live}
    result = asyncio.run(world.apply(update("a", "o1", {"n": 2}, {"n": 1})))
    assert world.last("step.rejected")["cause"] == cause
    assert "plan --refresh" in world.last("step.rejected")["message"]
    assert world.service.mutations == 1
    assert result.exit_code() == 7


def test_drift_that_is_accepted_is_overwritten_unseen() -> None:
    world = World()
    asyncio.run(world.apply(create("a", {"n": 1})))
    world.service.objects["o1"] = {"n": 9}
    asyncio.run(world.apply(update("a", "o1", {"n": 2}, {"n": 1}), accept_drift=True))
    assert world.service.objects == {"o1": {"n": 2}}


def test_an_unchanged_object_is_updated_and_deleted() -> None:
    world = World()
    asyncio.run(world.apply(create("a", {"n": 1})))
    asyncio.run(world.apply(update("a", "o1", {"n": 2}, {"n": 1})))
    asyncio.run(world.apply(delete("a", "o1", {"n": 2})))
    assert world.service.objects == {}
    assert world.recorded.resources == {}


@pytest.mark.parametrize("accept_drift", [False, True])
def test_a_delete_of_what_is_gone_is_done(accept_drift: bool) -> None:
    world = World()
    asyncio.run(world.apply(create("a", {"n": 1})))
    world.service.objects = {}
    result = asyncio.run(world.apply(delete("a", "o1", {"n": 1}), accept_drift=accept_drift))
    assert world.recorded.resources == {}
    assert world.last("step.applied")["notes"] == ["it was gone already"]
    assert result.exit_code() == 0


def test_an_update_of_what_is_recorded_otherwise_is_rejected() -> None:
    world = World()
    asyncio.run(world.apply(update("a", "o1", {"n": 2}, {"n": 1})))
    assert world.last("step.rejected")["cause"] == "changed"
    asyncio.run(world.apply(create("a", {"n": 1})))
    asyncio.run(world.apply(update("a", "other", {"n": 2}, {"n": 1})))
    assert world.last("step.rejected")["cause"] == "changed"


def test_an_object_that_cannot_be_read_is_not_changed() -> None:
    world = World()
    asyncio.run(world.apply(create("a", {"n": 1})))
    world.provider.observing = Unavailable("500")
    assert asyncio.run(world.apply(update("a", "o1", {"n": 2}, {"n": 1}))).exit_code() == 7
    assert world.last("step.rejected")["code"] == "UNAVAILABLE"
    world.provider.observing = CredentialError("no")
    assert asyncio.run(world.apply(update("a", "o1", {"n": 2}, {"n": 1}))).exit_code() == 4
    assert world.service.mutations == 1


def test_refused_credentials_end_that_service_and_no_other() -> None:
    world = World()
    world.provider.faults = {2: Fault.LOCK_OUT}
    other = fakes.FakeProvider(world.service)
    step = create("z", {})
    elsewhere = replace(step, address=fakes.Address("other", "report", "z"))
    steps = [create(f"a{n}", {"n": n}) for n in range(4)]
    providers = {"svc": world.provider, "other": other}
    result = asyncio.run(world.apply(*steps, elsewhere, providers=providers, concurrency=1))
    assert Counter(event.type for event in world.events if event.type.is_terminal) == {
        EventType.STEP_APPLIED: 2,
        EventType.STEP_REJECTED: 1,
        EventType.STEP_SKIPPED: 2,
    }
    assert world.last("step.skipped")["reason"] == "svc does not accept the credentials"
    assert result.exit_code() == 7


def test_refused_credentials_and_nothing_else_exit_4() -> None:
    world = World()
    world.provider.faults = {1: Fault.LOCK_OUT}
    assert asyncio.run(world.apply(create("a", {}), create("b", {}), concurrency=1)).exit_code() == 4
    assert asyncio.run(world.apply(create("a", {}), create("b", {}), providers={})).exit_code() == 4


def test_a_barred_step_that_becomes_ready_stays_skipped() -> None:
    world = World()
    world.provider.faults = {1: Fault.SLOW, 2: Fault.LOCK_OUT}
    asyncio.run(world.apply(create("a", {}), create("b", {}), create("c", {}, "a"), concurrency=2))
    assert sorted(world.told()) == ["step.applied a create", "step.rejected b create", "step.skipped c create"]


def test_a_doubt_that_a_look_up_resolves_unlocks_what_waits_for_it() -> None:
    world = World()
    world.provider.faults = {1: Fault.COMMIT_THEN_LOSE, 2: Fault.COMMIT_THEN_LOSE}
    result = asyncio.run(world.apply(create("a", {"n": 1}), create("b", {"n": 1}), create("c", {}, "a", "b")))
    assert sorted(world.told()) == ["step.applied a create", "step.applied b create", "step.applied c create"]
    assert len(world.service.objects) == 3
    assert sum(event.data.get("settled", False) for event in world.events) == 2
    assert result.exit_code() == 0


def test_a_doubt_without_a_trace_stays_open_and_is_not_repeated() -> None:
    world = World()
    world.provider.faults = {1: Fault.LOSE}
    result = asyncio.run(world.apply(create("a", {}), create("b", {}, "a"), create("c", {})))
    assert sorted(world.told()) == ["step.applied c create", "step.doubted a create", "step.skipped b create"]
    assert world.service.mutations == 2
    assert world.last("step.skipped")["reason"] == "depends on svc/report/a, which is in doubt"
    assert len(world.recorded.in_doubt) == 1
    assert result.exit_code() == 7


def test_a_look_up_that_fails_or_finds_too_much_leaves_the_doubt() -> None:
    world = World()
    world.provider.faults = {1: Fault.COMMIT_THEN_LOSE}
    world.provider.settling = Unavailable("500")
    asyncio.run(world.apply(create("a", {})))
    assert world.last("step.doubted")["reason"] == "connection lost; it could not be looked up: 500"
    world.process(faults={1: Fault.LOSE})
    world.provider.unclear = True
    asyncio.run(world.apply(create("b", {"n": 1})))
    assert world.last("step.doubted")["reason"] == "lost; two of them (candidates: o1, o2)"


def test_an_answer_about_what_is_no_longer_in_doubt_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.provider.faults = {1: Fault.COMMIT_THEN_LOSE}
    settle = world.provider.settle

    async def more(doubts: Any, resources: Any) -> Any:
        return {"settled.meanwhile": Done("o9", {}), **await settle(doubts, resources)}

    monkeypatch.setattr(world.provider, "settle", more)
    asyncio.run(world.apply(create("a", {"n": 1})))
    assert world.told() == ["step.applied a create"]
    assert len(world.recorded.resources) == 1


def test_later_look_ups_take_all_doubts_together() -> None:
    world = World()
    world.provider.faults = {1: Fault.LOSE, 2: Fault.COMMIT_THEN_LOSE, 3: Fault.COMMIT_THEN_LOSE}
    asyncio.run(world.apply(create("a", {"n": 1}), create("b", {"n": 2}), create("c", {"n": 3}, "b")))
    assert [len(operations) for operations, _ in world.provider.looked] == [2, 2]
    assert world.provider.looked[1][1] == {"o1"}
    assert sorted(world.told()) == ["step.applied b create", "step.applied c create", "step.doubted a create"]


def test_a_doubt_of_an_earlier_run_is_settled_along_the_way() -> None:
    world = World()
    world.provider.faults = {1: Fault.COMMIT_THEN_LOSE}
    world.provider.settling = Unavailable("500")
    asyncio.run(world.apply(create("a", {"n": 1})))
    world.process(faults={1: Fault.COMMIT_THEN_LOSE})
    asyncio.run(world.apply(create("b", {"n": 2})))
    assert world.told() == ["step.applied b create"]
    assert len(world.recorded.resources) == 2
    world.process(faults={1: Fault.LOSE})
    world.provider.unclear = True
    asyncio.run(world.apply(create("c", {"n": 3})))
    world.process(faults={1: Fault.LOSE})
    world.provider.unclear = True
    asyncio.run(world.apply(create("d", {"n": 4})))
    assert world.told() == ["step.doubted d create"]


@pytest.mark.parametrize("error", [Locked("taken"), StateError("disk full")])
@pytest.mark.parametrize("durable", [False, True])
def test_a_journal_that_fails_stops_every_further_mutation(error: StateError, durable: bool) -> None:
    world = World()
    world.process(Life(crash_at=2, durable=durable, error=lambda: error))
    with pytest.raises(StateError) as raised:
        asyncio.run(world.apply(*(create(f"a{n}", {"n": n}) for n in range(5)), concurrency=2))
    assert raised.value is error
    assert world.service.mutations <= 1
    assert len(world.told()) == 5
    assert world.last("step.skipped")["reason"] == f"the run broke off: {error}"


def test_what_was_in_flight_when_the_journal_failed_is_in_doubt() -> None:
    world = World()
    world.process(Life(crash_at=2, error=lambda: Locked("taken")))
    with pytest.raises(Locked):
        asyncio.run(world.apply(create("a", {}), create("b", {}, "a"), create("c", {}), concurrency=1))
    assert sorted(world.told()) == ["step.doubted a create", "step.skipped b create", "step.skipped c create"]
    assert len(world.recorded.in_doubt) == 1
    assert len(world.service.objects) == 1


def test_what_was_intended_but_not_sent_when_the_run_broke_is_rejected() -> None:
    world = World()
    world.process(Life(crash_at=1, error=lambda: StateError("disk full")))
    with pytest.raises(StateError):
        asyncio.run(world.apply(create("a", {}), create("b", {}), concurrency=2))
    assert sorted(world.told()) == ["step.rejected b create", "step.skipped a create"]
    assert world.last("step.rejected")["cause"] == "unsent"
    assert world.service.mutations == 0


@pytest.mark.parametrize("step", [create("a", {}), export("xa", {})])
def test_what_loses_the_lease_before_it_is_sent_is_rejected_and_ends_the_run(step: Step) -> None:
    world = World()
    world.process(faults={1: Fault.EVICT})
    with pytest.raises(Locked, match="ann took the lease away"):
        asyncio.run(world.apply(step, create("b", {}), concurrency=1))
    ended = "export.failed xa export" if step.address.is_export else "step.rejected a create"
    assert sorted(world.told()) == [ended, "step.skipped b create"]
    assert world.last(ended.split(maxsplit=1)[0])["message"] == "ann took the lease away"
    assert (world.service.mutations, world.recorded.in_doubt) == (1, {})
    assert all(not export.run.ran for export in world.recorded.exports.values() if export.run)


def test_a_journal_that_fails_while_settling() -> None:
    world = World()
    world.process(Life(crash_at=3, error=lambda: StateError("disk full")), {1: Fault.COMMIT_THEN_LOSE})
    with pytest.raises(StateError):
        asyncio.run(world.apply(create("a", {}), create("b", {}, "a")))
    assert world.told() == ["step.doubted a create", "step.skipped b create"]


def test_an_interruption_starts_nothing_more_and_sees_through_what_is_in_flight() -> None:
    async def scenario() -> World:
        world = World()
        world.provider.faults = {1: Fault.SLOW, 2: Fault.COMMIT_THEN_LOSE}
        task = asyncio.create_task(world.apply(*(create(f"a{n}", {"n": n}) for n in range(5)), concurrency=2))
        await until(lambda: world.service.mutations == 2)
        world.stop.set()
        assert (await task).exit_code() == 130
        return world

    world = asyncio.run(scenario())
    assert sorted(world.told()) == [
        "step.applied a0 create",
        "step.doubted a1 create",
        "step.skipped a2 create",
        "step.skipped a3 create",
        "step.skipped a4 create",
    ]
    assert world.last("step.skipped")["reason"] == "interrupted"


def test_an_interruption_that_left_nothing_undone_is_none() -> None:
    world = World()
    world.stop.set()
    assert asyncio.run(world.apply()).exit_code() == 0


def test_a_cancelled_run_tells_the_end_of_every_step() -> None:
    async def scenario() -> World:
        world = World()
        world.service.script = [fakes.PROCESSING]
        world.provider.faults = {2: Fault.SLOW, 3: Fault.SLOW}
        steps = (export("x", {}), create("a", {"n": 1}), create("b", {"n": 2}), create("c", {}), create("d", {}))
        task = asyncio.create_task(world.apply(*steps, concurrency=3))
        await until(lambda: world.service.mutations == 3 and world.service.in_flight == 2)
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return world

    world = asyncio.run(scenario())
    assert Counter(world.told()).total() == 5
    assert {"step.doubted a create", "step.doubted b create", "export.accepted x export"} <= set(world.told())


def test_an_unexpected_error_halts_the_run_and_is_not_hidden() -> None:
    world = World()
    world.provider.faults = {1: Fault.CRASH_AFTER}
    with pytest.raises(Crash):
        asyncio.run(world.apply(create("a", {}), create("b", {}, "a")))
    assert world.told() == ["step.doubted a create", "step.skipped b create"]


def test_a_refusal_as_gone_is_no_success_for_an_update() -> None:
    world = World()
    asyncio.run(world.apply(create("a", {})))
    world.process(faults={1: Fault.GONE})
    asyncio.run(world.apply(update("a", "o1", {"n": 1}, {})))
    assert world.told() == ["step.rejected a update"]
    assert Refused(Cause.GONE, "NO", "no").cause.value == world.last("step.rejected")["cause"]


def test_a_delete_refused_as_gone_is_no_success_while_the_object_can_be_seen() -> None:
    world = World()
    asyncio.run(world.apply(create("a", {})))
    world.process(faults={1: Fault.GONE})
    asyncio.run(world.apply(delete("a", "o1", {})))
    assert world.told() == ["step.rejected a delete"]
    assert fakes.address("a") in world.recorded.resources


def test_a_reference_that_leads_nowhere_rejects_its_step_only() -> None:
    world = World()
    world.provider.strict = True
    asyncio.run(world.apply(create("a", {}, "elsewhere"), create("b", {})))
    assert sorted(world.told()) == ["step.applied b create", "step.rejected a create"]
    assert world.last("step.rejected")["code"] == "UNRESOLVED"


def test_what_is_recorded_is_never_created_again() -> None:
    world = World()
    asyncio.run(world.apply(create("a", {})))
    asyncio.run(world.apply(create("a", {}), accept_drift=True))
    assert world.told()[-1] == "step.rejected a create"
    assert len(world.service.objects) == 1


def again(name: str) -> tuple[Step, Step]:
    """The plan for what was gone: forget it, make it again."""
    return forget(name), create(name, {"n": 1})


def test_what_is_gone_is_forgotten_and_made_again() -> None:
    world = World()
    asyncio.run(world.apply(create("a", {"n": 1})))
    world.process()
    world.service.objects = {}
    asyncio.run(world.apply(*again("a")))
    assert world.told() == ["step.applied a forget", "step.applied a create"]
    assert world.recorded.resources[fakes.address("a")].id == "o2"


def test_what_is_there_again_is_not_forgotten_and_not_made_twice() -> None:
    world = World()
    asyncio.run(world.apply(create("a", {"n": 1})))
    world.process()
    assert asyncio.run(world.apply(*again("a"), create("b", {}), accept_drift=True)).exit_code() == 7
    assert sorted(world.told()) == ["step.applied b create", "step.rejected a forget", "step.skipped a create"]
    rejected = world.last("step.rejected")
    assert (rejected["cause"], rejected["message"]) == ("changed", "o1 is there again; plan anew")
    assert world.recorded.resources[fakes.address("a")].id == "o1"
    assert len(world.service.objects) == 2


@pytest.mark.parametrize(
    ("error", "cause"), [(Unavailable("500"), "unsent"), (CredentialError("expired"), "credentials")]
)
def test_what_cannot_be_looked_for_is_not_made_again(error: Exception, cause: str) -> None:
    world = World()
    asyncio.run(world.apply(create("a", {"n": 1})))
    world.process()
    world.provider.observing = error
    asyncio.run(world.apply(*again("a")))
    assert sorted(world.told()) == ["step.rejected a forget", "step.skipped a create"]
    assert world.last("step.rejected")["cause"] == cause
    assert fakes.address("a") in world.recorded.resources


def test_what_was_never_recorded_is_forgotten_without_a_look() -> None:
    world = World()
    world.provider.observing = Unavailable("500")
    asyncio.run(world.apply(*again("a")))
    assert world.told() == ["step.applied a forget", "step.applied a create"]


def test_foreign_edits_of_what_an_update_leaves_alone_stay_visible() -> None:
    world = World()
    asyncio.run(world.apply(create("a", {"title": "A", "description": "ours", "kept": 1})))
    before = {"title": "A", "description": "ours", "kept": 1}
    after = {"title": "B", "description": "ours", "kept": 1}
    world.provider.echo = lambda sent: {"title": "B!", "description": "theirs", "extra": 1}
    asyncio.run(world.apply(update("a", "o1", after, before), accept_drift=True))
    made = world.recorded.resources[fakes.address("a")]
    assert (made.spec, made.remote) == (after, {"title": "B!", "description": "ours", "kept": 1})
    world.provider.echo = lambda sent: {**sent, "title": "B!", "description": "theirs"}
    asyncio.run(world.apply(update("a", "o1", {**after, "kept": 2}, after), accept_drift=True))
    made = world.recorded.resources[fakes.address("a")]
    assert made.remote == {"title": "B!", "description": "ours", "kept": 2}
    world.provider.echo = lambda sent: ["no object"]
    asyncio.run(world.apply(update("a", "o1", {**after, "kept": 3}, after), accept_drift=True))
    assert world.recorded.resources[fakes.address("a")].remote == ["no object"]


def test_what_depends_on_two_failures_is_skipped_once() -> None:
    world = World()
    world.provider.faults = {1: Fault.REFUSE, 2: Fault.REFUSE}
    asyncio.run(world.apply(create("a", {}), create("b", {}), create("c", {}, "a", "b")))
    assert sorted(world.told()) == ["step.rejected a create", "step.rejected b create", "step.skipped c create"]
