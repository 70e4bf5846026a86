"""The lease: one run at a time, and a writer that lost it stops before it writes again."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.entry import (
    Applied,
    Entry,
    ExportIntended,
    ExportStarted,
    Holder,
    Intended,
    LeaseBroken,
    Rejected,
    RunStarted,
)
from reconciler.model.errors import Conflict, Locked, StateError, Unreachable
from reconciler.model.plan import Action
from reconciler.model.ports import Backend
from reconciler.model.recorded import Recorded
from reconciler.model.values import Address
from reconciler.state import holder as holders
from reconciler.state import log as logs
from reconciler.state import ticks as ticking
from reconciler.state import watch
from reconciler.state.backends import open_backend
from reconciler.state.backends.sqlite import SqliteBackend
from reconciler.state.holder import is_dead, this_holder
from reconciler.state.lease import Lease
from reconciler.state.log import Log

ANN = Holder("ann", "build-1", "", "apply --yes", "https://ci.example/7")
BOB = Holder("bob", "build-2", "", "apply")


class Hands:
    """A clock whose hands are moved by the test; whoever sleeps wakes when time has passed."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 23, 6, tzinfo=UTC)
        self.ticks = 1_000.0
        self._sleepers: list[tuple[datetime, asyncio.Event]] = []

    def wall(self) -> datetime:
        return self.time

    now = wall

    def monotonic(self) -> float:
        return self.ticks

    async def sleep(self, seconds: float) -> None:
        event = asyncio.Event()
        self._sleepers.append((self.time + timedelta(seconds=seconds), event))
        await event.wait()

    def pass_silently(self, seconds: float) -> None:
        """Time passes while the process is stopped: nobody wakes."""
        self.time += timedelta(seconds=seconds)
        self.ticks += seconds

    async def passes(self, seconds: float) -> None:
        """Time passes, and whoever wakes does what it does until it sleeps again, or for good."""
        await asyncio.sleep(0)
        self.pass_silently(seconds)
        woken = [event for when, event in self._sleepers if when <= self.time]
        self._sleepers = [(when, event) for when, event in self._sleepers if when > self.time]
        expected = len(self._sleepers) + len(woken)
        for event in woken:
            event.set()
        for _ in range(100):
            await asyncio.sleep(0.005)
            if len(self._sleepers) >= expected:
                return

    async def passes_until(self, task: asyncio.Task[None], seconds: float = 600) -> float:
        """Time passes until a task has ended or this is over; how much it was."""
        began = self.ticks
        await asyncio.sleep(0.02)
        while not task.done() and self.ticks - began < seconds:
            self.pass_silently(1)
            woken = [event for when, event in self._sleepers if when <= self.time]
            self._sleepers = [(when, event) for when, event in self._sleepers if when > self.time]
            expected = len(self._sleepers) + len(woken)
            for event in woken:
                event.set()
            for _ in range(50 if woken else 0):
                await asyncio.sleep(0.001)
                if task.done() or len(self._sleepers) >= expected:
                    break
        return self.ticks - began


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[[], Backend]]:
    made: list[Backend] = []

    def make() -> Backend:
        made.append(SqliteBackend(str(path), "acme/default"))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


@pytest.fixture
def new_log(opened: Callable[[], Backend], clock: Hands) -> Callable[[], Log]:
    return lambda: Log(opened(), clock, monotonic=clock.monotonic)


def report(number: int) -> Intended:
    return Intended("r1", f"o{number}", "t", Address("blue", "report", f"a{number}"), Action.CREATE, None, {}, "q")


def export(number: int) -> ExportIntended:
    return ExportIntended("r1", f"x{number}", "t", Address("pipefy", "export", f"e{number}"), None, "c", {}, "q")


def taken(log: Log, clock: Hands, run: str = "r1", holder: Holder = ANN, **more: object) -> Lease:
    more = {"chance": lambda: 0.5, **more}
    return Lease(log, run=run, holder=holder, clock=clock, **more)  # type: ignore[arg-type]  # options of one test


async def visit(lease: Lease) -> None:
    """Take a lease and give it back."""
    async with lease:
        pass


def wanting(log: Log, clock: Hands, run: str = "r2", holder: Holder = BOB, **more: object) -> asyncio.Task[None]:
    return asyncio.create_task(visit(taken(log, clock, run, holder, **more)))


