"""A PostgreSQL database for any number of logs of any number of projects, in one schema of its own.

Every method is statements that stand alone, so a pooler may hand each to another connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

import psycopg

from reconciler.model.errors import StateError
from reconciler.state.backends.postgres_server import ENTER, Connection, Server
from reconciler.state.backends.tables import Tables

# Each brings the schema from one version to the next, all under one lock and in one transaction.  A later one may
# only add to what `read` asks for: who may not write must be able to read before somebody who may has upgraded.
MIGRATIONS: Final = (
    (
        'CREATE TABLE "reconciler".version (version integer PRIMARY KEY, since timestamptz NOT NULL DEFAULT now())',
        'CREATE TABLE "reconciler".logs (log text PRIMARY KEY, position bigint NOT NULL)',
        'CREATE TABLE "reconciler".batches'
        " (log text NOT NULL, position bigint NOT NULL, batch bytea NOT NULL, PRIMARY KEY (log, position))",
        'CREATE TABLE "reconciler".checkpoints'
        " (log text PRIMARY KEY, position bigint NOT NULL, snapshot bytea NOT NULL)",
    ),
)

_LOCK: Final = int.from_bytes(b"rclrlogs", "big")  # of everybody who migrates in one database
_PAGE: Final = 8 << 20  # bytes that are read at a time, or one batch where that is more

# One statement is one transaction and one round trip.  READ COMMITTED is enough: who waits for the row that another is
# changing looks at it again when that one has ended, and finds it free no more.  The last line is asked when the rows
# are written, before the commit: an answer means that they are on the disk, whatever this role's default is.
_APPEND: Final = """
    WITH claimed AS ({claim} RETURNING position)
    INSERT INTO {{at}}batches (log, position, batch) SELECT :log::text, position, :batch::bytea FROM claimed
    RETURNING CASE WHEN current_setting('synchronous_commit') = 'off'
        THEN set_config('synchronous_commit', 'on', true) END
