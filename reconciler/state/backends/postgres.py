"""A PostgreSQL database for any number of logs of any number of projects, in one schema of its own.

Every method is statements that stand alone, so a pooler may hand each to another connection.  Hosts, users,
passwords and TLS are libpq's: URL, `PG…` variables, service file, password file.
"""

from __future__ import annotations

import os
import re
import selectors
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar, cast

import psycopg
from psycopg import pq
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from reconciler.model.errors import Conflict, StateError, Unreachable, Usage

T = TypeVar("T")

# Each brings the schema from one version to the next, all under one lock and in one transaction.  A later one may
# only add to what `read` asks for: who may not write must be able to read before somebody who may has upgraded.
# `logs` holds how long each log is, so that a last row which is missing is missed, and so that a position is claimed
# by changing one row.
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
_PATIENCE: Final = 20.0  # seconds without a sign of life, after which nobody is waited for any longer
_PAGE: Final = 8 << 20  # bytes that are read at a time, or one batch where that is more

_VERSION: Final = 'SELECT coalesce(max(version), 0) FROM "reconciler".version'

_READ: Final = """
    SELECT coalesce(held.first, 0), coalesce(held.last, 0), coalesce(logs.position, 0), found.position, found.snapshot
    FROM (SELECT min(position) AS first, max(position) AS last FROM "reconciler".batches WHERE log = %(log)s) AS held
    LEFT JOIN "reconciler".logs ON logs.log = %(log)s
    LEFT JOIN "reconciler".checkpoints AS found ON found.log = %(log)s
        AND %(after)s >= 0 AND found.position > %(after)s AND found.position <= logs.position
"""

# The positions are bounded, not only the rows: what little the planner knows about a log that has just been written
# must not make it sort the whole of it for every page.
_READ_PAGE: Final = """
    SELECT position, batch FROM (
        SELECT position, batch, sum(octet_length(batch)) OVER (ORDER BY position) - octet_length(batch) AS before
        FROM "reconciler".batches
        WHERE log = %(log)s AND position > %(after)s AND position <= least(%(last)s, %(after)s::bigint + 1000)
    ) AS page WHERE before < %(size)s ORDER BY position
"""

# One statement is one transaction and one round trip.  READ COMMITTED is enough: who waits for the row that another is
# changing looks at it again when that one has ended, and finds it free no more.  The last line is asked when the rows
# are written, before the commit: an answer means that they are on the disk, whatever this role's default is.
_APPEND: Final = """
    WITH claimed AS ({claim} RETURNING position)
    INSERT INTO "reconciler".batches (log, position, batch)
    SELECT %(log)s::text, position, %(batch)b::bytea FROM claimed
    RETURNING CASE WHEN current_setting('synchronous_commit') = 'off'
        THEN set_config('synchronous_commit', 'on', true) END
"""

_CLAIM_FIRST: Final = """
    INSERT INTO "reconciler".logs (log, position) SELECT %(log)s::text, 1
    WHERE (SELECT max(version) FROM "reconciler".version) = %(version)s ON CONFLICT DO NOTHING
"""

_CLAIM_NEXT: Final = """
    UPDATE "reconciler".logs SET position = %(position)s WHERE log = %(log)s AND position = %(position)s - 1
    AND (SELECT max(version) FROM "reconciler".version) = %(version)s
"""

_CHECKPOINT: Final = """
    INSERT INTO "reconciler".checkpoints (log, position, snapshot) VALUES (%(log)s, %(position)s, %(snapshot)b)
    ON CONFLICT (log) DO UPDATE SET position = excluded.position, snapshot = excluded.snapshot
    WHERE excluded.position > checkpoints.position
"""

_FIRST: Final = 'SELECT coalesce(min(position), 0) FROM "reconciler".batches WHERE log = %(log)s'

_TRIM: Final = """
    DELETE FROM "reconciler".batches WHERE log = %(log)s
    AND position < least(%(position)s, (SELECT position FROM "reconciler".logs WHERE log = %(log)s))
"""

