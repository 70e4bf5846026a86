"""The emulators' memory: JSON documents in SQLite, shared by every process that opens the file."""

from __future__ import annotations

import json
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.model.errors import Broken
from reconciler.model.values import JSONObject

_VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS documents (
  position INTEGER PRIMARY KEY AUTOINCREMENT, collection TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
  UNIQUE (collection, id));
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""


class Store:
    """Documents by collection and id, at `path` or (None) in memory.

    Safe to share between threads and processes.  What a finished transaction wrote survives the
    death of the process (not that of the machine).  Raises Broken when the file is not usable.
    """

    def __init__(self, path: Path | None) -> None:
        self._where = str(path) if path else "memory"
        self._lock = threading.RLock()
        self._depth = 0
        try:
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                str(path) if path else ":memory:", timeout=30, isolation_level=None, check_same_thread=False
            )
            self._end = weakref.finalize(self, self._connection.close)
            self._prepare()
        except (sqlite3.Error, OSError) as error:
            raise Broken(
                f"the sandbox's data in {self._where} cannot be opened: {error}",
                hint="start afresh with `reconciler sandbox reset`",
            ) from error

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        with self.transaction():
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, _VERSION):
                raise sqlite3.DatabaseError(f"it has format {version}, this program writes {_VERSION}")
            for statement in _TABLES.split(";"):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version={_VERSION}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside happens or nothing does; re-entrant, the outermost one decides.

        Raises Broken when somebody else has been writing for half a minute, or nobody may write.
        """
        with self._lock:
            if self._depth:
                yield
                return
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                raise Broken(f"the sandbox's data in {self._where} cannot be written: {error}") from error
            self._depth = 1
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            finally:
                self._depth = 0

    def get(self, collection: str, key: str) -> JSONObject | None:
        """Return a fresh copy of one document, or None."""
        with self._lock:
            row = self._connection.execute(
                "SELECT body FROM documents WHERE collection=? AND id=?", (collection, key)
            ).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, collection: str, key: str, doc: JSONObject) -> None:
        """Write a document; one that exists is replaced and keeps its place in the order."""
        with self.transaction():
            self._connection.execute(
                "INSERT INTO documents (collection, id, body) VALUES (?, ?, ?)"
                " ON CONFLICT (collection, id) DO UPDATE SET body=excluded.body",
                (collection, key, json.dumps(doc, separators=(",", ":"))),
            )

    def delete(self, collection: str, key: str) -> bool:
        """Remove a document; False when there was none."""
        with self.transaction():
            cursor = self._connection.execute("DELETE FROM documents WHERE collection=? AND id=?", (collection, key))
        return cursor.rowcount > 0

    def all(self, collection: str) -> list[JSONObject]:
        """Return fresh copies of a collection's documents, in the order they were first put."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT body FROM documents WHERE collection=? ORDER BY position", (collection,)
            ).fetchall()
        return [json.loads(body) for (body,) in rows]

    def next(self, name: str) -> int:
        """Return the next number of a counter; the first is 1, none is given twice (unless rolled back)."""
        with self.transaction():
            (value,) = self._connection.execute(
                "INSERT INTO counters VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value=value+1 RETURNING value",
                (name,),
            ).fetchone()
        return int(value)

    def close(self) -> None:
        """Release the file; the documents stay."""
        with self._lock:
            self._connection.close()
