"""What is left of a value without some of its parts."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from reconciler.model.values import JSON, Path


class Rest:
    """A copy of a value without what is at the paths in `gone`."""

    __slots__ = ("_kept", "_ways", "data", "gone")

    def __init__(self, value: JSON, gone: Collection[Path]) -> None:
        self.gone = frozenset(gone)
        self._ways = {path[:length] for path in self.gone for length in range(len(path) + 1)}
        self._kept: dict[Path, list[int]] = {}
        self.data: Any = self._of(value, (), ())

    def written(self, path: Path) -> Path:
        """Return where in the whole value that stands which `path` leads to in what is left of it."""
        whole: list[str | int] = []
        for length, step in enumerate(path):
            kept = self._kept.get(path[:length], ())
            whole.append(kept[step] if isinstance(step, int) and step < len(kept) else step)
        return tuple(whole)

    def lost(self, path: Path) -> bool:
        """Whether what is at a path of the whole value was left out, or what it is in."""
        return any(path[:length] in self.gone for length in range(len(path) + 1))

    def lost_some(self, path: Path) -> bool:
        """Whether something was left out at a path of the whole value, or inside of what is there."""
        return path in self._ways

    def _of(self, value: JSON, whole: Path, here: Path) -> JSON:
        if isinstance(value, dict):
            return {
                key: self._of(item, (*whole, key), (*here, key))
                for key, item in value.items()
                if (*whole, key) not in self.gone
            }
        if isinstance(value, list):
            kept = [index for index in range(len(value)) if (*whole, index) not in self.gone]
            if len(kept) < len(value):
                self._kept[here] = kept
            return [self._of(value[index], (*whole, index), (*here, number)) for number, index in enumerate(kept)]
        return value
