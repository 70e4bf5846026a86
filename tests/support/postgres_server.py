"""A real PostgreSQL server on loopback and on a socket, as small as it gets, that keeps what it acknowledges."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

import psycopg
import pytest
from psycopg import sql

_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "80",
    "shared_buffers": "8MB",
    "min_wal_size": "2MB",
    "max_wal_size": "32MB",
    "wal_writer_delay": "10s",  # what was not synchronised at its commit is lost by `kill`
    "wal_writer_flush_after": "0",
    "lc_messages": "C",
}


class PostgresServer:
    """One cluster with the superuser `postgres`: trusted on the socket, asked for the password on loopback."""

    password = "pass word/%@"

    def __init__(self, programs: Path, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self._programs = programs
        self._data = folder / "data"

    def create(self) -> None:
        """Make the cluster."""
        secret = self.folder / "secret"
        secret.write_text(self.password)
        self._run(
            *("initdb", "-U", "postgres", f"--pwfile={secret}", "--auth-local=trust", "--auth-host=scram-sha-256"),
            *("--encoding=UTF8", "--locale=C", "--wal-segsize=1", "--no-sync"),
        )

    def start(self) -> None:
        """Start it, on the same port as before."""
        for attempt in range(5):
            port = self.port or _free_port()
            settings = {**_SETTINGS, "port": port, "unix_socket_directories": self.folder}
            options = " ".join(f"-c {name}={value}" for name, value in settings.items())
            try:
                self._run("pg_ctl", "start", "-w", "-s", "-l", str(self.folder / "log"), "-o", options)
            except subprocess.CalledProcessError:  # somebody else took the port meanwhile
                if self.port or attempt == 4:
                    raise
            else:
                self.port = port
                return

    def stop(self, mode: str = "fast") -> None:
        """End it: `fast` says goodbye to clients, `immediate` is a crash."""
        self._run("pg_ctl", "stop", "-w", "-s", "-m", mode)

    @contextmanager
    def replica(self) -> Iterator[PostgresServer]:
        """A second cluster that follows this one, and may only be read."""
        with _folder() as folder:
            made = PostgresServer(self._programs, folder)
            primary = ("-h", str(self.folder), "-p", str(self.port), "-U", "postgres")
            made._run("pg_basebackup", *primary, "-R", "-X", "stream", "-c", "fast", "--no-sync")
            with made._started():
                yield made

    def make_database(self) -> str:
        """The name of a new, empty database."""
        name = f"t{uuid.uuid4().hex[:12]}"
        with self.connect() as db:
            db.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return name

    def drop_database(self, name: str) -> None:
        """Remove it, whoever uses it."""
        with self.connect() as db:
            db.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """A connection of the superuser; each statement is a transaction."""
        return psycopg.connect(host=str(self.folder), port=self.port, user="postgres", dbname=database, autocommit=True)

    def url(
        self,
        database: str,
        *,
        user: str = "postgres",
        password: str | None = None,
        host: str = "127.0.0.1",
        port: int | None = None,
        **parameters: str,
    ) -> str:
        """The state URL of a database, over loopback."""
        secret = quote(self.password if password is None else password, safe="")
        query = f"?{urlencode(parameters)}" if parameters else ""
        return f"postgresql://{user}:{secret}@{host}:{port or self.port}/{database}{query}"

    @contextmanager
    def _started(self) -> Iterator[None]:
        self.start()
        try:
            yield
        finally:
            if (self._data / "postmaster.pid").exists():
                self.stop("immediate")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self._data), *arguments]
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            command = ["runuser", "-u", "postgres", "--", *command]
        with (self.folder / "told").open("w+") as told:  # a pipe would stay open as long as the server runs
            done = subprocess.run(
                command,
                cwd=self.folder,
                env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=subprocess.STDOUT,
                check=False,
            )
            told.seek(0)
            if done.returncode:
                raise subprocess.CalledProcessError(done.returncode, command, told.read())


@contextmanager
def running() -> Iterator[PostgresServer]:
    """A new cluster, there as long as the context; skips the test where PostgreSQL is not installed."""
    programs = _programs()
    with _folder() as folder:
        made = PostgresServer(programs, folder)
        made.create()
        with made._started():
            yield made


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder with a name short enough for a socket, which the user `postgres` can reach."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        yield folder
    finally:
        shutil.rmtree(folder)


@cache
def shared() -> PostgresServer:
    """One cluster for all tests of this process, there until it ends; each test makes a database of its own."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(running())


@pytest.fixture(scope="session")
def postgres() -> PostgresServer:
    """`shared`, as a fixture."""
    return shared()


def _programs() -> Path:
    """Where `initdb` and `pg_ctl` are: distributions keep them out of the PATH."""
    candidates = [Path(found).resolve().parent] if (found := shutil.which("pg_ctl")) else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_release, reverse=True)
    if asked := shutil.which("pg_config"):
        told = subprocess.run([asked, "--bindir"], capture_output=True, text=True, check=False)
        candidates.append(Path(told.stdout.strip()))
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    return pytest.skip("PostgreSQL is not installed: neither initdb nor pg_ctl is in the PATH or /usr/lib/postgresql")


def _release(programs: Path) -> int:
    return int(programs.parent.name) if programs.parent.name.isdigit() else 0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
