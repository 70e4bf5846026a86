"""How long a storage that does not answer is asked again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from typing import Final

from reconciler.model.errors import Unreachable
from reconciler.model.ports import Backend
from reconciler.state.ticks import ticks

PATIENCE: Final = 45.0
"""Seconds: less than a lease lasts."""

FIRST_PATIENCE: Final = 5.0
"""Seconds, for a storage that has not answered yet: perhaps it is not the right one."""

_FIRST: Final = 0.25
_LONGEST: Final = 4.0


class Patience:
    """Growing pauses, for `seconds` in all since the storage last answered; then none until it has answered again.

    `chance` gives numbers from 0 to 1, so that many who wait do not all come back at once; `note` gets one sentence
    for people when waiting begins, and one when it was worth it.
    """

    def __init__(
        self,
        *,
        seconds: float,
        note: Callable[[str], None],
        monotonic: Callable[[], float] = ticks,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._monotonic = monotonic
        self._seconds = seconds
        self._chance = chance
        self._note = note
        self._since: float | None = None
        self._pause = _FIRST

    def pause(self, error: Unreachable) -> float:
        """Seconds to sleep before the storage is asked again; raises `error` when that has gone on for long enough."""
        now = self._monotonic()
        if self._since is None:
            self._since, self._pause = now, _FIRST
            if self._seconds > 0:
                self._note(f"{error.message} Trying again for {self._seconds:.0f} s.")
        left = self._since + self._seconds - now
        if left <= 0:
            raise error
        pause, self._pause = self._pause, min(self._pause * 2, _LONGEST)
        return min(pause * (0.5 + self._chance() / 2), left)

    def answered(self) -> None:
        """The storage does what it is asked; from now on it has all the time again."""
        if self._since is not None:
            self._since = None
            self._note("The state answers again.")


class Greeted:
    """A backend that is asked again while it has not answered a read yet; a Backend.

    From its first answer on every failure passes: whoever writes has patience of its own, and knows what must not be
    done twice.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        note: Callable[[str], None],
        seconds: float = FIRST_PATIENCE,
        monotonic: Callable[[], float] = ticks,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._backend = backend
        self._answered = False
        self._patience = Patience(seconds=seconds, note=note, monotonic=monotonic)
        self._seconds = seconds
        self._monotonic = monotonic
        self._sleep = sleep
        self.append = backend.append
        self.checkpoint = backend.checkpoint
        self.trim = backend.trim
        self.close = backend.close

    def read(self, after: int) -> tuple[tuple[int, bytes] | None, Iterable[tuple[int, bytes]]]:
        """As the port says."""
        began = self._monotonic()
        while True:
            try:
                found = self._backend.read(after)
            except Unreachable as error:
                if self._answered or self._monotonic() - began >= self._seconds:
                    raise
                self._sleep(self._patience.pause(error))
            else:
                self._answered = True
                self._patience.answered()
                return found
