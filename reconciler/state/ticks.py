"""A clock that nobody sets: how much time has really passed."""

from __future__ import annotations

import sys
import time
from typing import Final

# Linux has two such clocks, and only this one goes on while the machine is suspended; on macOS the other one does.
_CLOCK: Final[int | None] = getattr(time, "CLOCK_BOOTTIME" if sys.platform == "linux" else "CLOCK_MONOTONIC", None)


def ticks() -> float:
    """Seconds since some instant, running on while this process is stopped or the machine is suspended."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)
