"""Batches and checkpoints: what comes back, to whom, and who may write where."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import ClassVar

import pytest

from reconciler.model.errors import Conflict, StateError
from reconciler.state.backends import WHOLE, replay
from reconciler.testing.storage import LOG, Open, Row, Storage, StorageContract, rows
from reconciler.testing.writer import claims, content

NAMES = (LOG, "acme/defaul", "acme/default2", "acme/de.ault", "acme/de_ault", "acme/a-b", "acme/a..b", "acme/a.lock")


class BatchContract(StorageContract):
    """Numbered batches of bytes, and one checkpoint."""

    batches: ClassVar[int] = 230
    """How long the longest log of small batches is."""

    contended: ClassVar[int] = 40
    """How many positions the writers race for."""

    writers: ClassVar[int] = 4
    """How many writers race."""

    kills: ClassVar[int] = 3
    """How many writers are killed, one after another."""

    large: ClassVar[int] = 5_000_000
    """How many bytes the largest batch has."""

    def test_a_log_that_does_not_exist_is_empty(self, opened: Open) -> None:
        found, batches = opened().read(0)
        assert (found, list(batches)) == (None, [])
        assert rows(opened(), WHOLE) == []

    def test_batches_come_back_in_order_to_everybody(self, opened: Open) -> None:
        one = opened()
        written = [(number, f"batch {number}".encode()) for number in range(1, self.batches + 1)]
        for position, batch in written:
            one.append(position, batch)
        half = self.batches // 2
        assert rows(one) == rows(opened()) == rows(opened(), WHOLE) == written
        assert rows(one, half) == written[half:]
        assert rows(one, self.batches) == rows(one, 9_999) == []

    def test_any_bytes_are_kept(self, opened: Open) -> None:
        odd = [b"\x00\xff\n", "żółć 🐙".encode(), b"", bytes(range(256)) * 8_192, b"\r\n", b"end\n\n"]
        for position, batch in enumerate(odd, 1):
            opened().append(position, batch)
        assert [batch for _, batch in rows(opened())] == odd

    def test_large_batches_are_kept_whole(self, opened: Open) -> None:
        large = random.Random(4).randbytes(self.large)  # noqa: S311 - bytes that no compression makes small
        one = opened()
        for position, batch in enumerate((b"before", large, b"after"), 1):
            one.append(position, batch)
        one.checkpoint(3, large)
        assert rows(opened(), WHOLE) == [(1, b"before"), (2, large), (3, b"after")]
        assert opened().read(0)[0] == (3, large)

    @pytest.mark.parametrize("position", [0, 1, 2, 4, 100])
    def test_only_the_next_position_is_free(self, opened: Open, position: int) -> None:
        one, other = opened(), opened()
        one.append(1, b"a")
        one.append(2, b"b")
        with pytest.raises(Conflict):
            other.append(position, b"x")
        with pytest.raises(Conflict):
            one.append(position, b"x")
        other.append(3, b"c")
        assert rows(one) == [(1, b"a"), (2, b"b"), (3, b"c")]

    def test_the_first_position_of_an_empty_log_is_one(self, opened: Open) -> None:
        with pytest.raises(StateError):
            opened().append(2, b"x")
        assert rows(opened()) == []
        opened().append(1, b"a")
        assert rows(opened()) == [(1, b"a")]

    def test_what_is_the_same_is_a_conflict_as_well(self, opened: Open) -> None:
        opened().append(1, b"a")
        with pytest.raises(Conflict):
            opened().append(1, b"a")

    def test_logs_in_one_place_know_nothing_of_each_other(self, opened: Open) -> None:
        for number, name in enumerate(NAMES):
            one = opened(name)
            for position in range(1, 2 + number % 3):
                one.append(position, f"{name} {position}".encode())
            one.checkpoint(1, name.encode())  # as always, right after an append of the same handle
        opened(NAMES[1]).trim(1)
        for number, name in enumerate(NAMES):
            expected = [(position, f"{name} {position}".encode()) for position in range(1, 2 + number % 3)]
            assert rows(opened(name), WHOLE) == expected
            assert opened(name).read(0)[0] == (1, name.encode())

    def test_a_checkpoint_stands_for_what_is_before_it(self, opened: Open) -> None:
        one = opened()
        for position in range(1, 6):
            one.append(position, b"%d" % position)
        one.checkpoint(3, b"three")
        found, batches = opened().read(0)
        assert (found, list(batches)) == ((3, b"three"), [(4, b"4"), (5, b"5")])
        found, batches = opened().read(3)
        assert (found, list(batches)) == (None, [(4, b"4"), (5, b"5")])
        found, batches = opened().read(2)
        assert (found, list(batches)) == ((3, b"three"), [(4, b"4"), (5, b"5")])
        for position in range(7):
            found, batches = opened().read(replay(position))
            assert (found, [at for at, _ in batches]) == (None, list(range(position + 1, 6)))

    def test_the_newest_checkpoint_wins(self, opened: Open) -> None:
        one = opened()
        for position in range(1, 6):
            one.append(position, b"x")
        one.checkpoint(4, b"four")
        one.checkpoint(2, b"two")
        assert opened().read(0)[0] == (4, b"four")
        one.checkpoint(5, b"five")
        assert opened().read(0)[0] == (5, b"five")

    def test_a_checkpoint_ahead_of_the_log_is_not_given(self, opened: Open) -> None:
        one = opened()
        one.append(1, b"a")
        one.checkpoint(7, b"seven")
        found, batches = opened().read(0)
        assert (found, list(batches)) == (None, [(1, b"a")])

    def test_what_is_closed_can_be_opened_again(self, opened: Open) -> None:
        one = opened()
        one.append(1, b"a")
        one.close()
        one.close()
        assert rows(opened()) == [(1, b"a")]
        opened().close()

    def test_a_handle_serves_one_thread_after_another(self, opened: Open) -> None:
        one = opened()
        found: list[Row] = []
        for act in (lambda: one.append(1, b"a"), lambda: found.extend(rows(one)), one.close):
            thread = threading.Thread(target=act)
            thread.start()
            thread.join()
        assert found == [(1, b"a")]

    def test_reading_goes_on_while_others_write(self, opened: Open) -> None:
        one = opened()
        for position in range(1, 8):
            one.append(position, b"x")
        batches = iter(opened().read(0)[1])
        seen = [next(batches)]
        one.append(8, b"x")
        seen += batches
        assert [position for position, _ in seen] in (list(range(1, 8)), list(range(1, 9)))

    def test_exactly_one_of_many_writers_gets_each_position(self, opened: Open) -> None:
        won: list[Row] = []

        def write(name: str) -> None:
            backend = opened()
            won.extend((position, content(name, position)) for position in claims(backend, name, self.contended))
            backend.close()

        writers = [threading.Thread(target=write, args=(f"w{number}",)) for number in range(self.writers)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert sorted(won) == rows(opened())
        assert len(won) == self.contended

    def test_exactly_one_of_many_processes_gets_each_position(self, storage: Storage, opened: Open) -> None:
        with ExitStack() as stack:
            writers = [stack.enter_context(self.writer(storage, f"w{number}")) for number in range(self.writers)]
            for writer in writers:
                _begin(writer)
            said = [writer.stdout.read().splitlines() for writer in writers if writer.stdout is not None]
            assert [writer.wait() for writer in writers] == [0] * self.writers
        won = [(int(position), name) for name, position in (line.split() for lines in said for line in lines)]
        assert [(position, content(name, position)) for position, name in sorted(won)] == rows(opened())
        assert len(won) == self.contended

    def test_what_a_killed_process_was_told_is_there_is_there(self, storage: Storage, opened: Open) -> None:
        told: list[Row] = []
        for number in range(self.kills):
            with self.writer(storage, name := f"w{number}", "1000000", "2000") as writer:
                _begin(writer)
                assert writer.stdout is not None
                lines = [writer.stdout.readline() for _ in range(3 * number + 1)]
                time.sleep(0.002 * number)
                writer.kill()
                lines += writer.stdout.readlines()
            whole = [int(line.split()[1]) for line in lines if line.endswith("\n")]
            told += [(position, content(name, position, 2_000)) for position in whole]
        found = rows(opened(), WHOLE)
        assert [position for position, _ in found] == list(range(1, len(found) + 1))
        assert set(told) <= set(found)
        assert len(found) <= len(told) + self.kills, "a batch that nobody was told of can only be the last of a process"
        assert all(batch == content(batch.split()[0].decode(), at, 2_000) for at, batch in found)
        opened().append(len(found) + 1, b"the next")

    @contextmanager
    def writer(
        self, storage: Storage, name: str, last: str | None = None, size: str = "0"
    ) -> Iterator[subprocess.Popen[str]]:
        """Another process that writes to the log `acme/default`, killed at the end; see `testing.writer`."""
        command = [sys.executable, "-m", "reconciler.testing.writer", self.opener, storage.url, LOG]
        with subprocess.Popen(  # noqa: S603 - this interpreter, with what the test was given
            [*command, name, last or str(self.contended), size],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
                yield process
            finally:
                process.kill()


def _begin(writer: subprocess.Popen[str]) -> None:
    assert writer.stdin is not None
    writer.stdin.write("go\n")
    writer.stdin.flush()
