"""The emulators as a server, their data and their faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

from reconciler.app.settings import SANDBOX_DATA, SANDBOX_STATE
from reconciler.app.wiring import sandbox_module
from reconciler.model.errors import Broken, Usage


def serve(
    *, host: str, port: int, data: Path | None, switches: Sequence[str], announce: Callable[[Mapping[str, str]], None]
) -> None:
    """Serve both emulators over HTTP until interrupted; `announce` gets the variables a client needs.

    `switches` are NAME=VALUE texts.  Raises Usage for a switch that does not exist or a port that is taken.
    """
    server, store_of, switch_of = sandbox_module("server"), sandbox_module("store"), sandbox_module("switches")
    with closing(store_of.Store(data or SANDBOX_DATA)) as store:
        _set(switch_of.Switches(store), switches)
        server.serve(store, host, port, announce)


def reset() -> list[Path]:
    """Remove the sandbox's data and its log; return the files that were there."""
    removed = []
    state = Path(SANDBOX_STATE.partition(":")[2])
    for database in (SANDBOX_DATA, state):
        for file in (database, *(database.with_name(database.name + end) for end in ("-wal", "-shm", "-journal"))):
            try:
                file.unlink()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise Broken(f"cannot remove {file}: {error.strerror}") from error
            removed.append(file)
    return removed


def add_fault(text: str, data: Path | None) -> None:
    """Make the emulators fail as `text` says; raises Usage when it says nothing known."""
    faults = sandbox_module("faults")
    fault = faults.parse(text)
    with _store(data) as store:
        faults.add(store, fault)


def list_faults(data: Path | None) -> list[str]:
    """The faults that are still to come, as texts."""
    with _store(data) as store:
        return [str(fault) for fault in sandbox_module("faults").pending(store)]


def clear_faults(data: Path | None) -> None:
    """Let the emulators behave again."""
    with _store(data) as store:
        sandbox_module("faults").clear(store)


def switches(data: Path | None, settings: Sequence[str] = ()) -> list[str]:
    """Set switches (NAME=VALUE texts), and return all as lines: name, value, and what it settles, with the
    values there are, the default first.  Raises Usage for one that does not exist."""
    switch_of = sandbox_module("switches")
    with _store(data) as store:
        known = switch_of.Switches(store)
        _set(known, settings)
        return [
            f"{found.name}={known.text(found.name)}  {found.doc} ({'|'.join(found.values)})"
            for found in switch_of.SWITCHES.values()
        ]


def _set(known: Any, settings: Sequence[str]) -> None:
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals:
            raise Usage(f"{text!r} is not NAME=VALUE")
        known.set(name, value)


def _store(data: Path | None) -> AbstractContextManager[Any]:
    return closing(sandbox_module("store").Store(data or SANDBOX_DATA))
