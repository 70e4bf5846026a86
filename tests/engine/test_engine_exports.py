"""Exports: started once, waited for, delivered."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import engine_fakes as fakes
import pytest
from engine_fakes import DONE, FAILED, PROCESSING, Fault, Life, World, create, export, forget, kinds, until, update

from reconciler.model.entry import ExportDelivered, ExportFailed, ExportIntended, ExportStarted, Forgotten, Moved
from reconciler.model.errors import CredentialError, StateError, Unavailable
from reconciler.model.outcome import ExportState, ExportStatus
from reconciler.model.plan import Pending
from reconciler.model.ports import LinkExpired, Undeliverable
from reconciler.model.recorded import RunState

AT = "2026-11-23T06:00:00Z"
LATER = "2026-11-30T06:00:00Z"
X = fakes.address("x")


def world_with(*script: ExportStatus) -> World:
    world = World()
    world.service.script = list(script)
    return world


def test_an_export_is_started_polled_fetched_and_recorded() -> None:
    world = world_with(PROCESSING, PROCESSING, DONE)
    result = asyncio.run(world.apply(export("x", {"n": 1}, AT)))
    assert list(kinds(world.log.entries())) == ["ExportIntended", "ExportStarted", "ExportFinished", "ExportDelivered"]
    assert [str(event.type) for event in world.events] == [
        "step.started",
        "export.started",
        "export.progress",
        "export.delivered",
    ]
    assert world.last("export.delivered") == {
        "action": "export",
        "occurrence": AT,
        "export_id": "e1",
        "location": "exports/x-2026-11-23T06:00:00Z.xlsx",
        "sha256": "0" * 64,
        "bytes": 6,
    }
    assert world.shelf.files == {"exports/x-2026-11-23T06:00:00Z.xlsx": b"abcdef"}
    run = world.recorded.exports[X].run
    assert run is not None
    assert run.state is RunState.DELIVERED
    assert (result.counts["delivered"], result.exit_code()) == (1, 0)


def test_an_export_that_is_moved_while_it_is_waited_for_is_delivered_under_its_new_name() -> None:
    world = world_with(DONE, PROCESSING, DONE)
    asyncio.run(world.apply(export("other", {"n": 2}, AT)))
    asked = world.provider.export_status
    moved = fakes.address("y")

    async def moving(export_id: str) -> ExportStatus:
        if X in world.recorded.exports:
            world.log.batches.append([Moved("r9", AT, X, moved)])
        return await asked(export_id)

    world.provider.export_status = moving  # type: ignore[method-assign]
    asyncio.run(world.apply(export("x", {"n": 1}, AT)))
    run = world.recorded.exports[moved].run
    assert run is not None
    assert run.state is RunState.DELIVERED
    assert (len(world.shelf.files), world.service.started.total()) == (2, 2)
    assert world.last("export.delivered")["sha256"] == run.sha256


def test_the_intention_says_what_is_exported_and_from_when_the_schedule_counts() -> None:
    world = world_with(DONE)
    asyncio.run(world.apply(export("x", {"n": 1, "schedule": {"cron": "0 6 * * 1"}}, AT)))
    entry = world.log.entries()[0]
    assert isinstance(entry, ExportIntended)
    assert (entry.content, entry.due_from) == (fakes.digest({"n": 1}), fakes.CREATED)
    asyncio.run(world.apply(export("x", {"n": 2, "schedule": {"cron": "0 6 * * 1"}}, LATER)))
    entry = world.log.entries()[4]
    assert isinstance(entry, ExportIntended)
    assert entry.due_from is None


def test_pauses_grow_up_to_half_a_minute_and_progress_is_told_now_and_then() -> None:
    world = world_with(*[PROCESSING] * 14, DONE)
    asyncio.run(world.apply(export("x", {})))
    assert world.clock.slept[:4] == pytest.approx([2, 2.1, 3.15, 4.725])
    assert max(world.clock.slept) == pytest.approx(31.5)
    told = [event.data["seconds"] for event in world.events if event.type == "export.progress"]
    assert 2 < len(told) < 10
    assert all(after - before >= 30 for before, after in itertools.pairwise(told))


def test_a_long_interval_is_kept() -> None:
    world = world_with(*[PROCESSING] * 3, DONE)
    asyncio.run(world.apply(export("x", {}), poll_interval=60))
    assert world.clock.slept == pytest.approx([60, 63, 63, 63])


def test_an_unscheduled_export_is_stamped_with_its_intention() -> None:
    world = world_with(DONE)
    asyncio.run(world.apply(export("x", {})))
    assert list(world.shelf.files) == ["exports/x-2026-11-23T06:00:00Z.xlsx"]


def test_without_waiting_the_export_is_accepted_and_the_next_apply_picks_it_up() -> None:
    world = world_with(PROCESSING, DONE)
    result = asyncio.run(world.apply(export("x", {}, AT), wait=False))
    assert world.told() == ["export.accepted x export"]
    assert world.last("export.accepted") == {"action": "export", "occurrence": AT, "export_id": "e1"}
    assert (world.provider.asked, result.exit_code()) == (0, 0)
    world.process()
    assert asyncio.run(world.apply(wait=False)).exit_code() == 0
    assert (world.provider.asked, world.events) == (0, [])
    world.process()
    result = asyncio.run(world.apply())
    assert world.told() == ["export.delivered x export"]
    assert world.last("export.delivered")["earlier"] is True
    assert result.exit_code() == 0
    world.process()
    asyncio.run(world.apply())
    assert world.events == []


def test_a_forgotten_export_is_not_waited_for() -> None:
    world = world_with(DONE)
    asyncio.run(world.apply(export("x", {}, AT), wait=False))
    asyncio.run(world.apply(forget("x")))
    assert world.told() == ["export.accepted x export", "step.applied x forget"]


def test_many_exports_are_waited_for_without_holding_up_mutations() -> None:
    world = world_with(*[PROCESSING] * 5, DONE)
    exports = [export(f"x{n}", {"n": n}) for n in range(5)]
    asyncio.run(world.apply(*exports, *(create(f"a{n}", {"n": n}) for n in range(5)), concurrency=1))
    told = world.told()
    assert told.index("step.applied a4 create") < told.index("export.delivered x0 export")
    assert len(world.shelf.files) == 5


def test_the_lease_can_go_once_only_exports_are_waited_for() -> None:
    world = world_with(PROCESSING, DONE)
    asyncio.run(world.apply(export("x", {}), create("a", {})))
    assert world.free == [(2, 0)]
    asyncio.run(world.apply(create("b", {})))
    assert world.free == [(2, 0)]


def test_an_export_that_needs_a_report_waits_for_it() -> None:
    world = world_with(DONE)
    asyncio.run(
        world.apply(export("x", {}, None, "a"), create("a", {}), update("y", None, {}, None, "x"), create("y", {}))
    )
    assert world.told()[0] == "step.applied a create"
    world = world_with(DONE)
    asyncio.run(world.apply(export("x", {}), create("b", {}, "x")))
    assert world.told() == ["step.applied b create", "export.delivered x export"]


def test_a_refused_export_has_not_run_and_stays_due() -> None:
    world = world_with(DONE)
    world.provider.faults = {1: Fault.REFUSE}
    result = asyncio.run(world.apply(export("x", {}, AT), create("b", {}, "x")))
    assert world.told() == ["export.failed x export", "step.skipped b create"]
    assert world.last("export.failed")["ran"] is False
    assert world.last("step.skipped")["reason"] == "depends on svc/export/x, which failed"
    assert result.exit_code() == 7
    assert world.recorded.exports[X].last_occurrence is None
    asyncio.run(world.apply(export("x", {}, AT)))
    assert world.told()[-1] == "export.delivered x export"


def test_refused_credentials_for_an_export_exit_4() -> None:
    world = world_with(DONE)
    world.provider.faults = {1: Fault.LOCK_OUT}
    assert asyncio.run(world.apply(export("x", {}, AT), export("x2", {}), concurrency=1)).exit_code() == 4
    assert world.told() == ["export.failed x export", "step.skipped x2 export"]


@pytest.mark.parametrize("occurrence", [AT, None])
@pytest.mark.parametrize("fault", [Fault.LOSE, Fault.COMMIT_THEN_LOSE])
def test_an_export_in_doubt_is_never_repeated(fault: Fault, occurrence: str | None) -> None:
    world = world_with(DONE)
    world.provider.faults = {1: fault}
    result = asyncio.run(world.apply(export("x", {}, occurrence), create("b", {}, "x")))
    assert world.told() == ["step.doubted x export", "step.skipped b create"]
    assert result.exit_code() == 7
    world.process()
    result = asyncio.run(world.apply(export("x", {}, occurrence)))
    assert world.told() == ["step.skipped x export"]
    assert "another run" in world.last("step.skipped")["reason"]
    assert world.service.mutations == 1
    assert result.exit_code() == 7


def test_an_export_without_an_id_is_in_doubt() -> None:
    world = world_with(DONE)
    world.provider.nameless = True
    asyncio.run(world.apply(export("x", {}, AT)))
    assert world.last("step.doubted")["reason"] == "the service gave no id to ask about it"


def test_an_export_in_flight_is_not_started_again_for_a_later_occurrence() -> None:
    world = world_with(PROCESSING)
    asyncio.run(world.apply(export("x", {}, AT), wait=False))
    asyncio.run(world.apply(export("x", {}, LATER), wait=False))
    assert world.last("step.skipped")["reason"].endswith("still in flight")


def test_the_same_content_is_exported_again_only_after_a_failure() -> None:
    world = world_with(FAILED)
    result = asyncio.run(world.apply(export("x", {"n": 1})))
    assert world.told() == ["export.failed x export"]
    assert world.last("export.failed")["ran"] is True
    assert result.exit_code() == 7
    world.service.script = [DONE]
    asyncio.run(world.apply(export("x", {"n": 1})))
    asyncio.run(world.apply(export("x", {"n": 1})))
    asyncio.run(world.apply(export("x", {"n": 2})))
    assert [told.split()[0] for told in world.told()] == [
        "export.failed",
        "export.delivered",
        "step.skipped",
        "export.delivered",
    ]


def test_an_occurrence_is_not_run_twice_even_after_a_failure() -> None:
    world = world_with(FAILED)
    asyncio.run(world.apply(export("x", {}, AT)))
    asyncio.run(world.apply(export("x", {}, AT)))
    assert world.told() == ["export.failed x export", "step.skipped x export"]


def test_an_export_only_recorded_before_can_be_started() -> None:
    world = world_with(DONE)
    asyncio.run(world.apply(create("x", {"schedule": {}})))
    asyncio.run(world.apply(export("x", {"schedule": {}}, AT)))
    assert world.told() == ["step.applied x create", "export.delivered x export"]


def test_a_question_that_fails_is_asked_again() -> None:
    world = world_with(DONE)
    world.provider.asking = [Unavailable("500"), Unavailable("500"), None]
    asyncio.run(world.apply(export("x", {}, AT)))
    assert world.told() == ["export.delivered x export"]
    assert world.last("export.progress")["message"] == "500"


def test_after_the_deadline_the_export_is_left_in_flight() -> None:
    world = world_with(PROCESSING)
    result = asyncio.run(world.apply(export("x", {}, AT), deadline=10))
    assert world.told() == ["export.accepted x export"]
    assert world.last("export.accepted")["reason"] == (
        "still processing, after 10 s of waiting; the next apply picks it up"
    )
    assert result.exit_code() == 7
    run = world.recorded.exports[X].run
    assert run is not None
    assert run.in_flight


@pytest.mark.parametrize(("own", "waited"), [({"deadline": 90}, 90), ({"deadline": 3600}, 3600), ({}, 300)])
def test_a_deadline_of_its_own_wins_over_everybodys(own: dict[str, int], waited: int) -> None:
    world = world_with(PROCESSING)
    asyncio.run(world.apply(export("x", own, AT), deadline=300))
    assert world.last("export.accepted")["reason"] == (
        f"still processing, after {waited} s of waiting; the next apply picks it up"
    )


@pytest.mark.parametrize("own", [90, 3600])
def test_a_deadline_declared_while_an_export_is_in_flight_counts_at_once(own: int) -> None:
    world = world_with(PROCESSING)
    asyncio.run(world.apply(export("x", {"deadline": 600}), wait=False))
    world.process()
    asyncio.run(world.apply(update("x", None, {"deadline": own}), deadline=300))
    assert world.last("export.accepted")["reason"] == (
        f"still processing, after {own} s of waiting; the next apply picks it up"
    )


def test_a_deadline_after_questions_that_failed_says_so() -> None:
    world = world_with(PROCESSING)
    world.provider.asking = [Unavailable("500")] * 9
    asyncio.run(world.apply(export("x", {}, AT), deadline=10))
    assert world.last("export.accepted")["reason"].startswith("500, after")


def test_an_export_that_processes_for_a_day_is_given_up() -> None:
    world = world_with(PROCESSING)
    asyncio.run(world.apply(export("x", {}, AT), wait=False))
    world.clock.time += timedelta(days=2)
    asyncio.run(world.apply())
    assert world.last("export.failed")["message"] == "given up 48 hours after it was started: still processing"
    run = world.recorded.exports[X].run
    assert run is not None
    assert (run.state, run.ran) == (RunState.FAILED, True)


def test_an_interruption_leaves_exports_in_flight() -> None:
    async def scenario() -> int:
        task = asyncio.create_task(world.apply(export("x", {}, AT)))
        await until(lambda: world.provider.asked >= 3)
        world.stop.set()
        return (await task).exit_code()

    world = world_with(PROCESSING)
    assert asyncio.run(scenario()) == 130
    assert world.last("export.accepted")["reason"] == "interrupted; the next apply picks it up"


def test_credentials_lost_while_waiting() -> None:
    world = world_with(PROCESSING)
    asyncio.run(world.apply(export("x", {}, AT), wait=False))
    world.process()
    world.provider.asking = [CredentialError("token expired")]
    assert asyncio.run(world.apply()).exit_code() == 4
    assert world.last("export.accepted")["reason"] == "token expired; the next apply picks it up"
    world.process()
    assert asyncio.run(world.apply(providers={})).exit_code() == 4
    assert world.last("export.accepted")["reason"] == "there are no credentials for svc"


NO_LINK = ExportStatus(ExportState.DONE)


@pytest.mark.parametrize(
    ("asking", "fetching", "script"),
    [
        ([], [LinkExpired()], [DONE]),
        ([], [Unavailable("reset")], [DONE]),
        ([None, Unavailable("500")], [LinkExpired()], [DONE]),
        ([], [], [NO_LINK, DONE]),
        ([], [LinkExpired()] * 7, [DONE]),
    ],
)
def test_a_file_is_fetched_again_with_a_fresh_link(
    asking: list[Exception | None], fetching: list[Exception | None], script: list[ExportStatus]
) -> None:
    world = world_with(*script)
    world.provider.asking, world.provider.fetching = list(asking), list(fetching)
    asyncio.run(world.apply(export("x", {}, AT)))
    assert world.told() == ["export.delivered x export"]
    assert list(kinds(world.log.entries())).count("ExportFinished") == 1


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"fetching": [LinkExpired()] * 8}, "its link is not served"),
        ({"fetching": [Unavailable("reset")] * 8}, "reset"),
        ({"asking": [None, *[Unavailable("500")] * 7], "fetching": [LinkExpired()]}, "500"),
        ({"error": Undeliverable("the file is empty.")}, "the file is empty; the next apply tries again"),
        ({"script": [NO_LINK]}, "the service gives no link to it"),
    ],
)
def test_a_file_that_cannot_be_had_is_tried_again_by_the_next_apply(setting: dict[str, Any], said: str) -> None:
    world = world_with(*setting.get("script", [DONE]))
    world.provider.asking = list(setting.get("asking", []))
    world.provider.fetching = list(setting.get("fetching", []))
    world.shelf.error = setting.get("error")
    result = asyncio.run(world.apply(export("x", {}, AT)))
    assert world.told() == ["export.failed x export"]
    assert said in world.last("export.failed")["message"]
    assert result.exit_code() == 7
    run = world.recorded.exports[X].run
    assert run is not None
    assert run.state is RunState.FINISHED
    assert sum(world.clock.slept) < 120
    world.process()
    world.service.exports = {"e1": [DONE]}
    world.shelf.error = None
    asyncio.run(world.apply())
    assert world.told() == ["export.delivered x export"]
    assert list(kinds(world.log.entries())).count("ExportFinished") == 1


def test_an_interruption_while_a_file_is_fetched() -> None:
    async def scenario() -> int:
        task = asyncio.create_task(world.apply(export("x", {}, AT)))
        await until(lambda: len(world.provider.fetching) <= 6)
        world.stop.set()
        return (await task).exit_code()

    world = world_with(DONE)
    world.provider.fetching = [LinkExpired()] * 8
    assert asyncio.run(scenario()) == 130


def test_a_journal_that_fails_while_an_export_is_waited_for() -> None:
    world = world_with(PROCESSING, DONE)
    world.process(Life(crash_at=3, error=lambda: StateError("disk full")))
    with pytest.raises(StateError):
        asyncio.run(world.apply(export("x", {}, AT)))
    assert world.told() == ["export.accepted x export"]


@pytest.mark.parametrize(
    ("entry", "ending"),
    [
        (ExportDelivered("other", "r1.0", AT, "elsewhere.xlsx", "1" * 64, 3), "export.delivered"),
        (ExportFailed("other", "r1.0", AT, ran=True, code="FAILED", message="no"), "export.failed"),
        (Forgotten("other", AT, X), "export.failed"),
    ],
)
def test_what_another_run_has_ended_is_not_recorded_twice(entry: Any, ending: str) -> None:
    world = world_with(DONE)
    asyncio.run(world.apply(export("x", {}, AT), wait=False))
    world.process()
    status = world.provider.export_status

    class Meanwhile(fakes.MemoryJournal):
        async def record(self, entries: Any, require: Any = None) -> None:
            await super().record([entry] if entry not in world.log.entries() else [])
            await super().record(entries, require)

    async def scenario() -> None:
        await fakes.run(
            fakes.plan(pending=fakes.pending(world.recorded)),
            run="late",
            providers={"svc": world.provider},
            journal=Meanwhile(world.log, world.life),
            clock=world.clock,
            deliver=world.shelf,
            emit=world.events.append,
            options=fakes.Options(),
            stop=asyncio.Event(),
            content=fakes.content,
        )

    assert status is not None
    asyncio.run(scenario())
    assert world.told() == [f"{ending} x export"]
    assert "ExportFinished" not in kinds(world.log.entries())


def test_an_export_started_by_the_log_only() -> None:
    world = world_with(DONE)
    asyncio.run(world.apply(export("x", {}, AT), wait=False))
    entry = world.log.entries()[1]
    assert entry == ExportStarted("r1", "r1.0", AT, "e1")


@pytest.mark.parametrize(
    "follow", [[], [Pending(X, AT, "e9")], [Pending(fakes.address("x2"), AT, "e1")]], ids=["none", "other run", "other"]
)
def test_only_what_the_plan_lists_is_followed(follow: list[Pending]) -> None:
    world = world_with(DONE)
    asyncio.run(world.apply(export("x", {}, AT), wait=False))
    world.process()
    result = asyncio.run(world.apply(create("a", {}), follow=follow))
    assert world.told() == ["step.applied a create"]
    assert (world.provider.asked, result.exit_code()) == (0, 0)


def state_of(world: World) -> RunState:
    run = world.recorded.exports[X].run
    assert run is not None
    return run.state


def test_an_old_export_nobody_knows_is_given_up_after_some_questions() -> None:
    world = world_with(PROCESSING)
    asyncio.run(world.apply(export("x", {}, AT), wait=False))
    world.process()
    world.clock.time += timedelta(days=2)
    world.provider.asking = [Unavailable("no such export.")] * 99
    assert asyncio.run(world.apply()).exit_code() == 7
    assert world.last("export.failed")["code"] == "ABANDONED"
    assert world.last("export.failed")["message"] == (
        "given up 48 hours after it was started: no such export; what became of it cannot be learned"
    )
    assert 60 <= sum(world.clock.slept) < 120
    assert state_of(world) is RunState.FAILED
    world.process()
    asyncio.run(world.apply())
    assert world.events == []


def test_an_old_export_is_not_given_up_over_a_question_that_fails_once() -> None:
    world = world_with(DONE)
    asyncio.run(world.apply(export("x", {}, AT), wait=False))
    world.process()
    world.clock.time += timedelta(days=2)
    world.provider.asking = [Unavailable("500"), None]
    asyncio.run(world.apply())
    assert world.told() == ["export.delivered x export"]


def test_a_young_export_nobody_knows_is_left_in_flight() -> None:
    world = world_with(PROCESSING)
    world.provider.asking = [Unavailable("no such export")] * 999
    asyncio.run(world.apply(export("x", {}, AT)))
    assert world.told() == ["export.accepted x export"]
    assert state_of(world) is RunState.STARTED


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"fetching": [LinkExpired()] * 99}, "the finished file could not be fetched: its link is not served"),
        ({"error": Undeliverable("the file is empty.")}, "the file is empty"),
    ],
)
def test_a_file_that_can_never_be_had_is_given_up_when_it_is_old(setting: dict[str, Any], said: str) -> None:
    world = world_with(DONE)
    world.provider.fetching = list(setting.get("fetching", []))
    world.shelf.error = setting.get("error")
    asyncio.run(world.apply(export("x", {}, AT), wait=False))
    world.clock.time += timedelta(days=2)
    for state in (RunState.FINISHED, RunState.FAILED):  # what is seen finished for the first time gets one more chance
        asyncio.run(world.apply())
        assert state_of(world) is state
    assert world.last("export.failed")["code"] == "ABANDONED"
    assert world.last("export.failed")["message"] == f"given up 48 hours after it was started: {said}"
    before = len(world.told())
    asyncio.run(world.apply())
    assert len(world.told()) == before
