"""What every storage of logs promises, as tests.

class TestMine(BackendContract):
    @pytest.fixture
    def opened(self): ...
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeAlias

import pytest

from reconciler.model.errors import Conflict, StateError
from reconciler.model.ports import Backend
from reconciler.state.backends import WHOLE

Open: TypeAlias = Callable[..., Backend]

LOG = "acme/default"


class Storage(Protocol):
    """One place for logs as a test needs it: the backend, and ways to do to it what must not happen."""

    def open(self, log: str = LOG) -> Backend:
        """Another handle on the same storage each time; closed after the test."""
        ...

    def overwrite(self, position: int, batch: bytes, log: str = LOG) -> None:
        """Put other bytes where a batch is, past the backend."""
        ...

    def remove(self, position: int, log: str = LOG) -> None:
        """Take a batch away, past the backend."""
        ...

    def overwrite_checkpoint(self, snapshot: bytes, log: str = LOG) -> None:
        """Put other bytes where the newest checkpoint is, past the backend."""
        ...

    def cut(self) -> AbstractContextManager[None]:
        """While inside, the storage is out of reach of handles that are open and of new ones."""
        ...

    def lose_answers(self) -> AbstractContextManager[None]:
        """While inside, what is asked for happens, but no answer comes back."""
        ...


def rows(backend: Backend, after: int = 0) -> list[tuple[int, bytes]]:
    """Every batch behind a position."""
    return list(backend.read(after)[1])


class BackendContract:
    """The promises of `model.ports.Backend`; a subclass provides the fixture `storage`."""

    @pytest.fixture
    def storage(self) -> Storage:
        """An empty place, its own for each test."""
        raise NotImplementedError

    @pytest.fixture
    def opened(self, storage: Storage) -> Open:
        """`Storage.open`."""
        return storage.open

    def test_a_log_that_does_not_exist_is_empty(self, opened: Open) -> None:
        found, batches = opened().read(0)
        assert (found, list(batches)) == (None, [])
        assert rows(opened(), WHOLE) == []

    def test_batches_come_back_in_order_to_everybody(self, opened: Open) -> None:
        one = opened()
        written = [(number, f"batch {number}".encode()) for number in range(1, 231)]
        for position, batch in written:
            one.append(position, batch)
        assert rows(one) == rows(opened()) == rows(opened(), WHOLE) == written
        assert rows(one, 120) == written[120:]
        assert rows(one, 230) == rows(one, 999) == []

    def test_any_bytes_are_kept(self, opened: Open) -> None:
        odd = [b"\x00\xff\n", "żółć 🐙".encode(), b"", bytes(range(256)) * 8_192]
        for position, batch in enumerate(odd, 1):
            opened().append(position, batch)
        assert [batch for _, batch in rows(opened())] == odd

    @pytest.mark.parametrize("position", [0, 1, 2, 4, 100])
    def test_only_the_next_position_is_free(self, opened: Open, position: int) -> None:
        one, other = opened(), opened()
        one.append(1, b"a")
        one.append(2, b"b")
        with pytest.raises(Conflict):
            other.append(position, b"x")
        other.append(3, b"c")
        assert rows(one) == [(1, b"a"), (2, b"b"), (3, b"c")]

    def test_the_first_position_of_an_empty_log_is_one(self, opened: Open) -> None:
        with pytest.raises(StateError):
            opened().append(2, b"x")
        assert rows(opened()) == []
        opened().append(1, b"a")
        assert rows(opened()) == [(1, b"a")]

    def test_logs_in_one_place_know_nothing_of_each_other(self, opened: Open) -> None:
        one, other = opened("acme/default"), opened("acme/prod")
        one.append(1, b"a")
        other.append(1, b"b")
        other.checkpoint(1, b"s")  # as always, right after an append of the same handle
        assert (rows(one), rows(other, WHOLE)) == ([(1, b"a")], [(1, b"b")])
        assert (one.read(0)[0], other.read(0)[0]) == (None, (1, b"s"))

    def test_a_checkpoint_stands_for_what_is_before_it(self, opened: Open) -> None:
        one = opened()
        for position in range(1, 6):
            one.append(position, b"%d" % position)
        one.checkpoint(3, b"three")
        found, batches = opened().read(0)
        assert (found, list(batches)) == ((3, b"three"), [(4, b"4"), (5, b"5")])
        found, batches = opened().read(3)
        assert (found, list(batches)) == (None, [(4, b"4"), (5, b"5")])
        assert opened().read(WHOLE)[0] is None
        assert len(rows(opened(), WHOLE)) == 5

    def test_the_newest_checkpoint_wins(self, opened: Open) -> None:
        one = opened()
        for position in range(1, 6):
            one.append(position, b"x")
        one.checkpoint(4, b"four")
        one.checkpoint(2, b"two")
        assert opened().read(0)[0] == (4, b"four")

    def test_a_checkpoint_ahead_of_the_log_is_not_given(self, opened: Open) -> None:
        one = opened()
        one.append(1, b"a")
        one.checkpoint(7, b"seven")
        found, batches = opened().read(0)
        assert (found, list(batches)) == (None, [(1, b"a")])

    def test_exactly_one_of_many_writers_gets_each_position(self, opened: Open) -> None:
        won: list[tuple[int, bytes]] = []

        def write(name: bytes) -> None:
            backend = opened()
            position = 1
            while position <= 40:
                try:
                    backend.append(position, name)
                    won.append((position, name))
                except Conflict:
                    pass
                position += 1
            backend.close()

        writers = [threading.Thread(target=write, args=(b"%d" % number,)) for number in range(4)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert sorted(won) == rows(opened())

    def test_what_is_closed_can_be_opened_again(self, opened: Open) -> None:
        one = opened()
        one.append(1, b"a")
        one.close()
        one.close()
        assert rows(opened()) == [(1, b"a")]
