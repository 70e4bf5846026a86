"""A log from its beginning, batch by batch, each verified and given before it is folded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import chain as joined
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.app.state.exporting import in_place, placed
from reconciler.app.wiring import Wiring
from reconciler.model.entry import Archived
from reconciler.model.errors import StateError

if TYPE_CHECKING:
    from reconciler.model.ports import Backend
    from reconciler.state.chain import Chain, Link


@contextmanager
def opened(wiring: Wiring, archives: Sequence[Path]) -> Iterator[list[Backend]]:
    """The archives, in the order they were made, and the log of this project and environment behind them."""
    with ExitStack() as stack:
        before: list[Backend] = []
        if archives:
            from reconciler.state.exported import ExportedLog

            before = [stack.enter_context(closing(ExportedLog(file))) for file in archives]
        yield [*before, stack.enter_context(closing(wiring.backend(wiring.project())))]


def absent(wiring: Wiring) -> None:
    """Note that there is no log."""
    wiring.note(f"there is no {in_place(wiring, wiring.project())} yet")


def links(backends: Iterable[Backend], chain: Chain, absent: Callable[[], None] = lambda: None) -> Iterator[Link]:
    """Give every batch that logs hold which follow one another, verified; what they share is given once.

    A batch is folded into the (new) chain when the next one is asked for: `chain.recorded` is the state before it, and
    whoever stops asking leaves it out.  Positions count from the first batch that ever was.  `absent` is called when
    one of them is empty.  Raises StateError where a log is damaged, or does not go on where the one before it ends.
    """
    for backend in backends:
        try:
            yield from _links(backend, chain, absent)
        except StateError as error:
            raise placed(error, chain.recorded.position + 1, backend) from error


def _links(backend: Backend, chain: Chain, absent: Callable[[], None]) -> Iterator[Link]:
    from reconciler.state.backends import WHOLE
    from reconciler.state.chain import Link

    rows = iter(backend.read(WHOLE)[1])
    first = next(rows, None)
    if first is None:
        absent()
        return
    rows = joined([first], rows)
    for position, batch in rows if chain.head is None else _behind(chain, rows):
        entries = chain.verified(position, batch)
        yield Link(position + chain.offset, batch, entries)
        chain.take(batch, entries)


def _behind(chain: Chain, rows: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """What another log holds behind the end of the chain, which it must know or follow."""
    from reconciler.state import codec

    end, met = None, False
    for position, batch in rows:
        if end is None:
            chain.offset = _offset(position, batch)
            end = chain.end
        if not met and position >= end:
            met = chain.head == (codec.sha256(batch) if position == end else codec.link(batch))
            if not met:
                break
        if position > end:
            yield position, batch
    if end is not None and not met:
        raise StateError(
            "The archives do not lead up to the log.",
            "Name files that `state archive` made of this log, all of them from the oldest that is wanted.",
        )


def _offset(position: int, batch: bytes) -> int:
    """How far a log that goes on behind another has its positions behind those of the first batch that ever was."""
    from reconciler.state import codec

    prev = codec.link(batch)
    if prev is None:
        return 0
    first = codec.unseal(prev, batch)[0]
    return first.position + 1 - position if isinstance(first, Archived) else 0