_RESTORE: Final = "Restore the schema `reconciler` from a copy."
_ALLOW: Final = (
    "Reading needs USAGE on the schema `reconciler` and SELECT on its tables; writing, INSERT, UPDATE and DELETE too;"
    " making them, CREATE on the database or an empty schema `reconciler` to own; upgrading them, to own them."
)
_ENTER: Final = (
    "Check user, password, database and parameters of the state URL, and that the server lets this user in from here."
)
_FOREIGN: Final = ("has a schema `reconciler` that is not this program's", "Check the state URL.")
_DAMAGED: Final = ("is damaged", _RESTORE)

_PORT: Final = re.compile(r"\d*")
_VARIABLES: Final = {"connect_timeout": "PGCONNECT_TIMEOUT", "target_session_attrs": "PGTARGETSESSIONATTRS"}
_DEFAULTS: Final = {
    "fallback_application_name": "reconciler",
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": f"{_PATIENCE * 1_000:.0f}",
}
_CONNECTION_LOST: Final = (psycopg.OperationalError, psycopg.InterfaceError)

# By SQLSTATE or how it begins, the longer first; "PostgreSQL Error Codes" in PostgreSQL's documentation lists them.
_CAUSES: Final[Mapping[str, tuple[str, str]]] = {
    "53100": ("cannot grow: the server's disk is full", "Make room on it, then try again."),
    "25006": (
        "may only be read: the server is a replica, or this role or database is set to read only",
        "Name the primary in the state URL, or all servers: the primary among them is taken.",
    ),
    "42501": ("does not allow this user to do that", _ALLOW),
    "3D000": ("does not exist", _ENTER),
    "28": ("does not let this user in", _ENTER),
    "42P01": ("lacks some of the tables in the schema `reconciler`", _RESTORE),
    "42703": _FOREIGN,
    "42P07": _FOREIGN,
    "42804": _FOREIGN,
    "42883": _FOREIGN,
    "23": _DAMAGED,
    "XX001": _DAMAGED,
    "XX002": _DAMAGED,
}
# The server ends or restarts, is overwhelmed, or another transaction is in the way.
_PASSING: Final = ("08", "40", "53000", "53200", "53300", "55P03", "57", "25P03", "25P04")


