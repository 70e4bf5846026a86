"""A place for logs on a real server of each backend, for what runs over all of them."""

from __future__ import annotations

import atexit
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

import git_server
import postgres_server
import s3_server
from proxy import Proxy

BACKENDS = ("sqlite", "git", "postgresql", "s3")
SERVED = ("git-daemon", "postgresql", "s3")


class Place(NamedTuple):
    """A state URL, and the variables that a process needs to use it."""

    url: str
    environment: Mapping[str, str]


@contextmanager
def place(backend: str, folder: Path) -> Iterator[Place]:
    """An empty place for logs, there as long as the context; `folder` is for what is kept in files."""
    if backend == "sqlite":
        yield Place(f"sqlite:{folder}/state.db", {})
    elif backend == "git":
        yield Place(f"git:{git_server.make_bare(folder / 'remote.git')}", {})
    elif backend == "git-daemon":
        git_server.make_bare(folder / "remote.git")
        with _GitDaemon(folder) as daemon:
            yield Place(f"git:git://127.0.0.1:{daemon.port}/remote.git", {})
    elif backend == "postgresql":
        server = postgres_server.shared()
        database = server.make_database()
        yield Place(server.url(database), {})
        server.drop_database(database)
    else:
        url = f"s3://{s3_server.BUCKET}/{secrets.token_hex(4)}"
        yield Place(url, s3_server.environment(_bucket().port))


class Unruly(NamedTuple):
    """A place on a server that `crash` ends without a goodbye and starts again; while `cut`, none can be reached."""

    place: Place
    crash: Callable[[], None]
    cut: Callable[[], AbstractContextManager[None]]


@contextmanager
def unruly(backend: str, folder: Path) -> Iterator[Unruly]:
    """An empty place for logs on a server of its own, behind a network of its own; `backend` is one of `SERVED`."""
    with ExitStack() as stack:
        if backend == "git-daemon":
            git_server.make_bare(folder / "remote.git")
            daemon = stack.enter_context(_GitDaemon(folder))
            proxy = stack.enter_context(Proxy("127.0.0.1", daemon.port))
            found, crash = Place(f"git:git://127.0.0.1:{proxy.port}/remote.git", {}), daemon.crash
        elif backend == "postgresql":
            server = stack.enter_context(postgres_server.running())
            proxy = stack.enter_context(Proxy("127.0.0.1", server.port))
            found = Place(server.url(server.make_database(), port=proxy.port), {})

            def crash() -> None:
                server.stop("immediate")
                server.start()

        else:
            bucket = stack.enter_context(s3_server.running())
            proxy = stack.enter_context(Proxy("127.0.0.1", bucket.port))
            found = Place(f"s3://{s3_server.BUCKET}/logs", s3_server.environment(proxy.port))
            crash = bucket.crash
        yield Unruly(found, crash, proxy.cut)


class _GitDaemon:
    """`git daemon` with the repositories below a folder; a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port = int(taken.getsockname()[1])
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> _GitDaemon:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def crash(self) -> None:
        """End it and what it has started, and start it again."""
        self._end()
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [
                *("git", "daemon", "--listen=127.0.0.1", f"--port={self.port}", "--reuseaddr", "--export-all"),
                *("--enable=receive-pack", f"--base-path={self._folder}", self._folder),
            ],
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait(there=True)

    def _end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._wait(there=False)  # `git` is over before the daemon that it has started

    def _wait(self, *, there: bool) -> None:
        until = time.monotonic() + 20
        while there != self._listens():
            if time.monotonic() > until:
                raise RuntimeError("git daemon did not start or end")
            time.sleep(0.01)

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False


@cache
def _bucket() -> s3_server.S3Server:
    """One server for everything in this process, there until it ends."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(s3_server.running())
