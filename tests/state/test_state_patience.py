"""A storage that does not answer: what was being written is found out, tried again, or kept for the rescue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.model.entry import (
    Applied,
    Doubted,
    Entry,
    ExportFinished,
    ExportIntended,
    Forgotten,
    Holder,
    Intended,
    LeaseReleased,
    LeaseRenewed,
    LeaseTaken,
    Rejected,
    RunFinished,
)
from reconciler.model.errors import Locked, StateError, Unreachable
from reconciler.model.plan import Action
from reconciler.model.values import Address
from reconciler.state.backends.sqlite import SqliteBackend
from reconciler.state.lease import Lease
from reconciler.state.log import Log, read
from reconciler.state.patience import Greeted
from reconciler.state.rescue import facts

Act = Callable[[], None]


class Quick:
    """A clock on which sleeping takes no time."""

    def __init__(self) -> None:
        self.ticks = 0.0
        self.pauses: list[float] = []
        self.slept: Act = lambda: None

    def wall(self) -> datetime:
        return datetime(2026, 11, 23, 6, tzinfo=UTC) + timedelta(seconds=self.ticks)

    now = wall

    def monotonic(self) -> float:
        return self.ticks

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.ticks += seconds
        self.slept()


class Cable:
    """The way to a real storage, which a test cuts; a Backend.

    `cut` cuts it for reads, `lost` loses what is sent before it arrives, `mute` loses the answer.
    """

    def __init__(self, backend: SqliteBackend) -> None:
        self.backend = backend
        self.cut = self.lost = self.mute = False
        self.appends = 0
        self.arriving: Act = lambda: None

    def read(self, after: int) -> tuple[tuple[int, bytes] | None, Iterable[tuple[int, bytes]]]:
        if self.cut:
            raise Unreachable("The state in the cloud does not answer.")
        return self.backend.read(after)

    def append(self, position: int, batch: bytes) -> None:
        self.appends += 1
        if self.lost:
            raise Unreachable("The state in the cloud does not answer.")
        arriving, self.arriving = self.arriving, lambda: None
        arriving()
        self.backend.append(position, batch)
        if self.mute:
            raise Unreachable("The state in the cloud did not answer in time.")

    def checkpoint(self, position: int, snapshot: bytes) -> None:
        self.backend.checkpoint(position, snapshot)

    def trim(self, position: int) -> None:
        self.backend.trim(position)

    def close(self) -> None:
        self.backend.close()

    def break_down(self) -> None:
        self.cut = self.lost = True

    def repair(self) -> None:
        self.cut = self.lost = self.mute = False


@pytest.fixture
def clock() -> Quick:
    return Quick()


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], Cable]]:
    made: list[Cable] = []

    def make() -> Cable:
        made.append(Cable(SqliteBackend(str(tmp_path / "state.db"), "acme/default")))
        return made[-1]

    yield make
    for cable in made:
        cable.close()


@pytest.fixture
def cable(opened: Callable[[], Cable]) -> Cable:
    return opened()


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def log(cable: Cable, clock: Quick, notes: list[str]) -> Log:
    return Log(cable, clock, monotonic=clock.monotonic, note=notes.append, chance=lambda: 1.0)


def intended(number: int | str) -> Intended:
    address = Address("blue", "report", f"r{number}")
    return Intended("r", f"o{number}", "t", address, Action.CREATE, None, {"n": number}, "q")


def applied(number: int | str) -> Applied:
    return Applied("r", f"o{number}", "t", f"id{number}")


def export(number: int) -> ExportIntended:
    address = Address("pipefy", "export", f"e{number}")
    return ExportIntended("r", f"x{number}", "t", address, None, "c", {"n": number}, "q")


def after(clock: Quick, seconds: float, act: Act) -> None:
    """Do this once so many seconds were slept."""

    def slept() -> None:
        if clock.ticks >= seconds:
            act()

    clock.slept = slept


class Held:
    """A lease that ends when the test says so; a Fence."""

    def __init__(self) -> None:
        self.gone = False

    def check(self, *, sending: bool) -> None:
        if self.gone:
            raise Locked("The lease was taken away.")


async def test_a_network_lost_for_thirty_seconds_costs_thirty_seconds(
    log: Log, cable: Cable, clock: Quick, notes: list[str]
) -> None:
    await log.record([intended(1)])
    cable.break_down()
    after(clock, 30, cable.repair)
    await log.record([applied(1)])
    assert 30 <= clock.ticks < 35
    assert clock.pauses[:5] == [0.25, 0.5, 1, 2, 4]
    assert set(clock.pauses[4:]) == {4}
    assert notes == [
        "The state in the cloud does not answer. Trying again for 45 s.",
        "The state answers again.",
    ]
    assert (log.unrecorded, read(cable)) == ((), log.recorded)
    assert list(log.recorded.resources) == [intended(1).address]
    assert cable.appends == 3


async def test_pauses_vary(cable: Cable, clock: Quick) -> None:
    log = Log(cable, clock, monotonic=clock.monotonic, chance=lambda: 0.0)
    await log.record([intended(1)])
    cable.break_down()
    after(clock, 3, cable.repair)
    await log.record([applied(1)])
    assert clock.pauses[:3] == [0.125, 0.25, 0.5]


async def test_what_had_arrived_is_not_written_again(log: Log, cable: Cable, clock: Quick) -> None:
    await log.record([intended(1)])
    cable.mute = cable.cut = True
    after(clock, 10, cable.repair)
    await asyncio.gather(log.record([applied(1)]), log.record([intended(2)]))
    assert cable.appends == 2
    assert (read(cable), log.unrecorded) == (log.recorded, ())
    assert list(log.recorded.in_doubt) == ["o2"]


async def test_answers_that_get_lost_are_enough(log: Log, cable: Cable, clock: Quick) -> None:
    """Each write arrives, none is confirmed, reading works."""
    await log.record([intended(1)])
    cable.mute = True
    for number in range(2, 6):
        await log.record([intended(number)])
    assert cable.appends == 5
    assert len(log.recorded.in_doubt) == 5


async def test_a_write_that_arrives_late_counts_once(log: Log, cable: Cable, clock: Quick) -> None:
    """The first try is on its way while the second is sent: it arrives first."""
    await log.record([intended(1)])
    sent: list[tuple[int, bytes]] = []
    straight = cable.append

    def slow(position: int, batch: bytes) -> None:
        sent.append((position, batch))
        if len(sent) == 1:
            raise Unreachable("The state in the cloud did not answer in time.")
        cable.backend.append(*sent[0])
        straight(position, batch)

    cable.append = slow  # type: ignore[method-assign]  # the network, not the storage
    await log.record([applied(1)])
    cable.append = straight  # type: ignore[method-assign]
    assert len(sent) == 2
    assert read(cable) == log.recorded
    assert list(log.recorded.resources) == [intended(1).address]


async def test_a_write_that_arrives_late_counts_also_for_fewer_callers(log: Log, cable: Cable, clock: Quick) -> None:
    """One of two callers has left before the second try; then the first try arrives."""
    await log.refresh()
    sent: list[tuple[int, bytes]] = []

    def slow(position: int, batch: bytes) -> None:
        sent.append((position, batch))
        if len(sent) == 1:
            raise Unreachable("The state in the cloud did not answer in time.")
        cable.backend.append(*sent[0])
        cable.backend.append(position, batch)

    cable.append = slow  # type: ignore[method-assign]  # the network, not the storage
    gone, stays = (asyncio.create_task(log.record([intended(number)])) for number in (1, 2))
    clock.slept = lambda: gone.cancel() and None
    await stays
    assert gone.cancelled()
    assert sent[0] != sent[1]
    assert set(log.recorded.in_doubt) == {"o1", "o2"}
    assert read(cable) == log.recorded


async def test_what_may_have_arrived_before_a_refusal_was_never_sent(log: Log, cable: Cable) -> None:
    """The first try is lost from sight and arrives in the end; the second is refused for good."""
    tries: list[tuple[int, bytes]] = []

    def refusing(position: int, batch: bytes) -> None:
        tries.append((position, batch))
        if len(tries) == 1:
            raise Unreachable("The state in the cloud does not answer.")
        raise StateError("The state in the cloud refuses you.")

    await log.record([intended(1)])
    write, cable.backend.append = cable.backend.append, refusing  # type: ignore[method-assign]
    with pytest.raises(StateError, match="refuses"):
        await log.record([export(1)])
    (unsent,) = log.unrecorded
    assert isinstance(unsent, Rejected)
    assert unsent.operation == "x1"
    cable.backend.append = write  # type: ignore[method-assign]
    write(*tries[0])
    await log.record([unsent])
    assert not [each for each in read(cable).exports.values() if each.run is not None and each.run.unknown]


async def test_patience_ends(log: Log, cable: Cable, clock: Quick, notes: list[str]) -> None:
    await log.record([intended(1)])
    cable.break_down()
    with pytest.raises(Unreachable, match="does not answer"):
        await log.record([applied(1)])
    assert clock.ticks == 45
    assert log.unrecorded == (applied(1),)
    began = clock.ticks
    with pytest.raises(Unreachable):
        await log.record([RunFinished("r", "t", 5)])
    assert clock.ticks == began, "it has waited for long enough already"
    assert log.unrecorded == (applied(1), RunFinished("r", "t", 5))
    assert len(notes) == 1
    cable.repair()
    await log.record([LeaseReleased("r", "t")])
    assert notes[-1] == "The state answers again."
    cable.break_down()
    with pytest.raises(Unreachable):
        await log.record([intended(2)])
    assert clock.ticks == 2 * 45, "it has answered in between"


async def test_without_patience_nothing_is_waited_for(cable: Cable, clock: Quick, notes: list[str]) -> None:
    log = Log(cable, clock, monotonic=clock.monotonic, note=notes.append, patience=0)
    await log.record([intended(1)])
    cable.break_down()
    with pytest.raises(Unreachable):
        await log.record([applied(1)])
    assert (clock.pauses, notes) == ([], [])


async def test_reads_that_answer_do_not_prolong_it(log: Log, cable: Cable, clock: Quick) -> None:
    await log.record([intended(1)])
    cable.lost = True
    with pytest.raises(Unreachable):
        await log.record([applied(1)])
    assert clock.ticks == 45


async def test_only_silence_is_waited_for(log: Log, cable: Cable, clock: Quick) -> None:
    await log.record([intended(1)])

    def full() -> None:
        raise StateError("The disk is full.", "Make room.")

    cable.arriving = full
    with pytest.raises(StateError, match="full"):
        await log.record([applied(1)])
    assert clock.pauses == []
    assert log.unrecorded == (applied(1),)


async def test_a_storage_that_fails_and_then_falls_silent_is_waited_for(log: Log, cable: Cable, clock: Quick) -> None:
    await log.record([intended(1)])

    def full() -> None:
        cable.cut = True
        raise StateError("The disk is full.", "Make room.")

    cable.arriving = full
    after(clock, 5, cable.repair)
    with pytest.raises(StateError, match="full"):
        await log.record([applied(1)])
    assert clock.pauses


async def test_nobody_waits_when_the_lease_is_gone(log: Log, cable: Cable, clock: Quick) -> None:
    held = Held()
    await log.record([intended(1)])
    log.hold(held)
    cable.break_down()
    after(clock, 10, lambda: setattr(held, "gone", True))
    with pytest.raises(Unreachable):
        await log.record([applied(1)])
    assert 10 <= clock.ticks < 15
    assert log.unrecorded == (applied(1),)


async def test_who_needs_no_lease_is_waited_for_when_it_is_gone(log: Log, cable: Cable, clock: Quick) -> None:
    held = Held()
    await log.record([intended(1), export(1)])
    log.hold(held)
    cable.break_down()

    def turn() -> None:
        held.gone = True
        if clock.ticks > 20:
            cable.repair()

    after(clock, 10, turn)
    evicted, finished = await asyncio.gather(
        log.record([applied(1)]), log.record([ExportFinished("r", "x1", "t")]), return_exceptions=True
    )
    assert isinstance(evicted, Locked)
    assert finished is None
    assert log.unrecorded == (applied(1),)
    assert list(log.recorded.in_doubt) == ["o1"]


async def test_a_renewal_that_waits_comes_before_anything_is_sent(log: Log, cable: Cable, clock: Quick) -> None:
    """What was intended before the silence may leave only once the lease is known to have been renewed."""
    holder = Holder("ann", "host", "", "apply")
    await log.record([LeaseTaken("r", "t", holder, "2026-11-23T07:00:00Z")])
    cable.break_down()
    ended: list[str] = []
    seen: list[int] = []

    async def one(name: str, entry: Entry) -> None:
        await log.record([entry])
        seen.append(log.recorded.position)
        ended.append(name)

    renewing: list[asyncio.Task[None]] = []

    def renew() -> None:
        if not renewing:
            entry = LeaseRenewed("r", "t", "2026-11-23T08:00:00Z")
            renewing.append(asyncio.create_task(one("renewed", entry)))
        if clock.ticks > 20:
            cable.repair()

    clock.slept = renew
    await one("intended", intended(1))
    await renewing[0]
    assert ended == ["intended", "renewed"]
    assert seen == [3, 3], "the renewal was in the log before anybody went on"
    assert log.recorded.lease is not None
    assert log.recorded.lease.until == "2026-11-23T08:00:00Z"


@pytest.mark.parametrize(("late", "pause"), [(0, 20), (16, 4), (30, 0)])
async def test_after_a_renewal_that_was_late_the_next_one_is_in_time(cable: Cable, late: float, pause: float) -> None:
    class Waking(Quick):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            if len(self.pauses) == 2:
                asleep.set()
                await asyncio.Event().wait()

    asleep = asyncio.Event()
    clock = Waking()
    log = Log(cable, clock, monotonic=clock.monotonic)

    def slow() -> None:
        clock.ticks += late

    async with Lease(log, run="r", holder=Holder("ann", "host", "", "apply"), clock=clock):
        cable.arriving = slow
        await asleep.wait()
    assert clock.pauses == [20, pause]


async def test_what_is_learned_is_kept_until_it_is_written(log: Log, cable: Cable) -> None:
    await log.record([intended(1), intended(2), intended(3), export(1)])
    learned: list[Entry] = [applied(1), Rejected("r", "o2", "t", "BAD", "no"), Doubted("r", "o3", "t", "?")]
    cable.break_down()
    tasks = [asyncio.create_task(log.record([entry])) for entry in learned]
    await asyncio.sleep(0)
    assert log.unrecorded == tuple(learned)
    cable.repair()
    await asyncio.gather(*tasks)
    assert log.unrecorded == ()


async def test_everything_learned_after_the_first_failure_is_kept_as_well(log: Log, cable: Cable) -> None:
    await log.record([intended(number) for number in range(4)])
    log.hold(held := Held())
    held.gone = True
    results = await asyncio.gather(*(log.record([applied(number)]) for number in range(2)), return_exceptions=True)
    results += await asyncio.gather(*(log.record([applied(number)]) for number in range(2, 4)), return_exceptions=True)
    assert [type(result) for result in results] == [Locked] * 4
    assert log.unrecorded == tuple(applied(number) for number in range(4))


async def test_what_the_log_contradicts_is_kept(log: Log) -> None:
    with pytest.raises(StateError):
        await log.record([applied("nothing")])
    assert log.unrecorded == (applied("nothing"),)


async def test_what_a_caller_does_not_want_itself_is_not_kept(log: Log) -> None:
    await log.record([intended(1)])

    def never(_: object) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await log.record([applied(1)], never)
    assert log.unrecorded == ()


async def test_what_a_cancelled_caller_has_learned_is_written(log: Log, cable: Cable) -> None:
    await log.record([intended(1)])
    gone = asyncio.create_task(log.record([applied(1)]))
    unsent = asyncio.create_task(log.record([intended(2)]))
    await asyncio.sleep(0)
    gone.cancel()
    unsent.cancel()
    await asyncio.wait([gone, unsent])
    await log.idle()
    assert gone.cancelled()
    assert list(read(cable).resources) == [intended(1).address]
    assert not read(cable).in_doubt
    assert log.unrecorded == ()


async def test_what_was_being_written_when_everything_ends_is_kept(log: Log, cable: Cable) -> None:
    await log.record([intended(1)])
    waiting = asyncio.create_task(log.record([applied(1)]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert log._writer is not None
    log._writer.cancel()
    await asyncio.wait([waiting])
    assert log.unrecorded == (applied(1),)


async def test_idle_does_not_wait_for_nothing(log: Log) -> None:
    await log.idle()
    await log.record([intended(1)])
    await log.idle()


async def test_what_turns_out_to_be_written_is_no_longer_kept(log: Log, cable: Cable) -> None:
    await log.record([intended(1)])
    cable.mute = cable.cut = True
    with pytest.raises(Unreachable):
        await log.record([applied(1)])
    assert log.unrecorded == (applied(1),)
    cable.repair()
    await log.record([LeaseReleased("r", "t")])
    assert log.unrecorded == ()
    assert read(cable) == log.recorded


async def test_of_an_intention_that_may_be_there_it_is_known_that_it_never_left(log: Log, cable: Cable) -> None:
    await log.refresh()
    cable.mute = cable.cut = True
    with pytest.raises(Unreachable):
        await log.record([export(1)])
    (unsent,) = log.unrecorded
    assert isinstance(unsent, Rejected)
    assert (unsent.operation, unsent.code, unsent.at) == ("x1", "UNSENT", "2026-11-23T06:00:45Z")
    cable.repair()
    await log.record(log.unrecorded)
    run = read(cable).exports[export(1).address].run
    assert run is not None
    assert (run.state, run.ran) == ("failed", False)


async def test_of_an_intention_that_is_there_too_late_it_is_known_that_it_never_left(log: Log, cable: Cable) -> None:
    log.hold(held := Held())
    await log.refresh()
    cable.arriving = lambda: setattr(held, "gone", True)
    with pytest.raises(Locked):
        await log.record([intended(1)])
    assert [type(entry) for entry in log.unrecorded] == [Rejected]
    assert list(read(cable).in_doubt) == ["o1"]


async def test_an_intention_that_was_never_written_leaves_nothing(log: Log, cable: Cable) -> None:
    log.hold(held := Held())
    held.gone = True
    with pytest.raises(Locked):
        await log.record([intended(1)])

    def full() -> None:
        raise StateError("The disk is full.", "Make room.")

    log.let_go()
    cable.arriving = full
    with pytest.raises(StateError):
        await log.record([intended(1)])
    assert log.unrecorded == ()


def test_facts_are_what_nobody_can_find_out_again() -> None:
    record_only = [intended(1), applied(1)]
    assert facts(record_only) == ()
    assert facts([Forgotten("r", "t", intended(1).address), LeaseReleased("r", "t")]) == ()
    assert facts([intended(1), applied(2), RunFinished("r", "t", 0)]) == (applied(2), RunFinished("r", "t", 0))


def greeted(cable: Cable, clock: Quick, notes: list[str]) -> Greeted:
    def sleep(seconds: float) -> None:
        asyncio.run(clock.sleep(seconds))

    return Greeted(cable, note=notes.append, monotonic=clock.monotonic, sleep=sleep)


def test_a_storage_that_has_not_answered_yet_is_asked_again(cable: Cable, clock: Quick, notes: list[str]) -> None:
    backend = greeted(cable, clock, notes)
    backend.append(1, b"batch")
    cable.break_down()
    clock.slept = lambda: None if clock.ticks < 3 else cable.repair()
    assert list(backend.read(0)[1]) == [(1, b"batch")]
    assert clock.ticks >= 3
    assert notes == [
        "The state in the cloud does not answer. Trying again for 5 s.",
        "The state answers again.",
    ]


def test_a_storage_that_never_answers_is_given_up(cable: Cable, clock: Quick, notes: list[str]) -> None:
    cable.break_down()
    with pytest.raises(Unreachable, match="does not answer"):
        greeted(cable, clock, notes).read(0)
    assert clock.ticks == 5
    assert len(notes) == 1


def test_a_storage_that_has_answered_is_taken_at_its_word(cable: Cable, clock: Quick, notes: list[str]) -> None:
    backend = greeted(cable, clock, notes)
    backend.read(0)
    cable.break_down()
    with pytest.raises(Unreachable):
        backend.read(0)
    assert (clock.pauses, notes) == ([], [])


async def test_a_log_that_is_only_read_on_is_asked_again(
    log: Log, opened: Callable[[], Cable], cable: Cable, clock: Quick, notes: list[str]
) -> None:
    await log.refresh()
    await Log(opened(), clock).record([intended(1)])
    cable.break_down()
    clock.slept = lambda: None if clock.ticks < 30 else cable.repair()
    await log.refresh()
    assert set(log.recorded.in_doubt) == {"o1"}
    assert notes[-1] == "The state answers again."
    cable.break_down()
    clock.slept = lambda: None
    began = clock.ticks
    with pytest.raises(Unreachable):
        await log.refresh()
    assert clock.ticks == began + 45


async def test_a_log_that_was_never_read_is_given_up_at_once(log: Log, cable: Cable, clock: Quick) -> None:
    cable.break_down()
    with pytest.raises(Unreachable):
        await log.refresh()
    assert clock.pauses == []