class PostgresBackend:
    """One log in a PostgreSQL database; a Backend.

    Reading creates nothing and needs to be allowed nothing else, so it works with a read-only role and on a replica;
    the first append makes the schema, or upgrades an older one.  A connection is kept between calls, and replaced when
    it was lost.  Of several hosts the primary is used, unless the URL says otherwise.
    """

    def __init__(self, rest: str, log: str) -> None:
        self._parameters = _parameters(rest)
        self._where = _where(self._parameters)
        self._log = log
        self._db: _Connection | None = None
        self._welcome = False
        self._lock = threading.RLock()

    def read(self, after: int) -> tuple[tuple[int, bytes] | None, Iterable[tuple[int, bytes]]]:
        """As the port says; `after` below zero leaves the checkpoint out."""
        with self._used() as db:
            if not self._version(db):
                return None, ()
            ((first, last, said, position, snapshot),) = self._do(db, _READ, after=after).fetchall()
        if last != said:
            raise self._refusal(f"is damaged: the log {self._log} should end at {said}, but ends at {last}", _RESTORE)
        found = None if position is None else (position, snapshot)
        return found, self._batches(max(found[0] if found else after, first - 1), last)

    def append(self, position: int, batch: bytes) -> None:
        """As the port says; on return the server has the batch on its disk."""
        statement = _APPEND.format(claim=_CLAIM_FIRST if position == 1 else _CLAIM_NEXT)
        values = {"position": position, "batch": batch, "version": len(MIGRATIONS)}
        with self._used() as db:
            with suppress(psycopg.errors.UndefinedTable):
                if self._do(db, statement, **values).rowcount:
                    return
            if self._version(db) < len(MIGRATIONS):
                self._migrate(db)
            if not self._do(db, statement, **values).rowcount:  # again: somebody may have migrated since the first time
                raise Conflict(f"Position {position} of the log {self._log} in {self._where} is not free.")

    def checkpoint(self, position: int, snapshot: bytes) -> None:
        with self._lock:
            if self._db is not None:  # else it was closed or lost since the append that this follows
                with self._used() as db:
                    self._do(db, _CHECKPOINT, position=position, snapshot=snapshot)

    def trim(self, position: int) -> None:
        with self._used() as db:
            if self._version(db):
                self._do(db, _TRIM, position=position)

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _batches(self, after: int, last: int) -> Iterator[tuple[int, bytes]]:
        begun = False
        while after < last:
            page = self._page(after, last, begun)
            yield from page
            after, begun = page[-1][0], True

    def _page(self, after: int, last: int, begun: bool) -> list[tuple[Any, ...]]:
        with self._used() as db:
            page = self._do(db, _READ_PAGE, after=after, last=last, size=_PAGE).fetchall()
            if page and not (begun and page[0][0] != after + 1):
                return page
            ((first,),) = self._do(db, _FIRST).fetchall()
            if first > after + 1:
                raise Unreachable(f"The log {self._log} in {self._where} was archived while it was read.", "Try again.")
            raise self._refusal(f"is damaged: the log {self._log} goes on to {last}, but not behind {after}", _RESTORE)

    def _do(self, db: _Connection, statement: str, **values: object) -> psycopg.Cursor[tuple[Any, ...]]:
        """Execute a statement about this log."""
        return db.execute(statement, {"log": self._log, **values}, binary=True)

    def _version(self, db: _Connection) -> int:
        """How many migrations the schema has seen: 0 when it is not there, StateError for more than are known."""
        try:
            ((version,),) = db.execute(_VERSION).fetchall()
        except psycopg.errors.UndefinedTable:
            return 0
        if version > len(MIGRATIONS):
            raise self._refusal(
                f"was written by a newer version of the program: its schema is version {version},"
                f" this program knows {len(MIGRATIONS)}",
                "Install that version or a later one.",
            )
        return int(version)

    def _migrate(self, db: _Connection) -> None:
        """Make the schema, or what it lacks; whoever else is at it is waited for."""
        with db.transaction():
            db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            if db.execute("SELECT to_regnamespace('reconciler')").fetchone() == (None,):
                db.execute('CREATE SCHEMA "reconciler"')
            made = db.execute("""SELECT to_regclass('"reconciler".version')""").fetchone() != (None,)
            begun = self._version(db) if made else 0
            for version, statements in enumerate(MIGRATIONS[begun:], begun + 1):
                for statement in statements:
                    db.execute(statement)
                db.execute('INSERT INTO "reconciler".version (version) VALUES (%s)', (version,))

    @contextmanager
    def _used(self) -> Iterator[_Connection]:
        """The connection, for one thread at a time; what libpq or the server says becomes a sentence of ours."""
        with self._lock:
            try:
                yield self._connection()
            except StateError:
                raise  # said by ourselves: the connection is as good as before
            except BaseException as error:
                self._drop()
                if isinstance(error, psycopg.Error):
                    raise self._explained(error) from error
                raise

    def _connection(self) -> _Connection:
        if self._db is not None and _has_news(self._db):
            self._drop()  # nobody was asked anything: it can only be a farewell
        if self._db is None:
            begun = time.monotonic()
            try:
                self._db = _Connection.connect(**self._parameters, autocommit=True, prepare_threshold=None)
            except (psycopg.Error, UnicodeError) as error:
                raise self._shut_out(error, time.monotonic() - begun) from error
            self._db.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            self._welcome = True
        return self._db

    def _drop(self) -> None:
        """Leave the connection; what it was waiting for is called off where the server can still be told."""
        db, self._db = self._db, None
        if db is not None:
            with suppress(psycopg.Error):
                if db.info.transaction_status is pq.TransactionStatus.ACTIVE:
                    db.cancel_safe(timeout=5)
            db.close()

    def _shut_out(self, error: psycopg.Error | UnicodeError, seconds: float) -> StateError:
        """Why there is no connection, after so many seconds.

        libpq keeps to itself which SQLSTATE it was refused with, but tells whether a server is there that talks to
        others.  One that has let us in before will do so again: it is full or restarts.
        """
        if not isinstance(error, psycopg.OperationalError):
            return self._refusal("cannot be entered", _ENTER, error)
        if not self._welcome and not isinstance(error, psycopg.errors.ConnectionTimeout):
            patience = 1 + round(3 * seconds)  # no more, for this stops every thread
            asked = {**self._parameters, "password": None, "connect_timeout": patience}
            if pq.PGconn.ping(make_conninfo(**asked).encode()) in {pq.Ping.OK, pq.Ping.NO_ATTEMPT}:
                return self._refusal("cannot be entered", _ENTER, error)
        return self._silence(error)

    def _explained(self, error: psycopg.Error) -> StateError:
        state = error.sqlstate or ""
        if state.startswith(_PASSING) or (not state and isinstance(error, _CONNECTION_LOST)):
            return self._silence(error)
        for known, (what, hint) in _CAUSES.items():
            if state.startswith(known):
                return self._refusal(what, hint, error)
        return self._refusal(f"cannot be used: error {state or 'of the client'}", "Ask whoever runs the server.", error)

    def _silence(self, error: Exception) -> Unreachable:
        return Unreachable(
            f"The PostgreSQL database {self._where} did not answer ({self._words(error)}).",
            "Check that the server runs and can be reached from here, then run it again.",
        )

    def _refusal(self, what: str, hint: str, error: Exception | None = None) -> StateError:
        words = f" ({self._words(error)})" if error else ""
        return StateError(f"The PostgreSQL database {self._where} {what}{words}.", hint)

    def _words(self, error: Exception) -> str:
        """The first line of what libpq or the server says, without what must not be shown."""
        text = (error.diag.message_primary if isinstance(error, psycopg.Error) else None) or str(error)
        for name in ("password", "sslpassword"):
            if secret := self._parameters.get(name):
                text = text.replace(secret, "***")
        return _line(text.partition("\n")[0]).rstrip(".")


