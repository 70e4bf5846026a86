"""The journal: one log, read, verified and folded, and written by many callers at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from itertools import chain
from typing import Final, NamedTuple

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
    Rejected,
    Settled,
)
from reconciler.model.errors import Conflict, Locked, StateError
from reconciler.model.ports import Backend, Clock, Require
from reconciler.model.recorded import Recorded
from reconciler.state import codec, snapshot
from reconciler.state.backends import WHOLE
from reconciler.state.chain import Chain, load

CHECKPOINT_EVERY: Final = 2_000

# What only the holder of a lease may say, once a lease was taken.  How a started export goes on is a fact that
# nobody can find out again, and it contradicts nothing that others may have written: it is always taken down.
_FENCED: Final = (
    *(Intended, Applied, Rejected, Doubted, Settled, Imported, Moved, Forgotten),
    *(ExportIntended, ExportSkipped, LeaseRenewed),
)

_STOPPED: Final = "Nothing more was sent. Run it again: what was done is recorded."


def read(backend: Backend) -> Recorded:
    """Return the state of a log, for commands that only read; raises StateError when it is damaged."""
    return load(backend).recorded


class _Call(NamedTuple):
    """One caller of `record`, waiting; `encoded` is what the batch will hold of it."""

    entries: tuple[Entry, ...]
    encoded: tuple[bytes, ...]
    require: Require | None
    done: asyncio.Future[None]


class Log:
    """One log as a run sees it; a Journal.

    Use one instance in one event loop.  The backend works in a worker thread, one call at a time; callers
    that come while it does share the next append.  A checkpoint is written when more than `checkpoint_every`
    entries were folded since the last, and more than half as many as there are resources and exports: so all
    checkpoints together stay in proportion to the log.
    """

    def __init__(
        self,
        backend: Backend,
        clock: Clock,
        *,
        checkpoint_every: int = CHECKPOINT_EVERY,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.monotonic = monotonic
        self._backend = backend
        self._clock = clock
        self._every = checkpoint_every
        self._chain = Chain()
        self._opened = False
        self._held: tuple[str, float] | None = None
        self._waiting: list[_Call] = []
        self._writer: asyncio.Task[None] | None = None
        self._busy = asyncio.Lock()

    @property
    def recorded(self) -> Recorded:
        """The state up to the last append or refresh; empty before the first `open`."""
        return self._chain.recorded

    def open(self) -> None:
        """Read, verify and fold the log; raises StateError when it is damaged or out of reach."""
        chain = load(self._backend)
        chain.into(self.recorded)  # the object that others may hold already
        self._chain = chain
        self._opened = True

    async def refresh(self) -> None:
        """Fold what others have appended; opens the log if that has not been done."""
        async with self._busy:
            await self._refresh()

    async def _refresh(self) -> None:
        if self._opened:
            await self._catch_up()
        else:
            await asyncio.to_thread(self.open)

    async def record(self, entries: Iterable[Entry], require: Require | None = None) -> None:
        """As the port says.  Without entries nothing is written, and `require` is not asked.

        StateError means that the entries are not in the log as far as it could be read again.
        """
        mine = tuple(entries)
        if not mine:
            return
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(_Call(mine, tuple(map(codec.encode, mine)), require, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await done

    def hold(self, run: str, deadline: float) -> None:
        """From now on what is recorded needs the lease of `run`, and `monotonic` before `deadline`."""
        self._held = (run, deadline)

    def let_go(self) -> None:
        """The lease is no longer needed for what is recorded."""
        self._held = None

    async def _write(self) -> None:
        calls: list[_Call] = []
        try:
            async with self._busy:
                while self._waiting:
                    calls, self._waiting = self._waiting, []
                    try:
                        if not self._opened:
                            await self._refresh()
                        await self._append(calls)
                        await self._checkpoint()
                    except Exception as error:  # noqa: BLE001 - raised by `record`, in those who wait for it
                        _answer(calls, error)
        except asyncio.CancelledError:
            for call in (*calls, *self._waiting):
                call.done.cancel()
            self._waiting = []
            raise

    async def _append(self, calls: list[_Call]) -> None:
        """Write the entries of all callers whose preconditions hold, as one batch."""
        while calls := self._admitted(calls):
            batch = codec.seal(self._chain.head, chain.from_iterable(call.encoded for call in calls))
            try:
                await asyncio.to_thread(self._backend.append, self._chain.end + 1, batch)
            except StateError as error:
                if not await self._find_out(batch, error):
                    continue
            else:
                self._chain.take(batch, [entry for call in calls for entry in call.entries])
            self._answer_written(calls)
            return

    def _answer_written(self, calls: list[_Call]) -> None:
        """Let the callers go on, but not those who intend something and whose lease ran out meanwhile."""
        for call in calls:
            try:
                if any(isinstance(entry, Intended | ExportIntended) for entry in call.entries):
                    self._fence(call.entries)
            except Locked as error:
                _answer([call], error)
            else:
                _answer([call], None)

    async def _find_out(self, batch: bytes, error: StateError) -> bool:
        """Read on after a failed append: True when the batch is there all the same, False when somebody
        else's is; raises `error` when nothing is."""
        position = self.recorded.position
        written = await self._catch_up(batch)
        if self.recorded.position > position:
            return written
        if isinstance(error, Conflict):
            raise StateError(
                f"The log ends before position {position}, up to which it was read: it was replaced while in use.",
                "Find out who restored or removed the state, then run it again.",
            ) from error
        raise error

    def _admitted(self, calls: list[_Call]) -> list[_Call]:
        """The callers whose entries may follow, each asked on the state that those before it would leave."""
        admitted = []
        with self._chain.fold.trial():
            for call in calls:
                if call.done.done():  # cancelled while it waited
                    continue
                try:
                    self._fence(call.entries)
                    if call.require is not None:
                        call.require(self.recorded)
                    self._chain.fold.add(call.entries)
                except Exception as error:  # noqa: BLE001 - it belongs to this caller, not to the others
                    _answer([call], error)
                else:
                    admitted.append(call)
        return admitted

    def _fence(self, entries: tuple[Entry, ...]) -> None:
        """Raise Locked when the entries need the lease that was taken, and it is gone; StateError for a log that was
        moved to another place."""
        if self.recorded.moved_to is not None:
            raise StateError(
                f"The log was moved to {self.recorded.moved_to}; nothing more is written here.",
                "Say --state or RECONCILER_STATE for the new place.",
            )
        if self._held is None or not any(isinstance(entry, _FENCED) for entry in entries):
            return
        run, deadline = self._held
        lease = self.recorded.lease
        if lease is None:
            raise Locked(f"The lease of run {run} was taken away.", _STOPPED)
        if lease.run != run:
            raise Locked(
                f"{lease.holder.user} on {lease.holder.host} took the lease of run {run} away,"
                f" to run `{lease.holder.command}`.",
                _STOPPED,
            )
        if self.monotonic() >= deadline or self._clock.wall() >= datetime.fromisoformat(lease.until):
            raise Locked(
                f"The lease of run {run} expired at {lease.until} before it was renewed:"
                " the process was paused, the state was out of reach, or the clock was changed.",
                _STOPPED,
            )

    async def _catch_up(self, ours: bytes | None = None) -> bool:
        """Fold what is new; True when the first of it is the batch `ours`."""
        rows = await asyncio.to_thread(self._behind, self._chain.end)
        for position, batch in rows:
            self._chain.follow(position, batch)
        return bool(rows) and rows[0][1] == ours

    def _behind(self, position: int) -> list[tuple[int, bytes]]:
        """Every batch behind a position, also where a checkpoint would be shorter: one of them may be ours."""
        found, batches = self._backend.read(position)
        if found is None:
            return list(batches)
        return [row for row in self._backend.read(WHOLE)[1] if row[0] > position]

    async def _checkpoint(self) -> None:
        size = len(self.recorded.resources) + len(self.recorded.exports)
        if self._chain.fresh <= max(self._every, size // 2):
            return
        self._chain.fresh = 0
        with suppress(StateError):  # it only saves time; the next one is tried as many entries later
            await asyncio.to_thread(self._save)

    def _save(self) -> None:
        chain = self._chain
        if chain.head is not None:
            self._backend.checkpoint(chain.end, snapshot.dump(chain.recorded, chain.head, chain.offset))


def _answer(calls: list[_Call], error: Exception | None) -> None:
    """End the waiting of those who still wait."""
    for call in calls:
        if call.done.done():
            continue
        if error is None:
            call.done.set_result(None)
        else:
            call.done.set_exception(error)
