"""Changes that can be taken back: the fold of a batch that may be refused half-way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_ABSENT: Final = object()


class Trial:
    """Remembers how to undo each change of attributes and tables that is made through it."""

    def __init__(self) -> None:
        self._undo: list[tuple[Callable[..., None], Any, Any, Any]] = []

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
            act, owner, key, before = self._undo.pop()
            act(owner, key, before)

    def _keep_all(self) -> None:
        self._undo.clear()

    def _set(self, owner: object, name: str, value: object) -> None:
        self._undo.append((setattr, owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    def _put(self, table: dict[K, V], key: K, value: V) -> None:
        self._undo.append((_restore, table, key, table.get(key, _ABSENT)))
        table[key] = value

    def _drop(self, table: dict[K, V], key: K) -> V | None:
        before = table.pop(key, None)
        if before is not None:
            self._undo.append((_restore, table, key, before))
        return before

    def _include(self, group: set[K], item: K) -> None:
        if item not in group:
            self._undo.append((_exclude, group, item, None))
            group.add(item)


def _restore(table: dict[Any, Any], key: Any, before: Any) -> None:
    if before is _ABSENT:
        del table[key]
    else:
        table[key] = before


def _exclude(group: set[Any], item: Any, _: None) -> None:
    group.discard(item)
