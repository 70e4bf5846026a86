"""What every backend promises, and what SQLite adds to it."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.model.errors import Conflict, StateError, Usage
from reconciler.model.ports import Backend
from reconciler.state.backends import WHOLE, open_backend

Open = Callable[..., Backend]


def rows(backend: Backend, after: int = 0) -> list[tuple[int, bytes]]:
    return list(backend.read(after)[1])


class BackendContract:
    """The promises of `model.ports.Backend`; a subclass provides the fixture `opened`.

    `opened(log)` opens another handle on the same storage each time, for the log of that name.
    """

    @pytest.fixture
    def opened(self) -> Open:
        raise NotImplementedError

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


class TestSqlite(BackendContract):
    @pytest.fixture
    def opened(self, tmp_path: Path) -> Iterator[Open]:
        made: list[Backend] = []

        def make(log: str = "acme/default") -> Backend:
            made.append(open_backend(f"sqlite:{tmp_path / 'deep' / 'er' / 'state.db'}", log))
            return made[-1]

        yield make
        for backend in made:
            backend.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def backend(path: Path) -> Iterator[Backend]:
    made = open_backend(f"sqlite:{path}", "acme/default")
    yield made
    made.close()


def query(path: Path, *statements: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(path)
    try:
        found = [row for statement in statements for row in db.execute(statement)]
        db.commit()
        return found
    finally:
        db.close()


def test_reading_creates_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    backend = open_backend("sqlite:.reconciler/state.db", "acme/default")
    assert rows(backend) == []
    assert list(tmp_path.iterdir()) == []
    backend.append(1, b"a")
    backend.close()
    assert [found.name for found in (tmp_path / ".reconciler").iterdir()] == ["state.db"]


def test_a_handle_stays_with_its_file_when_the_working_directory_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    backend = open_backend("sqlite:state.db", "acme/default")
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    backend.append(1, b"a")
    backend.close()
    assert (tmp_path / "state.db").exists()


@pytest.mark.parametrize("name", ["state?.db", "state#1.db", "sta te%20.db", "żółć.db"])
def test_any_file_name_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    backend = open_backend(f"sqlite:{tmp_path / name}", "acme/default")
    backend.append(1, b"a")
    backend.close()
    assert [found.name for found in tmp_path.iterdir()] == [name]


def test_the_file_says_what_it_is_and_syncs_fully(path: Path, backend: Backend) -> None:
    backend.append(1, b"a")
    assert query(path, "PRAGMA application_id", "PRAGMA user_version", "PRAGMA journal_mode") == [
        (int.from_bytes(b"rclr", "big"),),
        (1,),
        ("wal",),
    ]
    assert backend._db.execute("PRAGMA synchronous").fetchone() == (2,)  # type: ignore[attr-defined]


def refused(act: Callable[[], object], *said: str) -> None:
    with pytest.raises(StateError) as caught:
        act()
    assert not isinstance(caught.value, Conflict)
    assert all(word in caught.value.message for word in said), caught.value.message
    assert caught.value.hint


def test_a_newer_file_is_refused(path: Path, backend: Backend) -> None:
    backend.append(1, b"a")
    backend.close()
    query(path, "PRAGMA user_version = 2")
    refused(lambda: backend.read(0), str(path), "newer version")
    refused(lambda: backend.append(2, b"b"), str(path), "newer version")


@pytest.mark.parametrize("statement", ["CREATE TABLE t (x)", "PRAGMA user_version = 1", "PRAGMA application_id = 7"])
def test_the_database_of_another_program_is_left_alone(path: Path, backend: Backend, statement: str) -> None:
    query(path, statement)
    before = path.read_bytes()
    refused(lambda: backend.read(0), str(path), "another program")
    refused(lambda: backend.append(1, b"a"), str(path), "another program")
    backend.close()
    assert len(path.read_bytes()) == len(before)


def test_an_empty_file_is_an_empty_log(path: Path, backend: Backend) -> None:
    path.touch()
    assert rows(backend) == []
    assert path.read_bytes() == b""
    backend.append(1, b"a")
    assert rows(backend) == [(1, b"a")]


def test_what_is_no_database_is_refused(path: Path, backend: Backend) -> None:
    path.write_text("hello " * 1_000)
    refused(lambda: backend.read(0), str(path), "not an SQLite database")
    refused(lambda: backend.append(1, b"a"), str(path), "not an SQLite database")


def test_a_folder_is_no_file(path: Path, backend: Backend) -> None:
    path.mkdir()
    refused(lambda: backend.read(0), str(path), "cannot be opened")
    refused(lambda: backend.append(1, b"a"), str(path), "cannot be opened")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    backend = open_backend(f"sqlite:{tmp_path}/taken/state.db", "acme/default")
    refused(lambda: backend.append(1, b"a"), "taken/state.db")


def test_a_file_that_is_removed_or_replaced_takes_no_more(path: Path, backend: Backend) -> None:
    backend.append(1, b"a")
    path.rename(path.with_suffix(".old"))
    refused(lambda: backend.append(2, b"b"), str(path), "moved or removed")
    path.touch()
    refused(lambda: backend.append(2, b"b"), str(path), "moved or removed")


def test_a_missing_last_batch_is_missed(path: Path, backend: Backend) -> None:
    for position in (1, 2, 3):
        backend.append(position, b"x")
    backend.close()
    query(path, "DELETE FROM batches WHERE position = 3")
    refused(lambda: backend.read(0), str(path), "should end at 3, but ends at 2")


def test_a_batch_that_vanishes_while_it_is_read_is_missed(path: Path, backend: Backend) -> None:
    backend.append(1, b"a")
    backend.append(2, b"b")
    batches = backend.read(0)[1]
    query(path, "DELETE FROM batches WHERE position = 2")
    refused(lambda: list(batches), str(path), "should end at 2, but ends at 1")


def test_a_checkpoint_that_comes_after_the_end_is_left_out(backend: Backend) -> None:
    backend.append(1, b"a")
    backend.close()
    backend.checkpoint(1, b"s")
    assert backend.read(0)[0] is None


def test_a_value_of_another_type_is_damage_not_a_traceback(path: Path, backend: Backend) -> None:
    backend.append(1, b"x")
    backend.append(2, b"x")
    backend.checkpoint(1, b"s")
    backend.close()
    query(path, "UPDATE checkpoints SET snapshot = 'text'")
    assert backend.read(0)[0] is None
    backend.close()
    query(path, "UPDATE batches SET batch = 'text' WHERE position = 2")
    refused(lambda: rows(backend), str(path), "what follows position 1 is no batch")


def test_damage_that_sqlite_cannot_put_into_words_is_damage(path: Path, backend: Backend) -> None:
    backend.append(1, b"a")
    backend.close()
    path.write_bytes(path.read_bytes().replace(b"sqlite_autoindex_logs", b"sqlite_autoindex_\xffogs"))
    refused(lambda: backend.read(0), str(path), "is damaged")


def test_somebody_who_never_lets_go_is_named_as_the_cause(
    path: Path, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.state.backends.sqlite._PATIENCE", 0.05)
    query(path, "PRAGMA journal_mode = DELETE", "CREATE TABLE t (x)", "DROP TABLE t")
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    refused(lambda: backend.append(1, b"a"), str(path), "in use by another process")
    blocker.close()
    backend.append(1, b"a")
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    refused(lambda: backend.append(2, b"b"), str(path), "in use by another process")
    blocker.close()
    backend.append(2, b"b")


LIMITED = """
import resource, signal, sys
from reconciler.model.errors import StateError
from reconciler.state.backends import open_backend
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
backend = open_backend("sqlite:" + sys.argv[1], "acme/default")
backend.append(1, b"a")
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
position = 2
try:
    while True:
        backend.append(position, b"x" * 20_000)
        position += 1
