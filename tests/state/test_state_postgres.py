"""What PostgreSQL adds to what every backend promises."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from postgres_logs import Admin, Opened, PostgresStorage, admin, at_once, database, no_pg_variables, opened, refused
from postgres_server import PostgresServer, postgres
from proxy import Proxy

import reconciler.state.backends.postgres as module
from reconciler.model.errors import Unreachable
from reconciler.state.backends import WHOLE
from reconciler.state.backends.postgres import MIGRATIONS
from reconciler.testing.backends import LOG, BackendContract, rows
from reconciler.testing.writer import claims, content

__all__ = ["admin", "database", "no_pg_variables", "opened", "postgres"]


class TestPostgres(BackendContract):
    stride = 7

    @pytest.fixture
    def storage(self, postgres: PostgresServer) -> Iterator[PostgresStorage]:
        with Proxy("127.0.0.1", postgres.port) as proxy:
            made = PostgresStorage(postgres, proxy)
            yield made
            made.close()


def made(admin: Admin) -> list[tuple[object, ...]]:
    return admin.execute("SELECT version FROM reconciler.version ORDER BY version").fetchall()


def test_reading_and_trimming_create_nothing(admin: Admin, opened: Opened) -> None:
    backend = opened()
    assert rows(backend) == rows(backend, WHOLE) == []
    backend.trim(5)
    assert admin.execute("SELECT to_regnamespace('reconciler')").fetchone() == (None,)


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_many_who_make_the_schema_at_once_make_one(
    postgres: PostgresServer, database: str, admin: Admin, opened: Opened, isolation: str
) -> None:
    admin.execute(f"ALTER DATABASE {database} SET default_transaction_isolation = '{isolation}'")
    backends = [opened(f"project-{number}/default") for number in range(16)]
    at_once(*(partial(backend.append, 1, b"a") for backend in backends))
    assert made(admin) == [(1,)]
    assert [rows(backend) for backend in backends] == [[(1, b"a")]] * 16


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_stricter_isolation_changes_nothing(database: str, admin: Admin, opened: Opened, isolation: str) -> None:
    admin.execute(f"ALTER DATABASE {database} SET default_transaction_isolation = '{isolation}'")
    won: list[tuple[int, bytes]] = []

    def write(name: str) -> None:
        won.extend((position, content(name, position)) for position in claims(opened(), name, 30))

    at_once(*(partial(write, f"w{number}") for number in range(4)))
    assert sorted(won) == rows(opened())
    assert len(won) == 30


LATER = (
    *MIGRATIONS,
    ('ALTER TABLE "reconciler".batches ADD COLUMN noted text', 'CREATE TABLE "reconciler".extra (x integer)'),
    ('ALTER TABLE "reconciler".extra ADD COLUMN y integer',),
)


@pytest.mark.parametrize("done", range(len(LATER) + 1))
def test_a_schema_of_any_version_is_upgraded_by_the_next_append(
    admin: Admin, opened: Opened, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    written = [(number, b"%d" % number) for number in range(1, 4)]
    if done:
        monkeypatch.setattr(module, "MIGRATIONS", LATER[:done])
        for row in written[:2]:
            opened().append(*row)
        opened().checkpoint(1, b"one")
        assert made(admin) == [(number,) for number in range(1, done + 1)]
    monkeypatch.setattr(module, "MIGRATIONS", LATER)
    assert rows(opened(), WHOLE) == (written[:2] if done else [])
    for row in written[2:] if done else written:
        opened().append(*row)
    assert made(admin) == [(number,) for number in range(1, len(LATER) + 1)]
    assert rows(opened(), WHOLE) == written


def test_many_who_upgrade_at_once_upgrade_once(admin: Admin, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    logs = [f"project-{number}/default" for number in range(8)]
    backends = [opened(log) for log in logs]
    for backend in backends:
        backend.append(1, b"a")
    monkeypatch.setattr(module, "MIGRATIONS", LATER)
    at_once(*(partial(backend.append, 2, b"b") for backend in (*backends, *map(opened, ["more/a", "more/b"]))[:8]))
    assert made(admin) == [(1,), (2,), (3,)]
    assert [rows(backend) for backend in backends] == [[(1, b"a"), (2, b"b")]] * 8


def test_a_newer_schema_is_refused_also_by_those_who_use_it(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    old = opened()
    old.append(1, b"a")
    monkeypatch.setattr(module, "MIGRATIONS", LATER)
    opened().append(2, b"b")
    monkeypatch.setattr(module, "MIGRATIONS", MIGRATIONS)
    for backend in (old, opened()):
        for act in (lambda: backend.read(0), lambda: backend.append(3, b"c"), lambda: backend.trim(2)):  # noqa: B023
            refused(act, "newer version", "version 3", "knows 1")
        refused(lambda: backend.append(1, b"a"), "newer version")  # noqa: B023


def test_a_migration_that_fails_leaves_nothing(admin: Admin, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIGRATIONS", (*LATER, ("SELECT 1 / 0",)))
    refused(lambda: opened().append(1, b"a"), "error 22012")
    assert admin.execute("SELECT to_regnamespace('reconciler')").fetchone() == (None,)


@pytest.mark.parametrize(
    "table", ["version (x text)", "version (version text)", "logs (a integer)", "batches (log text)"]
)
def test_the_schema_of_another_program_is_left_alone(admin: Admin, opened: Opened, table: str) -> None:
    admin.execute("CREATE SCHEMA reconciler")
    admin.execute(f"CREATE TABLE reconciler.{table}")
    if table.startswith("version"):
        refused(lambda: opened().read(0), "not this program's")
    else:
        assert rows(opened()) == []
    refused(lambda: opened().append(1, b"a"), "not this program's")
    assert admin.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'reconciler'").fetchone() == (1,)


@pytest.mark.parametrize("table", ["logs", "batches", "checkpoints"])
def test_a_table_that_is_gone_is_missed(admin: Admin, opened: Opened, table: str) -> None:
    opened().append(1, b"a")
    admin.execute(f"DROP TABLE reconciler.{table}")
    refused(lambda: opened().read(0), "lacks some of the tables")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM reconciler.batches WHERE position = 3", "should end at 3, but ends at 2"),
        ("DELETE FROM reconciler.batches", "should end at 3, but ends at 0"),
        ("DELETE FROM reconciler.logs", "should end at 0, but ends at 3"),
        ("UPDATE reconciler.logs SET position = 2", "should end at 2, but ends at 3"),
    ],
)
def test_a_log_of_another_length_is_damaged(admin: Admin, opened: Opened, statement: str, said: str) -> None:
    for position in (1, 2, 3):
        opened().append(position, b"a")
    admin.execute(statement)
    refused(lambda: opened().read(0), LOG, said)
    if "UPDATE" in statement:
        refused(lambda: opened().append(3, b"x"), "is damaged")


def test_a_batch_that_goes_while_it_is_read_is_missed(
    admin: Admin, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAGE", 1)
    for position in (1, 2, 3):
        opened().append(position, b"a")
    batches = iter(opened().read(0)[1])
    next(batches)
    admin.execute("DELETE FROM reconciler.batches WHERE position > 1")
    refused(lambda: next(batches), "should end at 3, but ends at 1")


def test_an_archive_in_the_middle_of_reading_is_called_that(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAGE", 1)
    for position in (1, 2, 3, 4):
        opened().append(position, b"a")
    batches, others = iter(opened().read(0)[1]), iter(opened().read(0)[1])
    next(batches)
    opened().trim(3)
    with pytest.raises(Unreachable, match="archived while it was read"):
        next(batches)
    assert [position for position, _ in others] == [3, 4]
    again = iter(opened().read(0)[1])
    opened().append(5, b"a")
    opened().trim(5)
    with pytest.raises(Unreachable, match="archived while it was read"):
        next(again)


def test_what_is_to_come_cannot_be_trimmed(opened: Opened) -> None:
    opened().append(1, b"a")
    opened().trim(7)
    assert rows(opened()) == [(1, b"a")]


@pytest.mark.parametrize("size", [1, 10_000, 1 << 20])
def test_pages_hold_what_fits_and_at_least_one(opened: Opened, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(module, "_PAGE", size)
    written = [
        (number, bytes([number]) * length) for number, length in enumerate((1, 0, 20_000, 9_999, 1, 1, 30_000), 1)
    ]
    for row in written:
        opened().append(*row)
    assert rows(opened()) == written
    assert rows(opened(), 3) == written[3:]


def test_a_long_log_is_read_in_pages(admin: Admin, opened: Opened) -> None:
    opened().append(1, b"a")
    admin.execute("INSERT INTO reconciler.batches SELECT %s, n, 'a' FROM generate_series(2, 12345) AS n", (LOG,))
    admin.execute("UPDATE reconciler.logs SET position = 12345")
    assert [position for position, _ in rows(opened())] == list(range(1, 12_346))