async def test_a_lease_is_one_entry_at_each_end(new_log: Callable[[], Log], clock: Hands) -> None:
    log = new_log()
    async with taken(log, clock, extra=[RunStarted("r1", "t", ANN, "1", plan="sha256:p")]):
        held = log.recorded.lease
        assert held is not None
        assert (held.run, held.holder, held.since, held.until) == (
            "r1", ANN, "2026-11-23T06:00:00Z", "2026-11-23T06:01:00Z",
        )  # fmt: skip
        assert log.recorded.plans == {"sha256:p"}
        await log.record([report(1)])
    assert (log.recorded.lease, log.recorded.position) == (None, 3)


FACTS = ("ann", "build-1", "apply --yes", "r1", "2026-11-23T06:00:00Z", "2026-11-23T06:01:00Z", "https://ci.example/7")


async def test_who_is_refused_is_told_who_holds_it(new_log: Callable[[], Log], clock: Hands) -> None:
    async with taken(new_log(), clock):
        with pytest.raises(Locked) as caught:
            await visit(taken(new_log(), clock, "r2", BOB))
    for word in FACTS:
        assert word in caught.value.message
    assert "disagree" not in caught.value.message
    for word in ("--lock-timeout", "state unlock"):
        assert word in caught.value.hint
    await visit(taken(new_log(), clock, "r2", BOB))


async def test_who_waits_is_told_for_whom_once_and_gets_it(new_log: Callable[[], Log], clock: Hands) -> None:
    notes: list[str] = []
    async with taken(new_log(), clock):
        waiting = wanting(new_log(), clock, timeout=600, note=notes.append)
        assert await clock.passes_until(waiting, 90) == 90
    assert await clock.passes_until(waiting) <= 3
    assert waiting.exception() is None
    (note,) = notes
    for word in FACTS:
        assert word in note


async def test_who_waits_is_told_again_when_the_holder_changes(new_log: Callable[[], Log], clock: Hands) -> None:
    notes: list[str] = []
    first, third = taken(new_log(), clock), taken(new_log(), clock, "r3", Holder("eve", "build-3", "", "apply"))
    await first.__aenter__()
    waiting = wanting(new_log(), clock, timeout=600, note=notes.append)
    await clock.passes_until(waiting, 5)
    await first.__aexit__(None, None, None)
    await third.__aenter__()
    await clock.passes_until(waiting, 5)
    await third.__aexit__(None, None, None)
    await clock.passes_until(waiting, 5)
    assert [note.split()[1] for note in notes] == ["ann", "eve"]
    assert waiting.exception() is None


async def test_who_has_waited_long_enough_gives_up(new_log: Callable[[], Log], clock: Hands) -> None:
    async with taken(new_log(), clock):
        waiting = wanting(new_log(), clock, timeout=45)
        assert await clock.passes_until(waiting) == 45
        with pytest.raises(Locked, match="ann on build-1 holds the state"):
            await waiting


