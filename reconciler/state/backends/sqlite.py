"""One SQLite file for any number of logs: the embedded default, safe for several processes on one machine."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from reconciler.model.errors import StateError, Unreachable, Usage
from reconciler.state.backends.sqlite_wal import is_damaged
from reconciler.state.backends.tables import Tables

_APPLICATION: Final = 0x72636C72  # "rclr": tells our files from other SQLite databases
_VERSION: Final = 1
_PATIENCE: Final = 30.0  # seconds that a writer waits for the others; each of them needs milliseconds

_SCHEMA: Final = (
    "PRAGMA journal_mode = OFF",  # nobody else sees the file yet
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",  # macOS syncs only to the drive's own memory without it
    "BEGIN",
    "CREATE TABLE logs (log TEXT PRIMARY KEY, position INTEGER NOT NULL)",
    "CREATE TABLE batches (log TEXT NOT NULL, position INTEGER NOT NULL, batch BLOB NOT NULL, UNIQUE (log, position))",
    "CREATE TABLE checkpoints (log TEXT PRIMARY KEY, position INTEGER NOT NULL, snapshot BLOB NOT NULL)",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {_VERSION}",
    "COMMIT",
)
_MARKS: Final = "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version"
_FIRST: Final = "INSERT INTO logs (log, position) VALUES (:log, :position) ON CONFLICT DO NOTHING"
_NEXT: Final = "UPDATE logs SET position = :position WHERE log = :log AND position = :position - 1"

_EMPTY: Final = "Restore it from a copy; remove it if nothing was ever recorded there."
_ALONE: Final = (
    "Put it back, or restore it from a copy; remove what is left beside it if nothing was ever recorded there."
)
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

    Reading creates nothing; the first append creates the file, which appears when it is whole, and its folder: an empty
    file is a damaged one.  Where nothing may be written, the file can be read all the same, unless a `-wal` file is
    left beside it.  The path is relative to the working directory.  What was trimmed makes the file smaller, at the
    latest when everybody has closed it.
    """

    page = (
        "SELECT position, batch FROM batches WHERE log = :log AND position > :after AND position <= :last"
        " ORDER BY position LIMIT 100"
    )

    def __init__(self, path: str, log: str) -> None:
        if "\0" in path or os.path.basename(path) in ("", ".", ".."):  # noqa: PTH119 - Path drops a slash at the end
            raise Usage("The state URL names no file.", "Write for example sqlite:.reconciler/state.db")
        super().__init__(log, f"state file {path}", _RESTORE)
        self._path = Path(path).absolute()
        self._file: os.stat_result

    def append(self, position: int, batch: bytes) -> None:
        """As the port says; on return the batch has reached the disk."""
        with self._used():
            if position == 1:
                _make_folder(self._path.parent)
                if self._is_missing():
                    _make(self._path)
                _sync(self._path.parent)  # also when somebody was quicker, who may be killed before
            db = self._connection()
            self._stay()
            db.execute("PRAGMA synchronous = EXTRA")  # FULL syncs no folder before the file is in WAL mode
            db.execute("PRAGMA fullfsync = ON")
            with db:
                db.execute("BEGIN IMMEDIATE")
                self._check(db)
                if self._do(_FIRST if position == 1 else _NEXT, position=position).rowcount != 1:
                    raise self._taken(position)
                self._do("INSERT INTO batches VALUES (:log, :position, :batch)", position=position, batch=batch)
            with suppress(sqlite3.OperationalError):  # somebody else uses the file just now: then the next one does it
                db.execute("PRAGMA journal_mode = WAL")

    def _there(self) -> bool:
        if self._db is None and self._is_missing():
            return False
        try:
            self._check(self._connection())
        except sqlite3.OperationalError as error:
            forbidden = _code(error) in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
            if not forbidden or self._rest.exists() or not self._path.is_file():
                raise
            self.close()  # SQLite has left nothing to be done, and may do nothing: the file is taken as it is
            self._check(self._connection("ro&immutable=1"))
        self._stay()
        return True

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
            if self._path.is_file() and not self._path.stat().st_size:  # SQLite takes it for new
                raise self._refusal("is empty: it was cut off, or is not ours", _EMPTY)
            uri = f"{self._path.as_uri()}?mode={mode}&psow=0"
            db = sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
            db.text_factory = bytearray  # nothing of ours is text: what became it is damaged, and need not be UTF-8
            self._db, self._file = db, self._path.stat()
        return self._db

    @property
    def _rest(self) -> Path:
        """Where SQLite keeps what is not yet in the file itself."""
        return self._path.with_name(f"{self._path.name}-wal")

    def _is_missing(self) -> bool:
        """Whether the file is not there; StateError when SQLite's files beside it are: without it they are nothing, and
        with another one they are damage."""
        rests = [rest.name for end in ("-wal", "-journal") if (rest := Path(f"{self._path}{end}")).exists()]
        if self._path.exists():
            return False
        if rests:
            raise self._refusal(f"is gone, but {' and '.join(rests)} is there", _ALONE)
        return True

    def _check(self, db: Any) -> None:
        """Raise StateError unless our tables are there."""
        application, version = db.execute(_MARKS).fetchone()
        if application != _APPLICATION:
            raise self._refusal("is an SQLite database of another program", "Check the state URL.")
        if version != _VERSION:
            raise self._refusal("was written by a newer version of the program", "Install that version or a later one.")

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
    _sync(folder.parent)


def _make(path: Path) -> None:
    """Let a file without logs have its name, unless somebody was quicker: it is whole from the first moment on, for
    one that was cut off must not look like a new one."""
    path = Path(os.path.realpath(path))
    made = path.with_name(f".reconciler-{secrets.token_hex(8)}")
    try:
        with closing(sqlite3.connect(made, isolation_level=None)) as db:
            for statement in _SCHEMA:
                db.execute(statement)
        try:
            os.link(made, path)
        except FileExistsError:
            return
        except OSError:  # a file system without hard links
            if not os.path.lexists(path):
                made.rename(path)
    finally:
        made.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Let the names in a folder survive a power cut."""
    if os.name == "posix":
        with suppress(PermissionError):  # a folder of somebody else's, who sees to it
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
