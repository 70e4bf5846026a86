"""The journal: one log, read, verified and folded, and written by many callers at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Final, NamedTuple

from reconciler.model.entry import Archived, Entry, ExportIntended, Intended, LeaseBroken, LeaseRenewed
from reconciler.model.errors import Conflict, Locked, StateError, Unreachable
from reconciler.model.ports import Backend, Clock, Require
from reconciler.model.recorded import Recorded
from reconciler.state import codec, snapshot
from reconciler.state.backends import replay
from reconciler.state.chain import Chain, load
from reconciler.state.fence import Fence, check_here, needs_lease
from reconciler.state.patience import PATIENCE, Patience
from reconciler.state.rescue import facts, never_sent
from reconciler.state.ticks import ticks
from reconciler.state.watch import instant

CHECKPOINT_EVERY: Final = 2_000


def read(backend: Backend) -> Recorded:
    """Return the state of a log, for commands that only read; raises StateError when it is damaged."""
    return load(backend).recorded


class _Call(NamedTuple):
    """One caller of `record`, waiting; `encoded` is what the batch will hold of it."""

    entries: tuple[Entry, ...]
    encoded: tuple[bytes, ...]
    require: Require | None
    done: asyncio.Future[None]

    def has(self, kinds: type | tuple[type, ...]) -> bool:
        """Whether an entry is one of these."""
        return any(isinstance(entry, kinds) for entry in self.entries)


class Log:
    """One log as a run sees it; a Journal.

    Use one instance in one event loop.  The backend works in a worker thread, one call at a time; callers
    that come while it does share the next append.  A checkpoint is written when more than `checkpoint_every`
    entries were folded since the last, and more than half as many as there are resources and exports: so all
    checkpoints together stay in proportion to the log.  `monotonic` counts seconds by a clock that nobody sets;
    `broken` is the last lease that somebody else was seen to take away.

    A storage that was read and does not answer any more is asked again for `patience` seconds, of which `note` gets a
    sentence; `chance` gives numbers from 0 to 1.
    """

    def __init__(
        self,
        backend: Backend,
        clock: Clock,
        *,
        checkpoint_every: int = CHECKPOINT_EVERY,
        monotonic: Callable[[], float] = ticks,
        patience: float = PATIENCE,
        note: Callable[[str], None] = lambda said: None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.monotonic = monotonic
        self._backend = backend
        self._clock = clock
        self._every = checkpoint_every
        self._chain = Chain()
        self._opened = False
        self._held: Fence | None = None
        self.broken: LeaseBroken | None = None
        self._patient = partial(Patience, seconds=patience, note=note, monotonic=monotonic, chance=chance)
        self._patience = self._patient()
        self._facts: dict[asyncio.Future[None], tuple[Entry, ...]] = {}
        self._waiting: list[_Call] = []
        self._writer: asyncio.Task[None] | None = None
        self._busy = asyncio.Lock()

    @property
    def recorded(self) -> Recorded:
        """The state up to the last append or refresh; empty before the first `open`."""
        return self._chain.recorded

    @property
    def head(self) -> str | None:
        """The SHA-256 of the last batch that is folded, None for an empty log."""
        return self._chain.head

    @property
    def unrecorded(self) -> tuple[Entry, ...]:
        """What callers have learned and handed in, and what is not in the log as far as anybody knows."""
        return tuple(chain.from_iterable(self._facts.values()))

    def open(self) -> None:
        """Read, verify and fold the log; raises StateError when it is damaged or out of reach."""
        chain = load(self._backend)
        chain.into(self.recorded)  # the object that others may hold already
        self._chain = chain
        self._opened = True

    async def refresh(self, *, patient: bool = True) -> None:
        """Fold what others have appended; opens the log if that has not been done."""
        patience = self._patient()
        async with self._busy:
            while True:
                try:
                    await self._refresh()
                except Unreachable as error:
                    if not (self._opened and patient):
                        raise
                    await self._clock.sleep(patience.pause(error))
                else:
                    patience.answered()
                    return

    async def _refresh(self) -> None:
        if self._opened:
            await self._catch_up()
        else:
            await asyncio.to_thread(self.open)

    async def record(self, entries: Iterable[Entry], require: Require | None = None) -> None:
        """As the port says.  Without entries nothing is written, and `require` is not asked.

        StateError means that the entries are not in the log as far as it could be read again.  What a caller has
        learned is written also when the caller is cancelled while it waits.
        """
        mine = tuple(entries)
        if not mine:
            return
        done = asyncio.get_running_loop().create_future()
        call = _Call(mine, tuple(map(codec.encode, mine)), require, done)
        if learned := facts(mine):
            self._facts[done] = learned
        self._waiting.append(call)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await done

    async def idle(self) -> None:
        """Return when everything that was handed in is written, or has been given up."""
        if self._writer is not None:
            await asyncio.wait([self._writer])

    def hold(self, fence: Fence) -> None:
        """From now on what is recorded needs this lease."""
        self._held = fence

    def let_go(self) -> None:
        """The lease is no longer needed for what is recorded."""
        self._held = None

    def permit(self) -> None:
        """Raise Locked when what was intended must not leave any more; to be asked right before it does."""
        if self._held is not None:
            self._held.check(sending=True)

    async def _write(self) -> None:
        calls: list[_Call] = []
        written: list[_Call] = []
        try:
            async with self._busy:
                while self._waiting:
                    calls = self._next()
                    try:
                        if not self._opened:
                            await self._refresh()
                        written += await self._append(calls)
                        # a renewal that waits comes first: without it, what was intended may be too late to leave
                        if not any(call.has(LeaseRenewed) for call in self._waiting):
                            self._answer_written(written)
                            written = []
                        await self._checkpoint()
                    except Exception as error:  # noqa: BLE001 - raised by `record`, in those who wait for it
                        _answer(calls, error)
                self._answer_written(written)
        except asyncio.CancelledError:
            for call in (*written, *calls, *self._waiting):
                call.done.cancel()
            self._waiting = []
            raise

    def _next(self) -> list[_Call]:
        """The callers who share the next batch: all of them, but an archive has one of its own."""
        alone = next((index for index, call in enumerate(self._waiting) if call.has(Archived)), len(self._waiting))
        count = max(alone, 1)
        calls, self._waiting = self._waiting[:count], self._waiting[count:]
        return calls

    async def _append(self, calls: list[_Call]) -> list[_Call]:
        """Write the entries of all callers whose preconditions hold, as one batch; return these callers.

        The batches that were tried for a position stay in mind: the first may arrive while a later one, of those
        callers that are left, is being written.
        """
        tried: list[bytes] = []
        while calls := self._admitted(calls, in_doubt=bool(tried)):
            batch = codec.seal(self._chain.head, chain.from_iterable(call.encoded for call in calls))
            tried.append(batch)
            position = self.recorded.position
            try:
                written = await self._put(batch, tried, calls)
            except StateError as error:
                if isinstance(error, Unreachable) or len(tried) > 1:  # one that was tried may yet arrive
                    for call in calls:
                        self._never_sent(call)
                raise
            if self.recorded.position > position:
                self._patience.answered()
                tried.clear()
            if written:
                for call in calls:
                    self._facts.pop(call.done, None)
                return calls
        return []

    async def _put(self, batch: bytes, tried: list[bytes], calls: list[_Call]) -> bool:
        """Append a batch; False when it is not there, and its callers must be asked again."""
        try:
            await asyncio.to_thread(self._backend.append, self._chain.end + 1, batch)
        except StateError as error:
            return await self._find_out(tried, error, calls)
        self._chain.take(batch, [entry for call in calls for entry in call.entries])
        return True

    def _answer_written(self, calls: list[_Call]) -> None:
        """Let the callers go on, but not those who intend something and whose lease ran out meanwhile."""
        for call in calls:
            try:
                if call.has((Intended, ExportIntended)):
                    self._fence(call.entries)
            except Locked as error:
                self._never_sent(call)
                _answer([call], error)
            else:
                _answer([call], None)

    async def _find_out(self, tried: list[bytes], error: StateError, calls: list[_Call]) -> bool:
        """Read on after a failed append: True when one of the batches is there all the same, False when somebody
        else's is, or nothing after a storage that did not answer; raises `error` when nothing is and waiting does
        not help."""
        position = self.recorded.position
        silence = error if isinstance(error, Unreachable) else None
        while True:
            if silence is not None:
                await self._wait(silence, calls)
            try:
                written = await self._catch_up(tried)
                break
            except Unreachable as again:
                silence = again
        if self.recorded.position > position:
            return written
        if isinstance(error, Conflict):
            raise _replaced(position) from error
        if isinstance(error, Unreachable):
            return False
        raise error

    async def _wait(self, error: Unreachable, calls: list[_Call]) -> None:
        """Wait until the storage may be asked again; raises `error` when it is too late for all of the callers."""
        for call in calls:
            try:
                self._fence(call.entries)
            except Locked:
                continue
            await self._clock.sleep(self._patience.pause(error))
            return
        raise error

    def _admitted(self, calls: list[_Call], *, in_doubt: bool) -> list[_Call]:
        """The callers whose entries may follow, each asked on the state that those before it would leave."""
        admitted = []
        with self._chain.fold.trial():
            for call in calls:
                if call.done.done() and call.done not in self._facts:  # cancelled while it waited
                    continue
                try:
                    self._fence(call.entries)
                    self._agree(call)
                    self._chain.agree(call.entries)
                    self._chain.fold.add(call.entries)
                except Exception as error:  # noqa: BLE001 - it belongs to this caller, not to the others
                    if in_doubt:
                        self._never_sent(call)
                    _answer([call], error)
                else:
                    admitted.append(call)
        return admitted

    def _agree(self, call: _Call) -> None:
        """Ask a caller whether its entries may follow; what it does not want itself is not lost."""
        if call.require is not None:
            try:
                call.require(self.recorded)
            except BaseException:
                self._facts.pop(call.done, None)
                raise

    def _never_sent(self, call: _Call) -> None:
        """Remember of a caller that is told to stop, and whose intentions may be in the log, that nothing comes of
        them."""
        if unsent := never_sent(call.entries, instant(self._clock.wall())):
            self._facts[call.done] = (*self._facts.get(call.done, ()), *unsent)

    def _fence(self, entries: tuple[Entry, ...]) -> None:
        """Raise Locked when the entries need the lease that was taken, and it is gone; StateError for a log that was
        moved to another place."""
        check_here(self.recorded)
        if self._held is not None and needs_lease(entries):
            self._held.check(sending=False)

    async def _catch_up(self, ours: Collection[bytes] = ()) -> bool:
        """Fold what is new; True when the first of it is a batch of `ours`."""
        rows = await asyncio.to_thread(self._behind)
        if rows and rows[0][0] > self._chain.end + 1:
            await self._skip()
            return False
        for position, batch in rows:
            entries = self._chain.follow(position, batch)
            self._arrived(entries)
            for entry in entries:
                if isinstance(entry, LeaseBroken):
                    self.broken = entry
        return bool(rows) and rows[0][1] in ours

    async def _skip(self) -> None:
        """Read anew a log of which what comes next was archived; raises StateError when it is another one."""
        lineage, position = self.recorded.lineage, self.recorded.position
        chain = await asyncio.to_thread(load, self._backend)
        if chain.recorded.lineage != lineage or chain.recorded.position <= position:
            raise _replaced(position)
        chain.into(self.recorded)
        self._chain = chain

    def _arrived(self, entries: list[Entry]) -> None:
        """What was given up may have been written after all."""
        for call, learned in list(self._facts.items()):
            self._facts[call] = tuple(fact for fact in learned if fact not in entries)

    def _behind(self) -> list[tuple[int, bytes]]:
        """Every batch that is new, also where a checkpoint would be shorter: one of them may be ours."""
        return list(self._backend.read(replay(self._chain.end))[1])

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


def _replaced(position: int) -> StateError:
    return StateError(
        f"The log ends before position {position}, up to which it was read: it was replaced while in use.",
        "Find out who restored or removed the state, then run it again.",
    )


def _answer(calls: list[_Call], error: Exception | None) -> None:
    """End the waiting of those who still wait."""
    for call in calls:
        if call.done.done():
            continue
        if error is None:
            call.done.set_result(None)
        else:
            call.done.set_exception(error)
