"""The journal: group commit, preconditions, conflicts, writes of unknown outcome, checkpoints and tampering."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.model.entry import Applied, Archived, Entry, ExportIntended, ExportStarted, Intended, Migrated
from reconciler.model.errors import Conflict, StateError
from reconciler.model.plan import Action
from reconciler.model.recorded import Recorded
from reconciler.model.values import Address
from reconciler.state import codec, snapshot
from reconciler.state import log as logs
from reconciler.state.backends import open_backend
from reconciler.state.backends.sqlite import SqliteBackend
from reconciler.state.log import Log

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)


class Still:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW

    wall = now

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()


class Watched(SqliteBackend):
    """A real backend that counts, and does what a test wants right before or after an append."""

    def __init__(self, path: str, log: str) -> None:
        super().__init__(path, log)
        self.appends = 0
        self.reads: list[int] = []
        self.checkpoints = 0
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None

    def read(self, after: int) -> tuple[tuple[int, bytes] | None, Iterable[tuple[int, bytes]]]:
        self.reads.append(after)
        return super().read(after)

    def append(self, position: int, batch: bytes) -> None:
        self.appends += 1
        before, self.before = self.before, lambda: None
        before()
        super().append(position, batch)
        after, self.after = self.after, lambda: None
        after()

    def checkpoint(self, position: int, snapshot: bytes) -> None:
        self.checkpoints += 1
        super().checkpoint(position, snapshot)


def fail(message: str = "the network is gone") -> None:
    raise StateError(message)


def export(number: int | str) -> ExportIntended:
    name = f"e{number}"
    return ExportIntended("r", f"o{number}", "t", Address("pipefy", "export", name), None, "c", {"n": number}, "q")


def report(number: int) -> list[Entry]:
    address = Address("blue", "report", f"r{number}")
    return [
        Intended("r", f"p{number}", "t", address, Action.CREATE, None, {"n": number}, "q"),
        Applied("r", f"p{number}", "t", f"id{number}"),
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[[], Watched]]:
    made: list[Watched] = []

    def make() -> Watched:
        made.append(Watched(str(path), "acme/default"))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


@pytest.fixture
def backend(opened: Callable[[], Watched]) -> Watched:
    return opened()


@pytest.fixture
def log(backend: Watched) -> Log:
    return Log(backend, Still())


def names(recorded: Recorded) -> set[str]:
    return {address.name for address in (*recorded.exports, *recorded.resources)}


async def test_callers_share_appends(log: Log, backend: Watched) -> None:
    await asyncio.gather(*(log.record([export(number)]) for number in range(50)))
    assert backend.appends == 1
    backend.after = lambda: None
    tasks = []
    for number in range(50, 100):
        tasks.append(asyncio.create_task(log.record([export(number)])))
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert backend.appends < 40
    assert len(log.recorded.exports) == 100
    assert logs.read(backend) == log.recorded


async def test_entries_of_one_caller_stay_together_and_in_order(log: Log, backend: Watched) -> None:
    await asyncio.gather(log.record(report(1)), log.record([]), log.record(report(2)))
    (_, batch), *_ = backend.read(0)[1]
    assert codec.unseal(None, batch) == [*report(1), *report(2)]
    assert (log.recorded.position, log.recorded.lineage) == (1, codec.sha256(batch)[:32])


async def test_what_is_recorded_is_durable_and_folded(log: Log, opened: Callable[[], Watched]) -> None:
    state = log.recorded
    await log.record(report(1))
    assert log.recorded is state
    assert names(state) == names(logs.read(opened())) == {"r1"}


async def test_a_precondition_sees_what_would_come_before(log: Log, backend: Watched) -> None:
    def only_once(recorded: Recorded) -> None:
        if export(1).address in recorded.exports:
            raise Conflict("intended already")

    first, second, other = await asyncio.gather(
        log.record([export(1)], only_once),
        log.record([export(1)], only_once),
        log.record([export(2)]),
        return_exceptions=True,
    )
    assert (first, other) == (None, None)
    assert isinstance(second, Conflict)
    assert backend.appends == 1
    assert names(log.recorded) == {"e1", "e2"}


async def test_a_precondition_that_fails_leaves_no_trace(log: Log, backend: Watched) -> None:
    def never(recorded: Recorded) -> None:
        raise ValueError("not now")

    with pytest.raises(ValueError, match="not now"):
        await log.record([export(1)], never)
    assert (backend.appends, log.recorded) == (0, Recorded())


async def test_entries_that_contradict_the_state_are_never_written(log: Log, backend: Watched) -> None:
    bad = Applied("r", "unknown", "t", "7")
    refused, accepted = await asyncio.gather(
        log.record([export(1), bad]), log.record([export(2)]), return_exceptions=True
    )
    assert isinstance(refused, StateError)
    assert accepted is None
    assert names(logs.read(backend)) == names(log.recorded) == {"e2"}


async def test_what_json_cannot_hold_harms_only_its_caller(log: Log) -> None:
    bad = Applied("r", "o1", "t", "7", remote=float("nan"))
    refused, accepted = await asyncio.gather(log.record([bad]), log.record([export(2)]), return_exceptions=True)
    assert isinstance(refused, StateError)
    assert accepted is None


async def test_on_conflict_everybody_is_asked_again(log: Log, opened: Callable[[], Watched]) -> None:
    await log.refresh()
    other = Log(opened(), Still())
    backend = log._backend
    assert isinstance(backend, Watched)
    backend.before = lambda: asyncio.run(other.record([export(1)]))
    asked: list[int] = []

    def not_yet(recorded: Recorded) -> None:
        asked.append(recorded.position)
        if export(1).address in recorded.exports:
            raise Conflict("intended already")

    refused, accepted = await asyncio.gather(
        log.record([export("1b")], not_yet), log.record([export(2)]), return_exceptions=True
    )
    assert isinstance(refused, Conflict)
    assert accepted is None
    assert asked == [0, 1]
    assert names(log.recorded) == {"e1", "e2"}
    assert log.recorded.position == 2
    await other.refresh()
    assert other.recorded == log.recorded == logs.read(opened())


async def test_a_write_that_arrived_although_its_answer_was_lost_counts(log: Log, backend: Watched) -> None:
    backend.after = fail
    await log.record([export(1)])
    await log.record([export(2)])
    assert (backend.appends, names(logs.read(backend))) == (2, {"e1", "e2"})


async def test_a_conflict_with_ones_own_write_counts_as_written(log: Log, backend: Watched) -> None:
    def again() -> None:
        raise Conflict("the first try had arrived")

    backend.after = again
    await log.record([export(1)])
    assert (backend.appends, log.recorded.position) == (1, 1)


async def test_a_write_that_did_not_arrive_is_an_error_for_all_who_shared_it(log: Log, backend: Watched) -> None:
    backend.before = fail
    results = await asyncio.gather(log.record([export(1)]), log.record([export(2)]), return_exceptions=True)
    assert [type(result) for result in results] == [StateError, StateError]
    assert log.recorded == Recorded()
    await log.record([export(3)])
    assert names(log.recorded) == names(logs.read(backend)) == {"e3"}


async def test_a_write_that_failed_behind_somebody_elses_is_tried_again(
    log: Log, backend: Watched, opened: Callable[[], Watched]
) -> None:
    def taken_and_lost() -> None:
        asyncio.run(Log(opened(), Still()).record([export(1)]))
        fail()

    backend.before = taken_and_lost
    await log.record([export(2)])
    assert names(log.recorded) == {"e1", "e2"}


async def test_a_log_that_became_shorter_is_not_written_to(log: Log, path: Path) -> None:
    await log.record([export(1)])
    await log.record([export(2)])
    db = sqlite3.connect(path)
    db.execute("DELETE FROM batches WHERE position = 2")
    db.execute("UPDATE logs SET position = 1")
    db.commit()
    db.close()
    with pytest.raises(StateError, match="it was replaced while in use"):
        await log.record([export(3)])


async def test_a_caller_who_leaves_before_the_write_writes_nothing(log: Log, backend: Watched) -> None:
    gone = asyncio.create_task(log.record([export(1)]))
    stays = asyncio.create_task(log.record([export(2)]))
    await asyncio.sleep(0)
    gone.cancel()
    await stays
    assert gone.cancelled()
    assert names(logs.read(backend)) == {"e2"}


async def test_a_caller_who_leaves_during_the_write_harms_nobody(log: Log, backend: Watched) -> None:
    await log.refresh()
    loop = asyncio.get_running_loop()
    gone = asyncio.create_task(log.record([export(1)]))
    backend.before = lambda: loop.call_soon_threadsafe(gone.cancel) and None
    await log.record([export(2)])
    await log.record([export(3)])
    assert gone.cancelled()
    assert names(logs.read(backend)) == names(log.recorded) == {"e1", "e2", "e3"}


async def test_when_the_loop_ends_nobody_waits_for_ever(log: Log) -> None:
    waiting = asyncio.create_task(log.record([export(1)]))
    await asyncio.sleep(0)
    assert log._writer is not None
    await asyncio.sleep(0)
    log._writer.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()


async def test_refresh_folds_what_others_wrote(log: Log, opened: Callable[[], Watched]) -> None:
    other = Log(opened(), Still())
    await other.record(report(1))
    await log.refresh()
    assert log.recorded == other.recorded
    await other.record(report(2))
    state = log.recorded
    await log.refresh()
    assert log.recorded is state
    assert names(state) == {"r1", "r2"}


async def test_checkpoints_shorten_the_replay_and_change_nothing(
    backend: Watched, opened: Callable[[], Watched]
) -> None:
    log = Log(backend, Still(), checkpoint_every=10)
    for number in range(30):
        await log.record(report(number))
    assert 1 <= backend.checkpoints <= 5  # they become rarer as the state grows
    found, batches = backend.read(0)
    assert found is not None
    assert found[0] + len(list(batches)) == 30
    other = Log(opened(), Still(), checkpoint_every=10)
    other.open()
    assert other.recorded == log.recorded
    await other.record([export(1)])
    await log.refresh()
    assert logs.read(opened()) == other.recorded == log.recorded


async def test_who_is_behind_a_checkpoint_still_finds_its_own_batch(
    log: Log, backend: Watched, opened: Callable[[], Watched]
) -> None:
    await log.record([export(1)])

    def others_go_on() -> None:
        async def go_on() -> None:
            other = Log(opened(), Still(), checkpoint_every=2)
            for number in range(2, 8):
                await other.record([export(number)])

        asyncio.run(go_on())
        fail()

    backend.after = others_go_on
    await log.record([export("mine")])
    assert names(log.recorded) == {f"e{number}" for number in range(1, 8)} | {"emine"}
    assert backend.appends == 2


@pytest.mark.parametrize("snapshot", [b"", b"nonsense", b'{"format":"reconciler.checkpoint/9","sum":"","state":{}}'])
async def test_a_bad_checkpoint_is_replaced_by_the_replay(backend: Watched, path: Path, snapshot: bytes) -> None:
    log = Log(backend, Still(), checkpoint_every=2)
    for number in range(5):
        await log.record([export(number)])
    assert backend.checkpoints
    db = sqlite3.connect(path)
    db.execute("UPDATE checkpoints SET snapshot = ?", (snapshot,))
    db.commit()
    db.close()
    assert logs.read(backend) == log.recorded


async def test_a_checkpoint_of_another_position_is_not_believed(backend: Watched, path: Path) -> None:
    log = Log(backend, Still(), checkpoint_every=2)
    for number in range(5):
        await log.record([export(number)])
    db = sqlite3.connect(path)
    db.execute("UPDATE checkpoints SET position = position - 1")
    db.commit()
    db.close()
    assert logs.read(backend) == log.recorded


async def test_a_checkpoint_that_cannot_be_written_harms_nobody(
    backend: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "checkpoint", lambda position, snapshot: fail("full"))
    log = Log(backend, Still(), checkpoint_every=2)
    for number in range(6):
        await log.record([export(number)])
    assert len(logs.read(backend).exports) == 6


EDIT = "UPDATE batches SET batch = CAST(replace(batch, '\"n\":', '\"m\":') AS BLOB) WHERE position = "


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (EDIT + "1", "Position 1:"),
        (EDIT + "2", "Position 2:"),
        (EDIT + "4", "Position 4:"),
        ("DELETE FROM batches WHERE position = 2", "position 2 is missing"),
        (
            "UPDATE batches SET position = position + 10 WHERE position IN (2, 3);"
            "UPDATE batches SET position = 15 - position WHERE position > 10",
            "Position 2:",
        ),
        ("UPDATE batches SET batch = (SELECT batch FROM batches WHERE position = 3) WHERE position = 4", "Position 4:"),
        ("UPDATE batches SET batch = X'00' WHERE position = 1", "Position 1:"),
        ("DELETE FROM batches WHERE position = 4", "ends at 3"),
        ("UPDATE logs SET position = 3", "ends at 4"),
        ("DELETE FROM logs", "ends at 4"),
    ],
)
def test_changed_removed_and_swapped_batches_are_found(path: Path, statement: str, said: str) -> None:
    async def write() -> None:
        log = Log(backend, Still())
        for number in range(4):
            await log.record([export(number)])

    backend = open_backend(f"sqlite:{path}", "acme/default")
    asyncio.run(write())
    db = sqlite3.connect(path)
    db.executescript(statement)
    db.close()
    with pytest.raises(StateError, match="damaged") as caught:
        logs.read(backend)
    assert said in caught.value.message
    backend.close()


def test_no_byte_of_the_file_changes_what_is_read_unseen(path: Path) -> None:
    async def write() -> Recorded:
        backend = open_backend(f"sqlite:{path}", "acme/default")
        log = Log(backend, Still(), checkpoint_every=3)
        for number in range(6):
            await log.record(report(number))
        backend.close()
        return log.recorded

    written = asyncio.run(write())
    whole = path.read_bytes()
    found = 0
    for place in range(3, len(whole), 37):
        damaged = bytearray(whole)
        damaged[place] ^= 0x15
        path.write_bytes(damaged)
        backend = open_backend(f"sqlite:{path}", "acme/default")
        try:
            assert logs.read(backend) == written, place
        except StateError:
            found += 1
        finally:
            backend.close()
            for leftover in path.parent.glob("state.db-*"):
                leftover.unlink()
    assert found > 5  # the rest of the file is slack, or a checkpoint that is done without


def test_two_processes_share_a_log_and_nothing_is_lost(path: Path) -> None:
    writer = Path(__file__).parent / "writer.py"
    running = [
        subprocess.Popen([sys.executable, writer, path, "append", name, "60"], stdout=subprocess.PIPE, text=True)
        for name in ("a", "b", "c")
    ]
    said = [process.communicate()[0].split() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert all(len(lines) == 60 for lines in said)
    backend = open_backend(f"sqlite:{path}", "acme/default")
    recorded = logs.read(backend)
    backend.close()
    assert names(recorded) == {operation for lines in said for operation in lines}


async def test_outcomes_of_exports_are_taken_down_by_anybody(log: Log) -> None:
    await log.record([export(1)])
    await log.record([ExportStarted("r", "o1", "t", "900")])
    run = log.recorded.exports[export(1).address].run
    assert run is not None
    assert run.export_id == "900"


def archive_of(log: Log) -> Archived:
    assert log.head is not None
    return Archived("r", "t", log.recorded.position, log.head, snapshot.encode(log.recorded))


async def test_an_archive_has_a_batch_of_its_own_however_many_wait(log: Log, backend: Watched) -> None:
    await log.record([export(1)])
    results = await asyncio.gather(
        log.record([archive_of(log)]), log.record([export(2)]), log.record([export(3)]), return_exceptions=True
    )
    assert results == [None, None, None]
    batches = [codec.unseal(codec.link(batch), batch) for _, batch in backend.read(0)[1]]
    assert [[type(entry).__name__ for entry in entries] for entries in batches] == [
        ["ExportIntended"],
        ["Archived"],
        ["ExportIntended", "ExportIntended"],
    ]
    backend.trim(2)
    assert logs.read(backend) == log.recorded


async def test_an_archive_that_others_have_overtaken_is_refused(log: Log, backend: Watched) -> None:
    await log.record([export(1)])
    overtaken, refused = await asyncio.gather(
        log.record([export(2)]), log.record([archive_of(log)]), return_exceptions=True
    )
    assert overtaken is None
    assert isinstance(refused, StateError)
    assert backend.appends == 2
    await log.record([archive_of(log)])
    assert log.recorded.position == 3


async def test_an_archive_in_the_middle_or_of_another_batch_is_never_written(log: Log, backend: Watched) -> None:
    await log.record([export(1)])
    for entries in (
        [ExportStarted("r", "o1", "t", "900"), archive_of(log)],
        [replace(archive_of(log), head="ab" * 32)],
    ):
        with pytest.raises(StateError):
            await log.record(entries)
    assert backend.appends == 1


async def test_nothing_follows_where_the_log_was_moved(log: Log, backend: Watched) -> None:
    await log.record([export(1)])
    moved, after = await asyncio.gather(
        log.record([Migrated("r", "t", "postgresql://db/state")]), log.record([export(2)]), return_exceptions=True
    )
    assert moved is None
    assert isinstance(after, StateError)
    with pytest.raises(StateError, match="moved to postgresql://db/state") as caught:
        await log.record([ExportStarted("r", "o1", "t", "900")])
    assert "--state" in caught.value.hint
    assert backend.appends == 2
    assert logs.read(backend).moved_to == "postgresql://db/state"
    assert log.unrecorded == (ExportStarted("r", "o1", "t", "900"),)


async def test_who_was_away_while_the_log_was_archived_goes_on(log: Log, opened: Callable[[], Watched]) -> None:
    await log.record([export(1)])
    state = log.recorded
    backend = opened()
    other = Log(backend, Still())
    await other.record([export(2)])
    await other.record([archive_of(other)])
    backend.trim(3)
    await log.record([export(3)])
    assert log.recorded is state
    assert names(state) == {"e1", "e2", "e3"}
    await other.record([export(4)])
    await other.record([archive_of(other)])
    backend.trim(other.recorded.position)
    await log.refresh()
    assert log.recorded == other.recorded == logs.read(opened())


async def test_a_log_that_became_another_one_meanwhile_is_refused(log: Log, path: Path) -> None:
    await log.record([export(1)])
    other = SqliteBackend(str(path), "acme/other")
    made = Log(other, Still())
    for number in range(2):
        await made.record([export(number)])
    await made.record([archive_of(made)])
    await made.record([export(3)])
    other.close()
    db = sqlite3.connect(path)
    db.execute("DELETE FROM batches WHERE log = 'acme/default'")
    db.execute("UPDATE batches SET log = 'acme/default' WHERE position > 2")
    db.execute("UPDATE logs SET position = 4 WHERE log = 'acme/default'")
    db.commit()
    db.close()
    with pytest.raises(StateError, match="it was replaced while in use"):
        await log.refresh()
