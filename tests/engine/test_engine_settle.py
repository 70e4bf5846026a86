"""Recovery of what earlier runs left in doubt."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import engine_fakes as fakes
import pytest
from engine_fakes import Crash, Fault, World, create, delete, kinds, update

from reconciler.engine import timing
from reconciler.model.entry import LeaseBroken
from reconciler.model.errors import CredentialError, Unavailable


def crashed(*faults: Fault) -> World:
    """A world whose last process left creates of a0, a1, … in doubt, one per fault."""
    world = World()
    world.process(faults=dict(enumerate(faults, 1)))
    world.provider.settling = Unavailable("down")
    asyncio.run(world.apply(*(create(f"a{n}", {"n": n}) for n in range(len(faults)))))
    world.process()
    return world


def test_nothing_in_doubt_is_nothing_done() -> None:
    world = World()
    asyncio.run(world.recover())
    assert (world.notes, world.log.batches, world.provider.looked) == ([], [], [])


def test_a_trace_is_believed_at_once() -> None:
    world = crashed(Fault.COMMIT_THEN_LOSE)
    asyncio.run(world.recover())
    assert world.recorded.in_doubt == {}
    assert world.recorded.resources[fakes.address("a0")].id == "o1"
    assert world.clock.slept == []
    assert world.notes == ["svc/report/a0: the create of run r1 had happened"]


def test_absence_is_believed_only_after_the_delay_and_a_second_look() -> None:
    world = crashed(Fault.LOSE)
    asyncio.run(world.recover())
    assert world.clock.slept == [60.0]
    assert len(world.provider.looked) == 2
    assert (world.recorded.in_doubt, world.recorded.resources) == ({}, {})
    assert world.notes == [
        "waiting 60 s: only then is it certain that what left no trace did not happen",
        "svc/report/a0: the create of run r1 had not happened",
    ]


@pytest.mark.parametrize("age", [timedelta(seconds=300), timedelta(hours=5), timedelta(days=-1)])
def test_what_is_under_way_is_found_whatever_a_clock_says_of_its_age(age: timedelta) -> None:
    world = crashed(Fault.COMMIT_LATE)
    world.clock.time += age  # by how much the clock of whoever sent it was wrong
    world.service.late = [(due + age, request) for due, request in world.service.late]
    asyncio.run(world.recover())
    assert world.clock.slept == [60.0]
    assert set(world.recorded.resources) == {fakes.address("a0")}
    assert len(world.service.objects) == 1


def test_what_arrives_during_the_delay_is_found() -> None:
    world = crashed(Fault.COMMIT_LATE, Fault.LOSE)
    asyncio.run(world.recover())
    assert set(world.recorded.resources) == {fakes.address("a0")}
    assert world.recorded.in_doubt == {}
    assert len(world.service.objects) == 1


@pytest.mark.parametrize("hours", [1, 5])
def test_a_clock_that_is_behind_makes_nobody_wait_more_than_once(hours: int) -> None:
    world = crashed(Fault.LOSE)
    world.clock.time -= timedelta(hours=hours)
    asyncio.run(world.recover())
    assert (world.clock.slept, len(world.provider.looked)) == ([60], 2)
    assert world.recorded.in_doubt == {}


def test_a_clock_set_back_while_waiting_does_not_matter() -> None:
    world = crashed(Fault.LOSE)

    class Backwards(fakes.FakeClock):
        async def sleep(self, seconds: float) -> None:
            self.time -= timedelta(hours=1)

    world.clock = Backwards()
    asyncio.run(world.recover())
    assert (len(world.provider.looked), world.recorded.in_doubt) == (2, {})


def test_an_interruption_ends_the_wait_and_keeps_the_doubt() -> None:
    async def scenario() -> None:
        world.stop.set()
        await world.recover()

    world = crashed(Fault.LOSE)
    asyncio.run(scenario())
    assert len(world.recorded.in_doubt) == 1
    assert len(world.provider.looked) == 1


@pytest.mark.parametrize("error", [Unavailable("down"), CredentialError("no")])
def test_a_look_up_that_fails_leaves_the_doubt(error: Unavailable | CredentialError) -> None:
    world = crashed(Fault.LOSE)
    world.provider.settling = error
    asyncio.run(world.recover())
    assert len(world.recorded.in_doubt) == 1
    assert world.notes == [
        f"svc/report/a0: the create of run r1 stays in doubt: it could not be looked up: {error.message}"
    ]


def test_what_only_a_person_can_judge_stays_in_doubt() -> None:
    world = crashed(Fault.LOSE)
    world.provider.unclear = True
    asyncio.run(world.recover())
    assert world.notes == ["svc/report/a0: the create of run r1 stays in doubt: two of them (candidates: o1, o2)"]
    assert len(world.recorded.in_doubt) == 1


def test_a_look_up_that_forgets_an_operation_leaves_it() -> None:
    world = crashed(Fault.LOSE)

    class Silent(fakes.FakeProvider):
        async def settle(self, *_: object) -> dict[str, fakes.Settlement]:
            return {}

    asyncio.run(world.recover({"svc": Silent(world.service)}))
    assert len(world.recorded.in_doubt) == 1


def test_without_credentials_the_doubt_is_left() -> None:
    world = crashed(Fault.LOSE)
    asyncio.run(world.recover({}))
    assert len(world.recorded.in_doubt) == 1
    assert world.notes == ["there are no credentials for svc: what is in doubt there stays in doubt"]


def test_a_service_that_needs_no_second_look_gets_none() -> None:
    world = crashed(Fault.LOSE)
    world.clock.time += timedelta(seconds=20)
    other = fakes.FakeProvider(world.service, faults={2: Fault.COMMIT_THEN_LOSE}, settling=Unavailable("down"))
    elsewhere = replace(create("z", {"z": 1}), address=fakes.Address("other", "report", "z"))
    asyncio.run(world.apply(elsewhere, providers={"svc": world.provider, "other": other}))
    other.settling = None
    other.looked.clear()
    asyncio.run(world.recover({"svc": world.provider, "other": other}))
    assert (len(other.looked), len(world.provider.looked)) == (1, 2)
    assert world.recorded.in_doubt == {}


@pytest.mark.parametrize("fault", [Fault.LOSE, Fault.COMMIT_THEN_LOSE])
def test_updates_and_deletes_are_settled_too(fault: Fault) -> None:
    world = World()
    asyncio.run(world.apply(create("a", {"n": 1}), create("b", {"n": 2})))
    world.process(faults={1: fault, 2: fault})
    world.provider.settling = Unavailable("down")
    asyncio.run(world.apply(update("a", "o1", {"n": 3}, {"n": 1}), delete("b", "o2", {"n": 2})))
    world.process()
    asyncio.run(world.recover())
    recorded = world.recorded
    assert recorded.in_doubt == {}
    assert {item.id: item.spec for item in recorded.resources.values()} == world.service.objects


def test_settling_is_idempotent() -> None:
    world = crashed(Fault.LOSE, Fault.COMMIT_THEN_LOSE)
    asyncio.run(world.recover())
    entries = list(kinds(world.log.entries()))
    asyncio.run(world.recover())
    assert list(kinds(world.log.entries())) == entries


def test_without_a_delay_what_a_dead_run_left_is_settled_at_once() -> None:
    world = World()
    world.process(faults={1: Fault.CRASH_BEFORE})
    with pytest.raises(Crash):
        asyncio.run(world.apply(create("a", {})))
    world.log.batches.append([LeaseBroken("r1", timing.wall(world.clock), "r2", "its process is gone")])
    world.process()
    asyncio.run(world.recover(settle_delay=0))
    assert (world.clock.slept, world.recorded.in_doubt) == ([], {})
