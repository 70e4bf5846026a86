"""One SQLite file for any number of logs: the embedded default, safe for several processes on one machine."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from reconciler.model.errors import StateError, Unreachable, Usage
from reconciler.state.backends.sqlite_wal import is_damaged
from reconciler.state.backends.tables import Tables

_APPLICATION: Final = 0x72636C72  # "rclr": tells our files from other SQLite databases
_VERSION: Final = 1
_PATIENCE: Final = 30.0  # seconds that a writer waits for the others; each of them needs milliseconds

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
_FIRST: Final = "INSERT INTO logs (log, position) VALUES (:log, :position) ON CONFLICT DO NOTHING"
_NEXT: Final = "UPDATE logs SET position = :position WHERE log = :log AND position = :position - 1"

_RESTORE: Final = "Restore it from a copy, and remove the `-wal` and `-shm` files beside it."
_RECOVER: Final = (
    "Restore both files from a copy. Only if the power failed while they were written, take what is whole:"
    " `sqlite3 FILE 'PRAGMA wal_checkpoint(TRUNCATE)'`."
)
_WRITABLE: Final = "Allow this user to write to both; while a `-wal` file is beside it, even reading needs that."
_CAUSES: Final = {
    sqlite3.SQLITE_BUSY: ("is in use by another process that does not let go", "Wait for it to end, then try again."),
    sqlite3.SQLITE_FULL: ("cannot grow: the disk is full", "Make room, then try again."),
    sqlite3.SQLITE_READONLY: ("or its folder may not be written", _WRITABLE),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "Check that it is a file, which may be written, as may its folder."),
    sqlite3.SQLITE_NOTADB: ("is not an SQLite database", "Check the state URL, or restore the file from a copy."),
    sqlite3.SQLITE_CORRUPT: ("is damaged", _RESTORE),
}


class SqliteBackend(Tables):
    """One log in an SQLite file in WAL mode with full synchronisation; a Backend.

    Reading creates nothing; the first append creates the file and its folder.  Where nothing may be written, the file
    can be read all the same, unless a `-wal` file is left beside it.  The path is relative to the working directory.
    What was trimmed makes the file smaller, at the latest when everybody has closed it.
    """

    page = (
        "SELECT position, batch FROM batches WHERE log = :log AND position > :after AND position <= :last"
        " ORDER BY position LIMIT 100"
    )

    def __init__(self, path: str, log: str) -> None:
        if not path or "\0" in path:
            raise Usage("The state URL names no file.", "Write for example sqlite:.reconciler/state.db")
        super().__init__(log, f"state file {path}", _RESTORE)
        self._path = Path(path).absolute()
        self._file: os.stat_result

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
                if self._do(_FIRST if position == 1 else _NEXT, position=position).rowcount != 1:
                    raise self._taken(position)
                self._do("INSERT INTO batches VALUES (:log, :position, :batch)", position=position, batch=batch)
            with suppress(sqlite3.OperationalError):  # somebody else uses the file just now: then the next one does it
                db.execute("PRAGMA journal_mode = WAL")

    def _there(self) -> bool:
        if self._db is None and not self._path.exists():
            return False
        try:
            ours = self._is_ours(self._connection())
        except sqlite3.OperationalError as error:
            forbidden = _code(error) in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
            if not forbidden or self._rest.exists() or not self._path.is_file():
                raise
            self.close()  # SQLite has left nothing to be done, and may do nothing: the file is taken as it is
            ours = self._is_ours(self._connection("ro&immutable=1"))
        self._stay()
        return ours

    def _do(self, statement: str, **values: object) -> Any:
        return self._connection().execute(statement.format(at=""), {"log": self._log, **values})

    def _shrink(self) -> None:
        with suppress(sqlite3.OperationalError):  # busy or full: the space is left to what comes next
            self._connection().execute("VACUUM")

    def _connection(self, mode: str = "rw") -> Any:
        """The one connection; `mode` is how to open the file when it is not open yet."""
        if self._db is None:
            rest = self._rest
            if is_damaged(rest):  # found out before SQLite tidies up and what is left of it is gone
                raise self._refusal(f"is damaged: what was written last cannot be read from {rest.name}", _RECOVER)
            uri = f"{self._path.as_uri()}?mode={mode}&psow=0"
            db = sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
            db.text_factory = bytearray  # nothing of ours is text: what became it is damaged, and need not be UTF-8
            self._db, self._file = db, self._path.stat()
        return self._db

    @property
    def _rest(self) -> Path:
        """Where SQLite keeps what is not yet in the file itself."""
        return self._path.with_name(f"{self._path.name}-wal")

    def _is_ours(self, db: Any) -> bool:
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

    @contextmanager
    def _used(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except sqlite3.Error as error:
            code = _code(error)
            what, hint = _CAUSES.get(code, (f"cannot be used: {error}", "Check the disk, and what may be done there."))
            kind = Unreachable if code == sqlite3.SQLITE_BUSY else StateError
            raise self._refusal(what, hint, kind) from error
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
