"""The `-wal` file that somebody who was killed has left: whole, unfinished, in use, or damaged."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from reconciler.model.errors import StateError
from reconciler.state.backends import WHOLE, open_backend
from reconciler.state.backends.sqlite_wal import is_damaged

LOG = "acme/default"
HEADER, FRAME = 32, 24 + 4096
COUNT = 6

KILLED = """
import os, signal, sys
from reconciler.state.backends import open_backend
backend = open_backend(sys.argv[1], "acme/default")
for position in range(1, 7):
    backend.append(position, b"batch %d" % position * 500)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that somebody left who was killed after the last append."""
    folder = tmp_path_factory.mktemp("killed")
    subprocess.run([sys.executable, "-c", KILLED, f"sqlite:{folder}/state.db"], check=False)
    assert (folder / "state.db-wal").stat().st_size > HEADER + COUNT * FRAME
    return folder


@pytest.fixture
def left(killed: Path, tmp_path: Path) -> Path:
    """A copy of the database file; the other is beside it."""
    for name in ("state.db", "state.db-wal"):
        shutil.copy(killed / name, tmp_path / name)
    return tmp_path / "state.db"


def wal(left: Path) -> Path:
    return left.with_name("state.db-wal")


def positions(left: Path) -> list[int]:
    with closing(open_backend(f"sqlite:{left}", LOG)) as backend:
        return [position for position, _ in backend.read(WHOLE)[1]]


def test_what_is_whole_is_read(left: Path) -> None:
    assert not is_damaged(wal(left))
    assert positions(left) == list(range(1, COUNT + 1))


def test_a_file_that_is_not_there_or_empty_is_not_damaged(tmp_path: Path) -> None:
    assert not is_damaged(tmp_path / "none")
    (tmp_path / "empty").touch()
    assert not is_damaged(tmp_path / "empty")


def test_a_flipped_bit_anywhere_is_found(left: Path) -> None:
    data = wal(left).read_bytes()
    for at in [*range(0, HEADER + 24, 5), *range(HEADER, len(data) - FRAME, 3001), len(data) - FRAME - 1]:
        wal(left).write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert is_damaged(wal(left)), at


@pytest.mark.parametrize("at", [HEADER + 7, HEADER + FRAME + 100])
def test_bytes_that_came_or_went_are_found(left: Path, at: int) -> None:
    data = wal(left).read_bytes()
    for changed in (data[:at] + data[at + 1 :], data[:at] + b"x" + data[at:], data[:at] + data[at + FRAME :]):
        wal(left).write_bytes(changed)
        assert is_damaged(wal(left))


def test_a_last_transaction_that_was_never_finished_is_left_out(left: Path) -> None:
    """However much of it there is, and whatever an earlier use of the file has left behind it."""
    data = wal(left).read_bytes()[:-FRAME]  # the page that ends it stands there twice
    assert not is_damaged(wal(left))
    for cut in range(1, 2 * FRAME, 201):
        for behind in (b"", bytes(2 * FRAME), b"\1" * 2 * FRAME):
            wal(left).write_bytes(data[:-cut] + behind)
            assert not is_damaged(wal(left)), cut


def test_it_is_refused_and_kept_as_it_is(left: Path) -> None:
    data = bytearray(wal(left).read_bytes())
    data[HEADER + 2 * FRAME + 50] ^= 1
    wal(left).write_bytes(data)
    for _ in range(2):
        with pytest.raises(StateError, match=r"state\.db is damaged: .*state\.db-wal") as error:
            positions(left)
        assert "Restore" in error.value.hint
        assert wal(left).read_bytes() == data


def test_what_the_hint_says_takes_what_is_whole(left: Path) -> None:
    data = bytearray(wal(left).read_bytes())
    data[-FRAME - FRAME // 2] ^= 1
    wal(left).write_bytes(data)
    assert is_damaged(wal(left))
    with closing(sqlite3.connect(left)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert positions(left) == list(range(1, COUNT))


def test_who_is_writing_is_not_taken_for_damage(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    over = threading.Event()

    def write() -> None:
        with closing(open_backend(f"sqlite:{file}", LOG)) as backend:
            for position in range(1, 300):
                backend.append(position, b"x" * 5000)
        over.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not over.is_set():
        assert not is_damaged(wal(file))
    writer.join()
