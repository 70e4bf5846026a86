"""What may be written to a log at all, and what only by whoever holds the lease."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from reconciler.model.entry import (
    Applied,
    Doubted,
    Entry,
    ExportIntended,
    ExportSkipped,
    Forgotten,
    Imported,
    Intended,
    LeaseRenewed,
    Moved,
    Settled,
)
from reconciler.model.errors import StateError
from reconciler.model.recorded import Recorded

# What only the holder of a lease may say, once a lease was taken.  That nothing was sent, and how a started export goes
# on, are facts that nobody can find out again, and they contradict nothing that others may have written: they are
# always taken down.
_FENCED: Final = (
    *(Intended, Applied, Doubted, Settled, Imported, Moved, Forgotten),
    *(ExportIntended, ExportSkipped, LeaseRenewed),
)


class Fence(Protocol):
    """The lease that is held, as the log asks for it."""

    def check(self, *, sending: bool) -> None:
        """Raise Locked when it is gone; with `sending` also when it was not confirmed lately."""
        ...


def needs_lease(entries: Iterable[Entry]) -> bool:
    """Whether only the holder of the lease may write these."""
    return any(isinstance(entry, _FENCED) for entry in entries)


def check_here(recorded: Recorded) -> None:
    """Raise StateError for a log that was moved to another place: it may be read, and nothing else."""
    if recorded.moved_to is not None:
        raise StateError(
            f"The log was moved to {recorded.moved_to}; nothing more is written here.",
            "Say --state or RECONCILER_STATE for the new place.",
        )