async def test_waiting_asks_gently(new_log: Callable[[], Log], clock: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    sleep = Hands.sleep

    async def noted(self: Hands, seconds: float) -> None:
        pauses.append(seconds)
        await sleep(self, seconds)

    async with taken(new_log(), clock):
        chances = iter([0.0, 1.0, 0.5, 0.5])
        monkeypatch.setattr(Hands, "sleep", noted)
        waiting = wanting(new_log(), clock, timeout=7, chance=lambda: next(chances))
        await clock.passes_until(waiting)
        assert isinstance(waiting.exception(), Locked)
    assert [pause for pause in pauses if pause != 20] == [1, 3, 2, 1]


async def test_of_many_who_want_it_exactly_one_gets_it(new_log: Callable[[], Log], clock: Hands) -> None:
    inside: list[str] = []
    others_gave_up = asyncio.Event()

    async def one(run: str) -> None:
        async with taken(new_log(), clock, run):
            inside.append(run)
            await others_gave_up.wait()

    waiting = {asyncio.create_task(one(f"r{number}")) for number in range(6)}
    refused: set[asyncio.Task[None]] = set()
    while len(waiting) > 1:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        refused |= done
    others_gave_up.set()
    await asyncio.gather(*waiting)
    assert len(inside) == 1
    assert all(isinstance(task.exception(), Locked) for task in refused)


async def test_an_expired_lease_that_is_not_renewed_is_broken(new_log: Callable[[], Log], clock: Hands) -> None:
    log, other, notes = new_log(), new_log(), list[str]()
    gone = taken(log, clock)
    await gone.__aenter__()
    gone._renewal.cancel()
    await log.record([report(1)])
    clock.pass_silently(86_400)
    waiting = wanting(other, clock, note=notes.append)
    assert 30 <= await clock.passes_until(waiting) <= 33
    assert waiting.exception() is None
    (note,) = notes
    assert "watching for 30 s" in note
    for word in (*FACTS, "2026-11-24T06:00:00Z"):
        assert word in note
    await log.refresh()
    assert set(log.recorded.in_doubt) == {"o1"}
    assert log.broken is not None
    assert log.broken.reason == "by bob on build-2: it ended at 2026-11-23T06:01:00Z and was not renewed for 30 s"


@pytest.mark.parametrize("hours", [3, 80])
async def test_a_clock_that_is_ahead_evicts_nobody(
    new_log: Callable[[], Log], opened: Callable[[], Backend], clock: Hands, hours: int
) -> None:
    class Ahead(Hands):
        def wall(self) -> datetime:
            return clock.time + timedelta(hours=hours)

        def monotonic(self) -> float:
            return clock.ticks

    ahead, log = Ahead(), new_log()
    ahead.sleep = clock.sleep  # type: ignore[method-assign]  # time passes for both
    other = Log(opened(), ahead, monotonic=ahead.monotonic)
    async with taken(log, clock):
        waiting = wanting(other, ahead)
        assert 20 <= await clock.passes_until(waiting) <= 24
        with pytest.raises(Locked) as caught:
            await waiting
        apart = "about 3 hours ahead of" if hours == 3 else "about 3 days ahead of"
        assert f"the clock of this machine is {apart} that of build-1" in caught.value.message
        patient = wanting(other, ahead, timeout=400)
        assert await clock.passes_until(patient, 300) == 300
        await log.record([report(1)])
    assert await clock.passes_until(patient) <= 3
    assert patient.exception() is None


async def test_a_clock_that_is_behind_does_not_wait_for_hours_for_who_is_gone(
    new_log: Callable[[], Log], opened: Callable[[], Backend], clock: Hands
) -> None:
    gone = taken(new_log(), clock)
    await gone.__aenter__()
    gone._renewal.cancel()
    behind, notes = Hands(), list[str]()
    behind.time -= timedelta(hours=5)
    log = Log(opened(), behind, monotonic=behind.monotonic)
    with pytest.raises(Locked, match="the clock of this machine is about 5 hours behind that of build-1"):
        await visit(taken(log, behind, "r2", BOB))
    waiting = wanting(log, behind, timeout=600, note=notes.append)
    assert 75 <= await behind.passes_until(waiting) <= 78
    assert waiting.exception() is None
    assert log.recorded.lease is None
    assert len(notes) == 1


class Slow(SqliteBackend):
    """Says that something was written only after what `written` does, and nothing to a read while `gone`."""

    written: Callable[[], None] = staticmethod(lambda: None)
    gone = False

    def append(self, position: int, batch: bytes) -> None:
        super().append(position, batch)
        self.written()

    def read(self, after: int) -> Any:
        if self.gone:
            raise Unreachable("Nobody answers.")
        return super().read(after)


async def test_a_lease_that_was_taken_slowly_is_renewed_at_once(path: Path, clock: Hands) -> None:
    backend = Slow(str(path), "acme/default")
    log = Log(backend, clock, monotonic=clock.monotonic)
    backend.written = lambda: clock.pass_silently(30)
    lease = taken(log, clock)
    with closing(backend):
        async with lease:
            backend.written = lambda: None
            await clock.passes(1)
            assert log.recorded.lease is not None
            assert log.recorded.lease.until == "2026-11-23T06:01:31Z"
            clock.pass_silently(33)
            log.permit()


async def test_who_waits_hears_its_end_while_nobody_answers(
    path: Path, new_log: Callable[[], Log], clock: Hands
) -> None:
    backend = Slow(str(path), "acme/default")
    with closing(backend):
        async with taken(new_log(), clock):
            waiting = wanting(Log(backend, clock, monotonic=clock.monotonic), clock, timeout=7)
            await clock.passes(1)
            backend.gone = True
            assert await clock.passes_until(waiting, 40) <= 10
            with pytest.raises(Locked):
                waiting.result()


def made(number: int, at: str) -> list[Entry]:
    address = Address("blue", "report", f"a{number}")
    return [
        Intended("r0", f"o{number}", at, address, Action.CREATE, None, {}, "q"),
        Applied("r0", f"o{number}", at, f"{number}"),
    ]


async def test_a_clock_that_is_hours_behind_the_log_gets_no_lease(new_log: Callable[[], Log], clock: Hands) -> None:
    log = new_log()
    await log.record([*made(1, "2026-11-23T05:00:00Z"), *made(2, "2026-11-23T11:00:00Z")])
    with pytest.raises(StateError) as caught:
        await visit(taken(log, clock))
    for word in ("2026-11-23T06:00:00Z", "2026-11-23T11:00:00Z", "about 5 hours", "Nothing was sent"):
        assert word in caught.value.message
    assert "RECONCILER_TRUST_CLOCK" in caught.value.hint
    assert log.recorded.lease is None
    await visit(taken(log, clock, trust_clock=True))
    clock.pass_silently(5 * 3600 - 600)
    await visit(taken(log, clock))


async def test_who_was_evicted_stops_and_is_told_by_whom(new_log: Callable[[], Log], clock: Hands) -> None:
    log, other = new_log(), new_log()
    async with taken(log, clock):
        await log.record([report(1)])
        log.permit()
        await other.refresh()
        await other.record([LeaseBroken("r1", "2026-11-23T06:00:09Z", "r2", "by command of bob on build-2")])
        evicted = "The lease of run r1 was taken away at 2026-11-23T06:00:09Z, by command of bob on build-2."
        with pytest.raises(Locked) as caught:
            await log.record([report(2)])
        assert caught.value.message == evicted
        with pytest.raises(Locked):
            await log.record([Applied("r1", "o1", "t", "7")])
        with pytest.raises(Locked, match="by command of bob"):
            log.permit()
        async with taken(other, clock, "r2", BOB):
            await other.record([report(3)])
            await log.refresh()
            with pytest.raises(Locked, match="bob on build-2 holds it now, for `apply`"):
                await log.record([report(2)])
        await log.record([Rejected("r1", "o1", "t", "LOCKED", "nothing was sent")])
    assert set(log.recorded.in_doubt) == {"o3"}
    log.permit()  # who holds nothing is not fenced


async def test_what_was_intended_leaves_while_the_lease_was_renewed_lately(
    new_log: Callable[[], Log], clock: Hands
) -> None:
    log = new_log()
    async with taken(log, clock):
        await asyncio.sleep(0)  # the renewal begins to wait
        clock.pass_silently(34)
        log.permit()
        clock.pass_silently(1)
        with pytest.raises(Locked, match="last renewed 35 s ago"):
            log.permit()
        await log.record([report(1)])  # it may still be renewed
        await clock.passes(0)
        log.permit()


@pytest.mark.parametrize(("wall", "ticks"), [(40, 0), (0, 40)])
async def test_the_clock_that_shows_more_time_counts(
    new_log: Callable[[], Log], clock: Hands, wall: float, ticks: float
) -> None:
    async with taken(log := new_log(), clock):
        clock.time += timedelta(seconds=wall)
        clock.ticks += ticks
        with pytest.raises(Locked, match="40 s ago"):
            log.permit()


async def test_who_slept_too_long_stops_although_nobody_took_it(new_log: Callable[[], Log], clock: Hands) -> None:
    log = new_log()
    async with taken(log, clock):
        clock.pass_silently(60)
        with pytest.raises(Locked, match="expired at 2026-11-23T06:01:00Z before it was renewed"):
            await log.record([report(1)])
    assert log.recorded.in_doubt == {}


@pytest.mark.parametrize(("hours", "said"), [(5, "2026-11-23T11:00:30Z"), (-5, "2026-11-23T01:00:30Z")])
async def test_a_clock_that_is_changed_by_hours_stops_the_writer(
    new_log: Callable[[], Log], clock: Hands, hours: int, said: str
) -> None:
    async with taken(log := new_log(), clock):
        clock.pass_silently(30)
        clock.time += timedelta(hours=hours)
        for act in (lambda: log.record([report(1)]), lambda: asyncio.to_thread(log.permit)):
            with pytest.raises(Locked) as caught:
                await act()
            assert f"it says {said}" in caught.value.message
            assert "it should be 2026-11-23T06:00:30Z" in caught.value.message
        await clock.passes(20)
        assert log.recorded.lease is not None
        assert log.recorded.lease.until == "2026-11-23T06:01:00Z"  # nor is it renewed


@pytest.mark.parametrize("seconds", [30, -50])
async def test_a_clock_that_is_corrected_by_seconds_does_not(
    new_log: Callable[[], Log], clock: Hands, seconds: int
) -> None:
    async with taken(log := new_log(), clock):
        clock.time += timedelta(seconds=seconds)
        await log.record([report(1)])
        log.permit()


async def test_a_lease_is_renewed_while_it_is_held(new_log: Callable[[], Log], clock: Hands) -> None:
    log, other = new_log(), new_log()
    async with taken(log, clock):
        for number in range(12):
            await clock.passes(20)
            await log.record([report(number)])
        with pytest.raises(Locked):
            async with taken(other, clock, "r2", BOB):
                raise AssertionError
    position = log.recorded.position
    await clock.passes(600)
    await log.refresh()
    assert log.recorded.position == position  # nothing is renewed any more


async def test_a_renewal_that_fails_is_tried_again(
    new_log: Callable[[], Log], clock: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = new_log()

    def unreachable(self: SqliteBackend, position: int, batch: bytes) -> None:
        raise StateError("the network is gone")

    async with taken(log, clock):
        with monkeypatch.context() as broken:
            broken.setattr(SqliteBackend, "append", unreachable)
            await clock.passes(20)
        await clock.passes(5)
        assert log.recorded.lease is not None
        assert log.recorded.lease.until == "2026-11-23T06:01:25Z"
        await clock.passes(34)
        log.permit()


async def test_a_renewal_counts_as_soon_as_it_is_in_the_log(new_log: Callable[[], Log], clock: Hands) -> None:
    """What was intended meanwhile goes on before whoever renews hears of it."""
    log = new_log()
    lease = taken(log, clock)
    async with lease:
        await asyncio.sleep(0)
        clock.pass_silently(36)

        async def intend() -> None:
            await log.record([report(1)])
            assert lease._renewed.ticks == 1_000
            log.permit()

        intending = asyncio.create_task(intend())
        await asyncio.sleep(0)
        await clock.passes(0)
        await intending


async def test_a_renewal_that_comes_too_late_ends(new_log: Callable[[], Log], clock: Hands) -> None:
    log = new_log()
    async with taken(log, clock):
        await clock.passes(61)
        await clock.passes(20)
        with pytest.raises(Locked):
            await log.record([report(1)])


async def test_an_intention_whose_lease_ran_out_while_it_was_written_is_not_acted_on(
    new_log: Callable[[], Log], clock: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = new_log()
    append = SqliteBackend.append

    def slow(self: SqliteBackend, position: int, batch: bytes) -> None:
        append(self, position, batch)
        clock.pass_silently(61)

    async with taken(log, clock):
        with monkeypatch.context() as slowed:
            slowed.setattr(SqliteBackend, "append", slow)
            with pytest.raises(Locked, match="expired"):
                await log.record([report(1)])
    assert set(log.recorded.in_doubt) == {"o1"}


async def test_what_became_of_an_export_is_taken_down_even_without_the_lease(
    new_log: Callable[[], Log], clock: Hands
) -> None:
    log = new_log()
    async with taken(log, clock):
        await log.record([export(1)])
        clock.pass_silently(61)
        await log.record([ExportStarted("r1", "x1", "t", "900")])
        with pytest.raises(Locked):
            await log.record([export(2)])
    run = log.recorded.exports[export(1).address].run
    assert run is not None
    assert run.export_id == "900"


async def test_exports_need_no_lease(new_log: Callable[[], Log], clock: Hands) -> None:
    async with taken(new_log(), clock):
        await new_log().record([export(1)])


async def test_a_plan_of_an_older_state_gets_no_lease(new_log: Callable[[], Log], clock: Hands) -> None:
    log, other = new_log(), new_log()
    async with taken(log, clock):
        await log.record([report(1)])
    changed = log.recorded.changed
    async with taken(other, clock, "r2", BOB, expect=changed):
        pass  # leases and runs since then do not matter
    async with taken(log, clock, expect=other.recorded.position):
        await log.record([report(2)])
    with pytest.raises(Conflict, match="The state changed while the plan was waiting") as caught:
        async with taken(other, clock, "r3", BOB, expect=changed):
            raise AssertionError
    assert caught.value.hint == "Plan again."
    assert other.recorded.lease is None


async def test_the_first_failure_is_the_one_that_is_seen(
    new_log: Callable[[], Log], clock: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(self: SqliteBackend, position: int, batch: bytes) -> None:
        raise StateError("the network is gone")

    async def run(error: Exception | None) -> None:
        with monkeypatch.context() as broken:
            async with taken(new_log(), clock):
                broken.setattr(SqliteBackend, "append", unreachable)
                if error is not None:
                    raise error

    with pytest.raises(ZeroDivisionError):
        await run(ZeroDivisionError())
    second = asyncio.create_task(run(None))
    clock.pass_silently(61)
    await clock.passes_until(second)
    with pytest.raises(StateError, match="the network is gone"):
        await second


async def test_an_interrupted_run_gives_the_lease_back(new_log: Callable[[], Log], clock: Hands) -> None:
    log = new_log()

    inside = asyncio.Event()

    async def work() -> None:
        async with taken(log, clock):
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await inside.wait()
    assert log.recorded.lease is not None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log.recorded.lease is None


async def test_a_lease_that_changes_hands_while_it_is_looked_at_is_looked_at_again(
    new_log: Callable[[], Log], opened: Callable[[], Backend], clock: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, other = new_log(), new_log()
    async with taken(other, clock, "r0"):
        pass
    append = SqliteBackend.append
    between: list[object] = [None]

    def raced(self: SqliteBackend, position: int, batch: bytes) -> None:
        if between:
            between.pop()

            asyncio.run(taken(new_log(), clock, "r9", BOB).__aenter__())
        append(self, position, batch)

    monkeypatch.setattr(SqliteBackend, "append", raced)
    with pytest.raises(Locked, match="run r9"):
        async with taken(log, clock):
            raise AssertionError
    assert log.recorded.lease is not None
    assert log.recorded.lease.run == "r9"


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(path: Path) -> Iterator[Start]:
    """Starts processes that hold the lease, and ends them."""
    writer = Path(__file__).parent / "writer.py"
    running: list[subprocess.Popen[str]] = []

    def begin(seconds: float = 60, ahead: float = 0) -> subprocess.Popen[str]:
        command = [sys.executable, writer, path, "hold", "child", "1000000", str(seconds), str(ahead)]
        running.append(process := subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield begin
    for process in running:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


class Real:
    """The real clock, `ahead` of the truth by some seconds."""

    def __init__(self, ahead: float = 0) -> None:
        self.ahead = timedelta(seconds=ahead)

    def wall(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    now = wall

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def take_over(path: Path, clock: Real, *entries: Entry, **more: Any) -> Recorded:
    async def run() -> Recorded:
        backend = SqliteBackend(str(path), "acme/default")
        log = Log(backend, clock)
        try:
            async with Lease(log, run="r2", holder=this_holder("apply"), clock=clock, **more):
                await log.record(entries)
            return log.recorded
        finally:
            backend.close()

    return asyncio.run(run())


def test_the_lease_of_a_killed_process_is_free_at_once(path: Path, start: Start) -> None:
    child = start()
    with pytest.raises(Locked, match=socket.gethostname()):
        take_over(path, Real())
    child.kill()  # not waited for: even as a zombie it is gone
    while holders._started(str(child.pid)) not in ("", None):
        pass
    recorded = take_over(path, Real(), report(1))
    assert "o1" in recorded.in_doubt
    assert any(operation.startswith("child-") for operation in recorded.in_doubt) or recorded.position > 1


def test_a_process_that_was_stopped_for_longer_than_its_lease_writes_nothing_more(path: Path, start: Start) -> None:
    child = start(seconds=1)
    assert child.stdout is not None
    child.stdout.readline()
    os.kill(child.pid, signal.SIGSTOP)
    with pytest.raises(Locked):
        take_over(path, Real(), seconds=1)  # stopped is not dead
    before = take_over(path, Real(), report(1), seconds=1, timeout=5)
    os.kill(child.pid, signal.SIGCONT)
    *_, last = child.communicate()[0].splitlines()
    assert last.startswith("locked ")
    backend = open_backend(f"sqlite:{path}", "acme/default")
    after = logs.read(backend)
    backend.close()
    assert after.in_doubt == before.in_doubt


@pytest.mark.parametrize(("ours", "theirs"), [(7_200, 0), (0, -7_200)])
def test_a_living_process_is_not_evicted_whatever_the_clocks_say(
    path: Path, start: Start, ours: float, theirs: float
) -> None:
    child = start(seconds=3, ahead=theirs)
    with pytest.raises(Locked, match="the clock of this machine is about 2 hours ahead of that of"):
        take_over(path, Real(ahead=ours), seconds=3)
    assert child.poll() is None
    assert child.stdout is not None
    assert child.stdout.readline().startswith("child-")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (7, "7 s"),
        (-89, "89 s"),
        (-1_200, "about 20 minutes"),
        (5_400, "about 2 hours"),
        (-108_000, "about 30 hours"),
        (1e7, "about 116 days"),
    ],
)
def test_how_far_clocks_are_apart_is_said_in_words(seconds: float, said: str) -> None:
    assert watch.span(timedelta(seconds=seconds)) == said


@pytest.mark.parametrize("known", [True, False])
def test_ticks_go_on_by_themselves(monkeypatch: pytest.MonkeyPatch, known: bool) -> None:
    if not known:
        monkeypatch.setattr(ticking, "_CLOCK", None)
    before = ticking.ticks()
    while ticking.ticks() == before:
        pass
    assert before < ticking.ticks() < before + 60


def test_this_process_is_alive_and_others_cannot_be_judged() -> None:
    me = this_holder("apply")
    boot, namespace, pid, started = me.process.split("/")
    assert pid == str(os.getpid())
    assert not is_dead(me)
    assert is_dead(replace(me, process=f"{boot}/{namespace}/{pid}/1"))  # the number was used again
    assert not is_dead(replace(me, host="elsewhere", process=f"{boot}/{namespace}/{pid}/1"))
    for process in (
        "",
        "nonsense",
        f"other-boot/{namespace}/{pid}/1",
        f"{boot}/pid:[1]/{pid}/1",
        f"{boot}/{namespace}/-1/1",
        f"{boot}/{namespace}/x/1",
        f"{boot}/{namespace}/{10**30}/{started}",
    ):
        assert not is_dead(replace(me, process=process)), process


def test_a_process_that_ended_is_dead() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from reconciler.state.holder import this_holder; print(this_holder('').process)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert is_dead(replace(this_holder(""), process=done.stdout.strip()))


def test_where_the_system_does_not_tell_nobody_is_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    me = this_holder("apply")
    monkeypatch.setattr(holders, "_PROC", tmp_path)
    assert this_holder("apply").process == ""
    assert not is_dead(me)
    assert not is_dead(this_holder("apply"))


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ""),
        (
            {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "a/b", "GITHUB_RUN_ID": "5"},
            "https://github.com/a/b/actions/runs/5",
        ),
        ({"GITHUB_SERVER_URL": "https://github.com"}, ""),
        ({"CI_JOB_URL": "https://gitlab.example/a/b/-/jobs/5"}, "https://gitlab.example/a/b/-/jobs/5"),
        ({"BUILD_URL": "https://ann:secret@jenkins.example/job/5/"}, "https://***@jenkins.example/job/5/"),
    ],
)
def test_the_page_of_the_ci_run_is_named(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID", *holders._BUILD_URLS):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert this_holder("apply").ci == expected


def test_a_holder_never_names_a_password() -> None:
    me = this_holder("apply --state postgresql://ann:secret@host/db --yes")
    assert me.command == "apply --state postgresql://***@host/db --yes"
    assert me.host == socket.gethostname()
    assert me.user


def test_a_user_without_a_name_is_still_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000 - 1)
    assert this_holder("apply").user
