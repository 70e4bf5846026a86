"""The lease: the one run that may mutate, taken and given back as entries of the log."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from types import TracebackType

from reconciler.model import recorded as state
from reconciler.model.entry import Entry, Holder, LeaseBroken, LeaseReleased, LeaseRenewed, LeaseTaken
from reconciler.model.errors import Conflict, Locked, ReconcilerError, StateError
from reconciler.model.ports import Clock, Require
from reconciler.model.recorded import Recorded
from reconciler.state.holder import is_dead
from reconciler.state.log import Log


def take_lease(
    log: Log,
    *,
    run: str,
    holder: Holder,
    clock: Clock,
    seconds: float = 60,
    expect: int | None = None,
    extra: Iterable[Entry] = (),
) -> Lease:
    """Return the lease for a run, to be entered with `async with`; nothing happens before that.

    Entering appends `LeaseTaken` and `extra` in one batch.  It raises Locked when a live lease is there
    (one that expired, or whose holder is provably dead, is broken first), and Conflict when `expect`, the
    position a plan was made from, is no longer the last that said anything about a resource or an export.
    """
    return Lease(log=log, run=run, holder=holder, clock=clock, seconds=seconds, expect=expect, extra=tuple(extra))


class Lease:
    """A lease of `seconds`, renewed three times as often while it is held.

    While it is held, `log.record` raises Locked as soon as it is gone.  Leaving gives it back.
    """

    def __init__(
        self,
        *,
        log: Log,
        run: str,
        holder: Holder,
        clock: Clock,
        seconds: float,
        expect: int | None,
        extra: tuple[Entry, ...],
    ) -> None:
        self._log = log
        self._run = run
        self._holder = holder
        self._clock = clock
        self._seconds = seconds
        self._expect = expect
        self._extra = extra
        self._renewal: asyncio.Task[None]

    async def __aenter__(self) -> Lease:
        await self._log.refresh()
        taken = False
        while not taken:  # somebody else may take, lose or give back the lease while we look
            taken = await self._take(self._log.recorded.lease)
        self._renewal = asyncio.create_task(self._renew())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._renewal.cancel()
        await asyncio.gather(self._renewal, return_exceptions=True)
        self._log.let_go()
        try:
            await self._log.record([LeaseReleased(self._run, self._now())])
        except ReconcilerError:
            if error is None:
                raise

    async def _take(self, seen: state.Lease | None) -> bool:
        """Take the lease on top of the one that was seen; False when that is no longer the one there."""
        deadline, now = self._log.monotonic() + self._seconds, self._now()
        broken = [] if seen is None else [LeaseBroken(seen.run, now, self._run, self._why_gone(seen))]
        taken = LeaseTaken(self._run, now, self._holder, self._until())
        try:
            await self._log.record([*broken, taken, *self._extra], self._still(seen))
        except _LookedAgain:
            return False
        self._log.hold(self._run, deadline)
        return True

    def _why_gone(self, lease: state.Lease) -> str:
        """Why a lease may be broken; raises Locked when it may not."""
        if self._clock.wall() >= datetime.fromisoformat(lease.until):
            return f"it expired at {lease.until}"
        if is_dead(lease.holder):
            return "its process is gone"
        holder = lease.holder
        place = f", {holder.ci}" if holder.ci else ""
        raise Locked(
            f"{holder.user} on {holder.host} holds the state: `{holder.command}`, run {lease.run}"
            f" since {lease.since}{place}.",
            f"Wait until it ends, then try again. Unless it is renewed, its lease ends by itself at {lease.until}.",
        )

    def _still(self, seen: state.Lease | None) -> Require:
        def require(recorded: Recorded) -> None:
            if recorded.lease != seen:
                raise _LookedAgain
            if self._expect is not None and recorded.changed > self._expect:
                raise Conflict(
                    f"The state changed while the plan was waiting: it was made at position {self._expect},"
                    f" but position {recorded.changed} says more about resources or exports.",
                    "Plan again.",
                )

        return require

    async def _renew(self) -> None:
        """Renew until it is gone.  A renewal that fails is tried again; until then the lease runs out."""
        while True:
            await self._clock.sleep(self._seconds / 3)
            deadline = self._log.monotonic() + self._seconds
            try:
                await self._log.record([LeaseRenewed(self._run, self._now(), self._until())])
            except Locked:
                return
            except StateError:
                continue
            self._log.hold(self._run, deadline)

    def _now(self) -> str:
        return _instant(self._clock.wall())

    def _until(self) -> str:
        """The end of a lease that begins now, rounded up: others may wait longer, never less."""
        end = self._clock.wall() + timedelta(seconds=self._seconds)
        return _instant(end if end.microsecond == 0 else end + timedelta(seconds=1))


class _LookedAgain(Exception):
    """The lease that was judged is not the one that is there now."""


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
