"""Where logs are kept: one module per backend, and the registry that opens one by its URL.

Belongs here: storing numbered batches of bytes, as `model.ports.Backend` says, and explaining why that fails.
Does not belong here: what the bytes mean; that is the room above, the only one that calls this one.
A backend is loaded when its scheme is first used, so a library that nobody needs is never imported.
`read(replay(N))` gives no checkpoint, and every batch behind N; `WHOLE` is all of them.  A checkpoint of a position
that the log has not reached is never given.  `testing.backends` holds what every backend must pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Final, cast

from reconciler.model.errors import Usage
from reconciler.model.ports import Backend


def replay(position: int) -> int:
    """What `read` is asked for every batch behind a position, also where a checkpoint stands for some of them."""
    return ~position


WHOLE: Final = replay(0)

BACKENDS: Final[Mapping[str, str]] = {
    "sqlite": "reconciler.state.backends.sqlite:SqliteBackend",
    "git": "reconciler.state.backends.git:GitBackend",
    "postgresql": "reconciler.state.backends.postgres:PostgresBackend",
    "postgres": "reconciler.state.backends.postgres:PostgresBackend",
    "s3": "reconciler.state.backends.objects:s3",
    "gs": "reconciler.state.backends.objects:gs",
    "az": "reconciler.state.backends.objects:az",
}
"""Scheme to the dotted path of what is called with the rest of the URL and the name of the log."""

_EXTRAS: Final = {"postgres": "psycopg", "object-store": "obstore"}


def open_backend(url: str, log: str) -> Backend:
    """Return the storage that a state URL names, for the log `<project>/<environment>`.

    Nothing is touched before the first read or append.  Raises Usage for a URL this version cannot open, or whose
    library is not installed; the message never repeats the URL, which may hold a password.
    """
    scheme, colon, rest = url.partition(":")
    known = ", ".join(f"{name}:" for name in BACKENDS)
    if not colon:
        raise Usage(
            "The state URL names no kind of storage.", f"Write for example sqlite:.reconciler/state.db; known: {known}"
        )
    if scheme not in BACKENDS:
        raise Usage(f"This version cannot keep its state in {scheme!r}.", f"It knows: {known}")
    module, _, name = BACKENDS[scheme].partition(":")
    try:
        make = cast("Callable[[str, str], Backend]", getattr(import_module(module), name))
    except ImportError as error:  # also what a library says that lacks a part of the system
        extra = "postgres" if module.endswith(".postgres") else "object-store"
        raise Usage(
            f"State in {scheme}: needs {_EXTRAS[extra]}, which is not installed or does not work here.",
            f"install reconciler[{extra}]",
        ) from error
    return make(rest, log)


def shown(url: str) -> str:
    """Return a state URL as it may be shown and recorded: without user, password and parameters.

    What stands before an `@` is left out whatever it is: a password may hold any character.
    """
    scheme, slashes, rest = url.partition("//")
    if not slashes or scheme == "sqlite:":
        return url
    return scheme + slashes + rest.partition("?")[0].rpartition("@")[2]
