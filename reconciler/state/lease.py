"""The lease: the one run that may mutate, taken and given back as entries of the log.

A holder counts its time by ticks, which nobody sets, and stops by itself when it could not renew in time: it records
nothing later than the length of the lease after the last renewal that is in the log, and what it has intended leaves
not later than `LEAVING` of that.  So whatever a machine was paused for, and whatever its wall clock says, what it had
intended is out, or never will be, before anybody else believes that it did not happen.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import Final, NamedTuple

from reconciler.model import recorded as state
from reconciler.model.entry import Entry, Holder, LeaseReleased, LeaseRenewed, LeaseTaken
from reconciler.model.errors import Conflict, Locked, ReconcilerError, StateError, Unreachable
from reconciler.model.ports import Clock, Require
from reconciler.model.recorded import Recorded
from reconciler.state.log import Log
from reconciler.state.watch import LENGTH, Watch, broken, check_clock, instant, instant_after, span

LEAVING: Final = 35 / 60
"""The part of a lease in which what was intended may leave: less than the delay after which its absence is believed."""

_STOPPED: Final = "Nothing more was sent. Run it again: what was under way is looked up first."


class _Moment(NamedTuple):
    """One instant by both clocks."""

    wall: datetime
    ticks: float


class Lease:
    """The lease for a run, to be entered with `async with`; nothing happens before that.

    Entering appends `LeaseTaken` and `extra` in one batch.  It waits up to `timeout` seconds for a lease that somebody
    else holds, and tells `note` for whom; then it raises Locked.  A lease whose holder is provably dead is broken at
    once; one that has expired is first watched for half a lease, also without a timeout, and broken unless it is
    renewed.  Raises Conflict when `expect`, the position a plan was made from, is no longer the last that said anything
    about a resource or an export, StateError when the log holds instants that are far ahead of the clock, unless
    `trust_clock`, and KeyboardInterrupt when `stop` says so while it waits.  `chance` gives numbers from 0 to 1.

    It lasts `seconds` from each renewal, and is renewed three times as often while it is held.  Until it is left,
    `log.record` and `log.permit` raise Locked as soon as it is gone.  Leaving gives it back.
    """

    def __init__(
        self,
        log: Log,
        *,
        run: str,
        holder: Holder,
        clock: Clock,
        seconds: float = LENGTH,
        timeout: float = 0.0,
        note: Callable[[str], None] = lambda said: None,
        expect: int | None = None,
        extra: Iterable[Entry] = (),
        trust_clock: bool = False,
        stop: Callable[[], bool] = lambda: False,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._log = log
        self._run = run
        self._holder = holder
        self._clock = clock
        self._seconds = seconds
        self._timeout = timeout
        self._note = note
        self._expect = expect
        self._extra = tuple(extra)
        self._trust_clock = trust_clock
        self._stop = stop
        self._chance = chance
        self._taken: _Moment
        self._renewed: _Moment
        self._asked: _Moment
        self._renewal: asyncio.Task[None]

    async def __aenter__(self) -> Lease:
        await self._log.refresh()
        await self._acquire()
        self._renewal = asyncio.create_task(self._renew())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._renewal.cancel()
        await asyncio.gather(self._renewal, return_exceptions=True)
        self._log.let_go()
        try:
            await self._log.record([LeaseReleased(self._run, instant(self._clock.wall()))])
        except ReconcilerError:
            if error is None:
                raise

    def check(self, *, sending: bool) -> None:
        """See `state.fence.Fence`."""
        lease = self._log.recorded.lease
        if lease is None or lease.run != self._run:
            raise Locked(self._evicted(lease), _STOPPED)
        now = self._moment()
        due = self._taken.wall + timedelta(seconds=now.ticks - self._taken.ticks)
        if abs(now.wall - due) >= timedelta(seconds=self._seconds):
            raise Locked(
                f"The clock of this machine was changed while run {self._run} held the lease, or the machine was"
                f" paused: it says {instant(now.wall)}, and by the time that has passed it should be {instant(due)}.",
                _STOPPED,
            )
        renewed = self._last_renewal(lease.until)
        old = max(now.ticks - renewed.ticks, (now.wall - renewed.wall).total_seconds())
        if old >= self._seconds:
            raise Locked(
                f"The lease of run {self._run} expired at {lease.until} before it was renewed:"
                " the process was paused, or the state was out of reach.",
                _STOPPED,
            )
        if sending and old >= self._seconds * LEAVING:
            raise Locked(
                f"The lease of run {self._run} was last renewed {span(timedelta(seconds=old))} ago, too long to send"
                " anything: the process was paused, or the state is out of reach.",
                _STOPPED,
            )

    def _last_renewal(self, until: str) -> _Moment:
        """When the last renewal that is in the log began: one may be there that was not answered yet."""
        arrived = until == self._until(self._asked) != self._until(self._renewed)
        return self._asked if arrived else self._renewed

    def _evicted(self, lease: state.Lease | None) -> str:
        seen = self._log.broken
        why = f" at {seen.at}, {seen.reason}" if seen is not None and seen.run == self._run else ""
        now = (
            f" {lease.holder.user} on {lease.holder.host} holds it now, for `{lease.holder.command}`." if lease else ""
        )
        return f"The lease of run {self._run} was taken away{why}.{now}"

    async def _acquire(self) -> None:
        """Take the lease as soon as it is free, or may be broken; raise Locked when that takes too long."""
        watch = Watch(self._clock, self._log.monotonic, self._seconds)
        end = self._log.monotonic() + self._timeout
        told: tuple[str, bool] | None = None
        while True:
            lease, why = self._log.recorded.lease, ""
            if lease is not None:
                watch.see(lease)
                why = watch.why_over(lease)
            if lease is None or why:
                if await self._take(lease, why):
                    return
                continue  # somebody else has taken it, lost it or given it back while we looked
            undecided, left = watch.undecided(lease), end - self._log.monotonic()
            if not undecided and left <= 0:
                raise Locked(watch.said(lease), _WAIT)
            if told != (told := (lease.run, undecided)):
                self._note(f"waiting: {watch.said(lease)}")
            # one to three seconds for a lease of sixty: the log may be far away
            pause = self._seconds / 60 * (1 + 2 * self._chance())
            await self._clock.sleep(pause if undecided else min(pause, left))
            if self._stop():
                raise KeyboardInterrupt
            with suppress(Unreachable):  # the next look may find it
                await self._log.refresh(patient=False)

    async def _take(self, seen: state.Lease | None, why: str) -> bool:
        """Take the lease on top of the one that was seen; False when that is no longer the one there."""
        now = self._moment()
        entries: list[Entry] = []
        if seen is not None:
            reason = f"by {self._holder.user} on {self._holder.host}: {why}"
            entries.append(broken(seen, now=now.wall, by=self._run, reason=reason))
        entries.append(LeaseTaken(self._run, instant(now.wall), self._holder, self._until(now)))
        try:
            await self._log.record([*entries, *self._extra], self._still(seen, now.wall))
        except _LookedAgain:
            return False
        self._taken = self._renewed = self._asked = now
        self._log.hold(self)
        return True

    def _still(self, seen: state.Lease | None, now: datetime) -> Require:
        def require(recorded: Recorded) -> None:
            if recorded.lease != seen:
                raise _LookedAgain
            if self._expect is not None and recorded.changed > self._expect:
                raise Conflict(
                    f"The state changed while the plan was waiting: it was made at position {self._expect},"
                    f" but position {recorded.changed} says more about resources or exports.",
                    "Plan again.",
                )
            if not self._trust_clock:
                check_clock(recorded, now)

        return require

    async def _renew(self) -> None:
        """Renew until it is gone.  A renewal that fails is soon tried again; until then the lease runs out."""
        pause = self._pause(self._renewed)
        while True:
            await self._clock.sleep(pause)
            self._asked = now = self._moment()
            try:
                await self._log.record([LeaseRenewed(self._run, instant(now.wall), self._until(now))])
            except Locked:
                return
            except StateError:
                pause = self._seconds / 12
            else:
                self._renewed = now
                pause = self._pause(now)

    def _pause(self, last: _Moment) -> float:
        """Seconds until the next renewal: fewer when the last one, or the taking of the lease, was long on its way."""
        return max(self._seconds / 3 - (self._log.monotonic() - last.ticks), 0)

    def _moment(self) -> _Moment:
        return _Moment(self._clock.wall(), self._log.monotonic())

    def _until(self, now: _Moment) -> str:
        """The end of a lease that is renewed now: others may wait longer, never less."""
        return instant_after(now.wall + timedelta(seconds=self._seconds))


_WAIT: Final = (
    "Wait until it ends, or have it waited for: --lock-timeout SECONDS."
    " If it is stuck, `reconciler state unlock` takes the state away from it."
)


class _LookedAgain(Exception):
    """The lease that was judged is not the one that is there now."""
