"""Whole logs in a storage: damage and foreign data are found out, checkpoints and archives are taken or left."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import ClassVar

import pytest

from reconciler.model.entry import Holder, LeaseReleased
from reconciler.model.errors import Conflict, StateError, Unreachable
from reconciler.model.ports import Backend
from reconciler.state import snapshot
from reconciler.state.backends import WHOLE
from reconciler.state.chain import Chain, load, walk
from reconciler.state.lease import Lease
from reconciler.state.log import Log, read
from reconciler.testing.growing import AT, RealClock, applied, archive, checkpoint, grown, intended, put
from reconciler.testing.storage import Open, Storage, StorageContract, refused, rows

OTHER = "acme/other"

DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "torn in the middle": lambda batch: batch[: len(batch) // 2],
    "without its last byte": lambda batch: batch[:-1],
    "nothing": lambda batch: batch[:0],
    "a line too many": lambda batch: batch + b"\n",
    "garbage behind it": lambda batch: batch + b"{}",
    "twice": lambda batch: batch * 2,
    "zeros": lambda batch: bytes(len(batch)),
    "something else": lambda batch: b'{"hello":"world"}',
    "a newer format": lambda batch: batch.replace(b"reconciler.log/1", b"reconciler.log/9"),
}


class LogContract(StorageContract):
    """What the room above makes of the batches: `state.chain` and `state.log`."""

    stride: ClassVar[int] = 1
    """Each how-many-th byte of a small log is damaged: 1 means every single one."""

    entries: ClassVar[int] = 10_000
    """How many entries the longest log has, in ten batches."""

    def test_every_damaged_byte_is_found(self, storage: Storage, opened: Open) -> None:
        one, chain = opened(), Chain()
        for number in range(3):
            put(chain, one, [LeaseReleased(f"r{number}", AT)])
        one.close()
        for position, batch in rows(opened()):
            for at in range(0, len(batch), self.stride):
                wrong = bytes([*batch[:at], batch[at] ^ 1 << at % 8, *batch[at + 1 :]])
                storage.overwrite(position, wrong)
                self._refused(storage, opened, position)
            storage.overwrite(position, batch)
        assert load(opened()).recorded == chain.recorded

    @pytest.mark.parametrize("damage", DAMAGE)
    @pytest.mark.parametrize("position", [1, 2, 3])
    def test_torn_and_strange_batches_are_found(
        self, storage: Storage, opened: Open, position: int, damage: str
    ) -> None:
        grown(opened(), 3)
        storage.overwrite(position, DAMAGE[damage](dict(rows(opened()))[position]))
        self._refused(storage, opened, position)

    @pytest.mark.parametrize("position", [1, 2])
    def test_a_batch_that_is_gone_is_missed(self, storage: Storage, opened: Open, position: int) -> None:
        grown(opened(), 3)
        storage.remove(position)
        self._refused(storage, opened)

    def test_batches_that_changed_places_are_found(self, storage: Storage, opened: Open) -> None:
        grown(opened(), 4)
        held = dict(rows(opened()))
        for one, other in pairwise(held):
            storage.overwrite(one, held[other])
            storage.overwrite(other, held[one])
            self._refused(storage, opened, one)
            storage.overwrite(one, held[one])
            storage.overwrite(other, held[other])

    @pytest.mark.parametrize("position", [1, 2, 3])
    def test_a_batch_of_another_log_is_found(self, storage: Storage, opened: Open, position: int) -> None:
        grown(opened(), 3)
        grown(opened(OTHER), 3, "other")
        storage.overwrite(position, dict(rows(opened(OTHER)))[position])
        self._refused(storage, opened)

    def _refused(self, storage: Storage, opened: Open, position: int | None = None) -> None:
        """Nobody takes the log as it is, whoever reads it, and everybody is told where it is damaged."""
        looks: tuple[Callable[[Backend], object], ...] = (load, lambda backend: list(walk(backend, Chain())))
        for look in looks:
            backend = opened()
            error = refused(storage.url, partial(look, backend))
            backend.close()
            assert not isinstance(error, Conflict | Unreachable), "neither reading again nor waiting helps"
            assert position is None or re.search(rf"\b{position}\b", error.message), error.message

    def test_many_entries_are_all_there(self, opened: Open) -> None:
        one, chain = opened(), Chain()
        for wave in range(10):
            operations = [f"{wave}-{number}" for number in range(self.entries // 20)]
            put(chain, one, [entry for name in operations for entry in (intended(name), applied(name))])
        found = load(opened()).recorded
        assert len(found.resources) == self.entries // 2
        assert found == chain.recorded

    def test_entries_may_be_large_and_in_any_language(self, opened: Open) -> None:
        one, chain = opened(), Chain()
        for number, title in enumerate(("żółć 🐙" * 200_000, "\x00\u2028\ud7ff\U0010ffff", "")):
            put(chain, one, [intended(f"r{number}", title)])
        assert load(opened()).recorded == chain.recorded

    def test_a_checkpoint_shortens_the_reading_and_changes_nothing(self, opened: Open) -> None:
        one = opened()
        chain = grown(one, 3)
        checkpoint(chain, one)
        put(chain, one, [intended("later")])
        found = load(opened())
        assert (found.recorded, found.fresh) == (chain.recorded, 1)

    @pytest.mark.parametrize(
        "damage", [*DAMAGE.values(), lambda held: held.replace(b"made-1", b"made-7")], ids=[*DAMAGE, "changed"]
    )
    def test_a_damaged_checkpoint_costs_only_time(
        self, storage: Storage, opened: Open, damage: Callable[[bytes], bytes]
    ) -> None:
        one = opened()
        chain = grown(one, 3)
        made = checkpoint(chain, one)
        put(chain, one, [intended("later")])
        storage.overwrite_checkpoint(damage(made))
        assert load(opened()).recorded == chain.recorded

    def test_a_checkpoint_of_another_log_costs_only_time(self, storage: Storage, opened: Open) -> None:
        one = opened()
        chain = grown(one, 3)
        checkpoint(chain, one)
        put(chain, one, [intended("later")])
        storage.overwrite_checkpoint(checkpoint(grown(other := opened(OTHER), 3, "other"), other))
        assert load(opened()).recorded == chain.recorded

    def test_a_checkpoint_of_what_was_lost_costs_only_time(self, storage: Storage, opened: Open) -> None:
        one, other = opened(), opened(OTHER)
        chain, lost = grown(one, 2), grown(other, 2)
        put(chain, one, [intended("kept")])
        put(lost, other, [intended("lost")])
        checkpoint(chain, one)
        storage.overwrite_checkpoint(checkpoint(lost, other))
        assert load(opened()).recorded == chain.recorded
        put(chain, one, [intended("later")])
        assert load(opened()).recorded == chain.recorded

    def test_a_checkpoint_of_another_position_costs_only_time(self, opened: Open) -> None:
        one = opened()
        chain = grown(one, 1)
        assert chain.head is not None
        early = snapshot.dump(chain.recorded, chain.head, chain.offset)
        put(chain, one, [intended("second")])
        put(chain, one, [intended("third")])
        one.checkpoint(2, early)
        assert load(opened()).recorded == chain.recorded

    def test_what_is_trimmed_is_gone_and_the_rest_stays(self, opened: Open) -> None:
        one = opened()
        for position in range(1, 6):
            one.append(position, b"%d" % position)
        for position in (3, 3, 2, 1):
            opened().trim(position)
            assert rows(opened(), WHOLE) == rows(opened()) == [(3, b"3"), (4, b"4"), (5, b"5")]
        assert rows(opened(), 4) == rows(one, 4) == [(5, b"5")]
        for taken in (1, 2, 3, 5, 7):
            for backend in (one, opened()):
                with pytest.raises(Conflict):
                    backend.append(taken, b"x")
        one.append(6, b"6")
        opened().trim(6)
        assert rows(one, WHOLE) == [(6, b"6")]
        opened().append(7, b"7")
        assert rows(opened(), WHOLE) == [(6, b"6"), (7, b"7")]

    def test_a_log_that_does_not_exist_can_be_trimmed(self, opened: Open) -> None:
        opened().trim(1)
        assert rows(opened(), WHOLE) == []
        opened().append(1, b"a")
        assert rows(opened(), WHOLE) == [(1, b"a")]

    def test_checkpoints_go_on_after_a_trim(self, opened: Open) -> None:
        one = opened()
        for position in range(1, 6):
            one.append(position, b"%d" % position)
        one.checkpoint(4, b"four")
        one.trim(3)
        found, batches = opened().read(0)
        assert (found, list(batches)) == ((4, b"four"), [(5, b"5")])
        one.append(6, b"6")
        one.checkpoint(6, b"six")
        found, batches = opened().read(0)
        assert (found, list(batches)) == ((6, b"six"), [])
        assert [position for position, _ in rows(opened(), WHOLE)] == [3, 4, 5, 6]

    def test_a_trim_disturbs_nobody(self, opened: Open) -> None:
        one = opened()
        for position in range(1, 21):
            one.append(position, b"%d" % position)
        begun = iter(opened().read(WHOLE)[1])
        seen = [next(begun)]
        stop = threading.Event()
        ends = [20]

        def look() -> list[str]:
            backend, problems = opened(), []
            while not stop.is_set():
                problems += _problems(backend)
            return problems

        def shorten() -> None:
            backend = opened()
            while not stop.is_set():
                backend.trim(ends[-1] - 2)

        with ThreadPoolExecutor(2) as pool:
            looking, shortening = pool.submit(look), pool.submit(shorten)
            try:
                for position in range(21, 41):
                    one.append(position, b"%d" % position)
                    ends.append(position)
            finally:
                stop.set()
            assert looking.result() == []
            shortening.result()
        assert rows(opened(), WHOLE)[-3:] == [(position, b"%d" % position) for position in (38, 39, 40)]
        try:
            seen += begun
        except Unreachable:  # it says so when it cannot give what is gone by now
            return
        assert seen[:20] == [(position, b"%d" % position) for position in range(1, 21)]

    def test_an_archived_log_begins_with_what_it_was(self, opened: Open) -> None:
        one = opened()
        chain = grown(one, 3)
        checkpoint(chain, one)  # older than the archive: nothing follows it any more
        put(chain, one, [intended("open")])
        archive(chain, one)
        assert load(opened()).recorded == chain.recorded
        assert [link.position for link in walk(opened(), Chain())] == [5]
        put(chain, opened(), [applied("open")])
        checkpoint(chain, one)
        found = load(opened())
        assert (found.recorded, found.end, found.offset) == (chain.recorded, 6, 0)
        put(chain, one, [intended("again")])
        archive(chain, one)
        assert rows(opened(), WHOLE)[0][0] == chain.end == 8
        assert load(opened()).recorded == read(opened()) == chain.recorded

    def test_what_was_not_archived_may_not_be_missing(self, storage: Storage, opened: Open) -> None:
        grown(one := opened(), 3)
        one.trim(2)
        self._refused(storage, opened, 2)

    def test_a_whole_life_is_there_when_it_is_opened_again(self, opened: Open) -> None:
        asyncio.run(self._live(opened))

    async def _live(self, opened: Open) -> None:
        backend, clock = opened(), RealClock()
        log = Log(backend, clock, checkpoint_every=10)
        holder = Holder("ann", "host", "", "apply")
        names = [f"r{number}" for number in range(20)]
        async with Lease(log, run="run", holder=holder, clock=clock):
            await asyncio.gather(*(log.record([intended(name)]) for name in names))
            for half in (names[:10], names[10:]):
                await asyncio.gather(*(log.record([applied(name)]) for name in half))
        backend.close()
        again = Log(opened(), clock)
        again.open()
        assert again.recorded == log.recorded == read(opened())
        assert set(again.recorded.resources) == {intended(name).address for name in names}
        assert (again.recorded.in_doubt, again.recorded.lease) == ({}, None)
        assert opened().read(0)[0] is not None, "no checkpoint was kept"
        walked = Chain()
        assert sum(len(link.entries) for link in walk(opened(), walked)) == 2 * len(names) + 2
        assert walked.recorded == log.recorded


def _problems(backend: Backend) -> list[str]:
    """What is wrong with a log of which more and more is trimmed, as somebody sees it who reads it all."""
    try:
        seen = rows(backend, WHOLE)
    except Unreachable:
        return []
    except StateError as error:
        return [error.message]
    wrong = [f"{one} is followed by {other}" for (one, _), (other, _) in pairwise(seen) if other != one + 1]
    wrong += [f"{position} holds {batch!r}" for position, batch in seen if batch != b"%d" % position]
    return wrong if seen else ["it is empty"]
