"""One SQLite file for any number of logs: the embedded default, safe for several processes on one machine."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from reconciler.model.errors import Conflict, StateError, Usage

_APPLICATION: Final = 0x72636C72  # "rclr": tells our files from other SQLite databases
_VERSION: Final = 1
_PATIENCE: Final = 30.0  # seconds that a writer waits for the others; each of them needs milliseconds

# `logs` holds how long each log is: a last row that damage has made unreadable is missed, not overlooked.
_SCHEMA: Final = (
    "CREATE TABLE logs (log TEXT PRIMARY KEY, position INTEGER NOT NULL)",
    "CREATE TABLE batches (log TEXT NOT NULL, position INTEGER NOT NULL, batch BLOB NOT NULL, UNIQUE (log, position))",
    "CREATE TABLE checkpoints (log TEXT PRIMARY KEY, position INTEGER NOT NULL, snapshot BLOB NOT NULL)",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {_VERSION}",
)

_RESTORE: Final = "Restore it from a copy, and remove the `-wal` and `-shm` files beside it."
_CAUSES: Final = {
    sqlite3.SQLITE_BUSY: ("is in use by another process that does not let go", "Wait for it to end, then try again."),
    sqlite3.SQLITE_FULL: ("cannot grow: the disk is full", "Make room, then try again."),
    sqlite3.SQLITE_READONLY: (
        "or its folder may not be written, which SQLite needs even to read",
        "Allow this user to write to both.",
    ),
    sqlite3.SQLITE_PERM: ("may not be used by this user", "Allow reading and writing the file and its folder."),
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened",
        "Check that it is a file, and that it and its folder may be written.",
    ),
    sqlite3.SQLITE_NOTADB: ("is not an SQLite database", "Check the state URL, or restore the file from a copy."),
    sqlite3.SQLITE_CORRUPT: ("is damaged", _RESTORE),
}


class SqliteBackend:
    """One log in an SQLite file in WAL mode with full synchronisation; a Backend.

    Reading creates nothing; the first append creates the file and its folder.  The path is relative to the
    working directory.
    """

    def __init__(self, path: str, log: str) -> None:
        if not path or "\0" in path:
            raise Usage("The state URL names no file.", "Write for example sqlite:.reconciler/state.db")
        self._path = Path(path).absolute()
        self._name = path
        self._log = log
        self._db: sqlite3.Connection | None = None
        self._file: os.stat_result | None = None
        self._lock = threading.RLock()

    def read(self, after: int) -> tuple[tuple[int, bytes] | None, Iterable[tuple[int, bytes]]]:
        """As the port says; `after` below zero leaves the checkpoint out."""
        with self._used():
            if not self._path.exists():
                return None, ()
            db = self._connection("rw")
            if not self._is_ours(db):
                return None, ()
            last, said = db.execute(
                "SELECT ifnull((SELECT max(position) FROM batches WHERE log = ?), 0),"
                " ifnull((SELECT position FROM logs WHERE log = ?), 0)",
                (self._log, self._log),
            ).fetchone()
            if last != said:
                raise self._refusal(f"is damaged: the log should end at {said}, but ends at {last}", _RESTORE)
            found = None
            if after >= 0:
                found = db.execute(
                    "SELECT position, snapshot FROM checkpoints WHERE log = ? AND position > ? AND position <= ?",
                    (self._log, after, last),
                ).fetchone()
                if found is not None and type(found[1]) is not bytes:
                    found = None  # damaged; it only saved time
            return found, self._batches(found[0] if found else max(after, 0), last)

    def append(self, position: int, batch: bytes) -> None:
        """As the port says; on return the batch has reached the disk."""
        with self._used():
            if position == 1:
                _make_folder(self._path.parent)
            db = self._connection("rwc" if position == 1 else "rw")
            if not self._is_ours(db):
                _patiently(lambda: db.execute("PRAGMA journal_mode = WAL"))
            if not self._in_place():
                raise self._refusal("was moved or removed while it was in use", "Put it back, then try again.")
            db.execute("BEGIN IMMEDIATE")
            try:
                if not self._is_ours(db):
                    for statement in _SCHEMA:
                        db.execute(statement)
                if position == 1:
                    claim = "INSERT INTO logs (log, position) VALUES (:log, :position) ON CONFLICT DO NOTHING"
                else:
                    claim = "UPDATE logs SET position = :position WHERE log = :log AND position = :position - 1"
                if db.execute(claim, {"log": self._log, "position": position}).rowcount != 1:
                    raise Conflict(f"Position {position} of the log in {self._name} is not free.")
                db.execute("INSERT INTO batches VALUES (?, ?, ?)", (self._log, position, batch))
                db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
                raise

    def checkpoint(self, position: int, snapshot: bytes) -> None:
        with self._used():
            if self._db is None:
                return  # closed since the append that it follows
            self._db.execute(
                "INSERT INTO checkpoints VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
                " SET position = excluded.position, snapshot = excluded.snapshot"
                " WHERE excluded.position > checkpoints.position",
                (self._log, position, snapshot),
            )

    def trim(self, position: int) -> None:
        with self._used():
            if self._path.exists() and self._is_ours(db := self._connection("rw")):
                db.execute("DELETE FROM batches WHERE log = ? AND position < ?", (self._log, position))

    def close(self) -> None:
        with self._used():
            if self._db is not None:
                self._db.close()
                self._db = None

    def _batches(self, after: int, last: int) -> Iterator[tuple[int, bytes]]:
        while after < last:
            page = self._page(after, last)
            if not page:
                raise self._refusal(f"is damaged: the log should end at {last}, but ends at {after}", _RESTORE)
            for position, batch in page:
                if type(position) is not int or type(batch) is not bytes:
                    raise self._refusal(f"is damaged: what follows position {after} is no batch", _RESTORE)
                yield position, batch
                after = position

    def _page(self, after: int, last: int) -> list[tuple[int, bytes]]:
        """Some batches at a time, so that no statement stays open while they are looked at."""
        with self._used():
            return (
                self._connection("rw")
                .execute(
                    "SELECT position, batch FROM batches WHERE log = ? AND position > ? AND position <= ?"
                    " ORDER BY position LIMIT 100",
                    (self._log, after, last),
                )
                .fetchall()
            )

    def _connection(self, mode: str) -> sqlite3.Connection:
        """The one connection; `mode` is `rw`, or `rwc` to create the file when it is not there."""
        if self._db is None:
            uri = f"{self._path.as_uri()}?mode={mode}"
            self._db = sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA synchronous = FULL")
            self._file = self._path.stat()
        return self._db

    def _is_ours(self, db: sqlite3.Connection) -> bool:
        """Whether our tables are there; False for an empty file, StateError for anything else."""
        application, version, tables = self._marks(db)
        if application == _APPLICATION:
            if version != _VERSION:
                raise self._refusal(
                    "was written by a newer version of the program", "Install that version or a later one."
                )
            return True
        if application or version or tables:
            raise self._refusal("is an SQLite database of another program", "Check the state URL.")
        return False

    def _marks(self, db: sqlite3.Connection) -> tuple[int, int, int]:
        """Whose file it is, which format and how many tables it has, all at one moment: another process may
        just be making it."""
        alone = not db.in_transaction
        if alone:
            db.execute("BEGIN")
        try:
            (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            (application,) = db.execute("PRAGMA application_id").fetchone()
            (version,) = db.execute("PRAGMA user_version").fetchone()
        finally:
            if alone:
                db.execute("ROLLBACK")
        return application, version, tables

    def _in_place(self) -> bool:
        """Whether the path still leads to the file that is open: what is written to a removed one is lost."""
        try:
            return self._file is not None and os.path.samestat(self._file, self._path.stat())
        except FileNotFoundError:
            return False

    def _refusal(self, what: str, hint: str) -> StateError:
        return StateError(f"The state file {self._name} {what}.", hint)

    @contextmanager
    def _used(self) -> Iterator[None]:
        """One thread at a time; what SQLite or the machine says becomes a StateError that says what to do."""
        try:
            with self._lock:
                yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the upper bits only refine it
            what, hint = _CAUSES.get(code, (f"cannot be used: {error}", "Check the disk and the file."))
            raise self._refusal(what, hint) from error
        except UnicodeDecodeError as error:  # damage that SQLite cannot even put into words
            raise self._refusal(*_CAUSES[sqlite3.SQLITE_CORRUPT]) from error
        except OSError as error:
            hint = "Check the state URL, and that the folder may be written."
            raise self._refusal(f"cannot be used: {error.strerror}", hint) from error


def _patiently(act: Callable[[], object]) -> None:
    """Do what SQLite refuses without waiting while others are at it: changing the journal mode."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            act()
            return
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, so that a power cut does not take them away again."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    if os.name == "posix":
        descriptor = os.open(folder.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
