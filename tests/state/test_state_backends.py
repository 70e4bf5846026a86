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
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from table_logs import TableStorage

from reconciler.model.errors import Conflict, StateError, Unreachable, Usage
from reconciler.model.ports import Backend
from reconciler.state.backends import WHOLE, open_backend, shown
from reconciler.state.backends.sqlite import SqliteBackend
from reconciler.testing.backends import BackendContract, rows
from reconciler.testing.storage import Open, Storage


class Lost(SqliteBackend):
    def append(self, position: int, batch: bytes) -> None:
        super().append(position, batch)
        raise Unreachable("The answer was lost.", "Try again.")


class SqliteStorage(TableStorage):
    """SQLite files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "deep" / "er" / "state.db"
        super().__init__(f"sqlite:{self.file}")

    @contextmanager
    def cut(self) -> Iterator[None]:
        away = self.file.with_suffix(".away")
        self.file.rename(away)
        self.file.mkdir()
        try:
            yield
        finally:
            self.file.rmdir()
            away.rename(self.file)

    @contextmanager
    def lose_answers(self) -> Iterator[None]:
        for backend in self.made:
            backend.__class__ = Lost
        try:
            yield
        finally:
            for backend in self.made:
                backend.__class__ = SqliteBackend

    def _changed(self, statement: str, values: tuple[object, ...]) -> int:
        with closing(sqlite3.connect(self.file, isolation_level=None)) as db:
            return db.execute(statement, values).rowcount


class TestSqlite(BackendContract):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Iterator[SqliteStorage]:
        made = SqliteStorage(tmp_path)
        yield made
        made.close()

    @pytest.mark.usefixtures("uncovered")
    def test_every_damaged_byte_is_found(self, storage: Storage, opened: Open) -> None:
        super().test_every_damaged_byte_is_found(storage, opened)


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
    assert backend._db.execute("PRAGMA synchronous").fetchone() == (3,)  # type: ignore[attr-defined]


def refused(act: Callable[[], object], *said: str, kind: type[StateError] = StateError) -> None:
    with pytest.raises(StateError) as caught:
        act()
    assert type(caught.value) is kind
    assert all(word in caught.value.message for word in said), caught.value.message
    assert caught.value.hint


def test_a_newer_file_is_refused(path: Path, backend: Backend) -> None:
    backend.append(1, b"a")
    backend.close()
    query(path, "PRAGMA user_version = 2")
    refused(lambda: backend.read(0), str(path), "newer version")
    refused(lambda: backend.append(2, b"b"), str(path), "newer version")


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE t (x)", "PRAGMA user_version = 1", "PRAGMA application_id = 7", "VACUUM"]
)
def test_the_database_of_another_program_is_left_alone(path: Path, backend: Backend, statement: str) -> None:
    query(path, statement)
    before = path.read_bytes()
    refused(lambda: backend.read(0), str(path), "another program")
    refused(lambda: backend.append(1, b"a"), str(path), "another program")
    backend.close()
    assert len(path.read_bytes()) == len(before)


def test_an_empty_file_is_not_an_empty_log(path: Path, backend: Backend) -> None:
    path.touch()
    for act in (lambda: rows(backend), lambda: backend.append(1, b"a"), lambda: backend.trim(1)):
        refused(act, str(path), "is empty: it was cut off, or is not ours")
    assert [(file.name, file.read_bytes()) for file in path.parent.iterdir()] == [("state.db", b"")]


@pytest.mark.parametrize("left", ["-wal", "-journal"])
def test_what_is_left_of_a_file_that_is_gone_is_not_an_empty_log(path: Path, backend: Backend, left: str) -> None:
    backend.append(1, b"a")
    backend.append(2, b"b")
    rest = path.with_name(f"{path.name}{left}")
    held = path.with_name(f"{path.name}-wal").read_bytes()
    backend.close()
    path.unlink()
    rest.write_bytes(held)
    for act in (lambda: rows(backend), lambda: backend.append(1, b"a")):
        refused(act, f"state file {path} is gone, but state.db{left} is there")
    assert [(file.name, file.read_bytes()) for file in path.parent.iterdir()] == [(rest.name, held)]


def test_the_file_appears_when_it_is_whole(path: Path, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[list[str], bytes]] = []

    def link(made: Path, target: Path, real: Callable[[Path, Path], None] = os.link) -> None:
        seen.append(([file.name for file in path.parent.iterdir()], made.read_bytes()))
        real(made, target)

    monkeypatch.setattr(os, "link", link)
    backend.append(1, b"a")
    ((names, content),) = seen
    assert path.name not in names
    made = path.with_name("made.db")
    made.write_bytes(content)
    assert rows(open_backend(f"sqlite:{made}", "acme/default")) == []


def test_who_is_quicker_has_made_the_file(path: Path, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(made: Path, target: Path, real: Callable[[Path, Path], None] = os.link) -> None:
        monkeypatch.setattr(os, "link", real)
        other = open_backend(f"sqlite:{path}", "acme/default")
        other.append(1, b"first")
        other.close()
        real(made, target)

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(Conflict):
        backend.append(1, b"second")
    assert rows(backend) == [(1, b"first")]
    backend.close()
    assert [file.name for file in path.parent.iterdir()] == ["state.db"]


def test_a_file_system_without_hard_links_will_do(
    path: Path, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(made: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    backend.append(1, b"a")
    backend.close()
    assert [file.name for file in path.parent.iterdir()] == ["state.db"]
    assert rows(backend) == [(1, b"a")]


KILLED = """
import os, signal, sys
from reconciler.state.backends import open_backend
os.link = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
open_backend("sqlite:" + sys.argv[1], "acme/default").append(1, b"a")
"""


def test_who_is_killed_while_the_file_is_made_leaves_nothing_in_the_way(path: Path, backend: Backend) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    assert done.returncode == -signal.SIGKILL
    assert rows(backend) == []
    backend.append(1, b"b")
    assert rows(backend) == [(1, b"b")]


def test_a_link_to_nothing_leads_to_where_the_file_is_made(path: Path, tmp_path: Path, backend: Backend) -> None:
    (tmp_path / "disk").mkdir()
    path.symlink_to(tmp_path / "disk" / "log.db")
    backend.append(1, b"a")
    assert rows(open_backend(f"sqlite:{tmp_path}/disk/log.db", "acme/default")) == [(1, b"a")]


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
    backend.append(1, b"a")
    backend.close()
    query(path, "PRAGMA journal_mode = DELETE")
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    refused(lambda: backend.append(2, b"b"), str(path), "in use by another process", kind=Unreachable)
    blocker.close()
    backend.append(2, b"b")
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    refused(lambda: backend.append(3, b"c"), str(path), "in use by another process", kind=Unreachable)
    blocker.close()
    backend.append(3, b"c")


LIMITED = """
import resource, signal, sys
from reconciler.model.errors import StateError
from reconciler.state.backends import open_backend, shown
from reconciler.state.backends.sqlite import SqliteBackend
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
from reconciler.state.backends import open_backend, shown
from reconciler.state.backends.sqlite import SqliteBackend
backend = open_backend("sqlite:" + sys.argv[1], "acme/default")
if os.getuid() == 0:
    os.setuid(65534)