class _Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that gives up on a server which gives no sign of life: time-outs that the server keeps do not help
    when it is the server that hangs."""

    def wait(self, gen: PQGen[T], *arguments: Any, **options: Any) -> T:
        return super().wait(_impatient(gen), *arguments, **options)


def _impatient(waiting: PQGen[T]) -> PQGen[T]:
    since = time.monotonic()
    try:
        wanted = next(waiting)
        while True:
            ready = yield wanted
            if ready:
                since = time.monotonic()
            elif time.monotonic() - since > _PATIENCE:
                raise psycopg.OperationalError(f"no sign of life for {_PATIENCE:g} seconds")
            wanted = waiting.send(ready)
    except StopIteration as ended:
        return cast("T", ended.value)


def _has_news(db: _Connection) -> bool:
    """Whether something has arrived, or the connection was lost, since the last answer."""
    with selectors.DefaultSelector() as selector, suppress(psycopg.Error):
        selector.register(db.fileno(), selectors.EVENT_READ)
        return bool(selector.select(0))
    return True


def _parameters(rest: str) -> dict[str, Any]:
    """What libpq is to connect with: what the URL says, and our time-outs where neither it nor the environment does.

    Raises Usage for what is no such URL; never with libpq's own words, which may repeat the password.
    """
    address, _, path = rest.removeprefix("//").partition("?")[0].partition("/")
    try:
        given = conninfo_to_dict(f"postgresql:{rest}")
    except (psycopg.Error, UnicodeError):
        given = {"port": "wrong"}
    ports = str(given.get("port", "")).split(",")
    if not rest.startswith("//") or "@" in path + address.partition("@")[2] or not all(map(_PORT.fullmatch, ports)):
        raise Usage(
            "The state URL is not one of PostgreSQL's.",
            "Write postgresql://user@host:port/database?sslmode=verify-full, with parameters that libpq knows;"
            " in user and password write `%40` for `@`, `%2F` for `/`, `%3A` for `:` and `%25` for `%`.",
        )
    wanted = dict(_DEFAULTS)
    if "," in f"{given.get('host', '')}{given.get('hostaddr', '')}":
        wanted["target_session_attrs"] = "primary"
    unset = {name: value for name, value in wanted.items() if not os.environ.get(_VARIABLES.get(name, ""))}
    return {**unset, **given}


def _where(parameters: Mapping[str, Any]) -> str:
    """The database as it may be shown."""
    name = parameters.get("dbname") or "(default)"
    hosts = parameters.get("host") or parameters.get("hostaddr") or "(default host)"
    ports = f" port {parameters['port']}" if "port" in parameters else ""
    return _line(f"{name} on {hosts}{ports}")


def _line(text: str) -> str:
    """Text on one line, that does nothing to a terminal."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
