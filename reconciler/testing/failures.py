"""Storage that is out of reach, or does not answer: what was asked is in doubt, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import ClassVar

import pytest

from reconciler.model.errors import Conflict, StateError
from reconciler.state.backends import WHOLE
from reconciler.state.chain import load
from reconciler.state.log import Log
from reconciler.testing.growing import RealClock, grown, intended
from reconciler.testing.storage import Open, Storage, StorageContract, refused, refused_all, rows

_PATIENCE = 0.5  # seconds that the storage stays away while somebody waits for it


class FailureContract(StorageContract):
    """What happens when the storage goes away."""

    heavy: ClassVar[int] = 200_000
    """About how many bytes each batch has that is on its way when the storage goes away."""

    def test_a_storage_out_of_reach_is_not_an_empty_one(self, storage: Storage, opened: Open) -> None:
        one = opened()
        one.append(1, b"a")
        with storage.cut():
            other = opened()
            acts = [
                lambda: rows(other),
                lambda: rows(other, WHOLE),
                lambda: rows(one),
                lambda: one.append(2, b"x"),
                lambda: other.append(2, b"x"),
                lambda: other.append(1, b"x"),
                lambda: other.trim(1),
            ]
            refused_all(storage.url, acts, but=Conflict)
        assert rows(one) == rows(other) == rows(opened()) == [(1, b"a")]
        one.append(2, b"b")
        other.append(3, b"c")
        assert rows(opened()) == [(1, b"a"), (2, b"b"), (3, b"c")]

    def test_an_append_without_an_answer_has_happened(self, storage: Storage, opened: Open) -> None:
        one = opened()
        one.append(1, b"a")
        with storage.lose_answers():
            refused(storage.url, lambda: one.append(2, b"b"))
        assert rows(one) == rows(opened()) == [(1, b"a"), (2, b"b")]
        with pytest.raises(Conflict):
            one.append(2, b"b")
        one.append(3, b"c")
        assert rows(opened(), 2) == [(3, b"c")]

    def test_storage_that_goes_away_in_the_middle_keeps_what_it_acknowledged(
        self, storage: Storage, opened: Open
    ) -> None:
        told: list[int] = []
        rounds = (0.0, 0.01, 0.03)
        for pause in rounds:
            error = self._write_until_cut(storage, opened, told, pause)
            assert isinstance(error, StateError)
            assert not isinstance(error, Conflict)
        found = rows(opened())
        assert [position for position, _ in found] == list(range(1, len(found) + 1))
        assert set(told) <= {position for position, _ in found}
        assert len(found) <= len(told) + len(rounds)
        assert all(batch == self._heavy(position) for position, batch in found)
        opened().append(len(found) + 1, b"the next")

    def _write_until_cut(self, storage: Storage, opened: Open, told: list[int], pause: float) -> BaseException | None:
        """Append as fast as it goes, until the storage goes away a moment after the first acknowledgement."""
        end, begun = len(rows(opened())), threading.Event()

        def write() -> None:
            backend = opened()
            for position in count(end + 1):
                backend.append(position, self._heavy(position))
                told.append(position)
                begun.set()

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write)
            assert begun.wait(60)
            time.sleep(pause)
            with storage.cut():
                return writing.exception(60)

    def _heavy(self, position: int) -> bytes:
        return b"%d " % position * (self.heavy // 8)

    @pytest.mark.parametrize("failure", ["cut", "lose_answers"])
    def test_a_log_neither_loses_nor_doubles_what_was_in_doubt(
        self, storage: Storage, opened: Open, failure: str
    ) -> None:
        grown(opened(), 2)
        asyncio.run(self._record_through(storage, opened, failure))
        found = load(opened()).recorded
        assert set(found.in_doubt) == {"first", "second"}
        assert found.position == 4

    async def _record_through(self, storage: Storage, opened: Open, failure: str) -> None:
        log = Log(opened(), RealClock())
        await log.refresh()
        with getattr(storage, failure)():
            recording = asyncio.create_task(log.record([intended("first")]))
            await asyncio.wait({recording}, timeout=_PATIENCE)
        try:
            await recording
        except StateError:  # not there, as far as could be seen: whoever wants it looks again
            await log.refresh()
            if "first" not in log.recorded.in_doubt:
                await log.record([intended("first")])
        await log.record([intended("second")])
        assert log.recorded == load(opened()).recorded
