"""A storage behind a cable that tests cut: `--state cable:PATH` keeps the log in an SQLite file."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from reconciler.model.errors import Unreachable
from reconciler.state.backends.sqlite import SqliteBackend

Moment = Callable[[bytes], None]


def nothing(batch: bytes) -> None:
    """Let a batch pass."""


class Cable:
    """What happens to every cable of this process: `before` and `after` an append, with its batch; `cut` for all."""

    before: Moment = staticmethod(nothing)
    after: Moment = staticmethod(nothing)
    cut: bool = False


class CableBackend:
    """A Backend over a real one."""

    def __init__(self, path: str, log: str) -> None:
        self._inner = SqliteBackend(path, log)

    def read(self, after: int) -> tuple[tuple[int, bytes] | None, Iterable[tuple[int, bytes]]]:
        self._reach()
        return self._inner.read(after)

    def append(self, position: int, batch: bytes) -> None:
        Cable.before(batch)
        self._reach()
        self._inner.append(position, batch)
        Cable.after(batch)

    def checkpoint(self, position: int, snapshot: bytes) -> None:
        self._inner.checkpoint(position, snapshot)

    def trim(self, position: int) -> None:
        self._inner.trim(position)

    def close(self) -> None:
        self._inner.close()

    def _reach(self) -> None:
        if Cable.cut:
            raise Unreachable("The state at the end of the cable does not answer.", "Look after the cable.")
