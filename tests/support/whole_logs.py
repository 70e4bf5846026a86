"""Logs as an operator has them, for the tests of what is done to a whole one."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from samples import BLUE

from reconciler.model.entry import Entry, ExportSkipped
from reconciler.model.values import Address
from reconciler.state import backends
from reconciler.state.backends import WHOLE, open_backend
from reconciler.state.chain import Chain, walk
from reconciler.state.log import Log
from reconciler.testing.growing import AT, RealClock, grown

LOG = "acme/default"
OLD = "sqlite:old.db"
NEW = "sqlite:new.db"
SKIPPED = ExportSkipped("other", AT, Address("pipefy", "export", "x"), AT, "paused")


class Through:
    """A backend with something in between: whoever asks for this one gets `append` and `read` instead of its own."""

    def __init__(self, inner: Any, url: str, append: Any, read: Any) -> None:
        self.inner = inner
        self.url = url
        self._append = append
        self._read = read

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def append(self, position: int, batch: bytes) -> None:
        self._append(self, position, batch)

    def read(self, after: int) -> Any:
        return self._read(self, after)


def through(
    patch: pytest.MonkeyPatch,
    append: Callable[[Any, int, bytes], None] = lambda self, position, batch: self.inner.append(position, batch),
    read: Callable[[Any, int], Any] = lambda self, after: self.inner.read(after),
) -> None:
    """Put something between the program and every place for logs."""
    real = backends.open_backend
    patch.setattr(backends, "open_backend", lambda url, log: Through(real(url, log), url, append, read))


@contextmanager
def opened(cli: Any, url: str = OLD, log: str = LOG) -> Iterator[Any]:
    with closing(open_backend(url.replace("sqlite:", f"sqlite:{cli.folder}/"), log)) as backend:
        yield backend


def at(cli: Any, url: str = NEW) -> str:
    """A place as it is recorded: found from any folder."""
    return f"sqlite:{(cli.folder / url.removeprefix('sqlite:')).resolve()}"


def grow(cli: Any, batches: int = 5, url: str = OLD, log: str = LOG) -> Chain:
    cli.declare(BLUE)
    with opened(cli, url, log) as backend:
        return grown(backend, batches)


def record(cli: Any, *entries: Entry, url: str = OLD, log: str = LOG) -> None:
    with opened(cli, url, log) as backend:
        asyncio.run(Log(backend, RealClock()).record(entries))


def chain_of(cli: Any, url: str = OLD, log: str = LOG) -> Chain:
    """The whole log, verified from its beginning."""
    chain = Chain()
    with opened(cli, url, log) as backend:
        for _ in walk(backend, chain):
            pass
    return chain


def batches(cli: Any, url: str = OLD, log: str = LOG) -> list[bytes]:
    with opened(cli, url, log) as backend:
        return [batch for _, batch in backend.read(WHOLE)[1]]


def change(cli: Any, position: int, act: Callable[[bytes], bytes], url: str = OLD) -> None:
    """Put other bytes where a batch is."""
    db = sqlite3.connect(cli.folder / url.removeprefix("sqlite:"))
    (batch,) = db.execute("SELECT batch FROM batches WHERE position = ?", (position,)).fetchone()
    db.execute("UPDATE batches SET batch = ? WHERE position = ?", (act(batch), position))
    db.commit()
    db.close()


def resources(chain: Chain) -> Any:
    return chain.recorded.resources


def verify(cli: Any, *arguments: str, url: str = OLD) -> Any:
    return cli("state", "verify", "--state", url, *arguments, "--format", "json")


def migrate(cli: Any, *arguments: str, url: str = OLD) -> Any:
    return cli("state", "migrate", "--state", url, *arguments)


def export(cli: Any, *arguments: str, url: str = OLD) -> Any:
    return cli("state", "export", "--state", url, *arguments)


def archive(cli: Any, *arguments: str, url: str = OLD) -> Any:
    return cli("state", "archive", "--state", url, *arguments)


def rm(cli: Any, name: str, url: str) -> Any:
    return cli("state", "rm", f"blue/report/{name}", "--state", url)


def meddle(patch: pytest.MonkeyPatch, what: str, act: Callable[[], None]) -> None:
    """Do something right before the first batch with an entry of this type is appended."""
    left = [act]

    def appended(self: Any, position: int, batch: bytes) -> None:
        if f'"type":"{what}"'.encode() in batch and left:
            left.pop()()
        self.inner.append(position, batch)

    through(patch, appended)
