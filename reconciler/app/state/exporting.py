"""The log put into a file: a copy of it (`export`), or what it need not hold any longer (`archive`)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconciler.app.clock import instant
from reconciler.app.wiring import Wiring
from reconciler.model.entry import Archived
from reconciler.model.errors import StateError, Unreachable, Usage
from reconciler.model.manifest import Project
from reconciler.model.recorded import Recorded
from reconciler.model.values import JSONObject

if TYPE_CHECKING:
    from reconciler.model.ports import Backend
    from reconciler.state.chain import Chain, Link
    from reconciler.state.exported import Writer
    from reconciler.state.log import Log

_STEPS: Final = 50


def in_place(wiring: Wiring, project: Project) -> str:
    """The log of this project and environment, and where it is, for people."""
    from reconciler.state.backends import shown

    return f"log {wiring.log_name(project)} in {shown(wiring.state_url(project))}"


def nothing(wiring: Wiring, project: Project) -> Usage:
    """The error for a log that does not exist, where one is needed."""
    return Usage(f"there is nothing in the {in_place(wiring, project)}", "see --env, --state and --sandbox")


def behind(backend: Backend, chain: Chain) -> Iterator[Link]:
    """Give every batch behind the end of a chain, each verified and folded into it before it is given."""
    from reconciler.state.backends import replay
    from reconciler.state.chain import Link

    for position, batch in backend.read(replay(chain.end))[1]:
        try:
            entries = chain.follow(position, batch)
        except StateError as error:
            raise placed(error, position, backend) from error
        yield Link(position, batch, entries)


def placed(error: StateError, position: int, backend: Backend) -> StateError:
    """An error about a log, which says where, and in which file if it is an exported one."""
    from reconciler.state.exported import ExportedLog

    where = f"Position {position}: " if error.message.startswith("The log ") else ""
    found = type(error)(where + error.message, error.hint)
    return backend.blamed(found) if isinstance(backend, ExportedLog) else found


async def stepwise(steps: Iterator[object], between: Callable[[], None] = lambda: None) -> None:
    """Exhaust an iterator in worker threads, some steps at a time, so that meanwhile leases are renewed and interrupts
    are heard; `between` them is called here."""
    while await asyncio.to_thread(_some, steps):
        between()


def _some(steps: Iterator[object]) -> bool:
    return sum(1 for _ in islice(steps, _STEPS)) == _STEPS


class _Copy:
    """What of a log has been written so far, and how much that is."""

    def __init__(self, backend: Backend, writer: Writer) -> None:
        from reconciler.state.chain import Chain

        self.chain = Chain()
        self.writer = writer
        self.first = self.batches = self.entries = 0
        self._backend = backend

    def more(self) -> Iterator[None]:
        """Write what the log holds beyond that, batch by batch; each is verified before it is written."""
        for link in behind(self._backend, self.chain):
            position = self.chain.recorded.position
            self.writer.add(position, link.batch)
            self.first = self.first or position
            self.batches += 1
            self.entries += len(link.entries)
            yield

    def report(self, form: str, file: str, log: str) -> JSONObject:
        """What was written, as JSON."""
        return {
            "format": form,
            "file": file,
            "log": log,
            "lineage": self.chain.recorded.lineage,
            "first": self.first,
            "last": self.chain.recorded.position,
            "head": self.chain.head,
            "batches": self.batches,
            "entries": self.entries,
            "bytes": self.writer.bytes,
        }


def export(
    wiring: Wiring, file: Path, *, replace: bool = False, write: Callable[[bytes], object] | None = None
) -> tuple[JSONObject, StateError | None]:
    """Write the whole log, as far as it is in its place, into a file; or through `write`, then nothing is made.

    Returns `reconciler.exported/1`, and the damage at which it ended: what is intact before that is in the file.
    Raises StateError when nothing is, Usage for a log that does not exist or a file that does.
    """
    from reconciler.state.exported import Kept, Writer

    project = wiring.project()
    name = wiring.log_name(project)
    with ExitStack() as stack:
        backend = stack.enter_context(closing(wiring.backend(project)))
        kept = None
        if write is None:
            kept = stack.enter_context(Kept(file, replace=replace))
            write = kept.write
        copy = _Copy(backend, Writer(write, name))
        damage = _as_far_as_possible(copy)
        if not copy.batches:
            raise damage or nothing(wiring, project)
        copy.writer.end()
        if kept is not None:
            kept.finish()
    return copy.report("reconciler.exported/1", str(file), name), damage and _kept(copy, damage)


def _as_far_as_possible(copy: _Copy) -> StateError | None:
    try:
        for _ in copy.more():
            pass
    except Unreachable:
        raise
    except StateError as error:
        return error
    return None


def _kept(copy: _Copy, damage: StateError) -> StateError:
    end = copy.chain.recorded.position
    return StateError(
        damage.message,
        f"What is intact, up to position {end}, was exported; what was done after that is not in it."
        " `state migrate URL --from FILE` makes a log of it in another place.",
    )


async def archive(wiring: Wiring, file: Path, *, note: Callable[[str], None]) -> JSONObject:
    """Put everything so far into a file, have the log begin with the state that it made, and drop it there.

    Returns `reconciler.archive/1`; `already` is whether there was nothing left to do.  Nothing is dropped before the
    file is on the disk, whole and read again; whatever ends this before, the log is as good as it was, and to do it
    again with the same file goes on.  Raises Usage for a file that is there, unless it is the archive of what the log
    still holds.
    """
    from reconciler.state.log import Log

    project = wiring.project()
    name = wiring.log_name(project)
    with ExitStack() as stack:
        # one handle for the log, which is written to while the other one reads
        backend, other = (stack.enter_context(closing(wiring.backend(project))) for _ in range(2))
        log = Log(backend, wiring.clock, note=note)
        await log.refresh()
        if log.recorded.lineage is None:
            raise nothing(wiring, project)
        refuse_moved(log.recorded)
        if await asyncio.to_thread(file.exists):
            return await _go_on(other, file, name)
        run = secrets.token_hex(8)
        async with wiring.lease(log, run=run, command="state archive", note=note):
            copy = await _archive(wiring, log, other, file, name, run)
            await _drop(other, copy.chain.end + 1)
    return {**copy.report("reconciler.archive/1", str(file), name), "already": False}


def refuse_moved(recorded: Recorded) -> None:
    """Raise StateError for a log that goes on elsewhere."""
    from reconciler.state.fence import check_here

    check_here(recorded)


async def _archive(wiring: Wiring, log: Log, other: Backend, file: Path, name: str, run: str) -> _Copy:
    """Write the file, and the entry that makes what is in it dispensable; most of the file comes first, so that the
    entry can follow right behind it."""
    from reconciler.state import snapshot
    from reconciler.state.exported import Kept, Writer

    with Kept(file) as kept:
        copy = _Copy(other, Writer(kept.write, name))
        chain = copy.chain

        def require(_: Recorded) -> None:
            log.permit()
            if log.head != chain.head:
                raise More

        while True:
            await stepwise(copy.more())
            await asyncio.to_thread(kept.sync)
            state, at = snapshot.encode(chain.recorded), instant(wiring.clock.wall())
            try:
                await log.record([Archived(run, at, chain.recorded.position, str(chain.head), state)], require)
                break
            except More:
                await log.refresh()
        copy.writer.end()
        await asyncio.to_thread(kept.finish)
    await _check(file, chain)
    return copy


class More(Exception):
    """The log has gone on meanwhile."""


async def _check(file: Path, chain: Chain) -> None:
    """Read the file again; raises StateError unless it ends as the chain does."""
    from reconciler.state.chain import Chain, walk
    from reconciler.state.exported import ExportedLog

    found = Chain()
    await stepwise(walk(ExportedLog(file), found))
    if found.head != chain.head or found.recorded != chain.recorded:
        raise StateError(
            f"{file} does not hold what was written to it; the log still does.", "Archive to another disk."
        )


async def _go_on(backend: Backend, file: Path, name: str) -> JSONObject:
    """Drop what a file holds that was written by an archive that came no further."""
    from reconciler.state.exported import ExportedLog, Writer

    if not await asyncio.to_thread(file.is_file):
        raise Usage(f"{file} is there already, and no file", "name another file")
    copy = _Copy(ExportedLog(file), Writer(lambda line: None, name))
    try:
        await stepwise(copy.more())
    except StateError as error:
        raise Usage(f"{file} is there already, and is no archive of this log", "name another file") from error
    copy.writer.end()
    position, already = await asyncio.to_thread(_archived, backend, str(copy.chain.head))
    if not position:
        raise Usage(f"{file} is there already", "name another file")
    if not already:
        await _drop(backend, position)
    return {**copy.report("reconciler.archive/1", str(file), name), "already": already}


def _archived(backend: Backend, head: str) -> tuple[int, bool]:
    """Where a log says that all up to the batch `head` was archived, 0 for nowhere, and whether it begins there."""
    from reconciler.state import codec
    from reconciler.state.backends import WHOLE

    for number, (position, batch) in enumerate(backend.read(WHOLE)[1]):
        if codec.link(batch) == head:
            said = isinstance(codec.unseal(head, batch)[0], Archived)
            return position if said else 0, number == 0
    return 0, False


async def _drop(backend: Backend, position: int) -> None:
    try:
        await asyncio.to_thread(backend.trim, position)
    except StateError as error:
        raise type(error)(
            error.message, f"{error.hint} Then archive again to the same file: only dropping is left to do."
        ) from error
