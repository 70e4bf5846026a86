"""PostgreSQL servers that refuse, hang, crash and come back."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import psycopg
import pytest
from postgres_logs import Admin, Opened, admin, database, no_pg_variables, opened, refused, silent
from postgres_server import PostgresServer, postgres
from psycopg.waiting import Ready, Wait

import reconciler.state.backends.postgres_server as module
from reconciler.model.errors import StateError, Unreachable
from reconciler.state.backends.postgres import PostgresBackend
from reconciler.testing.backends import LOG, rows

__all__ = ["admin", "database", "no_pg_variables", "opened", "postgres"]


def ours(admin: Admin) -> list[object]:
    """The server's processes that serve our handles."""
    statement = (
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'reconciler' AND datname = current_database()"
    )
    return [pid for (pid,) in admin.execute(statement).fetchall()]


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@contextmanager
def stuck_append(admin: Admin, backend: PostgresBackend) -> Iterator[list[StateError]]:
    """An append of position 2 that waits for a lock in the server; what it ends in is there afterwards."""
    ended: list[StateError] = []

    def append() -> None:
        try:
            backend.append(2, b"b")
        except StateError as error:
            ended.append(error)

    thread = threading.Thread(target=append)
    with admin.transaction():
        admin.execute("LOCK TABLE reconciler.logs")
        thread.start()
        until(lambda: admin.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone())
        yield ended
        thread.join()


def test_a_server_that_was_restarted_between_calls_is_not_noticed(postgres: PostgresServer, opened: Opened) -> None:
    reader, writer = opened(), opened()
    writer.append(1, b"a")
    assert rows(reader) == [(1, b"a")]
    postgres.stop()
    postgres.start()
    assert rows(reader) == [(1, b"a")]
    writer.append(2, b"b")
    postgres.stop("immediate")
    postgres.start()
    reader.append(3, b"c")
    assert rows(writer) == [(1, b"a"), (2, b"b"), (3, b"c")]


def test_a_server_that_is_not_there_is_waited_for(postgres: PostgresServer, opened: Opened) -> None:
    one = opened()
    one.append(1, b"a")
    postgres.stop()
    try:
        for backend in (one, opened()):
            silent(lambda backend=backend: backend.read(0))  # type: ignore[misc]
            silent(lambda backend=backend: backend.append(2, b"b"))  # type: ignore[misc]
    finally:
        postgres.start()
    one.append(2, b"b")
    assert rows(one) == [(1, b"a"), (2, b"b")]


@pytest.mark.parametrize("setting", ["on", "off", "local"])
def test_what_was_acknowledged_survives_a_crash(
    postgres: PostgresServer, database: str, opened: Opened, setting: str
) -> None:
    with postgres.connect(database) as db:
        db.execute(f"ALTER DATABASE {database} SET synchronous_commit = {setting}")
    one = opened()
    for position in range(1, 6):
        one.append(position, b"a")
        if position % 2:
            postgres.stop("immediate")
            postgres.start()
    assert [position for position, _ in rows(opened())] == [1, 2, 3, 4, 5]


def test_a_connection_that_is_ended_while_it_appends_is_in_doubt(admin: Admin, opened: Opened) -> None:
    one = opened()
    one.append(1, b"a")
    with stuck_append(admin, one) as ended:
        admin.execute("SELECT pg_terminate_backend(%s)", ours(admin))
        until(lambda: ended)
    assert isinstance(ended[0], Unreachable)
    assert rows(one) == [(1, b"a")]
    one.append(2, b"c")
    assert rows(opened()) == [(1, b"a"), (2, b"c")]


def test_a_server_that_crashes_while_it_appends_is_in_doubt(
    postgres: PostgresServer, database: str, opened: Opened
) -> None:
    one = opened()
    one.append(1, b"a")
    with suppress(psycopg.OperationalError), postgres.connect(database) as admin, stuck_append(admin, one) as ended:
        postgres.stop("immediate")
        until(lambda: ended)
    postgres.start()
    assert isinstance(ended[0], Unreachable)
    assert rows(one) == [(1, b"a")]
    one.append(2, b"c")


def test_a_lock_that_nobody_gives_back_is_not_waited_for_longer(
    admin: Admin, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = opened()
    one.append(1, b"a")
    with monkeypatch.context() as patch:
        patch.setattr(module, "_PATIENCE", 0.2)
        with stuck_append(admin, one) as ended:
            until(lambda: ended)
            until(lambda: not admin.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone())
    assert isinstance(ended[0], Unreachable)
    assert "no sign of life" in ended[0].message
    assert rows(one) == [(1, b"a")], "the server was told to leave it"


def test_a_server_that_hangs_is_left(admin: Admin, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    one = opened()
    one.append(1, b"a")
    (pid,) = ours(admin)
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGSTOP)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(module, "_PATIENCE", 0.2)
            silent(lambda: one.append(2, b"b"), "no sign of life for 0.2 seconds")
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: not ours(admin))
    found = rows(one)
    assert found in ([(1, b"a")], [(1, b"a"), (2, b"b")])
    one.append(len(found) + 1, b"c")


