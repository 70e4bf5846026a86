"""One SQLite file for any number of logs: the embedded default, safe for several processes on one machine."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from reconciler.model.errors import Conflict, StateError, Unreachable, Usage

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
_MARKS: Final = (
    "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)"
    " FROM pragma_application_id, pragma_user_version"
)
_FIRST: Final = "INSERT INTO logs (log, position) VALUES (?1, ?2) ON CONFLICT DO NOTHING"
_NEXT: Final = "UPDATE logs SET position = ?2 WHERE log = ?1 AND position = ?2 - 1"

_RESTORE: Final = "Restore it from a copy, and remove the `-wal` and `-shm` files beside it."
_WRITABLE: Final = "Allow this user to write to both; while a `-wal` file is beside it, even reading needs that."
_CAUSES: Final = {
    sqlite3.SQLITE_BUSY: ("is in use by another process that does not let go", "Wait for it to end, then try again."),
    sqlite3.SQLITE_FULL: ("cannot grow: the disk is full", "Make room, then try again."),
    sqlite3.SQLITE_READONLY: ("or its folder may not be written", _WRITABLE),
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

    Reading creates nothing; the first append creates the file and its folder.  Where nothing may be written, the file
    can be read all the same, unless a `-wal` file is left beside it.  The path is relative to the working directory.
    """

    def __init__(self, path: str, log: str) -> None:
        if not path or "\0" in path:
            raise Usage("The state URL names no file.", "Write for example sqlite:.reconciler/state.db")
        self._path = Path(path).absolute()
        self._name = path
        self._log = log
        self._db: sqlite3.Connection | None = None
        self._file: os.stat_result
        self._lock = threading.RLock()

    def read(self, after: int) -> tuple[tuple[int, bytes] | None, Iterable[tuple[int, bytes]]]:
        """As the port says; `after` below zero leaves the checkpoint out."""
        with self._used():
            db = self._existing()
            if db is None:
                return None, ()
            last, said = db.execute(
                "SELECT ifnull((SELECT max(position) FROM batches WHERE log = ?1), 0),"
                " ifnull((SELECT position FROM logs WHERE log = ?1), 0)",
                (self._log,),
            ).fetchone()
            if last != said:
                raise self._refusal(f"is damaged: the log should end at {said}, but ends at {last}", _RESTORE)
            found = db.execute(  # one that is no blob is damaged; it only saved time
                "SELECT position, snapshot FROM checkpoints"
                " WHERE log = ?1 AND 0 <= ?2 AND ?2 < position AND position <= ?3 AND typeof(snapshot) = 'blob'",
                (self._log, after, last),
            ).fetchone()
            return found, self._batches(found[0] if found else max(after, 0), last)

    def append(self, position: int, batch: bytes) -> None:
        """As the port says; on return the batch has reached the disk."""
        with self._used():
            if position == 1:
                _make_folder(self._path.parent)
            db = self._connection("rwc" if position == 1 else "rw")
            self._stay()
            db.execute("PRAGMA synchronous = EXTRA")  # FULL syncs no folder before the file is in WAL mode
            db.execute("PRAGMA fullfsync = ON")  # macOS syncs only to the drive's own memory without it
            with db:
                db.execute("BEGIN IMMEDIATE")
                if not self._is_ours(db):
                    for statement in _SCHEMA:
                        db.execute(statement)
                if db.execute(_FIRST if position == 1 else _NEXT, (self._log, position)).rowcount != 1:
                    raise Conflict(f"Position {position} of the log in {self._name} is not free.")
                db.execute("INSERT INTO batches VALUES (?, ?, ?)", (self._log, position, batch))
            with suppress(sqlite3.OperationalError):  # somebody else uses the file just now: then the next one does it
                db.execute("PRAGMA journal_mode = WAL")

    def checkpoint(self, position: int, snapshot: bytes) -> None:
        with self._used():
            if self._db is not None:  # else it was closed since the append that this follows
                self._db.execute(
                    "INSERT INTO checkpoints VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
                    " SET position = excluded.position, snapshot = excluded.snapshot"
                    " WHERE excluded.position > checkpoints.position",
                    (self._log, position, snapshot),
                )

    def trim(self, position: int) -> None:
        """As the port says; the file becomes smaller, at the latest when everybody has closed it."""
        with self._used():
            db = self._existing()
            if db is None:
                return
            statement = (
                "DELETE FROM batches WHERE log = ?1 AND position < min(?2, (SELECT position FROM logs WHERE log = ?1))"
            )
            if db.execute(statement, (self._log, position)).rowcount:
                with suppress(sqlite3.OperationalError):  # busy or full: the space is left to what comes next
                    db.execute("VACUUM")

    def close(self) -> None:
        with self._used():
            if self._db is not None:
                self._db.close()
                self._db = None

    def _batches(self, after: int, last: int) -> Iterator[tuple[int, bytes]]:
        begun = False
        while after < last:
            for position, batch in self._page(after, last, begun):
                if type(position) is not int or type(batch) is not bytes:
                    raise self._refusal(f"is damaged: what follows position {after} is no batch", _RESTORE)
                yield position, batch
                after = position
            begun = True

    def _page(self, after: int, last: int, begun: bool) -> list[tuple[int, bytes]]:
        """Some batches at a time, so that no statement stays open while they are looked at."""
        with self._used():
            db = self._connection("rw")
            page = db.execute(
                "SELECT position, batch FROM batches WHERE log = ? AND position > ? AND position <= ?"
                " ORDER BY position LIMIT 100",
                (self._log, after, last),
            ).fetchall()
            if not page or (begun and page[0][0] != after + 1):
                (oldest,) = db.execute("SELECT min(position) FROM batches WHERE log = ?", (self._log,)).fetchone()
                if type(oldest) is int and oldest > after + 1:
                    raise Unreachable(f"The log in {self._name} was archived while it was read.", "Try again.")
            if not page:
                raise self._refusal(f"is damaged: the log should end at {last}, but ends at {after}", _RESTORE)
            return page

    def _existing(self) -> sqlite3.Connection | None:
        """The connection to a file that holds logs; None when there is none."""
        if self._db is None and not self._path.exists():
            return None
        try:
            ours = self._is_ours(self._connection("rw"))
        except sqlite3.OperationalError as error:
            rest = self._path.with_name(f"{self._path.name}-wal")
            forbidden = _code(error) in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
            if not forbidden or rest.exists() or not self._path.is_file():
                raise
            self.close()  # SQLite has left nothing to be done, and may do nothing: the file is taken as it is
            ours = self._is_ours(self._connection("ro&immutable=1"))
        self._stay()
        return self._db if ours else None

    def _connection(self, mode: str) -> sqlite3.Connection:
        """The one connection; `mode` is how to open the file when it is not open yet."""
        if self._db is None:
            uri = f"{self._path.as_uri()}?mode={mode}"
            self._db = sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
            self._file = self._path.stat()
        return self._db

    def _is_ours(self, db: sqlite3.Connection) -> bool:
        """Whether our tables are there; False for an empty file, StateError for anything else."""
        application, version, tables = db.execute(_MARKS).fetchone()
        if application != _APPLICATION:
            if application or version or tables:
                raise self._refusal("is an SQLite database of another program", "Check the state URL.")
            return False
        if version != _VERSION:
            raise self._refusal("was written by a newer version of the program", "Install that version or a later one.")
        return True

    def _stay(self) -> None:
        """Refuse a path that no longer leads to the file that is open: what is written to a removed one is lost."""
        with suppress(FileNotFoundError):
            if os.path.samestat(self._file, self._path.stat()):
                return
        raise self._refusal("was moved or removed while it was in use", "Put it back, then try again.")

    def _refusal(self, what: str, hint: str, kind: type[StateError] = StateError) -> StateError:
        return kind(f"The state file {self._name} {what}.", hint)

    @contextmanager
    def _used(self) -> Iterator[None]:
        """One thread at a time; what SQLite or the machine says becomes a StateError that says what to do."""
        try:
            with self._lock:
                yield
        except sqlite3.Error as error:
            what, hint = _CAUSES.get(_code(error), (f"cannot be used: {error}", "Check the disk and the file."))
            busy = _code(error) == sqlite3.SQLITE_BUSY
            raise self._refusal(what, hint, Unreachable if busy else StateError) from error
        except UnicodeDecodeError as error:  # damage that SQLite cannot even put into words
            raise self._refusal(*_CAUSES[sqlite3.SQLITE_CORRUPT]) from error
        except OSError as error:
            hint = "Check the state URL, and that the folder may be written."
            raise self._refusal(f"cannot be used: {error.strerror}", hint) from error


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # the upper bits only refine it


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, so that a power cut does not take them away again: nor one that is there, for
    whoever made it may have been killed before that was sure."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
    if os.name == "posix":
        with suppress(PermissionError):  # a folder of somebody else's, who sees to it
            descriptor = os.open(folder.parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
