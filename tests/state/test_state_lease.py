"""The lease: one run at a time, and a writer that lost it stops before it writes again."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.model.entry import (
    Applied,
    Entry,
    ExportIntended,
    ExportStarted,
    Holder,
    Intended,
    RunStarted,
)
from reconciler.model.errors import Conflict, Locked, StateError
from reconciler.model.plan import Action
from reconciler.model.ports import Backend
from reconciler.model.recorded import Recorded
from reconciler.model.values import Address
from reconciler.state import holder as holders
from reconciler.state import log as logs
from reconciler.state.backends import open_backend
from reconciler.state.backends.sqlite import SqliteBackend
from reconciler.state.holder import is_dead, this_holder
from reconciler.state.lease import Lease, take_lease
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
    return take_lease(log, run=run, holder=holder, clock=clock, **more)  # type: ignore[arg-type]  # options of one test


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


async def test_who_waits_is_told_who_holds_it(new_log: Callable[[], Log], clock: Hands) -> None:
    async with taken(new_log(), clock):
        with pytest.raises(Locked) as caught:
            async with taken(new_log(), clock, "r2", BOB):
                raise AssertionError
    for word in ("ann", "build-1", "apply --yes", "r1", "2026-11-23T06:00:00Z", "https://ci.example/7"):
        assert word in caught.value.message
    assert "2026-11-23T06:01:00Z" in caught.value.hint
    async with taken(new_log(), clock, "r2", BOB):
        pass


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


async def test_an_expired_lease_is_broken(new_log: Callable[[], Log], clock: Hands) -> None:
    log, other = new_log(), new_log()
    async with taken(log, clock):
        await log.record([report(1)])
        clock.pass_silently(61)
        async with taken(other, clock, "r2", BOB):
            await other.record([report(3)])
    await log.refresh()
    assert set(log.recorded.in_doubt) == {"o1", "o3"}


async def test_who_was_evicted_stops(new_log: Callable[[], Log], opened: Callable[[], Backend], clock: Hands) -> None:
    log, wrong = new_log(), Hands()
    wrong.time += timedelta(hours=2)  # the clock of somebody else, who takes the lease for expired
    other = Log(opened(), wrong, monotonic=wrong.monotonic)
    async with taken(log, clock):
        await log.record([report(1)])
        async with taken(other, wrong, "r2", BOB):
            with pytest.raises(Locked, match="bob on build-2 took the lease of run r1 away, to run `apply`"):
                await log.record([report(2)])
            with pytest.raises(Locked):
                await log.record([Applied("r1", "o1", "t", "7")])
        with pytest.raises(Locked, match="The lease of run r1 was taken away"):
            await asyncio.gather(log.refresh(), log.record([report(2)]))
    assert set(log.recorded.in_doubt) == {"o1"}


async def test_who_slept_too_long_stops_although_nobody_took_it(new_log: Callable[[], Log], clock: Hands) -> None:
    log = new_log()
    async with taken(log, clock):
        clock.pass_silently(60)
        with pytest.raises(Locked, match="expired at 2026-11-23T06:01:00Z before it was renewed"):
            await log.record([report(1)])
    assert log.recorded.in_doubt == {}


@pytest.mark.parametrize("hours", [5, -5])
async def test_a_clock_that_is_changed_by_hours_stops_the_writer(
    new_log: Callable[[], Log], clock: Hands, hours: int
) -> None:
    log = new_log()
    async with taken(log, clock):
        clock.time += timedelta(hours=hours)
        clock.ticks += 60 if hours < 0 else 0  # a clock set back hides the time that passes; the ticks do not
        with pytest.raises(Locked, match="expired"):
            await log.record([report(1)])


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
        await clock.passes(20)
        await clock.passes(30)
        await log.record([report(1)])
        assert log.recorded.lease is not None
        assert log.recorded.lease.until > "2026-11-23T06:01:00Z"


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
    clock.pass_silently(61)
    with pytest.raises(StateError, match="the network is gone"):
        await run(None)


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


def held_by(path: Path) -> Iterator[subprocess.Popen[str]]:
    writer = Path(__file__).parent / "writer.py"
    process = subprocess.Popen([sys.executable, writer, path, "hold", "child"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture
def child(path: Path) -> Iterator[subprocess.Popen[str]]:
    yield from held_by(path)


class Real(Hands):
    """The real wall clock, `ahead` of the truth by some seconds."""

    def __init__(self, ahead: float = 0) -> None:
        super().__init__()
        self.ahead = timedelta(seconds=ahead)

    def wall(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def take_over(path: Path, clock: Real, *entries: Entry) -> Recorded:
    async def run() -> Recorded:
        backend = SqliteBackend(str(path), "acme/default")
        log = Log(backend, clock)
        try:
            async with take_lease(log, run="r2", holder=this_holder("apply"), clock=clock):
                await log.record(entries)
            return log.recorded
        finally:
            backend.close()

    return asyncio.run(run())


def test_the_lease_of_a_killed_process_is_free_at_once(path: Path, child: subprocess.Popen[str]) -> None:
    with pytest.raises(Locked, match=socket.gethostname()):
        take_over(path, Real())
    child.kill()  # not waited for: even as a zombie it is gone
    while holders._started(str(child.pid)) not in ("", None):
        pass
    recorded = take_over(path, Real(), report(1))
    assert "o1" in recorded.in_doubt
    assert any(operation.startswith("child-") for operation in recorded.in_doubt) or recorded.position > 1


def test_a_stopped_process_that_was_evicted_writes_nothing_more(path: Path, child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    child.stdout.readline()
    os.kill(child.pid, signal.SIGSTOP)
    with pytest.raises(Locked):
        take_over(path, Real())  # stopped is not dead
    before = take_over(path, Real(ahead=7_200), report(1))  # somebody whose clock is wrong evicts it
    os.kill(child.pid, signal.SIGCONT)
    *_, last = child.communicate()[0].splitlines()
    assert last.startswith("locked ")
    backend = open_backend(f"sqlite:{path}", "acme/default")
    after = logs.read(backend)
    backend.close()
    assert after.in_doubt == before.in_doubt


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