for act in (lambda: list(backend.read(0)[1]), lambda: backend.append(2, b"x"), lambda: list(backend.read(0)[1])):
    try:
        print(act())
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


@contextmanager
def folder_for_all() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())  # other users cannot reach into pytest's folders
    try:
        yield folder / "state.db"
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def as_nobody(path: Path, *, folder: int = 0o555) -> list[str]:
    """What somebody else is told who reads, writes and reads again."""
    for file in path.parent.iterdir():
        file.chmod(0o444)
    path.parent.chmod(folder)
    done = subprocess.run([sys.executable, "-c", NOBODY, path], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("folder", [0o555, 0o777])
def test_a_file_that_may_only_be_read_can_be_read(folder: int) -> None:
    with folder_for_all() as path:
        backend = open_backend(f"sqlite:{path}", "acme/default")
        backend.append(1, b"a")
        backend.close()
        first, second, third = as_nobody(path, folder=folder)
    assert first == third == "[(1, b'a')]"
    assert second == f"The state file {path} or its folder may not be written."


def test_a_file_that_is_not_all_there_is_not_read_without_the_rest() -> None:
    with folder_for_all() as path:
        backend = open_backend(f"sqlite:{path}", "acme/default")
        backend.append(1, b"a")
        backend.append(2, b"b")
        held = {name: path.with_name(name).read_bytes() for name in ("state.db", "state.db-wal")}
        backend.close()
        for name, content in held.items():  # as a copy of the folder would have them
            path.with_name(name).write_bytes(content)
        first, second, third = as_nobody(path)
    assert first == second == third == f"The state file {path} cannot be opened."


def test_what_is_trimmed_makes_the_file_smaller(path: Path, backend: Backend) -> None:
    for position in range(1, 101):
        backend.append(position, b"x" * 10_000)
    backend.close()
    before = path.stat().st_size
    backend.trim(100)
    backend.close()
    assert before > 1_000_000
    assert path.stat().st_size < 50_000
    assert rows(backend) == [(100, b"x" * 10_000)]


def test_a_position_that_the_log_has_not_reached_keeps_the_last_batch(backend: Backend) -> None:
    backend.append(1, b"a")
    backend.append(2, b"b")
    backend.trim(9)
    assert rows(backend) == [(2, b"b")]


def test_a_checkpoint_from_before_the_beginning_is_left_out(backend: Backend) -> None:
    for position in range(1, 6):
        backend.append(position, b"x")
    backend.checkpoint(2, b"s")
    backend.trim(3)
    assert backend.read(0)[0] == (2, b"s")
    backend.trim(4)
    found, batches = backend.read(0)
    assert (found, list(batches)) == (None, [(4, b"x"), (5, b"x")])


@pytest.mark.parametrize(("taken", "trimmed"), [(0, 151), (1, 101), (1, 102), (100, 151)])
def test_a_reader_that_a_trim_overtakes_is_told_so_or_gets_all(backend: Backend, taken: int, trimmed: int) -> None:
    for position in range(1, 151):
        backend.append(position, b"x")
    begun = iter(backend.read(WHOLE)[1])
    seen = [next(begun) for _ in range(taken)]
    backend.append(151, b"x")
    backend.trim(trimmed)
    if trimmed == 101:
        assert len([*seen, *begun]) == 150
    else:
        with pytest.raises(Unreachable, match="was archived while it was read"):
            list(begun)


def test_urls_that_cannot_be_opened_name_what_can() -> None:
    for url in (
        "mysql://ann:secret@host/db",
        "s4://bucket",
        "state.db",
        "",
        "sqlite:",
        "sqlite:a\0b",
        "sqlite:/",
        "sqlite:.",
        "sqlite:..",
        "sqlite:folder/",
        "sqlite:folder/..",
    ):
        with pytest.raises(Usage) as caught:
            open_backend(url, "acme/default")
        assert "sqlite:" in caught.value.hint
        assert "secret" not in caught.value.message + caught.value.hint
    with pytest.raises(Usage, match="This version cannot keep its state in 'mysql'"):
        open_backend("mysql://host/db", "acme/default")


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


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:a@b?.db", "sqlite:a@b?.db"),
        ("sqlite:///a@b.db", "sqlite:///a@b.db"),
        ("git:origin", "git:origin"),
        ("git:git@host:team/repo.git", "git:git@host:team/repo.git"),
        ("git:https://x:hunter2@host/repo.git", "git:https://host/repo.git"),
        ("postgresql://ann:hunter2@host:5432/db?password=hunter2", "postgresql://host:5432/db"),
        ("postgresql://ann:hunter/2@host/db", "postgresql://host/db"),
        ("postgresql://ann:hunt@er2@host/db", "postgresql://host/db"),
        ("s3://bucket/prefix", "s3://bucket/prefix"),
    ],
)
def test_a_state_url_is_shown_without_what_may_be_secret(url: str, said: str) -> None:
    assert shown(url) == said


@pytest.mark.parametrize(
    ("url", "library", "extra"),
    [("postgresql://h/d", "psycopg", "postgres"), ("s3://bucket", "obstore", "object-store")],
)
@pytest.mark.parametrize("broken", [None, "raise ImportError('no pq wrapper available')"])
def test_a_library_that_is_missing_is_named_with_what_installs_it(
    tmp_path: Path, url: str, library: str, extra: str, broken: str | None
) -> None:
    code = f"import sys; sys.modules[{library!r}] = None\n"
    if broken is not None:
        (tmp_path / f"{library}.py").write_text(broken)
        code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    code += (
        "from reconciler.model.errors import Usage\nfrom reconciler.state.backends import open_backend\n"
        f"try:\n    open_backend({url!r}, 'a/b')\nexcept Usage as error:\n    print(error.message, error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"needs {library}" in done.stdout
    assert f"install reconciler[{extra}]" in done.stdout
