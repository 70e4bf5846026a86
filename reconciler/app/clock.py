"""The clock of the machine, and the pretended one of RECONCILER_NOW."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.model.errors import Usage


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
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise Usage(
            f"RECONCILER_NOW is {text!r}, which is not an instant",
            "write an RFC 3339 instant with a zone, for example 2026-11-23T06:00:00Z",
        )
    return SystemClock(instant.astimezone(UTC))
