"""Changes that can be taken back: the fold of a batch that may be refused half-way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

K = TypeVar("K")
V = TypeVar("V")


class Trial:
    """Remembers how to undo each change of attributes and tables that is made through it."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    @contextmanager
    def trial(self) -> Iterator[None]:
        """Whatever is changed inside is taken back at the end; nothing may be kept for good inside."""
        try:
            yield
        finally:
            self._back_to(0)

    def _mark(self) -> int:
        return len(self._undo)

    def _back_to(self, mark: int) -> None:
        while len(self._undo) > mark:
            self._undo.pop()()

    def _keep_all(self) -> None:
        self._undo.clear()

    def _undoing(self, act: Callable[[], None]) -> None:
        self._undo.append(act)

    def _set(self, owner: object, name: str, value: object) -> None:
        before = getattr(owner, name)
        self._undo.append(lambda: setattr(owner, name, before))
        setattr(owner, name, value)

    def _put(self, table: dict[K, V], key: K, value: V) -> None:
        self._undo.append(_restore(table, key))
        table[key] = value

    def _drop(self, table: dict[K, V], key: K) -> V | None:
        self._undo.append(_restore(table, key))
        return table.pop(key, None)


def _restore(table: dict[K, V], key: K) -> Callable[[], None]:
    held = key in table
    before = table.get(key)

    def undo() -> None:
        if held:
            table[key] = cast("V", before)
        else:
            table.pop(key, None)

    return undo