"""
_FIRST: Final = _APPEND.format(
    claim="""INSERT INTO {at}logs (log, position) SELECT :log::text, 1
    WHERE (SELECT max(version) FROM {at}version) = :version ON CONFLICT DO NOTHING"""
)
_NEXT: Final = _APPEND.format(
    claim="""UPDATE {at}logs SET position = :position WHERE log = :log AND position = :position - 1
    AND (SELECT max(version) FROM {at}version) = :version"""
)

_RESTORE: Final = "Restore the schema `reconciler` from a copy."
_ALLOW: Final = (
    "Reading needs USAGE on the schema `reconciler` and SELECT on its tables; writing, INSERT, UPDATE and DELETE too;"
    " making them, CREATE on the database or an empty schema `reconciler` to own; upgrading them, to own them."
)
_FOREIGN: Final = ("has a schema `reconciler` that is not this program's", "Check the state URL.")
_DAMAGED: Final = ("is damaged", _RESTORE)

# By SQLSTATE or how it begins, the longer first; "PostgreSQL Error Codes" in PostgreSQL's documentation lists them.
_CAUSES: Final[Mapping[str, tuple[str, str]]] = {
    "53100": ("cannot grow: the server's disk is full", "Make room on it, then try again."),
    "25006": (
        "may only be read: the server is a replica, or this role or database is set to read only",
        "Name the primary in the state URL, or all servers: the primary among them is taken.",
    ),
    "42501": ("does not allow this user to do that", _ALLOW),
    "3D000": ("does not exist", ENTER),
    "28": ("does not let this user in", ENTER),
    "42P01": ("lacks some of the tables in the schema `reconciler`", _RESTORE),
    **dict.fromkeys(("42703", "42P07", "42804", "42883"), _FOREIGN),
    **dict.fromkeys(("23", "XX001", "XX002"), _DAMAGED),
}
_LOST: Final = (psycopg.OperationalError, psycopg.InterfaceError)
# The server ends or restarts, is overwhelmed, or another transaction is in the way.
_PASSING: Final = ("08", "40", "53000", "53200", "53300", "55P03", "57", "25P03", "25P04")


class PostgresBackend(Tables):
    """One log in a PostgreSQL database; a Backend.

    Reading creates nothing and needs to be allowed nothing else, so it works with a read-only role and on a replica;
    the first append makes the schema, or upgrades an older one.  A connection is kept between calls, and replaced when
    it was lost.
    """

    # The positions are bounded, not only the rows: what little the planner knows about a log that has just been written
    # must not make it sort the whole of it for every page.
    page = """
        SELECT position, batch FROM (
            SELECT position, batch, sum(octet_length(batch)) OVER (ORDER BY position) - octet_length(batch) AS before
            FROM {at}batches
            WHERE log = :log AND position > :after AND position <= least(:last, :after::bigint + 1000)
        ) AS page WHERE before < :size ORDER BY position
    """

    def __init__(self, rest: str, log: str) -> None:
        self._server = Server(rest)
        super().__init__(log, f"PostgreSQL database {self._server.shown}", _RESTORE)

    def append(self, position: int, batch: bytes) -> None:
        """As the port says; on return the server has the batch on its disk."""
        statement = _FIRST if position == 1 else _NEXT
        values = {"position": position, "batch": batch, "version": len(MIGRATIONS)}
        with self._used():
            with suppress(psycopg.errors.UndefinedTable):
                if self._do(statement, **values).rowcount:
                    return
            if self._version() < len(MIGRATIONS):
                self._migrate(self._db)
            if not self._do(statement, **values).rowcount:  # again: somebody may have migrated since the first time
                raise self._taken(position)

    def _there(self) -> bool:
        return self._version() > 0

    def _do(self, statement: str, **values: object) -> Any:
        said = re.sub(r"(?<!:):(\w+)", r"%(\1)s", statement.format(at='"reconciler".'))
        return self._db.execute(said, {"log": self._log, "size": _PAGE, **values}, binary=True)

    def _version(self) -> int:
        """How many migrations the schema has seen: 0 when it is not there, StateError for more than are known."""
        try:
            ((version,),) = self._do("SELECT coalesce(max(version), 0) FROM {at}version").fetchall()
        except psycopg.errors.UndefinedTable:
            return 0
        if version > len(MIGRATIONS):
            raise self._refusal(
                f"was written by a newer version of the program: its schema is version {version},"
                f" this program knows {len(MIGRATIONS)}",
                "Install that version or a later one.",
            )
        return int(version)

    def _migrate(self, db: Connection) -> None:
        """Make the schema, or what it lacks; whoever else is at it is waited for."""
        with db.transaction():
            db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            if db.execute("SELECT to_regnamespace('reconciler')").fetchone() == (None,):
                db.execute('CREATE SCHEMA "reconciler"')
            made = db.execute("""SELECT to_regclass('"reconciler".version')""").fetchone() != (None,)
            begun = self._version() if made else 0
            for version, statements in enumerate(MIGRATIONS[begun:], begun + 1):
                for statement in statements:
                    db.execute(statement)
                db.execute('INSERT INTO "reconciler".version (version) VALUES (%s)', (version,))

    @contextmanager
    def _used(self) -> Iterator[None]:
        with self._lock:
            try:
                self._db = self._server.connected(self._db)
                yield
            except StateError:
                raise  # said by ourselves: the connection is as good as before
            except BaseException as error:
                lost, self._db = self._db, None
                self._server.leave(lost)
                if isinstance(error, psycopg.Error):
                    raise self._explained(error) from error
                raise

    def _explained(self, error: psycopg.Error) -> StateError:
        state = error.sqlstate
        if state.startswith(_PASSING) if state else isinstance(error, _LOST):
            return self._server.silence(error)
        other = (f"cannot be used: error {state or 'of the client'}", "Ask whoever runs the server.")
        what, hint = next((said for known, said in _CAUSES.items() if (state or "").startswith(known)), other)
        return self._server.refusal(what, hint, error)