def test_patience_begins_anew_with_every_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> Generator[Wait, Ready | int, str]:
        for _ in range(5):
            while not (yield Wait.R):
                pass
        return "done"

    now = 0.0
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    waiting, hanging = module._impatient(work()), module._impatient(work())
    assert next(waiting) is next(hanging) is Wait.R
    for _ in range(4):
        now += module._PATIENCE - 1
        assert waiting.send(Ready.NONE) is waiting.send(Ready.R) is Wait.R
    with pytest.raises(StopIteration, match="done"):
        waiting.send(Ready.R)
    with pytest.raises(psycopg.OperationalError, match="no sign of life"):
        hanging.send(Ready.NONE)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("53100", "disk is full"),
        ("25006", "may only be read"),
        ("42501", "does not allow this user"),
        ("28000", "does not let this user in"),
        ("3D000", "does not exist"),
        ("42P01", "lacks some of the tables"),
        ("23505", "is damaged"),
        ("23514", "is damaged"),
        ("XX001", "is damaged"),
        ("58030", "error 58030"),
        ("XX000", "error XX000"),
        ("54000", "error 54000"),
    ],
)
def test_what_waiting_does_not_cure_is_refused(admin: Admin, opened: Opened, code: str, said: str) -> None:
    one = fails_with(admin, opened, code)
    error = refused(lambda: one.append(2, b"b"), said, "(żółć [31m *** line)")
    assert "two" not in error.message
    works_again(admin, one)


@pytest.mark.parametrize(
    "code",
    [
        "08006",
        "08P01",
        "40001",
        "40P01",
        "53000",
        "53200",
        "53300",
        "55P03",
        "57014",
        "57P01",
        "57P03",
        "57P05",
        "25P03",
    ],
)
def test_what_waiting_may_cure_is_in_doubt(admin: Admin, opened: Opened, code: str) -> None:
    one = fails_with(admin, opened, code)
    silent(lambda: one.append(2, b"b"), "żółć")
    works_again(admin, one)


def fails_with(admin: Admin, opened: Opened, code: str) -> PostgresBackend:
    """A handle on a log whose next append the server refuses with this SQLSTATE, and words that say nothing."""
    one = opened()
    one.append(1, b"a")
    secret = one._server.parameters["password"]
    admin.execute(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" RAISE EXCEPTION E'żółć \\x1b[31m %% line\\ntwo', '{secret}' USING ERRCODE = '{code}'; END $$".replace(
            "%%", "%"
        )
    )
    admin.execute("CREATE TRIGGER fail BEFORE INSERT ON reconciler.batches EXECUTE FUNCTION fail()")
    return one


def works_again(admin: Admin, one: PostgresBackend) -> None:
    admin.execute("DROP TRIGGER fail ON reconciler.batches")
    assert rows(one) == [(1, b"a")]
    one.append(2, b"b")
    assert rows(one) == [(1, b"a"), (2, b"b")]


def test_nothing_stays_behind_in_a_session(opened: Opened) -> None:
    one = opened()
    for position in range(1, 20):
        one.append(position, b"a")
        rows(one)
    one.checkpoint(3, b"s")
    db = one._db
    assert db is not None
    assert db.execute("SELECT name FROM pg_prepared_statements").fetchall() == []
    assert db.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'").fetchall() == []
    changed = db.execute("SELECT name FROM pg_settings WHERE source = 'session'").fetchall()
    assert changed == []


def test_a_closed_handle_leaves_no_connection(admin: Admin, opened: Opened) -> None:
    one = opened()
    one.append(1, b"a")
    assert len(ours(admin)) == 1
    one.close()
    until(lambda: not ours(admin))
    one.checkpoint(1, b"s")
    assert not ours(admin), "it only saves time, and nobody would close the connection"
    one.append(2, b"b")
    assert len(rows(one)) == 2


def test_a_replica_can_be_read_and_says_what_it_is(
    postgres: PostgresServer, database: str, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = opened()
    one.append(1, b"a")
    one.checkpoint(1, b"s")
    with postgres.replica() as replica:
        there = opened(url=replica.url(database))
        assert there.read(0)[0] == (1, b"s")
        assert rows(opened("acme/none", url=replica.url(database))) == []
        refused(lambda: there.append(2, b"b"), "may only be read", "replica")
        one.append(2, b"b")
        until(lambda: len(list(there.read(-1)[1])) == 2)
        both = f"127.0.0.1:{replica.port},127.0.0.1"
        opened(host=both).append(3, b"c")
        monkeypatch.setenv("PGTARGETSESSIONATTRS", "any")
        refused(lambda: opened(host=both).append(4, b"d"), "may only be read")
    assert len(rows(opened(log=LOG), -1)) == 3
