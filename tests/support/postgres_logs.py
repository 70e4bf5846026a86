"""Logs in a real PostgreSQL server, as tests need them: fixtures, a storage for the conformance suite, judgements."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import psycopg
import pytest
from postgres_server import PostgresServer
from proxy import Proxy
from table_logs import TableStorage

from reconciler.model.errors import Conflict, StateError, Unreachable
from reconciler.state.backends import open_backend
from reconciler.state.backends.postgres import PostgresBackend
from reconciler.testing.backends import LOG

Admin: TypeAlias = psycopg.Connection[tuple[object, ...]]
Opened: TypeAlias = Callable[..., PostgresBackend]


class PostgresStorage(TableStorage):
    """A database of its own behind a proxy."""

    schema = "reconciler."

    def __init__(self, server: PostgresServer, proxy: Proxy) -> None:
        self.server = server
        self.proxy = proxy
        self.database = server.make_database()
        super().__init__(server.url(self.database, port=proxy.port))

    def cut(self) -> AbstractContextManager[None]:
        return self.proxy.cut()

    def lose_answers(self) -> AbstractContextManager[None]:
        return self.proxy.lose_answers(b'INSERT INTO "reconciler"')

    def close(self) -> None:
        super().close()
        self.server.drop_database(self.database)

    def _changed(self, statement: str, values: tuple[object, ...]) -> int:
        with self.server.connect(self.database) as db:
            return db.execute(statement.replace("?", "%s"), values).rowcount


@pytest.fixture(autouse=True)
def no_pg_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[str]:
    name = postgres.make_database()
    yield name
    postgres.drop_database(name)


@pytest.fixture
def admin(postgres: PostgresServer, database: str) -> Iterator[Admin]:
    with postgres.connect(database) as db:
        yield db


@pytest.fixture
def opened(postgres: PostgresServer, database: str) -> Iterator[Opened]:
    made: list[PostgresBackend] = []

    def open_it(log: str = LOG, url: str | None = None, **parts: Any) -> PostgresBackend:
        backend = open_backend(url or postgres.url(database, **parts), log)
        assert isinstance(backend, PostgresBackend)
        made.append(backend)
        return backend

    yield open_it
    for backend in made:
        backend.close()


def refused(act: Callable[[], object], *said: str) -> StateError:
    """What an act is refused with, for good."""
    with pytest.raises(StateError) as caught:
        act()
    error = caught.value
    assert not isinstance(error, Conflict | Unreachable), error.message
    assert all(word in error.message for word in said), error.message
    assert error.hint
    assert "\n" not in error.message
    return error


def silent(act: Callable[[], object], *said: str) -> None:
    """An act is not answered."""
    with pytest.raises(Unreachable) as caught:
        act()
    assert all(word in caught.value.message for word in ("did not answer", *said)), caught.value.message
    assert caught.value.hint


def at_once(*acts: Callable[[], object]) -> None:
    """Each in a thread of its own; the first failure is raised."""
    with ThreadPoolExecutor(len(acts)) as pool:
        for done in [pool.submit(act) for act in acts]:
            done.result()