except StateError as error:
    print(position, error.message)
print(len(list(backend.read(0)[1])))
"""


def test_a_file_that_cannot_grow_keeps_what_it_has(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED, path], capture_output=True, text=True, check=True)
    failure, kept = done.stdout.splitlines()
    position = int(failure.split()[0])
    assert str(path) in failure
    assert int(kept) == position - 1
    again = open_backend(f"sqlite:{path}", "acme/default")
    assert len(rows(again)) == position - 1
    again.append(position, b"x" * 20_000)
    again.close()


def test_a_full_disk_is_called_a_full_disk(path: Path, backend: Backend) -> None:
    backend.append(1, b"a")
    backend._db.execute("PRAGMA max_page_count = 10")  # type: ignore[attr-defined]
    refused(lambda: backend.append(2, b"x" * 200_000), str(path), "the disk is full")
    assert rows(backend) == [(1, b"a")]


NOBODY = """
import os, sys, urllib.parse  # what is loaded on first use may be out of reach later
from reconciler.model.errors import StateError
from reconciler.state.backends import open_backend
backend = open_backend("sqlite:" + sys.argv[1], "acme/default")
if os.getuid() == 0:
    os.setuid(65534)
try:
    print(len(list(backend.read(0)[1])))
except StateError as error:
    print(error.message)
