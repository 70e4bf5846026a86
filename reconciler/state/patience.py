"""How long a storage that does not answer is asked again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from reconciler.model.errors import Unreachable
from reconciler.model.ports import Clock

PATIENCE: Final = 45.0
"""Seconds: less than a lease lasts."""

_FIRST: Final = 0.25
_LONGEST: Final = 4.0


class Patience:
    """Growing pauses, for `seconds` in all since the storage last answered; then none until it has answered again.

    `chance` gives numbers from 0 to 1, so that many who wait do not all come back at once; `note` gets one sentence
    for people when waiting begins, and one when it was worth it.
    """

    def __init__(
        self,
        clock: Clock,
        ticks: Callable[[], float],
        *,
        seconds: float,
        chance: Callable[[], float],
        note: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._ticks = ticks
        self._seconds = seconds
        self._chance = chance
        self._note = note
        self._since: float | None = None
        self._pause = _FIRST

    async def pause(self, error: Unreachable) -> None:
        """Return when the storage may be asked again; raises `error` when that has gone on for long enough."""
        now = self._ticks()
        if self._since is None:
            self._since, self._pause = now, _FIRST
            if self._seconds > 0:
                self._note(f"{error.message} Trying again for {self._seconds:.0f} s.")
        left = self._since + self._seconds - now
        if left <= 0:
            raise error
        pause, self._pause = self._pause, min(self._pause * 2, _LONGEST)
        await self._clock.sleep(min(pause * (0.5 + self._chance() / 2), left))

    def answered(self) -> None:
        """The storage does what it is asked; from now on it has all the time again."""
        if self._since is not None:
            self._since = None
            self._note("The state answers again.")
