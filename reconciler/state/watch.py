"""Somebody else's lease: who it is, whether they still live, and how it is taken away.

Whether a holder lives is told by what it does to the log while we look, never by comparing its clock with ours.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from reconciler.model.entry import LeaseBroken
from reconciler.model.errors import StateError
from reconciler.model.ports import Clock
from reconciler.model.recorded import Lease, Recorded
from reconciler.state.holder import is_dead

LENGTH: Final = 60.0
"""Seconds of a lease, counted from each renewal; it is renewed three times as often."""

ASTRAY: Final = timedelta(minutes=10)
"""How far a clock may be behind what the log says already."""


class Watch:
    """What is seen of the leases of others from now on; `length` is how many seconds one lasts.

    A lease that is past its end by our clock may be broken once it has not moved for half its length, which is
    longer than its holder takes between two renewals, even when one of them is slow.  A lease that has not moved
    for more than its whole length may be broken whatever its end: its holder has stopped by itself.
    """

    def __init__(self, clock: Clock, ticks: Callable[[], float], length: float) -> None:
        self._clock = clock
        self._ticks = ticks
        self._length = length
        self._lease: Lease | None = None
        self._since = ticks()
        self._moves = -1

    def see(self, lease: Lease) -> None:
        """Look at the lease that is there now."""
        if lease != self._lease:
            self._lease, self._since = lease, self._ticks()
            self._moves += 1

    def undecided(self, lease: Lease) -> bool:
        """Whether it looks expired, and nothing was seen yet that proves the contrary."""
        return self._moves < 1 and self._expired(lease)

    def why_over(self, lease: Lease) -> str:
        """Why this lease, seen last, may be broken; empty while it may not."""
        if is_dead(lease.holder):
            return "its process was gone"
        still = self._ticks() - self._since
        if still >= (self._length / 2 if self._expired(lease) else self._length * 1.25):
            return f"it ended at {lease.until} and was not renewed for {still:.0f} s"
        return ""

    def said(self, lease: Lease) -> str:
        """What whoever waits has to know."""
        if self.undecided(lease):
            return (
                f"{facts(lease)} By the clock of this machine, {self._now()}, that is over: watching for"
                f" {self._length / 2:.0f} s whether it is renewed all the same."
            )
        return facts(lease) + self._disagreement(lease)

    def _expired(self, lease: Lease) -> bool:
        return self._clock.wall() >= datetime.fromisoformat(lease.until)

    def _disagreement(self, lease: Lease) -> str:
        """A sentence on two clocks that cannot both be right; empty when they may be."""
        apart = self._clock.wall() - last_renewal(lease, self._length)
        if abs(apart) <= timedelta(seconds=self._length):
            return ""
        order = "ahead of" if apart > timedelta() else "behind"
        return (
            f" It is {self._now()} here: the clock of this machine is {span(apart)} {order} that of"
            f" {lease.holder.host}, so one of the two is wrong."
        )

    def _now(self) -> str:
        return instant(self._clock.wall())


def facts(lease: Lease) -> str:
    """Who holds a lease, in a sentence."""
    holder = lease.holder
    place = f", {holder.ci}" if holder.ci else ""
    return (
        f"{holder.user} on {holder.host} holds the state: `{holder.command}`, run {lease.run}, since {lease.since},"
        f" until {lease.until} unless it is renewed{place}."
    )


def broken(lease: Lease, *, now: datetime, by: str, reason: str) -> LeaseBroken:
    """The entry that takes a lease away."""
    return LeaseBroken(lease.run, instant(now), by, reason)


def check_clock(recorded: Recorded, now: datetime) -> None:
    """Raise StateError when the log already says something of an instant that is far ahead of `now`.

    History, schedules and leases go by what such a clock would write.
    """
    newest = max(_instants(recorded), default="")
    try:
        latest = datetime.fromisoformat(newest)
    except ValueError:
        return
    if latest - now > ASTRAY:
        raise StateError(
            f"The clock of this machine says {instant(now)}, but the log already holds something of {newest},"
            f" {span(latest - now)} later: this clock is wrong, or that of whoever wrote it was. Nothing was sent.",
            "Set the clock of this machine. If it is right, say RECONCILER_TRUST_CLOCK=1.",
        )


def _instants(recorded: Recorded) -> list[str]:
    """When something happened to each resource, export and doubt; all in UTC to the second, so they sort as text."""
    found = [resource.applied_at for resource in recorded.resources.values()]
    found += [doubt.intended_at for doubt in recorded.in_doubt.values()]
    found += [export.run.intended_at for export in recorded.exports.values() if export.run is not None]
    return found


def last_renewal(lease: Lease, length: float) -> datetime:
    """When a lease was last renewed, by the clock of its holder."""
    return datetime.fromisoformat(lease.until) - timedelta(seconds=length)


def span(apart: timedelta) -> str:
    """A length of time for people, without its sign."""
    minutes = round(abs(apart).total_seconds() / 60)
    if minutes < 2:
        return f"{abs(apart).total_seconds():.0f} s"
    if minutes < 90:
        return f"about {minutes} minutes"
    hours = round(minutes / 60)
    return f"about {hours} hours" if hours < 48 else f"about {round(hours / 24)} days"


def instant(moment: datetime) -> str:
    """An aware instant in UTC as it is recorded, to the second."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def instant_after(moment: datetime) -> str:
    """The same, rounded up: never before the moment."""
    return instant(moment if moment.microsecond == 0 else moment + timedelta(seconds=1))