try:
    backend.append(2, b"x")
except StateError as error:
    print(error.message)
"""


def test_many_who_make_the_file_at_once_see_it_as_theirs(tmp_path: Path) -> None:
    for attempt in range(20):
        told: list[str] = []

        def write(url: str = f"sqlite:{tmp_path}/{attempt}.db", told: list[str] = told) -> None:
            backend = open_backend(url, "acme/default")
            try:
                backend.append(1, b"first")
                told.append("first")
            except StateError as error:
                told.append(type(error).__name__)
            backend.close()

        writers = [threading.Thread(target=write) for _ in range(8)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert sorted(told) == ["Conflict"] * 7 + ["first"]


def test_a_file_that_may_only_be_read_is_called_that() -> None:
    folder = Path(tempfile.mkdtemp())  # other users cannot reach into pytest's folders
    try:
        path = folder / "state.db"
        backend = open_backend(f"sqlite:{path}", "acme/default")
        backend.append(1, b"a")
        backend.close()
        path.chmod(0o444)
        folder.chmod(0o555)
        done = subprocess.run([sys.executable, "-c", NOBODY, path], capture_output=True, text=True, check=True)
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
    first, second = done.stdout.splitlines()
    assert (
        first == second == f"The state file {path} or its folder may not be written, which SQLite needs even to read."
    )


def test_urls_that_cannot_be_opened_name_what_can() -> None:
    for url in (
        "postgresql://ann:secret@host/db",
        "s3://bucket",
        "git:origin",
        "state.db",
        "",
        "sqlite:",
        "sqlite:a\0b",
    ):
        with pytest.raises(Usage) as caught:
            open_backend(url, "acme/default")
        assert "sqlite:" in caught.value.hint
        assert "secret" not in caught.value.message + caught.value.hint
    with pytest.raises(Usage, match="This version cannot keep its state in 'postgresql'"):
        open_backend("postgresql://host/db", "acme/default")


def test_sigkill_at_any_moment_keeps_what_was_acknowledged(path: Path) -> None:
    writer = Path(__file__).parent / "writer.py"
    acknowledged: set[str] = set()
    for number in range(6):
        process = subprocess.Popen(
            [sys.executable, writer, path, "append", f"w{number}"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(7 * number + 1):
            acknowledged.add(process.stdout.readline().strip())
        os.kill(process.pid, signal.SIGKILL)
        acknowledged.update(line.strip() for line in process.stdout if line.endswith("\n"))
        process.wait()
        process.stdout.close()
    backend = open_backend(f"sqlite:{path}", "acme/default")
    kept = b"".join(batch for _, batch in rows(backend)).decode()
    backend.close()
    assert len(acknowledged) >= 6
    assert all(f'"operation":"{operation}"' in kept for operation in acknowledged)
