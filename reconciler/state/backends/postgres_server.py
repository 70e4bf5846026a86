"""The way into a PostgreSQL server, and out again when it hangs.

Hosts, users, passwords and TLS are libpq's: URL, `PG…` variables, service file, password file.  Of several hosts the
primary is used, unless the URL says otherwise.
"""

from __future__ import annotations

import os
import re
import selectors
import time
from contextlib import suppress
from typing import Any, Final, TypeVar, cast

import psycopg
from psycopg import pq
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from reconciler.model.errors import StateError, Unreachable, Usage

T = TypeVar("T")

_PATIENCE: Final = 20.0  # seconds without a sign of life, after which nobody is waited for any longer
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
ENTER: Final = (
    "Check user, password, database and parameters of the state URL, and that the server lets this user in from here."
)


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that gives up on a server which gives no sign of life: time-outs that the server keeps do not help
    when it is the server that hangs."""

    def wait(self, gen: PQGen[T], *arguments: Any, **options: Any) -> T:
        return super().wait(_impatient(gen), *arguments, **options)


class Server:
    """One database, as `shown` to people.  Raises Usage for what is no URL of one; nothing is asked for before
    `connected`."""

    def __init__(self, rest: str) -> None:
        self.parameters = _parameters(rest)
        name, host, port = (self.parameters.get(part) for part in ("dbname", "host", "port"))
        host = host or self.parameters.get("hostaddr") or "(default host)"
        self.shown = _line(f"{name or '(default)'} on {host}{f' port {port}' if port else ''}")
        self._welcome = False

    def connected(self, db: Connection | None) -> Connection:
        """The connection that was kept, or a new one when there is none, or the server has left it."""
        if db is not None:
            if not _has_news(db):
                return db
            self.leave(db)  # nobody was asked anything: it can only be a farewell
        begun = time.monotonic()
        try:
            made = Connection.connect(**self.parameters, autocommit=True, prepare_threshold=None)
        except (psycopg.Error, UnicodeError) as error:
            raise self._shut_out(error, time.monotonic() - begun) from error
        made.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        self._welcome = True
        return made

    def leave(self, db: Connection | None) -> None:
        """Give up a connection; what it was waiting for is called off where the server can still be told."""
        if db is not None:
            with suppress(psycopg.Error):
                if db.info.transaction_status is pq.TransactionStatus.ACTIVE:
                    db.cancel_safe(timeout=5)
            db.close()

    def silence(self, error: Exception) -> Unreachable:
        """It did not answer."""
        return Unreachable(
            f"The PostgreSQL database {self.shown} did not answer ({self._words(error)}).",
            "Check that the server runs and can be reached from here, then run it again.",
        )

    def refusal(self, what: str, hint: str, error: Exception) -> StateError:
        """It will not do what is asked, however long somebody waits."""
        return StateError(f"The PostgreSQL database {self.shown} {what} ({self._words(error)}).", hint)

    def _shut_out(self, error: psycopg.Error | UnicodeError, seconds: float) -> StateError:
        """Why there is no connection, after so many seconds.

        libpq keeps to itself which SQLSTATE it was refused with, but tells whether a server is there that talks to
        others.  One that has let us in before will do so again: it is full or restarts.
        """
        if not isinstance(error, psycopg.OperationalError):
            return self.refusal("cannot be entered", ENTER, error)
        if not self._welcome and not isinstance(error, psycopg.errors.ConnectionTimeout):
            patience = 1 + round(3 * seconds)  # no more, for this stops every thread
            asked = {**self.parameters, "password": None, "connect_timeout": patience}
            if pq.PGconn.ping(make_conninfo(**asked).encode()) in {pq.Ping.OK, pq.Ping.NO_ATTEMPT}:
                return self.refusal("cannot be entered", ENTER, error)
        return self.silence(error)

    def _words(self, error: Exception) -> str:
        """The first line of what libpq or the server says, without what must not be shown."""
        text = (error.diag.message_primary if isinstance(error, psycopg.Error) else None) or str(error)
        for name in ("password", "sslpassword"):
            if secret := self.parameters.get(name):
                text = text.replace(secret, "***")
        return _line(text.partition("\n")[0]).rstrip(".")


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


def _has_news(db: Connection) -> bool:
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


def _line(text: str) -> str:
    """Text on one line, that does nothing to a terminal."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
