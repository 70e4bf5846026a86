"""Instants as text, and pauses that an interruption ends."""

from __future__ import annotations

import asyncio
from datetime import datetime

from reconciler.model.ports import Clock


def wall(clock: Clock) -> str:
    """The real instant as RFC 3339 in UTC, to the second."""
    return clock.wall().strftime("%Y-%m-%dT%H:%M:%SZ")


def parse(instant: str) -> datetime:
    """Read an RFC 3339 instant."""
    return datetime.fromisoformat(instant)


def age(clock: Clock, instant: str) -> float:
    """Real seconds since an RFC 3339 instant; 0 for one that is still to come, by another clock."""
    return max((clock.wall() - parse(instant)).total_seconds(), 0.0)


async def pause(clock: Clock, seconds: float, stop: asyncio.Event) -> None:
    """Sleep for `seconds`, or until `stop` is set."""
    waits = [asyncio.ensure_future(clock.sleep(seconds)), asyncio.ensure_future(stop.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
