"""A place for logs on a real server of each backend, for what runs over all of them."""

from __future__ import annotations

import atexit
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import git_server
import postgres_server
import s3_server

BACKENDS = ("sqlite", "git", "postgresql", "s3")


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
    elif backend == "postgresql":
        server = postgres_server.shared()
        database = server.make_database()
        yield Place(server.url(database), {})
        server.drop_database(database)
    else:
        url = f"s3://{s3_server.BUCKET}/{secrets.token_hex(4)}"
        yield Place(url, s3_server.environment(_bucket().port))


@cache
def _bucket() -> s3_server.S3Server:
    """One server for everything in this process, there until it ends."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(s3_server.running())
