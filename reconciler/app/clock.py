"""The clock of the machine, and the pretended one of RECONCILER_NOW."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from reconciler.model.errors import Usage

_YEARS: Final = range(1971, 9000)
"""What leaves room on both sides for zones, lifetimes and the schedules that are looked for."""


@dataclass(frozen=True, slots=True)
class SystemClock:
    """Implements model.ports.Clock; `pretended` replaces `now` and nothing else."""

    pretended: datetime | None = None

    def now(self) -> datetime:
        return self.pretended or self.wall()

    def wall(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(seconds)


def clock_from(text: str) -> SystemClock:
    """Return a clock; `text` is an RFC 3339 instant or empty.  Raises Usage for anything else."""
    if not text:
        return SystemClock()
    try:
        pretended = datetime.fromisoformat(text)
    except ValueError:
        pretended = None
    if pretended is None or pretended.tzinfo is None or pretended.year not in _YEARS:
        raise Usage(
            f"RECONCILER_NOW is {text!r}, which is not an instant between {_YEARS[0]} and {_YEARS[-1]}",
            "write an RFC 3339 instant with a zone, for example 2026-11-23T06:00:00Z",
        )
    return SystemClock(pretended.astimezone(UTC))


def instant(moment: datetime) -> str:
    """Return an aware instant as it is recorded: RFC 3339 in UTC, to the second."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
