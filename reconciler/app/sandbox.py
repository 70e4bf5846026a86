"""The emulators as a server, their data and their faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

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
    store = store_of.Store(data or SANDBOX_DATA)
    known = switch_of.Switches(store)
    for text in switches:
        name, equals, value = text.partition("=")
        if not equals:
            raise Usage(f"--switch {text!r} is not NAME=VALUE")
        known.set(name, value)
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
    faults, store_of = sandbox_module("faults"), sandbox_module("store")
    faults.add(store_of.Store(data or SANDBOX_DATA), faults.parse(text))


def list_faults(data: Path | None) -> list[str]:
    """The faults that are still to come, as texts."""
    faults, store_of = sandbox_module("faults"), sandbox_module("store")
    return [str(fault) for fault in faults.pending(store_of.Store(data or SANDBOX_DATA))]


def clear_faults(data: Path | None) -> None:
    """Let the emulators behave again."""
    faults, store_of = sandbox_module("faults"), sandbox_module("store")
    faults.clear(store_of.Store(data or SANDBOX_DATA))


def switches() -> list[str]:
    """The behaviour switches as lines: name, values (the default first) and what they settle."""
    switch_of = sandbox_module("switches")
    return [f"{found.name}={'|'.join(found.values)}: {found.doc}" for found in switch_of.SWITCHES.values()]
