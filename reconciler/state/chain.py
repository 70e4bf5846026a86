"""The chain of batches: each one verified against the one before it, then folded.

A log begins at position 1 with a batch that follows none.  One whose beginning was archived begins with a batch that
opens with `Archived`, which holds the state so far; its position in the storage is what it was before, or 1 when it was
moved to another place since.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import NamedTuple

from reconciler.model.entry import Archived, Entry
from reconciler.model.errors import StateError
from reconciler.model.ports import Backend
from reconciler.model.recorded import Recorded
from reconciler.state import codec, snapshot
from reconciler.state.backends import WHOLE, replay
from reconciler.state.fold import Fold
from reconciler.state.records import damaged


class Link(NamedTuple):
    """One batch of a log as it is in the storage, and what it says."""

    position: int
    batch: bytes
    entries: list[Entry]


@dataclass(slots=True)
class Chain:
    """A log up to some batch: its fold, and the SHA-256 of that batch.

    `offset` is how far `recorded.position` is ahead of the position in the storage; `fresh` is how many
    entries came after the checkpoint it began with.
    """

    fold: Fold = field(default_factory=lambda: Fold(Recorded()))
    head: str | None = None
    offset: int = 0
    fresh: int = 0

    @property
    def recorded(self) -> Recorded:
        """The state up to the last batch."""
        return self.fold.recorded

    @property
    def end(self) -> int:
        """The last position in the storage."""
        return self.recorded.position - self.offset

    def into(self, recorded: Recorded) -> None:
        """Go on with this object, which others hold already, as the state."""
        for item in fields(Recorded):
            setattr(recorded, item.name, getattr(self.recorded, item.name))
        self.fold = Fold(recorded)

    def verified(self, position: int, batch: bytes) -> list[Entry]:
        """The entries of the batch that must come next; StateError names the position it stands at."""
        try:
            if self.recorded.lineage is None:
                return self._first(position, batch)
            if position != self.end + 1:
                raise damaged(f"position {self.end + 1} is missing")
            entries = codec.unseal(self.head, batch)
            self.agree(entries)
            return entries
        except StateError as error:
            raise StateError(f"Position {position}: {error.message}", error.hint) from error

    def agree(self, entries: Sequence[Entry]) -> None:
        """Raise StateError for an archive of something else than what was read so far."""
        first = entries[0]
        if isinstance(first, Archived) and first.head != self.head:
            raise damaged("what was archived ends with another batch")

    def take(self, batch: bytes, entries: list[Entry]) -> None:
        """Fold a batch whose entries are these."""
        self.fold.add(entries)
        self.head = codec.sha256(batch)
        if self.recorded.lineage is None:
            self.recorded.lineage = self.head[:32]
        self.fold.commit()
        self.fresh += len(entries)

    def follow(self, position: int, batch: bytes) -> list[Entry]:
        """Verify and fold the batch that must come next, and return its entries."""
        entries = self.verified(position, batch)
        self.take(batch, entries)
        return entries

    def _first(self, position: int, batch: bytes) -> list[Entry]:
        prev = codec.link(batch)
        entries = codec.unseal(prev, batch)
        first = entries[0]
        if isinstance(first, Archived):
            if first.head != prev or first.position + 1 < position:
                raise damaged("what comes before it is not what was archived")
            self.offset = first.position + 1 - position
        elif prev is not None:
            raise damaged("what comes before it is missing, and was not archived")
        elif position != 1:
            raise damaged("position 1 is missing")
        return entries


def load(backend: Backend) -> Chain:
    """Return the whole log, folded from its checkpoint, or from its beginning when that does not work.

    A checkpoint is believed when the batch behind it follows the one that it ends with, or that one is the last and
    has its hash: where a part of the log was put back from a copy, checkpoints of what was lost may still be there.
    """
    with _uncollected():
        found, batches = backend.read(0)
        if found is not None:
            try:
                held = snapshot.load(found[1])
                chain = Chain(Fold(held.recorded), held.head, held.offset)
                if chain.end == found[0]:
                    _follow(chain, batches)
                    if chain.end > found[0] or _ends_with(backend, found[0], held.head):
                        return chain
            except StateError:
                pass  # the replay finds out whether it was only the checkpoint
            batches = backend.read(WHOLE)[1]
        return _follow(Chain(), batches)


def walk(backend: Backend, chain: Chain) -> Iterator[Link]:
    """Give every batch that the storage holds, in order, each verified and folded into the (new) chain before it is
    given; raises StateError where the log is damaged."""
    for position, batch in backend.read(WHOLE)[1]:
        yield Link(position, batch, chain.follow(position, batch))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector: it would go through everything again and again while a state is made, which
    takes longer than making it."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _ends_with(backend: Backend, position: int, head: str) -> bool:
    """Whether the batch at a position is there and has this hash."""
    row = next(iter(backend.read(replay(position - 1))[1]), None)
    return row is not None and row[0] == position and codec.sha256(row[1]) == head


def _follow(chain: Chain, batches: Iterable[tuple[int, bytes]]) -> Chain:
    for position, batch in batches:
        chain.follow(position, batch)
    return chain
