"""How often one request is tried, how long it waits, and how fast requests may follow each other."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from reconciler.model.ports import Clock
from reconciler.model.values import JSON

TRIES: Final = 4
"""Tries of a request that fails (a connection, a 5xx, a page instead of JSON)."""

LONGEST_WAIT: Final = 300.0
"""Seconds that one request may spend waiting, over all its tries."""

MUTATION_WAIT: Final = 30.0
"""The same for a mutation: who is told to wait longer applies again."""


class Patience:
    """The budget of one request; failures are counted, being turned away is bounded by the time it takes.

    `longest` is how many seconds it may wait in all.
    """

    def __init__(
        self,
        clock: Clock,
        jitter: Callable[[], float] = random.random,
        longest: float = LONGEST_WAIT,
    ) -> None:
        self._clock = clock
        self._jitter = jitter
        self._longest = longest
        self._failures = 0
        self._refusals = 0
        self._waited = 0.0

    async def after_failure(self, told: float | None) -> bool:
        """Wait before the next try, or return False when it has failed often enough."""
        self._failures += 1
        if self._failures >= TRIES:
            return False
        return await self.wait(max(0.5 * 2 ** (self._failures - 1), told or 0.0))

    async def after_refusal(self, told: float | None) -> bool:
        """Wait as told (1, 2, 4 … 60 s when not told), or return False when that would take too long."""
        self._refusals += 1
        backoff = min(60.0, 2.0 ** (self._refusals - 1))
        return await self.wait(backoff if told is None else max(told, backoff / 8))

    async def wait(self, seconds: float) -> bool:
        """Wait at least `seconds` and a little more, or return False when the budget does not allow it."""
        left = self._longest - self._waited
        if seconds > left:
            return False
        seconds = min(seconds * (1 + self._jitter() / 4), left)
        self._waited += seconds
        await self._clock.sleep(seconds)
        return True


class Pace:
    """At most `burst` requests at once, and `per_second` in the long run."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._interval = 1 / per_second
        self._slack = burst * self._interval
        self._next = -math.inf

    def delay(self, now: float) -> float:
        """Take the next place in the row; return how many seconds it lies ahead of `now`."""
        self._next = max(self._next, now - self._slack) + self._interval
        return max(0.0, self._next - now)


def told_to_wait(headers: Mapping[str, str], body: JSON, now: datetime) -> float | None:
    """Seconds a service asks to wait: `Retry-After` as seconds or as an HTTP date, or `retryAfter` in
    the body or in an error's extensions.  None when it asks for nothing (or for nonsense)."""
    text = headers.get("retry-after", "").strip()
    for candidate in (_seconds(text), _until(text, now), _in_body(body)):
        if candidate is not None:
            return candidate
    return None


def _seconds(value: JSON) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _until(text: str, now: datetime) -> float | None:
    try:
        instant = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return max(0.0, (instant - now).total_seconds())


def _in_body(body: JSON) -> float | None:
    if not isinstance(body, dict):
        return None
    if (told := _seconds(body.get("retryAfter"))) is not None:
        return told
    errors = body.get("errors")
    for error in errors if isinstance(errors, list) else []:
        extensions = error.get("extensions") if isinstance(error, dict) else None
        if isinstance(extensions, dict) and (told := _seconds(extensions.get("retryAfter"))) is not None:
            return told
    return None
