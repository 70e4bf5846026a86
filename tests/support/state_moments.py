"""`killing.py` for what operators do with a whole log: trims, checkpoints, and files that are made are moments too."""

from __future__ import annotations

from typing import Any

import killing


class KilledPlace(killing.KilledBackend):
    """A backend of which everything that changes something is a moment."""

    def checkpoint(self, position: int, snapshot: bytes) -> None:
        self._moments.passes("before checkpoint", position)
        self._inner.checkpoint(position, snapshot)
        self._moments.passes("after checkpoint", position)

    def trim(self, position: int) -> None:
        self._moments.passes("before trim", position)
        self._inner.trim(position)
        self._moments.passes("after trim", position)


def arm(moments: killing.Moments) -> None:
    from reconciler.state.exported import Kept

    ARM(moments)
    for name in ("write", "sync", "finish"):
        setattr(Kept, name, counted(moments, name, getattr(Kept, name)))


def counted(moments: killing.Moments, name: str, act: Any) -> Any:
    def acting(self: Any, *arguments: Any) -> None:
        moments.passes(f"before {name}")
        act(self, *arguments)
        moments.passes(f"after {name}")

    return acting


ARM = killing.arm

if __name__ == "__main__":
    killing.KilledBackend = KilledPlace  # type: ignore[misc]
    killing.arm = arm
    killing.main()
